//! What a lab's nodes look like before they boot for the first time: the layout
//! that kubeadm 1.32 leaves behind, and the words that learners expect in a shell.

mod etcd_node;
mod kubeconfig;
mod manifests;
mod pki;
mod uploads;

use std::{net::Ipv4Addr, path::PathBuf};

use sandbox::{Directory, FabricSpec, File, HostBind, NodeSpec};
use time::OffsetDateTime;

use crate::{
    model::{Lab, Spare},
    session::{Engine, Session},
};
use pki::{ClusterPki, Pair};
pub use uploads::uploads;

const POD_SUBNET: &str = "10.244.0.0/16";
const SERVICE_SUBNET: &str = "10.96.0.0/12";

/// The address of the Service `kubernetes`: the first of the Services'.
pub const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// Where a node meets its lab: the socket that `check`, `task` and `hint` talk to.
pub const LAB_DIR: &str = "/run/kubedrill-lab";

/// The first control plane's number in the network; the notes use this address.
const FIRST_CONTROL_PLANE: u32 = 150;
const FIRST_WORKER: u32 = 160;
/// The number of `etcd1`.
const FIRST_ETCD: u32 = 171;

/// The kubelets' configuration but for what differs between nodes.
const KUBELET_CONFIG: &str = include_str!("kubelet-config.yaml");

/// Where each kubelet looks for static Pods.
const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// Names that are kubedrill in every node.
const APPLETS: [&str; 27] = [
    "service",
    "systemctl",
    "journalctl",
    "hostnamectl",
    "timedatectl",
    "sudo",
    "su",
    "ssh",
    "scp",
    "peer-link",
    "apt",
    "apt-cache",
    "apt-get",
    "curl",
    "wget",
    "reboot",
    "poweroff",
    "halt",
    "shutdown",
    "check",
    "task",
    "hint",
    "next",
    "skip",
    "goto",
    "finish",
    "kubedrill",
];

/// Names that are kubedrill in a node of Kubernetes besides.
const KUBERNETES_APPLETS: [&str; 6] = [
    "etcdctl", "etcdutl", "kubectl", "kubelet", "kubeadm", "crictl",
];

/// Run on the first control plane before a lab's own setup, with NODES (how many there are),
/// APIS (the addresses of all API servers) and UPLOADS (see [`uploads`]) in its environment.
pub const BOOTSTRAP: &str = include_str!("bootstrap.sh");

/// Run on the first external member; ends when all of them answer.
pub const AWAIT_ETCD: &str = include_str!("await-etcd.sh");

/// What [`nodes`] leaves in the session's folder for the grader.
pub const GRADER_FILES: [&str; 6] = [
    "etcd-ca.crt",
    "etcd-client.crt",
    "etcd-client.key",
    "api-ca.crt",
    "api-client.crt",
    "api-client.key",
];

/// Why a node could not be laid out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not make the cluster's certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    #[error("could not write {}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// The machines of `lab`, laid out for their first boot. The grader's own
/// certificates go to the session, where no node can see them.
///
/// # Errors
/// Certificates can't be made or the grader's can't be written.
pub fn nodes(
    lab: &Lab,
    session: &Session,
    engine: &Engine,
    now: OffsetDateTime,
) -> Result<FabricSpec, Error> {
    let mut fabric = FabricSpec::new(session.fabric_dir());
    let pki = ClusterPki::new(now)?;
    keep_for_grader(session, &pki)?;
    let cluster = lab.cluster;
    let placed = |names: Vec<String>, first: u32| -> Vec<(String, Ipv4Addr)> {
        let host = |(name, number)| (name, fabric.subnet.host(number));
        names.into_iter().zip(first..).map(host).collect()
    };
    let control = placed(cluster.control_plane_names(), FIRST_CONTROL_PLANE);
    let workers = placed(cluster.worker_names(), FIRST_WORKER);
    let machines = placed(cluster.etcd_names(), FIRST_ETCD);
    let external = &machines[..usize::from(cluster.etcd)];
    let stacked = if external.is_empty() {
        &control[..]
    } else {
        &[]
    };
    let api = control
        .first()
        .map_or(Ipv4Addr::LOCALHOST, |(_, address)| *address);
    for (name, address) in &control {
        let mut node = kubernetes_node(session, engine, name, *address);
        node.files
            .extend(control_plane_files(&pki, name, *address, external)?);
        if !stacked.is_empty() {
            node.files
                .extend(stacked_member_files(&pki, name, *address, stacked)?);
            // kubeadm makes it for root alone.
            node.directories.push(Directory {
                path: "/var/lib/etcd".into(),
                mode: 0o700,
                uid: 0,
            });
        }
        // A control plane's kubelet asks the API server beside it.
        node.files
            .extend(kubelet_files(&pki, name, *address, *address, true)?);
        fabric.nodes.push(node);
    }
    for (name, address) in &workers {
        let mut node = kubernetes_node(session, engine, name, *address);
        let pki_dir = "/etc/kubernetes/pki";
        node.files.push(File::new(
            format!("{pki_dir}/ca.crt"),
            pki.kubernetes.pair.cert.clone(),
        ));
        node.files
            .extend(kubelet_files(&pki, name, *address, api, false)?);
        fabric.nodes.push(node);
    }
    let has_users = sandbox::maps_users();
    let etcd_uid = match has_users {
        true => etcd_node::free_uid(&host_file("/etc/passwd"), &host_file("/etc/group")),
        false => 0,
    };
    for (index, (name, address)) in machines.iter().enumerate() {
        let mut node = plain_node(session, engine, name, *address);
        if index < external.len() {
            etcd_node::prepare(&mut node, &pki, etcd_uid)?;
            etcd_node::enable(&mut node, external, has_users);
        } else if cluster.spare_kind == Spare::Prepared {
            etcd_node::prepare(&mut node, &pki, etcd_uid)?;
        }
        fabric.nodes.push(node);
    }
    for node in &mut fabric.nodes {
        node.files.push(profile(lab));
    }
    Ok(fabric)
}

