//! ReplicaSets: as many Pods as wanted. (`pkg/controller/replicaset`, 1.32.)

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kube::object::{self, at, int, set, text};
use kube::selector::LabelSelector;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::claim::claim;
use super::{Shared, active, available, owner, template, typed};
use crate::app::now;
use crate::client::{ClientError, Result};
use crate::reflector::{Queue, Store, work};

/// How many Pods are made or deleted in one go.
const BURST: usize = 500;

/// What was done and has not come back through the watch yet.
#[derive(Default)]
struct Expected {
    pods: HashSet<String>,
    since: Option<Instant>,
}

struct Controller {
    shared: Arc<Shared>,
    sets: Arc<Store>,
    pods: Arc<Store>,
    queue: Arc<Queue>,
    expected: Mutex<HashMap<String, Expected>>,
}

/// Starts the controller.
pub fn start(shared: &Arc<Shared>) {
    let queue = Queue::new();
    let controller = Arc::new(Controller {
        shared: Arc::clone(shared),
        sets: shared.store("replicasets"),
        pods: shared.store("pods"),
        queue: Arc::clone(&queue),
        expected: Mutex::new(HashMap::new()),
    });
    let wake = Arc::clone(&queue);
    controller.sets.on_change(move |old, new| {
        if let Some(set) = new.or(old) {
            wake.add(object::key(set));
        }
    });
    let watcher = Arc::clone(&controller);
    controller
        .pods
        .on_change(move |old, new| watcher.pod_changed(old, new));
    work("replicaset", &queue, 4, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.sync(&key).await }
    });
}

impl Controller {
    fn pod_changed(&self, old: Option<&Value>, new: Option<&Value>) {
        let Some(pod) = new.or(old) else { return };
        let uid = object::uid(pod).to_string();
        let settled = new.is_none_or(object::deleting);
        let Some(owner) = object::controller_of(pod) else {
            if new.is_some() {
                for set in self.sets.in_namespace(object::namespace(pod)) {
                    let selector = LabelSelector::from_object(at(&set, "spec.selector"));
                    if selector.matches(at(pod, "metadata.labels")) {
                        self.queue.add(object::key(&set));
                    }
                }
            }
            return;
        };
        if text(owner, "kind") != "ReplicaSet" {
            return;
        }
        let key = format!("{}/{}", object::namespace(pod), text(owner, "name"));
        if let Some(expected) = self.expected.lock().get_mut(&key) {
            expected.pods.remove(&format!("+{uid}"));
            if settled {
                expected.pods.remove(&format!("-{uid}"));
            }
        }
        self.queue.add(key);
    }

    /// Whether earlier writes have been seen, so that counting is safe.
    fn satisfied(&self, key: &str) -> bool {
        let expected = self.expected.lock();
        expected.get(key).is_none_or(|e| {
            e.pods.is_empty()
                || e.since
                    .is_none_or(|since| since.elapsed() > Duration::from_secs(300))
        })
    }

    fn expect(&self, key: &str, sign: char, uid: &str) {
        let mut expected = self.expected.lock();
        let entry = expected.entry(key.to_string()).or_default();
        entry.pods.insert(format!("{sign}{uid}"));
        entry.since = Some(Instant::now());
    }

    fn met(&self, key: &str, sign: char, uid: &str) {
        if let Some(entry) = self.expected.lock().get_mut(key) {
            entry.pods.remove(&format!("{sign}{uid}"));
        }
    }

    async fn sync(&self, key: &str) -> Result<()> {
        self.pods.synced().await;
        let Some(set) = self.sets.get(key) else {
            self.expected.lock().remove(key);
            return Ok(());
        };
        let set = typed(self.sets.resource, &set);
        let mine = self.claim(&set).await?;
        let mut failure = None;
        if self.satisfied(key) && !object::deleting(&set) {
            failure = self.manage(key, &set, &mine).await.err();
        }
        self.status(key, &set, &mine, failure.as_ref()).await?;
        failure.map_or(Ok(()), Err)
    }

    /// The set's active Pods; orphans that match are adopted.
    async fn claim(&self, set: &Value) -> Result<Vec<Arc<Value>>> {
        claim(&self.shared, &self.sets, &self.pods, set, active).await
    }

    async fn manage(&self, key: &str, set: &Value, mine: &[Arc<Value>]) -> Result<()> {
        let wanted = usize::try_from(int(set, "spec.replicas").unwrap_or(1)).unwrap_or(0);
        if mine.len() < wanted {
            self.create(key, set, (wanted - mine.len()).min(BURST))
                .await
        } else if mine.len() > wanted {
            self.delete(key, set, mine, (mine.len() - wanted).min(BURST))
                .await
        } else {
            Ok(())
        }
    }

