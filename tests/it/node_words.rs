//! What a newcomer types at a node to find out where he is: packages, man pages, links, the
//! state of the machine; and options where OpenSSH takes them.

use crate::kubelet_node::{on_cluster, section};
use crate::node_tools::{bash, fabric, holds};

#[test]
fn options_of_ssh_and_scp_follow_the_host_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    for (typed, expected) in [
        ("ssh etcd2 -p 22 hostname; echo $?", "etcd2\n0\n"),
        ("ssh etcd2 -v hostname", "etcd2\n"),
        (
            "ssh etcd2 -o StrictHostKeyChecking=no -qn -l root 'echo $USER@$(hostname)'",
            "root@etcd2\n",
        ),
        // Behind the command's first word everything is the command's.
        ("ssh etcd2 -q echo -p 22 -v", "-p 22 -v\n"),
        ("ssh etcd2 -- hostname", "etcd2\n"),
        (
            "ssh etcd2 -p 2222 hostname; echo $?",
            "ssh: connect to host etcd2 port 2222: Connection refused\n255\n",
        ),
        ("ssh etcd2 -Z hostname; echo $?", "unknown option -- Z\n"),
        (
            "ssh etcd2 -L 2379:localhost:2379; echo $?",
            "nothing is forwarded\n255\n",
        ),
        (
            "echo a > /tmp/a; scp -P 22 /tmp/a -q etcd2:/tmp/b; ssh etcd2 cat /tmp/b",
            "a\n",
        ),
        // At a terminal each file has a line, by which people see that something happened.
        (
            "script -qec 'stty cols 60; scp /tmp/a etcd2:/tmp/c' /dev/null",
            "a                        100%    2 ",
        ),
        (
            "script -qec 'stty cols 60; scp etcd2:/tmp/c /tmp/d' /dev/null",
            "c                        100%    2 ",
        ),
        (
            "script -qec 'scp -q /tmp/a etcd2:/tmp/c; echo done' /dev/null",
            "done\r\n",
        ),
        ("scp /tmp/a etcd2:/tmp/c; echo done", "done\n"),
    ] {
        let printed = bash(&fabric, typed);
        assert!(printed.contains(expected), "{typed}\n{printed:?}");
        let wants_meter = expected.contains("100%");
        assert_eq!(
            printed.contains("100%"),
            wants_meter,
            "{typed}\n{printed:?}"
        );
    }
}

/// A client that is slow to say that it has no input: what the command printed is not lost.
#[test]
fn ssh_brings_all_of_the_output_however_late_the_input_ends() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    let printed = bash(
        &fabric,
        "exec 3<>/dev/tcp/etcd2/22; echo '{\"user\":\"root\",\"command\":\"head -c 150000 /dev/zero\",\
         \"tty\":false,\"term\":\"\",\"columns\":80,\"rows\":24}' >&3; sleep 1; printf 'e\\0\\0\\0\\0' >&3; \
         sleep 0.3; cat <&3 | tr -cd '\\0' | wc -c",
    );
    let count: usize = printed.trim().parse().unwrap_or_default();
    assert!(count >= 150_000, "{printed}");
}

#[test]
fn the_archive_tells_what_it_has() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    let note = "N: A node has no network: the lab's archive holds the package etcd-client alone.\n";
    let not_found = format!("E: Unable to locate package nano-of-mine\n{note}100\n");
    let none_of_it = format!("Full Text Search... Done\n{note}0\n");
    for (typed, expected) in [
        ("apt search etcd", "etcd-client/lab 3.5.16-4 "),
        (
            "apt-cache search etcd; echo $?",
            "etcd-client - etcd client binaries\n0\n",
        ),
        ("apt search nano-of-mine; echo $?", &none_of_it),
        ("apt-cache search nano-of-mine", note),
        ("apt-cache show etcd-client", "Package: etcd-client\n"),
        (
            "apt-cache show nano-of-mine; echo $?",
            "N: Unable to locate package nano-of-mine\nE: No packages found\n",
        ),
        (
            "apt-cache policy etcd-client",
            "etcd-client:\n  Installed: (none)\n  Candidate: 3.5.16-4\n",
        ),
        (
            "apt-cache madison etcd-client",
            "etcd-client |   3.5.16-4 | file:",
        ),
        ("apt install -y nano-of-mine; echo $?", &not_found),
        (
            "apt-get install nano-of-mine 2>/dev/null | grep -c alone",
            "0\n",
        ),
        ("apt list --installed", "Listing... Done\n"),
        ("apt install -y etcd-client", "Setting up etcd-client"),
        ("apt list --installed", "[installed]\n"),
        ("apt-cache policy etcd-client", "  Installed: 3.5.16-4\n"),
        (
            "apt-cache frobnicate; echo $?",
            "E: Invalid operation frobnicate\n100\n",
        ),
    ] {
        let printed = bash(&fabric, typed);
        assert!(printed.contains(expected), "{typed}\n{printed}");
    }
    if bash(&fabric, "command -v dpkg").is_empty() {
        eprintln!("left out: this host has no dpkg");
        return;
    }
    holds(
        &fabric,
        &[
            (
                "dpkg -l | grep etcd; dpkg -s etcd-client",
                "ii  etcd-client ",
            ),
            ("dpkg -L etcd-client", "/usr/bin/etcdctl\n"),
            (
                "dpkg -S /usr/bin/etcdutl",
                "etcd-client: /usr/bin/etcdutl\n",
            ),
        ],
    );
}

