use super::*;
use crate::Member;
use wire::raftpb::{ConfChange, ConfChangeType, ConfState};

#[test]
fn everything_is_there_after_a_restart() {
    let bench = Bench::new();
    for n in 0..50 {
        bench.put(&format!("k{}", n % 7), &n.to_string());
        if n % 11 == 0 {
            bench.delete(&format!("k{}", n % 7), "");
        }
    }
    bench.compact_all(20);
    let before = (bench.hash_kv(), bench.store.hash().unwrap());
    let all = bench.range("k", "l", 0).unwrap();
    let old = bench.range("k", "l", 30).unwrap();
    let bench = bench.reopen();
    assert_eq!((bench.hash_kv(), bench.store.hash().unwrap()), before);
    assert_eq!(bench.range("k", "l", 0).unwrap(), all);
    assert_eq!(bench.range("k", "l", 30).unwrap(), old);
    assert_eq!(bench.store.compact_revision(), 20);
}

#[test]
fn a_compaction_that_was_interrupted_is_taken_up() {
    let bench = Bench::with(Config {
        compaction_batch: 10,
        ..Config::default()
    });
    for n in 0..100 {
        bench.put("a", &n.to_string());
    }
    bench.compact(90).unwrap();
    for _ in 0..4 {
        assert!(bench.store.compact_step().unwrap());
    }
    let bench = bench.reopen();
    assert_eq!(bench.store.compaction_pending(), Some(90));
    assert_eq!(bench.store.compact_revision(), 90);
    let hash = bench.hash_kv();
    while bench.store.compact_step().unwrap() {}
    assert_eq!(bench.hash_kv(), hash);
    assert_eq!(stored_revisions(&bench), (90..=101).collect::<Vec<i64>>());
    let bench = bench.reopen();
    assert_eq!(bench.store.compaction_pending(), None);
    assert_eq!(bench.store.revision(), 101);
}

fn stored_revisions(bench: &Bench) -> Vec<i64> {
    let mut revisions = Vec::new();
    let snapshot = bench.store.snapshot().unwrap();
    crate::view::each_on_disk(&snapshot, 0, |rev, _, _| {
        revisions.push(rev.main);
        Ok(true)
    })
    .unwrap();
    revisions
}

#[test]
fn compaction_keeps_the_tombstone_at_its_revision_only() {
    let bench = Bench::new();
    bench.put("a", "1"); // 2
    bench.delete("a", ""); // 3
    bench.put("b", "1"); // 4
    bench.put("b", "2"); // 5
    bench.compact_all(3);
    assert_eq!(stored_revisions(&bench), [3, 4, 5]);
    bench.compact_all(5);
    assert_eq!(stored_revisions(&bench), [5]);
    bench.delete("b", ""); // 6
    bench.compact_all(6);
    assert_eq!(stored_revisions(&bench), [6]);
    let bench = bench.reopen();
    assert_eq!(bench.store.revision(), 6);
    assert!(bench.range("a", "z", 0).unwrap().is_empty());
}

#[test]
fn a_defragmented_file_is_smaller_and_holds_the_same() {
    let bench = Bench::new();
    let value = "x".repeat(1000);
    for _ in 0..3000 {
        bench.put("a", &value);
    }
    bench.store.commit().unwrap();
    bench.compact_all(3000);
    let (before, hash) = (bench.store.size_bytes(), bench.store.hash().unwrap());
    bench.store.defragment(&|path| Ok(open_db(path))).unwrap();
    assert!(bench.store.size_bytes() < before / 4);
    assert_eq!(bench.store.hash().unwrap(), hash);
    bench.put("a", "new");
    assert_eq!(bench.get("a", 0).unwrap()[0].1, "new");
    let bench = bench.reopen();
    assert_eq!(bench.get("a", 0).unwrap()[0].1, "new");
    assert!(!bench.dir.path().join("db.tmp.defrag").exists());
}

