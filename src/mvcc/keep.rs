//! The revisions up to a compaction that stay.

use crate::revision::Rev;

/// A set of revisions that is filled first and asked afterwards. (A sorted vector: it
/// never stops to grow a table of millions while a lock is held.)
#[derive(Debug, Default)]
pub(crate) struct Keep {
    revs: Vec<Rev>,
}

impl Keep {
    /// Adds a revision that is not in it.
    pub(crate) fn push(&mut self, rev: Rev) {
        self.revs.push(rev);
    }

    /// It is filled.
    pub(crate) fn sort(&mut self) {
        self.revs.sort_unstable();
    }

    pub(crate) fn contains(&self, rev: Rev) -> bool {
        self.revs.binary_search(&rev).is_ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.revs.is_empty()
    }
}
