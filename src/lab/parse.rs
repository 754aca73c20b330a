//! From `lab.toml` to a [`Lab`].

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use toml_edit::{Document, Item};

use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    fault,
    model::{Cluster, Hint, Lab, Script, Setup, Task, Until, Wrong},
    parse_check, parse_cluster,
    read::{Fields, Reader, string_array},
    vars::{self, Domain},
};

/// Why a lab can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("there is no lab at {}: {source}", path.display())]
    Missing { path: PathBuf, source: io::Error },
    /// Never empty.
    #[error("{} {} in {}", .0.len(), if .0.len() == 1 { "mistake" } else { "mistakes" }, .0.first().map_or("", |first| first.file()))]
    Mistakes(Vec<Diagnostic>),
}

/// Reads the lab in `dir` and draws its values from `seed`.
///
/// # Errors
/// Every mistake in the file at once, or that there is no such file.
pub fn load(dir: &Path, seed: u64) -> Result<Lab, LoadError> {
    load_with(dir, seed, &BTreeMap::new())
}

/// Like [`load`], with values of some variables given instead of drawn.
///
/// # Errors
/// See [`load`].
pub fn load_with(
    dir: &Path,
    seed: u64,
    given: &BTreeMap<String, String>,
) -> Result<Lab, LoadError> {
    let path = dir.join("lab.toml");
    let text = fs::read_to_string(&path).map_err(|source| LoadError::Missing {
        path: path.clone(),
        source,
    })?;
    parse(dir, &path.display().to_string(), &text, seed, given)
}

/// Like [`load`], with the file's text at hand; scripts are still read from `dir`.
///
/// # Errors
/// See [`load`].
pub fn parse(
    dir: &Path,
    file: &str,
    text: &str,
    seed: u64,
    given: &BTreeMap<String, String>,
) -> Result<Lab, LoadError> {
    read_file(file, text, |reader, top| {
        read_lab(reader, top, dir, seed, given)
    })
}

/// Reads a file with `read`, from its topmost table.
///
/// # Errors
/// Every mistake that was found, at once.
pub(crate) fn read_file<T>(
    file: &str,
    text: &str,
    read: impl FnOnce(&mut Reader, Fields<'_>) -> T,
) -> Result<T, LoadError> {
    let mut diagnostics = Diagnostics::new(file, text);
    let document = match Document::parse(text.to_owned()) {
        Ok(document) => document,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            diagnostics.add("lab::syntax", span, "this is not TOML", error.message());
            return Err(LoadError::Mistakes(diagnostics.into_sorted()));
        }
    };
    let mut reader = Reader::new(diagnostics);
    let top = Fields::new(document.as_table(), "the file", 0..0);
    let value = read(&mut reader, top);
    let found = reader.diagnostics.into_sorted();
    if found.is_empty() {
        Ok(value)
    } else {
        Err(LoadError::Mistakes(found))
    }
}

