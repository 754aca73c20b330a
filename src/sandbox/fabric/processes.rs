//! A node's processes, seen from outside of the node.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use super::Fabric;
use crate::error::{Context as _, Error, Result};

/// A process of a node. Nothing in the node can make up what is said here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeProcess {
    /// As the host numbers it.
    pub pid: i32,
    /// The program as it was called, and its arguments.
    pub argv: Vec<String>,
    /// When it began, to a hundredth of a second.
    pub started_at: SystemTime,
}

impl NodeProcess {
    /// The program's name: the last part of the path that it was called by.
    pub fn name(&self) -> &str {
        let program = self.argv.first().map_or("", String::as_str);
        program.rsplit('/').next().unwrap_or(program)
    }
}

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, which is 100 on every
/// architecture that kubedrill is built for.
const TICKS_PER_SECOND: u64 = 100;

/// What `/proc/PID/stat` says: the parent and the start in ticks since boot.
/// `None` for what is gone or has ended.
fn stat(pid: i32) -> Option<(i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&text)
}

fn parse_stat(text: &str) -> Option<(i32, u64)> {
    // The command's name may hold spaces and parentheses; the last one ends it.
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    // Field 22 of proc(5); two of those from field 3 on are taken.
    Some((parent, fields.nth(17)?.parse().ok()?))
}

/// When this machine began to count ticks.
fn boot_time() -> io::Result<SystemTime> {
    let uptime = fs::read_to_string("/proc/uptime")?;
    let seconds: f64 = uptime
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(SystemTime::now() - Duration::from_secs_f64(seconds))
}

impl Fabric {
    /// Every process of a node that runs, except its first.
    ///
    /// # Errors
    /// The node is down, or `/proc` can't be read.
    pub fn node_processes(&self, node: &str) -> Result<Vec<NodeProcess>> {
        let init = self
            .entry(&self.state()?, node)?
            .init
            .filter(|init| init.is_alive())
            .ok_or_else(|| Error::NodeDown(node.to_owned()))?;
        let boot = boot_time().context("read the machine's uptime")?;
        let mut known: HashMap<i32, (i32, u64)> = HashMap::new();
        for entry in fs::read_dir("/proc").context("list processes")? {
            let entry = entry.context("list processes")?;
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if let Some(found) = stat(pid) {
                known.insert(pid, found);
            }
        }
        let mut found = Vec::new();
        for (pid, (_, ticks)) in &known {
            if !descends(&known, *pid, init.pid) {
                continue;
            }
            let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else {
                continue;
            };
            let argv = line
                .split(|byte| *byte == 0)
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect::<Vec<_>>();
            let since_boot = Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
            found.push(NodeProcess {
                pid: *pid,
                argv,
                started_at: boot + since_boot,
            });
        }
        found.sort_by_key(|process| process.pid);
        Ok(found)
    }
}

/// Whether `pid` is below `ancestor`.
fn descends(known: &HashMap<i32, (i32, u64)>, mut pid: i32, ancestor: i32) -> bool {
    let mut seen = HashSet::new();
    while let Some((parent, _)) = known.get(&pid) {
        if *parent == ancestor {
            return true;
        }
        // The numbers were read one after the other: a reused one may make a ring.
        if !seen.insert(pid) {
            return false;
        }
        pid = *parent;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_end_at_the_last() {
        let line = "42 (a) b (c)) S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        assert_eq!(parse_stat(line), Some((7, 987_654)));
        assert_eq!(parse_stat("42 (gone) Z 7 1 1 0"), None);
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn only_descendants_count_and_rings_end() {
        let known = HashMap::from([(2, (1, 0)), (3, (2, 0)), (9, (8, 0)), (8, (9, 0))]);
        assert!(descends(&known, 3, 1));
        assert!(!descends(&known, 1, 1));
        assert!(!descends(&known, 9, 1));
    }
}
