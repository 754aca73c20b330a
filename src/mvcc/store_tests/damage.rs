//! Databases that hold what no member writes are refused with a sentence.

use proptest::prelude::*;

use super::*;
use crate::{Error, bucket};

/// A file whose bucket holds a pair that does not belong there.
fn open_with(bucket: &[u8], key: &[u8], value: &[u8]) -> Result<Store> {
    let bench = Bench::new();
    bench.put("a", "1");
    bench.grant(1, 60, 0).unwrap();
    bench.store.commit().unwrap();
    let db = bench.store.db.read().clone();
    db.close().unwrap();
    let db = open_db(&bench.dir.path().join("db"));
    let mut tx = db.begin_write().unwrap();
    tx.put(bucket, key, value).unwrap();
    tx.commit().unwrap();
    Store::open(db, Config::default())
}

#[test]
fn what_does_not_belong_there_is_named() {
    let far = crate::revision::Rev::new(i64::MAX, 0).put_key();
    let cases = [
        (
            bucket::KEY,
            &b"short"[..],
            &b""[..],
            "a revision is damaged",
        ),
        (bucket::KEY, &far, b"", "a revision is damaged"),
        (bucket::LEASE, b"12345678", b"\xff\xff", "bucket `lease`"),
        (bucket::ALARM, b"\xff\xff", b"", "bucket `alarm`"),
        (bucket::MEMBERS, b"zz", b"{}", "a member id in hex"),
        (bucket::MEMBERS, b"12", b"{", "a member as JSON"),
        (bucket::META, bucket::TERM, b"1", "a number of 8 bytes"),
        (
            bucket::META,
            bucket::CONF_STATE,
            b"?",
            "a configuration as JSON",
        ),
    ];
    for (bucket, key, value, words) in cases {
        match open_with(bucket, key, value) {
            Err(error @ Error::Damaged(_)) => {
                assert!(error.to_string().contains(words), "{error}");
            }
            Err(error) => panic!("{words}: {error}"),
            Ok(_) => panic!("{words}: it was taken"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_panics(
        place in 0..bucket::ALL.len(),
        key in prop::collection::vec(any::<u8>(), 1..30),
        value in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        // Whether it is taken or refused, it is said.
        let _ = open_with(bucket::ALL[place], &key, &value);
    }
}
