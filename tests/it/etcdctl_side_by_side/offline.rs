//! `etcdutl`'s work on files, judged by servers: directories that both sides made of
//! one snapshot, backups, hashes, storage versions, damage.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use super::Member;
use super::side::Side;
use crate::support::free_port;

pub const BOTH: [Side; 2] = [Side::Theirs, Side::Ours];

pub fn run(side: Side, program: &str, words: &[&str]) -> Output {
    side.program(program)
        .args(words)
        .output()
        .expect("the program runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn ctl(member: &Member, words: &[&str]) -> String {
    let endpoint = format!("127.0.0.1:{}", member.client);
    let words: Vec<&str> = ["--endpoints", &endpoint]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    let output = run(Side::Theirs, "etcdctl", &words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    text(&output.stdout)
}

/// Puts a value that is too long for a command line.
fn put(member: &Member, key: &str, value: &str) {
    let mut process = Side::Ours
        .program("etcdctl")
        .args(["--endpoints", &format!("127.0.0.1:{}", member.client)])
        .args(["put", key])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("etcdctl starts");
    let mut input = process.stdin.take().expect("a pipe");
    input.write_all(value.as_bytes()).expect("it reads");
    drop(input);
    assert!(process.wait().expect("it ends").success());
}

/// Asks a member to end, so that all is on the disk.
pub fn end(member: &mut Member) {
    let id = member.process.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status();
    assert!(told.expect("kill runs").success());
    let _ = member.process.wait();
}

/// A data directory with some history: compacted, with leases, several raft
/// snapshots, and a saved snapshot beside it. No server runs any more.
struct Source {
    dir: tempfile::TempDir,
    /// What the member said of its hash, for revisions.
    hashes: Vec<(i64, String)>,
    keys: String,
}

impl Source {
    fn make() -> Self {
        let mut member = Member::start(&["--snapshot-count", "20"]);
        for number in 0..60 {
            let (key, value) = (format!("/k/{}", number % 25), format!("v{number}"));
            ctl(&member, &["put", &key, &value]);
        }
        ctl(&member, &["del", "/k/3"]);
        ctl(&member, &["put", "/k/3", "again"]);
        ctl(&member, &["del", "/k/4"]);
        ctl(&member, &["compaction", "40"]);
        let hashes = [0, 45, 60]
            .into_iter()
            .map(|revision| {
                let shown = format!("--rev={revision}");
                let line = ctl(&member, &["endpoint", "hashkv", &shown]);
                let hash = line.trim().rsplit(", ").next().unwrap_or_default();
                (revision, hash.to_owned())
            })
            .collect();
        let keys = ctl(&member, &["get", "", "--prefix"]);
        let saved = member.dir.path().join("s.db").display().to_string();
        ctl(&member, &["snapshot", "save", &saved]);
        end(&mut member);
        let dir = std::mem::replace(&mut member.dir, tempfile::tempdir().expect("a directory"));
        for segment in files(&dir.path().join("data/member/wal"), ".wal") {
            trim(&segment);
        }
        Self { dir, hashes, keys }
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    fn snapshot(&self) -> String {
        self.dir.path().join("s.db").display().to_string()
    }

    /// A copy of the data directory that may be damaged.
    fn copy(&self, to: &Path) -> PathBuf {
        let copy = to.join("data");
        let copied = Command::new("cp")
            .arg("-r")
            .arg(self.dir.path().join("data"))
            .arg(&copy)
            .status();
        assert!(copied.expect("cp runs").success());
        copy
    }
}

/// A server on a directory that was made for it.
pub struct Server {
    process: Child,
    pub client: u16,
}

impl Server {
    pub fn start(side: Side, data: &Path, more: &[&str]) -> Self {
        let (client, peer) = (free_port(), free_port());
        let log = data.with_extension("log");
        let process = side
            .program("etcd")
            .arg("--data-dir")
            .arg(data)
            .args([
                format!("--listen-client-urls=http://127.0.0.1:{client}"),
                format!("--advertise-client-urls=http://127.0.0.1:{client}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                "--initial-advertise-peer-urls=http://localhost:2380".into(),
            ])
            .args(more)
            .stdout(Stdio::null())
            .stderr(fs::File::create(log).expect("a log"))
            .spawn()
            .expect("etcd starts");
        Self { process, client }
    }

    pub fn ask(&self, words: &[&str]) -> String {
        let endpoint = format!("127.0.0.1:{}", self.client);
        let words: Vec<&str> = ["--endpoints", &endpoint, "--command-timeout=20s"]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        let output = run(Side::Theirs, "etcdctl", &words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        text(&output.stdout)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The IDs in an answer's header.
fn ids(json: &str) -> Vec<String> {
    ["\"cluster_id\":", "\"member_id\":"]
        .iter()
        .map(|name| {
            let rest = json.split(name).nth(1).expect("an ID");
            rest.chars().take_while(char::is_ascii_digit).collect()
        })
        .collect()
}

#[test]
fn both_restore_what_both_run_on() {
    let source = Source::make();
    let dir = tempfile::tempdir().expect("a directory");
    let mut seen = Vec::new();
    for restorer in BOTH {
        for server in BOTH {
            let name = format!("by{}for{}", restorer as u8, server as u8);
            let data = dir.path().join(name);
            let restored = run(
                restorer,
                "etcdutl",
                &[
                    "snapshot",
                    "restore",
                    &source.snapshot(),
                    "--data-dir",
                    &data.display().to_string(),
                    "--initial-cluster-token",
                    "other",
                ],
            );
            assert!(restored.status.success(), "{restored:?}");
            let server = Server::start(server, &data, &[]);
            let keys = server.ask(&["get", "", "--prefix"]);
            let hash = server.ask(&["endpoint", "hashkv"]);
            let hash = hash
                .trim()
                .rsplit(", ")
                .next()
                .unwrap_or_default()
                .to_owned();
            seen.push((
                ids(&server.ask(&["member", "list", "-w", "json"])),
                hash,
                keys,
            ));
        }
    }
    assert!(seen.iter().all(|other| *other == seen[0]), "{seen:?}");
    assert_eq!(seen[0].1, source.hashes[0].1);
    assert_eq!(seen[0].2, source.keys);
}

#[test]
fn a_hash_of_a_file_is_that_of_its_member() {
    let source = Source::make();
    let live = format!("{}/member/snap/db", source.data());
    for file in [source.snapshot(), live] {
        for (revision, expected) in &source.hashes {
            let shown = format!("--rev={revision}");
            let output = run(Side::Ours, "etcdutl", &["hashkv", &file, &shown]);
            let line = text(&output.stdout);
            assert_eq!(
                line.split(", ").next(),
                Some(expected.as_str()),
                "{output:?}"
            );
        }
    }
    let said = |words: &[&str]| {
        let output = run(Side::Ours, "etcdutl", words);
        (output.status.code(), text(&output.stderr))
    };
    let file = source.snapshot();
    assert_eq!(
        said(&["hashkv", &file, "--rev=10"]),
        (
            Some(1),
            "Error: mvcc: required revision has been compacted\n".into()
        )
    );
    assert_eq!(
        said(&["hashkv", &file, "--rev=1000"]),
        (
            Some(1),
            "Error: mvcc: required revision is a future revision\n".into()
        )
    );
    assert_eq!(
        said(&["hashkv", "/nope.db"]),
        (
            Some(1),
            "Error: open /nope.db: no such file or directory\n".into()
        )
    );
    let json = run(Side::Ours, "etcdutl", &["hashkv", &file, "-w", "json"]);
    let json = text(&json.stdout);
    assert!(json.contains("\"compactRevision\":40"), "{json}");
}

#[test]
fn a_database_without_members_can_be_restored() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("bare.db");
    let db = bolt::Db::open(&file, bolt::Options::default()).expect("a database");
    let mut tx = db.begin_write().expect("a transaction");
    for bucket in [&b"key"[..], b"meta"] {
        tx.create_bucket(bucket).expect("a bucket");
    }
    tx.commit().expect("written");
    db.close().expect("closed");
    let [theirs, ours] = BOTH.map(|side| {
        let data = dir.path().join(format!("by{}", side as u8));
        let (file, data) = (file.display().to_string(), data.display().to_string());
        let words = [
            "snapshot",
            "restore",
            &file,
            "--skip-hash-check",
            "--data-dir",
        ];
        let restored = run(side, "etcdutl", &[&words[..], &[&data]].concat());
        assert!(restored.status.success(), "{restored:?}");
        let made = format!("{data}/member/snap/db");
        let status = run(Side::Theirs, "etcdutl", &["snapshot", "status", &made]);
        let line = text(&status.stdout);
        let words: Vec<&str> = line.trim().split(", ").collect();
        // What two engines need for the same pairs differs.
        words[..words.len() - 1].join(", ")
    });
    assert_eq!(ours, theirs);
    assert!(!ours.is_empty());
}

#[test]
fn backups_run_with_force_new_cluster() {
    let source = Source::make();
    let dir = tempfile::tempdir().expect("a directory");
    for (with_v3, expected) in [("true", source.keys.as_str()), ("false", "")] {
        for side in BOTH {
            let data = dir.path().join(format!("v3{with_v3}by{}", side as u8));
            let made = run(
                side,
                "etcdutl",
                &[
                    "backup",
                    "--data-dir",
                    &source.data(),
                    "--backup-dir",
                    &data.display().to_string(),
                    &format!("--with-v3={with_v3}"),
                ],
            );
            assert!(made.status.success(), "{made:?}");
            let server = Server::start(Side::Theirs, &data, &["--force-new-cluster"]);
            assert_eq!(server.ask(&["get", "", "--prefix"]), expected, "{with_v3}");
            let members = server.ask(&["member", "list"]);
            assert_eq!(members.lines().count(), 1, "{members}");
            assert_eq!(server.ask(&["put", "after", "it"]), "OK\n");
        }
    }
}

#[test]
fn backups_refuse_a_place_that_is_taken() {
    let source = Source::make();
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("backup").display().to_string();
    let words = [
        "backup",
        "--data-dir",
        &source.data(),
        "--backup-dir",
        &data,
    ];
    assert!(run(Side::Ours, "etcdutl", &words).status.success());
    let again = run(Side::Ours, "etcdutl", &words);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("is not empty"), "{again:?}");
    let other = dir.path().join("other").display().to_string();
    let nothing = run(
        Side::Ours,
        "etcdutl",
        &["backup", "--data-dir", "/nope", "--backup-dir", &other],
    );
    assert_eq!(nothing.status.code(), Some(1));
    assert!(!Path::new(&other).join("member").exists());
}

#[test]
fn storage_versions_go_up_and_down() {
    let source = Source::make();
    let dir = tempfile::tempdir().expect("a directory");
    let data = source.copy(dir.path());
    let shown = data.display().to_string();
    let hash = || {
        let file = data.join("member/snap/db").display().to_string();
        text(&run(Side::Theirs, "etcdutl", &["snapshot", "status", &file]).stdout)
    };
    let migrate = |more: &[&str]| {
        let words: Vec<&str> = ["migrate", "--data-dir", &shown]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let output = run(Side::Ours, "etcdutl", &words);
        (output.status.code(), text(&output.stderr))
    };
    let before = hash();
    let (status, said) = migrate(&["--target-version", "3.5"]);
    assert_eq!(status, Some(0));
    assert!(said.contains("storage version up-to-date"), "{said}");
    let (status, said) = migrate(&["--target-version", "3.6"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("\"new-storage-version\": \"3.6.0\""),
        "{said}"
    );
    assert_ne!(hash(), before);
    let (status, said) = migrate(&["--target-version", "3.5"]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(hash(), before);
    for (words, expected) in [
        (&["--target-version", "3.7"][..], "is not supported"),
        (
            &["--target-version", "4.0"],
            "changing major storage version",
        ),
        (&["--target-version", "3.4"], "Minimal \"3.5\""),
        (&["--target-version", "3"], "expected \"X.Y\""),
        (
            &["--target-version", "a.b"],
            "failed to parse target version",
        ),
        (&[], "required flag(s) \"target-version\" not set"),
    ] {
        let (status, said) = migrate(words);
        assert_eq!(status, Some(1), "{words:?}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    let (status, said) = migrate(&["--target-version", "3.7", "--force"]);
    assert_eq!(status, Some(0), "{said}");
    let server = {
        let (status, said) = migrate(&["--target-version", "3.5", "--force"]);
        assert_eq!(status, Some(0), "{said}");
        Server::start(Side::Theirs, &data, &[])
    };
    assert_eq!(server.ask(&["get", "", "--prefix"]), source.keys);
    let in_use = migrate(&["--target-version", "3.6"]);
    assert_eq!(in_use.0, Some(1));
    assert!(in_use.1.contains("in use by a running etcd"), "{in_use:?}");
}

/// Changes a byte of a file, in place: a file that is cut and written anew goes to the
/// disk when it is closed.
fn flip(file: &Path, at: usize) {
    let file = fs::OpenOptions::new().read(true).write(true).open(file);
    let file = file.expect("the file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x40], at as u64)
        .expect("a byte");
}

/// Cuts the zeros off that a segment of the log is made with, as a full one has none:
/// copies and searches are quicker without 64 MB of them.
fn trim(segment: &Path) {
    let bytes = fs::read(segment).expect("the file");
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
    let file = fs::OpenOptions::new().write(true).open(segment);
    let length = used.next_multiple_of(4096) as u64;
    file.expect("the file").set_len(length).expect("cut");
}

/// The files of a directory with an ending, sorted.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .expect("the directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

fn position(file: &Path, wanted: &[u8]) -> usize {
    let bytes = fs::read(file).expect("the file");
    let mut windows = bytes.windows(wanted.len());
    windows
        .position(|window| window == wanted)
        .expect("these bytes")
}

/// What is done to a data directory, and what must be said of it.
type Damage = (&'static str, fn(&Path), &'static str);

const DAMAGES: &[Damage] = &[
    (
        "a record of the log",
        |data| {
            let segment = &files(&data.join("member/wal"), ".wal")[0];
            flip(segment, position(segment, b"/k/5"));
        },
        "walpb: crc mismatch",
    ),
    (
        "no log",
        |data| fs::remove_dir_all(data.join("member/wal")).expect("the log"),
        "there is no log",
    ),
    (
        "no database",
        |data| fs::remove_file(data.join("member/snap/db")).expect("the file"),
        "there is no database",
    ),
    (
        "a raft snapshot",
        |data| {
            let newest = files(&data.join("member/snap"), ".snap").pop();
            flip(&newest.expect("a snapshot"), 40);
        },
        "member/snap/",
    ),
    (
        "half a database",
        |data| {
            let file = data.join("member/snap/db");
            let length = fs::metadata(&file).expect("the file").len();
            let file = fs::OpenOptions::new().write(true).open(file);
            file.expect("the file")
                .set_len(length / 2 + 7)
                .expect("cut");
        },
        "the file was cut or appended to",
    ),
    (
        "a page",
        |data| {
            let file = data.join("member/snap/db");
            // The flags of every page that isn't one of the first two.
            let length = fs::metadata(&file).expect("the file").len() as usize;
            for page in 2..length / 4096 {
                flip(&file, page * 4096 + 8);
            }
        },
        "page ",
    ),
    (
        "both metas",
        |data| {
            let file = data.join("member/snap/db");
            flip(&file, 16);
            flip(&file, 4096 + 16);
        },
        "no database",
    ),
    (
        "a value that is no pair",
        |data| {
            let file = data.join("member/snap/db");
            let bytes = fs::read(&file).expect("the file");
            let mut at = 0;
            // Every copy of the pair: old pages hold it, too.
            while let Some(next) = bytes[at..].windows(6).position(|w| w == b"\n\x04/k/7") {
                at += next;
                flip(&file, at + 1);
                at += 6;
            }
            assert!(at > 0);
        },
        "the value is no key-value pair",
    ),
    (
        "the database of another member",
        |data| {
            let other = Source::make();
            let theirs = Path::new(&other.data()).join("member/snap/db");
            let bigger = data.join("member/snap/db");
            fs::copy(theirs, bigger).expect("the file");
        },
        "no member of the database",
    ),
    (
        "an interrupted restore",
        |data| fs::create_dir(data.join("member.restoring")).expect("a directory"),
        "did not finish",
    ),
];

#[test]
fn damage_is_found_where_it_is() {
    let source = Source::make();
    let check = |path: &str| {
        let output = run(Side::Ours, "etcdutl", &["check", path]);
        (output.status.code(), text(&output.stdout))
    };
    for sound in [source.data(), source.snapshot()] {
        let (status, said) = check(&sound);
        assert_eq!(status, Some(0), "{said}");
        assert!(said.ends_with("sound\n"), "{said}");
        assert!(!said.contains("ERROR"), "{said}");
    }
    for (what, damage, expected) in DAMAGES {
        let dir = tempfile::tempdir().expect("a directory");
        let data = source.copy(dir.path());
        damage(&data);
        let (status, said) = check(&data.display().to_string());
        let only_noted = said.ends_with("sound\n");
        assert_eq!(status, Some(i32::from(!only_noted)), "{what}: {said}");
        assert!(said.contains(expected), "{what}: {said}");
        assert!(
            said.contains("ERROR") || said.contains("note"),
            "{what}: {said}"
        );
        let json = run(
            Side::Ours,
            "etcdutl",
            &["check", &data.display().to_string(), "-w", "json"],
        );
        let json = text(&json.stdout);
        assert!(json.contains(&format!("\"sound\":{only_noted}")), "{json}");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let changed = dir.path().join("s.db");
    fs::copy(source.snapshot(), &changed).expect("the file");
    flip(&changed, 5000);
    let (status, said) = check(&changed.display().to_string());
    assert_eq!(status, Some(1));
    assert!(said.contains("the SHA-256 at the end"), "{said}");
    let cannot_look = run(Side::Ours, "etcdutl", &["check", "/nope"]);
    assert_eq!(cannot_look.status.code(), Some(2));
}

/// A restore that is killed leaves no directory that looks whole.
#[test]
fn a_killed_restore_leaves_nothing_that_looks_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let saved = dir.path().join("big.db");
    {
        let member = Member::start(&[]);
        let value = "v".repeat(500_000);
        for number in 0..60 {
            put(&member, &format!("/k/{number}"), &value);
        }
        ctl(&member, &["snapshot", "save", &saved.display().to_string()]);
    }
    let restore = |data: &Path, wal: &Path| {
        let mut command = Side::Ours.program("etcdutl");
        command
            .args(["snapshot", "restore"])
            .arg(&saved)
            .arg("--data-dir")
            .arg(data)
            .arg("--wal-dir")
            .arg(wal)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let (data, wal) = (dir.path().join("whole"), dir.path().join("whole-wal"));
    let started = Instant::now();
    let status = restore(&data, &wal).status();
    assert!(status.expect("it runs").success());
    let whole = started.elapsed();
    let mut unfinished = 0;
    for step in 0..12 {
        let (data, wal) = (
            dir.path().join(format!("d{step}")),
            dir.path().join(format!("w{step}")),
        );
        let mut process = restore(&data, &wal).spawn().expect("it starts");
        std::thread::sleep(whole * step / 12);
        // It may have ended by itself.
        let _ = process.kill();
        let _ = process.wait();
        if data.join("member").exists() {
            let report = run(
                Side::Ours,
                "etcdutl",
                &[
                    "check",
                    &data.display().to_string(),
                    "--wal-dir",
                    &wal.display().to_string(),
                ],
            );
            assert!(report.status.success(), "step {step}: {report:?}");
        } else {
            unfinished += 1;
            // What it left is in nobody's way, except a log that was there already.
            let again = restore(&data, &wal).status().expect("it runs");
            assert!(again.success() || wal.exists(), "step {step}");
        }
    }
    assert!(unfinished > 0, "no restore was killed in its middle");
}

#[test]
fn a_running_member_keeps_its_files_to_itself() {
    let member = Member::start(&[]);
    let data = member.dir.path().join("data").display().to_string();
    let checked = run(Side::Ours, "etcdutl", &["check", &data]);
    assert_eq!(checked.status.code(), Some(2));
    let said = text(&checked.stderr);
    assert!(said.contains("in use by a running etcd"), "{said}");
}
