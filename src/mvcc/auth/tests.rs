//! Users, roles and permissions, as entries of the log.

use wire::authpb::{Permission, UserAddOptions, permission::Type};
use wire::etcdserverpb as pb;

use super::{AuthInfo, TokenChange};
use crate::store_tests::{Bench, delete, op, put, range};
use crate::{Error, Response, Result};

type Request = pb::InternalRaftRequest;

fn user_add(name: &str, hash: &str) -> Request {
    Request {
        auth_user_add: Some(pb::AuthUserAddRequest {
            name: name.into(),
            hashed_password: hash.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn role_add(name: &str) -> Request {
    Request {
        auth_role_add: Some(pb::AuthRoleAddRequest { name: name.into() }),
        ..Default::default()
    }
}

fn grant_role(user: &str, role: &str) -> Request {
    Request {
        auth_user_grant_role: Some(pb::AuthUserGrantRoleRequest {
            user: user.into(),
            role: role.into(),
        }),
        ..Default::default()
    }
}

fn grant(role: &str, key: &str, end: &str, kind: Type) -> Request {
    Request {
        auth_role_grant_permission: Some(pb::AuthRoleGrantPermissionRequest {
            name: role.into(),
            perm: Some(Permission {
                perm_type: kind.into(),
                key: key.to_owned().into(),
                range_end: end.to_owned().into(),
            }),
        }),
        ..Default::default()
    }
}

fn revoke(role: &str, key: &str, end: &str) -> Request {
    Request {
        auth_role_revoke_permission: Some(pb::AuthRoleRevokePermissionRequest {
            role: role.into(),
            key: key.to_owned().into(),
            range_end: end.to_owned().into(),
        }),
        ..Default::default()
    }
}

fn enable() -> Request {
    Request {
        auth_enable: Some(pb::AuthEnableRequest {}),
        ..Default::default()
    }
}

fn disable() -> Request {
    Request {
        auth_disable: Some(pb::AuthDisableRequest {}),
        ..Default::default()
    }
}

fn user_delete(name: &str) -> Request {
    Request {
        auth_user_delete: Some(pb::AuthUserDeleteRequest { name: name.into() }),
        ..Default::default()
    }
}

fn role_delete(role: &str) -> Request {
    Request {
        auth_role_delete: Some(pb::AuthRoleDeleteRequest { role: role.into() }),
        ..Default::default()
    }
}

fn authenticate(name: &str) -> Request {
    Request {
        authenticate: Some(pb::InternalAuthenticateRequest {
            name: name.into(),
            simple_token: "abc".into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The request with a name in its header, at the newest auth revision.
fn by(bench: &Bench, user: &str, request: Request) -> Request {
    let auth_revision = bench.store.auth_revision();
    Request {
        header: Some(pb::RequestHeader {
            username: user.into(),
            auth_revision,
            ..Default::default()
        }),
        ..request
    }
}

fn info(bench: &Bench, user: &str) -> AuthInfo {
    AuthInfo {
        username: user.into(),
        revision: bench.store.auth_revision(),
    }
}

/// root, and `ann` who reads and writes from `a` up to `c` and reads `m`; enabled.
fn secured() -> Bench {
    let bench = Bench::new();
    let entries = [
        user_add("root", "cm9vdA=="),
        grant_role("root", "root"),
        user_add("ann", "YW5u"),
        role_add("reader"),
        role_add("writer"),
        grant("writer", "a", "c", Type::Readwrite),
        grant("reader", "m", "", Type::Read),
        grant_role("ann", "writer"),
        grant_role("ann", "reader"),
        enable(),
    ];
    for entry in entries {
        bench.apply(entry).unwrap();
    }
    bench
}

fn code_of<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn every_change_raises_the_revision_and_mistakes_do_not() {
    let bench = Bench::new();
    let rows: Vec<(Request, &str, u64)> = vec![
        (enable(), "RootUserNotExist", 1),
        (user_add("", ""), "UserEmpty", 1),
        (user_add("root", "cm9vdA=="), "ok", 2),
        (user_add("root", "cm9vdA=="), "UserExists", 2),
        (user_add("bob", "no base64"), "NoPasswordUser", 2),
        (user_add(&"x".repeat(32769), ""), "InvalidAuthManagement", 2),
        (enable(), "RootRoleNotExist", 2),
        (grant_role("root", "root"), "ok", 3),
        (grant_role("root", "root"), "ok", 3),
        (grant_role("nobody", "root"), "UserNotFound", 3),
        (grant_role("root", "none"), "RoleNotFound", 3),
        (role_add(""), "RoleEmpty", 3),
        (role_add("r"), "ok", 4),
        (role_add("r"), "RoleExists", 4),
        (grant("none", "a", "", Type::Read), "RoleNotFound", 4),
        (grant("r", "", "", Type::Read), "InvalidAuthManagement", 4),
        (grant("r", "b", "a", Type::Read), "InvalidAuthManagement", 4),
        (grant("r", "b", "\0", Type::Read), "ok", 5),
        (revoke("r", "b", ""), "PermissionNotGranted", 5),
        (revoke("r", "b", "\0"), "ok", 6),
        (role_delete("none"), "RoleNotFound", 6),
        (user_delete("none"), "UserNotFound", 6),
        (authenticate("root"), "AuthNotEnabled", 6),
        (disable(), "ok", 6),
        (enable(), "ok", 6),
        (enable(), "UserEmpty", 6),
        (
            by(&bench, "root", user_delete("root")),
            "InvalidAuthManagement",
            6,
        ),
        (
            by(&bench, "root", role_delete("root")),
            "InvalidAuthManagement",
            6,
        ),
        (by(&bench, "root", role_delete("r")), "ok", 7),
        (by(&bench, "root", disable()), "ok", 8),
    ];
    for (at, (request, expected, revision)) in rows.into_iter().enumerate() {
        let seen = code_of(bench.apply(request));
        assert_eq!(
            (seen.as_str(), bench.store.auth_revision()),
            (expected, revision),
            "row {at}"
        );
    }
}

#[test]
fn what_a_user_may_do_with_keys() {
    let bench = secured();
    bench
        .apply(by(
            &bench,
            "root",
            Request {
                put: Some(put("b", "1")),
                ..Default::default()
            },
        ))
        .unwrap();
    let put_of = |key: &str, prev_kv| Request {
        put: Some(pb::PutRequest {
            prev_kv,
            ..put(key, "v")
        }),
        ..Default::default()
    };
    let delete_of = |key: &str, end: &str, prev_kv| Request {
        delete_range: Some(pb::DeleteRangeRequest {
            prev_kv,
            ..delete(key, end)
        }),
        ..Default::default()
    };
    let rows: Vec<(&str, Request, &str)> = vec![
        ("ann", put_of("a", false), "ok"),
        ("ann", put_of("b", true), "ok"),
        ("ann", put_of("c", false), "PermissionDenied"),
        ("ann", put_of("m", false), "PermissionDenied"),
        ("ann", delete_of("a", "c", true), "ok"),
        ("ann", delete_of("a", "d", false), "PermissionDenied"),
        ("ann", delete_of("m", "", false), "PermissionDenied"),
        ("root", put_of("z", true), "ok"),
        ("nobody", put_of("a", false), "PermissionDenied"),
    ];
    for (at, (user, request, expected)) in rows.into_iter().enumerate() {
        let seen = code_of(bench.apply(by(&bench, user, request)));
        assert_eq!(seen, expected, "row {at}");
    }
    assert_eq!(code_of(bench.apply(put_of("a", false))), "UserEmpty");
    let read = |user: &str, key: &str, end: &str| {
        code_of(bench.store.range(&info(&bench, user), &range(key, end)))
    };
    assert_eq!(read("ann", "a", "c"), "ok");
    assert_eq!(read("ann", "m", ""), "ok");
    assert_eq!(read("ann", "a", "n"), "PermissionDenied");
    assert_eq!(read("root", "\0", "\0"), "ok");
    let anonymous = bench.store.range(&AuthInfo::default(), &range("a", ""));
    assert_eq!(code_of(anonymous), "UserEmpty");
}

#[test]
fn a_transaction_needs_what_both_branches_need() {
    use pb::request_op::Request as Op;
    let bench = secured();
    let txn = |compare: &str, success: Vec<Op>, failure: Vec<Op>| Request {
        txn: Some(pb::TxnRequest {
            compare: vec![pb::Compare {
                key: compare.to_owned().into(),
                ..Default::default()
            }],
            success: success.into_iter().map(op).collect(),
            failure: failure.into_iter().map(op).collect(),
        }),
        ..Default::default()
    };
    let put = |key: &str| Op::RequestPut(put(key, "v"));
    let rows: Vec<(Request, &str)> = vec![
        (txn("a", vec![put("a")], vec![put("b")]), "ok"),
        (txn("z", vec![put("a")], vec![]), "PermissionDenied"),
        (txn("a", vec![put("z")], vec![]), "PermissionDenied"),
        (txn("a", vec![put("a")], vec![put("z")]), "PermissionDenied"),
        (
            txn("a", vec![Op::RequestRange(range("m", ""))], vec![put("b")]),
            "ok",
        ),
        (
            txn("a", vec![Op::RequestRange(range("n", ""))], vec![put("b")]),
            "PermissionDenied",
        ),
        (
            txn("a", vec![Op::RequestDeleteRange(delete("a", "d"))], vec![]),
            "PermissionDenied",
        ),
        // As 3.5.16: nothing within a transaction within is looked at.
        (
            txn(
                "a",
                vec![Op::RequestTxn(pb::TxnRequest {
                    failure: vec![op(put("z"))],
                    success: vec![op(put("z"))],
                    ..Default::default()
                })],
                vec![],
            ),
            "ok",
        ),
    ];
    for (at, (request, expected)) in rows.into_iter().enumerate() {
        assert_eq!(
            code_of(bench.apply(by(&bench, "ann", request))),
            expected,
            "row {at}"
        );
    }
}

#[test]
fn a_lease_belongs_to_those_who_may_write_its_keys() {
    let bench = secured();
    bench.grant(7, 100, 0).unwrap();
    let put_with = |key: &str| Request {
        put: Some(pb::PutRequest {
            lease: 7,
            ..put(key, "v")
        }),
        ..Default::default()
    };
    let revoke = || Request {
        lease_revoke: Some(pb::LeaseRevokeRequest { id: 7 }),
        ..Default::default()
    };
    assert_eq!(code_of(bench.apply(by(&bench, "ann", put_with("a")))), "ok");
    assert_eq!(
        code_of(bench.store.permit_lease_keys(&info(&bench, "ann"), 7)),
        "ok"
    );
    assert_eq!(
        code_of(bench.apply(by(&bench, "root", put_with("z")))),
        "ok"
    );
    assert_eq!(
        code_of(bench.apply(by(&bench, "ann", put_with("b")))),
        "PermissionDenied"
    );
    assert_eq!(
        code_of(bench.apply(by(&bench, "ann", revoke()))),
        "PermissionDenied"
    );
    let keys = bench.store.permit_lease_keys(&info(&bench, "ann"), 7);
    assert_eq!(code_of(keys), "PermissionDenied");
    assert_eq!(code_of(bench.apply(by(&bench, "root", revoke()))), "ok");
}

#[test]
fn a_revision_that_is_old_is_refused() {
    let bench = secured();
    let old = by(
        &bench,
        "ann",
        Request {
            put: Some(put("a", "v")),
            ..Default::default()
        },
    );
    let who = info(&bench, "ann");
    bench.apply(by(&bench, "root", role_add("more"))).unwrap();
    assert_eq!(code_of(bench.apply(old)), "AuthOldRevision");
    assert_eq!(
        code_of(bench.store.range(&who, &range("a", ""))),
        "AuthOldRevision"
    );
}

#[test]
fn people_may_ask_about_themselves() {
    let bench = secured();
    let user_get = |name: &str| Request {
        auth_user_get: Some(pb::AuthUserGetRequest { name: name.into() }),
        ..Default::default()
    };
    let role_get = |role: &str| Request {
        auth_role_get: Some(pb::AuthRoleGetRequest { role: role.into() }),
        ..Default::default()
    };
    let status = || Request {
        auth_status: Some(pb::AuthStatusRequest {}),
        ..Default::default()
    };
    let rows: Vec<(&str, Request, &str)> = vec![
        ("ann", user_get("ann"), "ok"),
        ("ann", user_get("root"), "PermissionDenied"),
        ("ann", role_get("reader"), "ok"),
        ("ann", role_get("root"), "PermissionDenied"),
        ("root", role_get("root"), "RoleNotFound"),
        ("root", user_get("none"), "UserNotFound"),
        ("ann", status(), "PermissionDenied"),
        ("", status(), "UserEmpty"),
        ("gone", status(), "UserNotFound"),
        ("root", status(), "ok"),
    ];
    for (at, (user, request, expected)) in rows.into_iter().enumerate() {
        assert_eq!(
            code_of(bench.apply(by(&bench, user, request))),
            expected,
            "row {at}"
        );
    }
}

#[test]
fn tokens_follow_the_log() {
    let bench = secured();
    let no_password = Request {
        auth_user_add: Some(pb::AuthUserAddRequest {
            name: "certified".into(),
            options: Some(UserAddOptions { no_password: true }),
            ..Default::default()
        }),
        ..Default::default()
    };
    bench.apply(by(&bench, "root", no_password)).unwrap();
    // The entry before it: eleven of them, the bench counts from 1.
    let applied = bench.apply_at(authenticate("ann"), 0);
    let Ok(Response::Authenticate(response)) = applied.response else {
        panic!("{:?}", applied.response);
    };
    assert_eq!(response.token, "abc.11");
    let assigned = TokenChange::Assign {
        user: "ann".into(),
        token: "abc.11".into(),
    };
    assert_eq!(applied.tokens, Some(assigned));
    let tokens = |request| bench.apply_at(request, 0).tokens;
    assert_eq!(
        code_of(bench.apply(authenticate("certified"))),
        "AuthFailed"
    );
    assert_eq!(tokens(authenticate("nobody")), None);
    let change = pb::AuthUserChangePasswordRequest {
        name: "ann".into(),
        hashed_password: "eA==".into(),
        ..Default::default()
    };
    let change = Request {
        auth_user_change_password: Some(change),
        ..Default::default()
    };
    let forgotten = || Some(TokenChange::Forget { user: "ann".into() });
    assert_eq!(tokens(by(&bench, "root", change)), forgotten());
    assert_eq!(bench.store.auth_password("ann").unwrap().0, b"x");
    assert_eq!(tokens(by(&bench, "root", user_delete("ann"))), forgotten());
    assert_eq!(
        tokens(by(&bench, "root", disable())),
        Some(TokenChange::ForgetAll)
    );
}

#[test]
fn all_of_it_is_on_disk() {
    let bench = secured().reopen();
    assert!(bench.store.auth_enabled());
    assert_eq!(bench.store.auth_revision(), 10);
    let read =
        |key: &str, end: &str| code_of(bench.store.range(&info(&bench, "ann"), &range(key, end)));
    assert_eq!(read("a", "c"), "ok");
    assert_eq!(read("z", ""), "PermissionDenied");
    assert_eq!(
        code_of(bench.apply(by(&bench, "root", user_delete("ann")))),
        "ok"
    );
    assert_eq!(code_of(bench.apply(by(&bench, "root", disable()))), "ok");
    let bench = bench.reopen();
    assert!(!bench.store.auth_enabled());
    assert_eq!(bench.store.auth_revision(), 12);
}

#[test]
fn a_database_with_something_else_for_a_user_is_called_damaged() {
    let bench = secured();
    bench.store.commit().unwrap();
    let db = bench.store.db.read().clone();
    let mut tx = db.begin_write().unwrap();
    tx.put(crate::bucket::AUTH_USERS, b"ann", b"\xff\xff")
        .unwrap();
    tx.commit().unwrap();
    match crate::Store::open(db, crate::Config::default()).map(drop) {
        Err(Error::Damaged(text)) => assert!(text.contains("authUsers"), "{text}"),
        other => panic!("{other:?}"),
    }
}
