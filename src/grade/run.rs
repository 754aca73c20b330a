//! Runs what a check wants to have run on a node, from outside of the lab's network.

use std::{
    io::Read,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::model::{Check, Probe};
use sandbox::{Exec, Fabric};
use serde::{Deserialize, Serialize};

/// How much of a command's output is kept.
const OUTPUT_BYTES: u64 = 1 << 16;

/// How a command of the grader ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ran {
    Ended {
        /// 128 and more: a signal; 127: no such program.
        status: i32,
        stdout: String,
        stderr: String,
    },
    /// It was killed after so many seconds.
    TooLong(u32),
    /// It could not be run, which is the grader's own trouble.
    Not(String),
}

/// The exit status with which the sandbox tells of its own trouble.
const SANDBOX_TROUBLE: i32 = 125;

/// Runs what `check` needs; `None` if it needs nothing.
pub fn for_check(fabric: &Fabric, check: &Check) -> Option<Ran> {
    let (exec, seconds) = match &check.probe {
        Probe::Command(probe) => (Exec::bash(&probe.script), probe.seconds),
        // By the first process's own program: a learner's `systemctl` is not asked.
        Probe::Unit(probe) => {
            let ask = format!(
                "exec 2>&1; /proc/1/exe systemctl show {} --property=LoadState,ActiveState,UnitFileState",
                shell_word(&probe.name)
            );
            (Exec::new(["/bin/sh", "-c", &ask]), 10)
        }
        _ => return None,
    };
    Some(run(fabric, &check.node, &exec, seconds))
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn run(fabric: &Fabric, node: &str, exec: &Exec, seconds: u32) -> Ran {
    let child = fabric
        .command(node, exec)
        .map_err(|error| error.to_string())
        .and_then(|mut command| {
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| error.to_string())
        });
    match child {
        Ok(child) => wait(child, seconds),
        Err(reason) => Ran::Not(reason),
    }
}

/// Reads the beginning of what comes and throws the rest away, so that nobody waits.
pub(crate) fn drain(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut from) = from {
            // What can't be read ends the text.
            let _ = from.by_ref().take(OUTPUT_BYTES).read_to_end(&mut text);
            let _ = std::io::copy(&mut from, &mut std::io::sink());
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

fn wait(mut child: Child, seconds: u32) -> Ran {
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let deadline = Instant::now() + Duration::from_secs(u64::from(seconds));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() > deadline => {
                // Killing it kills the process in the node. What that left in the
                // background may keep the pipes; nobody waits for it.
                let _ = child.kill();
                let _ = child.wait();
                return Ran::TooLong(seconds);
            }
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Ran::Not(error.to_string()),
        }
    };
    let grace = Instant::now() + Duration::from_secs(1);
    while !(stdout.is_finished() && stderr.is_finished()) && Instant::now() < grace {
        thread::sleep(Duration::from_millis(5));
    }
    let text = |thread: thread::JoinHandle<String>| match thread.is_finished() {
        true => thread.join().unwrap_or_default(),
        false => String::new(),
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    match status.code() {
        Some(SANDBOX_TROUBLE) => Ran::Not(stderr.trim().to_owned()),
        Some(status) => Ran::Ended {
            status,
            stdout,
            stderr,
        },
        None => Ran::Not(format!("it ended with {status}")),
    }
}
