//! Clusters of which one member's database was altered while it was away: our members
//! find it and act as the reference's do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use prost::Message as _;
use serde_json::{Value, json};

use crate::etcd_cluster::{Cluster, Plan, Whose, base64, eventually};

use Whose::{Ours, Theirs};

/// What is done to a member's directory while it does not run.
type Alter = fn(&Path);

/// A value that is nowhere else in the file, and what becomes of it.
const TRUE: &str = "a value that nobody must touch";
const FALSE: &str = "a value that nobody must doubt";

/// The altered member.
const ALTERED: usize = 2;

/// A cluster, the last member of which is stopped and has other data than the others.
fn altered(whose: Whose, flag: &str, alter: fn(&Path)) -> Cluster {
    let plan = Plan {
        // Before it has read its log, a member knows its peers from a snapshot alone.
        flags: &[flag, "--snapshot-count=5"],
        ..Plan::default()
    };
    let mut cluster = Cluster::start(&[whose; 3], &plan);
    cluster.lead(0);
    for (key, value) in [("a", "1"), ("altered", TRUE), ("b", "2")] {
        cluster.endpoint(0).put(key, value).expect("a put");
    }
    for number in 0..10 {
        let key = number.to_string();
        cluster.endpoint(0).put(&key, "v").expect("a put");
    }
    cluster.expect_equal();
    // At its end a member writes all it has to its database.
    cluster.stop(ALTERED);
    alter(&cluster.dir(ALTERED).join("member/snap/db"));
    cluster
}

/// Another value for a key.
fn falsify(path: &Path) {
    let mut bytes = fs::read(path).expect("a database");
    let places: Vec<_> = (0..bytes.len() - TRUE.len())
        .filter(|at| bytes[*at..].starts_with(TRUE.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "the value is not in the file");
    for at in places {
        // Pages have no checksums; the page may have older copies.
        bytes[at..at + FALSE.len()].copy_from_slice(FALSE.as_bytes());
    }
    fs::write(path, bytes).expect("a writable file");
}

/// Changes a closed database.
fn edit(path: &Path, change: impl FnOnce(&mut bolt::WriteTx)) {
    let db = bolt::Db::open(path, bolt::Options::default()).expect("a database");
    let mut tx = db.begin_write().expect("a transaction");
    change(&mut tx);
    tx.commit().expect("a commit");
    db.close().expect("the end");
}

/// A revision as databases name it.
fn revision(main: i64) -> Vec<u8> {
    [&main.to_be_bytes()[..], b"_", &0_i64.to_be_bytes()].concat()
}

/// One more key, at a revision that nobody has.
fn run_ahead(path: &Path) {
    const FAR: i64 = 1000;
    let kv = wire::mvccpb::KeyValue {
        key: "ahead".into(),
        value: "of the others".into(),
        create_revision: FAR,
        mod_revision: FAR,
        version: 1,
        lease: 0,
    };
    edit(path, |tx| {
        let stored = kv.encode_to_vec();
        tx.put(b"key", &revision(FAR), &stored).expect("a put");
    });
}

/// A compaction that nobody else knows of.
fn compact(path: &Path) {
    edit(path, |tx| {
        for name in ["scheduledCompactRev", "finishedCompactRev"] {
            let put = tx.put(b"meta", name.as_bytes(), &revision(3));
            put.expect("a put");
        }
    });
}

/// The messages of a kind in a member's log.
fn messages(cluster: &Cluster, at: usize, words: &[&str]) -> Vec<String> {
    let log = cluster.log(at);
    let lines = log.lines().filter_map(|line| {
        let json: Value = serde_json::from_str(line).ok()?;
        let text = json["msg"].as_str()?.to_owned();
        words.iter().any(|word| text.contains(word)).then_some(text)
    });
    lines.collect()
}

/// What the checks say in a member's log, each line once, without what differs between
/// clusters.
fn notes(cluster: &Cluster, at: usize) -> BTreeSet<String> {
    let listed = cluster
        .endpoint(0)
        .post("/v3/cluster/member/list", &json!({}));
    let listed = listed.expect("the members");
    let ids = listed["members"].as_array().into_iter().flatten();
    let mut masks: Vec<_> = ids
        .map(|member| {
            let id = member["ID"].as_str().and_then(|id| id.parse::<u64>().ok());
            let id = format!("{:x}", id.expect("an ID"));
            (id, format!("id of {}", member["name"]).replace('"', ""))
        })
        .collect();
    for member in &cluster.members {
        masks.push((format!(":{}", member.peer), format!(":{}", member.name)));
    }
    let log = cluster.log(at);
    let lines = log.lines().filter_map(|line| {
        let mut line: Value = serde_json::from_str(line).ok()?;
        let about = line["caller"]
            .as_str()?
            .starts_with("etcdserver/corrupt.go");
        // Who was away for a while is told in words of the system, or counted.
        let away = line["msg"] == "failed hash kv request"
            && !line["error"].to_string().contains("mvcc")
            || line["number-of-peers-checked"]
                .as_i64()
                .is_some_and(|n| n < 2);
        line.as_object_mut()?.remove("ts");
        let mut text = line.to_string();
        for (from, to) in &masks {
            text = text.replace(from, to);
        }
        (about && !away).then_some(text)
    });
    lines.collect()
}

#[test]
fn an_altered_member_does_not_start_with_the_initial_check() {
    let seen = [Ours, Theirs].map(|whose| {
        let mut cluster = altered(whose, "--experimental-initial-corrupt-check", falsify);
        let before = cluster.log(ALTERED).len();
        cluster.run(ALTERED);
        let status = cluster.await_end(ALTERED);
        let log = cluster.log(ALTERED)[before..].to_owned();
        assert!(log.contains("found data inconsistency with peers"), "{log}");
        let words = ["corruption check", "hash values from remote"];
        let said = messages(&cluster, ALTERED, &words);
        // The others go on without it.
        cluster.endpoint(0).put("a", "3").expect("a put");
        (status, said, notes(&cluster, ALTERED))
    });
    assert_eq!(seen[0], seen[1], "ours, theirs");
    assert_eq!(seen[0].0, Some(1));
}

/// What clients are told, without what differs between clusters.
fn answers(cluster: &Cluster, at: usize) -> Vec<String> {
    let key = base64("altered");
    let put = json!({"key": key, "value": ""});
    let posts = [
        ("/v3/kv/put", put.clone()),
        ("/v3/kv/range", json!({"key": key})),
        ("/v3/kv/range", json!({"key": key, "serializable": true})),
        ("/v3/kv/deleterange", json!({"key": key})),
        ("/v3/kv/txn", json!({"success": [{"requestPut": put}]})),
        (
            "/v3/kv/txn",
            json!({"success": [{"requestRange": {"key": key}}]}),
        ),
        ("/v3/kv/compaction", json!({"revision": "2"})),
        ("/v3/lease/grant", json!({"TTL": 100, "ID": "77"})),
        ("/v3/lease/revoke", json!({"ID": "77"})),
        ("/v3/maintenance/alarm", json!({})),
        ("/v3/auth/user/add", json!({"name": "u", "password": "p"})),
    ];
    let mut found = Vec::new();
    for (path, body) in posts {
        let limit = Duration::from_secs(10);
        let answer = cluster
            .endpoint(at)
            .ask(limit, "POST", path, &body.to_string());
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}; {}", cluster.logs()));
        let mut json = answer.json();
        json.as_object_mut().map(|object| object.remove("header"));
        found.push(format!("{path} {body}: {} {json}", answer.status));
    }
    for path in ["/health", "/livez", "/readyz"] {
        let answer = cluster
            .endpoint(at)
            .ask(Duration::from_secs(10), "GET", path, "");
        let answer = answer.expect("an answer");
        // The reference runs its checks in a random order.
        let mut lines: Vec<_> = answer.body.lines().collect();
        lines.sort_unstable();
        found.push(format!("{path}: {} {lines:?}", answer.status));
    }
    found
}

