//! Submissions, well meant and hostile: each gets its grade or its limit's sentence, and
//! neither the host nor the next one is any the worse.

use std::fs;

use crate::support::{Home, Host, Running, run};

/// The script, how many points it gets of the two, and what is said of it.
const SUBMISSIONS: &[(&str, &str, u64, &str)] = &[
    (
        "right",
        "kubectl create configmap owner -n team --from-literal=name=$owner",
        200,
        "",
    ),
    ("empty", "", 0, ""),
    ("exits", "exit 3", 0, ""),
    ("no-text", "\u{0}\u{1}\u{2}", 0, ""),
    (
        "waits",
        "kubectl create configmap owner -n team --from-literal=name=$owner; exec sleep 1000",
        200,
        "ran for more than",
    ),
    ("prints", "exec yes", 0, "printed more than 1 MiB"),
    (
        "fills",
        "exec head -c 900M /dev/zero >/opt/fill",
        0,
        "files took more than 400 MiB",
    ),
    (
        "hungry",
        "a=$(head -c 900M /dev/zero | tr '\\0' x); sleep 100",
        0,
        "MiB of memory",
    ),
    (
        "fills-memory",
        "mkdir -p '/mnt/a b'; mount -t tmpfs none '/mnt/a b'; head -c 900M /dev/zero >'/mnt/a b/fill'; sleep 100",
        0,
        "MiB of memory",
    ),
    ("forks", "b() { b | b & }; b; sleep 1000", 0, "more than"),
    (
        "leaves-a-daemon",
        "setsid sleep 1000 & kubectl create configmap owner -n team --from-literal=name=$owner",
        200,
        "",
    ),
    ("kills-all", "kill -9 -1; kill -9 $$", 0, ""),
    (
        "takes-the-place-of-the-lab",
        "rm -f /run/kubedrill-lab/lab.sock; touch /run/kubedrill-lab/x; \
         grep ' /run/kubedrill-lab [^ ]* ro,' /proc/mounts && exec kubectl create configmap owner -n team --from-literal=name=$owner",
        200,
        "",
    ),
    (
        "reads-the-checks",
        "found=$(find / \\( -path /proc -o -path /usr \\) -prune -o \\( -name lab.toml -o -path '*/solutions/*' -o -name 'right.sh*' \\) -print 2>/dev/null); \
         found+=$(cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -e ^KUBEDRILL -e lab.toml); \
         [ -z \"$found\" ] && exec kubectl create configmap owner -n team --from-literal=name=$owner",
        200,
        "",
    ),
    (
        "writes-the-report",
        "report='{\"report\":{\"earned_hundredths\":200,\"passed\":true}}'; echo \"$report\"; echo \"$report\" >&2; \
         for place in / /tmp /run /run/kubedrill-lab /proc/1/fd /proc/1/root /var/lib; do \
         echo \"$report\" >$place/report.json; echo \"$report\" >$place/writes-the-report.sh.json; done",
        0,
        "",
    ),
    (
        "never-answers-the-grader",
        "mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/; while pgrep -x kube-apiserver; do sleep 0.1; done; \
         printf 'listen=0.0.0.0:6443\\nto=127.0.0.1:9\\ncut=yes\\n' >/tmp/line; setsid peer-link /tmp/line & sleep 1",
        0,
        "",
    ),
    (
        "leaves-the-node",
        "mknod /tmp/disk b 8 0; cat /proc/1/root/etc/shadow; mount -t proc none /mnt; \
         ls /proc/*/root/../.. /mnt/*/root; ln -s / /opt/host; exec kubectl create configmap owner -n team --from-literal=name=$owner",
        200,
        "",
    ),
];

