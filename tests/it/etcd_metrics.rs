//! `/metrics` of our member beside that of the reference's, after the same requests.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::etcd_cluster::{Endpoint, base64};
use crate::etcdctl_side_by_side::Member;
use crate::etcdctl_side_by_side::side::Side;

/// What the reference counts and ours does not, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("go_", "the runtime of Go"),
    ("promhttp_", "the handler of Prometheus' library for Go"),
    ("etcd_server_go_version", "there is no Go in it"),
    ("etcd_grpc_proxy_", "there is no gRPC proxy"),
    (
        "etcd_debugging_disk_backend_commit_",
        "the room of the file format has no clock; whole commits are timed",
    ),
    (
        "etcd_debugging_mvcc_db_compaction_keys_total",
        "a compaction is done in steps that do not tell how many keys went",
    ),
    (
        "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
        "the index is compacted in the same steps as the file",
    ),
    (
        "etcd_debugging_snap_save_marshalling_duration_seconds",
        "the room of the log has no clock; a whole save is timed",
    ),
    ("etcd_snap_fsync_duration_seconds", "as above"),
    ("etcd_snap_db_fsync_duration_seconds", "as above"),
    (
        "etcd_debugging_store_watch_requests_total",
        "the v2 store does not count them",
    ),
    (
        "etcd_server_heartbeat_send_failures_total",
        "heartbeats do not wait for the disk here",
    ),
    (
        "process_virtual_memory_max_bytes",
        "etcd runs without this limit; the number is no number then",
    ),
];

/// Samples that must be equal after the same requests.
const EQUAL: &[&str] = &[
    "etcd_mvcc_range_total",
    "etcd_debugging_mvcc_range_total",
    "etcd_mvcc_put_total",
    "etcd_mvcc_delete_total",
    "etcd_mvcc_txn_total",
    "etcd_debugging_mvcc_total_put_size_in_bytes",
    "etcd_debugging_mvcc_current_revision",
    "etcd_debugging_mvcc_compact_revision",
    "etcd_debugging_lease_granted_total",
    "etcd_debugging_lease_revoked_total",
    "etcd_debugging_lease_ttl_total_count",
    "etcd_debugging_lease_ttl_total_sum",
    "etcd_debugging_lease_ttl_total_bucket{le=\"64\"}",
    "etcd_disk_backend_defrag_duration_seconds_count",
    "etcd_disk_backend_snapshot_duration_seconds_count",
    "etcd_mvcc_hash_rev_duration_seconds_count",
    "etcd_server_has_leader",
    "etcd_server_is_leader",
    "etcd_server_proposals_failed_total",
    "etcd_server_proposals_pending",
    "etcd_server_quota_backend_bytes",
    "etcd_server_health_success",
];

/// Labels of calls whose numbers must be equal: how they ended, and their messages.
const CALLS: &[&str] = &[
    "grpc_method=\"Put\"",
    "grpc_method=\"Range\"",
    "grpc_method=\"Txn\"",
    "grpc_method=\"DeleteRange\"",
    "grpc_method=\"Compact\"",
    "grpc_method=\"LeaseGrant\"",
    "grpc_method=\"LeaseRevoke\"",
    "grpc_method=\"Defragment\"",
    "grpc_method=\"HashKV\"",
    "grpc_method=\"MemberList\"",
];

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the member listens");
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    body.to_owned()
}

