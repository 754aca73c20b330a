//! Errors of calls, worded as the reference's client words them.

use tonic::Code;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    /// gRPC's status.
    pub code: Code,
    /// The server's sentence, or ours when no server answered.
    pub message: String,
    /// The caller's own deadline has passed.
    pub expired: bool,
}

/// Sentences of `api/v3rpc/rpctypes/error.go` that don't begin with
/// [`PREFIX`] don't exist; those that do are shown without gRPC's wrapping.
const PREFIX: &str = "etcdserver: ";

/// A sentence that has gRPC's wrapping already: why a watch was refused.
const WRAPPED: &str = "rpc error: ";

impl RpcError {
    /// The caller's deadline passed; `reason` is what stood in the way.
    pub fn deadline(reason: impl Into<String>) -> Self {
        Self {
            code: Code::DeadlineExceeded,
            message: reason.into(),
            expired: true,
        }
    }

    /// A connection broke during the call.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self {
            code: Code::Unavailable,
            message: reason.into(),
            expired: false,
        }
    }

    /// Whether the sentence is one of the server's own errors.
    pub fn is_etcd(&self) -> bool {
        self.message.starts_with(PREFIX)
    }

    /// Whether a deadline or a cancellation ended the call.
    pub fn is_context(&self) -> bool {
        matches!(self.code, Code::DeadlineExceeded | Code::Cancelled)
    }

    /// Whether the same may succeed a moment later on another connection.
    pub fn is_passing(&self) -> bool {
        !self.expired && matches!(self.code, Code::Unavailable | Code::Internal)
    }

    /// With gRPC's wrapping, as log lines show it.
    pub fn wrapped(&self) -> String {
        format!(
            "rpc error: code = {} desc = {}",
            code_name(self.code),
            self.message
        )
    }

    /// A problem of the answer's transport, as tonic reports it.
    pub fn from_status(status: &tonic::Status) -> Self {
        use std::error::Error as _;
        if status.source().is_some() {
            return Self::unavailable("error reading from server: EOF");
        }
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            expired: false,
        }
    }
}

/// What people read: the server's sentence, or `context deadline exceeded`, or
/// gRPC's wrapping of anything else.
impl std::fmt::Display for RpcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_etcd() || self.message.starts_with(WRAPPED) {
            f.write_str(&self.message)
        } else if self.expired && self.is_context() {
            f.write_str("context deadline exceeded")
        } else {
            f.write_str(&self.wrapped())
        }
    }
}

impl std::error::Error for RpcError {}

/// Go's names of the codes.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
