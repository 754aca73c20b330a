//! Processes in mount (and PID) namespaces of their own within a node: what a
//! container runtime gives to a kubelet. Used from inside of a node.
//!
//! A container is watched by a small process of its own (a *shim*) which writes
//! its log and its exit status. It outlives the process that started the
//! container, as with a real runtime: a restarted kubelet finds its containers
//! with [`list`] and goes on with [`Container::open`].

mod log;
mod root;
mod shim;

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::enter::{self, Target};
use crate::error::{Context as _, Error, Result};
use crate::fabric::Process;
use crate::spec::{Exec, File};
use crate::sys;
use shim::Report;

pub(crate) use shim::run as run_shim;

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
    files: Files,
    running: Running,
}

/// The processes of a container, as the node numbers them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Running {
    shim: Option<Process>,
    init: Option<Process>,
}

/// The state of a container on disk: `spec.json`, `running.json`, `exited.json`.
#[derive(Debug)]
struct Files {
    id: String,
    dir: PathBuf,
}

impl Files {
    fn of(id: &str) -> Result<Files> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > 128 || !id.bytes().all(plain) || id.starts_with('.') {
            return Err(Error::Spec(format!(
                "{id:?} is no id for a container: letters, digits, hyphens, dots"
            )));
        }
        Ok(Files {
            id: id.to_owned(),
            dir: state_dir().join(id),
        })
    }

    /// The mount point of the container's root.
    fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    fn read<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<Option<T>> {
        let what = || format!("read the state of container {}", self.id);
        match fs::read(self.dir.join(name)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(what),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(what),
        }
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let what = || format!("write the state of container {}", self.id);
        let bytes = serde_json::to_vec(value).with_context(what)?;
        let temporary = self.dir.join(format!("{name}.new"));
        fs::write(&temporary, bytes).with_context(what)?;
        fs::rename(&temporary, self.dir.join(name)).with_context(what)
    }

    fn spec(&self) -> Result<ContainerSpec> {
        self.read("spec.json")?
            .ok_or_else(|| Error::NoSuchContainer(self.id.clone()))
    }

    fn running(&self) -> Result<Running> {
        self.read("running.json")?
            .ok_or_else(|| Error::NoSuchContainer(self.id.clone()))
    }

    fn write_running(&self, running: &Running) -> Result<()> {
        self.write("running.json", running)
    }

    fn exited(&self) -> Result<Option<Exited>> {
        self.read("exited.json")
    }

    fn write_exited(&self, exited: &Exited) -> Result<()> {
        self.write("exited.json", exited)
    }
}

impl Container {
    /// Starts a container; returns when its program was executed. Takes some
    /// milliseconds and blocks. May be called with threads running.
    ///
    /// # Errors
    /// [`Error::Exec`] when the program cannot be executed; otherwise what could
    /// not be mounted. Nothing is left of a container that did not start, but
    /// its log.
    pub fn start(spec: &ContainerSpec) -> Result<Container> {
        let files = Files::of(&spec.id)?;
        if spec.argv.is_empty() {
            return Err(Error::Spec(format!("container {} has no command", spec.id)));
        }
        fs::create_dir_all(state_dir()).context("make the directory of containers")?;
        fs::create_dir(&files.dir)
            .and_then(|()| fs::create_dir(files.root()))
            .with_context(|| format!("make the state of container {}", spec.id))?;
        let outcome = files
            .write("spec.json", spec)
            .and_then(|()| launch(&spec.id));
        match outcome.and_then(|()| files.running()) {
            Ok(running) => Ok(Container { files, running }),
            Err(error) => {
                let _ = fs::remove_dir_all(&files.dir);
                Err(error)
            }
        }
    }

    /// A container that another process of the node has started.
    pub fn open(id: &str) -> Result<Container> {
        let files = Files::of(id)?;
        let running = files.running()?;
        Ok(Container { files, running })
    }

    /// The id of the specification.
    pub fn id(&self) -> &str {
        &self.files.id
    }

    /// The specification with which it was started.
    pub fn spec(&self) -> Result<ContainerSpec> {
        self.files.spec()
    }

    /// Its first process, as the node numbers it. `None` once it has ended.
    pub fn pid(&self) -> Option<i32> {
        self.running
            .init
            .filter(|init| init.is_alive())
            .map(|init| init.pid)
    }

