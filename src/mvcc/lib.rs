//! The replicated state machine of one etcd 3.5 member, over a bolt file:
//! revisions, key index, compaction, watches, leases, alarms, users and roles, members.
//!
//! No sockets, no threads, no clock, no randomness: what happens is a function of
//! the state, the log entry and the time that the caller gives. Disk is reached
//! through [`bolt`] only, but for the renaming of a defragmented file.
//!
//! How the parts fit: `apply` takes an entry under the one lock of `state` and writes
//! through a `writer`, so that a transaction is seen whole or not at all. Stored
//! values go into a `batch` that gathers in memory; `maintain` writes it into the
//! database file while applying and reading go on, and the log makes up for what a
//! crash takes. A reader finds revisions in the `index` and values in a `view` (the
//! batch that gathers, the one on its way, the file) under the lock, and reads from the
//! file without it. The consistent index is in the same commit as the writes it counts.
#![forbid(unsafe_code)]

mod alarm;
mod apply;
mod apply_v2;
mod auth;
mod batch;
mod bucket;
mod check;
mod compaction;
mod config;
mod error;
mod index;
mod keep;
mod key_index;
mod kv_hash;
mod lease;
mod maintain;
mod membership;
mod open;
mod quota;
mod revision;
mod state;
mod store;
mod tally;
mod txn;
pub mod v2;
mod view;
mod watch;
mod writer;

#[cfg(test)]
mod store_tests;

pub use auth::{AuthInfo, TokenChange};
pub use check::{
    check_delete_range_request, check_put_request, check_range_request, check_txn_request,
};
pub use config::{Applied, Config, Counts, KvHash, Millis, Response};
pub use error::{Error, Result};
pub use kv_hash::hash_db;
pub use lease::{Renewed, min_lease_ttl};
pub use membership::{
    ConfChanged, Context, Downgrade, Member, Membership, cluster_id, member_from_json, member_id,
    member_to_json,
};
pub use quota::{is_read_only, is_serializable, request_cost};
pub use store::Store;
pub use tally::Operations;
pub use watch::{Wake, WatchEvents, WatchStream};
