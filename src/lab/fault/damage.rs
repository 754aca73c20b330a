//! Damage to etcd's own files, where a member that starts comes upon it. Pure.

use std::{io, sync::Arc};

use bolt::{Db, Disk, Options, surgery};

use super::{Contents, FaultError};

/// The bucket of the keys (etcd 3.5.16, `server/mvcc/buckets/bucket.go`).
const KEYS: &[u8] = b"key";

/// What is to be written over the file: one page of the keys becomes zeros, or one bit of a
/// record of the log flips.
///
/// # Errors
/// The file holds nothing that could be damaged.
pub(super) fn of(file: &str, bytes: &[u8]) -> Result<Contents, FaultError> {
    let found = match file.ends_with(".wal") {
        true => record(bytes),
        false => page(bytes),
    };
    found.map_err(|reason| FaultError::Damage {
        file: file.to_owned(),
        reason,
    })
}

/// The last byte of a record is the end of its data, of which the checksum speaks.
fn record(segment: &[u8]) -> Result<Contents, String> {
    let records = wal::records(segment);
    let middle = records
        .get(records.len() / 2)
        .filter(|body| !body.is_empty());
    let body = middle.ok_or("it has no record")?;
    Ok(Contents::Patch {
        offset: body.end as u64 - 1,
        bytes: vec![segment[body.end - 1] ^ 1],
    })
}

fn page(database: &[u8]) -> Result<Contents, String> {
    let disk = Arc::new(Copy(database.into()));
    let db = Db::open_with(disk, reading()).map_err(|error| error.to_string())?;
    let way = surgery::locate_in(&db, &[KEYS], b"").map_err(|error| error.to_string())?;
    let page = way.last().ok_or("its keys fill no page yet")?;
    let size = db.page_size();
    Ok(Contents::Patch {
        offset: page * size as u64,
        bytes: vec![0; size],
    })
}

fn reading() -> Options {
    Options {
        read_only: true,
        ..Options::default()
    }
}

/// A database in memory that nobody writes.
struct Copy(Box<[u8]>);

impl Disk for Copy {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.saturating_add(buf.len());
        let found = self.0.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(file: &str, bytes: &[u8]) -> Vec<u8> {
        let Contents::Patch {
            offset,
            bytes: patch,
        } = of(file, bytes).unwrap()
        else {
            panic!("the file stays the file that it is");
        };
        let mut all = bytes.to_vec();
        all[offset as usize..][..patch.len()].copy_from_slice(&patch);
        all
    }

    #[test]
    fn a_page_of_the_keys_is_no_page_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let db = Db::open(&path, Options::default()).unwrap();
        let mut tx = db.begin_write().unwrap();
        tx.create_bucket(b"other").unwrap();
        tx.create_bucket(KEYS).unwrap();
        let mut keys = tx.bucket_mut(&[KEYS]).unwrap();
        for number in 0..2000_u32 {
            keys.put(&number.to_be_bytes(), &[7; 64]).unwrap();
        }
        tx.commit().unwrap();
        db.close().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, patched("/x/db", &bytes)).unwrap();
        let db = Db::open(&path, reading()).unwrap();
        let tx = db.begin_read().unwrap();
        assert!(tx.root().bucket(b"other").unwrap().is_some());
        let keys = tx.root().bucket(KEYS).unwrap().unwrap();
        let found = keys.get(&0_u32.to_be_bytes()).unwrap_err().to_string();
        assert!(found.contains("the number 0"), "{found}");
    }

    #[test]
    fn a_record_has_another_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("wal");
        let (_, from) = (
            wal::Wal::create(&log, &b"who"[..]).unwrap(),
            Default::default(),
        );
        let segment = log.join("0000000000000000-0000000000000000.wal");
        let bytes = std::fs::read(&segment).unwrap();
        assert!(wal::verify(&log, &from).is_ok());
        std::fs::write(&segment, patched("/x/0.wal", &bytes)).unwrap();
        let found = wal::verify(&log, &from).unwrap_err().to_string();
        assert!(found.contains("crc mismatch"), "{found}");
    }

    #[test]
    fn what_holds_nothing_is_not_damaged() {
        let zeros = of("/x/0.wal", &[0; 64]).unwrap_err().to_string();
        assert_eq!(zeros, "/x/0.wal can't be damaged: it has no record");
        let text = of("/x/db", b"no database").unwrap_err().to_string();
        assert!(text.starts_with("/x/db can't be damaged: "), "{text}");
    }
}