#[test]
fn a_node_tells_of_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    holds(
        &fabric,
        &[
            ("hostnamectl", "Static hostname: etcd1\n"),
            ("hostnamectl hostname", "etcd1\n"),
            ("hostnamectl set-hostname other; hostname", "etcd1\n"),
            ("timedatectl", "Universal time: "),
            ("timedatectl set-ntp on; echo $?", "is the host's"),
        ],
    );
    let zones = bash(&fabric, "ls /usr/share/zoneinfo/Asia/Kolkata 2>/dev/null");
    if !zones.is_empty() {
        holds(
            &fabric,
            &[(
                "timedatectl set-timezone Asia/Kolkata; date +%z; timedatectl",
                "+0530\n",
            )],
        );
    }
    // The links of the node, not those of the lab around it; and root of the node can
    // neither write there nor uncover more than what the host shows to everybody.
    let links = bash(&fabric, "ls /sys/class/net");
    assert_eq!(links, "eth0\nlo\n");
    let remounted = bash(
        &fabric,
        "mount -o remount,rw /sys; echo 1 > /sys/kernel/profiling; echo $?",
    );
    assert!(remounted.ends_with("1\n"), "{remounted}");
    if bash(&fabric, "command -v man").is_empty() {
        eprintln!("left out: this host has no man");
        return;
    }
    holds(
        &fabric,
        &[(
            "man nothing-of-that-name",
            "No manual entry for nothing-of-that-name\n",
        )],
    );
}

#[test]
fn status_and_journal_fit_whoever_looks() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    let long = "0123456789".repeat(12);
    let unit = format!(
        "[Service]\\nExecStart=/bin/bash -c \"echo begin {long} end; exec -a {long} sleep 1000\"\\n"
    );
    bash(
        &fabric,
        &format!(
            "printf '{unit}' > /etc/systemd/system/wordy.service; systemctl daemon-reload; \
             systemctl start wordy; for a in {{1..100}}; do journalctl -u wordy | grep -q end && break; sleep 0.05; done"
        ),
    );
    let whole = format!("begin {long} end");
    let tree = "   CGroup: /\n           ├─init.scope\n           │ └─1 ";
    let terminal = |typed: &str| {
        bash(
            &fabric,
            &format!("script -qec 'stty cols 80; {typed}' /dev/null | tr -d '\\r'"),
        )
    };
    holds(
        &fabric,
        &[
            ("systemctl status wordy", &whole),
            ("systemctl status", tree),
            ("systemctl status", "    State: running\n"),
            (
                "systemctl is-active multi-user.target; echo $?",
                "active\n0\n",
            ),
            (
                "systemctl is-active no-such.target; echo $?",
                "inactive\n3\n",
            ),
            ("systemctl status timers.target", "Active: active since "),
            ("journalctl -k; echo $?", "-- No entries --\n0\n"),
            ("journalctl --dmesg -q; echo $?", "0\n"),
            ("journalctl --list-boots | head -1", "IDX BOOT ID "),
            ("journalctl --list-boots | wc -l", "2\n"),
            (
                "journalctl --disk-usage",
                "Archived and active journals take up ",
            ),
            (
                "journalctl --vacuum-time=1s; echo $?",
                "freed 0B of archived journals",
            ),
            ("journalctl -F _SYSTEMD_UNIT", "wordy.service\n"),
            ("journalctl --flush --no-pager; echo $?", "0\n"),
            (
                // What was archived goes, what is written stays.
                "cp /var/log/journal/node.journal /var/log/journal/node.journal.1; \
                 journalctl --vacuum-files=1; ls /var/log/journal; journalctl -u wordy -o cat",
                "\nnode.journal\n",
            ),
        ],
    );
    let printed = terminal("systemctl status wordy");
    assert!(printed.contains("…9 end\n"), "{printed}");
    assert!(
        printed.ends_with("Hint: Some lines were ellipsized, use -l to show in full.\n"),
        "{printed}"
    );
    // The tree of processes is cut where it ends.
    assert!(
        printed.contains(" 0123456789") && printed.contains("…\n"),
        "{printed}"
    );
    for line in printed.lines().filter(|line| !line.contains('\u{1b}')) {
        let length = line.chars().count();
        assert!(length <= 80 || line.contains("Loaded:"), "{length} {line}");
    }
    let printed = terminal("systemctl status -l wordy");
    assert!(
        printed.contains(&whole) && !printed.contains("Hint:"),
        "{printed}"
    );
}

#[test]
fn a_worker_runs_a_static_pod_from_the_folder_that_it_has() {
    let text = on_cluster(
        "control_planes = 1\nworkers = 1",
        "echo '== folder'; ssh -n node01 'stat -c %a /etc/kubernetes/manifests; ls -A /etc/kubernetes/manifests'\n\
         echo '== pod'; ssh node01 'cat > /etc/kubernetes/manifests/web.yaml' <<'END'\n\
         apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n    image: nginx\nEND\n\
         until_ok 'kubectl get pod web-node01 | grep Running'\n\
         kubectl get pod web-node01 -o wide --no-headers\n\
         echo '== help'; kubelet --help; kubeadm certs renew --help; kubeadm config images list\n",
    );
    assert_eq!(section(&text, "folder"), "755\n");
    let pod = section(&text, "pod");
    assert!(pod.contains("Running") && pod.contains("node01"), "{pod}");
    let help = section(&text, "help");
    for expected in [
        "Usage:\n  kubelet [flags]\n",
        "kubeadm certs renew [command]",
        "registry.k8s.io/etcd:3.5.16-0\n",
    ] {
        assert!(help.contains(expected), "{help}");
    }
}
