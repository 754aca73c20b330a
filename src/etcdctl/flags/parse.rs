//! Reading flags and arguments, as pflag does with flags anywhere.

use super::value::Value;
use super::{Command, Flag, HELP_FLAG};
use crate::go::quote::{quote, quote_char};

/// A flag's value and whether anyone set it.
#[derive(Debug, Clone)]
struct Slot {
    flag: &'static Flag,
    value: Value,
    changed: bool,
}

/// Flags and arguments of a command line.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// Words that are neither flags nor their values.
    pub args: Vec<Vec<u8>>,
    /// Whether help was asked for.
    pub help: bool,
    slots: Vec<Slot>,
}

impl Parsed {
    /// Whether the flag was set, on the command line or by the environment.
    pub fn changed(&self, name: &str) -> bool {
        self.slot(name).is_some_and(|s| s.changed)
    }

    /// The value as Go prints it; `None` when there is no such flag.
    pub fn shown(&self, name: &str) -> Option<String> {
        self.slot(name).map(|s| s.value.to_string())
    }

    /// See [`super::Invocation::flag`].
    pub fn boolean(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// See [`super::Invocation::text`].
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// See [`super::Invocation::int`].
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Int(number)) => *number,
            _ => 0,
        }
    }

    /// See [`super::Invocation::uint`].
    pub fn uint(&self, name: &str) -> u64 {
        match self.value(name) {
            Some(Value::Uint(number)) => *number,
            _ => 0,
        }
    }

    /// Nanoseconds; 0 when there is no such flag.
    pub fn duration(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Duration(nanos)) => *nanos,
            _ => 0,
        }
    }

    /// A list; empty when there is no such flag.
    pub fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    /// Sets a flag from text; the error is pflag's sentence.
    pub fn set(&mut self, flag: &'static Flag, text: &[u8]) -> Result<(), String> {
        let value = flag.kind.parse(text).map_err(|reason| {
            let name = match flag.short {
                Some(letter) => format!("-{letter}, --{}", flag.name),
                None => format!("--{}", flag.name),
            };
            format!(
                "invalid argument {} for {} flag: {reason}",
                quote(text),
                quote(name.as_bytes())
            )
        })?;
        let Some(slot) = self.slots.iter_mut().find(|s| s.flag.name == flag.name) else {
            return Ok(());
        };
        match (&mut slot.value, value) {
            // A list that is named again grows; its default does not count.
            (Value::List(list), Value::List(more)) if slot.changed => list.extend(more),
            (old, new) => *old = new,
        }
        slot.changed = true;
        Ok(())
    }

    /// Names of demanded flags that nobody set, sorted.
    pub fn missing_required(&self, path: &[&'static Command]) -> Vec<&'static str> {
        let mut names: Vec<_> = path
            .iter()
            .flat_map(|c| c.flags)
            .filter(|f| f.required && self.slot(f.name).is_some_and(|s| !s.changed))
            .map(|f| f.name)
            .collect();
        names.sort_unstable();
        names
    }

    fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|s| s.flag.name == name)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.slot(name).map(|s| &s.value)
    }

    fn flag_named(&self, name: &[u8]) -> Option<&'static Flag> {
        self.slots
            .iter()
            .map(|s| s.flag)
            .find(|f| f.name.as_bytes() == name)
    }

    fn flag_lettered(&self, letter: char) -> Option<&'static Flag> {
        self.slots
            .iter()
            .map(|s| s.flag)
            .find(|f| f.short == Some(letter))
    }
}

