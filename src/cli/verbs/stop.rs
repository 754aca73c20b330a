//! `stop`: ends a lab and removes everything of it.

use std::time::{Duration, Instant};

use lab::session::Session;

use crate::{
    args::Which,
    client,
    error::{Error, status},
    serve::Request,
    sitting, stage,
};

/// How long the kubedrill that runs the lab may take to let go of it.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn run(args: &Which) -> Result<u8, Error> {
    let session = match &args.lab {
        // A damaged session must be removable too, so its record is not read.
        Some(name) => {
            let session = super::named(&stage::home()?, name);
            let exam = sitting::room(&stage::home()?, &session.name);
            if !session.dir().exists() && exam.dir().exists() {
                return remove_exam(&exam);
            }
            if !session.dir().exists() {
                return Err(lab::session::Error::Missing(session.name).into());
            }
            session
        }
        None => super::session(None, |_| true, ("was started", "were started"))?,
    };
    if session.is_running() {
        client::ask_running(&session, &Request::new("stop", None))?;
        let begun = Instant::now();
        while session.is_running() {
            if begun.elapsed() > PATIENCE {
                let message = format!("the kubedrill that runs `{}` does not end", session.name);
                return Err(Error::Failed(message));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    if session.dir().exists() {
        return remove(&session);
    }
    Ok(status::DONE)
}

fn remove_exam(exam: &Session) -> Result<u8, Error> {
    if exam.is_running() {
        let message = format!("the exam `{}` runs; its word `finish` ends it", exam.name);
        return Err(Error::Usage(message));
    }
    let _lock = exam.lock()?;
    sitting::remove(exam)?;
    eprintln!("The exam `{}` is gone.", exam.name);
    Ok(status::DONE)
}

/// Removes a session that does not run.
///
/// # Errors
/// Something of it can't be removed.
pub fn remove(session: &Session) -> Result<u8, Error> {
    let _lock = session.lock()?;
    stage::remove(session)?;
    eprintln!("The lab `{}` is gone.", session.name);
    Ok(status::DONE)
}
