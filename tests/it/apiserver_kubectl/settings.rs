//! Disruption budgets and what else the server and the controllers see to for those who
//! run a cluster.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Cluster;

const VERSION: &str = "k1.32";

/// Our kubectl, as the administrator.
fn ours(cluster: &Cluster, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubedrill"));
    command
        .arg("kubectl")
        .args(args)
        .env("KUBECONFIG", cluster.file("admin.conf"))
        .env("HOME", cluster.directory.path());
    command
}

fn deployed(cluster: &Cluster, name: &str, replicas: &str) {
    let replicas = format!("--replicas={replicas}");
    cluster.ok(
        VERSION,
        &["create", "deploy", name, "--image=nginx", &replicas],
    );
    let deployment = format!("deploy/{name}");
    cluster.ok(
        VERSION,
        &["rollout", "status", &deployment, "--timeout=60s"],
    );
}

fn allowed(cluster: &Cluster, budget: &str) -> String {
    let path = "jsonpath={.status.disruptionsAllowed} {.status.currentHealthy} {.status.desiredHealthy} {.status.expectedPods}";
    cluster.ok(VERSION, &["get", "pdb", budget, "-o", path])
}

/// Lines with the Pods' random ends taken off, sorted: Pods go side by side.
fn said(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let masked = text.lines().map(|line| {
        let mut out = Vec::new();
        for word in line.split(' ') {
            let parts: Vec<&str> = word.split('-').collect();
            let pod = parts.len() == 3 && ["free", "kept"].iter().any(|n| parts[0].ends_with(n));
            out.push(if pod {
                format!("{}-POD", parts[0])
            } else {
                word.to_owned()
            });
        }
        out.join(" ")
    });
    let mut lines: Vec<String> = masked.collect();
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn a_budget_lets_go_what_it_can_spare() {
    let cluster = Cluster::start();
    deployed(&cluster, "kept", "3");
    let budget = [
        "create",
        "pdb",
        "kept",
        "--selector=app=kept",
        "--min-available=2",
    ];
    cluster.ok(VERSION, &budget);
    cluster.until("the budget is counted", |c| allowed(c, "kept") == "1 3 2 3");
    // The node is full of those that may not go, and has two that may.
    deployed(&cluster, "free", "2");
    let drain = ["drain", "node01", "--timeout=7s"];
    let theirs = cluster.kubectl(VERSION, &drain);
    assert!(!theirs.status.success());
    assert_eq!(allowed(&cluster, "kept"), "0 2 2 3");
    let on_node = |app: &str| {
        let selector = format!("app={app}");
        let path = "jsonpath={.items[*].spec.nodeName}";
        cluster.ok(VERSION, &["get", "pods", "-l", &selector, "-o", path])
    };
    assert_eq!(
        (on_node("free"), on_node("kept")),
        (String::new(), "node01 node01".to_owned())
    );
    // The same once more, for ours.
    cluster.ok(VERSION, &["uncordon", "node01"]);
    cluster.until("all Pods are back", |c| {
        allowed(c, "kept") == "1 3 2 3" && on_node("free") == "node01 node01"
    });
    let begun = Instant::now();
    let own = ours(&cluster, &drain).output().expect("kubectl runs");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(
        (on_node("free"), on_node("kept")),
        (String::new(), "node01 node01".to_owned())
    );
    assert_eq!(said(&own.stdout), said(&theirs.stdout));
    assert_eq!(said(&own.stderr), said(&theirs.stderr));
    assert_eq!(own.status.code(), theirs.status.code());
    // A budget that allows everything.
    cluster.ok(
        VERSION,
        &[
            "patch",
            "pdb",
            "kept",
            "-p",
            "{\"spec\":{\"minAvailable\":0}}",
        ],
    );
    cluster.ok(VERSION, &["drain", "node01", "--timeout=60s"]);
    assert_eq!(on_node("kept"), "");
}

#[test]
fn two_budgets_for_one_pod_are_an_error() {
    let cluster = Cluster::start();
    deployed(&cluster, "kept", "2");
    for name in ["one", "two"] {
        cluster.ok(
            VERSION,
            &[
                "create",
                "pdb",
                name,
                "--selector=app=kept",
                "--max-unavailable=1",
            ],
        );
    }
    cluster.until("the budgets are counted", |c| {
        allowed(c, "one") == "1 2 1 2" && allowed(c, "two") == "1 2 1 2"
    });
    let error = cluster.err(VERSION, &["drain", "node01", "--timeout=7s"]);
    assert!(
        error.contains("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."),
        "{error}"
    );
}

#[test]
fn a_pod_that_nothing_runs_in_is_not_attached_to() {
    let cluster = Cluster::start();
    for flags in [
        &["-i"][..],
        &["-it", "--rm", "--restart=Never"],
        &["--attach"],
    ] {
        let mut args = vec!["run", "tmp", "--image=busybox"];
        args.extend(flags);
        args.extend(["--", "wget", "-O-", "http://web"]);
        let done = ours(&cluster, &args).output().expect("kubectl runs");
        assert_eq!(done.status.code(), Some(1), "{flags:?}");
        assert_eq!(
            String::from_utf8_lossy(&done.stderr).lines().next(),
            Some(
                "error: the container \"tmp\" is simulated: kubedrill has no image of busybox to run commands in"
            ),
            "{flags:?}"
        );
        assert!(
            cluster
                .err(VERSION, &["get", "pod", "tmp"])
                .contains("NotFound")
        );
    }
    // Whoever waits for one that would run, and gives up, leaves nothing behind.
    cluster.ok(VERSION, &["cordon", "node01"]);
    let args = [
        "run",
        "tmp",
        "--image=etcd:3.5.16-0",
        "--rm",
        "-i",
        "--",
        "etcd",
        "--version",
    ];
    let waiting = ours(&cluster, &args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    cluster.until("the Pod is there", |c| {
        c.kubectl(VERSION, &["get", "pod", "tmp"]).status.success()
    });
    let id = i32::try_from(waiting.id()).expect("a process");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::SIGINT)
        .expect("it runs");
    let done = waiting.wait_with_output().expect("kubectl ends");
    assert_eq!(done.status.code(), Some(130));
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "pod \"tmp\" deleted\n"
    );
    cluster.until("the Pod is gone", |c| {
        !c.kubectl(VERSION, &["get", "pod", "tmp"]).status.success()
    });
}

