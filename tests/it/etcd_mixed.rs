//! Clusters of our members and the reference's: they elect, replicate, renew each other's
//! leases, compact, hand the leadership over, take newcomers in by snapshot, survive the
//! loss of any one, and end with equal hashes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::etcd_cluster::{Cluster, Plan, Whose, base64, eventually};

use Whose::{Ours, Theirs};

/// Both mixtures: a majority of theirs, a majority of ours.
const CASTS: [[Whose; 3]; 2] = [[Ours, Theirs, Theirs], [Theirs, Ours, Ours]];

/// The log is cut so often that whoever was away a moment needs a snapshot.
const SNAPSHOTS: &[&str] = &[
    "--snapshot-count=20",
    "--experimental-snapshot-catchup-entries=5",
];

/// Writes through every running member: keys, deletions, nested transactions, leases.
#[track_caller]
fn write(cluster: &Cluster, round: &str) {
    for at in cluster.running() {
        let post = |path: &str, body: Value| {
            eventually("a write", || {
                cluster
                    .endpoint(at)
                    .post(path, &body)
                    .map_err(|error| format!("m{at} {path}: {error}; {}", cluster.logs()))
            })
        };
        for number in 0..10 {
            let key = base64(&format!("k{number}"));
            let value = base64(&format!("{round}-{at}-{number}"));
            post("/v3/kv/put", json!({"key": key, "value": value}));
        }
        post(
            "/v3/kv/deleterange",
            json!({"key": base64("k3"), "range_end": base64("k5")}),
        );
        let lease = post("/v3/lease/grant", json!({"TTL": 1000}))["ID"].clone();
        let inner = json!({
            "compare": [{"target": "VERSION", "result": "GREATER", "key": base64("k1"), "version": "0"}],
            "success": [
                {"requestPut": {"key": base64(&format!("leased-{round}-{at}")), "value": base64("v"), "lease": lease}},
                {"requestDeleteRange": {"key": base64("k2")}},
            ],
        });
        let outer = json!({
            "compare": [{"target": "CREATE", "result": "EQUAL", "key": base64("never"), "createRevision": "0"}],
            "success": [{"requestTxn": inner}],
        });
        let done = post("/v3/kv/txn", outer);
        assert_eq!(done["succeeded"], true, "{done}");
    }
}

#[track_caller]
fn compact(cluster: &Cluster, through: usize) {
    let put = eventually("a put", || {
        cluster
            .endpoint(through)
            .put("compact", "now")
            .map_err(|error| error.to_string())
    });
    let revision: i64 = put["header"]["revision"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a revision");
    let body = json!({"revision": (revision - 5).to_string(), "physical": true});
    let path = "/v3/kv/compaction";
    // A leader that goes may leave the request unanswered, though it was heard.
    eventually("a compaction", || {
        match cluster.endpoint(through).post(path, &body) {
            Err(error) if !error.to_string().contains("has been compacted") => {
                Err(format!("m{through}: {error}; {}", cluster.logs()))
            }
            _ => Ok(()),
        }
    });
}

/// A lease is renewed and looked at through everyone, whoever leads; another one ends.
#[track_caller]
fn leases(cluster: &Cluster) {
    let leader = cluster.leader();
    let ask = |at: usize, path: &str, body: Value| {
        cluster
            .endpoint(at)
            .post(path, &body)
            .unwrap_or_else(|error| {
                panic!(
                    "m{at}, led by m{leader}: {path}: {error}; {}",
                    cluster.logs()
                )
            })
    };
    for at in cluster.running() {
        let kept = ask(at, "/v3/lease/grant", json!({"TTL": 500}))["ID"].clone();
        let key = base64(&format!("kept-{at}"));
        ask(
            at,
            "/v3/kv/put",
            json!({"key": key, "value": key, "lease": kept}),
        );
        for through in cluster.running() {
            let renewed = ask(through, "/v3/lease/keepalive", json!({"ID": kept}));
            assert_eq!(renewed["result"]["TTL"], "500", "{renewed}");
            let left = ask(
                through,
                "/v3/lease/timetolive",
                json!({"ID": kept, "keys": true}),
            );
            assert_eq!(left["grantedTTL"], "500", "{left}");
            assert_eq!(left["keys"], json!([key]), "m{through}: {left}");
        }
        ask(at, "/v3/lease/revoke", json!({"ID": kept}));
        let gone = ask(at, "/v3/lease/timetolive", json!({"ID": kept}));
        assert_eq!(gone["TTL"], "-1", "{gone}");
    }
    let short = ask(leader, "/v3/lease/grant", json!({"TTL": 1}))["ID"].clone();
    let put = json!({"key": base64("short"), "value": "", "lease": short});
    ask(leader, "/v3/kv/put", put);
    eventually("the end of a lease", || {
        match cluster.endpoint(leader).get("short") {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}; {}", cluster.logs())),
        }
    });
}

