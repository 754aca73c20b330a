//! `__complete`: the words that may stand where the cursor is, for the scripts that
//! `completion` prints. The answers are those of cobra 1.8: a candidate a line, its
//! description after a tab, and a number at the end that tells the shell what else it
//! may offer.

use std::io::Write as _;

use super::value::Kind;
use super::{Command, Flag, HELP_FLAG, Program, find, listed, parse};
use crate::exit::{Exit, Outcome};

/// What the shell may do beside offering the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    /// It may offer files, too.
    Default = 0,
    /// It must not.
    NoFiles = 4,
}

impl Directive {
    fn name(self) -> &'static str {
        match self {
            Directive::Default => "ShellCompDirectiveDefault",
            Directive::NoFiles => "ShellCompDirectiveNoFileComp",
        }
    }
}

/// A word and what it means.
type Candidate = (String, &'static str);

/// The candidates, and an error that only a script's author needs to see.
struct Answer {
    candidates: Vec<Candidate>,
    directive: Directive,
    error: Option<String>,
}

impl Answer {
    fn of(candidates: Vec<Candidate>, directive: Directive) -> Self {
        Self {
            candidates,
            directive,
            error: None,
        }
    }

    fn failed(error: String) -> Self {
        Self {
            candidates: Vec::new(),
            directive: Directive::Default,
            error: Some(error),
        }
    }
}

/// Whether the word asks for candidates, and if so, whether with descriptions.
pub fn asked(word: &[u8]) -> Option<bool> {
    match word {
        b"__complete" => Some(true),
        b"__completeNoDesc" => Some(false),
        _ => None,
    }
}

/// Prints what may stand in the place of the last word.
pub fn print(program: &'static Program, words: &[Vec<u8>], described: bool) -> Outcome {
    let Some((last, before)) = words.split_last() else {
        return Err(Exit::error("requires at least 1 arg(s), only received 0"));
    };
    let answer = complete(program, before, last);
    if let Some(error) = &answer.error {
        tell!("[Debug] [Error] {error}");
    }
    let mut text = String::new();
    for (word, about) in &answer.candidates {
        text.push_str(word);
        if described && !about.is_empty() {
            text.push('\t');
            text.push_str(about);
        }
        text.push('\n');
    }
    text.push_str(&format!(":{}\n", answer.directive as u8));
    // The shell that asked may be gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    tell!(
        "Completion ended with directive: {}",
        answer.directive.name()
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
    // A flag that waits for its value takes the word as it is.
    let value_of = match flag_under_cursor(&path, &mut rest, &last) {
        Ok(value_of) => value_of,
        Err(name) => {
            return Answer::failed(format!(
                "Subcommand '{}' does not support flag '{name}'",
                command.name
            ));
        }
    };
    let parsed = match parse::parse(&path, &rest) {
        Ok(parsed) => parsed,
        Err(why) => {
            return Answer::failed(format!(
                "Error while parsing flags from args {}: {why}",
                shown(&rest)
            ));
        }
    };
    if parsed.help {
        return Answer::of(Vec::new(), Directive::NoFiles);
    }
    if value_of {
        return Answer::of(Vec::new(), Directive::Default);
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

/// Whether the last word is the value of a flag: `--flag=va` or `--flag va`. The flag
/// is then taken off the words before. The error is the name of an unknown flag.
fn flag_under_cursor(
    path: &[&'static Command],
    before: &mut Vec<Vec<u8>>,
    last: &str,
) -> Result<bool, String> {
    if before.iter().any(|word| word == b"--") {
        return Ok(false);
    }
    if let Some((flag, _)) = last.split_once('=')
        && let Some(name) = flag.strip_prefix("--")
    {
        return match all_flags(path).any(|flag| flag.name == name) {
            true => Ok(true),
            false => Err(name.to_owned()),
        };
    }
    if last.starts_with('-') {
        return Ok(false);
    }
    let Some(word) = before.last().filter(|word| word.starts_with(b"-")) else {
        return Ok(false);
    };
    let word = String::from_utf8_lossy(word).into_owned();
    if word.contains('=') {
        return Ok(false);
    }
    let flag = match word.strip_prefix("--") {
        Some(name) => all_flags(path).find(|flag| flag.name == name),
        None => {
            let letter = word.chars().last();
            all_flags(path).find(|flag| flag.short.is_some() && flag.short == letter)
        }
    };
    match flag {
        // An unknown one is told by the parser, with all its words.
        Some(flag) if !flag.kind.is_switch() => {
            before.pop();
            Ok(true)
        }
        _ => Ok(false),
    }
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
