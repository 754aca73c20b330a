//! Our server beside the reference's: the same requests, the same answers, byte by byte.
//!
//! The tables in `etcd_conformance/` are run on two clusters at once, over HTTP and over
//! HTTPS. What must differ between two clusters (IDs,
//! ports, terms, sizes) is masked. A new row is a new line:
//!
//! ```text
//! [@MEMBER] [SPAWN:NAME | UNTIL:COUNT] VERB PATH [BODY] [=> NAME=/json/pointer]
//! JOIN:NAME
//! ALONE REASON
//! ```
//!
//! * A string that begins with `@` in a body is written as base64; `@*500` is 500 times `x`.
//! * `<<129 TEXT>>` is TEXT 129 times, with commas between; `#` in it is the number.
//! * `$NAME` is what an earlier row took out of its answer; `$M0`, `$M1`… are the IDs of the
//!   members.
//! * `STREAM2` posts, and reads two lines of the answer's stream.
//! * `SPAWN:NAME` goes on without the answer, which `JOIN:NAME` compares; `UNTIL:2` asks
//!   again until the answer's `count` is 2.
//! * A row goes to member 0, which leads, if it names no other; `@1` is the second one where
//!   there are several. It is asked when all members have applied the same entries.
//! * `ALONE` says why the row after it can't be compared on several members.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::etcd_cluster::{Answer, Cluster, Endpoint, Plan, Whose, base64, eventually};

/// The tables, in the order in which they are run on one and the same cluster.
const TABLES: &[(&str, &str)] = &[
    ("kv", include_str!("etcd_conformance/kv.rows")),
    ("txn", include_str!("etcd_conformance/txn.rows")),
    ("watch", include_str!("etcd_conformance/watch.rows")),
    ("lease", include_str!("etcd_conformance/lease.rows")),
    (
        "concurrency",
        include_str!("etcd_conformance/concurrency.rows"),
    ),
    ("cluster", include_str!("etcd_conformance/cluster.rows")),
    (
        "maintenance",
        include_str!("etcd_conformance/maintenance.rows"),
    ),
    ("http", include_str!("etcd_conformance/http.rows")),
    ("json", include_str!("etcd_conformance/json.rows")),
];

/// How long an answer may take; a few rows wait for locks and leases.
const LIMIT: Duration = Duration::from_secs(30);

struct Row<'a> {
    /// Table and number of the line.
    place: String,
    line: &'a str,
    member: usize,
    spawn: Option<&'a str>,
    until: Option<&'a str>,
    verb: &'a str,
    path: &'a str,
    body: &'a str,
    take: Vec<(&'a str, &'a str)>,
    /// Why it is left out where there are several members.
    alone: Option<&'a str>,
}

fn rows() -> Vec<Row<'static>> {
    let lines = TABLES.iter().flat_map(|(table, text)| {
        let numbered = text.lines().enumerate();
        numbered.map(move |(at, line)| (format!("{table}.rows:{}", at + 1), line.trim()))
    });
    let (mut rows, mut alone) = (Vec::new(), None);
    for (place, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        if let Some(reason) = line.strip_prefix("ALONE ") {
            alone = Some(reason);
            continue;
        }
        let mut row = Row::parse(place, line);
        row.alone = alone.take();
        rows.push(row);
    }
    rows
}

impl<'a> Row<'a> {
    fn parse(place: String, line: &'a str) -> Self {
        let (request, take) = line.split_once(" => ").unwrap_or((line, ""));
        let mut row = Self {
            place,
            line,
            member: 0,
            spawn: None,
            until: None,
            verb: "",
            path: "",
            body: "",
            take: take
                .split_whitespace()
                .filter_map(|word| word.split_once('='))
                .collect(),
            alone: None,
        };
        let mut rest = request;
        while row.verb.is_empty() {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after.trim_start();
            if let Some(member) = word.strip_prefix('@') {
                row.member = member.parse().expect("a member's number");
            } else if let Some(name) = word.strip_prefix("SPAWN:") {
                row.spawn = Some(name);
            } else if let Some(count) = word.strip_prefix("UNTIL:") {
                row.until = Some(count);
            } else {
                row.verb = word;
            }
        }
        (row.path, row.body) = rest.split_once(' ').unwrap_or((rest, ""));
        row
    }
}

