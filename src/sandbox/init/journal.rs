//! The journal of a node: one line of JSON an entry, in `/var/log/journal`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The file that is written.
pub(super) const CURRENT: &str = "/var/log/journal/node.journal";
/// What the file was before it grew too long.
pub(super) const PREVIOUS: &str = "/var/log/journal/node.journal.1";
/// Bytes at which a new file is begun.
const LONGEST: u64 = 16 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Microseconds since 1970.
    pub(super) time: i64,
    /// The unit it belongs to.
    pub(super) unit: String,
    /// The program's name.
    pub(super) identifier: String,
    pub(super) pid: i32,
    /// As in syslog: 3 error, 4 warning, 6 information.
    pub(super) priority: u8,
    pub(super) message: String,
    /// Which boot of the node it is of.
    pub(super) boot: String,
}

impl Entry {
    /// As `journalctl` prints it.
    pub(super) fn line(&self, host: &str) -> String {
        let when = local(self.time);
        let mut text = String::new();
        for (index, part) in self.message.split('\n').enumerate() {
            let head = format!("{when} {host} {}[{}]: ", self.identifier, self.pid);
            if index > 0 {
                text.push('\n');
                text.push_str(&" ".repeat(head.len()));
            } else {
                text.push_str(&head);
            }
            text.push_str(part);
        }
        text
    }
}

/// `Jan 15 01:08:36` in the node's time zone.
pub(super) fn local(micros: i64) -> String {
    stamp(micros, "%b %d %H:%M:%S")
}

/// A time in the node's time zone, in a format of strftime(3).
pub(super) fn stamp(micros: i64, format: &str) -> String {
    Timestamp::from_microsecond(micros)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::system())
        .strftime(format)
        .to_string()
}

/// The writing end, which only init has.
pub(super) struct Journal {
    file: Option<fs::File>,
    length: u64,
    boot: String,
}

impl Journal {
    pub(super) fn open() -> Journal {
        let boot = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        let mut journal = Journal {
            file: None,
            length: 0,
            boot: boot.trim().replace('-', ""),
        };
        journal.reopen();
        journal
    }

    fn reopen(&mut self) {
        let _ = fs::create_dir_all(Path::new(CURRENT).parent().unwrap_or(Path::new("/")));
        self.file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(CURRENT)
            .ok();
        self.length = self
            .file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .map_or(0, |found| found.len());
    }

    /// Adds a message. A full disk or a removed directory loses messages and
    /// nothing else.
    pub(super) fn write(&mut self, unit: &str, identifier: &str, pid: i32, message: &str) {
        let (priority, message) = priority(message);
        let entry = Entry {
            time: Timestamp::now().as_microsecond(),
            unit: unit.to_owned(),
            identifier: identifier.to_owned(),
            pid,
            priority,
            message: message.to_owned(),
            boot: self.boot.clone(),
        };
        let Ok(mut line) = serde_json::to_vec(&entry) else {
            return;
        };
        line.push(b'\n');
        if self.length > LONGEST {
            let _ = fs::rename(CURRENT, PREVIOUS);
            self.reopen();
        } else if !Path::new(CURRENT).exists() {
            self.reopen();
        }
        if let Some(file) = &mut self.file
            && file.write_all(&line).is_ok()
        {
            self.length += line.len() as u64;
        }
    }

    /// Init's own words about a unit.
    pub(super) fn tell(&mut self, unit: &str, message: &str) {
        self.write(unit, "systemd", 1, message);
    }
}

/// Takes a `<N>` prefix off (sd-daemon(3)).
fn priority(message: &str) -> (u8, &str) {
    let bytes = message.as_bytes();
    match bytes {
        [b'<', digit @ b'0'..=b'7', b'>', ..] => (digit - b'0', &message[3..]),
        _ => (6, message),
    }
}

/// Reads the journal from its beginning, and then what is added.
pub(super) struct Reader {
    files: Vec<BufReader<fs::File>>,
    partial: String,
}

impl Reader {
    pub(super) fn open() -> Reader {
        let files = [PREVIOUS, CURRENT]
            .iter()
            .filter_map(|path| fs::File::open(path).ok())
            .map(BufReader::new)
            .collect();
        Reader {
            files,
            partial: String::new(),
        }
    }

    /// The next entry, or `None` when there is none yet. Damaged lines are left
    /// out.
    pub(super) fn next(&mut self) -> Option<Entry> {
        loop {
            let last = self.files.len() <= 1;
            let file = self.files.first_mut()?;
            let read = file.read_line(&mut self.partial).unwrap_or(0);
            if read == 0 || !self.partial.ends_with('\n') {
                if last {
                    return None;
                }
                self.files.remove(0);
                self.partial.clear();
                continue;
            }
            let entry = serde_json::from_str(&self.partial);
            self.partial.clear();
            if let Ok(entry) = entry {
                return Some(entry);
            }
        }
    }

    /// Goes on with a new file if the journal has begun one.
    pub(super) fn follow_rotation(&mut self) {
        use std::os::unix::fs::MetadataExt as _;
        let Some(file) = self.files.last_mut() else {
            *self = Reader::open();
            return;
        };
        let same = match (file.get_ref().metadata(), fs::metadata(CURRENT)) {
            (Ok(open), Ok(now)) => {
                open.ino() == now.ino() && now.len() >= open.len().min(now.len())
            }
            _ => true,
        };
        if !same && let Ok(new) = fs::File::open(CURRENT) {
            *file = BufReader::new(new);
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_taken_off() {
        assert_eq!(priority("<3>broken"), (3, "broken"));
        assert_eq!(priority("<9>x"), (6, "<9>x"));
        assert_eq!(priority("plain"), (6, "plain"));
    }

    #[test]
    fn further_lines_are_indented() {
        let entry = Entry {
            time: 0,
            unit: "a.service".to_owned(),
            identifier: "a".to_owned(),
            pid: 7,
            priority: 6,
            message: "one\ntwo".to_owned(),
            boot: String::new(),
        };
        let text = entry.line("node");
        let (first, second) = text.split_once('\n').expect("two lines");
        assert!(first.ends_with(" node a[7]: one"), "{first}");
        assert_eq!(second.trim_start(), "two");
        assert_eq!(second.len() - 3, first.len() - 3);
    }
}
