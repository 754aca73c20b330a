//! The kubelet in a real node: manifests are edited and broken, containers crash, the
//! kubelet is stopped, and `crictl` and `kubectl` tell what became of it.

mod crictl;
mod probes;
mod settings;

use std::{
    io::{Read, Seek, Write},
    process::Stdio,
};

use crate::support::{Home, UNTIL_OK};

/// More words for the scripts, beside [`UNTIL_OK`]: `state` is what the runtime says of the newest container of a name.
const WORDS: &str = r#"
newest() { crictl ps -a -q --name "^$1\$" | head -n 1; }
state() { crictl inspect "$(newest "$1")" | sed -n 's/^        "state": "\(.*\)"$/\1/p'; }
cd /etc/kubernetes/manifests
until_ok '[ "$(kubectl -n kube-system get pods --no-headers | wc -l)" -ge 3 ]'
"#;

/// Runs `script` as root on the control plane of a new cluster; what it printed.
fn on_control_plane(script: &str) -> String {
    on_cluster("control_planes = 1\nworkers = 1", script)
}

/// The same on a cluster of another shape: the lines of a lab's `[cluster]`. In it there
/// are the functions of [`WORDS`].
#[track_caller]
pub fn on_cluster(shape: &str, script: &str) -> String {
    let home = Home::new();
    let mut input = tempfile::tempfile().expect("a file");
    write!(input, "{UNTIL_OK}\n{WORDS}\n{script}").expect("the script is written");
    input.rewind().expect("the script is rewound");
    let mut talk = tempfile::tempfile().expect("a file");
    let handle = || Stdio::from(talk.try_clone().expect("a second handle"));
    // Its exit status is the grade, and nothing is graded here.
    let status = home
        .kubedrill(["start", "--discard"])
        .arg(home.bare_lab(shape))
        .stdin(input)
        .stdout(handle())
        .stderr(handle())
        .status()
        .expect("kubedrill starts");
    talk.rewind().expect("the talk is rewound");
    let mut text = String::new();
    talk.read_to_string(&mut text).expect("the talk is text");
    assert!(text.contains("Ready after"), "{status}\n{text}");
    assert!(!text.contains("NEVER: "), "{text}");
    text
}

/// What a script printed between `== name` and the next such line.
#[track_caller]
pub fn section<'a>(text: &'a str, name: &str) -> &'a str {
    let head = format!("== {name}\n");
    let rest = text
        .split_once(&head)
        .unwrap_or_else(|| panic!("no {name} in\n{text}"))
        .1;
    rest.split_once("== ").map_or(rest, |(section, _)| section)
}

#[test]
fn an_edited_manifest_makes_a_new_container_and_a_comment_does_not() {
    let text = on_control_plane(
        r#"
        before=$(newest etcd)
        sed -i '1i # A remark.' etcd.yaml
        sleep 0.3
        echo "== comment"; [ "$(newest etcd)" = "$before" ] && echo same
        sed -i 's/--snapshot-count=10000/--snapshot-count=20000/' etcd.yaml
        until_ok '[ "$(newest etcd)" != "$before" ] && [ "$(state etcd)" = CONTAINER_RUNNING ]'
        echo "== edit"; crictl ps -a --name '^etcd$'
        until_ok 'kubectl -n kube-system get pod etcd-controlplane -o yaml | grep -e --snapshot-count=20000'
        until_ok 'kubectl -n kube-system get pod etcd-controlplane | grep 1/1'
        echo "== copy"; cp etcd.yaml etcd.yaml.bak; sleep 0.3; crictl ps -q --name '^etcd$' | wc -l
        rm etcd.yaml.bak
        echo "== away"; mv etcd.yaml /root/; until_ok '[ "$(state etcd)" = CONTAINER_EXITED ]'
        mv /root/etcd.yaml .; until_ok '[ "$(state etcd)" = CONTAINER_RUNNING ]'
        until_ok 'kubectl -n kube-system get pod etcd-controlplane | grep 1/1'
        "#,
    );
    assert_eq!(section(&text, "comment").trim(), "same", "{text}");
    let edited = section(&text, "edit");
    let head: Vec<&str> = edited
        .lines()
        .next()
        .unwrap_or_default()
        .split("  ")
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(
        head,
        [
            "CONTAINER",
            "IMAGE",
            "CREATED",
            "STATE",
            "NAME",
            "ATTEMPT",
            "POD ID",
            "POD",
            "NAMESPACE"
        ]
    );
    assert!(
        edited.contains("Running") && edited.contains("Exited"),
        "{edited}"
    );
    assert_eq!(section(&text, "copy").trim(), "1", "{text}");
}

