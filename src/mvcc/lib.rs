//! The replicated state machine of one etcd 3.5 member, over a bolt file:
//! revisions, key index, compaction, watches, leases, alarms, members.
//!
//! No sockets, no threads, no clock, no randomness: what happens is a function of
//! the state, the log entry and the time that the caller gives. Disk is reached
//! through [`bolt`] only.
#![forbid(unsafe_code)]

mod config;
mod error;
mod membership;
mod store;
mod watch;

pub use config::{Applied, Config, KvHash, Millis, Response};
pub use error::{Error, Result};
pub use membership::{
    ConfChanged, Context, Downgrade, Member, Membership, cluster_id, member_from_json, member_id,
    member_to_json,
};
pub use store::{
    Renewed, Store, check_delete_range_request, check_put_request, check_range_request,
    check_txn_request, hash_db, is_read_only, is_serializable, min_lease_ttl, request_cost,
};
pub use watch::{Wake, WatchEvents, WatchStream};
