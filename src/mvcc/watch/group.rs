//! Which watches want a key.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A set of keys that is watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Keys {
    pub key: Box<[u8]>,
    pub end: Until,
}

/// Where it ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Until {
    One,
    Before(Box<[u8]>),
    Open,
}

impl Keys {
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            Until::One => key == &self.key[..],
            Until::Before(end) => key >= &self.key[..] && key < &end[..],
            Until::Open => key >= &self.key[..],
        }
    }
}

/// Number of a watch in the hub.
pub(crate) type Number = u64;

/// Watches by what they want. Many clients watch the same range, so ranges are
/// kept once each.
#[derive(Debug, Default)]
pub(crate) struct Group {
    keys: HashMap<Box<[u8]>, BTreeSet<Number>>,
    ranges: BTreeMap<Keys, BTreeSet<Number>>,
}

impl Group {
    pub(crate) fn add(&mut self, keys: &Keys, number: Number) {
        let set = match keys.end {
            Until::One => self.keys.entry(keys.key.clone()).or_default(),
            _ => self.ranges.entry(keys.clone()).or_default(),
        };
        set.insert(number);
    }

    pub(crate) fn remove(&mut self, keys: &Keys, number: Number) {
        match keys.end {
            Until::One => {
                if let Some(set) = self.keys.get_mut(&keys.key) {
                    set.remove(&number);
                    if set.is_empty() {
                        self.keys.remove(&keys.key);
                    }
                }
            }
            _ => {
                if let Some(set) = self.ranges.get_mut(keys) {
                    set.remove(&number);
                    if set.is_empty() {
                        self.ranges.remove(keys);
                    }
                }
            }
        }
    }

    /// Calls `f` for each watch that wants `key`.
    pub(crate) fn each(&self, key: &[u8], mut f: impl FnMut(Number)) {
        if let Some(set) = self.keys.get(key) {
            set.iter().copied().for_each(&mut f);
        }
        // Ranges are ordered by where they begin: those after the key don't hold it.
        for (keys, set) in &self.ranges {
            if &keys.key[..] > key {
                break;
            }
            if keys.contains(key) {
                set.iter().copied().for_each(&mut f);
            }
        }
    }
}
