//! The store by itself: what each request does, and properties of any sequence of them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;

use super::*;
use crate::Wake;

const NOW: Nanos = 1_700_000_000_000_000_000;
const SECOND: Nanos = 1_000_000_000;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn until(seconds: i64) -> Expiry {
    Expiry {
        at: Some(NOW + seconds * SECOND),
        refresh: false,
    }
}

fn set(store: &mut Store, path: &str, value: &str) -> Result<Arc<Event>, Error> {
    store.set(path, (false, value), Expiry::default(), NOW)
}

fn keys(nodes: &[NodeView]) -> Vec<&str> {
    nodes.iter().map(|node| node.key.as_str()).collect()
}

/// Index after the call, and the code and cause of a refusal.
fn refused<T: std::fmt::Debug>(done: Result<T, Error>) -> (Code, String, u64) {
    let error = done.unwrap_err();
    (error.code, error.cause, error.index)
}

#[test]
fn paths_are_cleaned_as_go_cleans_them() {
    for (path, clean) in [
        ("", "/"),
        ("/", "/"),
        ("a", "/a"),
        ("/a//b/", "/a/b"),
        ("/a/./b/../c", "/a/c"),
        ("/../..", "/"),
    ] {
        assert_eq!(path::clean(path), clean, "{path:?}");
    }
    for (watched, key, hidden) in [
        ("/", "/a", false),
        ("/", "/_a", true),
        ("/a", "/a/b/_c", true),
        ("/a/_b", "/a/_b/c", false),
        ("/a/b/c", "/a", false),
    ] {
        assert_eq!(path::is_hidden(watched, key), hidden, "{watched} {key}");
    }
}

#[test]
fn requests_that_are_refused_change_nothing() {
    let mut store = Store::default();
    set(&mut store, "/1/a", "x").unwrap();
    set(&mut store, "/1/d/e", "y").unwrap();
    let never = Expiry::default();
    let before = store.save();
    let table = [
        (
            refused(store.get("/1/no", false, NOW)),
            (Code::KeyNotFound, "/1/no"),
        ),
        (
            refused(store.get("/1/a/b", false, NOW)),
            (Code::NotDir, "/1/a"),
        ),
        (
            refused(set(&mut store, "/1/a/b", "z")),
            (Code::NotDir, "/1/a"),
        ),
        (
            refused(set(&mut store, "/1/d", "z")),
            (Code::NotFile, "/1/d"),
        ),
        (
            refused(set(&mut store, "/1", "z")),
            (Code::RootReadOnly, "/"),
        ),
        (
            refused(store.create("/1/a", (false, "z"), false, never, NOW)),
            (Code::NodeExist, "/1/a"),
        ),
        (
            refused(store.update("/1/no", "z", never, NOW)),
            (Code::KeyNotFound, "/1/no"),
        ),
        (
            refused(store.compare_and_swap("/1/a", ("q", 9), "z", never, NOW)),
            (Code::TestFailed, "[q != x] [9 != 1]"),
        ),
        (
            refused(store.compare_and_swap("/1/d", ("q", 0), "z", never, NOW)),
            (Code::NotFile, "/1/d"),
        ),
        (
            refused(store.compare_and_delete("/1/a", ("", 9), NOW)),
            (Code::TestFailed, "[9 != 1]"),
        ),
        (
            refused(store.delete("/1/d", false, false, NOW)),
            (Code::NotFile, "/1/d"),
        ),
        (
            refused(store.delete("/1/d", true, false, NOW)),
            (Code::DirNotEmpty, "/1/d"),
        ),
        (
            refused(store.delete("/", true, true, NOW)),
            (Code::RootReadOnly, "/"),
        ),
    ];
    for ((code, cause, index), (wanted, wanted_cause)) in table {
        assert_eq!(
            (code, cause.as_str(), index),
            (wanted, wanted_cause, 2),
            "{wanted:?}"
        );
    }
    let mut other = Store::default();
    other.recover(&before).unwrap();
    assert_eq!((other.root, other.index), (store.root.clone(), 2));
}

