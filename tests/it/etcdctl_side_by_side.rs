//! `etcdctl` and `etcdutl` beside the reference's: the same command lines, the
//! same standard output, standard error and exit status.
//!
//! Two members of the reference run, one for each side, so that commands that
//! change something can be rows, too. What must differ between the two (IDs,
//! ports, times, lengths of waits) is masked. A new row is a new line in one of
//! the tables: variables, the command line, and after `<<<` what it reads.
//!
//! Help is compared by its skeleton: names and defaults, not descriptions.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Mistakes that no server is needed for.
const MISTAKES: &str = r#"
etcdctl version
etcdctl version -w json
etcdctl get
etcdctl get a --nope
etcdctl get a -x
etcdctl get a --limit=abc
etcdctl get a --limit 99999999999999999999
etcdctl get a --limit
etcdctl get a -w
etcdctl get a --write-out
etcdctl get a ---x
etcdctl get --=x
etcdctl get --prefix=maybe a
etcdctl get a --command-timeout 5
etcdctl get a --command-timeout 5parsecs
etcdctl get a -w nope
etcdctl get a -wx
etcdctl get a --order=foo
etcdctl get a --sort-by=foo
etcdctl get a --consistency=x
etcdctl get a b --prefix
etcdctl get a --prefix --from-key
etcdctl get a --keys-only --count-only
etcdctl get a -h
etcdctl get -hw json a
etcdctl help get
etcdctl help lease grant
etcdctl nope
etcdctl e
etcdctl --prefix get a
etcdctl endpoint
etcdctl endpoint nope
etcdctl endpoint health -h
etcdctl lease
etcdctl alarm
etcdctl member
etcdctl snapshot
etcdctl put
etcdctl put a
etcdctl put b --lease=zz x
etcdctl put b v --ignore-value
etcdctl del
etcdctl del a b c
etcdctl del a b --prefix
etcdctl del a --prefix --from-key
etcdctl compaction
etcdctl compaction abc
etcdctl lease grant
etcdctl lease grant abc
etcdctl lease revoke
etcdctl lease revoke xyz
etcdctl lease timetolive
etcdctl lease keep-alive
etcdctl lease keep-alive xyz
etcdctl member add
etcdctl member add a
etcdctl member add a b http://x
etcdctl member add a --peer-urls=foo
etcdctl member add a --peer-urls=127.0.0.1:1
etcdctl member add a --peer-urls=http://127.0.0.1
etcdctl member add a --peer-urls=http://127.0.0.1:1/x
etcdctl member remove
etcdctl member remove xyz
etcdctl member update 1
etcdctl member promote zz
etcdctl move-leader
etcdctl move-leader zz
etcdctl alarm list x
etcdctl alarm disarm x
etcdctl txn x
etcdctl watch
etcdctl watch a b c --
etcdctl watch a b --prefix
ETCDCTL_WATCH_RANGE_END=x etcdctl watch a
ETCDCTL_WATCH_KEY=x etcdctl watch a
ETCDCTL_API=4 etcdctl get a
ETCDCTL_ENDPOINTS=x:1 etcdctl --endpoints y:1 get a
etcdctl --endpoints '' get a
etcdctl --cert DIR/nope.crt get a
etcdctl --cert DIR/nope.crt --key DIR/nope.key get a
etcdctl --cacert DIR/nope.crt get a
etcdctl --cacert '' get a
etcdctl --cacert DIR get a
etcdctl snapshot save
etcdctl snapshot save --foo
etcdctl --endpoints a:1,b:1 snapshot save x.db
etcdutl version
etcdutl version -h
etcdutl snapshot
etcdutl snapshot -h
etcdutl help snapshot
etcdutl nope
etcdutl snapshot save x
etcdutl snapshot status
etcdutl snapshot status a --foo
etcdutl snapshot restore
etcdutl snapshot restore x
etcdutl snapshot restore -h
etcdutl defrag
"#;

