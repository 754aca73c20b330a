//! The reference decides: its etcd makes files that are read here, and reads
//! files that are made here; `etcdutl snapshot status` runs bbolt's own check.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::{Db, NO_FREELIST, Options, check};

use testkit::reference;

/// A member of the reference's on sockets in its own directory.
struct Etcd {
    process: Child,
    directory: PathBuf,
}

impl Etcd {
    fn start(directory: &Path) -> Etcd {
        let process = Command::new(reference("3.5/etcd"))
            .current_dir(directory)
            .args(["--data-dir", "data", "--max-txn-ops", "100000"])
            .args(["--listen-client-urls", "unix://client:1"])
            .args(["--advertise-client-urls", "unix://client:1"])
            .args(["--listen-peer-urls", "unix://peer:1"])
            .args(["--initial-advertise-peer-urls", "unix://peer:1"])
            .args(["--initial-cluster", "default=unix://peer:1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts");
        let etcd = Etcd {
            process,
            directory: directory.to_owned(),
        };
        for _ in 0..100 {
            if etcd.run(&["get", "nothing"], "").status.success() {
                return etcd;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("etcd does not answer within five seconds");
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(reference("3.5/etcdctl"))
            .current_dir(&self.directory)
            .args(["--endpoints", "unix://client:1"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("etcdctl starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A program that stops early closes its end; its status tells.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("etcdctl ends")
    }

    fn ctl(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etcdctl {args:?}: {stderr}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Puts many keys in one transaction.
    fn fill(&self, prefix: &str, count: usize, value: usize) {
        let mut script = String::from("\n");
        for n in 0..count {
            script += &format!("put {prefix}{n:06} {}\n", "v".repeat(value + n % 97));
        }
        script += "\n\n";
        self.ctl(&["txn"], &script);
    }

    fn stop(mut self) {
        let pid = self.process.id().to_string();
        let killed = Command::new("kill").arg(&pid).status().expect("kill runs");
        assert!(killed.success());
        self.process.wait().expect("etcd ends");
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Only where a test fails half-way is it still running.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug, PartialEq)]
struct Status {
    hash: String,
    keys: String,
    size: String,
}

/// What the reference says of a database; it checks it as well.
fn status(db: &Path) -> Status {
    let output = Command::new(reference("3.5/etcdutl"))
        .args(["snapshot", "status", "-w", "fields"])
        .arg(db)
        .output()
        .expect("etcdutl starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("\"{name}\" : ")))
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_owned()
    };
    Status {
        hash: field("Hash"),
        keys: field("Keys"),
        size: field("Size"),
    }
}

fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!sum, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ 0x82f6_3b78 & (sum & 1).wrapping_neg();
        }
        sum
    })
}

/// The same numbers, read by this engine.
fn our_status(db: &Db) -> Status {
    let tx = db.begin_read().unwrap();
    let (mut hash, mut keys) = (0, 0);
    for name in tx.root_buckets().unwrap() {
        hash = crc32c(hash, &name);
        let bucket = tx.bucket(&name).unwrap().unwrap();
        bucket
            .for_each(|key, value| {
                hash = crc32c(crc32c(hash, &key), &value.unwrap_or_default());
                keys += 1;
                Ok(())
            })
            .unwrap();
    }
    Status {
        hash: hash.to_string(),
        keys: keys.to_string(),
        size: tx.size_bytes().to_string(),
    }
}

/// Copies all buckets the way etcd's defragmentation does.
fn copy(from: &Db, path: &Path, options: Options) -> Db {
    let to = Db::open(path, options).unwrap();
    let source = from.begin_read().unwrap();
    let mut tx = to.begin_write().unwrap();
    let mut count = 0;
    for name in source.root_buckets().unwrap() {
        tx.create_bucket_if_missing(&name).unwrap();
        tx.set_fill_percent(&name, 0.9).unwrap();
        let bucket = source.bucket(&name).unwrap().unwrap();
        let mut cursor = bucket.cursor();
        while let Some((key, value)) = cursor.next().unwrap() {
            count += 1;
            if count > 10_000 {
                tx.commit().unwrap();
                tx = to.begin_write().unwrap();
                tx.set_fill_percent(&name, 0.9).unwrap();
                count = 0;
            }
            tx.put(&name, &key, &value.expect("etcd nests no buckets"))
                .unwrap();
        }
    }
    tx.commit().unwrap();
    to
}