#[test]
fn whoever_leads_all_agree() {
    for cast in CASTS {
        let cluster = Cluster::start(&cast, &Plan::default());
        for leader in 0..cast.len() {
            cluster.lead(leader);
            write(&cluster, &format!("led-by-{leader}"));
            leases(&cluster);
            for at in 0..cast.len() {
                compact(&cluster, at);
            }
            cluster.expect_equal();
        }
    }
}

#[test]
fn the_loss_of_any_one_is_survived_and_made_up_for_by_snapshot() {
    for cast in CASTS {
        let plan = Plan {
            flags: SNAPSHOTS,
            ..Plan::default()
        };
        let mut cluster = Cluster::start(&cast, &plan);
        for lost in 0..cast.len() {
            // As a follower, then as the leader.
            for leads in [false, true] {
                let leader = if leads { lost } else { (lost + 1) % 3 };
                cluster.lead(leader);
                cluster.kill(lost);
                write(&cluster, &format!("without-{lost}-{leads}"));
                write(&cluster, &format!("still-without-{lost}-{leads}"));
                compact(&cluster, cluster.running()[0]);
                cluster.run(lost);
                cluster.settle_one(lost);
                cluster.expect_equal();
            }
        }
    }
}

/// The snapshot says what was to be compacted; nobody tells its receiver again.
#[test]
fn a_compaction_on_its_way_is_finished_by_who_got_it_in_a_snapshot() {
    for first in [Ours, Theirs] {
        let flags = [SNAPSHOTS, &["--experimental-compaction-batch-limit=1"]].concat();
        let plan = Plan {
            flags: &flags,
            ..Plan::default()
        };
        let mut cluster = Cluster::start(&[first], &plan);
        let mut revision = 0_i64;
        for number in 0..300 {
            let put = cluster.endpoint(0).put("k", &number.to_string());
            let put = put.unwrap_or_else(|error| panic!("{error}; {}", cluster.logs()));
            let said = put["header"]["revision"]
                .as_str()
                .and_then(|text| text.parse().ok());
            revision = said.expect("a revision");
        }
        // A key at a time, which takes three seconds.
        let body = json!({"revision": revision.to_string()});
        let done = cluster.endpoint(0).post("/v3/kv/compaction", &body);
        done.unwrap_or_else(|error| panic!("{error}; {}", cluster.logs()));
        let newcomer = cluster.add(0, Ours, false);
        cluster.settle_one(newcomer);
        cluster.expect_equal();
    }
}