/// One of the two clusters.
struct Side {
    whose: Whose,
    cluster: Cluster,
    endpoints: Vec<Endpoint>,
    names: BTreeMap<String, String>,
    /// What is masked, longest first.
    masks: Vec<(String, String)>,
    spawned: BTreeMap<String, JoinHandle<Result<Answer, String>>>,
}

impl Side {
    fn start(whose: Whose, members: usize, secure: bool) -> Self {
        let plan = Plan {
            secure,
            flags: &["--experimental-watch-progress-notify-interval=1s"],
        };
        let cluster = Cluster::start(&vec![whose; members], &plan);
        let endpoints = (0..members).map(|at| cluster.endpoint(at)).collect();
        let mut side = Self {
            whose,
            cluster,
            endpoints,
            names: BTreeMap::new(),
            masks: Vec::new(),
            spawned: BTreeMap::new(),
        };
        for at in 0..members {
            let id = side.cluster.id(at);
            side.mask_id(&format!("M{at}"), &id);
            let member = &side.cluster.members[at];
            let (client, peer) = (member.client, member.peer);
            side.masks
                .push((format!("127.0.0.1:{client}"), format!("$CLIENT{at}")));
            side.masks
                .push((format!("127.0.0.1:{peer}"), format!("$PEER{at}")));
        }
        let status = side.endpoints[0].post("/v3/maintenance/status", &serde_json::json!({}));
        let status = status.expect("a status");
        let cluster_id = status["header"]["cluster_id"].as_str().expect("an ID");
        side.mask_id("CLUSTER", cluster_id);
        // What is written next needs the version that the cluster agrees upon.
        eventually("the version of the cluster", || {
            let version = side.ask(0, "GET", "/version", "")?;
            let text = version.json()["etcdcluster"].to_string();
            (text == "\"3.5.0\"").then_some(()).ok_or(text)
        });
        side
    }

    fn mask_id(&mut self, name: &str, id: &str) {
        self.names.insert(name.to_owned(), id.to_owned());
        if id.len() < 8 {
            // A revision: the same on both sides, and part of other numbers.
            return;
        }
        self.masks.push((id.to_owned(), format!("${name}")));
        if let Ok(number) = id.parse::<u64>() {
            let hex = format!("{number:x}");
            self.masks.push((hex, format!("$X{name}")));
        }
    }

    fn ask(&self, member: usize, verb: &str, path: &str, body: &str) -> Result<Answer, String> {
        let endpoint = self.endpoints[member % self.endpoints.len()].clone();
        ask(&endpoint, verb, path, body)
    }

    fn fill(&self, text: &str) -> String {
        let mut text = repeat(text);
        for (name, value) in &self.names {
            text = text.replace(&format!("${name}"), value);
        }
        encode(&text)
    }

    /// Waits until the first of several members leads and all have applied the same entries,
    /// so that answers of any of them can be compared.
    fn settle(&self) {
        self.cluster.lead(0);
        eventually("members that have applied the same", || {
            let applied: Vec<_> = (0..self.endpoints.len())
                .map(|at| {
                    let status = self.ask(at, "POST", "/v3/maintenance/status", "{}")?;
                    Ok(status.json()["raftAppliedIndex"].clone())
                })
                .collect::<Result<_, String>>()?;
            let same = applied[0].is_string() && applied.iter().all(|one| *one == applied[0]);
            same.then_some(()).ok_or_else(|| format!("{applied:?}"))
        });
    }

