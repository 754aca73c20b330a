use super::*;
use crate::Error;

#[test]
fn a_new_store_is_at_revision_one() {
    let bench = Bench::new();
    assert_eq!(bench.store.revision(), 1);
    assert_eq!(bench.store.compact_revision(), -1);
    assert_eq!(bench.put("a", "1"), 2);
    assert_eq!(bench.get("a", 0).unwrap(), [("a".into(), "1".into())]);
}

#[test]
fn old_revisions_are_seen_until_compacted() {
    let bench = Bench::new();
    bench.put("a", "1");
    bench.put("a", "2");
    assert_eq!(bench.delete("a", ""), 1);
    bench.put("a", "3");
    assert_eq!(bench.get("a", 2).unwrap()[0].1, "1");
    assert_eq!(bench.get("a", 3).unwrap()[0].1, "2");
    assert!(bench.get("a", 4).unwrap().is_empty());
    assert!(matches!(bench.get("a", 6), Err(Error::FutureRevision)));
    bench.compact_all(4);
    assert!(matches!(bench.get("a", 3), Err(Error::Compacted)));
    assert!(bench.get("a", 4).unwrap().is_empty());
    assert_eq!(bench.get("a", 5).unwrap()[0].1, "3");
    assert!(matches!(bench.compact(4), Err(Error::Compacted)));
    assert!(matches!(bench.compact(6), Err(Error::FutureRevision)));
}

#[test]
fn a_range_is_limited_filtered_and_sorted() {
    let bench = Bench::new();
    for (key, value) in [("c", "1"), ("a", "3"), ("b", "2")] {
        bench.put(key, value);
    }
    let limited = bench.store.range(
        &crate::AuthInfo::default(),
        &pb::RangeRequest {
            limit: 2,
            ..range("a", "\0")
        },
    );
    let limited = limited.unwrap();
    assert!(limited.more);
    assert_eq!((limited.count, limited.kvs.len()), (3, 2));
    let sorted = bench.store.range(
        &crate::AuthInfo::default(),
        &pb::RangeRequest {
            sort_target: pb::range_request::SortTarget::Value.into(),
            sort_order: pb::range_request::SortOrder::Descend.into(),
            keys_only: true,
            ..range("a", "z")
        },
    );
    let keys: Vec<_> = sorted.unwrap().kvs.into_iter().map(|kv| kv.key).collect();
    assert_eq!(keys, ["a", "b", "c"]);
    let newer = bench.store.range(
        &crate::AuthInfo::default(),
        &pb::RangeRequest {
            min_mod_revision: 3,
            max_create_revision: 3,
            ..range("a", "z")
        },
    );
    let newer = newer.unwrap();
    assert_eq!(newer.kvs.len(), 1);
    assert_eq!(newer.kvs[0].key, "a");
    assert_eq!(newer.count, 3);
    let empty = bench.range("z", "a", 0);
    assert!(empty.unwrap().is_empty());
}

#[test]
fn put_can_leave_value_or_lease_as_they_are() {
    let bench = Bench::new();
    bench.grant(7, 100, 0).unwrap();
    let missing = pb::PutRequest {
        ignore_value: true,
        ..put("a", "")
    };
    let answer = bench.apply(request_put(missing));
    assert!(matches!(answer, Err(Error::KeyNotFound)));
    let leased = pb::PutRequest {
        lease: 7,
        ..put("a", "1")
    };
    bench.apply(request_put(leased)).unwrap();
    let new_value = pb::PutRequest {
        ignore_lease: true,
        prev_kv: true,
        ..put("a", "2")
    };
    let Ok(Response::Put(answer)) = bench.apply(request_put(new_value)) else {
        panic!("the put failed");
    };
    assert_eq!(answer.prev_kv.unwrap().value, "1");
    let kv = bench
        .store
        .range(&crate::AuthInfo::default(), &range("a", ""))
        .unwrap()
        .kvs
        .remove(0);
    assert_eq!((kv.lease, kv.version, &kv.value[..]), (7, 2, &b"2"[..]));
    let no_lease = pb::PutRequest {
        lease: 8,
        ..put("a", "3")
    };
    let answer = bench.apply(request_put(no_lease));
    assert!(matches!(answer, Err(Error::LeaseNotFound)));
    assert_eq!(bench.store.revision(), 3);
}

fn version_is(key: &str, version: i64) -> pb::Compare {
    pb::Compare {
        key: key.to_owned().into(),
        target: pb::compare::CompareTarget::Version.into(),
        result: pb::compare::CompareResult::Equal.into(),
        target_union: Some(pb::compare::TargetUnion::Version(version)),
        ..Default::default()
    }
}

