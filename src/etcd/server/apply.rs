//! The apply thread: committed entries become state, in order, and whoever waits for
//! one is told.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, Sender, sync_channel},
    },
    time::{Duration, Instant},
};

use mvcc::{ConfChanged, Store};
use prost::Message as _;
use raft::eraftpb as lib;
use tokio::{runtime::Handle, sync::mpsc::UnboundedSender};
use wire::{
    etcdserverpb::{InternalRaftRequest, Request},
    raftpb as pb,
};

use super::{
    EtcdError, Server,
    auth::{hash_old_entry, log_change},
    background::commit,
    progress::Outcome,
    snapshots::{self, DbSource},
};
use crate::{
    measures::{Took, While, measures},
    raft::{
        convert,
        disk::Job,
        events::{ApplyJob, Done},
    },
};

/// How far the log is applied.
pub(crate) struct Applied {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) conf_state: pb::ConfState,
    /// Index of the newest snapshot.
    pub(crate) snapshot: u64,
}

/// The state machine's end of the log.
pub(crate) struct Applier {
    pub(crate) server: Server,
    pub(crate) applied: Applied,
    pub(crate) done: UnboundedSender<Done>,
    pub(crate) disk: Sender<Job>,
    pub(crate) runtime: Handle,
    pub(crate) db_path: PathBuf,
}

impl Applier {
    /// Runs until the raft loop drops its end. A state machine that can't go on stops
    /// the member.
    pub(crate) fn run(mut self, jobs: &Receiver<ApplyJob>) {
        while let Ok(job) = jobs.recv() {
            let outcome = match job {
                ApplyJob::Entries(entries) => self.entries(entries),
                ApplyJob::Install(snapshot) => self.install(snapshot),
                ApplyJob::SendSnapshot(message) => self.send_snapshot(message),
            };
            if let Err(error) = outcome {
                // The raft loop may have ended already.
                let _ = self.done.send(Done::Failed(error.to_string()));
                return;
            }
        }
    }

    fn store(&self) -> &Arc<Store> {
        self.server.store()
    }

    fn entries(&mut self, entries: Vec<lib::Entry>) -> Result<(), EtcdError> {
        for entry in entries {
            // After a snapshot was installed, raft may name entries that it covers.
            if entry.index <= self.applied.index {
                continue;
            }
            match entry.get_entry_type() {
                lib::EntryType::EntryNormal => self.normal(&entry)?,
                lib::EntryType::EntryConfChange => self.change(&entry)?,
                lib::EntryType::EntryConfChangeV2 => {
                    return Err(EtcdError::Storage(format!(
                        "log entry {} is of a type that etcd 3.5 never writes: EntryConfChangeV2",
                        entry.index
                    )));
                }
            }
            self.applied.index = entry.index;
            self.applied.term = entry.term;
            self.publish();
        }
        let _ = self.done.send(Done::Applied(self.applied.index));
        self.maybe_snapshot()
    }

    fn publish(&self) {
        let progress = &self.server.0.progress;
        progress.term.store(self.applied.term, Ordering::Release);
        progress.applied.send_replace(self.applied.index);
    }

