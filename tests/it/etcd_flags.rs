//! Every flag of the reference's `etcd`, its variable and its key in the configuration
//! file, given to both sides with a value that is wrong for most of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::etcdctl_side_by_side::side::Side;

/// Flags that the reference knows and does not tell in its help.
const UNTOLD: &[&str] = &["experimental-snapshot-catchup-entries"];

/// Keys of the file that are called otherwise than their flags.
const KEYS: &[&str] = &[
    "client-transport-security",
    "peer-transport-security",
    "socket-options",
    "experimental-snapshot-catch-up-entries",
];

/// Keys within the sections of the file.
const SECTIONS: &[(&str, &[&str])] = &[
    ("client-transport-security", SECURITY),
    ("peer-transport-security", SECURITY),
    (
        "socket-options",
        &["reuse-port", "reuse-address", "nonsense"],
    ),
];

const SECURITY: &[&str] = &[
    "cert-file",
    "key-file",
    "client-cert-file",
    "client-key-file",
    "client-cert-auth",
    "trusted-ca-file",
    "auto-tls",
    "allowed-cn",
    "allowed-hostname",
    "crl-file",
    "nonsense",
];

/// A name that nobody knows: what is compared must be able to differ.
const NONSENSE: &str = "nonsense";

/// No number, no duration, no URL; a text like any other.
const WRONG: &str = "!";

/// Stops a server that has read its flags and begins to check them.
const STOPPER: &str = "auto-compaction-mode";

/// Every value is read as text first, so this is wrong for all of them but sections.
const NESTED: &str = "{a: {b: c}}";

fn etcd(side: Side, words: &[String], variable: Option<(&str, &str)>) -> Output {
    let mut command = side.program("etcd");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCD_") {
            command.env_remove(name);
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    command.args(words).envs(variable).current_dir(dir.path());
    command.output().expect("etcd runs")
}

fn names() -> BTreeSet<String> {
    let help = etcd(Side::Theirs, &["--help".into()], None);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    let told = text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("--")?;
        let end = |c: char| c != '-' && !c.is_ascii_alphanumeric();
        Some(rest.split(end).next().unwrap_or_default().to_owned())
    });
    let names: BTreeSet<String> = told
        .chain(UNTOLD.iter().map(|name| (*name).to_owned()))
        .filter(|name| !matches!(name.as_str(), "" | "help" | "version"))
        .collect();
    assert!(names.len() > 100, "only {} flags in the help", names.len());
    names
}

/// What a line of the log is about, as far as both sides say the same.
type Note = (String, Option<String>, Option<String>);

fn notes(output: &Output) -> Vec<Note> {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| Some(line.get(name)?.as_str()?.to_owned());
        let about_variables = line
            .get("environment-variable")
            .or(line.get("variable-name"));
        let error = field("error");
        (error.is_some() || about_variables.is_some()).then(|| {
            let about = field("variable-name").or_else(|| field("environment-variable"));
            (field("msg").unwrap_or_default(), about, error)
        })
    });
    lines.collect()
}

fn first_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().next().unwrap_or_default().to_owned()
}

fn fail(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The flags are read before the version is told.
#[test]
fn every_flag_is_known_and_read_alike() {
    let mut differences = Vec::new();
    let mut refused = 0;
    for name in names().iter().map(String::as_str).chain([NONSENSE]) {
        let words = [format!("--{name}={WRONG}"), "--version".to_owned()];
        let [theirs, ours] = [Side::Theirs, Side::Ours].map(|side| {
            let output = etcd(side, &words, None);
            (output.status.code(), first_line(&output))
        });
        refused += i32::from(theirs.0 != Some(0));
        if theirs != ours {
            differences.push(format!("--{name}: theirs {theirs:?}, ours {ours:?}"));
        }
    }
    assert!(refused > 20, "{refused} values were wrong");
    fail(&differences);
}

/// Ours may refuse what it can't do, if it says so by the flag's name.
fn refused_by_name(name: &str, ours: &(Option<i32>, Vec<Note>)) -> bool {
    let start = format!("--{name}=\"{WRONG}\" is not supported by this server: ");
    ours.0 == Some(1)
        && ours.1.last().is_some_and(|(_, _, error)| {
            let reason = error.as_deref().and_then(|text| text.strip_prefix(&start));
            reason.is_some_and(|reason| !reason.is_empty())
        })
}

#[test]
fn every_variable_is_known_and_read_alike() {
    let mut differences = Vec::new();
    for name in names().iter().map(String::as_str).chain([NONSENSE]) {
        let variable = format!("ETCD_{}", name.to_uppercase().replace('-', "_"));
        let words: Vec<String> = (name != STOPPER)
            .then(|| format!("--{STOPPER}={WRONG}"))
            .into_iter()
            .collect();
        let [theirs, ours] = [Side::Theirs, Side::Ours].map(|side| {
            let output = etcd(side, &words, Some((&variable, WRONG)));
            (output.status.code(), notes(&output))
        });
        // The reference has no log without a level, and panics.
        let panics = name == "log-level" && theirs.0 == Some(2);
        let same = theirs == ours || panics && ours.0 == Some(1);
        if !same && !refused_by_name(name, &ours) {
            differences.push(format!("{variable}: theirs {theirs:?}, ours {ours:?}"));
        }
    }
    fail(&differences);
}

/// Whether a file with this text is refused for a value of the wrong type, which a key
/// that is not known never has.
fn knows(side: Side, dir: &Path, text: &str) -> Result<bool, String> {
    let file = dir.join("conf.yaml");
    fs::write(&file, text).expect("a file");
    let words = ["--config-file".to_owned(), file.display().to_string()];
    let output = etcd(side, &words, None);
    let notes = notes(&output);
    let error = notes.iter().find_map(|(_, _, error)| error.clone());
    match (output.status.code(), error) {
        (Some(1), Some(error)) if error.contains("cannot unmarshal") => Ok(true),
        (Some(1), Some(error)) if error.contains(STOPPER) => Ok(false),
        other => Err(format!("{other:?}: {}", first_line(&output))),
    }
}

#[test]
fn every_key_of_the_file_is_known() {
    let dir = tempfile::tempdir().expect("a directory");
    let top = names();
    let top = top.iter().map(String::as_str);
    let sections = KEYS.iter().take(3).map(|key| (*key, "text"));
    let mut texts: Vec<String> = top
        .chain(KEYS.iter().copied().skip(3))
        .chain([NONSENSE])
        .map(|key| (key, NESTED))
        .chain(sections)
        .map(|(key, value)| format!("{key}: {value}\n"))
        .collect();
    for (section, keys) in SECTIONS {
        texts.extend(
            keys.iter()
                .map(|key| format!("{section}:\n  {key}: {NESTED}\n")),
        );
    }
    let mut differences = Vec::new();
    let mut known = 0;
    for text in &texts {
        let with_stopper = match text.starts_with(STOPPER) {
            true => text.clone(),
            false => format!("{text}{STOPPER}: {WRONG:?}\n"),
        };
        let [theirs, ours] =
            [Side::Theirs, Side::Ours].map(|side| knows(side, dir.path(), &with_stopper));
        known += i32::from(theirs == Ok(true));
        if theirs != ours || theirs.is_err() {
            differences.push(format!("{text:?}: theirs {theirs:?}, ours {ours:?}"));
        }
    }
    assert!(known > 80, "{known} keys are known");
    fail(&differences);
}
