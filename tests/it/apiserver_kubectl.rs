//! Google's kubectl, old and new, against our API server, controllers and scheduler
//! on Google's etcd.
//!
//! A thread stands in for the kubelet: it says of every scheduled Pod that it runs,
//! and lets deleted ones go.

mod requests;
mod settings;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

/// Tests share the host's ports with one another, and nobody probes these two.
const NO_HEALTH_PORT: &str = "--secure-port=0";

use crate::support::free_port;
use testkit::reference;

/// A process that dies with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Cluster {
    directory: TempDir,
    etcd: Option<Process>,
    apiserver: Option<Process>,
    others: Vec<Process>,
    etcd_port: u16,
    peer_port: u16,
    port: u16,
    stop: Arc<AtomicBool>,
    kubelet: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.kubelet.take() {
            let _ = thread.join();
        }
    }
}

fn leaf(issuer: &Issuer<'_, KeyPair>, directory: &Path, file: &str, name: &str, group: &str) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_string(), "127.0.0.1".to_string()])
        .expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    if !group.is_empty() {
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
    }
    let certificate = params.signed_by(&key, issuer).expect("signs");
    std::fs::write(directory.join(format!("{file}.crt")), certificate.pem()).expect("writes");
    std::fs::write(directory.join(format!("{file}.key")), key.serialize_pem()).expect("writes");
}

fn certificates(directory: &Path) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "kubernetes");
    let ca = params.self_signed(&key).expect("signs");
    std::fs::write(directory.join("ca.crt"), ca.pem()).expect("writes");
    std::fs::write(directory.join("ca.key"), key.serialize_pem()).expect("writes");
    let issuer = Issuer::new(params, key);
    leaf(&issuer, directory, "apiserver", "kube-apiserver", "");
    leaf(
        &issuer,
        directory,
        "admin",
        "kubernetes-admin",
        "system:masters",
    );
    leaf(
        &issuer,
        directory,
        "kcm",
        "system:kube-controller-manager",
        "",
    );
    leaf(&issuer, directory, "scheduler", "system:kube-scheduler", "");
    leaf(&issuer, directory, "jane", "jane", "dev");
    let accounts = KeyPair::generate().expect("a key");
    std::fs::write(directory.join("sa.key"), accounts.serialize_pem()).expect("writes");
    std::fs::write(directory.join("sa.pub"), accounts.public_key_pem()).expect("writes");
}

