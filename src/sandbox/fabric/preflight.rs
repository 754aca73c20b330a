//! Whether this host lets this user make a fabric, told before one is tried.

use std::fs;
use std::io;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::{Error, Preflight};
use crate::ids::IdMap;
use crate::sys;

fn setting(path: &str) -> Option<u64> {
    fs::read_to_string(format!("/proc/sys/{path}"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// The reason that the settings give, if they give one.
fn from_settings() -> Option<Preflight> {
    let root = nix::unistd::geteuid().is_root();
    if setting("user/max_user_namespaces") == Some(0) {
        return Some(Preflight::MaxUserNamespaces);
    }
    if !root && setting("kernel/unprivileged_userns_clone") == Some(0) {
        return Some(Preflight::UsernsClone);
    }
    if !root && setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return Some(Preflight::AppArmor);
    }
    None
}

/// The clearest sentence for a namespace that could not be made.
pub(super) fn explain(namespace: &'static str, error: &io::Error) -> Error {
    from_settings()
        .unwrap_or_else(|| Preflight::Refused {
            namespace,
            reason: error.to_string(),
        })
        .into()
}

/// Runs the trial in a process of its own: this one may have threads.
pub(super) fn check(program: &std::path::Path) -> Result<(), Preflight> {
    let output = Command::new(program)
        .args(["sandbox-enter", "try"])
        .env_clear()
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            let what = "execute itself".to_owned();
            return Err(Preflight::Other {
                what,
                reason: error.to_string(),
            });
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let (step, reason) = text
        .trim()
        .split_once('\t')
        .unwrap_or(("start a trial", text.trim()));
    let reason = reason.to_owned();
    // What is tried works wherever the switch is not what stops it.
    if let Some(found) = from_settings() {
        return Err(found);
    }
    Err(match step {
        "user" => Preflight::Refused {
            namespace: "user",
            reason,
        },
        "proc" => Preflight::MaskedProc { reason },
        other => Preflight::Other {
            what: other.to_owned(),
            reason,
        },
    })
}

/// The trial: the namespaces of a fabric, a user map, a mount and a `/proc`.
/// Tells the step that failed and why on standard error.
pub(crate) fn trial() -> std::process::ExitCode {
    match try_all() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err((step, error)) => {
            eprintln!("{step}\t{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn try_all() -> Result<(), (String, String)> {
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    in_user_namespace(namespaces, inside)
}

/// Runs something in a fork within a new user namespace, with the map of a lab,
/// and further new namespaces. What fails comes back as (step, reason).
pub(crate) fn in_user_namespace(
    namespaces: CloneFlags,
    run: impl FnOnce() -> Result<(), (&'static str, String)>,
) -> Result<(), (String, String)> {
    use std::io::{Read as _, Write as _};
    let failed = |step: &'static str| move |error: io::Error| (step.to_owned(), error.to_string());
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed("make a socket"))?;
    let namespaces = namespaces | CloneFlags::CLONE_NEWUSER;
    let Some(pid) = sys::fork_into(namespaces).map_err(failed("user"))? else {
        drop(ours);
        let mut byte = [0];
        let outcome = (&theirs)
            .read_exact(&mut byte)
            .map_err(|error| ("wait for a user map", error.to_string()))
            .and_then(|()| run());
        if let Err((step, reason)) = outcome {
            let _ = write!(&theirs, "{step}\t{reason}");
            std::process::exit(1);
        }
        std::process::exit(0);
    };
    drop(theirs);
    let mapped = IdMap::choose()
        .write(pid)
        .and_then(|()| (&ours).write_all(b"g"));
    let mut told = String::new();
    if mapped.is_ok() {
        let _ = (&ours).read_to_string(&mut told);
    }
    drop(ours);
    let status = waitpid(Pid::from_raw(pid), None);
    mapped.map_err(failed("write a user map"))?;
    match status {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        _ => {
            let (step, reason) = told.split_once('\t').unwrap_or(("finish a trial", &told));
            Err((step.to_owned(), reason.to_owned()))
        }
    }
}

fn inside() -> Result<(), (&'static str, String)> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(|error| ("keep mounts to itself", error.to_string()))?;
    crate::enter::become_root().map_err(|error| ("become root of the lab", error.to_string()))?;
    mount(
        Some("tmpfs"),
        "/tmp",
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .map_err(|error| ("mount a tmpfs", error.to_string()))?;
    mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        MsFlags::empty(),
        None::<&str>,
    )
    .map_err(|error| ("proc", error.to_string()))?;
    Ok(())
}