/// A conversation with a member; each row sees what the rows before it did.
const TALK: &str = r#"
etcdctl put a b
etcdctl get a
etcdctl get a -w json
etcdctl get a -w fields
etcdctl get a -w table
etcdctl put a '<&>é"\ '
etcdctl get a -w fields
etcdctl get a -w json
etcdctl get a --hex
etcdctl get a --print-value-only
etcdctl get a --print-value-only -w json
etcdctl get a --count-only
etcdctl get a --count-only -w fields
etcdctl put x y
etcdctl put x z --prev-kv
etcdctl put x z --prev-kv -w json
etcdctl put x z --prev-kv -w fields
etcdctl put x z --prev-kv -w table
etcdctl put b 1 -w fields
etcdctl put c <<< "from standard input\n"
etcdctl put -- -k -v
etcdctl get -- -k
etcdctl put '' a
etcdctl put nope --ignore-value
etcdctl put b --ignore-value --prev-kv
etcdctl put b --lease=123 x
etcdctl get '' --prefix --keys-only
etcdctl get '' --from-key
etcdctl get a z --limit 1 -w json
etcdctl get b --keys-only -w json
etcdctl get nokey -w json
etcdctl get '' --prefix --order=descend --sort-by=modify
etcdctl get '' --prefix --order=ascend --sort-by=key
etcdctl get a --consistency=s
etcdctl get a --rev 2
etcdctl get a --rev 100000
etcdctl del nokey
etcdctl del x --prev-kv -w json
etcdctl del x -w fields
etcdctl del y z
etcdctl del y z --range
etcdctl txn <<< "value(\"b\") = \"1\"\nver(\"b\") > \"0\"\n\nput q 1\nget b\ndel c\n\nget zzz\n\n"
etcdctl txn -w json <<< "value(\"b\") = \"1\"\nver(\"b\") > \"0\"\n\nput q 1\nget b\ndel c\n\nget zzz\n\n"
etcdctl txn -w fields <<< "value(\"b\") = \"2\"\n\n\nput q 1\nget b\ndel c\n\n"
etcdctl txn -i <<< "mod(\"b\") != \"0\"\n\nput 'q' \"1 2\"\n\n\n"
etcdctl txn <<< "foo\n\n"
etcdctl txn <<< "value(\"b\") = \"1\""
etcdctl txn <<< "value(\"b\" = \"1\"\n\n"
etcdctl txn <<< "x(\"b\") = \"1\"\n\n"
etcdctl txn <<< "ver(\"b\") = \"abc\"\n\n"
etcdctl txn <<< "\nfoo bar\n\n\n"
etcdctl txn <<< "\nget\n\n\n"
etcdctl txn <<< "\n\n\n"
etcdctl txn <<< "\nput a b\nput a c\n\n\n"
etcdctl compaction 3
etcdctl compaction 3
etcdctl compaction 100000
etcdctl compaction 4 --physical
etcdctl get a --rev 2
etcdctl watch a --rev 1
etcdctl watch a --rev 1 -w json
etcdctl watch a --rev 1 -w fields
etcdctl watch a --rev 1 -w table
etcdctl watch -i <<< "foo\n\nwatch\nwatch a b --prefix\n"
etcdctl watch -i <<< "watch a --nope\n"
etcdctl watch -i <<< "watch a --\n"
etcdctl lease revoke 123
etcdctl lease timetolive 123
etcdctl lease timetolive 123 -w json
etcdctl lease timetolive 123 --keys -w fields
etcdctl lease timetolive 123 -w table
etcdctl lease keep-alive 123
etcdctl lease keep-alive --once 123
etcdctl lease list
etcdctl lease list -w json
etcdctl lease list -w fields
etcdctl lease list -w table
etcdctl alarm list
etcdctl alarm list -w json
etcdctl alarm list -w fields
etcdctl alarm list -w table
etcdctl alarm disarm
etcdctl alarm disarm -w json
etcdctl defrag
etcdctl defrag --cluster
etcdctl endpoint health
etcdctl endpoint health -w json
etcdctl endpoint health -w fields
etcdctl endpoint health -w protobuf
etcdctl endpoint health --cluster
etcdctl endpoint status
etcdctl endpoint status -w json
etcdctl endpoint status -w fields
etcdctl endpoint status -w table
etcdctl endpoint status -w protobuf
etcdctl endpoint status --cluster -w table
etcdctl endpoint hashkv
etcdctl endpoint hashkv -w json
etcdctl endpoint hashkv -w fields
etcdctl endpoint hashkv -w table
etcdctl endpoint hashkv --rev 5
etcdctl member list
etcdctl member list -w json
etcdctl member list -w json --hex
etcdctl member list -w table
etcdctl member list -w fields
etcdctl member remove 1
etcdctl member update 1 --peer-urls=http://127.0.0.1:1
etcdctl member promote 1
etcdctl move-leader 1
etcdctl move-leader 1 -w json
etcdctl snapshot save DIR/s.db
etcdctl snapshot save /nope/x.db
etcdctl snapshot save DIR/s.db --command-timeout 1s
ETCDCTL_FOO=1 etcdctl get b
ETCDCTL_COMMAND_TIMEOUT=x ETCDCTL_WRITE_OUT=json etcdctl get b
ETCDCTL_WRITE_OUT=fields etcdctl get b
etcdctl -w=json ge b
etcdctl en he
etcdctl get b -wjson --hex=true
"#;