#[test]
fn small_things_are_as_in_a_real_cluster() {
    let cluster = Cluster::start();
    // Who says no name may see the version, and nothing else.
    let version = cluster.ok(
        VERSION,
        &["get", "--raw", "/version", "--as=system:anonymous"],
    );
    assert!(version.contains("\"gitVersion\""), "{version}");
    cluster.err(
        VERSION,
        &["get", "--raw", "/metrics", "--as=system:anonymous"],
    );
    // Every name that is shown has a value.
    let metrics = cluster.ok(VERSION, &["get", "--raw", "/metrics"]);
    assert!(
        metrics.contains("apiserver_storage_objects{resource=\"nodes\"} 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nprocess_start_time_seconds "),
        "{metrics}"
    );
    for name in metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
    {
        let name = name.split(' ').next().unwrap_or_default();
        let has = |line: &str| {
            line.strip_prefix(name)
                .is_some_and(|r| r.starts_with(['{', ' ']))
        };
        assert!(metrics.lines().any(has), "{name}");
    }
    // The first that happens to a Pod is told first.
    cluster.ok(VERSION, &["run", "web", "--image=nginx"]);
    cluster.ok(
        VERSION,
        &["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"],
    );
    let event = "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"a.1\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"UID\"},\"reason\":\"Pulled\",\"type\":\"Normal\",\"firstTimestamp\":\"2020-01-01T00:00:00Z\",\"lastTimestamp\":\"2020-01-01T00:00:00Z\",\"count\":1}";
    let uid = cluster.ok(
        VERSION,
        &["get", "pod", "web", "-o", "jsonpath={.metadata.uid}"],
    );
    let file = cluster.write("event.json", &event.replace("UID", &uid));
    cluster.ok(VERSION, &["create", "-f", &file]);
    for kubectl in [
        cluster.command(VERSION, "admin", &["describe", "pod", "web"]),
        ours(&cluster, &["describe", "pod", "web"]),
    ] {
        let mut kubectl = kubectl;
        let described = kubectl.output().expect("kubectl runs").stdout;
        let described = String::from_utf8_lossy(&described).into_owned();
        let scheduled = described.find("default-scheduler  Successfully assigned");
        assert!(
            scheduled.is_some_and(|at| described.find("Pulled").is_some_and(|p| at < p)),
            "{described}"
        );
    }
    // What limits a container is what it asks for.
    let limits = cluster.write(
        "limits.yaml",
        "apiVersion: v1\nkind: LimitRange\nmetadata: {name: small}\nspec: {limits: [{type: Container, default: {cpu: 200m}}]}\n",
    );
    cluster.ok(VERSION, &["create", "-f", &limits]);
    let path = "jsonpath={.spec.limits[0].defaultRequest.cpu}";
    assert_eq!(
        cluster.ok(VERSION, &["get", "limitrange", "small", "-o", path]),
        "200m"
    );
}

