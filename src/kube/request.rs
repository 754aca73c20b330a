//! Building the paths and queries of API requests.

use std::fmt::Write as _;

/// Percent-encodes text for a query value or a path segment: everything except
/// letters, digits and `-_.~`, as Go's `url.QueryEscape` (with `%20` for a
/// blank).
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char);
            }
            other => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

/// A path with a query that grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: String,
    query: String,
}

impl Target {
    /// A path without a query.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            query: String::new(),
        }
    }

    /// Adds one more query parameter; the value is escaped.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(name);
        self.query.push('=');
        self.query.push_str(&escape(value));
        self
    }

    /// Adds a parameter unless the value is empty.
    #[must_use]
    pub fn with_some(self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            self
        } else {
            self.with(name, value)
        }
    }

    /// Path and query, as they stand in the request line.
    #[must_use]
    pub fn finish(self) -> String {
        if self.query.is_empty() {
            self.path
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }
}
