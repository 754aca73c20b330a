//! `ETCDCTL_API=2 etcdctl backup`, judged by the reference's server, and endpoints out
//! of DNS for API 2.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use simple_dns::rdata::{A, RData, SRV};
use simple_dns::{CLASS, Name, Packet, QTYPE, RCODE, ResourceRecord, TYPE};

use super::Member;
use super::offline::{BOTH, Server, ctl, end, run, text};
use super::side::Side;

fn ctl2(side: Side, words: &[&str]) -> Output {
    side.program("etcdctl")
        .env("ETCDCTL_API", "2")
        .args(words)
        .output()
        .expect("etcdctl runs")
}

/// A stopped member with keys of both APIs, its log elsewhere, and several raft
/// snapshots; more is in the log alone.
struct Source {
    /// Kept for its directory.
    _member: Member,
    data: PathBuf,
    wal: PathBuf,
    v3: String,
}

impl Source {
    fn make() -> Self {
        let wal = tempfile::tempdir().expect("a directory").keep();
        // Another start on the same log would have the same ids.
        let mut member = Member::start_once(
            Side::Theirs,
            &[
                "--snapshot-count",
                "20",
                "--enable-v2",
                "--wal-dir",
                &wal.display().to_string(),
            ],
        );
        let endpoint = format!("http://127.0.0.1:{}", member.client);
        for number in 0..30 {
            let (key, value) = (format!("/k/{}", number % 8), format!("v{number}"));
            ctl(&member, &["put", &key, &value]);
            let key = format!("/two/{}", number % 7);
            let set = ctl2(
                Side::Theirs,
                &["--endpoints", &endpoint, "set", &key, &value],
            );
            assert!(set.status.success(), "{set:?}");
        }
        let v3 = ctl(&member, &["get", "", "--prefix"]);
        end(&mut member);
        Self {
            data: member.dir.path().join("data"),
            _member: member,
            wal,
            v3,
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // A directory for temporary files is emptied by others, too.
        let _ = fs::remove_dir_all(&self.wal);
    }
}

/// What Google's server says of a copy: the keys of API 2, those of API 3, and whether
/// it takes new ones.
fn served(data: &Path, wal: &Path) -> (Vec<String>, String) {
    let wal = format!("--wal-dir={}", wal.display());
    let server = Server::start(
        Side::Theirs,
        data,
        &["--force-new-cluster", "--enable-v2", &wal],
    );
    let v3 = server.ask(&["get", "", "--prefix"]);
    let members = server.ask(&["member", "list"]);
    assert_eq!(members.lines().count(), 1, "{members}");
    let endpoint = format!("http://127.0.0.1:{}", server.client);
    let two = |words: &[&str]| {
        let words = [&["--no-sync", "--endpoints", &endpoint], words].concat();
        let output = ctl2(Side::Theirs, &words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        text(&output.stdout)
    };
    let v2 = (0..7)
        .map(|number| two(&["-o", "extended", "get", &format!("/two/{number}")]))
        .chain([sorted(&two(&["ls", "-r", "/"]))])
        .collect();
    assert_eq!(two(&["set", "/two/after", "it"]), "it\n");
    assert_eq!(server.ask(&["put", "after", "it"]), "OK\n");
    (v2, v3)
}

/// The reference lists a directory in any order.
fn sorted(listing: &str) -> String {
    let mut lines: Vec<&str> = listing.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Three programs make the copy, with and without the keys of API 3; one server reads
/// the same from all of them.
#[test]
fn backups_of_api_2_run_with_force_new_cluster() {
    let source = Source::make();
    let dir = tempfile::tempdir().expect("a directory");
    let (data, wal) = (
        source.data.display().to_string(),
        source.wal.display().to_string(),
    );
    for with_v3 in [true, false] {
        let mut seen = Vec::new();
        for name in ["theirs", "ours", "utl"] {
            let copy = dir.path().join(format!("{name}-{with_v3}"));
            let (to, log) = (
                copy.display().to_string(),
                copy.with_extension("wal").display().to_string(),
            );
            let mut words = vec!["backup", "--data-dir", &data, "--wal-dir", &wal];
            words.extend(["--backup-dir", &to, "--backup-wal-dir", &log]);
            let made = match name {
                "utl" => {
                    let flag = format!("--with-v3={with_v3}");
                    run(Side::Ours, "etcdutl", &[&words[..], &[&flag]].concat())
                }
                _ => {
                    words.extend(with_v3.then_some("--with-v3"));
                    ctl2(BOTH[usize::from(name == "ours")], &words)
                }
            };
            assert!(made.status.success(), "{name}: {made:?}");
            seen.push((name, served(&copy, Path::new(&log))));
        }
        let expected = if with_v3 { source.v3.as_str() } else { "" };
        for (name, (v2, v3)) in &seen {
            assert_eq!(v3, expected, "{name}");
            assert_eq!(v2, &seen[0].1.0, "{name}");
        }
        assert!(seen[0].1.0[1].contains("v29"), "{seen:?}");
    }
}

/// The log lies below the data directory, as it does in most places.
#[test]
fn backups_of_api_2_find_the_log_by_themselves() {
    let mut member = Member::start(&["--enable-v2"]);
    ctl(&member, &["put", "three", "3"]);
    end(&mut member);
    let data = member.dir.path().join("data").display().to_string();
    for side in BOTH {
        let copy = member.dir.path().join(format!("copy{}", side as u8));
        let to = copy.display().to_string();
        let words = ["backup", "--data-dir", &data, "--backup-dir", &to];
        let made = ctl2(side, &[&words[..], &["--with-v3"]].concat());
        assert!(made.status.success(), "{made:?}");
        let server = Server::start(Side::Theirs, &copy, &["--force-new-cluster"]);
        assert_eq!(server.ask(&["get", "three"]), "three\n3\n");
    }
}

/// Both sides refuse; ours leaves nothing behind, and says why in a line.
#[test]
fn backups_of_api_2_that_can_not_be() {
    let dir = tempfile::tempdir().expect("a directory");
    let to = dir.path().join("to").display().to_string();
    let none = dir.path().join("none").display().to_string();
    let rows: &[(&[&str], &str)] = &[
        (&["backup", "--backup-dir", &to], "\"data-dir\" not set"),
        (
            &["backup", "--data-dir", &none, "--backup-dir", &to],
            "none/member/snap: no such file or directory",
        ),
        (
            &["backup", "--nope"],
            "flag provided but not defined: -nope",
        ),
        (
            &["backup", "--data-dir"],
            "flag needs an argument: -data-dir",
        ),
    ];
    for (words, expected) in rows {
        let [theirs, ours] = BOTH.map(|side| {
            let mut command = side.program("etcdctl");
            command.env("ETCDCTL_API", "2").args(*words);
            let output = command.current_dir(dir.path()).output();
            let left = Path::new(&to).exists();
            let _ = fs::remove_dir_all(&to);
            (output.expect("etcdctl runs"), left)
        });
        assert_eq!(ours.0.status.code(), theirs.0.status.code(), "{words:?}");
        let said = text(&ours.0.stderr);
        assert!(said.contains(expected), "{words:?}: {said}");
        assert!(!ours.1, "{words:?} left a directory");
    }
    let taken = dir.path().join("taken");
    fs::create_dir_all(taken.join("member/snap/something")).expect("a directory");
    let taken = taken.display().to_string();
    let words = ["backup", "--data-dir", &none, "--backup-dir", &taken];
    let said = ctl2(Side::Ours, &words);
    assert_eq!(said.status.code(), Some(1));
    assert!(text(&said.stderr).contains("is not empty"), "{said:?}");
}

/// The variable that tells a test that it is in a network of its own.
const INSIDE: &str = "KUBEDRILL_TEST_OWN_NETWORK";

/// Runs the test of this name again as root of a network with nothing but a loopback,
/// where the port of name servers is free and `/etc/resolv.conf` is what it likes.
fn in_a_network(name: &str) {
    let command = r#"ip link set lo up
cp "$0" "$1"; mount --bind "$1" /etc/resolv.conf
exec "$2" --exact --nocapture "$3""#;
    let dir = tempfile::tempdir().expect("a directory");
    let conf = dir.path().join("conf");
    fs::write(
        &conf,
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    )
    .expect("a file");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount"])
        .args(["sh", "-ec", command])
        .arg(&conf)
        .arg(dir.path().join("bound"))
        .arg(std::env::current_exe().expect("this program"))
        .arg(name)
        .env(INSIDE, "1")
        .output()
        .expect("unshare runs");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// Where the records of services lead.
const HOST: &str = "member.lab.example";

/// Answers for the service `name`, which is at this port of [`HOST`].
fn serve_names(names: Vec<(String, u16)>) {
    let socket = UdpSocket::bind("127.0.0.1:53").expect("the port of name servers");
    let mut bytes = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut bytes) {
        let query = Packet::parse(&bytes[..length]).expect("a question");
        let mut answer = Packet::new_reply(query.id());
        answer.questions.clone_from(&query.questions);
        let asked = query.questions[0].qname.to_string();
        for (name, port) in &names {
            if *name == asked {
                let record = SRV {
                    priority: 10,
                    weight: 1,
                    port: *port,
                    target: Name::new(HOST).expect("a name"),
                };
                let name = Name::new(name).expect("a name");
                let record = ResourceRecord::new(name, CLASS::IN, 60, RData::SRV(record));
                answer.answers.push(record);
            }
        }
        let v4 = QTYPE::TYPE(TYPE::A);
        if asked == HOST && query.questions[0].qtype == v4 {
            let address = RData::A(A {
                address: Ipv4Addr::LOCALHOST.into(),
            });
            let name = Name::new(HOST).expect("a name");
            answer
                .answers
                .push(ResourceRecord::new(name, CLASS::IN, 60, address));
        }
        if answer.answers.is_empty() && asked != HOST {
            *answer.rcode_mut() = RCODE::NameError;
        }
        let bytes = answer.build_bytes_vec().expect("an answer");
        socket.send_to(&bytes, from).expect("sent");
    }
}

#[test]
fn api_2_finds_endpoints_in_dns() {
    if std::env::var_os(INSIDE).is_none() {
        in_a_network("etcdctl_side_by_side::v2_backup::api_2_finds_endpoints_in_dns");
        return;
    }
    let member = Member::start(&["--enable-v2"]);
    let port = member.client;
    let names =
        ["", "-blue"].map(|suffix| (format!("_etcd-client{suffix}._tcp.lab.example"), port));
    std::thread::spawn(move || serve_names(names.into()));
    let url = format!("http://127.0.0.1:{port}");
    let set = ctl2(Side::Theirs, &["--endpoints", &url, "set", "/k", "found"]);
    assert!(set.status.success(), "{set:?}");
    let none: &[(&str, &str)] = &[];
    let rows: &[(&[(&str, &str)], &str)] = &[
        (none, "-D lab.example --insecure-discovery get /k"),
        (
            none,
            "--discovery-srv lab.example --insecure-discovery --no-sync get /k",
        ),
        (none, "-D lab.example --no-sync get /k"),
        (none, "-D other.example get /k"),
        (none, "-D lab.example --discovery-srv-name blue get /k"),
        (
            &[
                ("ETCDCTL_DISCOVERY_SRV", "lab.example"),
                ("ETCDCTL_INSECURE_DISCOVERY", "1"),
            ],
            "get /k",
        ),
        (
            &[("ETCDCTL_DISCOVERY_SRV_NAME", "blue")],
            "-D lab.example --insecure-discovery --no-sync get /k",
        ),
        (
            &[("ETCDCTL_DISCOVERY_SRV_NAME", "red")],
            "-D lab.example --insecure-discovery --no-sync get /k",
        ),
    ];
    for (number, (variables, line)) in rows.iter().enumerate() {
        let [theirs, ours] = BOTH.map(|side| {
            let mut command = side.program("etcdctl");
            command
                .env("ETCDCTL_API", "2")
                .envs(variables.iter().copied());
            let output = command.args(line.split(' ')).output();
            let output = output.expect("etcdctl runs");
            // Sockets that the questions came from have numbers of their own.
            let said: String = text(&output.stderr)
                .split("127.0.0.1:")
                .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()))
                .collect();
            (output.status.code(), text(&output.stdout), said)
        });
        // Usage of a flag that is not there differs in its descriptions.
        if line.contains("srv-name") {
            assert_eq!((ours.0, &ours.2), (theirs.0, &theirs.2), "{line}");
        } else {
            assert_eq!(ours, theirs, "{variables:?} {line}");
        }
        if number < 2 {
            assert_eq!(ours.1, "found\n", "{line}: {}", ours.2);
        }
    }
}
