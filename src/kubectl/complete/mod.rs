//! `kubectl __complete`: the words that may stand where the cursor is, for the scripts
//! that `kubectl completion` prints.
//!
//! Reference: cobra 1.8 (`completions.go`) and `kubectl/pkg/util/completion` of
//! Kubernetes 1.32.

mod arguments;
mod values;

use crate::commands::{self, Command};
use crate::cx::Cx;
use crate::error::{Outcome, fail};
use crate::flags::{self, Flags};
use completion::{Answer, Candidate, Directive, Wanted};
use std::time::Duration;

/// How long the server may take to tell what there is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Flags that a command can't do without.
const DEMANDED: &[(&str, &[&str])] = &[
    ("autoscale", &["max"]),
    ("create clusterrolebinding", &["clusterrole"]),
    ("create cronjob", &["image", "schedule"]),
    ("create deployment", &["image"]),
    ("create service externalname", &["external-name"]),
    ("run", &["image"]),
    ("scale", &["replicas"]),
];

/// Prints what may stand in the place of the last word.
///
/// # Errors
/// There is no word at all.
pub async fn run(words: &[String], described: bool) -> Outcome {
    let Some((last, before)) = words.split_last() else {
        return fail("requires at least 1 arg(s), only received 0");
    };
    // Who presses a key waits: a server that does not answer has nothing to offer.
    let answer = tokio::time::timeout(PATIENCE, complete(before, last)).await;
    let answer = answer.unwrap_or_else(|_| Answer::of(Vec::new(), Directive::NoFiles));
    answer.write(described, &mut std::io::stdout(), &mut std::io::stderr());
    Ok(())
}

async fn complete(before: &[String], last: &str) -> Answer {
    if let Some(at) = commands::first_word(before)
        && before[at] == "help"
    {
        return topics(&before[at + 1..], last);
    }
    let (command, mut rest) = commands::walk(before);
    if command.is_none() && commands::first_word(&rest).is_some() {
        let words = before.join(" ");
        return Answer::failed(format!("unable to find a command for arguments: [{words}]"));
    }
    let (path, specs) = command.map_or(("", ""), |command| (command.path, command.flags));
    let wanted = completion::wanted(
        &rest,
        last,
        |name| flags::by_name(specs, name),
        |letter| flags::by_letter(specs, letter),
    );
    if let Wanted::Value { apart: true, .. } = wanted {
        rest.pop();
    }
    let flags = match Flags::parse(specs, &rest) {
        Ok(flags) => flags,
        Err(error) => {
            let words = rest.join(" ");
            let what = "Error while parsing flags from args";
            return Answer::failed(format!("{what} [{words}]: {error}"));
        }
    };
    let closed = rest.iter().any(|word| word == "--");
    match wanted {
        Wanted::UnknownFlag(name) => {
            let name_of_command = path.rsplit(' ').next().filter(|name| !name.is_empty());
            Answer::failed(format!(
                "Subcommand '{}' does not support flag '{name}'",
                name_of_command.unwrap_or("kubectl")
            ))
        }
        _ if flags.bool("help") => Answer::of(Vec::new(), Directive::NoFiles),
        Wanted::Value { flag, typed, .. } => values::of(&Cx::new(path, flags), flag, typed).await,
        Wanted::Word if last.starts_with('-') && !closed => {
            let mut words = demanded(path, &flags, last);
            if words.is_empty() {
                words = flags.offered(path.is_empty(), last);
            }
            Answer::words(words, Directive::NoFiles)
        }
        Wanted::Word => word(command, flags, last).await,
    }
}

/// A command's name, or its argument.
async fn word(command: Option<&'static Command>, flags: Flags, last: &str) -> Answer {
    let path = command.map_or("", |command| command.path);
    let demanded = demanded(path, &flags, last);
    let is_first = flags.args.is_empty() && !flags.own_given();
    let is_group = commands::children(path).next().is_some();
    let mut answer = match is_group {
        true if is_first => Answer::of(children(path, last), Directive::NoFiles),
        true => Answer::of(Vec::new(), Directive::Default),
        false => arguments::of(&Cx::new(path, flags), last).await,
    };
    let demanded = demanded.into_iter().map(|word| (word, ""));
    answer.candidates.splice(0..0, demanded);
    answer
}

fn children(path: &str, start: &str) -> Vec<Candidate> {
    let help = ("help", "Help about any command");
    let mut children: Vec<(&str, &'static str)> = commands::children(path)
        .map(|(name, command)| (name, command.about))
        .chain(path.is_empty().then_some(help))
        .collect();
    children.sort_unstable();
    children
        .into_iter()
        .filter(|(name, _)| name.starts_with(start))
        .map(|(name, about)| (name.to_owned(), about))
        .collect()
}

/// Commands below those that `help` names already.
fn topics(words: &[String], start: &str) -> Answer {
    let candidates = match commands::walk(words) {
        (command, rest) if rest.is_empty() => {
            children(command.map_or("", |command| command.path), start)
        }
        _ => Vec::new(),
    };
    Answer::of(candidates, Directive::NoFiles)
}

/// Demanded flags that are not there yet.
fn demanded(path: &str, flags: &Flags, start: &str) -> Vec<String> {
    let names = DEMANDED
        .iter()
        .find(|(command, _)| *command == path)
        .map_or(&[][..], |(_, names)| names);
    names
        .iter()
        .filter(|name| !flags.given(name))
        .map(|name| format!("--{name}"))
        .filter(|word| word.starts_with(start))
        .collect()
}
