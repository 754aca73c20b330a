//! What people type on a node besides etcd and Kubernetes: `ssh`, `scp`, `systemctl`, `apt`,
//! `wget`, `tar`, `useradd`.

use std::path::Path;
use std::process::Stdio;

use sandbox::{Account, Directory, Exec, Fabric, FabricSpec, NodeSpec};

/// Two nodes, `etcd1` and `etcd2`, with the tools of a machine and nothing that runs.
pub fn fabric(session: &Path) -> Fabric {
    let mut spec = FabricSpec::new(session);
    spec.program = crate::support::program();
    for (name, number) in [("etcd1", 171), ("etcd2", 172)] {
        let mut node = NodeSpec::new(name, spec.subnet.host(number));
        node.applets = [
            "systemctl",
            "journalctl",
            "hostnamectl",
            "timedatectl",
            "sudo",
            "ssh",
            "scp",
            "apt",
            "apt-cache",
            "apt-get",
            "wget",
            "curl",
            "reboot",
        ]
        .map(String::from)
        .to_vec();
        spec.nodes.push(node);
    }
    if sandbox::maps_users() {
        let node = &mut spec.nodes[0];
        node.users.push(Account {
            name: "keeper".into(),
            uid: 950,
            home: "/srv/keep".into(),
        });
        node.directories.push(Directory {
            path: "/srv/keep".into(),
            mode: 0o700,
            uid: 950,
        });
    }
    Fabric::start(&spec).expect("the nodes boot")
}

/// Runs `script` with its own text as standard input, as a script is run that is piped into
/// a shell.
pub fn bash(fabric: &Fabric, script: &str) -> String {
    let exec = Exec::bash(format!("exec 2>&1; {script}"));
    let output = fabric
        .command("etcd1", &exec)
        .expect("a command")
        .stdin(Stdio::null())
        .output()
        .expect("output");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Each row: what is typed, and what must be printed somewhere; a number with a line's end, as a
/// line of its own. Rows build on each other.
#[track_caller]
pub fn holds(fabric: &Fabric, rows: &[(&str, &str)]) {
    for (typed, expected) in rows {
        let printed = bash(fabric, typed);
        let number = expected.strip_suffix('\n').unwrap_or_default();
        let held = match number.parse::<u64>() {
            Ok(_) => printed.lines().any(|line| line.trim() == number),
            Err(_) => printed.contains(expected),
        };
        assert!(held, "{typed}\n{printed}");
    }
}

#[test]
fn files_and_commands_travel_between_nodes() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    holds(
        &fabric,
        &[
            ("ssh etcd2 hostname", "etcd2"),
            ("ssh etcd2 'exit 7'; echo $?", "7"),
            (
                "ssh etcd9 true; echo $?",
                "Could not resolve hostname etcd9",
            ),
            (
                "ssh etcd2 bash <<'END'\necho \"$(hostname) $((20 + 22))\"\nEND",
                "etcd2 42",
            ),
            (
                "printf 'ssh -n etcd2 hostname\\necho still here\\n' | bash",
                "still here",
            ),
            (
                "echo hi > /tmp/a; scp /tmp/a etcd2:/tmp/b; ssh etcd2 cat /tmp/b",
                "hi",
            ),
            ("scp etcd2:/tmp/b /tmp/c && cat /tmp/c", "hi"),
            (
                "mkdir -p /tmp/d/e; echo deep > /tmp/d/e/f; scp -r /tmp/d root@etcd2:/tmp/; ssh etcd2 cat /tmp/d/e/f",
                "deep",
            ),
            ("scp /tmp/d etcd2:/tmp/; echo $?", "not a regular file"),
            (
                "scp /tmp/absent etcd2:/tmp/; echo $?",
                "No such file or directory",
            ),
            ("scp /tmp/a etcd2:/absent/x; echo $?", "1"),
            (
                "head -c 3000000 /dev/urandom > /tmp/big; scp -q /tmp/big etcd2:; \
                 [ \"$(sha256sum < /tmp/big)\" = \"$(ssh etcd2 'sha256sum < /root/big')\" ] && echo equal",
                "equal",
            ),
            (
                "chmod 600 /tmp/a; scp /tmp/a etcd2:/tmp/m; ssh etcd2 stat -c %a /tmp/m",
                "600",
            ),
        ],
    );
}

/// `script` types at a terminal of its own, 91 columns wide and 37 lines high.
const TERMINAL: &str = "t() { script -qec \"stty cols 91 rows 37; $1\" /dev/null; }; ";

