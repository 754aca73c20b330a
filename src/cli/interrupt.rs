//! Ctrl-C, a closed terminal, `kill`: the lab's processes go with kubedrill, and its
//! files too unless the learner had been let in and may want to go on. A run that
//! `verify` started goes with all its files when that ends, however it ends.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use lab::session::Session;
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{self, SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::getppid,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{error::Error, sitting};

/// Set to the number of the process that started this run and without which it is of
/// no use.
pub const PARENT: &str = "KUBEDRILL_PARENT";

/// Set to an exit status where the program runs to remove an interrupted session, whose
/// folder is its one argument.
const CLEAN_UP: &str = "KUBEDRILL_CLEAN_UP";

/// How long cleaning up may take; what is left then goes with `kubedrill stop`.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the lab's processes may take to end before their files are removed all the same.
const CHILDREN_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a signal is ending the program.
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on, these signals end the program in order. `kept` says how to go on with the
/// session, or `None` if it is to be removed.
///
/// # Errors
/// The signals can't be caught.
pub fn arm(
    session: &Session,
    kept: impl Fn() -> Option<String> + Send + 'static,
) -> Result<(), Error> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])
        .map_err(|error| Error::Failed(format!("could not catch signals: {error}")))?;
    let session = session.clone();
    let parent = env::var(PARENT).ok();
    let has_parent = parent.is_some();
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            ENDING.store(true, Ordering::SeqCst);
            if let Some(how) = kept().filter(|_| !has_parent) {
                eprintln!("\nkubedrill: interrupted; {how}");
            } else {
                // The preparation goes on in other threads and would make anew what is
                // removed. No thread outlives this. A second Ctrl-C, or a parent whose
                // threads end one after another, must not end the cleaning up.
                let mut deaf = SigSet::empty();
                deaf.extend([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
                let _ = deaf.thread_block();
                let _ = process::Command::new("/proc/self/exe")
                    .env(CLEAN_UP, (128 + signal).to_string())
                    .arg(session.dir())
                    .exec();
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

/// The lab's processes are children of this one, which took the place of the program that
/// began them, and end with it. As long as one is there it may make anew what is removed.
fn await_children() {
    let begun = Instant::now();
    while begun.elapsed() < CHILDREN_PATIENCE {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(5)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

/// Removes a session that was interrupted before the learner was let in, if this
/// process was made for that; `args` are the program's. Gives the exit status.
pub fn clean_up(args: &[OsString]) -> Option<u8> {
    let status = env::var(CLEAN_UP).ok()?.parse().ok()?;
    let dir = Path::new(args.get(1)?);
    let (home, name) = (dir.parent()?.parent()?, dir.file_name()?.to_str()?);
    let session = Session::at(home, name);
    let begun = Instant::now();
    await_children();
    // What they began may take a little longer to end.
    while session.dir().exists() && sitting::remove(&session).is_err() {
        if begun.elapsed() > PATIENCE {
            eprintln!("\nkubedrill: interrupted; `kubedrill stop {name}` cleans up");
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    if env::var_os(PARENT).is_some() {
        // The home was made for this run. Only empty folders are removed.
        let made = env::var_os("KUBEDRILL_HOME").map_or_else(|| home.to_owned(), PathBuf::from);
        let dirs = session.dir().ancestors().skip(1);
        for dir in dirs.take_while(|dir| dir.starts_with(&made)) {
            let _ = fs::remove_dir(dir);
        }
    }
    Some(status)
}
