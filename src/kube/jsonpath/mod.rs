//! kubectl's dialect of JSONPath.
//!
//! Reference: `k8s.io/client-go/util/jsonpath` of Kubernetes 1.32. The dialect
//! is a template language (text outside braces is printed as it is) with
//! `range`/`end`, filters of one comparison, escaped dots, slices and unions;
//! no JSONPath crate knows it. Where Go walks a map in random order (`.*`,
//! `..`), we walk it sorted.

mod eval;
mod parse;
#[cfg(test)]
mod tests;

use serde_json::Value;
use thiserror::Error;

/// A template that does not parse or cannot be evaluated, in Google's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct JsonPathError(pub(crate) String);

/// A parsed template.
#[derive(Debug, Clone)]
pub struct JsonPath {
    nodes: Vec<parse::Node>,
    allow_missing_keys: bool,
}

impl JsonPath {
    /// Parses a template such as `{.items[*].metadata.name}`.
    ///
    /// # Errors
    /// The template does not follow the dialect.
    pub fn parse(template: &str) -> Result<Self, JsonPathError> {
        Ok(Self {
            nodes: parse::parse(template)?,
            allow_missing_keys: false,
        })
    }

    /// Whether a missing field gives nothing instead of an error.
    #[must_use]
    pub fn allow_missing_keys(mut self, allow: bool) -> Self {
        self.allow_missing_keys = allow;
        self
    }

    /// The results of each part of the template, in order.
    ///
    /// # Errors
    /// A field that is missing (unless allowed), an index out of bounds, a
    /// comparison of values that cannot be compared.
    pub fn find(&self, value: &Value) -> Result<Vec<Vec<Value>>, JsonPathError> {
        eval::find(&self.nodes, self.allow_missing_keys, value)
    }

    /// The text that `-o jsonpath=` prints.
    ///
    /// # Errors
    /// As [`JsonPath::find`].
    pub fn render(&self, value: &Value) -> Result<String, JsonPathError> {
        let mut out = String::new();
        for results in self.find(value)? {
            for (i, result) in results.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                out.push_str(&to_text(result));
            }
        }
        Ok(out)
    }

    /// The text that `-o jsonpath-as-json=` prints: an array for each part.
    ///
    /// # Errors
    /// As [`JsonPath::find`].
    pub fn render_json(&self, value: &Value) -> Result<String, JsonPathError> {
        let mut out = String::new();
        for results in self.find(value)? {
            out.push_str(&crate::gofmt::json_pretty(&Value::Array(results)));
        }
        Ok(out)
    }
}

/// How one result is printed: collections as JSON, everything else as Go's
/// `fmt.Print` would.
#[must_use]
pub fn to_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(s) => s.clone(),
        Value::Array(_) | Value::Object(_) => crate::gofmt::json_compact(value),
        other => crate::gofmt::print(other),
    }
}

/// Brings the short forms that `--sort-by`, `custom-columns` and `wait` accept
/// (`metadata.name`, `.metadata.name`, `{metadata.name}`) into braces.
///
/// # Errors
/// The text is neither an expression nor one in braces.
pub fn relaxed(expression: &str) -> Result<String, JsonPathError> {
    if expression.is_empty() {
        return Ok(String::new());
    }
    let unexpected = || {
        JsonPathError(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'"
                .to_owned(),
        )
    };
    let inner = match (expression.strip_prefix('{'), expression.strip_suffix('}')) {
        (Some(rest), Some(_)) => rest.strip_suffix('}').ok_or_else(unexpected)?,
        (None, None) => expression,
        _ => return Err(unexpected()),
    };
    let inner = inner.strip_prefix('.').unwrap_or(inner);
    if inner.is_empty() || inner.contains(['{', '}']) || inner.starts_with('.') {
        return Err(unexpected());
    }
    Ok(format!("{{.{inner}}}"))
}