impl Cluster {
    fn start() -> Cluster {
        let directory = tempfile::tempdir().expect("a directory");
        certificates(directory.path());
        let mut cluster = Cluster {
            directory,
            etcd: None,
            apiserver: None,
            others: Vec::new(),
            etcd_port: free_port(),
            peer_port: free_port(),
            port: free_port(),
            stop: Arc::new(AtomicBool::new(false)),
            kubelet: None,
        };
        for user in ["admin", "kcm", "scheduler", "jane"] {
            cluster.kubeconfig(user);
        }
        cluster.start_etcd("data");
        cluster.start_apiserver();
        let kcm = cluster.file("kcm.conf");
        let ca = cluster.file("ca.crt");
        let manager = cluster.applet(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={kcm}"),
                format!("--root-ca-file={ca}"),
                format!("--cluster-signing-cert-file={ca}"),
                format!("--cluster-signing-key-file={}", cluster.file("ca.key")),
                NO_HEALTH_PORT.to_owned(),
            ],
        );
        let conf = cluster.file("scheduler.conf");
        let scheduler = cluster.applet(
            "kube-scheduler",
            &[format!("--kubeconfig={conf}"), NO_HEALTH_PORT.to_owned()],
        );
        cluster.others.extend([manager, scheduler]);
        cluster.join("node01");
        cluster
    }

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn kubeconfig(&self, user: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n    server: https://127.0.0.1:{}\n    certificate-authority: {}\nusers:\n- name: u\n  user:\n    client-certificate: {}\n    client-key: {}\ncontexts:\n- name: c\n  context:\n    cluster: k\n    user: u\ncurrent-context: c\n",
            self.port,
            self.file("ca.crt"),
            self.file(&format!("{user}.crt")),
            self.file(&format!("{user}.key")),
        );
        std::fs::write(self.file(&format!("{user}.conf")), text).expect("writes");
    }

    fn start_etcd(&mut self, data: &str) {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let child = Command::new(reference("3.5/etcd"))
            .args(["--data-dir", &self.file(data), "--log-level", "error"])
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("default={peer}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts");
        self.etcd = Some(Process(child));
    }

    fn applet(&self, name: &str, args: &[String]) -> Process {
        let child = Command::new(env!("CARGO_BIN_EXE_kubedrill"))
            .arg(name)
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the applet starts");
        Process(child)
    }

    fn start_apiserver(&mut self) {
        let mut args = vec![
            "--advertise-address=127.0.0.1".to_string(),
            "--bind-address=127.0.0.1".to_string(),
            "--authorization-mode=Node,RBAC".to_string(),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_string(),
            "--service-cluster-ip-range=10.96.0.0/12".to_string(),
            format!("--secure-port={}", self.port),
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
        ];
        for (flag, file) in [
            ("client-ca-file", "ca.crt"),
            ("tls-cert-file", "apiserver.crt"),
            ("tls-private-key-file", "apiserver.key"),
            ("service-account-key-file", "sa.pub"),
            ("service-account-signing-key-file", "sa.key"),
        ] {
            args.push(format!("--{flag}={}", self.file(file)));
        }
        self.apiserver = Some(self.applet("kube-apiserver", &args));
        self.until("the API server is ready", |c| {
            c.kubectl("k1.32", &["get", "--raw", "/readyz"])
                .status
                .success()
        });
    }

    fn command(&self, version: &str, user: &str, args: &[&str]) -> Command {
        let mut command = Command::new(reference(&format!("{version}/kubectl")));
        command
            .args(args)
            .env("KUBECONFIG", self.file(&format!("{user}.conf")))
            .env("HOME", self.directory.path());
        command
    }

    fn kubectl(&self, version: &str, args: &[&str]) -> Output {
        self.command(version, "admin", args)
            .output()
            .expect("kubectl runs")
    }

    /// Runs kubectl; it must succeed.
    fn ok(&self, version: &str, args: &[&str]) -> String {
        let output = self.kubectl(version, args);
        assert!(
            output.status.success(),
            "kubectl {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_string()
    }

    /// Runs kubectl; it must fail. Returns what it said.
    fn err(&self, version: &str, args: &[&str]) -> String {
        let output = self.kubectl(version, args);
        assert!(!output.status.success(), "kubectl {args:?} succeeded");
        String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_string()
    }

    fn until(&self, what: &str, done: impl Fn(&Cluster) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done(self) {
            assert!(Instant::now() < deadline, "not within a minute: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).expect("writes");
        path
    }

    /// A node that is ready, and a stand-in for its kubelet.
    fn join(&mut self, node: &str) {
        let file = self.write(
            "node.yaml",
            &format!("apiVersion: v1\nkind: Node\nmetadata:\n  name: {node}\n"),
        );
        self.ok("k1.32", &["create", "-f", &file]);
        let status = r#"{"status":{"allocatable":{"cpu":"2","memory":"4Gi","pods":"110"},"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady"}]}}"#;
        self.ok(
            "k1.32",
            &[
                "patch",
                "node",
                node,
                "--subresource=status",
                "--type=merge",
                "-p",
                status,
            ],
        );
        let stop = Arc::clone(&self.stop);
        let kubectl = reference("k1.32/kubectl");
        let (conf, home) = (self.file("admin.conf"), self.directory.path().to_path_buf());
        self.kubelet = Some(std::thread::spawn(move || {
            let run = |args: &[&str]| {
                let mut command = Command::new(&kubectl);
                command
                    .args(args)
                    .env("KUBECONFIG", &conf)
                    .env("HOME", &home);
                command.output().map(|o| o.stdout).unwrap_or_default()
            };
            while !stop.load(Ordering::Relaxed) {
                let pods = run(&["get", "pods", "-A", "-o", "json"]);
                let pods: Value = serde_json::from_slice(&pods).unwrap_or_default();
                for pod in pods["items"].as_array().into_iter().flatten() {
                    serve_pod(pod, &run);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }));
    }
}

fn serve_pod(pod: &Value, run: &dyn Fn(&[&str]) -> Vec<u8>) {
    let text = |value: &Value| value.as_str().unwrap_or("").to_string();
    let (name, namespace) = (
        text(&pod["metadata"]["name"]),
        text(&pod["metadata"]["namespace"]),
    );
    if text(&pod["spec"]["nodeName"]).is_empty() {
        return;
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        run(&[
            "delete",
            "pod",
            "-n",
            &namespace,
            &name,
            "--force",
            "--grace-period=0",
        ]);
    } else if pod["status"]["phase"] == "Pending" {
        let statuses: Vec<Value> = pod["spec"]["containers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|c| serde_json::json!({"name": c["name"], "image": c["image"], "imageID": "", "ready": true,
                "started": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}))
            .collect();
        let conditions: Vec<Value> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
            .iter()
            .map(|kind| serde_json::json!({"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}))
            .collect();
        let patch = serde_json::json!({"status": {"phase": "Running", "podIP": "10.244.0.2",
            "podIPs": [{"ip": "10.244.0.2"}], "containerStatuses": statuses, "conditions": conditions}});
        let patch = patch.to_string();
        run(&[
            "patch",
            "pod",
            "-n",
            &namespace,
            &name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ]);
    }
}

const SHOP: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - {name: web, image: 'nginx:1.27', env: [{name: A, value: '1'}]}
";

/// What a learner does with a Deployment, from creation to deletion.
fn life_of_a_deployment(version: &str) {
    let cluster = Cluster::start();
    let ok = |args: &[&str]| cluster.ok(version, args);
    ok(&[
        "create",
        "deploy",
        "before",
        "--image=nginx",
        "--replicas=2",
    ]);
    ok(&["rollout", "status", "deploy/before", "--timeout=60s"]);
    let row = ok(&["get", "deploy", "before", "--no-headers"]);
    let cells: Vec<&str> = row.split_whitespace().take(4).collect();
    assert_eq!(cells, ["before", "2/2", "2", "2"]);
    let described = ok(&["describe", "deploy", "before"]);
    assert!(
        described.contains("2 desired | 2 updated | 2 total | 2 available | 0 unavailable"),
        "{described}"
    );
    ok(&["scale", "deploy", "before", "--replicas=3"]);
    ok(&["set", "image", "deploy/before", "nginx=nginx:2"]);
    ok(&["rollout", "status", "deploy/before", "--timeout=60s"]);
    assert_eq!(
        ok(&[
            "get",
            "deploy",
            "before",
            "-o",
            "jsonpath={.status.readyReplicas}"
        ]),
        "3"
    );
    ok(&["rollout", "undo", "deploy/before"]);
    ok(&["rollout", "status", "deploy/before", "--timeout=60s"]);
    assert_eq!(
        ok(&[
            "get",
            "deploy",
            "before",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].image}"
        ]),
        "nginx"
    );

    let file = cluster.write("shop.yaml", SHOP);
    assert_eq!(ok(&["apply", "-f", &file]), "deployment.apps/shop created");
    assert_eq!(
        ok(&["apply", "-f", &file]),
        "deployment.apps/shop unchanged"
    );
    // Client-side apply keeps what others set, and takes out what the file had before.
    ok(&[
        "patch",
        "deploy",
        "shop",
        "-p",
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"B","value":"2"}]}]}}}}"#,
    ]);
    let file = cluster.write(
        "shop.yaml",
        &SHOP
            .replace("nginx:1.27", "nginx:1.28")
            .replace("name: A", "name: C"),
    );
    assert_eq!(
        ok(&["apply", "-f", &file]),
        "deployment.apps/shop configured"
    );
    assert_eq!(
        ok(&[
            "get",
            "deploy",
            "shop",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].env[*].name} {.spec.template.spec.containers[0].image}"
        ]),
        "C B nginx:1.28"
    );
    let edited = cluster
        .command(version, "admin", &["edit", "deploy", "shop"])
        .env("EDITOR", "sed -i s/nginx:1.28/nginx:1.29/")
        .output()
        .expect("kubectl runs");
    assert_eq!(
        String::from_utf8_lossy(&edited.stdout),
        "deployment.apps/shop edited\n"
    );
    ok(&["expose", "deploy", "shop", "--port=80"]);
    cluster.until("the Service has endpoints", |c| {
        c.ok(
            version,
            &[
                "get",
                "ep",
                "shop",
                "-o",
                "jsonpath={.subsets[0].addresses[0].ip}",
            ],
        ) == "10.244.0.2"
    });
    ok(&["delete", "deploy", "before", "shop"]);
    cluster.until("the Pods of deleted Deployments are gone", |c| {
        c.ok(version, &["get", "rs,pods", "-o", "name"]).is_empty()
    });
    ok(&["create", "ns", "lab"]);
    ok(&["create", "cm", "-n", "lab", "a", "--from-literal=b=c"]);
    ok(&["delete", "ns", "lab"]);
    assert!(
        cluster
            .err(version, &["get", "ns", "lab"])
            .contains("(NotFound): namespaces \"lab\" not found")
    );
}

