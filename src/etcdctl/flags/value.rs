//! What a flag may hold.

use crate::go::{duration, number, quote};

/// The kinds of values that flags take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--x`, `--x=false`.
    Bool,
    /// Any text.
    Text,
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// A duration such as `5s`.
    Duration,
    /// Comma-separated texts; the flag may be repeated.
    List,
}

/// A value of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// See [`Kind::Bool`].
    Bool(bool),
    /// See [`Kind::Text`].
    Text(String),
    /// See [`Kind::Int`].
    Int(i64),
    /// See [`Kind::Uint`].
    Uint(u64),
    /// Nanoseconds; see [`Kind::Duration`].
    Duration(i64),
    /// See [`Kind::List`].
    List(Vec<String>),
}

impl Kind {
    /// Reads a value; the error is Go's text.
    pub fn parse(self, text: &[u8]) -> Result<Value, String> {
        let lossy = || String::from_utf8_lossy(text).into_owned();
        Ok(match self {
            Kind::Bool => Value::Bool(number::parse_bool(text).map_err(|e| e.to_string())?),
            Kind::Text => Value::Text(lossy()),
            Kind::Int => Value::Int(number::parse_i64(text, 0).map_err(|e| e.to_string())?),
            Kind::Uint => Value::Uint(number::parse_u64(text, 0).map_err(|e| e.to_string())?),
            Kind::Duration => Value::Duration(duration::parse(text).map_err(|e| e.to_string())?),
            Kind::List => Value::List(split_list(&lossy())?),
        })
    }

    /// Whether the flag may stand without a value.
    pub fn is_switch(self) -> bool {
        self == Kind::Bool
    }

    /// The name of the type in cobra's own help; empty for switches.
    pub fn type_name(self) -> &'static str {
        match self {
            Kind::Bool => "",
            Kind::Text => "string",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::Duration => "duration",
            Kind::List => "strings",
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Text(value) => f.write_str(value),
            Value::Int(value) => write!(f, "{value}"),
            Value::Uint(value) => write!(f, "{value}"),
            Value::Duration(value) => f.write_str(&duration::format(*value)),
            Value::List(value) => write!(f, "[{}]", value.join(",")),
        }
    }
}

/// Splits a list as a line of comma-separated values; double quotes hold commas.
fn split_list(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let column = text.len() - rest.len() + 1;
        if let Some(quoted) = rest.strip_prefix('"') {
            let (field, tail) = quoted_field(quoted).ok_or_else(|| {
                format!(
                    "parse error on line 1, column {}: extraneous or missing \" in quoted-field",
                    text.len() + 1
                )
            })?;
            fields.push(field);
            match tail.strip_prefix(',') {
                Some(tail) => rest = tail,
                None if tail.is_empty() => return Ok(fields),
                None => {
                    return Err(format!(
                        "parse error on line 1, column {column}: extraneous or missing \" in quoted-field"
                    ));
                }
            }
            continue;
        }
        let end = rest.find(',').unwrap_or(rest.len());
        if let Some(at) = rest[..end].find('"') {
            return Err(format!(
                "parse error on line 1, column {}: bare {} in non-quoted field",
                column + at,
                quote::quote(b"\"")
            ));
        }
        fields.push(rest[..end].to_owned());
        if end == rest.len() {
            return Ok(fields);
        }
        rest = &rest[end + 1..];
    }
}

fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(tail) => {
                field.push('"');
                rest = tail;
            }
            None => return Some((field, rest)),
        }
    }
}
