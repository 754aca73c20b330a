//! The handle that a host process has of a fabric.

mod inside;
mod link;
mod look;
mod preflight;
mod processes;
mod state;
mod supervisor;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::enter::{self, Request as EnterRequest, Target};
use crate::error::{Context as _, Error, Preflight, Result};
use crate::ids::IdMap;
use crate::spec::{Exec, FabricSpec, File};
use crate::sys;

pub(crate) use inside::EXIT_REBOOT;
pub use look::Holder;
pub(crate) use preflight::{in_user_namespace, trial};
pub use processes::NodeProcess;
pub(crate) use state::Process;
use state::{NodeEntry, State};
pub(crate) use supervisor::run as run_supervisor;
use supervisor::{Answer, Request};

/// How long a stop may take until it is an error; it takes some 50 ms.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A running fabric. The process that started it keeps it alive: when that
/// process ends, however it ends, every process, mount and link of the fabric
/// goes with it. Handles from [`Fabric::attach`] do not keep it alive.
#[derive(Debug)]
pub struct Fabric {
    session_dir: PathBuf,
    /// Of the starter: the supervisor and the socket whose end is its end.
    owned: Mutex<Option<(Child, UnixStream)>>,
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
        let mut spec = spec.clone();
        let fresh = !spec.session_dir.exists();
        spec.session_dir = std::path::absolute(&spec.session_dir).context("find the session")?;
        if let Some(state) = State::read(&spec.session_dir).context("read the fabric's state")? {
            let pid = state.supervisor.pid;
            return Err(Error::AlreadyRunning {
                dir: spec.session_dir,
                pid,
            });
        }
        let (mut ours, theirs) = UnixStream::pair().context("make a socket")?;
        let mut supervisor = Command::new(&spec.program)
            .arg0("kubedrill")
            // The directory is for people who look at the process list.
            .arg("sandbox-fabric")
            .arg(&spec.session_dir)
            .env_clear()
            // Where newuidmap is looked for.
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("execute {}", spec.program.display()))?;
        let mut line = serde_json::to_vec(&spec).context("write the specification")?;
        line.push(b'\n');
        let outcome = ours.write_all(&line).and_then(|()| read_answer(&ours));
        let failure = match outcome {
            Ok(Ok(())) => {
                let owned = Mutex::new(Some((supervisor, ours)));
                return Ok(Fabric {
                    session_dir: spec.session_dir,
                    owned,
                });
            }
            Ok(Err(text)) => Error::Child(text),
            Err(source) => Error::Io {
                what: "hear from the fabric's supervisor".to_owned(),
                source,
            },
        };
        drop(ours);
        let _ = supervisor.wait();
        if fresh {
            // Nothing half-made stays; what can't be removed now can't be later.
            let _ = remove_session(&spec.session_dir);
        }
        // A host that forbids it says so more clearly than the step that failed.
        match preflight::check(&spec.program) {
            Err(reason) => Err(reason.into()),
            Ok(()) => Err(failure),
        }
    }

    /// The fabric of a session directory if it runs, from any process of the
    /// same user. State of a fabric that was killed is told apart by the start
    /// time of its process and counts as not running.
    pub fn attach(session_dir: &Path) -> Result<Option<Fabric>> {
        let session_dir = std::path::absolute(session_dir).context("find the session")?;
        let found = State::read(&session_dir).context("read the fabric's state")?;
        Ok(found.map(|_| Fabric {
            session_dir,
            owned: Mutex::new(None),
        }))
    }

    /// The session directory.
    pub fn session_dir(&self) -> &Path {
        &self.session_dir
    }

    fn state(&self) -> Result<State> {
        State::read(&self.session_dir)
            .context("read the fabric's state")?
            .ok_or_else(|| Error::NotRunning(self.session_dir.clone()))
    }

    fn entry(&self, state: &State, node: &str) -> Result<NodeEntry> {
        state
            .nodes
            .iter()
            .find(|entry| entry.name == node)
            .cloned()
            .ok_or_else(|| {
                let known: Vec<_> = state
                    .nodes
                    .iter()
                    .map(|entry| entry.name.as_str())
                    .collect();
                Error::NoSuchNode {
                    name: node.to_owned(),
                    known: known.join(", "),
                }
            })
    }

    /// Whether the fabric still runs.
    pub fn is_running(&self) -> bool {
        self.state().is_ok()
    }

    /// Whether the nodes have users besides root.
    pub fn has_users(&self) -> bool {
        self.state().is_ok_and(|state| state.has_users)
    }

    /// The names of the nodes, in the order of the specification; none when the
    /// fabric has stopped.
    pub fn nodes(&self) -> Vec<String> {
        self.state()
            .map(|state| state.nodes.into_iter().map(|entry| entry.name).collect())
            .unwrap_or_default()
    }

    /// Whether a node runs just now.
    pub fn node_state(&self, node: &str) -> Result<NodeState> {
        let init = self.entry(&self.state()?, node)?.init;
        let alive = init.is_some_and(Process::is_alive);
        Ok(if alive {
            NodeState::Up
        } else {
            NodeState::Down
        })
    }

    /// A command that runs `exec` in a node. Set its standard streams as with
    /// any [`Command`] (it turns into tokio's by `From`), spawn it, wait for it:
    /// its exit status is that of the process in the node; a process that died
    /// of signal N gives 128+N, a program that is not there 127, trouble of the
    /// sandbox 125. Killing it kills the process in the node.
    pub fn command(&self, node: &str, exec: &Exec) -> Result<Command> {
        let state = self.state()?;
        let init = self
            .entry(&state, node)?
            .init
            .filter(|init| init.is_alive())
            .ok_or_else(|| Error::NodeDown(node.to_owned()))?;
        let target = Target::Node {
            inside: state.inside,
            init,
        };
        let request = EnterRequest {
            target,
            exec: exec.clone(),
            window: None,
        };
        enter::command(&state.program, &request)
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
        let state = self.state()?;
        let inside = serde_json::to_string(&state.inside).context("write the request")?;
        let mut entering = Command::new(&state.program);
        entering
            .arg0("kubedrill")
            .args(["sandbox-enter", "network", &inside]);
        entering.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entering.env(name, value),
                None => entering.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            entering.current_dir(directory);
        }
        Ok(entering)
    }

    /// Where the root directory of a node is on the host. `/usr`, `/proc`,
    /// `/sys`, `/dev` and `/run` of the node are mounts and not seen here.
    pub fn node_root(&self, node: &str) -> PathBuf {
        self.session_dir.join("nodes").join(node).join("root")
    }

    /// The host's path of an absolute path in a node, with symbolic links of the
    /// node resolved inside of it; nothing that the node contains can lead out.
    /// The last part need not exist. The answer may be outdated at once: to read
    /// what a learner can change meanwhile, use [`Fabric::open_in_node`].
    pub fn node_path(&self, node: &str, path: &Path) -> Result<PathBuf> {
        let root = self.open_root(node)?;
        let what = || format!("find {} in node {node}", path.display());
        let full = match sys::open_in_root(root.as_fd(), path, libc::O_PATH) {
            Ok(fd) => fs::read_link(crate::node::path_of(&fd)).with_context(what)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                let fd = sys::open_in_root(root.as_fd(), parent, libc::O_PATH | libc::O_DIRECTORY)
                    .with_context(what)?;
                let parent = fs::read_link(crate::node::path_of(&fd)).with_context(what)?;
                path.file_name()
                    .map_or_else(|| parent.clone(), |name| parent.join(name))
            }
            Err(error) => return Err(error).with_context(what),
        };
        Ok(full)
    }

    fn open_root(&self, node: &str) -> Result<OwnedFd> {
        fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(self.node_root(node))
            .map(OwnedFd::from)
            .with_context(|| format!("open the root of node {node}"))
    }

    /// Opens a file of a node for reading, as if the node's root were `/`:
    /// symbolic links cannot lead out of it (openat2, `RESOLVE_IN_ROOT`). Never
    /// blocks on a FIFO.
    pub fn open_in_node(&self, node: &str, path: &Path) -> io::Result<fs::File> {
        let root = self.open_root(node).map_err(io::Error::other)?;
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
        sys::open_in_root(root.as_fd(), path, flags).map(fs::File::from)
    }

    /// Writes a file into a running node, replacing what was there. Parents that
    /// are missing are made.
    pub fn write_file(&self, node: &str, file: &File) -> Result<()> {
        let path = file.path.to_string_lossy().into_owned();
        let script = "set -e; mkdir -p -- \"$(dirname -- \"$1\")\"; t=\"$1.new.$$\"; umask 077; \
                      cat > \"$t\"; chown \"$2\" -- \"$t\"; chmod \"$3\" -- \"$t\"; mv -fT -- \"$t\" \"$1\"";
        let owner = format!("{0}:{0}", file.uid);
        let mode = format!("{:o}", file.mode);
        let exec = Exec::new(["/bin/sh", "-c", script, "sh", &path, &owner, &mode]);
        self.run(node, &exec, &file.contents).map_err(|error| {
            Error::Child(format!("could not write {path} in node {node}: {error}"))
        })
    }

    /// Runs something in a node to its end, with `input` as its standard input.
    ///
    /// # Errors
    /// It failed, and said so on standard error, or the node can't be entered.
    pub fn run(&self, node: &str, exec: &Exec, input: &[u8]) -> Result<()> {
        let mut child = self
            .command(node, exec)?
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("enter the node")?;
        if let Some(mut stdin) = child.stdin.take() {
            // What failed early has closed its end; its words tell why.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().context("wait for the node")?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(Error::Child(text.trim().to_owned()))
    }

    fn ask(&self, request: &Request) -> Result<()> {
        self.state()?;
        let directory = fs::File::open(&self.session_dir).context("open the session")?;
        let stream = UnixStream::connect(state::short_path(&directory, "fabric.sock"))
            .context("reach the fabric's supervisor")?;
        let mut line = serde_json::to_vec(request).context("write the request")?;
        line.push(b'\n');
        (&stream)
            .write_all(&line)
            .context("ask the fabric's supervisor")?;
        read_answer(&stream)
            .context("hear from the fabric's supervisor")?
            .map_err(Error::Child)
    }

    /// Stops a node's units, ends its processes and boots it again; boots a node
    /// that is down. Returns when its init is up again.
    pub fn reboot(&self, node: &str) -> Result<()> {
        self.entry(&self.state()?, node)?;
        self.ask(&Request::Reboot(node.to_owned()))
    }

    /// Kills a node at once, as a power cut would. It stays down until
    /// [`Fabric::reboot`].
    pub fn kill_node(&self, node: &str) -> Result<()> {
        self.entry(&self.state()?, node)?;
        self.ask(&Request::Kill(node.to_owned()))
    }

    /// Ends the fabric: no process, mount or link is left. The nodes' trees
    /// stay in the session directory. Stopping what has stopped is no error.
    pub fn stop(&self) -> Result<()> {
        let owned = self.owned.lock().map_err(|_| gone())?.take();
        if let Some((mut supervisor, lifeline)) = owned {
            drop(lifeline);
            return supervisor
                .wait()
                .map(drop)
                .context("wait for the fabric's end");
        }
        let state = match self.state() {
            Ok(state) => state,
            Err(Error::NotRunning(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        // Its only answer is its end.
        let _ = self.ask(&Request::Stop);
        let deadline = Instant::now() + STOP_LIMIT;
        while state.supervisor.is_alive() || state.inside.is_alive() {
            if Instant::now() > deadline {
                return Err(Error::Child(format!(
                    "the fabric (process {}) has not ended within {} seconds",
                    state.supervisor.pid,
                    STOP_LIMIT.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        // The starter's handle takes the fabric with it, as its death would.
        if self.owned.lock().is_ok_and(|owned| owned.is_some()) {
            let _ = self.stop();
        }
    }
}

fn gone() -> Error {
    Error::Child("another thread failed while it stopped the fabric".to_owned())
}

fn read_answer(stream: &UnixStream) -> io::Result<Answer> {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}

/// Whether the host lets this user run a fabric at all; in a few milliseconds.
/// Tries it in a process of its own.
pub fn preflight() -> Result<(), Preflight> {
    preflight::check(Path::new("/proc/self/exe"))
}

/// Whether a lab can have users besides root here: when running as root, or when
/// `newuidmap` and a range in `/etc/subuid` are there.
pub fn maps_users() -> bool {
    IdMap::choose().has_users()
}

/// Removes a session directory with all nodes' trees, whatever owners and modes
/// are in it. Refused while the fabric runs. An absent directory is no error.
pub fn remove_session(session_dir: &Path) -> Result<()> {
    let session_dir = std::path::absolute(session_dir).context("find the session")?;
    if let Some(state) = State::read(&session_dir).context("read the fabric's state")? {
        return Err(Error::AlreadyRunning {
            dir: session_dir,
            pid: state.supervisor.pid,
        });
    }
    match crate::remove::remove_tree(&session_dir) {
        // Files of the lab's other users, which only root of the lab may remove.
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied
                && !nix::unistd::geteuid().is_root() =>
        {
            crate::remove::remove_as_root(&session_dir)
        }
        outcome => outcome,
    }
    .with_context(|| format!("remove {}", session_dir.display()))
}
