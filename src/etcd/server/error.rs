//! What a request to the member can fail with. The texts are etcd's
//! (`api/v3rpc/rpctypes/error.go`), because clients compare them.

/// Errors of the member's own; those of the state machine are passed through.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EtcdError {
    /// What the state machine says.
    #[error(transparent)]
    State(#[from] mvcc::Error),
    #[error("etcdserver: no leader")]
    NoLeader,
    #[error("etcdserver: not leader")]
    NotLeader,
    #[error("etcdserver: leader changed")]
    LeaderChanged,
    #[error("etcdserver: server stopped")]
    Stopped,
    #[error("etcdserver: request timed out")]
    Timeout,
    #[error("etcdserver: request timed out, possibly due to previous leader failure")]
    TimeoutDueToLeaderFail,
    #[error("etcdserver: request timed out, possibly due to connection lost")]
    TimeoutDueToConnectionLost,
    #[error("etcdserver: request timed out, leader transfer took too long")]
    TimeoutLeaderTransfer,
    #[error("etcdserver: request timed out, waiting for the applied index took too long")]
    TimeoutWaitAppliedIndex,
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    #[error("etcdserver: request is too large")]
    RequestTooLarge,
    #[error("etcdserver: unhealthy cluster")]
    Unhealthy,
    #[error("etcdserver: corrupt cluster")]
    Corrupt,
    #[error("etcdserver: mvcc: database space exceeded")]
    NoSpace,
    #[error("etcdserver: rpc not supported for learner")]
    NotSupportedForLearner,
    #[error("etcdserver: bad leader transferee")]
    BadLeaderTransferee,
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    #[error("etcdserver: member ID already exist")]
    MemberExists,
    #[error("etcdserver: Peer URLs already exists")]
    PeerUrlExists,
    #[error("etcdserver: re-configuration failed due to not enough started members")]
    NotEnoughStartedMembers,
    #[error("etcdserver: given member URLs are invalid")]
    MemberBadUrls,
    #[error("etcdserver: member not found")]
    MemberNotFound,
    #[error("etcdserver: can only promote a learner member")]
    MemberNotLearner,
    #[error("etcdserver: can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    #[error("etcdserver: too many learner members in cluster")]
    TooManyLearners,
    #[error("etcdserver: cluster version not found during downgrade")]
    ClusterVersionUnavailable,
    #[error("etcdserver: wrong downgrade target version format")]
    WrongDowngradeVersionFormat,
    #[error("etcdserver: invalid downgrade target version")]
    InvalidDowngradeTargetVersion,
    #[error("etcdserver: cluster has a downgrade job in progress")]
    DowngradeInProcess,
    #[error("etcdserver: no inflight downgrade job")]
    NoInflightDowngrade,
    #[error("etcdserver: unknown method")]
    UnknownMethod,
    #[error("etcdserver: not capable")]
    NotCapable,
    /// The sender of a peer message, or this member itself, is no longer in the cluster.
    #[error("the member has been permanently removed from the cluster")]
    Removed,
    /// etcd has no words for clients here and shows what went wrong inside.
    #[error("{0}")]
    Other(String),
    /// A peer could not be asked; the text says which and why.
    #[error("{0}")]
    Peer(String),
    /// The member can't start; the text says what, why and what to do.
    #[error("{0}")]
    Start(String),
    /// The disk or a file in the data directory failed; the text says which.
    #[error("{0}")]
    Storage(String),
}

impl EtcdError {
    /// Why a task gave no answer: it panicked, or the member ends and let it go.
    pub(crate) fn of_task(error: tokio::task::JoinError) -> Self {
        let Ok(panic) = error.try_into_panic() else {
            return Self::Stopped;
        };
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason was given");
        Self::Storage(format!("a task of the member panicked: {text}"))
    }

    /// The gRPC code that etcd answers with.
    pub fn code(&self) -> i32 {
        const UNKNOWN: i32 = 2;
        const INVALID_ARGUMENT: i32 = 3;
        const NOT_FOUND: i32 = 5;
        const RESOURCE_EXHAUSTED: i32 = 8;
        const FAILED_PRECONDITION: i32 = 9;
        const UNAVAILABLE: i32 = 14;
        const DATA_LOSS: i32 = 15;
        match self {
            Self::State(error) => error.code(),
            Self::NoLeader
            | Self::LeaderChanged
            | Self::Stopped
            | Self::Timeout
            | Self::TimeoutDueToLeaderFail
            | Self::TimeoutDueToConnectionLost
            | Self::TimeoutWaitAppliedIndex
            | Self::Unhealthy
            | Self::NotSupportedForLearner
            | Self::ClusterVersionUnavailable
            | Self::NotCapable => UNAVAILABLE,
            Self::NotLeader
            | Self::BadLeaderTransferee
            | Self::MemberExists
            | Self::PeerUrlExists
            | Self::DowngradeInProcess
            | Self::NoInflightDowngrade
            | Self::MemberNotLearner
            | Self::LearnerNotReady
            | Self::TooManyLearners => FAILED_PRECONDITION,
            Self::NoSpace => RESOURCE_EXHAUSTED,
            Self::RequestTooLarge
            | Self::MemberBadUrls
            | Self::WrongDowngradeVersionFormat
            | Self::InvalidDowngradeTargetVersion => INVALID_ARGUMENT,
            Self::LeaseNotFound | Self::MemberNotFound => NOT_FOUND,
            Self::Corrupt => DATA_LOSS,
            // The reference maps the first two to errors without a code.
            Self::NotEnoughStartedMembers
            | Self::TooManyRequests
            | Self::UnknownMethod
            | Self::TimeoutLeaderTransfer
            | Self::Removed
            | Self::Other(_)
            | Self::Peer(_)
            | Self::Start(_)
            | Self::Storage(_) => UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EtcdError;

    #[tokio::test]
    async fn a_panic_of_a_task_is_told() {
        let panicked = tokio::spawn(async { panic!("page {} is gone", 7) }).await;
        assert_eq!(
            EtcdError::of_task(panicked.unwrap_err()).to_string(),
            "a task of the member panicked: page 7 is gone"
        );
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        let gone = task.await.unwrap_err();
        assert!(matches!(EtcdError::of_task(gone), EtcdError::Stopped));
    }
}
