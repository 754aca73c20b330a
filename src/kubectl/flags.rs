//! Command-line flags with the habits and words of pflag and cobra.
//!
//! A command's flags are one line of text, a flag a word:
//! `o/output:s watch/w:b replicas:i=1 dry-run:s=none?unchanged`: an optional
//! one-letter form, the name, the type (`b` boolean, `s` text, `i` integer, `d`
//! duration, `l` list whose values may be joined by commas, `a` list whose
//! values are taken as they are), `=` the default, `?` the value when the flag
//! stands without one.

use crate::error::{Error, Outcome, fail};
use completion::Known;
use std::collections::HashMap;
use std::time::Duration;

/// A flag's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Text,
    Int,
    Duration,
    List,
    Array,
}

#[derive(Debug, Clone)]
struct Spec {
    name: &'static str,
    short: Option<char>,
    kind: Kind,
    default: &'static str,
    bare: Option<&'static str>,
}

/// The flags every command has.
const GLOBAL: &str = "kubeconfig:s context:s cluster:s user:s n/namespace:s s/server:s token:s \
    as:s as-group:a as-uid:s certificate-authority:s client-certificate:s client-key:s \
    insecure-skip-tls-verify:b tls-server-name:s request-timeout:s=0 cache-dir:s \
    match-server-version:b v/v:s=0 vmodule:s warnings-as-errors:b username:s password:s \
    disable-compression:b log-flush-frequency:d=5s profile:s=none profile-output:s h/help:b";

fn parse_specs(text: &'static str) -> impl Iterator<Item = Spec> {
    text.split_whitespace().map(|word| {
        let (names, rest) = word.split_once(':').unwrap_or((word, "b"));
        let (short, name) = match names.split_once('/') {
            Some((short, name)) => (short.chars().next(), name),
            None => (None, names),
        };
        let kind = match rest.as_bytes().first() {
            Some(b's') => Kind::Text,
            Some(b'i') => Kind::Int,
            Some(b'd') => Kind::Duration,
            Some(b'l') => Kind::List,
            Some(b'a') => Kind::Array,
            _ => Kind::Bool,
        };
        let (default, bare) = match rest.get(1..).unwrap_or_default().split_once('?') {
            Some((default, bare)) => (default, Some(bare)),
            None => (rest.get(1..).unwrap_or_default(), None),
        };
        let default = default.strip_prefix('=').unwrap_or(default);
        let bare = if kind == Kind::Bool {
            bare.or(Some("true"))
        } else {
            bare
        };
        Spec {
            name,
            short,
            kind,
            default,
            bare,
        }
    })
}

/// The flags of a command, then the global ones that it has none of the same name for.
fn all_specs(specs: &'static str) -> Vec<Spec> {
    let mut all: Vec<Spec> = parse_specs(specs).collect();
    let own_count = all.len();
    for spec in parse_specs(GLOBAL) {
        if all[..own_count].iter().all(|own| own.name != spec.name) {
            all.push(spec);
        }
    }
    all
}

impl Spec {
    fn known(&self) -> Known {
        Known {
            name: self.name,
            wants_value: self.bare.is_none(),
        }
    }
}

/// The flag of a command that has this long name.
pub fn by_name(specs: &'static str, name: &str) -> Option<Known> {
    all_specs(specs)
        .iter()
        .find(|spec| spec.name == name)
        .map(Spec::known)
}

/// The flag of a command that has this letter.
pub fn by_letter(specs: &'static str, letter: char) -> Option<Known> {
    all_specs(specs)
        .iter()
        .find(|spec| spec.short == Some(letter))
        .map(Spec::known)
}

/// A parsed command line.
#[derive(Debug, Default)]
pub struct Flags {
    /// The command's own ones come first.
    specs: Vec<Spec>,
    own_count: usize,
    given: HashMap<&'static str, Vec<String>>,
    /// What is no flag, in order.
    pub args: Vec<String>,
    /// How many arguments stood before `--`, when it was there.
    pub dash: Option<usize>,
}