fn read_lab(
    reader: &mut Reader,
    mut top: Fields<'_>,
    dir: &Path,
    seed: u64,
    given: &BTreeMap<String, String>,
) -> Lab {
    let mut head = top.table(reader, "lab");
    if head.is_none() && !top.has("lab") {
        reader.diagnostics.add(
            "lab::missing-key",
            0..0,
            "the file has no [lab] table",
            "expected [lab] with `id` and `title`",
        );
    }
    // The variables come first: everything else may use them.
    let id = head
        .as_mut()
        .map(|head| head.required_text(reader, "id"))
        .unwrap_or_default();
    let mut vars = read_vars(reader, &mut top, &id, seed);
    for (name, value) in given {
        let known: Vec<&str> = vars.keys().map(String::as_str).collect();
        let label = match known.is_empty() {
            true => "it has none".to_owned(),
            false => format!("it has {}", known.join(", ")),
        };
        if vars.insert(name.clone(), value.clone()).is_none() {
            let message = format!("the lab has no variable `{name}` to be given");
            reader
                .diagnostics
                .add("lab::variable", 0..0, message, label);
        }
    }
    reader.set_vars(&vars);
    let mut lab = Lab {
        dir: dir.to_owned(),
        id,
        title: String::new(),
        intro: String::new(),
        review: String::new(),
        minutes: 0,
        competencies: Vec::new(),
        cluster: Cluster::default(),
        seed,
        vars,
        given: given.clone(),
        faults: Vec::new(),
        setup: Vec::new(),
        tasks: Vec::new(),
        solutions: Vec::new(),
        wrong: Vec::new(),
    };
    if let Some(head) = head {
        read_head(reader, head, &mut lab);
    }
    if let Some(cluster) = top.table(reader, "cluster") {
        lab.cluster = parse_cluster::read(reader, cluster);
    }
    let nodes = lab.cluster.node_names();
    for fields in top.tables(reader, "setup") {
        let setup = read_setup(reader, fields, &nodes, lab.cluster);
        lab.setup.push(setup);
    }
    for mut fields in top.tables(reader, "fault") {
        let node = read_node(reader, &mut fields, &nodes);
        lab.faults.extend(fault::read(reader, fields, node));
    }
    let tasks = top.tables(reader, "task");
    if tasks.is_empty() && !top.has("task") {
        reader.diagnostics.add(
            "lab::missing-key",
            0..0,
            "the lab has no [[task]]",
            "expected one",
        );
    }
    for fields in tasks {
        let task = read_task(reader, fields, &nodes, lab.cluster, &lab.tasks);
        lab.tasks.push(task);
    }
    for fields in top.tables(reader, "solution") {
        let (script, rest) = read_script(reader, fields, dir, &lab.vars);
        rest.finish(reader);
        lab.solutions.push(script);
    }
    for fields in top.tables(reader, "wrong") {
        let wrong = read_wrong(reader, fields, dir, &lab);
        lab.wrong.push(wrong);
    }
    top.finish(reader);
    lab
}

fn read_head(reader: &mut Reader, mut head: Fields<'_>, lab: &mut Lab) {
    lab.title = head.required_text(reader, "title");
    lab.intro = head.text(reader, "intro").unwrap_or_default();
    lab.review = head.text(reader, "review").unwrap_or_default();
    lab.minutes = head.integer(reader, "minutes", 1..=600).unwrap_or(15) as u32;
    lab.competencies = head.texts(reader, "competencies").unwrap_or_default();
    let folder = lab
        .dir
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !lab.id.is_empty() && !folder.is_empty() && lab.id != folder {
        reader.diagnostics.add(
            "lab::id",
            head.span_of("id"),
            "the lab's id is not the name of its folder",
            format!("expected `{folder}`"),
        );
    }
    head.finish(reader);
}

fn read_vars(
    reader: &mut Reader,
    top: &mut Fields<'_>,
    lab: &str,
    seed: u64,
) -> BTreeMap<String, String> {
    let mut drawn = BTreeMap::new();
    let Some(vars) = top.table(reader, "vars") else {
        return drawn;
    };
    for (name, item, span) in vars.entries() {
        if let Some(domain) = read_domain(reader, name, item, span) {
            drawn.insert(name.to_owned(), vars::draw(seed, lab, name, &domain));
        } else {
            // A stand-in keeps one mistake from being reported at every use.
            drawn.insert(name.to_owned(), String::new());
        }
    }
    drawn
}

