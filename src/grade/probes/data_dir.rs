//! Reads a member's data directory from outside, and tells whether the running
//! etcd keeps its data there.

use std::{path::Path, thread, time::Duration};

use lab::model::DataDirProbe;

use super::{Result, SETTLE, Scene, founders, keys_are_as_asked, manifest};
use crate::{
    member::{self, Member},
    node::{Entry, Node},
    verdict::Outcome,
};

const EXPECTED: &str = "a data directory of etcd";

/// How often a database that its member may be writing is read before giving up.
const ATTEMPTS: u32 = 20;
const UNCHANGED_ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(30);

pub async fn look(scene: &Scene<'_>, probe: &DataDirProbe) -> Result {
    let interest: Vec<String> = probe.holds.iter().chain(&probe.lacks).cloned().collect();
    let is_static_pod = match scene.node.entry(manifest::ETCD)? {
        Entry::Missing => false,
        Entry::File(..) | Entry::Other(_) => true,
    };
    if probe.in_use && is_static_pod {
        is_mounted(scene, probe)?;
    }
    let Member {
        cluster_id: cluster,
        member_id: member,
        keyspace,
        members,
    } = read(&scene.node, &probe.path, &interest)?;
    let place = scene.node.place(&probe.path);
    if probe.in_use {
        is_open(scene, probe).await?;
    }
    if !probe.owner.is_empty() {
        belongs_to(scene, probe)?;
    }
    if !probe.initial_cluster.is_empty()
        && let Err((found, expected)) = founders::are(&members, probe)
    {
        return Err(Outcome::failed(place, found, expected));
    }
    // A restore gives new ids, unless it was told the old names, URLs and token. Then
    // the log gives it away: it starts anew while the revisions go on, and no member
    // writes more revisions than it has log entries otherwise.
    let new_ids = cluster != scene.facts.etcd_cluster_id
        || !scene.facts.etcd_member_ids.values().any(|id| *id == member);
    let new_log = (keyspace.consistent_index as i64) + 1 < keyspace.revision;
    if probe.restored && !new_ids && !new_log {
        let found = format!("the member {member:x} that the lab started with");
        return Err(Outcome::failed(
            place,
            found,
            "a member made by `snapshot restore`",
        ));
    }
    keys_are_as_asked(&place, &keyspace, &probe.holds, &probe.lacks)?;
    Ok(Outcome::passed(format!(
        "member {member:x} of cluster {cluster:x}, revision {}",
        keyspace.revision
    )))
}

/// Reads what the member of the directory holds, running or not.
///
/// # Errors
/// What is wrong with it, as an outcome.
pub fn read(node: &Node<'_>, path: &str, interest: &[String]) -> Result<Member> {
    let db_path = database(path);
    let mut trouble = String::new();
    let mut changed = Vec::new();
    for attempt in 0..ATTEMPTS {
        // What nobody writes does not get better.
        if attempt == UNCHANGED_ATTEMPTS && changed.iter().all(|when| *when == changed[0]) {
            break;
        }
        let file = match node.entry(&db_path)? {
            Entry::File(file, metadata) => {
                changed.push(metadata.modified().ok());
                file
            }
            Entry::Missing | Entry::Other(_) => {
                let found = format!("there is no file {db_path}");
                return Err(Outcome::failed(node.place(path), found, EXPECTED));
            }
        };
        let wal = Path::new(path).join("member/wal");
        let read = node
            .fabric
            .node_path(node.name, &wal)
            .map_err(|error| format!("it has no log: {error}"))
            .and_then(|wal| member::read(file, &wal, interest));
        match read {
            Ok(member) => return Ok(member),
            // The member may be reusing the very pages that are being read.
            Err(error) => trouble = error,
        }
        thread::sleep(PAUSE);
    }
    changed.dedup();
    if changed.len() > 1 {
        let reason = format!("its member writes faster than it can be read: {trouble}");
        return Err(Outcome::could_not_look(node.place(path), reason));
    }
    Err(Outcome::failed(node.place(path), trouble, EXPECTED))
}

/// An etcd of the node must have the database open. One that is being started anew gets
/// some time.
async fn is_open(scene: &Scene<'_>, probe: &DataDirProbe) -> Result<()> {
    let path = database(&probe.path);
    let place = scene.node.place(&path);
    let look = async || {
        let Entry::File(file, _) = scene.node.entry(&path)? else {
            return Err(Outcome::failed(&place, "no such file", EXPECTED));
        };
        let holders = scene
            .node
            .fabric
            .holders(&file)
            .map_err(|error| Outcome::could_not_look(&place, error.to_string()))?;
        if holders.iter().any(|holder| holder.name == "etcd") {
            return Ok(());
        }
        let found = "no running etcd has it open";
        let expected = format!("etcd to run on {}", probe.path);
        Err(Outcome::failed(&place, found, expected))
    };
    scene.patience.until(SETTLE, look).await
}

/// The directory and its database must be the user's.
fn belongs_to(scene: &Scene<'_>, probe: &DataDirProbe) -> Result<()> {
    let wanted = probe.owner.as_str();
    let users = scene
        .node
        .text("/etc/passwd")
        .map_err(|outcome| match outcome {
            Ok(found) => scene.node.blind("/etc/passwd", found),
            Err(blind) => blind,
        })?;
    for path in [probe.path.clone(), database(&probe.path)] {
        let Some(uid) = scene.node.owner(&path)? else {
            continue;
        };
        let name = user_name(&users, uid);
        if name != wanted {
            let found = format!("it belongs to {name}");
            let expected = format!("it to belong to {wanted}");
            return Err(Outcome::failed(scene.node.place(&path), found, expected));
        }
    }
    Ok(())
}

fn user_name(passwd: &str, uid: u32) -> String {
    let number = uid.to_string();
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&number.as_str()))
        .map_or(number.clone(), |fields| fields[0].to_owned())
}

fn database(dir: &str) -> String {
    format!("{}/member/snap/db", dir.trim_end_matches('/'))
}

/// The manifest must give the directory to etcd.
fn is_mounted(scene: &Scene<'_>, probe: &DataDirProbe) -> Result<()> {
    let data = manifest::etcd_data(&scene.node)?;
    let Some(data_dir) = data.data_dir else {
        // Without the flag nobody can tell from the manifest; the ids will.
        return Ok(());
    };
    let here = probe.path.trim_end_matches('/');
    let mounted = data
        .host_path
        .as_deref()
        .map(|path| path.trim_end_matches('/'));
    let found = match mounted {
        Some(mounted) if mounted == here => return Ok(()),
        Some(mounted) => format!("etcd runs on {mounted}, which its manifest mounts at {data_dir}"),
        None => format!(
            "the manifest says --data-dir={data_dir}, but no hostPath volume is mounted at \
             {data_dir}: etcd keeps its data inside the container"
        ),
    };
    let expected = format!("etcd to run on {here}");
    Err(Outcome::failed(
        scene.node.place(&probe.path),
        found,
        expected,
    ))
}
