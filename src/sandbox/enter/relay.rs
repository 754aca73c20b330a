//! The last step of entering: fork, run, pass on signals and, on a terminal of
//! the node, what is typed and printed.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::Plan;
use crate::error::{Context as _, Result};
use crate::sys;

nix::ioctl_write_int_bad!(set_controlling_terminal, libc::TIOCSCTTY);
nix::ioctl_write_ptr_bad!(set_window, libc::TIOCSWINSZ, Winsize);

/// Signals that the process in the node gets in this one's place.
const PASSED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// A terminal made in the mount namespace of the moment.
struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Terminal {
    fn open() -> Result<Terminal> {
        use nix::fcntl::OFlag;
        let what = "make a terminal";
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).context(what)?;
        grantpt(&master).context(what)?;
        unlockpt(&master).context(what)?;
        let name = ptsname_r(&master).context(what)?;
        let slave =
            nix::fcntl::open(name.as_str(), flags, nix::sys::stat::Mode::empty()).context(what)?;
        Ok(Terminal {
            master: OwnedFd::from(master),
            slave,
        })
    }
}

/// Runs the planned process and returns its exit status.
pub(super) fn run(plan: &Plan, tty: bool, window: Option<OwnedFd>) -> Result<u8> {
    let terminal = if tty { Some(Terminal::open()?) } else { None };
    if let Some(terminal) = &terminal {
        let _ = std::os::unix::fs::fchown(&terminal.slave, Some(plan.user.uid), None);
        copy_window(terminal.master.as_fd());
        // A size that has arrived is the terminal's from the start: who is told of it once the
        // program runs takes it for a change.
        let mut arrived = window
            .as_ref()
            .map(|window| [PollFd::new(window.as_fd(), PollFlags::POLLIN)]);
        if let (Some(fds), Some(window)) = (&mut arrived, &window)
            && poll(fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
        {
            take_window(window, terminal.master.as_fd());
        }
    }
    let mut mask = SigSet::empty();
    for signal in PASSED
        .into_iter()
        .chain([Signal::SIGCHLD, Signal::SIGWINCH])
    {
        mask.add(signal);
    }
    mask.thread_block().context("watch for signals")?;
    let Some(pid) = sys::fork_into(CloneFlags::empty()).context("fork")? else {
        let (status, text) = child(plan, terminal);
        let _ = writeln!(io::stderr(), "{text}");
        // No destructors of the parent's things in the child.
        std::process::exit(i32::from(status));
    };
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context("watch for signals")?;
    let pid = Pid::from_raw(pid);
    let raw = if terminal.is_some() {
        RawMode::enter()
    } else {
        None
    };
    let mut relay = Relay {
        pid,
        master: terminal.map(|terminal| fs::File::from(terminal.master)),
        input_open: true,
        output_open: true,
        window,
    };
    let status = relay.until_end(&signals);
    drop(raw);
    status
}

fn child(plan: &Plan, terminal: Option<Terminal>) -> (u8, String) {
    // A session of its own: what runs here cannot type into the caller's
    // terminal.
    let _ = nix::unistd::setsid();
    if let Some(terminal) = terminal {
        drop(terminal.master);
        // SAFETY: the descriptor is an open terminal; the argument is an int.
        if let Err(error) = unsafe { set_controlling_terminal(terminal.slave.as_raw_fd(), 0) } {
            return (126, format!("could not take the terminal: {error}"));
        }
        let moved = nix::unistd::dup2_stdin(&terminal.slave)
            .and_then(|()| nix::unistd::dup2_stdout(&terminal.slave))
            .and_then(|()| nix::unistd::dup2_stderr(&terminal.slave));
        if let Err(error) = moved {
            return (126, format!("could not use the terminal: {error}"));
        }
    }
    super::execute(plan)
}

/// Gives the terminal of the node the size of the caller's, if that is one.
fn copy_window(master: BorrowedFd<'_>) {
    let Some((ws_col, ws_row)) = window_size() else {
        return;
    };
    let size = Winsize {
        ws_row,
        ws_col,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: `size` outlives the call, which reads exactly it.
    let _ = unsafe { set_window(master.as_raw_fd(), &raw const size) };
}

/// Columns and rows of standard input, if it is a terminal that has any.
pub(crate) fn window_size() -> Option<(u16, u16)> {
    crate::window::size(std::io::stdin())
}

/// The caller's terminal, which passes every key on while this lives.
pub(crate) struct RawMode(Termios);

impl RawMode {
    /// Makes standard input raw; `None` if it is no terminal.
    pub(crate) fn enter() -> Option<RawMode> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw).ok()?;
        Some(RawMode(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

/// A shell's number for the end of a process; `None` while it lives.
pub(crate) fn wait_status(status: WaitStatus) -> Option<u8> {
    match status {
        WaitStatus::Exited(_, status) => Some(status as u8),
        WaitStatus::Signaled(_, signal, _) => Some(128 + signal as i32 as u8),
        _ => None,
    }
}

struct Relay {
    pid: Pid,
    master: Option<fs::File>,
    input_open: bool,
    output_open: bool,
    window: Option<OwnedFd>,
}

impl Relay {
    fn until_end(&mut self, signals: &SignalFd) -> Result<u8> {
        loop {
            if let Some(status) = self.ended() {
                self.drain();
                return Ok(status);
            }
            let stdin = io::stdin();
            let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            let mut what = vec![b's'];
            if let Some(master) = &self.master {
                if self.output_open {
                    fds.push(PollFd::new(master.as_fd(), PollFlags::POLLIN));
                    what.push(b'o');
                }
                if self.input_open {
                    fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
                    what.push(b'i');
                }
            }
            if let Some(window) = &self.window {
                fds.push(PollFd::new(window.as_fd(), PollFlags::POLLIN));
                what.push(b'w');
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("wait for events"),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            drop(fds);
            for (kind, _) in what.into_iter().zip(ready).filter(|(_, ready)| *ready) {
                match kind {
                    b's' => self.pass_signals(signals),
                    b'o' => self.output(),
                    b'i' => self.input(),
                    _ => self.resize(),
                }
            }
        }
    }

    fn ended(&self) -> Option<u8> {
        match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            // Its namespace was torn down under us.
            Err(_) => Some(137),
            Ok(status) => wait_status(status),
        }
    }

    fn pass_signals(&self, signals: &SignalFd) {
        while let Ok(Some(info)) = signals.read_signal() {
            match Signal::try_from(info.ssi_signo as i32) {
                Ok(Signal::SIGWINCH) => {
                    if let Some(master) = &self.master {
                        copy_window(master.as_fd());
                    }
                }
                Ok(Signal::SIGCHLD) | Err(_) => {}
                Ok(signal) => {
                    let _ = kill(self.pid, signal);
                }
            }
        }
    }

    /// From the node's terminal to standard output.
    fn output(&mut self) {
        let mut bytes = [0; 16384];
        let Some(master) = &mut self.master else {
            return;
        };
        match master.read(&mut bytes) {
            Ok(length) if length > 0 => {
                let mut out = io::stdout();
                let _ = out.write_all(&bytes[..length]).and_then(|()| out.flush());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // EIO: nobody has the terminal open any more.
            _ => self.output_open = false,
        }
    }

    /// From standard input to the node's terminal.
    fn input(&mut self) {
        const END_OF_TRANSMISSION: u8 = 4;
        let mut bytes = [0; 4096];
        let Some(master) = &mut self.master else {
            return;
        };
        match nix::unistd::read(io::stdin(), &mut bytes) {
            Ok(length) if length > 0 => {
                let _ = master.write_all(&bytes[..length]);
            }
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            _ => {
                // The end of a pipe becomes what a person would type.
                let _ = master.write_all(&[END_OF_TRANSMISSION]);
                self.input_open = false;
            }
        }
    }

    /// Prints what the ended process has left in the terminal.
    fn drain(&mut self) {
        while self.output_open {
            let Some(master) = &self.master else { return };
            let mut fds = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
            if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..)) {
                return;
            }
            self.output();
        }
    }

    fn resize(&mut self) {
        let (Some(window), Some(master)) = (&self.window, &self.master) else {
            self.window = None;
            return;
        };
        if !take_window(window, master.as_fd()) {
            self.window = None;
        }
    }
}

/// Gives the terminal a size that has arrived; `false` if no more will.
fn take_window(window: &OwnedFd, master: BorrowedFd<'_>) -> bool {
    let mut bytes = [0; 4];
    let Ok(4) = nix::unistd::read(window, &mut bytes) else {
        return false;
    };
    let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    let size = Winsize {
        ws_row: half(0),
        ws_col: half(2),
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: `size` outlives the call, which only reads it.
    let _ = unsafe { set_window(master.as_raw_fd(), &raw const size) };
    true
}
