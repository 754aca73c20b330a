//! How a store is set up.

use std::sync::Arc;

use wire::etcdserverpb as pb;

use crate::v2;

/// A point of a clock that never goes back, in milliseconds. The caller owns
/// the clock; the store only compares.
pub type Millis = u64;

/// How a store is set up. The default is what an etcd 3.5 member uses.
#[derive(Clone, Debug)]
pub struct Config {
    /// Largest size of the database file in bytes before writes answer that the
    /// space is exceeded. 0 means 2 GiB (etcd's default), less than 0 no limit.
    pub quota_bytes: i64,
    /// Shortest time to live of a lease in seconds; shorter requests are
    /// raised to it. See [`crate::min_lease_ttl`].
    pub min_lease_ttl: i64,
    /// How many writes may gather before [`Applied::batch_full`] is set.
    /// 0 means 10 000.
    pub batch_limit: usize,
    /// How many revisions one [`crate::Store::compact_step`] looks at. 0 means 1000.
    pub compaction_batch: usize,
    /// How often the remaining time of a long lease is put into the log, in
    /// milliseconds; `None` (etcd's default) for never.
    pub lease_checkpoint_interval: Option<Millis>,
    /// Write the checkpoints to the database too.
    pub lease_checkpoint_persist: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            quota_bytes: 0,
            min_lease_ttl: 2,
            batch_limit: 0,
            compaction_batch: 0,
            lease_checkpoint_interval: None,
            lease_checkpoint_persist: false,
        }
    }
}

/// What became of a log entry.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The answer to whoever asked. Headers hold only the revision; the server
    /// fills in cluster, member and term. An error with
    /// [`crate::Error::is_fatal`] must stop the member.
    pub response: crate::Result<Response>,
    /// The database has outgrown its quota and no alarm says so yet: the server
    /// must put the NOSPACE alarm of this member into the log.
    pub raise_nospace: bool,
    /// So many writes have gathered that [`crate::Store::commit`] should run now.
    pub batch_full: bool,
    /// A compaction was scheduled: [`crate::Store::compact_step`] has work.
    pub compaction_scheduled: bool,
    /// What it means for the tokens that the server keeps.
    pub tokens: Option<crate::TokenChange>,
}

/// The answer to a request that went through the log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Response {
    /// Requests that answer with nothing (cluster version, member attributes, …)
    /// and entries that had been applied before.
    None,
    Range(pb::RangeResponse),
    Put(pb::PutResponse),
    DeleteRange(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Compaction(pb::CompactionResponse),
    LeaseGrant(pb::LeaseGrantResponse),
    LeaseRevoke(pb::LeaseRevokeResponse),
    LeaseCheckpoint(pb::LeaseCheckpointResponse),
    Alarm(pb::AlarmResponse),
    /// The token is a simple one; a server with other tokens puts its own in its place.
    Authenticate(pb::AuthenticateResponse),
    AuthEnable(pb::AuthEnableResponse),
    AuthDisable(pb::AuthDisableResponse),
    AuthStatus(pb::AuthStatusResponse),
    UserAdd(pb::AuthUserAddResponse),
    UserDelete(pb::AuthUserDeleteResponse),
    UserChangePassword(pb::AuthUserChangePasswordResponse),
    UserGrantRole(pb::AuthUserGrantRoleResponse),
    UserRevokeRole(pb::AuthUserRevokeRoleResponse),
    UserGet(pb::AuthUserGetResponse),
    UserList(pb::AuthUserListResponse),
    RoleAdd(pb::AuthRoleAddResponse),
    RoleDelete(pb::AuthRoleDeleteResponse),
    RoleGrantPermission(pb::AuthRoleGrantPermissionResponse),
    RoleRevokePermission(pb::AuthRoleRevokePermissionResponse),
    RoleGet(pb::AuthRoleGetResponse),
    RoleList(pb::AuthRoleListResponse),
    /// What a request of the v2 API did, or why it was refused.
    V2(Result<Arc<v2::Event>, v2::Error>),
}

/// How much there is of what, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys in the index, those that were deleted and not compacted included.
    pub keys: usize,
    /// Leases.
    pub leases: usize,
    /// Streams of watches.
    pub watch_streams: usize,
    /// Watches.
    pub watches: usize,
    /// Watches that have not seen everything yet.
    pub lagging_watches: usize,
}

/// What [`crate::Store::hash_kv`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvHash {
    /// CRC32C over the revisions.
    pub hash: u32,
    /// The compaction that the hash takes into account; -1 for none.
    pub compact_revision: i64,
    /// The newest revision that is hashed.
    pub revision: i64,
}
