//! Reading a log.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use prost::Message;
use wire::{
    raftpb::{Entry, HardState},
    walpb::{Record, Snapshot},
};

use crate::{
    Error, Segment,
    error::Result,
    files,
    frame::{self, CRC, ENTRY, FIELD_BYTES, METADATA, SNAPSHOT, STATE, split_field},
    name::from_index,
    segments,
};

/// What a log holds from a snapshot on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// The metadata record (`etcdserverpb.Metadata`), empty if there was none.
    pub metadata: Bytes,
    /// The last hard state; its commit may be older than what was committed.
    pub hard_state: HardState,
    /// Entries after the snapshot; those that were overwritten are left out.
    /// Entries above `hard_state.commit` may still change.
    pub entries: Vec<Entry>,
}

/// Decodes records one after the other through a list of segments.
pub(crate) struct Decoder {
    dir: PathBuf,
    rest: VecDeque<Segment>,
    current: Option<Open>,
    is_last: bool,
    /// CRC after the last record.
    pub(crate) crc: u32,
    /// Where in the current segment the last good record ends.
    pub(crate) offset: u64,
    /// Index of the last entry or snapshot record seen, kept by [`read`].
    pub(crate) last_index: u64,
}

struct Open {
    path: PathBuf,
    reader: BufReader<File>,
    length: u64,
}

impl Decoder {
    pub(crate) fn new(dir: &Path, segments: &[Segment]) -> Result<Self> {
        let mut decoder = Self {
            dir: dir.to_owned(),
            rest: segments.iter().cloned().collect(),
            current: None,
            is_last: false,
            crc: 0,
            offset: 0,
            last_index: 0,
        };
        decoder.next_segment()?;
        Ok(decoder)
    }

    /// The segment that is being read.
    pub(crate) fn path(&self) -> PathBuf {
        self.current
            .as_ref()
            .map(|open| open.path.clone())
            .unwrap_or_default()
    }

    /// Its file name.
    pub(crate) fn file_name(&self) -> String {
        let path = self.path();
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Whether no segment follows it.
    pub(crate) fn in_last_segment(&self) -> bool {
        self.is_last
    }

    /// Opens the next segment; false if there is none, in which case the decoder
    /// stays where it is.
    fn next_segment(&mut self) -> Result<bool> {
        let Some(segment) = self.rest.pop_front() else {
            return Ok(false);
        };
        let path = self.dir.join(segment.file_name());
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let length = file.metadata().map_err(Error::io("look at", &path))?.len();
        self.current = Some(Open {
            path,
            reader: BufReader::with_capacity(128 * 1024, file),
            length,
        });
        self.offset = 0;
        self.is_last = self.rest.is_empty();
        Ok(true)
    }

    /// The next record; `None` at the end of the log.
    pub(crate) fn next(&mut self) -> Result<Option<Record>> {
        loop {
            let Some(open) = &mut self.current else {
                return Ok(None);
            };
            let mut field = [0; FIELD_BYTES];
            let got =
                read_up_to(&mut open.reader, &mut field).map_err(Error::io("read", &open.path))?;
            let field = u64::from_le_bytes(field);
            if got == 0 || (got == FIELD_BYTES && field == 0) {
                // The end of the file, or of what was written into preallocated space.
                if self.next_segment()? {
                    continue;
                }
                return Ok(None);
            }
            if got < FIELD_BYTES {
                return Err(Error::UnexpectedEof);
            }
            return self.body(field).map(Some);
        }
    }

    fn body(&mut self, field: u64) -> Result<Record> {
        let (length, padding) = split_field(field);
        let Some(open) = &mut self.current else {
            return Err(Error::UnexpectedEof);
        };
        // A length beyond the file is a torn length; nothing is allocated for it.
        if length + padding > open.length.saturating_sub(self.offset + FIELD_BYTES as u64) {
            return Err(Error::UnexpectedEof);
        }
        let mut body = vec![0; (length + padding) as usize];
        let got = read_up_to(&mut open.reader, &mut body).map_err(Error::io("read", &open.path))?;
        if got < body.len() {
            return Err(Error::UnexpectedEof);
        }
        let begin = self.offset + FIELD_BYTES as u64;
        let torn = self.is_last && frame::is_torn(&body, begin);
        let body = Bytes::from(body);
        let record = match Record::decode(body.slice(..length as usize)) {
            Ok(record) => record,
            Err(_) if torn => return Err(Error::UnexpectedEof),
            Err(source) => {
                return Err(Error::Decode {
                    what: "a damaged record",
                    path: open.path.clone(),
                    source,
                });
            }
        };
        if record.r#type != CRC {
            let data = record.data.as_deref().unwrap_or_default();
            let crc = crc32c::crc32c_append(self.crc, data);
            if crc != record.crc {
                return Err(if torn {
                    Error::UnexpectedEof
                } else {
                    Error::RecordCrcMismatch
                });
            }
            self.crc = crc;
        }
        self.offset = begin + length + padding;
        Ok(record)
    }

    /// Follows a CRC record: it must continue the chain, unless the chain begins here.
    pub(crate) fn chain(&mut self, record: &Record) -> Result<()> {
        if self.crc != 0 && record.crc != self.crc {
            return Err(Error::CrcMismatch);
        }
        self.crc = record.crc;
        Ok(())
    }

    fn decode<M: Message + Default>(&self, what: &'static str, record: &Record) -> Result<M> {
        let data = record.data.clone().unwrap_or_default();
        M::decode(data).map_err(|source| Error::Decode {
            what,
            path: self
                .current
                .as_ref()
                .map(|open| open.path.clone())
                .unwrap_or_default(),
            source,
        })
    }
}

