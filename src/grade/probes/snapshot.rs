//! Opens the file that is said to be a snapshot.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

use bolt::{Meta, ReadTx};
use lab::model::SnapshotProbe;
use sha2::{Digest, Sha256};

use super::{KUBE_SYSTEM, Result, Scene, keys_are_as_asked, stored_uid_is};
use crate::{
    keyspace::{self, Keyspace},
    node::{Entry, Node},
    verdict::Outcome,
};

/// `snapshot save` appends the SHA-256 of everything before it (etcd 3.5
/// `server/etcdserver/api/v3rpc/maintenance.go`).
const CHECKSUM_BYTES: u64 = 32;
const EXPECTED: &str = "a snapshot as `etcdctl snapshot save` writes it";

pub fn look(scene: &Scene<'_>, probe: &SnapshotProbe) -> Result {
    let interest: Vec<String> = probe
        .holds
        .iter()
        .chain(&probe.lacks)
        .cloned()
        .chain([KUBE_SYSTEM.to_owned()])
        .collect();
    let place = scene.node.place(&probe.path);
    let keyspace = read(&scene.node, &probe.path, &interest)?;
    let own = keyspace
        .value(KUBE_SYSTEM)
        .is_some_and(|stored| stored_uid_is(stored, &scene.facts.kube_system_uid));
    if probe.this_cluster && !own {
        let found = "an intact snapshot, but of another cluster";
        return Err(Outcome::failed(place, found, "a snapshot of this cluster"));
    }
    if probe.since_start && keyspace.revision < scene.facts.revision {
        let found = format!(
            "a snapshot of revision {}, older than this lab (revision {})",
            keyspace.revision, scene.facts.revision
        );
        return Err(Outcome::failed(
            place,
            found,
            "a snapshot taken since the lab started",
        ));
    }
    keys_are_as_asked(&place, &keyspace, &probe.holds, &probe.lacks)?;
    Ok(Outcome::passed(format!(
        "an intact snapshot of revision {}",
        keyspace.revision
    )))
}

/// Reads an intact snapshot.
///
/// # Errors
/// What is wrong with it, as an outcome.
pub fn read(node: &Node<'_>, path: &str, interest: &[String]) -> Result<Keyspace> {
    let tx = open(node, path)?;
    let failed = |found| Outcome::failed(node.place(path), found, EXPECTED);
    keyspace::read(&tx, interest).map_err(failed)
}

/// Reads what `snapshot status` prints of an intact snapshot: its hash and revision.
///
/// # Errors
/// What is wrong with it, as an outcome.
pub fn status(node: &Node<'_>, path: &str) -> Result<(u32, i64)> {
    let tx = open(node, path)?;
    let failed = |found| Outcome::failed(node.place(path), found, EXPECTED);
    let revision = keyspace::read(&tx, &[]).map_err(failed)?.revision;
    let hash = mvcc::hash_db(&tx, false).map_err(|error| failed(error.to_string()))?;
    Ok((hash, revision))
}

/// Opens an intact snapshot.
fn open(node: &Node<'_>, path: &str) -> Result<ReadTx> {
    let place = node.place(path);
    let failed = |found: String| Outcome::failed(&place, found, EXPECTED);
    // A link is no copy: it changes with what it points at, or goes with it.
    if node.is_link(path) {
        return Err(failed("a symbolic link".into()));
    }
    let (file, metadata) = match node.entry(path)? {
        Entry::Missing => return Err(failed("no such file".into())),
        Entry::Other(what) => return Err(failed(what.to_owned())),
        Entry::File(file, metadata) => (file, metadata),
    };
    let length = metadata.len();
    if length == 0 {
        return Err(failed("an empty file".into()));
    }
    let blind = |error: io::Error| Outcome::could_not_look(&place, error.to_string());
    let whole = promised_bytes(&file).map(|database| database.saturating_add(CHECKSUM_BYTES));
    if let Some(whole) = whole.filter(|whole| length < *whole && length + CHECKSUM_BYTES != *whole)
    {
        let found = format!("a truncated snapshot: {length} of {whole} bytes");
        return Err(failed(found));
    }
    let copy = file.try_clone().map_err(blind)?;
    let db = keyspace::open(copy).map_err(|error| {
        let what = guess(&file).map_or_else(
            || match error {
                bolt::Error::Invalid { .. } => {
                    format!("{length} bytes that are no database of etcd")
                }
                error => format!("{length} bytes that are no database of etcd ({error})"),
            },
            str::to_owned,
        );
        failed(what)
    })?;
    if length % 512 != CHECKSUM_BYTES {
        let found = "a database file without the checksum that ends a snapshot: \
                     a copied member/snap/db";
        return Err(failed(found.into()));
    }
    // Before the sum is computed: a file may claim any length.
    let whole = db.size_bytes() + CHECKSUM_BYTES;
    if length != whole {
        let found = format!("a file of {length} bytes whose database makes a snapshot of {whole}");
        return Err(failed(found));
    }
    if !checksum_holds(&file, length - CHECKSUM_BYTES).map_err(blind)? {
        return Err(failed(
            "a damaged snapshot: its bytes do not match its checksum".into(),
        ));
    }
    let tx = db.begin_read().map_err(|error| failed(error.to_string()))?;
    let findings = bolt::check(&tx);
    if let Some(first) = findings.first() {
        return Err(failed(format!(
            "a snapshot whose pages are damaged: {first}"
        )));
    }
    Ok(tx)
}

/// How long the newest meta page says that the database is.
fn promised_bytes(file: &File) -> Option<u64> {
    const PAGE_SIZES: [u64; 4] = [4096, 8192, 16384, 65536];
    let meta = |at: u64| {
        let mut head = [0; bolt::HEADER_BYTES + bolt::META_BYTES];
        file.read_exact_at(&mut head, at).ok()?;
        Meta::read(&head).ok()
    };
    let first = meta(0);
    let second = PAGE_SIZES.into_iter().find_map(meta);
    let newest = [first, second]
        .into_iter()
        .flatten()
        .max_by_key(|meta| meta.txid)?;
    Some(newest.size_bytes())
}

/// Whether the 32 bytes after the first `length` are their SHA-256.
fn checksum_holds(file: &File, length: u64) -> io::Result<bool> {
    let mut hash = Sha256::new();
    let mut at = 0;
    let mut buffer = vec![0; 1 << 16];
    while at < length {
        let want = buffer.len().min((length - at) as usize);
        file.read_exact_at(&mut buffer[..want], at)?;
        hash.update(&buffer[..want]);
        at += want as u64;
    }
    let mut stored = [0; CHECKSUM_BYTES as usize];
    file.read_exact_at(&mut stored, length)?;
    Ok(hash.finalize()[..] == stored)
}

/// What a file that is no database looks like.
fn guess(mut file: &File) -> Option<&'static str> {
    let mut head = [0; 512];
    let read = file.read(&mut head).ok()?;
    let head = &head[..read];
    if head.starts_with(&[0x1f, 0x8b]) {
        Some("a compressed file (gzip)")
    } else if head.get(257..262) == Some(b"ustar") {
        Some("a tar archive")
    } else if head
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
    {
        Some("a text file")
    } else {
        None
    }
}
