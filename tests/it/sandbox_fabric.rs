//! Nodes, containers and units as other rooms use them, and that nothing of them
//! stays. Run as root and, by `an_ordinary_user_too`, as an ordinary user.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sandbox::container::{self, Bind, Container, ContainerSpec, Exited};
use sandbox::{Exec, Fabric, FabricSpec, File, HostBind, NodeSpec, NodeState};

const SIGKILL: i32 = 9;

/// Where the program is when the tests run as another user.
const PROGRAM: &str = "KUBEDRILL_TEST_PROGRAM";
/// The session directory of `keeps_a_fabric`.
const SESSION: &str = "KUBEDRILL_TEST_SESSION";

fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(|| env!("CARGO_BIN_EXE_kubedrill").into(), PathBuf::from)
}

fn spec(session: &Path) -> FabricSpec {
    let mut spec = FabricSpec::new(session);
    spec.program = program();
    for (name, number) in [("controlplane", 150), ("node01", 160)] {
        let mut node = NodeSpec::new(name, spec.subnet.host(number));
        node.applets = ["systemctl", "journalctl", "sudo", "ssh"]
            .map(String::from)
            .to_vec();
        node.files
            .push(File::new("/etc/kubernetes/secret", "hush\n").mode(0o600));
        spec.nodes.push(node);
    }
    spec
}

fn run(fabric: &Fabric, node: &str, exec: &Exec) -> Output {
    fabric
        .command(node, exec)
        .expect("a command")
        .stdin(Stdio::null())
        .output()
        .expect("output")
}

