//! `kubectl config`.
//!
//! Reference: `kubectl/pkg/cmd/config` of Kubernetes 1.32.

use crate::cx::{Cx, put, say};
use crate::error::{Error, Outcome, fail};
use crate::files::{self, Kubeconfig};
use crate::flags::usage;
use crate::print::Format;
use crate::print::tabwriter::LIST;
use kube::gofmt::quote;
use kube::kubeconfig::{self, Section};
use kube::object::{list, text};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Runs a subcommand of `config`.
///
/// # Errors
/// The command line's, unreadable or unwritable files.
pub async fn run(cx: &Cx) -> Outcome {
    let config = files::load_kubeconfig(&cx.flags)?;
    match cx.command {
        "config view" => view(cx, &config),
        "config current-context" => match current(&config) {
            "" => fail("current-context is not set"),
            name => say(name),
        },
        "config get-contexts" => get_contexts(cx, &config),
        "config get-clusters" => names(&config, Section::Clusters, "NAME"),
        "config get-users" => names(&config, Section::Users, "NAME"),
        "config use-context" => use_context(cx, config),
        "config set-context" => set_context(cx, config),
        "config set-cluster" => set_cluster(cx, config),
        "config set-credentials" => set_credentials(cx, config),
        "config rename-context" => rename(cx, config),
        "config delete-context" => delete(cx, config, Section::Contexts),
        "config delete-cluster" => delete(cx, config, Section::Clusters),
        "config delete-user" => delete(cx, config, Section::Users),
        "config set" => set(cx, config),
        "config unset" => unset(cx, config),
        other => fail(format!(
            "'kubectl {other}' is not supported by this kubectl"
        )),
    }
}

fn current(config: &Kubeconfig) -> &str {
    text(&config.merged, "current-context")
}

fn view(cx: &Cx, config: &Kubeconfig) -> Outcome {
    if !cx.args().is_empty() {
        return usage(
            "config view",
            format!("unexpected arguments: [{}]", cx.args().join(" ")),
        );
    }
    let mut shown = config.merged.clone();
    if cx.bool("minify") {
        shown = kubeconfig::minified(&shown, cx.text("context")).map_err(|e| match e {
            kubeconfig::KubeconfigError::NoContext(name) if name.is_empty() => {
                Error::Message("current-context must exist in order to minify".to_owned())
            }
            other => Error::Message(other.to_string()),
        })?;
    }
    if cx.bool("flatten") {
        flatten(&mut shown)?;
    }
    if !cx.bool("raw") {
        shown = kubeconfig::redacted(&shown);
    }
    match Format::from_flags(cx, false)? {
        Format::Plain => put(&kube::yaml::to_string(&shown)),
        other => put(&other.render(cx, &shown)?),
    }
}

/// Files' contents in the place of their names.
fn flatten(config: &mut Value) -> Outcome {
    for (section, field) in [
        (Section::Clusters, "certificate-authority"),
        (Section::Users, "client-certificate"),
        (Section::Users, "client-key"),
    ] {
        let Some(entries) = config[section.list()].as_array_mut() else {
            continue;
        };
        for entry in entries {
            if let Some(body) = entry[section.body()].as_object_mut() {
                embed(body, field)?;
            }
        }
    }
    Ok(())
}

fn embed(body: &mut Map<String, Value>, field: &str) -> Outcome {
    use base64::Engine as _;
    let Some(path) = body.get(field).and_then(Value::as_str).map(str::to_owned) else {
        return Ok(());
    };
    let bytes = std::fs::read(&path)
        .map_err(|e| Error::Message(format!("open {path}: {}", gowords::errno(&e))))?;
    body.remove(field);
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    body.insert(format!("{field}-data"), Value::from(encoded));
    Ok(())
}