#[test]
fn every_submission_is_graded_and_nothing_is_left() {
    let before = Host::now();
    let home = Home::new();
    let lab = home.path().join("labs/small");
    run(home.kubedrill(["new"]).arg(&lab), "").expect(0);
    let results = home.path().join("results");
    let mut grade = home.kubedrill([
        "grade",
        "--format=json",
        "--jobs=2",
        "--time-limit=20",
        "--output-limit=1",
        "--memory-limit=800",
        "--disk-limit=400",
    ]);
    grade.arg("--results").arg(&results).arg(&lab);
    for (name, script, ..) in SUBMISSIONS {
        let file = home.path().join(format!("{name}.sh"));
        fs::write(&file, script).expect("written");
        grade.arg("--submission").arg(format!("{name}.sh"));
    }
    let first = run(&mut grade, "");
    assert!(matches!(first.status, 1 | 3), "{first:?}");
    let graded: serde_json::Value = serde_json::from_str(&first.stdout).expect("JSON");
    for ((name, _, hundredths, remark), one) in
        SUBMISSIONS.iter().zip(graded.as_array().expect("a list"))
    {
        let report = &one["report"];
        let said = report["remark"].as_str().unwrap_or_default();
        // A remark of hungry processes may come before that of the time.
        assert!(said.contains(remark), "{name}: {one:#}");
        assert_eq!(said.is_empty(), remark.is_empty(), "{name}: {one:#}");
        assert_eq!(report["earned_hundredths"], *hundredths, "{name}: {one:#}");
    }
    home.await_quiet();
    assert_eq!(before, Host::now());

    // What has a grade is not run again.
    // What could not be looked at is, and may take another time.
    let second = run(&mut grade, "");
    let again: serde_json::Value = serde_json::from_str(&second.stdout).expect("JSON");
    assert_eq!(again[0], graded[0]);
    assert!(second.stderr.contains("right.sh: taken from"), "{second:?}");
}

/// What runs in a node has no terminal, and so none into which it could write or type.
#[test]
fn a_submission_does_not_reach_the_terminal_of_who_grades() {
    let home = Home::new();
    let lab = home.path().join("labs/small");
    run(home.kubedrill(["new"]).arg(&lab), "").expect(0);
    let script = "exec >/dev/null 2>&1\n\
                  for terminal in /dev/tty* /dev/console /dev/pts/* /proc/*/fd/*; do\n\
                  [ -c $terminal ] && [ ! $terminal -ef /dev/null ] && echo TYP''ED >$terminal\n\
                  done\n\
                  : </dev/tty || kubectl create configmap owner -n team --from-literal=name=$owner\n";
    fs::write(home.path().join("types.sh"), script).expect("written");
    let lab = lab.display().to_string();
    let types = home.path().join("types.sh").display().to_string();
    let ended = Running::on_a_terminal(&home, &["grade", "--submission", &types, &lab]).wait();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stdout.contains("2 of 2 points"), "{ended:?}");
    assert!(!ended.stdout.contains("TYPED"), "{ended:?}");
}

/// Without an API server the grader can't look: that is no failure of who is graded.
#[test]
fn what_could_not_be_looked_at_has_a_status_of_its_own() {
    let home = Home::new();
    let lab = home.path().join("labs/small");
    run(home.kubedrill(["new"]).arg(&lab), "").expect(0);
    let script = "mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/; \
                  while pgrep -x kube-apiserver; do sleep 0.1; done";
    fs::write(home.path().join("dark.sh"), script).expect("written");
    let mut grade = home.kubedrill(["grade", "--submission", "dark.sh"]);
    let ended = run(grade.arg(&lab), "").expect(3);
    assert!(ended.stdout.contains("could not look"), "{ended:?}");
    assert!(!ended.stdout.contains("failed"), "{ended:?}");
}

#[test]
fn submissions_are_spread_over_machines() {
    let home = Home::new();
    let lab = home.path().join("labs/small");
    run(home.kubedrill(["new"]).arg(&lab), "").expect(0);
    let mut named = Vec::new();
    for part in ["1/2", "2/2"] {
        let mut grade = home.kubedrill(["grade", "--format=github", "--shard", part]);
        grade.arg(&lab);
        for name in ["a.sh", "b.sh", "c.sh"] {
            fs::write(home.path().join(name), "true").expect("written");
            grade.args(["--submission", name]);
        }
        let ended = run(&mut grade, "").expect(1);
        named.push(
            ended
                .stdout
                .lines()
                .map(|line| line[13..].split(',').next().expect("a file").to_owned())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(
        named,
        [vec!["file=a.sh", "file=c.sh"], vec!["file=b.sh"]].map(|names| names
            .into_iter()
            .map(|name| name[5..].to_owned())
            .collect::<Vec<_>>())
    );
    let ended = run(
        home.kubedrill(["grade", "--shard", "3/2", "--submission", "a.sh"])
            .arg(&lab),
        "",
    )
    .expect(2);
    assert!(ended.stderr.contains("expected I/N"), "{ended:?}");
}
