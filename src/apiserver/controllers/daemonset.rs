//! DaemonSets: one Pod a node that it fits. (`pkg/controller/daemon`, 1.32.)

use std::sync::Arc;
use std::time::Duration;

use kube::object::{self, at, int, list, set, text};
use kube::selector::LabelSelector;
use serde_json::{Value, json};

use super::claim::claim;
use super::rollout::resolve;
use super::{Shared, active, available, owner, template, typed};
use crate::app::now;
use crate::client::Result;
use crate::reflector::{Queue, Store, work};
use crate::scheduler::filter;

const HASH: &str = "controller-revision-hash";

struct Controller {
    shared: Arc<Shared>,
    sets: Arc<Store>,
    pods: Arc<Store>,
    nodes: Arc<Store>,
    queue: Arc<Queue>,
}

/// Starts the controller.
pub fn start(shared: &Arc<Shared>) {
    let queue = Queue::new();
    let controller = Arc::new(Controller {
        shared: Arc::clone(shared),
        sets: shared.store("daemonsets"),
        pods: shared.store("pods"),
        nodes: shared.store("nodes"),
        queue: Arc::clone(&queue),
    });
    let wake = Arc::clone(&queue);
    controller.sets.on_change(move |old, new| {
        if let Some(set) = new.or(old) {
            wake.add(object::key(set));
        }
    });
    let wake = Arc::clone(&queue);
    controller.pods.on_change(move |old, new| {
        let Some(pod) = new.or(old) else { return };
        if let Some(owner) = object::controller_of(pod).filter(|o| text(o, "kind") == "DaemonSet") {
            wake.add(format!(
                "{}/{}",
                object::namespace(pod),
                text(owner, "name")
            ));
        }
    });
    let (wake, sets) = (Arc::clone(&queue), Arc::clone(&controller.sets));
    controller.nodes.on_change(move |old, new| {
        // Heartbeats change nothing that matters here.
        let key = |node: Option<&Value>| {
            node.map(|n| (at(n, "spec").clone(), at(n, "metadata.labels").clone()))
        };
        if key(old) != key(new) {
            for set in sets.all() {
                wake.add(object::key(&set));
            }
        }
    });
    work("daemonset", &queue, 2, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.sync(&key).await }
    });
}

/// What every daemon's Pod tolerates, so that it stays on troubled nodes.
fn tolerations(spec: &mut Value) {
    let mut all = list(spec, "tolerations").to_vec();
    let mut wanted = vec![
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    if object::flag(spec, "hostNetwork") {
        wanted.push(("network-unavailable", "NoSchedule"));
    }
    for (key, effect) in wanted {
        let toleration = json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect});
        if !all.contains(&toleration) {
            all.push(toleration);
        }
    }
    set(spec, "tolerations", json!(all));
}

impl Controller {
    fn pod_for(&self, daemon: &Value, node: &str, hash: &str) -> Value {
        let owner = owner(daemon, self.sets.resource);
        let mut pod = template::pod(
            at(daemon, "spec.template"),
            object::namespace(daemon),
            object::name(daemon),
            owner,
        );
        pod["metadata"]["labels"][HASH] = json!(hash);
        if let Some(spec) = pod.get_mut("spec") {
            tolerations(spec);
            // The Pod is tied to its node; the scheduler binds it.
            set(
                spec,
                "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
                json!({
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}),
            );
        }
        pod
    }

    async fn sync(&self, key: &str) -> Result<()> {
        self.pods.synced().await;
        self.nodes.synced().await;
        let Some(daemon) = self.sets.get(key) else {
            return Ok(());
        };
        let daemon = typed(self.sets.resource, &daemon);
        let hash = template::hash(at(&daemon, "spec.template"), 0);
        let mine = claim(&self.shared, &self.sets, &self.pods, &daemon, |_| true).await?;
        if !object::deleting(&daemon) {
            self.place(&daemon, &hash, &mine).await?;
        }
        self.status(key, &daemon, &hash, &mine).await
    }

