//! What the engine promises, on real files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Db, Error, NO_FREELIST, Options, check};

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("db");
    Fixture { _dir: dir, path }
}

fn open(fixture: &Fixture) -> Db {
    Db::open(&fixture.path, Options::default()).expect("the database opens")
}

fn sound(db: &Db) {
    let findings = db.check().expect("the check runs");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_new_file_is_what_bbolt_makes() {
    let fixture = fixture();
    let db = open(&fixture);
    assert_eq!(db.size_bytes(), 4 * 4096);
    let tx = db.begin_read().unwrap();
    assert_eq!(tx.id(), 1);
    assert_eq!(tx.meta().freelist, 2);
    assert_eq!(tx.root_buckets().unwrap().len(), 0);
    assert_eq!(std::fs::metadata(&fixture.path).unwrap().len(), 4 * 4096);
}

#[test]
fn writes_are_seen_after_the_commit_and_after_opening_again() {
    let fixture = fixture();
    let db = open(&fixture);
    let before = db.begin_read().unwrap();
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"key").unwrap();
    for n in 0..5000u32 {
        tx.put(b"key", &n.to_be_bytes(), format!("value {n}").as_bytes())
            .unwrap();
    }
    assert_eq!(
        tx.get(b"key", &7u32.to_be_bytes()).unwrap().as_deref(),
        Some(&b"value 7"[..])
    );
    tx.commit().unwrap();
    assert!(before.bucket(b"key").unwrap().is_none());
    drop(before);
    sound(&db);
    db.close().unwrap();
    assert!(matches!(db.begin_read(), Err(Error::Closed { .. })));
    let db = open(&fixture);
    sound(&db);
    let tx = db.begin_read().unwrap();
    assert_eq!(tx.meta().freelist, NO_FREELIST);
    let bucket = tx.bucket(b"key").unwrap().unwrap();
    let mut n = 0u32;
    bucket
        .for_each(|key, value| {
            assert_eq!(key.as_ref(), n.to_be_bytes());
            assert_eq!(value.unwrap(), format!("value {n}"));
            n += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(n, 5000);
    let mut cursor = bucket.cursor();
    for n in (0..5000u32).rev() {
        assert_eq!(cursor.prev().unwrap().unwrap().0.as_ref(), n.to_be_bytes());
    }
    assert!(cursor.prev().unwrap().is_none());
    assert_eq!(
        cursor.next().unwrap().unwrap().0.as_ref(),
        0u32.to_be_bytes()
    );
}

#[test]
fn cursors_turn_round_at_both_ends() {
    let fixture = fixture();
    let db = open(&fixture);
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    assert!(tx.cursor(b"b").unwrap().first().unwrap().is_none());
    for n in [10u8, 20, 30] {
        tx.put(b"b", &[n], &[n]).unwrap();
    }
    let mut cursor = tx.cursor(b"b").unwrap();
    let key = |pair: Option<crate::Pair>| pair.map(|(key, _)| key[0]);
    assert_eq!(key(cursor.seek(&[11]).unwrap()), Some(20));
    assert_eq!(key(cursor.next().unwrap()), Some(30));
    assert_eq!(key(cursor.next().unwrap()), None);
    assert_eq!(key(cursor.next().unwrap()), None);
    assert_eq!(key(cursor.prev().unwrap()), Some(30));
    assert_eq!(key(cursor.seek(&[31]).unwrap()), None);
    assert_eq!(key(cursor.prev().unwrap()), Some(30));
    assert_eq!(key(cursor.first().unwrap()), Some(10));
    assert_eq!(key(cursor.prev().unwrap()), None);
    assert_eq!(key(cursor.prev().unwrap()), None);
    assert_eq!(key(cursor.next().unwrap()), Some(10));
}

#[test]
fn pages_are_reused_and_snapshots_keep_theirs() {
    let fixture = fixture();
    let db = open(&fixture);
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    tx.put(b"b", b"k", &[0; 3000]).unwrap();
    tx.commit().unwrap();
    for round in 0..50u8 {
        let mut tx = db.begin_write().unwrap();
        tx.put(b"b", b"k", &[round; 3000]).unwrap();
        tx.commit().unwrap();
    }
    assert!(db.size_bytes() < 12 * 4096, "{}", db.size_bytes());
    let old = db.begin_read().unwrap();
    for round in 50..100u8 {
        let mut tx = db.begin_write().unwrap();
        tx.put(b"b", b"k", &[round; 3000]).unwrap();
        tx.commit().unwrap();
        sound(&db);
    }
    // What was written and replaced while the snapshot is open is reused.
    assert!(db.size_bytes() < 20 * 4096, "{}", db.size_bytes());
    let value = old
        .bucket(b"b")
        .unwrap()
        .unwrap()
        .get(b"k")
        .unwrap()
        .unwrap();
    assert_eq!(value.as_ref(), [49; 3000]);
    let mut copy = Vec::new();
    assert_eq!(old.write_to(&mut copy).unwrap(), old.size_bytes());
    assert_eq!(copy.len() as u64, old.size_bytes());
    std::fs::write(fixture.path.with_extension("copy"), copy).unwrap();
    let copied = Db::open(&fixture.path.with_extension("copy"), Options::default()).unwrap();
    sound(&copied);
    let tx = copied.begin_read().unwrap();
    assert_eq!(tx.id(), old.id());
    let value = tx
        .bucket(b"b")
        .unwrap()
        .unwrap()
        .get(b"k")
        .unwrap()
        .unwrap();
    assert_eq!(value.as_ref(), [49; 3000]);
}

#[test]
fn nested_buckets_inline_and_not() {
    let fixture = fixture();
    let db = open(&fixture);
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"top").unwrap();
    let mut top = tx.bucket_mut(&[b"top"]).unwrap();
    top.create_bucket(b"small").unwrap();
    top.create_bucket(b"large").unwrap();
    tx.bucket_mut(&[b"top", b"small"])
        .unwrap()
        .put(b"k", b"v")
        .unwrap();
    let mut large = tx.bucket_mut(&[b"top", b"large"]).unwrap();
    for n in 0..1000u32 {
        large.put(&n.to_be_bytes(), b"v").unwrap();
    }
    assert_eq!(large.next_sequence().unwrap(), 1);
    assert!(matches!(
        tx.put(b"top", b"small", b"x"),
        Err(Error::IncompatibleValue { .. })
    ));
    assert!(matches!(
        tx.delete(b"top", b"small"),
        Err(Error::IncompatibleValue { .. })
    ));
    tx.commit().unwrap();
    sound(&db);
    let tx = db.begin_read().unwrap();
    let top = tx.bucket(b"top").unwrap().unwrap();
    assert_eq!(top.buckets().unwrap(), ["large", "small"]);
    assert_eq!(top.get(b"small").unwrap(), None);
    let small = top.bucket(b"small").unwrap().unwrap();
    assert_eq!(small.root_page(), 0);
    assert_eq!(small.get(b"k").unwrap().unwrap(), "v");
    assert_eq!(top.bucket(b"large").unwrap().unwrap().sequence(), 1);
    drop(tx);
    let used = db.in_use_bytes();
    let mut tx = db.begin_write().unwrap();
    tx.bucket_mut(&[b"top"])
        .unwrap()
        .delete_bucket(b"large")
        .unwrap();
    tx.commit().unwrap();
    let mut tx = db.begin_write().unwrap();
    tx.delete_bucket(b"top").unwrap();
    assert!(!tx.has_bucket(b"top").unwrap());
    tx.commit().unwrap();
    sound(&db);
    db.begin_write().unwrap().rollback();
    assert!(db.in_use_bytes() < used);
}

#[test]
fn large_values_take_overflow_pages() {
    let fixture = fixture();
    let db = open(&fixture);
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    for n in 0..20u8 {
        tx.put(b"b", &[n], &vec![n; usize::from(n) * 100_000])
            .unwrap();
    }
    tx.commit().unwrap();
    sound(&db);
    drop(db);
    let db = open(&fixture);
    sound(&db);
    let tx = db.begin_read().unwrap();
    let bucket = tx.bucket(b"b").unwrap().unwrap();
    for n in 0..20u8 {
        let value = bucket.get(&[n]).unwrap().unwrap();
        assert_eq!(value.as_ref(), vec![n; usize::from(n) * 100_000]);
    }
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    let fixture = fixture();
    let db = open(&fixture);
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    assert!(matches!(
        tx.create_bucket(b"b"),
        Err(Error::BucketExists { .. })
    ));
    assert!(!tx.create_bucket_if_missing(b"b").unwrap());
    assert!(matches!(
        tx.create_bucket(b""),
        Err(Error::BucketNameRequired)
    ));
    assert!(matches!(tx.put(b"b", b"", b""), Err(Error::KeyRequired)));
    let error = tx.put(b"b", &[0; 32769], b"").unwrap_err();
    assert_eq!(error.reference_text(), Some("key too large"));
    let error = tx.put(b"none", b"k", b"").unwrap_err();
    assert_eq!(error.reference_text(), Some("bucket not found"));
    assert!(!tx.delete(b"b", b"none").unwrap());
    let bad = Options {
        page_size: 5000,
        ..Options::default()
    };
    assert!(matches!(
        Db::open(&fixture.path.with_extension("x"), bad),
        Err(Error::Argument { .. })
    ));
}

#[test]
fn the_lock_is_held_and_given_back() {
    let fixture = fixture();
    let db = open(&fixture);
    let once = Options {
        lock_timeout: Some(Duration::ZERO),
        ..Options::default()
    };
    let Err(error) = Db::open(&fixture.path, once.clone()) else {
        panic!("opened twice");
    };
    assert_eq!(error.reference_text(), Some("timeout"));
    db.close().unwrap();
    db.close().unwrap();
    let read_only = Options {
        read_only: true,
        ..once
    };
    let first = Db::open(&fixture.path, read_only.clone()).unwrap();
    let second = Db::open(&fixture.path, read_only).unwrap();
    assert!(matches!(first.begin_write(), Err(Error::ReadOnly { .. })));
    assert_eq!(second.free_bytes(), 0);
}

#[test]
fn the_free_list_is_written_when_asked_for_even_a_long_one() {
    let fixture = fixture();
    let options = Options {
        freelist_sync: true,
        sync: false,
        page_size: 1024,
        ..Options::default()
    };
    let db = Db::open(&fixture.path, options.clone()).unwrap();
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    tx.put(b"b", b"k", &vec![1; 70_000 * 1024]).unwrap();
    tx.commit().unwrap();
    let mut tx = db.begin_write().unwrap();
    tx.delete(b"b", b"k").unwrap();
    tx.commit().unwrap();
    sound(&db);
    let free = db
        .begin_write()
        .map(|tx| tx.rollback())
        .map(|()| db.free_bytes());
    drop(db);
    // Opening with and without the option, from the list and from the trees.
    let db = Db::open(&fixture.path, options.clone()).unwrap();
    assert!(db.free_bytes() >= free.unwrap());
    assert!(db.free_bytes() > 0xFFFF * 1024);
    assert_eq!(check(&db.begin_read().unwrap()), []);
    sound(&db);
    drop(db);
    let without = Options {
        freelist_sync: false,
        ..options.clone()
    };
    let db = Db::open(&fixture.path, without).unwrap();
    sound(&db);
    db.begin_write().unwrap().commit().unwrap();
    sound(&db);
    assert_eq!(db.begin_read().unwrap().meta().freelist, NO_FREELIST);
    drop(db);
    let db = Db::open(&fixture.path, options).unwrap();
    assert_ne!(db.begin_read().unwrap().meta().freelist, NO_FREELIST);
    sound(&db);
}

#[test]
fn a_torn_meta_page_leaves_the_commit_before() {
    let fixture = fixture();
    let db = open(&fixture);
    for n in 0..4u8 {
        let mut tx = db.begin_write().unwrap();
        tx.create_bucket_if_missing(b"b").unwrap();
        tx.put(b"b", b"k", &[n]).unwrap();
        tx.commit().unwrap();
    }
    let last = db.begin_read().unwrap().id();
    drop(db);
    let raw = crate::surgery::RawFile::open(&fixture.path).unwrap();
    let (active, meta) = raw.active_meta().unwrap();
    assert_eq!(meta.txid, last);
    raw.flip(active, 70, 1).unwrap();
    drop(raw);
    let db = open(&fixture);
    let tx = db.begin_read().unwrap();
    assert_eq!(tx.id(), last - 1);
    assert_eq!(
        tx.bucket(b"b")
            .unwrap()
            .unwrap()
            .get(b"k")
            .unwrap()
            .unwrap(),
        [2][..]
    );
}

#[test]
fn random_order_batches_stay_sound() {
    let fixture = fixture();
    let db = open(&fixture);
    let mut model = BTreeMap::new();
    let mut state = 1u64;
    for _ in 0..3 {
        let mut tx = db.begin_write().unwrap();
        tx.create_bucket_if_missing(b"b").unwrap();
        for _ in 0..6000 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let key = (state >> 40).to_be_bytes();
            tx.put(b"b", &key, &state.to_be_bytes()).unwrap();
            model.insert(key, state);
        }
        tx.commit().unwrap();
        sound(&db);
    }
    let tx = db.begin_read().unwrap();
    let mut expected = model.iter();
    tx.bucket(b"b")
        .unwrap()
        .unwrap()
        .for_each(|key, value| {
            let (k, v) = expected.next().expect("no more keys than the model has");
            assert_eq!(key.as_ref(), k);
            assert_eq!(value.unwrap().as_ref(), v.to_be_bytes());
            Ok(())
        })
        .unwrap();
    assert!(expected.next().is_none());
}

