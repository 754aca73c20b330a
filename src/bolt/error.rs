//! What can go wrong with a bolt file, and which page of which file it was.

use std::io;
use std::sync::Arc;

/// The result of everything in this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the bolt engine. Its text says what happened, where and what
/// was expected; [`Error::reference_text`] gives the words bbolt uses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a read, a write, a sync or an open.
    #[error("{file}: could not {action}: {source}")]
    Io {
        /// The file.
        file: Arc<str>,
        /// What was being done, as a verb phrase.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A page does not hold what the format demands.
    #[error("{file}: page {page} is damaged: expected {expected}, found {found}")]
    Corrupt {
        /// The file.
        file: Arc<str>,
        /// The page on which the damage was noticed.
        page: u64,
        /// What the format demands.
        expected: String,
        /// What is there instead.
        found: String,
    },
    /// Neither meta page can be used (bbolt: `invalid database`).
    #[error("{file}: invalid database: {detail}")]
    Invalid {
        /// The file.
        file: Arc<str>,
        /// What is wrong with each meta page.
        detail: String,
    },
    /// The file is of another format version (bbolt: `version mismatch`).
    #[error("{file}: version mismatch: expected format version 2, found {found}")]
    VersionMismatch {
        /// The file.
        file: Arc<str>,
        /// The version that the meta page names.
        found: u32,
    },
    /// Both meta pages fail their checksum (bbolt: `checksum error`).
    #[error("{file}: checksum error: both meta pages fail their checksum ({detail})")]
    Checksum {
        /// The file.
        file: Arc<str>,
        /// The stored and the computed sums.
        detail: String,
    },
    /// Another process holds the lock on the file (bbolt: `timeout`).
    #[error("{file}: timeout: another process has the database open and locked")]
    LockTimeout {
        /// The file.
        file: Arc<str>,
    },
    /// A write was asked of a database opened read-only.
    #[error("{file}: database is in read-only mode")]
    ReadOnly {
        /// The file.
        file: Arc<str>,
    },
    /// The database was closed.
    #[error("{file}: database not open")]
    Closed {
        /// The file.
        file: Arc<str>,
    },
    /// An earlier commit failed at a point after which nobody can know what
    /// the disk holds; the file has to be opened again.
    #[error(
        "{file}: an earlier commit could not be made durable, so no more writes are taken; open the database again"
    )]
    Poisoned {
        /// The file.
        file: Arc<str>,
    },
    /// No bucket of that name.
    #[error("bucket not found: {name}")]
    BucketNotFound {
        /// The bucket's name, printable.
        name: String,
    },
    /// The bucket is there already.
    #[error("bucket already exists: {name}")]
    BucketExists {
        /// The bucket's name, printable.
        name: String,
    },
    /// A bucket needs a name of at least one byte.
    #[error("bucket name required")]
    BucketNameRequired,
    /// A key needs at least one byte.
    #[error("key required")]
    KeyRequired,
    /// The key is longer than [`crate::MAX_KEY_BYTES`].
    #[error("key too large: {len} bytes, at most 32768 are allowed")]
    KeyTooLarge {
        /// Length of the key in bytes.
        len: usize,
    },
    /// The value is longer than [`crate::MAX_VALUE_BYTES`].
    #[error("value too large: {len} bytes, at most 2147483646 are allowed")]
    ValueTooLarge {
        /// Length of the value in bytes.
        len: usize,
    },
    /// A bucket was used as a key, or a key as a bucket.
    #[error("incompatible value: {name} {found}")]
    IncompatibleValue {
        /// The key, printable.
        name: String,
        /// What it is: `is a bucket` or `is not a bucket`.
        found: &'static str,
    },
    /// An option or argument makes no sense.
    #[error("{what}")]
    Argument {
        /// What is wrong and what would be right.
        what: String,
    },
}

impl Error {
    /// The text of the error that bbolt 1.3 returns in the same situation
    /// (bbolt `errors.go`), for programs whose output must equal the
    /// reference's. `None` where bbolt panics or passes a system error on.
    pub fn reference_text(&self) -> Option<&'static str> {
        Some(match self {
            Error::Invalid { .. } => "invalid database",
            Error::VersionMismatch { .. } => "version mismatch",
            Error::Checksum { .. } => "checksum error",
            Error::LockTimeout { .. } => "timeout",
            Error::ReadOnly { .. } => "database is in read-only mode",
            Error::Closed { .. } => "database not open",
            Error::BucketNotFound { .. } => "bucket not found",
            Error::BucketExists { .. } => "bucket already exists",
            Error::BucketNameRequired => "bucket name required",
            Error::KeyRequired => "key required",
            Error::KeyTooLarge { .. } => "key too large",
            Error::ValueTooLarge { .. } => "value too large",
            Error::IncompatibleValue { .. } => "incompatible value",
            _ => return None,
        })
    }

    /// The page on which damage was noticed, if that is what happened.
    pub fn page(&self) -> Option<u64> {
        match self {
            Error::Corrupt { page, .. } => Some(*page),
            _ => None,
        }
    }
}

/// Bytes of a key as people can read them: text as it is, anything else in hex.
pub(crate) fn printable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => hex(bytes),
    }
}

/// Lower-case hex, two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
