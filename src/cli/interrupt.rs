//! Ctrl-C, a closed terminal, `kill`: the lab's processes go with kubedrill, and its
//! files too unless the learner had been let in and may want to go on. A run that
//! `verify` started goes with all its files when that ends, however it ends.

use std::{
    env, fs, process,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use lab::session::Session;
use nix::{
    sys::{
        prctl,
        signal::{self, Signal},
    },
    unistd::getppid,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{error::Error, stage};

/// Set to the number of the process that started this run and without which it is of
/// no use.
pub const PARENT: &str = "KUBEDRILL_PARENT";

/// How long cleaning up may take; what is left then goes with `kubedrill stop`.
const PATIENCE: Duration = Duration::from_secs(8);

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
    let parent = env::var(PARENT).ok();
    let has_parent = parent.is_some();
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            ENDING.store(true, Ordering::SeqCst);
            let name = session.name.clone();
            let (done, ended) = mpsc::channel();
            thread::spawn(move || {
                end(&session, has_parent);
                let _ = done.send(());
            });
            if ended.recv_timeout(PATIENCE).is_err() {
                eprintln!("\nkubedrill: interrupted; `kubedrill stop {name}` cleans up");
            }
            process::exit(128 + signal);
        }
    });
    if let Some(parent) = parent {
        let trouble = |error| Error::Failed(format!("could not follow the parent: {error}"));
        prctl::set_pdeathsig(Signal::SIGTERM).map_err(trouble)?;
        if getppid().to_string() != parent {
            // It ended before it could be followed.
            signal::raise(Signal::SIGTERM).map_err(trouble)?;
        }
    }
    Ok(())
}

/// If a signal is ending the program, waits for that: what fails meanwhile fails
/// because of it, and is not to be told.
pub fn yield_to_signal() {
    while ENDING.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(100));
    }
}

fn end(session: &Session, has_parent: bool) {
    if !has_parent && session.load().is_ok_and(|record| record.ready) {
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
                if has_parent {
                    // The home was made for this run. Only empty folders are removed.
                    for dir in session.dir().ancestors().skip(1).take(2) {
                        let _ = fs::remove_dir(dir);
                    }
                }
                return;
            }
        }
    }
    eprintln!(
        "\nkubedrill: interrupted; `kubedrill stop {}` cleans up",
        session.name
    );
}
