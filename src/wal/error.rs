//! What can be wrong with a log or a snapshot file.

use std::{io, path::PathBuf};

/// Where etcd has a text for it, the text is etcd's (`server/wal/wal.go`,
/// `walpb/record.go`, `snap/snapshotter.go`), because operators search for it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no.
    #[error("{action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A log is already there.
    #[error("file already exists")]
    Exists,
    /// No segment holds the wanted index, or a segment is missing from the sequence.
    #[error("wal: file not found")]
    FileNotFound,
    /// Segments name different members or clusters.
    #[error("wal: conflicting metadata found")]
    MetadataConflict,
    /// A segment does not continue the one before it.
    #[error("wal: crc mismatch")]
    CrcMismatch,
    /// A record's bytes are not those that were written.
    #[error("walpb: crc mismatch")]
    RecordCrcMismatch,
    /// The log has a snapshot at the wanted index but of another term.
    #[error("wal: snapshot mismatch")]
    SnapshotMismatch,
    /// The log has no record of the wanted snapshot.
    #[error("wal: snapshot not found")]
    SnapshotNotFound,
    /// An entry's index leaves a gap.
    #[error("wal: slice bounds out of range")]
    SliceOutOfRange,
    /// A record of a type that nobody writes.
    #[error("unexpected block type {0}")]
    UnexpectedType(i64),
    /// The tail of the last segment was torn by a crash; [`crate::repair`] mends that.
    #[error("unexpected EOF")]
    UnexpectedEof,
    /// A record, entry or snapshot that is not the protobuf message it should be.
    #[error("{what} in {}: {source}", path.display())]
    Decode {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: prost::DecodeError,
    },
    /// Another process has the segment open for writing.
    #[error("fileutil: file already locked")]
    Locked,
    /// There is no usable snapshot file.
    #[error("snap: no available snapshot")]
    NoSnapshot,
    /// A snapshot file with nothing in it.
    #[error("snap: empty snapshot")]
    EmptySnapshot,
    /// A snapshot file whose bytes are not those that were written.
    #[error("snap: crc mismatch")]
    SnapshotCrcMismatch,
    /// The db file that belongs to a snapshot is not there.
    #[error("snap: snapshot file doesn't exist")]
    NoDbSnapshot,
    /// A v2 store document that can't be understood.
    #[error("the v2 store in a snapshot can't be read: {0}")]
    V2Store(String),
}

/// `Result` of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}
