//! Process 1 of a node: it reaps, runs services as systemd does, keeps their
//! journal and answers `systemctl`.

mod journal;
mod journalctl;
mod manager;
mod power;
mod protocol;
mod requests;
mod service;
mod systemctl;
mod unit;
mod words;

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::{Context as _, Error, Result};
use crate::sys;
use manager::Manager;
use protocol::CONTROL_SOCKET;
use requests::Waiter;
use service::{End, Phase};
use unit::Unit;

pub(crate) use journalctl::run as run_journalctl;
pub(crate) use power::run as run_power;
pub(crate) use systemctl::{run as run_systemctl, run_service};

/// Where services say READY=1.
pub(crate) const NOTIFY_SOCKET: &str = "/run/systemd/notify";
/// How long services may take to stop when the node goes down.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// How long what is left may take to end after SIGTERM.
const LAST_LIMIT: Duration = Duration::from_millis(1500);

struct Init {
    manager: Manager,
    waiters: Vec<Waiter>,
    /// When the node has to be down, and whether it is to boot again.
    shutdown: Option<(Instant, bool)>,
    /// The process that listens for `ssh`.
    sshd: Option<(i32, Instant)>,
}

/// Enables a unit of the specification, before init runs.
pub(crate) fn enable_at_first_boot(name: &str) -> Result<()> {
    let name = unit::full_name(name);
    let unit = Unit::load(&name)?.ok_or_else(|| {
        Error::Unit(format!(
            "unit {name} is to be enabled, but there is no such file"
        ))
    })?;
    for (link, target) in enabling_links(&unit) {
        if let Some(parent) = link.parent() {
            fs::create_dir_all(parent).context("enable a unit")?;
        }
        let _ = fs::remove_file(&link);
        symlink(&target, &link).with_context(|| format!("enable {name}"))?;
    }
    Ok(())
}

/// The links that make a unit enabled, and where they lead.
fn enabling_links(unit: &Unit) -> Vec<(std::path::PathBuf, std::path::PathBuf)> {
    let base = Path::new("/etc/systemd/system");
    let of = |targets: &[String], kind: &str| -> Vec<_> {
        targets
            .iter()
            .map(|target| {
                (
                    base.join(format!("{target}.{kind}")).join(&unit.name),
                    unit.path.clone(),
                )
            })
            .collect()
    };
    let mut links = of(&unit.wanted_by, "wants");
    links.extend(of(&unit.required_by, "requires"));
    links.extend(
        unit.aliases
            .iter()
            .map(|alias| (base.join(alias), unit.path.clone())),
    );
    links
}

/// The applet `sandbox-init`.
pub(crate) fn run(_args: &[OsString]) -> ExitCode {
    match serve() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<u8> {
    let _ = nix::unistd::setsid();
    sys::ignore_signals(&[Signal::SIGPIPE, Signal::SIGHUP]);
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        mask.add(signal);
    }
    mask.thread_block().context("watch for signals")?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context("watch for signals")?;
    fs::create_dir_all("/run/systemd/system").context("make /run/systemd")?;
    let listener = UnixListener::bind(CONTROL_SOCKET).context("listen for systemctl")?;
    let notify = UnixDatagram::bind(NOTIFY_SOCKET).context("listen for services")?;
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let _ = fs::set_permissions(NOTIFY_SOCKET, everyone);
    notify
        .set_nonblocking(true)
        .context("listen for services")?;
    setsockopt(&notify, sockopt::PassCred, &true).context("listen for services")?;
    let mut init = Init {
        manager: Manager::new(),
        waiters: Vec::new(),
        shutdown: None,
        sshd: start_sshd(),
    };
    init.manager.start_enabled();
    if let Ok(fd) = sys::inherited(crate::node::READY_FD) {
        let _ = fs::File::from(fd).write_all(b"r");
    }
    loop {
        init.wait(&signals, &listener, &notify)?;
        if let Some((limit, reboot)) = init.shutdown
            && (init.manager.all_stopped() || Instant::now() >= limit)
        {
            end_all();
            let code = if reboot {
                crate::fabric::EXIT_REBOOT
            } else {
                0
            };
            return Ok(code as u8);
        }
    }
}