fn db_path(directory: &Path) -> PathBuf {
    directory.join("data/member/snap/db")
}

fn ours(path: &Path) -> Db {
    Db::open(path, Options::default()).unwrap()
}

#[test]
fn files_cross_over_between_the_reference_and_this_engine() {
    let directory = tempfile::tempdir().unwrap();
    let path = db_path(directory.path());
    let etcd = Etcd::start(directory.path());
    etcd.fill("a/", 6000, 30);
    etcd.fill("b/", 40, 30_000);
    etcd.ctl(&["put", "large"], &"x".repeat(700_000));
    etcd.ctl(&["del", "--prefix", "b/00001"], "");
    etcd.ctl(&["compact", "3"], "");
    etcd.ctl(&["lease", "grant", "10000"], "");
    etcd.stop();

    // Theirs, read here: kept open by nobody, without a free list.
    let db = ours(&path);
    assert_eq!(db.begin_read().unwrap().meta().freelist, NO_FREELIST);
    assert_eq!(db.check().unwrap(), []);
    let said = status_unlocked(&db, &path);
    assert_eq!(our_status(&ours_read_only(&path)), said);

    // Theirs, changed here and back again.
    let db = ours(&path);
    for round in 0..20u32 {
        let mut tx = db.begin_write().unwrap();
        tx.create_bucket_if_missing(b"scratch").unwrap();
        for n in 0..500u32 {
            let key = (n.wrapping_mul(2_654_435_761) ^ round).to_be_bytes();
            tx.put(b"scratch", &key, &vec![7; (n % 300) as usize])
                .unwrap();
        }
        tx.put(b"scratch", b"long", &vec![1; 100_000]).unwrap();
        tx.commit().unwrap();
    }
    let mut tx = db.begin_write().unwrap();
    tx.delete_bucket(b"scratch").unwrap();
    tx.commit().unwrap();
    let changed = status_unlocked(&db, &path);
    assert_eq!((&changed.hash, &changed.keys), (&said.hash, &said.keys));

    // Ours from the first byte, in their place.
    let written = directory.path().join("written");
    let db = copy(&ours(&path), &written, Options::default());
    let copied = status_unlocked(&db, &written);
    assert_eq!((&copied.hash, &copied.keys), (&said.hash, &said.keys));
    let defragmented = Command::new(reference("3.5/etcdutl"))
        .current_dir(directory.path())
        .args(["defrag", "--data-dir", "data"])
        .output()
        .unwrap();
    assert!(defragmented.status.success());
    // The same splits at the same places: as many pages as theirs.
    assert_eq!(status(&path), copied);
    std::fs::rename(&written, &path).unwrap();

    // Their member takes it over, reads all of it and writes on.
    let etcd = Etcd::start(directory.path());
    let keys = etcd.ctl(&["get", "--prefix", "", "--count-only", "-w", "fields"], "");
    assert!(keys.contains("\"Count\" : 6031"), "{keys}");
    assert_eq!(
        etcd.ctl(&["get", "large", "--print-value-only"], "").len(),
        700_001
    );
    etcd.fill("c/", 3000, 100);
    etcd.ctl(&["del", "--prefix", "a/"], "");
    etcd.ctl(&["compact", "6"], "");
    std::thread::sleep(Duration::from_millis(300));
    etcd.stop();
    let db = ours(&path);
    assert_eq!(db.check().unwrap(), []);
    let said = status_unlocked(&db, &path);
    assert_eq!(our_status(&ours_read_only(&path)), said);
}

fn ours_read_only(path: &Path) -> Db {
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    Db::open(path, options).unwrap()
}

/// Closes our database, then asks the reference.
fn status_unlocked(db: &Db, path: &Path) -> Status {
    db.close().unwrap();
    status(path)
}

