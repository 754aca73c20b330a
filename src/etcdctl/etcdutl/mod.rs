//! `etcdutl`'s work on data directories beside snapshots: copying one, hashing one,
//! migrating one, finding out what is wrong with one.

pub mod backup;
pub mod check;
pub mod hashkv;
pub mod migrate;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bolt::{Db, Options};

/// How long a database may be locked by another before it counts as in use.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why work on a data directory stopped.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// A member runs on it.
    #[error("{} is in use by a running etcd; stop it first", .0.display())]
    InUse(PathBuf),
    /// The database can't be read or written.
    #[error("{}: {reason}", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The log or a raft snapshot can't be read or written.
    #[error(transparent)]
    Log(#[from] wal::Error),
    /// A file operation failed.
    #[error("{}", crate::go::os::path_error(.operation, .path, .source))]
    File {
        /// Go's name of the operation.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else, as a sentence.
    #[error("{0}")]
    Other(String),
}

impl OfflineError {
    fn database(path: &Path) -> impl Fn(bolt::Error) -> Self {
        move |error| match error {
            bolt::Error::LockTimeout { .. } => Self::InUse(path.to_owned()),
            error => Self::Database {
                path: path.to_owned(),
                reason: error
                    .reference_text()
                    .map_or_else(|| error.to_string(), str::to_owned),
            },
        }
    }

    fn file(operation: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::File {
            operation,
            path: path.to_owned(),
            source,
        }
    }
}

/// `DIR/member/snap`.
fn snap_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("member").join("snap")
}

/// `DIR/member/wal`.
fn wal_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("member").join("wal")
}

/// `DIR/member/snap/db`.
fn database_file(data_dir: &Path) -> PathBuf {
    snap_dir(data_dir).join("db")
}

/// Opens a database that nobody uses.
fn open(path: &Path, read_only: bool) -> Result<Db, OfflineError> {
    // bbolt would make a database of a file that is not there.
    std::fs::metadata(path).map_err(OfflineError::file("open", path))?;
    let options = Options {
        read_only,
        lock_timeout: Some(PATIENCE),
        ..Options::default()
    };
    Db::open(path, options).map_err(OfflineError::database(path))
}