/// Requests that etcdctl can't make, with the status of their answers: transactions
/// within transactions, compares that end early, previous values.
const POSTS: &[(&str, u16, &str)] = &[
    ("put", 200, r#"{"key":"@a","value":"@1"}"#),
    ("put", 200, r#"{"key":"@a","value":"@22","prev_kv":true}"#),
    ("put", 200, r#"{"key":"@a","ignore_value":true}"#),
    ("put", 400, r#"{"key":"@none","ignore_value":true}"#),
    ("put", 400, r#"{"key":"@none","ignore_lease":true}"#),
    ("range", 200, r#"{"key":"@a","range_end":"@z","limit":"1"}"#),
    ("range", 400, r#"{"key":"@a","revision":"100000"}"#),
    ("range", 400, r#"{"key":"@a","revision":"1"}"#),
    ("deleterange", 200, r#"{"key":"@none","prev_kv":true}"#),
    ("compaction", 400, r#"{"revision":"1"}"#),
    ("txn", 200, "{}"),
    ("txn", 200, r#"{"success":[TXN]}"#),
    (
        "txn",
        200,
        r#"{"success":[{"request_txn":{"success":[TXN,TXN2]}}]}"#,
    ),
    (
        "txn",
        200,
        r#"{"compare":[IS,IS,NOT,IS],"failure":[{"request_txn":{}},TXN]}"#,
    ),
    ("txn", 200, r#"{"compare":[NOT,IS],"failure":[PUT]}"#),
    ("txn", 200, r#"{"compare":[IS,NOT],"success":[PUT]}"#),
    ("txn", 200, r#"{"compare":[IS,IS],"success":[GET,GET]}"#),
    (
        "txn",
        200,
        r#"{"compare":[IS],"success":[{"request_txn":{"success":[GET]}}]}"#,
    ),
    (
        "txn",
        200,
        r#"{"success":[{"request_put":{"key":"@a","ignore_value":true,"prev_kv":true}}]}"#,
    ),
    (
        "txn",
        400,
        r#"{"success":[{"request_put":{"key":"@none","ignore_value":true}},GET]}"#,
    ),
    (
        "txn",
        400,
        r#"{"compare":[IS],"success":[PUT,{"request_range":{"key":"@a","revision":"100000"}}]}"#,
    ),
    (
        "txn",
        200,
        r#"{"success":[{"request_delete_range":{"key":"@a","prev_kv":true}},GET]}"#,
    ),
];

/// What stands for what in [`POSTS`].
const PARTS: &[(&str, &str)] = &[
    (
        "TXN2",
        r#"{"request_txn":{"compare":[IS,NOT],"success":[PUT],"failure":[GET,{"request_delete_range":{"key":"@c"}}]}}"#,
    ),
    (
        "TXN",
        r#"{"request_txn":{"compare":[NOT],"success":[GET],"failure":[GET,{"request_put":{"key":"@b","value":"@x"}}]}}"#,
    ),
    (
        "PUT",
        r#"{"request_put":{"key":"@a","value":"@in a transaction"}}"#,
    ),
    ("GET", r#"{"request_range":{"key":"@a"}}"#),
    (
        "IS",
        r#"{"key":"@a","target":"VERSION","result":"GREATER","version":"0"}"#,
    ),
    (
        "NOT",
        r#"{"key":"@a","target":"VERSION","result":"EQUAL","version":"0"}"#,
    ),
];

/// Asks the JSON gateway as a row of [`POSTS`] says; a string with `@` is written as base64.
fn post(port: u16, call: &str, expected: u16, body: &str) {
    let body = PARTS.iter().fold(body.to_owned(), |body, (name, text)| {
        body.replace(name, text)
    });
    let mut parts = body.split("\"@");
    let mut encoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (text, rest) = part.split_once('"').expect("a string ends");
        encoded += &format!("\"{}\"{rest}", base64(text));
    }
    let endpoint = Endpoint { port, tls: None };
    let limit = Duration::from_secs(10);
    let answer = endpoint.ask(limit, "POST", &format!("/v3/kv/{call}"), &encoded);
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, expected, "{call} {body}: {}", answer.body);
}

/// A watch for a key from a revision on, until it has told of some changes.
fn watch(port: u16, key: &str, changes: usize) {
    let create = json!({"key": base64(key), "start_revision": "2", "prev_kv": true});
    let body = json!({ "create_request": create }).to_string();
    let endpoint = Endpoint { port, tls: None };
    let enough = |text: &str| text.matches("\"mod_revision\"").count() >= changes;
    let limit = Duration::from_secs(10);
    let told = endpoint.ask_until(limit, "POST", "/v3/watch", &body, &enough);
    assert!(enough(&told.expect("an answer").body), "the watch ended");
}

/// A member's metrics after some of everything.
fn metrics(side: Side) -> String {
    let member = Member::start_as(side, &[]);
    let endpoint = format!("127.0.0.1:{}", member.client);
    let saved = member.dir.path().join("saved").display().to_string();
    let ask = |words: &[&str], input: &str| {
        use std::process::Stdio;
        let mut process = Side::Theirs
            .program("etcdctl")
            .args(["--endpoints", &endpoint])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("etcdctl starts");
        let mut pipe = process.stdin.take().expect("a pipe");
        // A command that reads nothing may have closed it.
        let _ = pipe.write_all(input.as_bytes());
        drop(pipe);
        let output = process.wait_with_output().expect("etcdctl ends");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let done = |words: &[&str], input: &str| {
        let (success, said) = ask(words, input);
        assert!(success, "{words:?}: {said}");
        said
    };
    for key in ["a", "bc", "def"] {
        done(&["put", key, "value"], "");
    }
    done(&["get", "a"], "");
    done(&["del", "", "--prefix"], "");
    done(
        &["txn"],
        "ver(\"a\") > \"0\"\n\n\n\nput t 1\nput u 22\nget t\n\n",
    );
    done(&["txn"], "ver(\"a\") > \"0\"\n\n\n\nget t\n\n");
    let granted = done(&["lease", "grant", "50"], "");
    let id = granted.split(' ').nth(1).expect("an ID");
    done(&["put", "leased", "v", "--lease", id], "");
    done(&["lease", "revoke", id], "");
    assert!(!ask(&["put", "k", "v", "--lease", "123"], "").0);
    watch(member.client, "a", 2);
    done(&["compaction", "3"], "");
    for (call, status, body) in POSTS {
        post(member.client, call, *status, body);
    }
    done(&["defrag"], "");
    done(&["endpoint", "hashkv"], "");
    done(&["snapshot", "save", &saved], "");
    done(&["member", "list"], "");
    assert!(get(member.client, "/health").contains("true"));
    get(member.client, "/metrics")
}

/// Names with their types.
fn types(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect()
}

/// Labels in an order that both sides have: theirs are sorted, ours as they were made.
fn sample(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.rsplit_once(' ')?;
    let Some((name, labels)) = name.split_once('{') else {
        return Some((name.to_owned(), value));
    };
    let mut labels: Vec<&str> = labels.trim_end_matches('}').split(',').collect();
    labels.sort_unstable();
    Some((format!("{name}{{{}}}", labels.join(",")), value))
}

fn samples(text: &str) -> BTreeMap<String, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(sample).collect()
}

#[test]
fn metrics_have_the_references_names_and_numbers() {
    let [theirs, ours] = [Side::Theirs, Side::Ours].map(metrics);
    let (known, have) = (types(&theirs), types(&ours));
    let excused = |name: &str| {
        EXCEPTIONS
            .iter()
            .any(|(prefix, _)| name.starts_with(prefix))
    };
    let mut wrong = BTreeSet::new();
    for (name, kind) in &known {
        match have.get(name) {
            None if !excused(name) => wrong.insert(format!("{name}: missing")),
            Some(ours) if ours != kind => wrong.insert(format!("{name}: {ours}, not {kind}")),
            Some(_) if excused(name) => wrong.insert(format!("{name}: no exception any more")),
            _ => false,
        };
    }
    for (prefix, _) in EXCEPTIONS {
        if !known.keys().any(|name| name.starts_with(prefix)) {
            wrong.insert(format!("{prefix}: an exception of nothing"));
        }
    }
    let (their, our) = (samples(&theirs), samples(&ours));
    for name in EQUAL {
        let (a, b) = (their.get(*name), our.get(*name));
        if a.is_none() || number(a) != number(b) {
            wrong.insert(format!("{name}: theirs {a:?}, ours {b:?}"));
        }
    }
    // The reference has a series for every end that a call could come to.
    let counted = their.iter().filter(|(name, value)| {
        name.starts_with("grpc_server_")
            && **value != "0"
            && CALLS.iter().any(|call| name.contains(call))
    });
    let mut compared = 0;
    for (name, value) in counted {
        compared += 1;
        if our.get(name) != Some(value) {
            wrong.insert(format!("{name}: theirs {value}, ours {:?}", our.get(name)));
        }
    }
    assert!(compared >= CALLS.len(), "{compared} calls were compared");
    for name in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "os_fd_used",
    ] {
        assert!(number(our.get(name)) > Some(0.0), "{name}");
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `2.147483648e+09` is `2147483648`.
fn number(text: Option<&&str>) -> Option<f64> {
    text?.parse().ok()
}
