//! Files as the log wants them: locked, preallocated, synced.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, FcntlArg, fallocate, fcntl},
    libc,
};

use crate::{Error, error::Result};

/// Mode of files and directories of a member: nobody else reads them.
pub(crate) const FILE_MODE: u32 = 0o600;
pub(crate) const DIR_MODE: u32 = 0o700;

/// Opens a segment for reading and writing and locks it, with the same kind of
/// lock that etcd takes (open file description locks).
pub(crate) fn open_locked(path: &Path, create: bool) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(Error::io("open", path))?;
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(file),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(Error::Locked),
        Err(errno) => Err(Error::io("lock", path)(errno.into())),
    }
}

/// Makes the file this long and reserves its blocks where the file system can.
pub(crate) fn preallocate(file: &File, path: &Path, bytes: u64) -> Result<()> {
    let length = i64::try_from(bytes).unwrap_or(i64::MAX);
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        Err(Errno::EOPNOTSUPP | Errno::EINTR | Errno::ENOSYS) => {
            file.set_len(bytes).map_err(Error::io("extend", path))
        }
        Err(errno) => Err(Error::io("preallocate", path)(errno.into())),
    }
}

/// Overwrites everything from `offset` on with zeros, keeping the length.
pub(crate) fn zero_to_end(file: &File, path: &Path, offset: u64) -> Result<()> {
    let length = file.metadata().map_err(Error::io("look at", path))?.len();
    file.set_len(offset).map_err(Error::io("truncate", path))?;
    preallocate(file, path, length)
}

/// Makes names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync the directory", dir))
}

/// Writes all bytes at an offset.
pub(crate) fn write_at(file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<()> {
    file.write_all_at(bytes, offset)
        .map_err(Error::io("write", path))
}
