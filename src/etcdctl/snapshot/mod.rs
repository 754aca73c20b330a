//! Snapshots: fetching one, looking into one, making a data directory of one.
//! The offline parts are shared by `etcdctl` and `etcdutl`.

mod cluster;
mod copy;
mod defrag;
mod error;
mod restore;
mod save;
mod status;

pub use defrag::defragment;
pub use restore::{RestoreOptions, restore};
pub use save::save;
pub use status::{StatusFormat, status};

/// Bytes of the SHA-256 at the end of a snapshot.
const HASH_LENGTH: u64 = 32;

/// Whether a file of that length ends with a hash: pages are multiples of 512.
fn has_hash(length: u64) -> bool {
    length % 512 == HASH_LENGTH
}
