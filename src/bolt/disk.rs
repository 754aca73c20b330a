//! Where the bytes of a database are: a locked file, or whatever a test puts
//! in its place.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Options, Result};

/// Where the bytes are. Reads and writes are positioned and complete, and
/// may be called from many threads at once.
pub trait Disk: Send + Sync {
    /// Fills `buf` from byte `offset`; an end of file before that is an error.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `data` at byte `offset`.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written so far durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Grows (with zeros) or cuts to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// What messages call it.
    fn name(&self) -> String {
        "(database)".to_owned()
    }
    /// True when the length is 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Gives the file lock back, when the database is closed.
    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file, locked as bbolt locks it (`bolt_unix.go`): exclusively for
/// writers, shared for readers.
pub(crate) struct FileDisk {
    file: File,
}

/// bbolt tries again this long after it found the file locked.
const LOCK_RETRY: Duration = Duration::from_millis(50);

impl FileDisk {
    /// A file that is open already, without a lock.
    pub(crate) fn unlocked(file: File) -> FileDisk {
        FileDisk { file }
    }

    /// Opens and locks the file; creates it (mode 0600) unless read-only.
    pub(crate) fn open(path: &Path, options: &Options) -> Result<FileDisk> {
        let name: Arc<str> = path.display().to_string().into();
        let io_error = |action: &str, source| Error::Io {
            file: name.clone(),
            action: action.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(!options.read_only)
            .create(!options.read_only)
            .mode(0o600)
            .open(path)
            .map_err(|source| io_error("open", source))?;
        // Attempts are counted instead of asking a clock.
        let mut attempts_left = options
            .lock_timeout
            .map(|timeout| timeout.as_millis() / LOCK_RETRY.as_millis());
        loop {
            let outcome = if options.read_only {
                file.try_lock_shared()
            } else {
                file.try_lock()
            };
            match outcome {
                Ok(()) => return Ok(FileDisk { file }),
                Err(TryLockError::Error(source)) => return Err(io_error("lock", source)),
                Err(TryLockError::WouldBlock) => {}
            }
            match &mut attempts_left {
                Some(0) => return Err(Error::LockTimeout { file: name }),
                Some(left) => *left -= 1,
                None => {}
            }
            std::thread::sleep(LOCK_RETRY);
        }
    }
}

impl Disk for FileDisk {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
