//! Opens the file that is said to be a database copied from a member that was stopped.

use lab::probes::ColdDatabaseProbe;

use super::{KUBE_SYSTEM, Result, Scene, data_dir, keys_are_as_asked, stored_uid_is};
use crate::{keyspace, node::Entry, verdict::Outcome};

const EXPECTED: &str = "the database of a member that was stopped (member/snap/db)";

pub fn look(scene: &Scene<'_>, probe: &ColdDatabaseProbe) -> Result {
    let place = scene.node.place(&probe.path);
    let failed = |found: String| Outcome::failed(&place, found, EXPECTED);
    if scene.node.is_link(&probe.path) {
        return Err(failed("a symbolic link".into()));
    }
    let (file, length) = match scene.node.entry(&probe.path)? {
        Entry::Missing => return Err(failed("no such file".into())),
        Entry::Other(what) => return Err(failed(what.to_owned())),
        Entry::File(_, metadata) if metadata.len() == 0 => {
            return Err(failed("an empty file".into()));
        }
        Entry::File(file, metadata) => (file, metadata.len()),
    };
    // Pages fill whole sectors; `snapshot save` writes a hash of 32 bytes behind them.
    if length % 512 == 32 {
        return Err(failed(
            "a snapshot of a member that ran (its length ends with a hash), not its file".into(),
        ));
    }
    let db = keyspace::open(file).map_err(|error| {
        failed(format!(
            "{length} bytes that are no database of etcd ({error})"
        ))
    })?;
    let tx = db.begin_read().map_err(|error| failed(error.to_string()))?;
    if let Some(first) = bolt::check(&tx).first() {
        let found = format!("a database whose pages don't fit together: {first}");
        return Err(failed(found));
    }
    let mut interest = probe.holds.clone();
    interest.push(KUBE_SYSTEM.to_owned());
    let copy = keyspace::read(&tx, &interest).map_err(failed)?;
    let own = copy
        .value(KUBE_SYSTEM)
        .is_some_and(|stored| stored_uid_is(stored, &scene.facts.kube_system_uid));
    if !own {
        return Err(failed("a database, but of another cluster".into()));
    }
    keys_are_as_asked(&place, &copy, &probe.holds, &[])?;
    let member = data_dir::read(&scene.node, &probe.of, &[])?;
    if copy.revision < member.keyspace.revision {
        let found = format!(
            "the copy is older than what its member wrote: revision {} of {}",
            copy.revision, member.keyspace.revision
        );
        let expected = "a copy taken after the member had stopped in good order";
        return Err(Outcome::failed(place, found, expected));
    }
    Ok(Outcome::passed(format!(
        "a whole database of revision {}",
        copy.revision
    )))
}