#[test]
fn ssh_brings_a_terminal_along() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    for (typed, expected) in [
        // What is typed by a person at a prompt.
        (
            "t 'ssh etcd2' <<< $'tty; stty size; hostname\nexit 5'; echo \"left $?\"",
            "/dev/pts/0\r\n37 91\r\netcd2\r\n",
        ),
        (
            "t 'ssh etcd2' <<< 'exit 5'; echo \"left $?\"",
            "Connection to etcd2 closed.\r\nleft 5\n",
        ),
        (
            "t 'ssh -t etcd2 \"tty; stty size; exit 7\"' < /dev/null; echo \"left $?\"",
            "/dev/pts/0\r\n37 91\r\nConnection to etcd2 closed.\r\nleft 7\n",
        ),
        (
            "t 'ssh -t etcd2 \"cat; exit 3\"' <<< 'typed twice'; echo \"left $?\"",
            "left 3\n",
        ),
        ("t 'ssh etcd2 tty' < /dev/null", "not a tty"),
        ("t 'ssh -T etcd2 tty' < /dev/null", "not a tty"),
        // A window that is made larger meanwhile.
        (
            "t '(sleep 0.5; stty cols 100 rows 20 < /dev/tty) & ssh -t etcd2 \
             \"stty size; for a in {1..100}; do stty size | grep -q 20.100 && break; sleep 0.05; done; stty size\"' \
             < /dev/null",
            "37 91\r\n20 100\r\n",
        ),
        // What has no terminal gets none, and is told so.
        (
            "ssh -t etcd2 'tty; exit 4' < /dev/null; echo $?",
            "Pseudo-terminal will not be allocated because stdin is not a terminal.\nnot a tty\n4\n",
        ),
        ("ssh -tt etcd2 tty < /dev/null", "/dev/pts/0"),
        (
            "ssh etcd2 <<< 'echo \"here $(hostname)\"; exit 6'; echo $?",
            "Pseudo-terminal will not be allocated because stdin is not a terminal.\nhere etcd2\n6\n",
        ),
        (
            "ssh -q etcd2 <<'END'\nset -- a b\necho \"$# $(hostname)\"\nEND\necho $?",
            "2 etcd2\n0\n",
        ),
        ("ssh -q etcd2 <<< 'tty'", "not a tty\n"),
        (
            "ssh nobody-of-that-name@etcd2 true; echo $?",
            "nobody-of-that-name@etcd2: Permission denied (publickey,password).",
        ),
        (
            "ssh -p 2222 etcd2 true; echo $?",
            "ssh: connect to host etcd2 port 2222: Connection refused\n255\n",
        ),
        ("ssh -Z etcd2; echo $?", "unknown option -- Z\nusage: ssh "),
        ("ssh; echo $?", "usage: ssh "),
    ] {
        // The end of its input is typed as well, at any moment, and echoed.
        let printed = bash(&fabric, &format!("{TERMINAL}{typed}")).replace("^@", "");
        assert!(printed.contains(expected), "{typed}\n{printed:?}");
        assert!(!printed.contains("never"), "{typed}\n{printed:?}");
    }
}

#[test]
fn several_files_and_directories_are_copied_both_ways() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    holds(
        &fabric,
        &[
            (
                "cd /tmp; echo a > a; echo b > b; scp a b etcd2:/srv/; ssh etcd2 'cat /srv/[ab]'",
                "a\nb\n",
            ),
            (
                "mkdir /tmp/back; scp 'etcd2:/srv/*' /tmp/back/; cat /tmp/back/*",
                "a\nb\n",
            ),
            ("scp etcd2:/srv/a etcd2:/srv/c; ssh etcd2 cat /srv/c", "a\n"),
            (
                "cd /tmp; mkdir -p d/e; echo f > d/e/f; chmod 640 d/e/f; ln -s f d/e/l; mkdir d/empty; \
                 scp -rp d etcd2:/srv/; ssh etcd2 'cd /srv; find d | sort; cat d/e/l; stat -c %a d/e/f'",
                "d\nd/e\nd/e/f\nd/e/l\nd/empty\nf\n640\n",
            ),
            (
                "scp -r etcd2:/srv/d /tmp/back/; cd /tmp/back; find d | sort; cat d/e/f",
                "d\nd/e\nd/e/f\nd/e/l\nd/empty\nf\n",
            ),
            (
                "scp -r etcd2:/srv/absent /tmp/; echo $?",
                "/srv/absent: No such file or directory\n1\n",
            ),
            (
                "scp -P 22 -o StrictHostKeyChecking=no /tmp/a etcd2:; ssh etcd2 cat /root/a",
                "a\n",
            ),
            ("scp /tmp/a; echo $?", "usage: scp "),
        ],
    );
}

