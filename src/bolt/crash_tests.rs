//! A crash at every step of every commit, with writes lost and torn: after it
//! the database is what the last acknowledged commit made it, or the one in
//! flight.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fault_disk::{Dice, FaultDisk};
use crate::{Db, Error, Options, Result};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn options(freelist_sync: bool) -> Options {
    Options {
        page_size: 1024,
        freelist_sync,
        // Growth in small steps, so that it happens within the test.
        initial_map_bytes: 1,
        ..Options::default()
    }
}

fn batch(db: &Db, model: &mut Model, dice: &mut Dice) -> Result<()> {
    let mut tx = db.begin_write()?;
    tx.create_bucket_if_missing(b"b")?;
    for _ in 0..1 + dice.below(20) {
        let key = dice.below(120).to_be_bytes().to_vec();
        if dice.below(3) == 0 {
            tx.delete(b"b", &key)?;
            model.remove(&key);
        } else {
            let value = vec![dice.below(256) as u8; dice.below(1500) as usize];
            tx.put(b"b", &key, &value)?;
            model.insert(key, value);
        }
    }
    tx.commit()
}

fn contents(db: &Db) -> Model {
    let tx = db.begin_read().expect("a snapshot");
    let mut model = Model::new();
    if let Some(bucket) = tx.bucket(b"b").expect("the root is sound") {
        bucket
            .for_each(|key, value| {
                model.insert(key.to_vec(), value.expect("no buckets inside").to_vec());
                Ok(())
            })
            .expect("the bucket is sound");
    }
    model
}

/// Opens what a crash left and compares it with what it may be.
fn judge(
    bytes: Vec<u8>,
    freelist_sync: bool,
    allowed: [&Model; 2],
    what: &str,
) -> (FaultDisk, Model) {
    let disk = FaultDisk::with(bytes);
    let db = Db::open_with(Arc::new(disk.clone()), options(freelist_sync))
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = contents(&db);
    assert!(
        allowed.contains(&&found),
        "{what}: neither the acknowledged state nor the one in flight"
    );
    let findings = db.check().expect("the check runs");
    assert!(findings.is_empty(), "{what}: {findings:?}");
    (disk, found)
}

fn crash_at_every_step(freelist_sync: bool) {
    const COMMITS: usize = 6;
    for seed in 1..4u64 {
        let mut step = 0;
        loop {
            let what = format!("seed {seed}, step {step}");
            let disk = FaultDisk::default();
            disk.crash_after(step);
            let mut dice = Dice(seed);
            let (mut done, mut flying) = (Model::new(), Model::new());
            let outcome = (|| {
                let db = Db::open_with(Arc::new(disk.clone()), options(freelist_sync))?;
                for _ in 0..COMMITS {
                    batch(&db, &mut flying, &mut dice)?;
                    done = flying.clone();
                }
                Ok::<(), Error>(())
            })();
            for variant in 0..6 {
                let mut dice = Dice(seed * 1000 + step as u64 * 10 + variant + 1);
                let bytes = disk.after_crash(&mut dice);
                judge(
                    bytes,
                    freelist_sync,
                    [&done, &flying],
                    &format!("{what}, variant {variant}"),
                );
            }
            if outcome.is_ok() {
                break;
            }
            step += 1;
        }
        assert!(step > 20, "the workload has steps to crash at");
    }
}

#[test]
fn a_crash_at_any_step_loses_nothing_acknowledged() {
    crash_at_every_step(false);
}

#[test]
fn a_crash_at_any_step_loses_nothing_acknowledged_with_a_free_list() {
    crash_at_every_step(true);
}

#[test]
fn many_crashes_one_after_another() {
    for seed in 1..6u64 {
        let mut dice = Dice(seed);
        let mut disk = FaultDisk::default();
        let mut done = Model::new();
        for life in 0..40 {
            disk.crash_after(dice.below(25) as usize);
            let freelist_sync = dice.below(2) == 0;
            let mut flying = done.clone();
            let result = (|| {
                let db = Db::open_with(Arc::new(disk.clone()), options(freelist_sync))?;
                loop {
                    batch(&db, &mut flying, &mut dice)?;
                    done = flying.clone();
                }
            })();
            let Err::<(), Error>(_) = result else {
                unreachable!("the disk fails at last");
            };
            let bytes = disk.after_crash(&mut dice);
            // Opening may write (a free list), so the judge's disk lives on.
            let what = format!("seed {seed}, life {life}");
            let found;
            (disk, found) = judge(bytes, freelist_sync, [&done, &flying], &what);
            done = found;
        }
    }
}

#[test]
fn a_full_disk_fails_the_batch_and_nothing_else() {
    let mut dice = Dice(7);
    let disk = FaultDisk::default();
    let db = Db::open_with(Arc::new(disk.clone()), options(false)).unwrap();
    let mut model = Model::new();
    for _ in 0..40 {
        // The first write of a commit is one of data, never the meta page.
        disk.fail_writes(1);
        let error = batch(&db, &mut model.clone(), &mut dice).unwrap_err();
        assert!(
            error.to_string().contains("could not write page"),
            "{error}"
        );
        assert_eq!(contents(&db), model);
        assert_eq!(db.check().unwrap(), []);
        batch(&db, &mut model, &mut dice).unwrap();
        assert_eq!(contents(&db), model);
        assert_eq!(db.check().unwrap(), []);
    }
    let bytes = disk.after_crash(&mut dice);
    judge(bytes, false, [&model, &model], "after a full disk");
}

#[test]
fn after_a_failed_sync_no_more_writes_are_taken() {
    let mut dice = Dice(9);
    let disk = FaultDisk::default();
    let db = Db::open_with(Arc::new(disk.clone()), options(false)).unwrap();
    let mut model = Model::new();
    batch(&db, &mut model, &mut dice).unwrap();
    let mut flying = model.clone();
    disk.fail_syncs(1);
    assert!(batch(&db, &mut flying, &mut dice).is_err());
    assert!(matches!(db.begin_write(), Err(Error::Poisoned { .. })));
    assert_eq!(contents(&db), model);
    judge(
        disk.after_crash(&mut dice),
        false,
        [&model, &flying],
        "after a failed sync",
    );
}

#[test]
fn an_interrupted_creation_is_begun_again() {
    let disk = FaultDisk::with(vec![0; 4096]);
    let db = Db::open_with(Arc::new(disk.clone()), options(false)).unwrap();
    batch(&db, &mut Model::new(), &mut Dice(1)).unwrap();
    assert!(disk.steps() > 4);
    // A larger file of zeros once held data: that is not ours to replace.
    let disk = FaultDisk::with(vec![0; 5 * 1024]);
    let error = Db::open_with(Arc::new(disk), options(false)).err().unwrap();
    assert_eq!(error.reference_text(), Some("invalid database"));
}
