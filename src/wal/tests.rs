use std::{fs, path::Path};

use bytes::Bytes;
use proptest::prelude::*;
use wire::{
    raftpb::{ConfState, Entry, HardState, SnapshotMetadata},
    walpb,
};

use super::*;

const SMALL: Options = Options {
    segment_bytes: 4096,
    sync: false,
};

fn entry(index: u64, term: u64, size: usize) -> Entry {
    Entry {
        term,
        index,
        r#type: 0,
        data: Some(Bytes::from(vec![index as u8 | 1; size])),
    }
}

fn state(term: u64, commit: u64) -> HardState {
    HardState {
        term,
        vote: 1,
        commit,
    }
}

fn beginning() -> walpb::Snapshot {
    walpb::Snapshot::default()
}

fn tail(dir: &Path) -> std::path::PathBuf {
    dir.join(segments(dir).unwrap().last().unwrap().file_name())
}

#[test]
fn what_is_saved_is_read_back_across_segments() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wal");
    let mut wal = Wal::create_with(&dir, Bytes::from_static(b"meta"), SMALL).unwrap();
    assert!(matches!(
        Wal::create(&dir, &b"meta"[..]),
        Err(Error::Exists)
    ));
    let entries: Vec<_> = (1..=200).map(|index| entry(index, 2, 100)).collect();
    for (at, chunk) in entries.chunks(7).enumerate() {
        wal.save(&state(2, at as u64), chunk).unwrap();
    }
    wal.close().unwrap();
    assert!(segments(&dir).unwrap().len() > 3);

    let (mut wal, contents) = Wal::open_with(&dir, &beginning(), SMALL).unwrap();
    assert_eq!(contents.metadata, &b"meta"[..]);
    assert_eq!(contents.entries, entries);
    assert_eq!(contents.hard_state, state(2, 28));
    assert!(matches!(Wal::open(&dir, &beginning()), Err(Error::Locked)));
    wal.save(&state(3, 28), &[entry(201, 3, 10)]).unwrap();
    drop(wal);
    assert_eq!(read_all(&dir, &beginning()).unwrap().entries.len(), 201);
}

#[test]
fn newer_entries_replace_older_ones_of_the_same_index() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wal");
    let mut wal = Wal::create(&dir, &b"m"[..]).unwrap();
    wal.save(
        &state(1, 0),
        &[entry(1, 1, 8), entry(2, 1, 8), entry(3, 1, 8)],
    )
    .unwrap();
    wal.save(&state(2, 2), &[entry(2, 2, 9)]).unwrap();
    wal.close().unwrap();
    let contents = read_all(&dir, &beginning()).unwrap();
    assert_eq!(contents.entries, [entry(1, 1, 8), entry(2, 2, 9)]);
}

#[test]
fn reading_starts_at_a_snapshot_that_was_recorded() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wal");
    let mut wal = Wal::create_with(&dir, Bytes::new(), SMALL).unwrap();
    let record = walpb::Snapshot {
        index: 50,
        term: 1,
        conf_state: Some(ConfState {
            voters: vec![7],
            ..Default::default()
        }),
    };
    for index in 1..=100 {
        wal.save(&state(1, index), &[entry(index, 1, 200)]).unwrap();
        if index == 60 {
            wal.save_snapshot(&record).unwrap();
        }
    }
    wal.save_snapshot(&walpb::Snapshot {
        index: 1000,
        term: 9,
        conf_state: None,
    })
    .unwrap();
    wal.release_to(50);
    let before = segments(&dir).unwrap().len();
    let removed = wal.purge(2).unwrap();
    assert!(
        !removed.is_empty() && removed.len() < before - 2,
        "{removed:?}"
    );
    wal.close().unwrap();

    let contents = read_all(&dir, &record).unwrap();
    assert_eq!(contents.entries.first().unwrap().index, 51);
    assert_eq!(contents.entries.len(), 50);
    assert_eq!(
        valid_snapshot_entries(&dir).unwrap(),
        std::slice::from_ref(&record)
    );
    let other = |index, term| walpb::Snapshot {
        index,
        term,
        conf_state: None,
    };
    assert!(matches!(
        read_all(&dir, &other(50, 2)),
        Err(Error::SnapshotMismatch)
    ));
    assert!(matches!(
        read_all(&dir, &other(51, 1)),
        Err(Error::SnapshotNotFound)
    ));
    assert!(matches!(
        read_all(&dir, &beginning()),
        Err(Error::FileNotFound)
    ));
}

