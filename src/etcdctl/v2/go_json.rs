//! JSON that is not, in the words of Go's `encoding/json`.

use serde::de::DeserializeOwned;

use super::client::Failure;

/// Reads JSON; the failure says what Go would.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::Other(syntax_error(body).unwrap_or_else(|| error.to_string())))
}

/// What is wrong with the beginning of a text; `None` if it looks like JSON, or if only
/// its inside is wrong.
fn syntax_error(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let Some(first) = text.chars().next() else {
        return Some("unexpected end of JSON input".to_owned());
    };
    let number = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    match first {
        '0'..='9' => {
            let rest = text[number..].trim_start_matches([' ', '\t', '\r', '\n']);
            let next = rest.chars().next()?;
            Some(format!(
                "invalid character {} after top-level value",
                crate::go::quote::quote_char(next)
            ))
        }
        '{' | '[' | '"' | '-' | 't' | 'f' | 'n' => None,
        other => Some(format!(
            "invalid character {} looking for beginning of value",
            crate::go::quote::quote_char(other)
        )),
    }
}
