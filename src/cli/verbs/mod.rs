//! One file a verb.

mod bench;
mod check;
mod doctor;
mod exam;
mod lint;
mod list;
mod new;
mod play;
mod scenario;
mod schema;
mod shell;
mod start;
mod stop;
mod submissions;
mod verify;
mod verify_pack;

use std::path::Path;

use lab::session::Session;

use crate::{args::Verb, error::Error, stage};

/// Runs a verb and says with which status to end.
///
/// # Errors
/// It came to no result.
pub fn run(verb: Verb) -> Result<u8, Error> {
    match verb {
        Verb::Start(args) => start::run(args),
        Verb::Exam(args) => exam::run(&args),
        Verb::Shell(args) => shell::run(&args),
        Verb::Task(args) => check::word("task", args.lab.as_deref(), None, false),
        Verb::Check(args) => check::run(&args),
        Verb::Hint(args) => check::word("hint", args.lab.as_deref(), args.task, false),
        Verb::Reset(args) => check::word("reset", args.lab.as_deref(), None, false),
        Verb::Stop(args) => stop::run(&args),
        Verb::List(args) => list::run(&args),
        Verb::Play(args) => play::run(&args),
        Verb::Grade(args) => submissions::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Lint(args) => lint::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::New(args) => new::run(&args),
        Verb::Doctor => doctor::run(),
        Verb::Bench(args) => bench::run(&args),
    }
}

/// The session called `name`, which may be the path of its lab, whether it exists or not.
fn named(home: &Path, name: &str) -> Session {
    let trimmed = name.trim_end_matches('/');
    Session::at(home, trimmed.rsplit('/').next().unwrap_or(trimmed))
}

/// The session that a person means: the one that is named, or the only one that
/// `fits`, which the message calls `what`: of one lab, and of several.
fn session(
    wanted: Option<&str>,
    fits: impl Fn(&Session) -> bool,
    (one, several): (&str, &str),
) -> Result<Session, Error> {
    let home = stage::home()?;
    if let Some(name) = wanted {
        let session = named(&home, name);
        session.load()?;
        return Ok(session);
    }
    let mut found: Vec<Session> = Session::all(&home)?.into_iter().filter(fits).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::Usage(format!(
            "no lab {one}; `kubedrill list` shows the labs"
        ))),
        _ => {
            let names: Vec<_> = found.iter().map(|lab| lab.name.as_str()).collect();
            Err(Error::Usage(format!(
                "several labs {several}; name one of {}",
                names.join(", ")
            )))
        }
    }
}

/// The session that a person means, which must run.
fn running(wanted: Option<&str>) -> Result<Session, Error> {
    let session = session(wanted, Session::is_running, ("runs", "run"))?;
    if session.is_running() {
        return Ok(session);
    }
    Err(Error::Usage(format!(
        "the lab `{0}` does not run; `kubedrill start {0}` goes on with it",
        session.name
    )))
}
