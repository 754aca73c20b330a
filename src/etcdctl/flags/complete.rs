//! `__complete`: the words that may stand where the cursor is, for the scripts that
//! `completion` prints.

use completion::{Answer, Candidate, Directive, Known, Wanted};

use super::value::Kind;
use super::{Command, Flag, HELP_FLAG, Program, find, listed, parse};
use crate::exit::{Exit, Outcome};

/// Prints what may stand in the place of the last word.
pub fn print(program: &'static Program, words: &[Vec<u8>], described: bool) -> Outcome {
    let Some((last, before)) = words.split_last() else {
        return Err(Exit::error("requires at least 1 arg(s), only received 0"));
    };
    complete(program, before, last).write(
        described,
        &mut std::io::stdout(),
        &mut std::io::stderr(),
    );
    Ok(())
}

fn complete(program: &'static Program, before: &[Vec<u8>], last: &[u8]) -> Answer {
    let Ok((path, mut rest)) = find::find(&program.root, before) else {
        return Answer::failed(format!(
            "unable to find a command for arguments: {}",
            shown(before)
        ));
    };
    let command = path[path.len() - 1];
    let last = String::from_utf8_lossy(last).into_owned();
    let wanted = flag_under_cursor(&path, &rest, &last);
    if let Wanted::Value { apart: true, .. } = wanted {
        rest.pop();
    }
    let parsed = match parse::parse(&path, &rest) {
        Ok(parsed) => parsed,
        Err(why) => {
            return Answer::failed(format!(
                "Error while parsing flags from args {}: {why}",
                shown(&rest)
            ));
        }
    };
    match wanted {
        Wanted::UnknownFlag(name) => {
            return Answer::failed(format!(
                "Subcommand '{}' does not support flag '{name}'",
                command.name
            ));
        }
        _ if parsed.help => return Answer::of(Vec::new(), Directive::NoFiles),
        // A flag that waits for its value takes the word as it is.
        Wanted::Value { .. } => return Answer::of(Vec::new(), Directive::Default),
        Wanted::Word => {}
    }
    let required = missing(&path, &parsed, &last);
    let closed = rest.iter().any(|word| word == b"--");
    if last.starts_with('-') && !last.contains('=') && !closed {
        let candidates = match required.is_empty() {
            true => flags(&path, &parsed, &last),
            false => required,
        };
        return Answer::of(candidates, Directive::NoFiles);
    }
    let mut answer = Answer::of(Vec::new(), Directive::Default);
    let own_flag_set = command.flags.iter().any(|flag| parsed.changed(flag.name));
    if parsed.args.is_empty() && !own_flag_set {
        answer = children(command, &last);
    }
    answer.candidates.extend(required);
    if command.name == "help" && path.len() == 2 {
        return topics(&program.root, &parsed.args, &last);
    }
    if path
        .get(1)
        .is_some_and(|command| command.name == "completion")
    {
        answer.directive = Directive::NoFiles;
    }
    answer
}

/// `[a b]`, as Go prints a list.
fn shown(words: &[Vec<u8>]) -> String {
    let words: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(w)).collect();
    format!("[{}]", words.join(" "))
}

fn all_flags(path: &[&'static Command]) -> impl Iterator<Item = &'static Flag> {
    let own = path[path.len() - 1].flags.iter();
    let inherited: Vec<&'static Flag> = path.iter().flat_map(|c| c.persistent).collect();
    own.chain(inherited).chain(std::iter::once(&HELP_FLAG))
}

fn flag_under_cursor<'a>(
    path: &[&'static Command],
    before: &[Vec<u8>],
    last: &'a str,
) -> Wanted<'a> {
    let known = |flag: &'static Flag| Known {
        name: flag.name,
        wants_value: !flag.kind.is_switch(),
    };
    completion::wanted(
        before,
        last,
        |name| all_flags(path).find(|flag| flag.name == name).map(known),
        |letter| {
            all_flags(path)
                .find(|flag| flag.short == Some(letter))
                .map(known)
        },
    )
}

/// Demanded flags that are not there yet.
fn missing(path: &[&'static Command], parsed: &parse::Parsed, start: &str) -> Vec<Candidate> {
    let mut flags: Vec<&'static Flag> = path[path.len() - 1]
        .flags
        .iter()
        .filter(|flag| flag.required && !parsed.changed(flag.name))
        .collect();
    flags.sort_by_key(|flag| flag.name);
    flags.iter().flat_map(|flag| names(flag, start)).collect()
}

/// Flags that may be added: inherited ones first, each kind sorted.
fn flags(path: &[&'static Command], parsed: &parse::Parsed, start: &str) -> Vec<Candidate> {
    let (command, parents) = path.split_last().expect("a path holds at least the root");
    let sorted = |flags: Vec<&'static Flag>| {
        let mut flags = flags;
        flags.sort_by_key(|flag| flag.name);
        flags
    };
    let inherited = sorted(parents.iter().flat_map(|c| c.persistent).collect());
    let own = command.flags.iter().chain(command.persistent);
    let own = sorted(own.chain(std::iter::once(&HELP_FLAG)).collect());
    inherited
        .into_iter()
        .chain(own)
        .filter(|flag| flag.kind == Kind::List || !parsed.changed(flag.name))
        .flat_map(|flag| names(flag, start))
        .map(|(word, about)| match word.as_str() {
            "--help" | "-h" => (word, "show this help"),
            _ => (word, about),
        })
        .collect()
}

fn names(flag: &'static Flag, start: &str) -> Vec<Candidate> {
    let long = format!("--{}", flag.name);
    let short = flag.short.map(|letter| format!("-{letter}"));
    std::iter::once(long)
        .chain(short)
        .filter(|name| name.starts_with(start))
        .map(|name| (name, flag.help))
        .collect()
}

fn children(command: &'static Command, start: &str) -> Answer {
    let children = listed(command);
    let directive = match children.is_empty() {
        true => Directive::Default,
        false => Directive::NoFiles,
    };
    let candidates = children
        .iter()
        .filter(|child| child.name.starts_with(start))
        .map(|child| (child.name.to_owned(), child.about));
    Answer::of(candidates.collect(), directive)
}

/// Commands below those that `help` names already.
fn topics(root: &'static Command, words: &[Vec<u8>], start: &str) -> Answer {
    let candidates = match find::topic(root, words) {
        Some(path) => children(path[path.len() - 1], start).candidates,
        None => Vec::new(),
    };
    Answer::of(candidates, Directive::NoFiles)
}
