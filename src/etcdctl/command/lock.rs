//! `etcdctl lock`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{ExitStatus, Stdio};

use super::{Interrupt, Session, block_on, failed};
use crate::concurrency::{self, Lease, Mutex};
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;
use crate::go::os;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let [name, command @ ..] = invocation.args() else {
        return Err(Exit::bad_args(
            "lock takes a lock name argument and an optional command to execute",
        ));
    };
    let (name, command) = (name.clone(), command.to_vec());
    let ttl = invocation.int("ttl");
    let session = Session::open(invocation)?;
    block_on(async {
        let interrupt = Interrupt::listen()?;
        concurrency::with_lease(&session.client, ttl, async |lease| {
            hold(&session, &name, &command, lease, interrupt).await
        })
        .await
        .map_err(failed)?
    })
}

/// Takes the lock and holds it while the command runs or, without one, until a signal.
async fn hold(
    session: &Session,
    name: &[u8],
    command: &[Vec<u8>],
    lease: Lease,
    mut interrupt: Interrupt,
) -> Outcome {
    let mutex = Mutex::new(&session.client, name, &lease);
    let revision = mutex
        .lock(interrupt.wait())
        .await
        .map_err(|error| Exit::error(error.to_string()))?;
    if !command.is_empty() {
        let ran = execute(command, mutex.key(), revision).await;
        let unlocked = mutex.unlock().await.map_err(failed);
        return ran.and(unlocked);
    }
    let held = concurrency::get_key(&session.client, mutex.key())
        .await
        .map_err(failed)?;
    if held.kvs.is_empty() {
        return Err(Exit::error("lock lost on init"));
    }
    session.show(&held)?;
    tokio::select! {
        () = interrupt.wait() => mutex.unlock().await.map_err(failed),
        () = lease.gone() => Err(Exit::error("session expired")),
    }
}

/// Runs the command; a status other than 0 becomes ours.
async fn execute(command: &[Vec<u8>], key: &[u8], revision: i64) -> Outcome {
    let words: Vec<&OsStr> = command.iter().map(|w| OsStr::from_bytes(w)).collect();
    let mut process = tokio::process::Command::new(words[0]);
    process.args(&words[1..]).stdin(Stdio::null());
    for (name, value) in [
        ("ETCD_LOCK_KEY", OsStr::from_bytes(key)),
        ("ETCD_LOCK_REV", OsStr::new(&revision.to_string())),
    ] {
        // What the environment has already wins, as in the reference.
        if std::env::var_os(name).is_none() {
            process.env(name, value);
        }
    }
    match process.status().await {
        Ok(status) => ended(status),
        Err(error) => Err(Exit::error(os::exec_error(&command[0], &error))),
    }
}

fn ended(status: ExitStatus) -> Outcome {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Exit::new(code as u8, format!("exit status {code}"))),
        // Go's status of a process that a signal ended is -1.
        (None, Some(signal)) => Err(Exit::new(
            u8::MAX,
            format!("signal: {}", os::signal_name(signal)),
        )),
        (None, None) => Err(Exit::new(code::ERROR, status.to_string())),
    }
}
