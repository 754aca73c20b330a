//! Appending to a log.

use std::{
    collections::VecDeque,
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use prost::Message;
use wire::{
    raftpb::{Entry, HardState},
    walpb::Snapshot,
};

use crate::{
    Contents, Error, Segment,
    error::Result,
    files::{self, DIR_MODE},
    frame::{self, CRC, ENTRY, METADATA, SNAPSHOT, STATE},
    name::from_index,
    read::{self, Decoder},
    segments,
};

/// Size that a segment is preallocated to and after which the next one begins.
pub const SEGMENT_BYTES: u64 = 64 * 1000 * 1000;
/// Records without a sync are handed to the kernel when they come to so much.
const FLUSH_BYTES: usize = 128 * 1024;

/// How a log is written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes after which a new segment begins; [`SEGMENT_BYTES`] unless a test says otherwise.
    pub segment_bytes: u64,
    /// False skips every fsync (`--unsafe-no-fsync`): a power cut then loses data.
    pub sync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            sync: true,
        }
    }
}

/// A log open for appending. One at a time: its segments are locked.
#[derive(Debug)]
pub struct Wal {
    dir: PathBuf,
    options: Options,
    metadata: Bytes,
    state: HardState,
    /// Segments whose locks are held, oldest first; the last is written to.
    held: VecDeque<(Segment, File)>,
    /// Frames that are not yet in the file.
    buffer: Vec<u8>,
    /// Where in the last segment the buffer begins.
    offset: u64,
    crc: u32,
    last_index: u64,
}

impl Wal {
    /// Makes a new log whose every segment begins with `metadata`
    /// (etcd: `etcdserverpb.Metadata`). It appears at `dir` all at once.
    pub fn create(dir: &Path, metadata: impl Into<Bytes>) -> Result<Self> {
        Self::create_with(dir, metadata.into(), Options::default())
    }

    /// [`Wal::create`] with options.
    pub fn create_with(dir: &Path, metadata: Bytes, options: Options) -> Result<Self> {
        if read::exists(dir) {
            return Err(Error::Exists);
        }
        let mut temporary = dir.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(Error::io("remove", &temporary))?;
        }
        DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(&temporary)
            .map_err(Error::io("create the directory", &temporary))?;

        let first = Segment { seq: 0, index: 0 };
        let path = temporary.join(first.file_name());
        let file = files::open_locked(&path, true)?;
        files::preallocate(&file, &path, options.segment_bytes)?;
        let mut wal = Self {
            dir: temporary.clone(),
            options,
            metadata: metadata.clone(),
            state: HardState::default(),
            held: VecDeque::from([(first, file)]),
            buffer: Vec::new(),
            offset: 0,
            crc: 0,
            last_index: 0,
        };
        wal.push(CRC, None);
        wal.push(METADATA, Some(metadata));
        wal.save_snapshot(&Snapshot::default())?;