/// Starts the process that listens for `ssh`. A node without it is still a node.
fn start_sshd() -> Option<(i32, Instant)> {
    use std::os::unix::process::CommandExt as _;
    let null = || std::process::Stdio::null();
    let child = std::process::Command::new(crate::node::PROGRAM)
        .arg0("sshd")
        .args(["sandbox-enter", "sshd"])
        .stdin(null())
        .stdout(null())
        .stderr(null())
        .spawn();
    child.ok().map(|child| (child.id() as i32, Instant::now()))
}

/// Ends every other process of the node.
fn end_all() {
    let everyone = Pid::from_raw(-1);
    let _ = kill(everyone, Signal::SIGTERM);
    let deadline = Instant::now() + LAST_LIMIT;
    while Instant::now() < deadline {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(_) => return,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(5)),
            Ok(_) => {}
        }
    }
    // What is left ends with process 1.
}

impl Init {
    /// Waits for something to happen and deals with it.
    fn wait(
        &mut self,
        signals: &SignalFd,
        listener: &UnixListener,
        notify: &UnixDatagram,
    ) -> Result<()> {
        let mut fds = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(notify.as_fd(), PollFlags::POLLIN),
        ];
        let pipes = self.manager.pipes.iter();
        fds.extend(pipes.map(|pipe| PollFd::new(pipe.file.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, self.limit()) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("wait for events"),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        for index in (3..ready.len()).rev().filter(|index| ready[*index]) {
            self.manager.pump(index - 3);
        }
        if ready[2] {
            self.hear_services(notify);
        }
        if ready[0] {
            while let Ok(Some(info)) = signals.read_signal() {
                if info.ssi_signo as i32 != libc::SIGCHLD {
                    self.begin_shutdown(false);
                }
            }
            self.reap();
        }
        if ready[1] {
            self.accept(listener);
        }
        self.manager.tick();
        self.manager.recheck();
        self.manager.rearm();
        self.answer_waiters();
        Ok(())
    }

    fn limit(&self) -> PollTimeout {
        let shutdown = self.shutdown.map(|(limit, _)| limit);
        // While processes that are not children are waited for, look again.
        let stopping = self
            .manager
            .services
            .values()
            .any(|service| matches!(service.phase, Phase::StopSignal | Phase::StopKill));
        let soon = stopping.then(|| Instant::now() + Duration::from_millis(20));
        let next = [self.manager.next_deadline(), shutdown, soon]
            .into_iter()
            .flatten()
            .min();
        match next {
            None => PollTimeout::NONE,
            Some(then) => {
                let left = then.saturating_duration_since(Instant::now());
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
        }
    }

    fn begin_shutdown(&mut self, reboot: bool) {
        if self.shutdown.is_none() {
            self.shutdown = Some((Instant::now() + SHUTDOWN_LIMIT, reboot));
            self.manager.stop_all();
        }
    }

    fn reap(&mut self) {
        let mut ends = Vec::new();
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(status) => ends.extend(End::of(status)),
            }
        }
        for end in ends {
            // One that ends at once has no port to listen on: leave it.
            if let Some((pid, since)) = self.sshd
                && pid == end.pid
            {
                let again = self.shutdown.is_none() && since.elapsed() > Duration::from_secs(1);
                self.sshd = if again { start_sshd() } else { None };
            }
            self.manager.ended(&end);
        }
    }

    fn hear_services(&mut self, notify: &UnixDatagram) {
        loop {
            let mut bytes = [0; 4096];
            let mut space = nix::cmsg_space!(UnixCredentials);
            let mut data = [std::io::IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
            let received = recvmsg::<()>(notify.as_raw_fd(), &mut data, Some(&mut space), flags)
                .map(|message| {
                    let pid = message.cmsgs().ok().and_then(|mut controls| {
                        controls.find_map(|control| match control {
                            ControlMessageOwned::ScmCredentials(who) => Some(who.pid()),
                            _ => None,
                        })
                    });
                    (message.bytes, pid)
                });
            let Ok((length, pid)) = received else { return };
            if let Some(pid) = pid {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                self.manager.notified(pid, &text);
            }
        }
    }
}
