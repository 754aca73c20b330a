//! Nodes: silence is noticed, conditions become taints, Pods leave.
//! (`pkg/controller/nodelifecycle`, `tainteviction`, 1.32.)

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::object::{self, at, condition, flag, list, set, text};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Shared;
use crate::app::now;
use crate::client::Result;
use crate::recorder::Recorder;
use crate::reflector::{Queue, Store, work};
use crate::scheduler::filter::tolerates;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// When a node was last heard of, by what it last wrote.
struct Heard {
    mark: String,
    at: Instant,
}

struct Controller {
    shared: Arc<Shared>,
    events: Recorder,
    nodes: Arc<Store>,
    pods: Arc<Store>,
    leases: Arc<Store>,
    heard: Mutex<HashMap<String, Heard>>,
    queue: Arc<Queue>,
    evictions: Arc<Queue>,
    grace: Duration,
}

/// Starts the controller; a node silent for `grace_ms` is unknown.
pub fn start(shared: &Arc<Shared>, grace_ms: u64) {
    let controller = Arc::new(Controller {
        shared: Arc::clone(shared),
        events: shared.events.of("node-controller"),
        nodes: shared.store("nodes"),
        pods: shared.store("pods"),
        leases: shared.store("leases"),
        heard: Mutex::new(HashMap::new()),
        queue: Queue::new(),
        evictions: Queue::new(),
        grace: Duration::from_millis(grace_ms),
    });
    let it = Arc::clone(&controller);
    controller.nodes.on_change(move |old, new| match new {
        Some(node) => {
            let ready = |n: &Value| {
                condition(n, "Ready")
                    .map(|c| text(c, "lastHeartbeatTime").to_string())
                    .unwrap_or_default()
            };
            // Our own verdict is not a sign of life.
            let own =
                condition(node, "Ready").is_some_and(|c| text(c, "reason") == "NodeStatusUnknown");
            if !own && old.is_none_or(|old| ready(old) != ready(node)) {
                it.hear(object::name(node), &format!("status {}", ready(node)));
            }
            it.queue.add(object::name(node));
            it.wake_pods(object::name(node));
        }
        None => {
            if let Some(node) = old {
                it.heard.lock().remove(object::name(node));
                it.wake_pods(object::name(node));
            }
        }
    });
    let it = Arc::clone(&controller);
    controller.leases.on_change(move |_, new| {
        if let Some(lease) = new.filter(|l| object::namespace(l) == "kube-node-lease") {
            let mark = format!("lease {}", text(lease, "spec.renewTime"));
            if it.hear(object::name(lease), &mark) {
                it.queue.add(object::name(lease));
            }
        }
    });
    let it = Arc::clone(&controller);
    controller.pods.on_change(move |old, new| {
        let Some(pod) = new else { return };
        let moved = old.is_none_or(|old| {
            text(old, "spec.nodeName") != text(pod, "spec.nodeName")
                || at(old, "spec.tolerations") != at(pod, "spec.tolerations")
        });
        if moved && !text(pod, "spec.nodeName").is_empty() {
            it.evictions.add(object::key(pod));
        }
    });
    let it = Arc::clone(&controller);
    work("nodelifecycle", &controller.queue, 2, move |name| {
        let it = Arc::clone(&it);
        async move { it.sync(&name).await }
    });
    let it = Arc::clone(&controller);
    work("taint-eviction", &controller.evictions, 2, move |key| {
        let it = Arc::clone(&it);
        async move { it.evict(&key).await }
    });
}

impl Controller {
    /// Notes a sign of life; true if the node had been silent too long before.
    fn hear(&self, name: &str, mark: &str) -> bool {
        let mut heard = self.heard.lock();
        let now = Instant::now();
        match heard.get_mut(name) {
            Some(last) if last.mark == mark => false,
            Some(last) => {
                let late = last.at.elapsed() >= self.grace;
                *last = Heard {
                    mark: mark.to_string(),
                    at: now,
                };
                late
            }
            None => {
                heard.insert(
                    name.to_string(),
                    Heard {
                        mark: mark.to_string(),
                        at: now,
                    },
                );
                false
            }
        }
    }

