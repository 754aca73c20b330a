//! Command-line flags in the manner of Kubernetes' components: `--name=value`,
//! `--name value`, booleans without a value, unknown names refused.

use std::collections::BTreeMap;
use std::ffi::OsString;

use kube::known_flags::{self, KnownFlag};

/// Why the command line was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// No such flag.
    #[error("unknown flag: {0}")]
    Unknown(String),
    /// A flag that takes a value stands at the end.
    #[error("flag needs an argument: {0}")]
    NeedsValue(String),
    /// A word that is no flag.
    #[error("unknown command \"{0}\"")]
    Argument(String),
    /// A flag that exists in the reference and is not served here.
    #[error("flag --{0} is not supported: {1}")]
    Unsupported(String, &'static str),
    /// A value that can't be read.
    #[error("invalid argument \"{1}\" for \"--{0}\" flag: {2}")]
    Value(String, String, String),
}

/// What becomes of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Takes a value.
    Value,
    /// A boolean.
    Switch,
    /// Known and without effect here; the reason is for the reader of the table.
    Accepted(&'static str),
    /// Known and refused, with the reason.
    Refused(&'static str),
    /// Known by name.
    Beyond(KnownFlag<'static>),
}

/// A component's flags.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub own: &'static [(&'static str, Kind)],
    /// What the reference has besides, as a list of [`known_flags`].
    pub beyond: &'static str,
}

impl Table {
    fn kind(&self, name: &str) -> Option<Kind> {
        let own = self.own.iter().find(|(known, _)| *known == name);
        own.map(|(_, kind)| *kind)
            .or_else(|| known_flags::find(self.beyond, name).map(Kind::Beyond))
    }
}

/// The flags that were given.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    values: BTreeMap<String, Vec<String>>,
}

impl Flags {
    /// Reads a command line without its first word.
    pub fn parse(table: Table, args: &[OsString]) -> Result<Flags, FlagError> {
        let mut flags = Flags::default();
        let mut words = args.iter().map(|word| word.to_string_lossy().into_owned());
        while let Some(word) = words.next() {
            let Some(body) = word.strip_prefix("--") else {
                return Err(match word.strip_prefix('-') {
                    Some(_) => FlagError::Unknown(word),
                    None => FlagError::Argument(word),
                });
            };
            let (name, inline) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (body, None),
            };
            let kind = table
                .kind(name)
                .ok_or_else(|| FlagError::Unknown(format!("--{name}")))?;
            let value = match (kind, inline) {
                (Kind::Refused(why), _) => {
                    return Err(FlagError::Unsupported(name.to_string(), why));
                }
                (_, Some(value)) => value,
                (Kind::Switch, None) => "true".to_string(),
                (Kind::Beyond(known), None) if !known.takes_value => "true".to_string(),
                (_, None) => words
                    .next()
                    .ok_or_else(|| FlagError::NeedsValue(format!("--{name}")))?,
            };
            if let Kind::Beyond(known) = kind
                && !known.accepts(&value)
            {
                return Err(FlagError::Unsupported(
                    name.to_string(),
                    known_flags::REFUSED,
                ));
            }
            if kind == Kind::Switch && !matches!(value.as_str(), "true" | "false") {
                return Err(FlagError::Value(
                    name.to_string(),
                    value.clone(),
                    format!("strconv.ParseBool: parsing \"{value}\": invalid syntax"),
                ));
            }
            flags
                .values
                .entry(name.to_string())
                .or_default()
                .push(value);
        }
        Ok(flags)
    }

    /// The last value of a flag; none if it was not given or given empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .and_then(|values| values.last())
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Every value, split at commas.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.values
            .get(name)
            .into_iter()
            .flatten()
            .flat_map(|value| value.split(','))
            .filter(|value| !value.is_empty())
            .map(str::to_string)
            .collect()
    }

    /// A boolean, or what it is when it was not given.
    pub fn switch(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| value == "true")
    }

    /// A number, or what it is when it was not given.
    pub fn number(&self, name: &str, default: i64) -> Result<i64, FlagError> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| {
                FlagError::Value(
                    name.to_string(),
                    value.to_string(),
                    format!("strconv.ParseInt: parsing \"{value}\": invalid syntax"),
                )
            }),
        }
    }

    /// A duration such as `1h0m0s`, `40s` or `500ms`, in milliseconds.
    pub fn duration(&self, name: &str, default_ms: u64) -> Result<u64, FlagError> {
        match self.get(name) {
            None => Ok(default_ms),
            Some(value) => milliseconds(value).ok_or_else(|| {
                FlagError::Value(
                    name.to_string(),
                    value.to_string(),
                    format!("time: invalid duration \"{value}\""),
                )
            }),
        }
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let mut total = 0f64;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let unit_end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total += number
            * match &rest[..unit_end] {
                "h" => 3_600_000.0,
                "m" => 60_000.0,
                "s" => 1000.0,
                "ms" => 1.0,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table {
        own: &[
            ("name", Kind::Value),
            ("on", Kind::Switch),
            ("cloud", Kind::Refused("there is no cloud")),
        ],
        beyond: "qps value accept\nlogs bool refuse false\n",
    };

    fn parse(words: &[&str]) -> Result<Flags, FlagError> {
        let args: Vec<OsString> = words.iter().map(OsString::from).collect();
        Flags::parse(TABLE, &args)
    }

    #[test]
    fn flags_read_as_pflag_reads_them() {
        let flags = parse(&["--name=a,b", "--on", "--name", "c"]).expect("parses");
        assert_eq!(flags.get("name"), Some("c"));
        assert_eq!(flags.all("name"), ["a", "b", "c"]);
        assert!(flags.switch("on", false));
        assert!(parse(&["--qps", "5", "--logs=false"]).is_ok());
        let refused = parse(&["--logs", "--on"]).unwrap_err().to_string();
        assert_eq!(
            refused,
            "flag --logs is not supported: kubedrill has nothing that it would set"
        );
        assert_eq!(
            parse(&["--x"]).unwrap_err().to_string(),
            "unknown flag: --x"
        );
        assert_eq!(
            parse(&["--name"]).unwrap_err().to_string(),
            "flag needs an argument: --name"
        );
        assert!(parse(&["--cloud=x"]).is_err());
        assert!(parse(&["--on=maybe"]).is_err());
        assert_eq!(milliseconds("1h0m1.5s"), Some(3_601_500));
        assert_eq!(milliseconds("5"), None);
    }
}
