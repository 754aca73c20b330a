//! A client of an API server for programs that run for long: one HTTP/2 connection
//! that is made again when it breaks, JSON in and out, and watches.
//!
//! What it never does: cache, retry a request, or know a kind.
#![forbid(unsafe_code)]

mod access;
mod client;
mod watch;

use http::StatusCode;
use serde_json::Value;

pub use access::Access;
pub use client::{Client, Patch};
pub use watch::{Event, Watch};

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig, or a file that it names, can't be used.
    #[error("{file}: {reason}")]
    Config { file: String, reason: String },
    /// There is no connection to the server, in Go's words (see the room `gowords`).
    #[error("{why}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// `dial tcp 10.0.0.1:6443: connect: connection refused`
        why: String,
    },
    /// The connection broke, or what came over it makes no sense.
    #[error("{0}")]
    Connection(String),
    /// The server refused; with its Status object, if it sent one.
    #[error("{}", refusal(*code, status))]
    Status {
        code: StatusCode,
        status: Box<Value>,
    },
}

fn refusal(code: StatusCode, status: &Value) -> String {
    match status["message"].as_str() {
        Some(message) => message.to_owned(),
        None => format!("the server answered {code}"),
    }
}

impl Error {
    /// The HTTP status, if the server answered.
    pub fn code(&self) -> Option<StatusCode> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }

    pub fn is_not_found(&self) -> bool {
        self.code() == Some(StatusCode::NOT_FOUND)
    }

    pub fn is_conflict(&self) -> bool {
        self.code() == Some(StatusCode::CONFLICT)
    }

    /// The watch's revision is no longer known; list again.
    pub fn is_gone(&self) -> bool {
        self.code() == Some(StatusCode::GONE)
    }
}
