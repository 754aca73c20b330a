//! Compactions that are scheduled and not carried out (`mvcc/kvstore_compaction.go`).

use std::collections::VecDeque;

use crate::KvHash;
use crate::keep::Keep;
use crate::kv_hash::KvHasher;
use crate::revision::Rev;

/// How many hashes are remembered.
const HASHES: usize = 10;

/// A compaction on its way.
pub(crate) struct Job {
    pub upto: i64,
    /// Hashes what there is between the compaction before and this one.
    pub hasher: KvHasher,
    /// The one before had finished, so the hash covers everything.
    pub hash_counts: bool,
    /// Revisions up to `upto` that stay; filled by the first phase.
    pub keep: Keep,
    pub phase: Phase,
}

/// How far a compaction is.
pub(crate) enum Phase {
    /// The index is compacted before this key.
    Index(Box<[u8]>),
    /// The bucket is compacted before this revision.
    Bucket(Rev),
}

/// All compactions that are not carried out, oldest first.
#[derive(Default)]
pub(crate) struct Compactions {
    jobs: VecDeque<Job>,
    /// The revision of the one that is being worked on, and so is not in `jobs`.
    at_work: Option<i64>,
    scheduled: Option<i64>,
    finished: Option<i64>,
    hashes: VecDeque<KvHash>,
}

impl Compactions {
    /// What a database says was scheduled and finished.
    pub(crate) fn restore(scheduled: Option<i64>, finished: Option<i64>) -> Compactions {
        let mut compactions = Compactions {
            finished,
            ..Compactions::default()
        };
        let before = finished.unwrap_or(-1);
        if let Some(upto) = scheduled
            && upto > before
        {
            compactions.scheduled = scheduled;
            compactions.schedule(upto, before);
        }
        compactions.scheduled = scheduled;
        compactions
    }

    /// Adds a compaction to `upto`, the one before being to `before`.
    pub(crate) fn schedule(&mut self, upto: i64, before: i64) {
        let hash_counts = self.scheduled == self.finished;
        self.scheduled = Some(upto);
        self.jobs.push_back(Job {
            upto,
            hasher: KvHasher::new(before, upto),
            hash_counts,
            keep: Keep::default(),
            phase: Phase::Index(Box::default()),
        });
    }

    /// The oldest that is not carried out.
    pub(crate) fn pending(&self) -> Option<i64> {
        let waiting = || self.jobs.front().map(|job| job.upto);
        self.at_work.or_else(waiting)
    }

    /// Takes the oldest to work on it; [`Compactions::finish`] or
    /// [`Compactions::give_back`] follows.
    pub(crate) fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front();
        self.at_work = job.as_ref().map(|job| job.upto);
        job
    }

    /// More is to be done on it.
    pub(crate) fn give_back(&mut self, job: Job) {
        self.at_work = None;
        self.jobs.push_front(job);
    }

    /// The one that was taken is carried out.
    pub(crate) fn finish(&mut self, job: &Job) {
        self.at_work = None;
        self.finished = Some(job.upto);
        if !job.hash_counts {
            return;
        }
        let hash = job.hasher.finish();
        let place = self.hashes.partition_point(|h| h.revision < hash.revision);
        self.hashes.insert(place, hash);
        if self.hashes.len() > HASHES {
            self.hashes.pop_front();
        }
    }

    /// The hash that was made when `revision` was compacted.
    pub(crate) fn hash_at(&self, revision: i64) -> Option<KvHash> {
        self.hashes.iter().find(|h| h.revision == revision).copied()
    }
}
