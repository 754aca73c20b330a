//! The lab `etcd-backup-restore` as a learner works on it: note 000's commands, ours
//! and Google's programs, and everything that people hand in as a backup.

use serde_json::Value;

use crate::support::{Ended, Home, LAB, Running, again_as_an_ordinary_user, labs, reference, run};

/// Solves the lab by an accepted solution, and expects nothing to stay.
fn solve(solution: &str, engine: &[(&str, &str)]) {
    let home = Home::new();
    let script = labs().join(LAB).join("solutions").join(solution);
    let script = std::fs::read_to_string(script).expect("the solution");
    let mut start = home.kubedrill(["start", LAB, "--discard", "--format", "json"]);
    for (flag, binary) in engine {
        start.arg(flag).arg(reference(binary));
    }
    let ended = run(&mut start, &script);
    let told = format!("{}\n{}", ended.stdout, ended.stderr);
    let ended = ended.expect(0);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(report["earned_hundredths"], 1000, "{told}");
    home.await_quiet();
    assert!(!home.sessions().join(LAB).exists(), "--discard removes it");
}

#[test]
fn etcdctl_solves_it() {
    solve("etcdctl.sh", &[]);
}

#[test]
fn etcdutl_solves_it() {
    solve("etcdutl.sh", &[]);
}

const GOOGLES_CLIENTS: [(&str, &str); 3] = [
    ("--etcdctl", "3.5/etcdctl"),
    ("--etcdutl", "3.5/etcdutl"),
    ("--kubectl", "k1.32/kubectl"),
];

#[test]
fn googles_etcdctl_and_kubectl_solve_it() {
    solve("etcdctl.sh", &GOOGLES_CLIENTS);
}

#[test]
fn googles_etcdutl_and_kubectl_solve_it() {
    solve("etcdutl.sh", &GOOGLES_CLIENTS);
}

#[test]
fn googles_older_etcdctl_solves_it() {
    solve("etcdctl.sh", &[("--etcdctl", "3.4/etcdctl")]);
}

#[test]
fn it_is_solved_on_googles_etcd() {
    solve("etcdctl.sh", &[("--etcd", "3.5/etcd")]);
}

#[test]
fn it_is_solved_with_everything_of_google() {
    let mut engine = GOOGLES_CLIENTS.to_vec();
    engine.push(("--etcd", "3.5/etcd"));
    solve("etcdutl.sh", &engine);
}

#[test]
fn a_seed_gives_the_same_lab() {
    let values = |seed: &str| {
        let home = Home::new();
        let mut start = home.kubedrill(["start", LAB, "--discard", "--seed", seed]);
        let ask = "kubectl get configmaps --output=jsonpath='{range .items[*]}{.metadata.name} {.data}{\"\\n\"}{end}'";
        let ended = run(&mut start, ask).expect(1);
        let line = ended
            .stdout
            .lines()
            .find(|line| line.starts_with("ledger-"));
        line.unwrap_or_else(|| panic!("no ledger in {ended:?}"))
            .to_owned()
    };
    let first = values("7");
    assert_eq!(first, values("7"));
    assert_ne!(first, values("8"));
}

