//! The static Pods that kubeadm 1.32 writes, as it writes them.

use std::net::Ipv4Addr;

use super::{POD_SUBNET, SERVICE_SUBNET};

/// A hostPath volume and where the container sees it.
struct Volume {
    name: &'static str,
    path: &'static str,
    kind: &'static str,
    read_only: bool,
}

const fn dir(name: &'static str, path: &'static str) -> Volume {
    Volume {
        name,
        path,
        kind: "DirectoryOrCreate",
        read_only: true,
    }
}

/// What differs between the four Pods.
struct Pod<'a> {
    name: &'a str,
    image: &'a str,
    annotation: Option<(&'a str, String)>,
    command: Vec<String>,
    probes: String,
    cpu: &'a str,
    memory: Option<&'a str>,
    volumes: Vec<Volume>,
}

impl Pod<'_> {
    fn yaml(&self) -> String {
        let mut text = String::from("apiVersion: v1\nkind: Pod\nmetadata:\n");
        if let Some((key, value)) = &self.annotation {
            text += &format!("  annotations:\n    {key}: {value}\n");
        }
        let name = self.name;
        text += &format!(
            "  labels:\n    component: {name}\n    tier: control-plane\n  name: {name}\n  \
             namespace: kube-system\nspec:\n  containers:\n  - command:\n"
        );
        for word in &self.command {
            text += &format!("    - {word}\n");
        }
        text += &format!(
            "    image: {}\n    imagePullPolicy: IfNotPresent\n{}    name: {name}\n{}",
            self.image,
            probe(&self.probes, "livenessProbe"),
            probe(&self.probes, "readinessProbe"),
        );
        text += &format!(
            "    resources:\n      requests:\n        cpu: {}\n",
            self.cpu
        );
        if let Some(memory) = self.memory {
            text += &format!("        memory: {memory}\n");
        }
        text += &probe(&self.probes, "startupProbe");
        text += "    volumeMounts:\n";
        for volume in &self.volumes {
            text += &format!(
                "    - mountPath: {}\n      name: {}\n",
                volume.path, volume.name
            );
            if volume.read_only {
                text += "      readOnly: true\n";
            }
        }
        text += "  hostNetwork: true\n  priority: 2000001000\n  \
                 priorityClassName: system-node-critical\n  securityContext:\n    \
                 seccompProfile:\n      type: RuntimeDefault\n  volumes:\n";
        for volume in &self.volumes {
            text += &format!(
                "  - hostPath:\n      path: {}\n      type: {}\n    name: {}\n",
                volume.path, volume.kind, volume.name
            );
        }
        text + "status: {}\n"
    }
}

/// One probe; `target` is `host port scheme liveness-path readiness-path startup-path`,
/// a path of `-` meaning that there is no such probe.
fn probe(target: &str, kind: &str) -> String {
    let parts: Vec<&str> = target.split(' ').collect();
    let [host, port, scheme, live, ready, start] = parts[..] else {
        return String::new();
    };
    let (path, failures, delay, period) = match kind {
        "livenessProbe" => (live, 8, 10, 10),
        "readinessProbe" => (ready, 3, 0, 1),
        _ => (start, 24, 10, 10),
    };
    if path == "-" {
        return String::new();
    }
    let mut text = format!(
        "    {kind}:\n      failureThreshold: {failures}\n      httpGet:\n        host: {host}\n        \
         path: {path}\n        port: {port}\n        scheme: {scheme}\n"
    );
    if delay > 0 {
        text += &format!("      initialDelaySeconds: {delay}\n");
    }
    text + &format!("      periodSeconds: {period}\n      timeoutSeconds: 15\n")
}

