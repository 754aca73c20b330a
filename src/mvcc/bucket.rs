//! The buckets and keys of etcd 3.5's database (`mvcc/buckets/bucket.go`,
//! `auth/store.go`, `api/membership/store.go`).

pub(crate) const KEY: &[u8] = b"key";
pub(crate) const META: &[u8] = b"meta";
pub(crate) const LEASE: &[u8] = b"lease";
pub(crate) const ALARM: &[u8] = b"alarm";
pub(crate) const CLUSTER: &[u8] = b"cluster";
pub(crate) const MEMBERS: &[u8] = b"members";
pub(crate) const MEMBERS_REMOVED: &[u8] = b"members_removed";
pub(crate) const AUTH: &[u8] = b"auth";
pub(crate) const AUTH_USERS: &[u8] = b"authUsers";
pub(crate) const AUTH_ROLES: &[u8] = b"authRoles";

/// What a member makes when it starts.
pub(crate) const ALL: [&[u8]; 10] = [
    KEY,
    META,
    LEASE,
    ALARM,
    CLUSTER,
    MEMBERS,
    MEMBERS_REMOVED,
    AUTH,
    AUTH_USERS,
    AUTH_ROLES,
];

// Keys of `meta`.
pub(crate) const CONSISTENT_INDEX: &[u8] = b"consistent_index";
pub(crate) const TERM: &[u8] = b"term";
pub(crate) const CONF_STATE: &[u8] = b"confState";
pub(crate) const SCHEDULED_COMPACT: &[u8] = b"scheduledCompactRev";
pub(crate) const FINISHED_COMPACT: &[u8] = b"finishedCompactRev";

// Keys of `cluster`.
pub(crate) const CLUSTER_VERSION: &[u8] = b"clusterVersion";
pub(crate) const DOWNGRADE: &[u8] = b"downgrade";

// Keys of `auth`.
pub(crate) const AUTH_REVISION: &[u8] = b"authRevision";
pub(crate) const AUTH_ENABLED: &[u8] = b"authEnabled";

/// How full the pages of `key` are left: its keys only ever grow
/// (`mvcc/backend/batch_tx.go`).
pub(crate) const KEY_FILL: f64 = 0.9;

/// What a removed member's key in `members_removed` holds.
pub(crate) const REMOVED: &[u8] = b"removed";