fn get_contexts(cx: &Cx, config: &Kubeconfig) -> Outcome {
    let contexts = list(&config.merged, "contexts");
    let wanted = cx.args();
    let mut errors = Vec::new();
    for name in wanted {
        if kubeconfig::entry(&config.merged, Section::Contexts, name).is_none() {
            errors.push(Error::Message(format!("context {name} not found")));
        }
    }
    let by_name = match cx.text("output") {
        "" => false,
        "name" => true,
        other => {
            return usage(
                "config get-contexts",
                format!("output must be one of '' or 'name': {other}"),
            );
        }
    };
    let mut rows = String::new();
    if !by_name && !cx.bool("no-headers") {
        rows.push_str("CURRENT\tNAME\tCLUSTER\tAUTHINFO\tNAMESPACE\n");
    }
    for context in contexts {
        let name = text(context, "name");
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        if by_name {
            rows.push_str(&format!("{name}\n"));
            continue;
        }
        let mark = if name == current(config) { "*" } else { "" };
        let body = &context["context"];
        rows.push_str(&format!(
            "{mark}\t{name}\t{}\t{}\t{}\n",
            text(body, "cluster"),
            text(body, "user"),
            text(body, "namespace")
        ));
    }
    put(&LIST.format(&rows))?;
    Error::collect(errors)
}

fn names(config: &Kubeconfig, section: Section, head: &str) -> Outcome {
    let all = list(&config.merged, section.list());
    say(head)?;
    for entry in all {
        say(text(entry, "name"))?;
    }
    Ok(())
}

/// The file in which a change is written: the one that has the entry, otherwise
/// the first.
fn home(config: &Kubeconfig, section: Option<(Section, &str)>) -> PathBuf {
    let holds = |value: &Value| match section {
        Some((section, name)) => kubeconfig::entry(value, section, name).is_some(),
        None => !text(value, "current-context").is_empty(),
    };
    let found = config
        .files
        .iter()
        .find(|(_, value)| holds(value))
        .map(|(path, _)| path.clone());
    let existing = config.files.first().map(|(path, _)| path.clone());
    found
        .or(existing)
        .or_else(|| config.paths.first().cloned())
        .unwrap_or_else(|| PathBuf::from("config"))
}

/// Changes one file.
fn change(path: &Path, edit: impl FnOnce(&mut Value) -> Outcome) -> Outcome {
    let mut value = match std::fs::read_to_string(path) {
        Ok(text) => kubeconfig::parse(&path.to_string_lossy(), &text)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => kubeconfig::empty(),
        Err(e) => {
            return fail(format!("open {}: {}", path.display(), gowords::errno(&e)));
        }
    };
    let empty = kubeconfig::empty();
    if let (Some(value), Some(empty)) = (value.as_object_mut(), empty.as_object()) {
        for (field, default) in empty {
            value
                .entry(field.clone())
                .or_insert_with(|| default.clone());
        }
    }
    edit(&mut value)?;
    write(path, &value)
}

/// Writes the whole file anew and only then in the place of the old one; 0600,
/// because it holds keys.
fn write(path: &Path, value: &Value) -> Outcome {
    use std::io::Write as _;
    let directory = path
        .parent()
        .filter(|d| !d.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(kube::yaml::to_string(value).as_bytes())?;
    if let Ok(meta) = std::fs::metadata(path) {
        std::fs::set_permissions(file.path(), meta.permissions())?;
    }
    file.persist(path).map_err(|e| Error::Io(e.error))?;
    Ok(())
}

fn one_arg<'a>(cx: &'a Cx, what: &str) -> Outcome<&'a str> {
    match cx.args() {
        [one] => Ok(one),
        _ => usage(
            cx.command,
            format!("Unexpected args: [{}]{what}", cx.args().join(" ")),
        ),
    }
}

fn use_context(cx: &Cx, config: Kubeconfig) -> Outcome {
    let name = one_arg(cx, "")?;
    if kubeconfig::entry(&config.merged, Section::Contexts, name).is_none() {
        return fail(format!("no context exists with the name: {}", quote(name)));
    }
    change(&home(&config, None), |value| {
        value["current-context"] = Value::from(name);
        Ok(())
    })?;
    say(format!("Switched to context {}.", quote(name)))
}

