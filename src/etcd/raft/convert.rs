//! Between our wire types and those of the raft library. Pure.
//!
//! The library's own encoder and decoder are never used: it leaves out zero fields
//! that etcd writes, and its configuration change types are numbered differently
//! (etcd has `UpdateNode = 2`, which raft itself has no use for).

use bytes::Bytes;
use raft::eraftpb as lib;
use wire::raftpb as pb;

/// A proposal of a configuration change. The library decodes the data of such a
/// proposal and refuses a type that it does not know (etcd's learner is 3), so it is
/// given none; what etcd wrote travels in the context, which is ours alone.
pub(crate) fn change_proposal(data: Bytes) -> lib::Entry {
    lib::Entry {
        entry_type: lib::EntryType::EntryConfChange,
        context: data,
        ..Default::default()
    }
}

/// The data of an entry as etcd knows it. See [`change_proposal`].
pub(crate) fn data_of(entry: &lib::Entry) -> &Bytes {
    if entry.context.is_empty() {
        &entry.data
    } else {
        &entry.context
    }
}

/// A message from a peer. `None` for a kind that peers never send.
pub(crate) fn message_in(message: pb::Message) -> Option<lib::Message> {
    let msg_type = kind_in(message.r#type())?;
    let is_proposal = msg_type == lib::MessageType::MsgPropose;
    let entries = message.entries.into_iter().map(|entry| {
        if is_proposal && entry.r#type() == pb::EntryType::EntryConfChange {
            lib::Entry {
                term: entry.term,
                index: entry.index,
                ..change_proposal(entry.data.unwrap_or_default())
            }
        } else {
            entry_in(entry)
        }
    });
    let mut out = lib::Message {
        msg_type,
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        commit: message.commit,
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: message.context.unwrap_or_default(),
        entries: entries.collect::<Vec<_>>().into(),
        ..Default::default()
    };
    if message.snapshot.metadata.index != 0 {
        out.set_snapshot(snapshot_in(message.snapshot));
    }
    Some(out)
}

/// A message to a peer.
pub(crate) fn message_out(message: lib::Message) -> pb::Message {
    let mut message = message;
    let snapshot = message
        .snapshot
        .take()
        .map(snapshot_out)
        .unwrap_or_default();
    let mut out = pb::Message {
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: message.entries.into_iter().map(entry_out).collect(),
        commit: message.commit,
        snapshot,
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: (!message.context.is_empty()).then_some(message.context),
        ..Default::default()
    };
    out.set_type(kind_out(message.msg_type));
    out
}

fn kind_in(kind: pb::MessageType) -> Option<lib::MessageType> {
    use pb::MessageType as From;
    Some(match kind {
        From::MsgProp => lib::MessageType::MsgPropose,
        From::MsgApp => lib::MessageType::MsgAppend,
        From::MsgAppResp => lib::MessageType::MsgAppendResponse,
        From::MsgVote => lib::MessageType::MsgRequestVote,
        From::MsgVoteResp => lib::MessageType::MsgRequestVoteResponse,
        From::MsgSnap => lib::MessageType::MsgSnapshot,
        From::MsgHeartbeat => lib::MessageType::MsgHeartbeat,
        From::MsgHeartbeatResp => lib::MessageType::MsgHeartbeatResponse,
        From::MsgTransferLeader => lib::MessageType::MsgTransferLeader,
        From::MsgTimeoutNow => lib::MessageType::MsgTimeoutNow,
        From::MsgReadIndex => lib::MessageType::MsgReadIndex,
        From::MsgReadIndexResp => lib::MessageType::MsgReadIndexResp,
        From::MsgPreVote => lib::MessageType::MsgRequestPreVote,
        From::MsgPreVoteResp => lib::MessageType::MsgRequestPreVoteResponse,
        // These are how a member talks with itself.
        From::MsgHup
        | From::MsgBeat
        | From::MsgUnreachable
        | From::MsgSnapStatus
        | From::MsgCheckQuorum => return None,
    })
}

fn kind_out(kind: lib::MessageType) -> pb::MessageType {
    use lib::MessageType as From;
    match kind {
        From::MsgHup => pb::MessageType::MsgHup,
        From::MsgBeat => pb::MessageType::MsgBeat,
        From::MsgPropose => pb::MessageType::MsgProp,
        From::MsgAppend => pb::MessageType::MsgApp,
        From::MsgAppendResponse => pb::MessageType::MsgAppResp,
        From::MsgRequestVote => pb::MessageType::MsgVote,
        From::MsgRequestVoteResponse => pb::MessageType::MsgVoteResp,
        From::MsgSnapshot => pb::MessageType::MsgSnap,
        From::MsgHeartbeat => pb::MessageType::MsgHeartbeat,
        From::MsgHeartbeatResponse => pb::MessageType::MsgHeartbeatResp,
        From::MsgUnreachable => pb::MessageType::MsgUnreachable,
        From::MsgSnapStatus => pb::MessageType::MsgSnapStatus,
        From::MsgCheckQuorum => pb::MessageType::MsgCheckQuorum,
        From::MsgTransferLeader => pb::MessageType::MsgTransferLeader,
        From::MsgTimeoutNow => pb::MessageType::MsgTimeoutNow,
        From::MsgReadIndex => pb::MessageType::MsgReadIndex,
        From::MsgReadIndexResp => pb::MessageType::MsgReadIndexResp,
        From::MsgRequestPreVote => pb::MessageType::MsgPreVote,
        From::MsgRequestPreVoteResponse => pb::MessageType::MsgPreVoteResp,
    }
}