#[test]
fn the_regular_check_raises_the_alarm_that_stops_writers() {
    let seen = [Ours, Theirs].map(|whose| {
        let mut cluster = altered(whose, "--experimental-corrupt-check-time=1s", falsify);
        let alarms = |cluster: &Cluster| {
            let asked = cluster
                .endpoint(0)
                .post("/v3/maintenance/alarm", &json!({}));
            asked.map(|answer| answer["alarms"].clone())
        };
        // As long as all that run agree there is none.
        std::thread::sleep(Duration::from_millis(2500));
        let none = alarms(&cluster).expect("an answer");
        assert!(none.is_null(), "{none}; {}", cluster.logs());
        cluster.run(ALTERED);
        cluster.settle_one(ALTERED);
        cluster.lead(0);
        let raised = eventually("the alarm", || {
            let found = alarms(&cluster).map_err(|error| error.to_string())?;
            found
                .is_array()
                .then_some(found)
                .ok_or_else(|| cluster.logs())
        });
        let mut told: Vec<_> = [0, 1].map(|at| answers(&cluster, at)).concat();
        told.push(raised.to_string());
        told.extend(messages(&cluster, 0, &["enabled corruption checking"]));
        told.extend(notes(&cluster, 0));
        told
    });
    assert_eq!(seen[0], seen[1], "ours, theirs");
    let text = seen[0].join("\n");
    assert!(text.contains("etcdserver: corrupt cluster"), "{text}");
    assert!(text.contains("ALARM CORRUPT"), "{text}");
}

#[test]
fn a_follower_that_is_ahead_is_told_alike() {
    let rows: [(Alter, &str); 2] = [
        (run_ahead, "revision from follower must be less"),
        (compact, "compact revision from follower must be less"),
    ];
    for (alter, warning) in rows {
        let seen = [Ours, Theirs].map(|whose| {
            let mut cluster = altered(whose, "--experimental-corrupt-check-time=1s", alter);
            cluster.run(ALTERED);
            cluster.settle_one(ALTERED);
            cluster.lead(0);
            eventually("the warning", || {
                let notes = notes(&cluster, 0);
                let told = notes.iter().any(|note| note.contains(warning));
                let checked = notes.iter().any(|note| note.contains("finished"));
                (told && checked)
                    .then_some(())
                    .ok_or_else(|| cluster.logs())
            });
            notes(&cluster, 0)
        });
        assert_eq!(seen[0], seen[1], "ours, theirs");
    }
}

/// Peers that are behind can't tell: a warning for each, and the member starts.
#[test]
fn the_initial_check_passes_over_peers_that_can_not_tell() {
    let seen = [Ours, Theirs].map(|whose| {
        let mut cluster = altered(whose, "--experimental-initial-corrupt-check", run_ahead);
        cluster.run(ALTERED);
        cluster.settle_one(ALTERED);
        [0, 1, ALTERED].map(|at| notes(&cluster, at))
    });
    assert_eq!(seen[0], seen[1], "ours, theirs");
    let text = format!("{seen:?}");
    assert!(
        text.contains("required revision is a future revision"),
        "{text}"
    );
}
