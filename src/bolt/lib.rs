//! The bbolt file format: pages, B+tree, transactions, check and surgery.
//!
//! A [`Db`] is a file of equally large pages (`page.go`, `db.go` of bbolt
//! 1.3). Two meta pages name the root of a tree of buckets; each bucket is a
//! tree of its own. A commit writes changed pages to free places, then the
//! older of the two meta pages, so that at every moment one of them names a
//! complete state. [`ReadTx`] is a snapshot of a commit, [`WriteTx`] the one
//! transaction that writes.
//!
//! Files are read and written with positioned IO through a bounded cache of
//! pages; nothing is mapped. The room knows nothing of what the buckets mean.
//!
//! ```
//! # fn main() -> bolt::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("db");
//! let db = bolt::Db::open(&path, bolt::Options::default())?;
//! let mut tx = db.begin_write()?;
//! tx.create_bucket_if_missing(b"fruit")?;
//! tx.put(b"fruit", b"apple", b"red")?;
//! tx.commit()?;
//!
//! let tx = db.begin_read()?;
//! let fruit = tx.bucket(b"fruit")?.expect("just created");
//! assert_eq!(fruit.get(b"apple")?.as_deref(), Some(&b"red"[..]));
//! assert!(db.check()?.is_empty());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod check;
mod commit;
#[cfg(test)]
mod crash_tests;
mod cursor;
#[cfg(test)]
mod damage_tests;
mod db;
mod disk;
mod error;
#[cfg(test)]
mod fault_disk;
mod format;
mod freelist;
mod node;
mod open_bucket;
mod opening;
mod options;
mod page;
mod pager;
#[cfg(test)]
mod property_tests;
mod read;
#[cfg(test)]
mod referee_tests;
mod scan;
mod spill;
pub mod surgery;
#[cfg(test)]
mod surgery_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod thread_tests;
mod write;

pub use check::{Finding, Passed, Problem, check, check_each};
pub use cursor::{Cursor, Pair};
pub use db::Db;
pub use disk::Disk;
pub use error::{Error, Result};
pub use format::{
    BUCKET_FLAG, BUCKET_HEADER_BYTES, BucketHeader, ELEMENT_BYTES, HEADER_BYTES, MAGIC, META_BYTES,
    Meta, MetaFault, NO_FREELIST, PageHeader, PageKind, VERSION,
};
pub use options::Options;
pub use page::{Damage, Page};
pub use read::{Bucket, ReadTx};
pub use write::{BucketMut, WriteTx};

/// Longest key in bytes (bbolt `bucket.go`).
pub const MAX_KEY_BYTES: usize = 32768;
/// Longest value in bytes (bbolt `bucket.go`).
pub const MAX_VALUE_BYTES: usize = (1 << 31) - 2;
