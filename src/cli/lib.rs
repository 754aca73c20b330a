//! What people meet: the verbs of `kubedrill`, progress, hints and reports.
//!
//! Data goes to standard output, talk to standard error. Exit statuses are listed in
//! [`error::status`].
#![forbid(unsafe_code)]

#[macro_use]
mod talk;

mod args;
mod breaking;
mod client;
mod clock;
mod error;
mod find;
mod interrupt;
mod limits;
mod looking;
mod looks;
mod page;
mod paint;
mod question;
mod render;
mod script;
mod serve;
mod sitting;
mod stage;
mod verbs;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

pub use client::{is_on_a_node, is_word, run_on_node, run_word};
pub use grade::inside as run_grader;

/// Runs a verb; `args[0]` is the program's name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    if let Some(status) = interrupt::clean_up(&args) {
        return ExitCode::from(status);
    }
    let args = match args::Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are data; everything else is talk.
            let _ = error.print();
            if let Some(advice) = args::advice(&error) {
                eprintln!("\n{advice}");
            }
            return ExitCode::from(if error.use_stderr() {
                error::status::USAGE
            } else {
                0
            });
        }
    };
    let result = verbs::run(args.verb);
    interrupt::yield_to_signal();
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            error.show();
            ExitCode::from(error.status())
        }
    }
}
