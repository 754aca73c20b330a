//! The table of commands: names, aliases, flags, one line about each.

mod examples;
pub mod help;
mod meaning;
mod table;

use crate::error::{Error, Outcome};
use help::{group, overview};
use std::fmt::Write as _;
use table::COMMANDS;

/// A command or a group of them.
#[derive(Debug)]
pub struct Command {
    /// Its words after `kubectl`.
    pub path: &'static str,
    /// Other names for the last word.
    pub aliases: &'static [&'static str],
    /// Its flags; see [`crate::flags`].
    pub flags: &'static str,
    /// How it is called, after its words.
    pub usage: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// Verbs of Google's kubectl that this one refuses by name, with the reason.
const REFUSED: &[(&str, &str)] = &[
    (
        "attach",
        "the API server here has no attach subresource for simulated containers",
    ),
    ("cp", "copy with 'kubectl exec POD -- cat FILE' instead"),
    ("debug", "ephemeral containers are not run here"),
    ("kustomize", "kustomizations are not built here"),
    ("plugin", "plugins are not searched for"),
    ("port-forward", "ports of Pods are not forwarded here"),
    ("proxy", "use 'kubectl get --raw PATH' instead"),
    ("alpha", "there are no alpha commands"),
    (
        "auth reconcile",
        "use 'kubectl apply -f FILE' for roles and bindings",
    ),
    (
        "cluster-info dump",
        "use 'kubectl get' and 'kubectl logs' for what is wanted",
    ),
];

/// The refusal of a command, where it is one that is refused.
fn refused(path: &str) -> Outcome {
    match REFUSED.iter().find(|(name, _)| *name == path) {
        Some((name, why)) => Err(Error::Message(format!(
            "'kubectl {name}' is not supported by this kubectl: {why}"
        ))),
        None => Ok(()),
    }
}

/// What the command line's words lead to.
pub enum Found {
    /// A command and the words that are left.
    Command(&'static Command, Vec<String>),
    /// Text to print, and success.
    Help(String),
    /// Text to print, and failure.
    HelpAndFail(String),
}

/// Global flags whose value is the next word.
fn takes_value(word: &str) -> bool {
    matches!(
        word,
        "-n" | "-s"
            | "-v"
            | "--namespace"
            | "--server"
            | "--context"
            | "--cluster"
            | "--user"
            | "--kubeconfig"
            | "--token"
            | "--as"
            | "--as-group"
            | "--as-uid"
            | "--certificate-authority"
            | "--client-certificate"
            | "--client-key"
            | "--tls-server-name"
            | "--request-timeout"
            | "--cache-dir"
            | "--username"
            | "--password"
            | "--vmodule"
            | "--profile"
            | "--profile-output"
            | "--log-flush-frequency"
    )
}

/// The place of the first word that is neither a flag nor a flag's value.
pub fn first_word(words: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return None;
        }
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if takes_value(word) { 2 } else { 1 };
    }
    None
}

/// The command that the words name, and the words that are left; no command where the
/// first word names none.
pub fn walk(words: &[String]) -> (Option<&'static Command>, Vec<String>) {
    let mut rest = words.to_vec();
    let mut found: Option<&'static Command> = None;
    while let Some(at) = first_word(&rest) {
        let path = found.map_or("", |command| command.path);
        let child = children(path)
            .find(|(name, c)| *name == rest[at] || c.aliases.contains(&rest[at].as_str()));
        let Some((_, child)) = child else { break };
        found = Some(child);
        rest.remove(at);
        if children(child.path).next().is_none() {
            break;
        }
    }
    (found, rest)
}

/// The commands of a group, by their last words; of the program where the group is empty.
pub fn children(parent: &str) -> impl Iterator<Item = (&'static str, &'static Command)> + '_ {
    COMMANDS.iter().filter_map(move |c| {
        let rest = if parent.is_empty() {
            c.path
        } else {
            c.path.strip_prefix(parent)?.strip_prefix(' ')?
        };
        (!rest.contains(' ')).then_some((rest, c))
    })
}

