//! Ctrl-C, a closed terminal, `kill`: the lab's processes go with kubedrill, and its
//! files too unless the learner had been let in and may want to go on.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use lab::session::Session;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{error::Error, stage};

/// Whether a signal is ending the program.
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on, these signals end the program in order.
///
/// # Errors
/// The signals can't be caught.
pub fn arm(session: &Session) -> Result<(), Error> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])
        .map_err(|error| Error::Failed(format!("could not catch signals: {error}")))?;
    let session = session.clone();
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            ENDING.store(true, Ordering::SeqCst);
            end(&session);
            process::exit(128 + signal);
        }
    });
    Ok(())
}

/// If a signal is ending the program, waits for that: what fails meanwhile fails
/// because of it, and is not to be told.
pub fn yield_to_signal() {
    while ENDING.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(100));
    }
}

fn end(session: &Session) {
    if session.load().is_ok_and(|record| record.ready) {
        eprintln!(
            "\nkubedrill: interrupted; `kubedrill start {0}` goes on, `kubedrill stop {0}` removes \
             the lab",
            session.name
        );
        return;
    }
    // The preparation goes on meanwhile and may make what was just removed.
    for _ in 0..20 {
        if session.dir().exists() {
            let _ = stage::remove(session);
        } else {
            thread::sleep(Duration::from_millis(30));
            if !session.dir().exists() {
                return;
            }
        }
    }
    eprintln!(
        "\nkubedrill: interrupted; `kubedrill stop {}` cleans up",
        session.name
    );
}
