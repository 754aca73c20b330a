//! `etcdutl hashkv` of etcd 3.6: the hash of a file's history that
//! `etcdctl endpoint hashkv` gives for a running member.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use prost::Message as _;
use wire::mvccpb::KeyValue;

use super::{OfflineError, open};
use crate::exit::{Exit, code};
use crate::json::Object;
use crate::print::Format;
use crate::table;

/// Bytes of a revision as the bucket `key` has it, and of one of a deletion.
const PUT_BYTES: usize = 17;
const TOMBSTONE_BYTES: usize = 18;

/// A hash and what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashKv {
    /// CRC-32C.
    pub hash: u32,
    /// Up to this revision.
    pub revision: i64,
    /// From this one on; -1 when nothing was ever compacted.
    pub compacted: i64,
}

impl HashKv {
    /// The text to print.
    pub fn show(&self, format: Format) -> Result<String, Exit> {
        let row = [
            self.hash.to_string(),
            self.revision.to_string(),
            self.compacted.to_string(),
        ];
        Ok(match format {
            Format::Simple => format!("{}\n", row.join(", ")),
            Format::Fields => format!(
                "\"Hash\" : {}\n\"Hash revision\" : {}\n\"Compact revision\" : {}\n",
                self.hash, self.revision, self.compacted
            ),
            Format::Json => {
                let object = Object::default()
                    .plain("hash", self.hash)
                    .plain("hashRevision", self.revision)
                    .plain("compactRevision", self.compacted);
                format!("{}\n", object.end())
            }
            Format::Table => table::render(
                &["hash", "hash revision", "compact revision"],
                &[row.to_vec()],
            ),
            Format::Protobuf => {
                return Err(Exit::new(
                    code::BAD_FEATURE,
                    "protobuf not supported as output format",
                ));
            }
        })
    }
}

/// Where a change stands in history.
type Revision = (i64, i64);

/// Reads a key of the bucket `key`: the revision, and whether it is a deletion.
pub fn parse(key: &[u8]) -> Option<(Revision, bool)> {
    let main = i64::from_be_bytes(*key.first_chunk()?);
    let sub = i64::from_be_bytes(*key.get(9..)?.first_chunk()?);
    match key.len() {
        PUT_BYTES if key[8] == b'_' => Some(((main, sub), false)),
        TOMBSTONE_BYTES if key[8] == b'_' && key[PUT_BYTES] == b't' => Some(((main, sub), true)),
        _ => None,
    }
}

/// Hashes the history of a database up to a revision; 0 means all of it.
pub fn hash(file: &Path, revision: i64) -> Result<HashKv, OfflineError> {
    let db = open(file, true)?;
    let failed = OfflineError::database(file);
    let tx = db.begin_read().map_err(&failed)?;
    let compacted = compacted(&tx).map_err(&failed)?;
    let Some(bucket) = tx.bucket(b"key").map_err(&failed)? else {
        return Err(OfflineError::Other(format!(
            "{} has no bucket \"key\"; it is no database of an etcd 3 member",
            file.display()
        )));
    };
    let latest = bucket.cursor().last().map_err(&failed)?;
    let latest = latest
        .and_then(|(key, _)| parse(&key))
        .map_or(1, |((main, _), _)| main)
        .max(compacted);
    if revision > 0 && revision < compacted {
        return Err(refused("required revision has been compacted"));
    }
    if revision > latest {
        return Err(refused("required revision is a future revision"));
    }
    let revision = if revision > 0 { revision } else { latest };
    let keep = match compacted > 0 {
        true => kept(&bucket, revision).map_err(&failed)?,
        false => HashSet::new(),
    };
    let mut crc = crc32c::crc32c(b"key");
    bucket
        .for_each(|key, value| {
            let Some((at, tombstone)) = parse(&key) else {
                return Ok(());
            };
            if at.0 > revision {
                return Ok(());
            }
            // What a compaction has still to delete does not count, nor does a
            // deletion at its very revision, which not all versions keep.
            if at.0 <= compacted && !keep.is_empty() && !keep.contains(&at) {
                return Ok(());
            }
            if at.0 == compacted && tombstone {
                return Ok(());
            }
            crc = crc32c::crc32c_append(crc, &key);
            crc = crc32c::crc32c_append(crc, &value.unwrap_or_default());
            Ok(())
        })
        .map_err(&failed)?;
    Ok(HashKv {
        hash: crc,
        revision,
        compacted,
    })
}

fn refused(why: &str) -> OfflineError {
    OfflineError::Other(format!("mvcc: {why}"))
}

/// The revision up to which history was, or is being, compacted; -1 for none.
pub fn compacted(tx: &bolt::ReadTx) -> bolt::Result<i64> {
    let Some(meta) = tx.bucket(b"meta")? else {
        return Ok(-1);
    };
    let mut newest = -1;
    for name in [&b"scheduledCompactRev"[..], b"finishedCompactRev"] {
        let value = meta.get(name)?;
        if let Some(main) = value.as_deref().and_then(|v| v.first_chunk()) {
            newest = newest.max(i64::from_be_bytes(*main));
        }
    }
    Ok(newest)
}

/// The last revision of each key up to one, unless it is a deletion.
fn kept(bucket: &bolt::Bucket<'_>, revision: i64) -> bolt::Result<HashSet<Revision>> {
    let mut last: HashMap<bytes::Bytes, (Revision, bool)> = HashMap::new();
    bucket.for_each(|key, value| {
        if let Some((at, tombstone)) = parse(&key)
            && at.0 <= revision
            && let Ok(kv) = KeyValue::decode(value.unwrap_or_default())
        {
            last.insert(kv.key, (at, tombstone));
        }
        Ok(())
    })?;
    let revisions = last.into_values().filter(|(_, tombstone)| !tombstone);
    Ok(revisions.map(|(at, _)| at).collect())
}
