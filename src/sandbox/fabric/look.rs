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
    /// Its effective user, as the node numbers users.
    pub uid: u32,
    /// The last part of the name that it was called by; empty if it has none.
    pub name: String,
}

impl Fabric {
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