fn read_domain(reader: &mut Reader, name: &str, item: &Item, span: Range<usize>) -> Option<Domain> {
    let expected =
        "expected a string, { pick = [\"…\", …] }, { number = [from, to] } or { word = length }";
    let table = item.as_table_like();
    let domain = match table.and_then(|table| table.iter().next()) {
        None => item
            .as_str()
            .map(|text| Domain::Pick(vec![text.to_owned()])),
        Some((kind, item)) if table.is_some_and(|table| table.len() == 1) => match kind {
            "pick" => item
                .as_value()
                .and_then(string_array)
                .filter(|words| !words.is_empty())
                .map(|words| Domain::Pick(words.into_iter().map(str::to_owned).collect())),
            "number" => item
                .as_array()
                .filter(|array| array.len() == 2)
                .and_then(|array| {
                    let from = array.get(0)?.as_integer()?;
                    let to = array.get(1)?.as_integer()?;
                    (from <= to).then_some(Domain::Number(from, to))
                }),
            "word" => item
                .as_integer()
                .filter(|length| (1..=63).contains(length))
                .map(|length| Domain::Word(length as u32)),
            _ => None,
        },
        Some(_) => None,
    };
    if domain.is_none() {
        let message = format!("the variable `{name}` says not what it may be");
        reader
            .diagnostics
            .add("lab::variable", span, message, expected);
    }
    domain
}

fn read_setup(
    reader: &mut Reader,
    mut fields: Fields<'_>,
    nodes: &[String],
    cluster: Cluster,
) -> Setup {
    let run = fields.required_text(reader, "run");
    let node = read_node(reader, &mut fields, nodes);
    let until = fields.table(reader, "until").map(|mut until| {
        let read = Until {
            object: until.required_text(reader, "object"),
            namespace: until
                .text(reader, "namespace")
                .unwrap_or_else(|| "default".into()),
            condition: until.required_text(reader, "condition"),
        };
        until.finish(reader);
        read
    });
    if until.is_some() && cluster.control_planes == 0 {
        reader.diagnostics.add(
            "lab::no-api",
            fields.span_of("until"),
            "`until` waits for an object, but the lab has no API server",
            "expected a control plane in [cluster], or a wait in the script",
        );
    }
    fields.finish(reader);
    Setup { node, run, until }
}

/// The `node` of a table: the lab's first if it names none.
fn read_node(reader: &mut Reader, fields: &mut Fields<'_>, nodes: &[String]) -> String {
    let Some(node) = fields.text(reader, "node") else {
        return nodes.first().cloned().unwrap_or_default();
    };
    if !nodes.contains(&node) {
        reader.diagnostics.add(
            "lab::unknown-node",
            fields.span_of("node"),
            format!("the cluster has no node `{node}`"),
            format!("expected one of {}", nodes.join(", ")),
        );
    }
    node
}

fn read_task(
    reader: &mut Reader,
    mut fields: Fields<'_>,
    nodes: &[String],
    cluster: Cluster,
    earlier: &[Task],
) -> Task {
    let id = fields.required_text(reader, "id");
    if !id.is_empty() && earlier.iter().any(|task| task.id == id) {
        reader.diagnostics.add(
            "lab::duplicate-id",
            fields.span_of("id"),
            format!("two tasks have the id `{id}`"),
            "expected an id that no other task has",
        );
    }
    let points = fields.integer(reader, "points", 1..=100).unwrap_or(1) as u32;
    let node = read_node(reader, &mut fields, nodes);
    let text = fields.required_text(reader, "text");
    let mut hints = Vec::new();
    for mut hint in fields.tables(reader, "hints") {
        hints.push(Hint {
            cost: hint.integer(reader, "cost", 0..=100).unwrap_or(0) as u32,
            text: hint.required_text(reader, "text"),
        });
        hint.finish(reader);
    }
    let mut checks = Vec::new();
    let span = fields.span();
    for check in fields.tables(reader, "check") {
        if let Some(check) = parse_check::read(reader, check, &node, cluster) {
            checks.push(check);
        }
    }
    if !fields.has("check") {
        let message = format!("the task `{id}` has no [[task.check]]");
        reader
            .diagnostics
            .add("lab::missing-key", span, message, "nothing would be graded");
    }
    fields.finish(reader);
    Task {
        id,
        points,
        node,
        text,
        hints,
        checks,
    }
}