    /// How it ended, or `None` while it runs. Does not block.
    pub fn try_wait(&self) -> Result<Option<Exited>> {
        if let Some(exited) = self.files.exited()? {
            return Ok(Some(exited));
        }
        if self.running.shim.is_some_and(Process::is_alive) {
            return Ok(None);
        }
        // The shim writes before it ends: look again before taking it for killed.
        Ok(Some(self.files.exited()?.unwrap_or_else(|| Exited {
            code: 137,
            signal: Some(libc::SIGKILL),
            at_unix_nanos: jiff::Timestamp::now().as_nanosecond(),
        })))
    }

    /// Waits for its end. Needs a tokio runtime with IO; may be dropped and
    /// called again.
    pub async fn wait(&self) -> Result<Exited> {
        loop {
            if let Some(exited) = self.try_wait()? {
                return Ok(exited);
            }
            let what = || format!("watch container {}", self.files.id);
            let Some(shim) = self.running.shim else {
                continue;
            };
            // An error means that it has just ended.
            let Ok(pidfd) = sys::pidfd_open(shim.pid) else {
                continue;
            };
            if shim.is_alive() {
                let watched = watch(pidfd).with_context(what)?;
                drop(watched.readable().await.with_context(what)?);
            }
        }
    }

    /// Sends a signal to its first process; one that ended gets none. All
    /// processes end with the first one, unless they share the node's PIDs.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let Some(init) = self.running.init else {
            return Ok(());
        };
        let Ok(pidfd) = sys::pidfd_open(init.pid) else {
            return Ok(());
        };
        // The number may have a new owner; the descriptor cannot change it.
        if !init.is_alive() {
            return Ok(());
        }
        match sys::pidfd_signal(pidfd.as_fd(), signal) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                Err(error).with_context(|| format!("signal container {}", self.files.id))
            }
            _ => Ok(()),
        }
    }

    /// Whether its first process would take notice of a signal now. As process 1 of its PID
    /// namespace it gets none for which it has no handler (pid_namespaces(7)), and it has none
    /// in its first milliseconds. True once it has ended.
    pub fn hears(&self, signal: i32) -> bool {
        let status = self
            .running
            .init
            .filter(|init| init.is_alive())
            .and_then(|init| fs::read_to_string(format!("/proc/{}/status", init.pid)).ok());
        status.is_none_or(|status| is_heard(&status, signal))
    }

    /// A command that runs `exec` in the container, with the container's
    /// environment and user. Streams and exit status as with
    /// [`crate::Fabric::command`]. With `exec.tty` and a standard input that is
    /// no terminal, use [`Container::exec_with_window`] to pass on window sizes.
    pub fn exec(&self, exec: &Exec) -> Result<Command> {
        self.exec_request(exec, None)
    }

    /// As [`Container::exec`] on a terminal, with a handle that sets its size.
    pub fn exec_with_window(&self, exec: &Exec) -> Result<(Command, Window)> {
        let (ours, theirs) = UnixStream::pair().context("make a socket")?;
        let exec = Exec {
            tty: true,
            ..exec.clone()
        };
        let mut command = self.exec_request(&exec, Some(theirs.as_raw_fd()))?;
        sys::pass_to_child(&mut command, theirs.into());
        Ok((command, Window { ours }))
    }

    fn exec_request(&self, exec: &Exec, window: Option<i32>) -> Result<Command> {
        let spec = self.spec()?;
        let init = self
            .running
            .init
            .filter(|init| init.is_alive())
            .ok_or_else(|| Error::Child(format!("container {} is not running", self.files.id)))?;
        let mut exec = exec.clone();
        if exec.user.is_none() && (spec.uid, spec.gid) != (0, 0) {
            exec.user = Some(format!("{}:{}", spec.uid, spec.gid));
        }
        let target = Target::Container {
            pid: init,
            env: spec.environment(),
            cwd: spec.cwd,
        };
        enter::command(
            Path::new(crate::node::PROGRAM),
            &enter::Request {
                target,
                exec,
                window,
            },
        )
    }

    /// Forgets a container: its state is removed, its log stays. Kills it if it
    /// still runs; blocks until it has ended, for some milliseconds.
    pub fn remove(self) -> Result<()> {
        self.signal(libc::SIGKILL)?;
        if let Some(shim) = self.running.shim
            && let Ok(pidfd) = sys::pidfd_open(shim.pid)
            && shim.is_alive()
        {
            let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::from(5000u16));
        }
        match fs::remove_dir_all(&self.files.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove container {}", self.files.id))
            }
            _ => Ok(()),
        }
    }
}

