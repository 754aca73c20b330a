//! The store: signatures published ahead of their bodies.
#![allow(unused_variables, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use wire::etcdserverpb as pb;
use wire::raftpb::{ConfChange, ConfState};

use crate::*;

fn later<T>() -> Result<T> {
    Err(Error::Unsupported("the store is being built".into()))
}

/// The state machine. Reads run on any thread at any time; `apply`,
/// `apply_conf_change`, `advance` and `restore_from` are called from one thread, in log order.
pub struct Store(());

impl Store {
    /// Opens the state on `db`: makes missing buckets, rebuilds the key index, loads
    /// leases, alarms and members, takes a compaction up that had not finished
    /// ([`Store::compaction_pending`]).
    pub fn open(db: bolt::Db, config: Config) -> Result<Store> {
        later()
    }

    // Reads.

    /// Range on the applied state (the caller waits for the read index first if it must be linearizable).
    pub fn range(&self, request: &pb::RangeRequest) -> Result<pb::RangeResponse> {
        later()
    }
    /// A transaction without puts and deletes, which needs no log entry. See [`is_read_only`].
    pub fn read_txn(&self, request: &pb::TxnRequest) -> Result<pb::TxnResponse> {
        later()
    }
    /// The newest revision; 1 when nothing was written.
    pub fn revision(&self) -> i64 {
        0
    }
    /// The last compaction; -1 for none (etcd's own value).
    pub fn compact_revision(&self) -> i64 {
        0
    }
    /// CRC32C over all buckets but the consistent index and term (`Maintenance.Hash`), and the revision.
    pub fn hash(&self) -> Result<(u32, i64)> {
        later()
    }
    /// `Maintenance.HashKV`: the hash up to `revision` (0 for the newest) and the current revision.
    pub fn hash_kv(&self, revision: i64) -> Result<(KvHash, i64)> {
        later()
    }
    /// Size of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        0
    }
    /// Bytes of it in use.
    pub fn in_use_bytes(&self) -> u64 {
        0
    }
    /// Index of the last entry that was applied; entries up to it are not applied again.
    pub fn consistent_index(&self) -> u64 {
        0
    }
    /// Index and term of the last entry that is on disk.
    pub fn durable_index(&self) -> (u64, u64) {
        (0, 0)
    }
    /// The configuration that was stored last; `None` in a new database.
    pub fn conf_state(&self) -> Option<ConfState> {
        None
    }
    /// Writes the batch, then a snapshot of the file.
    pub fn snapshot(&self) -> Result<bolt::ReadTx> {
        later()
    }

    // The log.

    /// Applies an entry. One at or below the consistent index changes only what is rebuilt from the
    /// log (members, cluster version) and answers [`Response::None`].
    pub fn apply(
        &self,
        index: u64,
        term: u64,
        request: &pb::InternalRaftRequest,
        now: Millis,
    ) -> Applied {
        Applied {
            response: later(),
            raise_nospace: false,
            batch_full: false,
            compaction_scheduled: false,
        }
    }
    /// Applies the v2 request that an entry may hold instead (`InternalRaftRequest.v2` is handled by `apply`).
    pub fn apply_v2(&self, index: u64, term: u64, request: &pb::Request) -> Result<()> {
        later()
    }
    /// Checks a configuration change against the members; if it fails, tell raft to drop it and call [`Store::advance`].
    pub fn validate_conf_change(&self, change: &ConfChange) -> Result<()> {
        later()
    }
    /// Applies a valid configuration change; `state` is what raft made of it.
    pub fn apply_conf_change(
        &self,
        index: u64,
        term: u64,
        change: &ConfChange,
        state: &ConfState,
    ) -> Result<ConfChanged> {
        later()
    }
    /// Notes an entry that does nothing (empty, or refused).
    pub fn advance(&self, index: u64, term: u64) {}
    /// Stores a configuration (bootstrap, force-new-cluster).
    pub fn set_conf_state(&self, state: &ConfState) {}
    /// Writes what has gathered to disk; true if there was something. etcd: every 100 ms or 10 000 writes.
    pub fn commit(&self) -> Result<bool> {
        later()
    }
    /// Swaps the whole state for that of another database (after a snapshot from the leader).
    pub fn restore_from(&self, db: bolt::Db) -> Result<()> {
        later()
    }
    /// Does a part of the scheduled compaction; true if there is more to do.
    pub fn compact_step(&self) -> Result<bool> {
        later()
    }
    /// The compaction that is not finished on disk yet.
    pub fn compaction_pending(&self) -> Option<i64> {
        None
    }
    /// Rewrites the file without its free pages while reads go on: into `db.tmp.<n>` beside it, then renamed.
    /// `open` opens the result (with the caller's options).
    pub fn defragment(&self, open: &dyn Fn(&Path) -> bolt::Result<bolt::Db>) -> Result<()> {
        later()
    }

    // Watches.

    /// A new stream of watches; `wake` is called when it has something.
    pub fn watch_stream(self: &Arc<Self>, wake: Arc<dyn Wake>) -> WatchStream {
        unreachable!("published ahead of its body")
    }
    /// Feeds watches that lag behind from the history, a bounded amount; true if some still lag.
    /// Call it every 100 ms, and again at once while it returns true.
    pub fn watch_sync_step(&self) -> Result<bool> {
        later()
    }

    // Leases.

    /// This member became leader: its clock counts now; each lease gets its full time and `extend` more.
    pub fn lease_promote(&self, now: Millis, extend: Millis) {}
    /// This member is leader no more.
    pub fn lease_demote(&self) {}
    /// True between promote and demote.
    pub fn lease_is_primary(&self) -> bool {
        false
    }
    /// Keeps a lease alive.
    pub fn lease_renew(&self, id: i64, now: Millis) -> Result<Renewed> {
        later()
    }
    /// Remaining and granted time in seconds, and the keys if asked (sorted).
    pub fn lease_time_to_live(
        &self,
        id: i64,
        keys: bool,
        now: Millis,
    ) -> Result<pb::LeaseTimeToLiveResponse> {
        later()
    }
    /// All leases, those that end first at the front.
    pub fn leases(&self) -> Vec<i64> {
        Vec::new()
    }
    /// True if there is such a lease.
    pub fn lease_exists(&self, id: i64) -> bool {
        false
    }
    /// Leases past their time, at most `limit`; each is named again after 3 s if it is still there.
    pub fn lease_expired(&self, now: Millis, limit: usize) -> Vec<i64> {
        Vec::new()
    }
    /// Checkpoints to put into the log now.
    pub fn lease_checkpoints(&self, now: Millis, limit: usize) -> Vec<pb::LeaseCheckpoint> {
        Vec::new()
    }

    // Members and alarms.

    /// Who is in the cluster.
    pub fn membership(&self) -> Arc<Membership> {
        Arc::default()
    }
    /// Replaces it in memory: with the v2 store of the raft snapshot (or the empty one) before the log is replayed.
    pub fn set_membership(&self, membership: Membership) {}
    /// Writes the members in memory over those in the database (force-new-cluster, restore).
    pub fn push_membership(&self) -> Result<()> {
        later()
    }
    /// Alarms that are raised, sorted by kind and member.
    pub fn alarms(&self) -> Vec<pb::AlarmMember> {
        Vec::new()
    }
    /// True if a request that costs `cost` bytes still fits into the quota. See [`request_cost`].
    pub fn within_quota(&self, cost: u64) -> bool {
        true
    }
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It lives for so many seconds more. `clear_checkpoint`: put a checkpoint of 0 into the log first.
    Alive { ttl: i64, clear_checkpoint: bool },
    /// Its time is over and it is about to be revoked: ask again until it is gone (or this member is no leader).
    Expiring,
}

