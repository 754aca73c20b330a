//! What `kubeadm init` uploads to the API (kubeadm 1.32 `phases/uploadconfig`,
//! `phases/kubelet/config.go`, `phases/kubeconfig/kubeconfig.go`).

use std::net::Ipv4Addr;

use kube::openapi::VERSION;
use serde_json::{Value, json};

use super::{KUBELET_CONFIG, POD_SUBNET, SERVICE_SUBNET};

/// The objects as a List in JSON, for `kubectl create`. `external` are the members of an
/// external etcd; empty means that each control plane has one of its own.
pub fn uploads(control_planes: &[Ipv4Addr], external: &[Ipv4Addr]) -> String {
    let configuration = cluster_configuration(control_planes, external);
    let mut items = vec![json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "kubeadm:cluster-admins" },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [group("kubeadm:cluster-admins")],
    })];
    for (name, role, key, text) in [
        (
            "kubeadm-config",
            "kubeadm:nodes-kubeadm-config",
            "ClusterConfiguration",
            configuration.as_str(),
        ),
        (
            "kubelet-config",
            "kubeadm:kubelet-config",
            "kubelet",
            KUBELET_CONFIG,
        ),
    ] {
        items.push(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": "kube-system" },
            "data": { key: text },
        }));
        items.extend(readers(role, name));
    }
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

fn group(name: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name })
}

/// Lets nodes, those that are to join, too, read the ConfigMap.
fn readers(role: &str, config_map: &str) -> [Value; 2] {
    let metadata = json!({ "name": role, "namespace": "kube-system" });
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": [config_map],
                "verbs": ["get"],
            }],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": role,
            },
            "subjects": [
                group("system:bootstrappers:kubeadm:default-node-token"),
                group("system:nodes"),
            ],
        }),
    ]
}

/// The ClusterConfiguration that the nodes would have been made with.
fn cluster_configuration(control_planes: &[Ipv4Addr], external: &[Ipv4Addr]) -> String {
    let etcd = if external.is_empty() {
        json!({ "local": { "dataDir": "/var/lib/etcd" } })
    } else {
        let endpoint = |address: &Ipv4Addr| format!("https://{address}:2379");
        json!({ "external": {
            "caFile": "/etc/kubernetes/pki/etcd/ca.crt",
            "certFile": "/etc/kubernetes/pki/apiserver-etcd-client.crt",
            "endpoints": external.iter().map(endpoint).collect::<Vec<_>>(),
            "keyFile": "/etc/kubernetes/pki/apiserver-etcd-client.key",
        }})
    };
    let mut configuration = json!({
        "apiServer": {},
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "caCertificateValidityPeriod": "87600h0m0s",
        "certificateValidityPeriod": "8760h0m0s",
        "certificatesDir": "/etc/kubernetes/pki",
        "clusterName": "kubernetes",
        "controllerManager": {},
        "dns": {},
        "encryptionAlgorithm": "ECDSA-P256",
        "etcd": etcd,
        "imageRepository": "registry.k8s.io",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": VERSION,
        "networking": {
            "dnsDomain": "cluster.local",
            "podSubnet": POD_SUBNET,
            "serviceSubnet": SERVICE_SUBNET,
        },
        "proxy": {},
        "scheduler": {},
    });
    // One control plane needs no address that outlives it.
    if let [first, _, ..] = control_planes {
        configuration["controlPlaneEndpoint"] = json!(format!("{first}:6443"));
    }
    kube::yaml::to_string(&configuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(control_planes: u8, members: u8) -> Value {
        let address = |last| Ipv4Addr::new(192, 168, 10, last);
        let control_planes: Vec<Ipv4Addr> = (1..=control_planes).map(address).collect();
        let members: Vec<Ipv4Addr> = (21..21 + members).map(address).collect();
        let list: Value =
            serde_json::from_str(&uploads(&control_planes, &members)).expect("it is JSON");
        let text = list["items"][1]["data"]["ClusterConfiguration"].as_str();
        kube::yaml::parse_one(text.expect("a text")).expect("it is YAML")
    }

    #[test]
    fn the_configuration_tells_where_etcd_is() {
        let alone = configuration(1, 0);
        assert_eq!(alone["etcd"]["local"]["dataDir"], "/var/lib/etcd");
        assert!(alone.get("controlPlaneEndpoint").is_none());
        assert_eq!(alone["networking"]["podSubnet"], "10.244.0.0/16");
        let many = configuration(3, 3);
        assert_eq!(many["controlPlaneEndpoint"], "192.168.10.1:6443");
        assert_eq!(
            many["etcd"]["external"]["endpoints"][2],
            "https://192.168.10.23:2379"
        );
        assert!(many["etcd"].get("local").is_none());
    }
}
