//! The v2 API: the same requests and command lines on both sides, and directories that
//! go from one to the other.

mod certificates;
mod rows;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{Member, Side, beside, compare, free_port, wait_for};
use crate::etcd_cluster::base64;
use rows::{COMMANDS, HISTORY, HTTP, WITHOUT};

const ENABLED: &[&str] = &["--enable-v2"];

/// What a member answered: the status, the headers that mean something, the body.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Asks as a row says.
fn ask(port: u16, row: &str) -> Answer {
    exchange(connect(port), port, row)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a member that listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout above zero");
    stream
}

/// The same on a connection of the caller's.
fn exchange(mut stream: impl Read + Write, port: u16, row: &str) -> Answer {
    let (user, row) = match row.strip_prefix('@').and_then(|row| row.split_once(' ')) {
        Some((user, row)) => (Some(user), row),
        None => (None, row),
    };
    let (method, rest) = row.split_once(' ').expect("a method and a path");
    let mut parts = rest.splitn(3, ' ');
    let path = parts.next().expect("a path");
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    if let Some(user) = user {
        let credentials = match user {
            "" => "Bearer x".to_owned(),
            user => format!("Basic {}", base64(user)),
        };
        head += &format!("Authorization: {credentials}\r\n");
    }
    let kind = parts.next();
    let body = parts.next().unwrap_or_default();
    if let Some(kind) = kind {
        let kind = match kind {
            "form" => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        head += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    }
    stream
        .write_all(format!("{head}\r\n{body}").as_bytes())
        .expect("a member that reads");
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // The end of TLS without its last word.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => panic!("{row}: {error}"),
        _ => {}
    }
    read(&String::from_utf8_lossy(&bytes))
}

fn read(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let mut headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
    // What says nothing about the API: times, how the body comes, and the log's index,
    // which depends on when the leader said how late it is.
    let dull = [
        "date",
        "content-length",
        "transfer-encoding",
        "connection",
        "x-raft-index",
    ];
    headers.retain(|(name, _)| !dull.contains(&name.as_str()));
    headers.sort();
    Answer {
        status: status.and_then(|code| code.parse().ok()).expect("a status"),
        headers,
        body: match chunked {
            true => unchunk(body),
            false => body.to_owned(),
        },
    }
}

fn unchunk(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        if size == 0 {
            break;
        }
        body += &rest[..size];
        text = &rest[size + 2..];
    }
    body
}

/// What a machine's load decides is masked: times, and the seconds that are left.
fn mask_times(text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["\"expiration\":\"", "\"startTime\":\"", "\"uptime\":\""] {
        let mut parts = text.split(name);
        let mut masked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.split_once('"').map_or("", |(_, rest)| rest);
            masked += &format!("{name}T\"{rest}");
        }
        text = masked;
    }
    without_ttl(&text)
}

/// Without the seconds that are left; that there is a limit still shows.
fn without_ttl(text: &str) -> String {
    let mut parts = text.split("\"ttl\":");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked += "\"ttl\":";
        masked += part.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    masked
}

fn masked(answer: Answer, masks: &[(String, &'static str)]) -> Answer {
    let mask = |text: &str| {
        masks
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    };
    Answer {
        status: answer.status,
        headers: answer
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), mask(value)))
            .collect(),
        body: mask_times(&mask(&answer.body)),
    }
}