/// Nobody listens, or nobody listens there.
const DOWN: &str = r#"
etcdctl --endpoints 127.0.0.1:CLOSED get a
etcdctl --endpoints 127.0.0.1:CLOSED put a b
etcdctl --endpoints 127.0.0.1:CLOSED endpoint health
etcdctl --endpoints 127.0.0.1:CLOSED endpoint health -w json
etcdctl --endpoints 127.0.0.1:CLOSED,127.0.0.1:CLIENT endpoint health
etcdctl --endpoints 127.0.0.1:CLOSED,127.0.0.1:CLIENT endpoint status
etcdctl --endpoints 127.0.0.1:CLOSED endpoint status
etcdctl --endpoints 127.0.0.1:CLOSED endpoint status -w table
etcdctl --endpoints 127.0.0.1:CLOSED endpoint status -w json
etcdctl --endpoints 127.0.0.1:CLOSED endpoint status --cluster
etcdctl --endpoints 127.0.0.1:CLOSED endpoint hashkv
etcdctl --endpoints 127.0.0.1:CLOSED member list
etcdctl --endpoints 127.0.0.1:CLOSED defrag
etcdctl --endpoints 127.0.0.1:CLOSED lease grant 10
etcdctl --endpoints 127.0.0.1:CLOSED alarm list
etcdctl --endpoints 127.0.0.1:CLOSED move-leader 1
etcdctl --endpoints 127.0.0.1:CLOSED snapshot save DIR/q.db
etcdctl --endpoints 127.0.0.1:CLOSED,127.0.0.1:CLIENT get nokey
etcdctl --endpoints https://127.0.0.1:CLIENT get a
etcdctl --endpoints https://127.0.0.1 get a
etcdctl --endpoints 127.0.0.1:99999 get a
etcdctl --endpoints htp://127.0.0.1:1 get a
etcdctl --endpoints 127.0.0.1:CLIENT/ get a
etcdctl --endpoints http://127.0.0.1:CLIENT/ get nokey
etcdctl --endpoints ' 127.0.0.1:CLIENT' get nokey
etcdctl --endpoints localhost:CLOSED get a
"#;

/// Certificates right and wrong; `tls` makes the files and starts the servers.
const TLS: &str = r#"
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints https://localhost:GOOD --cacert ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints 127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key member list
ETCDCTL_CACERT=ca.crt ETCDCTL_CERT=client.crt ETCDCTL_KEY=client.key etcdctl --endpoints https://127.0.0.1:GOOD get a
etcdctl --endpoints http://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert other-ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert stranger.crt --key stranger.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key stranger.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.key --key client.crt get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.crt get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert text --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key text get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert text get a
etcdctl --endpoints https://127.0.0.1:EXPIRED --cacert ca.crt get a
etcdctl --endpoints https://127.0.0.1:NAMED --cacert ca.crt get a
etcdctl --endpoints https://localhost:NAMED --cacert ca.crt get a
etcdctl --endpoints https://127.0.0.1:NAMED --insecure-skip-tls-verify get a
etcdctl --endpoints https://127.0.0.1:NAMED --insecure-skip-tls-verify --insecure-transport=false get a
etcdctl --endpoints https://127.0.0.1:EXPIRED --cacert ca.crt endpoint health
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key snapshot save s.db
"#;

