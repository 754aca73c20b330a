//! The database: its file, its pages, its buckets.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use wire::{authpb, etcdserverpb as pb, leasepb};

use super::super::{OfflineError, open};
use super::{Report, keyspace};

/// Bytes of a hash at the end of a snapshot; pages are multiples of [`PAGE_STEP`].
const HASH_BYTES: u64 = 32;
const PAGE_STEP: u64 = 512;

/// The buckets of etcd 3.5 (`server/mvcc/buckets/bucket.go`).
const BUCKETS: [&str; 11] = [
    "alarm",
    "auth",
    "authRoles",
    "authUsers",
    "cluster",
    "key",
    "lease",
    "members",
    "members_removed",
    "meta",
    "test",
];

/// What the log must fit to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Index of the last entry that is in the database; 0 when it does not say.
    pub consistent_index: u64,
    /// The term of that entry; 0 when it does not say.
    pub term: u64,
    /// IDs of the members.
    pub members: Vec<u64>,
}

/// Looks at a database; `None` when it could not be read to its end.
pub fn check(
    path: &Path,
    shown: &Path,
    report: &mut Report,
) -> Result<Option<State>, OfflineError> {
    let place = shown.display().to_string();
    check_hash(path, &place, report)?;
    let db = match open(path, true) {
        Ok(db) => db,
        Err(error @ (OfflineError::InUse(_) | OfflineError::File { .. })) => return Err(error),
        Err(error) => {
            let text = error.to_string();
            let prefix = format!("{}: ", path.display());
            let why = text.strip_prefix(&prefix).unwrap_or(&text);
            report.error(place, format!("no database: {why}"));
            return Ok(None);
        }
    };
    let tx = db.begin_read().map_err(OfflineError::database(path))?;
    let pages = tx.meta().high_water;
    report.looked_at.push(format!(
        "{place}: {pages} pages of {} bytes, transaction {}",
        db.page_size(),
        tx.meta().txid
    ));
    let findings = bolt::check(&tx);
    for finding in findings.iter().take(super::MOST) {
        report.error(&place, finding.to_string());
    }
    if findings.len() > super::MOST {
        let more = findings.len() - super::MOST;
        report.error(&place, format!("{more} more pages are damaged"));
    }
    if !findings.is_empty() {
        // What hangs from a damaged page can't be trusted, nor always be read.
        return Ok(None);
    }
    match buckets(&tx, &place, report) {
        Ok(state) => Ok(Some(state)),
        Err(error) => {
            report.error(place, error.to_string());
            Ok(None)
        }
    }
}

/// The hash at the end of a snapshot, if there is one.
fn check_hash(path: &Path, place: &str, report: &mut Report) -> Result<(), OfflineError> {
    let failed = OfflineError::file("read", path);
    let mut file = File::open(path).map_err(OfflineError::file("open", path))?;
    let length = file.seek(SeekFrom::End(0)).map_err(&failed)?;
    file.rewind().map_err(&failed)?;
    match length % PAGE_STEP {
        0 if length > 0 => return Ok(()),
        HASH_BYTES => {}
        _ => {
            report.error(
                place,
                format!(
                    "{length} bytes are neither whole pages nor whole pages and a hash; the file was cut or appended to"
                ),
            );
            return Ok(());
        }
    }
    let mut left = length - HASH_BYTES;
    let mut sha = Sha256::new();
    let mut chunk = vec![0; 256 * 1024];
    while left > 0 {
        let wanted = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_exact(&mut chunk[..wanted]).map_err(&failed)?;
        sha.update(&chunk[..wanted]);
        left -= wanted as u64;
    }
    let mut expected = [0; HASH_BYTES as usize];
    file.read_exact(&mut expected).map_err(&failed)?;
    if sha.finalize()[..] != expected {
        report.error(
            place,
            "the SHA-256 at the end is not that of the file: it was changed after it was saved",
        );
    }
    Ok(())
}

fn buckets(tx: &bolt::ReadTx, place: &str, report: &mut Report) -> bolt::Result<State> {
    for name in tx.root_buckets()? {
        let name = String::from_utf8_lossy(&name).into_owned();
        if !BUCKETS.contains(&name.as_str()) {
            report.note(
                place,
                format!("bucket {name:?} is none of etcd's; it is left alone"),
            );
        }
    }
    for needed in ["key", "meta"] {
        if tx.bucket(needed.as_bytes())?.is_none() {
            report.error(place, format!("there is no bucket {needed:?}"));
        }
    }
    let leases = leases(tx, place, report)?;
    keyspace::check(tx, place, &leases, report)?;
    alarms(tx, place, report)?;
    users(tx, place, report)?;
    let members = members(tx, place, report)?;
    let consistent_index = number(tx, "consistent_index", place, report)?;
    let term = number(tx, "term", place, report)?;
    report.looked_at.push(format!(
        "{place}: consistent index {consistent_index}, term {term}, {} members",
        members.len()
    ));
    Ok(State {
        consistent_index,
        term,
        members,
    })
}