    /// The node a daemon's Pod is meant for.
    fn node_of(pod: &Value) -> &str {
        let bound = text(pod, "spec.nodeName");
        if !bound.is_empty() {
            return bound;
        }
        let terms = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
        list(pod, terms)
            .first()
            .and_then(|term| list(term, "matchFields").first())
            .and_then(|field| list(field, "values").first())
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    async fn place(&self, daemon: &Value, hash: &str, mine: &[Arc<Value>]) -> Result<()> {
        let events = self.shared.events.of("daemonset-controller");
        let mut outdated = Vec::new();
        let mut missing = 0;
        let nodes = self.nodes.all();
        for node in &nodes {
            let name = object::name(node);
            let pod = self.pod_for(daemon, name, hash);
            let (wanted, stays) = filter::fits_daemon(&pod, node);
            let here: Vec<&Arc<Value>> = mine
                .iter()
                .filter(|pod| Self::node_of(pod) == name)
                .collect();
            let living: Vec<&&Arc<Value>> = here.iter().filter(|pod| active(pod)).collect();
            if wanted && here.iter().all(|pod| !object::deleting(pod)) && living.is_empty() {
                // A finished Pod makes room for its successor.
                for dead in &here {
                    self.remove(daemon, dead).await?;
                }
                let created = self
                    .shared
                    .client
                    .create(self.pods.resource, object::namespace(daemon), pod)
                    .await;
                match created {
                    Ok(pod) => {
                        self.pods.observe(&pod);
                        events.normal(
                            daemon,
                            "SuccessfulCreate",
                            format!("Created pod: {}", object::name(&pod)),
                        );
                    }
                    Err(error) if error.is_terminating() => return Ok(()),
                    Err(error) => {
                        events.warning(daemon, "FailedCreate", format!("Error creating: {error}"));
                        return Err(error);
                    }
                }
            } else if !stays {
                for pod in living {
                    self.remove(daemon, pod).await?;
                }
            } else {
                for pod in living.iter().skip(1) {
                    self.remove(daemon, pod).await?;
                }
                if let Some(pod) = living.first() {
                    if object::label(pod, HASH) != hash {
                        outdated.push(Arc::clone(pod));
                    }
                    missing += usize::from(!object::condition_true(pod, "Ready"));
                }
            }
        }
        for pod in mine.iter().filter(|pod| active(pod)) {
            let node = Self::node_of(pod);
            if !node.is_empty() && !nodes.iter().any(|n| object::name(n) == node) {
                self.remove(daemon, pod).await?;
            }
        }
        if text(daemon, "spec.updateStrategy.type") == "OnDelete" {
            return Ok(());
        }
        let total = i64::try_from(nodes.len()).unwrap_or(0);
        let most = resolve(
            at(daemon, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
            total,
            true,
        )
        .max(1);
        let mut may = usize::try_from(most).unwrap_or(1).saturating_sub(missing);
        for pod in outdated {
            let broken = !object::condition_true(&pod, "Ready");
            if broken || may > 0 {
                may = may.saturating_sub(usize::from(!broken));
                self.remove(daemon, &pod).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, daemon: &Value, pod: &Value) -> Result<()> {
        let (name, uid) = (object::name(pod), object::uid(pod));
        let done = self
            .shared
            .client
            .delete(self.pods.resource, object::namespace(pod), name, uid, "")
            .await;
        match done {
            Ok(()) => {
                let events = self.shared.events.of("daemonset-controller");
                events.normal(daemon, "SuccessfulDelete", format!("Deleted pod: {name}"));
                Ok(())
            }
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn status(
        &self,
        key: &str,
        daemon: &Value,
        hash: &str,
        mine: &[Arc<Value>],
    ) -> Result<()> {
        let selector = LabelSelector::from_object(at(daemon, "spec.selector"));
        let seconds = int(daemon, "spec.minReadySeconds").unwrap_or(0);
        let (mut desired, mut current, mut wrong, mut ready, mut usable, mut updated) =
            (0, 0, 0, 0, 0, 0);
        for node in self.nodes.all() {
            let name = object::name(&node);
            let (wanted, _) = filter::fits_daemon(&self.pod_for(daemon, name, hash), &node);
            let pod = mine.iter().find(|pod| {
                active(pod)
                    && text(pod, "spec.nodeName") == name
                    && selector.matches(at(pod, "metadata.labels"))
            });
            desired += i64::from(wanted);
            let Some(pod) = pod else { continue };
            if !wanted {
                wrong += 1;
                continue;
            }
            current += 1;
            updated += i64::from(object::label(pod, HASH) == hash);
            ready += i64::from(object::condition_true(pod, "Ready"));
            match available(pod, seconds, now()) {
                Ok(()) => usable += 1,
                Err(Some(left)) => self
                    .queue
                    .add_after(key, Duration::from_secs(left.unsigned_abs())),
                Err(None) => {}
            }
        }
        let mut status = json!({"currentNumberScheduled": current, "desiredNumberScheduled": desired,
            "numberMisscheduled": wrong, "numberReady": ready,
            "observedGeneration": at(daemon, "metadata.generation")});
        for (field, count) in [
            ("numberAvailable", usable),
            ("numberUnavailable", desired - usable),
            ("updatedNumberScheduled", updated),
        ] {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        if *at(daemon, "status") == status {
            return Ok(());
        }
        let mut new = daemon.clone();
        set(&mut new, "status", status);
        let written = self
            .shared
            .client
            .update(self.sets.resource, &new, "status")
            .await?;
        self.sets.observe(&written);
        Ok(())
    }
}