        if dir.exists() {
            fs::remove_dir_all(dir).map_err(Error::io("remove", dir))?;
        }
        fs::rename(&temporary, dir).map_err(Error::io("rename", &temporary))?;
        wal.dir = dir.to_owned();
        if options.sync {
            files::sync_dir(dir)?;
            if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                files::sync_dir(parent)?;
            }
        }
        Ok(wal)
    }

    /// Opens a log for appending and reads it from a snapshot on. A torn tail is
    /// [`Error::UnexpectedEof`]: call [`crate::repair`], then open again.
    pub fn open(dir: &Path, from: &Snapshot) -> Result<(Self, Contents)> {
        Self::open_with(dir, from, Options::default())
    }

    /// [`Wal::open`] with options.
    pub fn open_with(dir: &Path, from: &Snapshot, options: Options) -> Result<(Self, Contents)> {
        let all = segments(dir)?;
        let wanted = from_index(&all, from.index)?;
        let held = wanted
            .iter()
            .map(|segment| {
                let file = files::open_locked(&dir.join(segment.file_name()), false)?;
                Ok((segment.clone(), file))
            })
            .collect::<Result<VecDeque<_>>>()?;
        let mut decoder = Decoder::new(dir, wanted)?;
        let (contents, outcome) = read::read(&mut decoder, from);
        outcome?;
        let wal = Self {
            dir: dir.to_owned(),
            options,
            metadata: contents.metadata.clone(),
            state: contents.hard_state,
            held,
            buffer: Vec::new(),
            offset: decoder.offset,
            crc: decoder.crc,
            last_index: decoder.last_index,
        };
        // A zero length field ends the log, but a torn write may have left bytes
        // behind it. They were never acknowledged; left there, they would be
        // half overwritten and look like damage.
        let (segment, file) = wal.tail();
        files::zero_to_end(file, &dir.join(segment.file_name()), wal.offset)?;
        Ok((wal, contents))
    }

    /// [`Wal::open_with`], but a torn tail is mended first; true if it was.
    pub fn open_repairing(
        dir: &Path,
        from: &Snapshot,
        options: Options,
    ) -> Result<(Self, Contents, bool)> {
        match Self::open_with(dir, from, options) {
            Err(Error::UnexpectedEof) => {
                crate::repair(dir)?;
                let (wal, contents) = Self::open_with(dir, from, options)?;
                Ok((wal, contents, true))
            }
            Ok((wal, contents)) => Ok((wal, contents, false)),
            Err(error) => Err(error),
        }
    }

    /// The metadata given at creation.
    pub fn metadata(&self) -> &Bytes {
        &self.metadata
    }

    /// Appends entries and the hard state (an empty one, all zeros, is left out). When
    /// this returns they are on the disk, unless only the commit index has changed:
    /// losing that is harmless, so it waits for the next sync.
    pub fn save(&mut self, state: &HardState, entries: &[Entry]) -> Result<()> {
        let must_sync = self.append(state, entries);
        self.settle(must_sync)
    }

    /// The first half of [`Wal::save`]: nothing is written yet. True if it must be on
    /// the disk before anyone is told. Several appends may share one [`Wal::settle`].
    pub fn append(&mut self, state: &HardState, entries: &[Entry]) -> bool {
        let empty_state = *state == HardState::default();
        let must_sync = !entries.is_empty()
            || (!empty_state && (state.vote != self.state.vote || state.term != self.state.term));
        for entry in entries {
            self.push(ENTRY, Some(entry.encode_to_vec().into()));
            self.last_index = entry.index;
        }
        if !empty_state {
            self.state = *state;
            self.push(STATE, Some(state.encode_to_vec().into()));
        }
        must_sync
    }

    /// Bytes that were appended and not yet written.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The second half of [`Wal::save`]: writes, and syncs if `must_sync`.
    pub fn settle(&mut self, must_sync: bool) -> Result<()> {
        if self.offset + self.buffer.len() as u64 >= self.options.segment_bytes {
            self.cut()
        } else if must_sync {
            self.sync()
        } else if self.buffer.len() >= FLUSH_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Appends a snapshot record; on the disk when this returns.
    pub fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.push(SNAPSHOT, Some(snapshot.encode_to_vec().into()));
        self.last_index = self.last_index.max(snapshot.index);
        self.sync()
    }

    /// Puts everything appended on the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        if self.options.sync {
            let (segment, file) = self.tail();
            file.sync_data()
                .map_err(Error::io("sync", self.dir.join(segment.file_name())))?;
        }
        Ok(())
    }

    /// Lets go of the locks of segments that hold nothing from `index` on, save the
    /// newest of them. What is not locked may be purged.
    pub fn release_to(&mut self, index: u64) {
        let keep_from = match self
            .held
            .iter()
            .position(|(segment, _)| segment.index >= index)
        {
            Some(at) => at.saturating_sub(1),
            None => self.held.len() - 1,
        };
        self.held.drain(..keep_from);
    }

    /// Removes the oldest segments beyond the newest `keep` (0 removes none) that are
    /// no longer locked. The names of those removed.
    pub fn purge(&self, keep: usize) -> Result<Vec<String>> {
        if keep == 0 {
            return Ok(Vec::new());
        }
        let oldest_held = self.tail_first().seq;
        let all = segments(&self.dir)?;
        let spare = all.len().saturating_sub(keep);
        let mut removed = Vec::new();
        for segment in all
            .iter()
            .take(spare)
            .take_while(|segment| segment.seq < oldest_held)
        {
            let path = self.dir.join(segment.file_name());
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            removed.push(segment.file_name());
        }
        Ok(removed)
    }

    /// Syncs and closes the log.
    pub fn close(mut self) -> Result<()> {
        self.sync()
    }

    fn tail_first(&self) -> &Segment {
        // Invariant: a log always holds the segment that it writes to.
        &self.held.front().expect("a log holds a segment").0
    }

    fn tail(&self) -> (&Segment, &File) {
        // Invariant: a log always holds the segment that it writes to.
        let (segment, file) = self.held.back().expect("a log holds a segment");
        (segment, file)
    }

    fn push(&mut self, kind: i64, data: Option<Bytes>) {
        self.crc = frame::push(&mut self.buffer, self.crc, kind, data);
    }

    fn flush(&mut self) -> Result<()> {
        let (segment, file) = self.tail();
        files::write_at(
            file,
            &self.dir.join(segment.file_name()),
            &self.buffer,
            self.offset,
        )?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(8 * FLUSH_BYTES);
        Ok(())
    }

    /// Ends the segment and begins the next. The new one is written and synced under
    /// another name first: a reader sees it whole or not at all.
    fn cut(&mut self) -> Result<()> {
        self.flush()?;
        let (segment, file) = self.tail();
        let old_path = self.dir.join(segment.file_name());
        file.set_len(self.offset)
            .map_err(Error::io("truncate", &old_path))?;
        let next = Segment {
            seq: segment.seq + 1,
            index: self.last_index + 1,
        };
        self.sync()?;

        let temporary = self.dir.join(format!("{}.tmp", next.seq % 2));
        if temporary.exists() {
            fs::remove_file(&temporary).map_err(Error::io("remove", &temporary))?;
        }
        let file = files::open_locked(&temporary, true)?;
        files::preallocate(&file, &temporary, self.options.segment_bytes)?;
        self.push(CRC, None);
        self.push(METADATA, Some(self.metadata.clone()));
        if self.state != HardState::default() {
            self.push(STATE, Some(self.state.encode_to_vec().into()));
        }
        files::write_at(&file, &temporary, &self.buffer, 0)?;
        if self.options.sync {
            file.sync_data().map_err(Error::io("sync", &temporary))?;
        }
        let path = self.dir.join(next.file_name());
        fs::rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
        if self.options.sync {
            files::sync_dir(&self.dir)?;
        }
        self.offset = self.buffer.len() as u64;
        self.buffer.clear();
        self.held.push_back((next, file));
        Ok(())
    }
}