pub(crate) fn entry_in(entry: pb::Entry) -> lib::Entry {
    lib::Entry {
        entry_type: match entry.r#type() {
            pb::EntryType::EntryNormal => lib::EntryType::EntryNormal,
            pb::EntryType::EntryConfChange => lib::EntryType::EntryConfChange,
            pb::EntryType::EntryConfChangeV2 => lib::EntryType::EntryConfChangeV2,
        },
        term: entry.term,
        index: entry.index,
        data: entry.data.unwrap_or_default(),
        ..Default::default()
    }
}

pub(crate) fn entry_out(entry: lib::Entry) -> pb::Entry {
    let data = data_of(&entry).clone();
    let mut out = pb::Entry {
        term: entry.term,
        index: entry.index,
        // Go tells "no data" from "empty data"; the entry of a new leader has none.
        data: (!data.is_empty()).then_some(data),
        ..Default::default()
    };
    out.set_type(match entry.entry_type {
        lib::EntryType::EntryNormal => pb::EntryType::EntryNormal,
        lib::EntryType::EntryConfChange => pb::EntryType::EntryConfChange,
        lib::EntryType::EntryConfChangeV2 => pb::EntryType::EntryConfChangeV2,
    });
    out
}

pub(crate) fn snapshot_in(snapshot: pb::Snapshot) -> lib::Snapshot {
    let mut out = lib::Snapshot {
        data: snapshot.data.unwrap_or_default(),
        ..Default::default()
    };
    let metadata = out.mut_metadata();
    metadata.index = snapshot.metadata.index;
    metadata.term = snapshot.metadata.term;
    metadata.set_conf_state(conf_state_in(snapshot.metadata.conf_state));
    out
}

pub(crate) fn snapshot_out(snapshot: lib::Snapshot) -> pb::Snapshot {
    let metadata = snapshot.get_metadata();
    pb::Snapshot {
        metadata: pb::SnapshotMetadata {
            conf_state: conf_state_out(metadata.get_conf_state().clone()),
            index: metadata.index,
            term: metadata.term,
        },
        data: (!snapshot.data.is_empty()).then_some(snapshot.data),
    }
}

pub(crate) fn conf_state_in(state: pb::ConfState) -> lib::ConfState {
    lib::ConfState {
        voters: state.voters,
        learners: state.learners,
        voters_outgoing: state.voters_outgoing,
        learners_next: state.learners_next,
        auto_leave: state.auto_leave,
        ..Default::default()
    }
}

pub(crate) fn conf_state_out(state: lib::ConfState) -> pb::ConfState {
    let mut out = pb::ConfState {
        voters: state.voters,
        learners: state.learners,
        voters_outgoing: state.voters_outgoing,
        learners_next: state.learners_next,
        auto_leave: state.auto_leave,
    };
    // etcd lists them in order.
    out.voters.sort_unstable();
    out.learners.sort_unstable();
    out
}

pub(crate) fn hard_state_in(state: pb::HardState) -> lib::HardState {
    lib::HardState {
        term: state.term,
        vote: state.vote,
        commit: state.commit,
        ..Default::default()
    }
}

pub(crate) fn hard_state_out(state: &lib::HardState) -> pb::HardState {
    pb::HardState {
        term: state.term,
        vote: state.vote,
        commit: state.commit,
    }
}

/// What raft has to do for a change; `None` if only etcd's own records change.
pub(crate) fn conf_change_in(change: &pb::ConfChange) -> Option<lib::ConfChange> {
    let change_type = match change.r#type() {
        pb::ConfChangeType::ConfChangeAddNode => lib::ConfChangeType::AddNode,
        pb::ConfChangeType::ConfChangeRemoveNode => lib::ConfChangeType::RemoveNode,
        pb::ConfChangeType::ConfChangeAddLearnerNode => lib::ConfChangeType::AddLearnerNode,
        pb::ConfChangeType::ConfChangeUpdateNode => return None,
    };
    Some(lib::ConfChange {
        change_type,
        node_id: change.node_id,
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of message that peers send, and every field.
    #[test]
    fn messages_survive_the_boundary() {
        for kind in 0..=18 {
            let kind = pb::MessageType::try_from(kind).unwrap();
            let mut message = pb::Message {
                to: 1,
                from: 2,
                term: 3,
                log_term: 4,
                index: 5,
                commit: 7,
                reject: true,
                reject_hint: 8,
                context: Some(Bytes::from_static(b"context")),
                snapshot: pb::Snapshot {
                    data: Some(Bytes::from_static(b"data")),
                    metadata: pb::SnapshotMetadata {
                        conf_state: pb::ConfState {
                            voters: vec![1, 2],
                            learners: vec![3],
                            ..Default::default()
                        },
                        index: 9,
                        term: 3,
                    },
                },
                ..Default::default()
            };
            message.set_type(kind);
            for kind in [pb::EntryType::EntryNormal, pb::EntryType::EntryConfChange] {
                let mut entry = pb::Entry {
                    term: 3,
                    index: 6,
                    data: Some(Bytes::from_static(b"\x10\x03")),
                    ..Default::default()
                };
                entry.set_type(kind);
                message.entries.push(entry);
            }
            match message_in(message.clone()) {
                Some(inner) => assert_eq!(message_out(inner), message),
                None => assert!(matches!(
                    kind,
                    pb::MessageType::MsgHup
                        | pb::MessageType::MsgBeat
                        | pb::MessageType::MsgUnreachable
                        | pb::MessageType::MsgSnapStatus
                        | pb::MessageType::MsgCheckQuorum
                )),
            }
        }
    }

    #[test]
    fn a_proposed_change_hides_what_the_library_would_refuse() {
        let entry = change_proposal(Bytes::from_static(b"\x10\x03"));
        assert!(entry.data.is_empty());
        assert_eq!(data_of(&entry), &Bytes::from_static(b"\x10\x03"));
        assert_eq!(entry_out(entry).data(), b"\x10\x03");
    }
}
