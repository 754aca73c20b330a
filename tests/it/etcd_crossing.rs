//! Directories that go from our etcd to the reference's and back, and from its 3.4 to
//! ours: with members that came and went, leases, compactions and defragmentations, ended
//! in peace and by `kill -9`.

use std::process::Command;

use serde_json::{Value, json};

use crate::etcd_cluster::{Cluster, Plan, Whose, base64, eventually};

use Whose::{Old, Ours, Theirs};

/// Often, so that a start reads a snapshot and the log after it.
const SNAPSHOTS: &[&str] = &["--snapshot-count=15"];

#[track_caller]
fn ask(cluster: &Cluster, path: &str, body: Value) -> Value {
    let answer = cluster.endpoint(0).post(path, &body);
    answer.unwrap_or_else(|error| panic!("{path} {body}: {error}; {}", cluster.logs()))
}

fn revision(answer: &Value) -> i64 {
    let text = answer["header"]["revision"].as_str();
    text.and_then(|text| text.parse().ok()).expect("a revision")
}

/// Everything that a directory can hold: a learner that stays away, a member that was
/// removed, other URLs, two leases, history, compacted and defragmented.
fn fill(cluster: &Cluster, round: &str) {
    let urls = |host: &str| json!([format!("http://{host}:{}", cluster.members[0].peer)]);
    let add = |port: u16| {
        let body = json!({"peerURLs": [format!("http://127.0.0.1:{port}")], "isLearner": true});
        eventually("a member to be added", || {
            // The reference refuses while it is not sure of its peers.
            let added = cluster.endpoint(0).post("/v3/cluster/member/add", &body);
            added.map_err(|error| format!("{error}; {}", cluster.logs()))
        })
    };
    let gone = add(1)["member"]["ID"].clone();
    ask(cluster, "/v3/cluster/member/remove", json!({"ID": gone}));
    // Only one learner is let in.
    add(2);
    for host in ["localhost", "127.0.0.1"] {
        let update = json!({"ID": cluster.id(0), "peerURLs": urls(host)});
        ask(cluster, "/v3/cluster/member/update", update);
    }
    for ttl in [1000, 5_000_000] {
        let id = ask(cluster, "/v3/lease/grant", json!({"TTL": ttl}))["ID"].clone();
        let key = base64(&format!("leased-{round}-{ttl}"));
        let put = json!({"key": key, "value": base64("v"), "lease": id});
        ask(cluster, "/v3/kv/put", put);
    }
    write(cluster, round);
    let now = revision(&ask(cluster, "/v3/kv/range", json!({"key": base64("k0")})));
    let compact = json!({"revision": (now - 7).to_string(), "physical": true});
    ask(cluster, "/v3/kv/compaction", compact);
    ask(cluster, "/v3/maintenance/defragment", json!({}));
    // After the defragmentation, and so in the log first.
    write(cluster, &format!("{round}-late"));
}

fn write(cluster: &Cluster, round: &str) {
    for number in 0..12 {
        let (key, value) = (format!("k{}", number % 5), format!("{round}-{number}"));
        ask(
            cluster,
            "/v3/kv/put",
            json!({"key": base64(&key), "value": base64(&value)}),
        );
    }
    ask(cluster, "/v3/kv/deleterange", json!({"key": base64("k3")}));
}