/// Reads `script` and `title`; the caller reads what else there is and finishes.
fn read_script<'a>(
    reader: &mut Reader,
    mut fields: Fields<'a>,
    dir: &Path,
    vars: &BTreeMap<String, String>,
) -> (Script, Fields<'a>) {
    let file = fields.required_text(reader, "script");
    let title = fields.text(reader, "title").unwrap_or_else(|| file.clone());
    let outside = Path::new(&file).components().any(|part| {
        !matches!(
            part,
            std::path::Component::Normal(_) | std::path::Component::CurDir
        )
    });
    let mut text = String::new();
    if outside {
        let message = format!("the script `{file}` lies outside the lab");
        let label = "expected a path below the lab's folder";
        reader
            .diagnostics
            .add("lab::script", fields.span_of("script"), message, label);
    } else if !file.is_empty() {
        match fs::read_to_string(dir.join(&file)) {
            Ok(read) => text = read,
            Err(error) => {
                let message = format!("the script `{file}` can't be read");
                let span = fields.span_of("script");
                reader
                    .diagnostics
                    .add("lab::script", span, message, error.to_string());
            }
        }
    }
    let given = read_given(reader, &mut fields, vars);
    let script = Script {
        file,
        title,
        text,
        changed: false,
        given,
    };
    (script, fields)
}

/// The table `with`: values of variables that a script is for.
fn read_given(
    reader: &mut Reader,
    fields: &mut Fields<'_>,
    vars: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut given = BTreeMap::new();
    let Some(with) = fields.table(reader, "with") else {
        return given;
    };
    for (name, item, span) in with.entries() {
        match item.as_str() {
            Some(value) if vars.contains_key(name) => {
                given.insert(name.to_owned(), value.to_owned());
            }
            _ => {
                let message = format!("`with` gives no value to a variable by `{name}`");
                let label = "expected a name of [vars] and a string";
                reader
                    .diagnostics
                    .add("lab::variable", span, message, label);
            }
        }
    }
    given
}

/// The tables `changes`: what is another text in a wrong turn than in the script, a solution
/// most often.
fn read_changes(reader: &mut Reader, fields: &mut Fields<'_>, script: &mut Script) {
    for mut change in fields.tables(reader, "changes") {
        let text = change.required_text(reader, "text");
        let becomes = change.text(reader, "becomes").unwrap_or_default();
        // A script that can't be read has been reported.
        let is_there = !text.is_empty() && script.text.contains(&text);
        if !script.text.is_empty() && !is_there {
            let message = format!("the script `{}` does not hold `{text}`", script.file);
            let label = "expected a text of the script";
            let span = change.span_of("text");
            reader.diagnostics.add("lab::change", span, message, label);
        }
        if is_there {
            script.text = script.text.replace(&text, &becomes);
        }
        script.changed = true;
        change.finish(reader);
    }
}

fn read_wrong(reader: &mut Reader, fields: Fields<'_>, dir: &Path, lab: &Lab) -> Wrong {
    let tasks = &lab.tasks;
    let (mut script, mut fields) = read_script(reader, fields, dir, &lab.vars);
    read_changes(reader, &mut fields, &mut script);
    let loses = fields.texts(reader, "loses").unwrap_or_default();
    if loses.is_empty() {
        reader.diagnostics.add(
            "lab::wrong-turn",
            fields.span_of("loses"),
            "a wrong turn that loses nothing is none",
            "expected `loses = [\"task-id\", …]`",
        );
    }
    for id in &loses {
        if !tasks.iter().any(|task| task.id == *id) {
            let known: Vec<_> = tasks.iter().map(|task| task.id.as_str()).collect();
            let label = match known.is_empty() {
                true => "the lab has no tasks".to_owned(),
                false => format!("expected one of {}", known.join(", ")),
            };
            let message = format!("the lab has no task `{id}`");
            let span = fields.span_of("loses");
            reader
                .diagnostics
                .add("lab::unknown-task", span, message, label);
        }
    }
    let says = fields.text(reader, "says").unwrap_or_default();
    fields.finish(reader);
    Wrong {
        script,
        loses,
        says,
    }
}