#[test]
fn kubectl_1_32_leads_a_deployment_through_its_life() {
    life_of_a_deployment("k1.32");
}

#[test]
fn kubectl_1_20_leads_a_deployment_through_its_life() {
    life_of_a_deployment("k1.20");
}

#[test]
fn refusals_have_the_words_of_the_reference() {
    let cluster = Cluster::start();
    let bad = cluster.write(
        "bad.yaml",
        &SHOP.replace("replicas: 1", "replicas: 1\n  foo: 1"),
    );
    let typed = cluster.write("typed.yaml", &SHOP.replace("replicas: 1", "replicas: two"));
    let other = cluster.write(
        "other.yaml",
        &SHOP.replace(
            "labels: {app: shop}}\n    spec",
            "labels: {app: x}}\n    spec",
        ),
    );
    for (args, text) in [
        (vec!["get", "pods", "nope"], "Error from server (NotFound): pods \"nope\" not found".to_string()),
        (vec!["get", "widgets"], "error: the server doesn't have a resource type \"widgets\"".to_string()),
        (vec!["delete", "ns", "default"], "Error from server (Forbidden): namespaces \"default\" is forbidden: this namespace may not be deleted".to_string()),
        (vec!["create", "cm", "x", "-n", "nope"], "error: failed to create configmap: namespaces \"nope\" not found".to_string()),
        (vec!["get", "secrets", "--as=jane"], "Error from server (Forbidden): secrets is forbidden: User \"jane\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"".to_string()),
        (vec!["create", "-f", &bad], format!("Error from server (BadRequest): error when creating \"{bad}\": Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.foo\"")),
        (vec!["create", "-f", &typed], format!("Error from server (BadRequest): error when creating \"{typed}\": Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32")),
        (vec!["create", "-f", &other], "The Deployment \"shop\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"x\"}: `selector` does not match template `labels`".to_string()),
    ] {
        assert_eq!(cluster.err("k1.32", &args), text, "{args:?}");
    }
    cluster.ok("k1.32", &["cordon", "node01"]);
    cluster.ok("k1.32", &["run", "stuck", "--image=x"]);
    cluster.until("the scheduler says why", |c| {
        c.ok("k1.32", &["get", "events", "-o", "jsonpath={.items[*].message}"]).contains(
            "0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        )
    });
}

#[test]
fn accounts_have_tokens_and_only_their_rights() {
    let cluster = Cluster::start();
    cluster.ok("k1.32", &["create", "sa", "robot"]);
    cluster.ok(
        "k1.32",
        &[
            "create",
            "role",
            "reader",
            "--verb=get,list",
            "--resource=pods",
        ],
    );
    cluster.ok(
        "k1.32",
        &[
            "create",
            "rolebinding",
            "robot",
            "--role=reader",
            "--serviceaccount=default:robot",
        ],
    );
    let token = cluster.ok("k1.32", &["create", "token", "robot"]);
    let config = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: k, cluster: {{server: 'https://127.0.0.1:{}', certificate-authority: {}}}}}]\nusers: [{{name: u, user: {{token: {token}}}}}]\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\ncurrent-context: c\n",
        cluster.port,
        cluster.file("ca.crt")
    );
    cluster.write("robot.conf", &config);
    let robot = |args: &[&str]| {
        cluster
            .command("k1.32", "robot", args)
            .output()
            .expect("kubectl runs")
    };
    assert!(robot(&["get", "pods"]).status.success());
    let refused = robot(&["get", "nodes"]);
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "Error from server (Forbidden): nodes is forbidden: User \"system:serviceaccount:default:robot\" cannot list resource \"nodes\" in API group \"\" at the cluster scope\n"
    );
    cluster.ok("k1.32", &["delete", "sa", "robot"]);
    cluster.until("the token of a deleted account is no good", |_| {
        String::from_utf8_lossy(&robot(&["get", "pods"]).stderr).contains("Unauthorized")
    });
    let jane = cluster
        .command("k1.32", "jane", &["auth", "can-i", "list", "pods"])
        .output()
        .expect("kubectl runs");
    assert_eq!(String::from_utf8_lossy(&jane.stdout), "no\n");
}

