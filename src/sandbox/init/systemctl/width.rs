//! Lines that a terminal has no room for, as `systemctl status` shortens them.

use std::io::IsTerminal as _;

use super::super::journal::Reader;
use super::super::journalctl::host;

/// How wide a line may be; `None` where nobody looks, or all is wanted.
pub(super) fn columns(full: bool) -> Option<usize> {
    if full || !std::io::stdout().is_terminal() {
        return None;
    }
    let of_variable = std::env::var("COLUMNS").ok();
    let of_variable = of_variable.and_then(|text| text.parse().ok());
    let of_window = || crate::window::columns(std::io::stdout());
    Some(of_variable.or_else(of_window).unwrap_or(80))
}

/// `text` with an ellipsis in the place of what is too much, after `percent` of what is kept
/// (systemd `ellipsize_mem`); `None` if it fits.
pub(super) fn shorten(text: &str, columns: Option<usize>, percent: usize) -> Option<String> {
    let columns = columns?;
    let length = text.chars().count();
    // With less room there is nothing to show of it.
    if length <= columns || columns < 3 {
        return None;
    }
    let head = (columns - 1) * percent / 100;
    let tail = columns - 1 - head;
    let mut short: String = text.chars().take(head).collect();
    short.push('…');
    short.extend(text.chars().skip(length - tail));
    Some(short)
}

/// The last lines of a unit's journal, as `status` shows them, and whether any was too long.
pub(super) fn last_lines(name: &str, count: usize, columns: Option<usize>) -> (String, bool) {
    let mut reader = Reader::open();
    let mut lines = std::collections::VecDeque::new();
    let host = host();
    while let Some(entry) = reader.next() {
        if entry.unit == name {
            let line = entry.line(&host);
            // All lines of an entry begin with as much as the first one.
            let first = entry.message.split('\n').next().unwrap_or_default();
            let head = line.find('\n').unwrap_or(line.len()) - first.len();
            lines.push_back((line, head));
            if lines.len() > count {
                lines.pop_front();
            }
        }
    }
    if lines.is_empty() {
        return (String::new(), false);
    }
    let (mut text, mut shortened) = (String::from("\n"), false);
    for (entry, head) in &lines {
        for line in entry.split('\n') {
            let (head, message) = line.split_at(*head);
            let room = columns.map(|columns| columns.saturating_sub(head.chars().count()));
            let short = shorten(message, room, 90);
            shortened |= short.is_some();
            text += &format!("{head}{}\n", short.as_deref().unwrap_or(message));
        }
    }
    (text, shortened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_loses_its_middle_or_its_end() {
        let text = "0123456789abcdefghij";
        for (columns, percent, expected) in [
            (Some(20), 90, None),
            (None, 90, None),
            (Some(11), 100, Some("0123456789…")),
            (Some(11), 90, Some("012345678…j")),
            (Some(2), 90, None),
        ] {
            let short = shorten(text, columns, percent);
            assert_eq!(short.as_deref(), expected, "{columns:?} {percent}");
        }
        assert_eq!(shorten("äöüßé", Some(4), 100).as_deref(), Some("äöü…"));
    }
}
