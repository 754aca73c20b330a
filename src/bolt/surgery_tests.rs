//! Page edits do what they say, and the check notices.

use std::path::{Path, PathBuf};

use crate::surgery::{RawFile, locate};
use crate::{Db, Options, PageKind, check};

/// A database of 3000 keys in `key`, and the path it lies at.
fn sample(freelist_sync: bool) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("db");
    let options = Options {
        freelist_sync,
        ..Options::default()
    };
    let db = Db::open(&path, options).expect("opens");
    for part in 0..3u32 {
        let mut tx = db.begin_write().expect("begins");
        tx.create_bucket_if_missing(b"key").expect("creates");
        for n in part * 1000..(part + 1) * 1000 {
            tx.put(b"key", &n.to_be_bytes(), &[part as u8; 20])
                .expect("puts");
        }
        if part == 1 {
            tx.put(b"key", b"long", &[0; 9000]).expect("puts");
        }
        tx.commit().expect("commits");
    }
    db.close().expect("closes");
    (dir, path)
}

fn read_only(path: &Path) -> Db {
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    Db::open(path, options).expect("opens")
}

fn findings(path: &Path) -> Vec<String> {
    let tx = read_only(path).begin_read().expect("begins");
    check(&tx).iter().map(ToString::to_string).collect()
}

fn key_count(path: &Path) -> usize {
    let db = read_only(path);
    let tx = db.begin_read().expect("begins");
    let bucket = tx.bucket(b"key").expect("sound").expect("there");
    let mut count = 0;
    let walked = bucket.for_each(|_, _| {
        count += 1;
        Ok(())
    });
    walked.expect("sound");
    count
}

#[test]
fn the_list_shows_every_page_once() {
    for freelist_sync in [false, true] {
        let (_dir, path) = sample(freelist_sync);
        let raw = RawFile::open_read_only(&path).unwrap();
        let list = raw.list_pages().unwrap();
        assert_eq!(list[0].kind, PageKind::Meta);
        assert_eq!(list[1].kind, PageKind::Meta);
        let (_, meta) = raw.active_meta().unwrap();
        let pages: u64 = list
            .iter()
            .map(|page| match page.free {
                Some(true) => 1,
                _ => u64::from(page.overflow) + 1,
            })
            .sum();
        assert_eq!(pages, meta.high_water);
        assert!(
            list.iter()
                .any(|page| page.overflow == 2 && page.free == Some(false))
        );
        let free = list.iter().filter(|page| page.free == Some(true)).count();
        let db = Db::open(&path, Options::default()).unwrap();
        assert_eq!(db.free_bytes(), free as u64 * 4096);
    }
}

#[test]
fn a_key_is_located_and_its_leaf_damaged() {
    let (_dir, path) = sample(false);
    assert_eq!(findings(&path), [""; 0]);
    let way = locate(&path, &[b"key"], &1500u32.to_be_bytes()).unwrap();
    assert!(way.len() >= 2, "{way:?}");
    let leaf = way[way.len() - 1];
    let raw = RawFile::open(&path).unwrap();
    let before = raw.read_page(leaf).unwrap();
    assert_eq!(before.header.kind(), PageKind::Leaf);

    raw.zero_page(leaf).unwrap();
    let found = findings(&path);
    assert!(
        found
            .iter()
            .any(|text| text.starts_with(&format!("page {leaf}: "))),
        "{found:?}"
    );
    let tx = read_only(&path).begin_read().unwrap();
    let bucket = tx.bucket(b"key").unwrap().unwrap();
    let error = bucket.get(&1500u32.to_be_bytes()).unwrap_err();
    assert_eq!(error.page(), Some(leaf));
    assert!(bucket.get(&0u32.to_be_bytes()).unwrap().is_some());

    raw.write_page(leaf, &before.data).unwrap();
    assert_eq!(findings(&path), [""; 0]);
    raw.flip(leaf, 8, 0x02).unwrap();
    let found = findings(&path);
    assert_eq!(
        found,
        [format!(
            "page {leaf}: invalid type: unknown<00> (stack: [{} {leaf}])",
            way[0]
        )]
    );
}