#[test]
fn a_transaction_decides_first_and_has_one_revision() {
    let bench = Bench::new();
    bench.put("a", "1");
    let inner = pb::TxnRequest {
        compare: vec![version_is("b", 0)],
        success: vec![op(Op::RequestPut(put("b", "made")))],
        failure: vec![op(Op::RequestPut(put("b", "kept")))],
    };
    let response = bench.txn(pb::TxnRequest {
        compare: vec![version_is("a", 1)],
        success: vec![
            op(Op::RequestPut(put("a", "2"))),
            op(Op::RequestRange(range("a", ""))),
            op(Op::RequestTxn(inner)),
            op(Op::RequestDeleteRange(delete("a", ""))),
        ],
        failure: vec![],
    });
    let response = response.unwrap();
    assert!(response.succeeded);
    assert_eq!(response.header.unwrap().revision, 3);
    assert_eq!(response.responses.len(), 4);
    let Some(pb::response_op::Response::ResponseRange(seen)) = &response.responses[1].response
    else {
        panic!("expected a range");
    };
    assert_eq!(seen.kvs[0].value, "2");
    assert_eq!(bench.store.revision(), 3);
    assert!(bench.get("a", 0).unwrap().is_empty());
    assert_eq!(bench.get("b", 0).unwrap()[0].1, "made");
    assert_eq!(bench.get("a", 2).unwrap()[0].1, "1");
}

#[test]
fn a_transaction_that_cannot_be_done_does_nothing() {
    let bench = Bench::new();
    let future = pb::RangeRequest {
        revision: 99,
        ..range("a", "")
    };
    let answer = bench.txn(pb::TxnRequest {
        success: vec![
            op(Op::RequestPut(put("a", "1"))),
            op(Op::RequestRange(future)),
        ],
        ..Default::default()
    });
    assert!(matches!(answer, Err(Error::FutureRevision)));
    assert_eq!(bench.store.revision(), 1);
    let missing = pb::Compare {
        key: "nope".into(),
        target: pb::compare::CompareTarget::Value.into(),
        result: pb::compare::CompareResult::NotEqual.into(),
        target_union: Some(pb::compare::TargetUnion::Value("x".into())),
        ..Default::default()
    };
    let answer = bench.txn(pb::TxnRequest {
        compare: vec![missing],
        ..Default::default()
    });
    assert!(!answer.unwrap().succeeded);
}

#[test]
fn an_alarm_forbids_what_makes_the_database_grow() {
    let bench = Bench::with(Config {
        quota_bytes: 1,
        ..Config::default()
    });
    let applied = bench.apply_at(request_put(put("a", "1")), 0);
    assert!(matches!(applied.response, Err(Error::NoSpace)));
    assert!(applied.raise_nospace);
    // Over quota it is applied all the same.
    assert_eq!(bench.get("a", 0).unwrap().len(), 1);
    let alarm = |action: pb::alarm_request::AlarmAction| pb::InternalRaftRequest {
        alarm: Some(pb::AlarmRequest {
            action: action.into(),
            member_id: 5,
            alarm: pb::AlarmType::Nospace.into(),
        }),
        ..Default::default()
    };
    bench
        .apply(alarm(pb::alarm_request::AlarmAction::Activate))
        .unwrap();
    let applied = bench.apply_at(request_put(put("b", "1")), 0);
    assert!(matches!(applied.response, Err(Error::NoSpace)));
    assert!(!applied.raise_nospace);
    assert!(bench.get("b", 0).unwrap().is_empty());
    assert_eq!(bench.delete("a", ""), 1);
    let bench = bench.reopen();
    assert_eq!(bench.store.alarms().len(), 1);
    assert!(matches!(bench.grant(1, 1, 0), Err(Error::NoSpace)));
    bench
        .apply(alarm(pb::alarm_request::AlarmAction::Deactivate))
        .unwrap();
    assert!(bench.store.alarms().is_empty());
}

#[test]
fn duplicate_keys_and_too_many_operations_are_refused() {
    use crate::check_txn_request as check;
    let two = pb::TxnRequest {
        success: vec![
            op(Op::RequestPut(put("a", "1"))),
            op(Op::RequestPut(put("a", "2"))),
        ],
        ..Default::default()
    };
    assert!(matches!(check(&two, 128), Err(Error::DuplicateKey)));
    assert!(matches!(check(&two, 1), Err(Error::TooManyOps)));
    let overlap = pb::TxnRequest {
        success: vec![
            op(Op::RequestPut(put("b", "1"))),
            op(Op::RequestDeleteRange(delete("a", "c"))),
        ],
        ..Default::default()
    };
    assert!(matches!(check(&overlap, 128), Err(Error::DuplicateKey)));
    let either = pb::TxnRequest {
        success: vec![op(Op::RequestTxn(pb::TxnRequest {
            success: vec![op(Op::RequestPut(put("a", "1")))],
            failure: vec![op(Op::RequestPut(put("a", "2")))],
            ..Default::default()
        }))],
        ..Default::default()
    };
    check(&either, 128).unwrap();
    let empty = pb::TxnRequest {
        success: vec![pb::RequestOp { request: None }],
        ..Default::default()
    };
    assert!(matches!(check(&empty, 128), Err(Error::KeyNotFound)));
}

#[test]
fn an_entry_is_applied_once() {
    let bench = Bench::new();
    let request = request_put(put("a", "1"));
    assert!(bench.store.apply(1, 1, &request, 0).response.is_ok());
    let again = bench.store.apply(1, 1, &request, 0).response;
    assert_eq!(again.unwrap(), Response::None);
    assert_eq!(bench.store.revision(), 2);
    assert_eq!(bench.store.consistent_index(), 1);
    assert_eq!(bench.store.durable_index(), (0, 0));
    assert!(bench.store.commit().unwrap());
    assert_eq!(bench.store.durable_index(), (1, 1));
    assert!(!bench.store.commit().unwrap());
}
