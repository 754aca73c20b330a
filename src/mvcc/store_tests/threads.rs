//! Reading, committing, compacting and defragmenting while entries are applied.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

/// Each transaction sets all of these to one number.
const KEYS: [&str; 3] = ["a", "b", "c"];

fn set_all(bench: &Bench, n: i64) {
    let success = KEYS.map(|key| op(Op::RequestPut(put(key, &n.to_string()))));
    bench
        .txn(pb::TxnRequest {
            success: success.to_vec(),
            ..Default::default()
        })
        .unwrap();
}

/// Reads now and in the recent past; a transaction is seen whole or not at all.
fn read_once(store: &Store) {
    let response = store
        .range(&crate::AuthInfo::default(), &range("a", "d"))
        .unwrap();
    let newest = response.header.unwrap().revision;
    let values: Vec<_> = response.kvs.iter().map(|kv| kv.value.clone()).collect();
    assert_eq!(values.len(), 3);
    assert!(values.iter().all(|value| *value == values[0]));
    assert_eq!(values[0], (newest - 1).to_string());
    let past = store.range(
        &crate::AuthInfo::default(),
        &pb::RangeRequest {
            revision: newest - 5,
            ..range("b", "")
        },
    );
    match past {
        Ok(past) => assert_eq!(past.kvs[0].value, (newest - 6).to_string()),
        Err(error) => assert!(matches!(error, crate::Error::Compacted)),
    }
}

struct Bell(std::sync::mpsc::SyncSender<()>);

impl crate::Wake for Bell {
    fn wake(&self) {
        // A full channel rings already.
        let _ = self.0.try_send(());
    }
}

/// Follows key `a` from revision 2 up to `last` and checks that each revision comes once.
fn follow(store: &Arc<Store>, last: i64, max: usize, pause: std::time::Duration) {
    let (sender, bell) = std::sync::mpsc::sync_channel(1);
    let stream = store.watch_stream(Arc::new(Bell(sender)));
    let request = pb::WatchCreateRequest {
        key: "a".into(),
        start_revision: 2,
        ..Default::default()
    };
    stream.create(&request).unwrap();
    let mut next = 2;
    while next <= last {
        bell.recv_timeout(std::time::Duration::from_secs(20))
            .unwrap_or_else(|_| panic!("no bell rings for revision {next}"));
        loop {
            let taken = stream.take(max).unwrap();
            if taken.is_empty() {
                break;
            }
            for event in taken.into_iter().flat_map(|response| response.events) {
                assert_eq!(event.kv.unwrap().mod_revision, next);
                next += 1;
            }
            thread::sleep(pause);
        }
    }
}

#[test]
fn every_watch_sees_every_event_once() {
    let bench = Bench::new();
    let millis = std::time::Duration::from_millis;
    let last = 6000;
    thread::scope(|scope| {
        let store = &bench.store;
        scope.spawn(move || follow(store, last, 100, millis(0)));
        scope.spawn(move || follow(store, last, 1, millis(1)));
        scope.spawn(move || follow(store, last, 7, millis(5)));
        for n in 1..last {
            bench.put("a", &n.to_string());
            if n % 300 == 0 {
                store.commit().unwrap();
            }
            if n == 3000 {
                // One that begins in the middle of it.
                scope.spawn(move || follow(store, last, 10, millis(0)));
            }
        }
    });
}

/// The server feeds what lags at its pace, and whoever takes feeds his own.
#[test]
fn a_watch_that_two_feed_at_once_is_fed_once() {
    let bench = Bench::new();
    let last = 200;
    for n in 1..last {
        bench.put("a", &n.to_string());
    }
    let done = AtomicBool::new(false);
    let store = &bench.store;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    store.watch_sync_step().unwrap();
                }
            });
        }
        for _ in 0..2000 {
            follow(store, last, 100, std::time::Duration::ZERO);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn readers_see_whole_transactions_whatever_goes_on() {
    let bench = Bench::with(Config {
        compaction_batch: 50,
        ..Config::default()
    });
    for n in 1..=10 {
        set_all(&bench, n);
    }
    let done = AtomicBool::new(false);
    let until_done = |f: &dyn Fn()| {
        while !done.load(Ordering::Relaxed) {
            f();
        }
    };
    let store = &bench.store;
    thread::scope(|scope| {
        scope.spawn(|| until_done(&|| read_once(store)));
        scope.spawn(|| until_done(&|| read_once(store)));
        scope.spawn(|| {
            until_done(&|| {
                store.commit().unwrap();
                store.compact_step().unwrap();
                thread::yield_now();
            });
        });
        scope.spawn(|| {
            until_done(&|| {
                store.defragment(&|path| Ok(open_db(path))).unwrap();
                thread::sleep(std::time::Duration::from_millis(20));
            });
        });
        for n in 11..3000 {
            set_all(&bench, n);
            if n % 200 == 0 {
                bench.compact(bench.store.revision() - 50).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    while bench.store.compact_step().unwrap() {}
    let hash = bench.hash_kv();
    let bench = bench.reopen();
    assert_eq!(bench.hash_kv(), hash);
    assert_eq!(bench.get("a", 0).unwrap()[0].1, "2999");
}
