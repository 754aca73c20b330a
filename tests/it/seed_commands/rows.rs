//! The rows. Notes are called `000` to `004`; where one has a placeholder (`$IP1`,
//! `<POD-NAME>`, `yaml_file`) the row gives it its value. Rows of the note `-` are ours:
//! what a note says in words alone, what the fingers do in an editor, a look at what is true
//! then.

/// The note, what is typed, the exit status, and what must be printed.
pub type Row = (&'static str, &'static str, i32, &'static [&'static str]);

/// In the place of an exit status: it does not end, and the first text that is expected tells
/// when it is up.
pub const STAYS: i32 = -1;

/// Notes 000, 001 and 002, and what of 003 and 004 needs one member.
pub const ONE_CONTROL_PLANE: &[Row] = &[
    // The client, on a node that has none.
    ("-", "rm -f $(type -ap etcdctl etcdutl); hash -r", 0, &[]),
    ("-", "etcdctl version", 127, &["not found"]),
    (
        "000",
        "sudo apt install etcd-client",
        0,
        &["Setting up etcd-client"],
    ),
    (
        "000",
        "etcdctl version",
        0,
        &["etcdctl version: 3.5", "API version: 3.5"],
    ),
    ("000 001 002", "export ETCDCTL_API=3", 0, &[]),
    ("-", "etcdctl version", 0, &["API version: 3.5"]),
    // Where etcd is.
    (
        "000 002",
        "kubectl get pods -n kube-system",
        0,
        &["READY", "etcd-controlplane", "kube-apiserver-controlplane"],
    ),
    (
        "004",
        "kubectl -n kube-system get pods",
        0,
        &["etcd-controlplane"],
    ),
    (
        "000 002",
        "kubectl get pods",
        0,
        &["No resources found in default namespace."],
    ),
    (
        "001",
        "ls /etc/kubernetes/manifests/etcd.yaml",
        0,
        &["etcd.yaml"],
    ),
    ("001", "ls /var/lib/etcd", 0, &["member"]),
    (
        "001",
        "ls /etc/kubernetes/pki/etcd/",
        0,
        &[
            "ca.crt",
            "healthcheck-client.crt",
            "peer.key",
            "server.crt",
            "server.key",
        ],
    ),
    (
        "000",
        "sudo cat /etc/kubernetes/manifests/etcd.yaml",
        0,
        &[
            "kind: Pod",
            "- --advertise-client-urls=https://192.168.10.150:2379",
            "- --cert-file=/etc/kubernetes/pki/etcd/server.crt",
            "- --data-dir=/var/lib/etcd",
            "- --key-file=/etc/kubernetes/pki/etcd/server.key",
            "- --listen-client-urls=https://127.0.0.1:2379,https://192.168.10.150:2379",
            "- --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
        ],
    ),
    // Words of API 2, and commands without what they work on, as the tables name them.
    (
        "000 002",
        "etcdctl backup",
        1,
        &["unknown command \"backup\" for \"etcdctl\""],
    ),
    (
        "000 002",
        "etcdctl cluster-health",
        1,
        &["unknown command \"cluster-health\""],
    ),
    ("000 002", "etcdctl mk", 1, &["unknown command \"mk\""]),
    (
        "000 002",
        "etcdctl mkdir",
        1,
        &["unknown command \"mkdir\""],
    ),
    ("000 002", "etcdctl set", 1, &["unknown command \"set\""]),
    (
        "000 002",
        "etcdctl snapshot save",
        128,
        &["snapshot save expects one argument"],
    ),
    (
        "000 002",
        "etcdctl get",
        128,
        &["get command needs one argument as key"],
    ),
    (
        "000 002",
        "etcdctl put",
        128,
        &["put command needs 1 argument and input from stdin or 2 arguments"],
    ),
    // Without the certificates nobody gets in.
    (
        "000 002 003",
        "etcdctl endpoint health",
        1,
        &["127.0.0.1:2379 is unhealthy: failed to commit proposal: context deadline exceeded"],
    ),
    (
        "001",
        "etcdctl endpoint health \\\n  --endpoints=https://127.0.0.1:2379 \\\n  \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt \\\n  \
         --cert=/etc/kubernetes/pki/etcd/server.crt \\\n  \
         --key=/etc/kubernetes/pki/etcd/server.key",
        0,
        &["https://127.0.0.1:2379 is healthy: successfully committed proposal: took = "],
    ),
    // Note 001's backup and restore, in a directory that etcd does not use.
    (
        "001",
        "ETCDCTL_API=3 etcdctl snapshot save snapshot.db \\\n  \
         --endpoints=https://127.0.0.1:2379 \\\n  \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt \\\n  \
         --cert=/etc/kubernetes/pki/etcd/server.crt \\\n  \
         --key=/etc/kubernetes/pki/etcd/server.key",
        0,
        &["created temporary db file", "Snapshot saved at snapshot.db"],
    ),
    (
        "001",
        "ETCDCTL_API=3 etcdctl snapshot status snapshot.db",
        0,
        &[
            "Deprecated: Use `etcdutl snapshot status` instead.",
            ", ",
            "B\n",
        ],
    ),
    (
        "001",
        "ETCDCTL_API=3 etcdctl snapshot restore snapshot.db \\\n  \
         --data-dir=/var/lib/etcd-restored",
        0,
        &[
            "Deprecated: Use `etcdutl snapshot restore` instead.",
            "restored snapshot",
            "\"data-dir\": \"/var/lib/etcd-restored\"",
        ],
    ),
    ("-", "ls /var/lib/etcd-restored/member", 0, &["snap", "wal"]),
    // Note 003's commands, on Kubernetes' own etcd with what it demands of a client.
    (
        "-",
        "export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 \
         ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
         ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt \
         ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key",
        0,
        &[],
    ),
    ("003", "etcdctl endpoint health", 0, &["is healthy"]),
    (
        "003",
        "etcdctl member list",
        0,
        &["started, controlplane, https://192.168.10.150:2380, https://192.168.10.150:2379, false"],
    ),
    (
        "003",
        "etcdctl get /registry/pods --prefix",
        0,
        &["/registry/pods/kube-system/etcd-controlplane"],
    ),
    ("003", "etcdctl put mykey \"value\"", 0, &["OK"]),
    ("-", "etcdctl get mykey", 0, &["mykey\nvalue"]),
    ("-", "rm snapshot.db", 0, &[]),
    (
        "003",
        "etcdctl snapshot save snapshot.db",
        0,
        &["Snapshot saved at snapshot.db"],
    ),
    (
        "-",
        "unset ETCDCTL_ENDPOINTS ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY",
        0,
        &[],
    ),
    // Note 004, from within etcd's Pod.
    (
        "004",
        "kubectl -n kube-system exec etcd-controlplane -- sh -c \"etcdctl version\"",
        0,
        &["etcdctl version: 3.5"],
    ),
    (
        "004",
        "kubectl -n kube-system exec etcd-controlplane -- sh -c \"ETCDCTL_API=3 etcdctl member list \
         --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
         --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key\"",
        0,
        &["started, controlplane, https://192.168.10.150:2380"],
    ),
    (
        "004",
        "kubectl -n kube-system exec etcd-controlplane -- sh -c \"ETCDCTL_API=3 etcdctl endpoint \
         status --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
         --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key\"",
        0,
        &["https://127.0.0.1:2379, ", ", 3.5.", ", true, false, "],
    ),
    // Note 000's lab.
    (
        "000",
        "kubectl create deploy before --image=nginx --replicas=2",
        0,
        &["deployment.apps/before created"],
    ),
    (
        "000",
        "kubectl get deploy",
        0,
        &[
            "before   2/2     2            2 ",
            "NAME     READY   UP-TO-DATE   AVAILABLE   AGE",
        ],
    ),
    (
        "000",
        "sudo -i ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379  \\\n  \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt    \\\n  \
         --cert=/etc/kubernetes/pki/etcd/server.crt  \\\n  \
         --key=/etc/kubernetes/pki/etcd/server.key   \\\n  \
         snapshot save /opt/etcd-backup.db",
        0,
        &[
            "\"path\":\"/opt/etcd-backup.db.part\"",
            "opened snapshot stream; downloading",
            "completed snapshot read; closing",
            "fetched snapshot",
            "Snapshot saved at /opt/etcd-backup.db",
        ],
    ),
    (
        "000",
        "sudo etcdctl --write-out=table snapshot status /opt/etcd-backup.db",
        0,
        &["HASH ", " | REVISION | TOTAL KEYS | TOTAL SIZE |"],
    ),
    (
        "000",
        "kubectl delete deploy before",
        0,
        &["deployment.apps \"before\" deleted"],
    ),
    (
        "000",
        "kubectl create deploy after --image=nginx --replicas=2",
        0,
        &["deployment.apps/after created"],
    ),
    (
        "000",
        "kubectl get deploy",
        0,
        &["after   2/2     2            2 "],
    ),
    ("000", "sudo rm -rf /var/lib/etcd-restore", 0, &[]),
    (
        "000",
        "sudo ETCDCTL_API=3 etcdctl snapshot restore /opt/etcd-backup.db --data-dir=/var/lib/etcd-restore",
        0,
        &[
            "restoring snapshot",
            "\"wal-dir\": \"/var/lib/etcd-restore/member/wal\"",
            "added member",
            "\"cluster-id\": \"cdf818194e3a8c32\"",
            "\"added-peer-id\": \"8e9e05c52164694d\"",
            "\"added-peer-peer-urls\": [\"http://localhost:2380\"]",
            "restored snapshot",
        ],
    ),
    // An editor that does what the note says, wherever tests run.
    (
        "-",
        "printf '#!/bin/sh\\nexec sed -i \"s|path: /var/lib/etcd\\$|path: /var/lib/etcd-restore|\" \"$1\"\\n' \
         >/usr/local/bin/vi; chmod +x /usr/local/bin/vi",
        0,
        &[],
    ),
    ("000", "sudo vi /etc/kubernetes/manifests/etcd.yaml", 0, &[]),
    ("-", "kubectl get deploy before", 0, &["before "]),
    // Lists come from the API server's cache; it is restarted, as the note's caution has it.
    (
        "-",
        "cd /etc/kubernetes/manifests && mv kube-apiserver.yaml /root/ && \
         until_ok '! pgrep -x kube-apiserver' && mv /root/kube-apiserver.yaml . && \
         until_ok 'kubectl get --raw /readyz'; cd",
        0,
        &[],
    ),
    (
        "000",
        "kubectl get deploy",
        0,
        &["before   2/2     2            2 "],
    ),
    ("-", "kubectl get deploy after", 1, &["\"after\" not found"]),
    (
        "-",
        "kubectl create configmap a --from-literal=b=c --dry-run=client -o yaml >yaml_file",
        0,
        &[],
    ),
    (
        "000 002",
        "kubectl apply -f yaml_file",
        0,
        &["configmap/a created"],
    ),
];