    /// Does what a row says; what comes of it, masked.
    fn run(&mut self, row: &Row<'_>) -> String {
        if let Some(name) = row.verb.strip_prefix("JOIN:") {
            let spawned = self.spawned.remove(name).expect("a row spawned it");
            let answer = spawned.join().expect("a request");
            return self.seen(row, answer);
        }
        if row.member > 0 && self.endpoints.len() > 1 {
            self.settle();
        }
        let (path, body) = (self.fill(row.path), self.fill(row.body));
        if let Some(name) = row.spawn {
            let endpoint = self.endpoints[row.member % self.endpoints.len()].clone();
            let verb = row.verb.to_owned();
            let thread = std::thread::spawn(move || ask(&endpoint, &verb, &path, &body));
            self.spawned.insert(name.to_owned(), thread);
            return String::new();
        }
        if let Some(count) = row.until {
            eventually(row.line, || {
                let answer = self.ask(row.member, row.verb, &path, &body)?;
                let found = answer.json()["count"].as_str().unwrap_or("0").to_owned();
                (found == count).then_some(()).ok_or(answer.body)
            });
            return String::new();
        }
        let mut answer = self.ask(row.member, row.verb, &path, &body);
        if answer.is_err() && self.whose == Whose::Theirs && path.starts_with("/v3/cluster/member/")
        {
            // 3.5.16 drops a change of members that comes before its raft has heard that the
            // last one is applied, and whoever asked for it waits in vain (raft/raft.go,
            // "possible unapplied conf change").
            answer = self.ask(row.member, row.verb, &path, &body);
        }
        for (name, pointer) in &row.take {
            let json = answer.as_ref().map(Answer::json).unwrap_or_default();
            if let Some(id) = json.pointer(pointer).and_then(Value::as_str) {
                self.mask_id(name, id);
            }
        }
        self.seen(row, answer)
    }

    fn seen(&mut self, row: &Row<'_>, answer: Result<Answer, String>) -> String {
        let answer = match answer {
            Ok(answer) => answer,
            // No row may stop a member.
            Err(error) => panic!(
                "{}: {}: {error}; {}",
                row.place,
                row.line,
                self.cluster.logs()
            ),
        };
        self.masks
            .sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        let mask = |text: &str| {
            // Go's protobuf puts one of two blanks into its errors, by the build.
            let mut text = text.replace('\u{a0}', " ");
            for (from, to) in &self.masks {
                text = text.replace(from.as_str(), to);
            }
            NUMBERS
                .iter()
                .fold(text, |text, name| mask_number(&text, name))
        };
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .filter(|line| {
                !["date: ", "connection: "]
                    .iter()
                    .any(|skip| line.starts_with(skip))
            })
            // The length of numbers that are masked.
            .filter(|line| !line.starts_with("content-length: "))
            .cloned()
            .collect();
        headers.sort();
        let mut body = mask(&answer.body);
        if body.contains("[+]") || body.contains("[-]") {
            // The reference runs its checks in a random order.
            let mut lines: Vec<&str> = body.lines().collect();
            lines.sort_unstable();
            body = lines.join("\n");
        }
        if let Ok(mut json) = serde_json::from_str::<Value>(&body)
            && let Some(members) = json["members"].as_array_mut()
        {
            // They come by their IDs.
            members.sort_by_key(Value::to_string);
            body = json.to_string();
        }
        format!("{}\n{}\n{body}", answer.status, headers.join("\n"))
    }
}

fn ask(endpoint: &Endpoint, verb: &str, path: &str, body: &str) -> Result<Answer, String> {
    let lines: Option<usize> = verb.strip_prefix("STREAM").and_then(|n| n.parse().ok());
    let verb = if lines.is_some() { "POST" } else { verb };
    let enough = |text: &str| {
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        // The frames of chunks have line feeds of their own.
        let whole = |line: &&str| line.starts_with('{') && line.ends_with('\n');
        lines.is_some_and(|lines| body.split_inclusive('\n').filter(whole).count() >= lines)
    };
    let mut answer = endpoint
        .ask_until(LIMIT, verb, path, body, &enough)
        .map_err(|error| error.to_string())?;
    if let Some(lines) = lines {
        // More may have come at once.
        let kept = answer.body.split_inclusive('\n').take(lines);
        answer.body = kept.collect();
    }
    Ok(answer)
}

/// Fields whose numbers two clusters need not share.
const NUMBERS: &[&str] = &[
    "raft_term",
    "raftTerm",
    "raftIndex",
    "raftAppliedIndex",
    "dbSize",
    "dbSizeInUse",
    "leader",
];

/// `"NAME":"123"` becomes `"NAME":"N"`.
fn mask_number(text: &str, name: &str) -> String {
    let start = format!("\"{name}\":\"");
    let mut parts = text.split(&start);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str(&start);
        masked.push('N');
        masked.push_str(part.find('"').map_or("", |end| &part[end..]));
    }
    masked
}

