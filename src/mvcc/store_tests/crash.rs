//! What a crash leaves: the batch is lost, and the log is applied again.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;

fn request(kind: u8, key: u8, number: u8) -> pb::InternalRaftRequest {
    let name = format!("k{key}");
    let mut request = pb::InternalRaftRequest::default();
    match kind {
        0..=4 => {
            request.put = Some(pb::PutRequest {
                lease: i64::from(number % 4),
                ..put(&name, &number.to_string())
            });
        }
        5 => request.delete_range = Some(delete(&name, "k9")),
        6 => {
            request.lease_grant = Some(pb::LeaseGrantRequest {
                ttl: 60,
                id: i64::from(number % 4),
            });
        }
        7 => {
            request.lease_revoke = Some(pb::LeaseRevokeRequest {
                id: i64::from(number % 4),
            });
        }
        8 => {
            request.compaction = Some(pb::CompactionRequest {
                revision: i64::from(number),
                physical: false,
            });
        }
        _ => {
            request.alarm = Some(pb::AlarmRequest {
                action: i32::from(number % 3),
                member_id: u64::from(key),
                alarm: pb::AlarmType::Nospace.into(),
            });
        }
    }
    request
}

/// Applies the log from its beginning; what was applied is skipped.
fn replay(store: &Store, log: &[pb::InternalRaftRequest]) {
    for (n, request) in log.iter().enumerate() {
        // Refusals are part of the history.
        let applied = store.apply(n as u64 + 1, 1, request, 0);
        if let Err(error) = &applied.response {
            assert!(!error.is_fatal(), "{error}");
        }
    }
}

fn facts(store: &Store) -> (i64, i64, u32, Vec<i64>, usize) {
    while store.compact_step().unwrap() {}
    let whole = store.hash().unwrap().0;
    let alarms = store.alarms().len();
    (
        store.revision(),
        store.compact_revision(),
        whole,
        store.leases(),
        alarms,
    )
}

/// Closes the file without writing the batch, and opens it again.
fn crash(bench: Bench) -> Bench {
    let db = bench.store.db.read().clone();
    db.close().unwrap();
    drop(bench.store);
    let db = open_db(&bench.dir.path().join("db"));
    Bench {
        store: Arc::new(Store::open(db, Config::default()).unwrap()),
        ..bench
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_log_makes_a_crash_undone(
        kinds in prop::collection::vec((0..10u8, 0..9u8, any::<u8>()), 1..150),
        cuts in prop::collection::vec((0..150usize, 0..3u8), 0..5),
    ) {
        let log: Vec<_> = kinds.into_iter().map(|(a, b, c)| request(a, b, c)).collect();
        let whole = Bench::new();
        replay(&whole.store, &log);
        let mut crashed = Bench::new();
        for (cut, work) in cuts {
            let cut = cut.min(log.len());
            replay(&crashed.store, &log[..cut / 2]);
            for _ in 0..work {
                crashed.store.compact_step().unwrap();
                crashed.store.commit().unwrap();
            }
            replay(&crashed.store, &log[..cut]);
            crashed = crash(crashed);
        }
        replay(&crashed.store, &log);
        prop_assert_eq!(facts(&crashed.store), facts(&whole.store));
    }
}

/// A disk in memory that can refuse to sync.
#[derive(Default)]
struct Memory {
    bytes: Mutex<Vec<u8>>,
    broken: AtomicBool,
}

impl bolt::Disk for Memory {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        let part = bytes.get(offset as usize..offset as usize + buf.len());
        buf.copy_from_slice(part.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn write_at(&self, data: &[u8], offset: u64) -> std::io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap();
        let end = offset as usize + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(data);
        Ok(())
    }
    fn sync_data(&self) -> std::io::Result<()> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(std::io::Error::other("the disk is broken")),
            false => Ok(()),
        }
    }
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }
}

#[test]
fn a_broken_disk_is_told_and_takes_nothing_from_readers() {
    let disk = Arc::new(Memory::default());
    let options = bolt::Options {
        initial_map_bytes: 1 << 20,
        ..bolt::Options::default()
    };
    let db = bolt::Db::open_with(disk.clone(), options).unwrap();
    let store = Store::open(db, Config::default()).unwrap();
    let set = |index, value: &str| store.apply(index, 1, &request_put(put("a", value)), 0);
    set(1, "1").response.unwrap();
    store.commit().unwrap();
    disk.broken.store(true, Ordering::Relaxed);
    set(2, "2").response.unwrap();
    let error = store.commit().unwrap_err();
    assert!(error.is_fatal());
    assert!(error.to_string().contains("the disk is broken"), "{error}");
    assert!(store.commit().is_err());
    let seen = store
        .range(&crate::AuthInfo::default(), &range("a", ""))
        .unwrap();
    assert_eq!(seen.kvs[0].value, "2");
    assert_eq!(store.durable_index(), (1, 1));
    let compaction = pb::InternalRaftRequest {
        compaction: Some(pb::CompactionRequest {
            revision: 2,
            physical: false,
        }),
        ..Default::default()
    };
    assert!(store.apply(3, 1, &compaction, 0).response.is_err());
}
