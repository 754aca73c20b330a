//! Entering what runs already: a node, a container, or only the fabric's
//! network. `sandbox-enter`, which kubedrill executes itself as, because only a
//! process without threads may enter a user namespace.

mod relay;
mod user;

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::sched::{CloneFlags, setns};
use nix::unistd::{Gid, Uid};
use serde::{Deserialize, Serialize};

use crate::error::{Context as _, Error, Result};
use crate::fabric::Process;
use crate::spec::Exec;
use crate::sys;

pub(crate) use relay::{RawMode, wait_status, window_size};
pub(crate) use user::User;

/// The PATH of a login in a node and of a container.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a command shall run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Target {
    /// In a node, from the host.
    Node {
        /// The fabric's first process.
        inside: Process,
        /// The node's first process.
        init: Process,
    },
    /// In a container, from its node.
    Container {
        /// The container's first process.
        pid: Process,
        /// The container's environment.
        env: Vec<(String, String)>,
        /// Its working directory.
        cwd: PathBuf,
    },
    /// In this process's own namespaces.
    Here,
}

/// What `sandbox-enter exec` is told, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) target: Target,
    pub(crate) exec: Exec,
    /// A descriptor on which window sizes arrive, as two 16-bit numbers (rows,
    /// columns) in native order.
    pub(crate) window: Option<i32>,
}

/// Takes on user and group 0 of the user namespace of the moment, and no others.
pub(crate) fn become_root() -> io::Result<()> {
    // Where a single group is mapped the kernel forbids to change the list, and
    // there is nothing to win by it.
    let _ = nix::unistd::setgroups(&[]);
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    Ok(())
}

/// The applet `sandbox-enter`.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let outcome = match args.get(1).and_then(|word| word.to_str()) {
        Some("try") => return crate::fabric::trial(),
        Some("remove") if args.len() == 3 => {
            return crate::remove::remove_inside(Path::new(&args[2]));
        }
        Some("network") => enter_network(&args[2..]),
        Some("exec") => exec_request(&args[2..]),
        Some("sshd") => crate::ssh::serve(),
        _ => {
            eprintln!("sandbox-enter is started by kubedrill, not by hand");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(125)
        }
    }
}

/// Opens a namespace of a process.
fn namespace(process: Process, kind: &str) -> Result<OwnedFd> {
    fs::File::open(format!("/proc/{}/ns/{kind}", process.pid))
        .map(OwnedFd::from)
        .with_context(|| format!("open the {kind} namespace"))
}

fn enter(fd: &OwnedFd, kind: CloneFlags, name: &str) -> Result<()> {
    setns(fd.as_fd(), kind).with_context(|| format!("enter the {name} namespace"))
}

fn gone() -> Error {
    Error::Child("what was to be entered has ended".to_owned())
}

/// `network JSON PROGRAM [ARGUMENT…]`: the fabric's network, the host's files.
fn enter_network(args: &[OsString]) -> Result<u8> {
    let usage = || Error::Child("sandbox-enter network lacks arguments".to_owned());
    let inside = args
        .first()
        .and_then(|json| json.to_str())
        .ok_or_else(usage)?;
    let inside: Process = serde_json::from_str(inside).context("read the request")?;
    let (program, rest) = args[1..].split_first().ok_or_else(usage)?;
    let (user, net) = (namespace(inside, "user")?, namespace(inside, "net")?);
    if !inside.is_alive() {
        return Err(gone());
    }
    // Real root has all rights as it is, and would lose them over the host's
    // files by entering.
    if !nix::unistd::geteuid().is_root() {
        enter(&user, CloneFlags::CLONE_NEWUSER, "user")?;
    }
    enter(&net, CloneFlags::CLONE_NEWNET, "network")?;
    drop((user, net));
    let error = Command::new(program).args(rest).exec();
    eprintln!("{}: {error}", Path::new(program).display());
    Ok(if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    })
}

