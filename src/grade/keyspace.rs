//! A keyspace read from a database file, without asking a member.

use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bolt::{Db, Disk, Options, ReadTx};
use bytes::Bytes;
use prost::Message;
use wire::mvccpb::KeyValue;

/// A file that is only read, at positions, with no lock: the member that writes it
/// must not be kept waiting by the grader.
struct ReadOnly(File);

impl Disk for ReadOnly {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

/// What happened to a key at a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Created,
    Updated,
    Deleted,
}

/// The keyspace of a database file, as far as the keys of interest go.
#[derive(Debug, Default)]
pub struct Keyspace {
    /// The newest main revision; 1 for an empty keyspace.
    pub revision: i64,
    /// The revision up to which history was removed; 0 for never.
    pub compacted: i64,
    /// The raft index that the database has seen.
    pub consistent_index: u64,
    changes: BTreeMap<Bytes, Vec<(i64, Change)>>,
    values: BTreeMap<Bytes, Bytes>,
}

impl Keyspace {
    /// The value of a living key of interest.
    pub fn value(&self, key: &str) -> Option<&Bytes> {
        self.values.get(key.as_bytes())
    }

    /// The changes of a key of interest, oldest first.
    pub fn changes(&self, key: &str) -> &[(i64, Change)] {
        self.changes.get(key.as_bytes()).map_or(&[], Vec::as_slice)
    }
}

/// Opens a database file for reading.
///
/// # Errors
/// It is no bbolt file or a damaged one.
pub fn open(file: File) -> bolt::Result<Db> {
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    Db::open_with(Arc::new(ReadOnly(file)), options)
}

/// Reads the keyspace and the changes of `interest`, in one pass and in memory that
/// depends on the keys of interest alone.
///
/// # Errors
/// A page can't be read, or a record is no revision.
pub fn read(tx: &ReadTx, interest: &[String]) -> Result<Keyspace, String> {
    let mut keyspace = Keyspace {
        revision: 1,
        ..Keyspace::default()
    };
    if let Some(meta) = tx.bucket(b"meta").map_err(|error| error.to_string())? {
        let number = |name: &[u8]| -> Result<Option<Bytes>, String> {
            meta.get(name).map_err(|error| error.to_string())
        };
        if let Some(bytes) = number(b"consistent_index")? {
            keyspace.consistent_index = big_endian(&bytes).unwrap_or(0);
        }
        if let Some(bytes) = number(b"finishedCompactRev")? {
            keyspace.compacted = big_endian(&bytes).unwrap_or(0) as i64;
        }
    }
    let Some(bucket) = tx.bucket(b"key").map_err(|error| error.to_string())? else {
        return Err("it has no bucket `key`, so it is no database of etcd".into());
    };
    let mut cursor = bucket.cursor();
    let mut pair = cursor.first().map_err(|error| error.to_string())?;
    while let Some((revision, value)) = pair {
        keyspace.add(&revision, &value.unwrap_or_default(), interest)?;
        pair = cursor.next().map_err(|error| error.to_string())?;
    }
    Ok(keyspace)
}

fn big_endian(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))
}

impl Keyspace {
    /// Adds one record: 8 bytes main revision, `_`, 8 bytes sub revision, `t` for a
    /// tombstone (etcd 3.5 `server/mvcc/revision.go`, `kvstore.go`).
    fn add(&mut self, revision: &[u8], value: &[u8], interest: &[String]) -> Result<(), String> {
        let main = big_endian(revision).filter(|_| matches!(revision.len(), 17 | 18));
        let Some(main) = main else {
            return Err(format!(
                "a key of {} bytes in bucket `key` is no revision",
                revision.len()
            ));
        };
        let main = main as i64;
        self.revision = self.revision.max(main);
        let record = KeyValue::decode(value)
            .map_err(|error| format!("the record of revision {main} can't be decoded: {error}"))?;
        if !interest.iter().any(|key| key.as_bytes() == &record.key[..]) {
            return Ok(());
        }
        let change = match revision.get(17) {
            Some(b't') => Change::Deleted,
            _ if record.version == 1 => Change::Created,
            _ => Change::Updated,
        };
        self.changes
            .entry(record.key.clone())
            .or_default()
            .push((main, change));
        match change {
            Change::Deleted => self.values.remove(&record.key),
            _ => self.values.insert(record.key, record.value),
        };
        Ok(())
    }
}
