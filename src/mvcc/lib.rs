//! The replicated state machine of one etcd 3.5 member, over a bolt file:
//! revisions, key index, compaction, watches, leases, alarms, members.
//!
//! No sockets, no threads, no clock, no randomness: what happens is a function of
//! the state, the log entry and the time that the caller gives. Disk is reached
//! through [`bolt`] only.
#![forbid(unsafe_code)]

mod alarm;
mod apply;
mod batch;
mod bucket;
mod check;
mod compaction;
mod config;
mod error;
mod index;
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
mod txn;
mod view;
mod watch;
mod writer;

#[cfg(test)]
mod store_tests;

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
pub use watch::{Wake, WatchEvents, WatchStream};