fn bash(fabric: &Fabric, node: &str, script: &str) -> String {
    let output = run(fabric, node, &Exec::bash(script));
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The processes of this user that belong to a session: its supervisor carries
/// its name, the others have mounts that lead into it.
fn leftovers(session: &Path) -> Vec<String> {
    let needle = session.to_string_lossy().into_owned();
    let text =
        |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .map(|entry| {
            (
                text(entry.path().join("cmdline")),
                text(entry.path().join("mountinfo")),
            )
        })
        .filter(|(line, mounts)| line.contains(&needle) || mounts.contains(&needle))
        .map(|(line, _)| line.replace('\0', " "))
        .collect()
}

/// Waits until nothing is left of a session, and nothing has been for a while.
fn await_none(session: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_millis(60) {
        let left = leftovers(session);
        assert!(Instant::now() < deadline, "still there: {left:?}");
        if !left.is_empty() {
            since = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn two_nodes_boot_talk_stop_and_boot_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let session = dir.path().join("session");
    let fabric = Fabric::start(&spec(&session)).expect("a fabric");
    assert_eq!(fabric.nodes(), ["controlplane", "node01"]);
    let told = bash(
        &fabric,
        "node01",
        "hostname; id -u; pwd; echo $HOME; cat /etc/kubernetes/secret",
    );
    assert_eq!(told, "node01\n0\n/root\n/root\nhush\n");
    assert_eq!(
        run(&fabric, "node01", &Exec::bash("exit 7")).status.code(),
        Some(7)
    );
    assert_eq!(
        run(&fabric, "node01", &Exec::bash("kill -9 $$"))
            .status
            .code(),
        Some(137)
    );
    let absent = run(&fabric, "node01", &Exec::new(["no-such-program"]));
    assert_eq!(absent.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&absent.stderr).contains("executable file not found in $PATH"));

    // One node listens; the other one and the host's side of the network reach it.
    let mut server = fabric
        .command(
            "controlplane",
            &Exec::new(["python3", "-u", "-m", "http.server", "8000"]),
        )
        .expect("a command")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a server");
    let mut first = String::new();
    BufReader::new(server.stdout.take().expect("output"))
        .read_line(&mut first)
        .expect("a line");
    let get = "exec 3<>/dev/tcp/192.168.10.150/8000; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3";
    assert!(bash(&fabric, "node01", get).contains("200 OK"));
    let mut outside = Command::new("bash");
    outside.args(["-c", get]);
    let seen = fabric
        .enter_network(&outside)
        .expect("a command")
        .output()
        .expect("output");
    assert!(String::from_utf8_lossy(&seen.stdout).contains("200 OK"));
    let seen = Command::new("timeout")
        .args(["2", "bash", "-c", get])
        .output()
        .expect("output");
    assert!(
        !String::from_utf8_lossy(&seen.stdout).contains("200 OK"),
        "the host is not in it"
    );
    server.kill().expect("kill");
    server.wait().expect("wait");
    let gone = bash(
        &fabric,
        "controlplane",
        "sleep 0.2; pgrep -fc http.serve[r]",
    );
    assert_eq!(gone.trim(), "0", "killing the command kills what it ran");

    let other = Fabric::attach(&session).expect("attach").expect("it runs");
    assert!(matches!(
        Fabric::start(&spec(&session)),
        Err(sandbox::Error::AlreadyRunning { .. })
    ));
    other
        .write_file("node01", &File::new("/opt/a b/c", "text").mode(0o640))
        .expect("write");
    let mut text = String::new();
    let mut file = other
        .open_in_node("node01", Path::new("/opt/a b/c"))
        .expect("open");
    file.read_to_string(&mut text).expect("read");
    assert_eq!(text, "text");

    // The card of a machine is the same after a reboot, for those who know its address.
    let card = bash(
        &fabric,
        "node01",
        "ip -brief link show eth0 | tr -s ' ' | cut -d' ' -f3",
    );
    assert!(card.starts_with("02:42:"), "{card}");
    other.kill_node("node01").expect("kill");
    assert_eq!(other.node_state("node01").expect("state"), NodeState::Down);
    assert!(matches!(
        other.shell("node01"),
        Err(sandbox::Error::NodeDown(_))
    ));
    other.reboot("node01").expect("reboot");
    assert_eq!(
        bash(
            &fabric,
            "node01",
            "cat '/opt/a b/c'; ping -c1 x 2>/dev/null; hostname"
        ),
        "textnode01\n"
    );
    assert_eq!(
        bash(
            &fabric,
            "node01",
            "ip -brief link show eth0 | tr -s ' ' | cut -d' ' -f3"
        ),
        card
    );
    other.stop().expect("stop");
    assert!(Fabric::attach(&session).expect("attach").is_none());
    await_none(&session);

    let again = Fabric::start(&spec(&session)).expect("the same session again");
    assert_eq!(bash(&again, "node01", "cat '/opt/a b/c'"), "text");
    drop(again);
    await_none(&session);
    sandbox::remove_session(&session).expect("remove");
    assert!(!session.exists());
}

#[test]
fn links_in_a_node_do_not_lead_out_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let canary = dir.path().join("canary");
    fs::write(&canary, "host").expect("write");
    let session = dir.path().join("session");
    let fabric = Fabric::start(&spec(&session)).expect("a fabric");
    let target = canary.display();
    bash(
        &fabric,
        "node01",
        &format!(
            "ln -s {target} /opt/link; ln -s ../../../../../../../.. /opt/up; ln -sf {target} /etc/hostname; rm -rf /home; ln -s /opt /home; mkfifo /opt/fifo"
        ),
    );
    let open = |path: &str| fabric.open_in_node("node01", Path::new(path));
    assert!(open("/opt/link").is_err());
    assert!(open(&format!("/opt/up{target}")).is_err());
    assert!(
        open("/opt/up/etc/passwd").is_ok(),
        "up ends at the node's root"
    );
    assert!(open("/opt/fifo").is_ok(), "and a FIFO does not block");
    let path = fabric
        .node_path("node01", Path::new("/home/x"))
        .expect("a path");
    assert_eq!(path, fabric.node_root("node01").join("opt/x"));
    // A reboot writes into the node's tree; it must not follow such links either.
    fabric.reboot("node01").expect("reboot");
    assert_eq!(fs::read_to_string(&canary).expect("read"), "host");
    fabric.stop().expect("stop");
    sandbox::remove_session(&session).expect("remove");
}

#[test]
fn removing_everything_in_a_node_harms_nothing_outside() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("canary"), "host").expect("write");
    let shared = dir.path().join("shared");
    fs::create_dir(&shared).expect("make");
    fs::write(shared.join("canary"), "host").expect("write");
    let session = dir.path().join("session");
    let mut wanted = spec(&session);
    let bound = HostBind {
        host: shared.clone(),
        node: "/run/shared".into(),
        read_only: true,
    };
    wanted.nodes[0].binds.push(bound);
    let fabric = Fabric::start(&wanted).expect("a fabric");
    fs::write(session.join("canary"), "host").expect("write");
    let count = |path: &str| fs::read_dir(path).expect("a directory").count();
    let before = (count("/usr/bin"), count("/etc"), count("/"));
    let length = fs::metadata(program()).expect("the program").len();

    // What root of the node might try before that.
    let tries = bash(
        &fabric,
        "controlplane",
        "mount -o remount,rw,bind /usr/local/lib/kubedrill/kubedrill && echo B''AD remount
         mount -o remount,rw,bind /usr/local/lib/kubedrill && echo B''AD remount
         umount -l /usr/local/lib/kubedrill && echo B''AD umount
         umount -l /proc && echo B''AD umount proc
         mount -o remount,rw,bind /run/shared && echo B''AD shared
         rm -rf /run/shared/* 2>/dev/null; ls /run/shared
         echo b > /proc/sysrq-trigger && echo B''AD sysrq
         echo x > /proc/sys/kernel/core_pattern && echo B''AD core_pattern
         grep -v ':\\*:' /etc/shadow && echo B''AD shadow
         mknod /tmp/disk b 8 0 && head -c1 /tmp/disk && echo B''AD disk
         chroot /proc/1/root true && ls /proc/1/root/run/shared
         exec 2>/dev/null; for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done",
    );
    assert!(!tries.contains("BAD"), "{tries}");
    assert!(tries.contains("canary"), "{tries}");
    assert!(
        !tries.contains("sandbox-fabric"),
        "the host's processes are not seen: {tries}"
    );

    run(
        &fabric,
        "controlplane",
        &Exec::new(["rm", "-rf", "--no-preserve-root", "/"]),
    );
    assert_eq!((count("/usr/bin"), count("/etc"), count("/")), before);
    assert_eq!(fs::metadata(program()).expect("the program").len(), length);
    for path in [
        dir.path().join("canary"),
        shared.join("canary"),
        session.join("canary"),
    ] {
        assert_eq!(
            fs::read_to_string(&path).expect("read"),
            "host",
            "{}",
            path.display()
        );
    }
    assert_eq!(
        bash(&fabric, "node01", "hostname"),
        "node01\n",
        "the other node lives"
    );
    fabric.stop().expect("it can still be stopped");
    await_none(&session);
    sandbox::remove_session(&session).expect("remove");
}

/// Whoever starts kubedrill may have a session keyring with secrets; who has the keyring may
/// read them, in whatever namespace.
#[test]
fn the_hosts_keyring_is_not_a_nodes() {
    let keyctl = match std::env::consts::ARCH {
        "aarch64" => 219,
        _ => 250,
    };
    let ask = format!("print syscall({keyctl}, 0, -3, 0), qq(\\n);");
    let join = format!("$| = 1; syscall({keyctl}, 1, 0, 0, 0, 0); {ask} exec @ARGV");
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = Fabric::start(&spec(&dir.path().join("session"))).expect("the nodes boot");
    let inside = fabric
        .command("controlplane", &Exec::new(["perl", "-e", &ask]))
        .expect("a command");
    let output = Command::new("perl")
        .args(["-e", &join])
        .arg(inside.get_program())
        .args(inside.get_args())
        .output();
    let Ok(output) = output else {
        eprintln!("left out: there is no perl here");
        return;
    };
    let printed = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<&str> = printed.lines().collect();
    assert_eq!(numbers.len(), 2, "{output:?}");
    // A kernel may have none, and a filter may forbid them.
    assert!(numbers[0] == "-1" || numbers[0] != numbers[1], "{printed}");
}

#[test]
fn many_users_may_not_have_more_processes_than_all_together() {
    if !sandbox::maps_users() {
        eprintln!("left out: this host maps no users into a lab");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut spec = spec(&dir.path().join("session"));
    spec.max_processes = 150;
    let fabric = Fabric::start(&spec).expect("the nodes boot");
    let fork = |users: &str| {
        let script = format!(
            "for u in {users}; do timeout 3 setpriv --reuid $u --regid $u --clear-groups \
             bash -c 'for i in $(seq 60); do sleep 100 & done'; done; kill -9 -1"
        );
        bash(&fabric, "controlplane", &script)
    };
    let refused = "Resource temporarily unavailable";
    let alone = fork("901");
    assert!(!alone.contains(refused), "{alone}");
    let together = fork("901 902 903");
    assert!(together.contains(refused), "{together}");
}

/// Not a test: a process that starts a fabric and waits to be killed.
#[test]
#[ignore = "run by the tests that kill it"]
fn keeps_a_fabric() {
    let Some(session) = std::env::var_os(SESSION).map(PathBuf::from) else {
        return;
    };
    let _fabric = Fabric::start(&spec(&session)).expect("a fabric");
    println!("up");
    std::thread::sleep(Duration::from_secs(60));
}

fn keeper(session: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            &name_of("keeps_a_fabric"),
            "--ignored",
            "--nocapture",
        ])
        .env(SESSION, session)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a keeper")
}

/// How the test harness calls a test of this file.
fn name_of(test: &str) -> String {
    let (_, module) = module_path!().split_once("::").unwrap_or(("", ""));
    if module.is_empty() {
        test.to_owned()
    } else {
        format!("{module}::{test}")
    }
}

#[test]
fn killed_at_any_moment_nothing_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let session = dir.path().join("session");
    for round in 0..12u64 {
        let mut keeper = keeper(&session);
        std::thread::sleep(Duration::from_millis(round * 13 % 150));
        keeper.kill().expect("kill");
        keeper.wait().expect("wait");
        await_none(&session);
        assert!(Fabric::attach(&session).expect("attach").is_none());
    }
    // Then the fabric's own processes, from outside.
    for victim in ["supervisor", "inside"] {
        let mut keeper = keeper(&session);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Fabric::attach(&session).expect("attach").is_none() {
            assert!(Instant::now() < deadline, "the fabric did not come up");
            std::thread::sleep(Duration::from_millis(5));
        }
        let state = fs::read_to_string(session.join("fabric.json")).expect("the state");
        let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        let pid = state[victim]["pid"].to_string();
        assert!(
            Command::new("kill")
                .args(["-9", &pid])
                .status()
                .expect("kill")
                .success()
        );
        await_none(&session);
        assert!(Fabric::attach(&session).expect("attach").is_none());
        keeper.kill().expect("kill");
        keeper.wait().expect("wait");
    }
    let fabric = Fabric::start(&spec(&session)).expect("the session still boots");
    fabric.stop().expect("stop");
    sandbox::remove_session(&session).expect("remove");
}

#[test]
fn units_run_as_with_systemd() {
    let dir = tempfile::tempdir().expect("a directory");
    let session = dir.path().join("session");
    let mut wanted = spec(&session);
    let unit = "[Unit]\nDescription=Ticks\n[Service]\nEnvironment=WORD=tick\nExecStart=/bin/sh -c 'echo ${WORD}; exec sleep 1000'\n\
                Restart=always\nRestartSec=50ms\n[Install]\nWantedBy=multi-user.target\n";
    wanted.nodes[0]
        .files
        .push(File::new("/etc/systemd/system/tick.service", unit));
    wanted.nodes[0].units.push("tick.service".to_owned());
    let fabric = Fabric::start(&wanted).expect("a fabric");
    let node = "controlplane";
    assert_eq!(
        bash(
            &fabric,
            node,
            "systemctl is-active tick; systemctl is-enabled tick"
        ),
        "active\nenabled\n"
    );
    let log = bash(&fabric, node, "sleep 0.1; journalctl -u tick --no-pager");
    assert!(
        log.contains("systemd[1]: Started tick.service - Ticks.\n"),
        "{log}"
    );
    assert!(log.contains(" sh[") && log.contains("]: tick\n"), "{log}");
    let restarted = bash(
        &fabric,
        node,
        "kill -9 $(systemctl show -p MainPID --value tick); sleep 0.4; systemctl show -p NRestarts tick; systemctl is-active tick",
    );
    assert_eq!(restarted, "NRestarts=1\nactive\n");
    let stopped = bash(
        &fabric,
        node,
        "systemctl stop tick; systemctl is-active tick; systemctl status tick | sed -n 3p",
    );
    assert!(
        stopped.starts_with("inactive\n     Active: inactive (dead) since "),
        "{stopped}"
    );
    let told = bash(
        &fabric,
        node,
        "systemctl disable tick; systemctl start absent; echo $?; systemctl status absent; echo $?",
    );
    assert_eq!(
        told,
        "5\n4\nRemoved \"/etc/systemd/system/multi-user.target.wants/tick.service\".\n\
         Failed to start absent.service: Unit absent.service not found.\n\
         Unit absent.service could not be found.\n"
    );
    let sudo = bash(
        &fabric,
        node,
        "sudo -i WORD=x sh -c 'echo $WORD $PWD'; sudo nothing",
    );
    assert_eq!(sudo, "x /root\nsudo: nothing: command not found\n");
    let ssh = bash(
        &fabric,
        node,
        "cd /opt; ssh node01 'hostname; pwd; exit 3'; echo $?",
    );
    assert_eq!(ssh, "node01\n/root\n3\n");
    fabric.stop().expect("stop");
    sandbox::remove_session(&session).expect("remove");
}

fn ended(container: &Container) -> Exited {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(exited) = container.try_wait().expect("its state") {
            return exited;
        }
        assert!(Instant::now() < deadline, "{} still runs", container.id());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Not a test: what `containers_run` runs within a node.
#[test]
#[ignore = "run within a node"]
fn within_a_node() {
    if std::env::var_os("KUBEDRILL_TEST_NODE").is_none() {
        return;
    }
    fs::create_dir_all("/opt/data").expect("make");
    let spec = ContainerSpec {
        id: "one".to_owned(),
        argv: [
            "sh",
            "-c",
            "echo hello; echo oops >&2; touch /data/made /lost; read x </data/go; exit 3",
        ]
        .map(String::from)
        .to_vec(),
        env: vec![("A".to_owned(), "b".to_owned())],
        binds: vec![Bind {
            host_path: "/opt/data".into(),
            mount_path: "/data".into(),
            read_only: false,
        }],
        applets: vec!["etcdctl".to_owned()],
        log: "/var/log/one.log".into(),
        ..ContainerSpec::default()
    };
    assert!(
        Command::new("mkfifo")
            .arg("/opt/data/go")
            .status()
            .expect("mkfifo")
            .success()
    );
    let one = Container::start(&spec).expect("a container");
    assert!(one.pid().is_some() && one.try_wait().expect("state").is_none());
    let exec = Exec::new([
        "sh",
        "-c",
        "echo $A; ls /usr/local/bin; ls /opt; cat /proc/1/cmdline | head -c2; exit 4",
    ]);
    let seen = one
        .exec(&exec)
        .expect("a command")
        .output()
        .expect("output");
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "b\netcdctl\nsh");
    assert_eq!(seen.status.code(), Some(4));
    let tty = one.exec(&Exec {
        tty: true,
        ..Exec::new(["sh", "-c", "tty; stty size"])
    });
    let seen = tty
        .expect("a command")
        .stdin(Stdio::null())
        .output()
        .expect("output");
    assert!(
        String::from_utf8_lossy(&seen.stdout).starts_with("/dev/pts/0\r\n"),
        "{seen:?}"
    );
    let (mut command, window) = one
        .exec_with_window(&Exec::new(["sh", "-c", "read x; stty size"]))
        .expect("a command");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a terminal");
    window.resize(91, 37);
    std::thread::sleep(Duration::from_millis(100));
    std::io::Write::write_all(child.stdin.as_mut().expect("input"), b"\n").expect("type");
    let seen = child.wait_with_output().expect("output");
    assert!(
        String::from_utf8_lossy(&seen.stdout).contains("37 91"),
        "{seen:?}"
    );

    let again = Container::open("one").expect("found again");
    assert_eq!(container::list().expect("a list"), ["one"]);
    fs::write("/opt/data/go", "\n").expect("let it go");
    let exited = ended(&again);
    assert_eq!((exited.code, exited.signal), (3, None));
    let log = fs::read_to_string("/var/log/one.log").expect("a log");
    assert!(
        log.contains(" stdout F hello\n") && log.contains(" stderr F oops\n"),
        "{log}"
    );
    assert!(Path::new("/opt/data/made").exists() && !Path::new("/lost").exists());
    one.remove().expect("remove");
    assert!(container::list().expect("a list").is_empty());

    let absent = ContainerSpec {
        id: "two".to_owned(),
        argv: vec!["nope".to_owned()],
        ..ContainerSpec::default()
    };
    let error = Container::start(&absent)
        .expect_err("no such program")
        .to_string();
    assert_eq!(error, "exec: \"nope\": executable file not found in $PATH");
    let sleeper = ContainerSpec {
        id: "three".to_owned(),
        argv: ["sleep", "1000"].map(String::from).to_vec(),
        ..ContainerSpec::default()
    };
    let sleeper = Container::start(&sleeper).expect("a container");
    sleeper.signal(SIGKILL).expect("a signal");
    assert_eq!(ended(&sleeper).signal, Some(SIGKILL));
}

#[test]
fn containers_run() {
    let dir = tempfile::tempdir().expect("a directory");
    let session = dir.path().join("session");
    let mut wanted = spec(&session);
    let own = std::env::current_exe().expect("this program");
    wanted.nodes[0].binaries.push(("within".to_owned(), own));
    let fabric = Fabric::start(&wanted).expect("a fabric");
    let path = "/usr/local/lib/kubedrill/bin/within";
    let mut exec = Exec::new([
        path,
        "--exact",
        &name_of("within_a_node"),
        "--ignored",
        "--nocapture",
    ]);
    exec.env
        .push(("KUBEDRILL_TEST_NODE".to_owned(), "1".to_owned()));
    let output = run(&fabric, "controlplane", &exec);
    let words = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    assert!(words.contains("1 passed"), "{words}");
    fabric.stop().expect("stop");
    sandbox::remove_session(&session).expect("remove");
}

#[test]
fn an_ordinary_user_too() {
    const NOBODY: u32 = 65_533;
    if fs::metadata("/proc/self")
        .map(|found| std::os::unix::fs::MetadataExt::uid(&found))
        .ok()
        != Some(0)
    {
        // The other tests of this file run as one already.
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("open it");
    let (tests, kubedrill) = (dir.path().join("tests"), dir.path().join("kubedrill"));
    fs::copy(std::env::current_exe().expect("this program"), &tests).expect("copy");
    fs::copy(program(), &kubedrill).expect("copy");
    let output = Command::new(&tests)
        .args([
            &name_of(""),
            "--skip",
            "an_ordinary_user_too",
            "--test-threads=2",
        ])
        .current_dir(dir.path())
        .env(PROGRAM, &kubedrill)
        .env("TMPDIR", dir.path())
        .env("HOME", dir.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("output");
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words}");
    assert!(!words.contains(" 0 passed"), "{words}");
}
