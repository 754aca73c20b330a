//! Room: sandbox. Machines made of Linux namespaces, rootless.
//!
//! A [`Fabric`] is a user namespace with a network of its own; its nodes are
//! mount, PID, UTS, IPC and network namespaces of it with a root file system
//! that shares the host's `/usr` and nothing else. Within a node,
//! [`container::Container`] runs a process in a mount namespace of its own.
//! Everything that forks or enters a namespace lives here; nothing here knows
//! what the machines are for.

mod enter;
mod error;
mod fabric;
mod ids;
mod init;
mod machine;
mod netlink;
mod node;
mod relay;
mod remove;
mod spec;
mod ssh;
mod su;
mod sudo;
mod sys;
mod window;

pub mod container;

use std::ffi::OsString;
use std::process::ExitCode;

pub use error::{Error, Preflight, Result};
pub use fabric::{Fabric, Holder, NodeProcess, NodeState, maps_users, preflight, remove_session};
pub use spec::{Account, Directory, Exec, FabricSpec, File, HostBind, NodeSpec, Subnet};
pub use window::columns;

/// The internal first words with which kubedrill executes itself:
/// `sandbox-fabric`, `sandbox-init`, `sandbox-enter`, `sandbox-container`.
/// `args[0]` is that word. Must run before any thread exists.
pub fn run_internal(args: Vec<OsString>) -> ExitCode {
    match args.first().and_then(|word| word.to_str()) {
        Some("sandbox-fabric") => fabric::run_supervisor(),
        Some("sandbox-init") => init::run(&args),
        Some("sandbox-enter") => enter::run(&args),
        Some("sandbox-container") => container::run_shim(&args),
        _ => {
            eprintln!("this word is kubedrill's own; it is not for use by hand");
            ExitCode::FAILURE
        }
    }
}

/// The applet `systemctl` of a node.
pub fn run_systemctl(args: Vec<OsString>) -> ExitCode {
    init::run_systemctl(&args)
}

/// The applet `journalctl` of a node.
pub fn run_journalctl(args: Vec<OsString>) -> ExitCode {
    init::run_journalctl(&args)
}

/// The applet `hostnamectl` of a node.
pub fn run_hostnamectl(args: Vec<OsString>) -> ExitCode {
    machine::run_hostnamectl(&args)
}

/// The applet `timedatectl` of a node.
pub fn run_timedatectl(args: Vec<OsString>) -> ExitCode {
    machine::run_timedatectl(&args)
}

/// The applet `sudo` of a node.
pub fn run_sudo(args: Vec<OsString>) -> ExitCode {
    sudo::run(&args)
}

/// The applet `su` of a node.
pub fn run_su(args: Vec<OsString>) -> ExitCode {
    su::run(&args)
}

/// The applet `ssh` of a node: `ssh NODE [command…]` without a password.
pub fn run_ssh(args: Vec<OsString>) -> ExitCode {
    ssh::run(&args)
}

/// The applet `scp` of a node: copies files between nodes without a password.
pub fn run_scp(args: Vec<OsString>) -> ExitCode {
    ssh::run_copy(&args)
}

/// The applet `peer-link` of a node: a line between two sites that may be slow.
pub fn run_relay(args: Vec<OsString>) -> ExitCode {
    relay::run(&args)
}

/// The applet `service` of a node.
pub fn run_service(args: Vec<OsString>) -> ExitCode {
    init::run_service(&args)
}

/// The applets `reboot`, `poweroff`, `halt` and `shutdown` of a node.
pub fn run_power(args: Vec<OsString>) -> ExitCode {
    init::run_power(&args)
}