/// Bytes that a request may add, as etcd's quota counts them; 0 for what writes nothing.
pub fn request_cost(request: &pb::InternalRaftRequest) -> u64 {
    0
}
/// True if a transaction and those in it hold neither puts nor deletes.
pub fn is_read_only(request: &pb::TxnRequest) -> bool {
    false
}
/// True if a transaction reads only at given serializable ranges.
pub fn is_serializable(request: &pb::TxnRequest) -> bool {
    false
}
/// The checks that the gRPC layer makes before it proposes (`v3rpc/key.go`).
pub fn check_range_request(request: &pb::RangeRequest) -> Result<()> {
    later()
}
/// See [`check_range_request`].
pub fn check_put_request(request: &pb::PutRequest) -> Result<()> {
    later()
}
/// See [`check_range_request`].
pub fn check_delete_range_request(request: &pb::DeleteRangeRequest) -> Result<()> {
    later()
}
/// See [`check_range_request`]; `max_ops` is `--max-txn-ops`. Duplicate keys are checked too.
pub fn check_txn_request(request: &pb::TxnRequest, max_ops: usize) -> Result<()> {
    later()
}
/// Shortest lease in seconds: one and a half election timeouts, rounded up.
pub fn min_lease_ttl(election_ticks: u64, heartbeat_ms: u64) -> i64 {
    0
}
/// CRC32C over all buckets of a file; `skip_index`: without consistent index and term (`Maintenance.Hash`),
/// else everything (`etcdutl snapshot status`).
pub fn hash_db(db: &bolt::ReadTx, skip_index: bool) -> Result<u32> {
    later()
}