    fn normal(&mut self, entry: &lib::Entry) -> Result<(), EtcdError> {
        let (index, term) = (entry.index, entry.term);
        if entry.data.is_empty() {
            self.store().advance(index, term);
            self.server
                .0
                .progress
                .first_commits
                .send_modify(|count| *count += 1);
            // All of the last term is applied now: the clocks of the leases are ours.
            if self.server.is_leader() {
                let now = self.server.0.clock.monotonic();
                self.store()
                    .lease_promote(now, self.server.0.config.election_ms);
            }
            return Ok(());
        }
        // An entry is a v3 request or, without any mark, a v2 one. As in the reference,
        // what can't be read as the former is taken for the latter.
        let Ok(mut request) = InternalRaftRequest::decode(entry.data.clone()) else {
            let request = Request::decode(entry.data.clone()).map_err(|error| {
                EtcdError::Storage(format!("log entry {index} can't be read: {error}"))
            })?;
            let id = request.id;
            let now = self.server.v2_now();
            let result = self.store().apply_v2(index, term, &request, now);
            return self.tell(id, result);
        };
        let id = match (&request.v2, request.id) {
            (Some(v2), _) => v2.id,
            (None, 0) => request.header.as_ref().map_or(0, |header| header.id),
            (None, id) => id,
        };
        hash_old_entry(&mut request, self.server.0.config.bcrypt_cost)?;
        let now = self.server.0.clock.monotonic();
        let enabled = self.store().auth_enabled();
        let begun = Instant::now();
        let applied = self.store().apply(index, term, &request, now);
        let took = Took {
            it: begun.elapsed(),
            too_long: self.server.0.config.warning_apply_duration,
        };
        if matches!(&applied.response, Ok(response) if *response != mvcc::Response::None) {
            log_change(&request, enabled);
        }
        if let Some(change) = applied.tokens {
            self.server.change_tokens(change);
        }
        if applied.batch_full {
            commit(self.store())?;
        }
        measures().applied(&request, &applied.response, took);
        if applied.compaction_scheduled {
            self.server.0.compaction.notify_one();
        }
        if applied.raise_nospace {
            return self.nospace(id, applied.response);
        }
        self.tell(id, applied.response)
    }

    fn tell(&self, id: u64, result: Result<mvcc::Response, mvcc::Error>) -> Result<(), EtcdError> {
        let fatal = result
            .as_ref()
            .err()
            .filter(|error| error.is_fatal())
            .cloned();
        self.server.0.waiters.tell(id, Outcome::Applied(result));
        fatal.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The quota is exceeded: the alarm goes into the log first, then the one who
    /// asked is told.
    fn nospace(
        &self,
        id: u64,
        result: Result<mvcc::Response, mvcc::Error>,
    ) -> Result<(), EtcdError> {
        crate::warn!("etcdserver/server.go:2345", "message exceeded backend quota; raising alarm",
            "quota-size-bytes" => self.server.0.config.quota_backend_bytes);
        let server = self.server.clone();
        self.runtime.spawn(async move {
            server.raise_nospace().await;
            server.0.waiters.tell(id, Outcome::Applied(result));
        });
        Ok(())
    }

    fn change(&mut self, entry: &lib::Entry) -> Result<(), EtcdError> {
        let (index, term) = (entry.index, entry.term);
        let change = pb::ConfChange::decode(convert::data_of(entry).clone()).map_err(|error| {
            EtcdError::Storage(format!("log entry {index} can't be read: {error}"))
        })?;
        if let Err(error) = self.store().validate_conf_change(&change) {
            self.store().advance(index, term);
            self.server
                .0
                .waiters
                .tell(change.id, Outcome::Changed(Err(error)));
            return Ok(());
        }
        let (reply, answer) = sync_channel(1);
        let asked = Done::Change {
            change: change.clone(),
            reply,
        };
        let gone = || EtcdError::Stopped;
        self.done.send(asked).map_err(|_| gone())?;
        self.applied.conf_state = answer.recv().map_err(|_| gone())?.map_err(|error| {
            EtcdError::Storage(format!("log entry {index} can't be applied: {error}"))
        })?;
        let changed =
            self.store()
                .apply_conf_change(index, term, &change, &self.applied.conf_state)?;
        self.follow(changed);
        let members = self.store().membership();
        self.server
            .0
            .waiters
            .tell(change.id, Outcome::Changed(Ok(members)));
        Ok(())
    }

    /// Tells the transport about a change.
    fn follow(&self, changed: ConfChanged) {
        let own = self.server.id();
        let transport = self.server.transport();
        match changed {
            ConfChanged::Added(member) if member.id != own => {
                transport.add_peer(member.id, member.peer_urls);
            }
            ConfChanged::Updated(member) if member.id != own => {
                transport.update_peer(member.id, member.peer_urls);
            }
            ConfChanged::Removed(id) if id == own => {
                // Others must still hear that the removal is committed.
                let server = self.server.clone();
                self.runtime.spawn(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    server.fail(EtcdError::Removed);
                });
            }
            ConfChanged::Removed(id) => transport.remove_peer(id),
            ConfChanged::Added(_) | ConfChanged::Updated(_) | ConfChanged::Promoted(_) => {}
        }
    }

