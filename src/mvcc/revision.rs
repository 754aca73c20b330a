//! Revisions, and how the bucket `key` writes them (`mvcc/revision.go`,
//! `mvcc/kvstore.go`): main as 8 bytes big endian, `_`, sub as 8 bytes big
//! endian, and a `t` at the end of a tombstone.

use crate::{Error, Result};

/// Where a change stands in history: the transaction, and its place in that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rev {
    /// The revision that clients see.
    pub main: i64,
    /// Place within the transaction, from 0.
    pub sub: i64,
}

/// Length of a key in the bucket `key`, without the tombstone mark.
const REV_LEN: usize = 17;
const TOMBSTONE: u8 = b't';

impl Rev {
    pub(crate) fn new(main: i64, sub: i64) -> Rev {
        Rev { main, sub }
    }

    /// The key of a put.
    pub(crate) fn put_key(self) -> [u8; REV_LEN] {
        let mut key = [0; REV_LEN];
        key[..8].copy_from_slice(&self.main.to_be_bytes());
        key[8] = b'_';
        key[9..].copy_from_slice(&self.sub.to_be_bytes());
        key
    }

    /// The key of a deletion.
    pub(crate) fn tombstone_key(self) -> [u8; REV_LEN + 1] {
        let mut key = [TOMBSTONE; REV_LEN + 1];
        key[..REV_LEN].copy_from_slice(&self.put_key());
        key
    }

    /// Reads a key of the bucket `key`: the revision, and whether it is a tombstone.
    pub(crate) fn parse(key: &[u8]) -> Result<(Rev, bool)> {
        let (Some(main), Some(sub)) = (be_i64(key, 0), be_i64(key, 9)) else {
            return Err(damaged(key));
        };
        // A revision must leave room for those after it.
        if !(0..i64::MAX / 2).contains(&main) || sub < 0 {
            return Err(damaged(key));
        }
        let rev = Rev { main, sub };
        match key.len() {
            REV_LEN => Ok((rev, false)),
            18 => Ok((rev, key[REV_LEN] == TOMBSTONE)),
            _ => Err(damaged(key)),
        }
    }
}

fn be_i64(bytes: &[u8], at: usize) -> Option<i64> {
    let part = bytes.get(at..at + 8)?;
    Some(i64::from_be_bytes(part.try_into().ok()?))
}

fn damaged(key: &[u8]) -> Error {
    Error::Damaged(format!(
        "a revision is damaged: expected 17 bytes, or 18 for a tombstone, found {key:02x?}"
    ))
}
