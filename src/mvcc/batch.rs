//! Writes that are applied and not yet in the database. The log makes them
//! durable; the batch makes them cheap: one commit for thousands.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::raftpb::ConfState;

use crate::bucket;
use crate::membership::conf_state_to_json;
use crate::revision::Rev;

/// A change of the bucket `key`.
#[derive(Clone, Debug)]
struct Change {
    rev: Rev,
    tombstone: bool,
    value: Bytes,
}

/// A change of another bucket; `None` deletes.
type Other = BTreeMap<(&'static [u8], Vec<u8>), Option<Vec<u8>>>;

/// The writes of one commit.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// In order of revisions, which is how they are made.
    changes: Vec<Change>,
    other: Other,
    /// The configuration, if it changed.
    pub conf_state: Option<ConfState>,
    /// Index and term of the last entry that is in it.
    pub position: (u64, u64),
}

impl Batch {
    /// How many writes it holds.
    pub(crate) fn len(&self) -> usize {
        self.changes.len() + self.other.len() + usize::from(self.conf_state.is_some())
    }

    pub(crate) fn push(&mut self, rev: Rev, tombstone: bool, value: Bytes) {
        self.changes.push(Change {
            rev,
            tombstone,
            value,
        });
    }

    pub(crate) fn put(&mut self, bucket: &'static [u8], key: &[u8], value: &[u8]) {
        self.other
            .insert((bucket, key.to_vec()), Some(value.to_vec()));
    }

    pub(crate) fn delete(&mut self, bucket: &'static [u8], key: &[u8]) {
        self.other.insert((bucket, key.to_vec()), None);
    }

    /// The value of a put that is in it.
    pub(crate) fn get(&self, rev: Rev) -> Option<&Bytes> {
        if self.changes.first()?.rev > rev {
            return None;
        }
        let place = self.changes.binary_search_by_key(&rev, |c| c.rev).ok()?;
        Some(&self.changes[place].value)
    }

    /// The changes of the bucket `key`.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (Rev, bool, Bytes)> + '_ {
        self.changes
            .iter()
            .map(|c| (c.rev, c.tombstone, c.value.clone()))
    }

    /// Calls `f` with the changes from main revision `from` on while `more`,
    /// which `f` sets.
    pub(crate) fn each_from(
        &self,
        from: i64,
        more: &mut bool,
        f: &mut impl FnMut(Rev, bool, &Bytes) -> crate::Result<bool>,
    ) -> crate::Result<()> {
        let start = self.changes.partition_point(|c| c.rev.main < from);
        for change in &self.changes[start..] {
            if !*more {
                break;
            }
            *more = f(change.rev, change.tombstone, &change.value)?;
        }
        Ok(())
    }

    /// Writes it all into a transaction.
    pub(crate) fn write(&self, tx: &mut bolt::WriteTx) -> bolt::Result<()> {
        if !self.changes.is_empty() {
            tx.set_fill_percent(bucket::KEY, bucket::KEY_FILL)?;
        }
        for change in &self.changes {
            match change.tombstone {
                false => tx.put(bucket::KEY, &change.rev.put_key(), &change.value)?,
                true => tx.put(bucket::KEY, &change.rev.tombstone_key(), &change.value)?,
            }
        }
        for ((bucket, key), value) in &self.other {
            match value {
                Some(value) => tx.put(bucket, key, value)?,
                None => {
                    tx.delete(bucket, key)?;
                }
            }
        }
        if let Some(state) = &self.conf_state {
            let json = conf_state_to_json(state);
            tx.put(bucket::META, bucket::CONF_STATE, json.as_bytes())?;
        }
        let (index, term) = self.position;
        // 0 means that nothing was applied yet; etcd never writes that.
        if index > 0 {
            tx.put(bucket::META, bucket::CONSISTENT_INDEX, &index.to_be_bytes())?;
            if term > 0 {
                tx.put(bucket::META, bucket::TERM, &term.to_be_bytes())?;
            }
        }
        Ok(())
    }
}
