//! `defrag` of a data directory that no etcd is using: the database is copied
//! key by key into a new file, which takes the old one's place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bolt::{Db, Options, ReadTx, WriteTx};

use super::error::SnapshotError;
use crate::go::{duration, quote::quote, size};
use crate::log::{Field, Level, console};

/// Keys written in one transaction.
const BATCH: usize = 10_000;

/// How full pages are made (keys of later revisions only ever come at the end).
const FILL: f64 = 0.9;

/// How long the lock may be held by another before something is said.
const PATIENCE: Duration = Duration::from_secs(1);

/// Rewrites `data_dir/member/snap/db`.
pub fn defragment(data_dir: &Path) -> Result<(), SnapshotError> {
    let path: PathBuf = data_dir.join("member").join("snap").join("db");
    // The reference crashes where there is nothing to open.
    fs::metadata(&path).map_err(|error| SnapshotError::file("open", &path, error))?;
    let db = open(&path)?;
    let started = Instant::now();
    let (bytes, used) = (db.size_bytes(), db.in_use_bytes());
    let shown = path.display().to_string();
    let fields = [
        Field::text("path", &shown),
        Field::number("current-db-size-bytes", bytes),
        Field::text("current-db-size", &size::bytes(bytes)),
        Field::number("current-db-size-in-use-bytes", used),
        Field::text("current-db-size-in-use", &size::bytes(used)),
    ];
    console(
        Level::Info,
        "backend/backend.go:509",
        "defragmenting",
        &fields,
    );

    let temporary = path.with_file_name(format!("db.tmp.{}", std::process::id()));
    let copied = copy(&db, &temporary);
    if copied.is_err() {
        // The failure that matters is the copy's.
        let _ = fs::remove_file(&temporary);
    }
    let (new_bytes, new_used) = copied?;
    fs::rename(&temporary, &path)
        .map_err(|error| SnapshotError::file("rename", &temporary, error))?;
    if let Some(dir) = path.parent() {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| SnapshotError::file("sync", dir, error))?;
    }
    let fields = [
        Field::text("path", &shown),
        Field::number(
            "current-db-size-bytes-diff",
            i128::from(new_bytes) - i128::from(bytes),
        ),
        Field::number("current-db-size-bytes", new_bytes),
        Field::text("current-db-size", &size::bytes(new_bytes)),
        Field::number(
            "current-db-size-in-use-bytes-diff",
            i128::from(new_used) - i128::from(used),
        ),
        Field::number("current-db-size-in-use-bytes", new_used),
        Field::text("current-db-size-in-use", &size::bytes(new_used)),
        Field::text(
            "took",
            &duration::format(started.elapsed().as_nanos() as i64),
        ),
    ];
    console(
        Level::Info,
        "backend/backend.go:561",
        "finished defragmenting directory",
        &fields,
    );
    Ok(())
}

fn open(path: &Path) -> Result<Db, SnapshotError> {
    match Db::open(path, Options { lock_timeout: Some(PATIENCE), ..Options::default() }) {
        Err(bolt::Error::LockTimeout { .. }) => {
            tell!(
                "waiting for etcd to close and release its lock on {}. To defrag a running etcd instance, omit --data-dir.",
                quote(path.as_os_str().as_encoded_bytes())
            );
            Db::open(path, Options::default())
        }
        other => other,
    }
    .map_err(SnapshotError::database)
}

/// Copies all buckets; gives the new size and how much of it is used.
fn copy(db: &Db, target: &Path) -> Result<(u64, u64), SnapshotError> {
    copy_all(db, target).map_err(SnapshotError::database)
}

fn copy_all(db: &Db, target: &Path) -> bolt::Result<(u64, u64)> {
    let from = db.begin_read()?;
    // Until it is renamed the new file is worthless, so it is synced once.
    let options = Options {
        sync: false,
        ..Options::default()
    };
    let to = Db::open(target, options.clone())?;
    let mut copy = Copy {
        to: to.clone(),
        tx: None,
        count: 0,
    };
    for name in from.root_buckets()? {
        copy.bucket(&from, &name)?;
    }
    copy.commit()?;
    to.sync()?;
    to.close()?;
    // Opened anew it knows which pages the copying has left free.
    let to = Db::open(target, options)?;
    let sizes = (to.size_bytes(), to.in_use_bytes());
    to.close()?;
    Ok(sizes)
}

/// A copy under way: buckets share transactions, as in the reference.
struct Copy {
    to: Db,
    /// `None` between two transactions.
    tx: Option<WriteTx>,
    count: usize,
}

impl Copy {
    fn tx(&mut self) -> bolt::Result<&mut WriteTx> {
        match &mut self.tx {
            Some(tx) => Ok(tx),
            none => Ok(none.insert(self.to.begin_write()?)),
        }
    }

    fn commit(&mut self) -> bolt::Result<()> {
        self.count = 0;
        self.tx.take().map_or(Ok(()), WriteTx::commit)
    }

    fn bucket(&mut self, from: &ReadTx, name: &[u8]) -> bolt::Result<()> {
        let Some(bucket) = from.bucket(name)? else {
            return Ok(());
        };
        self.tx()?.create_bucket_if_missing(name)?;
        self.tx()?.set_fill_percent(name, FILL)?;
        let mut cursor = bucket.cursor();
        let mut pair = cursor.first()?;
        while let Some((key, value)) = pair {
            if self.count == BATCH {
                self.commit()?;
                self.tx()?.set_fill_percent(name, FILL)?;
            }
            self.tx()?
                .put(name, &key, value.as_deref().unwrap_or_default())?;
            self.count += 1;
            pair = cursor.next()?;
        }
        Ok(())
    }
}
