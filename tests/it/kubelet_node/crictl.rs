//! `crictl`, in the ways in which it is asked.

use super::{on_control_plane, section};

/// What is typed at `crictl` beside running control-plane containers, and what is printed
/// somewhere. `@etcd` and `@pod` are the ids of etcd's container and Pod.
const CRICTL: [(&str, &[&str]); 44] = [
    ("crictl ps -q | wc -l", &["4"]),
    ("crictl ps --name etcd -q", &["@etcd"]),
    // A name is a regular expression.
    ("crictl ps --name 'kube-(api|sched).*' -q | wc -l", &["2"]),
    (
        "crictl ps --name '^etcd$|^kube-apiserver$' -q | wc -l",
        &["2"],
    ),
    (
        "crictl ps --name '['; echo \"left $?\"",
        &["invalid regular expression \"[\"", "left 1"],
    ),
    ("crictl ps --state running -q | wc -l", &["4"]),
    ("crictl ps --state Exited -q | wc -l", &["0"]),
    (
        "crictl ps --state broken; echo \"left $?\"",
        &[
            "--state should be one of created, running, exited or unknown",
            "left 1",
        ],
    ),
    ("crictl ps --pod @pod -q", &["@etcd"]),
    (
        "crictl ps --label io.kubernetes.container.name=etcd -q",
        &["@etcd"],
    ),
    ("crictl ps --id @etcd -q", &["@etcd"]),
    ("crictl ps -a --last 2 -q | wc -l", &["2"]),
    ("crictl ps --latest -q | wc -l", &["1"]),
    ("crictl ps --no-trunc --name etcd", &["@etcd", "@pod"]),
    (
        "crictl ps -o table --name etcd",
        &[
            "CONTAINER           IMAGE ",
            "etcd-controlplane   kube-system",
        ],
    ),
    (
        "crictl ps -o json --name etcd",
        &[
            "\"containers\": [",
            "\"id\": \"@etcd\"",
            "\"state\": \"CONTAINER_RUNNING\"",
            "\"podSandboxId\": \"@pod\"",
        ],
    ),
    (
        "crictl ps -o yaml --name etcd",
        &[
            "containers:\n- annotations:\n",
            "  id: @etcd\n",
            "  state: CONTAINER_RUNNING",
        ],
    ),
    (
        "crictl ps -o wide; echo \"left $?\"",
        &["unsupported output format \"wide\"", "left 1"],
    ),
    (
        "crictl ps --frobnicate; echo \"left $?\"",
        &["flag provided but not defined: -frobnicate", "left 1"],
    ),
    (
        "crictl ps --help",
        &[
            "crictl ps - List containers",
            "   --state value, -s value\n",
            "   --all, -a\n",
        ],
    ),
    ("crictl pods -q | wc -l", &["4"]),
    (
        "crictl pods --name etcd",
        &[
            "POD ID              CREATED ",
            "Ready               etcd-controlplane   kube-system         0                   (default)",
        ],
    ),
    (
        "crictl pods --state ready --namespace kube-system --label component=etcd -q",
        &["@pod"],
    ),
    ("crictl pods --state NotReady -q | wc -l", &["0"]),
    (
        "crictl pods --state broken; echo \"left $?\"",
        &["--state should be ready or notready", "left 1"],
    ),
    (
        "crictl pods -o json --name etcd",
        &[
            "\"items\": [",
            "\"id\": \"@pod\"",
            "\"state\": \"SANDBOX_READY\"",
        ],
    ),
    (
        "crictl inspect @etcd",
        &[
            "\"id\": \"@etcd\"",
            "\"logPath\": \"/var/log/pods/kube-system_etcd-controlplane_",
            "\"args\": [\n",
            "\"hostPath\": \"/var/lib/etcd\"",
        ],
    ),
    (
        "crictl inspect -o yaml @etcd",
        &["status:\n", "  id: @etcd\n"],
    ),
    (
        "crictl inspect -o table @etcd",
        &[
            "ID: @etcd\nName: etcd\nState: CONTAINER_RUNNING\nCreated: ",
            "\tio.kubernetes.pod.name -> etcd-controlplane\n",
        ],
    ),
    (
        "crictl inspect nothing; echo \"left $?\"",
        &[
            "an error occurred when try to find container \"nothing\": not found",
            "left 1",
        ],
    ),
    (
        "crictl inspect; echo \"left $?\"",
        &["ID cannot be empty", "left 1"],
    ),
    (
        "crictl inspectp @pod",
        &[
            "\"id\": \"@pod\"",
            "\"name\": \"etcd-controlplane\"",
            "\"state\": \"SANDBOX_READY\"",
        ],
    ),
    (
        "crictl inspectp -o table @pod",
        &[
            "ID: @pod\nName: etcd-controlplane\nUID: ",
            "Status: SANDBOX_READY\n",
            "IP Addresses: 192.168.",
        ],
    ),
    (
        "crictl inspectp nothing; echo \"left $?\"",
        &["find sandbox: not found: \"nothing\"", "left 1"],
    ),
    ("crictl logs --tail 2 @etcd 2>&1 | wc -l", &["2"]),
    ("crictl logs --tail=0 @etcd 2>&1 | wc -l", &["0"]),
    ("crictl logs -t --tail 1 @etcd", &["Z {\"level\":"]),
    (
        "crictl logs --since 1h @etcd; echo \"left $?\"",
        &[
            "crictl logs --since is not part of kubedrill; use --tail",
            "left 1",
        ],
    ),
    (
        "crictl rm @etcd; echo \"left $?\"",
        &[
            "container \"@etcd\" is running, please stop it first",
            "left 1",
        ],
    ),
    (
        "crictl stop nothing; echo \"left $?\"",
        &["find container \"nothing\": not found", "left 1"],
    ),
    // What there is not is refused by name, with what to do instead.
    (
        "crictl inspecti etcd; echo \"left $?\"",
        &[
            "crictl inspecti is not part of kubedrill: use crictl images -o json",
            "left 1",
        ],
    ),
    (
        "crictl pull nginx; echo \"left $?\"",
        &[
            "crictl pull is not part of kubedrill: its images need no registry",
            "left 1",
        ],
    ),
    (
        "crictl frobnicate; echo \"left $?\"",
        &["No help topic for 'frobnicate'", "left 3"],
    ),
    (
        "crictl -r unix:///run/no.sock ps; echo \"left $?\"",
        &[
            "dial unix /run/no.sock: connect: no such file or directory",
            "left 1",
        ],
    ),
];

#[test]
fn crictl_answers_every_way_of_asking() {
    let mut script = "
        ETCD=$(newest etcd); POD=$(crictl pods -q --name etcd)
        echo \"== ids\"; echo $ETCD $POD
    "
    .to_owned();
    for (number, (typed, _)) in CRICTL.iter().enumerate() {
        let typed = typed.replace("@etcd", "$ETCD").replace("@pod", "$POD");
        script += &format!("echo '== {number}.'; {{ {typed}; }} 2>&1\n");
    }
    let text = on_control_plane(&script);
    let ids = section(&text, "ids");
    let (etcd, pod) = ids.trim().split_once(' ').expect("two ids");
    for (number, (typed, expected)) in CRICTL.iter().enumerate() {
        let printed = section(&text, &format!("{number}."));
        for expected in *expected {
            let expected = expected.replace("@etcd", etcd).replace("@pod", pod);
            // A count is the whole answer.
            let held = match typed.ends_with("wc -l") {
                true => printed.trim() == expected,
                false => printed.contains(&expected),
            };
            assert!(held, "{typed}: no {expected:?} in\n{printed}");
        }
    }
}