fn set_context(cx: &Cx, config: Kubeconfig) -> Outcome {
    let name = match cx.args() {
        [] if cx.bool("current") => current(&config).to_owned(),
        [name] if !cx.bool("current") => name.clone(),
        [] => return fail("you must specify a non-empty context name or --current"),
        [_] => return fail("you cannot specify both a context name and --current"),
        other => {
            return usage(
                cx.command,
                format!("Unexpected args: [{}]", other.join(" ")),
            );
        }
    };
    if name.is_empty() {
        return fail("no current context is set");
    }
    let known = kubeconfig::entry(&config.merged, Section::Contexts, &name).cloned();
    let mut body = known
        .clone()
        .unwrap_or_else(|| json!({"cluster": "", "user": ""}));
    for field in ["cluster", "user", "namespace"] {
        if cx.flags.given(field) {
            body[field] = Value::from(cx.text(field));
        }
    }
    change(&home(&config, Some((Section::Contexts, &name))), |value| {
        kubeconfig::set_entry(value, Section::Contexts, &name, body);
        Ok(())
    })?;
    say(format!(
        "Context {} {}.",
        quote(&name),
        if known.is_some() {
            "modified"
        } else {
            "created"
        }
    ))
}

fn set_cluster(cx: &Cx, config: Kubeconfig) -> Outcome {
    let name = one_arg(cx, "")?;
    let known = kubeconfig::entry(&config.merged, Section::Clusters, name).cloned();
    let mut body = known
        .and_then(|b| b.as_object().cloned())
        .unwrap_or_default();
    for field in ["server", "tls-server-name", "proxy-url"] {
        if cx.flags.given(field) {
            body.insert(field.to_owned(), Value::from(cx.text(field)));
        }
    }
    body.entry("server").or_insert_with(|| Value::from(""));
    if cx.flags.given("insecure-skip-tls-verify") {
        let skip = cx.bool("insecure-skip-tls-verify");
        if skip {
            body.remove("certificate-authority");
            body.remove("certificate-authority-data");
            body.insert("insecure-skip-tls-verify".to_owned(), Value::from(true));
        } else {
            body.remove("insecure-skip-tls-verify");
        }
    }
    file_field(cx, &mut body, "certificate-authority")?;
    change(&home(&config, Some((Section::Clusters, name))), |value| {
        kubeconfig::set_entry(value, Section::Clusters, name, Value::Object(body));
        Ok(())
    })?;
    say(format!("Cluster {} set.", quote(name)))
}

/// A flag that names a file: kept as an absolute name, or its content embedded.
fn file_field(cx: &Cx, body: &mut Map<String, Value>, field: &str) -> Outcome {
    if !cx.flags.given(field) {
        return Ok(());
    }
    let path = std::path::absolute(cx.text(field))?;
    body.insert(
        field.to_owned(),
        Value::from(path.to_string_lossy().as_ref()),
    );
    body.remove(&format!("{field}-data"));
    if cx.bool("embed-certs") {
        embed(body, field)?;
    }
    Ok(())
}

fn set_credentials(cx: &Cx, config: Kubeconfig) -> Outcome {
    let name = one_arg(cx, "")?;
    let known = kubeconfig::entry(&config.merged, Section::Users, name).cloned();
    let mut body = known
        .and_then(|b| b.as_object().cloned())
        .unwrap_or_default();
    for field in ["token", "username", "password"] {
        if cx.flags.given(field) {
            body.insert(field.to_owned(), Value::from(cx.text(field)));
        }
    }
    file_field(cx, &mut body, "client-certificate")?;
    file_field(cx, &mut body, "client-key")?;
    change(&home(&config, Some((Section::Users, name))), |value| {
        kubeconfig::set_entry(value, Section::Users, name, Value::Object(body));
        Ok(())
    })?;
    say(format!("User {} set.", quote(name)))
}

fn rename(cx: &Cx, config: Kubeconfig) -> Outcome {
    let [old, new] = cx.args() else {
        return usage(
            cx.command,
            format!("Unexpected args: [{}]", cx.args().join(" ")),
        );
    };
    let path = home(&config, Some((Section::Contexts, old)));
    let Some(body) = kubeconfig::entry(&config.merged, Section::Contexts, old).cloned() else {
        return fail(format!(
            "cannot rename the context {}, it's not in {}",
            quote(old),
            path.display()
        ));
    };
    if kubeconfig::entry(&config.merged, Section::Contexts, new).is_some() {
        return fail(format!(
            "cannot rename the context {}, the context {} already exists in {}",
            quote(old),
            quote(new),
            path.display()
        ));
    }
    change(&path, |value| {
        kubeconfig::remove_entry(value, Section::Contexts, old);
        kubeconfig::set_entry(value, Section::Contexts, new, body);
        if value["current-context"] == *old.as_str() {
            value["current-context"] = Value::from(new.as_str());
        }
        Ok(())
    })?;
    say(format!("Context {} renamed to {}.", quote(old), quote(new)))
}

