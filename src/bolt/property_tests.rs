//! Random operations against a model that is a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::fault_disk::FaultDisk;
use crate::{BucketMut, Cursor, Db, Error, Options, Passed, ReadTx, Result};

/// A bucket: keys with values, or buckets.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: BTreeMap<Vec<u8>, Entry>,
    sequence: u64,
}

#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Value(Vec<u8>),
    Bucket(Model),
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8, u16, u16),
    /// Many keys from one on.
    PutRange(u8, u16, u16),
    Delete(u8, u16),
    DeleteRange(u8, u16, u16),
    CreateBucket(u8),
    DeleteBucket(u8),
    NextSequence(u8),
    Fill(u8, u8),
    Commit,
    Rollback,
    Reopen(bool),
    Snapshot,
    EndSnapshot(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (any::<u8>(), 0..400u16, 0..3000u16).prop_map(|(b, k, v)| Op::Put(b, k, v)),
        4 => (any::<u8>(), 0..400u16, 1..120u16).prop_map(|(b, k, n)| Op::PutRange(b, k, n)),
        6 => (any::<u8>(), 0..400u16).prop_map(|(b, k)| Op::Delete(b, k)),
        4 => (any::<u8>(), 0..400u16, 1..200u16).prop_map(|(b, k, n)| Op::DeleteRange(b, k, n)),
        2 => any::<u8>().prop_map(Op::CreateBucket),
        1 => any::<u8>().prop_map(Op::DeleteBucket),
        1 => any::<u8>().prop_map(Op::NextSequence),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(b, f)| Op::Fill(b, f)),
        6 => Just(Op::Commit),
        1 => Just(Op::Rollback),
        1 => any::<bool>().prop_map(Op::Reopen),
        2 => Just(Op::Snapshot),
        2 => any::<u8>().prop_map(Op::EndSnapshot),
    ]
}

/// Seven paths, up to three deep.
fn path(choice: u8) -> Vec<&'static [u8]> {
    match choice % 7 {
        0 => vec![b"a"],
        1 => vec![b"b"],
        2 => vec![b"a", b"x"],
        3 => vec![b"a", b"y"],
        4 => vec![b"a", b"x", b"z"],
        5 => vec![b"b", b"x"],
        _ => vec![b"c"],
    }
}

fn key(number: u16) -> Vec<u8> {
    // Lengths differ, and some keys are long.
    let mut key = number.to_be_bytes().to_vec();
    key.resize(2 + usize::from(number % 7) * usize::from(number % 11), b'.');
    key
}

fn options(freelist_sync: bool) -> Options {
    Options {
        page_size: 1024,
        freelist_sync,
        initial_map_bytes: 1,
        cache_bytes: 20 << 10,
        ..Options::default()
    }
}

/// The bucket at a path of the model; created buckets are there only if their
/// parents are.
fn model_at<'a>(model: &'a mut Model, path: &[&[u8]]) -> Option<&'a mut Model> {
    let mut at = model;
    for name in path {
        at = match at.entries.get_mut(*name) {
            Some(Entry::Bucket(bucket)) => bucket,
            _ => return None,
        };
    }
    Some(at)
}

fn read_all(mut cursor: Cursor<'_>, bucket: &dyn Fn(&[u8]) -> Result<Model>) -> Result<Model> {
    let mut model = Model::default();
    while let Some((key, value)) = cursor.next()? {
        let entry = match value {
            Some(value) => Entry::Value(value.to_vec()),
            None => Entry::Bucket(bucket(&key)?),
        };
        model.entries.insert(key.to_vec(), entry);
    }
    // The way back shows the same keys.
    let mut keys = model.entries.keys().rev();
    while let Some((key, _)) = cursor.prev()? {
        assert_eq!(Some(&key.to_vec()), keys.next());
    }
    assert_eq!(keys.next(), None);
    Ok(model)
}

fn read_bucket(bucket: &crate::Bucket<'_>) -> Result<Model> {
    let mut model = read_all(bucket.cursor(), &|name| {
        read_bucket(&bucket.bucket(name)?.expect("named by the cursor"))
    })?;
    model.sequence = bucket.sequence();
    Ok(model)
}

fn read_tx(tx: &ReadTx) -> Model {
    read_bucket(&tx.root()).expect("the snapshot is sound")
}

fn change(op: &Op, model: &mut Model, tx: &mut crate::WriteTx) -> Result<()> {
    let (Op::Put(choice, ..)
    | Op::PutRange(choice, ..)
    | Op::Delete(choice, ..)
    | Op::DeleteRange(choice, ..)
    | Op::CreateBucket(choice)
    | Op::DeleteBucket(choice)
    | Op::NextSequence(choice)
    | Op::Fill(choice, _)) = op
    else {
        return Ok(());
    };
    let path = path(*choice);
    if let Op::CreateBucket(_) | Op::DeleteBucket(_) = op {
        return change_bucket(op, &path, model, tx);
    }
    let Some(model) = model_at(model, &path) else {
        let missing = tx.bucket_mut(&path).err().expect("the model has none");
        assert!(matches!(missing, Error::BucketNotFound { .. }));
        return Ok(());
    };
    let mut bucket = tx.bucket_mut(&path)?;
    match op {
        Op::Put(_, k, len) => put(model, &mut bucket, *k, usize::from(*len))?,
        Op::PutRange(_, from, count) => {
            for k in *from..from + count {
                put(model, &mut bucket, k, usize::from(k % 50))?;
            }
        }
        Op::Delete(_, k) => delete(model, &mut bucket, *k)?,
        Op::DeleteRange(_, from, count) => {
            for k in *from..from + count {
                delete(model, &mut bucket, k)?;
            }
        }
        Op::NextSequence(_) => {
            model.sequence += 1;
            assert_eq!(bucket.next_sequence()?, model.sequence);
        }
        Op::Fill(_, fill) => bucket.set_fill_percent(f64::from(*fill) / 255.0),
        _ => {}
    }
    Ok(())
}

