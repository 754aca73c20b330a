//! What goes wrong with snapshots; the texts are the reference's where it has one.

use std::io;
use std::path::{Path, PathBuf};

use crate::go::os;
use crate::go::quote::quote;
use crate::urls::UrlError;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file operation failed.
    #[error("{}", os::path_error(.operation, .path, .source))]
    File {
        /// Go's name of the operation.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The snapshot's temporary file can't be made.
    #[error("could not open {} ({})", .path.display(), os::path_error("open", .path, .source))]
    Part {
        /// The temporary file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The finished file can't be put in its place.
    #[error("could not rename {} to {} (rename {} {}: {})", .from.display(), .to.display(), .from.display(), .to.display(), gowords::errno(.source))]
    Rename {
        /// The temporary file.
        from: PathBuf,
        /// Where it should go.
        to: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More than one endpoint was named.
    #[error("snapshot must be requested to one selected node, not multiple [{}]", .0.join(" "))]
    Endpoints(Vec<String>),
    /// The member could not be asked, or stopped answering.
    #[error("{0}")]
    Call(String),
    /// What came has no hash at its end.
    #[error("sha256 checksum not found [bytes: {0}]")]
    NoHash(u64),
    /// The file has no hash at its end and nobody said that this is right.
    #[error("snapshot missing hash but --skip-hash-check=false")]
    MissingHash,
    /// The hash at the end is not the hash of what stands before it.
    #[error("expected sha256 {}, got {}", bytes(.expected), bytes(.got))]
    WrongHash {
        /// At the end of the file.
        expected: Vec<u8>,
        /// Of the file.
        got: Vec<u8>,
    },
    /// Something is in the data directory already.
    #[error("data-dir {} not empty or could not be read", quote(.0.as_os_str().as_encoded_bytes()))]
    DataDir(PathBuf),
    /// The log's directory is there already.
    #[error("wal-dir {} exists", quote(.0.as_os_str().as_encoded_bytes()))]
    WalDir(PathBuf),
    /// A URL that no member can have.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The member's name isn't in `--initial-cluster`.
    #[error("couldn't find local name {} in the initial cluster configuration", quote(.0.as_bytes()))]
    Name(String),
    /// Two members have the same URL.
    #[error("initial cluster {0} has duplicate url")]
    DuplicateUrl(String),
    /// Two members have the same ID.
    #[error("{0}")]
    Cluster(String),
    /// The member's URLs there and here differ.
    #[error("{0}")]
    Advertised(String),
    /// An empty file, which the reference tries to make a database of.
    #[error("write {}: bad file descriptor", .0.display())]
    Empty(PathBuf),
    /// The database is damaged.
    #[error("snapshot file integrity check failed. {} errors found.\n{}", .0.len(), .0.join("\n"))]
    Damaged(Vec<String>),
    /// The database can't be read or written.
    #[error("{0}")]
    Database(String),
    /// The log or the snapshot file can't be written.
    #[error("{0}")]
    Log(String),
}

impl SnapshotError {
    /// A failure of the engine, in bbolt's words where it has some.
    pub fn database(error: bolt::Error) -> Self {
        Self::Database(match error.reference_text() {
            Some(text) => text.to_owned(),
            None => error.to_string(),
        })
    }

    /// A failed file operation.
    pub fn file(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            operation,
            path: path.to_owned(),
            source,
        }
    }
}

/// A slice of bytes as Go's `%v` prints it: `[1 2 3]`.
fn bytes(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", numbers.join(" "))
}