/// `etcd.yaml` of the member `name`; `initial_cluster` names all members.
pub fn etcd(name: &str, address: Ipv4Addr, initial_cluster: &str, state: &str) -> String {
    let pki = "/etc/kubernetes/pki/etcd";
    let mut command = vec![
        "etcd".to_owned(),
        format!("--advertise-client-urls=https://{address}:2379"),
        format!("--cert-file={pki}/server.crt"),
        "--client-cert-auth=true".into(),
        "--data-dir=/var/lib/etcd".into(),
        "--experimental-initial-corrupt-check=true".into(),
        "--experimental-watch-progress-notify-interval=5s".into(),
        format!("--initial-advertise-peer-urls=https://{address}:2380"),
        format!("--initial-cluster={initial_cluster}"),
    ];
    if state == "existing" {
        command.push("--initial-cluster-state=existing".into());
    }
    command.extend([
        format!("--key-file={pki}/server.key"),
        format!("--listen-client-urls=https://127.0.0.1:2379,https://{address}:2379"),
        "--listen-metrics-urls=http://127.0.0.1:2381".into(),
        format!("--listen-peer-urls=https://{address}:2380"),
        format!("--name={name}"),
        format!("--peer-cert-file={pki}/peer.crt"),
        "--peer-client-cert-auth=true".into(),
        format!("--peer-key-file={pki}/peer.key"),
        format!("--peer-trusted-ca-file={pki}/ca.crt"),
        "--snapshot-count=10000".into(),
        format!("--trusted-ca-file={pki}/ca.crt"),
    ]);
    Pod {
        name: "etcd",
        image: "registry.k8s.io/etcd:3.5.16-0",
        annotation: Some((
            "kubeadm.kubernetes.io/etcd.advertise-client-urls",
            format!("https://{address}:2379"),
        )),
        command,
        probes: "127.0.0.1 2381 HTTP /livez /readyz /readyz".into(),
        cpu: "100m",
        memory: Some("100Mi"),
        volumes: vec![
            Volume {
                name: "etcd-data",
                path: "/var/lib/etcd",
                kind: "DirectoryOrCreate",
                read_only: false,
            },
            Volume {
                name: "etcd-certs",
                path: "/etc/kubernetes/pki/etcd",
                kind: "DirectoryOrCreate",
                read_only: false,
            },
        ],
    }
    .yaml()
}