/// What the kernel tells of a process in `/proc/PID/status`: a signal that is blocked waits
/// until it is looked at, one that is caught is heard at once (proc_pid_status(5)).
fn is_heard(status: &str, signal: i32) -> bool {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("", str::trim)
    };
    let is_first = field("NSpid:").split_whitespace().last() == Some("1");
    let bit = 1 << (signal - 1);
    let among = |name: &str| u64::from_str_radix(field(name), 16).is_ok_and(|set| set & bit != 0);
    !is_first || among("SigCgt:") || among("SigBlk:")
}

fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor stays open and the same for as long as it is
    // registered, because what registers it owns it.
    let watched = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) };
    Ok(watched?)
}

fn launch(id: &str) -> Result<()> {
    let output = Command::new(crate::node::PROGRAM)
        .arg0("kubedrill")
        .args(["sandbox-container", id])
        .stdin(Stdio::null())
        .output()
        .context("start a container's shim")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match serde_json::from_str(text.trim()) {
        Ok(Report::Started) => Ok(()),
        Ok(Report::Exec(argv0, reason)) => Err(Error::Exec { argv0, reason }),
        Ok(Report::Failed(text)) => Err(Error::Child(text)),
        Err(_) => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(Error::Child(format!(
                "a container's shim failed: {}",
                words.trim()
            )))
        }
    }
}

/// Sets the size of a terminal that a command runs on. Spawn that command
/// only once.
#[derive(Debug)]
pub struct Window {
    ours: UnixStream,
}

impl Window {
    /// Tells the terminal its new size. An ended command is no error.
    pub fn resize(&self, columns: u16, rows: u16) {
        let mut bytes = [0; 4];
        bytes[..2].copy_from_slice(&rows.to_ne_bytes());
        bytes[2..].copy_from_slice(&columns.to_ne_bytes());
        let _ = (&self.ours).write_all(&bytes);
    }
}

/// The ids of all containers of this node, running or ended but not removed.
pub fn list() -> Result<Vec<String>> {
    let entries = match fs::read_dir(state_dir()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context("list the containers")?,
    };
    let mut ids: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("running.json").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    ids.sort();
    Ok(ids)
}

/// Where the state of containers is kept within a node. It ends with the boot.
pub fn state_dir() -> &'static Path {
    Path::new("/run/kubedrill/containers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_wakes_the_watcher() {
        let mut child = Command::new("sleep")
            .arg("0.05")
            .spawn()
            .expect("a process");
        let pidfd = sys::pidfd_open(child.id() as i32).expect("a descriptor");
        let watched = watch(pidfd).expect("watched");
        let limit = std::time::Duration::from_secs(10);
        let woken = tokio::time::timeout(limit, watched.readable()).await;
        assert!(woken.expect("in time").is_ok());
        assert!(child.try_wait().expect("its state").is_some());
    }

    #[test]
    fn the_first_process_of_a_namespace_is_deaf_until_it_has_a_handler() {
        for (numbers, blocked, caught, heard) in [
            ("133\t1", "0000000000000000", "0000000000000000", false),
            ("133\t1", "0000000000000000", "0000000100004442", true),
            ("133\t1", "0000000000004000", "0000000000000000", true),
            ("133\t1", "0000000000000002", "0000000000002000", false),
            ("133", "0000000000000000", "0000000000000000", true),
        ] {
            let status = format!("NSpid:\t{numbers}\nSigBlk:\t{blocked}\nSigCgt:\t{caught}\n");
            assert_eq!(is_heard(&status, libc::SIGTERM), heard, "{status}");
        }
    }

    #[test]
    fn ids_stay_within_their_directory() {
        for id in ["", ".", "..", "a/b", ".hidden", "a b"] {
            assert!(Files::of(id).is_err(), "{id:?}");
        }
        assert!(Files::of("0a-b_c.1").is_ok());
    }
}
