//! The process that watches one container: `sandbox-container ID`. It starts the
//! container's first process, writes its log and its end, and lives on when the
//! one who has started it does not.

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};
use serde::{Deserialize, Serialize};

use super::log::Lines;
use super::{ContainerSpec, Exited, Files, Running, root};
use crate::enter::{self, DEFAULT_PATH, User};
use crate::error::{Context as _, Error, Result};
use crate::fabric::Process;
use crate::sys;

/// How a start went, told by the shim.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The program runs.
    Started,
    /// The program could not be executed: its name and why.
    Exec(String, String),
    /// Something before that failed.
    Failed(String),
}

/// The applet `sandbox-container`. Forks the shim, waits for its report and
/// prints that, so that the shim is nobody's child but init's.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let Some(id) = args.get(1).and_then(|id| id.to_str()) else {
        eprintln!("sandbox-container is started by kubedrill, not by hand");
        return ExitCode::FAILURE;
    };
    match launch(id) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn launch(id: &str) -> Result<String> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    if sys::fork_into(CloneFlags::empty())
        .context("fork")?
        .is_none()
    {
        drop(ours);
        let mut report = fs::File::from(theirs);
        let told = |report: &mut fs::File, what: &Report| {
            let _ = serde_json::to_writer(report, what);
        };
        match Shim::start(id) {
            Ok(shim) => {
                told(&mut report, &Report::Started);
                drop(report);
                shim.watch();
                std::process::exit(0);
            }
            Err(Error::Exec { argv0, reason }) => told(&mut report, &Report::Exec(argv0, reason)),
            Err(error) => told(&mut report, &Report::Failed(error.to_string())),
        }
        std::process::exit(1);
    }
    drop(theirs);
    let mut report = String::new();
    fs::File::from(ours)
        .read_to_string(&mut report)
        .context("hear from the container's shim")?;
    if report.is_empty() {
        return Err(Error::Child("the container's shim died".to_owned()));
    }
    Ok(report)
}

struct Shim {
    files: Files,
    child: Pid,
    signals: SignalFd,
    outputs: Vec<(fs::File, Lines)>,
    log: Option<fs::File>,
}

impl Shim {
    fn start(id: &str) -> Result<Shim> {
        let _ = nix::unistd::setsid();
        let files = Files::of(id)?;
        let spec = files.spec()?;
        let null = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null");
        let null = null.context("open /dev/null")?;
        nix::unistd::dup2_stdin(&null).context("set the shim's input")?;
        nix::unistd::dup2_stdout(&null).context("set the shim's output")?;
        nix::unistd::dup2_stderr(&null).context("set the shim's output")?;
        let log = if spec.log.as_os_str().is_empty() {
            None
        } else {
            Some(open_log(&spec.log)?)
        };
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block().context("watch the container")?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("watch the container")?;
        sys::ignore_signals(&[
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGPIPE,
        ]);
        let pipe = || pipe2(OFlag::O_CLOEXEC).context("make a pipe");
        let (out, their_out) = pipe()?;
        let (err, their_err) = pipe()?;
        let (status, their_status) = pipe()?;
        let Some(pid) = sys::fork_into(namespaces(&spec)).context("make the container")? else {
            drop((out, err, status));
            let failure = become_container(&spec, &files, &their_out, &their_err);
            let _ = fs::File::from(their_status).write_all(failure.as_bytes());
            std::process::exit(128);
        };
        drop((their_out, their_err, their_status));
        let child = Pid::from_raw(pid);
        let running = Running {
            shim: Process::now(std::process::id() as i32),
            init: Process::now(pid),
        };
        files.write_running(&running)?;
        // Closed by a successful exec.
        let mut failure = String::new();
        let _ = fs::File::from(status).read_to_string(&mut failure);
        if !failure.is_empty() {
            let _ = waitpid(child, None);
            return Err(parse_failure(&spec, &failure));
        }
        let outputs = vec![
            (fs::File::from(out), Lines::new("stdout")),
            (fs::File::from(err), Lines::new("stderr")),
        ];
        Ok(Shim {
            files,
            child,
            signals,
            outputs,
            log,
        })
    }

