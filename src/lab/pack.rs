//! Exam packs: labs under one clock, each with its weight. A pack is a file
//! `packs/NAME.toml` beside its labs' folders.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    diagnostic::nearest,
    parse::{LoadError, load, read_file},
    read::{Fields, Reader, list},
};

/// The domains of the official curriculum of the CKA.
pub const DOMAINS: [&str; 5] = [
    "troubleshooting",
    "cluster-architecture",
    "services-networking",
    "workloads",
    "storage",
];

/// An exam.
#[derive(Debug, Clone)]
pub struct Pack {
    /// The file that it was read from.
    pub file: PathBuf,
    /// The file's name without its ending.
    pub id: String,
    pub title: String,
    /// What the learner reads first. Empty means nothing.
    pub intro: String,
    /// The clock.
    pub minutes: u32,
    /// Percent that pass.
    pub pass: u32,
    /// Never empty. The weights' sum is 100.
    pub items: Vec<Item>,
}

/// A lab of a pack.
#[derive(Debug, Clone)]
pub struct Item {
    /// The lab's id.
    pub lab: String,
    /// The lab's folder.
    pub dir: PathBuf,
    pub title: String,
    /// Those of its tasks that are asked, at least one.
    pub tasks: Vec<String>,
    /// Percent of the exam.
    pub weight: u32,
    /// The official competency that it counts for, as `domain/topic`.
    pub competency: String,
}

/// Reads the pack in `file`, and its labs far enough to know that they can be asked.
///
/// # Errors
/// Every mistake in the file at once, or that there is no such file.
pub fn load_pack(file: &Path) -> Result<Pack, LoadError> {
    let text = fs::read_to_string(file).map_err(|source| LoadError::Missing {
        path: file.to_owned(),
        source,
    })?;
    read_file(&file.display().to_string(), &text, |reader, top| {
        read(reader, top, file)
    })
}

fn read(reader: &mut Reader, mut top: Fields<'_>, file: &Path) -> Pack {
    let mut pack = Pack {
        file: file.to_owned(),
        id: String::new(),
        title: String::new(),
        intro: String::new(),
        minutes: 0,
        pass: 0,
        items: Vec::new(),
    };
    match top.table(reader, "pack") {
        Some(head) => read_head(reader, head, &mut pack),
        None if top.has("pack") => {}
        None => {
            let message = "the file has no [pack] table";
            let label = "expected [pack] with `id` and `title`";
            reader
                .diagnostics
                .add("lab::missing-key", 0..0, message, label);
        }
    }
    let items = top.tables(reader, "item");
    if items.is_empty() {
        let message = "the pack has no [[item]]";
        let label = "expected one for each lab";
        reader
            .diagnostics
            .add("lab::missing-key", 0..0, message, label);
    }
    let place = items.first().map_or(0..0, Fields::span);
    for fields in items {
        let item = read_item(reader, fields, &pack);
        pack.items.push(item);
    }
    let sum: u32 = pack.items.iter().map(|item| item.weight).sum();
    if sum != 100 && !pack.items.is_empty() {
        let message = format!("the weights' sum is {sum}");
        reader
            .diagnostics
            .add("lab::weights", place, message, "expected 100");
    }
    top.finish(reader);
    pack
}

fn read_head(reader: &mut Reader, mut head: Fields<'_>, pack: &mut Pack) {
    pack.id = head.required_text(reader, "id");
    pack.title = head.required_text(reader, "title");
    pack.intro = head.text(reader, "intro").unwrap_or_default();
    pack.minutes = head.integer(reader, "minutes", 1..=600).unwrap_or(120) as u32;
    pack.pass = head.integer(reader, "pass", 1..=100).unwrap_or(66) as u32;
    let stem = pack.file.file_stem().unwrap_or_default().to_string_lossy();
    if !pack.id.is_empty() && pack.id != stem {
        reader.diagnostics.add(
            "lab::id",
            head.span_of("id"),
            "the pack's id is not the name of its file",
            format!("expected `{stem}`"),
        );
    }
    head.finish(reader);
}

