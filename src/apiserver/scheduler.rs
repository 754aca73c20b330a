//! The scheduler: finds a node for each Pod that has none.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kube::object::{self, at, text};
use kube::resources;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::app::now;
use crate::client::{Client, Result};
use crate::flags::{Flags, Kind, Table};
use crate::recorder::Recorder;
use crate::reflector::{Queue, Store, work};

pub mod filter;

const NAME: &str = "default-scheduler";

/// The flags of kube-scheduler that kubeadm's manifest uses.
const FLAGS: Table = Table {
    own: &[
        (
            "authentication-kubeconfig",
            Kind::Accepted("nothing is served that asks for it"),
        ),
        (
            "authorization-kubeconfig",
            Kind::Accepted("nothing is served that asks for it"),
        ),
        ("bind-address", Kind::Value),
        (
            "config",
            Kind::Refused("scheduler configuration is not there yet"),
        ),
        (
            "feature-gates",
            Kind::Accepted("features are as in 1.32 by default"),
        ),
        ("kubeconfig", Kind::Value),
        ("leader-elect", Kind::Switch),
        ("master", Kind::Refused("use --kubeconfig")),
        ("profiling", Kind::Accepted("there is no profiler")),
        ("secure-port", Kind::Value),
        ("v", Kind::Value),
    ],
    beyond: include_str!("flags/kube-scheduler.txt"),
};

struct Scheduler {
    client: Client,
    events: Recorder,
    pods: Arc<Store>,
    nodes: Arc<Store>,
    /// Pods that were bound and have not come back through the watch: key to node.
    assumed: Mutex<HashMap<String, String>>,
    queue: Arc<Queue>,
}

/// The applet `kube-scheduler`.
pub fn run_scheduler(args: Vec<OsString>) -> ExitCode {
    crate::component("kube-scheduler", args, FLAGS, |flags| {
        Box::pin(schedule(flags))
    })
}

async fn schedule(flags: Flags) -> std::result::Result<(), String> {
    let path = flags
        .get("kubeconfig")
        .ok_or("--kubeconfig must be given")?;
    let client = Client::from_kubeconfig(Path::new(path), "kube-scheduler")?;
    crate::health::serve(&flags, 10259).await?;
    if flags.switch("leader-elect", true) {
        tokio::select! {
            () = crate::leader::lead(&client, "kube-scheduler") => {}
            () = crate::terminated() => return Ok(()),
        }
    }
    let resource =
        |plural: &str| resources::by_group_resource("", plural).unwrap_or(&resources::RESOURCES[0]);
    let scheduler = Arc::new(Scheduler {
        events: Recorder::start(client.clone(), NAME),
        client,
        pods: Store::new(resource("pods"), ""),
        nodes: Store::new(resource("nodes"), ""),
        assumed: Mutex::new(HashMap::new()),
        queue: Queue::new(),
    });
    let it = Arc::clone(&scheduler);
    scheduler
        .pods
        .on_change(move |old, new| it.pod_changed(old, new));
    let it = Arc::clone(&scheduler);
    scheduler.nodes.on_change(move |old, new| {
        let part = |node: Option<&Value>| {
            node.map(|n| {
                (
                    at(n, "spec").clone(),
                    at(n, "metadata.labels").clone(),
                    at(n, "status.allocatable").clone(),
                )
            })
        };
        if part(old) != part(new) {
            it.retry_all();
        }
    });
    let it = Arc::clone(&scheduler);
    // One at a time: each decision sees the ones before it.
    work("scheduler", &scheduler.queue, 1, move |key| {
        let it = Arc::clone(&it);
        async move { it.sync(&key).await }
    });
    for store in [&scheduler.pods, &scheduler.nodes] {
        tokio::spawn(Arc::clone(store).run(scheduler.client.clone()));
    }
    crate::terminated().await;
    Ok(())
}

fn waits(pod: &Value) -> bool {
    text(pod, "spec.nodeName").is_empty()
        && text(pod, "spec.schedulerName") == NAME
        && !object::deleting(pod)
        && !matches!(text(pod, "status.phase"), "Succeeded" | "Failed")
        && object::list(pod, "spec.schedulingGates").is_empty()
}