/// Files good and bad; the tables' names are made by `files`.
const FILES: &str = r#"
etcdctl snapshot status s.db
etcdctl snapshot status s.db -w table
etcdctl snapshot status s.db -w json
etcdctl snapshot status s.db -w fields
etcdctl snapshot status s.db -w protobuf
etcdctl snapshot status s.db -w foo
etcdctl snapshot status nope.db
etcdctl snapshot status
etcdctl snapshot status text.db
etcdctl snapshot status noise.db
etcdctl snapshot status empty.db
etcdctl snapshot status flipped.db
etcdctl snapshot status live.db
etcdutl snapshot status s.db
etcdutl snapshot status s.db -w table
etcdutl snapshot status live.db -w json
etcdctl snapshot restore
etcdctl snapshot restore s.db --foo
etcdctl snapshot restore nope.db --data-dir new
etcdctl snapshot restore text.db --data-dir new
etcdctl snapshot restore empty.db --data-dir new
etcdctl snapshot restore noise.db --data-dir new1
etcdctl snapshot restore flipped.db --data-dir new2
etcdctl snapshot restore live.db --data-dir new3
etcdctl snapshot restore live.db --data-dir copied --skip-hash-check
etcdctl snapshot restore flipped.db --data-dir unchecked --skip-hash-check
etcdctl snapshot restore s.db
etcdctl snapshot restore s.db
etcdctl snapshot restore s.db --data-dir ./restored/
etcdctl snapshot restore s.db --data-dir restored
etcdctl snapshot restore s.db --data-dir exists
etcdctl snapshot restore s.db --data-dir new --wal-dir exists
etcdctl snapshot restore s.db --data-dir apart --wal-dir apart-wal
etcdctl snapshot restore s.db --data-dir new --name m1
etcdctl snapshot restore s.db --data-dir new --initial-cluster m1=http://127.0.0.1:1
etcdctl snapshot restore s.db --data-dir new --initial-cluster default=http://127.0.0.1:1
etcdctl snapshot restore s.db --data-dir new --initial-cluster foo
etcdctl snapshot restore s.db --data-dir new --initial-cluster a=foo
etcdctl snapshot restore s.db --data-dir new --initial-advertise-peer-urls=foo
etcdctl snapshot restore s.db --data-dir new --initial-advertise-peer-urls=http://localhost:2380,http://localhost:2381
etcdctl snapshot restore s.db --data-dir new --bump-revision 10
etcdctl snapshot restore s.db --data-dir new --mark-compacted
etcdctl snapshot restore s.db --data-dir bumped --bump-revision 10 --mark-compacted
etcdctl snapshot restore s.db --data-dir three --name b --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380 --initial-advertise-peer-urls http://10.0.0.2:2380 --initial-cluster-token tok
etcdutl snapshot restore s.db --data-dir by-etcdutl
etcdutl defrag --data-dir by-etcdutl
etcdctl defrag --data-dir by-etcdutl
"#;

/// Directories that rows of [`FILES`] make, and where the log of each is.
const RESTORED: [(&str, &str); 7] = [
    ("default.etcd", "default.etcd/member/wal"),
    ("copied", "copied/member/wal"),
    ("restored", "restored/member/wal"),
    ("apart", "apart-wal"),
    ("bumped", "bumped/member/wal"),
    ("three", "three/member/wal"),
    ("by-etcdutl", "by-etcdutl/member/wal"),
];

/// Where the reference's programs are.
fn reference() -> PathBuf {
    let dir = match std::env::var_os("KUBEDRILL_REFERENCE_BINARIES") {
        Some(dir) => PathBuf::from(dir),
        None => {
            let cache = match std::env::var_os("XDG_CACHE_HOME") {
                Some(cache) => PathBuf::from(cache),
                None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
            };
            cache.join("kubedrill/reference-binaries")
        }
    };
    let dir = dir.join("3.5");
    assert!(
        dir.join("etcdctl").exists(),
        "the reference's programs are not at {}: run .ci/reference-binaries",
        dir.display()
    );
    dir
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Theirs,
    Ours,
}

impl Side {
    /// The program with its name as the command line has it.
    fn program(self, name: &str) -> Command {
        let mut command = match self {
            Side::Theirs => Command::new(reference().join(name)),
            Side::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_kubedrill"));
                command.arg(name);
                command
            }
        };
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("ETCDCTL_") {
                command.env_remove(variable);
            }
        }
        command
    }
}