impl Flags {
    /// Parses the words after the command.
    ///
    /// # Errors
    /// An unknown flag, a missing or malformed value.
    pub fn parse(specs: &'static str, words: &[String]) -> Outcome<Self> {
        let mut flags = Self {
            specs: all_specs(specs),
            own_count: parse_specs(specs).count(),
            ..Self::default()
        };
        // A command that takes another program's words stops at the first of them.
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                flags.dash = Some(flags.args.len());
                flags.args.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                flags.long(long, &mut words)?;
            } else if word.len() > 1 && word.starts_with('-') {
                flags.short(word, &mut words)?;
            } else {
                flags.args.push(word.clone());
            }
        }
        Ok(flags)
    }

    fn long(&mut self, word: &str, words: &mut std::slice::Iter<'_, String>) -> Outcome {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return fail(format!("bad flag syntax: --{word}"));
        }
        let dashed = name.replace('_', "-");
        let Some(spec) = self.specs.iter().find(|s| s.name == dashed).cloned() else {
            return fail(format!("unknown flag: --{name}"));
        };
        let value = match (value, spec.bare) {
            (Some(value), _) => value,
            (None, Some(bare)) => bare.to_owned(),
            (None, None) => match words.next() {
                Some(next) => next.clone(),
                None => return fail(format!("flag needs an argument: --{name}")),
            },
        };
        self.set(&spec, value)
    }

    fn short(&mut self, word: &str, words: &mut std::slice::Iter<'_, String>) -> Outcome {
        let letters = &word[1..];
        for (at, letter) in letters.char_indices() {
            let Some(spec) = self.specs.iter().find(|s| s.short == Some(letter)).cloned() else {
                return fail(format!(
                    "unknown shorthand flag: '{letter}' in -{}",
                    &letters[at..]
                ));
            };
            let rest = &letters[at + letter.len_utf8()..];
            if let Some(value) = rest.strip_prefix('=') {
                return self.set(&spec, value.to_owned());
            }
            if let Some(bare) = spec.bare {
                self.set(&spec, bare.to_owned())?;
                continue;
            }
            if !rest.is_empty() {
                return self.set(&spec, rest.to_owned());
            }
            return match words.next() {
                Some(next) => self.set(&spec, next.clone()),
                None => fail(format!(
                    "flag needs an argument: '{letter}' in -{}",
                    &letters[at..]
                )),
            };
        }
        Ok(())
    }

    fn set(&mut self, spec: &Spec, value: String) -> Outcome {
        let invalid = |why: String| {
            let short = spec.short.map(|c| format!("-{c}, ")).unwrap_or_default();
            fail(format!(
                "invalid argument {} for \"{short}--{}\" flag: {why}",
                kube::gofmt::quote(&value),
                spec.name
            ))
        };
        let quoted = kube::gofmt::quote(&value);
        let good = match spec.kind {
            Kind::Bool if parse_bool(&value).is_none() => {
                return invalid(format!(
                    "strconv.ParseBool: parsing {quoted}: invalid syntax"
                ));
            }
            Kind::Int if value.parse::<i64>().is_err() => {
                return invalid(format!(
                    "strconv.ParseInt: parsing {quoted}: invalid syntax"
                ));
            }
            Kind::Duration if parse_duration(&value).is_none() => {
                return invalid(duration_problem(&value));
            }
            _ => value,
        };
        let entry = self.given.entry(spec.name).or_default();
        match spec.kind {
            Kind::List => entry.extend(good.split(',').map(str::to_owned)),
            Kind::Array => entry.push(good),
            _ => *entry = vec![good],
        }
        Ok(())
    }

    /// Whether the flag stood on the command line.
    pub fn given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Whether the flag is the command's own, and not a global one.
    pub fn is_own(&self, name: &str) -> bool {
        self.specs[..self.own_count]
            .iter()
            .any(|spec| spec.name == name)
    }

    /// Whether a flag of the command itself was given.
    pub fn own_given(&self) -> bool {
        self.given.keys().any(|name| self.is_own(name))
    }

    /// The flags that begin with `start` and may still be given, as they are typed: first
    /// the global ones, then the command's own, each kind sorted. The root, which has no
    /// name, takes the global ones for its own.
    pub fn offered(&self, is_root: bool, start: &str) -> Vec<String> {
        let is_own = |spec: &Spec| is_root || spec.name == "help" || self.is_own(spec.name);
        let mut specs: Vec<&Spec> = self
            .specs
            .iter()
            .filter(|spec| matches!(spec.kind, Kind::List | Kind::Array) || !self.given(spec.name))
            .collect();
        specs.sort_by_key(|spec| (is_own(spec), spec.name));
        specs
            .into_iter()
            .flat_map(|spec| {
                let short = spec.short.map(|letter| format!("-{letter}"));
                std::iter::once(format!("--{}", spec.name)).chain(short)
            })
            .filter(|word| word.starts_with(start))
            .collect()
    }

    /// Whether this command has the flag.
    pub fn has(&self, name: &str) -> bool {
        self.specs.iter().any(|s| s.name == name)
    }

    /// The flag's text, or its default.
    pub fn text(&self, name: &str) -> &str {
        match self.given.get(name).and_then(|values| values.last()) {
            Some(value) => value,
            None => self
                .specs
                .iter()
                .find(|s| s.name == name)
                .map_or("", |s| s.default),
        }
    }

    /// The flag's boolean, or its default.
    pub fn bool(&self, name: &str) -> bool {
        parse_bool(self.text(name)).unwrap_or(false)
    }

    /// The flag's integer, or its default; 0 without one.
    pub fn int(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// The flag's duration, or its default; `None` when negative.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        let seconds = parse_duration(self.text(name)).unwrap_or(0.0);
        (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds))
    }

    /// All values of a list.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.given
            .get(name)
            .map_or_else(Vec::new, |v| v.iter().map(String::as_str).collect())
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Go's durations: `1h30m`, `500ms`, `-1s`, `0`; in seconds.
pub fn parse_duration(text: &str) -> Option<f64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit_end = rest[end..]
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .map_or(rest.len(), |at| end + at);
        total += number
            * match &rest[end..unit_end] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Some(if negative { -total } else { total })
}

