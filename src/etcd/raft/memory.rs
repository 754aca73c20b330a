//! The part of the log that raft reads: kept in memory, as etcd does
//! (`raft/storage.go`). What is in here may not be on the disk yet; the driver
//! tells raft what is.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use raft::{
    Error, GetEntriesContext, RaftState, Storage, StorageError,
    eraftpb::{ConfState, Entry, HardState, Snapshot},
};

/// Shared between raft, which reads, and the driver, which writes.
#[derive(Clone, Default)]
pub(crate) struct MemoryLog(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    hard_state: HardState,
    /// Of the last snapshot; where a member starts from.
    conf_state: ConfState,
    snapshot_index: u64,
    snapshot_term: u64,
    /// Index and term of the entry before the first one in `entries`.
    before: (u64, u64),
    entries: VecDeque<Entry>,
}

impl Inner {
    fn first(&self) -> u64 {
        self.before.0 + 1
    }

    fn last(&self) -> u64 {
        self.before.0 + self.entries.len() as u64
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.before.0 {
            return Ok(self.before.1);
        }
        if index < self.before.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        let at = (index - self.first()) as usize;
        self.entries
            .get(at)
            .map(|entry| entry.term)
            .ok_or(Error::Store(StorageError::Unavailable))
    }
}

impl MemoryLog {
    /// A log as it was found on disk: a snapshot (index 0 if there is none), what came
    /// after it, and the hard state.
    pub(crate) fn recover(
        snapshot: (u64, u64, ConfState),
        hard_state: HardState,
        entries: Vec<Entry>,
    ) -> Self {
        let (index, term, conf_state) = snapshot;
        Self(Arc::new(Mutex::new(Inner {
            hard_state,
            conf_state,
            snapshot_index: index,
            snapshot_term: term,
            before: (index, term),
            entries: entries.into(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can be left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds entries; those of the same and of higher indices are replaced.
    pub(crate) fn append(&self, entries: &[Entry]) {
        let Some(first) = entries.first() else {
            return;
        };
        let mut inner = self.lock();
        let skip = inner.first().saturating_sub(first.index) as usize;
        let Some(first) = entries.get(skip) else {
            return;
        };
        let keep = (first.index - inner.first()) as usize;
        inner.entries.truncate(keep);
        inner.entries.extend(entries[skip..].iter().cloned());
    }

    /// Replaces everything by a snapshot that came from the leader.
    pub(crate) fn install(&self, snapshot: &Snapshot) {
        let metadata = snapshot.get_metadata();
        let mut inner = self.lock();
        inner.conf_state = metadata.get_conf_state().clone();
        inner.snapshot_index = metadata.index;
        inner.snapshot_term = metadata.term;
        inner.before = (metadata.index, metadata.term);
        inner.entries.clear();
    }

    /// Notes that a snapshot of this member's own state was saved.
    pub(crate) fn note_snapshot(&self, index: u64, term: u64, conf_state: ConfState) {
        let mut inner = self.lock();
        if index > inner.snapshot_index {
            inner.snapshot_index = index;
            inner.snapshot_term = term;
            inner.conf_state = conf_state;
        }
    }

    /// Forgets entries up to and including `index`; nothing if they are gone already.
    pub(crate) fn compact(&self, index: u64) {
        let mut inner = self.lock();
        let index = index.min(inner.last()).min(inner.snapshot_index);
        let Ok(term) = inner.term(index) else {
            return;
        };
        let drop = (index - inner.before.0) as usize;
        inner.entries.drain(..drop);
        inner.before = (index, term);
    }
}

impl Storage for MemoryLog {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let inner = self.lock();
        Ok(RaftState {
            hard_state: inner.hard_state.clone(),
            conf_state: inner.conf_state.clone(),
        })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let inner = self.lock();
        if low < inner.first() {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > inner.last() + 1 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let max_size = max_size.into().unwrap_or(u64::MAX);
        let range = (low - inner.first()) as usize..(high - inner.first()) as usize;
        let mut size = 0;
        let mut found = Vec::new();
        for entry in inner.entries.range(range) {
            // Tag, type, term and index come to about this much.
            size += entry.data.len() as u64 + 16;
            if size > max_size && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.lock().term(index)
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.lock().first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.lock().last())
    }

    /// Only index, term and configuration: when raft wants to send it, the member
    /// makes a newer one of its present state, with the db file.
    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        let inner = self.lock();
        if inner.snapshot_index == 0 || inner.snapshot_index < request_index {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        let mut snapshot = Snapshot::default();
        let metadata = snapshot.mut_metadata();
        metadata.index = inner.snapshot_index;
        metadata.term = inner.snapshot_term;
        metadata.set_conf_state(inner.conf_state.clone());
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> Entry {
        Entry {
            index,
            term,
            ..Default::default()
        }
    }

    fn log() -> MemoryLog {
        let entries = (4..=8).map(|index| entry(index, 2)).collect();
        MemoryLog::recover((3, 1, ConfState::default()), HardState::default(), entries)
    }

    #[test]
    fn appending_replaces_what_is_newer() {
        let log = log();
        log.append(&[entry(6, 3), entry(7, 3)]);
        assert_eq!(log.last_index().unwrap(), 7);
        assert_eq!(log.term(5).unwrap(), 2);
        assert_eq!(log.term(6).unwrap(), 3);
        log.append(&[entry(2, 1), entry(3, 1), entry(4, 4)]);
        assert_eq!(log.last_index().unwrap(), 4);
        assert_eq!(log.term(4).unwrap(), 4);
    }

    #[test]
    fn compaction_stops_at_the_snapshot() {
        let log = log();
        log.compact(7);
        assert_eq!(log.first_index().unwrap(), 4);
        log.note_snapshot(6, 2, ConfState::default());
        log.compact(7);
        assert_eq!(log.first_index().unwrap(), 7);
        assert_eq!(log.term(6).unwrap(), 2);
        assert!(log.term(5).is_err());
        log.compact(2);
        assert_eq!(log.first_index().unwrap(), 7);
    }

    #[test]
    fn at_least_one_entry_is_returned() {
        let log = log();
        let got = |max| {
            log.entries(4, 9, max, GetEntriesContext::empty(false))
                .unwrap()
                .len()
        };
        assert_eq!(got(Some(0)), 1);
        assert_eq!(got(Some(40)), 2);
        assert_eq!(got(None), 5);
    }
}
