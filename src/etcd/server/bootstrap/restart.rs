//! A member that has been running before: its snapshot, its log, its db.

use std::{collections::BTreeSet, fs};

use mvcc::Member;
use prost::Message as _;
use wal::{Snapshotter, Wal};
use wire::{
    etcdserverpb::Metadata,
    raftpb::{self as pb, ConfChange, ConfChangeType, EntryType, HardState},
    walpb,
};

use super::{
    super::{Config, EtcdError, Identity, apply::Applied, snapshots},
    Backend, Boot, Paths, change_entry, memory_log, open_store, start_error, storage, wal_options,
};

/// A member that has been running before.
pub(super) fn restart(
    config: &Config,
    paths: &Paths,
    snapshotter: Snapshotter,
) -> Result<Boot, EtcdError> {
    let had_db = paths.db.exists();
    let known = wal::valid_snapshot_entries(&paths.wal).map_err(storage)?;
    let snapshot = match snapshotter.load_newest_available(&known) {
        Ok(snapshot) => Some(snapshot),
        Err(wal::Error::NoSnapshot) => {
            crate::info!(
                "etcdserver/server.go:532",
                "No snapshot found. Recovering WAL from scratch!"
            );
            None
        }
        Err(error) => return Err(storage(error)),
    };
    let backend = recover_store(config, paths, &snapshotter, snapshot.as_ref(), had_db)?;

    let from = snapshot
        .as_ref()
        .map_or_else(walpb::Snapshot::default, |snapshot| walpb::Snapshot {
            index: snapshot.metadata.index,
            term: snapshot.metadata.term,
            conf_state: None,
        });
    let (mut wal, contents, repaired) =
        Wal::open_repairing(&paths.wal, &from, wal_options(config)).map_err(storage)?;
    if repaired {
        crate::info!("etcdserver/storage.go:110", "repaired WAL", "error" => "unexpected EOF");
    }
    let metadata = Metadata::decode(contents.metadata).map_err(|error| {
        EtcdError::Storage(format!("the log's metadata can't be read: {error}"))
    })?;
    let identity = Identity {
        cluster_id: metadata.cluster_id,
        member_id: metadata.node_id,
    };
    let mut hard_state = contents.hard_state;
    let mut entries = contents.entries;
    if config.force_new_cluster {
        force_alone(
            &mut wal,
            identity.member_id,
            snapshot.as_ref(),
            &mut hard_state,
            &mut entries,
        )?;
    } else {
        crate::info!("etcdserver/raft.go:541", "restarting local member",
            "cluster-id" => format!("{:x}", identity.cluster_id),
            "local-member-id" => format!("{:x}", identity.member_id),
            "commit-index" => hard_state.commit);
    }
    let last = entries.last().map_or(from.index, |entry| entry.index);
    hard_state.commit = hard_state.commit.max(from.index);
    if hard_state.commit > last {
        return Err(EtcdError::Storage(format!(
            "tocommit({}) is out of range [lastIndex({last})]. Was the raft log corrupted, truncated, or lost?",
            hard_state.commit
        )));
    }
    if let Some(snapshot) = &snapshot {
        snapshots::recover_v2(&backend.store, snapshot).map_err(EtcdError::Storage)?;
        crate::info!("etcdserver/server.go:511", "recovered v2 store from snapshot",
            "snapshot-index" => snapshot.metadata.index,
            "snapshot-size" => crate::size::bytes(snapshot.encoded_len() as u64));
    }
    // What the members are is told by the snapshot and the entries after it, which are
    // all applied again; the db only takes those that it has not seen.
    let membership = match &snapshot {
        Some(snapshot) => snapshots::membership(snapshot).map_err(storage)?,
        None => mvcc::Membership::default(),
    };
    let downgrade = backend.store.membership().downgrade.clone();
    may_start(&downgrade)?;
    backend.store.set_membership(mvcc::Membership {
        downgrade,
        ..membership
    });
    let metadata = snapshot.map(|snapshot| snapshot.metadata);
    let at = metadata.clone().unwrap_or_default();
    Ok(Boot {
        identity,
        backend,
        db_path: paths.db.clone(),
        wal,
        snapshotter,
        log: memory_log(metadata.as_ref(), hard_state, entries),
        applied: Applied {
            index: at.index,
            term: at.term,
            conf_state: at.conf_state,
            snapshot: at.index,
        },
        committed: hard_state.commit,
        restarted: true,
        remotes: Vec::new(),
    })
}