#[test]
fn elements_are_cleared() {
    let (_dir, path) = sample(true);
    let all = key_count(&path);
    let way = locate(&path, &[b"key"], &10u32.to_be_bytes()).unwrap();
    let leaf = way[way.len() - 1];
    let raw = RawFile::open(&path).unwrap();
    let on_leaf = usize::from(raw.read_page(leaf).unwrap().header.count);
    assert!(!raw.clear_elements(leaf, 1, Some(4)).unwrap());
    assert_eq!(key_count(&path), all - 3);
    assert_eq!(findings(&path), [""; 0]);
    assert!(raw.clear_elements(leaf, 5, Some(5)).is_err());
    assert!(raw.clear_elements(0, 0, None).is_err());
    assert!(!raw.clear_page(leaf).unwrap());
    assert_eq!(key_count(&path), all - on_leaf);
    // A branch that loses a child leaves a page that nobody owns.
    assert!(raw.clear_elements(way[0], 2, Some(3)).unwrap());
    let found = findings(&path);
    assert!(
        found
            .iter()
            .all(|text| text.ends_with("unreachable unfreed")),
        "{found:?}"
    );
    assert_eq!(found.len(), 1);
    raw.abandon_freelist().unwrap();
    assert_eq!(findings(&path), [""; 0]);
    let db = Db::open(&path, Options::default()).unwrap();
    assert_eq!(db.check().unwrap(), []);
}

#[test]
fn the_last_commit_is_undone() {
    let (_dir, path) = sample(false);
    assert_eq!(key_count(&path), 3001);
    RawFile::open(&path).unwrap().revert_meta().unwrap();
    assert_eq!(key_count(&path), 2001);
    assert_eq!(findings(&path), [""; 0]);
}

#[test]
fn pages_that_are_not_there_are_refused() {
    let (_dir, path) = sample(false);
    let raw = RawFile::open(&path).unwrap();
    let pages = raw.page_count().unwrap();
    assert!(raw.read_page(pages).is_err());
    assert!(raw.write_page(pages, &[0; 4096]).is_err());
    assert!(raw.write_page(3, &[0; 100]).is_err());
    assert!(raw.flip(3, 5000, 1).is_err());
    assert!(RawFile::open(&path.with_extension("none")).is_err());
    raw.copy_page(3, 4).unwrap();
    assert_eq!(raw.read_page(4).unwrap().header.id, 4);
}

/// The free list's own faults, in the words of the reference.
#[test]
fn a_wrong_free_list_is_noticed() {
    let (_dir, path) = sample(true);
    let raw = RawFile::open(&path).unwrap();
    let (_, meta) = raw.active_meta().unwrap();
    let mut list = raw.read_page(meta.freelist).unwrap();
    let count = usize::from(list.header.count);
    assert!(count >= 2, "{:?}", list.header);
    let entry = |data: &[u8], index: usize| {
        let at = 16 + 8 * index;
        u64::from_le_bytes(data[at..at + 8].try_into().unwrap())
    };
    let (first, second) = (entry(&list.data, 0), entry(&list.data, 1));
    // A page in use is listed in the place of the first free one.
    list.data[16..24].copy_from_slice(&meta.root.root.to_le_bytes());
    raw.write_page(meta.freelist, &list.data).unwrap();
    let mut found = findings(&path);
    found.sort();
    let mut expected = [
        format!("page {}: reachable freed", meta.root.root),
        format!("page {first}: unreachable unfreed"),
    ];
    expected.sort();
    assert_eq!(found, expected);
    // The second one is listed twice.
    list.data[16..24].copy_from_slice(&second.to_le_bytes());
    raw.write_page(meta.freelist, &list.data).unwrap();
    let expected = [
        format!("page {second}: already freed"),
        format!("page {first}: unreachable unfreed"),
    ];
    assert_eq!(findings(&path), expected);
    let error = Db::open(&path, Options::default()).err().unwrap();
    assert_eq!(error.page(), Some(meta.freelist));
}
