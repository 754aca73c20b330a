//! Damaged files: whatever the bytes are, nothing panics, nothing runs for
//! ever, and errors name the page.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use crate::fault_disk::FaultDisk;
use crate::surgery::{RawFile, locate};
use crate::{Bucket, Db, HEADER_BYTES, Meta, Options, PageHeader, Result, check};

const PAGE: usize = 1024;

fn options(read_only: bool, freelist_sync: bool) -> Options {
    Options {
        page_size: PAGE,
        read_only,
        freelist_sync,
        initial_map_bytes: 1,
        ..Options::default()
    }
}

/// A file with everything in it: branches, overflow, nested and inline
/// buckets, free pages, with and without a free list.
fn sample(freelist_sync: bool) -> Vec<u8> {
    let disk = FaultDisk::default();
    let db = Db::open_with(Arc::new(disk.clone()), options(false, freelist_sync)).expect("opens");
    let fill = || -> Result<()> {
        let mut tx = db.begin_write()?;
        tx.create_bucket(b"flat")?;
        tx.create_bucket(b"nest")?;
        tx.bucket_mut(&[b"nest"])?.create_bucket(b"inline")?;
        tx.bucket_mut(&[b"nest"])?.create_bucket(b"deep")?;
        tx.bucket_mut(&[b"nest", b"inline"])?.put(b"k", b"v")?;
        for n in 0..900u32 {
            tx.put(b"flat", &n.to_be_bytes(), &[n as u8; 60])?;
            tx.bucket_mut(&[b"nest", b"deep"])?
                .put(&n.to_be_bytes(), b"x")?;
        }
        tx.put(b"flat", b"long", &[5; 5000])?;
        tx.commit()?;
        for n in 0..6u32 {
            let mut tx = db.begin_write()?;
            tx.delete(b"flat", &(n * 100).to_be_bytes())?;
            tx.commit()?;
        }
        Ok(())
    };
    fill().expect("a sound database");
    drop(db);
    let mut bytes = vec![0; crate::Disk::len(&disk).expect("a length") as usize];
    crate::Disk::read_at(&disk, &mut bytes, 0).expect("all of it");
    bytes
}

static SAMPLES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [sample(false), sample(true)]);

#[derive(Clone, Debug)]
enum Harm {
    /// One byte anywhere.
    Byte(u32, u8),
    /// A field of a page's header or of its first records.
    Word(u16, u8, u32),
    /// A page in the place of another, its number made right.
    Copy(u16, u16),
    Zero(u16),
    /// A word of the record in both meta pages, their sums made right.
    Meta(u8, u64),
    Cut(u32),
}

fn harm() -> impl Strategy<Value = Harm> {
    let word = prop_oneof![
        3 => 0..300u32,
        1 => any::<u32>(),
        1 => Just(u32::MAX),
        1 => Just(0),
    ];
    prop_oneof![
        3 => (any::<u32>(), any::<u8>()).prop_map(|(at, byte)| Harm::Byte(at, byte)),
        6 => (any::<u16>(), 0..24u8, word).prop_map(|(page, at, word)| Harm::Word(page, at, word)),
        3 => (any::<u16>(), any::<u16>()).prop_map(|(from, to)| Harm::Copy(from, to)),
        1 => any::<u16>().prop_map(Harm::Zero),
        1 => (0..7u8, prop_oneof![0..300u64, any::<u64>(), Just(u64::MAX)])
            .prop_map(|(field, value)| Harm::Meta(field, value)),
        1 => any::<u32>().prop_map(Harm::Cut),
    ]
}