/// Reads the words left for the command at the end of `path`.
pub fn parse(path: &[&'static Command], words: &[Vec<u8>]) -> Result<Parsed, String> {
    let own = path[path.len() - 1].flags.iter();
    let flags = own
        .chain(path.iter().flat_map(|c| c.persistent))
        .chain(std::iter::once(&HELP_FLAG));
    let slots = flags
        .map(|flag| Slot {
            flag,
            value: flag
                .kind
                .parse(flag.default.as_bytes())
                .expect("defaults in the table can be read"),
            changed: false,
        })
        .collect();
    let mut parsed = Parsed {
        args: Vec::new(),
        help: false,
        slots,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == b"--" {
            parsed.args.extend(words.cloned());
            break;
        }
        if let Some(long) = word.strip_prefix(b"--") {
            parse_long(&mut parsed, word, long, &mut words)?;
        } else if word.len() > 1 && word[0] == b'-' {
            parse_short(&mut parsed, &word[1..], &mut words)?;
        } else {
            parsed.args.push(word.clone());
        }
    }
    parsed.help = parsed.boolean("help");
    Ok(parsed)
}

type Words<'a> = std::slice::Iter<'a, Vec<u8>>;

fn parse_long(
    parsed: &mut Parsed,
    word: &[u8],
    long: &[u8],
    words: &mut Words<'_>,
) -> Result<(), String> {
    if matches!(long.first(), None | Some(b'-' | b'=')) {
        return Err(format!(
            "bad flag syntax: {}",
            String::from_utf8_lossy(word)
        ));
    }
    let (name, inline) = match long.iter().position(|&b| b == b'=') {
        Some(at) => (&long[..at], Some(&long[at + 1..])),
        None => (long, None),
    };
    let shown = String::from_utf8_lossy(name);
    let flag = parsed
        .flag_named(name)
        .ok_or_else(|| format!("unknown flag: --{shown}"))?;
    match inline {
        Some(value) => parsed.set(flag, value),
        None if flag.kind.is_switch() => parsed.set(flag, b"true"),
        None => {
            let value = words
                .next()
                .ok_or_else(|| format!("flag needs an argument: --{shown}"))?;
            parsed.set(flag, value)
        }
    }
}

/// A word such as `-hw=json`: letters until one takes the rest as its value.
fn parse_short(parsed: &mut Parsed, letters: &[u8], words: &mut Words<'_>) -> Result<(), String> {
    let mut rest = letters;
    while let Some((&byte, tail)) = rest.split_first() {
        let letter = byte as char;
        let shown = String::from_utf8_lossy(rest);
        let flag = parsed
            .flag_lettered(letter)
            .ok_or_else(|| format!("unknown shorthand flag: {} in -{shown}", quote_char(letter)))?;
        if tail.len() > 1 && tail[0] == b'=' {
            return parsed.set(flag, &tail[1..]);
        }
        if flag.kind.is_switch() {
            parsed.set(flag, b"true")?;
            rest = tail;
            continue;
        }
        if !tail.is_empty() {
            return parsed.set(flag, tail);
        }
        let value = words
            .next()
            .ok_or_else(|| format!("flag needs an argument: {} in -{shown}", quote_char(letter)))?;
        return parsed.set(flag, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::find::find;
    use crate::tables::{ETCDCTL, ETCDUTL};

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split_whitespace()
            .map(|w| w.as_bytes().to_vec())
            .collect()
    }

    fn read(line: &str) -> Result<(String, Parsed), String> {
        let (path, rest) = find(&ETCDCTL.root, &words(line))?;
        let names: Vec<&str> = path.iter().map(|c| c.name).collect();
        Ok((names.join(" "), parse(&path, &rest)?))
    }

    #[test]
    fn flags_stand_anywhere() {
        for line in [
            "--endpoints a:1,b:2 -w json get key --prefix",
            "get --prefix key --endpoints=a:1 --endpoints=b:2 -wjson",
            "get key -w=json --prefix=true --endpoints a:1,b:2",
        ] {
            let (command, parsed) = read(line).unwrap();
            assert_eq!(command, "etcdctl get", "{line}");
            assert_eq!(parsed.args, words("key"), "{line}");
            assert_eq!(parsed.list("endpoints"), ["a:1", "b:2"], "{line}");
            assert_eq!(parsed.text("write-out"), "json", "{line}");
            assert!(parsed.boolean("prefix"), "{line}");
        }
    }

    #[test]
    fn a_word_may_be_cut() {
        assert_eq!(read("en he").unwrap().0, "etcdctl endpoint health");
        assert_eq!(read("ge a").unwrap().0, "etcdctl get");
    }

    #[test]
    fn what_follows_two_dashes_is_no_flag() {
        let (_, parsed) = read("put -- -k --v").unwrap();
        assert_eq!(parsed.args, words("-k --v"));
    }

    #[test]
    fn mistakes_in_the_reference_words() {
        let said = |line: &str| read(line).unwrap_err();
        assert_eq!(said("get --nope"), "unknown flag: --nope");
        assert_eq!(said("get -x"), "unknown shorthand flag: 'x' in -x");
        assert_eq!(said("get --limit"), "flag needs an argument: --limit");
        assert_eq!(said("get -w"), "flag needs an argument: 'w' in -w");
        assert_eq!(said("get ---x"), "bad flag syntax: ---x");
        assert_eq!(
            said("get --limit=abc"),
            "invalid argument \"abc\" for \"--limit\" flag: strconv.ParseInt: parsing \"abc\": invalid syntax"
        );
        assert_eq!(
            said("nope"),
            "unknown command \"nope\" for \"etcdctl\"\n\nDid you mean this?\n\trole\n"
        );
    }

    #[test]
    fn names_are_unique_and_defaults_make_sense() {
        fn walk(path: &mut Vec<&'static Command>) {
            let parsed = parse(path, &[]).unwrap();
            let mut names: Vec<_> = parsed.slots.iter().map(|s| s.flag.name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{:?}", path.last().map(|c| c.name));
            for child in path[path.len() - 1].children {
                path.push(child);
                walk(path);
                path.pop();
            }
        }
        walk(&mut vec![&ETCDCTL.root]);
        walk(&mut vec![&ETCDUTL.root]);
    }
}
