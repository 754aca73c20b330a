//! What readers see: the database as last committed, the batch that is on its
//! way into it, and the batch that gathers.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use wire::mvccpb::KeyValue;

use crate::batch::Batch;
use crate::bucket;
use crate::revision::Rev;
use crate::{Error, Result};

/// See the module.
pub(crate) struct View {
    pub disk: Arc<bolt::ReadTx>,
    pub leaving: Option<Arc<Batch>>,
    pub gathering: Batch,
}

/// A value that was found in memory, or where it will be found without a lock.
pub(crate) enum Found {
    Here(Bytes),
    OnDisk(Rev),
}

impl View {
    pub(crate) fn new(disk: bolt::ReadTx) -> View {
        View {
            disk: Arc::new(disk),
            leaving: None,
            gathering: Batch::default(),
        }
    }

    pub(crate) fn find(&self, rev: Rev) -> Found {
        let leaving = || self.leaving.as_ref().and_then(|batch| batch.get(rev));
        match self.gathering.get(rev).or_else(leaving) {
            Some(value) => Found::Here(value.clone()),
            None => Found::OnDisk(rev),
        }
    }

    /// Reads a key and value by revision.
    pub(crate) fn read(&self, rev: Rev) -> Result<KeyValue> {
        resolve(&self.disk, self.find(rev))
    }

    /// Calls `f` with the changes of main revisions from `from` on, in order, until it says
    /// false.
    pub(crate) fn each_from(
        &self,
        from: i64,
        mut f: impl FnMut(Rev, bool, &Bytes) -> Result<bool>,
    ) -> Result<()> {
        let mut more = true;
        each_on_disk(&self.disk, from, |rev, tombstone, value| {
            more = f(rev, tombstone, value)?;
            Ok(more)
        })?;
        if let Some(batch) = &self.leaving {
            batch.each_from(from, &mut more, &mut f)?;
        }
        self.gathering.each_from(from, &mut more, &mut f)
    }

    /// The changes that are not on disk.
    pub(crate) fn tail(&self) -> Vec<(Rev, bool, Bytes)> {
        let leaving = self.leaving.iter().flat_map(|batch| batch.changes());
        leaving.chain(self.gathering.changes()).collect()
    }
}

/// Calls `f` with the changes in a snapshot, of main revisions from `from` on, until it says
/// false.
pub(crate) fn each_on_disk(
    disk: &bolt::ReadTx,
    from: i64,
    mut f: impl FnMut(Rev, bool, &Bytes) -> Result<bool>,
) -> Result<()> {
    let Some(bucket) = disk.bucket(bucket::KEY)? else {
        return Ok(());
    };
    let mut cursor = bucket.cursor();
    let mut pair = cursor.seek(&Rev::new(from, 0).put_key())?;
    while let Some((key, value)) = pair {
        let (rev, tombstone) = Rev::parse(&key)?;
        if !f(rev, tombstone, &value.unwrap_or_default())? {
            break;
        }
        pair = cursor.next()?;
    }
    Ok(())
}

/// Turns what [`View::find`] found into a key and value, from a snapshot that
/// was taken under the same lock.
pub(crate) fn resolve(disk: &bolt::ReadTx, found: Found) -> Result<KeyValue> {
    let value = match found {
        Found::Here(value) => value,
        Found::OnDisk(rev) => {
            let bucket = disk.bucket(bucket::KEY)?;
            let value = match bucket {
                Some(bucket) => bucket.get(&rev.put_key())?,
                None => None,
            };
            value.ok_or_else(|| {
                Error::Damaged(format!(
                    "bucket `key` lacks revision {}_{}, which the key index names",
                    rev.main, rev.sub
                ))
            })?
        }
    };
    decode(value)
}

/// Reads a stored key and value.
pub(crate) fn decode(value: Bytes) -> Result<KeyValue> {
    KeyValue::decode(value).map_err(|e| {
        Error::Damaged(format!(
            "bucket `key` is damaged: expected a key and value, found something else: {e}"
        ))
    })
}
