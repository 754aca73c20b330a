//! The store: what holds the parts together, and all that reads.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use wire::etcdserverpb as pb;
use wire::raftpb::ConfState;

use crate::alarm::Alarms;
use crate::compaction::Compactions;
use crate::kv_hash::KvHasher;
use crate::lease::{Lessor, Renewed};
use crate::open::{self, Cluster, Loaded};
use crate::state::{State, header};
use crate::tally::Tally;
use crate::watch::{Hub, Wake, WatchStream};
use crate::{
    AuthInfo, Config, Counts, Error, KvHash, Membership, Millis, Operations, Result, hash_db,
    quota, txn,
};

/// The state machine of a member. Reads run on any thread at any time; `apply`,
/// `apply_conf_change`, `advance` and `restore_from` are called from one thread,
/// in the order of the log.
///
/// Locks are taken in the order of the fields; nothing waits for the disk while it
/// holds another lock than `commits`.
pub struct Store {
    pub(crate) config: Config,
    /// Held by whoever writes the database: commits, compaction, defragmentation.
    pub(crate) commits: Mutex<()>,
    pub(crate) state: RwLock<State>,
    pub(crate) lessor: Mutex<Lessor>,
    pub(crate) hub: Mutex<Hub>,
    pub(crate) alarms: Mutex<Alarms>,
    pub(crate) cluster: Mutex<Cluster>,
    pub(crate) compactions: Mutex<Compactions>,
    /// Index and term of the last entry on disk.
    pub(crate) durable: Mutex<(u64, u64)>,
    pub(crate) db: RwLock<bolt::Db>,
    /// The store of the v2 API, which is not in the database.
    pub(crate) v2: Mutex<crate::v2::Store>,
    pub(crate) tally: Tally,
}

impl Store {
    /// Opens the state on `db`: makes buckets that are missing, rebuilds the key
    /// index, loads leases, alarms and members, and takes up a compaction that had
    /// not finished ([`Store::compaction_pending`]).
    pub fn open(db: bolt::Db, config: Config) -> Result<Store> {
        open::prepare(&db)?;
        let loaded = open::load(&db, &config)?;
        Ok(Store {
            commits: Mutex::new(()),
            durable: Mutex::new(loaded.state.position),
            state: RwLock::new(loaded.state),
            lessor: Mutex::new(loaded.lessor),
            hub: Mutex::new(Hub::default()),
            alarms: Mutex::new(loaded.alarms),
            cluster: Mutex::new(Cluster {
                membership: Arc::new(loaded.membership),
                stored: loaded.stored_members,
                stored_removed: loaded.stored_removed,
                conf_state: loaded.conf_state,
            }),
            compactions: Mutex::new(loaded.compactions),
            db: RwLock::new(db),
            v2: Mutex::default(),
            tally: Tally::default(),
            config,
        })
    }

    /// Swaps the whole state for that of another database, after a snapshot from the
    /// leader. The old database is closed; its open read transactions stay usable.
    /// Watches go on from where they were.
    pub fn restore_from(&self, db: bolt::Db) -> Result<()> {
        open::prepare(&db)?;
        let Loaded {
            state,
            lessor,
            alarms,
            membership,
            stored_members,
            stored_removed,
            compactions,
            conf_state,
        } = open::load(&db, &self.config)?;
        let old = {
            let _commits = self.commits.lock();
            let mut current = self.state.write();
            *self.lessor.lock() = lessor;
            self.hub.lock().unsync_all();
            *self.alarms.lock() = alarms;
            *self.cluster.lock() = Cluster {
                membership: Arc::new(membership),
                stored: stored_members,
                stored_removed,
                conf_state,
            };
            *self.compactions.lock() = compactions;
            *self.durable.lock() = state.position;
            *current = state;
            std::mem::replace(&mut *self.db.write(), db)
        };
        old.close()?;
        Ok(())
    }

    /// Range on the applied state. (A linearizable one waits for the read index
    /// first, which is the caller's business.)
    pub fn range(&self, who: &AuthInfo, request: &pb::RangeRequest) -> Result<pb::RangeResponse> {
        let plan = {
            let state = self.state.read();
            let auth = &state.auth;
            auth.permit_range(who, &request.key, &request.range_end)?;
            self.tally.range();
            state.plan_range(request, state.revision)?
        };
        plan.answer(request)
    }

