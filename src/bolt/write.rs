//! The write transaction.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::commit::commit;
use crate::cursor::{Cursor, Tree};
use crate::db::{Inner, Writer};
use crate::format::Meta;
use crate::node::LeafItem;
use crate::open_bucket::{Base, OpenBucket, Run};
use crate::read::{Bucket, not_found};
use crate::{Error, MAX_KEY_BYTES, MAX_VALUE_BYTES, Result};

/// Keys and values of a batch share allocations of this size.
const ARENA_BYTES: usize = 64 << 10;

/// The write transaction: sees its own writes, and nobody else sees them
/// before [`WriteTx::commit`]. Dropping it rolls back.
///
/// The buckets that its methods name are those at the top; nested ones are
/// reached through [`WriteTx::bucket_mut`].
pub struct WriteTx {
    inner: Arc<Inner>,
    /// Taken when the transaction ends.
    writer: Option<Box<Writer>>,
    /// The commit that this one follows.
    base: Meta,
    root: OpenBucket,
    arena: BytesMut,
    /// Pages of deleted buckets.
    freed: Vec<Run>,
}

impl WriteTx {
    pub(crate) fn new(inner: Arc<Inner>, writer: Box<Writer>, base: Meta) -> WriteTx {
        WriteTx {
            inner,
            writer: Some(writer),
            root: OpenBucket::at(base.root),
            base,
            arena: BytesMut::new(),
            freed: Vec::new(),
        }
    }

    fn base(&self) -> Base<'_> {
        Base {
            pager: &self.inner.pager,
            high: self.base.high_water,
        }
    }

    fn top(&mut self) -> BucketMut<'_> {
        BucketMut {
            base: Base {
                pager: &self.inner.pager,
                high: self.base.high_water,
            },
            open: &mut self.root,
            arena: &mut self.arena,
            freed: &mut self.freed,
        }
    }

    /// A bucket as it is now, for reading.
    fn view(&self, name: &[u8]) -> Result<(Tree<'_>, u64)> {
        let base = self.base();
        if let Some(open) = self.root.opened(name) {
            return Ok((open.tree(base), open.header.sequence));
        }
        match self.root.tree(base).get(name)? {
            Some((value, true)) => {
                let bucket = Bucket::open(base.pager, base.high, &value, self.base.root.root)?;
                Ok((bucket.tree, bucket.header.sequence))
            }
            _ => Err(not_found(name)),
        }
    }

    /// The number that the commit will have.
    pub fn id(&self) -> u64 {
        self.base.txid + 1
    }

    /// Bytes up to the high water mark, before this transaction is written.
    pub fn size_bytes(&self) -> u64 {
        self.base.high_water * self.inner.pager.page_size as u64
    }

    /// Creates a bucket at the top; an error if there is one.
    pub fn create_bucket(&mut self, name: &[u8]) -> Result<()> {
        self.top().create_bucket(name)
    }

    /// Creates a bucket at the top unless there is one; true if there was none.
    pub fn create_bucket_if_missing(&mut self, name: &[u8]) -> Result<bool> {
        self.top().create_bucket_if_missing(name)
    }

    /// Deletes a bucket at the top with all that is in it.
    pub fn delete_bucket(&mut self, name: &[u8]) -> Result<()> {
        self.top().delete_bucket(name)
    }

    /// Sets a key in a bucket at the top.
    pub fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) -> Result<()> {
        self.top().into_bucket(bucket)?.put(key, value)
    }

    /// Deletes a key in a bucket at the top; true if it was there.
    pub fn delete(&mut self, bucket: &[u8], key: &[u8]) -> Result<bool> {
        self.top().into_bucket(bucket)?.delete(key)
    }

    /// The value of a key, own writes included; `None` if there is none or
    /// if it is a nested bucket.
    pub fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Bytes>> {
        Ok(match self.view(bucket)?.0.get(key)? {
            Some((value, false)) => Some(value),
            _ => None,
        })
    }

    /// A cursor over a bucket at the top, own writes included.
    pub fn cursor(&self, bucket: &[u8]) -> Result<Cursor<'_>> {
        Ok(Cursor::new(self.view(bucket)?.0))
    }

    /// True if there is a bucket of that name at the top.
    pub fn has_bucket(&self, name: &[u8]) -> Result<bool> {
        Ok(matches!(
            self.root.tree(self.base()).get(name)?,
            Some((_, true))
        ))
    }

    /// Names of the buckets at the top, ascending.
    pub fn root_buckets(&self) -> Result<Vec<Bytes>> {
        let mut cursor = Cursor::new(self.root.tree(self.base()));
        let mut names = Vec::new();
        while let Some((name, value)) = cursor.next()? {
            if value.is_none() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// How full pages of a bucket are left when they split, 0.1 to 1.0.
    /// Holds for this transaction only; 0.5 unless set. etcd sets 0.9 where
    /// keys only arrive at the end.
    pub fn set_fill_percent(&mut self, bucket: &[u8], fill: f64) -> Result<()> {
        self.top().into_bucket(bucket)?.set_fill_percent(fill);
        Ok(())
    }

    /// The counter of a bucket at the top.
    pub fn sequence(&self, bucket: &[u8]) -> Result<u64> {
        Ok(self.view(bucket)?.1)
    }

    /// Sets the counter of a bucket at the top.
    pub fn set_sequence(&mut self, bucket: &[u8], value: u64) -> Result<()> {
        self.top().into_bucket(bucket)?.set_sequence(value)
    }

    /// Adds one to the counter of a bucket at the top and returns it.
    pub fn next_sequence(&mut self, bucket: &[u8]) -> Result<u64> {
        self.top().into_bucket(bucket)?.next_sequence()
    }

    /// The bucket at a path of names; no names give the bucket of buckets.
    pub fn bucket_mut(&mut self, path: &[&[u8]]) -> Result<BucketMut<'_>> {
        let mut bucket = self.top();
        for name in path {
            bucket = bucket.into_bucket(name)?;
        }
        Ok(bucket)
    }

    /// Writes everything: data pages, a sync, the meta page, another sync.
    /// When it returns, the commit is durable (unless `sync` is off) and new
    /// snapshots show it.
    ///
    /// After an error the batch is lost and the database shows the state
    /// before it. If the error came when the meta page was on its way, or
    /// from a sync, nobody knows what the disk holds: further writes are then
    /// refused ([`Error::Poisoned`]) until the database is opened again.
    pub fn commit(mut self) -> Result<()> {
        // Only this method and drop take the writer, and both end `self`.
        let Some(mut writer) = self.writer.take() else {
            return Ok(());
        };
        let freed = std::mem::take(&mut self.freed);
        let result = commit(&self.inner, &mut writer, &self.base, &mut self.root, freed);
        self.inner.end_write(writer);
        result
    }

    /// Forgets everything that this transaction did.
    pub fn rollback(self) {}
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.inner.end_write(writer);
        }
    }
}