/// Note 004 on stacked members; what it shows as pictures is typed by us.
pub const THREE_CONTROL_PLANES: &[Row] = &[
    (
        "004",
        "kubectl -n kube-system get pods",
        0,
        &[
            "etcd-controlplane ",
            "etcd-controlplane2 ",
            "etcd-controlplane3 ",
        ],
    ),
    (
        "004",
        "kubectl -n kube-system exec etcd-controlplane -- sh -c \"ETCDCTL_API=3 etcdctl endpoint \
         status --write-out=table --endpoints=https://192.168.10.150:2379,https://192.168.10.151:2379,https://192.168.10.152:2379 \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
         --key=/etc/kubernetes/pki/etcd/server.key\"",
        0,
        &[
            "|          ENDPOINT           |",
            "IS LEADER",
            "| https://192.168.10.152:2379 |",
        ],
    ),
    ("-", "rm -f $(type -ap etcdctl etcdutl); hash -r", 0, &[]),
    (
        "004",
        "wget https://github.com/etcd-io/etcd/releases/download/v3.4.14/etcd-v3.4.14-linux-amd64.tar.gz",
        0,
        &["saved"],
    ),
    (
        "004",
        "tar xvf etcd-v3.4.14-linux-amd64.tar.gz",
        0,
        &["etcd-v3.4.14-linux-amd64/etcdctl"],
    ),
    (
        "004",
        "sudo mv etcd-v3.4.14-linux-amd64/etcd* /usr/local/bin",
        0,
        &[],
    ),
    ("004", "etcdctl version", 0, &["etcdctl version: 3."]),
    (
        "004",
        "sudo ETCDCTL_API=3 etcdctl endpoint status --write-out=table \
         --endpoints=https://192.168.10.150:2379,https://192.168.10.151:2379,https://192.168.10.152:2379 \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
         --key=/etc/kubernetes/pki/etcd/server.key",
        0,
        &[
            "| https://192.168.10.150:2379 |",
            "| https://192.168.10.151:2379 |",
            "|      true |",
        ],
    ),
    (
        "004",
        "sudo ETCDCTL_API=3 etcdctl snapshot save snapshotdb --endpoints=https://192.168.10.150:2379 \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
         --key=/etc/kubernetes/pki/etcd/server.key",
        0,
        &["Snapshot saved at snapshotdb"],
    ),
    (
        "004",
        "sudo ETCDCTL_API=3 etcdctl snapshot status snapshotdb --endpoints=https://192.168.10.150:2379 \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
         --key=/etc/kubernetes/pki/etcd/server.key",
        0,
        &[", "],
    ),
    // A second time, over the first.
    (
        "004",
        "sudo ETCDCTL_API=3 etcdctl snapshot save snapshotdb --endpoints=https://192.168.10.150:2379 \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
         --key=/etc/kubernetes/pki/etcd/server.key",
        0,
        &["Snapshot saved at snapshotdb"],
    ),
    (
        "004",
        "sudo ETCDCTL_API=3 etcdctl snapshot status snapshotdb --endpoints=https://192.168.10.150:2379 \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
         --key=/etc/kubernetes/pki/etcd/server.key",
        0,
        &[", "],
    ),
    ("-", "ls -l snapshotdb", 0, &["root root"]),
    // What comes after the snapshot is to be lost.
    (
        "-",
        "kubectl create deploy later --image=nginx",
        0,
        &["created"],
    ),
    (
        "-",
        "for node in controlplane2 controlplane3; do scp -q snapshotdb $node:; done",
        0,
        &[],
    ),
    // The note does it on each node.
    (
        "004",
        "sudo ETCDCTL_API=3 etcdctl snapshot restore snapshotdb --name controlplane \
         --initial-cluster controlplane=https://192.168.10.150:2380,controlplane2=https://192.168.10.151:2380,controlplane3=https://192.168.10.152:2380 \
         --initial-advertise-peer-urls https://192.168.10.150:2380 --data-dir /var/lib/etcd-from-snapshot",
        0,
        &[
            "restored snapshot",
            "\"added-peer-peer-urls\": [\"https://192.168.10.152:2380\"]",
        ],
    ),
    (
        "004",
        "for n in 2 3; do ssh controlplane$n sudo ETCDCTL_API=3 etcdctl snapshot restore snapshotdb --name controlplane$n \
         --initial-cluster controlplane=https://192.168.10.150:2380,controlplane2=https://192.168.10.151:2380,controlplane3=https://192.168.10.152:2380 \
         --initial-advertise-peer-urls https://192.168.10.15$((n-1)):2380 --data-dir /var/lib/etcd-from-snapshot || break; done",
        0,
        &["restored snapshot"],
    ),
    // API servers stop before and come back after, which the note did without, to its regret.
    (
        "-",
        "each() { for node in controlplane controlplane2 controlplane3; do ssh $node \"$1\" || return 1; done; }; \
         each 'cd /etc/kubernetes/manifests && mv kube-apiserver.yaml etcd.yaml /root/ && \
               sed -i \"s|path: /var/lib/etcd\\$|path: /var/lib/etcd-from-snapshot|\" /root/etcd.yaml' && \
         each 'for a in $(seq 200); do pgrep -x \"kube-apiserver|etcd\" >/dev/null || exit 0; sleep 0.05; done; exit 1' && \
         each 'mv /root/etcd.yaml /etc/kubernetes/manifests/' && \
         until_ok \"etcdctl endpoint health --cluster --endpoints=https://192.168.10.150:2379 \
           --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
           --key=/etc/kubernetes/pki/etcd/server.key\" && \
         each 'mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/' && \
         until_ok 'kubectl get --raw /readyz' && \
         until_ok 'kubectl -n kube-system describe pod etcd-controlplane | grep from-snapshot'",
        0,
        &[],
    ),
    (
        "004",
        "kubectl describe pod -n kube-system etcd-controlplane",
        0,
        &[
            "HostPath (bare host directory volume)",
            "Path:          /var/lib/etcd-from-snapshot",
        ],
    ),
    ("-", "kubectl get deploy later", 1, &["not found"]),
    (
        "-",
        "etcdctl endpoint status --cluster --endpoints=https://192.168.10.150:2379 \
         --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
         --key=/etc/kubernetes/pki/etcd/server.key",
        0,
        &[
            "https://192.168.10.150:2379, ",
            "https://192.168.10.151:2379, ",
            "https://192.168.10.152:2379, ",
        ],
    ),
];

