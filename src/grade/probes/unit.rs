//! Judges a unit of the node's init.

use lab::probes::UnitProbe;

use super::{Result, Scene};
use crate::{run::Ran, verdict::Outcome};

pub fn look(scene: &Scene<'_>, probe: &UnitProbe) -> Result {
    let place = format!("the unit {} on {}", probe.name, scene.node.name);
    let text = match scene.ran {
        Some(Ran::Ended {
            status: 0, stdout, ..
        }) => stdout,
        Some(Ran::Ended { stdout, .. }) => {
            return Err(Outcome::could_not_look(place, stdout.trim()));
        }
        Some(Ran::TooLong(_)) => {
            return Err(Outcome::could_not_look(place, "the node's init is silent"));
        }
        Some(Ran::Not(reason)) => return Err(Outcome::could_not_look(place, reason)),
        None => return Err(Outcome::could_not_look(place, "nobody was asked")),
    };
    let state = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.strip_prefix('='))
            .unwrap_or_default()
    };
    if state("LoadState") != "loaded" {
        let found = format!(
            "{} (no such unit file, or a broken one)",
            state("LoadState")
        );
        return Err(Outcome::failed(place, found, "a unit that is loaded"));
    }
    let active = state("ActiveState");
    if let Some(wanted) = probe.active
        && (active == "active") != wanted
    {
        let expected = if wanted { "active" } else { "not active" };
        return Err(Outcome::failed(place, active, expected));
    }
    let file = state("UnitFileState");
    if let Some(wanted) = probe.enabled
        && (file == "enabled") != wanted
    {
        let found = match file {
            "" => "not enabled",
            file => file,
        };
        let expected = match wanted {
            true => "enabled, so that it starts with the node",
            false => "not enabled",
        };
        return Err(Outcome::failed(place, found, expected));
    }
    Ok(Outcome::passed(format!("{active}, {file}")))
}
