//! Flags as Go's package `flag` reads them, after `urfave/cli` 1.22 has moved those of a
//! command before its other words.

use std::collections::BTreeMap;

use crate::go::{duration, number, quote::quote};

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Text,
    Int,
    Duration,
    /// May be given several times.
    List,
}

/// A flag with all its names.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// `name`, or `name, n`.
    pub names: &'static str,
    pub kind: Kind,
    /// As help shows it; empty for no default.
    pub default: &'static str,
    /// What help calls the value.
    pub value: &'static str,
    pub help: &'static str,
}

impl Flag {
    fn all(&self) -> impl Iterator<Item = &'static str> {
        self.names.split(',').map(str::trim)
    }

    /// The name that values are kept by.
    pub fn name(&self) -> &'static str {
        self.all().next().unwrap_or_default()
    }

    fn is_called(&self, name: &str) -> bool {
        self.all().any(|known| known == name)
    }
}

/// `--help, -h`, which everything has.
pub const HELP: Flag = Flag {
    names: "help, h",
    kind: Kind::Bool,
    default: "",
    value: "",
    help: "show help",
};

/// The flags of a command line, by their first name.
#[derive(Debug, Default)]
pub struct Values(BTreeMap<&'static str, Vec<String>>);

impl Values {
    /// The last value given; the default otherwise.
    pub fn text(&self, flag: &Flag) -> String {
        self.0
            .get(flag.name())
            .and_then(|values| values.last())
            .cloned()
            .unwrap_or_else(|| flag.default.trim_matches('"').to_owned())
    }

    /// Every value given.
    pub fn list(&self, flag: &Flag) -> Vec<String> {
        self.0.get(flag.name()).cloned().unwrap_or_default()
    }

    pub fn is_set(&self, flag: &Flag) -> bool {
        self.text(flag) == "true"
    }
}

/// Reads flags up to the first word that is none; the values and what follows.
pub fn parse(flags: &[Flag], words: &[String]) -> Result<(Values, Vec<String>), String> {
    let mut values = Values::default();
    let mut used: BTreeMap<&str, &str> = BTreeMap::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word.len() < 2 || !word.starts_with('-') {
            break;
        }
        at += 1;
        if word == "--" {
            break;
        }
        let bare = word.strip_prefix("--").unwrap_or(&word[1..]);
        if bare.is_empty() || bare.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: {word}"));
        }
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (bare, None),
        };
        let Some(flag) = flags.iter().find(|flag| flag.is_called(name)) else {
            return Err(format!("flag provided but not defined: -{name}"));
        };
        let value = match (flag.kind, value) {
            (Kind::Bool, None) => "true",
            (_, Some(value)) => value,
            (_, None) => {
                let value = words
                    .get(at)
                    .ok_or_else(|| format!("flag needs an argument: -{name}"))?;
                at += 1;
                value
            }
        };
        let value = read(flag.kind, name, value)?;
        let known = flag.all().find(|known| *known == name).unwrap_or_default();
        if let Some(before) = used.insert(flag.name(), known)
            && before != known
        {
            return Err(format!(
                "Cannot use two forms of the same flag: {} {}",
                before.max(known),
                before.min(known)
            ));
        }
        values.0.entry(flag.name()).or_default().push(value);
    }
    Ok((values, words[at..].to_vec()))
}

fn read(kind: Kind, name: &str, value: &str) -> Result<String, String> {
    let shown = quote(value.as_bytes());
    let invalid = |why: &str| format!("invalid value {shown} for flag -{name}: {why}");
    match kind {
        Kind::Text | Kind::List => Ok(value.to_owned()),
        Kind::Bool => number::parse_bool(value.as_bytes())
            .map(|value| value.to_string())
            .map_err(|_| format!("invalid boolean value {shown} for -{name}: parse error")),
        Kind::Int => number::parse_i64(value.as_bytes(), 0)
            .map(|value| value.to_string())
            .map_err(|error| {
                let text = error.to_string();
                invalid(match text.ends_with("value out of range") {
                    true => "value out of range",
                    false => "parse error",
                })
            }),
        Kind::Duration => duration::parse(value.as_bytes())
            .map(|nanos| nanos.to_string())
            .map_err(|_| invalid("parse error")),
    }
}

/// Moves the flags among a command's words to the front. A word after a flag moves with
/// it, whether it is the flag's value or not, and nothing after `--` moves.
pub fn reorder(flags: &[Flag], words: &[String]) -> Vec<String> {
    let (mut moved, mut rest) = (Vec::new(), Vec::new());
    let mut may_be_value = false;
    for (at, word) in words.iter().enumerate() {
        if word == "--" {
            rest.extend_from_slice(&words[at..]);
            break;
        } else if may_be_value && !word.starts_with('-') {
            may_be_value = false;
            moved.push(word.clone());
        } else if is_flag(flags, word) {
            moved.push(word.clone());
            may_be_value = !word.contains('=');
        } else {
            rest.push(word.clone());
        }
    }
    moved.append(&mut rest);
    moved
}

fn is_flag(flags: &[Flag], word: &str) -> bool {
    if word == "-" || !word.starts_with('-') {
        return false;
    }
    let name = word.strip_prefix("--").unwrap_or(&word[1..]);
    let name = name.split('=').next().unwrap_or_default();
    flags.iter().any(|flag| flag.is_called(name))
}
