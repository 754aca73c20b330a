//! What is counted of requests. The numbers are 3.5.16's; `tests/it/etcd_metrics.rs`
//! compares them with a live one.

use pb::compare::{CompareResult, CompareTarget, TargetUnion};
use pb::request_op::Request as Op;
use wire::etcdserverpb as pb;

use super::{Bench, delete, op, put, range, request_delete, request_put};
use crate::{AuthInfo, Operations};

/// What is counted while something is done.
fn counted(bench: &Bench, act: impl FnOnce()) -> Operations {
    let before = bench.store.operations();
    act();
    let after = bench.store.operations();
    Operations {
        ranges: after.ranges - before.ranges,
        puts: after.puts - before.puts,
        put_bytes: after.put_bytes - before.put_bytes,
        deletes: after.deletes - before.deletes,
        txns: after.txns - before.txns,
    }
}

fn done(ranges: u64, puts: u64, put_bytes: u64, deletes: u64, txns: u64) -> Operations {
    Operations {
        ranges,
        puts,
        put_bytes,
        deletes,
        txns,
    }
}

/// The key is there, or is not.
fn exists(key: &str, yes: bool) -> pb::Compare {
    pb::Compare {
        key: key.to_owned().into(),
        target: CompareTarget::Version.into(),
        result: match yes {
            true => CompareResult::Greater,
            false => CompareResult::Equal,
        }
        .into(),
        target_union: Some(TargetUnion::Version(0)),
        ..Default::default()
    }
}

fn txn(compare: Vec<pb::Compare>, success: Vec<Op>, failure: Vec<Op>) -> pb::TxnRequest {
    pb::TxnRequest {
        compare,
        success: success.into_iter().map(op).collect(),
        failure: failure.into_iter().map(op).collect(),
    }
}

#[test]
fn single_requests() {
    let bench = Bench::new();
    bench.put("a", "1");
    let with_previous = pb::PutRequest {
        prev_kv: true,
        ..put("a", "22")
    };
    let without_value = |key| pb::PutRequest {
        ignore_value: true,
        ..put(key, "")
    };
    let gone = pb::DeleteRangeRequest {
        prev_kv: true,
        ..delete("a", "b")
    };
    let rows = [
        (request_put(put("a", "22")), done(0, 1, 3, 0, 0)),
        (request_put(with_previous), done(1, 1, 3, 0, 1)),
        // The value that stays counts.
        (request_put(without_value("a")), done(1, 1, 3, 0, 1)),
        (request_put(without_value("none")), done(1, 0, 0, 0, 0)),
        (request_delete(delete("none", "")), done(0, 0, 0, 1, 0)),
        (request_delete(gone), done(1, 0, 0, 1, 1)),
    ];
    for (request, expected) in rows {
        let told = format!("{request:?}");
        let seen = counted(&bench, || drop(bench.apply(request)));
        assert_eq!(seen, expected, "{told}");
    }
    let read = || drop(bench.range("a", "", 1_000_000));
    assert_eq!(
        counted(&bench, read),
        done(1, 0, 0, 0, 0),
        "a refused range"
    );
    let compact = || drop(bench.compact(2));
    assert_eq!(counted(&bench, compact), done(1, 0, 0, 0, 0));
    assert_eq!(counted(&bench, compact), done(0, 0, 0, 0, 0), "once more");
}

#[test]
fn transactions_within_transactions() {
    let bench = Bench::new();
    bench.put("a", "1");
    let get = |key| Op::RequestRange(range(key, ""));
    let set = |key| Op::RequestPut(put(key, "v"));
    let nested = Op::RequestTxn;
    let inner = txn(
        vec![exists("a", true), exists("c", true)],
        vec![set("never")],
        vec![set("b"), get("a"), Op::RequestDeleteRange(delete("a", ""))],
    );
    let future = Op::RequestRange(pb::RangeRequest {
        revision: 1_000_000,
        ..range("a", "")
    });
    let rows = [
        (txn(vec![], vec![], vec![]), done(0, 0, 0, 0, 0)),
        (txn(vec![], vec![set("a")], vec![]), done(0, 1, 2, 0, 0)),
        (
            txn(vec![], vec![set("a"), set("b")], vec![]),
            done(0, 2, 4, 0, 1),
        ),
        // Compares are a transaction of their own, and end with the first that does not hold.
        (
            txn(
                vec![exists("a", true), exists("b", false)],
                vec![set("a")],
                vec![],
            ),
            done(2, 1, 2, 0, 1),
        ),
        (
            txn(
                vec![exists("a", false), exists("b", true)],
                vec![],
                vec![set("a")],
            ),
            done(1, 1, 2, 0, 0),
        ),
        (
            txn(vec![], vec![nested(inner.clone())], vec![]),
            done(2 + 1, 1, 2, 1, 2),
        ),
        (
            txn(
                vec![],
                vec![nested(txn(vec![], vec![nested(inner)], vec![])), get("a")],
                vec![],
            ),
            done(2 + 2, 1, 2, 1, 2),
        ),
        // Nothing of it is done, but what was compared.
        (
            txn(vec![exists("a", true)], vec![set("a"), future], vec![]),
            done(1, 0, 0, 0, 0),
        ),
    ];
    for (request, expected) in rows {
        let told = format!("{request:?}");
        // The same for every row.
        drop(bench.apply(request_delete(delete("", "\0"))));
        bench.put("a", "1");
        let seen = counted(&bench, || drop(bench.txn(request)));
        assert_eq!(seen, expected, "{told}");
    }
    let reads = txn(vec![exists("a", true)], vec![get("a")], vec![]);
    let read = || drop(bench.store.read_txn(&AuthInfo::default(), &reads));
    assert_eq!(
        counted(&bench, read),
        done(2, 0, 0, 0, 1),
        "one transaction"
    );
}

#[test]
fn leases_take_their_keys_in_one_transaction() {
    let bench = Bench::new();
    bench.grant(7, 100, 0).unwrap();
    for key in ["a", "b"] {
        let put = pb::PutRequest {
            lease: 7,
            ..put(key, "v")
        };
        bench.apply(request_put(put)).unwrap();
    }
    let revoke = || drop(bench.revoke(7));
    assert_eq!(counted(&bench, revoke), done(0, 0, 0, 2, 1));
}
