//! Copying the database out of a snapshot file, and reading it there while the copy is
//! still cold.
//!
//! The copy goes past the page cache where the file system can do that: a database of
//! some size would push everything else out of it, and making room for it costs more
//! than the disk does.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use nix::fcntl::OFlag;
use sha2::{Digest as _, Sha256};

use super::error::SnapshotError;
use super::{HASH_LENGTH, has_hash};

const CHUNK_BYTES: usize = 1024 * 1024;

/// Chunks on their way to be hashed.
const CHUNKS: usize = 4;

/// Where memory and files must begin and end for the disk to read and write them itself;
/// no disk in use has larger blocks.
const BLOCK_BYTES: usize = 4096;

/// The snapshot file.
pub(super) struct Source {
    path: PathBuf,
    file: File,
    length: u64,
    /// The last bytes of the file, which are the hash if it has one.
    tail: Vec<u8>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, SnapshotError> {
        let failed =
            |operation: &'static str| move |error| SnapshotError::file(operation, path, error);
        let mut file = File::open(path).map_err(failed("open"))?;
        let position = file
            .seek(SeekFrom::End(-(HASH_LENGTH as i64)))
            .map_err(failed("seek"))?;
        let mut tail = Vec::new();
        (&mut file)
            .take(HASH_LENGTH)
            .read_to_end(&mut tail)
            .map_err(failed("read"))?;
        file.rewind().map_err(failed("seek"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length: position + HASH_LENGTH,
            tail,
        })
    }

    /// Copies the database without the hash at its end, and compares the hash.
    pub(super) fn copy_to(
        mut self,
        target: &Path,
        skip_hash_check: bool,
    ) -> Result<Copied, SnapshotError> {
        let hashed = has_hash(self.length);
        if !hashed && !skip_hash_check {
            return Err(SnapshotError::MissingHash);
        }
        let length = if hashed {
            self.length - HASH_LENGTH
        } else {
            self.length
        };
        let mut out = Target::create(target)?;
        let check = hashed && !skip_hash_check;
        let sha = self.copy_hashing(&mut out, length, check)?;
        if check {
            let got = sha.finalize().to_vec();
            if got != self.tail {
                return Err(SnapshotError::WrongHash {
                    expected: self.tail,
                    got,
                });
            }
        }
        Ok(Copied {
            // What has no hash may be a database that is being written.
            source: check.then_some(self.file),
            path: out.path,
            target: out.file,
            changed: AtomicBool::new(false),
        })
    }

    /// Copies `left` bytes, while a thread computes their hash, if asked.
    fn copy_hashing(
        &mut self,
        out: &mut Target,
        mut left: u64,
        hash: bool,
    ) -> Result<Sha256, SnapshotError> {
        std::thread::scope(|threads| {
            let (to_hash, chunks) = mpsc::sync_channel::<Chunk>(CHUNKS);
            let (give_back, spare) = mpsc::channel::<Chunk>();
            let hasher = threads.spawn(move || {
                let mut sha = Sha256::new();
                for chunk in chunks {
                    if hash {
                        sha.update(chunk.bytes());
                    }
                    // The copy may have ended with an error.
                    let _ = give_back.send(chunk);
                }
                sha
            });
            let mut offset = 0;
            while left > 0 {
                let mut chunk = spare.try_recv().unwrap_or_else(|_| Chunk::new());
                chunk.length = CHUNK_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX));
                self.file
                    .read_exact(chunk.bytes_mut())
                    .map_err(|error| SnapshotError::file("read", &self.path, error))?;
                out.write_at(chunk.bytes(), offset)?;
                left -= chunk.length as u64;
                offset += chunk.length as u64;
                if to_hash.send(chunk).is_err() {
                    break;
                }
            }
            drop(to_hash);
            hasher
                .join()
                .map_err(|_| SnapshotError::Database("the hash could not be computed".into()))
        })
    }
}

/// Bytes that begin where a block of memory does.
struct Chunk {
    memory: Vec<u8>,
    from: usize,
    length: usize,
}

impl Chunk {
    fn new() -> Self {
        let memory = vec![0; CHUNK_BYTES + BLOCK_BYTES];
        let from = memory.as_ptr().align_offset(BLOCK_BYTES);
        Self {
            memory,
            from,
            length: CHUNK_BYTES,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.from..self.from + self.length]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.from..self.from + self.length]
    }
}

