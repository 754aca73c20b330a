//! What one of them set up, in the hands of the other: directories and clusters.

use std::process::Command;

use serde_json::{Value, json};

use super::member::{Again, look, set_up};
use super::{SIDES, name, post, token};
use crate::etcdctl_side_by_side::side::Side;
use crate::etcdctl_side_by_side::wait_for;
use crate::support::free_port;

/// Ours and the reference's, in turns, on one directory; ended in peace and not.
#[test]
fn what_one_sets_up_the_other_enforces() {
    for first in SIDES {
        for gently in [true, false] {
            let home = tempfile::tempdir().unwrap();
            let data = home.path().join("data");
            let ports = (free_port(), free_port());
            let second = if first == Side::Ours {
                Side::Theirs
            } else {
                Side::Ours
            };
            let member = Again::start(first, &data, ports, &[]);
            set_up(&member);
            let expected = look(&member);
            assert_eq!((expected[0].0, expected[1].0), (200, 403), "{expected:?}");
            member.end(gently);
            for side in [second, first, second] {
                let member = Again::start(side, &data, ports, &[]);
                assert_eq!(look(&member), expected, "{} on it", name(side));
                member.end(gently);
            }
            let member = Again::start(second, &data, ports, &[]);
            member.done("root", "/v3/auth/user/delete", &json!({ "name": "ann" }));
            member.done("root", "/v3/auth/disable", &json!({}));
            member.end(gently);
            let member = Again::start(first, &data, ports, &[]);
            member.done("", "/v3/kv/put", &json!({ "key": "eg==", "value": "MQ==" }));
            let (_, users) = member.ask("", "/v3/auth/user/list", &json!({}));
            assert!(users.contains("\"users\":[\"root\"]"), "{users}");
        }
    }
}

/// 3.4 put passwords into the log as they are, to be hashed by whoever applies them.
#[test]
fn passwords_in_a_log_of_3_4_are_good() {
    let home = tempfile::tempdir().unwrap();
    let (data, ports) = (home.path().join("data"), [(free_port(), free_port())]);
    let old = Command::new(testkit::reference("3.4/etcd"));
    // Nothing reaches the database before the end.
    let member = Again::spawn(old, &data, &ports, 0, &["--backend-batch-interval=1h"]);
    member.ready();
    for (path, body) in [
        ("user/add", json!({ "name": "root", "password": "first" })),
        ("user/add", json!({ "name": "ann", "password": "ann" })),
        (
            "user/changepw",
            json!({ "name": "root", "password": "root" }),
        ),
        ("user/grant", json!({ "user": "root", "role": "root" })),
    ] {
        member.done("", &format!("/v3/auth/{path}"), &body);
    }
    member.end(false);
    let member = Again::start(Side::Ours, &data, ports[0], &[]);
    member.done("", "/v3/auth/enable", &json!({}));
    member.done(
        "root",
        "/v3/kv/put",
        &json!({ "key": "YQ==", "value": "MQ==" }),
    );
    let (status, _) = member.ask("ann", "/v3/kv/range", &json!({ "key": "YQ==" }));
    assert_eq!(status, 403);
}

/// Three members, one of the other kind among them: what one of them is told holds on
/// all, tokens too.
#[test]
fn a_cluster_agrees_about_users_and_tokens() {
    use Side::{Ours, Theirs};
    for cast in [
        [Ours, Ours, Ours],
        [Ours, Theirs, Ours],
        [Theirs, Ours, Theirs],
    ] {
        let home = tempfile::tempdir().unwrap();
        let ports: Vec<_> = (0..3).map(|_| (free_port(), free_port())).collect();
        let start = |at: usize| {
            let data = home.path().join(format!("m{at}"));
            Again::start_among(cast[at], &data, &ports, at, &[])
        };
        let mut members: Vec<_> = (0..3).map(start).collect();
        members.iter().for_each(Again::ready);
        set_up(&members[0]);
        members.iter().for_each(Again::settle);
        let range = |member: &Again, token: &str| {
            let (status, _) =
                post(member.client, "/v3/kv/range", token, r#"{"key":"YQ=="}"#).expect("an answer");
            status
        };
        // Each member's own token, on each member.
        let tokens: Vec<_> = members
            .iter()
            .map(|m| token(m.client, "ann", "ann"))
            .collect();
        for member in &members {
            for token in &tokens {
                assert_eq!(range(member, token), 200, "{token}");
            }
        }
        // What one forgets all forget.
        let change = json!({ "name": "ann", "password": "ann" });
        members[1].done("root", "/v3/auth/user/changepw", &change);
        for member in &members {
            wait_for("a token to be forgotten", || {
                range(member, &tokens[0]) == 401
            });
        }
        // One that was away hears of it.
        members.remove(2).end(false);
        members[0].done(
            "root",
            "/v3/auth/user/add",
            &json!({ "name": "eve", "password": "eve" }),
        );
        members.push(start(2));
        members[2].ready();
        let listed = |member: &Again| member.ask("root", "/v3/auth/user/list", &json!({})).1;
        assert!(listed(&members[2]).contains("eve"));
        let (status, _) = members[2].ask("eve", "/v3/kv/range", &json!({ "key": "YQ==" }));
        assert_eq!(status, 403);
        let hash = |member: &Again| {
            let (_, answer) = member.ask("root", "/v3/maintenance/hash", &json!({}));
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            answer["hash"].to_string()
        };
        wait_for("equal databases", || {
            let hashes: Vec<_> = members.iter().map(hash).collect();
            hashes.iter().all(|hash| *hash == hashes[0])
        });
    }
}