/// `kube-apiserver.yaml`; `etcd_servers` are URLs with commas between them.
pub fn apiserver(address: Ipv4Addr, etcd_servers: &str) -> String {
    let pki = "/etc/kubernetes/pki";
    let command = [
        "kube-apiserver".to_owned(),
        format!("--advertise-address={address}"),
        "--allow-privileged=true".into(),
        "--authorization-mode=Node,RBAC".into(),
        format!("--client-ca-file={pki}/ca.crt"),
        "--enable-admission-plugins=NodeRestriction".into(),
        "--enable-bootstrap-token-auth=true".into(),
        format!("--etcd-cafile={pki}/etcd/ca.crt"),
        format!("--etcd-certfile={pki}/apiserver-etcd-client.crt"),
        format!("--etcd-keyfile={pki}/apiserver-etcd-client.key"),
        format!("--etcd-servers={etcd_servers}"),
        format!("--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt"),
        format!("--kubelet-client-key={pki}/apiserver-kubelet-client.key"),
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname".into(),
        format!("--proxy-client-cert-file={pki}/front-proxy-client.crt"),
        format!("--proxy-client-key-file={pki}/front-proxy-client.key"),
        "--requestheader-allowed-names=front-proxy-client".into(),
        format!("--requestheader-client-ca-file={pki}/front-proxy-ca.crt"),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
        "--requestheader-group-headers=X-Remote-Group".into(),
        "--requestheader-username-headers=X-Remote-User".into(),
        "--secure-port=6443".into(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        format!("--service-account-key-file={pki}/sa.pub"),
        format!("--service-account-signing-key-file={pki}/sa.key"),
        format!("--service-cluster-ip-range={SERVICE_SUBNET}"),
        format!("--tls-cert-file={pki}/apiserver.crt"),
        format!("--tls-private-key-file={pki}/apiserver.key"),
    ];
    Pod {
        name: "kube-apiserver",
        image: "registry.k8s.io/kube-apiserver:v1.32.4",
        annotation: Some((
            "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint",
            format!("{address}:6443"),
        )),
        command: command.to_vec(),
        probes: format!("{address} 6443 HTTPS /livez /readyz /livez"),
        cpu: "250m",
        memory: None,
        volumes: vec![
            dir("ca-certs", "/etc/ssl/certs"),
            dir("etc-ca-certificates", "/etc/ca-certificates"),
            dir("k8s-certs", "/etc/kubernetes/pki"),
            dir(
                "usr-local-share-ca-certificates",
                "/usr/local/share/ca-certificates",
            ),
            dir("usr-share-ca-certificates", "/usr/share/ca-certificates"),
        ],
    }
    .yaml()
}

/// `kube-controller-manager.yaml`.
pub fn controller_manager() -> String {
    let pki = "/etc/kubernetes/pki";
    let conf = "/etc/kubernetes/controller-manager.conf";
    let command = [
        "kube-controller-manager".to_owned(),
        "--allocate-node-cidrs=true".into(),
        format!("--authentication-kubeconfig={conf}"),
        format!("--authorization-kubeconfig={conf}"),
        "--bind-address=127.0.0.1".into(),
        format!("--client-ca-file={pki}/ca.crt"),
        format!("--cluster-cidr={POD_SUBNET}"),
        "--cluster-name=kubernetes".into(),
        format!("--cluster-signing-cert-file={pki}/ca.crt"),
        format!("--cluster-signing-key-file={pki}/ca.key"),
        "--controllers=*,bootstrapsigner,tokencleaner".into(),
        format!("--kubeconfig={conf}"),
        "--leader-elect=true".into(),
        format!("--requestheader-client-ca-file={pki}/front-proxy-ca.crt"),
        format!("--root-ca-file={pki}/ca.crt"),
        format!("--service-account-private-key-file={pki}/sa.key"),
        format!("--service-cluster-ip-range={SERVICE_SUBNET}"),
        "--use-service-account-credentials=true".into(),
    ];
    Pod {
        name: "kube-controller-manager",
        image: "registry.k8s.io/kube-controller-manager:v1.32.4",
        annotation: None,
        command: command.to_vec(),
        probes: "127.0.0.1 10257 HTTPS /healthz - /healthz".into(),
        cpu: "200m",
        memory: None,
        volumes: vec![
            dir("ca-certs", "/etc/ssl/certs"),
            dir("etc-ca-certificates", "/etc/ca-certificates"),
            dir("k8s-certs", "/etc/kubernetes/pki"),
            Volume {
                name: "kubeconfig",
                path: conf,
                kind: "FileOrCreate",
                read_only: true,
            },
            dir(
                "usr-local-share-ca-certificates",
                "/usr/local/share/ca-certificates",
            ),
            dir("usr-share-ca-certificates", "/usr/share/ca-certificates"),
        ],
    }
    .yaml()
}

/// `kube-scheduler.yaml`.
pub fn scheduler() -> String {
    let conf = "/etc/kubernetes/scheduler.conf";
    let command = [
        "kube-scheduler".to_owned(),
        format!("--authentication-kubeconfig={conf}"),
        format!("--authorization-kubeconfig={conf}"),
        "--bind-address=127.0.0.1".into(),
        format!("--kubeconfig={conf}"),
        "--leader-elect=true".into(),
    ];
    Pod {
        name: "kube-scheduler",
        image: "registry.k8s.io/kube-scheduler:v1.32.4",
        annotation: None,
        command: command.to_vec(),
        probes: "127.0.0.1 10259 HTTPS /livez /readyz /livez".into(),
        cpu: "100m",
        memory: None,
        volumes: vec![Volume {
            name: "kubeconfig",
            path: conf,
            kind: "FileOrCreate",
            read_only: true,
        }],
    }
    .yaml()
}