    /// A transaction of ranges only, which needs no log entry. See
    /// [`crate::is_read_only`].
    pub fn read_txn(&self, who: &AuthInfo, request: &pb::TxnRequest) -> Result<pb::TxnResponse> {
        let mut done = Operations::default();
        let plan = {
            let state = self.state.read();
            state.auth.permit_txn(who, request)?;
            txn::ReadOnly::plan(&state, request, &mut done)
        };
        self.tally.end(done);
        plan?.run()
    }

    /// What was done on the keyspace since the store was opened.
    pub fn operations(&self) -> Operations {
        self.tally.sums()
    }

    /// The newest revision; 1 when nothing was written.
    pub fn revision(&self) -> i64 {
        self.state.read().revision
    }

    /// The last compaction; -1 for none, as etcd has it.
    pub fn compact_revision(&self) -> i64 {
        self.state.read().compacted
    }

    /// CRC32C over all buckets but the consistent index and term
    /// (`Maintenance.Hash`), and the newest revision.
    pub fn hash(&self) -> Result<(u32, i64)> {
        let snapshot = self.snapshot()?;
        let revision = self.revision();
        Ok((hash_db(&snapshot, true)?, revision))
    }

    /// `Maintenance.HashKV`: the hash up to `revision` (0 for the newest), and the
    /// newest revision.
    pub fn hash_kv(&self, revision: i64) -> Result<(KvHash, i64)> {
        let remembered = self.compactions.lock().hash_at(revision);
        if let Some(hash) = remembered {
            return Ok((hash, self.revision()));
        }
        // Everything must be on disk, so that it can be read without a lock.
        self.commit()?;
        let (disk, tail, mut keep, compacted, newest) = {
            let state = self.state.read();
            if revision > 0 && revision < state.compacted {
                return Err(Error::Compacted);
            }
            if revision > state.revision {
                return Err(Error::FutureRevision);
            }
            let upto = if revision == 0 {
                state.revision
            } else {
                revision
            };
            (
                state.view.disk.clone(),
                state.view.tail(),
                state.index.keep(upto),
                state.compacted,
                state.revision,
            )
        };
        keep.sort();
        let upto = if revision == 0 { newest } else { revision };
        let mut hasher = KvHasher::new(compacted, upto);
        crate::view::each_on_disk(&disk, 0, |rev, tombstone, value| {
            hasher.add(rev, tombstone, value, &keep);
            Ok(rev.main <= upto)
        })?;
        for (rev, tombstone, value) in tail {
            hasher.add(rev, tombstone, &value, &keep);
        }
        Ok((hasher.finish(), newest))
    }

    /// Size of the database file in bytes, free pages included.
    pub fn size_bytes(&self) -> u64 {
        self.db.read().size_bytes()
    }

    /// Bytes of the database file that are in use.
    pub fn in_use_bytes(&self) -> u64 {
        self.db.read().in_use_bytes()
    }

    /// Reads of the database file that have not ended.
    pub fn open_reads(&self) -> usize {
        self.db.read().open_snapshots()
    }

    /// Index of the last entry that was applied; entries up to it change only what
    /// is rebuilt from the log when they come again.
    pub fn consistent_index(&self) -> u64 {
        self.state.read().position.0
    }

    /// Index and term of the last entry that is in the database file.
    pub fn durable_index(&self) -> (u64, u64) {
        *self.durable.lock()
    }

    /// The configuration that was stored last; `None` in a new database.
    pub fn conf_state(&self) -> Option<ConfState> {
        self.cluster.lock().conf_state.clone()
    }

    /// Number of the authentication data's version.
    pub fn auth_revision(&self) -> u64 {
        self.state.read().auth.revision
    }

    /// True if nothing is done for nobody.
    pub fn auth_enabled(&self) -> bool {
        self.state.read().auth.enabled
    }

    /// Hash of a user's password as it is stored, and the auth revision at which it was
    /// read; to be compared with the password where it may take time.
    pub fn auth_password(&self, user: &str) -> Result<(Vec<u8>, u64)> {
        self.state.read().auth.password(user)
    }

    /// Refuses all but those with the role root.
    pub fn permit_admin(&self, who: &AuthInfo) -> Result<()> {
        self.state.read().auth.permit_admin(who)
    }

    /// Refuses those who may not read a range of keys.
    pub fn permit_range(&self, who: &AuthInfo, key: &[u8], range_end: &[u8]) -> Result<()> {
        self.state.read().auth.permit_range(who, key, range_end)
    }