fn inflict(bytes: &mut Vec<u8>, harm: &Harm) {
    let pages = bytes.len() / PAGE;
    if pages < 4 {
        return;
    }
    match *harm {
        Harm::Byte(at, byte) => {
            let at = at as usize % bytes.len();
            bytes[at] = byte;
        }
        Harm::Word(page, at, word) => {
            let at = (usize::from(page) % pages) * PAGE + 4 * usize::from(at);
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        Harm::Copy(from, to) => {
            let (from, to) = (usize::from(from) % pages, usize::from(to) % pages);
            bytes.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
            if let Some(header) = PageHeader::read(&bytes[to * PAGE..]) {
                PageHeader {
                    id: to as u64,
                    ..header
                }
                .write(&mut bytes[to * PAGE..]);
            }
        }
        Harm::Zero(page) => {
            let page = usize::from(page) % pages;
            bytes[page * PAGE..(page + 1) * PAGE].fill(0);
        }
        Harm::Meta(field, value) => {
            for id in 0..2 {
                let page = &mut bytes[id * PAGE..(id + 1) * PAGE];
                if let Ok(mut meta) = Meta::read(page) {
                    match field {
                        0 => meta.page_size = value as u32,
                        1 => meta.root.root = value,
                        2 => meta.freelist = value,
                        3 => meta.high_water = value,
                        4 => meta.txid = value,
                        5 => meta.flags = value as u32,
                        _ => meta.root.sequence = value,
                    }
                    meta.write(page, id as u64);
                }
            }
        }
        Harm::Cut(len) => bytes.truncate(len as usize % bytes.len()),
    }
}

/// Everything that can be done to read a bucket; errors are fine.
fn read(bucket: &Bucket<'_>, depth: usize) {
    let mut cursor = bucket.cursor();
    let mut names = Vec::new();
    while let Ok(Some((key, value))) = cursor.next() {
        if value.is_none() {
            names.push(key);
        }
    }
    while let Ok(Some(_)) = cursor.prev() {}
    let _ = cursor.last();
    while let Ok(Some(_)) = cursor.prev() {}
    for n in 0..50u32 {
        let _ = bucket.get(&(n * 19).to_be_bytes());
        let _ = cursor.seek(&(n * 19).to_be_bytes());
        let _ = cursor.next();
    }
    for name in names.iter().take(5) {
        if let (Ok(Some(nested)), true) = (bucket.bucket(name), depth < 4) {
            read(&nested, depth + 1);
        }
    }
}

fn write(db: &Db) -> Result<()> {
    let mut tx = db.begin_write()?;
    for n in 0..100u32 {
        let _ = tx.put(b"flat", &(n * 9).to_be_bytes(), b"new");
        let _ = tx.delete(b"flat", &(n * 7).to_be_bytes());
    }
    tx.commit()?;
    let mut tx = db.begin_write()?;
    let _ = tx
        .bucket_mut(&[b"nest"])
        .and_then(|mut nest| nest.delete_bucket(b"deep"));
    for n in 0..900u32 {
        let _ = tx.delete(b"flat", &n.to_be_bytes());
    }
    tx.commit()?;
    let mut tx = db.begin_write()?;
    for name in tx.root_buckets()? {
        tx.delete_bucket(&name)?;
    }
    tx.commit()
}

fn survive(bytes: Vec<u8>) {
    for freelist_sync in [false, true] {
        for read_only in [true, false] {
            let disk = FaultDisk::with(bytes.clone());
            let Ok(db) = Db::open_with(Arc::new(disk), options(read_only, freelist_sync)) else {
                continue;
            };
            let _ = (db.in_use_bytes(), db.size_bytes());
            if let Ok(tx) = db.begin_read() {
                let _ = check(&tx)
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>();
                read(&tx.root(), 0);
                let _ = tx.write_to(&mut std::io::sink());
            }
            let _ = db.check();
            if !read_only {
                let _ = write(&db);
                let _ = db.check();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_damage_makes_it_panic_or_run_for_ever(
        list in any::<bool>(),
        harms in proptest::collection::vec(harm(), 1..8),
    ) {
        let mut bytes = SAMPLES[usize::from(list)].clone();
        for harm in &harms {
            inflict(&mut bytes, harm);
        }
        survive(bytes);
    }
}

/// All children of a branch made the branch itself: a tree without end.
#[test]
fn a_tree_that_runs_in_a_circle_is_named() {
    let mut bytes = SAMPLES[0].clone();
    let db = Db::open_with(
        Arc::new(FaultDisk::with(bytes.clone())),
        options(true, false),
    )
    .unwrap();
    let root = db
        .begin_read()
        .unwrap()
        .bucket(b"flat")
        .unwrap()
        .unwrap()
        .root_page() as usize;
    let page = &mut bytes[root * PAGE..(root + 1) * PAGE];
    let count = PageHeader::read(page).unwrap().count as usize;
    for index in 0..count {
        let at = HEADER_BYTES + index * 16 + 8;
        page[at..at + 8].copy_from_slice(&(root as u64).to_le_bytes());
    }
    let disk = Arc::new(FaultDisk::with(bytes.clone()));
    let error = Db::open_with(disk, options(false, false)).err().unwrap();
    assert_eq!(error.page(), Some(root as u64));
    let db = Db::open_with(
        Arc::new(FaultDisk::with(bytes.clone())),
        options(true, false),
    )
    .unwrap();
    let tx = db.begin_read().unwrap();
    let bucket = tx.bucket(b"flat").unwrap().unwrap();
    let error = bucket.cursor().first().unwrap_err();
    assert!(
        error.to_string().contains("must run in a circle"),
        "{error}"
    );
    assert!(bucket.get(b"x").is_err());
    let found: Vec<String> = check(&tx).iter().map(ToString::to_string).collect();
    let expected = format!("page {root}: multiple references (stack: [{root} {root}])");
    assert!(found.contains(&expected), "{found:?}");
    survive(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn surgery_on_damaged_files_does_not_panic(
        list in any::<bool>(),
        harms in proptest::collection::vec(harm(), 1..8),
        page in 0..120u64,
    ) {
        let mut bytes = SAMPLES[usize::from(list)].clone();
        for harm in &harms {
            inflict(&mut bytes, harm);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let raw = RawFile::open(file.path()).unwrap();
        let _ = raw.list_pages();
        let _ = locate(file.path(), &[b"flat"], b"key");
        let _ = raw.clear_elements(page, 1, Some(3));
        let _ = raw.clear_page(page + 1);
        let _ = raw.flip(page, 5, 1);
        let _ = raw.copy_page(page, page + 2);
        let _ = raw.zero_page(page + 3);
        let _ = raw.revert_meta();
        let _ = raw.abandon_freelist();
        let _ = raw.list_pages();
    }
}

/// Twenty branches, each with ten children that are all the next branch: as
/// many ways to the leaf as no walk can go.
#[test]
fn a_tree_with_countless_ways_is_left_at_the_second_one() {
    let mut bytes = SAMPLES[0].clone();
    let db = Db::open_with(
        Arc::new(FaultDisk::with(bytes.clone())),
        options(true, false),
    )
    .unwrap();
    let root = db
        .begin_read()
        .unwrap()
        .bucket(b"flat")
        .unwrap()
        .unwrap()
        .root_page();
    let high = db.begin_read().unwrap().meta().high_water;
    drop(db);
    let pages: Vec<u64> = std::iter::once(root)
        .chain((2..high).filter(|id| *id != root))
        .take(21)
        .collect();
    // The page of the root bucket has to stay.
    let keep = Meta::read(&bytes[..PAGE]).unwrap().root.root;
    let other = Meta::read(&bytes[PAGE..2 * PAGE]).unwrap().root.root;
    let pages: Vec<u64> = pages
        .into_iter()
        .filter(|id| *id != keep && *id != other)
        .collect();
    for (index, id) in pages.iter().enumerate() {
        let page = &mut bytes[*id as usize * PAGE..(*id as usize + 1) * PAGE];
        page.fill(0);
        let leaf = index + 1 == pages.len();
        PageHeader {
            id: *id,
            flags: if leaf { 2 } else { 1 },
            count: if leaf { 0 } else { 10 },
            overflow: 0,
        }
        .write(page);
        for element in 0..if leaf { 0 } else { 10 } {
            let at = HEADER_BYTES + element * 16;
            page[at..at + 4]
                .copy_from_slice(&(160 - element as u32 * 16 + element as u32).to_le_bytes());
            page[at + 4..at + 8].copy_from_slice(&1u32.to_le_bytes());
            page[at + 8..at + 16].copy_from_slice(&pages[index + 1].to_le_bytes());
            page[HEADER_BYTES + 160 + element] = b'a' + element as u8;
        }
    }
    // Once with an empty leaf at the end, once with one that has a key.
    survive(bytes.clone());
    let last = *pages.last().unwrap() as usize * PAGE;
    bytes[last + 10] = 1;
    bytes[last + HEADER_BYTES + 4] = 16;
    bytes[last + HEADER_BYTES + 8] = 1;
    bytes[last + HEADER_BYTES + 16] = b'a';
    survive(bytes);
}

#[test]
fn a_cut_file_says_so() {
    let mut bytes = SAMPLES[0].clone();
    bytes.truncate(20 * PAGE);
    let error = Db::open_with(Arc::new(FaultDisk::with(bytes)), options(true, false))
        .err()
        .unwrap();
    assert!(error.to_string().contains("found 20480 bytes"), "{error}");
    for (bytes, text) in [
        (b"text".to_vec(), "invalid database"),
        (vec![1; 8192], "invalid database"),
    ] {
        let error = Db::open_with(Arc::new(FaultDisk::with(bytes)), options(false, false))
            .err()
            .unwrap();
        assert_eq!(error.reference_text(), Some(text));
    }
}

/// A meta page whose sum is right and whose page size cannot be.
#[test]
fn a_page_size_that_cannot_be_is_refused() {
    for size in [0, 512, 4000, 1 << 25] {
        let mut bytes = SAMPLES[0].clone();
        for id in 0..2 {
            let page = &mut bytes[id * PAGE..(id + 1) * PAGE];
            let mut meta = Meta::read(page).unwrap();
            meta.page_size = size;
            meta.write(page, id as u64);
        }
        let disk = Arc::new(FaultDisk::with(bytes.clone()));
        let error = Db::open_with(disk, options(true, false)).err().unwrap();
        assert!(error.to_string().contains("a page size"), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let raw = RawFile::open(file.path()).unwrap();
        assert_eq!(raw.page_size(), 4096);
        assert!(raw.list_pages().is_ok());
    }
}