#[test]
fn v2_requests_are_answered_the_same() {
    let members = [Side::Theirs, Side::Ours].map(|side| Member::start_as(side, ENABLED));
    let masks = members.each_ref().map(Member::masks);
    let mut differences = Vec::new();
    let rows: Vec<&str> = HTTP.lines().filter(|row| !row.is_empty()).collect();
    assert!(rows.len() > 200);
    for row in rows {
        let [theirs, ours] =
            [0, 1].map(|side| masked(ask(members[side].client, row), &masks[side]));
        if theirs != ours {
            differences.push(format!("{row}\n  theirs: {theirs:?}\n  ours:   {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn v2_commands_read_the_same() {
    let members = [Member::start(ENABLED), Member::start(ENABLED)];
    let closed = free_port();
    let [theirs, ours] = members.each_ref().map(|member| beside(member, closed));
    let endpoints = members
        .each_ref()
        .map(|member| format!("http://127.0.0.1:{}", member.client));
    compare(
        COMMANDS,
        &theirs,
        &ours,
        [
            &["--endpoints", &endpoints[0]],
            &["--endpoints", &endpoints[1]],
        ],
    );
}

#[test]
fn v2_commands_without_the_v2_api_read_the_same() {
    for side in [Side::Theirs, Side::Ours] {
        let member = Member::start_as(side, &[]);
        let context = beside(&member, 1);
        let endpoint = format!("http://127.0.0.1:{}", member.client);
        let before: &[&str] = &["--endpoints", &endpoint];
        compare(WITHOUT, &context, &context, [before, before]);
        assert_eq!(ask(member.client, "GET /v2/keys").status, 404);
    }
}

/// A command that is run for each change, and what it is told of the change.
#[test]
fn v2_exec_watch_runs_the_same() {
    let told = [Side::Theirs, Side::Ours].map(|side| {
        let member = Member::start(ENABLED);
        let endpoint = format!("http://127.0.0.1:{}", member.client);
        let change = |words: &[&str]| {
            let mut command = Side::Theirs.program("etcdctl");
            let command = command
                .env("ETCDCTL_API", "2")
                .args(["--endpoints", &endpoint]);
            let output = command.args(words).output().expect("etcdctl runs");
            assert!(output.status.success(), "{words:?}: {output:?}");
        };
        change(&["mkdir", "/k"]);
        let out = tempfile::NamedTempFile::new().expect("a file");
        let mut watch = side
            .program("etcdctl")
            .env("ETCDCTL_API", "2")
            .args([
                "--endpoints",
                &endpoint,
                "exec-watch",
                "--recursive",
                "/k",
                "--",
            ])
            .args(["sh", "-c", "env | grep ^ETCD_WATCH_ | sort; echo ."])
            .stdin(Stdio::null())
            .stdout(out.reopen().expect("the file"))
            .stderr(Stdio::null())
            .spawn()
            .expect("etcdctl starts");
        let so_far = || std::fs::read_to_string(out.path()).expect("text");
        let changes: [&[&str]; 4] = [
            &["set", "/k/a", "1"],
            &["update", "/k/a", "two words"],
            &["rm", "/k/a"],
            &["set", "/other", "1"],
        ];
        // The watch has no word for that it listens.
        std::thread::sleep(Duration::from_millis(700));
        for (count, words) in changes.iter().enumerate() {
            change(words);
            let seen = (count + 1).min(3);
            wait_for("the command to run", || {
                so_far().matches("\n.\n").count() == seen
            });
        }
        // It may have ended by itself, which the comparison shows.
        let _ = watch.kill();
        let _ = watch.wait();
        so_far()
    });
    assert_eq!(told[0], told[1]);
    assert!(told[1].contains("ETCD_WATCH_ACTION=update"), "{}", told[1]);
}

/// A member on a directory that stays when it ends.
struct Running(Child);

impl Running {
    fn start(side: Side, data: &Path, ports: (u16, u16)) -> Self {
        let (client, peer) = ports;
        let process = side
            .program("etcd")
            .arg("--data-dir")
            .arg(data)
            .args([
                format!("--listen-client-urls=http://127.0.0.1:{client}"),
                format!("--advertise-client-urls=http://127.0.0.1:{client}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
                "--enable-v2".into(),
                // Often, so that the store comes from a snapshot and the log after it.
                "--snapshot-count=10".into(),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts");
        let running = Self(process);
        wait_for("a member", || {
            TcpStream::connect(("127.0.0.1", client)).is_ok()
                && ask(client, "GET /v2/keys?quorum=true").status == 200
        });
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that a member knows, without the seconds that are left.
fn contents(port: u16) -> Vec<String> {
    [
        "GET /v2/keys?recursive=true&sorted=true",
        "GET /v2/keys/dir/_hidden",
        // From the history.
        "GET /v2/keys/dir/b?wait=true&waitIndex=1",
        "GET /v2/keys/short?wait=true&waitIndex=8",
        "GET /v2/keys/queue?wait=true&recursive=true&waitIndex=11",
        "GET /v2/auth/users",
        "GET /v2/auth/roles",
        "GET /v2/members",
    ]
    .iter()
    .map(|row| {
        let mut answer = ask(port, row);
        // A start is a term more, and a change: the member says where it is.
        let counts = ["x-raft-term", "x-etcd-index"];
        answer
            .headers
            .retain(|(name, _)| !counts.contains(&name.as_str()));
        let body = without_ttl(&answer.body);
        format!("{row}: {} {:?} {body}", answer.status, answer.headers)
    })
    .collect()
}

fn index(port: u16) -> String {
    let answer = ask(port, "GET /v2/keys?quorum=true");
    let found = answer
        .headers
        .iter()
        .find(|(name, _)| name == "x-etcd-index");
    found.expect("an index").1.clone()
}

/// A directory with v2 data goes to the other side and back; nothing is lost and every
/// answer stays the same, its expiry, its history and its index included.
#[test]
fn v2_data_crosses_both_ways() {
    for (first, second) in [(Side::Theirs, Side::Ours), (Side::Ours, Side::Theirs)] {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        let ports = (free_port(), free_port());
        let port = ports.0;
        let before = {
            let _running = Running::start(first, &data, ports);
            for row in HISTORY {
                let answer = ask(port, row);
                assert!(answer.status < 300, "{row}: {answer:?}");
            }
            let begun = Instant::now();
            while ask(port, "GET /v2/keys/short").status == 200 {
                assert!(
                    begun.elapsed() < Duration::from_secs(20),
                    "it never expires"
                );
                std::thread::sleep(Duration::from_millis(100));
            }
            (contents(port), index(port))
        };
        let after = {
            let _running = Running::start(second, &data, ports);
            // A member says again where it is: one more change.
            let changed = index(port).parse::<u64>().expect("a number");
            assert!(changed >= before.1.parse().expect("a number"));
            assert_eq!(before.0, contents(port));
            for row in HISTORY.iter().take(12).filter(|row| !row.contains("short")) {
                ask(port, row);
            }
            contents(port)
        };
        let _running = Running::start(first, &data, ports);
        assert_eq!(after, contents(port));
    }
}