    async fn create(&self, key: &str, set: &Value, count: usize) -> Result<()> {
        let events = self.shared.events.of("replicaset-controller");
        let namespace = object::namespace(set);
        let pod = template::pod(
            at(set, "spec.template"),
            namespace,
            object::name(set),
            owner(set, self.sets.resource),
        );
        let attempts = (0..count).map(|_| {
            self.shared
                .client
                .create(self.pods.resource, namespace, pod.clone())
        });
        let mut failure = None;
        for result in join_all(attempts).await {
            match result {
                Ok(pod) => {
                    // Expected unless the watch was faster.
                    self.expect(key, '+', object::uid(&pod));
                    self.pods.observe(&pod);
                    self.met(key, '+', object::uid(&pod));
                    events.normal(
                        set,
                        "SuccessfulCreate",
                        format!("Created pod: {}", object::name(&pod)),
                    );
                }
                Err(error) => {
                    if !error.is_terminating() {
                        events.warning(set, "FailedCreate", format!("Error creating: {error}"));
                    }
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if !error.is_terminating() => Err(error),
            _ => Ok(()),
        }
    }

    async fn delete(
        &self,
        key: &str,
        set: &Value,
        mine: &[Arc<Value>],
        count: usize,
    ) -> Result<()> {
        let mut ranked: Vec<&Arc<Value>> = mine.iter().collect();
        ranked.sort_by_key(|pod| rank(pod));
        let events = self.shared.events.of("replicaset-controller");
        for pod in ranked.into_iter().take(count) {
            let (name, uid) = (object::name(pod), object::uid(pod));
            self.expect(key, '-', uid);
            let done = self
                .shared
                .client
                .delete(self.pods.resource, object::namespace(pod), name, uid, "")
                .await;
            match done {
                Ok(()) => events.normal(set, "SuccessfulDelete", format!("Deleted pod: {name}")),
                Err(error) => {
                    self.met(key, '-', uid);
                    if !error.is_not_found() {
                        events.warning(set, "FailedDelete", format!("Error deleting: {error}"));
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    async fn status(
        &self,
        key: &str,
        set: &Value,
        mine: &[Arc<Value>],
        failure: Option<&ClientError>,
    ) -> Result<()> {
        let labels = LabelSelector::from_object(
            &json!({"matchLabels": at(set, "spec.template.metadata.labels")}),
        );
        let seconds = int(set, "spec.minReadySeconds").unwrap_or(0);
        let (mut labelled, mut ready, mut usable) = (0, 0, 0);
        for pod in mine {
            labelled += i64::from(labels.matches(at(pod, "metadata.labels")));
            ready += i64::from(object::condition_true(pod, "Ready"));
            match available(pod, seconds, now()) {
                Ok(()) => usable += 1,
                Err(Some(left)) => self
                    .queue
                    .add_after(key, Duration::from_secs(left.unsigned_abs())),
                Err(None) => {}
            }
        }
        let mut status =
            json!({"replicas": mine.len(), "observedGeneration": at(set, "metadata.generation")});
        for (field, count) in [
            ("fullyLabeledReplicas", labelled),
            ("readyReplicas", ready),
            ("availableReplicas", usable),
        ] {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        if let Some(error) = failure {
            let before = object::condition(set, "ReplicaFailure");
            let time = before.map_or_else(
                || kube::time::rfc3339(now()),
                |c| text(c, "lastTransitionTime").to_string(),
            );
            status["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                "message": error.to_string(), "lastTransitionTime": time}]);
        }
        if *at(set, "status") == status {
            return Ok(());
        }
        let mut new = set.clone();
        set_status(&mut new, status);
        let written = self
            .shared
            .client
            .update(self.sets.resource, &new, "status")
            .await?;
        self.sets.observe(&written);
        Ok(())
    }
}

fn set_status(object: &mut Value, status: Value) {
    set(object, "status", status);
}

/// Pods that are missed least come first: unscheduled, pending, unready, younger.
fn rank(pod: &Value) -> (bool, u8, bool, i64) {
    let phase = match text(pod, "status.phase") {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let created = kube::time::parse(text(pod, "metadata.creationTimestamp")).unwrap_or(0);
    (
        !text(pod, "spec.nodeName").is_empty(),
        phase,
        object::condition_true(pod, "Ready"),
        -created,
    )
}
