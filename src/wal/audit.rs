//! Reading a whole log to say what is wrong with it, and where. Nothing is kept but
//! numbers, so a log of any length takes little memory.

use std::path::Path;

use bytes::Bytes;
use prost::Message;
use wire::{
    raftpb::{Entry, HardState},
    walpb::Snapshot,
};

use crate::{
    Error, Segment,
    error::Result,
    frame::{CRC, ENTRY, METADATA, SNAPSHOT, STATE},
    read::Decoder,
    segments,
};

/// What a log came to.
#[derive(Debug, Default)]
pub struct Audit {
    /// Its segments in their order.
    pub segments: Vec<Segment>,
    /// The metadata record, empty if there was none.
    pub metadata: Bytes,
    /// The last hard state.
    pub hard_state: HardState,
    /// The snapshot records in their order.
    pub snapshots: Vec<Snapshot>,
    /// Index of the first entry; 0 without entries.
    pub first_index: u64,
    /// Index of the last entry; 0 without entries.
    pub last_index: u64,
    /// The last segment ends in a record that a crash tore; a member mends that.
    pub torn: bool,
    /// What stopped the reading; `None` when the log is sound.
    pub damage: Option<Damage>,
}

/// Something that is wrong with a log.
#[derive(Debug)]
pub struct Damage {
    /// The segment's file name.
    pub file: String,
    /// Bytes from the segment's beginning to the record.
    pub offset: u64,
    /// What is wrong.
    pub error: Error,
}

/// Reads the log from its first segment to its end.
pub fn audit(dir: &Path) -> Result<Audit> {
    let mut audit = Audit {
        segments: segments(dir)?,
        ..Audit::default()
    };
    let gap = audit
        .segments
        .windows(2)
        .find(|pair| pair[0].seq + 1 != pair[1].seq)
        .map(|pair| pair[1].file_name());
    if let Some(file) = gap {
        audit.damage = Some(Damage {
            file,
            offset: 0,
            error: Error::FileNotFound,
        });
        return Ok(audit);
    }
    let mut decoder = Decoder::new(dir, &audit.segments)?;
    loop {
        match step(&mut decoder, &mut audit) {
            Ok(true) => {}
            Ok(false) => return Ok(audit),
            Err(Error::UnexpectedEof) if decoder.in_last_segment() => {
                audit.torn = true;
                return Ok(audit);
            }
            Err(error) => {
                audit.damage = Some(Damage {
                    file: decoder.file_name(),
                    offset: decoder.offset,
                    error,
                });
                return Ok(audit);
            }
        }
    }
}

/// Takes a record; false at the end.
fn step(decoder: &mut Decoder, audit: &mut Audit) -> Result<bool> {
    let Some(record) = decoder.next()? else {
        return Ok(false);
    };
    let data = record.data.clone().unwrap_or_default();
    let failed = |what, path| move |source| Error::Decode { what, path, source };
    let path = || decoder.path();
    match record.r#type {
        ENTRY => {
            let entry = Entry::decode(data).map_err(failed("a damaged entry", path()))?;
            if audit.last_index != 0 && entry.index > audit.last_index + 1 {
                return Err(Error::SliceOutOfRange);
            }
            if audit.first_index == 0 || entry.index < audit.first_index {
                audit.first_index = entry.index;
            }
            audit.last_index = entry.index;
        }
        STATE => {
            audit.hard_state =
                HardState::decode(data).map_err(failed("a damaged hard state", path()))?;
        }
        METADATA => {
            if !audit.metadata.is_empty() && audit.metadata != data {
                return Err(Error::MetadataConflict);
            }
            audit.metadata = data;
        }
        CRC => decoder.chain(&record)?,
        SNAPSHOT => audit
            .snapshots
            .push(Snapshot::decode(data).map_err(failed("a damaged snapshot record", path()))?),
        other => return Err(Error::UnexpectedType(other)),
    }
    Ok(true)
}
