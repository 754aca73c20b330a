//! Commands that wait for each other: locks, elections, mirrors. Ours and the
//! reference's take turns at one member.

use std::io::Read as _;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use super::side::Side;
use super::{Member, wait_for};

/// A command that runs for a while, with what it has printed so far in a file.
struct Running {
    process: Child,
    out: tempfile::NamedTempFile,
}

impl Running {
    fn start(side: Side, member: &Member, words: &[&str]) -> Self {
        let out = tempfile::NamedTempFile::new().expect("a file");
        let process = side
            .program("etcdctl")
            .args(["--endpoints", &endpoint(member)])
            .args(words)
            .stdout(out.reopen().expect("the file"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("etcdctl starts");
        Self { process, out }
    }

    fn so_far(&self) -> String {
        std::fs::read_to_string(self.out.path()).expect("the file")
    }

    fn await_lines(&self, count: usize) {
        wait_for(&format!("{count} lines"), || {
            self.so_far().lines().count() >= count
        });
    }

    /// Sends the signal of Ctrl-C; gives the status, and what was said on standard error.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.process.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-INT", &id])
            .status();
        assert!(sent.expect("kill runs").success());
        let status = self.process.wait().expect("it ends").code();
        let mut said = String::new();
        let stderr = self.process.stderr.take();
        stderr
            .expect("a pipe")
            .read_to_string(&mut said)
            .expect("text");
        (status, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn endpoint(member: &Member) -> String {
    format!("127.0.0.1:{}", member.client)
}

fn ask(side: Side, member: &Member, words: &[&str]) -> Output {
    side.program("etcdctl")
        .args(["--endpoints", &endpoint(member)])
        .args(words)
        .output()
        .expect("etcdctl runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const BOTH: [Side; 2] = [Side::Theirs, Side::Ours];

#[test]
fn a_lock_is_had_by_one_at_a_time() {
    let member = Member::start(&[]);
    for (first, second) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0]), (BOTH[1], BOTH[1])] {
        let holder = Running::start(first, &member, &["lock", "l", "--ttl", "60"]);
        holder.await_lines(1);
        let key = holder
            .so_far()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let id = key.strip_prefix("l/").expect("the key of the lock");
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        let waiter = Running::start(second, &member, &["lock", "l"]);
        wait_for("a second key", || {
            text(&ask(
                Side::Theirs,
                &member,
                &["get", "l/", "--prefix", "--keys-only"],
            ))
            .lines()
            .filter(|line| !line.is_empty())
            .count()
                == 2
        });
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(waiter.so_far(), "", "it must wait");
        assert_eq!(holder.interrupt().0, Some(0));
        waiter.await_lines(1);
        assert_ne!(waiter.so_far().lines().next(), Some(key.as_str()));
        assert_eq!(waiter.interrupt().0, Some(0));
        let left = ask(Side::Theirs, &member, &["get", "l/", "--prefix"]);
        assert_eq!(text(&left), "", "the lock is given up");
    }
}

#[test]
fn who_stops_waiting_leaves_no_key() {
    let member = Member::start(&[]);
    let holder = Running::start(Side::Theirs, &member, &["lock", "l"]);
    holder.await_lines(1);
    let mut ends = Vec::new();
    for side in BOTH {
        let waiter = Running::start(side, &member, &["lock", "l"]);
        let keys = || {
            text(&ask(
                Side::Theirs,
                &member,
                &["get", "l/", "--prefix", "--keys-only"],
            ))
        };
        wait_for("a second key", || keys().matches("l/").count() == 2);
        ends.push(waiter.interrupt());
        wait_for("its end", || keys().matches("l/").count() == 1);
    }
    assert_eq!(ends[0].0, ends[1].0);
    assert_eq!(ends[1].1, "Error: context canceled\n");
}

#[test]
fn a_command_runs_under_the_lock() {
    let member = Member::start(&[]);
    let show = "echo $ETCD_LOCK_KEY | cut -c1-2; test -n \"$ETCD_LOCK_REV\" && echo a revision";
    let rows: [&[&str]; 7] = [
        &["lock", "l", "--", "sh", "-c", show],
        &["lock", "l", "true"],
        &["lock", "l", "--", "sh", "-c", "exit 7"],
        &["lock", "l", "--", "sh", "-c", "kill -9 $$"],
        &["lock", "l", "nosuchprogram"],
        &["lock", "l", "/nosuchprogram"],
        &[
            "lock",
            "l",
            "--ttl",
            "0",
            "--",
            "sh",
            "-c",
            "cat; echo said >&2",
        ],
    ];
    for row in rows {
        let [theirs, ours] = BOTH.map(|side| ask(side, &member, row));
        assert_eq!(theirs.status.code(), ours.status.code(), "{row:?}");
        assert_eq!(text(&theirs), text(&ours), "{row:?}");
        assert_eq!(
            String::from_utf8_lossy(&theirs.stderr),
            String::from_utf8_lossy(&ours.stderr),
            "{row:?}"
        );
    }
}

#[test]
fn an_election_has_one_leader() {
    let member = Member::start(&[]);
    for (first, second) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let observers = BOTH.map(|side| Running::start(side, &member, &["elect", "-l", "e"]));
        let leader = Running::start(first, &member, &["elect", "e", "one"]);
        leader.await_lines(2);
        // Whoever comes to look when it is over does not hear of it.
        for observer in &observers {
            observer.await_lines(2);
        }
        let candidate = Running::start(second, &member, &["elect", "e", "two"]);
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(candidate.so_far(), "", "it must wait");
        assert_eq!(leader.interrupt().0, Some(0));
        candidate.await_lines(2);
        assert!(candidate.so_far().contains("two"));
        for observer in &observers {
            observer.await_lines(4);
        }
        assert_eq!(observers[0].so_far(), observers[1].so_far());
        // While somebody leads: when nobody does they ask who is next, and an answer that
        // is cut off is told.
        let ends = observers.map(Running::interrupt);
        assert_eq!(ends[0], ends[1]);
        assert_eq!(candidate.interrupt().0, Some(0));
    }
}

#[test]
fn a_session_that_expires_is_told() {
    let member = Member::start(&[]);
    let mut ends = Vec::new();
    for side in BOTH {
        let mut holder = Running::start(side, &member, &["lock", "l", "--ttl", "2"]);
        holder.await_lines(1);
        let key = holder
            .so_far()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let id = key.trim_start_matches("l/").to_owned();
        assert!(
            ask(Side::Theirs, &member, &["lease", "revoke", &id])
                .status
                .success()
        );
        let status = holder.process.wait().expect("it ends").code();
        let mut said = String::new();
        let stderr = holder.process.stderr.take();
        stderr
            .expect("a pipe")
            .read_to_string(&mut said)
            .expect("text");
        ends.push((status, said));
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[1].1, "Error: session expired\n");
}

/// What a member holds under all keys.
fn contents(member: &Member) -> String {
    text(&ask(Side::Theirs, member, &["get", "", "--prefix"]))
}

/// Runs a transaction that is read from standard input.
fn write_all(member: &Member, input: &str) {
    use std::io::Write as _;
    let mut process = Side::Ours
        .program("etcdctl")
        .args(["--endpoints", &endpoint(member), "txn"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("etcdctl starts");
    let stdin = process.stdin.take();
    stdin
        .expect("a pipe")
        .write_all(input.as_bytes())
        .expect("it reads");
    assert!(process.wait().expect("it ends").success());
}

#[test]
fn a_mirror_follows() {
    let rows: [&[&str]; 4] = [
        &[],
        &["--prefix", "/a/"],
        &["--prefix", "/a/", "--dest-prefix", "/b/"],
        &["--prefix", "/a/", "--no-dest-prefix"],
    ];
    let source = Member::start(&[]);
    // More keys than a page of the first copy has, 50 in a transaction.
    for start in (0..1050).step_by(50) {
        let puts: String = (start..start + 50)
            .map(|number| format!("put /a/{number} v\n"))
            .collect();
        write_all(&source, &format!("\n{puts}\n\n"));
    }
    for row in rows {
        let mut seen = Vec::new();
        for side in BOTH {
            let mirror = Member::start(&[]);
            let destination = endpoint(&mirror);
            let words: Vec<&str> = ["make-mirror", &destination]
                .into_iter()
                .chain(row.iter().copied())
                .collect();
            let running = Running::start(side, &source, &words);
            wait_for("the first copy", || contents(&mirror).contains("1000"));
            for change in [
                &["put", "/a/new", "1"][..],
                &["put", "/a/new", "2"],
                &["put", "elsewhere", "3"],
                &["del", "/a/0"],
                &["put", "/a/last", "4"],
            ] {
                assert!(ask(Side::Theirs, &source, change).status.success());
            }
            wait_for("the changes", || contents(&mirror).contains("last"));
            drop(running);
            seen.push(contents(&mirror));
            for change in [
                &["put", "/a/0", "v"][..],
                &["del", "/a/new"],
                &["del", "elsewhere"],
                &["del", "/a/last"],
            ] {
                assert!(ask(Side::Theirs, &source, change).status.success());
            }
        }
        assert_eq!(seen[0], seen[1], "{row:?}");
        assert!(
            seen[1].contains("last") && !seen[1].contains("/a/0\n"),
            "{seen:?}"
        );
    }
}