fn put(model: &mut Model, bucket: &mut BucketMut<'_>, number: u16, len: usize) -> Result<()> {
    let (key, value) = (key(number), vec![number as u8; len]);
    bucket.put(&key, &value)?;
    assert_eq!(bucket.get(&key)?.as_deref(), Some(&value[..]));
    model.entries.insert(key, Entry::Value(value));
    Ok(())
}

fn delete(model: &mut Model, bucket: &mut BucketMut<'_>, number: u16) -> Result<()> {
    let key = key(number);
    assert_eq!(bucket.delete(&key)?, model.entries.remove(&key).is_some());
    assert_eq!(bucket.get(&key)?, None);
    Ok(())
}

fn change_bucket(
    op: &Op,
    path: &[&[u8]],
    model: &mut Model,
    tx: &mut crate::WriteTx,
) -> Result<()> {
    let (parent, name) = (&path[..path.len() - 1], path[path.len() - 1]);
    let Some(model) = model_at(model, parent) else {
        return Ok(());
    };
    let mut bucket = tx.bucket_mut(parent)?;
    if let Op::CreateBucket(_) = op {
        let new = !model.entries.contains_key(name);
        assert_eq!(bucket.create_bucket_if_missing(name)?, new);
        model
            .entries
            .entry(name.to_vec())
            .or_insert_with(|| Entry::Bucket(Model::default()));
    } else {
        let there = model.entries.remove(name).is_some();
        match bucket.delete_bucket(name) {
            Ok(()) => assert!(there),
            Err(Error::BucketNotFound { .. }) => assert!(!there),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

fn run(ops: &[Op]) -> Result<()> {
    let disk = FaultDisk::default();
    let mut sync = false;
    let mut db = Db::open_with(Arc::new(disk.clone()), options(sync))?;
    let mut committed = Model::default();
    let mut current = committed.clone();
    let mut tx = Some(db.begin_write()?);
    let mut snapshots: Vec<(ReadTx, Model)> = Vec::new();
    for op in ops {
        match op {
            Op::Commit => {
                if let Some(tx) = tx.take() {
                    tx.commit()?;
                }
                committed = current.clone();
                assert_eq!(db.check()?, []);
                assert_eq!(read_tx(&db.begin_read()?), committed);
                tx = Some(db.begin_write()?);
            }
            Op::Rollback => {
                current = committed.clone();
                tx = None;
                tx = tx.or(Some(db.begin_write()?));
            }
            Op::Reopen(free_list) => {
                // Uncommitted changes go; snapshots belong to the old one.
                snapshots.clear();
                current = committed.clone();
                drop(tx.take());
                db.close()?;
                sync = *free_list;
                db = Db::open_with(Arc::new(disk.clone()), options(sync))?;
                assert_eq!(db.check()?, []);
                assert_eq!(read_tx(&db.begin_read()?), committed);
                tx = Some(db.begin_write()?);
            }
            Op::Snapshot => snapshots.push((db.begin_read()?, committed.clone())),
            Op::EndSnapshot(which) if !snapshots.is_empty() => {
                let (snapshot, model) =
                    snapshots.swap_remove(usize::from(*which) % snapshots.len());
                assert_eq!(read_tx(&snapshot), model);
                check_shows_what_it_holds(&snapshot)?;
            }
            Op::EndSnapshot(_) => {}
            other => {
                if let Some(tx) = &mut tx {
                    change(other, &mut current, tx)?;
                }
            }
        }
    }
    for (snapshot, model) in snapshots {
        assert_eq!(read_tx(&snapshot), model);
        check_shows_what_it_holds(&snapshot)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_reads_back_as_it_was_written(ops in proptest::collection::vec(op(), 1..150)) {
        run(&ops).unwrap();
    }
}

/// A check comes by all buckets and pairs of the root's buckets, in the order of a walk.
fn check_shows_what_it_holds(tx: &ReadTx) -> Result<()> {
    type Bucket = (Vec<u8>, Vec<(Vec<u8>, Option<Vec<u8>>)>);
    let mut shown: Vec<Bucket> = Vec::new();
    let findings = crate::check_each(tx, &mut |passed| match passed {
        Passed::Bucket(name) => shown.push((name.to_vec(), Vec::new())),
        Passed::Pair(key, value) => {
            let (_, pairs) = shown.last_mut().expect("a bucket comes first");
            pairs.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        }
    });
    assert_eq!(findings, []);
    let mut walked: Vec<Bucket> = Vec::new();
    for name in tx.root_buckets()? {
        let bucket = tx.bucket(&name)?.expect("it is listed");
        let mut pairs = Vec::new();
        bucket.for_each(|key, value| {
            pairs.push((key.to_vec(), value.map(|value| value.to_vec())));
            Ok(())
        })?;
        walked.push((name.to_vec(), pairs));
    }
    assert_eq!(shown, walked);
    Ok(())
}
