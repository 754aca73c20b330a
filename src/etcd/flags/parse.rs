//! Reads a command line as Go's `flag` package reads it, and the `ETCD_…`
//! environment as etcd does (`pkg/flags/flag.go`).

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{IntErrorKind, ParseIntError},
};

use super::{
    duration,
    table::{self, Flag, Kind},
    url,
};

/// What a command line asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Run with these values.
    Run(Values),
    /// `-h`, `--help`.
    Help,
}

/// The values that were given, by the flag's name; each one has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    given: BTreeMap<&'static str, String>,
}

impl Values {
    /// Whether the flag was given, be it with its default.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The flag's value as typed, else its default.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.given.get(name) {
            Some(value) => value,
            None => table::find(name).map_or("", |flag| flag.default),
        }
    }

    /// A yes or no.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        parse_bool(self.text(name)).unwrap_or(false)
    }

    /// A number; 0 stands for what can't be read, which [`Values::set`] does not let in.
    #[must_use]
    pub fn uint(&self, name: &str) -> u64 {
        parse_uint(self.text(name)).unwrap_or(0)
    }

    /// A number that may be negative.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        parse_int(self.text(name)).unwrap_or(0)
    }

    /// A duration in nanoseconds.
    #[must_use]
    pub fn nanos(&self, name: &str) -> i64 {
        duration::parse(self.text(name)).unwrap_or(0)
    }

    /// A list of URLs, sorted; empty for an empty value and for `*`.
    #[must_use]
    pub fn urls(&self, name: &str) -> Vec<url::Url> {
        url::parse_list(self.text(name)).unwrap_or_default()
    }

    /// A list of words; empty for an empty value.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<String> {
        self.text(name)
            .split(',')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The flags that were given a value other than their default.
    pub fn changed(&self) -> impl Iterator<Item = (&'static Flag, &str)> {
        self.given
            .iter()
            .filter_map(|(name, value)| table::find(name).map(|flag| (flag, value.as_str())))
            .filter(|(flag, value)| !same(flag, value))
    }

    /// Gives a flag a value.
    ///
    /// # Errors
    /// Why the value can't be, in Go's words, without the flag's name.
    pub fn set(&mut self, flag: &'static Flag, value: &str) -> Result<(), String> {
        check(flag, value)?;
        self.given.insert(flag.name, value.to_owned());
        Ok(())
    }
}

fn same(flag: &Flag, value: &str) -> bool {
    match flag.kind {
        Kind::Bool => parse_bool(value) == parse_bool(flag.default),
        Kind::Duration => duration::parse(value) == duration::parse(flag.default),
        Kind::Uint | Kind::Uint32 => parse_uint(value) == parse_uint(flag.default),
        Kind::Int => parse_int(value) == parse_int(flag.default),
        _ => value == flag.default,
    }
}

fn check(flag: &Flag, value: &str) -> Result<(), String> {
    match flag.kind {
        Kind::Text | Kind::Words | Kind::Ignored => Ok(()),
        Kind::Bool => parse_bool(value)
            .map(drop)
            .ok_or_else(|| "parse error".to_owned()),
        Kind::Uint => parse_uint(value).map(drop),
        Kind::Uint32 => match parse_uint(value) {
            Ok(n) if u32::try_from(n).is_ok() => Ok(()),
            Ok(_) => Err(format!(
                "strconv.ParseUint: parsing {value:?}: value out of range"
            )),
            Err(_) => Err(format!(
                "strconv.ParseUint: parsing {value:?}: invalid syntax"
            )),
        },
        Kind::Int => parse_int(value).map(drop),
        Kind::Duration => duration::parse(value)
            .map(drop)
            .map_err(|_| "parse error".to_owned()),
        Kind::Urls if value == flag.default || (value.is_empty() && flag.default != "*") => Ok(()),
        Kind::Urls => url::parse_list(value).map(drop),
        Kind::OneOf(words) if words.contains(&value) => Ok(()),
        Kind::OneOf(_) if flag.name == "v2-deprecation" => Err(format!("invalid value {value:?}")),
        Kind::OneOf(_) => Err("invalid value".to_owned()),
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Go's words for a number that can't be.
fn number_error(error: &ParseIntError) -> String {
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range".to_owned(),
        _ => "parse error".to_owned(),
    }
}

fn parse_uint(text: &str) -> Result<u64, String> {
    if text.starts_with('+') {
        return Err("parse error".to_owned());
    }
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    }
    .map_err(|error| number_error(&error))
}

