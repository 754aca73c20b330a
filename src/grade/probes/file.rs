//! Looks at a file.

use std::os::unix::fs::PermissionsExt;

use lab::model::FileProbe;

use super::{Result, Scene};
use crate::{node::Entry, verdict::Outcome};

pub fn look(scene: &Scene<'_>, probe: &FileProbe) -> Result {
    let place = scene.node.place(&probe.path);
    let metadata = match scene.node.entry(&probe.path)? {
        Entry::Missing if probe.exists => {
            return Err(Outcome::failed(place, "no such file", "a file"));
        }
        Entry::Missing => return Ok(Outcome::passed("no such file")),
        _ if !probe.exists => return Err(Outcome::failed(place, "it exists", "it to be gone")),
        Entry::Other(what) => return Err(Outcome::failed(place, what, "a file")),
        Entry::File(_, metadata) => metadata,
    };
    if let Ok(wanted) = u32::from_str_radix(&probe.mode, 8) {
        let mode = metadata.permissions().mode() & 0o7777;
        if mode != wanted {
            let found = format!("the mode {mode:04o}");
            return Err(Outcome::failed(
                place,
                found,
                format!("the mode {wanted:04o}"),
            ));
        }
    }
    if !probe.lines.is_empty() {
        let text = scene
            .node
            .text(&probe.path)
            .map_err(|outcome| match outcome {
                Ok(found) => Outcome::failed(&place, found, "a text file"),
                Err(blind) => blind,
            })?;
        let missing = probe
            .lines
            .iter()
            .find(|wanted| !text.lines().any(|line| line.trim() == wanted.trim()));
        if let Some(line) = missing {
            return Err(Outcome::failed(
                place,
                format!("no line `{line}`"),
                "that line",
            ));
        }
    }
    Ok(Outcome::passed("the file is as asked"))
}