fn read_up_to(reader: &mut impl Read, mut buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut total = 0;
    while !buffer.is_empty() {
        match reader.read(buffer) {
            Ok(0) => break,
            Ok(n) => {
                total += n;
                buffer = &mut buffer[n..];
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Reads everything that the decoder still has. `Err` comes with what was read.
pub(crate) fn read(decoder: &mut Decoder, from: &Snapshot) -> (Contents, Result<()>) {
    let mut contents = Contents::default();
    let mut matched = false;
    let mut metadata: Option<Bytes> = None;
    let outcome = loop {
        match decoder.next() {
            Ok(Some(record)) => {
                if let Err(error) = take(
                    decoder,
                    &record,
                    from,
                    &mut contents,
                    &mut metadata,
                    &mut matched,
                ) {
                    break Err(error);
                }
            }
            Ok(None) if matched => break Ok(()),
            Ok(None) => break Err(Error::SnapshotNotFound),
            Err(error) => break Err(error),
        }
    };
    contents.metadata = metadata.unwrap_or_default();
    (contents, outcome)
}

fn take(
    decoder: &mut Decoder,
    record: &Record,
    from: &Snapshot,
    contents: &mut Contents,
    metadata: &mut Option<Bytes>,
    matched: &mut bool,
) -> Result<()> {
    match record.r#type {
        ENTRY => {
            let entry: Entry = decoder.decode("a damaged entry", record)?;
            decoder.last_index = entry.index;
            if entry.index > from.index {
                let keep = (entry.index - from.index - 1) as usize;
                if keep > contents.entries.len() {
                    return Err(Error::SliceOutOfRange);
                }
                contents.entries.truncate(keep);
                contents.entries.push(entry);
            }
        }
        STATE => contents.hard_state = decoder.decode("a damaged hard state", record)?,
        METADATA => {
            let data = record.data.clone().unwrap_or_default();
            if metadata.as_ref().is_some_and(|known| *known != data) {
                return Err(Error::MetadataConflict);
            }
            *metadata = Some(data);
        }
        CRC => decoder.chain(record)?,
        SNAPSHOT => {
            let snapshot: Snapshot = decoder.decode("a damaged snapshot record", record)?;
            if snapshot.index == from.index {
                if snapshot.term != from.term {
                    return Err(Error::SnapshotMismatch);
                }
                *matched = true;
            }
            decoder.last_index = decoder.last_index.max(snapshot.index);
        }
        other => return Err(Error::UnexpectedType(other)),
    }
    Ok(())
}

/// True if the directory holds a log.
pub fn exists(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            Path::new(&entry.file_name())
                .extension()
                .is_some_and(|ext| ext == "wal")
        })
    })
}

/// Reads a log that may be in use, from a snapshot on (`Snapshot::default()` is the
/// beginning). Takes no lock and changes nothing. A torn tail ends the reading
/// quietly; every other damage is an error.
pub fn read_all(dir: &Path, from: &Snapshot) -> Result<Contents> {
    let all = segments(dir)?;
    let mut decoder = Decoder::new(dir, from_index(&all, from.index)?)?;
    let (contents, outcome) = read(&mut decoder, from);
    match outcome {
        Ok(()) | Err(Error::UnexpectedEof) => Ok(contents),
        Err(error) => Err(error),
    }
}

/// The snapshot records that are not newer than the last hard state's commit: only
/// these may be started from. In the order in which they were written.
pub fn valid_snapshot_entries(dir: &Path) -> Result<Vec<Snapshot>> {
    let mut decoder = Decoder::new(dir, &segments(dir)?)?;
    let mut found = Vec::new();
    let mut commit = 0;
    loop {
        match decoder.next() {
            Ok(Some(record)) => match record.r#type {
                SNAPSHOT => {
                    found.push(decoder.decode::<Snapshot>("a damaged snapshot record", &record)?)
                }
                STATE => {
                    commit = decoder
                        .decode::<HardState>("a damaged hard state", &record)?
                        .commit
                }
                CRC => decoder.chain(&record)?,
                _ => {}
            },
            Ok(None) | Err(Error::UnexpectedEof) => break,
            Err(error) => return Err(error),
        }
    }
    found.retain(|snapshot| snapshot.index <= commit);
    Ok(found)
}

/// Reads through a log without keeping its entries; the last hard state.
pub fn verify(dir: &Path, from: &Snapshot) -> Result<HardState> {
    read_all(dir, from).map(|contents| contents.hard_state)
}

/// Mends the torn tail of the last segment: keeps a copy of it with `.broken` added
/// to its name and cuts the segment after its last good record. Nothing happens if
/// the tail is whole. Damage of any other kind is refused.
pub fn repair(dir: &Path) -> Result<Option<PathBuf>> {
    let all = segments(dir)?;
    let Some(last) = all.last() else {
        return Err(Error::FileNotFound);
    };
    let path = dir.join(last.file_name());
    let file = files::open_locked(&path, false)?;
    let mut decoder = Decoder::new(dir, std::slice::from_ref(last))?;
    loop {
        match decoder.next() {
            Ok(Some(record)) if record.r#type == CRC => decoder.chain(&record)?,
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(Error::UnexpectedEof) => {
                let mut broken = path.clone().into_os_string();
                broken.push(".broken");
                let broken = PathBuf::from(broken);
                std::fs::copy(&path, &broken).map_err(Error::io("copy", &path))?;
                file.set_len(decoder.offset)
                    .map_err(Error::io("truncate", &path))?;
                file.sync_all().map_err(Error::io("sync", &path))?;
                return Ok(Some(path));
            }
            Err(error) => return Err(error),
        }
    }
}
