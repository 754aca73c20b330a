//! Commands that change a cluster of the reference's members: who leads, who is a member,
//! which alarms are raised. Each side has a cluster of its own.

use std::process::{Child, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::side::{Context, Seen, Side, varint, without_terms};
use super::{compare_talk, wait_for};
use crate::support::free_port;

/// The formats in which every change is told.
const FORMATS: [&[&str]; 4] = [&[], &["-w", "json"], &["-w", "fields"], &["-w", "table"]];

/// Two voters, and the place for a third.
struct Cluster {
    dir: tempfile::TempDir,
    /// Ports for clients and for peers.
    ports: [(u16, u16); 3],
    members: Vec<Child>,
    /// The ID of the third, also when the list of members has lost it.
    third: Option<u64>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            // It may have ended by itself.
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

impl Cluster {
    fn start() -> Self {
        let mut cluster = Self {
            dir: tempfile::tempdir().expect("a directory"),
            ports: [(); 3].map(|()| (free_port(), free_port())),
            members: Vec::new(),
            third: None,
        };
        for at in 0..2 {
            cluster.begin(at, 2, "new");
        }
        wait_for("a leader", || cluster.leader().is_some());
        cluster
    }

    fn peer(&self, at: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[at].1)
    }

    fn endpoint(&self, at: usize) -> String {
        format!("127.0.0.1:{}", self.ports[at].0)
    }

    fn begin(&mut self, at: usize, members: usize, state: &str) {
        let client = format!("http://{}", self.endpoint(at));
        let named: Vec<String> = (0..members)
            .map(|at| format!("m{at}={}", self.peer(at)))
            .collect();
        let data = self.dir.path().join(format!("m{at}"));
        // A member that was removed leaves its directory.
        let _ = std::fs::remove_dir_all(&data);
        let member = Side::Theirs
            .program("etcd")
            .args([
                format!("--name=m{at}"),
                format!("--data-dir={}", data.display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={}", self.peer(at)),
                format!("--initial-advertise-peer-urls={}", self.peer(at)),
                format!("--initial-cluster={}", named.join(",")),
                format!("--initial-cluster-state={state}"),
                // Members need not have known each other for five seconds.
                "--strict-reconfig-check=false".into(),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts");
        self.members.push(member);
    }

    /// What the reference's etcdctl answers at a member in JSON; null if it does not.
    fn ask(&self, at: usize, words: &[&str]) -> Value {
        let output = Side::Theirs
            .program("etcdctl")
            .args(["--endpoints", &self.endpoint(at), "-w", "json"])
            .args(words)
            .output()
            .expect("the reference's etcdctl runs");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Which of the two voters leads, by what both say.
    fn leader(&self) -> Option<usize> {
        let status = [0, 1].map(|at| self.ask(at, &["endpoint", "status"])[0]["Status"].clone());
        let leads = |at: usize| {
            let id = status[at]["header"]["member_id"]
                .as_u64()
                .filter(|id| *id > 0)?;
            let agreed = status
                .iter()
                .all(|said| said["leader"].as_u64() == Some(id));
            agreed.then_some(at)
        };
        leads(0).or_else(|| leads(1))
    }

    fn ids(&self) -> Vec<(String, u64)> {
        let answer = self.ask(0, &["member", "list"]);
        let members = answer["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<(String, u64)> = members
            .iter()
            .map(|member| {
                let at = (0..3).find(|at| member["peerURLs"][0] == self.peer(*at).as_str());
                let id = member["ID"].as_u64().expect("an ID");
                (format!("M{}", at.expect("a known URL")), id)
            })
            .collect();
        let cluster = answer["header"]["cluster_id"].as_u64();
        ids.push(("CLUSTER".into(), cluster.expect("an ID")));
        ids
    }

    fn id(&self, at: usize) -> String {
        let name = format!("M{at}");
        let ids = self.ids();
        let (_, id) = ids.iter().find(|(known, _)| *known == name).expect("an ID");
        format!("{id:x}")
    }

    /// Runs a command; members are called by what they are.
    fn run(&self, side: Side, at: usize, words: &[&str], leader: usize) -> Seen {
        let output = self.output(side, at, words);
        self.seen(&output, leader)
    }

    fn output(&self, side: Side, at: usize, words: &[&str]) -> Output {
        side.program("etcdctl")
            .args(["--endpoints", &self.endpoint(at)])
            .args(words)
            .output()
            .expect("etcdctl runs")
    }

    fn seen(&self, output: &Output, leader: usize) -> Seen {
        let mut context = Context::new(self.dir.path());
        let role = |name: &str| match name {
            "CLUSTER" => "CLUSTER",
            "M2" => "THIRD",
            name if name == format!("M{leader}") => "LEADER",
            _ => "FOLLOWER",
        };
        let third = self.third.map(|id| ("M2".to_owned(), id));
        for (name, id) in self.ids().into_iter().chain(third) {
            let role = role(&name);
            context.masks.extend([
                (id.to_string(), role),
                (format!("{id:x}"), role),
                (varint(id), role),
            ]);
        }
        for (at, (client, peer)) in self.ports.iter().enumerate() {
            let (own, third) = (at == leader, at == 2);
            let [client_name, peer_name] = match (own, third) {
                (true, _) => [":LEADER-CLIENT", ":LEADER-PEER"],
                (_, true) => [":THIRD-CLIENT", ":THIRD-PEER"],
                _ => [":FOLLOWER-CLIENT", ":FOLLOWER-PEER"],
            };
            context.masks.push((format!(":{client}"), client_name));
            context.masks.push((format!(":{peer}"), peer_name));
        }
        // Names come with their numbers; elections may have taken more than one term.
        context.masks.extend([
            (format!("m{leader}"), "LEADER"),
            (format!("m{}", 1 - leader), "FOLLOWER"),
        ]);
        let mut seen = context.seen(output);
        // Members come in the order of their IDs, which are drawn.
        let text = without_terms(&seen.stdout);
        let pieces = text.split(['\n', '{', '}', ',', '"']);
        // Short IDs are filled up with spaces.
        let mut pieces: Vec<String> = pieces
            .map(|piece| piece.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        pieces.sort_unstable();
        seen.stdout = pieces.join("\n");
        seen
    }
}

/// The life of a cluster, told by one side's etcdctl.
fn life(side: Side) -> Vec<(String, Seen)> {
    let mut cluster = Cluster::start();
    let mut told = Vec::new();
    for format in FORMATS {
        let mut tell = |what: &str, seen: Seen| told.push((format!("{what} {format:?}"), seen));
        let with = |words: &[&'static str]| [words, format].concat();
        let leader = cluster.leader().expect("it has one");
        let follower = 1 - leader;
        let id = cluster.id(follower);

        let words = [&with(&["move-leader"])[..], &[&id]].concat();
        tell(
            "asked of a follower",
            cluster.run(side, follower, &words, leader),
        );
        tell("move-leader", cluster.run(side, leader, &words, leader));
        wait_for("the lead to move", || cluster.leader() == Some(follower));
        let (leader, follower) = (follower, leader);

        let peer = format!("--peer-urls={}", cluster.peer(follower));
        let id = cluster.id(follower);
        let words = [&with(&["member", "update"])[..], &[&id, &peer]].concat();
        tell("member update", cluster.run(side, leader, &words, leader));

        let peer = format!("--peer-urls={}", cluster.peer(2));
        let words = [&with(&["member", "add", "m2", "--learner"])[..], &[&peer]].concat();
        tell("member add", cluster.run(side, leader, &words, leader));
        let id = cluster.id(2);
        cluster.third = u64::from_str_radix(&id, 16).ok();
        // In another format the reference crashes when it has promoted.
        let words = ["member", "promote", &id];
        tell("too early", cluster.run(side, leader, &words, leader));
        cluster.begin(2, 3, "existing");
        let mut output = cluster.output(side, leader, &words);
        // A learner that has not caught up is not promoted.
        for _ in 0..300 {
            if output.status.success() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            output = cluster.output(side, leader, &words);
        }
        assert!(output.status.success(), "{format:?}: {output:?}");
        tell("member promote", cluster.seen(&output, leader));
        tell("twice", cluster.run(side, leader, &words, leader));

        let words = [&with(&["member", "remove"])[..], &[&id]].concat();
        tell("member remove", cluster.run(side, leader, &words, leader));
        let mut third = cluster.members.pop().expect("three run");
        // It ends by itself when it hears that it was removed.
        let _ = third.kill();
        let _ = third.wait();
        // An ID comes from the URLs and the second; one that was removed is not taken again.
        std::thread::sleep(Duration::from_millis(1100));
    }
    told
}

#[test]
fn changes_of_members_and_leaders_read_the_same() {
    let [theirs, ours] = [Side::Theirs, Side::Ours].map(life);
    for ((what, theirs), (_, ours)) in theirs.iter().zip(&ours) {
        assert_eq!(theirs, ours, "{what}");
    }
    assert_eq!(theirs.len(), ours.len());
    assert!(theirs.iter().any(|(what, seen)| {
        what.starts_with("member promote") && seen.stdout.contains("promoted in cluster")
    }));
}

/// A full database, in each format: `put` raises the alarm anew.
#[test]
fn alarms_read_the_same() {
    let mut table = String::from("etcdctl put a b\netcdctl put a b -w json\n");
    for words in [
        "alarm list",
        "alarm list -w json",
        "alarm list -w fields",
        "alarm list -w table",
        "endpoint health",
        "endpoint health -w json",
        "get a",
        "del a",
        "alarm disarm",
        "alarm list",
        "endpoint health",
        "put a b",
        "alarm disarm -w json",
        "put a b",
        "alarm disarm -w table",
        "alarm disarm",
    ] {
        table += &format!("etcdctl {words}\n");
    }
    let [theirs, _] = compare_talk(&table, &["--quota-backend-bytes=1"]);
    let log = std::fs::read_to_string(theirs.dir.path().join("log")).expect("a log");
    assert!(log.contains("alarm raised"), "{log}");
}