/// Opens the db. If the member died between saving the leader's snapshot and taking
/// its db over, that is made up for.
fn recover_store(
    config: &Config,
    paths: &Paths,
    snapshotter: &Snapshotter,
    snapshot: Option<&pb::Snapshot>,
    had_db: bool,
) -> Result<Backend, EtcdError> {
    let Some(metadata) = snapshot.map(|snapshot| &snapshot.metadata) else {
        return open_store(config, paths);
    };
    if had_db {
        let opened = open_store(config, paths)?;
        let index = opened.store.consistent_index();
        if index >= metadata.index {
            return Ok(opened);
        }
        if snapshotter.db_path(metadata.index).is_err() {
            if index == 0 {
                crate::warn!("etcdserver/server.go:654", "consistent index was never saved",
                    "snapshot-index" => metadata.index);
                return Ok(opened);
            }
            return Err(start_error(format!(
                "database file ({} index {index}) does not match with snapshot (index {})",
                paths.db.display(),
                metadata.index
            )));
        }
    }
    let came = snapshotter.db_path(metadata.index).map_err(|_| {
        start_error(format!(
            "database file ({}) of the backend is missing",
            paths.db.display()
        ))
    })?;
    fs::rename(&came, &paths.db).map_err(|error| {
        start_error(format!("failed to rename database snapshot file ({error})"))
    })?;
    open_store(config, paths)
}

/// `--force-new-cluster`: drops what is not committed and removes everyone else.
fn force_alone(
    wal: &mut Wal,
    own: u64,
    snapshot: Option<&pb::Snapshot>,
    hard_state: &mut HardState,
    entries: &mut Vec<pb::Entry>,
) -> Result<(), EtcdError> {
    entries.retain(|entry| entry.index <= hard_state.commit);
    let mut ids: BTreeSet<u64> = snapshot
        .map(|snapshot| &snapshot.metadata.conf_state)
        .into_iter()
        .flat_map(|state| state.voters.iter().chain(&state.learners).copied())
        .collect();
    for entry in entries
        .iter()
        .filter(|entry| entry.r#type() == EntryType::EntryConfChange)
    {
        let change = ConfChange::decode(entry.data().to_vec().as_slice()).map_err(|error| {
            EtcdError::Storage(format!("log entry {} can't be read: {error}", entry.index))
        })?;
        match change.r#type() {
            ConfChangeType::ConfChangeAddNode | ConfChangeType::ConfChangeAddLearnerNode => {
                ids.insert(change.node_id);
            }
            ConfChangeType::ConfChangeRemoveNode => {
                ids.remove(&change.node_id);
            }
            ConfChangeType::ConfChangeUpdateNode => {}
        }
    }
    let mut added = Vec::new();
    let mut push = |kind, id, context| {
        let index = hard_state.commit + 1 + added.len() as u64;
        added.push(change_entry(hard_state.term, index, kind, id, context));
    };
    // Itself first: a cluster without any voter can't go on.
    if !ids.contains(&own) {
        let member = Member {
            id: own,
            peer_urls: vec!["http://localhost:2380".into()],
            ..Member::default()
        };
        push(
            ConfChangeType::ConfChangeAddNode,
            own,
            Some(mvcc::member_to_json(&member)),
        );
    }
    for id in ids.into_iter().filter(|id| *id != own) {
        push(ConfChangeType::ConfChangeRemoveNode, id, None);
    }
    wal.save(&HardState::default(), &added).map_err(storage)?;
    entries.extend(added);
    if let Some(last) = entries.last() {
        hard_state.commit = last.index;
    }
    crate::info!("etcdserver/raft.go:618", "forcing restart member",
        "local-member-id" => format!("{own:x}"), "commit-index" => hard_state.commit);
    Ok(())
}

/// While a downgrade is announced, only its target may start (`mustDetectDowngrade`).
fn may_start(downgrade: &mvcc::Downgrade) -> Result<(), EtcdError> {
    use crate::server::VERSION;
    let own = crate::server::downgrade::cluster_version(VERSION);
    let target = crate::server::downgrade::cluster_version(&downgrade.target_version);
    if downgrade.enabled && target.is_some() && target != own {
        return Err(EtcdError::Start(format!(
            "invalid downgrade; server version is not allowed to join when downgrade is enabled \
             (current server version {VERSION}, target cluster version {}); \
             start it with a server of that version, or cancel the downgrade",
            downgrade.target_version
        )));
    }
    Ok(())
}
