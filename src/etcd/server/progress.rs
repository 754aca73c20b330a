//! How far the member is, and who waits for it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use mvcc::{Membership, Response};
use tokio::sync::{oneshot, watch};

use super::EtcdError;

/// Numbers that the raft loop and the apply thread write and everyone reads.
pub(crate) struct Progress {
    /// The leader's id, 0 while there is none.
    pub(crate) lead: watch::Sender<u64>,
    /// Counts leaders: changes when a new one is known, not when one is lost.
    pub(crate) leaders: watch::Sender<u64>,
    /// Counts entries that a new leader begins its term with, as they are applied.
    pub(crate) first_commits: watch::Sender<u64>,
    /// Index of the newest applied entry.
    pub(crate) applied: watch::Sender<u64>,
    /// Index of the newest committed entry that this member knows of.
    pub(crate) committed: AtomicU64,
    /// Term of the newest applied entry.
    pub(crate) term: AtomicU64,
    /// When raft was ticked last, on the injected clock.
    pub(crate) ticked: AtomicU64,
    /// When the present leader became known, on the injected clock.
    pub(crate) elected: AtomicU64,
    /// Snapshots that are being sent; the log is not compacted meanwhile.
    pub(crate) snapshots_in_flight: AtomicU64,
}

impl Progress {
    pub(crate) fn new(applied: u64, committed: u64, term: u64) -> Self {
        Self {
            lead: watch::Sender::new(0),
            leaders: watch::Sender::new(0),
            first_commits: watch::Sender::new(0),
            applied: watch::Sender::new(applied),
            committed: AtomicU64::new(committed),
            term: AtomicU64::new(term),
            ticked: AtomicU64::new(0),
            elected: AtomicU64::new(0),
            snapshots_in_flight: AtomicU64::new(0),
        }
    }

    pub(crate) fn lead(&self) -> u64 {
        *self.lead.borrow()
    }

    pub(crate) fn applied(&self) -> u64 {
        *self.applied.borrow()
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    pub(crate) fn term(&self) -> u64 {
        self.term.load(Ordering::Acquire)
    }
}

/// What became of a proposal.
#[derive(Debug)]
pub(crate) enum Outcome {
    Applied(Result<Response, mvcc::Error>),
    Changed(Result<Arc<Membership>, mvcc::Error>),
    /// It never came into the log.
    Dropped(EtcdError),
}

/// Proposals that someone waits for, by request id.
#[derive(Clone, Default)]
pub(crate) struct Waiters(Arc<Mutex<HashMap<u64, oneshot::Sender<Outcome>>>>);

impl Waiters {
    /// Waits for a request; forgotten when the returned value is dropped.
    pub(crate) fn register(&self, id: u64) -> Waiter {
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(id, sender);
        Waiter {
            waiters: self.clone(),
            id,
            receiver,
        }
    }

    /// Tells who waits for it, if anyone.
    pub(crate) fn tell(&self, id: u64, outcome: Outcome) {
        let waiting = self.lock().remove(&id);
        if let Some(sender) = waiting {
            // The one who asked may have gone away.
            let _ = sender.send(outcome);
        }
    }

    /// True if someone waits for it.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.lock().contains_key(&id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        // Nothing in here can be left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Waiters::register`].
pub(crate) struct Waiter {
    waiters: Waiters,
    id: u64,
    pub(crate) receiver: oneshot::Receiver<Outcome>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiters.lock().remove(&self.id);
    }
}

/// Makes ids of requests that are unique in the cluster: two bytes of the member's
/// id, five of the wall clock in milliseconds, one counted (`pkg/idutil`).
pub(crate) struct RequestIds {
    prefix: u64,
    suffix: AtomicU64,
}

impl RequestIds {
    const SUFFIX_BITS: u32 = 48;

    pub(crate) fn new(member_id: u64, wall_ms: u64) -> Self {
        Self {
            prefix: (member_id & 0xffff) << Self::SUFFIX_BITS,
            suffix: AtomicU64::new((wall_ms & ((1 << 40) - 1)) << 8),
        }
    }

    pub(crate) fn next(&self) -> u64 {
        let suffix = self.suffix.fetch_add(1, Ordering::Relaxed) + 1;
        self.prefix | (suffix & ((1 << Self::SUFFIX_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_never_repeat_and_carry_the_member() {
        let ids = RequestIds::new(0xabcd_0000_0000_1234, 1_700_000_000_000);
        let first = ids.next();
        assert_eq!(first >> 48, 0x1234);
        assert!((0..1000).map(|_| ids.next()).all(|id| id > first));
    }
}
