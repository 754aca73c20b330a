//! The bbolt file format: pages, B+tree, transactions, check and surgery.
#![forbid(unsafe_code)]

mod api;
mod error;
mod options;

pub use api::*;
pub use error::{Error, Result};
pub use options::Options;

/// Longest key in bytes (bbolt `bucket.go`).
pub const MAX_KEY_BYTES: usize = 32768;
/// Longest value in bytes (bbolt `bucket.go`).
pub const MAX_VALUE_BYTES: usize = (1 << 31) - 2;
