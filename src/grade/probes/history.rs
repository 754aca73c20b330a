//! Tells from the revisions in which order things happened.

use lab::model::{Event, HistoryProbe};

use super::{KUBE_SYSTEM, Result, Scene, data_dir, snapshot, stored_uid_is};
use crate::{
    keyspace::{Change, Keyspace},
    node::Entry,
    verdict::Outcome,
};

pub fn look(scene: &Scene<'_>, probe: &HistoryProbe) -> Result {
    let mut interest = vec![KUBE_SYSTEM.to_owned()];
    for event in &probe.order {
        if let Event::Create(key) | Event::Delete(key) = event {
            interest.push(key.clone());
        }
    }
    let mut last = None;
    for path in &probe.within {
        match within(scene, probe, path, &interest) {
            Ok(outcome) => return Ok(outcome),
            // Not to have seen one of the places outweighs what the others lack.
            Err(outcome) => match (&last, &outcome) {
                (Some(Outcome::CouldNotLook { .. }), _) => {}
                _ => last = Some(outcome),
            },
        }
    }
    Err(last.unwrap_or_else(|| Outcome::could_not_look("history", "no place to look is named")))
}

fn within(scene: &Scene<'_>, probe: &HistoryProbe, path: &str, interest: &[String]) -> Result {
    let place = scene.node.place(path);
    let expected = "the history of this cluster";
    let keyspace = match scene.node.entry(path)? {
        Entry::Missing => return Err(Outcome::failed(place, "nothing is there", expected)),
        Entry::Other(_) => data_dir::read(&scene.node, path, interest)?.keyspace,
        Entry::File(..) => snapshot::read(&scene.node, path, interest)?,
    };
    let own = keyspace
        .value(KUBE_SYSTEM)
        .is_some_and(|stored| stored_uid_is(stored, &scene.facts.kube_system_uid));
    if !own {
        return Err(Outcome::failed(
            place,
            "the keyspace of another cluster",
            expected,
        ));
    }
    let mut after = 0;
    for event in &probe.order {
        after = match event {
            Event::Create(key) => find(&keyspace, &place, key, Change::Created, after)?,
            Event::Delete(key) => find(&keyspace, &place, key, Change::Deleted, after)?,
            Event::Snapshot(file) => {
                let taken = snapshot::read(&scene.node, file, &[])?.revision;
                if taken < after {
                    let found = format!("{file} was taken at revision {taken}");
                    let expected = format!("a snapshot taken after revision {after}");
                    return Err(Outcome::failed(place, found, expected));
                }
                taken
            }
        };
    }
    Ok(Outcome::passed(format!("the revisions of {path} show it")))
}

/// The revision after `after` at which `change` happened to `key`.
fn find(keyspace: &Keyspace, place: &str, key: &str, change: Change, after: i64) -> Result<i64> {
    let matching = |(_, what): &&(i64, Change)| *what == change;
    let changes = keyspace.changes(key);
    if let Some((at, _)) = changes.iter().filter(matching).find(|(at, _)| *at > after) {
        return Ok(*at);
    }
    let verb = if change == Change::Created {
        "created"
    } else {
        "deleted"
    };
    if keyspace.compacted > after {
        let reason = format!(
            "the history up to revision {} was compacted away, so it can't be told whether \
             {key} was {verb}",
            keyspace.compacted
        );
        return Err(Outcome::could_not_look(place, reason));
    }
    let found = match changes.iter().rfind(matching) {
        Some((at, _)) => format!("{key} was {verb} at revision {at}"),
        None => format!("{key} was never {verb}"),
    };
    let expected = match after {
        0 => format!("{key} to be {verb}"),
        _ => format!("{key} to be {verb} after revision {after}"),
    };
    Err(Outcome::failed(place, found, expected))
}
