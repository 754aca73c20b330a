//! Frames: how records lie in a segment. Pure.
//!
//! A frame is an 8-byte little-endian field, the record, and 0 to 7 zero bytes of
//! padding. The field's low 56 bits are the record's length; if there is padding
//! its high byte is 0x80 plus the number of padding bytes
//! (etcd 3.5.16, `server/wal/encoder.go`, `decoder.go`).

use std::ops::Range;

use bytes::Bytes;
use prost::Message;
use wire::walpb::Record;

/// Record types.
pub(crate) const METADATA: i64 = 1;
pub(crate) const ENTRY: i64 = 2;
pub(crate) const STATE: i64 = 3;
pub(crate) const CRC: i64 = 4;
pub(crate) const SNAPSHOT: i64 = 5;

/// Bytes of the length field.
pub(crate) const FIELD_BYTES: usize = 8;
/// What a disk writes at once; a torn write leaves whole sectors unwritten.
const SECTOR_BYTES: u64 = 512;

/// Appends a frame to `out` and returns the CRC after it.
pub(crate) fn push(out: &mut Vec<u8>, crc: u32, kind: i64, data: Option<Bytes>) -> u32 {
    let crc = data
        .as_deref()
        .map_or(crc, |data| crc32c::crc32c_append(crc, data));
    let record = Record {
        r#type: kind,
        crc,
        data,
    };
    let length = record.encoded_len();
    let padding = (FIELD_BYTES - length % FIELD_BYTES) % FIELD_BYTES;
    let mut field = length as u64;
    if padding != 0 {
        field |= (0x80 | padding as u64) << 56;
    }
    out.reserve(FIELD_BYTES + length + padding);
    out.extend_from_slice(&field.to_le_bytes());
    record.encode_raw(out);
    out.resize(out.len() + padding, 0);
    crc
}

/// Splits a length field into the record's and the padding's bytes.
pub(crate) fn split_field(field: u64) -> (u64, u64) {
    let record = field & !(0xff << 56);
    let padding = if field >> 63 == 1 { field >> 56 & 7 } else { 0 };
    (record, padding)
}

/// Where the records of a segment lie in its bytes, up to the end of what was written or the
/// first frame that is not whole. What the records hold is not looked at.
pub fn records(segment: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(field) = segment[at..].first_chunk::<FIELD_BYTES>() {
        let (record, padding) = split_field(u64::from_le_bytes(*field));
        let start = at + FIELD_BYTES;
        let left = (segment.len() - start) as u64;
        // Zeros are space that was prepared and not written yet.
        if record == 0 || record + padding > left {
            break;
        }
        found.push(start..start + record as usize);
        at = start + (record + padding) as usize;
    }
    found
}

/// True if some sector that holds a part of the frame's body, which begins at
/// `offset` of the file, has nothing but zeros in that part.
pub(crate) fn is_torn(body: &[u8], offset: u64) -> bool {
    let mut at = 0;
    while at < body.len() {
        let position = offset + at as u64;
        let left = (SECTOR_BYTES - position % SECTOR_BYTES) as usize;
        let end = body.len().min(at + left);
        if body[at..end].iter().all(|&byte| byte == 0) {
            return true;
        }
        at = end;
    }
    false
}
