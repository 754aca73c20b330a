//! Judges a command that the grader ran on the node.

use lab::probes::CommandProbe;

use super::{Result, Scene};
use crate::{run::Ran, verdict::Outcome};

pub fn look(scene: &Scene<'_>, probe: &CommandProbe) -> Result {
    let first = probe.script.trim().lines().next().unwrap_or_default();
    let place = format!("`{first}` on {}", scene.node.name);
    let (status, stdout, stderr) = match scene.ran {
        Some(Ran::Ended {
            status,
            stdout,
            stderr,
        }) => (*status, stdout, stderr),
        Some(Ran::TooLong(seconds)) => {
            let found = format!("it had not ended after {seconds} s");
            return Err(Outcome::failed(place, found, "it to end"));
        }
        Some(Ran::Not(reason)) => return Err(Outcome::could_not_look(place, reason)),
        None => return Err(Outcome::could_not_look(place, "it was not run")),
    };
    if status != probe.status {
        let found = match last_line(stderr).or_else(|| last_line(stdout)) {
            Some(words) => format!("exit status {status}: {words}"),
            None => format!("exit status {status}"),
        };
        let expected = format!("exit status {}", probe.status);
        return Err(Outcome::failed(place, found, expected));
    }
    let missing = probe
        .prints
        .iter()
        .find(|wanted| !stdout.lines().any(|line| line.contains(wanted.as_str())));
    if let Some(wanted) = missing {
        let found = match last_line(stdout) {
            Some(words) => format!("it printed `{words}`"),
            None => "it printed nothing".to_owned(),
        };
        let expected = format!("a line with `{wanted}`");
        return Err(Outcome::failed(place, found, expected));
    }
    Ok(Outcome::passed("it did what was asked"))
}

/// The last line that says something, cut where it gets long.
fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rfind(|line| !line.trim().is_empty())?.trim();
    Some(line.chars().take(200).collect())
}