fn read_item(reader: &mut Reader, mut fields: Fields<'_>, pack: &Pack) -> Item {
    let mut item = Item {
        lab: fields.required_text(reader, "lab"),
        dir: PathBuf::new(),
        title: String::new(),
        tasks: fields.texts(reader, "tasks").unwrap_or_default(),
        weight: 0,
        competency: fields.required_text(reader, "competency"),
    };
    if fields.has("weight") {
        item.weight = fields.integer(reader, "weight", 1..=100).unwrap_or(0) as u32;
    } else {
        // It is read so that it is known as a key.
        let _ = fields.integer(reader, "weight", 1..=100);
        let message = "[[item]] has no `weight`";
        let label = "expected `weight`: percent of the exam";
        reader
            .diagnostics
            .add("lab::missing-key", fields.span(), message, label);
    }
    let domain = item.competency.split('/').next().unwrap_or_default();
    if !item.competency.is_empty() && !DOMAINS.contains(&domain) {
        reader.diagnostics.add(
            "lab::competency",
            fields.span_of("competency"),
            format!("the CKA has no domain `{domain}`"),
            format!("expected `domain/topic` with one of {}", list(&DOMAINS)),
        );
    }
    if pack.items.iter().any(|other| other.lab == item.lab) {
        reader.diagnostics.add(
            "lab::duplicate-id",
            fields.span_of("lab"),
            format!("the lab `{}` is asked twice", item.lab),
            "expected each lab once",
        );
    }
    if !item.lab.is_empty() {
        find_lab(reader, &fields, pack, &mut item);
    }
    fields.finish(reader);
    item
}

/// Finds the item's lab beside the pack's folder, and its tasks in it.
fn find_lab(reader: &mut Reader, fields: &Fields<'_>, pack: &Pack, item: &mut Item) {
    let shelf = pack.file.parent().and_then(Path::parent);
    let shelf = shelf.unwrap_or_else(|| Path::new(".."));
    item.dir = shelf.join(&item.lab);
    let lab = match load(&item.dir, 0) {
        Ok(lab) => lab,
        Err(LoadError::Missing { .. }) => {
            let names = lab_names(shelf);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let label = match nearest(&item.lab, &names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("expected the name of a folder in {}", shelf.display()),
            };
            let message = format!("there is no lab `{}`", item.lab);
            let span = fields.span_of("lab");
            reader
                .diagnostics
                .add("lab::unknown-lab", span, message, label);
            return;
        }
        Err(error) => {
            let message = format!("the lab `{}` can't be used", item.lab);
            let span = fields.span_of("lab");
            let label = error.to_string();
            reader
                .diagnostics
                .add("lab::broken-lab", span, message, label);
            return;
        }
    };
    item.title.clone_from(&lab.title);
    let known: Vec<&str> = lab.tasks.iter().map(|task| task.id.as_str()).collect();
    for task in &item.tasks {
        if !known.contains(&task.as_str()) {
            reader.diagnostics.add(
                "lab::unknown-task",
                fields.span_of("tasks"),
                format!("the lab `{}` has no task `{task}`", item.lab),
                format!("expected one of {}", list(&known)),
            );
        }
    }
    if item.tasks.is_empty() {
        item.tasks = known.iter().map(|id| (*id).to_owned()).collect();
    }
    if !item.competency.is_empty() && !lab.competencies.contains(&item.competency) {
        let known: Vec<&str> = lab.competencies.iter().map(String::as_str).collect();
        reader.diagnostics.add(
            "lab::competency",
            fields.span_of("competency"),
            format!(
                "the lab `{}` does not train `{}`",
                item.lab, item.competency
            ),
            format!("expected one of {}", list(&known)),
        );
    }
}

fn lab_names(shelf: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(shelf)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("lab.toml").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Values of labs' variables by lab and name.
pub type Given = BTreeMap<String, BTreeMap<String, String>>;