fn parse_int(text: &str) -> Result<i64, String> {
    text.parse().map_err(|error| number_error(&error))
}

/// Reads the words after the program's name.
///
/// # Errors
/// What Go's `flag` package prints on standard error before the usage (exit
/// status 2), or, as [`Trouble::Stray`], the first word that is no flag.
pub fn command_line(words: &[String]) -> Result<Asked, Trouble> {
    let mut values = Values::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(rest) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            return Err(Trouble::Stray(word.clone()));
        };
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        if rest.is_empty() {
            // "--" ends the flags.
            return match words.next() {
                Some(stray) => Err(Trouble::Stray(stray.clone())),
                None => Ok(Asked::Run(values)),
            };
        }
        if rest.starts_with(['-', '=']) {
            return Err(Trouble::Usage(format!("bad flag syntax: {word}")));
        }
        let (name, inline) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let Some(flag) = table::find(name) else {
            if name == "help" || name == "h" {
                return Ok(Asked::Help);
            }
            return Err(Trouble::Usage(format!(
                "flag provided but not defined: -{name}"
            )));
        };
        if matches!(flag.kind, Kind::Bool | Kind::Ignored) {
            let value = inline.unwrap_or("true");
            values.set(flag, value).map_err(|error| {
                Trouble::Usage(format!(
                    "invalid boolean value {value:?} for -{name}: {error}"
                ))
            })?;
            continue;
        }
        let value = match inline {
            Some(value) => value.to_owned(),
            None => match words.next() {
                Some(value) => value.clone(),
                None => return Err(Trouble::Usage(format!("flag needs an argument: -{name}"))),
            },
        };
        values.set(flag, &value).map_err(|error| {
            Trouble::Usage(format!("invalid value {value:?} for flag -{name}: {error}"))
        })?;
    }
    Ok(Asked::Run(values))
}

/// Why a command line can't be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Said on standard error before the usage; exit status 2.
    Usage(String),
    /// A word that is no flag; exit status 1.
    Stray(String),
}

/// What reading the environment found worth saying.
#[derive(Debug, PartialEq, Eq)]
pub enum EnvNote {
    /// A variable was used: its name and value.
    Used(String, String),
    /// `ETCD_VERSION`, which would otherwise be taken for the flag: its value.
    Version(String),
    /// A variable that starts with `ETCD_` and is no flag: name and value.
    Unknown(String),
    /// A variable whose flag stands on the command line too; the server must not start.
    Shadowed(String),
}

/// The environment variable of a flag.
#[must_use]
pub fn env_name(flag: &str) -> String {
    format!("ETCD_{}", flag.to_uppercase().replace('-', "_"))
}

/// Takes flags that the command line does not give from `ETCD_…` variables.
///
/// # Errors
/// A variable whose value can't be, in the reference's words.
pub fn environment(
    values: &mut Values,
    env: &BTreeMap<String, String>,
) -> Result<Vec<EnvNote>, String> {
    let mut notes = Vec::new();
    let mut used = BTreeSet::from([env_name("version")]);
    if let Some(version) = env.get("ETCD_VERSION").filter(|value| !value.is_empty()) {
        notes.push(EnvNote::Version(version.clone()));
    }
    let set: BTreeSet<String> = values.given.keys().map(|name| env_name(name)).collect();
    let mut failed = None;
    for flag in table::FLAGS {
        let key = env_name(flag.name);
        let Some(value) = env.get(&key).filter(|value| !value.is_empty()) else {
            continue;
        };
        if set.contains(&key) || !used.insert(key.clone()) {
            continue;
        }
        match values.set(flag, value) {
            Ok(()) => notes.push(EnvNote::Used(key, value.clone())),
            Err(error) => failed = Some(format!("invalid value {value:?} for {key}: {error}")),
        }
    }
    for (key, value) in env {
        if used.contains(key) {
            continue;
        }
        if set.contains(key) {
            notes.push(EnvNote::Shadowed(key.clone()));
        } else if key.starts_with("ETCD_") {
            notes.push(EnvNote::Unknown(format!("{key}={value}")));
        }
    }
    failed.map_or(Ok(notes), Err)
}
