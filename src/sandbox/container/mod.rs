//! Processes in mount (and PID) namespaces of their own within a node: what a
//! container runtime gives to a kubelet. Used from inside of a node.
//!
//! A container is watched by a small process of its own (a *shim*) which writes
//! its log and its exit status. It outlives the process that started the
//! container, as with a real runtime: a restarted kubelet finds its containers
//! with [`list`] and goes on with [`Container::open`].

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spec::{Exec, File};

/// What to run and what it shall see.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// Unique within the node; the kubelet's 64 hexadecimal digits.
    pub id: String,
    /// The program, looked up in the container's PATH, and its arguments.
    pub argv: Vec<String>,
    /// The whole environment, apart from PATH and HOSTNAME if they are missing.
    pub env: Vec<(String, String)>,
    /// The working directory; `/` if empty. Made if absent.
    pub cwd: PathBuf,
    /// What of the node it sees besides its own root, in this order.
    pub binds: Vec<Bind>,
    /// Names in its `/usr/local/bin` that are kubedrill's applets (or the
    /// foreign binaries of the same names that the node was given).
    pub applets: Vec<String>,
    /// Further files of its own, such as `/etc/hosts` or a mounted Secret.
    pub files: Vec<File>,
    /// The log, in the CRI's format (`2026-01-15T01:08:36.065703123Z stdout F text`),
    /// appended to. Its directory must exist. No log if empty.
    pub log: PathBuf,
    /// The user and group that it runs as; 0 is the node's root.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Its host name; the node's if `None` (as with `hostNetwork`).
    pub hostname: Option<String>,
    /// Whether it shares the node's PID namespace (`hostPID`).
    pub host_pid: bool,
    /// Whether it shares the node's IPC namespace (`hostIPC`).
    pub host_ipc: bool,
    /// Whether its own root is read-only (`readOnlyRootFilesystem`).
    pub read_only_root: bool,
}

/// A directory or file of the node in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The absolute path in the node. It must exist: checks of a hostPath's
    /// `type` are the kubelet's.
    pub host_path: PathBuf,
    /// The absolute path in the container. Made if absent.
    pub mount_path: PathBuf,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// Its exit status; 128+N when signal N ended it.
    pub code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// When, in nanoseconds since 1970.
    pub at_unix_nanos: i128,
}

/// A started container, running or ended.
#[derive(Debug)]
pub struct Container {
    id: String,
}

impl Container {
    /// Starts a container; returns when its program was executed. Takes some
    /// milliseconds and blocks. May be called with threads running.
    ///
    /// # Errors
    /// [`Error::Exec`] when the program cannot be executed; otherwise what could
    /// not be mounted.
    pub fn start(spec: &ContainerSpec) -> Result<Container> {
        Err(Error::NoSuchContainer(spec.id.clone()))
    }

    /// A container that another process of the node has started.
    pub fn open(id: &str) -> Result<Container> {
        Err(Error::NoSuchContainer(id.to_owned()))
    }

    /// The id of the specification.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The specification with which it was started.
    pub fn spec(&self) -> Result<ContainerSpec> {
        Err(Error::NoSuchContainer(self.id.clone()))
    }

    /// Its first process, as the node numbers it. `None` once it has ended.
    pub fn pid(&self) -> Option<i32> {
        None
    }

    /// How it ended, or `None` while it runs. Does not block.
    pub fn try_wait(&self) -> Result<Option<Exited>> {
        Err(Error::NoSuchContainer(self.id.clone()))
    }

    /// Waits for its end. Needs a tokio runtime with IO; may be dropped and
    /// called again.
    pub async fn wait(&self) -> Result<Exited> {
        Err(Error::NoSuchContainer(self.id.clone()))
    }

    /// Sends a signal to its first process; one that ended gets none. All
    /// processes end with the first one.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let _ = signal;
        Ok(())
    }

    /// A command that runs `exec` in the container, with the container's
    /// environment. Streams and exit status as with [`crate::Fabric::command`].
    /// With `exec.tty` and a standard input that is no terminal, use
    /// [`Container::exec_with_window`] to pass on window sizes.
    pub fn exec(&self, exec: &Exec) -> Result<Command> {
        let _ = exec;
        Err(Error::NoSuchContainer(self.id.clone()))
    }

    /// As [`Container::exec`] on a terminal, with a handle that sets its size.
    pub fn exec_with_window(&self, exec: &Exec) -> Result<(Command, Window)> {
        let _ = exec;
        Err(Error::NoSuchContainer(self.id.clone()))
    }

    /// Forgets an ended container: its state is removed, its log stays. Kills it
    /// if it still runs.
    pub fn remove(self) -> Result<()> {
        Ok(())
    }
}

/// Sets the size of a terminal that a command runs on. Keep it until the
/// command was spawned.
#[derive(Debug)]
pub struct Window {
    _socket: std::os::unix::net::UnixStream,
}

impl Window {
    /// Tells the terminal its new size. An ended command is no error.
    pub fn resize(&self, columns: u16, rows: u16) {
        let _ = (columns, rows);
    }
}

/// The ids of all containers of this node, running or ended but not removed.
pub fn list() -> Result<Vec<String>> {
    Ok(Vec::new())
}

/// Where the state of containers is kept within a node.
pub fn state_dir() -> &'static Path {
    Path::new("/run/kubedrill/containers")
}
