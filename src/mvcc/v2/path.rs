//! Paths as Go's package `path` cleans them; all of ours begin with a slash.

/// The shortest path that means the same: no empty parts, no `.`, no `..`.
#[must_use]
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A path below another.
#[must_use]
pub fn join(above: &str, below: &str) -> String {
    clean(&format!("{above}/{below}"))
}

/// The directory of a clean path and the name in it; the root has neither.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The names on the way to a clean path.
pub(super) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// Whether what lies below `watched` on the way to `key` is hidden: a part of it begins
/// with an underscore.
pub(super) fn is_hidden(watched: &str, key: &str) -> bool {
    // A watch may lie deeper than the directory that was deleted.
    key.get(watched.len()..)
        .is_some_and(|below| clean(below).contains("/_"))
}
