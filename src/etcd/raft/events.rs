//! What goes into the raft loop and what comes out of it.

use std::sync::{Arc, mpsc as blocking};

use bytes::Bytes;
use raft::eraftpb as lib;
use tokio::sync::{mpsc, oneshot};
use wire::raftpb as pb;

use super::disk::Job;
use crate::server::{
    Clock, Transport,
    progress::{Progress, Waiters},
    v2_stats::Stats,
};

/// What the rest of the member asks of raft.
pub(crate) enum Event {
    /// A message from a peer.
    Step(Box<pb::Message>),
    Propose {
        id: u64,
        data: Bytes,
    },
    ProposeChange {
        id: u64,
        change: pb::ConfChange,
    },
    /// Ask for the index that a linearizable read has to wait for.
    ReadIndex {
        context: u64,
    },
    TransferLeader {
        target: u64,
    },
    ReportUnreachable {
        id: u64,
    },
    ReportSnapshot {
        id: u64,
        ok: bool,
    },
    /// Let time pass, to elect sooner.
    Ticks(u64),
    Status {
        reply: oneshot::Sender<RaftStatus>,
    },
}

/// What the disk and apply threads tell.
pub(crate) enum Done {
    /// This write of raft's, and all before it, are on the disk.
    Persisted(u64),
    /// A snapshot of the member's own state is on the disk.
    SnapshotSaved(pb::SnapshotMetadata),
    /// Entries up to this one are applied.
    Applied(u64),
    /// A configuration change is being applied: what does raft make of it?
    Change {
        change: pb::ConfChange,
        reply: blocking::SyncSender<Result<pb::ConfState, String>>,
    },
    /// The disk or the state machine can't go on.
    Failed(String),
}

/// What the apply thread is given.
pub(crate) enum ApplyJob {
    Entries(Vec<lib::Entry>),
    /// A snapshot from the leader, on the disk by now.
    Install(pb::Snapshot),
    /// Make a snapshot of the present state and send it with this message.
    SendSnapshot(pb::Message),
}

/// For those who ask how raft is doing.
#[derive(Clone, Debug)]
pub(crate) struct RaftStatus {
    /// Each member's match index, if this member leads.
    pub(crate) matched: Option<Vec<(u64, u64)>>,
}

/// Where the loop's decisions go.
pub(crate) struct Outlets {
    pub(crate) disk: blocking::Sender<Job>,
    pub(crate) apply: blocking::Sender<ApplyJob>,
    /// (context, index) of read indexes.
    pub(crate) reads: mpsc::UnboundedSender<(u64, u64)>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) store: Arc<mvcc::Store>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) waiters: Waiters,
    pub(crate) clock: Arc<dyn Clock>,
    /// Counts of appends that were sent.
    pub(crate) stats: Arc<Stats>,
}