/// Writes `<<3 TEXT>>` out.
fn repeat(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<<") else {
        return text.to_owned();
    };
    let (inner, after) = rest.split_once(">>").expect("<<COUNT TEXT>>");
    let (count, inner) = inner.split_once(' ').expect("<<COUNT TEXT>>");
    let count: usize = count.parse().expect("a count");
    let all: Vec<_> = (0..count)
        .map(|at| inner.replace('#', &at.to_string()))
        .collect();
    format!("{before}{}{}", all.join(","), repeat(after))
}

/// Writes `"@text"` as base64.
fn encode(text: &str) -> String {
    let mut parts = text.split("\"@");
    let mut encoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inner, rest) = part.split_once('"').expect("a string ends");
        let count = inner.strip_prefix('*').and_then(|count| count.parse().ok());
        let bytes = match count {
            Some(count) => vec![b'x'; count],
            None => inner.replace("\\0", "\0").into_bytes(),
        };
        encoded.push_str(&format!("\"{}\"{rest}", STANDARD.encode(bytes)));
    }
    encoded
}

/// What the two sides make of a row, at the same time.
fn run_both(row: &Row<'_>, ours: &mut Side, theirs: &mut Side) -> (String, String) {
    std::thread::scope(|scope| {
        let ours = scope.spawn(|| ours.run(row));
        let theirs = theirs.run(row);
        let ours = ours.join().unwrap_or_else(|panic| {
            // As if it had happened on this thread.
            std::panic::resume_unwind(panic)
        });
        (ours, theirs)
    })
}

#[track_caller]
fn compare(members: usize, secure: bool) {
    let mut ours = Side::start(Whose::Ours, members, secure);
    let mut theirs = Side::start(Whose::Theirs, members, secure);
    let rows = rows();
    let mut different = Vec::new();
    for row in &rows {
        if let Some(reason) = row.alone
            && members > 1
        {
            println!("left out: {}: {reason}", row.place);
            continue;
        }
        let (ours, theirs) = run_both(row, &mut ours, &mut theirs);
        if ours != theirs {
            different.push(format!(
                "{}: {}\n--- theirs\n{}\n--- ours\n{}\n",
                row.place,
                shorten(row.line),
                shorten(&theirs),
                shorten(&ours)
            ));
        }
    }
    assert!(rows.len() > 300, "the tables hold {} rows", rows.len());
    assert!(
        different.is_empty(),
        "{} of {} rows differ:\n{}",
        different.len(),
        rows.len(),
        different.join("\n")
    );
}

fn shorten(text: &str) -> String {
    if text.len() < 3000 {
        return text.to_owned();
    }
    let cut = |at: usize| {
        (0..=at)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0)
    };
    format!("{}… ({} bytes)", &text[..cut(3000)], text.len())
}

#[test]
fn one_member_over_http() {
    compare(1, false);
}

#[test]
fn one_member_over_https() {
    compare(1, true);
}

#[test]
fn three_members_over_http() {
    compare(3, false);
}

#[test]
fn three_members_over_https() {
    compare(3, true);
}

/// The row that is left out above: whoever was asked, all members refuse all of it.
#[test]
fn a_refused_transaction_writes_on_no_member() {
    let cluster = Cluster::start(&[Whose::Ours; 3], &Plan::default());
    let written = cluster.endpoint(0).put("before", "v").expect("a put");
    for at in 0..3 {
        let txn = serde_json::json!({"success": [
            {"requestPut": {"key": base64("never")}},
            {"requestRange": {"key": base64("before"), "revision": "100000"}},
        ]});
        let refused = cluster.endpoint(at).post("/v3/kv/txn", &txn);
        let error = refused.expect_err("a refusal").to_string();
        assert!(
            error.contains("required revision is a future revision"),
            "{error}"
        );
    }
    for at in 0..3 {
        let found = cluster
            .endpoint(at)
            .post("/v3/kv/range", &serde_json::json!({"key": base64("never")}));
        let found = found.expect("an answer");
        assert_eq!(found["count"], Value::Null, "m{at}: {found}");
        assert_eq!(
            found["header"]["revision"], written["header"]["revision"],
            "m{at}"
        );
    }
    cluster.expect_equal();
}
