//! Names of segments.

use std::path::Path;

use crate::{Error, error::Result};

/// One segment, as its file name tells.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Segment {
    /// Position in the sequence of segments, from 0.
    pub seq: u64,
    /// Index of the first entry that may be in it.
    pub index: u64,
}

impl Segment {
    /// The file name.
    pub fn file_name(&self) -> String {
        format!("{:016x}-{:016x}.wal", self.seq, self.index)
    }

    /// Parses a file name; `None` if it is not a segment's.
    pub fn parse(name: &str) -> Option<Self> {
        let (seq, index) = name.strip_suffix(".wal")?.split_once('-')?;
        let hex = |text: &str| {
            (!text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_hexdigit()))
                .then(|| u64::from_str_radix(text, 16).ok())
                .flatten()
        };
        Some(Self {
            seq: hex(seq)?,
            index: hex(index)?,
        })
    }
}

/// The segments in a directory in their order; files with other names are passed over.
pub fn segments(dir: &Path) -> Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("read the directory", dir))? {
        let entry = entry.map_err(Error::io("read the directory", dir))?;
        found.extend(entry.file_name().to_str().and_then(Segment::parse));
    }
    found.sort();
    if found.is_empty() {
        return Err(Error::FileNotFound);
    }
    Ok(found)
}

/// The segments from the one on that may hold the entry after `index`.
pub(crate) fn from_index(all: &[Segment], index: u64) -> Result<&[Segment]> {
    let at = all
        .iter()
        .rposition(|segment| index >= segment.index)
        .ok_or(Error::FileNotFound)?;
    let wanted = &all[at..];
    if wanted.windows(2).any(|pair| pair[0].seq + 1 != pair[1].seq) {
        return Err(Error::FileNotFound);
    }
    Ok(wanted)
}
