//! `etcdutl migrate` of etcd 3.6: between the storage versions 3.5 and 3.6. The only
//! difference between the two is the key `storageVersion` of the bucket `meta`
//! (`server/storage/schema/schema.go` of 3.6).

use std::path::Path;

use prost::Message as _;
use wire::etcdserverpb::InternalRaftRequest;
use wire::raftpb::EntryType;
use wire::walpb;

use super::{OfflineError, database_file, open, snap_dir, wal_dir};
use crate::go::quote::quote;
use crate::log::{Field, Level, console};

/// A storage version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u64,
    minor: u64,
}

impl Version {
    /// The oldest that can be migrated to.
    pub const V3_5: Self = Self { major: 3, minor: 5 };
    const V3_6: Self = Self { major: 3, minor: 6 };

    /// Reads `X.Y`.
    pub fn parse(text: &str) -> Result<Self, OfflineError> {
        let other = |text: String| Err(OfflineError::Other(text));
        let quoted = quote(text.as_bytes());
        if text.matches('.').count() != 1 {
            return other(format!(
                "wrong target version format, expected \"X.Y\", got {quoted}"
            ));
        }
        let number = |part: &str| part.parse::<u64>();
        let (major, minor) = text.split_once('.').unwrap_or((text, ""));
        let (Ok(major), Ok(minor)) = (number(major), number(minor)) else {
            return other(format!(
                "failed to parse target version: {quoted} is not a version such as \"3.6\""
            ));
        };
        let version = Self { major, minor };
        if version < Self::V3_5 {
            return other(format!(
                "target version \"{version}\" not supported. Minimal \"3.5\""
            ));
        }
        Ok(version)
    }

