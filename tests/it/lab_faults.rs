//! Faults that the repository's labs don't have, or have on other nodes: on control planes,
//! and those that can't come about.

use std::fs;
use std::path::PathBuf;

use crate::support::{Home, run};

const TASK: &str = r#"
[[task]]
id = "mend"
node = "controlplane2"
text = "See whom the others hear, and mend it."
[[task.check]]
name = "the member of controlplane2 has a leader"
command = '''
pki=/etc/kubernetes/pki/etcd
# A member believes in its leader for an election time-out after the line was cut.
sleep 2
for attempt in $(seq 60); do
  status=$(etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$pki/ca.crt --cert=$pki/server.crt \
    --key=$pki/server.key endpoint status 2>&1)
  case $status in *"no leader"* | *Failed*) sleep 0.25;; *) exit 0;; esac
  grep -q cut=yes /etc/peer-link.conf && break
done
echo "$status"
exit 1
'''
seconds = 40
[[task]]
id = "free"
node = "controlplane2"
text = "Free the port 6443."
[[task.check]]
health = "kube-apiserver"
"#;

fn lab(home: &Home, id: &str, text: &str) -> PathBuf {
    let dir = home.path().join("labs").join(id);
    fs::create_dir_all(&dir).expect("a folder");
    let head = format!("[lab]\nid = \"{id}\"\ntitle = \"Faults\"\n");
    fs::write(dir.join("lab.toml"), head + text).expect("written");
    dir
}

/// The member of a static Pod goes behind a line that is cut, and comes back when it is whole;
/// an API server loses its port to a relay, and comes back when it is free.
#[test]
fn static_pods_lose_their_line_and_their_port() {
    let home = Home::new();
    let text = format!(
        r#"
[cluster]
control_planes = 3
workers = 0

[[fault]]
node = "controlplane"
line = 2380
file = "/etc/kubernetes/manifests/etcd.yaml"

[[fault]]
node = "controlplane3"
line = 2380
file = "/etc/kubernetes/manifests/etcd.yaml"
hold_ms = 20

[[fault]]
node = "controlplane2"
line = 2380
file = "/etc/kubernetes/manifests/etcd.yaml"
cut = true

[[fault]]
node = "controlplane2"
taken = "0.0.0.0:6443"
by = "old-api"
kills = "kube-apiserver"
ends = "kube-apiserver"
{TASK}
[[solution]]
script = "mend.sh"
[[wrong]]
script = "line.sh"
loses = ["free"]
says = "found"
"#
    );
    let dir = lab(&home, "lines", &text);
    let mend = "ssh -n controlplane2 sed -i s/^cut=yes/cut=no/ /etc/peer-link.conf\n";
    let free = "ssh -n controlplane2 systemctl disable --now old-api\n\
                ssh -n controlplane2 mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/\n\
                sleep 1\n\
                ssh -n controlplane2 mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/\n";
    fs::write(dir.join("line.sh"), mend).expect("written");
    fs::write(dir.join("mend.sh"), format!("{mend}{free}")).expect("written");
    let ended = run(home.kubedrill(["verify"]).arg(&dir), "").expect(0);
    assert!(
        ended.stdout.contains("3 proofs hold, 0 do not"),
        "{ended:?}"
    );
}

/// What the lab says beside the cluster, and why it is not let in.
const IMPOSSIBLE: &[(&str, &str, &str)] = &[
    (
        "a-port-that-nobody-has",
        "line = 2399\nfile = \"/etc/kubernetes/manifests/etcd.yaml\"",
        "does not listen on port 2399 of another address than 127.0.0.1",
    ),
    (
        "no-directory",
        "lost = \"/var/lib/nothing\"",
        "/var/lib/nothing",
    ),
    (
        "no-database",
        "damaged = \"/etc/hostname\"",
        "/etc/hostname can't be damaged: ",
    ),
    (
        "no-process",
        "killed = \"nobody\"",
        "there is no process nobody to be killed",
    ),
];

#[test]
fn a_fault_that_cannot_come_about_is_told() {
    let home = Home::new();
    for (id, fault, said) in IMPOSSIBLE {
        let task = "[[task]]\nid = \"a\"\ntext = \"a\"\ncheck = [{ file = \"/x\" }]\n";
        let text = format!("[cluster]\nworkers = 0\n[[fault]]\n{fault}\n{task}");
        let dir = lab(&home, id, &text);
        let ended = run(home.kubedrill(["start"]).arg(&dir), "").expect(5);
        assert!(
            ended
                .stderr
                .contains("fault 1 of the lab on controlplane: ")
                && ended.stderr.contains(said),
            "{ended:?}"
        );
    }
}

/// Mistakes in the file are found before anything is started.
#[test]
fn a_fault_that_is_written_wrong_is_pointed_at() {
    let home = Home::new();
    let text = "[[fault]]\ntaken = \"localhost\"\nby = \"a b\"\n\
                [[fault]]\nline = 0\nfile = \"x\"\nhold_ms = \"soon\"\n\
                [[fault]]\nlost = \"/a\"\nkilled = \"b\"\n\
                [[task]]\nid = \"a\"\ntext = \"a\"\ncheck = [{ file = \"/x\" }]\n";
    let dir = lab(&home, "wrong", text);
    let ended = run(home.kubedrill(["start"]).arg(&dir), "").expect(2);
    for said in [
        "`taken` is `localhost`",
        "`by` is `a b`",
        "`line` of [[fault]] is out of range",
        "`hold_ms` of [[fault]] is `soon`",
        "the fault names 2 kinds",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
}