    fn wake_pods(&self, node: &str) {
        for pod in self.pods.all() {
            if text(&pod, "spec.nodeName") == node {
                self.evictions.add(object::key(&pod));
            }
        }
    }

    async fn sync(&self, name: &str) -> Result<()> {
        self.leases.synced().await;
        let Some(node) = self.nodes.get(name) else {
            return Ok(());
        };
        let silent = {
            let mut heard = self.heard.lock();
            let entry = heard.entry(name.to_string()).or_insert_with(|| Heard {
                mark: String::new(),
                at: Instant::now(),
            });
            entry.at.elapsed()
        };
        if silent >= self.grace {
            let unknown = condition(&node, "Ready").is_some_and(|c| text(c, "status") == "Unknown");
            if !unknown {
                return self.lost(&node).await;
            }
        } else {
            self.queue
                .add_after(name, self.grace - silent + Duration::from_millis(10));
        }
        self.taint(&node).await?;
        self.mark_pods(&node).await
    }

    /// The node has not been heard of: its conditions are unknown now.
    async fn lost(&self, node: &Value) -> Result<()> {
        let time = kube::time::rfc3339(now());
        let mut new = node.clone();
        let mut conditions = list(node, "status.conditions").to_vec();
        for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
            let before = conditions.iter().find(|c| text(c, "type") == kind).cloned();
            if before
                .as_ref()
                .is_some_and(|c| text(c, "status") == "Unknown")
            {
                continue;
            }
            let (reason, message) = match before {
                Some(_) => ("NodeStatusUnknown", "Kubelet stopped posting node status."),
                None => (
                    "NodeStatusNeverUpdated",
                    "Kubelet never posted node status.",
                ),
            };
            let mut condition = before.unwrap_or_else(|| json!({"type": kind}));
            set(&mut condition, "status", json!("Unknown"));
            set(&mut condition, "reason", json!(reason));
            set(&mut condition, "message", json!(message));
            set(&mut condition, "lastTransitionTime", json!(time));
            conditions.retain(|c| text(c, "type") != kind);
            conditions.push(condition);
        }
        set(&mut new, "status.conditions", json!(conditions));
        self.shared
            .client
            .update(self.nodes.resource, &new, "status")
            .await?;
        Ok(())
    }

    /// The taints that condition and spec ask for.
    async fn taint(&self, node: &Value) -> Result<()> {
        let ready = condition(node, "Ready").map_or("", |c| text(c, "status"));
        let mut wanted: Vec<(&str, &str)> = match ready {
            "True" => Vec::new(),
            "Unknown" => vec![(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")],
            "False" => vec![(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")],
            _ => vec![(NOT_READY, "NoSchedule")],
        };
        for (kind, key) in [
            ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
            ("DiskPressure", "node.kubernetes.io/disk-pressure"),
            ("PIDPressure", "node.kubernetes.io/pid-pressure"),
            (
                "NetworkUnavailable",
                "node.kubernetes.io/network-unavailable",
            ),
        ] {
            if object::condition_true(node, kind) {
                wanted.push((key, "NoSchedule"));
            }
        }
        if flag(node, "spec.unschedulable") {
            wanted.push((UNSCHEDULABLE, "NoSchedule"));
        }
        let ours = |taint: &Value| {
            let key = text(taint, "key");
            [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&key)
                || key.ends_with("-pressure") && key.starts_with("node.kubernetes.io/")
                || key == "node.kubernetes.io/network-unavailable"
        };
        let current = list(node, "spec.taints");
        let mut taints: Vec<Value> = current
            .iter()
            .filter(|t| !ours(t) || wanted.contains(&(text(t, "key"), text(t, "effect"))))
            .cloned()
            .collect();
        for (key, effect) in wanted {
            if !taints
                .iter()
                .any(|t| text(t, "key") == key && text(t, "effect") == effect)
            {
                taints.push(
                    json!({"key": key, "effect": effect, "timeAdded": kube::time::rfc3339(now())}),
                );
            }
        }
        if taints.as_slice() == current {
            return Ok(());
        }
        let taints = if taints.is_empty() {
            Value::Null
        } else {
            json!(taints)
        };
        let patch = json!({"metadata": {"resourceVersion": object::resource_version(node)}, "spec": {"taints": taints}});
        let written = self
            .shared
            .client
            .patch(self.nodes.resource, "", object::name(node), "", &patch)
            .await?;
        self.nodes.observe(&written);
        Ok(())
    }

    /// Pods of a node that is not ready are not ready either.
    async fn mark_pods(&self, node: &Value) -> Result<()> {
        let ready = condition(node, "Ready").map_or("", |c| text(c, "status"));
        if ready == "True" || ready.is_empty() {
            return Ok(());
        }
        let name = object::name(node);
        let typed = super::typed(self.nodes.resource, node);
        self.events.normal(
            &typed,
            "NodeNotReady",
            format!("Node {name} status is now: NodeNotReady"),
        );
        for pod in self.pods.all() {
            if text(&pod, "spec.nodeName") != name || !object::condition_true(&pod, "Ready") {
                continue;
            }
            let mut new = (*pod).clone();
            let mut conditions = list(&pod, "status.conditions").to_vec();
            for condition in conditions.iter_mut().filter(|c| text(c, "type") == "Ready") {
                set(condition, "status", json!("False"));
                set(
                    condition,
                    "lastTransitionTime",
                    json!(kube::time::rfc3339(now())),
                );
            }
            set(&mut new, "status.conditions", json!(conditions));
            let written = self
                .shared
                .client
                .update(self.pods.resource, &new, "status")
                .await;
            match written {
                Ok(_) => {
                    let pod = super::typed(self.pods.resource, &pod);
                    self.events
                        .warning(&pod, "NodeNotReady", "Node is not ready");
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A Pod that does not tolerate its node's NoExecute taints (any more) goes.
    async fn evict(&self, key: &str) -> Result<()> {
        let Some(pod) = self.pods.get(key) else {
            return Ok(());
        };
        if object::deleting(&pod) {
            return Ok(());
        }
        let node_name = text(&pod, "spec.nodeName");
        let Some(node) = self.nodes.get(node_name) else {
            return self.orphaned(&pod, node_name).await;
        };
        let mut wait: Option<i64> = None;
        for taint in list(&node, "spec.taints")
            .iter()
            .filter(|t| text(t, "effect") == "NoExecute")
        {
            let matching: Vec<&Value> = list(&pod, "spec.tolerations")
                .iter()
                .filter(|t| tolerates(t, taint))
                .collect();
            if matching.is_empty() {
                return self.go(&pod).await;
            }
            if matching
                .iter()
                .any(|t| at(t, "tolerationSeconds").is_null())
            {
                continue;
            }
            let seconds = matching
                .iter()
                .filter_map(|t| object::int(t, "tolerationSeconds"))
                .min()
                .unwrap_or(0);
            let since = kube::time::parse(text(taint, "timeAdded")).unwrap_or_else(now);
            let left = since + seconds - now();
            wait = Some(wait.map_or(left, |w| w.min(left)));
        }
        match wait {
            Some(left) if left <= 0 => self.go(&pod).await,
            Some(left) => {
                self.evictions
                    .add_after(key, Duration::from_secs(left.unsigned_abs()));
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn go(&self, pod: &Value) -> Result<()> {
        let typed = super::typed(self.pods.resource, pod);
        let events = self.shared.events.of("taint-eviction-controller");
        events.normal(
            &typed,
            "TaintManagerEviction",
            format!("Marking for deletion Pod {}", object::key(pod)),
        );
        let done = self
            .shared
            .client
            .delete(
                self.pods.resource,
                object::namespace(pod),
                object::name(pod),
                object::uid(pod),
                "",
            )
            .await;
        match done {
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    /// A Pod of a node that does not exist (any more) is removed at once.
    async fn orphaned(&self, pod: &Value, node: &str) -> Result<()> {
        self.nodes.synced().await;
        match self.shared.client.get(self.nodes.resource, "", node).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        let created =
            kube::time::parse(text(pod, "metadata.creationTimestamp")).unwrap_or_else(now);
        // A mirror Pod may be there before its node is.
        if now() - created < 40 {
            self.evictions
                .add_after(object::key(pod), Duration::from_secs(40));
            return Ok(());
        }
        self.go(pod).await
    }
}