#[test]
fn the_reference_accepts_a_long_free_list_that_was_written_here() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let options = Options {
        freelist_sync: true,
        sync: false,
        page_size: 1024,
        ..Options::default()
    };
    let db = Db::open(&path, options).unwrap();
    for round in 0..3u8 {
        let mut tx = db.begin_write().unwrap();
        tx.create_bucket_if_missing(b"key").unwrap();
        tx.put(b"key", &[round + 1; 17], &vec![1; 25_000 * 1024])
            .unwrap();
        tx.commit().unwrap();
    }
    let mut tx = db.begin_write().unwrap();
    for round in 0..3u8 {
        tx.delete(b"key", &[round + 1; 17]).unwrap();
    }
    tx.put(b"key", &[9; 17], b"left").unwrap();
    tx.commit().unwrap();
    assert_eq!(check(&db.begin_read().unwrap()), []);
    let said = status_unlocked(&db, &path);
    assert_eq!(our_status(&ours_read_only(&path)), said);
    assert_eq!(said.keys, "1");
}

#[test]
fn the_reference_finds_the_same_faults() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let options = Options {
        freelist_sync: true,
        ..Options::default()
    };
    let db = Db::open(&path, options.clone()).unwrap();
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"key").unwrap();
    for n in 0..2000u32 {
        tx.put(b"key", &[&n.to_be_bytes()[..], &[0; 13]].concat(), b"value")
            .unwrap();
    }
    tx.commit().unwrap();
    db.close().unwrap();
    assert_eq!(status(&path).keys, "2000");
    // A branch that lost its first child, and a leaf whose keys are exchanged.
    let raw = crate::surgery::RawFile::open(&path).unwrap();
    let way = crate::surgery::locate(&path, &[b"key"], &[0]).unwrap();
    assert!(way.len() > 1, "{way:?}");
    raw.clear_elements(way[0], 0, Some(1)).unwrap();
    let leaf = crate::surgery::locate(&path, &[b"key"], &1000u32.to_be_bytes()).unwrap()[1];
    let page = raw.read_page(leaf).unwrap();
    let mut data = page.data.clone();
    let (first, second) = (16..32, 32..48);
    let position = |at: usize| u32::from_le_bytes(data[at + 4..at + 8].try_into().unwrap());
    let (p1, p2) = (position(16), position(32));
    data[first.start + 4..first.start + 8].copy_from_slice(&(p2 + 16).to_le_bytes());
    data[second.start + 4..second.start + 8].copy_from_slice(&(p1 - 16).to_le_bytes());
    raw.write_page(leaf, &data).unwrap();
    let output = Command::new(reference("3.5/etcdutl"))
        .args(["snapshot", "status"])
        .arg(&path)
        .output()
        .unwrap();
    let theirs = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    let ours = check(&ours_read_only(&path).begin_read().unwrap());
    assert!(ours.len() >= 2, "{ours:?}");
    for finding in &ours {
        assert!(
            theirs.contains(&finding.to_string()),
            "{finding} is not in {theirs}"
        );
    }
    assert!(
        theirs.contains(&format!("{} errors found", ours.len())),
        "{theirs}\n{ours:?}"
    );
}

#[test]
fn what_a_killed_member_leaves_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    let path = db_path(directory.path());
    let mut last = 0;
    for round in 0..3 {
        let mut etcd = Etcd::start(directory.path());
        for part in 0..4 {
            etcd.fill(&format!("{round}/{part}/"), 500, 200);
        }
        // SIGKILL, with batches that are not yet in the database.
        etcd.process.kill().unwrap();
        etcd.process.wait().unwrap();
        drop(etcd);
        for socket in ["client:1", "peer:1"] {
            let _ = std::fs::remove_file(directory.path().join(socket));
        }
        let db = ours(&path);
        assert_eq!(db.check().unwrap(), []);
        let txid = db.begin_read().unwrap().id();
        assert!(txid > last);
        // A commit of ours on top is one more of theirs.
        db.begin_write().unwrap().commit().unwrap();
        last = txid + 1;
        let said = status_unlocked(&db, &path);
        assert_eq!(our_status(&ours_read_only(&path)), said);
    }
}
