//! The raft snapshot of a member: what goes into a `.snap` file, and the db file that
//! goes with it to a slow follower.

use std::io;

use mvcc::{Member, Membership};
use wal::v2store;
use wire::raftpb as pb;

use super::network::SnapshotSource;

/// A snapshot of this membership at this point of the log.
pub(crate) fn snapshot(
    membership: &Membership,
    index: u64,
    term: u64,
    conf_state: pb::ConfState,
) -> pb::Snapshot {
    let members: Vec<_> = membership
        .members
        .values()
        .map(|member| v2store::Member {
            id: member.id,
            peer_urls: member.peer_urls.clone(),
            is_learner: member.is_learner,
            name: member.name.clone(),
            client_urls: member.client_urls.clone(),
        })
        .collect();
    let removed: Vec<_> = membership.removed.iter().copied().collect();
    let document = v2store::document(&members, &removed, membership.version.as_deref());
    pb::Snapshot {
        data: Some(document.into()),
        metadata: pb::SnapshotMetadata {
            conf_state,
            index,
            term,
        },
    }
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