/// Finds the command that the words name.
///
/// # Errors
/// There is no such command, or it is one that is refused.
pub fn find(words: &[String]) -> Outcome<Found> {
    if let Some(at) = first_word(words)
        && words[at] == "help"
    {
        let mut words = words.to_vec();
        words.remove(at);
        words.push("--help".to_owned());
        return match first_word(&words) {
            Some(_) => find(&words),
            None => Ok(Found::Help(overview())),
        };
    }
    let (found, rest) = walk(words);
    let Some(found) = found else {
        return top_level(&rest);
    };
    // `create` and `apply` are groups and commands at once.
    let path = found.path;
    if let Some(at) = first_word(&rest) {
        refused(&format!("{path} {}", rest[at]))?;
    }
    let group_only =
        children(path).next().is_some() && !matches!(path, "create" | "apply" | "cluster-info");
    if group_only {
        let helped = rest.iter().any(|w| w == "-h" || w == "--help");
        return match first_word(&rest) {
            Some(at) if !helped => Err(Error::Message(format!(
                "unknown command {}\nSee 'kubectl {path} -h' for help and examples",
                kube::gofmt::quote(&rest[at..].join(" "))
            ))),
            _ if helped => Ok(Found::Help(group(found))),
            _ => Ok(Found::HelpAndFail(group(found))),
        };
    }
    Ok(Found::Command(found, rest))
}

fn top_level(rest: &[String]) -> Outcome<Found> {
    let Some(at) = first_word(rest) else {
        let unknown = rest
            .iter()
            .find(|w| w.starts_with('-') && !matches!(w.as_str(), "-h" | "--help"));
        if let Some(flag) = unknown
            && let Err(e) = crate::flags::Flags::parse("", std::slice::from_ref(flag))
        {
            return Err(Error::Message(format!(
                "{e}\nSee 'kubectl --help' for usage."
            )));
        }
        return Ok(Found::Help(overview()));
    };
    let word = &rest[at];
    refused(word)?;
    let close = suggestions(word);
    let mut message = format!(
        "unknown command {} for \"kubectl\"",
        kube::gofmt::quote(word)
    );
    if !close.is_empty() {
        message.push_str("\n\nDid you mean this?\n");
        for name in close {
            // Writing to a String cannot fail.
            let _ = writeln!(message, "\t{name}");
        }
    }
    Err(Error::Message(message))
}

/// The order in which Google's kubectl lists its commands, and suggests them.
const ORDER: &[&str] = &[
    "create",
    "expose",
    "run",
    "set",
    "explain",
    "get",
    "edit",
    "delete",
    "rollout",
    "scale",
    "autoscale",
    "certificate",
    "cluster-info",
    "top",
    "cordon",
    "uncordon",
    "drain",
    "taint",
    "describe",
    "logs",
    "attach",
    "exec",
    "port-forward",
    "proxy",
    "cp",
    "auth",
    "debug",
    "events",
    "diff",
    "apply",
    "patch",
    "replace",
    "wait",
    "kustomize",
    "label",
    "annotate",
    "completion",
    "alpha",
    "api-resources",
    "api-versions",
    "config",
    "plugin",
    "version",
];

/// Commands at most two edits away, or that begin with the word.
fn suggestions(word: &str) -> Vec<&'static str> {
    let lower = word.to_lowercase();
    let refused = REFUSED
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.contains(' '));
    let mut close: Vec<_> = children("")
        .map(|(name, _)| name)
        .chain(refused)
        .filter(|name| distance(&lower, name) <= 2 || name.starts_with(&lower))
        .collect();
    close.sort_by_key(|name| ORDER.iter().position(|n| n == name));
    close
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let cost = if x == y {
                diagonal
            } else {
                1 + diagonal.min(row[j]).min(row[j + 1])
            };
            diagonal = row[j + 1];
            row[j + 1] = cost;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{Found, find};

    fn path(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match find(&words) {
            Ok(Found::Command(command, rest)) => format!("{} | {}", command.path, rest.join(" ")),
            Ok(_) => "help".to_owned(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn words_lead_to_commands() {
        assert_eq!(path("-n x get pods -o wide"), "get | -n x pods -o wide");
        assert_eq!(
            path("create deploy web --image=x"),
            "create deployment | web --image=x"
        );
        assert_eq!(path("create -f x"), "create | -f x");
        assert_eq!(path("create secret generic a"), "create secret generic | a");
        assert_eq!(
            path("rollout -n y status deploy/x"),
            "rollout status | -n y deploy/x"
        );
        assert_eq!(
            path("gett"),
            "unknown command \"gett\" for \"kubectl\"\n\nDid you mean this?\n\tset\n\tget\n"
        );
        assert_eq!(
            path("rollout foo"),
            "unknown command \"foo\"\nSee 'kubectl rollout -h' for help and examples"
        );
        assert_eq!(
            path("auth reconcile -f x"),
            "'kubectl auth reconcile' is not supported by this kubectl: use 'kubectl apply -f FILE' for roles and bindings"
        );
    }
}
