//! The index of all keys in memory (`mvcc/index.go`): which revision of which
//! key is to be read.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::keep::Keep;
use crate::key_index::{KeyIndex, Seen};
use crate::revision::Rev;

/// A set of keys, as the protocol spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span<'a> {
    pub key: &'a [u8],
    pub end: End<'a>,
}

/// Where a [`Span`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End<'a> {
    /// It is one key.
    One,
    /// Before this key.
    Before(&'a [u8]),
    /// It does not.
    Open,
}

impl<'a> Span<'a> {
    /// Reads `key` and `range_end` of a request: no end is one key, `\0` no bound.
    pub(crate) fn new(key: &'a [u8], range_end: &'a [u8]) -> Span<'a> {
        let end = match range_end {
            [] => End::One,
            [0] => End::Open,
            end => End::Before(end),
        };
        Span { key, end }
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match self.end {
            End::One => key == self.key,
            End::Before(end) => key >= self.key && key < end,
            End::Open => key >= self.key,
        }
    }
}

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: BTreeMap<Box<[u8]>, KeyIndex>,
}

impl Index {
    pub(crate) fn put(&mut self, key: &[u8], rev: Rev) {
        match self.keys.get_mut(key) {
            Some(history) => history.put(rev),
            None => {
                let mut history = KeyIndex::default();
                history.put(rev);
                self.keys.insert(key.into(), history);
            }
        }
    }

    /// How many keys are known.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// False if the key does not exist.
    pub(crate) fn tombstone(&mut self, key: &[u8], rev: Rev) -> bool {
        self.keys.get_mut(key).is_some_and(|k| k.tombstone(rev))
    }

    /// Takes a stored put over. Call in order of revisions.
    pub(crate) fn restore_put(&mut self, key: &[u8], created: i64, rev: Rev, version: i64) {
        match self.keys.get_mut(key) {
            Some(history) => history.put(rev),
            None => {
                let history = KeyIndex::restored(created, rev, version);
                self.keys.insert(key.into(), history);
            }
        }
    }

    pub(crate) fn get(&self, key: &[u8], at: i64) -> Option<Seen> {
        self.keys.get(key)?.get(at)
    }

    /// Calls `f` for each key of the span that exists at `at`, in order, until it
    /// says false.
    pub(crate) fn visit(&self, span: Span<'_>, at: i64, mut f: impl FnMut(&[u8], Seen) -> bool) {
        let upper = match span.end {
            End::One => {
                if let Some(seen) = self.get(span.key, at) {
                    f(span.key, seen);
                }
                return;
            }
            // A range that ends before it begins holds nothing (BTreeMap would panic).
            End::Before(end) if end <= span.key => return,
            End::Before(end) => Bound::Excluded(end),
            End::Open => Bound::Unbounded,
        };
        for (key, history) in self
            .keys
            .range::<[u8], _>((Bound::Included(span.key), upper))
        {
            if let Some(seen) = history.get(at)
                && !f(key, seen)
            {
                return;
            }
        }
    }

    /// Revisions of a span at `at`, at most `limit` (0: all), and how many keys there are.
    pub(crate) fn revisions(&self, span: Span<'_>, at: i64, limit: usize) -> (Vec<Rev>, i64) {
        let mut revs = Vec::new();
        let mut total = 0;
        self.visit(span, at, |_, seen| {
            if limit == 0 || revs.len() < limit {
                revs.push(seen.modified);
            }
            total += 1;
            true
        });
        (revs, total)
    }

    pub(crate) fn count(&self, span: Span<'_>, at: i64) -> i64 {
        let mut total = 0;
        self.visit(span, at, |_, _| {
            total += 1;
            true
        });
        total
    }

    /// Compacts at most `limit` keys from `from` on. Returns the key to go on with.
    pub(crate) fn compact_part(
        &mut self,
        at: i64,
        from: &[u8],
        limit: usize,
        keep: &mut Keep,
    ) -> Option<Box<[u8]>> {
        let mut gone: Vec<Box<[u8]>> = Vec::new();
        let mut next = None;
        let range = self
            .keys
            .range_mut::<[u8], _>((Bound::Included(from), Bound::Unbounded));
        for (n, (key, history)) in range.enumerate() {
            if n == limit {
                next = Some(key.clone());
                break;
            }
            history.compact(at, keep);
            if history.is_empty() {
                gone.push(key.clone());
            }
        }
        for key in gone {
            self.keys.remove(&key);
        }
        next
    }

    /// The revisions up to `at` that a reader at `at` or later can see.
    pub(crate) fn keep(&self, at: i64) -> Keep {
        let mut keep = Keep::default();
        for history in self.keys.values() {
            history.keep(at, &mut keep);
        }
        keep
    }
}