/// What is in a directory, as its member tells: without what a start changes, and without
/// what a lease has left, which is looked at by itself.
fn look(cluster: &Cluster) -> Vec<(String, Value)> {
    let all = json!({"key": base64("\0"), "range_end": base64("\0")});
    let mut found = vec![("keys".to_owned(), ask(cluster, "/v3/kv/range", all))];
    let now = revision(&found[0].1);
    for back in [5, 1000] {
        let old = json!({"key": base64("k0"), "revision": (now - back).max(1).to_string()});
        let answer = cluster.endpoint(0).post("/v3/kv/range", &old);
        // The gateway of 3.4 says the same in more fields.
        let answer = answer.unwrap_or_else(|error| {
            let text = error.to_string();
            let json = text.split_once(": ").map_or("", |(_, json)| json);
            let json: Value = serde_json::from_str(json).expect("a refusal");
            json!({"error": json["message"]})
        });
        found.push((format!("{back} revisions ago"), answer));
    }
    let members = ask(cluster, "/v3/cluster/member/list", json!({}));
    found.push(("members".to_owned(), members));
    let leases = ask(cluster, "/v3/lease/leases", json!({}));
    let ids = leases["leases"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<_> = ids.iter().map(|lease| lease["ID"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    for id in ids {
        let path = "/v3/lease/timetolive";
        let mut lease = ask(cluster, path, json!({"ID": id, "keys": true}));
        let number = |name: &str| -> i64 {
            let text = lease[name].as_str().and_then(|text| text.parse().ok());
            text.unwrap_or_else(|| panic!("no {name} in {lease}"))
        };
        let (left, granted) = (number("TTL"), number("grantedTTL"));
        // Whoever starts gives all of it again; a test does not last for minutes.
        assert!(left > granted - 300 && left <= granted, "{lease}");
        lease["TTL"] = Value::Null;
        found.push((format!("lease {id}"), lease));
    }
    for (_, answer) in &mut found {
        if let Some(header) = answer.get_mut("header").and_then(Value::as_object_mut) {
            header.remove("raft_term");
        }
    }
    found
}

/// The hash of all revisions, which 3.4 counts otherwise.
fn hash(cluster: &Cluster) -> Value {
    let hash = ask(cluster, "/v3/maintenance/hash", json!({}));
    json!([hash["hash"], hash["compact_revision"]])
}

/// Ends the member and starts another kind on its directory.
fn hand_over(cluster: &mut Cluster, to: Whose, gently: bool) {
    if gently {
        cluster.stop(0);
    } else {
        cluster.kill(0);
    }
    cluster.members[0].whose = to;
    cluster.run(0);
    cluster.settle_one(0);
}

#[test]
fn a_directory_goes_to_the_other_and_back() {
    for (first, second) in [(Ours, Theirs), (Theirs, Ours)] {
        for gently in [true, false] {
            let plan = Plan {
                flags: SNAPSHOTS,
                ..Plan::default()
            };
            let mut cluster = Cluster::start(&[first], &plan);
            fill(&cluster, "first");
            let before = (look(&cluster), hash(&cluster));
            assert_eq!(before.0.len(), 6, "two leases: {before:?}");
            hand_over(&mut cluster, second, gently);
            let after = (look(&cluster), hash(&cluster));
            assert_eq!(before, after, "{first:?} to {second:?}, gently: {gently}");
            // What the second one does, the first one finds.
            let leases = ask(&cluster, "/v3/lease/leases", json!({}));
            let revoke = json!({"ID": leases["leases"][0]["ID"]});
            ask(&cluster, "/v3/lease/revoke", revoke);
            let members = ask(&cluster, "/v3/cluster/member/list", json!({}));
            let listed = members["members"].as_array().expect("a list");
            let learner = listed.iter().find(|member| member["isLearner"] == true);
            let id = learner.expect("a learner")["ID"].clone();
            ask(&cluster, "/v3/cluster/member/remove", json!({"ID": id}));
            fill(&cluster, "second");
            let before = (look(&cluster), hash(&cluster));
            hand_over(&mut cluster, first, gently);
            let after = (look(&cluster), hash(&cluster));
            assert_eq!(before, after, "back to {first:?}, gently: {gently}");
        }
    }
}

/// Three members become the other kind one after the other, some of them killed, while
/// clients write, and then back.
#[test]
fn a_cluster_changes_kind_member_by_member() {
    let plan = Plan {
        flags: SNAPSHOTS,
        ..Plan::default()
    };
    let mut cluster = Cluster::start(&[Ours; 3], &plan);
    for (round, to) in [Theirs, Ours].into_iter().enumerate() {
        for at in 0..3 {
            if (at + round) % 2 == 0 {
                cluster.kill(at);
            } else {
                cluster.stop(at);
            }
            let through = cluster.endpoint((at + 1) % 3);
            for number in 0..20 {
                let (key, value) = (format!("k{}", number % 7), format!("{round}-{at}-{number}"));
                eventually("a write", || {
                    through
                        .put(&key, &value)
                        .map_err(|error| format!("{error}; {}", cluster.logs()))
                });
            }
            cluster.members[at].whose = to;
            cluster.run(at);
            cluster.settle_one(at);
        }
        cluster.expect_equal();
    }
}

/// What 3.4 leaves, ours and the reference's 3.5 take over alike.
#[test]
fn a_directory_of_3_4_is_taken_over() {
    for gently in [true, false] {
        let plan = Plan {
            flags: SNAPSHOTS,
            ..Plan::default()
        };
        let mut cluster = Cluster::start(&[Old], &plan);
        fill(&cluster, "old");
        let before = look(&cluster);
        assert_eq!(before.len(), 6, "two leases: {before:?}");
        if gently {
            cluster.stop(0);
        } else {
            cluster.kill(0);
        }
        let (data, copy) = (cluster.dir(0), cluster.home.path().join("copy"));
        let copied = Command::new("cp").arg("-r").args([&data, &copy]).status();
        assert!(copied.expect("cp runs").success());
        let taken_over = [Ours, Theirs].map(|whose| {
            std::fs::remove_dir_all(&data).expect("the member has ended");
            let copied = Command::new("cp").arg("-r").args([&copy, &data]).status();
            assert!(copied.expect("cp runs").success());
            cluster.members[0].whose = whose;
            cluster.run(0);
            cluster.settle_one(0);
            let found = (look(&cluster), hash(&cluster));
            fill_less(&cluster);
            let then = look(&cluster);
            cluster.kill(0);
            (found, then)
        });
        assert_eq!(before, taken_over[0].0.0, "gently: {gently}");
        assert_eq!(taken_over[0], taken_over[1], "ours, theirs");
    }
}

/// The cluster goes on.
fn fill_less(cluster: &Cluster) {
    write(cluster, "new");
    let now = revision(&ask(cluster, "/v3/kv/range", json!({"key": base64("k0")})));
    let compact = json!({"revision": (now - 3).to_string(), "physical": true});
    ask(cluster, "/v3/kv/compaction", compact);
}
