//! `ETCDCTL_API=2 etcdctl`: the commands of etcd's v2 API (`etcdctl/ctlv2`, `client/v2`,
//! 3.5.16).
//!
//! `app` reads the command line as the reference's library does (`urfave/cli` 1.22) and
//! shows help, `tables` has the commands and flags, `command` what each does, `client`
//! finds a member that answers, `http` is one request.

mod app;
mod client;
mod command;
mod flags;
mod go_json;
mod help;
mod http;
mod keys;
mod password;
mod response;
mod tables;
mod url;

use std::{ffi::OsString, process::ExitCode};

pub use app::Context;

/// Writes a line to standard output. Unlike `println!` it does not mind when nobody
/// reads there.
macro_rules! say {
    ($($text:tt)*) => {{
        let line = format!($($text)*) + "\n";
        let _ = std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes());
    }};
}
pub(crate) use say;

/// The end of a command that failed: what is left to say on standard error, as it
/// stands there, and the exit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    code: u8,
    text: String,
}

impl End {
    /// Says a line.
    pub fn line(code: u8, text: impl std::fmt::Display) -> Self {
        Self {
            code,
            text: format!("{text}\n"),
        }
    }

    /// Says `Error:  …` (`handleError`), and each member's failure if the cluster failed.
    pub fn error(code: u8, failure: &client::Failure) -> Self {
        let detail = match failure {
            client::Failure::Cluster(all) => client::detail(all) + "\n",
            _ => String::new(),
        };
        Self {
            code,
            text: format!("Error:  {failure}\n{detail}"),
        }
    }

    /// Says nothing more.
    pub fn silent(code: u8) -> Self {
        Self {
            code,
            text: String::new(),
        }
    }
}

/// Exit statuses (`pkg/cobrautl/error.go`).
mod code {
    pub const ERROR: u8 = 1;
    pub const BAD_CONNECTION: u8 = 2;
    pub const NO_SUCH_HELP: u8 = 3;
    pub const SERVER_ERROR: u8 = 4;
    pub const NOT_HEALTHY: u8 = 5;
    pub const BAD_ARGS: u8 = 128;
}

/// Runs the command line; `args[0]` is the name it was called by.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let words: Vec<String> = args
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match app::run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), end.text.as_bytes());
            ExitCode::from(end.code)
        }
    }
}