/// A bucket being written, at any depth.
pub struct BucketMut<'tx> {
    base: Base<'tx>,
    open: &'tx mut OpenBucket,
    arena: &'tx mut BytesMut,
    freed: &'tx mut Vec<Run>,
}

impl<'tx> BucketMut<'tx> {
    /// The bucket of that name in this one.
    pub fn into_bucket(self, name: &[u8]) -> Result<BucketMut<'tx>> {
        Ok(BucketMut {
            base: self.base,
            open: self.open.child(self.base, name)?,
            arena: self.arena,
            freed: self.freed,
        })
    }

    /// Creates a bucket in this one; an error if there is one.
    pub fn create_bucket(&mut self, name: &[u8]) -> Result<()> {
        self.open.create(self.base, name)
    }

    /// Creates a bucket in this one unless there is one; true if there was
    /// none.
    pub fn create_bucket_if_missing(&mut self, name: &[u8]) -> Result<bool> {
        match self.create_bucket(name) {
            Ok(()) => Ok(true),
            Err(Error::BucketExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes a bucket in this one with all that is in it.
    pub fn delete_bucket(&mut self, name: &[u8]) -> Result<()> {
        self.open.delete_bucket(self.base, name, self.freed)
    }

    /// Sets a key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if key.is_empty() {
            return Err(Error::KeyRequired);
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(Error::KeyTooLarge { len: key.len() });
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLarge { len: value.len() });
        }
        let item = LeafItem {
            key: self.keep(key),
            value: self.keep(value),
            flags: 0,
        };
        self.open.put(self.base, item)
    }

    /// Copies bytes into memory that the transaction owns.
    fn keep(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > ARENA_BYTES / 4 {
            return Bytes::copy_from_slice(bytes);
        }
        if self.arena.capacity() < bytes.len() {
            *self.arena = BytesMut::with_capacity(ARENA_BYTES);
        }
        self.arena.put_slice(bytes);
        self.arena.split().freeze()
    }

    /// Deletes a key; true if it was there.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.open.delete(self.base, key)
    }

    /// The value of a key, own writes included; `None` if there is none or
    /// if it is a bucket.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(match self.open.tree(self.base).get(key)? {
            Some((value, false)) => Some(value),
            _ => None,
        })
    }

    /// A cursor, own writes included.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self.open.tree(self.base))
    }

    /// How full pages are left when they split, 0.1 to 1.0.
    pub fn set_fill_percent(&mut self, fill: f64) {
        self.open.fill = fill;
    }

    /// The bucket's counter.
    pub fn sequence(&self) -> u64 {
        self.open.header.sequence
    }

    /// Sets the bucket's counter.
    pub fn set_sequence(&mut self, value: u64) -> Result<()> {
        self.open.touch(self.base)?;
        self.open.header.sequence = value;
        Ok(())
    }

    /// Adds one to the bucket's counter and returns it.
    pub fn next_sequence(&mut self) -> Result<u64> {
        let next = self.sequence().wrapping_add(1);
        self.set_sequence(next)?;
        Ok(next)
    }
}