    /// Writes the log until the container has ended, then how it ended.
    fn watch(mut self) {
        let exited = loop {
            if let Ok(status) = waitpid(self.child, Some(WaitPidFlag::WNOHANG))
                && let Some(code) = enter::wait_status(status)
            {
                let signal = match status {
                    WaitStatus::Signaled(_, signal, _) => Some(signal as i32),
                    _ => None,
                };
                break Exited {
                    code: i32::from(code),
                    signal,
                    at_unix_nanos: jiff::Timestamp::now().as_nanosecond(),
                };
            }
            self.wait_and_pump(PollTimeout::NONE);
        };
        // What is still in the pipes; processes of a shared PID namespace may
        // hold them open for ever.
        while self.wait_and_pump(PollTimeout::ZERO) {}
        if let Some(log) = &mut self.log {
            for (_, lines) in &mut self.outputs {
                lines.finish(log);
            }
        }
        let _ = self.files.write_exited(&exited);
    }

    /// Moves output into the log; whether there was any.
    fn wait_and_pump(&mut self, limit: PollTimeout) -> bool {
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            self.outputs
                .iter()
                .map(|(pipe, _)| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
        );
        if poll(&mut fds, limit).is_err() {
            return false;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        if ready[0] {
            while let Ok(Some(_)) = self.signals.read_signal() {}
        }
        let mut moved = false;
        let mut closed = Vec::new();
        for (index, (pipe, lines)) in self.outputs.iter_mut().enumerate() {
            if !ready[index + 1] {
                continue;
            }
            let mut bytes = [0; 65536];
            match pipe.read(&mut bytes) {
                Ok(length) if length > 0 => {
                    moved = true;
                    if let Some(log) = &mut self.log {
                        lines.push(&bytes[..length], log);
                    }
                }
                _ => closed.push(index),
            }
        }
        for index in closed.into_iter().rev() {
            let (_, mut lines) = self.outputs.remove(index);
            if let Some(log) = &mut self.log {
                lines.finish(log);
            }
        }
        moved
    }
}

fn open_log(path: &Path) -> Result<fs::File> {
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
        .with_context(|| format!("open the log {}", path.display()))
}

fn namespaces(spec: &ContainerSpec) -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWNS;
    flags.set(CloneFlags::CLONE_NEWPID, !spec.host_pid);
    flags.set(CloneFlags::CLONE_NEWIPC, !spec.host_ipc);
    flags.set(CloneFlags::CLONE_NEWUTS, spec.hostname.is_some());
    flags
}

/// The life of the container's first process up to its program. Returns what
/// went wrong.
fn become_container(spec: &ContainerSpec, files: &Files, out: &OwnedFd, err: &OwnedFd) -> String {
    let prepare = || -> Result<enter::Plan> {
        let _ = nix::unistd::setsid();
        nix::unistd::dup2_stdout(out).context("set the container's output")?;
        nix::unistd::dup2_stderr(err).context("set the container's output")?;
        sys::reset_signals();
        if let Some(name) = &spec.hostname {
            nix::unistd::sethostname(name).context("set the container's host name")?;
        }
        root::enter(spec, &files.root())?;
        let user = if (spec.uid, spec.gid) == (0, 0) {
            User::find("root")?
        } else {
            User::find(&format!("{}:{}", spec.uid, spec.gid))?
        };
        Ok(enter::Plan {
            argv: spec.argv.clone(),
            env: spec.environment(),
            cwd: spec.cwd.clone(),
            cwd_or_root: false,
            user,
            tied: true,
            program: None,
        })
    };
    match prepare() {
        Ok(plan) => enter::execute(&plan).1,
        Err(error) => error.to_string(),
    }
}

fn parse_failure(spec: &ContainerSpec, text: &str) -> Error {
    let argv0 = spec.argv[0].clone();
    match text.strip_prefix(&format!("exec: {argv0:?}: ")) {
        Some(reason) => Error::Exec {
            argv0,
            reason: reason.to_owned(),
        },
        None => Error::Child(text.to_owned()),
    }
}

impl ContainerSpec {
    /// The environment with what every container has.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let mut env = self.env.clone();
        let mut missing = |name: &str, value: String| {
            if !env.iter().any(|(known, _)| known == name) {
                env.push((name.to_owned(), value));
            }
        };
        missing("PATH", DEFAULT_PATH.to_owned());
        let hostname = self.hostname.clone().or_else(|| {
            nix::unistd::gethostname()
                .ok()
                .and_then(|name| name.into_string().ok())
        });
        missing("HOSTNAME", hostname.unwrap_or_default());
        missing("HOME", if self.uid == 0 { "/root" } else { "/" }.to_owned());
        env
    }
}
