//! The hashes by which members and tools compare databases (`mvcc/hash.go`,
//! `mvcc/backend/backend.go`): CRC32C.

use crate::keep::Keep;
use crate::revision::Rev;
use crate::{KvHash, Result, bucket};

/// Hashes revisions of the bucket `key` between a compaction and a revision.
pub(crate) struct KvHasher {
    crc: u32,
    compacted: i64,
    upto: i64,
}

impl KvHasher {
    pub(crate) fn new(compacted: i64, upto: i64) -> KvHasher {
        KvHasher {
            crc: crc32c::crc32c(bucket::KEY),
            compacted,
            upto,
        }
    }

    /// Adds a pair of the bucket; `keep` says which revisions up to the compaction
    /// are to stay (they may not be deleted yet).
    pub(crate) fn add(&mut self, rev: Rev, tombstone: bool, value: &[u8], keep: &Keep) {
        if rev.main > self.upto {
            return;
        }
        if rev.main <= self.compacted && !keep.is_empty() && !keep.contains(rev) {
            return;
        }
        // Older versions drop a tombstone at the compaction's revision, newer ones
        // keep it: it counts for none.
        if rev.main == self.compacted && tombstone {
            return;
        }
        self.crc = match tombstone {
            true => crc32c::crc32c_append(self.crc, &rev.tombstone_key()),
            false => crc32c::crc32c_append(self.crc, &rev.put_key()),
        };
        self.crc = crc32c::crc32c_append(self.crc, value);
    }

    pub(crate) fn finish(&self) -> KvHash {
        KvHash {
            hash: self.crc,
            compact_revision: self.compacted,
            revision: self.upto,
        }
    }
}

/// CRC32C over the names, keys and values of all buckets of a file. With
/// `skip_index` the consistent index and the term are left out (what
/// `Maintenance.Hash` answers); without, everything counts (what `etcdutl
/// snapshot status` prints).
pub fn hash_db(db: &bolt::ReadTx, skip_index: bool) -> Result<u32> {
    let mut crc = 0;
    for name in db.root_buckets()? {
        crc = crc32c::crc32c_append(crc, &name);
        let Some(bucket) = db.bucket(&name)? else {
            continue;
        };
        bucket.for_each(|key, value| {
            let position = &name[..] == bucket::META
                && (&key[..] == bucket::TERM || &key[..] == bucket::CONSISTENT_INDEX);
            if !(skip_index && position) {
                crc = crc32c::crc32c_append(crc, &key);
                crc = crc32c::crc32c_append(crc, &value.unwrap_or_default());
            }
            Ok(())
        })?;
    }
    Ok(crc)
}
