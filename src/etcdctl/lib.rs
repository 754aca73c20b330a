//! `etcdctl` and `etcdutl`, one file a command.
//!
//! Reference: etcd 3.5.16. What these print (standard output, standard error,
//! exit status) equals what the reference prints; `tests/it/etcdctl_side_by_side.rs`
//! compares the two.

use std::{ffi::OsString, process::ExitCode};

/// Runs `etcdctl`; `args[0]` is the name it was called by.
pub fn run_etcdctl(args: Vec<OsString>) -> ExitCode {
    let _ = args;
    eprintln!("Error: etcdctl is not wired yet");
    ExitCode::FAILURE
}

/// Runs `etcdutl`; `args[0]` is the name it was called by.
pub fn run_etcdutl(args: Vec<OsString>) -> ExitCode {
    let _ = args;
    eprintln!("Error: etcdutl is not wired yet");
    ExitCode::FAILURE
}
