//! The state file of a running fabric, by which other processes find it.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sys;

/// A process that cannot be taken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Clock ticks since boot.
    pub(crate) started: u64,
}

impl Process {
    /// The process that has this number now.
    pub(crate) fn now(pid: i32) -> Option<Process> {
        Some(Process {
            pid,
            started: sys::start_time(pid)?,
        })
    }

    pub(crate) fn is_alive(self) -> bool {
        sys::start_time(self.pid) == Some(self.started)
    }
}

/// A node and its first process, as the host numbers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NodeEntry {
    pub(crate) name: String,
    /// `None` while it is down.
    pub(crate) init: Option<Process>,
}

/// What the supervisor writes whenever it changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// On the host.
    pub(crate) supervisor: Process,
    /// The first process of the fabric's namespaces.
    pub(crate) inside: Process,
    /// In the order of the specification.
    pub(crate) nodes: Vec<NodeEntry>,
    /// The kubedrill binary that runs it.
    pub(crate) program: PathBuf,
    /// Whether there are users besides root.
    pub(crate) has_users: bool,
}

pub(super) fn state_path(session_dir: &Path) -> PathBuf {
    session_dir.join("fabric.json")
}

pub(super) fn control_path(session_dir: &Path) -> PathBuf {
    session_dir.join("fabric.sock")
}

pub(super) fn lock_path(session_dir: &Path) -> PathBuf {
    session_dir.join("fabric.lock")
}

impl State {
    /// The state of a fabric that runs. A file that a killed fabric has left
    /// counts as none.
    pub(crate) fn read(session_dir: &Path) -> io::Result<Option<State>> {
        let text = match fs::read(state_path(session_dir)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Written by renaming, so it is whole; another version's file is stale.
        let Ok(state) = serde_json::from_slice::<State>(&text) else {
            return Ok(None);
        };
        Ok((state.supervisor.is_alive() && state.inside.is_alive()).then_some(state))
    }

    /// Replaces the file as a whole.
    pub(super) fn write(&self, session_dir: &Path) -> io::Result<()> {
        let path = state_path(session_dir);
        let temporary = path.with_extension("new");
        let _ = fs::remove_file(&temporary);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        serde_json::to_writer(&file, self)?;
        fs::rename(&temporary, &path)
    }
}

/// Removes what a fabric leaves beside the nodes' trees.
pub(super) fn clear(session_dir: &Path) {
    let _ = fs::remove_file(state_path(session_dir));
    let _ = fs::remove_file(state_path(session_dir).with_extension("new"));
    let _ = fs::remove_file(control_path(session_dir));
}

/// A path to a socket that fits into `sockaddr_un` however deep the session's
/// directory is: it leads through an open descriptor.
pub(super) fn short_path(directory: &fs::File, name: &str) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(supervisor: Process) -> State {
        State {
            supervisor,
            inside: Process::now(std::process::id() as i32).expect("this process runs"),
            nodes: Vec::new(),
            program: PathBuf::new(),
            has_users: false,
        }
    }

    #[test]
    fn a_stale_file_is_told_apart_by_the_start_time() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(
            State::read(dir.path())
                .expect("no file is no error")
                .is_none()
        );
        let own = Process::now(std::process::id() as i32).expect("this process runs");
        state(own).write(dir.path()).expect("write");
        assert!(State::read(dir.path()).expect("read").is_some());
        state(Process {
            started: own.started + 1,
            ..own
        })
        .write(dir.path())
        .expect("write");
        assert!(State::read(dir.path()).expect("read").is_none());
        clear(dir.path());
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 0);
    }
}
