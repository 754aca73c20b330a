//! `check`, `task`, `hint`, `reset`: asks the kubedrill that runs the lab.

use crate::{
    args::{Check, Format},
    client,
    error::Error,
    serve::Request,
};

pub fn run(args: &Check) -> Result<u8, Error> {
    word(
        "check",
        args.lab.as_deref(),
        None,
        args.format == Format::Json,
    )
}

/// Asks a running lab for a word.
pub fn word(
    word: &str,
    wanted: Option<&str>,
    task: Option<String>,
    json: bool,
) -> Result<u8, Error> {
    let session = super::running(wanted)?;
    let request = Request {
        json,
        ..Request::new(word, task)
    };
    client::ask_running(&session, &request)
}