/// A member alone in its cluster.
struct Member {
    process: Child,
    dir: tempfile::TempDir,
    client: u16,
    peer: u16,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Member {
    fn start(more: &[&str]) -> Self {
        Self::start_as(Side::Theirs, more)
    }

    /// A member that one side's `etcd` serves.
    fn start_as(side: Side, more: &[&str]) -> Self {
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
        let ready = || {
            fs::read_to_string(member.dir.path().join("log"))
                .is_ok_and(|log| log.contains("published local member"))
        };
        wait_for("a member", ready);
        // The version of the cluster is an entry of the log of its own.
        wait_for("the cluster's version", || {
            fs::read_to_string(member.dir.path().join("log"))
                .is_ok_and(|log| log.contains("cluster version is updated"))
        });
        member
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

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "waited 30 s for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A line of a table.
struct Row {
    variables: Vec<(String, String)>,
    words: Vec<String>,
    input: Vec<u8>,
}

impl Row {
    fn parse(line: &str) -> Self {
        let (line, input) = match line.split_once("<<<") {
            Some((line, input)) => {
                let words = split(input);
                (line, words.concat().replace("\\n", "\n").into_bytes())
            }
            None => (line, Vec::new()),
        };
        let mut words = split(line);
        let is_variable = |word: &String| {
            word.split_once('=')
                .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        };
        let count = words.iter().take_while(|word| is_variable(word)).count();
        let variables = words
            .drain(..count)
            .filter_map(|w| w.split_once('=').map(|(n, v)| (n.into(), v.into())));
        Self {
            variables: variables.collect(),
            words,
            input,
        }
    }
}

/// Words as in a shell: spaces part them, quotes hold them together, a backslash
/// keeps a quote within double quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('"'), '\\') if chars.peek() == Some(&'"') => {
                word.get_or_insert_default().extend(chars.next())
            }
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What a command line came to, masked.
#[derive(Debug, PartialEq)]
struct Seen {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// What is put into command lines, and taken out of what they print.
struct Context {
    dir: PathBuf,
    /// In the order of replacing.
    words: Vec<(&'static str, String)>,
    masks: Vec<(String, &'static str)>,
    /// Whether two engines may fill pages differently.
    engines_differ: bool,
}

impl Context {
    fn new(dir: &Path) -> Self {
        let shown = dir.display().to_string();
        Self {
            dir: dir.to_owned(),
            words: vec![("DIR", shown.clone())],
            masks: vec![(shown, "DIR")],
            engines_differ: false,
        }
    }

    fn run(&self, side: Side, row: &Row, before: &[&str]) -> Seen {
        let fill = |word: &String| {
            self.words.iter().fold(word.clone(), |word, (name, value)| {
                word.replace(name, value)
            })
        };
        let mut command = side.program(&row.words[0]);
        command
            .args(if row.words[0] == "etcdctl" {
                before
            } else {
                &[]
            })
            .args(row.words[1..].iter().map(fill))
            .envs(row.variables.iter().cloned())
            .env("TZ", "")
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A program that reads nothing may be gone already.
        let _ = child.stdin.take().expect("a pipe").write_all(&row.input);
        self.seen(&child.wait_with_output().expect("the program ends"))
    }

    fn seen(&self, output: &Output) -> Seen {
        Seen {
            status: output.status.code(),
            stdout: self.mask(&output.stdout),
            stderr: self.mask(&output.stderr),
        }
    }

    fn mask(&self, bytes: &[u8]) -> String {
        let mut text = readable(bytes);
        for (from, to) in &self.masks {
            text = text.replace(from, to);
        }
        let text = mask_after(&text, "\"ts\":\"", |c| c != '"', "T");
        let text = mask_after(&text, "etcd-endpoints://0x", |c| c.is_ascii_hexdigit(), "P");
        let text = mask_after(&text, "current time ", |c| c != ' ', "T");
        let text = match self.engines_differ {
            true => mask_after(&text, "\"dbSizeInUse\":", |c| c.is_ascii_digit(), "N"),
            false => text,
        };
        let text = mask_stack(&text);
        let text = mask_durations(&text);
        skeleton(&mask_console_times(&text))
    }
}

/// Printable ASCII, lines and tabs as they are, other bytes as `\xff`.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\n' | b'\t' | b' '..=b'~' => text.push(byte as char),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// Replaces what follows each `start` as long as `inside` holds.
fn mask_after(text: &str, start: &str, inside: impl Fn(char) -> bool, with: &str) -> String {
    let mut parts = text.split(start);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str(start);
        masked.push_str(with);
        masked.push_str(part.trim_start_matches(&inside));
    }
    masked
}

/// Go's stack traces on lines of level error and above are not ours to have.
fn mask_stack(text: &str) -> String {
    let lines = text
        .split('\n')
        .map(|line| match line.split_once(",\"stacktrace\"") {
            Some((head, _)) => format!("{head}}}"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// `1.139603ms`, `2µs`, `1.000434914s` after the words that say a wait.
fn mask_durations(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit() || c == '.';
    let mut text = text.to_owned();
    for start in ["took = ", "\"took\":\"", "\"Took\" : ", "\"took\": \""] {
        text = mask_after(&text, start, number, "D");
        for unit in ["Dms", "D\\xc2\\xb5s", "Ds"] {
            text = text.replace(&format!("{start}{unit}"), &format!("{start}D"));
        }
    }
    text
}

/// `2026-11-21T10:04:04Z` at the start of a line.
fn mask_console_times(text: &str) -> String {
    let lines = text.split('\n').map(|line| match line.split_once("Z\t") {
        Some((time, rest)) if time.len() == 19 && time.contains('T') => format!("TIME\t{rest}"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Help without its descriptions.
fn skeleton(text: &str) -> String {
    let etcdctl = text.starts_with("NAME:\n");
    if !etcdctl && !text.contains("Usage:\n  etcdutl") {
        return text.to_owned();
    }
    let mut described = false;
    let lines = text.split('\n').filter_map(|line| {
        if line.ends_with(':') && !line.starts_with([' ', '\t']) {
            described = line.starts_with("DESCRIPTION");
        }
        if described {
            return None;
        }
        let line = if etcdctl {
            line.trim_start_matches('\t')
        } else {
            line
        };
        let end = if etcdctl {
            line.find('\t').or_else(|| line.find(" - "))
        } else {
            line.trim_start()
                .find("  ")
                .map(|at| at + line.len() - line.trim_start().len())
        };
        let head = end.map_or(line, |end| &line[..end]);
        // Commands that ours refuses by name are not listed by it.
        let refused = head.starts_with("  backup") || head.starts_with("  completion");
        (!refused).then(|| head.trim_end().to_owned())
    });
    let mut lines: Vec<String> = lines.collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    // One space stands between a short name and its description.
    for line in &mut lines {
        if !etcdctl && line.starts_with("  ") && !line.trim_start().starts_with(['-', 'e']) {
            *line = line
                .trim_start()
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned();
        }
    }
    lines.join("\n")
}

/// Runs all rows of a table on both sides; fails with all differences at once.
fn compare(table: &str, theirs: &Context, ours: &Context, before: [&[&str]; 2]) {
    let mut differences = Vec::new();
    let mut count = 0;
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let row = Row::parse(line);
        let mut a = theirs.run(Side::Theirs, &row, before[0]);
        // Turned away in the TLS handshake, the reference now and then notices
        // only that it can't write, and then misses the server's reason.
        for _ in 0..20 {
            if !a.stderr.contains(": broken pipe") && !a.stderr.contains("reset by peer") {
                break;
            }
            a = theirs.run(Side::Theirs, &row, before[0]);
        }
        let b = ours.run(Side::Ours, &row, before[1]);
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
fn beside(member: &Member, closed: u16) -> Context {
    let mut context = Context::new(member.dir.path());
    context.words.push(("CLIENT", member.client.to_string()));
    context.words.push(("CLOSED", closed.to_string()));
    context.masks.extend(member.masks());
    context
}

#[test]
fn a_conversation_reads_the_same() {
    let members = [Member::start(&[]), Member::start(&[])];
    let [theirs, ours] = members.each_ref().map(|member| beside(member, 1));
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
fn authority(dir: &Path, name: &str) -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
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
fn certificate(
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
        assert!(
            seen[0].stdout.contains("k1") || !seen[0].stdout.is_empty(),
            "{seen:?}"
        );
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