/// The file to make.
struct Target {
    path: PathBuf,
    file: File,
    /// The same file past the page cache, as long as that works.
    direct: Option<File>,
}

impl Target {
    fn create(path: &Path) -> Result<Self, SnapshotError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| SnapshotError::file("open", path, error))?;
        let direct = OpenOptions::new()
            .write(true)
            .custom_flags(OFlag::O_DIRECT.bits())
            .open(path);
        Ok(Self {
            path: path.to_owned(),
            file,
            // Not every file system can.
            direct: direct.ok(),
        })
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), SnapshotError> {
        let is_whole = bytes.len().is_multiple_of(BLOCK_BYTES);
        if let Some(direct) = self.direct.as_ref().filter(|_| is_whole) {
            match direct.write_all_at(bytes, offset) {
                // Of this disk the blocks are larger, or it was promised too much.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                other => {
                    return other.map_err(|error| SnapshotError::file("write", &self.path, error));
                }
            }
        }
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| SnapshotError::file("write", &self.path, error))
    }
}

/// The copy, as a database is read and written in it. Until it is changed it is read where
/// it came from, which is in memory still.
pub(super) struct Copied {
    source: Option<File>,
    path: PathBuf,
    target: File,
    changed: AtomicBool,
}

impl bolt::Disk for Copied {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let source = self.source.as_ref();
        source
            .filter(|_| !self.changed.load(Ordering::Acquire))
            .unwrap_or(&self.target)
            .read_exact_at(buffer, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.changed.store(true, Ordering::Release);
        self.target.write_all_at(data, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.target.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.target.metadata()?.len())
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.changed.store(true, Ordering::Release);
        self.target.set_len(length)
    }
}

#[cfg(test)]
mod tests {
    use bolt::Disk as _;

    use super::*;

    /// A snapshot file of so many bytes, with its hash at the end.
    fn snapshot(dir: &Path, length: usize) -> (PathBuf, Vec<u8>) {
        let content: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
        let path = dir.join("snapshot.db");
        let hash = Sha256::digest(&content);
        std::fs::write(&path, [&content[..], &hash[..]].concat()).expect("written");
        (path, content)
    }

    #[test]
    fn what_is_copied_is_the_same_at_every_length() {
        // Whole blocks, half ones, less than a chunk, more than one.
        for length in [
            0,
            512,
            4096,
            CHUNK_BYTES - 512,
            CHUNK_BYTES,
            2 * CHUNK_BYTES + 1536,
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            let (path, content) = snapshot(dir.path(), length);
            let target = dir.path().join("db");
            let source = Source::open(&path).expect("a file");
            source.copy_to(&target, false).expect("a copy");
            let copy = std::fs::read(&target).expect("a file");
            assert!(copy == content, "{length} bytes");
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        for at in [0, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 4095] {
            let dir = tempfile::tempdir().expect("a directory");
            let (path, _) = snapshot(dir.path(), CHUNK_BYTES + 4096);
            let mut bytes = std::fs::read(&path).expect("a file");
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).expect("written");
            let copied = |skip, name| {
                let source = Source::open(&path).expect("a file");
                source.copy_to(&dir.path().join(name), skip)
            };
            assert!(matches!(
                copied(false, "checked"),
                Err(SnapshotError::WrongHash { .. })
            ));
            assert!(copied(true, "unchecked").is_ok());
        }
    }

    #[test]
    fn what_was_changed_is_read_from_the_copy() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, mut content) = snapshot(dir.path(), 4 * 4096);
        let source = Source::open(&path).expect("a file");
        let copied = source.copy_to(&dir.path().join("db"), false);
        let copied = copied.expect("a copy");
        let whole = |length: usize| {
            let mut bytes = vec![0; length];
            copied.read_at(&mut bytes, 0).map(|()| bytes)
        };
        assert_eq!(whole(4 * 4096).expect("bytes"), content);
        copied.write_at(b"new", 4095).expect("written");
        content[4095..4098].copy_from_slice(b"new");
        assert_eq!(whole(4 * 4096).expect("bytes"), content);
        // What is cut off and grown again is zeros there, and the hash here.
        copied.set_len(3 * 4096).expect("cut");
        assert!(whole(4 * 4096).is_err());
        copied.set_len(5 * 4096).expect("grown");
        content.truncate(3 * 4096);
        content.resize(5 * 4096, 0);
        assert_eq!(whole(5 * 4096).expect("bytes"), content);
    }
}
