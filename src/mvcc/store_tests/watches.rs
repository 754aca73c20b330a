use std::sync::atomic::AtomicUsize;

use super::*;
use crate::{Error, Wake, WatchEvents, WatchStream};

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn watch(key: &str, end: &str, start_revision: i64) -> pb::WatchCreateRequest {
    pb::WatchCreateRequest {
        key: key.to_owned().into(),
        range_end: end.to_owned().into(),
        start_revision,
        ..Default::default()
    }
}

fn stream(bench: &Bench) -> (WatchStream, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    (bench.store.watch_stream(bell.clone()), bell)
}

/// Watch, revision and the events as text.
fn show(events: &[WatchEvents]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    events
        .iter()
        .map(|response| {
            let mut line = format!("{}@{}", response.watch_id, response.revision);
            if response.compact_revision != 0 {
                line += &format!(" compacted {}", response.compact_revision);
            }
            for event in &response.events {
                let kv = event.kv.as_ref().unwrap();
                let sign = if event.r#type == 0 { "=" } else { "-" };
                let (key, value) = (text(&kv.key), text(&kv.value));
                line += &format!(" {key}{sign}{value}:{}", kv.mod_revision);
                if let Some(before) = &event.prev_kv {
                    line += &format!("(was {})", text(&before.value));
                }
            }
            line
        })
        .collect()
}

fn drain(stream: &WatchStream) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let taken = stream.take(1000).unwrap();
        if taken.is_empty() {
            return all;
        }
        all.extend(show(&taken));
    }
}

#[test]
fn a_watch_sees_what_happens_after_it() {
    let bench = Bench::new();
    bench.put("a", "0");
    let (stream, bell) = stream(&bench);
    assert_eq!(stream.create(&watch("a", "", 0)).unwrap(), (0, 2));
    assert_eq!(stream.create(&watch("a", "c", 0)).unwrap(), (1, 2));
    bench.put("a", "1");
    bench.put("b", "1");
    bench.put("c", "1");
    bench.delete("a", "z");
    assert!(bell.0.load(Ordering::Relaxed) > 0);
    assert_eq!(
        drain(&stream),
        [
            "0@3 a=1:3",
            "1@3 a=1:3",
            "1@4 b=1:4",
            "0@6 a-:6",
            "1@6 a-:6 b-:6"
        ]
    );
    assert!(stream.cancel(1));
    assert!(!stream.cancel(1));
    bench.put("b", "2");
    assert!(drain(&stream).is_empty());
}

#[test]
fn a_watch_from_the_past_catches_up_once() {
    let bench = Bench::new();
    for n in 0..5 {
        bench.put("a", &n.to_string());
    }
    bench.delete("a", "");
    let (stream, bell) = stream(&bench);
    stream.create(&watch("a", "", 5)).unwrap();
    assert!(bell.0.load(Ordering::Relaxed) > 0, "it has something");
    bench.put("a", "x");
    assert_eq!(drain(&stream), ["0@8 a=3:5 a=4:6 a-:7 a=x:8"]);
    bench.put("a", "y");
    assert_eq!(drain(&stream), ["0@9 a=y:9"]);
}

#[test]
fn a_watch_in_the_future_waits() {
    let bench = Bench::new();
    let (stream, _) = stream(&bench);
    stream.create(&watch("a", "", 4)).unwrap();
    for n in 2..6 {
        bench.put("a", &n.to_string());
    }
    assert_eq!(drain(&stream), ["0@4 a=4:4", "0@5 a=5:5"]);
}