#[test]
fn newcomers_of_either_kind_join_by_snapshot_are_promoted_moved_and_removed() {
    for (first, newcomers) in [(Ours, [Theirs, Ours]), (Theirs, [Ours, Theirs])] {
        let plan = Plan {
            flags: SNAPSHOTS,
            ..Plan::default()
        };
        let mut cluster = Cluster::start(&[first], &plan);
        for round in 0..4 {
            write(&cluster, &round.to_string());
        }
        compact(&cluster, 0);
        // As a voter.
        let voter = cluster.add(0, newcomers[0], false);
        cluster.settle_one(voter);
        cluster.expect_equal();
        // As a learner, who answers no reads that need the leader.
        for round in 4..8 {
            write(&cluster, &round.to_string());
        }
        let learner = cluster.add(voter, newcomers[1], true);
        eventually("a learner's refusal", || {
            match cluster.endpoint(learner).get("k1") {
                Err(error) if error.to_string().contains("rpc not supported for learner") => Ok(()),
                other => Err(format!("{other:?}; {}", cluster.logs())),
            }
        });
        let id = cluster.id(learner);
        let target = json!({"targetID": id});
        for through in [0, voter] {
            let moved = cluster
                .endpoint(through)
                .post("/v3/maintenance/transfer-leadership", &target);
            assert!(moved.is_err(), "a learner can't lead: {moved:?}");
        }
        eventually("a promotion", || {
            // Through whoever does not lead, too.
            let through = if cluster.leader() == 0 { voter } else { 0 };
            cluster
                .endpoint(through)
                .post("/v3/cluster/member/promote", &json!({"ID": id}))
                .map_err(|error| format!("{error}; {}", cluster.logs()))
        });
        cluster.settle_one(learner);
        cluster.lead(learner);
        write(&cluster, "led-by-the-newcomer");
        leases(&cluster);
        cluster.expect_equal();
        // Another URL for a member, and back.
        for url in ["http://localhost:1".to_owned(), cluster.peer_url(voter)] {
            let update = json!({"ID": cluster.id(voter), "peerURLs": [url]});
            eventually("an update", || {
                cluster
                    .endpoint(learner)
                    .post("/v3/cluster/member/update", &update)
                    .map_err(|error| format!("{error}; {}", cluster.logs()))
            });
        }
        write(&cluster, "after-the-update");
        cluster.expect_equal();
        // The first one has to go, while it leads.
        cluster.lead(0);
        let id = cluster.id(0);
        eventually("a removal", || {
            cluster
                .endpoint(voter)
                .post("/v3/cluster/member/remove", &json!({"ID": id}))
                .map_err(|error| format!("{error}; {}", cluster.logs()))
        });
        let status = cluster.await_end(0);
        assert_eq!(status, Some(0), "{}", cluster.logs());
        write(&cluster, "without-the-first");
        cluster.expect_equal();
        // Removed is removed: it does not come back with its old directory.
        cluster.run(0);
        let status = cluster.await_end(0);
        assert_eq!(status, Some(0), "{}", cluster.logs());
    }
}

#[test]
fn peers_of_both_kinds_demand_certificates_of_each_other() {
    for cast in CASTS {
        let plan = Plan {
            flags: &["--peer-cert-allowed-cn=member"],
            secure: true,
        };
        let mut cluster = Cluster::start(&cast, &plan);
        for leader in 0..cast.len() {
            cluster.lead(leader);
            write(&cluster, &format!("led-by-{leader}"));
            leases(&cluster);
        }
        cluster.expect_equal();
        // Another name, of the same CA, is nobody's peer.
        let stranger = cluster.certificates.as_ref().expect("a secure cluster");
        stranger.issue("stranger");
        let file = |name: &str| stranger.path(name).display().to_string();
        let flags = vec![
            format!("--peer-cert-file={}", file("stranger.crt")),
            format!("--peer-key-file={}", file("stranger.key")),
        ];
        for at in 0..cast.len() {
            cluster.kill(at);
            cluster.members[at].flags = flags.clone();
            cluster.run(at);
            let others: Vec<_> = cluster.running().into_iter().filter(|o| *o != at).collect();
            eventually("others to refuse a stranger", || {
                let refused = others.iter().any(|other| {
                    cluster
                        .log(*other)
                        .contains("client certificate authentication failed")
                });
                refused.then_some(()).ok_or_else(|| cluster.logs())
            });
            let limit = Duration::from_secs(3);
            let path = "/v3/kv/range";
            let read = cluster
                .endpoint(at)
                .post_within(limit, path, &json!({"key": base64("k1")}));
            assert!(read.is_err(), "a stranger reads: {read:?}");
            for other in others {
                cluster.settle_one(other);
            }
            cluster.kill(at);
            cluster.members[at].flags.clear();
            cluster.run(at);
            cluster.settle();
        }
        cluster.expect_equal();
    }
}