/// A number of the bucket `meta`; 0 when it is not there.
fn number(tx: &bolt::ReadTx, name: &str, place: &str, report: &mut Report) -> bolt::Result<u64> {
    let Some(meta) = tx.bucket(b"meta")? else {
        return Ok(0);
    };
    let Some(value) = meta.get(name.as_bytes())? else {
        if name == "consistent_index" {
            report.note(place, "bucket \"meta\" has no consistent index");
        }
        return Ok(0);
    };
    match <[u8; 8]>::try_from(&value[..]) {
        Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
        Err(_) => {
            report.error(
                format!("{place}, bucket \"meta\", key {name:?}"),
                format!("{} bytes, expected 8", value.len()),
            );
            Ok(0)
        }
    }
}

fn leases(tx: &bolt::ReadTx, place: &str, report: &mut Report) -> bolt::Result<Vec<i64>> {
    let mut ids = Vec::new();
    let Some(bucket) = tx.bucket(b"lease")? else {
        return Ok(ids);
    };
    bucket.for_each(|key, value| {
        let at = format!("{place}, bucket \"lease\", key {key:02x?}");
        let lease = leasepb::Lease::decode(value.unwrap_or_default());
        match (<[u8; 8]>::try_from(&key[..]), lease) {
            (Ok(id), Ok(lease)) if lease.id == i64::from_be_bytes(id) => {
                ids.push(lease.id);
                if lease.ttl <= 0 {
                    report.error(at, format!("a lease of {} seconds", lease.ttl));
                }
            }
            (Ok(_), Ok(lease)) => {
                report.error(at, format!("holds the lease {:016x}", lease.id));
            }
            _ => report.error(at, "no lease"),
        }
        Ok(())
    })?;
    ids.sort_unstable();
    Ok(ids)
}

fn alarms(tx: &bolt::ReadTx, place: &str, report: &mut Report) -> bolt::Result<()> {
    let Some(bucket) = tx.bucket(b"alarm")? else {
        return Ok(());
    };
    bucket.for_each(|key, _| {
        match pb::AlarmMember::decode(key.clone()) {
            Ok(alarm) => report.note(
                place,
                format!(
                    "the alarm {} of member {:x} is raised",
                    alarm.alarm().as_str_name(),
                    alarm.member_id
                ),
            ),
            Err(_) => report.error(
                format!("{place}, bucket \"alarm\", key {key:02x?}"),
                "no alarm",
            ),
        }
        Ok(())
    })
}

fn users(tx: &bolt::ReadTx, place: &str, report: &mut Report) -> bolt::Result<()> {
    let mut names = Vec::new();
    if let Some(bucket) = tx.bucket(b"authUsers")? {
        bucket.for_each(|key, value| {
            match authpb::User::decode(value.unwrap_or_default()) {
                Ok(user) if user.name[..] == key[..] => names.push(key),
                _ => report.error(
                    format!("{place}, bucket \"authUsers\", key {key:02x?}"),
                    "no user of that name",
                ),
            }
            Ok(())
        })?;
    }
    if let Some(bucket) = tx.bucket(b"authRoles")? {
        bucket.for_each(|key, value| {
            match authpb::Role::decode(value.unwrap_or_default()) {
                Ok(role) if role.name[..] == key[..] => {}
                _ => report.error(
                    format!("{place}, bucket \"authRoles\", key {key:02x?}"),
                    "no role of that name",
                ),
            }
            Ok(())
        })?;
    }
    let enabled = match tx.bucket(b"auth")? {
        Some(bucket) => bucket.get(b"authEnabled")?.as_deref() == Some(&[1]),
        None => false,
    };
    if enabled && !names.iter().any(|name| &name[..] == b"root") {
        report.error(
            place,
            "authentication is enabled and there is no user root, so nobody can disable it",
        );
    }
    Ok(())
}

fn members(tx: &bolt::ReadTx, place: &str, report: &mut Report) -> bolt::Result<Vec<u64>> {
    let mut ids = Vec::new();
    let Some(bucket) = tx.bucket(b"members")? else {
        return Ok(ids);
    };
    bucket.for_each(|key, value| {
        let at = format!(
            "{place}, bucket \"members\", key {:?}",
            String::from_utf8_lossy(&key)
        );
        let id = std::str::from_utf8(&key)
            .ok()
            .and_then(|key| u64::from_str_radix(key, 16).ok());
        let member = mvcc::member_from_json(&value.unwrap_or_default());
        match (id, member) {
            (Some(id), Ok(member)) if member.id == id => ids.push(id),
            (Some(_), Ok(member)) => report.error(at, format!("holds the member {:x}", member.id)),
            (_, Err(why)) => report.error(at, format!("no member: {why}")),
            (None, _) => report.error(at, "no ID of a member"),
        }
        Ok(())
    })?;
    Ok(ids)
}