/// What is handed in, how it is made, and what the grade says that it is.
const NO_BACKUPS: &[(&str, &str, &str)] = &[
    ("nothing", "true", "no such file"),
    ("an empty file", ": >$F", "an empty file"),
    (
        "random bytes",
        "head -c 65536 /dev/urandom >$F",
        "65536 bytes that are no database of etcd",
    ),
    (
        "a snapshot's first half",
        "head -c 100000 $GOOD >$F",
        "a truncated snapshot: 100000 of ",
    ),
    (
        "a snapshot's first page",
        "head -c 4096 $GOOD >$F",
        "a truncated snapshot: 4096 of ",
    ),
    (
        "a snapshot without its last byte",
        "head -c -1 $GOOD >$F",
        "a truncated snapshot: ",
    ),
    (
        "a snapshot without its checksum",
        "head -c -32 $GOOD >$F",
        "a database file without the checksum that ends a snapshot: a copied member/snap/db",
    ),
    (
        "a copy of the living database",
        "cp /var/lib/etcd/member/snap/db $F",
        "a database file without the checksum that ends a snapshot: a copied member/snap/db",
    ),
    (
        "a snapshot with one changed byte",
        "cp $GOOD $F; printf x | dd of=$F bs=1 seek=50001 conv=notrunc 2>/dev/null; printf y | dd of=$F bs=1 seek=50002 conv=notrunc 2>/dev/null",
        "a damaged snapshot: its bytes do not match its checksum",
    ),
    (
        "a snapshot of another cluster",
        "base64 -d /root/foreign >$F",
        "an intact snapshot, but of another cluster",
    ),
    (
        "a tar archive",
        "tar -cf $F -C /root good.db",
        "a tar archive",
    ),
    (
        "a packed tar archive",
        "tar -czf $F -C /root good.db",
        "a compressed file (gzip)",
    ),
    (
        "a link to a good snapshot",
        "ln -s $GOOD $F",
        "a symbolic link",
    ),
    ("a link to nothing", "ln -s /nowhere $F", "a symbolic link"),
    ("a link to itself", "ln -s $F $F", "a symbolic link"),
    (
        "a link out of the lab",
        "ln -s /proc/1/root/../../etc/passwd $F",
        "a symbolic link",
    ),
    ("a directory", "mkdir $F", "a directory"),
    ("a FIFO", "mkfifo $F", "a FIFO"),
    (
        "10 GB of nothing",
        "truncate -s 10000000000 $F",
        "10000000000 bytes that are no database of etcd",
    ),
    (
        "a snapshot blown up to 10 GB",
        "cp $GOOD $F; truncate -s 10000000032 $F",
        "a file of 10000000032 bytes whose database makes a snapshot of ",
    ),
    (
        "the API's objects",
        "kubectl get all --all-namespaces --output=yaml >$F </dev/null",
        "a text file",
    ),
];

const PRELUDE: &str = r"
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt
export ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
F=/opt/etcd-backup.db
GOOD=/root/good.db
kubectl create deployment before --image=nginx --replicas=2 >/dev/null </dev/null
etcdctl snapshot save $GOOD >/dev/null 2>&1 </dev/null
look() {
  local begun=$(date +%s%N)
  timeout 30 check --format json >/root/verdict </dev/null
  echo; echo @@ $(( ($(date +%s%N) - begun) / 1000000 )); cat /root/verdict; echo; echo @@
  rm -rf $F
}
";

/// The verdicts that `look` printed, with the milliseconds that they took.
fn verdicts(printed: &str) -> Vec<(u64, Value)> {
    let mut pieces = printed.split("\n@@");
    let mut found = Vec::new();
    pieces.next();
    while let (Some(piece), Some(_)) = (pieces.next(), pieces.next()) {
        let (millis, json) = piece.split_once('\n').expect("a verdict");
        let millis = millis.trim().parse().expect("milliseconds");
        found.push((millis, serde_json::from_str(json).unwrap_or(Value::Null)));
    }
    found
}

fn check_of<'a>(report: &'a Value, task: &str) -> &'a Value {
    let tasks = report["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    let task = tasks.iter().find(|one| one["id"] == task);
    task.map_or(&Value::Null, |task| &task["checks"][0])
}

/// A snapshot of another run of the lab, in base64.
fn foreign_snapshot() -> String {
    let home = Home::new();
    let script = format!("{PRELUDE}base64 $GOOD");
    let ended = run(&mut home.kubedrill(["start", LAB, "--discard"]), &script).expect(1);
    let text: Vec<&str> = ended
        .stdout
        .lines()
        .take_while(|line| line.len() > 4 && !line.contains(' '))
        .collect();
    assert!(text.len() > 100, "{ended:?}");
    text.join("\n")
}