#[test]
fn a_restored_etcd_is_the_old_world_until_the_api_server_restarts() {
    let mut cluster = Cluster::start();
    let version = "k1.32";
    cluster.ok(
        version,
        &[
            "create",
            "deploy",
            "before",
            "--image=nginx",
            "--replicas=2",
        ],
    );
    cluster.ok(
        version,
        &["rollout", "status", "deploy/before", "--timeout=60s"],
    );
    let endpoint = format!("http://127.0.0.1:{}", cluster.etcd_port);
    let snapshot = cluster.file("snapshot.db");
    let saved = Command::new(reference("3.5/etcdctl"))
        .args(["--endpoints", &endpoint, "snapshot", "save", &snapshot])
        .output()
        .expect("etcdctl runs");
    assert!(saved.status.success());
    cluster.ok(version, &["delete", "deploy", "before"]);
    cluster.ok(version, &["create", "deploy", "after", "--image=nginx"]);
    cluster.ok(
        version,
        &["rollout", "status", "deploy/after", "--timeout=60s"],
    );
    cluster.etcd = None;
    let livez = cluster.err(version, &["get", "--raw", "/livez"]);
    assert!(livez.contains("[-]etcd failed: reason withheld"), "{livez}");
    let peer = format!("http://127.0.0.1:{}", cluster.peer_port);
    let restored = Command::new(reference("3.5/etcdutl"))
        .args([
            "snapshot",
            "restore",
            &snapshot,
            "--data-dir",
            &cluster.file("restored"),
        ])
        .args([
            "--name",
            "default",
            "--initial-cluster",
            &format!("default={peer}"),
        ])
        .args(["--initial-advertise-peer-urls", &peer])
        .output()
        .expect("etcdutl runs");
    assert!(restored.status.success());
    cluster.start_etcd("restored");
    cluster.until("etcd is back", |c| {
        c.kubectl(version, &["get", "--raw", "/livez"])
            .status
            .success()
    });
    // Lists come from the watch cache, which knows only the old world.
    assert_eq!(
        cluster.ok(version, &["get", "deploy", "-o", "name"]),
        "deployment.apps/after"
    );
    cluster.apiserver = None;
    cluster.start_apiserver();
    assert_eq!(
        cluster.ok(version, &["get", "deploy", "-o", "name"]),
        "deployment.apps/before"
    );
    cluster.ok(
        version,
        &["rollout", "status", "deploy/before", "--timeout=60s"],
    );
}
