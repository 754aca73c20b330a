//! Ctrl-C, a closed terminal, `kill`: the lab's processes go with kubedrill, and its
//! files too unless the learner had been let in and may want to go on.

use std::process;

use lab::session::Session;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{error::Error, stage};

/// From now on, these signals end the program in order.
///
/// # Errors
/// The signals can't be caught.
pub fn arm(session: &Session) -> Result<(), Error> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])
        .map_err(|error| Error::Failed(format!("could not catch signals: {error}")))?;
    let session = session.clone();
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let resumable = session.load().is_ok_and(|record| record.ready);
            if resumable {
                eprintln!(
                    "\nkubedrill: interrupted; `kubedrill start {0}` goes on, `kubedrill stop \
                     {0}` removes the lab",
                    session.name
                );
            } else if session.dir().exists() && stage::remove(&session).is_err() {
                eprintln!(
                    "\nkubedrill: interrupted; `kubedrill stop {}` cleans up",
                    session.name
                );
            }
            process::exit(128 + signal);
        }
    });
    Ok(())
}
