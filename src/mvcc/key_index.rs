//! The history of one key (`mvcc/key_index.go`): generations from a put to the
//! deletion, each with the revisions that changed the key.

use crate::keep::Keep;
use crate::revision::Rev;

/// From the put that made a key to the tombstone that ended it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation {
    /// How many changes there were, forgotten ones included.
    version: i64,
    /// The first change.
    created: Rev,
    /// The changes that are remembered, in order.
    revs: Vec<Rev>,
}

/// A change of a key as seen at some revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub modified: Rev,
    pub created: Rev,
    pub version: i64,
}

/// The history of one key. The newest generation is kept outside of the vector:
/// most keys have only that, and so need one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyIndex {
    /// Ended generations; none is empty.
    ended: Vec<Generation>,
    /// The newest; empty after a deletion.
    last: Generation,
}

impl Generation {
    fn is_empty(&self) -> bool {
        self.revs.is_empty()
    }

    fn push(&mut self, rev: Rev) {
        if self.revs.is_empty() {
            self.created = rev;
            // Most keys are written once; a vector would make room for four.
            self.revs.reserve_exact(1);
        }
        self.revs.push(rev);
        self.version += 1;
    }

    /// Place of the newest change that is not after `at`.
    fn place(&self, at: i64) -> Option<usize> {
        self.revs
            .partition_point(|rev| rev.main <= at)
            .checked_sub(1)
    }

    fn shrink(&mut self) {
        if self.revs.capacity() > 2 * self.revs.len() + 4 {
            self.revs.shrink_to_fit();
        }
    }
}

impl KeyIndex {
    /// A key whose first known change is `modified` (when an old file is read).
    pub(crate) fn restored(created: i64, modified: Rev, version: i64) -> KeyIndex {
        let last = Generation {
            version,
            created: Rev::new(created, 0),
            revs: vec![modified],
        };
        KeyIndex {
            ended: Vec::new(),
            last,
        }
    }

    pub(crate) fn put(&mut self, rev: Rev) {
        self.last.push(rev);
    }

    /// Ends the generation; false if the key does not exist.
    pub(crate) fn tombstone(&mut self, rev: Rev) -> bool {
        if self.last.is_empty() {
            return false;
        }
        self.last.push(rev);
        let mut done = std::mem::take(&mut self.last);
        done.shrink();
        self.ended.push(done);
        true
    }

    /// The key as it was at revision `at`.
    pub(crate) fn get(&self, at: i64) -> Option<Seen> {
        let generation = self.find(at)?;
        let place = generation.place(at)?;
        Some(Seen {
            modified: generation.revs[place],
            created: generation.created,
            version: generation.version - (generation.revs.len() - place - 1) as i64,
        })
    }

    fn find(&self, at: i64) -> Option<&Generation> {
        if self.last.revs.first().is_some_and(|first| first.main <= at) {
            return Some(&self.last);
        }
        // The newest ended generation that began by then, unless it had ended by then.
        let generation = self.ended.iter().rev().find(|g| g.revs[0].main <= at)?;
        let tombstone = generation.revs[generation.revs.len() - 1];
        (tombstone.main > at).then_some(generation)
    }

    /// True if nothing is known of the key any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.last.is_empty()
    }

    /// The generation that is the oldest to keep at a compaction to `at`, and the
    /// place in it of the change that stays.
    fn cut(&self, at: i64) -> (usize, Option<usize>) {
        let index = self
            .ended
            .iter()
            .position(|g| g.revs[g.revs.len() - 1].main >= at)
            .unwrap_or(self.ended.len());
        (index, self.generation(index).place(at))
    }

    fn generation(&self, index: usize) -> &Generation {
        self.ended.get(index).unwrap_or(&self.last)
    }

    /// Forgets what no reader at `at` or later can see; adds to `keep` the
    /// change up to `at` that must stay.
    pub(crate) fn compact(&mut self, at: i64, keep: &mut Keep) {
        let (index, place) = self.cut(at);
        let generation = self.ended.get_mut(index).unwrap_or(&mut self.last);
        if let Some(place) = place {
            keep.push(generation.revs[place]);
            generation.revs.drain(..place);
            generation.shrink();
        }
        self.ended.drain(..index);
        if self.ended.is_empty() {
            self.ended = Vec::new();
        }
    }

    /// Adds to `keep` what [`KeyIndex::compact`] would, but no tombstone, so
    /// that hashes equal those of versions that drop tombstones.
    pub(crate) fn keep(&self, at: i64, keep: &mut Keep) {
        let (index, place) = self.cut(at);
        let generation = self.generation(index);
        let Some(place) = place else { return };
        let is_tombstone = index < self.ended.len() && place + 1 == generation.revs.len();
        if !is_tombstone {
            keep.push(generation.revs[place]);
        }
    }
}