#[test]
fn packages_and_releases_are_served_without_a_network() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    let base = "https://github.com/etcd-io/etcd/releases/download/v3.5.12";
    let archive = match std::env::consts::ARCH {
        "aarch64" => "etcd-v3.5.12-linux-arm64",
        _ => "etcd-v3.5.12-linux-amd64",
    };
    for (typed, expected) in [
        ("etcdctl version", "not found"),
        ("sudo apt update", "All packages are up to date."),
        (
            "sudo apt install nginx-that-is-not; echo $?",
            "E: Unable to locate package",
        ),
        ("sudo apt install -y etcd-client", "Setting up etcd-client"),
        ("ETCDCTL_API=3 etcdctl version", "API version: 3.5"),
        ("apt-get install etcd-client", "already the newest version"),
        ("cd /root && wget BASE/ARCHIVE.tar.gz", "saved"),
        (
            "cd /root && wget -q BASE/SHA256SUMS && sha256sum -c SHA256SUMS",
            "OK",
        ),
        ("wget BASE/etcd-v9.tar.gz; echo $?", "ERROR 404: Not Found."),
        ("cd /root && wget -q BASE/SHA256SUMS; ls", "SHA256SUMS.1"),
        (
            "cd /tmp && curl -sLO BASE/ARCHIVE.tar.gz && cmp ARCHIVE.tar.gz /root/ARCHIVE.tar.gz && echo same",
            "same",
        ),
        (
            "cd /tmp && curl -s -o r BASE/ARCHIVE.tar.gz; wc -c < r",
            "0",
        ),
        ("curl -fsSL BASE/absent; echo $?", "error: 404"),
        ("cd /root && tar -xvf ARCHIVE.tar.gz", "ARCHIVE/etcdctl"),
        (
            "cd /root/ARCHIVE && sudo mv etcd etcdctl /usr/local/bin/ && etcd --version",
            "etcd Version: 3.5",
        ),
        ("/usr/local/bin/etcdctl version", "etcdctl version: 3.5"),
    ] {
        let fill = |text: &str| text.replace("BASE", base).replace("ARCHIVE", archive);
        let (typed, expected) = (fill(typed), fill(expected));
        let printed = bash(&fabric, &typed);
        assert!(printed.contains(&expected), "{typed}\n{printed}");
    }
}

