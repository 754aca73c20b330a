//! Looks for a process of the node.

use lab::probes::ProcessProbe;
use sandbox::NodeProcess;

use super::{Result, Scene, flags};
use crate::verdict::Outcome;

pub fn look(scene: &Scene<'_>, probe: &ProcessProbe) -> Result {
    let place = format!("the processes of {}", scene.node.name);
    let all = all(scene, &place)?;
    let found = newest(&all, &probe.name);
    let process = match (found, probe.running) {
        (None, false) => return Ok(Outcome::passed(format!("no {} runs", probe.name))),
        (None, true) => {
            let found = format!("no {} runs", probe.name);
            return Err(Outcome::failed(place, found, "one that runs"));
        }
        (Some(_), false) => {
            let found = format!("{} runs", probe.name);
            return Err(Outcome::failed(place, found, "none"));
        }
        (Some(process), true) => process,
    };
    let words = words(process);
    if let Some(flag) = probe.flags.iter().find(|flag| !flags::has(&words, flag)) {
        let name = flag.split('=').next().unwrap_or(flag);
        let found = flags::value_of(&words, name).map_or_else(
            || format!("{} runs without {name}", probe.name),
            |value| format!("{} runs with {name}={value}", probe.name),
        );
        return Err(Outcome::failed(place, found, flag.clone()));
    }
    if !probe.started_after.is_empty() {
        let Some(other) = newest(&all, &probe.started_after) else {
            let found = format!("no {} runs", probe.started_after);
            return Err(Outcome::failed(place, found, "one that runs"));
        };
        if process.started_at < other.started_at {
            let found = format!(
                "this {} has been running since before {} was started",
                probe.name, probe.started_after
            );
            let expected = format!("one that was started after {}", probe.started_after);
            return Err(Outcome::failed(place, found, expected));
        }
    }
    Ok(Outcome::passed(format!("{} runs", probe.name)))
}

/// Every process of the scene's node.
///
/// # Errors
/// The grader can't see them.
pub fn all(scene: &Scene<'_>, place: &str) -> Result<Vec<NodeProcess>> {
    let seen = scene.node.fabric.node_processes(scene.node.name);
    seen.map_err(|error| Outcome::could_not_look(place, error.to_string()))
}

/// The process of that name that was started last.
pub fn newest<'a>(all: &'a [NodeProcess], name: &str) -> Option<&'a NodeProcess> {
    all.iter()
        .filter(|process| process.name() == name)
        .max_by_key(|process| process.started_at)
}

/// What a process was started with.
pub fn words(process: &NodeProcess) -> Vec<&str> {
    process.argv.iter().map(String::as_str).collect()
}
