//! `etcdctl` and `etcdutl` beside the reference's: the same command lines, the
//! same standard output, standard error and exit status.
//!
//! Two members of the reference run, one for each side, so that commands that
//! change something can be rows, too. What must differ between the two (IDs,
//! ports, times, lengths of waits) is masked. A new row is a new line in one of
//! the tables: variables, the command line, and after `<<<` what it reads.
//!
//! Help is compared by its skeleton: names and defaults, not descriptions.

mod changes;
mod every;
mod offline;
mod rows;
mod shells;
pub mod side;
mod together;
mod users;
mod v2;
mod v2_backup;
mod words;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::free_port;
use rows::{DOWN, FILES, MISTAKES, RESTORED, TALK, TLS};

use side::{Context, Row, Seen, Side, reference, varint};
use users::{USERS, USERS_DOWN};

/// Nothing is committed but where the server must. Between commits that come by the
/// clock, 3.5.16 now and then reads a user as he was before his last change, and refuses
/// what he may: its read buffer keeps what it held before a commit behind its end, and a
/// search that ends there takes it (`server/mvcc/backend/tx_buffer.go`, `Range`).
pub const UNHURRIED: &str = "--backend-batch-interval=1h";

/// A member alone in its cluster.
pub struct Member {
    process: Child,
    pub dir: tempfile::TempDir,
    pub client: u16,
    pub peer: u16,
}

impl Member {
    fn start(more: &[&str]) -> Self {
        Self::start_as(Side::Theirs, more)
    }

    /// A member that one side's `etcd` serves, and whose ids have all 16 digits. They follow from its port, and Go prints
    /// no leading zeros, so that columns of tables would be narrower now and then.
    pub fn start_as(side: Side, more: &[&str]) -> Self {
        loop {
            let member = Self::start_once(side, more);
            let digits = |id: &str| id.chars().take_while(char::is_ascii_hexdigit).count();
            if member.ids().iter().all(|id| digits(id) == 16) {
                return member;
            }
        }
    }

    /// A member whose ids all take ten bytes in protobuf, and whose leases have ids of 16
    /// digits: these begin with the last 15 bits of the member's.
    fn start_wide() -> Self {
        loop {
            let member = Self::start(&[]);
            let wide = |id: &String| id.as_str() >= "8" && !id[12..].starts_with(['0', '8']);
            if member.ids().iter().all(wide) {
                return member;
            }
        }
    }

    /// What the log says after `local-member-id` and `cluster-id`; each begins with the id.
    fn ids(&self) -> Vec<String> {
        let log = fs::read_to_string(self.dir.path().join("log")).expect("a log");
        let after = |name: &str| -> Vec<String> {
            let before = format!("\"{name}\":\"");
            let texts = log.split(&before).skip(1);
            texts.map(|rest| rest.chars().take(17).collect()).collect()
        };
        [after("local-member-id"), after("cluster-id")].concat()
    }

