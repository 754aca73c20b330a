//! Many labs, one after another and side by side, leave nothing on the host. The numbers
//! are small here; `KUBEDRILL_STARTS` and `KUBEDRILL_SIDE_BY_SIDE` set larger ones. And
//! clusters as large as the format allows.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, thread};

use crate::support::{Home, Host, LAB, UNTIL_OK, program, run};

fn number(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}

/// Starts the lab, writes to its API and removes it.
fn start_and_discard(home: &Home, name: &str) {
    let script = format!(
        "kubectl create configmap {name} --from-literal=is={name}\n\
         echo \"here is $(kubectl get configmap {name} --output=jsonpath={{.data.is}})\"\n\
         kubectl get nodes --no-headers | grep -c ' Ready '\n"
    );
    let tmp = home.path().join("tmp");
    fs::create_dir_all(&tmp).expect("a folder");
    let mut start = home.kubedrill(["start", LAB, "--discard"]);
    let ended = run(start.env("TMPDIR", &tmp), &script).expect(1);
    let expected = format!("here is {name}\n2\n");
    assert!(ended.stdout.contains(&expected), "{ended:?}");
}

/// Everything below a home, its temporary files too, but for the folders themselves.
fn files(home: &Home) -> Vec<PathBuf> {
    ["sessions", "tmp"]
        .into_iter()
        .flat_map(|dir| fs::read_dir(home.path().join(dir)).into_iter().flatten())
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[track_caller]
fn expect_nothing_left(home: &Home) {
    home.await_quiet();
    assert_eq!(files(home), Vec::<PathBuf>::new());
    assert_eq!(home.state(), "");
}

#[test]
fn one_after_another() {
    let home = Home::new();
    let before = Host::now();
    for number in 0..number("KUBEDRILL_STARTS", 3) {
        start_and_discard(&home, &format!("map-{number}"));
        expect_nothing_left(&home);
        assert_eq!(before, Host::now(), "after start {number}");
    }
}

#[test]
fn side_by_side() {
    let homes: Vec<Home> = (0..number("KUBEDRILL_SIDE_BY_SIDE", 3))
        .map(|_| Home::new())
        .collect();
    let before = Host::now();
    thread::scope(|scope| {
        for (number, home) in homes.iter().enumerate() {
            scope.spawn(move || start_and_discard(home, &format!("map-{number}")));
        }
    });
    for home in &homes {
        expect_nothing_left(home);
    }
    assert_eq!(before, Host::now());
}

/// How many namespaces of each kind there may be in all when they are counted: one that a
/// lab has kept is one too many.
const NAMESPACES: usize = 3;

/// A kernel's memory can't be asked how much of it a lab has left behind: other tests and
/// caches use the same. But whatever of it outlives processes and files, tmpfs and network
/// devices above all, hangs on namespaces, and those can be counted exactly: in a user
/// namespace of its own that may have few, as many as there may be can be made, one in the
/// other, only when labs have given back all of theirs. The kernel takes a moment to do so.
const COUNTED: &str = r#"
allow() {
  for kind in cgroup ipc mnt net pid user uts; do
    echo "$1" > /proc/sys/user/max_${kind}_namespaces || exit
  done
}
nested=true
for number in $(seq "$NAMESPACES"); do
  nested="unshare --map-root-user --cgroup --ipc --mount --net --pid --uts --fork $nested"
done
all_free() {
  allow "$NAMESPACES"
  # What an attempt has made takes its moment, too: each waits longer than the one before.
  for attempt in $(seq 0 9) $(seq 10 10 40); do
    $nested 2> /dev/null && return
    sleep "$((attempt / 10)).$((attempt % 10))"
  done
  echo "after start $1: $($nested 2>&1)"
  lsns
  exit 1
}
all_free 0
# One more than all can't be made: they are counted indeed.
unshare --map-root-user $nested 2> /dev/null && exit 1
for number in $(seq "$STARTS"); do
  allow 1000
  said=$("$PROGRAM" start "$LAB" --discard 2>&1 <<< 'echo "here $(kubectl get nodes -o name | wc -l)"')
  [[ $said == *"here 2"* ]] || { echo "start $number: $said"; exit 1; }
  all_free "$number"
done
echo "started $STARTS"
"#;

#[test]
#[ignore = "the kernel gives all tests' networks back one after the other: it wants to be alone"]
fn namespaces_and_what_hangs_on_them_are_given_back() {
    let home = Home::new();
    let starts = number("KUBEDRILL_STARTS", 3);
    let shared = || {
        let shared = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        let mut found: Vec<_> = shared.map(|entry| entry.file_name()).collect();
        for kind in ["shm", "sem", "msg"] {
            let text = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
            found.push(text.lines().count().to_string().into());
        }
        found.sort();
        found
    };
    let before = shared();
    let mut command = Command::new("unshare");
    home.set_up(command.args(["--user", "--map-root-user", "bash", "-c", COUNTED]));
    command
        .env("PROGRAM", program())
        .env("LAB", LAB)
        .env("STARTS", starts.to_string())
        .env("NAMESPACES", NAMESPACES.to_string());
    let ended = run(&mut command, "").expect(0);
    assert_eq!(ended.stdout, format!("started {starts}\n"));
    expect_nothing_left(&home);
    assert_eq!(before, shared());
}

/// Ways to ask the members of a cluster by the API server's own credentials.
const ASK: &str = r#"
servers=$(sed -n 's/.*--etcd-servers=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
pki=/etc/kubernetes/pki
ask() {
  etcdctl --endpoints "$servers" --cacert $pki/etcd/ca.crt \
    --cert $pki/apiserver-etcd-client.crt --key $pki/apiserver-etcd-client.key "$@"
}
"#;

/// Starts a cluster of this shape, types `script` and expects `lines` of it; nothing of it
/// is left afterwards.
#[track_caller]
fn boots(shape: &str, script: &str, lines: &[&str]) {
    let home = Home::new();
    let before = Host::now();
    let dir = home.bare_lab(shape);
    let mut start = home.kubedrill(["start", "--discard"]);
    // Its exit status is the grade, and nothing is graded here.
    let ended = run(
        start.arg(&dir),
        &format!("exec 2>&1\n{UNTIL_OK}\n{ASK}\n{script}"),
    )
    .expect(1);
    for line in lines {
        assert!(
            ended.stdout.lines().any(|said| said == *line),
            "no {line:?}: {ended:?}"
        );
    }
    assert!(!ended.stdout.contains("NEVER"), "{ended:?}");
    expect_nothing_left(&home);
    assert_eq!(before, Host::now());
}

#[test]
fn five_control_planes() {
    boots(
        "control_planes = 5\nworkers = 0",
        r#"
        until_ok '[ $(kubectl -n kube-system get pods --no-headers | grep -c "1/1 *Running") = 20 ]'
        echo "ready: $(kubectl get nodes --no-headers | grep -c ' Ready ')"
        echo "healthy: $(ask endpoint health --cluster 2>&1 | grep -c 'is healthy')"
        echo "leaders: $(ask endpoint status --cluster -w fields | grep -c '"Leader"') $(ask endpoint status --cluster -w json | grep -o '"leader":[0-9]*' | sort -u | wc -l)"
        kubectl create configmap kept --from-literal=k=everywhere >/dev/null
        for node in controlplane{,2,3,4,5}; do
          echo "$node: $(kubectl --server https://$node:6443 get configmap kept -o jsonpath={.data.k})"
        done
        ssh controlplane5 systemctl stop kubelet </dev/null
        leases="kubectl -n kube-system get leases -o name | grep -c -e kube-scheduler -e kube-controller-manager"
        until_ok '[ $(eval $leases) = 2 ]'
        echo "managers: $(eval $leases)"
        "#,
        &[
            "ready: 5",
            "healthy: 5",
            "leaders: 5 1",
            "controlplane: everywhere",
            "controlplane3: everywhere",
            "controlplane5: everywhere",
            "managers: 2",
        ],
    );
}

#[test]
fn three_workers() {
    boots(
        "control_planes = 1\nworkers = 3",
        r#"
        kubectl create deploy web --image=nginx --replicas=9 >/dev/null
        until_ok 'kubectl rollout status deploy web --timeout=20s'
        echo "ready: $(kubectl get nodes --no-headers | grep -c ' Ready ')"
        echo "spread: $(kubectl get pods -o jsonpath='{.items[*].spec.nodeName}' | tr ' ' '\n' | sort | uniq -c | xargs)"
        for node in node01 node02 node03; do
          echo "$node: $(ssh $node 'hostname; crictl ps -q | wc -l' </dev/null | xargs)"
        done
        "#,
        &[
            "ready: 4",
            "spread: 3 node01 3 node02 3 node03",
            "node01: node01 3",
            "node02: node02 3",
            "node03: node03 3",
        ],
    );
}

#[test]
fn seven_external_members() {
    boots(
        "control_planes = 1\nworkers = 0\netcd = 7",
        r#"
        echo "members: $(ask member list | grep -c started)"
        echo "healthy: $(ask endpoint health 2>&1 | grep -c 'is healthy')"
        echo "ready: $(kubectl get nodes --no-headers | grep -c ' Ready ')"
        kubectl create configmap kept --from-literal=k=v >/dev/null
        for number in 1 2 3; do ssh etcd$number systemctl stop etcd </dev/null; done
        until_ok 'kubectl create configmap with-four'
        echo "with four: $(kubectl get configmaps -o name | grep -c -e kept -e with-four)"
        for number in 1 2 3; do ssh etcd$number systemctl start etcd </dev/null; done
        until_ok '[ $(ask endpoint health 2>&1 | grep -c "is healthy") = 7 ]'
        echo "with all: $(ask endpoint health 2>&1 | grep -c 'is healthy')"
        "#,
        &["members: 7", "healthy: 7", "ready: 1", "with four: 2"],
    );
}
