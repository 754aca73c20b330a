//! Readers beside a writer: each snapshot is one commit, whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fault_disk::FaultDisk;
use crate::{Bucket, Cursor, Db, Options, ReadTx, WriteTx};

/// What other rooms count on.
#[allow(dead_code)]
fn can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Db>();
    shared::<ReadTx>();
    shared::<WriteTx>();
    fn sent<T: Send>() {}
    sent::<Bucket<'_>>();
    sent::<Cursor<'_>>();
}

#[test]
fn snapshots_are_whole_while_pages_are_reused() {
    let options = Options {
        page_size: 1024,
        cache_bytes: 16 << 10,
        initial_map_bytes: 1,
        ..Options::default()
    };
    let db = Db::open_with(Arc::new(FaultDisk::default()), options).unwrap();
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    tx.commit().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let tx = db.begin_read().unwrap();
                    let bucket = tx.bucket(b"b").unwrap().unwrap();
                    let expected = (tx.id() - 2).to_be_bytes();
                    let mut count = 0;
                    bucket
                        .for_each(|_, value| {
                            assert_eq!(value.unwrap()[..8], expected);
                            count += 1;
                            Ok(())
                        })
                        .unwrap();
                    assert!(
                        count == 60 || tx.id() == 2,
                        "{count} keys in commit {}",
                        tx.id()
                    );
                }
            });
        }
        for _ in 0..400 {
            let mut tx = db.begin_write().unwrap();
            let value = (tx.id() - 2).to_be_bytes().repeat(20);
            for n in 0..60u32 {
                tx.put(b"b", &n.to_be_bytes(), &value).unwrap();
            }
            tx.commit().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(db.check().unwrap(), []);
    // Three readers hold back a few commits, never all of them.
    assert!(db.size_bytes() < 400 * 1024, "{}", db.size_bytes());
    assert_eq!(db.open_snapshots(), 0);
}

#[test]
fn the_second_writer_waits_and_closing_waits_for_the_writer() {
    let db = Db::open_with(Arc::new(FaultDisk::default()), Options::default()).unwrap();
    let mut tx = db.begin_write().unwrap();
    tx.create_bucket(b"b").unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let mut tx = db.begin_write().unwrap();
            // Only after the first commit is the bucket there.
            tx.put(b"b", b"k", b"v").unwrap();
            tx.commit().unwrap();
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(db.begin_read().unwrap().bucket(b"b").unwrap().is_none());
        tx.commit().unwrap();
        second.join().unwrap();
    });
    let tx = db.begin_write().unwrap();
    std::thread::scope(|scope| {
        let closer = scope.spawn(|| db.close());
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(db.begin_read().is_ok());
        tx.rollback();
        closer.join().unwrap().unwrap();
    });
    assert!(db.begin_read().is_err());
    assert!(db.begin_write().is_err());
}