/// `exec JSON`.
fn exec_request(args: &[OsString]) -> Result<u8> {
    let json = args.first().map(|json| json.as_bytes()).unwrap_or_default();
    let request: Request = serde_json::from_slice(json).context("read the request")?;
    // What is entered may not look into this process, which can reach the host.
    sys::set_dumpable(false).context("hide from what is entered")?;
    let window = match request.window {
        Some(fd) => Some(sys::inherited(fd).context("take the window's socket")?),
        None => None,
    };
    enter_target(&request.target)?;
    let plan = plan(&request)?;
    relay::run(&plan, request.exec.tty, window)
}

fn enter_target(target: &Target) -> Result<()> {
    match target {
        Target::Here => Ok(()),
        Target::Node { inside, init } => {
            let outer = namespace(*inside, "user")?;
            let kinds = ["pid", "user", "net", "uts", "ipc", "cgroup", "mnt"];
            let fds = kinds.map(|kind| namespace(*init, kind));
            if !inside.is_alive() || !init.is_alive() {
                return Err(gone());
            }
            // The PID namespace belongs to the fabric's user namespace, the
            // others to the node's.
            enter(&outer, CloneFlags::CLONE_NEWUSER, "fabric's user")?;
            for (kind, fd) in kinds.iter().zip(fds) {
                enter(&fd?, flag_of(kind), kind)?;
            }
            become_root().context("become root of the node")?;
            // Possession comes with the keyring, whatever the namespace.
            sys::leave_keyring().context("leave the host's keyring")?;
            sys::set_dumpable(false).context("hide from the node")
        }
        Target::Container { pid, .. } => {
            let kinds = ["pid", "ipc", "uts", "mnt"];
            let fds = kinds.map(|kind| namespace(*pid, kind));
            if !pid.is_alive() {
                return Err(gone());
            }
            for (kind, fd) in kinds.iter().zip(fds) {
                enter(&fd?, flag_of(kind), kind)?;
            }
            Ok(())
        }
    }
}

fn flag_of(kind: &str) -> CloneFlags {
    match kind {
        "user" => CloneFlags::CLONE_NEWUSER,
        "pid" => CloneFlags::CLONE_NEWPID,
        "net" => CloneFlags::CLONE_NEWNET,
        "uts" => CloneFlags::CLONE_NEWUTS,
        "ipc" => CloneFlags::CLONE_NEWIPC,
        "cgroup" => CloneFlags::CLONE_NEWCGROUP,
        _ => CloneFlags::CLONE_NEWNS,
    }
}

/// A process that is about to be executed, with everything looked up.
pub(crate) struct Plan {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: PathBuf,
    /// Where to go when there is no such directory.
    pub(crate) cwd_or_root: bool,
    pub(crate) user: User,
    /// Whether it is killed when the process that has forked it ends.
    pub(crate) tied: bool,
    /// The program, if that is not the first word.
    pub(crate) program: Option<String>,
}

fn plan(request: &Request) -> Result<Plan> {
    let exec = &request.exec;
    if exec.argv.is_empty() {
        return Err(Error::Spec("there is no command to run".to_owned()));
    }
    let user = User::find(exec.user.as_deref().unwrap_or("root"))?;
    let (mut env, cwd) = match &request.target {
        Target::Container { env, cwd, .. } => (env.clone(), cwd.clone()),
        Target::Node { .. } | Target::Here => (user.login_environment(), user.home.clone()),
    };
    if exec.tty && !env.iter().any(|(name, _)| name == "TERM") {
        let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
        env.push(("TERM".to_owned(), term));
    }
    for (name, value) in &exec.env {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value.clone()));
    }
    let cwd_or_root = exec.cwd.is_none();
    let cwd = exec.cwd.clone().unwrap_or(cwd);
    Ok(Plan {
        argv: exec.argv.clone(),
        env,
        cwd,
        cwd_or_root,
        user,
        tied: true,
        program: None,
    })
}