#[test]
fn a_long_history_comes_in_parts_and_whole_transactions() {
    let bench = Bench::new();
    for n in 0..1500 {
        let pair = |key: &str| op(Op::RequestPut(put(key, &n.to_string())));
        let txn = pb::TxnRequest {
            success: vec![pair("a"), pair("b")],
            ..Default::default()
        };
        bench.txn(txn).unwrap();
    }
    bench.store.commit().unwrap();
    let (stream, _) = stream(&bench);
    stream.create(&watch("a", "c", 2)).unwrap();
    let mut parts = Vec::new();
    loop {
        let taken = stream.take(1).unwrap();
        let Some(part) = taken.into_iter().next() else {
            break;
        };
        let revisions: Vec<i64> = part
            .events
            .iter()
            .map(|e| e.kv.as_ref().unwrap().mod_revision)
            .collect();
        assert_eq!(revisions.len() % 2, 0);
        parts.push(revisions);
    }
    assert_eq!(parts.len(), 2);
    let all: Vec<i64> = parts.concat();
    let expected: Vec<i64> = (2..1502).flat_map(|n| [n, n]).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_slow_client_loses_nothing_and_holds_nobody_up() {
    let bench = Bench::new();
    let (slow, _) = stream(&bench);
    let (quick, _) = stream(&bench);
    slow.create(&watch("a", "", 0)).unwrap();
    quick.create(&watch("a", "", 0)).unwrap();
    let mut seen = 0;
    for n in 0..1000 {
        bench.put("a", &n.to_string());
        seen += drain(&quick).len();
        if n % 100 == 0 {
            bench.store.watch_sync_step().unwrap();
        }
    }
    assert_eq!(seen, 1000);
    let mut revisions = Vec::new();
    loop {
        let taken = slow.take(3).unwrap();
        if taken.is_empty() {
            break;
        }
        for part in taken {
            let of = |e: &wire::mvccpb::Event| e.kv.as_ref().unwrap().mod_revision;
            revisions.extend(part.events.iter().map(of));
        }
    }
    assert_eq!(revisions, (2..1002).collect::<Vec<i64>>());
}

#[test]
fn a_watch_of_compacted_history_is_told_so() {
    let bench = Bench::new();
    for n in 0..5 {
        bench.put("a", &n.to_string());
    }
    bench.compact_all(4);
    let (stream, _) = stream(&bench);
    stream.create(&watch("a", "", 3)).unwrap();
    stream.create(&watch("a", "", 4)).unwrap();
    assert_eq!(drain(&stream), ["0@0 compacted 4", "1@6 a=2:4 a=3:5 a=4:6"]);
    assert!(!stream.cancel(0), "it is gone");
}

#[test]
fn filters_and_values_before() {
    let bench = Bench::new();
    let (stream, _) = stream(&bench);
    let with_filter = |filter: pb::watch_create_request::FilterType| pb::WatchCreateRequest {
        filters: vec![filter.into()],
        prev_kv: true,
        ..watch("a", "", 0)
    };
    use pb::watch_create_request::FilterType;
    stream.create(&with_filter(FilterType::Noput)).unwrap();
    stream.create(&with_filter(FilterType::Nodelete)).unwrap();
    bench.put("a", "1");
    bench.put("a", "2");
    bench.delete("a", "");
    assert_eq!(
        drain(&stream),
        ["1@2 a=1:2", "1@3 a=2:3(was 1)", "0@4 a-:4(was 2)"]
    );
}

#[test]
fn progress_is_told_to_those_who_have_seen_everything() {
    let bench = Bench::new();
    bench.put("a", "1");
    let (stream, _) = stream(&bench);
    assert!(stream.progress_all());
    assert!(drain(&stream).is_empty());
    stream.create(&watch("a", "", 2)).unwrap();
    assert!(!stream.progress_all());
    stream.progress(0);
    assert_eq!(drain(&stream), ["0@2 a=1:2"]);
    stream.progress(0);
    assert!(stream.progress_all());
    assert_eq!(drain(&stream), ["0@2", "-1@2"]);
}

#[test]
fn ids_and_ranges_are_checked() {
    let bench = Bench::new();
    let (stream, _) = stream(&bench);
    let own = pb::WatchCreateRequest {
        watch_id: 1,
        ..watch("a", "", 0)
    };
    assert_eq!(stream.create(&own).unwrap().0, 1);
    assert!(matches!(stream.create(&own), Err(Error::WatchIdExists)));
    assert_eq!(stream.create(&watch("a", "", 0)).unwrap().0, 0);
    assert_eq!(stream.create(&watch("a", "", 0)).unwrap().0, 2);
    let empty = stream.create(&watch("b", "a", 0));
    assert!(matches!(empty, Err(Error::WatchRangeEmpty)));
    // No key and no end: everything.
    assert_eq!(stream.create(&watch("", "\0", 0)).unwrap().0, 3);
    bench.put("zzz", "1");
    assert_eq!(drain(&stream), ["3@2 zzz=1:2"]);
}

#[test]
fn a_swapped_state_does_not_disturb_watches() {
    let source = Bench::new();
    for n in 0..10 {
        source.put("a", &n.to_string());
    }
    source.store.commit().unwrap();
    let bench = Bench::new();
    bench.put("a", "0");
    let (stream, _) = stream(&bench);
    stream.create(&watch("a", "", 0)).unwrap();
    let copy = bench.dir.path().join("incoming");
    let mut file = std::fs::File::create(&copy).unwrap();
    let snapshot = source.store.snapshot().unwrap();
    snapshot.write_to(&mut file).unwrap();
    bench.store.restore_from(open_db(&copy)).unwrap();
    assert_eq!(bench.store.revision(), 11);
    assert_eq!(bench.hash_kv(), source.hash_kv());
    let seen = drain(&stream).concat();
    assert!(seen.contains("a=1:3") && seen.contains("a=9:11"), "{seen}");
}
