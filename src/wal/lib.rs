//! etcd's write-ahead log and raft snapshot files.
//!
//! * A log is a directory of segments `<seq>-<first index>.wal` (both 16 hex digits).
//!   A segment is a run of 8-byte aligned frames, each a `walpb.Record`; a CRC-32C
//!   runs through all records of all segments. [`Wal`] appends, [`read_all`] reads.
//! * A snapshot file `<term>-<index>.snap` is a `snappb.snapshot` around a
//!   `raftpb.Snapshot` whose data is etcd's v2 store as JSON ([`v2store`]).
//!   [`Snapshotter`] saves and loads them, and the `<index>.snap.db` files beside them.
//!
//! Both formats are those of etcd 3.5.16 (`server/wal`, `server/etcdserver/api/snap`),
//! readable and writable both ways. This room takes no raft decisions and says
//! nothing on a terminal; what it did is in its return values.

#![forbid(unsafe_code)]

mod audit;
mod error;
mod files;
mod frame;
mod log;
mod name;
mod read;
mod snap;
pub mod v2store;

pub use audit::{Audit, Damage, audit};
pub use error::Error;
pub use frame::records;
pub use log::{Options, SEGMENT_BYTES, Wal};
pub use name::{Segment, segments};
pub use read::{Contents, exists, read_all, repair, valid_snapshot_entries, verify};
pub use snap::{IncomingDb, Snapshotter};

#[cfg(test)]
mod tests;