/// A file of the host from which nodes take over system users; empty if there is none.
fn host_file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A machine with nothing on it but the words that every node has.
fn plain_node(session: &Session, engine: &Engine, name: &str, address: Ipv4Addr) -> NodeSpec {
    let mut node = NodeSpec::new(name, address);
    node.applets = APPLETS.map(str::to_owned).to_vec();
    node.binaries = engine
        .binaries
        .iter()
        .map(|(n, p)| (n.clone(), p.clone()))
        .collect();
    node.binds.push(HostBind {
        host: session.lab_dir(),
        node: LAB_DIR.into(),
        // Speaking through the socket writes nothing; nobody puts another in its place.
        read_only: true,
    });
    node
}

/// What a login shell of a node sets up; the ids of tasks complete `hint`.
fn profile(lab: &Lab) -> File {
    let ids: Vec<&str> = lab.tasks.iter().map(|task| task.id.as_str()).collect();
    // In single quotes bash takes every letter but the quote itself for what it is.
    let ids = ids.join(" ").replace('\'', "");
    let text = format!("{}HINTS='{ids}'\n{COMPLETE}", include_str!("profile.sh"));
    File::new("/etc/profile.d/kubedrill.sh", text)
}

/// The words of a node take no file names.
const COMPLETE: &str = r#"if [ -n "$BASH_VERSION" ] && [ -n "$PS1" ]; then
  complete -W "$HINTS" hint
  complete -W '' task check next skip goto finish
fi
unset HINTS
"#;

/// A machine that runs a kubelet.
fn kubernetes_node(session: &Session, engine: &Engine, name: &str, address: Ipv4Addr) -> NodeSpec {
    let mut node = plain_node(session, engine, name, address);
    node.applets.extend(KUBERNETES_APPLETS.map(str::to_owned));
    node.units = vec!["kubelet.service".into()];
    // The kubelet's package brings it, so that workers have it, too.
    node.directories.push(Directory {
        path: MANIFESTS.into(),
        mode: 0o755,
        uid: 0,
    });
    node
}

/// `name.crt` and `name.key` below `/etc/kubernetes/pki`.
fn pair_files(name: &str, pair: &Pair) -> [File; 2] {
    let path = |end| format!("/etc/kubernetes/pki/{name}.{end}");
    [
        File::new(path("crt"), pair.cert.clone()),
        File::new(path("key"), pair.key.clone()).mode(0o600),
    ]
}

fn control_plane_files(
    pki: &ClusterPki,
    name: &str,
    address: Ipv4Addr,
    external: &[(String, Ipv4Addr)],
) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    if !external.is_empty() {
        // The authority's key stays with the members.
        files.push(File::new(
            "/etc/kubernetes/pki/etcd/ca.crt",
            pki.etcd.pair.cert.clone(),
        ));
    }
    for (name, pair) in pki.control_plane(name, address)? {
        files.extend(pair_files(name, &pair));
    }
    files.push(
        File::new(
            "/etc/kubernetes/pki/sa.key",
            pki.service_accounts.serialize_pem(),
        )
        .mode(0o600),
    );
    files.push(File::new(
        "/etc/kubernetes/pki/sa.pub",
        pki.service_accounts.public_key_pem(),
    ));
    let config = |user: &str, group: &str| -> Result<String, Error> {
        let pair = pki.user(user, group)?;
        Ok(kubeconfig::embedded(
            &pki.kubernetes.pair.cert,
            address,
            user,
            &pair,
        ))
    };
    let admin = config("kubernetes-admin", "kubeadm:cluster-admins")?;
    for (path, text) in [
        ("/etc/kubernetes/admin.conf", admin.clone()),
        ("/root/.kube/config", admin),
        (
            "/etc/kubernetes/super-admin.conf",
            config("kubernetes-super-admin", "system:masters")?,
        ),
        (
            "/etc/kubernetes/controller-manager.conf",
            config("system:kube-controller-manager", "")?,
        ),
        (
            "/etc/kubernetes/scheduler.conf",
            config("system:kube-scheduler", "")?,
        ),
    ] {
        files.push(File::new(path, text).mode(0o600));
    }
    let servers = match external {
        [] => "https://127.0.0.1:2379".to_owned(),
        members => join(members, |_, address| format!("https://{address}:2379")),
    };
    for (pod, text) in [
        ("kube-apiserver", manifests::apiserver(address, &servers)),
        ("kube-controller-manager", manifests::controller_manager()),
        ("kube-scheduler", manifests::scheduler()),
    ] {
        files.push(manifest_file(pod, text));
    }
    Ok(files)
}

