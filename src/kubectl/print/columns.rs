//! `-o custom-columns`.

use crate::error::{Outcome, fail};
use kube::jsonpath::{JsonPath, relaxed};
use serde_json::Value;

/// Headers and the expressions below them.
#[derive(Debug)]
pub struct Columns {
    columns: Vec<(String, JsonPath)>,
}

impl Columns {
    /// `NAME:.metadata.name,NODE:.spec.nodeName`
    ///
    /// # Errors
    /// Nothing, or something without a colon, or a bad expression.
    pub fn parse(text: &str) -> Outcome<Self> {
        if text.is_empty() {
            return fail("custom-columns format specified but no custom columns given");
        }
        let mut columns = Vec::new();
        for part in text.split(',') {
            let Some((header, path)) = part
                .split_once(':')
                .filter(|(_, p)| !p.contains(':') || p.contains('"') || p.contains('['))
            else {
                return fail(format!(
                    "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
                ));
            };
            columns.push((
                header.to_owned(),
                JsonPath::parse(&relaxed(path)?)?.allow_missing_keys(true),
            ));
        }
        Ok(Self { columns })
    }

    /// A line of headers above a line of expressions, both separated by blanks.
    ///
    /// # Errors
    /// The lines are missing or do not match.
    pub fn parse_file(text: &str) -> Outcome<Self> {
        let mut lines = text.lines();
        let (Some(headers), Some(paths)) = (lines.next(), lines.next()) else {
            return fail("custom-columns format specified but no custom columns given");
        };
        let headers: Vec<&str> = headers.split_whitespace().collect();
        let paths: Vec<&str> = paths.split_whitespace().collect();
        if headers.len() != paths.len() {
            return fail(format!(
                "number of headers ({}) and field specifications ({}) don't match",
                headers.len(),
                paths.len()
            ));
        }
        let mut columns = Vec::new();
        for (header, path) in headers.into_iter().zip(paths) {
            columns.push((
                header.to_owned(),
                JsonPath::parse(&relaxed(path)?)?.allow_missing_keys(true),
            ));
        }
        Ok(Self { columns })
    }

    /// Adds the line of headers.
    pub fn header(&self, hidden: bool, out: &mut String) {
        if !hidden {
            let headers: Vec<&str> = self.columns.iter().map(|(h, _)| h.as_str()).collect();
            out.push_str(&headers.join("\t"));
            out.push('\n');
        }
    }

    /// Adds an object's line.
    ///
    /// # Errors
    /// An expression cannot be evaluated.
    pub fn row(&self, object: &Value, out: &mut String) -> Outcome {
        for (i, (_, path)) in self.columns.iter().enumerate() {
            if i > 0 {
                out.push('\t');
            }
            let values: Vec<String> = path
                .find(object)?
                .iter()
                .flatten()
                .map(kube::gofmt::verb_v)
                .collect();
            out.push_str(if values.is_empty() { "<none>" } else { "" });
            out.push_str(&values.join(","));
        }
        out.push('\n');
        Ok(())
    }
}
