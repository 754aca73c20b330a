//! `snapshot status`: what a snapshot file, or a copied database, holds.

use std::fs;
use std::path::Path;

use bolt::{Db, Options, Passed};

use super::error::SnapshotError;
use crate::exit::{Exit, code};
use crate::go::size;
use crate::json::Object;
use crate::table;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// CRC-32C over all names, keys and values.
    pub hash: u32,
    /// The latest revision; 0 in an empty keyspace.
    pub revision: i64,
    /// Keys of all buckets together: every revision counts, and so do leases,
    /// members and the rest.
    pub keys: u64,
    /// Bytes of the database, free pages included, the hash at the end not.
    pub bytes: u64,
}

/// The formats that a status has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFormat {
    /// For people.
    Simple,
    /// One field a line.
    Fields,
    /// JSON.
    Json,
    /// Known, but not for this answer.
    Protobuf,
    /// A table.
    Table,
}

impl StatusFormat {
    /// Reads the value of `--write-out`.
    pub fn parse(name: &str) -> Result<Self, Exit> {
        Ok(match name {
            "simple" => Self::Simple,
            "fields" => Self::Fields,
            "json" => Self::Json,
            "protobuf" => Self::Protobuf,
            "table" => Self::Table,
            _ => return Err(Exit::new(code::BAD_FEATURE, "unsupported output format")),
        })
    }
}

impl Status {
    /// The text to print.
    pub fn show(&self, format: StatusFormat) -> Result<String, Exit> {
        let row = [
            format!("{:x}", self.hash),
            self.revision.to_string(),
            self.keys.to_string(),
            size::bytes(self.bytes),
        ];
        Ok(match format {
            StatusFormat::Simple => format!("{}\n", row.join(", ")),
            StatusFormat::Fields => format!(
                "\"Hash\" : {}\n\"Revision\" : {}\n\"Keys\" : {}\n\"Size\" : {}\n",
                self.hash, self.revision, self.keys, self.bytes
            ),
            StatusFormat::Json => {
                let object = Object::default()
                    .plain("hash", self.hash)
                    .plain("revision", self.revision)
                    .plain("totalKey", self.keys)
                    .plain("totalSize", self.bytes);
                format!("{}\n", object.end())
            }
            StatusFormat::Table => table::render(
                &["hash", "revision", "total keys", "total size"],
                &[row.to_vec()],
            ),
            StatusFormat::Protobuf => {
                return Err(Exit::new(
                    code::BAD_FEATURE,
                    "protobuf not supported as output format",
                ));
            }
        })
    }
}

/// Opens the file, checks every page of it, and reads it to the end.
pub fn status(file: &Path) -> Result<Status, SnapshotError> {
    let length = fs::metadata(file)
        .map_err(|error| SnapshotError::file("stat", file, error))?
        .len();
    if length == 0 {
        return Err(SnapshotError::Empty(file.to_owned()));
    }
    fs::File::open(file).map_err(|error| SnapshotError::file("open", file, error))?;
    let db = Db::open(
        file,
        Options {
            read_only: true,
            ..Options::default()
        },
    )
    .map_err(SnapshotError::database)?;
    let tx = db.begin_read().map_err(SnapshotError::database)?;
    let mut status = Status {
        hash: 0,
        revision: 0,
        keys: 0,
        bytes: tx.size_bytes(),
    };
    let mut is_keyspace = false;
    let findings = bolt::check_each(&tx, &mut |passed| match passed {
        Passed::Bucket(name) => {
            status.hash = crc32c::crc32c_append(status.hash, name);
            is_keyspace = name == b"key";
        }
        Passed::Pair(key, value) => {
            status.hash = crc32c::crc32c_append(status.hash, key);
            status.hash = crc32c::crc32c_append(status.hash, value.unwrap_or_default());
            if is_keyspace && let Some(main) = main_revision(key) {
                status.revision = main;
            }
            status.keys += 1;
        }
    });
    if !findings.is_empty() {
        let findings = findings.iter().map(ToString::to_string).collect();
        return Err(SnapshotError::Damaged(findings));
    }
    Ok(status)
}

/// The main revision that a key of the bucket `key` begins with.
pub fn main_revision(key: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(*key.first_chunk()?))
}
