//! `etcdctl` and `etcdutl`, one file a command.
//!
//! Reference: etcd 3.5.16. What these print (standard output, standard error,
//! exit status) equals what the reference prints; the side-by-side suite
//! (`tests/it/etcdctl_side_by_side.rs`) compares the two. Only the help is in our
//! own words, in the reference's layout.

#![forbid(unsafe_code)]

/// Writes a line to standard error. Unlike `eprintln!` it does not mind when
/// nobody reads there.
macro_rules! tell {
    ($($text:tt)*) => {{
        let line = format!($($text)*);
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
    }};
}

mod client;
mod command;
mod concurrency;
mod etcdutl;
mod exit;
mod flags;
mod go;
mod json;
mod log;
mod password;
mod print;
mod snapshot;
mod table;
mod tables;
mod urls;
mod v2;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs `etcdctl`; `args[0]` is the name it was called by.
pub fn run_etcdctl(args: Vec<OsString>) -> ExitCode {
    match std::env::var("ETCDCTL_API").as_deref() {
        Err(_) | Ok("" | "3") => ExitCode::from(flags::run(&tables::ETCDCTL, args)),
        Ok("2") => v2::run(args),
        Ok(other) => {
            tell!("unsupported API version: {other}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `etcdutl`; `args[0]` is the name it was called by.
pub fn run_etcdutl(args: Vec<OsString>) -> ExitCode {
    ExitCode::from(flags::run(&tables::ETCDUTL, args))
}
