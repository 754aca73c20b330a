//! Signatures published ahead of the engine; each says `database not open`.
#![allow(dead_code, unused_variables, clippy::needless_pass_by_value)]

use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, Options, Result};

fn closed<T>() -> Result<T> {
    Err(Error::Closed { file: "".into() })
}

/// Where the bytes are. Reads and writes are positioned and complete.
pub trait Disk: Send + Sync {
    /// Fills `buf` from `offset`; an end of file before that is an error.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `data` at `offset`.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written so far durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Grows or cuts to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// True when the length is 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Gives the file lock back, when the database is closed.
    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

/// An open database; clones share it.
#[derive(Clone)]
pub struct Db(Arc<()>);

impl Db {
    /// Opens the file, creates it unless `read_only`.
    pub fn open(path: &Path, options: Options) -> Result<Db> {
        closed()
    }
    /// Opens a database on an injected disk.
    pub fn open_with(disk: Arc<dyn Disk>, options: Options) -> Result<Db> {
        closed()
    }
    /// A snapshot of the last commit.
    pub fn begin_read(&self) -> Result<ReadTx> {
        closed()
    }
    /// The one write transaction; blocks while there is another.
    pub fn begin_write(&self) -> Result<WriteTx> {
        closed()
    }
    /// Bytes up to the high water mark (etcd's dbSize).
    pub fn size_bytes(&self) -> u64 {
        0
    }
    /// Bytes in free pages that the next write can use.
    pub fn free_bytes(&self) -> u64 {
        0
    }
    /// `size_bytes - free_bytes` (etcd's dbSizeInUse).
    pub fn in_use_bytes(&self) -> u64 {
        0
    }
    /// The path, empty on an injected disk.
    pub fn path(&self) -> &Path {
        Path::new("")
    }
    /// Page size in bytes.
    pub fn page_size(&self) -> usize {
        0
    }
    /// Makes everything durable (for `sync: false`).
    pub fn sync(&self) -> Result<()> {
        closed()
    }
    /// Waits for the writer, then refuses new transactions and gives the lock back.
    /// Open read transactions stay usable.
    pub fn close(&self) -> Result<()> {
        closed()
    }
    /// Checks the newest commit including the free list in memory.
    pub fn check(&self) -> Result<Vec<Finding>> {
        closed()
    }
}

/// A snapshot. Dropping it lets its pages be reused.
pub struct ReadTx(Arc<()>);

impl ReadTx {
    /// The id of the commit that this snapshot shows.
    pub fn id(&self) -> u64 {
        0
    }
    /// Bytes up to the high water mark of the snapshot.
    pub fn size_bytes(&self) -> u64 {
        0
    }
    /// Names of the buckets at the top.
    pub fn root_buckets(&self) -> Result<Vec<Bytes>> {
        closed()
    }
    /// A bucket at the top.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket<'_>>> {
        closed()
    }
    /// Streams a consistent copy in bounded memory; returns the bytes written
    /// (always [`ReadTx::size_bytes`]).
    pub fn write_to(&self, out: &mut dyn Write) -> Result<u64> {
        closed()
    }
}

/// A bucket of a snapshot.
#[derive(Clone)]
pub struct Bucket<'tx>(PhantomData<&'tx ()>);

impl<'tx> Bucket<'tx> {
    /// The value of a key; `None` if there is none or it is a bucket.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        closed()
    }
    /// A cursor, not yet positioned.
    pub fn cursor(&self) -> Cursor<'tx> {
        Cursor(PhantomData)
    }
    /// The bucket's counter.
    pub fn sequence(&self) -> u64 {
        0
    }
    /// A bucket in this bucket.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket<'tx>>> {
        closed()
    }
    /// Calls `f` for each pair in key order.
    pub fn for_each(&self, f: impl FnMut(Bytes, Option<Bytes>) -> Result<()>) -> Result<()> {
        closed()
    }
}

/// A key and its value; the value of a nested bucket is `None`.
pub type Pair = (Bytes, Option<Bytes>);

/// Walks the keys of a bucket in order.
pub struct Cursor<'tx>(PhantomData<&'tx ()>);

impl Cursor<'_> {
    /// The first pair.
    pub fn first(&mut self) -> Result<Option<Pair>> {
        closed()
    }
    /// The last pair.
    pub fn last(&mut self) -> Result<Option<Pair>> {
        closed()
    }
    /// The first pair whose key is `key` or comes after it.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Pair>> {
        closed()
    }
    /// The pair after the current one.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Pair>> {
        closed()
    }
    /// The pair before the current one.
    pub fn prev(&mut self) -> Result<Option<Pair>> {
        closed()
    }
}

/// The write transaction. Dropping it rolls back.
pub struct WriteTx(Arc<()>);

impl WriteTx {
    /// The id that the commit will have.
    pub fn id(&self) -> u64 {
        0
    }
    /// Bytes up to the high water mark, before this transaction is written.
    pub fn size_bytes(&self) -> u64 {
        0
    }
    /// Creates a bucket at the top; an error if it is there.
    pub fn create_bucket(&mut self, name: &[u8]) -> Result<()> {
        closed()
    }
    /// Creates a bucket at the top; true if it was not there.
    pub fn create_bucket_if_missing(&mut self, name: &[u8]) -> Result<bool> {
        closed()
    }
    /// Deletes a bucket at the top and all that is in it.
    pub fn delete_bucket(&mut self, name: &[u8]) -> Result<()> {
        closed()
    }
    /// Sets a key in a bucket at the top.
    pub fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) -> Result<()> {
        closed()
    }
    /// Deletes a key; true if it was there.
    pub fn delete(&mut self, bucket: &[u8], key: &[u8]) -> Result<bool> {
        closed()
    }
    /// Reads a key, own writes included.
    pub fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Bytes>> {
        closed()
    }
    /// A cursor over a bucket, own writes included.
    pub fn cursor(&self, bucket: &[u8]) -> Result<Cursor<'_>> {
        closed()
    }
    /// True if there is such a bucket at the top.
    pub fn has_bucket(&self, name: &[u8]) -> Result<bool> {
        closed()
    }
    /// Names of the buckets at the top.
    pub fn root_buckets(&self) -> Result<Vec<Bytes>> {
        closed()
    }
    /// How full pages are left when they split in this transaction, 0.1 to
    /// 1.0; 0.5 unless set. etcd sets 0.9 on `key`.
    pub fn set_fill_percent(&mut self, bucket: &[u8], fill: f64) -> Result<()> {
        closed()
    }
    /// The bucket's counter.
    pub fn sequence(&self, bucket: &[u8]) -> Result<u64> {
        closed()
    }
    /// Sets the bucket's counter.
    pub fn set_sequence(&mut self, bucket: &[u8], value: u64) -> Result<()> {
        closed()
    }
    /// Adds one to the bucket's counter and returns it.
    pub fn next_sequence(&mut self, bucket: &[u8]) -> Result<u64> {
        closed()
    }
    /// The bucket at a path, for nested buckets.
    pub fn bucket_mut(&mut self, path: &[&[u8]]) -> Result<BucketMut<'_>> {
        closed()
    }
    /// Writes everything; durable when it returns (unless `sync` is off).
    pub fn commit(self) -> Result<()> {
        closed()
    }
    /// Forgets everything.
    pub fn rollback(self) {}
}

/// A bucket being written, at any depth.
pub struct BucketMut<'tx>(PhantomData<&'tx mut ()>);

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The page.
    pub page: u64,
}