/// Becomes the planned program as the planned user. Returns only what went
/// wrong, as (exit status, text).
pub(crate) fn execute(plan: &Plan) -> (u8, String) {
    if let Err(error) = change_directory(plan) {
        return (126, error);
    }
    if let Err(error) = plan.user.become_it() {
        return (126, error.to_string());
    }
    // After the change of user, which makes the kernel forget it.
    if plan.tied
        && let Err(error) = sys::die_with_parent()
    {
        return (126, error.to_string());
    }
    execute_as_is(plan)
}

fn change_directory(plan: &Plan) -> std::result::Result<(), String> {
    let cwd = if plan.cwd.as_os_str().is_empty() {
        Path::new("/")
    } else {
        &plan.cwd
    };
    match nix::unistd::chdir(cwd) {
        Err(_) if plan.cwd_or_root && nix::unistd::chdir("/").is_ok() => Ok(()),
        Err(error) => Err(format!(
            "chdir to cwd ({:?}) set in config failed: {}",
            cwd,
            lower(error)
        )),
        Ok(()) => Ok(()),
    }
}

/// As [`execute`], by the user that this process is already.
pub(crate) fn execute_as_is(plan: &Plan) -> (u8, String) {
    if let Err(error) = change_directory(plan) {
        return (126, error);
    }
    sys::reset_signals();
    sys::limit_node_process();
    if let Err(error) = sys::close_on_exec_from(3) {
        return (126, error.to_string());
    }
    exec_path(
        plan.program.as_ref().unwrap_or(&plan.argv[0]),
        &plan.argv,
        &plan.env,
    )
}

/// The kernel's reason as Go programs write it.
fn lower(error: nix::errno::Errno) -> String {
    error.desc().to_lowercase()
}

/// execve(2) with a search in the new environment's PATH, and the error texts
/// that container runtimes give.
fn exec_path(name: &str, argv: &[String], env: &[(String, String)]) -> (u8, String) {
    let c_string = |bytes: &[u8]| CString::new(bytes);
    let Ok(arguments) = argv
        .iter()
        .map(|word| c_string(word.as_bytes()))
        .collect::<Result<Vec<_>, _>>()
    else {
        return (126, "an argument holds a NUL byte".to_owned());
    };
    let Ok(variables) = env
        .iter()
        .map(|(name, value)| c_string(format!("{name}={value}").as_bytes()))
        .collect::<Result<Vec<_>, _>>()
    else {
        return (126, "an environment variable holds a NUL byte".to_owned());
    };
    let path = env
        .iter()
        .find(|(name, _)| name == "PATH")
        .map_or("", |(_, value)| value);
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![PathBuf::from(name)]
    } else {
        path.split(':')
            .filter(|dir| !dir.is_empty())
            .map(|dir| Path::new(dir).join(name))
            .collect()
    };
    let mut refused = None;
    for candidate in candidates {
        let Ok(program) = c_string(candidate.as_os_str().as_bytes()) else {
            continue;
        };
        let Err(error) = nix::unistd::execve(&program, &arguments, &variables);
        match error {
            nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR => {}
            other => refused = Some(other),
        }
    }
    match refused {
        Some(error) => (126, format!("exec: {name:?}: {}", lower(error))),
        None if name.contains('/') => (
            127,
            format!("exec: {name:?}: stat {name}: no such file or directory"),
        ),
        None => (
            127,
            format!("exec: {name:?}: executable file not found in $PATH"),
        ),
    }
}

/// A command that makes `program` carry out a request.
pub(crate) fn command(program: &Path, request: &Request) -> Result<Command> {
    let json = serde_json::to_vec(request).context("write the request")?;
    let mut command = Command::new(program);
    command.arg0("kubedrill").args([
        OsStr::new("sandbox-enter"),
        OsStr::new("exec"),
        &OsString::from_vec(json),
    ]);
    Ok(command)
}