    fn start_once(side: Side, more: &[&str]) -> Self {
        let name = "m1";
        let dir = tempfile::tempdir().expect("a directory");
        let (client, peer) = (free_port(), free_port());
        let scheme = if more.contains(&"--cert-file") {
            "https"
        } else {
            "http"
        };
        let process = side
            .program("etcd")
            .args(["--name", name, "--data-dir"])
            .arg(dir.path().join("data"))
            .args([
                format!("--listen-client-urls={scheme}://127.0.0.1:{client}"),
                format!("--advertise-client-urls={scheme}://127.0.0.1:{client}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-cluster={name}=http://127.0.0.1:{peer}"),
            ])
            .args(more)
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("log")).expect("a log"))
            .spawn()
            .expect("etcd starts");
        let member = Self {
            process,
            dir,
            client,
            peer,
        };
        member.await_note(&["published local member"]);
        // The version of the cluster is an entry of the log of its own. The reference tells of
        // the entry when it is applied, and again if whoever asked for it still waits.
        member.await_note(&["cluster version is updated", "set initial cluster version"]);
        member
    }

    /// Waits until it has logged one of `notes`.
    fn await_note(&self, notes: &[&str]) {
        let log = self.dir.path().join("log");
        let begun = Instant::now();
        let told = |log: String| notes.iter().any(|note| log.contains(*note));
        while !fs::read_to_string(&log).is_ok_and(told) {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "none of {notes:?} for 30 s:\n{}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What differs between two members, with what is put in its place.
    fn masks(&self) -> Vec<(String, &'static str)> {
        let output = Side::Theirs
            .program("etcdctl")
            .args([
                "--endpoints",
                &format!("127.0.0.1:{}", self.client),
                "member",
                "list",
                "-w",
                "json",
            ])
            .output()
            .expect("the reference's etcdctl runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let number = |name: &str| -> u64 {
            let at = text
                .find(name)
                .unwrap_or_else(|| panic!("no {name} in {text}"))
                + name.len();
            let digits: String = text[at..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().expect("an ID")
        };
        let (cluster, member) = (number("\"cluster_id\":"), number("\"member_id\":"));
        vec![
            (cluster.to_string(), "CLUSTER"),
            (format!("{cluster:x}"), "CLUSTERX"),
            (member.to_string(), "MEMBER"),
            (format!("{member:x}"), "MEMBERX"),
            (varint(cluster), "CLUSTERV"),
            (varint(member), "MEMBERV"),
            (format!(":{}", self.client), ":CLIENT"),
            (format!(":{}", self.peer), ":PEER"),
        ]
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn wait_for(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "waited 30 s for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a row again while the connection broke before the server's reason was read: who is
/// turned away while it still writes notices now and then only that it can't.
fn run_until_heard(context: &Context, side: Side, row: &Row, before: &[&str]) -> Seen {
    let mut seen = context.run(side, row, before);
    for _ in 0..20 {
        if !seen.stderr.contains(": broken pipe") && !seen.stderr.contains("reset by peer") {
            break;
        }
        seen = context.run(side, row, before);
    }
    seen
}

/// Runs all rows of a table on both sides; fails with all differences at once.
fn compare(table: &str, theirs: &Context, ours: &Context, before: [&[&str]; 2]) {
    let mut differences = Vec::new();
    let mut count = 0;
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let row = Row::parse(line);
        let a = run_until_heard(theirs, Side::Theirs, &row, before[0]);
        let b = run_until_heard(ours, Side::Ours, &row, before[1]);
        count += 1;
        if a != b {
            differences.push(format!("$ {line}\n  theirs: {a:?}\n  ours:   {b:?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {count} rows differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn mistakes_are_told_in_the_same_words() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [theirs, ours] = dirs.each_ref().map(|dir| Context::new(dir.path()));
    compare(MISTAKES, &theirs, &ours, [&[], &[]]);
}

/// A context for rows that talk to `member`.
pub fn beside(member: &Member, closed: u16) -> Context {
    let mut context = Context::new(member.dir.path());
    context.words.push(("CLIENT", member.client.to_string()));
    context.words.push(("CLOSED", closed.to_string()));
    context.masks.extend(member.masks());
    context
}

#[test]
fn a_conversation_reads_the_same() {
    compare_talk(TALK, &[]);
}

/// Runs a table with a member of the reference for each side, which have these flags, too.
fn compare_talk(table: &str, more: &[&str]) -> [Member; 2] {
    let members = [(); 2].map(|()| Member::start(&[&[UNHURRIED], more].concat()));
    let [theirs, ours] = members.each_ref().map(|member| beside(member, 1));
    let endpoints = members
        .each_ref()
        .map(|member| format!("127.0.0.1:{}", member.client));
    compare(
        table,
        &theirs,
        &ours,
        [
            &["--endpoints", &endpoints[0]],
            &["--endpoints", &endpoints[1]],
        ],
    );
    members
}

#[test]
fn users_and_roles_read_the_same() {
    compare_talk(USERS, &[]);
}

/// Every command in every format, also those that a command does not have.
#[test]
fn every_format_reads_the_same() {
    let before = "etcdctl user add u:pw\netcdctl role add r\netcdctl role grant-permission r readwrite a b\netcdctl user grant-role u r\n";
    let rows = words::FORMATS.iter().flat_map(|format| {
        let lines = words::ANSWERS.iter().chain(every::MORE);
        lines.map(move |words| match (*words, *format) {
            // The reference crashes here.
            ("alarm disarm", "-w fields") => String::new(),
            // How wide a column is depends on how long an answer took.
            ("endpoint health", "-w table") => String::new(),
            // How long the message of a member is depends on its ID.
            ("member list", "-w protobuf") => String::new(),
            ("txn", _) => format!(
                "etcdctl txn {format} <<< \"ver(\\\"f\\\") > \\\"0\\\"\\n\\nget f\\nput f 3 --prev-kv\\n\\ndel f --prev-kv\\n\\n\"\n"
            ),
            (words, _) if every::only_once(words) => String::new(),
            (words, _) => every::row(format, words),
        })
    });
    let table: String = std::iter::once(before.to_owned()).chain(rows).collect();
    compare_talk(&table, &[]);
}

/// The help of every command, asked for in both ways, has the same names and defaults.
#[test]
fn help_has_the_same_skeleton() {
    let lines = |program: &str, words: &[&str]| -> String {
        let rows = words.iter().flat_map(|words| {
            [
                format!("{program} {words} -h\n"),
                format!("{program} help {words}\n"),
            ]
        });
        rows.collect()
    };
    let table = lines("etcdctl", words::CTL) + &lines("etcdutl", words::UTL);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [theirs, ours] = dirs.each_ref().map(|dir| Context::new(dir.path()));
    compare(&table, &theirs, &ours, [&[], &[]]);
}

#[test]
fn words_are_completed_the_same() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [theirs, ours] = dirs.each_ref().map(|dir| Context::new(dir.path()));
    compare(words::COMPLETIONS, &theirs, &ours, [&[], &[]]);
}

#[test]
fn nobody_to_log_in_at_is_told_in_the_same_words() {
    let member = Member::start(&[]);
    let context = beside(&member, free_port());
    let short: &[&str] = &["--command-timeout=400ms"];
    compare(USERS_DOWN, &context, &context, [short, short]);
}

/// A lease of each side's own member.
#[test]
fn leases_read_the_same() {
    let members = [Member::start(&[]), Member::start(&[])];
    let contexts = members.each_ref().map(|member| {
        let mut context = beside(member, 1);
        let output = Side::Theirs
            .program("etcdctl")
            .args(["--endpoints", &format!("127.0.0.1:{}", member.client)])
            .args(["lease", "grant", "5000", "-w", "json"])
            .output()
            .expect("the reference's etcdctl runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let digits = text.split("\"ID\":").nth(1).expect("an ID");
        let id: u64 = digits
            .split(',')
            .next()
            .and_then(|digits| digits.parse().ok())
            .expect("a number");
        context.words.push(("LEASE", format!("{id:x}")));
        context.masks.push((id.to_string(), "LEASE"));
        // Some of what is printed has leading zeros.
        context.masks.push((format!("{id:016x}"), "LEASEX"));
        context.masks.push((format!("{id:x}"), "LEASEX"));
        context.masks.push((varint(id), "LEASEV"));
        context
    });
    let endpoints = members
        .each_ref()
        .map(|member| format!("127.0.0.1:{}", member.client));
    let commands = [
        "put k v --lease=LEASE",
        "get k",
        "lease timetolive LEASE",
        "lease timetolive LEASE --keys",
        "lease keep-alive --once LEASE",
        "lease list",
        "put k w --ignore-lease",
    ];
    let mut table = String::new();
    for format in words::FORMATS {
        for command in commands {
            table.push_str(&format!("etcdctl {command} {format}\n"));
        }
    }
    table.push_str("etcdctl lease revoke LEASE -w json\netcdctl get k\netcdctl lease grant 0\netcdctl lease grant -- -1\netcdctl lease grant 9999999999\n");
    let [theirs, ours] = contexts;
    compare(
        &table,
        &theirs,
        &ours,
        [
            &["--endpoints", &endpoints[0]],
            &["--endpoints", &endpoints[1]],
        ],
    );
}

/// Nothing but the reference on one side, nothing but ours on the other.
#[test]
fn a_conversation_with_our_own_member_reads_the_same() {
    let members = [Side::Theirs, Side::Ours].map(|side| Member::start_as(side, &[]));
    let [theirs, ours] = members.each_ref().map(|member| Context {
        engines_differ: true,
        ..beside(member, 1)
    });
    let endpoints = members
        .each_ref()
        .map(|member| format!("127.0.0.1:{}", member.client));
    compare(
        TALK,
        &theirs,
        &ours,
        [
            &["--endpoints", &endpoints[0]],
            &["--endpoints", &endpoints[1]],
        ],
    );
}

#[test]
fn dead_ends_are_told_in_the_same_words() {
    let member = Member::start(&[]);
    let context = beside(&member, free_port());
    let short: &[&str] = &["--command-timeout=400ms"];
    compare(DOWN, &context, &context, [short, short]);
}

/// An authority with a way to sign.
pub fn authority(dir: &Path, name: &str) -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "etcd-ca");
    let issuer =
        rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    fs::write(dir.join(format!("{name}.crt")), issuer.pem()).unwrap();
    issuer
}

/// A certificate for `names`, with its key.
pub fn certificate(
    dir: &Path,
    issuer: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>,
    file: &str,
    names: &[&str],
    until: i32,
) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, file);
    params.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    fs::write(dir.join(format!("{file}.crt")), certificate.pem()).unwrap();
    fs::write(dir.join(format!("{file}.key")), key.serialize_pem()).unwrap();
}

#[test]
fn certificates_are_judged_in_the_same_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let (ca, other) = (authority(path, "ca"), authority(path, "other-ca"));
    certificate(path, &ca, "server", &["localhost", "127.0.0.1"], 2100);
    certificate(path, &ca, "expired", &["localhost", "127.0.0.1"], 2021);
    certificate(path, &ca, "named", &["etcd.example"], 2100);
    certificate(path, &ca, "client", &["client"], 2100);
    certificate(path, &other, "stranger", &["client"], 2100);
    fs::write(path.join("text"), "no certificate\n").unwrap();
    let file = |name: &str| path.join(name).display().to_string();
    let start = |name: &str, more: &[&str]| {
        let (cert, key) = (file(&format!("{name}.crt")), file(&format!("{name}.key")));
        let mut flags = vec!["--cert-file", &cert, "--key-file", &key];
        flags.extend(more);
        Member::start(&flags)
    };
    let good = start(
        "server",
        &["--client-cert-auth", "--trusted-ca-file", &file("ca.crt")],
    );
    let (expired, named) = (start("expired", &[]), start("named", &[]));
    let mut context = Context::new(path);
    for (word, member) in [("GOOD", &good), ("EXPIRED", &expired), ("NAMED", &named)] {
        context.words.push((word, member.client.to_string()));
    }
    let short: &[&str] = &["--command-timeout=600ms"];
    compare(TLS, &context, &context, [short, short]);
}

/// A watch while keys change, in each format.
#[test]
fn watches_read_the_same() {
    let members = [Member::start(&[]), Member::start(&[])];
    for more in [
        &[][..],
        &["-w", "json"],
        &["-w", "fields"],
        &["-w", "table"],
        &["-w", "protobuf"],
        &["--hex"],
        &["--", "sh", "-c", "env | grep ^ETCD_ | sort"],
    ] {
        let mut seen = Vec::new();
        for (member, side) in members.iter().zip([Side::Theirs, Side::Ours]) {
            let endpoint = format!("127.0.0.1:{}", member.client);
            let mut watch = side
                .program("etcdctl")
                .args([
                    "--endpoints",
                    &endpoint,
                    "watch",
                    "k",
                    "--prefix",
                    "--prev-kv",
                ])
                .args(more)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program starts");
            std::thread::sleep(Duration::from_millis(700));
            for change in [
                &["put", "k1", "v"][..],
                &["put", "other", "v"],
                &["put", "k2", "w"],
                &["del", "k1"],
                &["del", "k2"],
            ] {
                let output = Side::Theirs
                    .program("etcdctl")
                    .args(["--endpoints", &endpoint])
                    .args(change)
                    .output();
                assert!(
                    output
                        .expect("the reference's etcdctl runs")
                        .status
                        .success()
                );
            }
            std::thread::sleep(Duration::from_millis(500));
            watch.kill().expect("the watch runs still");
            seen.push(beside(member, 1).seen(&watch.wait_with_output().expect("the watch ends")));
        }
        assert_eq!(seen[0], seen[1], "watch {more:?}");
        match more {
            ["-w", "table"] => assert!(seen[0].stderr.contains("not supported"), "{seen:?}"),
            _ => assert!(!seen[0].stdout.is_empty(), "{seen:?}"),
        }
    }
}

/// The files that the rows of [`FILES`] name.
fn files(dir: &Path, member: &Member) {
    let endpoint = format!("127.0.0.1:{}", member.client);
    for n in 0..40 {
        let put = [format!("/registry/pods/default/p{n}"), "v".repeat(100)];
        let output = Side::Theirs
            .program("etcdctl")
            .args(["--endpoints", &endpoint, "put"])
            .args(put)
            .output();
        assert!(
            output
                .expect("the reference's etcdctl runs")
                .status
                .success()
        );
    }
    let saved = Side::Ours
        .program("etcdctl")
        .args(["--endpoints", &endpoint, "snapshot", "save"])
        .arg(dir.join("s.db"))
        .output()
        .expect("our etcdctl runs");
    assert!(saved.status.success(), "{saved:?}");
    fs::copy(
        member.dir.path().join("data/member/snap/db"),
        dir.join("live.db"),
    )
    .unwrap();
    fs::write(dir.join("text.db"), "hi\n").unwrap();
    fs::write(dir.join("empty.db"), "").unwrap();
    let noise: Vec<u8> = (0..65_536u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(dir.join("noise.db"), noise).unwrap();
    // A bit of a value, so that every page still makes sense.
    let mut flipped = fs::read(dir.join("s.db")).unwrap();
    let at = flipped
        .windows(20)
        .position(|window| window == [b'v'; 20])
        .unwrap();
    flipped[at] ^= 1;
    fs::write(dir.join("flipped.db"), flipped).unwrap();
    fs::create_dir(dir.join("exists")).unwrap();
    fs::write(dir.join("exists/file"), "").unwrap();
}

#[test]
fn files_are_read_and_made_the_same() {
    let source = tempfile::tempdir().unwrap();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    {
        let member = Member::start(&[]);
        files(source.path(), &member);
    }
    for dir in &dirs {
        let copied = Command::new("cp")
            .arg("-r")
            .arg(source.path().join("."))
            .arg(dir.path())
            .status();
        assert!(copied.unwrap().success());
    }
    let [theirs, ours] = dirs.each_ref().map(|dir| Context::new(dir.path()));
    compare(FILES, &theirs, &ours, [&[], &[]]);
    for (data, wal) in RESTORED {
        let [a, b] = dirs.each_ref().map(|dir| {
            let row = Row::parse(&format!(
                "etcdutl snapshot status {data}/member/snap/db -w json"
            ));
            Context::new(dir.path()).run(Side::Theirs, &row, &[])
        });
        assert_eq!(a, b, "{data}");
        let [a, b] = dirs
            .each_ref()
            .map(|dir| fs::read(dir.path().join(wal).join(FIRST_SEGMENT)).unwrap());
        assert!(a == b, "the logs of {data} differ");
    }
    // Nothing half-made stays where a restore failed.
    for gone in ["new", "new1", "new2", "new3"] {
        assert!(!dirs[1].path().join(gone).exists(), "{gone} is there");
    }
    the_reference_runs_on(&dirs[1].path().join("restored"));
}

const FIRST_SEGMENT: &str = "0000000000000000-0000000000000000.wal";

/// Starts the reference's etcd on a directory that ours restored.
fn the_reference_runs_on(data: &Path) {
    let (client, peer) = (free_port(), free_port());
    let mut process = Command::new(reference().join("etcd"))
        .arg("--data-dir")
        .arg(data)
        .args([
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            "--initial-advertise-peer-urls=http://localhost:2380".into(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the reference's etcd starts");
    let ask = |more: &[&str]| {
        let mut command = Side::Ours.program("etcdctl");
        command
            .args([
                "--endpoints",
                &format!("127.0.0.1:{client}"),
                "--command-timeout=20s",
            ])
            .args(more);
        let output = command.output().expect("our etcdctl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let members = ask(&["member", "list"]);
    let value = ask(&["get", "/registry/pods/default/p39", "--print-value-only"]);
    let written = ask(&["put", "after", "restore"]);
    // It is ours; it may have ended by itself.
    let _ = process.kill();
    let _ = process.wait();
    assert!(members.starts_with("8e9e05c52164694d, "), "{members}");
    assert_eq!(value.trim(), "v".repeat(100));
    assert_eq!(written, "OK\n");
}