/// Go's words for a text that is no duration.
fn duration_problem(text: &str) -> String {
    let quoted = kube::gofmt::quote(text);
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        format!("time: missing unit in duration {quoted}")
    } else {
        format!("time: invalid duration {quoted}")
    }
}

/// A flag as help shows it.
pub struct Shown {
    /// Its long name.
    pub name: &'static str,
    /// `-o, --output=''`
    pub head: String,
}

/// Flags that are kept for old command lines, and not spoken of.
const HIDDEN: [&str; 1] = ["delete-local-data"];

/// The flags that help shows, by name.
pub fn shown(specs: &'static str) -> impl Iterator<Item = Shown> {
    let mut all: Vec<Spec> = parse_specs(specs)
        .filter(|spec| !HIDDEN.contains(&spec.name))
        .collect();
    all.sort_by_key(|spec| spec.name);
    all.into_iter().map(|spec| {
        let short = spec.short.map(|c| format!("-{c}, ")).unwrap_or_default();
        let default = match spec.kind {
            Kind::Bool if spec.default.is_empty() => "false".to_owned(),
            Kind::Text => format!("'{}'", spec.default),
            Kind::List | Kind::Array => "[]".to_owned(),
            _ => spec.default.to_owned(),
        };
        Shown {
            name: spec.name,
            head: format!("{short}--{}={default}", spec.name),
        }
    })
}

/// The flags that every command has, as help shows them.
pub fn globals() -> impl Iterator<Item = Shown> {
    shown(GLOBAL)
}

/// Like [`fail`] for a command called the wrong way.
pub fn usage<T>(command: &str, message: impl std::fmt::Display) -> Outcome<T> {
    Err(Error::Message(format!(
        "{message}\nSee 'kubectl {command} -h' for help and examples"
    )))
}

#[cfg(test)]
mod tests {
    use super::{Flags, parse_duration};

    fn parse(words: &[&str]) -> Result<Flags, String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        Flags::parse(
            "o/output:s w/watch:b replicas:i=1 dry-run:s=none?unchanged l/sel:l timeout:d=0s",
            &words,
        )
        .map_err(|e| e.to_string())
    }

    #[test]
    fn forms() {
        let flags = parse(&[
            "a",
            "-wojson",
            "--replicas=3",
            "b",
            "--dry-run",
            "-n",
            "x",
            "-l=a,b",
            "--",
            "-c",
        ])
        .unwrap();
        assert!(flags.bool("watch"));
        assert_eq!(flags.text("output"), "json");
        assert_eq!(flags.int("replicas"), 3);
        assert_eq!(flags.text("dry-run"), "unchanged");
        assert_eq!(flags.list("sel"), ["a", "b"]);
        assert_eq!(
            (flags.args.as_slice(), flags.dash),
            (["a", "b", "-c"].map(String::from).as_slice(), Some(2))
        );
        assert_eq!(parse(&[]).unwrap().text("dry-run"), "none");
    }

    #[test]
    fn words_of_errors() {
        for (words, want) in [
            (&["--foo"][..], "unknown flag: --foo"),
            (&["-x"], "unknown shorthand flag: 'x' in -x"),
            (&["-wx"], "unknown shorthand flag: 'x' in -x"),
            (&["--output"], "flag needs an argument: --output"),
            (&["-o"], "flag needs an argument: 'o' in -o"),
            (
                &["--replicas=x"],
                "invalid argument \"x\" for \"--replicas\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
            (
                &["--timeout=5"],
                "invalid argument \"5\" for \"--timeout\" flag: time: missing unit in duration \"5\"",
            ),
            (
                &["--watch=maybe"],
                "invalid argument \"maybe\" for \"-w, --watch\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
        ] {
            assert_eq!(parse(words).unwrap_err(), want);
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1h30m"), Some(5400.0));
        assert_eq!(parse_duration("500ms"), Some(0.5));
        assert_eq!(parse_duration("-1s"), Some(-1.0));
        assert_eq!(parse_duration("5"), None);
    }
}