#[test]
fn users_own_what_is_theirs() {
    if !sandbox::maps_users() {
        eprintln!("left out: this host maps no users into a lab");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    holds(
        &fabric,
        &[
            ("stat -c '%U %a' /srv/keep", "keeper 700"),
            ("id keeper", "uid=950(keeper) gid=950(keeper)"),
            (
                "sudo useradd --system --no-create-home --shell /sbin/nologin etcd; id etcd",
                "(etcd)",
            ),
            (
                "groupadd --system more && useradd --system --gid more more && id more",
                "(more)",
            ),
            (
                "sudo mkdir -p /var/lib/etcd && sudo chown -R etcd:etcd /var/lib/etcd; stat -c %U:%G /var/lib/etcd",
                "etcd:etcd",
            ),
            (
                "sudo -u etcd touch /var/lib/etcd/x && stat -c %U /var/lib/etcd/x",
                "etcd",
            ),
            ("sudo -u etcd touch /root/x; echo $?", "Permission denied"),
        ],
    );
}

#[test]
fn services_of_all_types_timers_and_edits() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    let unit = |name: &str, text: &str| {
        let path = format!("/etc/systemd/system/{name}");
        bash(
            &fabric,
            &format!("printf '{text}' > {path}; systemctl daemon-reload"),
        )
    };
    unit(
        "daemon.service",
        "[Service]\\nType=forking\\nPIDFile=/run/daemon.pid\\n\
         ExecStart=/bin/bash -c \"setsid sleep 1000 & echo \\$! > /run/daemon.pid\"\\n",
    );
    unit(
        "note.service",
        "[Service]\\nType=oneshot\\nExecStart=/bin/bash -c \"date >> /var/log/note\"\\n",
    );
    unit(
        "note.timer",
        "[Timer]\\nOnActiveSec=200ms\\nOnUnitActiveSec=300ms\\n[Install]\\nWantedBy=timers.target\\n",
    );
    unit(
        "nightly.timer",
        "[Timer]\\nOnCalendar=*-*-* 02:30:00\\nUnit=note.service\\n",
    );
    unit(
        "counts.service",
        "[Service]\\nType=oneshot\\nExecStart=/bin/bash -c \"date >> /var/log/counts\"\\n",
    );
    unit("counts.timer", "[Timer]\\nOnUnitActiveSec=300ms\\n");
    unit(
        "emptied.timer",
        "[Timer]\\nOnActiveSec=1h\\nOnCalendar=hourly\\nOnCalendar=\\nUnit=note.service\\n",
    );
    unit("broken.timer", "[Timer]\\nOnCalendar=sometimes\\n");
    unit(
        "plain.service",
        "[Service]\\nExecStart=/bin/sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n",
    );
    unit(
        "again.service",
        "[Service]\\nExecStart=/bin/sleep 1000\\nRestart=always\\nRestartSec=1000\\n",
    );
    holds(
        &fabric,
        &[
            (
                "systemctl start daemon; systemctl is-active daemon | grep -x active",
                "active",
            ),
            (
                "[ $(systemctl show -p MainPID --value daemon) = $(cat /run/daemon.pid) ] && echo adopted",
                "adopted",
            ),
            (
                // A reader that has seen enough.
                "mkfifo seen; (exec < seen) & (exec > seen; wait; systemctl status daemon; echo $? >&2)",
                "141\n",
            ),
            (
                "systemctl stop daemon; systemctl is-active daemon; pgrep -x sleep || echo none",
                "none",
            ),
            (
                "systemctl start daemon; kill -9 $(cat /run/daemon.pid); sleep 0.3; systemctl status daemon",
                "Active: failed (Result: signal)",
            ),
            (
                "journalctl -u daemon --no-pager | grep -c 'Failed to start'",
                "0",
            ),
            (
                "systemctl start again; kill -9 $(systemctl show -p MainPID --value again); sleep 0.3; systemctl status again",
                "Active: activating (auto-restart) (Result: signal)",
            ),
            (
                "systemctl stop again; systemctl status again",
                "Active: inactive (dead) (Result: signal)",
            ),
            (
                "systemctl enable --now note.timer; systemctl is-active note.timer | grep -x active",
                "active",
            ),
            (
                "for a in $(seq 100); do [ $(wc -l < /var/log/note) -ge 2 ] && break; sleep 0.1; done; wc -l /var/log/note",
                " /var/log/note",
            ),
            ("[ $(wc -l < /var/log/note) -ge 2 ] && echo twice", "twice"),
            ("systemctl list-timers", "note.service"),
            (
                "systemctl status note.timer --no-pager",
                "Active: active (waiting)",
            ),
            (
                "systemctl stop note.timer; systemctl is-active note.timer",
                "inactive",
            ),
            (
                // Counted from its unit's start alone, it waits until somebody starts that.
                "systemctl start counts.timer; sleep 0.6; wc -l < /var/log/counts || echo none",
                "none",
            ),
            (
                "systemctl start counts; for a in $(seq 100); do \
                 [ $(wc -l < /var/log/counts) -ge 3 ] && echo goes on && break; sleep 0.1; done; \
                 systemctl stop counts.timer",
                "goes on",
            ),
            (
                "systemctl start nightly.timer; systemctl list-timers --no-pager",
                "02:30:00",
            ),
            (
                // An empty assignment takes back what came before, of any kind.
                "systemctl start emptied.timer 2>&1; systemctl is-active emptied.timer",
                "inactive",
            ),
            ("systemctl show -p Unit nightly.timer", "Unit=note.service"),
            (
                "systemctl start broken.timer; echo $?",
                "Failed to parse calendar specification",
            ),
            (
                "printf '[Service]\\nEnvironment=A=b\\n' | systemctl edit --stdin plain; systemctl cat plain",
                "override.conf",
            ),
            (
                "systemctl enable --now plain; systemctl show plain -p Type,Restart",
                "Type=simple",
            ),
            (
                "systemctl show plain -p ExecStart -p Environment",
                " ; argv[]=/",
            ),
            ("systemctl show plain -p Environment", "Environment=A=b"),
            (
                // `simple` counts as started before its program is there.
                "EDITOR='sed -i s/A=b/A=c/' systemctl edit plain; systemctl restart plain; \
                 for _ in {1..100}; do \
                 tr '\\0' '\\n' < /proc/$(systemctl show -p MainPID --value plain)/environ \
                 | grep A= && break; sleep 0.1; done",
                "A=c",
            ),
            ("EDITOR=false systemctl edit plain; echo $?", "1"),
            ("systemctl mask note; echo $?", "already exists"),
            (
                "rm /usr/local/bin/apt-get; [ -e /usr/local/bin/apt-get ] || echo gone",
                "gone",
            ),
        ],
    );
    fabric.reboot("etcd1").expect("it boots again");
    holds(
        &fabric,
        &[
            // What was taken off a machine does not come back by a reboot.
            ("[ -e /usr/local/bin/apt-get ] || echo gone", "gone"),
            ("systemctl is-active plain | grep -x active", "active"),
            ("systemctl is-active daemon", "inactive"),
            ("systemctl is-active note.timer | grep -x active", "active"),
        ],
    );
}