#[test]
fn keys_in_order_hidden_keys_and_directories() {
    let mut store = Store::default();
    for _ in 0..2 {
        store
            .create("/1/q", (false, "v"), true, Expiry::default(), NOW)
            .unwrap();
    }
    set(&mut store, "/1/q/_hidden", "h").unwrap();
    let listed = store.get("/1/q", false, NOW).unwrap();
    assert_eq!(
        keys(&listed.node.nodes),
        ["/1/q/00000000000000000001", "/1/q/00000000000000000002"]
    );
    let hidden = store.get("/1/q/_hidden", false, NOW).unwrap();
    assert_eq!(hidden.node.value.as_deref(), Some("h"));
    let gone = store.delete("/1/q", false, true, NOW).unwrap();
    assert!(gone.node.dir && gone.prev_node.as_ref().unwrap().nodes.is_empty());
}

#[test]
fn what_expires_goes_when_the_log_says_how_late_it_is() {
    let mut store = Store::default();
    store.set("/1/k", (false, "v"), until(10), NOW).unwrap();
    store.set("/1/d", (true, ""), until(20), NOW).unwrap();
    set(&mut store, "/1/d/child", "c").unwrap();
    let shown = store.get("/1/k", false, NOW + SECOND / 2).unwrap();
    assert_eq!(shown.node.ttl, 10);
    store.expire(NOW + 9 * SECOND);
    assert_eq!(store.index(), 3);
    store.expire(NOW + 10 * SECOND);
    assert_eq!(store.index(), 4);
    assert_eq!(refused(store.get("/1/k", false, NOW)).0, Code::KeyNotFound);
    store.expire(NOW + 60 * SECOND);
    assert!(!store.has_expiring());
    assert_eq!(
        refused(store.get("/1/d/child", false, NOW)).0,
        Code::KeyNotFound
    );
    assert_eq!(store.current_stats().expire_count, 2);
}

#[test]
fn a_refresh_keeps_the_value_and_wakes_nobody() {
    let mut store = Store::default();
    store.set("/1/k", (false, "v"), until(10), NOW).unwrap();
    let bell = Arc::new(Bell::default());
    let watcher = store.watch("/1/k", false, false, 0, bell.clone()).unwrap();
    let refresh = Expiry {
        refresh: true,
        ..until(30)
    };
    let event = store.set("/1/k", (false, ""), refresh, NOW).unwrap();
    assert_eq!(
        (event.node.value.as_deref(), event.node.ttl),
        (Some("v"), 30)
    );
    assert!(matches!(watcher.take(), Taken::Nothing));
    // Nor does the history tell of it.
    let late = store.watch("/1/k", false, false, 2, bell.clone()).unwrap();
    assert!(matches!(late.take(), Taken::Nothing));
    set(&mut store, "/1/k", "w").unwrap();
    assert!(matches!(watcher.take(), Taken::Event(event) if event.index() == 3));
    assert!(matches!(watcher.take(), Taken::Ended));
    assert_eq!(bell.0.load(Ordering::Relaxed), 2);
}

#[test]
fn watches_hear_of_what_they_watch() {
    // Path, recursive, changes (path; `-` first for a removal), paths that are told of.
    type Row<'a> = (&'a str, bool, &'a [&'a str], &'a [&'a str]);
    let table: &[Row<'_>] = &[
        ("/1/a", false, &["/1/b", "/1/a"], &["/1/a"]),
        ("/1/a", false, &["/1/a/b"], &[]),
        ("/1/a", true, &["/1/a/b", "/1/a/c"], &["/1/a/b", "/1/a/c"]),
        ("/1", true, &["/1/_h", "/1/d/_h/x", "/1/k"], &["/1/k"]),
        ("/1/_h", true, &["/1/_h/x"], &["/1/_h/x"]),
        ("/1/a/b", false, &["/1/a/b", "-/1/a"], &["/1/a/b", "/1/a"]),
    ];
    for (path, recursive, changes, told) in table {
        let mut store = Store::default();
        let watcher = store
            .watch(path, *recursive, true, 0, Arc::new(Bell::default()))
            .unwrap();
        assert_eq!(store.current_stats().watchers, 1);
        for change in *changes {
            match change.strip_prefix('-') {
                Some(path) => store.delete(path, true, true, NOW).unwrap(),
                None => set(&mut store, change, "v").unwrap(),
            };
        }
        let mut heard = Vec::new();
        while let Taken::Event(event) = watcher.take() {
            heard.push(event.node.key.clone());
        }
        assert_eq!(&heard, told, "{path} {recursive} {changes:?}");
        drop(watcher);
        assert_eq!(store.current_stats().watchers, 0);
    }
}