impl Scheduler {
    fn pod_changed(&self, old: Option<&Value>, new: Option<&Value>) {
        match new {
            Some(pod) if waits(pod) => {
                // Our own condition is no reason to try again.
                let same = old.is_some_and(|o| {
                    at(o, "spec") == at(pod, "spec")
                        && at(o, "metadata.labels") == at(pod, "metadata.labels")
                });
                if !same {
                    self.queue.add(object::key(pod));
                }
            }
            Some(pod) => {
                if !text(pod, "spec.nodeName").is_empty() {
                    self.assumed.lock().remove(&object::key(pod));
                }
                let freed = object::deleting(pod)
                    || matches!(text(pod, "status.phase"), "Succeeded" | "Failed");
                if freed && old.is_none_or(|o| text(o, "status.phase") != text(pod, "status.phase"))
                {
                    self.retry_all();
                }
            }
            None => {
                if let Some(pod) = old {
                    self.assumed.lock().remove(&object::key(pod));
                }
                self.retry_all();
            }
        }
    }

    fn retry_all(&self) {
        for pod in self.pods.all() {
            if waits(&pod) {
                self.queue.add(object::key(&pod));
            }
        }
    }

    async fn sync(&self, key: &str) -> Result<()> {
        self.pods.synced().await;
        self.nodes.synced().await;
        let Some(pod) = self.pods.get(key).filter(|pod| waits(pod)) else {
            return Ok(());
        };
        if self.assumed.lock().contains_key(key) {
            return Ok(());
        }
        let pod = super::controllers::typed(self.pods.resource, &pod);
        let nodes = self.nodes.all();
        let placed = self.placed();
        match filter::choose(&pod, &nodes, &placed) {
            Ok(node) => self.bind(key, &pod, &node).await,
            Err(why) => self.unschedulable(&pod, &why).await,
        }
    }

    /// Every Pod with the node it is on, or will be.
    fn placed(&self) -> Vec<(Arc<Value>, String)> {
        let assumed = self.assumed.lock();
        self.pods
            .all()
            .into_iter()
            .filter(|pod| !matches!(text(pod, "status.phase"), "Succeeded" | "Failed"))
            .filter_map(|pod| {
                let node = match text(&pod, "spec.nodeName") {
                    "" => assumed.get(&object::key(&pod)).cloned()?,
                    node => node.to_string(),
                };
                Some((pod, node))
            })
            .collect()
    }

    async fn bind(&self, key: &str, pod: &Value, node: &str) -> Result<()> {
        let (namespace, name) = (object::namespace(pod), object::name(pod));
        let binding = json!({"kind": "Binding", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "uid": object::uid(pod)},
            "target": {"kind": "Node", "name": node}});
        self.assumed
            .lock()
            .insert(key.to_string(), node.to_string());
        let done = self
            .client
            .post(self.pods.resource, namespace, name, "binding", &binding)
            .await;
        match done {
            Ok(_) => {
                let message = format!("Successfully assigned {namespace}/{name} to {node}");
                self.events
                    .newer("Binding")
                    .normal(pod, "Scheduled", message);
                Ok(())
            }
            Err(error) => {
                self.assumed.lock().remove(key);
                if error.is_not_found() || error.is_conflict() {
                    return Ok(());
                }
                self.events.newer("Scheduling").warning(
                    pod,
                    "FailedScheduling",
                    format!("binding rejected: {error}"),
                );
                Err(error)
            }
        }
    }

    async fn unschedulable(&self, pod: &Value, why: &str) -> Result<()> {
        self.events
            .newer("Scheduling")
            .warning(pod, "FailedScheduling", why);
        let before = object::condition(pod, "PodScheduled");
        let same =
            before.is_some_and(|c| text(c, "message") == why && text(c, "status") == "False");
        if same {
            return Ok(());
        }
        let since = before.filter(|c| text(c, "status") == "False").map_or_else(
            || kube::time::rfc3339(now()),
            |c| text(c, "lastTransitionTime").to_string(),
        );
        let mut new = pod.clone();
        crate::rest::subresources::set_condition(
            &mut new,
            json!({"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": why, "lastTransitionTime": since}),
        );
        match self.client.update(self.pods.resource, &new, "status").await {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) if error.is_conflict() => {
                self.queue
                    .add_after(object::key(pod), Duration::from_millis(50));
                Ok(())
            }
            other => other.map(drop),
        }
    }
}
