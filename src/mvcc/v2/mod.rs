//! The store of etcd's v2 API: a tree of keys and directories with times to live, one
//! count of all changes, and the last thousand events
//! (`server/etcdserver/api/v2store`, 3.5.16).
//!
//! It lives in memory, outside the database file: it is rebuilt at start from the data of
//! the raft snapshot, which [`Store::save`] writes, and from the log entries after it.
//! Everything that changes it is an entry, and the time comes with the entry; what the
//! caller's clock says only shows in how long a key has left to live.

mod error;
mod event;
mod history;
mod hub;
mod json;
mod node;
pub mod path;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod write;

pub use error::{Code, Error};
pub use event::{Action, Event, NodeView};
pub use hub::{Taken, Watcher};
pub use json::as_go;
pub use stats::Stats;
pub use store::{Expiry, Store};

/// Nanoseconds since 1970, as log entries carry times.
pub type Nanos = i64;

/// Where the members and the cluster version are kept (`StoreClusterPrefix`).
pub const CLUSTER_PREFIX: &str = "/0";
/// Where the keys of clients are kept (`StoreKeysPrefix`).
pub const KEYS_PREFIX: &str = "/1";