fn manifest_file(pod: &str, text: String) -> File {
    File::new(format!("{MANIFESTS}/{pod}.yaml"), text).mode(0o600)
}

/// The member beside an API server: its certificates and its static Pod.
fn stacked_member_files(
    pki: &ClusterPki,
    name: &str,
    address: Ipv4Addr,
    members: &[(String, Ipv4Addr)],
) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    files.extend(pair_files("etcd/ca", &pki.etcd.pair));
    for (file, pair) in pki.member(name, address)? {
        files.extend(pair_files(file, &pair));
    }
    let text = manifests::etcd(name, address, &initial_cluster(members), "new");
    files.push(manifest_file("etcd", text));
    Ok(files)
}

/// `name=https://address:2380` of each member, as `--initial-cluster` takes it.
fn initial_cluster(members: &[(String, Ipv4Addr)]) -> String {
    join(members, |name, address| {
        format!("{name}=https://{address}:2380")
    })
}

fn join(members: &[(String, Ipv4Addr)], word: impl Fn(&str, Ipv4Addr) -> String) -> String {
    let words: Vec<String> = members
        .iter()
        .map(|(name, address)| word(name, *address))
        .collect();
    words.join(",")
}

fn kubelet_files(
    pki: &ClusterPki,
    name: &str,
    address: Ipv4Addr,
    api: Ipv4Addr,
    control_plane: bool,
) -> Result<Vec<File>, Error> {
    let client = pki.user(&format!("system:node:{name}"), "system:nodes")?;
    let server = pki.kubelet_server(name, address)?;
    let conf = kubeconfig::kubelet(&pki.kubernetes.pair.cert, api, name);
    let register = match control_plane {
        true => {
            "registerWithTaints:\n- effect: NoSchedule\n  \
             key: node-role.kubernetes.io/control-plane\n"
        }
        false => "",
    };
    Ok(vec![
        File::new("/etc/kubernetes/kubelet.conf", conf).mode(0o600),
        File::new(
            "/var/lib/kubelet/pki/kubelet-client-current.pem",
            client.cert + &client.key,
        )
        .mode(0o600),
        File::new("/var/lib/kubelet/pki/kubelet.crt", server.cert),
        File::new("/var/lib/kubelet/pki/kubelet.key", server.key).mode(0o600),
        File::new(
            "/var/lib/kubelet/config.yaml",
            format!("{KUBELET_CONFIG}{register}"),
        ),
        File::new(
            "/var/lib/kubelet/kubeadm-flags.env",
            format!(
                "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=\
                 unix:///var/run/containerd/containerd.sock --node-ip={address} \
                 --pod-infra-container-image=registry.k8s.io/pause:3.10\"\n"
            ),
        ),
        File::new(
            "/etc/systemd/system/kubelet.service",
            include_str!("kubelet.service"),
        ),
        File::new(
            "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
            include_str!("10-kubeadm.conf"),
        ),
        File::new(
            "/etc/crictl.yaml",
            "runtime-endpoint: unix:///run/containerd/containerd.sock\n",
        ),
    ])
}

/// Writes the authorities' certificates and a client's pair for each of etcd and
/// the API below the session, where the learner's root can't reach.
fn keep_for_grader(session: &Session, pki: &ClusterPki) -> Result<(), Error> {
    let etcd = pki.etcd_user("kubedrill-grader")?;
    let api = pki.user("kubedrill-grader", "system:masters")?;
    let texts = [
        &pki.etcd.pair.cert,
        &etcd.cert,
        &etcd.key,
        &pki.kubernetes.pair.cert,
        &api.cert,
        &api.key,
    ];
    for (name, text) in GRADER_FILES.into_iter().zip(texts) {
        let path = session.grader_dir().join(name);
        std::fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}