#[test]
fn a_container_that_was_started_a_moment_ago_is_stopped_too() {
    let text = on_control_plane(
        r#"
        cat > /root/slow.yaml <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: slow
  namespace: kube-system
spec:
  hostNetwork: true
  volumes:
  - {name: usr, hostPath: {path: /usr}}
  - {name: lib, hostPath: {path: /usr/lib}}
  - {name: lib64, hostPath: {path: /usr/lib64}}
  containers:
  - name: slow
    image: registry.k8s.io/etcd:3.5.16-0
    command: [/usr/bin/bash, -c, "sleep 1; trap 'exit 7' TERM; while :; do sleep 0.1; done"]
    volumeMounts:
    - {name: usr, mountPath: /usr}
    - {name: lib, mountPath: /lib}
    - {name: lib64, mountPath: /lib64}
END
        mv /root/slow.yaml .
        until_ok '[ "$(state slow)" = CONTAINER_RUNNING ]'
        rm slow.yaml
        began=$SECONDS
        until_ok '[ "$(state slow)" = CONTAINER_EXITED ]'
        # Its grace period is 30 seconds.
        echo "== stopped"; [ $((SECONDS - began)) -lt 20 ] && crictl inspect "$(newest slow)" | grep exitCode
        "#,
    );
    assert!(
        section(&text, "stopped").contains("\"exitCode\": 7"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_with_a_manifest_is_told() {
    let text = on_control_plane(
        r#"
        cp kube-scheduler.yaml /root/good.yaml
        pod='kubectl -n kube-system get pod kube-scheduler-controlplane'
        echo '  bad: [' >> kube-scheduler.yaml
        until_ok "! $pod"
        echo "== broken"; journalctl -u kubelet --no-pager | grep 'manifest file'
        sed 's/--leader-elect=true/--no-such-flag=true/' /root/good.yaml > kube-scheduler.yaml
        until_ok "$pod | grep CrashLoopBackOff"
        echo "== crash"; $pod -o jsonpath='{.status.containerStatuses[0]}'; echo
        until_ok 'kubectl -n kube-system get events | grep "Back-off restarting"'
        echo "== events"; kubectl -n kube-system get events | grep kube-scheduler
        echo "== logs"; crictl logs $(newest kube-scheduler)
        sed 's/    - kube-scheduler$/    - kube-skeduler/' /root/good.yaml > kube-scheduler.yaml
        until_ok "$pod | grep RunContainerError"
        echo "== command"; $pod -o jsonpath='{.status.containerStatuses[0]}'; echo
        sed 's#path: /etc/kubernetes/scheduler.conf#path: /etc/kubernetes/manifests#; s/FileOrCreate/File/' /root/good.yaml > kube-scheduler.yaml
        until_ok 'kubectl -n kube-system get events | grep FailedMount'
        echo "== mount"; kubectl -n kube-system get events | grep FailedMount; $pod
        sed 's/      name: kubeconfig/      name: kubekonfig/' /root/good.yaml > kube-scheduler.yaml
        until_ok 'journalctl -u kubelet --no-pager | grep kubekonfig'
        echo "== volume"; journalctl -u kubelet --no-pager | grep kubekonfig
        cp /root/good.yaml kube-scheduler.yaml
        until_ok '[ "$(state kube-scheduler)" = CONTAINER_RUNNING ]'
        "#,
    );
    let has = |name: &str, wanted: &[&str]| {
        let section = section(&text, name);
        for one in wanted {
            assert!(section.contains(one), "{name} lacks {one}\n{text}");
        }
    };
    has(
        "broken",
        &["/etc/kubernetes/manifests/kube-scheduler.yaml: couldn't parse as pod(yaml: line "],
    );
    has(
        "crash",
        &[
            "\"reason\":\"CrashLoopBackOff\"",
            "back-off 10s restarting failed container=kube-scheduler \
             pod=kube-scheduler-controlplane_kube-system(",
            "\"restartCount\":1",
            "\"exitCode\":1",
        ],
    );
    has(
        "events",
        &["Back-off restarting failed container kube-scheduler in pod"],
    );
    has("logs", &["unknown flag: --no-such-flag"]);
    has(
        "command",
        &[
            "exec: \\\"kube-skeduler\\\": executable file not found in $PATH: unknown",
            "\"reason\":\"StartError\"",
            "\"exitCode\":128",
        ],
    );
    has(
        "mount",
        &[
            "MountVolume.SetUp failed for volume \"kubeconfig\" : hostPath type check failed: \
             /etc/kubernetes/manifests is not a file",
            "ContainerCreating",
        ],
    );
    has(
        "volume",
        &["spec.containers[0].volumeMounts[0].name: Not found: \\\"kubekonfig\\\""],
    );
}

/// Each flag of the API server that leads to etcd, wrong, and what its log then says.
const WAYS_FROM_ETCD: [(&str, &str, &str); 6] = [
    (
        "port",
        "s#--etcd-servers=.*#--etcd-servers=https://127.0.0.1:2378#",
        "grpc: addrConn.createTransport failed to connect to {Addr: \"127.0.0.1:2378\", \
         ServerName: \"127.0.0.1:2378\", }. Err: connection error: desc = \"transport: Error \
         while dialing: dial tcp 127.0.0.1:2378: connect: connection refused\"",
    ),
    (
        "scheme",
        "s#--etcd-servers=https#--etcd-servers=http#",
        "desc = \"error reading server preface: ",
    ),
    (
        "client",
        "s#--etcd-certfile=.*#--etcd-certfile=/etc/kubernetes/pki/apiserver-kubelet-client.crt#; \
         s#--etcd-keyfile=.*#--etcd-keyfile=/etc/kubernetes/pki/apiserver-kubelet-client.key#",
        "desc = \"error reading server preface: remote error: tls: ",
    ),
    (
        "authority",
        "s#--etcd-cafile=.*#--etcd-cafile=/etc/kubernetes/pki/ca.crt#",
        "desc = \"transport: authentication handshake failed: tls: failed to verify \
         certificate: x509: certificate signed by unknown authority\"",
    ),
    (
        "file",
        "s#--etcd-certfile=.*#--etcd-certfile=/etc/kubernetes/pki/nope.crt#",
        "\"command failed\" err=\"open /etc/kubernetes/pki/nope.crt: no such file or \
         directory\"",
    ),
    (
        "key",
        "s#--etcd-keyfile=.*#--etcd-keyfile=/etc/kubernetes/pki/apiserver.key#",
        "tls: private key does not match public key",
    ),
];

#[test]
fn the_api_server_says_what_keeps_it_from_etcd() {
    let mut script = "cp kube-apiserver.yaml /root/good.yaml\n".to_owned();
    for (name, edit, expected) in WAYS_FROM_ETCD {
        let expected = expected.replace('"', r#"\""#);
        script += &format!(
            r#"
            before=$(newest kube-apiserver)
            sed "{edit}" /root/good.yaml > kube-apiserver.yaml
            until_ok '[ "$(newest kube-apiserver)" != "$before" ]'
            for i in $(seq 300); do
              log=$(crictl logs $(newest kube-apiserver) 2>&1)
              grep -qF "{expected}" <<< "$log" && break; sleep 0.1
            done
            echo "== {name}"; tail -3 <<< "$log"
            "#
        );
    }
    let text = on_control_plane(&script);
    for (name, _, expected) in WAYS_FROM_ETCD {
        let said = section(&text, name);
        assert!(said.contains(expected), "{name}: no {expected} in\n{said}");
    }
}

#[test]
fn containers_outlive_the_kubelet_and_are_taken_over() {
    let text = on_control_plane(
        r#"
        kubectl create deploy web --image=nginx --replicas=2
        until_ok 'kubectl get deploy web | grep 2/2'
        crictl ps -q | sort > /root/before
        systemctl stop kubelet
        echo "== stopped"; crictl ps -q | sort | cmp - /root/before && echo same
        kubectl -n kube-system get pods --no-headers | wc -l
        systemctl start kubelet
        systemctl restart kubelet
        until_ok 'kubectl get nodes'
        sleep 0.5
        echo "== started"; crictl ps -q | sort | cmp - /root/before && echo same
        ssh node01 'crictl ps -q | sort > /root/before; systemctl restart kubelet; sleep 0.5
          echo "== simulated"; crictl ps -q | sort | cmp - /root/before && echo same' </dev/null
        echo "== restarts"; kubectl get pods -A
        "#,
    );
    for name in ["stopped", "started", "simulated"] {
        assert!(section(&text, name).contains("same"), "{name}\n{text}");
    }
    assert_eq!(
        section(&text, "restarts").matches(" 0  ").count(),
        6,
        "{text}"
    );
}

#[test]
fn crictl_and_kubectl_reach_into_containers() {
    let text = on_control_plane(
        r#"
        echo "== exec"; crictl exec $(newest etcd) etcdctl version
        echo piped | crictl exec -i $(newest etcd) cat
        crictl exec $(newest etcd) sh -c 'exit 3'
        echo "== kubectl"
        kubectl -n kube-system exec etcd-controlplane -- sh -c 'etcdctl version; echo oops >&2; exit 2'
        echo "status $?"
        echo piped | kubectl -n kube-system exec -i etcd-controlplane -- cat
        kubectl -n kube-system logs etcd-controlplane --tail=1; grep -rh -A6 panicked /var/log/pods
        echo "== logs"; crictl logs --tail 1 $(newest etcd); crictl logs nonsense
        old=$(newest kube-scheduler)
        crictl stop $old
        until_ok '[ "$(newest kube-scheduler)" != '$old' ]'
        echo "== stop"; crictl ps -a --name kube-scheduler
        last=$(newest kube-scheduler)
        crictl rm $last
        crictl rm -f $last $old
        until_ok '[ "$(state kube-scheduler)" = CONTAINER_RUNNING ]'
        echo "== rm"; crictl ps -a --name kube-scheduler
        crictl rmp -f $(crictl pods -q --name kube-scheduler)
        until_ok 'crictl pods --name kube-scheduler | grep "kube-system  *1 "'
        until_ok '[ "$(state kube-scheduler)" = CONTAINER_RUNNING ]'
        echo "== refused"; crictl pull nginx; kubeadm token create --print-join-command
        echo "== kubeadm"; kubeadm version -o short; kubeadm certs check-expiration
        echo "== no api"; mv kube-apiserver.yaml /root/
        until_ok '[ "$(state kube-apiserver)" = CONTAINER_EXITED ]'
        kubeadm certs check-expiration; kubeadm certs check-expiration --config x | head -1
        "#,
    );
    let has = |name: &str, wanted: &[&str]| {
        let section = section(&text, name);
        for one in wanted {
            assert!(section.contains(one), "{name} lacks {one}\n{text}");
        }
    };
    has(
        "exec",
        &[
            "etcdctl version: 3.5.16",
            "piped",
            "FATA[0000] execing command in container: command terminated with exit code 3",
        ],
    );
    has(
        "kubectl",
        &[
            "etcdctl version: 3.5.16",
            "oops",
            "status 2",
            "piped",
            "\"level\":",
        ],
    );
    has("logs", &["\"level\":", "container \"nonsense\": not found"]);
    assert!(!text.contains("panicked"), "{text}");
    let stopped = section(&text, "stop");
    assert!(
        stopped.contains("Exited") && stopped.contains("Running"),
        "{stopped}"
    );
    has("rm", &["Running"]);
    assert!(!section(&text, "rm").contains("Exited"), "{text}");
    has(
        "refused",
        &[
            "crictl pull is not part of",
            "kubeadm token create is not part of",
        ],
    );
    has(
        "kubeadm",
        &[
            "v1.32.",
            "upload-config --config your-config.yaml' to re-upload it.\n\nCERTIFICATE ",
            "364d",
            "etcd-ca",
            "EXTERNALLY MANAGED",
        ],
    );
    has(
        "no api",
        &[
            "[check-expiration] Error reading configuration from the Cluster. Falling back to \
             default configuration\n\nCERTIFICATE ",
            "no      \nCERTIFICATE ",
        ],
    );
}
