//! Brings a lab's faults about, on nodes that run.

use std::{
    collections::HashSet,
    io::Read,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use lab::fault::{self, Contents, Fault, Step};
use sandbox::{Exec, Fabric, File};

use crate::error::Error;

/// How long what a fault ends may take to end: the kubelet gives a container 30 s.
const PATIENCE: Duration = Duration::from_secs(45);

/// Breaks what the lab wants broken, one fault after the other.
///
/// # Errors
/// A fault does not fit the node, or what it was to end goes on.
pub fn bring_about(fabric: &Fabric, faults: &[Fault], now: i64) -> Result<(), Error> {
    for (number, fault) in faults.iter().enumerate() {
        let before = running(fabric, fault)?;
        signal(fabric, fault, "-STOP")
            .and_then(|()| one(fabric, fault, now))
            .and_then(|()| signal(fabric, fault, "-KILL"))
            .map_err(|reason| {
                Error::Failed(format!(
                    "fault {} of the lab on {}: {reason}",
                    number + 1,
                    fault.node
                ))
            })?;
        await_end(fabric, fault, &before)?;
    }
    Ok(())
}

fn one(fabric: &Fabric, fault: &Fault, now: i64) -> Result<(), String> {
    let files = fault.kind.files();
    let mut read = Vec::new();
    for path in &files.reads {
        let mut bytes = Vec::new();
        fabric
            .open_in_node(&fault.node, Path::new(path))
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| format!("{path}: {error}"))?;
        read.push(bytes);
    }
    let written = fault::apply(&fault.kind, &read, now).map_err(|error| error.to_string())?;
    for ((path, mode), contents) in files.writes.iter().zip(written) {
        match contents {
            Contents::Whole(bytes) => {
                let file = File::new(path, bytes).mode(*mode);
                fabric
                    .write_file(&fault.node, &file)
                    .map_err(|error| error.to_string())?;
            }
            Contents::Patch { offset, bytes } => {
                let seek = offset.to_string();
                run(fabric, &fault.node, PATCH, &[path, &seek], &bytes)?;
            }
        }
    }
    if let Some(Step { script, words }) = fault.kind.step(&fault.kills) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(fabric, &fault.node, script, &words, &[])?;
    }
    Ok(())
}

/// Writes what comes in at an offset of a file, and leaves the rest of it.
const PATCH: &str = "dd of=\"$1\" oflag=seek_bytes seek=\"$2\" conv=notrunc status=none";

/// Sends a signal to the processes that the fault kills; there may be none.
fn signal(fabric: &Fabric, fault: &Fault, name: &str) -> Result<(), String> {
    match fault.kills.as_str() {
        "" => Ok(()),
        // Status 1 of pkill: nobody has that name, and nobody uses what the fault touches.
        kills => {
            let script = "pkill \"$1\" -x \"$2\" || [ $? = 1 ]";
            run(fabric, &fault.node, script, &[name, kills], &[])
        }
    }
}

/// Runs a script on the node. What it says on standard error is why it failed.
fn run(
    fabric: &Fabric,
    node: &str,
    script: &str,
    words: &[&str],
    input: &[u8],
) -> Result<(), String> {
    let line = [&["/bin/bash", "-c", script, "bash"], words].concat();
    let ended = fabric.run(node, &Exec::new(line), input);
    ended.map_err(|error| error.to_string())
}

/// The processes that the fault is to end.
fn running(fabric: &Fabric, fault: &Fault) -> Result<HashSet<i32>, Error> {
    if fault.ends.is_empty() {
        return Ok(HashSet::new());
    }
    let all = fabric.node_processes(&fault.node)?;
    Ok(all
        .iter()
        .filter(|process| process.name() == fault.ends)
        .map(|process| process.pid)
        .collect())
}

fn await_end(fabric: &Fabric, fault: &Fault, before: &HashSet<i32>) -> Result<(), Error> {
    let begun = Instant::now();
    while running(fabric, fault)?
        .intersection(before)
        .next()
        .is_some()
    {
        if begun.elapsed() > PATIENCE {
            let message = format!(
                "the fault on {} did not end {} within {} s",
                fault.node,
                fault.ends,
                PATIENCE.as_secs()
            );
            return Err(Error::Failed(message));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