#[test]
fn deleting_most_keys_merges_their_pages() {
    let fixture = fixture();
    let db = open(&fixture);
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    for n in 0..20_000u32 {
        tx.put(b"b", &n.to_be_bytes(), &[1; 40]).unwrap();
    }
    tx.commit().unwrap();
    let full = db.in_use_bytes();
    // One key in ten is left, so no page becomes empty.
    let mut tx = db.begin_write().unwrap();
    for n in (0..20_000u32).filter(|n| n % 10 != 0) {
        assert!(tx.delete(b"b", &n.to_be_bytes()).unwrap());
    }
    tx.commit().unwrap();
    sound(&db);
    db.begin_write().unwrap().rollback();
    let left = db.in_use_bytes();
    assert!(left * 4 < full, "{left} of {full} bytes are still in use");
    let tx = db.begin_read().unwrap();
    let mut keys = 0;
    tx.bucket(b"b")
        .unwrap()
        .unwrap()
        .for_each(|_, _| {
            keys += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(keys, 2000);
}

#[test]
fn the_file_grows_as_far_ahead_as_the_reference_lets_it() {
    let fixture = fixture();
    let db = open(&fixture);
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    tx.commit().unwrap();
    // A fresh member of etcd 3.5.16 has 5 pages in a file of this length.
    assert_eq!(db.size_bytes(), 5 * 4096);
    assert_eq!(std::fs::metadata(&fixture.path).unwrap().len(), 16_801_792);
    // bbolt's own default, as its tools use it: what is mapped, from 32 KiB.
    let path = fixture.path.with_extension("small");
    let options = Options {
        initial_map_bytes: 0,
        ..Options::default()
    };
    let db = Db::open(&path, options).unwrap();
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    tx.commit().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 32 << 10);
    let mut tx = db.begin_write().unwrap();
    tx.put(b"b", b"k", &[0; 40_000]).unwrap();
    tx.commit().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 64 << 10);
}