    /// Refuses those who may not read all keys of a lease, if there is such a lease.
    pub fn permit_lease_keys(&self, who: &AuthInfo, id: i64) -> Result<()> {
        let state = self.state.read();
        for key in self.lessor.lock().keys(id).unwrap_or_default() {
            state.auth.permit_range(who, &key, &[])?;
        }
        Ok(())
    }

    /// Who is in the cluster.
    pub fn membership(&self) -> Arc<Membership> {
        self.cluster.lock().membership.clone()
    }

    /// Replaces that in memory, nothing else: with the v2 store of the raft snapshot,
    /// or with the empty one, before the log is replayed.
    pub fn set_membership(&self, membership: Membership) {
        self.cluster.lock().membership = Arc::new(membership);
    }

    /// Alarms that are raised, sorted by kind and member.
    pub fn alarms(&self) -> Vec<pb::AlarmMember> {
        self.alarms.lock().of(pb::AlarmType::None)
    }

    /// True if a request that costs so many bytes ([`crate::request_cost`]) still
    /// fits into the quota.
    pub fn within_quota(&self, cost: u64) -> bool {
        let quota = match self.config.quota_bytes {
            0 => quota::DEFAULT_QUOTA,
            bytes => bytes,
        };
        cost == 0 || quota < 0 || self.size_bytes() + cost < quota as u64
    }

    /// How much there is of what, for metrics.
    pub fn counts(&self) -> Counts {
        let state = self.state.read();
        let (watch_streams, watches, lagging_watches) = self.hub.lock().counts();
        Counts {
            keys: state.index.len(),
            leases: self.lessor.lock().len(),
            watch_streams,
            watches,
            lagging_watches,
        }
    }

    /// A new stream of watches; `wake` is told when it has something.
    pub fn watch_stream(self: &Arc<Self>, wake: Arc<dyn Wake>) -> WatchStream {
        WatchStream::new(self.clone(), wake)
    }

    /// Feeds watches that lag behind from the history, a bounded amount. True if more
    /// could be done at once: call it every 100 ms, and again while it returns true.
    pub fn watch_sync_step(&self) -> Result<bool> {
        crate::watch::sync_step(self, None)
    }

    /// This member became the leader: its clock counts from now on. Each lease gets
    /// its full time and `extend` more.
    pub fn lease_promote(&self, now: Millis, extend: Millis) {
        self.lessor.lock().promote(now, extend);
    }

    /// This member is not the leader any more.
    pub fn lease_demote(&self) {
        self.lessor.lock().demote();
    }

    /// True between promotion and demotion.
    pub fn lease_is_primary(&self) -> bool {
        self.lessor.lock().is_primary()
    }

    /// Keeps a lease alive. [`Error::NotPrimary`] on a member that is not the leader.
    pub fn lease_renew(&self, id: i64, now: Millis) -> Result<Renewed> {
        self.lessor.lock().renew(id, now)
    }

    /// Remaining and granted seconds of a lease, and its keys if asked, sorted.
    /// [`Error::NotPrimary`] on a member that is not the leader.
    pub fn lease_time_to_live(
        &self,
        id: i64,
        keys: bool,
        now: Millis,
    ) -> Result<pb::LeaseTimeToLiveResponse> {
        let found = self.lessor.lock().time_to_live(id, now)?;
        let named = if keys { found.keys } else { Vec::new() };
        Ok(pb::LeaseTimeToLiveResponse {
            header: header(self.revision()),
            id,
            ttl: found.remaining,
            granted_ttl: found.granted,
            keys: named.into_iter().map(Into::into).collect(),
        })
    }

    /// All leases, those that end first at the front.
    pub fn leases(&self) -> Vec<i64> {
        self.lessor.lock().list()
    }

    /// True if there is such a lease.
    pub fn lease_exists(&self, id: i64) -> bool {
        self.lessor.lock().exists(id)
    }

    /// Leases past their time, at most `limit`; each is named again after 3 s if it
    /// is still there. etcd asks every 500 ms for at most 500.
    pub fn lease_expired(&self, now: Millis, limit: usize) -> Vec<i64> {
        self.lessor.lock().expired(now, limit)
    }

    /// Checkpoints to put into the log now.
    pub fn lease_checkpoints(&self, now: Millis, limit: usize) -> Vec<pb::LeaseCheckpoint> {
        let due = self.lessor.lock().due_checkpoints(now, limit);
        due.into_iter()
            .map(|(id, remaining_ttl)| pb::LeaseCheckpoint { id, remaining_ttl })
            .collect()
    }
}