#[test]
fn claims_and_volumes_find_each_other() {
    let cluster = Cluster::start();
    let volume = |name: &str, size: &str, class: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec: {{capacity: {{storage: {size}}}, accessModes: [ReadWriteOnce], storageClassName: '{class}', hostPath: {{path: /srv}}}}\n---\n"
        )
    };
    let claim = |name: &str, size: &str, class: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\nspec: {{accessModes: [ReadWriteOnce], storageClassName: '{class}', resources: {{requests: {{storage: {size}}}}}}}\n---\n"
        )
    };
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: local}\nprovisioner: kubernetes.io/no-provisioner\nvolumeBindingMode: WaitForFirstConsumer\n---\n";
    let all = [
        class.to_owned(),
        volume("large", "5Gi", ""),
        volume("small", "1Gi", ""),
        volume("later", "1Gi", "local"),
        claim("data", "1Gi", ""),
        claim("huge", "50Gi", ""),
        claim("lazy", "1Gi", "local"),
    ];
    let file = cluster.write("storage.yaml", &all.concat());
    cluster.ok(VERSION, &["apply", "-f", &file]);
    let rows = |what: &str, columns: &[usize]| {
        let text = cluster.ok(VERSION, &["get", what, "--no-headers"]);
        let shown = text.lines().map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let cells = columns.iter().filter_map(|at| cells.get(*at).copied());
            cells.collect::<Vec<_>>().join(" ")
        });
        shown.collect::<Vec<_>>()
    };
    let state = || rows("pvc", &[0, 1, 2]);
    cluster.until("the claim is bound", |_| state()[0] == "data Bound small");
    assert!(state()[1].starts_with("huge Pending"));
    assert!(state()[2].starts_with("lazy Pending"));
    cluster.until("the volumes have their states", |_| {
        rows("pv", &[0, 4]) == ["large Available", "later Available", "small Bound"]
    });
    for (claim, why) in [
        (
            "huge",
            "no persistent volumes available for this claim and no storage class is set",
        ),
        (
            "lazy",
            "waiting for first consumer to be created before binding",
        ),
    ] {
        cluster.until("it is told why it waits", |c| {
            c.ok(VERSION, &["describe", "pvc", claim]).contains(why)
        });
    }
    // The first Pod that uses it, placed on a node.
    let pod = cluster.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: user}\nspec: {containers: [{name: a, image: nginx}], volumes: [{name: v, persistentVolumeClaim: {claimName: lazy}}]}\n",
    );
    cluster.ok(VERSION, &["apply", "-f", &pod]);
    cluster.until("the other claim is bound", |_| {
        state()[2] == "lazy Bound later"
    });
    cluster.ok(VERSION, &["delete", "pod", "user"]);
    cluster.ok(VERSION, &["delete", "pvc", "data"]);
    cluster.until("the volume is free of its claim", |_| {
        rows("pv", &[0, 4])[2] == "small Released"
    });
}