fn add(id: u64, url: &str, learner: bool) -> ConfChange {
    let member = Member {
        id,
        peer_urls: vec![url.into()],
        is_learner: learner,
        ..Member::default()
    };
    let kind = match learner {
        true => ConfChangeType::ConfChangeAddLearnerNode,
        false => ConfChangeType::ConfChangeAddNode,
    };
    ConfChange {
        r#type: kind.into(),
        node_id: id,
        context: Some(crate::member_to_json(&member).into()),
        id: 0,
    }
}

#[test]
fn members_come_go_and_never_come_back() {
    let bench = Bench::new();
    let store = &bench.store;
    let state = ConfState {
        voters: vec![1],
        ..Default::default()
    };
    store
        .apply_conf_change(1, 1, &add(1, "http://a:2380", false), &state)
        .unwrap();
    let same_url = store.validate_conf_change(&add(2, "http://a:2380", false));
    assert!(matches!(same_url, Err(crate::Error::PeerUrlExists)));
    let same_id = store.validate_conf_change(&add(1, "http://b:2380", false));
    assert!(matches!(same_id, Err(crate::Error::MemberExists)));
    let learner = add(2, "http://b:2380", true);
    store.validate_conf_change(&learner).unwrap();
    store.apply_conf_change(2, 1, &learner, &state).unwrap();
    let second = store.validate_conf_change(&add(3, "http://c:2380", true));
    assert!(matches!(second, Err(crate::Error::TooManyLearners)));
    let remove = ConfChange {
        r#type: ConfChangeType::ConfChangeRemoveNode.into(),
        node_id: 2,
        context: None,
        id: 0,
    };
    store.apply_conf_change(3, 1, &remove, &state).unwrap();
    let gone = store.validate_conf_change(&learner);
    assert!(matches!(gone, Err(crate::Error::MemberNotFound)));
    let attributes = pb::Request {
        method: "PUT".into(),
        path: "/0/members/1/attributes".into(),
        val: r#"{"name":"one","clientURLs":["http://a:2379"]}"#.into(),
        ..Default::default()
    };
    store.apply_v2(4, 1, &attributes, 0).unwrap();
    let version = pb::Request {
        method: "PUT".into(),
        path: "/0/version".into(),
        val: "3.5.0".into(),
        ..Default::default()
    };
    store.apply_v2(5, 1, &version, 0).unwrap();
    assert_eq!(store.membership().members[&1].name, "one");
    let bench = bench.reopen();
    let membership = bench.store.membership();
    assert_eq!(membership.version.as_deref(), Some("3.5.0"));
    assert_eq!(membership.members.len(), 1);
    assert!(membership.removed.contains(&2));
    assert_eq!(bench.store.conf_state().unwrap().voters, [1]);
    assert_eq!(bench.store.consistent_index(), 5);
}

#[test]
fn pushed_members_replace_those_in_the_database() {
    let bench = Bench::new();
    let store = &bench.store;
    let state = ConfState::default();
    for id in 1..=2 {
        let change = add(id, &format!("http://{id}:2380"), false);
        store.apply_conf_change(id, 1, &change, &state).unwrap();
    }
    let remove = ConfChange {
        r#type: ConfChangeType::ConfChangeRemoveNode.into(),
        node_id: 2,
        context: None,
        id: 0,
    };
    store.apply_conf_change(3, 1, &remove, &state).unwrap();
    store.commit().unwrap();
    let new = Member {
        id: 9,
        peer_urls: vec!["http://new:2380".into()],
        name: "new".into(),
        ..Member::default()
    };
    store.set_membership(crate::Membership {
        members: [(9, new.clone())].into(),
        ..Default::default()
    });
    store.push_membership();
    store.set_position(1, 1);
    let bench = bench.reopen();
    let membership = bench.store.membership();
    assert_eq!(membership.members.values().collect::<Vec<_>>(), [&new]);
    assert!(membership.removed.is_empty());
    assert_eq!(bench.store.consistent_index(), 1);
}
