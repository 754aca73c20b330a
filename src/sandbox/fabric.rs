//! The handle that a host process has of a fabric.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Preflight, Result};
use crate::spec::{Exec, FabricSpec, File};

/// A running fabric. The process that started it keeps it alive: when that
/// process ends, however it ends, every process, mount and link of the fabric
/// goes with it. Handles from [`Fabric::attach`] do not keep it alive.
#[derive(Debug)]
pub struct Fabric {
    session_dir: PathBuf,
}

/// Whether a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// Its init is up.
    Up,
    /// It was switched off or killed.
    Down,
}

impl Fabric {
    /// Boots the nodes; returns when the init of every node is up. May be called
    /// with threads running.
    ///
    /// # Errors
    /// [`Error::Preflight`] if the host does not allow it, [`Error::AlreadyRunning`],
    /// [`Error::Spec`]; nothing is left running after an error.
    pub fn start(spec: &FabricSpec) -> Result<Fabric> {
        spec.check()?;
        Err(Error::NotRunning(spec.session_dir.clone()))
    }

    /// The fabric of a session directory if it runs, from any process of the
    /// same user. State of a fabric that was killed is told apart by the start
    /// time of its process and cleared away.
    pub fn attach(session_dir: &Path) -> Result<Option<Fabric>> {
        let _ = session_dir;
        Ok(None)
    }

    /// The session directory.
    pub fn session_dir(&self) -> &Path {
        &self.session_dir
    }

    /// The names of the nodes, in the order of the specification.
    pub fn nodes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a node runs just now.
    pub fn node_state(&self, node: &str) -> Result<NodeState> {
        let _ = node;
        Ok(NodeState::Down)
    }

    /// A command that runs `exec` in a node. Set its standard streams as with
    /// any [`Command`] (it turns into tokio's by `From`), spawn it, wait for it:
    /// its exit status is that of the process in the node; a process that died
    /// of signal N gives 128+N. Killing it kills the process in the node.
    pub fn command(&self, node: &str, exec: &Exec) -> Result<Command> {
        let _ = (node, exec);
        Err(Error::NotRunning(self.session_dir.clone()))
    }

    /// An interactive login bash of root's in a node, on a terminal made in the
    /// node. Inherit all three streams.
    pub fn shell(&self, node: &str) -> Result<Command> {
        self.command(
            node,
            &Exec {
                tty: true,
                ..Exec::new(["bash", "--login"])
            },
        )
    }

    /// The same program, arguments, environment changes and directory as
    /// `command`, but in the fabric's network (it can reach the nodes'
    /// addresses and nothing else) and with root's rights over the nodes' files,
    /// on the host's file system. Standard streams are to be set on the result.
    pub fn enter_network(&self, command: &Command) -> Result<Command> {
        let _ = command;
        Err(Error::NotRunning(self.session_dir.clone()))
    }

    /// Where the root directory of a node is on the host. `/usr`, `/proc`,
    /// `/sys`, `/dev` and `/run` of the node are mounts and not seen here.
    pub fn node_root(&self, node: &str) -> PathBuf {
        self.session_dir.join("nodes").join(node).join("root")
    }

    /// The host's path of an absolute path in a node, with symbolic links of the
    /// node resolved inside of it; nothing that the node contains can lead out.
    pub fn node_path(&self, node: &str, path: &Path) -> Result<PathBuf> {
        let _ = path;
        Ok(self.node_root(node))
    }

    /// Opens a file of a node for reading, as if the node's root were `/`:
    /// symbolic links cannot lead out of it (openat2, `RESOLVE_IN_ROOT`). Never
    /// blocks on a FIFO.
    pub fn open_in_node(&self, node: &str, path: &Path) -> Result<fs::File> {
        let _ = (node, path);
        Err(Error::NotRunning(self.session_dir.clone()))
    }

    /// Writes a file into a running node, replacing what was there.
    pub fn write_file(&self, node: &str, file: &File) -> Result<()> {
        let _ = (node, file);
        Err(Error::NotRunning(self.session_dir.clone()))
    }

    /// Stops a node's units, ends its processes and boots it again; boots a node
    /// that is down. Returns when its init is up again.
    pub fn reboot(&self, node: &str) -> Result<()> {
        let _ = node;
        Err(Error::NotRunning(self.session_dir.clone()))
    }

    /// Kills a node at once, as a power cut would. It stays down until
    /// [`Fabric::reboot`].
    pub fn kill_node(&self, node: &str) -> Result<()> {
        let _ = node;
        Err(Error::NotRunning(self.session_dir.clone()))
    }

    /// Ends the fabric: no process, mount or link is left. The nodes' trees
    /// stay in the session directory. Stopping what has stopped is no error.
    pub fn stop(&self) -> Result<()> {
        Ok(())
    }
}

/// Whether the host lets this user run a fabric at all; in a few milliseconds.
pub fn preflight() -> Result<(), Preflight> {
    Ok(())
}

/// Whether a lab can have users besides root here: when running as root, or when
/// `newuidmap` and a range in `/etc/subuid` are there.
pub fn maps_users() -> bool {
    false
}

/// Removes a session directory with all nodes' trees, whatever owners and modes
/// are in it. Refused while the fabric runs. An absent directory is no error.
pub fn remove_session(session_dir: &Path) -> Result<()> {
    let _ = session_dir;
    Ok(())
}
