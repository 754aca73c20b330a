//! Three members as people run them (`kubedrill etcd …`): the leader is killed again and
//! again under load, nothing that was acknowledged is lost, all members end equal, and
//! Google's `etcdutl` finds every database sound.
//!
//! How one member fares is tested beside the server's code. For a longer run:
//! `KUBEDRILL_CRASH_ROUNDS=500 cargo test --test it etcd_crash`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Home, program, reference, run};

const MEMBERS: usize = 3;
const WRITERS: usize = 3;
/// What CI runs.
const ROUNDS: usize = 12;
/// How many writes are acknowledged between two kills, at least.
const WRITES: usize = 25;
/// For an election and for what follows from it, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Cluster {
    home: Home,
    ports: Vec<(u16, u16)>,
    members: Vec<Option<Child>>,
}

impl Cluster {
    fn new() -> Self {
        let listeners: Vec<_> = (0..2 * MEMBERS)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
            .collect();
        let port = |at: usize| listeners[at].local_addr().expect("bound").port();
        let ports = (0..MEMBERS)
            .map(|at| (port(2 * at), port(2 * at + 1)))
            .collect();
        drop(listeners);
        let mut cluster = Self {
            home: Home::new(),
            ports,
            members: (0..MEMBERS).map(|_| None).collect(),
        };
        (0..MEMBERS).for_each(|at| cluster.start(at));
        cluster
    }

    fn start(&mut self, at: usize) {
        let url = |port| format!("http://127.0.0.1:{port}");
        let all: Vec<String> = (0..MEMBERS)
            .map(|at| format!("m{at}={}", url(self.ports[at].1)))
            .collect();
        let (client, peer) = (url(self.ports[at].0), url(self.ports[at].1));
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.home.path().join(format!("m{at}.log")))
            .expect("a log");
        let mut command = Command::new(program());
        command.arg("etcd").args([
            &format!("--name=m{at}"),
            &format!("--data-dir={}", self.dir(at)),
            &format!("--listen-client-urls={client}"),
            &format!("--advertise-client-urls={client}"),
            &format!("--listen-peer-urls={peer}"),
            &format!("--initial-advertise-peer-urls={peer}"),
            &format!("--initial-cluster={}", all.join(",")),
            // Snapshots and elections come by often.
            "--snapshot-count=100",
            "--heartbeat-interval=20",
            "--election-timeout=200",
        ]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.members[at] = Some(command.spawn().expect("a member"));
    }

    fn dir(&self, at: usize) -> String {
        self.home
            .path()
            .join(format!("m{at}"))
            .to_string_lossy()
            .into_owned()
    }

    fn kill(&mut self, at: usize) {
        if let Some(mut member) = self.members[at].take() {
            let _ = member.kill();
            let _ = member.wait();
        }
    }

    fn addresses(&self) -> Vec<u16> {
        self.ports.iter().map(|(client, _)| *client).collect()
    }

    /// The member that leads, as one of the living says.
    fn leader(&self) -> usize {
        let until = Instant::now() + PATIENCE;
        loop {
            for (at, (port, _)) in self.ports.iter().enumerate() {
                let status = post(*port, "/v3/maintenance/status", &json!({})).ok();
                let leads = status.is_some_and(|status| {
                    status["leader"].is_string()
                        && status["leader"] == status["header"]["member_id"]
                });
                if leads && self.members[at].is_some() {
                    return at;
                }
            }
            assert!(Instant::now() < until, "no leader; {}", self.logs());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The ends of the members' logs.
    fn logs(&self) -> String {
        let tail = |at| {
            let path = self.home.path().join(format!("m{at}.log"));
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(8).collect();
            format!("m{at}: {}", lines.join("\n    "))
        };
        (0..MEMBERS).map(tail).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..MEMBERS).for_each(|at| self.kill(at));
    }
}

/// A request to etcd's JSON gateway.
fn post(port: u16, path: &str, body: &Value) -> io::Result<Value> {
    post_within(Duration::from_secs(3), port, path, body)
}

fn post_within(limit: Duration, port: u16, path: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let mut stream =
        TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_millis(500))?;
    stream.set_read_timeout(Some(limit))?;
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(answer));
    }
    serde_json::from_str(body).map_err(io::Error::other)
}

/// The gateway's bytes are base64; these are hex digits, whose own encoding is made here.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text.as_bytes()
        .chunks(3)
        .flat_map(|chunk| {
            let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
            let all = byte(0) << 16 | byte(1) << 8 | byte(2);
            (0..4).map(move |at| {
                if at > chunk.len() {
                    '='
                } else {
                    DIGITS[(all >> (18 - 6 * at)) as usize & 63] as char
                }
            })
        })
        .collect()
}

