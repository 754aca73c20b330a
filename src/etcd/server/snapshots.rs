//! The raft snapshot of a member: what goes into a `.snap` file, and the db file that
//! goes with it to a slow follower.

use std::io;

use mvcc::{Member, Membership, Store};
use wal::v2store;
use wire::raftpb as pb;

use super::network::SnapshotSource;

/// A snapshot of the state at this point of the log. Its data is the v2 store; the rest of
/// the state is in the db.
pub(crate) fn snapshot(
    store: &Store,
    index: u64,
    term: u64,
    conf_state: pb::ConfState,
) -> pb::Snapshot {
    pb::Snapshot {
        data: Some(store.v2_save().into()),
        metadata: pb::SnapshotMetadata {
            conf_state,
            index,
            term,
        },
    }
}

/// Takes the v2 store out of a snapshot (`assertNoV2StoreContent` gives the warning).
pub(crate) fn recover_v2(store: &Store, snapshot: &pb::Snapshot) -> Result<(), String> {
    // A snapshot of a log that was made by hand may have no data.
    if snapshot.data().is_empty() {
        return Ok(());
    }
    store.v2_recover(snapshot.data())?;
    if store.v2_has_custom_content() {
        crate::warn!(
            "etcdserver/server.go:731",
            "detected custom v2store content. Etcd v3.5 is the last version allowing to access it using API v2. Please remove the content."
        );
    }
    Ok(())
}

/// The membership that a snapshot holds.
pub(crate) fn membership(snapshot: &pb::Snapshot) -> Result<Membership, wal::Error> {
    let read = v2store::parse(snapshot.data())?;
    let members = read.members.into_iter().map(|member| {
        let member = Member {
            id: member.id,
            peer_urls: member.peer_urls,
            is_learner: member.is_learner,
            name: member.name,
            client_urls: member.client_urls,
        };
        (member.id, member)
    });
    Ok(Membership {
        members: members.collect(),
        removed: read.removed.into_iter().collect(),
        version: read.version,
        ..Membership::default()
    })
}

/// The db as it is sent.
pub(crate) struct DbSource(pub(crate) bolt::ReadTx);

impl SnapshotSource for DbSource {
    fn len(&self) -> u64 {
        self.0.size_bytes()
    }

    fn write_to(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<u64> {
        self.0.write_to(out).map_err(io::Error::other)
    }
}