/// Note 003's service from nothing, and what needs an etcd of one's own: note 000's single
/// member, members on the addresses of five machines, API 2.
pub const BARE_MACHINE: &[Row] = &[
    ("003", "ETCD_VERSION=v3.5.12", 0, &[]),
    (
        "003",
        "wget https://github.com/etcd-io/etcd/releases/download/${ETCD_VERSION}/etcd-${ETCD_VERSION}-linux-amd64.tar.gz",
        0,
        &["saved"],
    ),
    (
        "003",
        "tar -xvf etcd-${ETCD_VERSION}-linux-amd64.tar.gz",
        0,
        &["etcd-v3.5.12-linux-amd64/etcd\n"],
    ),
    ("003", "cd etcd-${ETCD_VERSION}-linux-amd64", 0, &[]),
    ("003", "sudo mv etcd etcdctl /usr/local/bin/", 0, &[]),
    ("003", "etcd --version", 0, &["etcd Version: 3.5"]),
    (
        "003",
        "etcdctl version",
        0,
        &["etcdctl version: 3.5", "API version: 3.5"],
    ),
    ("-", "cd", 0, &[]),
    // Without the variables etcd does not know where to listen.
    (
        "000",
        "etcd --listen-client-urls=http://$PRIVATE_IP:2379 --advertise-client-urls=http://$PRIVATE_IP:2379",
        1,
        &["expected IP in URL for binding (http://:2379)"],
    ),
    (
        "-",
        "PRIVATE_IP=192.168.10.171; IP1=$PRIVATE_IP IP2=192.168.10.172 IP3=192.168.10.173 IP4=192.168.10.174 IP5=192.168.10.175",
        0,
        &[],
    ),
    // A machine listens at its own addresses only.
    (
        "000",
        "etcd --listen-client-urls=http://$IP1:2379,http://$IP2:2379,http://$IP3:2379,http://$IP4:2379,http://$IP5:2379 \\\n  \
         --advertise-client-urls=http://$IP1:2379,http://$IP2:2379,http://$IP3:2379,http://$IP4:2379,http://$IP5:2379",
        1,
        &["bind: cannot assign requested address"],
    ),
    ("-", "rm -rf default.etcd", 0, &[]),
    (
        "000",
        "etcd --listen-client-urls=http://$PRIVATE_IP:2379 --advertise-client-urls=http://$PRIVATE_IP:2379",
        STAYS,
        &["ready to serve client requests", "192.168.10.171:2379"],
    ),
    (
        "-",
        "export ETCDCTL_ENDPOINTS=http://$PRIVATE_IP:2379",
        0,
        &[],
    ),
    (
        "000 002 003",
        "etcdctl endpoint health",
        0,
        &["http://192.168.10.171:2379 is healthy"],
    ),
    (
        "-",
        "ls -d default.etcd; pkill -x etcd; wait; rm -rf default.etcd",
        0,
        &["default.etcd"],
    ),
    // API 2: its words, and an etcd that still has it.
    (
        "-",
        "etcd --enable-v2 --listen-client-urls=http://$PRIVATE_IP:2379 --advertise-client-urls=http://$PRIVATE_IP:2379",
        STAYS,
        &["ready to serve client requests"],
    ),
    ("-", "export ETCDCTL_API=2", 0, &[]),
    (
        "000 002",
        "etcdctl cluster-health",
        0,
        &[
            "is healthy: got healthy result from http://192.168.10.171:2379",
            "cluster is healthy",
        ],
    ),
    ("000 002", "etcdctl mkdir /dir", 0, &[]),
    ("000 002", "etcdctl mk /dir/key value", 0, &["value"]),
    (
        "000 002",
        "etcdctl mk /dir/key value",
        4,
        &["105: Key already exists (/dir/key)"],
    ),
    ("000 002", "etcdctl set /dir/key other", 0, &["other"]),
    (
        "000 002",
        "etcdctl backup --data-dir default.etcd --backup-dir backup",
        0,
        &[],
    ),
    ("-", "ls backup/member", 0, &["snap", "wal"]),
    ("000 002", "etcdctl mk", 128, &["key required"]),
    ("000 002", "etcdctl mkdir", 128, &["key required"]),
    ("000 002", "etcdctl set", 128, &["key required"]),
    // And back to API 3.
    ("000 001 002", "export ETCDCTL_API=3", 0, &[]),
    ("-", "pkill -x etcd; wait; unset ETCDCTL_ENDPOINTS", 0, &[]),
    // The service.
    (
        "003",
        "sudo useradd --system --no-create-home --shell /sbin/nologin etcd",
        0,
        &[],
    ),
    ("003", "sudo mkdir -p /var/lib/etcd", 0, &[]),
    ("003", "sudo chown -R etcd:etcd /var/lib/etcd", 0, &[]),
    // An editor that writes what the note has one paste.
    (
        "-",
        "printf '%s\\n' '[Unit]' 'Description=etcd key-value store' 'Documentation=https://etcd.io' \
         'After=network.target' '[Service]' 'User=etcd' 'Type=notify' 'ExecStart=/usr/local/bin/etcd \\' \
         '  --name node1 \\' '  --data-dir=/var/lib/etcd \\' \
         '  --listen-client-urls=http://127.0.0.1:2379 \\' '  --advertise-client-urls=http://127.0.0.1:2379 \\' \
         '  --listen-peer-urls=http://127.0.0.1:2380 \\' '  --initial-advertise-peer-urls=http://127.0.0.1:2380 \\' \
         '  --initial-cluster=node1=http://127.0.0.1:2380 \\' '  --initial-cluster-state=new' '' \
         'Restart=always' 'RestartSec=5' '[Install]' 'WantedBy=multi-user.target' >/root/pasted; \
         printf '#!/bin/sh\\nexec cp /root/pasted \"$1\"\\n' >/usr/local/bin/nano; chmod +x /usr/local/bin/nano",
        0,
        &[],
    ),
    ("003", "sudo nano /etc/systemd/system/etcd.service", 0, &[]),
    ("003", "sudo systemctl daemon-reload", 0, &[]),
    ("003", "sudo systemctl enable etcd", 0, &["Created symlink"]),
    ("003", "sudo systemctl start etcd", 0, &[]),
    (
        "003",
        "sudo systemctl status etcd",
        0,
        &[
            "etcd.service - etcd key-value store",
            "Active: active (running)",
            "Docs: https://etcd.io",
        ],
    ),
    ("-", "stat -c %U /var/lib/etcd/member", 0, &["etcd"]),
    ("003", "etcdctl put name \"ckA-prep\"", 0, &["OK"]),
    ("003", "etcdctl get name", 0, &["name\nckA-prep"]),
    (
        "003",
        "etcdctl endpoint health",
        0,
        &["127.0.0.1:2379 is healthy"],
    ),
    (
        "003",
        "etcdctl member list",
        0,
        &["started, node1, http://127.0.0.1:2380, http://127.0.0.1:2379, false"],
    ),
    ("003", "etcdctl put mykey \"value\"", 0, &["OK"]),
    ("003", "etcdctl get /registry/pods --prefix", 0, &[]),
    (
        "003",
        "etcdctl snapshot save snapshot.db",
        0,
        &["Snapshot saved at snapshot.db"],
    ),
    // What note 004 says in passing.
    (
        "004",
        "etcdctl endpoint status",
        0,
        &["127.0.0.1:2379, ", ", true, false, "],
    ),
    (
        "004",
        "etcdctl snapshot save snapshotdb",
        0,
        &["Snapshot saved at snapshotdb"],
    ),
    ("004", "etcdctl snapshot status snapshotdb", 0, &[", "]),
];

/// Note 000's way to tell where etcd runs, and what the others come to, with external etcd.
pub const EXTERNAL_ETCD: &[Row] = &[
    (
        "000",
        "kubectl get pods -n kube-system",
        0,
        &["kube-apiserver-controlplane"],
    ),
    ("-", "kubectl get pods -n kube-system | grep etcd", 1, &[]),
    (
        "000",
        "sudo cat /etc/kubernetes/manifests/etcd.yaml",
        1,
        &["No such file or directory"],
    ),
    (
        "003",
        "ssh etcd1 sudo systemctl status etcd",
        0,
        &["Active: active (running)"],
    ),
    ("-", "ssh etcd1 etcd --version", 0, &["etcd Version: 3.5"]),
    (
        "003",
        "ssh etcd1 'ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt \
         ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key etcdctl --endpoints=https://127.0.0.1:2379 get /registry/pods --prefix --keys-only'",
        0,
        &["/registry/pods/kube-system/kube-apiserver-controlplane"],
    ),
];
