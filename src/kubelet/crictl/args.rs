//! Flags as crictl takes them: `--name value`, `--name=value`, `-n value`, `-aq`.

use std::collections::BTreeMap;

/// A flag of a command.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    name: &'static str,
    short: char,
    takes_value: bool,
}

impl Flag {
    /// A flag that is there or not; a space for no short name.
    pub const fn switch(name: &'static str, short: char) -> Self {
        Self {
            name,
            short,
            takes_value: false,
        }
    }

    /// A flag with a value.
    pub const fn value(name: &'static str, short: char) -> Self {
        Self {
            name,
            short,
            takes_value: true,
        }
    }
}

impl Flag {
    /// As a help text lists it.
    pub fn line(&self) -> String {
        let value = if self.takes_value { " value" } else { "" };
        match self.short {
            ' ' => format!("   --{}{value}\n", self.name),
            short => format!("   --{}{value}, -{short}{value}\n", self.name),
        }
    }
}

/// What a command was given.
#[derive(Debug, Default)]
pub struct Args {
    flags: BTreeMap<&'static str, String>,
    /// What is no flag.
    pub rest: Vec<String>,
}

impl Args {
    /// With `stop`, the first word that is no flag ends the flags.
    ///
    /// # Errors
    /// A flag that is not known, or one without its value.
    pub fn parse(words: Vec<String>, known: &[Flag], stop: bool) -> Result<Self, String> {
        let mut args = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                args.rest.extend(words);
                break;
            }
            let name = match word.strip_prefix("--") {
                Some(long) => long,
                None if word.len() > 1 && word.starts_with('-') => &word[1..],
                None => {
                    args.rest.push(word);
                    if stop {
                        args.rest.extend(words);
                        break;
                    }
                    continue;
                }
            };
            let (name, given) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (name, None),
            };
            let find = |name: &str| {
                known
                    .iter()
                    .find(|flag| flag.name == name || name.chars().eq(std::iter::once(flag.short)))
            };
            if let Some(flag) = find(name) {
                let value = match (flag.takes_value, given) {
                    (false, given) => given.unwrap_or_else(|| "true".into()),
                    (true, Some(value)) => value,
                    (true, None) => words
                        .next()
                        .ok_or(format!("flag needs an argument: -{name}"))?,
                };
                args.flags.insert(flag.name, value);
                continue;
            }
            // Several switches in one word; the last one may take a value.
            let mut letters = name.chars().peekable();
            let unknown = format!("flag provided but not defined: -{name}");
            while let Some(letter) = letters.next() {
                let flag = find(&letter.to_string()).ok_or_else(|| unknown.clone())?;
                let value = match flag.takes_value {
                    false => "true".to_owned(),
                    true if letters.peek().is_some() => return Err(unknown),
                    true => words
                        .next()
                        .ok_or(format!("flag needs an argument: -{letter}"))?,
                };
                args.flags.insert(flag.name, value);
            }
        }
        Ok(args)
    }

    /// Whether a switch is on.
    pub fn has(&self, name: &str) -> bool {
        self.flags.get(name).is_some_and(|value| value != "false")
    }

    /// The value of a flag.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag::switch("all", 'a'),
        Flag::switch("quiet", 'q'),
        Flag::value("name", ' '),
        Flag::value("output", 'o'),
    ];

    fn parse(words: &str, stop: bool) -> Result<Args, String> {
        let words = words.split_whitespace().map(str::to_owned).collect();
        Args::parse(words, FLAGS, stop)
    }

    #[test]
    fn flags_are_read_in_every_form() {
        let args = parse("-aq --name etcd -o=json abc", false).unwrap();
        assert!(args.has("all") && args.has("quiet"));
        assert_eq!(args.value("name"), Some("etcd"));
        assert_eq!(args.value("output"), Some("json"));
        assert_eq!(args.rest, ["abc"]);
    }

    #[test]
    fn a_command_may_have_flags_of_its_own() {
        let args = parse("-a id sh -c x", true).unwrap();
        assert_eq!(args.rest, ["id", "sh", "-c", "x"]);
        let error = parse("-x", false).unwrap_err();
        assert_eq!(error, "flag provided but not defined: -x");
    }
}