#[test]
fn a_tail_torn_anywhere_keeps_what_was_synced() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wal");
    let mut wal = Wal::create_with(&dir, Bytes::from_static(b"m"), SMALL).unwrap();
    wal.save(&state(1, 0), &[entry(1, 1, 300), entry(2, 1, 300)])
        .unwrap();
    let path = tail(&dir);
    let synced = fs::read(&path).unwrap();
    wal.save(&state(1, 2), &[entry(3, 1, 900), entry(4, 1, 900)])
        .unwrap();
    drop(wal);
    let full = fs::read(&path).unwrap();
    let end = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    // Frames are 8-byte aligned; the sectors of the last write arrive or not.
    let begin = end(&synced).next_multiple_of(8);
    let sectors: Vec<_> = (begin / 512..=end(&full) / 512).collect();
    for mask in 0u32..1 << sectors.len() {
        let mut torn = full.clone();
        for (bit, sector) in sectors.iter().enumerate() {
            if mask & 1 << bit == 0 {
                let range = sector * 512..((sector + 1) * 512).min(full.len());
                torn[range.clone()].copy_from_slice(&synced[range]);
            }
        }
        fs::write(&path, &torn).unwrap();
        let (mut wal, contents, _) = Wal::open_repairing(&dir, &beginning(), SMALL)
            .unwrap_or_else(|error| panic!("sectors {mask:b}: {error}"));
        assert!(contents.entries.len() >= 2, "sectors {mask:b}");
        let next = contents.entries.len() as u64 + 1;
        wal.save(&state(2, 2), &[entry(next, 2, 20)]).unwrap();
        drop(wal);
        let again = read_all(&dir, &beginning()).unwrap();
        assert_eq!(again.entries.len() as u64, next, "sectors {mask:b}");
        let _ = fs::remove_file(path.with_extension("wal.broken"));
    }
}

#[test]
fn damage_in_the_middle_is_refused_and_not_repaired() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wal");
    let mut wal = Wal::create_with(&dir, Bytes::from_static(b"m"), SMALL).unwrap();
    for index in 1..=100 {
        wal.save(&state(1, index), &[entry(index, 1, 100)]).unwrap();
    }
    wal.close().unwrap();
    let first = dir.join(segments(&dir).unwrap()[0].file_name());
    let good = fs::read(&first).unwrap();
    let mut bad = good.clone();
    bad[1000] ^= 0x40;
    fs::write(&first, &bad).unwrap();
    let error = Wal::open_repairing(&dir, &beginning(), SMALL).unwrap_err();
    assert_eq!(error.to_string(), "walpb: crc mismatch");
    // A segment that is gone.
    fs::write(&first, &good).unwrap();
    let second = dir.join(segments(&dir).unwrap()[1].file_name());
    fs::remove_file(second).unwrap();
    assert!(matches!(
        read_all(&dir, &beginning()),
        Err(Error::FileNotFound)
    ));
}

#[test]
fn a_repair_keeps_the_torn_file() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wal");
    let mut wal = Wal::create_with(&dir, Bytes::from_static(b"m"), SMALL).unwrap();
    wal.save(&state(1, 0), &[entry(1, 1, 300)]).unwrap();
    drop(wal);
    let path = tail(&dir);
    let bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    fs::write(&path, &bytes[..end - 20]).unwrap();
    assert!(matches!(
        Wal::open(&dir, &beginning()),
        Err(Error::UnexpectedEof)
    ));
    assert_eq!(repair(&dir).unwrap(), Some(path.clone()));
    assert!(path.with_extension("wal.broken").exists());
    assert_eq!(repair(&dir).unwrap(), None);
    assert!(Wal::open(&dir, &beginning()).is_ok());
}

