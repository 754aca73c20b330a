//! What `journalctl` tells of the journal as a whole: its boots, its size, the values of a
//! field; and how its archived file is thrown away.

use std::fs;
use std::time::Duration;

use super::super::journal::{CURRENT, PREVIOUS, Reader, stamp};
use super::field;

/// What is done instead of showing entries.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    ListBoots,
    DiskUsage,
    /// `--flush`, `--sync`: what is logged is in the file already.
    Nothing,
    /// `-F`: the values that a field has.
    Field(String),
    Vacuum(Vacuum),
}

/// What may stay of archived files.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Vacuum {
    Size(u64),
    Files(u64),
    Time(Duration),
}

/// Carries it out; what went wrong.
pub(super) fn run(action: &Action, quiet: bool) -> Result<(), String> {
    match action {
        Action::Nothing => {}
        Action::ListBoots => print!("{}", boots()),
        Action::DiskUsage => println!(
            "Archived and active journals take up {} in the file system.",
            bytes(size(PREVIOUS) + size(CURRENT))
        ),
        Action::Field(name) => {
            let mut found: Vec<String> = Vec::new();
            let mut reader = Reader::open();
            while let Some(entry) = reader.next() {
                if let Some(value) = field(&entry, name)
                    && !found.contains(&value)
                {
                    found.push(value);
                }
            }
            for value in found {
                println!("{value}");
            }
        }
        Action::Vacuum(limit) => vacuum(limit, quiet)?,
    }
    Ok(())
}

fn size(path: &str) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// The boots that entries are of, the last one numbered 0 (systemd 255 `--list-boots`).
fn boots() -> String {
    let mut boots: Vec<(String, i64, i64)> = Vec::new();
    let mut reader = Reader::open();
    while let Some(entry) = reader.next() {
        match boots.last_mut() {
            Some((boot, _, last)) if *boot == entry.boot => *last = entry.time,
            _ => boots.push((entry.boot, entry.time, entry.time)),
        }
    }
    let when = |micros| stamp(micros, "%a %Y-%m-%d %H:%M:%S %Z");
    let width = when(0).len();
    let mut text = format!(
        "IDX {:<32} {:<width$} {}\n",
        "BOOT ID", "FIRST ENTRY", "LAST ENTRY"
    );
    for (index, (boot, first, last)) in boots.iter().enumerate() {
        let offset = index as i64 + 1 - boots.len() as i64;
        text += &format!("{offset:>3} {boot:<32} {} {}\n", when(*first), when(*last));
    }
    text
}

/// There is one archived file at most; the one that is written stays whatever the limit.
fn vacuum(limit: &Vacuum, quiet: bool) -> Result<(), String> {
    let archived = size(PREVIOUS);
    let age = fs::metadata(PREVIOUS)
        .and_then(|found| found.modified())
        .ok()
        .and_then(|time| time.elapsed().ok());
    let goes = age.is_some_and(|age| match limit {
        Vacuum::Size(most) => archived + size(CURRENT) > *most,
        Vacuum::Files(most) => *most < 2,
        Vacuum::Time(most) => age > *most,
    });
    let mut freed = 0;
    if goes {
        fs::remove_file(PREVIOUS)
            .map_err(|error| format!("Failed to delete archived journal {PREVIOUS}: {error}"))?;
        freed = archived;
        if !quiet {
            eprintln!("Deleted archived journal {PREVIOUS} ({}).", bytes(freed));
        }
    }
    if !quiet {
        eprintln!(
            "Vacuuming done, freed {} of archived journals from /var/log/journal.",
            bytes(freed)
        );
    }
    Ok(())
}

/// `100M`, `1G`, `4096`.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// `12.3M`
pub(in crate::init) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "K", "M"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{count}B")
            } else {
                format!("{value:.1}{unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1}G")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_like_systemds() {
        assert_eq!(bytes(512), "512B");
        assert_eq!(bytes(12_900_000), "12.3M");
        assert_eq!(parse_size("100M"), Some(100 << 20));
        assert_eq!(parse_size("7"), Some(7));
        for wrong in ["", "M", "1X", "99999999999T"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }
}
