//! Interrupted at any moment, a lab leaves nothing on the host, `list` tells the truth,
//! and the learner may go on or begin again. And nothing done inside harms the outside.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Home, Host, LAB, Running, again_as_an_ordinary_user, program, run};

/// Expects a host without a trace of the lab's processes, mounts and links.
#[track_caller]
fn expect_clean(home: &Home, before: &Host) {
    home.await_quiet();
    assert_eq!(*before, Host::now());
}

/// Expects that `list` tells the truth, that an interrupted lab can be resumed if it
/// ever was ready, and that `stop` removes every file.
#[track_caller]
fn expect_order(home: &Home, must_resume: bool) {
    let session = home.sessions().join(LAB);
    match home.state().as_str() {
        "" => {
            assert!(!must_resume, "the lab was ready, and is gone");
            assert!(
                !session.exists(),
                "not listed, but {} stays",
                session.display()
            );
        }
        "interrupted" => {
            let mut resume = home.kubedrill(["start", LAB, "--resume"]);
            let ended = run(&mut resume, "hostname");
            let refused = ended.stderr.contains("never came to its start");
            if must_resume || !refused {
                assert!(ended.stdout.starts_with("controlplane\n"), "{ended:?}");
                ended.expect(1);
            } else {
                ended.expect(2);
            }
            run(&mut home.kubedrill(["stop", LAB]), "").expect(0);
            assert!(!session.exists(), "stop leaves {}", session.display());
            assert_eq!(home.state(), "");
        }
        other => panic!("nothing runs, but list says {other:?}"),
    }
    let left: Vec<_> = fs::read_dir(home.sessions())
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
    home.await_quiet();
}

#[test]
fn interrupted_while_it_is_prepared() {
    let moments = [10, 60, 150, 300, 500, 800, 1200, 1700];
    let signals = ["INT", "KILL", "TERM", "KILL", "HUP"];
    for (at, millis) in moments.into_iter().enumerate() {
        // Each moment meets two of the signals.
        for signal in [signals[at % 5], signals[(at + 1) % 5]] {
            let before = Host::now();
            let home = Home::new();
            let start = Running::start(&mut home.kubedrill(["start", LAB]));
            thread::sleep(Duration::from_millis(millis));
            start.signal(signal);
            let ended = start.wait();
            assert!(ended.status > 128, "{signal} after {millis} ms: {ended:?}");
            expect_clean(&home, &before);
            if signal != "KILL" && !ended.stderr.contains("goes on") {
                assert_eq!(home.state(), "", "{signal} after {millis} ms: {ended:?}");
            }
            expect_order(&home, false);
        }
    }
}

#[test]
fn interrupted_while_the_learner_works() {
    for signal in ["INT", "HUP", "TERM", "KILL"] {
        let before = Host::now();
        let home = Home::new();
        let mut start = Running::start(&mut home.kubedrill(["start", LAB]));
        start.say("kubectl create configmap kept --from-literal=by=etcd; echo made; sleep 1000\n");
        start.await_text("made");
        assert_eq!(home.state(), "running");
        let second = run(&mut home.kubedrill(["start", LAB]), "").expect(2);
        let way_back = format!("runs already; `kubedrill shell --lab {LAB}` opens");
        assert!(second.stderr.contains(&way_back), "{second:?}");
        start.signal(signal);
        let ended = start.wait();
        assert!(ended.status > 128, "{signal}: {ended:?}");
        expect_clean(&home, &before);
        assert_eq!(home.state(), "interrupted", "{signal}");
        let check = run(&mut home.kubedrill(["check", LAB]), "").expect(2);
        assert!(check.stderr.contains("does not run"), "{check:?}");

        let mut resume = home.kubedrill(["start", LAB, "--resume"]);
        let ask = "kubectl get configmap kept --output=jsonpath={.data.by}; echo";
        let ended = run(&mut resume, ask).expect(1);
        assert!(ended.stdout.starts_with("etcd\n"), "{signal}: {ended:?}");
        expect_clean(&home, &before);
        expect_order(&home, true);
    }
}