#[test]
fn snapshots_are_saved_and_the_newest_good_one_is_loaded() {
    let home = tempfile::tempdir().unwrap();
    let snapshotter = Snapshotter::new(home.path());
    assert!(matches!(snapshotter.load(), Err(Error::NoSnapshot)));
    let snapshot = |index| wire::raftpb::Snapshot {
        data: Some(v2store::document(&[], &[], None).into()),
        metadata: SnapshotMetadata {
            index,
            term: 2,
            ..Default::default()
        },
    };
    for index in [5, 6, 7] {
        snapshotter.save(&snapshot(index)).unwrap();
    }
    assert_eq!(snapshotter.load().unwrap(), snapshot(7));
    let newest = home.path().join("0000000000000002-0000000000000007.snap");
    let mut bytes = fs::read(&newest).unwrap();
    bytes[40] ^= 1;
    fs::write(&newest, bytes).unwrap();
    assert_eq!(snapshotter.load().unwrap(), snapshot(6));
    assert!(newest.with_extension("snap.broken").exists());
    let known = [walpb::Snapshot {
        index: 5,
        term: 2,
        conf_state: None,
    }];
    assert_eq!(
        snapshotter.load_newest_available(&known).unwrap(),
        snapshot(5)
    );
    assert_eq!(
        snapshotter.purge(1).unwrap(),
        ["0000000000000002-0000000000000005.snap"]
    );

    let mut db = snapshotter.receive_db(9).unwrap();
    db.write(b"pages").unwrap();
    assert!(snapshotter.db_path(9).is_err());
    assert_eq!(db.finish().unwrap(), snapshotter.db_path(9).unwrap());
    drop(snapshotter.receive_db(10).unwrap());
    snapshotter.release_dbs(10).unwrap();
    assert!(snapshotter.db_path(9).is_err());
}

#[test]
fn a_v2_document_lists_the_members() {
    let member = v2store::Member {
        id: 0xbe2d_219f_31d8_3897,
        peer_urls: vec!["http://127.0.0.1:2380".into()],
        is_learner: false,
        name: "a".into(),
        client_urls: vec!["http://127.0.0.1:2379".into()],
    };
    let text = String::from_utf8(v2store::document(
        std::slice::from_ref(&member),
        &[7],
        Some("3.5.0"),
    ))
    .unwrap();
    let read = v2store::parse(text.as_bytes()).unwrap();
    assert_eq!(read.members, [member]);
    assert_eq!(read.removed, [7]);
    assert_eq!(read.version.as_deref(), Some("3.5.0"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cluster = &value["Root"]["Children"]["0"]["Children"];
    let files = &cluster["members"]["Children"]["be2d219f31d83897"]["Children"];
    assert_eq!(
        files["raftAttributes"]["Value"],
        r#"{"peerURLs":["http://127.0.0.1:2380"]}"#
    );
    assert_eq!(
        files["attributes"]["Value"],
        r#"{"name":"a","clientURLs":["http://127.0.0.1:2379"]}"#
    );
    assert_eq!(cluster["version"]["Value"], "3.5.0");
    assert_eq!(
        cluster["removed_members"]["Children"]["7"]["Path"],
        "/0/removed_members/7"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a disk gives back, reading ends without a panic, and never with
    /// entries that were not written.
    #[test]
    fn no_bytes_panic(flips in prop::collection::vec((0usize..6000, any::<u8>()), 1..8), cut in 0usize..6000) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("wal");
        let options = Options { segment_bytes: 3000, sync: false };
        let mut wal = Wal::create_with(&dir, Bytes::from_static(b"m"), options).unwrap();
        let entries: Vec<_> = (1..=20).map(|index| entry(index, 1, 200)).collect();
        for chunk in entries.chunks(3) {
            wal.save(&state(1, 1), chunk).unwrap();
        }
        wal.close().unwrap();
        for segment in segments(&dir).unwrap() {
            let path = dir.join(segment.file_name());
            let mut bytes = fs::read(&path).unwrap();
            for (at, value) in &flips {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte = *value;
                }
            }
            bytes.truncate(cut.max(8));
            fs::write(&path, bytes).unwrap();
        }
        if let Ok(contents) = read_all(&dir, &beginning()) {
            prop_assert!(contents.entries.iter().all(|found| entries.contains(found)));
        }
        let _ = valid_snapshot_entries(&dir);
        let _ = repair(&dir);
    }
}
