//! Who has a file of a node open, as the kernel tells it. Nothing is run in the node.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Fabric;
use crate::error::{Context as _, Result};

/// A process that has a file open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number on the host.
    pub pid: i32,
    /// Its effective user; see [`Fabric::user_in_node`].
    pub uid: u32,
    /// The last part of the name that it was called by; empty if it has none.
    pub name: String,
}

impl Fabric {
    /// How the nodes number the user that this process knows as `uid`; `None` if the user
    /// is none of theirs.
    ///
    /// # Errors
    /// The fabric does not run.
    pub fn user_in_node(&self, uid: u32) -> Result<Option<u32>> {
        let inside = self.state()?.inside.pid;
        let map = fs::read_to_string(format!("/proc/{inside}/uid_map"))
            .context("read the lab's user map")?;
        Ok(map.lines().find_map(|line| within(line, uid)))
    }

    /// The processes that have `file` open, this one aside. A file of a node can only be
    /// open in processes of that node and of its containers.
    ///
    /// # Errors
    /// The file can't be looked at, or `/proc` can't be read.
    pub fn holders(&self, file: &fs::File) -> Result<Vec<Holder>> {
        let wanted = file.metadata().context("look at a file")?;
        let wanted = (wanted.dev(), wanted.ino());
        let own = std::process::id() as i32;
        Ok(fs::read_dir("/proc")
            .context("list processes")?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| *pid != own && has_open(*pid, wanted))
            .filter_map(describe)
            .collect())
    }
}

/// A line of `/proc/PID/uid_map`: the first user inside, the first outside, how many.
fn within(line: &str, outside: u32) -> Option<u32> {
    let mut numbers = line.split_whitespace().map(str::parse::<u32>);
    let mut next = || numbers.next()?.ok();
    let (inside, first, count) = (next()?, next()?, next()?);
    let offset = outside.checked_sub(first)?;
    (offset < count).then(|| inside + offset)
}

/// Files of processes that this one may not look into count as not open.
fn has_open(pid: i32, file: (u64, u64)) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .any(|found| (found.dev(), found.ino()) == file)
}

/// `None`: it has ended meanwhile.
fn describe(pid: i32) -> Option<Holder> {
    let dir = Path::new("/proc").join(pid.to_string());
    let uid = fs::read_to_string(dir.join("status"))
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    let command = fs::read(dir.join("cmdline")).ok()?;
    let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
    let program = String::from_utf8_lossy(program);
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    Some(Holder { pid, uid, name })
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn users_are_translated_by_the_map() {
        let line = "         0 1879048192      65536";
        assert_eq!(within(line, 1_879_048_192), Some(0));
        assert_eq!(within(line, 1_879_049_187), Some(995));
        assert_eq!(within(line, 0), None);
        assert_eq!(within(line, 1_879_113_728), None);
        assert_eq!(within("1 100000 65535", 100_997), Some(998));
        assert_eq!(within("broken", 5), None);
    }
}
