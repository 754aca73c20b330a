//! What a request to the state machine can fail with.

use std::sync::Arc;

/// The result of everything in this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the state machine. The texts are those that etcd's clients see
/// (`api/v3rpc/rpctypes/error.go`, 3.5.16); [`Error::code`] gives the gRPC code
/// that goes with each.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    #[error("etcdserver: key not found")]
    KeyNotFound,
    #[error("etcdserver: value is provided")]
    ValueProvided,
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    #[error("etcdserver: too many operations in txn request")]
    TooManyOps,
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision,
    #[error("etcdserver: mvcc: database space exceeded")]
    NoSpace,
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    #[error("etcdserver: lease already exists")]
    LeaseExists,
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
    /// This member does not keep the leases' clocks; ask the leader.
    #[error("etcdserver: not leader")]
    NotPrimary,
    #[error("etcdserver: member ID already exist")]
    MemberExists,
    #[error("etcdserver: Peer URLs already exists")]
    PeerUrlExists,
    #[error("etcdserver: member not found")]
    MemberNotFound,
    #[error("etcdserver: can only promote a learner member")]
    MemberNotLearner,
    #[error("etcdserver: too many learner members in cluster")]
    TooManyLearners,
    #[error("etcdserver: corrupt cluster")]
    Corrupt,
    #[error("etcdserver: authentication is not enabled")]
    AuthNotEnabled,
    #[error("etcdserver: root user does not exist")]
    RootUserNotExist,
    #[error("etcdserver: root user does not have root role")]
    RootRoleNotExist,
    #[error("etcdserver: user name already exists")]
    UserExists,
    #[error("etcdserver: user name is empty")]
    UserEmpty,
    #[error("etcdserver: user name not found")]
    UserNotFound,
    #[error("etcdserver: role name already exists")]
    RoleExists,
    #[error("etcdserver: role name not found")]
    RoleNotFound,
    #[error("etcdserver: role name is empty")]
    RoleEmpty,
    #[error("etcdserver: authentication failed, invalid user ID or password")]
    AuthFailed,
    /// etcd has no text for clients here and shows its own.
    #[error("auth: authentication failed, password was given for no password user")]
    NoPasswordUser,
    #[error("etcdserver: permission not given")]
    PermissionNotGiven,
    #[error("etcdserver: permission denied")]
    PermissionDenied,
    #[error("etcdserver: role is not granted to the user")]
    RoleNotGranted,
    #[error("etcdserver: permission is not granted to the role")]
    PermissionNotGranted,
    #[error("etcdserver: invalid auth token")]
    InvalidAuthToken,
    #[error("etcdserver: invalid auth management")]
    InvalidAuthManagement,
    #[error("etcdserver: revision of auth store is old")]
    AuthOldRevision,
    /// A watch range that holds nothing (`mvcc/watcher.go`).
    #[error("mvcc: watcher range is empty")]
    WatchRangeEmpty,
    /// The stream has a watch of that id already (`mvcc/watcher.go`).
    #[error("mvcc: duplicate watch ID provided on the WatchStream")]
    WatchIdExists,
    /// Something of etcd that is not built here; the text names it.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// A log entry that does not hold what its kind demands.
    #[error("log entry {index} can't be applied: {detail}")]
    BadEntry {
        /// Index of the entry in the log.
        index: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// The database holds something that the keyspace never writes.
    #[error("{0}")]
    Damaged(String),
    /// Maintenance could not be done; the member goes on as before.
    #[error("{0}")]
    Unavailable(String),
    /// The database file failed; the member can't go on.
    #[error("the database can't be used: {0}")]
    Backend(Arc<bolt::Error>),
}

impl Error {
    /// The number of the gRPC code that etcd answers with.
    pub fn code(&self) -> i32 {
        match self {
            Error::EmptyKey
            | Error::KeyNotFound
            | Error::ValueProvided
            | Error::LeaseProvided
            | Error::TooManyOps
            | Error::DuplicateKey
            | Error::UserEmpty
            | Error::RoleEmpty
            | Error::AuthFailed
            | Error::PermissionNotGiven
            | Error::InvalidAuthManagement
            | Error::AuthOldRevision => 3,
            Error::PermissionDenied => 7,
            Error::InvalidAuthToken => 16,
            Error::Compacted | Error::FutureRevision | Error::LeaseTtlTooLarge => 11,
            Error::NoSpace => 8,
            Error::LeaseNotFound | Error::MemberNotFound => 5,
            Error::LeaseExists
            | Error::NotPrimary
            | Error::MemberExists
            | Error::PeerUrlExists
            | Error::MemberNotLearner
            | Error::TooManyLearners
            | Error::RootUserNotExist
            | Error::RootRoleNotExist
            | Error::UserExists
            | Error::UserNotFound
            | Error::RoleExists
            | Error::RoleNotFound
            | Error::RoleNotGranted
            | Error::PermissionNotGranted
            | Error::AuthNotEnabled => 9,
            Error::Corrupt | Error::Damaged(_) => 15,
            Error::Unsupported(_) => 12,
            Error::Unavailable(_) => 14,
            Error::WatchRangeEmpty | Error::WatchIdExists | Error::NoPasswordUser => 2,
            Error::BadEntry { .. } | Error::Backend(_) => 13,
        }
    }

    /// True if the member must stop: its state can't be trusted or written any more.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Error::Backend(_) | Error::Damaged(_) | Error::BadEntry { .. }
        )
    }
}

impl From<bolt::Error> for Error {
    fn from(error: bolt::Error) -> Self {
        Error::Backend(Arc::new(error))
    }
}