#[test]
fn a_watch_that_is_too_slow_ends() {
    let mut store = Store::default();
    let watcher = store
        .watch("/1", true, true, 0, Arc::new(Bell::default()))
        .unwrap();
    for n in 0..150 {
        set(&mut store, "/1/k", &n.to_string()).unwrap();
    }
    let mut heard = 0;
    while let Taken::Event(_) = watcher.take() {
        heard += 1;
    }
    assert!(matches!(watcher.take(), Taken::Ended));
    assert_eq!(heard, 100);
}

#[test]
fn the_history_holds_a_thousand_events() {
    let mut store = Store::default();
    for n in 0..1500 {
        set(&mut store, "/1/k", &n.to_string()).unwrap();
    }
    let watch =
        |store: &Store, since| store.watch("/1/k", false, false, since, Arc::new(Bell::default()));
    assert_eq!(
        refused(watch(&store, 500).map(|_| ())),
        (
            Code::EventIndexCleared,
            "the requested history has been cleared [501/500]".into(),
            1500
        )
    );
    let check = |store: &Store| {
        for since in [501, 1000, 1500] {
            let watcher = watch(store, since).unwrap();
            assert!(matches!(watcher.take(), Taken::Event(event) if event.index() == since));
        }
        assert!(matches!(watch(store, 1501).unwrap().take(), Taken::Nothing));
    };
    check(&store);
    let mut other = Store::default();
    other.recover(&store.save()).unwrap();
    check(&other);
}