    /// Reads `3.6.0`, as the database has it.
    fn stored(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.split('.').map(|part| part.parse().ok());
        Some(Self {
            major: parts.next()??,
            minor: parts.next()??,
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

const META: &[u8] = b"meta";
const STORAGE_VERSION: &[u8] = b"storageVersion";

/// Migrates a data directory. With `force` what speaks against it is only told.
pub fn migrate(data_dir: &Path, target: Version, force: bool) -> Result<(), OfflineError> {
    let path = database_file(data_dir);
    let db = open(&path, false)?;
    let failed = OfflineError::database(&path);
    let tx = db.begin_read().map_err(&failed)?;
    let current = detect(&tx).map_err(&failed)?;
    drop(tx);
    let Some(current) = current else {
        console(
            Level::Error,
            "etcdutl/migrate_command.go:136",
            "failed to detect storage version. Please make sure you are using data dir from etcd v3.5 and older",
            &[],
        );
        return Err(OfflineError::Other("missing term information".into()));
    };
    if current == target {
        let fields = [Field::text("storage-version", &current.to_string())];
        tell("storage version up-to-date", &fields);
        return Ok(());
    }
    if let Err(error) = possible(data_dir, current, target) {
        if !force {
            return Err(error);
        }
        let fields = [Field::text("error", &error.to_string())];
        tell("normal migrate failed, trying with force", &fields);
    }
    // One transaction: the file has the old version or the new one.
    let mut tx = db.begin_write().map_err(&failed)?;
    if target < Version::V3_6 {
        tx.delete(META, STORAGE_VERSION).map_err(&failed)?;
    } else {
        let stored = format!("{target}.0");
        tx.put(META, STORAGE_VERSION, stored.as_bytes())
            .map_err(&failed)?;
    }
    tx.commit().map_err(&failed)?;
    db.close().map_err(&failed)?;
    let fields = [Field::text("new-storage-version", &format!("{target}.0"))];
    tell("updated storage version", &fields);
    Ok(())
}

fn tell(message: &str, fields: &[Field]) {
    console(Level::Info, "schema/migration.go:65", message, fields);
}

/// The storage version of a database; `None` before 3.5.
fn detect(tx: &bolt::ReadTx) -> bolt::Result<Option<Version>> {
    let Some(meta) = tx.bucket(META)? else {
        return Ok(None);
    };
    if let Some(stored) = meta.get(STORAGE_VERSION)? {
        return Ok(Version::stored(&stored));
    }
    // 3.5 writes the term beside the consistent index; versions before did not.
    let term = meta.get(b"term")?;
    let term = term.as_deref().and_then(|bytes| bytes.first_chunk());
    Ok(term
        .is_some_and(|bytes| u64::from_be_bytes(*bytes) != 0)
        .then_some(Version::V3_5))
}

/// Whether there is a way from one to the other, and nothing in the log that the
/// other does not understand.
fn possible(data_dir: &Path, current: Version, target: Version) -> Result<(), OfflineError> {
    if current.major != target.major {
        return Err(OfflineError::Other(
            "cannot create migration plan: changing major storage version is not supported".into(),
        ));
    }
    for version in [current, target] {
        if version > Version::V3_6 {
            return Err(OfflineError::Other(format!(
                "cannot create migration plan: version \"{version}.0\" is not supported"
            )));
        }
    }
    if target < current && log_has_downgrade_entries(data_dir)? {
        return Err(OfflineError::Other(format!(
            "cannot downgrade storage, WAL contains newer entries, as the target version ({target}.0) is lower than the version (3.6.0) detected from WAL logs"
        )));
    }
    Ok(())
}

/// Whether entries since the last snapshot use what only 3.6 has: of the requests in
/// the log that is `downgrade_version_test` alone, which is field 9900.
fn log_has_downgrade_entries(data_dir: &Path) -> Result<bool, OfflineError> {
    let wal = wal_dir(data_dir);
    let from = latest_snapshot(data_dir)?;
    let contents = wal::read_all(&wal, &from)?;
    Ok(contents.entries.iter().any(|entry| {
        let data = entry.data.clone().unwrap_or_default();
        entry.r#type() == EntryType::EntryNormal
            && InternalRaftRequest::decode(data.clone()).is_ok()
            && has_field(&data, DOWNGRADE_VERSION_TEST)
    }))
}

/// `InternalRaftRequest.downgrade_version_test` of 3.6.
const DOWNGRADE_VERSION_TEST: u64 = 9900;

/// Whether a message has that field at its top. Damaged bytes have none.
fn has_field(mut message: &[u8], wanted: u64) -> bool {
    use prost::encoding::{DecodeContext, decode_key, skip_field};
    while !message.is_empty() {
        let Ok((tag, kind)) = decode_key(&mut message) else {
            return false;
        };
        if u64::from(tag) == wanted {
            return true;
        }
        if skip_field(kind, tag, &mut message, DecodeContext::default()).is_err() {
            return false;
        }
    }
    false
}

/// The newest raft snapshot that the log knows; the beginning when there is none.
pub fn latest_snapshot(data_dir: &Path) -> Result<walpb::Snapshot, OfflineError> {
    let known = wal::valid_snapshot_entries(&wal_dir(data_dir))?;
    let mut newest = walpb::Snapshot::default();
    for record in known {
        let file =
            snap_dir(data_dir).join(format!("{:016x}-{:016x}.snap", record.term, record.index));
        if record.index > newest.index && wal::Snapshotter::read(&file).is_ok() {
            newest = record;
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::{Version, has_field};

    #[test]
    fn versions() {
        assert_eq!(Version::parse("3.6").unwrap(), Version::V3_6);
        assert_eq!(Version::stored(b"3.6.0"), Some(Version::V3_6));
        let said = |text: &str| Version::parse(text).unwrap_err().to_string();
        assert_eq!(
            said("3"),
            "wrong target version format, expected \"X.Y\", got \"3\""
        );
        assert_eq!(
            said("3.4"),
            "target version \"3.4\" not supported. Minimal \"3.5\""
        );
    }

    #[test]
    fn fields() {
        // Field 1 with the number 5, then field 9900 with an empty message.
        let message = [0x08, 0x05, 0xe2, 0xea, 0x04, 0x00];
        assert!(has_field(&message, 9900));
        assert!(!has_field(&message, 3));
        assert!(!has_field(&[0xff], 3));
    }
}
