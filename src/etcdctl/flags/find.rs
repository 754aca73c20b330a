//! Finding the command that a command line means, as cobra's `Find` does: flags
//! are skipped by the table of the command reached so far, so a flag of a child
//! before the child's name is taken for one that has a value.

use super::{Command, Flag, HELP_FLAG};
use crate::go::quote::quote;

/// The path to a command, and the words that are left for it.
pub type Found = (Vec<&'static Command>, Vec<Vec<u8>>);

/// Follows the words from `root` down; the error names an unknown command.
pub fn find(root: &'static Command, args: &[Vec<u8>]) -> Result<Found, String> {
    let mut path = vec![root];
    let mut rest = args.to_vec();
    loop {
        let command = path[path.len() - 1];
        let words = positional(&path, &rest);
        let Some(&first) = words.first() else {
            return Ok((path, rest));
        };
        let Some(child) = child(command, &rest[first]) else {
            if path.len() == 1 && !command.children.is_empty() {
                return Err(unknown(command, &rest[first]));
            }
            return Ok((path, rest));
        };
        rest.remove(first);
        path.push(child);
    }
}

/// The command that the words of `help …` mean.
pub fn topic(root: &'static Command, words: &[Vec<u8>]) -> Option<Vec<&'static Command>> {
    let mut path = vec![root];
    for word in words {
        match child(path[path.len() - 1], word) {
            Some(next) => path.push(next),
            None if path.len() == 1 => return None,
            None => break,
        }
    }
    Some(path)
}

/// A child by name, or by a prefix that only one child has.
fn child(command: &'static Command, word: &[u8]) -> Option<&'static Command> {
    if let Some(exact) = command.children.iter().find(|c| c.name.as_bytes() == word) {
        return Some(exact);
    }
    let mut matches = command
        .children
        .iter()
        .filter(|c| c.name.as_bytes().starts_with(word));
    match (matches.next(), matches.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Where in `args` the words are that are neither flags nor their values.
fn positional(path: &[&'static Command], args: &[Vec<u8>]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < args.len() {
        let word = &args[at];
        let has_value = word.contains(&b'=');
        if word == b"--" {
            break;
        }
        let takes_next = match word.as_slice() {
            _ if has_value => false,
            [b'-', b'-', name @ ..] => !is_switch(path, name),
            [b'-', letter] => !is_short_switch(path, *letter),
            _ => false,
        };
        if takes_next {
            at += 1;
        } else if !word.is_empty() && !word.starts_with(b"-") {
            found.push(at);
        }
        at += 1;
    }
    found
}

fn known(path: &[&'static Command]) -> impl Iterator<Item = &'static Flag> {
    let own = path[path.len() - 1].flags;
    own.iter()
        .chain(path.iter().flat_map(|c| c.persistent).collect::<Vec<_>>())
        .chain(std::iter::once(&HELP_FLAG))
}

fn is_switch(path: &[&'static Command], name: &[u8]) -> bool {
    known(path).any(|f| f.name.as_bytes() == name && f.kind.is_switch())
}

fn is_short_switch(path: &[&'static Command], letter: u8) -> bool {
    known(path).any(|f| f.short == Some(letter as char) && f.kind.is_switch())
}

fn unknown(root: &'static Command, word: &[u8]) -> String {
    let mut text = format!(
        "unknown command {} for {}",
        quote(word),
        quote(root.name.as_bytes())
    );
    let word = String::from_utf8_lossy(word).to_lowercase();
    let near: Vec<&str> = root
        .children
        .iter()
        .filter(|c| !c.hidden)
        .map(|c| c.name)
        .filter(|name| distance(&word, name) <= 2 || name.starts_with(&word))
        .collect();
    if !near.is_empty() {
        text.push_str("\n\nDid you mean this?\n");
        for name in near {
            text.push_str(&format!("\t{name}\n"));
        }
    }
    text
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
