//! The Node object: registered, kept Ready, its lease renewed.

use std::time::Duration;

use kube::object;
use rest::{Client, Patch};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::config::Config;

/// What the API says of this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Empty until the node is registered.
    pub uid: String,
    /// The range of its Pods' addresses; empty if nobody gave one.
    pub pod_cidr: String,
}

/// How often the lease is renewed, and the status with it.
const HEARTBEAT: Duration = Duration::from_secs(10);
pub const KUBELET_VERSION: &str = "v1.32.4";
pub const RUNTIME_VERSION: &str = "containerd://1.7.24";

/// Registers the node, then keeps it known; tells what the API says of it when that changes. A node that
/// somebody deletes afterwards stays away until the kubelet starts again, as with the
/// real one.
pub async fn run(client: Client, config: Config, known: watch::Sender<Known>) {
    let mut pause = Duration::from_millis(20);
    let mut registered = false;
    let mut failures = 0;
    loop {
        let outcome = heartbeat(&client, &config, &known, registered).await;
        match outcome {
            Ok(()) => {
                (pause, failures, registered) = (Duration::from_millis(20), 0, true);
                tokio::time::sleep(HEARTBEAT).await;
                continue;
            }
            // The first tries come at once after each other, and an API that is just
            // starting is no news.
            Err(_) if failures < 30 => {}
            Err(error) => {
                let node = config.node.as_str();
                let error = crate::words::get(&error, &format!("/api/v1/nodes/{node}"));
                if registered {
                    let text = format!("error getting node {node:?}: {error}");
                    crate::log::error("Error updating node status, will retry", &[("err", &text)]);
                } else {
                    crate::log::error(
                        "Unable to register node with API server",
                        &[("err", &error), ("node", node)],
                    );
                }
            }
        }
        failures += 1;
        tokio::time::sleep(pause).await;
        let longest = match failures > 60 {
            // Enough for a learner to see that it tries, without filling the journal.
            true => Duration::from_secs(10),
            false => Duration::from_secs(1),
        };
        pause = (pause * 5 / 4).min(longest);
    }
}

async fn heartbeat(
    client: &Client,
    config: &Config,
    known: &watch::Sender<Known>,
    registered: bool,
) -> Result<(), rest::Error> {
    let path = format!("/api/v1/nodes/{}", config.node);
    let node = match client.get(&path).await {
        Ok(node) => node,
        Err(error) if error.is_not_found() && !registered => {
            crate::log::info("Attempting to register node", &[("node", &config.node)]);
            let node = client.post("/api/v1/nodes", &registration(config)).await?;
            crate::log::info("Successfully registered node", &[("node", &config.node)]);
            node
        }
        Err(error) => return Err(error),
    };
    let now = Known {
        uid: object::uid(&node).to_owned(),
        pod_cidr: object::text(&node, "spec.podCIDR").to_owned(),
    };
    known.send_if_modified(|known| {
        let changed = *known != now;
        *known = now;
        changed
    });
    let status = json!({ "status": status(config, object::at(&node, "status")) });
    client
        .patch(&format!("{path}/status"), Patch::Merge, &status)
        .await?;
    renew_lease(client, config, object::uid(&node)).await
}

async fn renew_lease(client: &Client, config: &Config, uid: &str) -> Result<(), rest::Error> {
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let path = format!("{leases}/{}", config.node);
    let now = kube::time::rfc3339_micro(jiff::Timestamp::now().as_microsecond());
    let spec = json!({
        "holderIdentity": config.node, "leaseDurationSeconds": 40, "renewTime": now,
    });
    let patch = json!({ "spec": spec });
    match client.patch(&path, Patch::Merge, &patch).await {
        Err(error) if error.is_not_found() => {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": config.node,
                    "namespace": "kube-node-lease",
                    "ownerReferences": [{
                        "apiVersion": "v1", "kind": "Node", "name": config.node, "uid": uid,
                    }],
                },
                "spec": spec,
            });
            client.post(leases, &lease).await.map(drop)
        }
        other => other.map(drop),
    }
}

/// Whether this machine runs a control plane, by its manifests.
fn is_control_plane(config: &Config) -> bool {
    !config.taints.is_empty() || config.manifests.join("kube-apiserver.yaml").exists()
}

fn registration(config: &Config) -> Value {
    let mut labels = json!({
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": config.node,
        "kubernetes.io/os": "linux",
    });
    if is_control_plane(config) {
        labels["node-role.kubernetes.io/control-plane"] = json!("");
        labels["node.kubernetes.io/exclude-from-external-load-balancers"] = json!("");
    }
    let cidr = crate::pod_network(config.address);
    let mut node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "annotations": {
                "kubeadm.alpha.kubernetes.io/cri-socket":
                    "unix:///var/run/containerd/containerd.sock",
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
            "labels": labels,
            "name": config.node,
        },
        "spec": { "podCIDR": cidr, "podCIDRs": [cidr] },
        "status": status(config, &Value::Null),
    });
    if !config.taints.is_empty() {
        node["spec"]["taints"] = json!(config.taints);
    }
    node
}

/// The status; conditions that hold as before keep their transition times.
fn status(config: &Config, old: &Value) -> Value {
    let now = kube::time::rfc3339(jiff::Timestamp::now().as_second());
    let condition = |kind: &str, holds: bool, reason: &str, message: &str| {
        let status = if holds { "True" } else { "False" };
        let before = object::list(old, "conditions")
            .iter()
            .find(|one| object::text(one, "type") == kind && object::text(one, "status") == status);
        let since = before.map_or(now.as_str(), |one| object::text(one, "lastTransitionTime"));
        json!({
            "lastHeartbeatTime": now, "lastTransitionTime": since, "message": message,
            "reason": reason, "status": status, "type": kind,
        })
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = format!("{}Ki", meminfo_kib());
    let resources = json!({
        "cpu": cpus.to_string(),
        "ephemeral-storage": "20145724Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": memory,
        "pods": "110",
    });
    json!({
        "addresses": [
            { "address": config.address.to_string(), "type": "InternalIP" },
            { "address": config.node, "type": "Hostname" },
        ],
        "allocatable": resources,
        "capacity": resources,
        "conditions": [
            condition("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", true, "KubeletReady", "kubelet is posting ready status"),
        ],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": config.port } },
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": read("/proc/sys/kernel/random/boot_id"),
            "containerRuntimeVersion": RUNTIME_VERSION,
            "kernelVersion": read("/proc/sys/kernel/osrelease"),
            "kubeProxyVersion": KUBELET_VERSION,
            "kubeletVersion": KUBELET_VERSION,
            "machineID": read("/etc/machine-id"),
            "operatingSystem": "linux",
            "osImage": os_image(),
            "systemUUID": read("/etc/machine-id"),
        },
    })
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn os_image() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(
            || "Linux".to_owned(),
            |name| name.trim_matches('"').to_owned(),
        )
}

fn meminfo_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
