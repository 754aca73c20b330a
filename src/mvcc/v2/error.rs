//! What a request of the v2 API can fail with (`api/v2error/error.go`).

use serde::{Deserialize, Serialize};

/// The kinds of failure that etcd 3.5 can still answer with, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    KeyNotFound = 100,
    TestFailed = 101,
    NotFile = 102,
    NotDir = 104,
    NodeExist = 105,
    RootReadOnly = 107,
    DirNotEmpty = 108,
    Unauthorized = 110,
    PrevValueRequired = 201,
    TtlNotANumber = 202,
    IndexNotANumber = 203,
    InvalidField = 209,
    InvalidForm = 210,
    RefreshValue = 211,
    RefreshTtlRequired = 212,
    RaftInternal = 300,
    EventIndexCleared = 401,
}

impl Code {
    /// The sentence that goes with the number.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::KeyNotFound => "Key not found",
            Self::TestFailed => "Compare failed",
            Self::NotFile => "Not a file",
            Self::NotDir => "Not a directory",
            Self::NodeExist => "Key already exists",
            Self::RootReadOnly => "Root is read only",
            Self::DirNotEmpty => "Directory not empty",
            Self::Unauthorized => "The request requires user authentication",
            Self::PrevValueRequired => "PrevValue is Required in POST form",
            Self::TtlNotANumber => "The given TTL in POST form is not a number",
            Self::IndexNotANumber => "The given index in POST form is not a number",
            Self::InvalidField => "Invalid field",
            Self::InvalidForm => "Invalid POST form",
            Self::RefreshValue => "Value provided on refresh",
            Self::RefreshTtlRequired => "A TTL must be provided on refresh",
            Self::RaftInternal => "Raft Internal Error",
            Self::EventIndexCleared => "The event in requested index is outdated and cleared",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::KeyNotFound => 404,
            Self::NotFile | Self::DirNotEmpty => 403,
            Self::Unauthorized => 401,
            Self::TestFailed | Self::NodeExist => 412,
            Self::RaftInternal => 500,
            _ => 400,
        }
    }
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} ({cause})", code.message())]
pub struct Error {
    /// What kind of failure.
    pub code: Code,
    /// The path or the comparison that failed; may be empty.
    pub cause: String,
    /// The store's count of changes when it failed; 0 if the store was not asked.
    pub index: u64,
}

/// The body of the answer.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    #[serde(rename = "errorCode")]
    code: u16,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cause: &'a str,
    index: u64,
}

impl Error {
    /// A failure at this count of changes.
    #[must_use]
    pub fn new(code: Code, cause: impl Into<String>, index: u64) -> Self {
        Self {
            code,
            cause: cause.into(),
            index,
        }
    }

    /// The JSON that a client is sent, without a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        super::as_go(&Body {
            code: self.code as u16,
            message: self.code.message(),
            cause: &self.cause,
            index: self.index,
        })
    }
}
