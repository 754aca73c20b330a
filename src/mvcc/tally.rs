//! What is done on the keyspace, counted as 3.5.16 counts it (`mvcc/metrics_txn.go`,
//! `etcdserver/apply.go`): every look at keys is a range, those of compares and for
//! previous values included, and a transaction of the store that does more than one thing
//! counts once more as a whole. A request may be two of those: what is looked at before a
//! transaction writes has one of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was done; of a store, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Looks at a key or at several.
    pub ranges: u64,
    /// Keys written.
    pub puts: u64,
    /// Bytes of their names and values.
    pub put_bytes: u64,
    /// Deletions, whatever they found.
    pub deletes: u64,
    /// Transactions of more than one of these.
    pub txns: u64,
}

impl Operations {
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.puts += 1;
        self.put_bytes += (key.len() + value.len()) as u64;
    }
}

/// The sums.
#[derive(Default)]
pub(crate) struct Tally {
    ranges: AtomicU64,
    puts: AtomicU64,
    put_bytes: AtomicU64,
    deletes: AtomicU64,
    txns: AtomicU64,
}

impl Tally {
    /// Adds what one transaction has done.
    pub(crate) fn end(&self, done: Operations) {
        let all = done.ranges + done.puts + done.deletes;
        self.ranges.fetch_add(done.ranges, Relaxed);
        self.puts.fetch_add(done.puts, Relaxed);
        self.put_bytes.fetch_add(done.put_bytes, Relaxed);
        self.deletes.fetch_add(done.deletes, Relaxed);
        self.txns.fetch_add(u64::from(all > 1), Relaxed);
    }

    /// Adds a range on its own.
    pub(crate) fn range(&self) {
        self.ranges.fetch_add(1, Relaxed);
    }

    pub(crate) fn sums(&self) -> Operations {
        Operations {
            ranges: self.ranges.load(Relaxed),
            puts: self.puts.load(Relaxed),
            put_bytes: self.put_bytes.load(Relaxed),
            deletes: self.deletes.load(Relaxed),
            txns: self.txns.load(Relaxed),
        }
    }
}