#[test]
fn what_is_no_backup_is_called_what_it_is() {
    let foreign = foreign_snapshot();
    let home = Home::new();
    let mut script = format!("{PRELUDE}cat >/root/foreign <<'END'\n{foreign}\nEND\n");
    for (_, make, _) in NO_BACKUPS {
        script += &format!("{{ {make}; }} </dev/null\nlook\n");
    }
    script += "cp $GOOD $F; look\n";
    let ended: Ended = run(&mut home.kubedrill(["start", LAB, "--discard"]), &script).expect(1);
    let verdicts = verdicts(&ended.stdout);
    assert_eq!(verdicts.len(), NO_BACKUPS.len() + 1, "{ended:?}");
    let mut wrong = Vec::new();
    for ((what, _, says), (millis, report)) in NO_BACKUPS.iter().zip(&verdicts) {
        let check = check_of(report, "snapshot");
        let found = check["found"].as_str().unwrap_or_default();
        if check["verdict"] != "failed" || !found.starts_with(says) {
            wrong.push(format!("{what}: {check}, not {says:?}"));
        }
        // Reading 10 GB takes much longer, even if they are holes.
        if *millis > 5000 {
            wrong.push(format!("{what}: the grade took {millis} ms"));
        }
        // What else is right stays right.
        if check_of(report, "workload")["verdict"] != "passed" {
            wrong.push(format!("{what}: {}", check_of(report, "workload")));
        }
    }
    let good = &verdicts[NO_BACKUPS.len()].1;
    if check_of(good, "snapshot")["verdict"] != "passed" {
        wrong.push(format!("the good one: {}", check_of(good, "snapshot")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is asked for, what is typed there, how it ends and what is said.
const SHELLS: &[(&[&str], &str, i32, &str)] = &[
    (
        &["shell"],
        "hostname; id -un; exit 7",
        7,
        "controlplane\nroot\n",
    ),
    (&["shell", "node01"], "hostname; check", 1, "node01\n"),
    (
        &["shell", "node01", "--lab", LAB],
        "hostname",
        0,
        "node01\n",
    ),
    (
        &["shell", "node7"],
        "hostname",
        2,
        "there is no node `node7`; there are controlplane, node01",
    ),
    (
        &["shell", "--lab", "find-etcd"],
        "",
        2,
        "there is no session",
    ),
];

fn one_more_shell(home: &Home) {
    for (args, typed, status, says) in SHELLS {
        let ended = run(&mut home.kubedrill(*args), typed).expect(*status);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(says), "{args:?}: {ended:?}");
    }
    let mut second = Running::on_a_terminal(home, &["shell", "node01"]);
    second.await_text("root@node01");
    second.say("exit\n");
    second.wait();
}

/// `check`, `task` and `hint` as words of the shell, in a terminal.
#[test]
fn a_learner_in_a_terminal_sees_tasks_hints_and_grades() {
    let home = Home::new();
    let ended = run(&mut home.kubedrill(["shell"]), "").expect(2);
    assert!(ended.stderr.contains("no lab runs"), "{ended:?}");
    let mut terminal = Running::on_a_terminal(&home, &["start", LAB, "--seed", "7"]);
    terminal.await_text("Ready after");
    one_more_shell(&home);
    terminal.say("hostname; id -un\n");
    terminal.await_text("controlplane\r\nroot");
    assert!(
        terminal.so_far().contains("/opt/etcd-backup.db"),
        "the tasks are shown"
    );
    terminal.say("task | head -1\n");
    terminal.say("hint snapshot\n");
    terminal.await_text("Hint 1 of");
    terminal.say("check | tail -1\n");
    terminal.await_text("of 10 points");
    assert_eq!(home.state(), "running");
    terminal.say("exit\n");
    let ended = terminal.wait();
    assert!(
        ended.stdout.contains("Not yet: 0 of 10 points"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("goes on where you left"),
        "{}",
        ended.stdout
    );
    assert_eq!(home.state(), "interrupted");
    run(&mut home.kubedrill(["stop", LAB]), "").expect(0);
    assert_eq!(home.state(), "");
    home.await_quiet();
}

#[test]
fn an_ordinary_user_too() {
    // Google's programs may lie where only root reads.
    again_as_an_ordinary_user(module_path!(), &["google"]);
}
