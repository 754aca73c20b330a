//! The few system calls that have no safe wrapper elsewhere. All `unsafe` of
//! this room that is not about terminals is here.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, setrlimit};

/// Turns the answer of a system call into a result.
fn check(answer: i64) -> io::Result<i64> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}

/// Forks into new namespaces. Returns the child's PID in the parent and `None`
/// in the child. The caller must be single-threaded (debug builds check it).
pub(crate) fn fork_into(namespaces: CloneFlags) -> io::Result<Option<i32>> {
    debug_assert_eq!(
        threads(),
        1,
        "a process with threads must not fork without exec"
    );
    let flags = i64::from(namespaces.bits()) | i64::from(libc::SIGCHLD);
    // SAFETY: with a null stack and no CLONE_VM, clone acts as fork does: the
    // child runs on a copy of this memory. There is only one thread, so no lock
    // is left held by a thread that the child lacks.
    let answer = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    let pid = check(answer)?;
    Ok(if pid == 0 { None } else { Some(pid as i32) })
}

/// How many threads this process has; 1 if that cannot be told.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// Has the kernel kill this process when the thread that made it ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: plain values only.
    check(i64::from(unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0)
    }))
    .map(drop)
}

/// Whether other processes of the same user may look into this one through
/// `/proc`, and whether its `/proc/PID` files belong to that user.
pub(crate) fn set_dumpable(yes: bool) -> io::Result<()> {
    // SAFETY: plain values only.
    check(i64::from(unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, i32::from(yes), 0, 0, 0)
    }))
    .map(drop)
}

/// Leaves the user's session keyring behind, so that a node cannot read it. Where there are
/// none, or a filter forbids them to this process and all that come of it, there is nothing
/// to leave.
pub(crate) fn leave_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    let answer =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) };
    match check(answer) {
        Err(error) if !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Processes and threads that one of a node's users may have.
const MAX_PROCESSES: u64 = 2048;

/// What holds for every process of a node: a crash is no business of the host's core dump
/// handler, and a fork bomb leaves the host its processes. The node's root is root in a
/// user namespace only, and can't raise the limits.
pub(crate) fn limit_node_process() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    limit_processes(MAX_PROCESSES);
}

/// How many processes and threads this process's user may have from now on; whoever may have
/// fewer keeps that. A user namespace that is made later holds as many in all.
pub(crate) fn limit_processes(count: u64) {
    let _ = setrlimit(Resource::RLIMIT_NPROC, count, count);
}

/// Marks every descriptor from `first` on to be closed by the next exec.
pub(crate) fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: plain values only; nothing is closed now.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if answer == 0 {
        return Ok(());
    }
    // Kernels before 5.11 lack the flag; mark them one by one.
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        if let Some(fd) = name.to_str().and_then(|name| name.parse::<RawFd>().ok())
            && fd >= first
        {
            // SAFETY: F_SETFD with a plain value; a closed descriptor gives EBADF.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Keeps a descriptor open across exec.
pub(crate) fn keep_on_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed and thus open.
    check(i64::from(unsafe {
        libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0)
    }))
    .map(drop)
}

/// Has a command inherit a descriptor under its present number. No other command
/// that is spawned meanwhile gets it.
pub(crate) fn pass_to_child(command: &mut std::process::Command, fd: OwnedFd) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the closure makes one system call, which is safe between fork and
    // exec, and owns the descriptor.
    unsafe { command.pre_exec(move || keep_on_exec(fd.as_fd())) };
}

/// Makes `number` another name of a descriptor, open across exec; what had the
/// number is closed.
pub(crate) fn move_to(fd: &OwnedFd, number: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == number {
        return keep_on_exec(fd.as_fd());
    }
    // SAFETY: plain values; by the contract of the callers nothing else in this
    // process owns the number.
    check(i64::from(unsafe { libc::dup2(fd.as_raw_fd(), number) })).map(drop)
}

/// A descriptor of a process, which is readable once the process has ended.
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: plain values only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel has just given us this descriptor (close-on-exec).
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends a signal to exactly the process that the descriptor was opened for.
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: a null siginfo is allowed; the descriptor is open.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0, 0) })
        .map(drop)
}

/// Opens `path` below `root` as if `root` were `/`, for every symbolic link too.
pub(crate) fn open_in_root(root: BorrowedFd<'_>, path: &Path, flags: i32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct OpenHow {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
    const RESOLVE_IN_ROOT: u64 = 0x10;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let how = OpenHow {
        flags: (flags | libc::O_CLOEXEC) as u64,
        mode: 0,
        resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    // A rename or a mount elsewhere on the system makes the kernel ask to try again. Where
    // much is built or many labs start, that is most of the time for moments.
    for attempt in 0..2000 {
        if attempt >= 32 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        // SAFETY: the path is a C string and `how` has the size that we state;
        // both outlive the call.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                root.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                size_of::<OpenHow>(),
            )
        };
        match check(answer) {
            // SAFETY: the kernel has just given us this descriptor.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// Takes over a descriptor that was inherited under a known number.
///
/// # Errors
/// If it is not open.
pub(crate) fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD only asks whether the descriptor is open.
    check(i64::from(unsafe { libc::fcntl(fd, libc::F_GETFD) }))?;
    // SAFETY: it is open, and by the contract of the internal applets nothing
    // else in this process owns that number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The moment a process was started, in clock ticks since boot: with the PID it
/// names a process for good. `None` if there is no such process or it is a
/// zombie.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold spaces and parentheses; the last one ends it.
    let rest = &stat[stat.rfind(')')? + 2..];
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // Field 22 of proc(5); `rest` began with field 3.
    fields.nth(18)?.parse().ok()
}

/// Has the kernel raise no error when a peer has closed: writes return EPIPE.
pub(crate) fn ignore_signals(signals: &[nix::sys::signal::Signal]) {
    use nix::sys::signal::{SigHandler, signal};
    for &which in signals {
        // SAFETY: ignoring a signal installs no handler of ours.
        let _ = unsafe { signal(which, SigHandler::SigIgn) };
    }
}

/// Gives every signal its default action and unblocks it, as a program that is
/// about to be executed expects.
pub(crate) fn reset_signals() {
    use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
    for which in Signal::iterator() {
        // SAFETY: the default action installs no handler of ours. SIGKILL and
        // SIGSTOP refuse, which is right.
        let _ = unsafe { signal(which, SigHandler::SigDfl) };
    }
    let _ = SigSet::all().thread_unblock();
}