/// A document that 3.5.16 could have written, with what ours never has in it: another
/// time zone, a null directory.
#[test]
fn documents_of_others_are_read_and_nonsense_is_refused() {
    let text = String::from_utf8(Store::default().save()).unwrap();
    let node = r#""k":{"Path":"/1/k","CreatedIndex":3,"ModifiedIndex":4,"ExpireTime":"2030-01-01T02:00:00.5+02:00","Value":"v","Children":null}"#;
    let with = text.replace(
        r#""1":{"Path":"/1","CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"0001-01-01T00:00:00Z","Value":"","Children":{}}"#,
        &format!(r#""1":{{"Path":"/1","CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"0001-01-01T00:00:00Z","Value":"","Children":{{{node}}}}}"#),
    );
    assert_ne!(with, text);
    let mut store = Store::default();
    store.recover(with.as_bytes()).unwrap();
    assert!(store.has_expiring() && store.has_custom_content());
    let saved = String::from_utf8(store.save()).unwrap();
    assert!(saved.contains("2030-01-01T00:00:00.5Z"), "{saved}");
    for nonsense in [
        "",
        "{}",
        &text[..text.len() - 1],
        &text.replace("\"Capacity\":1000", "\"Capacity\":0"),
        &text.replace("\"Front\":0", "\"Front\":1000"),
    ] {
        assert!(store.recover(nonsense.as_bytes()).is_err());
    }
    assert!(store.has_expiring(), "a refused document changes nothing");
}

/// A request of the state machine.
#[derive(Clone, Debug)]
enum Op {
    Set(String, bool, Option<i64>),
    Create(String, bool, bool, Option<i64>),
    Update(String, Option<i64>, bool),
    Swap(String, u64),
    Delete(String, bool, bool),
    CompareDelete(String, u64),
    Expire(i64),
    Get(String),
}

fn op() -> impl Strategy<Value = Op> {
    let path = || "(/[ab_]){1,3}".prop_map(|path| format!("/1{path}"));
    let ttl = || proptest::option::of(0_i64..50);
    prop_oneof![
        (path(), any::<bool>(), ttl()).prop_map(|(p, d, t)| Op::Set(p, d, t)),
        (path(), any::<bool>(), any::<bool>(), ttl())
            .prop_map(|(p, d, u, t)| Op::Create(p, d, u, t)),
        (path(), ttl(), any::<bool>()).prop_map(|(p, t, r)| Op::Update(p, t, r)),
        (path(), 0_u64..30).prop_map(|(p, i)| Op::Swap(p, i)),
        (path(), any::<bool>(), any::<bool>()).prop_map(|(p, d, r)| Op::Delete(p, d, r)),
        (path(), 0_u64..30).prop_map(|(p, i)| Op::CompareDelete(p, i)),
        (0_i64..50).prop_map(Op::Expire),
        path().prop_map(Op::Get),
    ]
}

fn apply(store: &mut Store, op: &Op) -> Result<Arc<Event>, Error> {
    let expiry = |ttl: &Option<i64>, refresh| Expiry {
        at: ttl.map(|seconds| NOW + seconds * SECOND),
        refresh,
    };
    match op {
        Op::Set(path, dir, ttl) => store.set(path, (*dir, "v"), expiry(ttl, false), NOW),
        Op::Create(path, dir, unique, ttl) => {
            store.create(path, (*dir, "c"), *unique, expiry(ttl, false), NOW)
        }
        Op::Update(path, ttl, refresh) => store.update(path, "u", expiry(ttl, *refresh), NOW),
        Op::Swap(path, index) => {
            store.compare_and_swap(path, ("", *index), "s", Expiry::default(), NOW)
        }
        Op::Delete(path, dir, recursive) => store.delete(path, *dir, *recursive, NOW),
        Op::CompareDelete(path, index) => store.compare_and_delete(path, ("v", *index), NOW),
        Op::Expire(seconds) => {
            store.expire(NOW + seconds * SECOND);
            store.get("/1", true, NOW).map(Arc::new)
        }
        Op::Get(path) => store.get(path, true, NOW).map(Arc::new),
    }
}

proptest! {
    /// A member that recovers from a snapshot in the middle of the log ends where one
    /// that has seen all of it does.
    #[test]
    fn a_snapshot_anywhere_makes_no_difference(
        ops in proptest::collection::vec(op(), 1..60),
        cut in 0_usize..60,
    ) {
        let mut whole = Store::default();
        let mut other = Store::default();
        for (nth, op) in ops.iter().enumerate() {
            if nth == cut {
                let mut recovered = Store::default();
                recovered.recover(&other.save()).unwrap();
                other = recovered;
            }
            prop_assert_eq!(apply(&mut whole, op), apply(&mut other, op));
        }
        prop_assert_eq!(
            String::from_utf8(whole.save()).unwrap(),
            String::from_utf8(other.save()).unwrap()
        );
        prop_assert_eq!(&whole.expiring, &other.expiring);
    }

    /// Everything that expires is known to, and nothing else; every change counts once
    /// and is in the history.
    #[test]
    fn the_books_are_kept(ops in proptest::collection::vec(op(), 1..60)) {
        let mut store = Store::default();
        for op in &ops {
            let before = store.index();
            let done = apply(&mut store, op);
            if let (Ok(event), false) = (&done, matches!(op, Op::Get(_) | Op::Expire(_))) {
                prop_assert_eq!(event.index(), before + 1);
                prop_assert_eq!(event.etcd_index, store.index());
            }
            let mut expiring = std::collections::BTreeSet::new();
            store.root.walk(&mut |node| {
                if let Some(at) = node.expires {
                    expiring.insert((at, node.path.clone()));
                }
            });
            prop_assert_eq!(&store.expiring, &expiring);
        }
        for index in 1..=store.index() {
            let found = store.watch("/", true, false, index, Arc::new(Bell::default()));
            let taken = found.map(|watcher| watcher.take());
            // A refresh is passed over, so that the event found may be a later one.
            prop_assert!(matches!(taken, Ok(Taken::Event(event)) if event.index() >= index)
                || ops.iter().any(|op| matches!(op, Op::Update(_, _, true))));
        }
    }
}