fn delete(cx: &Cx, config: Kubeconfig, section: Section) -> Outcome {
    let name = one_arg(cx, "")?;
    let path = home(&config, Some((section, name)));
    if kubeconfig::entry(&config.merged, section, name).is_none() {
        return fail(format!(
            "cannot delete {} {name}, not in {}",
            section.body(),
            path.display()
        ));
    }
    if section == Section::Contexts && current(&config) == name {
        eprintln!(
            "warning: this removed your active context, use \"kubectl config use-context\" to select a different one"
        );
    }
    change(&path, |value| {
        kubeconfig::remove_entry(value, section, name);
        Ok(())
    })?;
    say(format!(
        "deleted {} {name} from {}",
        section.body(),
        path.display()
    ))
}

/// `users.admin.token` as the entry and the field in it.
fn steps(path: &str) -> Option<(Section, &str, &str)> {
    for section in [Section::Clusters, Section::Contexts, Section::Users] {
        if let Some(rest) = path
            .strip_prefix(section.list())
            .and_then(|r| r.strip_prefix('.'))
        {
            // Names may hold dots; fields don't.
            return Some(match rest.rsplit_once('.') {
                Some((name, field)) => (section, name, field),
                None => (section, rest, ""),
            });
        }
    }
    None
}

fn set(cx: &Cx, config: Kubeconfig) -> Outcome {
    let [path, new] = cx.args() else {
        return usage(
            cx.command,
            format!("Unexpected args: [{}]", cx.args().join(" ")),
        );
    };
    let new_value = match new.as_str() {
        "true" => Value::from(true),
        "false" => Value::from(false),
        other => Value::from(other),
    };
    if path == "current-context" {
        change(&home(&config, None), |value| {
            value["current-context"] = Value::from(new.as_str());
            Ok(())
        })?;
        return say(format!("Property {} set.", quote(path)));
    }
    let Some((section, name, field)) = steps(path).filter(|(_, _, field)| !field.is_empty()) else {
        return fail(format!("unable to parse path: {path}"));
    };
    change(&home(&config, Some((section, name))), |value| {
        let mut body = kubeconfig::entry(value, section, name)
            .cloned()
            .unwrap_or_else(|| json!({}));
        body[field] = new_value;
        kubeconfig::set_entry(value, section, name, body);
        Ok(())
    })?;
    say(format!("Property {} set.", quote(path)))
}

fn unset(cx: &Cx, config: Kubeconfig) -> Outcome {
    let path = one_arg(cx, "")?;
    if path == "current-context" {
        change(&home(&config, None), |value| {
            value["current-context"] = Value::from("");
            Ok(())
        })?;
        return say(format!("Property {} unset.", quote(path)));
    }
    if let Some(section) = [Section::Clusters, Section::Contexts, Section::Users]
        .into_iter()
        .find(|s| s.list() == path)
    {
        change(&home(&config, None), |value| {
            value[section.list()] = Value::Null;
            Ok(())
        })?;
        return say(format!("Property {} unset.", quote(path)));
    }
    let Some((section, name, field)) = steps(path) else {
        return fail(format!("unable to parse path: {path}"));
    };
    // `users.a.b` may be a whole entry with a dot in its name.
    let whole = if field.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{field}")
    };
    change(&home(&config, Some((section, name))), |value| {
        if kubeconfig::remove_entry(value, section, &whole) {
            return Ok(());
        }
        let Some(mut body) = kubeconfig::entry(value, section, name).cloned() else {
            return fail(format!("current map key `{name}` is invalid"));
        };
        if let Some(map) = body.as_object_mut() {
            map.remove(field);
        }
        kubeconfig::set_entry(value, section, name, body);
        Ok(())
    })?;
    say(format!("Property {} unset.", quote(path)))
}