#[test]
fn a_run_begins_again_when_asked_to() {
    let home = Home::new();
    let ended = run(
        &mut home.kubedrill(["start", LAB]),
        "touch /opt/mine; exit 3",
    )
    .expect(1);
    assert!(ended.stderr.contains("exit status: 3"), "{ended:?}");
    let listed = run(&mut home.kubedrill(["list"]), "").expect(0);
    let row = listed.stdout.lines().find(|line| line.starts_with(LAB));
    assert!(
        row.is_some_and(|row| row.contains("  0 of 10  ")),
        "{listed:?}"
    );
    // Nobody is there to be asked, so nothing is thrown away.
    let refused = run(&mut home.kubedrill(["start", LAB]), "echo never").expect(2);
    for flag in ["--resume", "--again", "--discard"] {
        assert!(refused.stderr.contains(flag), "{refused:?}");
    }
    assert_eq!(refused.stdout, "");
    let mut resume = home.kubedrill(["start", LAB, "--resume"]);
    let ended = run(&mut resume, "ls /opt").expect(1);
    assert!(ended.stdout.starts_with("mine\n"), "{ended:?}");
    let mut again = home.kubedrill(["start", LAB, "--again"]);
    let ended = run(&mut again, "test -e /opt/mine && echo still there").expect(1);
    assert!(!ended.stdout.contains("still there"), "{ended:?}");
    expect_order(&home, true);
}

#[test]
fn a_closed_terminal_ends_the_lab() {
    let before = Host::now();
    let home = Home::new();
    let mut terminal = Running::on_a_terminal(&home, &["start", LAB]);
    terminal.await_text("Ready after");
    terminal.say("sleep 1000\n");
    terminal.signal("KILL");
    terminal.wait_alone();
    expect_clean(&home, &before);
    assert_eq!(home.state(), "interrupted");
    expect_order(&home, true);
}

#[test]
fn control_c_ends_the_preparation_but_not_the_lab() {
    let before = Host::now();
    let home = Home::new();
    let mut terminal = Running::on_a_terminal(&home, &["start", LAB]);
    // The preparation has begun, however fast it goes on.
    let begun = Instant::now();
    while !home.sessions().join(LAB).exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing is prepared"
        );
        thread::sleep(Duration::from_millis(2));
    }
    terminal.say("\u{3}");
    let ended = terminal.wait();
    assert_eq!(ended.status, 130, "{ended:?}");
    expect_clean(&home, &before);
    expect_order(&home, false);

    let mut terminal = Running::on_a_terminal(&home, &["start", LAB]);
    terminal.await_text("Ready after");
    terminal.say("echo wait''ing; sleep 1000; echo woken\n");
    terminal.await_text("waiting");
    thread::sleep(Duration::from_millis(200));
    terminal.say("\u{3}");
    terminal.say("echo still $((40 + 2))\n");
    terminal.await_text("still 42");
    terminal.say("exit\n");
    let ended = terminal.wait();
    assert!(ended.stdout.contains("of 10 points"), "{ended:?}");
    expect_order(&home, true);
}

#[test]
fn whoever_waits_for_a_grade_is_told_and_led_on() {
    let home = Home::new();
    let lab = "single-node-etcd";
    let values = ["name=solo", "port=2379", "key=greeting", "value=hello"];
    let mut args = vec!["start", lab];
    args.extend(values.iter().flat_map(|value| ["--set", value]));
    let mut terminal = Running::on_a_terminal(&home, &args);
    terminal.await_text("root@");
    // Nobody is at a file, or behind a pipe.
    terminal.say("check >/root/grade 2>&1; grep -c looking: /root/grade\n");
    terminal.await_text("\r\n0\r\n");
    assert!(!terminal.so_far().contains("looking: etcd"));
    terminal.say("check\n");
    terminal.await_text("looking: etcd answers at http://192.168.10.171:2379 … 1 s");
    terminal.await_text("Not yet: 0 of 6 points");
    terminal.say(
        "url=http://192.168.10.171:2379; etcd --name solo --data-dir /var/lib/etcd \
         --listen-client-urls $url --advertise-client-urls $url >/root/log 2>&1 &\n\
         until etcdctl --endpoints=$url put greeting hello; do sleep 0.2; done; check\n",
    );
    terminal.await_text("Solved: 6 of 6 points");
    terminal.await_text("Next: `kubedrill start apiserver-wont-start`.");
    terminal.say("exit\n");
    terminal.await_text("Graded as at your last `check`.");
    assert_eq!(terminal.wait().status, 0);
    let listed = run(&mut home.kubedrill(["list"]), "").expect(0);
    let row = listed.stdout.lines().find(|line| line.starts_with(lab));
    assert!(
        row.is_some_and(|row| row.contains("  solved  ")),
        "{listed:?}"
    );
}

