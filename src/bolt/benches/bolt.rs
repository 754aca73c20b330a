//! Timings of the engine, printed: `cargo bench -p kubedrill-bolt [-- MIB]`
//! with the size of the large file in MiB (256 unless given).

use std::path::Path;
use std::time::{Duration, Instant};

use bolt::{Db, Options, Result};

const BATCH: u64 = 10_000;

/// A key as etcd's revisions are: 8 bytes, `_`, 8 bytes.
fn key(n: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key[8] = b'_';
    key
}

fn report(what: &str, took: Duration, count: u64, unit: &str) {
    let each = took.as_nanos() as f64 / count.max(1) as f64;
    println!(
        "{what:<46} {:>9.1} ms  {each:>9.0} ns/{unit}",
        took.as_secs_f64() * 1e3
    );
}

fn fill(db: &Db, from: u64, count: u64, value: &[u8]) -> Result<()> {
    let mut tx = db.begin_write()?;
    tx.create_bucket_if_missing(b"key")?;
    tx.set_fill_percent(b"key", 0.9)?;
    for n in from..from + count {
        tx.put(b"key", &key(n), value)?;
    }
    tx.commit()
}

fn puts(dir: &Path, sync: bool) -> Result<()> {
    let options = Options {
        sync,
        ..Options::default()
    };
    let db = Db::open(&dir.join(format!("puts-{sync}")), options)?;
    let start = Instant::now();
    for batch in 0..20 {
        fill(&db, batch * BATCH, BATCH, &[7; 100])?;
    }
    let what = format!("put 100 bytes, batches of 10000, sync {sync}");
    report(&what, start.elapsed(), 20 * BATCH, "put");
    let start = Instant::now();
    for n in 0..200 {
        fill(&db, 20 * BATCH + n, 1, &[7; 100])?;
    }
    report(
        &format!("commits of one put, sync {sync}"),
        start.elapsed(),
        200,
        "commit",
    );
    Ok(())
}

fn reads(dir: &Path) -> Result<()> {
    let options = Options {
        cache_bytes: 64 << 20,
        ..Options::default()
    };
    let db = Db::open(&dir.join("puts-false"), options)?;
    let total = 20 * BATCH;
    let tx = db.begin_read()?;
    let Some(bucket) = tx.bucket(b"key")? else {
        return Ok(());
    };
    let start = Instant::now();
    let mut seen = 0;
    bucket.for_each(|_, value| {
        seen += value.map_or(0, |value| value.len());
        Ok(())
    })?;
    report("scan, cold cache", start.elapsed(), total, "pair");
    let start = Instant::now();
    bucket.for_each(|_, value| {
        seen += value.map_or(0, |value| value.len());
        Ok(())
    })?;
    report("scan, warm cache", start.elapsed(), total, "pair");
    let start = Instant::now();
    let mut n = 0u64;
    for _ in 0..total {
        n = (n + 7_919) % total;
        seen += bucket.get(&key(n))?.map_or(0, |value| value.len());
    }
    report("get at random, warm cache", start.elapsed(), total, "get");
    let start = Instant::now();
    for _ in 0..total / 10 {
        n = (n + 7_919) % total;
        let mut cursor = bucket.cursor();
        let mut pair = cursor.seek(&key(n))?;
        for _ in 0..9 {
            seen += usize::from(pair.is_some());
            pair = cursor.next()?;
        }
    }
    report(
        "range of ten, warm cache",
        start.elapsed(),
        total / 10,
        "range",
    );
    assert!(seen > 0);
    Ok(())
}

fn deletes(dir: &Path) -> Result<()> {
    let db = Db::open(
        &dir.join("puts-false"),
        Options {
            sync: false,
            ..Options::default()
        },
    )?;
    let total = 20 * BATCH;
    let start = Instant::now();
    for batch in 0..20 {
        let mut tx = db.begin_write()?;
        for n in (batch * BATCH..(batch + 1) * BATCH).filter(|n| n % 10 != 0) {
            tx.delete(b"key", &key(n))?;
        }
        tx.commit()?;
    }
    report(
        "delete nine of ten, batches of 9000",
        start.elapsed(),
        total * 9 / 10,
        "delete",
    );
    let start = Instant::now();
    let findings = db.check()?;
    assert!(findings.is_empty(), "{findings:?}");
    report("check", start.elapsed(), db.size_bytes() / 4096, "page");
    Ok(())
}

fn large(dir: &Path, mib: u64) -> Result<()> {
    let path = dir.join("large");
    let db = Db::open(
        &path,
        Options {
            sync: false,
            ..Options::default()
        },
    )?;
    let value = [9; 1000];
    let mut n = 0;
    let mut slice = 0;
    while db.size_bytes() < mib << 20 {
        let start = Instant::now();
        fill(&db, n, BATCH, &value)?;
        n += BATCH;
        if db.size_bytes() >= (mib << 20) * slice / 4 {
            let what = format!("put 1000 bytes, file of {} MiB", db.size_bytes() >> 20);
            report(&what, start.elapsed(), BATCH, "put");
            slice += 1;
        }
    }
    let start = Instant::now();
    for round in 0..100 {
        fill(&db, n + round, 1, &value)?;
    }
    report(
        "commits of one put in the large file",
        start.elapsed(),
        100,
        "commit",
    );
    let start = Instant::now();
    let copied = db.begin_read()?.write_to(&mut std::io::sink())?;
    report("snapshot streamed", start.elapsed(), copied >> 20, "MiB");
    db.close()?;
    drop(db);
    let start = Instant::now();
    let db = Db::open(&path, Options::default())?;
    let pages = db.size_bytes() / 4096;
    report(
        "open, free pages found by walking",
        start.elapsed(),
        pages,
        "page",
    );
    let start = Instant::now();
    assert!(db.check()?.is_empty());
    report("check", start.elapsed(), pages, "page");
    Ok(())
}

fn main() -> Result<()> {
    // Cargo passes `--bench`; a number is the size of the large file.
    let mib = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(256);
    let dir = tempfile::tempdir().expect("a temporary directory");
    puts(dir.path(), true)?;
    puts(dir.path(), false)?;
    reads(dir.path())?;
    deletes(dir.path())?;
    large(dir.path(), mib)
}
