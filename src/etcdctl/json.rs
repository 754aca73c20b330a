//! JSON as Go's `encoding/json` writes it: fields in the order of the struct,
//! zero values left out where the struct says `omitempty`, bytes in base64,
//! `<`, `>` and `&` escaped.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Which characters are escaped beyond what JSON demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// `encoding/json`: HTML's characters and the two line separators.
    Html,
    /// zap: none.
    Plain,
}

/// Writes a JSON string.
pub fn push_string(out: &mut String, value: &str, escape: Escape) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' if escape == Escape::Html => out.push_str("\\b"),
            '\u{c}' if escape == Escape::Html => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if escape == Escape::Html => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// An object under construction. Methods that end in `_omit` leave zero values out.
#[derive(Debug)]
pub struct Object {
    out: String,
}

impl Default for Object {
    fn default() -> Self {
        Self { out: "{".into() }
    }
}

impl Object {
    /// A field whose value is already JSON.
    pub fn raw(mut self, name: &str, json: &str) -> Self {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        push_string(&mut self.out, name, Escape::Html);
        self.out.push(':');
        self.out.push_str(json);
        self
    }

    /// A number or a truth value.
    pub fn plain(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.raw(name, &value.to_string())
    }

    /// A number or a truth value, unless it is zero.
    pub fn plain_omit<T: std::fmt::Display + Default + PartialEq>(
        self,
        name: &str,
        value: T,
    ) -> Self {
        if value == T::default() {
            self
        } else {
            self.plain(name, value)
        }
    }

    /// A text.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, &string(value))
    }

    /// A text, unless it is empty.
    pub fn text_omit(self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            self
        } else {
            self.text(name, value)
        }
    }

    /// Bytes, unless there are none.
    pub fn bytes_omit(self, name: &str, value: &[u8]) -> Self {
        if value.is_empty() {
            self
        } else {
            self.raw(name, &bytes(value))
        }
    }

    /// A list, unless it is empty.
    pub fn list_omit<T>(self, name: &str, values: &[T], each: impl Fn(&T) -> String) -> Self {
        if values.is_empty() {
            self
        } else {
            self.raw(name, &list(values, each))
        }
    }

    /// A value that may be absent.
    pub fn option<T>(self, name: &str, value: Option<&T>, each: impl Fn(&T) -> String) -> Self {
        match value {
            Some(value) => self.raw(name, &each(value)),
            None => self,
        }
    }

    /// The finished object.
    pub fn end(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// A list of values.
pub fn list<T>(values: &[T], each: impl Fn(&T) -> String) -> String {
    format!(
        "[{}]",
        values.iter().map(each).collect::<Vec<_>>().join(",")
    )
}

/// A text.
pub fn string(value: &str) -> String {
    let mut out = String::new();
    push_string(&mut out, value, Escape::Html);
    out
}

/// Bytes in base64.
pub fn bytes(value: &[u8]) -> String {
    format!("\"{}\"", STANDARD.encode(value))
}