/// Writes new keys through whichever member answers until told to stop; returns the
/// keys that were acknowledged. What is lost with a leader is not waited for.
fn write(writer: usize, addresses: &[u16], stop: &AtomicBool, count: &AtomicUsize) -> Vec<String> {
    const LIMIT: Duration = Duration::from_millis(300);
    let mut acknowledged = Vec::new();
    let mut next = 0;
    while !stop.load(Ordering::SeqCst) {
        let key = format!("{writer}-{next:06}");
        let put = json!({"key": base64(&key), "value": base64(&key)});
        let port = addresses[(writer + next) % addresses.len()];
        next += 1;
        match post_within(LIMIT, port, "/v3/kv/put", &put) {
            Ok(_) => {
                acknowledged.push(key);
                count.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    acknowledged
}

#[test]
fn leaders_killed_under_load_lose_nothing() {
    let rounds = std::env::var("KUBEDRILL_CRASH_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS);
    let mut cluster = Cluster::new();
    cluster.leader();
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let addresses = cluster.addresses();
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (addresses, stop, count) = (&addresses, &stop, &count);
                scope.spawn(move || write(writer, addresses, stop, count))
            })
            .collect();
        // Writers stop whatever happens here.
        let killing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                // In the midst of writes, not between them.
                let (known, until) = (count.load(Ordering::SeqCst), Instant::now() + PATIENCE);
                while count.load(Ordering::SeqCst) < known + WRITES {
                    assert!(
                        Instant::now() < until,
                        "nothing is written; {}",
                        cluster.logs()
                    );
                    thread::sleep(Duration::from_millis(1));
                }
                thread::sleep(Duration::from_millis(7 * (round as u64 % 7)));
                let leader = cluster.leader();
                cluster.kill(leader);
                let next = cluster.leader();
                assert_ne!(leader, next, "a dead member leads");
                cluster.start(leader);
            }
        }));
        stop.store(true, Ordering::SeqCst);
        let written = writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("a writer"))
            .collect();
        if let Err(panic) = killing {
            std::panic::resume_unwind(panic);
        }
        written
    });
    expect_equal_members(&cluster, &acknowledged);
    expect_sound_files(&mut cluster);
}

/// Every member has every acknowledged key, and all have the same hash.
fn expect_equal_members(cluster: &Cluster, acknowledged: &[String]) {
    let until = Instant::now() + PATIENCE;
    loop {
        let ask = |path, body: Value| {
            let answers = cluster
                .ports
                .iter()
                .map(|(port, _)| post(*port, path, &body));
            answers.collect::<io::Result<Vec<_>>>()
        };
        let ranges = ask(
            "/v3/kv/range",
            json!({"key": base64("0"), "range_end": base64("9"), "keys_only": true}),
        );
        let hashes = ask("/v3/maintenance/hash", json!({}));
        let found = ranges.and_then(|ranges| Ok((ranges, hashes?)));
        let trouble = match found {
            Ok((ranges, hashes)) => {
                for (at, range) in ranges.iter().enumerate() {
                    let keys: BTreeMap<&str, ()> = range["kvs"]
                        .as_array()
                        .map_or(&[][..], Vec::as_slice)
                        .iter()
                        .filter_map(|kv| Some((kv["key"].as_str()?, ())))
                        .collect();
                    let lost: Vec<_> = acknowledged
                        .iter()
                        .filter(|key| !keys.contains_key(base64(key).as_str()))
                        .collect();
                    assert!(lost.is_empty(), "m{at} lost {lost:?}; {}", cluster.logs());
                }
                let same = |one: &Value| {
                    ["hash", "compact_revision"].map(|field| one[field].clone())
                        == ["hash", "compact_revision"].map(|field| hashes[0][field].clone())
                };
                if hashes[0]["hash"].is_number() && hashes.iter().all(same) {
                    return;
                }
                format!("{hashes:?}")
            }
            Err(error) => error.to_string(),
        };
        assert!(Instant::now() < until, "{trouble}; {}", cluster.logs());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Google's tool and ours say the same of every member's database.
fn expect_sound_files(cluster: &mut Cluster) {
    (0..MEMBERS).for_each(|at| cluster.kill(at));
    for at in 0..MEMBERS {
        let db = format!("{}/member/snap/db", cluster.dir(at));
        let look = ["snapshot", "status", db.as_str(), "--write-out=json"];
        let theirs = run(Command::new(reference("3.5/etcdutl")).args(look), "").expect(0);
        let ours = run(cluster.home.kubedrill(["etcdutl"]).args(look), "").expect(0);
        let (theirs, ours): (Value, Value) = (
            serde_json::from_str(&theirs.stdout).expect("JSON"),
            serde_json::from_str(&ours.stdout).expect("JSON"),
        );
        assert_eq!(ours, theirs, "m{at}");
    }
}
