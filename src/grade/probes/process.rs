//! Looks for a process of the node.

use lab::probes::ProcessProbe;
use sandbox::NodeProcess;

use super::{Result, Scene};
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
    if let Some(flag) = probe.flags.iter().find(|flag| !process.argv.contains(flag)) {
        let name = flag.split('=').next().unwrap_or(flag);
        let found = value_of(process, name).map_or_else(
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

/// The value of a flag, written `--flag=value` or `--flag value`; the last one counts.
pub fn value_of<'a>(process: &'a NodeProcess, flag: &str) -> Option<&'a str> {
    let mut found = None;
    let mut words = process.argv.iter().peekable();
    while let Some(word) = words.next() {
        match word.strip_prefix(flag) {
            Some("") => found = words.peek().map(|next| next.as_str()),
            Some(rest) => found = rest.strip_prefix('=').or(found),
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn flags_are_read_in_both_forms() {
        let process = NodeProcess {
            pid: 1,
            argv: [
                "etcd",
                "--name=a",
                "--data-dir",
                "/d",
                "--name=b",
                "--namespace=x",
            ]
            .map(str::to_owned)
            .to_vec(),
            started_at: SystemTime::UNIX_EPOCH,
        };
        assert_eq!(value_of(&process, "--name"), Some("b"));
        assert_eq!(value_of(&process, "--data-dir"), Some("/d"));
        assert_eq!(value_of(&process, "--wal-dir"), None);
    }
}