    /// Takes over a snapshot that the leader has sent; its db file is there.
    fn install(&mut self, snapshot: pb::Snapshot) -> Result<(), EtcdError> {
        let metadata = snapshot.metadata.clone();
        if metadata.index <= self.applied.index {
            return Ok(());
        }
        let _in_progress = While::new(&measures().snapshot_in_progress);
        crate::info!("etcdserver/server.go:1305", "applying snapshot",
            "current-snapshot-index" => self.applied.snapshot,
            "current-applied-index" => self.applied.index,
            "incoming-leader-snapshot-index" => metadata.index,
            "incoming-leader-snapshot-term" => metadata.term);
        let trouble = |what: &str, error: &dyn std::fmt::Display| {
            EtcdError::Storage(format!(
                "the leader's snapshot can't be taken over: {what}: {error}"
            ))
        };
        let path = self
            .server
            .0
            .snapshotter
            .db_path(metadata.index)
            .map_err(|error| trouble("failed to find database snapshot file", &error))?;
        std::fs::rename(&path, &self.db_path)
            .map_err(|error| trouble("failed to rename database snapshot file", &error))?;
        let db = bolt::Db::open(&self.db_path, self.server.0.bolt_options.clone())
            .map_err(|error| trouble("its db file", &error))?;
        self.store().restore_from(db.clone())?;
        // The leader may have been in the middle of one.
        if self.store().compaction_pending().is_some() {
            self.server.0.compaction.notify_one();
        }
        *self.server.0.db.lock() = db;
        let mut membership =
            snapshots::membership(&snapshot).map_err(|error| trouble("its members", &error))?;
        membership.downgrade = self.store().membership().downgrade.clone();
        self.store().set_membership(membership);
        crate::info!("etcdserver/server.go:1399", "restoring v2 store");
        snapshots::recover_v2(self.store(), &snapshot)
            .map_err(|error| trouble("its v2 store", &error))?;
        crate::info!("etcdserver/server.go:1409", "restored v2 store");

        let transport = self.server.transport();
        transport.remove_all_peers();
        for member in self.store().membership().members.values() {
            if member.id != self.server.id() {
                transport.add_peer(member.id, member.peer_urls.clone());
            }
        }
        self.applied = Applied {
            index: metadata.index,
            term: metadata.term,
            conf_state: metadata.conf_state,
            snapshot: metadata.index,
        };
        self.publish();
        let _ = self.done.send(Done::Applied(metadata.index));
        Ok(())
    }

    fn maybe_snapshot(&mut self) -> Result<(), EtcdError> {
        let applied = &self.applied;
        let count = self.server.0.config.snapshot_count;
        if applied.index - applied.snapshot <= count {
            return Ok(());
        }
        crate::info!("etcdserver/server.go:1473", "triggering snapshot",
            "local-member-id" => format!("{:x}", self.server.id()),
            "local-member-applied-index" => applied.index,
            "local-member-snapshot-index" => applied.snapshot,
            "local-member-snapshot-count" => count);
        // The db must never be older than the newest snapshot.
        commit(self.store())?;
        let snapshot = snapshots::snapshot(
            self.store(),
            applied.index,
            applied.term,
            applied.conf_state.clone(),
        );
        self.applied.snapshot = snapshot.metadata.index;
        // If the disk thread has ended it has said so.
        let _ = self.disk.send(Job::SaveSnapshot(snapshot));
        Ok(())
    }

    /// Raft wants a follower to get a snapshot: the newest there can be.
    fn send_snapshot(&self, mut message: pb::Message) -> Result<(), EtcdError> {
        message.snapshot = snapshots::snapshot(
            self.store(),
            self.applied.index,
            self.applied.term,
            self.applied.conf_state.clone(),
        );
        let db = self.store().snapshot()?;
        let in_flight = &self.server.0.progress.snapshots_in_flight;
        in_flight.fetch_add(1, Ordering::Relaxed);
        crate::info!("etcdserver/server.go:2187", "sending merged snapshot",
            "from" => format!("{:x}", self.server.id()),
            "to" => format!("{:x}", message.to),
            "bytes" => db.size_bytes());
        self.server
            .transport()
            .send_snapshot(message, Box::new(DbSource(db)));
        Ok(())
    }
}