#[test]
fn stop_ends_a_lab_that_runs_elsewhere() {
    let before = Host::now();
    let home = Home::new();
    let mut terminal = Running::on_a_terminal(&home, &["start", LAB]);
    terminal.await_text("Ready after");
    run(&mut home.kubedrill(["stop", LAB]), "").expect(0);
    terminal.wait_alone();
    expect_clean(&home, &before);
    assert!(!home.sessions().join(LAB).exists());
    assert_eq!(home.state(), "");
}

#[test]
fn an_interrupted_proof_leaves_nothing() {
    for signal in ["TERM", "KILL"] {
        for millis in [700, 3000] {
            let before = Host::now();
            let home = Home::new();
            let mut verify = home.kubedrill(["verify", LAB]);
            let verify = Running::start(verify.env("TMPDIR", home.path()));
            thread::sleep(Duration::from_millis(millis));
            verify.signal(signal);
            verify.wait_alone();
            let until = Instant::now() + Duration::from_secs(60);
            let left = || {
                // Who is killed between two runs may leave an empty folder of its own.
                let mut find = Command::new("find");
                find.arg(home.path()).args(["-mindepth", "3"]);
                run(&mut find, "").stdout
            };
            // Its runs end a moment after it.
            while !left().is_empty() {
                assert!(
                    Instant::now() < until,
                    "{signal} after {millis} ms: {}",
                    left()
                );
                thread::sleep(Duration::from_millis(20));
            }
            expect_clean(&home, &before);
        }
    }
}

#[test]
fn removing_everything_inside_harms_nothing_outside() {
    let before = Host::now();
    let home = Home::new();
    let outside = tempfile::tempdir().expect("a directory");
    let canaries = [home.path().join("canary"), outside.path().join("canary")];
    for canary in &canaries {
        fs::write(canary, "alive").expect("write");
    }
    let count = |path: &str| fs::read_dir(path).expect("a directory").count();
    let counts = || {
        [
            "/", "/bin", "/etc", "/usr/bin", "/usr/lib", "/home", "/opt", "/srv",
        ]
        .map(count)
    };
    let known = counts();
    let length = fs::metadata(program()).expect("the program").len();

    let mut start = home.kubedrill(["start", LAB]);
    let everything = "echo begun; rm -rf --no-preserve-root / 2>/dev/null; echo done; ls /opt";
    let ended = run(&mut start, everything);
    assert!(ended.stdout.contains("begun\ndone\n"), "{ended:?}");
    // The grade is one of an emptied node; that some of it can't be seen is honest too.
    assert!([1, 3].contains(&ended.status), "{ended:?}");

    for canary in &canaries {
        assert_eq!(fs::read_to_string(canary).expect("it lives"), "alive");
    }
    assert_eq!(counts(), known);
    assert_eq!(fs::metadata(program()).expect("the program").len(), length);
    expect_clean(&home, &before);
    run(&mut home.kubedrill(["stop", LAB]), "").expect(0);
    assert!(!home.sessions().join(LAB).exists());
    // And it begins again as if nothing had been.
    let mut again = home.kubedrill(["start", LAB, "--discard"]);
    run(&mut again, "kubectl get nodes").expect(1);
}

#[test]
fn a_host_without_user_namespaces_is_told_so() {
    let before = Host::now();
    let home = Home::new();
    let mut start = Command::new("unshare");
    let switch_off = "echo 0 >/proc/sys/user/max_user_namespaces; exec \"$0\" start \"$1\"";
    start.args(["--user", "--map-root-user", "sh", "-c", switch_off]);
    start.arg(program()).arg(LAB);
    home.set_up(&mut start);
    let ended = run(&mut start, "echo never").expect(4);
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.trim().lines().count(), 1, "{ended:?}");
    assert!(
        ended.stderr.contains("user.max_user_namespaces"),
        "{ended:?}"
    );
    let left: Vec<_> = fs::read_dir(home.path()).expect("home").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    expect_clean(&home, &before);
}

#[test]
fn an_ordinary_user_too() {
    again_as_an_ordinary_user(module_path!(), &[]);
}
