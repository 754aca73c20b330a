//! What a member holds, read from its data directory without asking it: its database,
//! and on top of it what its log has committed since.
//!
//! A member writes its database in batches, some 100 ms behind what it has
//! acknowledged, and a killed one leaves it there; the log has the rest
//! (etcd 3.5 `server/mvcc/backend/backend.go`, `server/etcdserver/server.go`).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Seek},
    path::Path,
    sync::Arc,
};

use bolt::{Db, Options};
use mvcc::{Config, Store};
use prost::Message;
use wal::Contents;
use wire::{
    etcdserverpb::{InternalRaftRequest, Metadata},
    raftpb::{Entry, EntryType},
    walpb,
};

use crate::{
    keyspace::{self, Keyspace},
    overlay::Overlay,
};

/// A data directory at one moment.
#[derive(Debug)]
pub struct Member {
    pub cluster_id: u64,
    pub member_id: u64,
    pub keyspace: Keyspace,
    /// Who is in the cluster, by ID, as far as the database knows.
    pub members: BTreeMap<u64, mvcc::Member>,
}

/// Reads the database `db` with the log in the directory `wal`.
///
/// # Errors
/// In words: what is wrong with them, or that the member wrote meanwhile; that is told
/// by trying again.
pub fn read(db: File, wal: &Path, interest: &[String]) -> Result<Member, String> {
    let before = newest_transaction(&db)?;
    let copied = db.metadata().map_err(words)?.len() <= COPY_BYTES;
    let looked_at = if copied { copy(&db) } else { db.try_clone() };
    if copied {
        expect_unchanged(&db, before)?;
    }
    let store = open(looked_at.map_err(words)?)?;
    let (metadata, committed) = log_after(wal, store.consistent_index())?;
    for entry in &committed {
        apply(&store, entry)?;
    }
    let tx = store.snapshot().map_err(words)?;
    let keyspace = keyspace::read(&tx, interest)?;
    if !copied {
        expect_unchanged(&db, before)?;
    }
    Ok(Member {
        cluster_id: metadata.cluster_id,
        member_id: metadata.node_id,
        keyspace,
        members: store.membership().members.clone(),
    })
}

/// Databases up to this size are copied, which a busy member leaves time for, and looked
/// at then.
const COPY_BYTES: u64 = 256 << 20;

fn copy(db: &File) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    let mut from = db;
    from.rewind()?;
    io::copy(&mut from, &mut copy)?;
    Ok(copy)
}

/// A member that commits reuses pages that its last but one transaction used.
fn expect_unchanged(db: &File, transaction: u64) -> Result<(), String> {
    if newest_transaction(db)? == transaction {
        return Ok(());
    }
    Err("its member committed to it meanwhile".into())
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn newest_transaction(db: &File) -> Result<u64, String> {
    let db = keyspace::open(db.try_clone().map_err(words)?).map_err(words)?;
    Ok(db.begin_read().map_err(words)?.id())
}

fn open(db: File) -> Result<Store, String> {
    let options = Options {
        sync: false,
        ..Options::default()
    };
    let overlay = Overlay::new(db).map_err(words)?;
    let db = Db::open_with(Arc::new(overlay), options).map_err(words)?;
    let config = Config {
        quota_bytes: -1,
        ..Config::default()
    };
    Store::open(db, config).map_err(words)
}

/// Who the log belongs to, and its committed entries after `index`.
fn log_after(wal: &Path, index: u64) -> Result<(Metadata, Vec<Entry>), String> {
    let trouble = |error: wal::Error| format!("its log can't be read: {error}");
    let snapshots = wal::valid_snapshot_entries(wal).map_err(trouble)?;
    let from = snapshots
        .into_iter()
        .rfind(|snapshot| snapshot.index <= index)
        .unwrap_or_else(walpb::Snapshot::default);
    let Contents {
        metadata,
        hard_state,
        entries,
    } = wal::read_all(wal, &from).map_err(trouble)?;
    let metadata = Metadata::decode(metadata)
        .map_err(|error| format!("its log does not say whose it is: {error}"))?;
    let committed = entries
        .into_iter()
        .filter(|entry| entry.index > index && entry.index <= hard_state.commit)
        .collect();
    Ok((metadata, committed))
}

/// Applies what may change keys. Who is a member is no question of the keyspace, and no
/// lease ends without an entry that says so.
fn apply(store: &Store, entry: &Entry) -> Result<(), String> {
    let (index, term) = (entry.index, entry.term);
    let data = entry.data.clone().unwrap_or_default();
    if entry.r#type() != EntryType::EntryNormal || data.is_empty() {
        store.advance(index, term);
        return Ok(());
    }
    // Without the mark of a request of the v3 API it is one of the v2 API, whose keys
    // are others.
    let request = InternalRaftRequest::decode(data).ok();
    let Some(request) = request.filter(|request| request.v2.is_none()) else {
        store.advance(index, term);
        return Ok(());
    };
    match store.apply(index, term, &request, 0).response {
        Err(error) if error.is_fatal() => Err(words(error)),
        // A refused request is no trouble of the log.
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use wire::{etcdserverpb::PutRequest, raftpb::HardState};

    use super::*;

    fn put(index: u64, key: &'static str) -> Entry {
        let request = InternalRaftRequest {
            put: Some(PutRequest {
                key: key.into(),
                value: "v".into(),
                ..PutRequest::default()
            }),
            ..InternalRaftRequest::default()
        };
        Entry {
            index,
            term: 2,
            r#type: EntryType::EntryNormal.into(),
            data: Some(request.encode_to_vec().into()),
        }
    }

    #[test]
    fn what_the_log_has_committed_counts() {
        let dir = tempfile::tempdir().expect("a directory");
        let (wal_dir, db_path) = (dir.path().join("wal"), dir.path().join("db"));
        let metadata = Metadata {
            node_id: 7,
            cluster_id: 9,
        };
        let mut log = wal::Wal::create(&wal_dir, metadata.encode_to_vec()).expect("a log");
        let entries = [put(1, "old"), put(2, "new"), put(3, "proposed")];
        let state = HardState {
            term: 2,
            vote: 7,
            commit: 2,
        };
        log.save(&state, &entries).expect("entries");
        log.close().expect("closed");
        let db = Db::open(&db_path, Options::default()).expect("a database");
        let store = Store::open(db, Config::default()).expect("a store");
        apply(&store, &entries[0]).expect("applied");
        store.commit().expect("committed");
        drop(store);
        let bytes = std::fs::read(&db_path).expect("a database");

        let interest = ["old", "new", "proposed"].map(str::to_owned);
        let file = || File::open(&db_path).expect("a database");
        let member = read(file(), &wal_dir, &interest).expect("a member");

        assert_eq!((member.cluster_id, member.member_id), (9, 7));
        assert_eq!(member.keyspace.revision, 3);
        assert_eq!(member.keyspace.consistent_index, 2);
        assert!(member.keyspace.value("old").is_some());
        assert!(member.keyspace.value("new").is_some());
        assert!(member.keyspace.value("proposed").is_none());
        let after = std::fs::read(&db_path).expect("a database");
        assert!(after == bytes, "the database was changed");
    }
}
