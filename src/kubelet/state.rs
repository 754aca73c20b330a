//! What a Pod's containers are doing, and the Pod's status that follows from it.
//! Pure: the clock is an argument.

use kube::object;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// 128+N when signal N ended it, as runtimes tell it.
    pub exit_code: i32,
    /// `Completed`, `Error`, `StartError`…
    pub reason: String,
    pub message: String,
    /// RFC 3339.
    pub started_at: String,
    pub finished_at: String,
    pub container_id: String,
    /// Which run of the container it was; the first is 0.
    pub attempt: u32,
    /// Somebody removed what was left of it.
    #[serde(default)]
    pub removed: bool,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Waiting { reason: String, message: String },
    Running { started_at: String },
    Terminated(End),
}

/// One container of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    pub name: String,
    pub image: String,
    /// Whether it is an init container.
    pub init: bool,
    /// Without `containerd://`; empty before the first start.
    pub id: String,
    pub phase: Phase,
    pub last: Option<End>,
    pub restarts: u32,
    /// Whether its startup probe has passed, or it has none.
    pub started: bool,
    pub ready: bool,
}

impl ContainerState {
    /// A container that was not started yet.
    pub fn new(spec: &Value, init: bool) -> Self {
        Self {
            name: object::text(spec, "name").to_owned(),
            image: object::text(spec, "image").to_owned(),
            init,
            id: String::new(),
            phase: Phase::Waiting {
                reason: "ContainerCreating".into(),
                message: String::new(),
            },
            last: None,
            restarts: 0,
            started: false,
            ready: false,
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// Whether it is an init container that has done its work.
    pub fn is_done(&self) -> bool {
        matches!(&self.phase, Phase::Terminated(end) if end.exit_code == 0)
    }

    fn to_json(&self) -> Value {
        let full_id = |id: &str| match id {
            "" => String::new(),
            id => format!("containerd://{id}"),
        };
        let ended = |end: &End| {
            let mut state = json!({
                "containerID": full_id(&end.container_id),
                "exitCode": end.exit_code,
                "finishedAt": end.finished_at,
                "reason": end.reason,
                "startedAt": end.started_at,
            });
            if !end.message.is_empty() {
                state["message"] = json!(end.message);
            }
            json!({ "terminated": state })
        };
        let state = match &self.phase {
            Phase::Waiting { reason, message } => {
                let mut waiting = json!({ "reason": reason });
                if !message.is_empty() {
                    waiting["message"] = json!(message);
                }
                json!({ "waiting": waiting })
            }
            Phase::Running { started_at } => json!({ "running": { "startedAt": started_at } }),
            Phase::Terminated(end) => ended(end),
        };
        let image_id = match self.id.as_str() {
            "" => String::new(),
            _ => image_id(&self.image),
        };
        let mut status = json!({
            "image": full_image(&self.image),
            "imageID": image_id,
            "lastState": self.last.as_ref().map_or_else(|| json!({}), ended),
            "name": self.name,
            "ready": self.ready,
            "restartCount": self.restarts,
            "started": self.started && self.is_running(),
            "state": state,
        });
        if self.init {
            status["ready"] = json!(self.is_done());
            status["started"] = json!(false);
        }
        if !self.id.is_empty() {
            status["containerID"] = json!(full_id(&self.id));
        }
        status
    }
}

/// The image as a runtime names it: with registry and tag.
pub fn full_image(image: &str) -> String {
    let tagged = match image.rsplit('/').next() {
        Some(last) if last.contains(':') || last.contains('@') => image.to_owned(),
        _ => format!("{image}:latest"),
    };
    match tagged.split_once('/') {
        None => format!("docker.io/library/{tagged}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => tagged,
        Some(_) => format!("docker.io/{tagged}"),
    }
}

/// A digest that stands for the image; the same on every node.
pub fn image_id(image: &str) -> String {
    use sha2::{Digest, Sha256};
    let full = full_image(image);
    let repository = match full.rfind(':') {
        Some(at) if !full[at..].contains('/') => &full[..at],
        _ => &full,
    };
    let digest = crate::manifest::hex(&Sha256::digest(&full));
    format!("{repository}@sha256:{digest}")
}

/// Facts of a Pod that are no container's.
#[derive(Debug, Clone, Default)]
pub struct PodFacts {
    pub host_ip: String,
    pub pod_ip: String,
    /// RFC 3339.
    pub started_at: String,
    pub now: String,
}

/// The Pod's phase (Kubernetes 1.32 `pkg/kubelet/kubelet_pods.go` getPhase).
pub fn phase(pod: &Value, containers: &[ContainerState]) -> &'static str {
    let policy = object::text(pod, "spec.restartPolicy");
    let always = policy.is_empty() || policy == "Always";
    let mut running = 0;
    let mut waiting = 0;
    let mut succeeded = 0;
    let mut failed = 0;
    let mut initializing = false;
    for container in containers {
        if container.init {
            match &container.phase {
                Phase::Terminated(end) if end.exit_code == 0 => {}
                Phase::Terminated(_) if policy == "Never" => failed += 1,
                _ => initializing = true,
            }
            continue;
        }
        match (&container.phase, &container.last) {
            (Phase::Running { .. }, _) => running += 1,
            (Phase::Terminated(end), _) if end.exit_code == 0 => succeeded += 1,
            (Phase::Terminated(_), _) => failed += 1,
            // One that waits to be started again counts as running.
            (Phase::Waiting { .. }, Some(_)) => running += 1,
            (Phase::Waiting { .. }, None) => waiting += 1,
        }
    }
    match () {
        () if initializing => "Pending",
        () if failed > 0 && policy == "Never" && running == 0 => "Failed",
        () if waiting > 0 => "Pending",
        () if running > 0 => "Running",
        () if always => "Running",
        () if failed == 0 && succeeded > 0 => "Succeeded",
        () if policy == "OnFailure" => "Running",
        () => "Failed",
    }
}

/// The status that the API shows for the Pod. `old` is the status before, whose
/// transition times stay where a condition did not change.
pub fn status(pod: &Value, containers: &[ContainerState], facts: &PodFacts, old: &Value) -> Value {
    let phase = phase(pod, containers);
    let done = matches!(phase, "Succeeded" | "Failed");
    let uninitialized: Vec<&str> = containers
        .iter()
        .filter(|one| one.init && !one.is_done())
        .map(|one| one.name.as_str())
        .collect();
    let unready: Vec<&str> = containers
        .iter()
        .filter(|one| !one.init && !one.ready)
        .map(|one| one.name.as_str())
        .collect();
    let ready = unready.is_empty() && !done;
    let why = if done && phase == "Succeeded" {
        ("PodCompleted", String::new())
    } else {
        (
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        )
    };
    let not_initialized = (
        "ContainersNotInitialized",
        format!(
            "containers with incomplete status: [{}]",
            uninitialized.join(" ")
        ),
    );
    let condition = |kind: &str, holds: bool| {
        let why = match kind {
            "Initialized" => &not_initialized,
            _ => &why,
        };
        let status = if holds { "True" } else { "False" };
        let before = object::list(old, "conditions")
            .iter()
            .find(|one| object::text(one, "type") == kind && object::text(one, "status") == status);
        let since = before.map_or(facts.now.as_str(), |one| {
            object::text(one, "lastTransitionTime")
        });
        let mut condition = json!({
            "lastProbeTime": null, "lastTransitionTime": since, "status": status, "type": kind,
        });
        if !holds {
            condition["reason"] = json!(why.0);
            if !why.1.is_empty() {
                condition["message"] = json!(why.1);
            }
        }
        condition
    };
    let statuses = |init: bool| -> Vec<Value> {
        containers
            .iter()
            .filter(|one| one.init == init)
            .map(ContainerState::to_json)
            .collect()
    };
    let inits = statuses(true);
    let mut status = json!({
        "conditions": [
            condition("PodReadyToStartContainers", true),
            condition("Initialized", uninitialized.is_empty()),
            condition("Ready", ready),
            condition("ContainersReady", ready),
            condition("PodScheduled", true),
        ],
        "containerStatuses": statuses(false),
        "hostIP": facts.host_ip,
        "hostIPs": [{ "ip": facts.host_ip }],
        "phase": phase,
        "qosClass": qos(pod),
        "startTime": facts.started_at,
    });
    if !inits.is_empty() {
        status["initContainerStatuses"] = json!(inits);
    }
    if !facts.pod_ip.is_empty() {
        status["podIP"] = json!(facts.pod_ip);
        status["podIPs"] = json!([{ "ip": facts.pod_ip }]);
    }
    status
}

/// The quality-of-service class (Kubernetes 1.32 `pkg/apis/core/v1/helper/qos`).
pub fn qos(pod: &Value) -> &'static str {
    let mut any = false;
    let mut guaranteed = true;
    for container in object::list(pod, "spec.containers") {
        for resource in ["cpu", "memory"] {
            let limit = object::at(container, "resources.limits").get(resource);
            let request = object::at(container, "resources.requests").get(resource);
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(exit_code: i32) -> End {
        End {
            exit_code,
            reason: "Error".into(),
            message: String::new(),
            started_at: "a".into(),
            finished_at: "b".into(),
            container_id: "c".into(),
            attempt: 0,
            removed: false,
        }
    }

    #[test]
    fn a_pod_is_pending_until_its_init_containers_are_done() {
        let pod = json!({"spec": {"restartPolicy": "Never"}});
        let mut init = ContainerState::new(&json!({"name": "i", "image": "busybox"}), true);
        let main = ContainerState::new(&json!({"name": "c", "image": "nginx"}), false);
        let both = |init: &ContainerState| [init.clone(), main.clone()];
        assert_eq!(phase(&pod, &both(&init)), "Pending");
        let facts = PodFacts::default();
        let shown = json!({"status": status(&pod, &both(&init), &facts, &Value::Null)});
        let initialized = object::condition(&shown, "Initialized").unwrap();
        assert_eq!(
            initialized["message"],
            "containers with incomplete status: [i]"
        );
        init.phase = Phase::Terminated(end(1));
        assert_eq!(phase(&pod, &both(&init)), "Failed");
        init.phase = Phase::Terminated(end(0));
        assert_eq!(phase(&pod, &both(&init)), "Pending");
        let shown = json!({"status": status(&pod, &both(&init), &facts, &Value::Null)});
        assert!(object::condition_true(&shown, "Initialized"));
        let of_init = &shown["status"]["initContainerStatuses"][0];
        assert_eq!(of_init["state"]["terminated"]["exitCode"], 0);
        assert_eq!(of_init["ready"], true);
    }

    #[test]
    fn phases_follow_from_containers_and_policy() {
        let spec = json!({"name": "c", "image": "nginx"});
        let with = |phase: Phase, last: Option<End>| {
            let mut state = ContainerState::new(&spec, false);
            state.phase = phase;
            state.last = last;
            state
        };
        let waiting = || Phase::Waiting {
            reason: "CrashLoopBackOff".into(),
            message: String::new(),
        };
        let running = || Phase::Running {
            started_at: "a".into(),
        };
        for (policy, container, expected) in [
            ("Always", with(waiting(), None), "Pending"),
            ("Always", with(waiting(), Some(end(1))), "Running"),
            ("Always", with(running(), None), "Running"),
            ("Always", with(Phase::Terminated(end(0)), None), "Running"),
            ("Never", with(Phase::Terminated(end(0)), None), "Succeeded"),
            ("Never", with(Phase::Terminated(end(1)), None), "Failed"),
            (
                "OnFailure",
                with(Phase::Terminated(end(0)), None),
                "Succeeded",
            ),
        ] {
            let pod = json!({"spec": {"restartPolicy": policy}});
            assert_eq!(phase(&pod, &[container]), expected, "{policy}");
        }
    }

    #[test]
    fn transition_times_stay_while_nothing_changes() {
        let pod = json!({"spec": {"containers": [{"name": "c", "image": "nginx"}]}});
        let mut state = ContainerState::new(&pod["spec"]["containers"][0], false);
        let facts = |now: &str| PodFacts {
            now: now.into(),
            ..PodFacts::default()
        };
        let first = status(&pod, &[state.clone()], &facts("1"), &Value::Null);
        let second = status(&pod, &[state.clone()], &facts("2"), &first);
        assert_eq!(first["conditions"], second["conditions"]);
        state.phase = Phase::Running {
            started_at: "2".into(),
        };
        state.ready = true;
        let third = status(&pod, &[state], &facts("3"), &second);
        let ready = object::condition(&json!({"status": third}), "Ready")
            .cloned()
            .unwrap();
        assert_eq!(
            (&ready["status"], &ready["lastTransitionTime"]),
            (&json!("True"), &json!("3"))
        );
    }

    #[test]
    fn images_are_named_in_full() {
        for (image, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("bitnami/nginx", "docker.io/bitnami/nginx:latest"),
            (
                "registry.k8s.io/etcd:3.5.16-0",
                "registry.k8s.io/etcd:3.5.16-0",
            ),
            ("localhost:5000/x", "localhost:5000/x:latest"),
        ] {
            assert_eq!(full_image(image), full);
        }
    }
}
