//! Values as Go prints them: `encoding/json` with its escapes, and the verbs
//! `%v`, `%#v`, `%q` of `fmt`, which show through in kubectl's output.

use serde_json::{Number, Value};
use std::fmt::Write as _;

/// One line of JSON, as `json.Marshal` writes it.
#[must_use]
pub fn json_compact(value: &Value) -> String {
    let mut out = String::new();
    json(value, None, 0, &mut out);
    out
}

/// Indented JSON with a line break at its end, as kubectl's `-o json`.
#[must_use]
pub fn json_pretty(value: &Value) -> String {
    let mut out = String::new();
    json(value, Some("    "), 0, &mut out);
    out.push('\n');
    out
}

fn json(value: &Value, indent: Option<&str>, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    };
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&json_number(n)),
        Value::String(s) => json_string(s, out),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                json(item, indent, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Object(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                json_string(key, out);
                out.push(':');
                if indent.is_some() {
                    out.push(' ');
                }
                json(item, indent, depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
    }
}

/// A string in quotes; `<`, `>` and `&` are escaped, as Go does for HTML's sake.
fn json_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn json_number(n: &Number) -> String {
    match n.as_f64() {
        Some(f) if n.is_f64() => {
            if f != 0.0 && (f.abs() < 1e-6 || f.abs() >= 1e21) {
                exponent(f, 1)
            } else {
                format!("{f}")
            }
        }
        _ => n.to_string(),
    }
}

/// `1e+21`, with at least `digits` digits in the exponent.
fn exponent(f: f64, digits: usize) -> String {
    let text = format!("{f:e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{mantissa}e{sign}{power:0>digits$}")
}

/// A scalar as `fmt.Print` writes it; collections as `%v` does.
#[must_use]
pub fn print(value: &Value) -> String {
    verb_v(value)
}

/// `%v`: `map[a:1 b:[x y]]`.
#[must_use]
pub fn verb_v(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => number(n),
        Value::String(s) => s.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(verb_v).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let items: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{k}:{}", verb_v(v)))
                .collect();
            format!("map[{}]", items.join(" "))
        }
    }
}

fn number(n: &Number) -> String {
    match n.as_f64() {
        Some(f) if n.is_f64() => {
            if f != 0.0 && (f.abs() < 1e-4 || f.abs() >= 1e21) {
                exponent(f, 2)
            } else {
                format!("{f}")
            }
        }
        _ => n.to_string(),
    }
}

/// `%#v` of an unstructured value: `map[string]interface {}{"a":"b"}`.
#[must_use]
pub fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => number(n),
        Value::String(s) => quote(s),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let items: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{}:{}", quote(k), go_syntax(v)))
                .collect();
            format!("map[string]interface {{}}{{{}}}", items.join(", "))
        }
    }
}

/// `%q`.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
