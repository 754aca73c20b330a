//! Raft snapshot files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use prost::Message;
use wire::{raftpb, snappb, walpb};

use crate::{
    Error,
    error::Result,
    files::{self, FILE_MODE},
};

const SUFFIX: &str = ".snap";
const DB_SUFFIX: &str = ".snap.db";

/// The snapshot directory of a member (`member/snap`). It holds `.snap` files, db
/// files that came with a snapshot (`<index>.snap.db`), and the db itself.
#[derive(Clone, Debug)]
pub struct Snapshotter {
    dir: PathBuf,
    sync: bool,
}

impl Snapshotter {
    /// The directory has to exist.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            sync: true,
        }
    }

    /// The same, but without fsync if `sync` is false (`--unsafe-no-fsync`).
    pub fn with_sync(dir: &Path, sync: bool) -> Self {
        Self {
            dir: dir.to_owned(),
            sync,
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a snapshot file; it is on the disk when this returns. An empty snapshot
    /// (index 0) is not written. Save it before the record in the log: a file
    /// without a record is ignored, a record without a file is not.
    pub fn save(&self, snapshot: &raftpb::Snapshot) -> Result<()> {
        let metadata = &snapshot.metadata;
        if metadata.index == 0 {
            return Ok(());
        }
        let data = Bytes::from(snapshot.encode_to_vec());
        let envelope = snappb::Snapshot {
            crc: crc32c::crc32c(&data),
            data: Some(data),
        };
        let path = self.dir.join(file_name(metadata.term, metadata.index));
        let written = self.write(&path, &envelope.encode_to_vec());
        if written.is_err() {
            // Half a file would be set aside as broken at the next start; nobody needs it.
            let _ = fs::remove_file(&path);
        }
        written
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            // As the reference; the directory around it is closed to others.
            .mode(0o666)
            .open(path)
            .map_err(Error::io("create", path))?;
        file.write_all(bytes).map_err(Error::io("write", path))?;
        if self.sync {
            file.sync_all().map_err(Error::io("sync", path))?;
            files::sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// The newest snapshot that can be read. Files that can't be read get `.broken`
    /// added to their name.
    pub fn load(&self) -> Result<raftpb::Snapshot> {
        self.load_matching(|_| true)
    }

    /// The newest snapshot that can be read and that the log has a record of (see
    /// [`crate::valid_snapshot_entries`]).
    pub fn load_newest_available(&self, known: &[walpb::Snapshot]) -> Result<raftpb::Snapshot> {
        self.load_matching(|metadata| {
            known
                .iter()
                .any(|record| record.index == metadata.index && record.term == metadata.term)
        })
    }

    fn load_matching(
        &self,
        wanted: impl Fn(&raftpb::SnapshotMetadata) -> bool,
    ) -> Result<raftpb::Snapshot> {
        let mut names = self.names(|name| name.ends_with(SUFFIX))?;
        names.sort();
        for name in names.iter().rev() {
            let path = self.dir.join(name);
            match Self::read(&path) {
                Ok(snapshot) if wanted(&snapshot.metadata) => return Ok(snapshot),
                Ok(_) => {}
                Err(_) => {
                    let broken = self.dir.join(format!("{name}.broken"));
                    fs::rename(&path, &broken).map_err(Error::io("rename", &path))?;
                }
            }
        }
        Err(Error::NoSnapshot)
    }

    /// Reads one snapshot file.
    pub fn read(path: &Path) -> Result<raftpb::Snapshot> {
        let bytes = Bytes::from(fs::read(path).map_err(Error::io("read", path))?);
        if bytes.is_empty() {
            return Err(Error::EmptySnapshot);
        }
        let decode_error = |what| {
            let path = path.to_owned();
            move |source| Error::Decode { what, path, source }
        };
        let envelope =
            snappb::Snapshot::decode(bytes).map_err(decode_error("a damaged snapshot envelope"))?;
        let data = envelope.data.unwrap_or_default();
        if data.is_empty() || envelope.crc == 0 {
            return Err(Error::EmptySnapshot);
        }
        if crc32c::crc32c(&data) != envelope.crc {
            return Err(Error::SnapshotCrcMismatch);
        }
        raftpb::Snapshot::decode(data).map_err(decode_error("a damaged snapshot"))
    }

    /// The db file that came with the snapshot of this index.
    pub fn db_path(&self, index: u64) -> Result<PathBuf> {
        let path = self.dir.join(format!("{index:016x}{DB_SUFFIX}"));
        if path.exists() {
            Ok(path)
        } else {
            Err(Error::NoDbSnapshot)
        }
    }

    /// Begins to write the db file that comes with the snapshot of this index.
    pub fn receive_db(&self, index: u64) -> io::Result<IncomingDb> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        // Names that begin with "tmp" are removed at the next start.
        let temporary = self.dir.join(format!("tmp{}-{count}", std::process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&temporary)?;
        Ok(IncomingDb {
            file,
            temporary: Some(temporary),
            path: self.dir.join(format!("{index:016x}{DB_SUFFIX}")),
            sync: self.sync,
        })
    }

    /// Removes db files of snapshots older than this index.
    pub fn release_dbs(&self, index: u64) -> Result<()> {
        for name in self.names(|name| name.ends_with(DB_SUFFIX))? {
            let stem = name.trim_end_matches(DB_SUFFIX);
            if u64::from_str_radix(stem, 16).is_ok_and(|of| of < index) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Removes what a crash may have left: half-received db files (`tmp…`) and
    /// half-defragmented ones (`db.tmp…`).
    pub fn remove_leftovers(&self) -> Result<()> {
        for name in self.names(|name| name.starts_with("tmp") || name.starts_with("db.tmp"))? {
            self.remove(&name)?;
        }
        Ok(())
    }

    /// Keeps the newest `keep` snapshot files and as many db files (0 keeps all).
    pub fn purge(&self, keep: usize) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        if keep == 0 {
            return Ok(removed);
        }
        for suffix in [SUFFIX, DB_SUFFIX] {
            let mut names = self.names(|name| name.ends_with(suffix))?;
            names.sort();
            let spare = names.len().saturating_sub(keep);
            for name in names.drain(..spare) {
                self.remove(&name)?;
                removed.push(name);
            }
        }
        Ok(removed)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::io("read the directory", &self.dir))? {
            let entry = entry.map_err(Error::io("read the directory", &self.dir))?;
            if let Some(name) = entry.file_name().to_str().filter(|name| wanted(name)) {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }
}

fn file_name(term: u64, index: u64) -> String {
    format!("{term:016x}-{index:016x}{SUFFIX}")
}

/// A db file being received. Dropped before [`IncomingDb::finish`] it is removed.
#[derive(Debug)]
pub struct IncomingDb {
    file: File,
    temporary: Option<PathBuf>,
    path: PathBuf,
    sync: bool,
}

impl IncomingDb {
    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Syncs the file and gives it its name.
    pub fn finish(mut self) -> io::Result<PathBuf> {
        if self.sync {
            self.file.sync_all()?;
        }
        if let Some(temporary) = self.temporary.take() {
            fs::rename(temporary, &self.path)?;
        }
        if let (true, Some(dir)) = (self.sync, self.path.parent()) {
            File::open(dir)?.sync_all()?;
        }
        Ok(self.path.clone())
    }
}

impl Drop for IncomingDb {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // Best effort: a leftover is removed at the next start.
            let _ = fs::remove_file(temporary);
        }
    }
}
