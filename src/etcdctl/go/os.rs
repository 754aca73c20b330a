//! Errors of the operating system in Go's words.

use std::{io, path::Path};

/// `no such file or directory`: the text of the error number alone.
pub fn errno(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        // Go's own table is all lower case, except where the C library has an
        // acronym ("I/O error" is "input/output error" in both).
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A Go `PathError`: `open a.db: no such file or directory`.
pub fn path_error(operation: &str, path: &Path, error: &io::Error) -> String {
    format!("{operation} {}: {}", path.display(), errno(error))
}
