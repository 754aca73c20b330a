//! The kubelet's loop: what should run on this node, from files and from the API,
//! against what does.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use kube::object;
use rest::Client;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    config::Config,
    ledger::Ledger,
    manifest::{self, CONFIG_HASH, CONFIG_MIRROR},
    pods::Change,
    state::{self, ContainerState, PodFacts},
    status::Push,
    worker::{self, Order, Shared, Told},
};

/// A Pod that runs here.
pub struct Running {
    pub pod: Value,
    pub is_static: bool,
    pub states: Vec<ContainerState>,
    pub status: Value,
    pub pod_ip: String,
    started_at: String,
    orders: mpsc::UnboundedSender<Order>,
    stopping: bool,
}

/// A question of the kubelet's own server or of `crictl`.
pub enum Question {
    /// Every Pod with its status.
    Pods(tokio::sync::oneshot::Sender<Vec<(Value, Vec<ContainerState>)>>),
    /// Stop one container; it starts again as the Pod's policy says.
    StopContainer {
        uid: String,
        name: String,
        grace: u64,
    },
}

/// The loop's state.
pub struct Kubelet {
    config: Config,
    client: Client,
    shared: Shared,
    statuses: mpsc::UnboundedSender<Push>,
    node_uid: watch::Receiver<String>,
    ledger: Ledger,
    /// By UID; a static Pod's is its hash.
    running: HashMap<String, Running>,
    /// Static Pods that wait for their predecessor's end, by namespace/name.
    pending: BTreeMap<String, Value>,
    /// Mirror Pods that the API has, by namespace/name.
    mirrors: HashMap<String, Value>,
    /// Whether the API has told us of its Pods at all.
    listed: bool,
    next_ip: u8,
    /// Whether containers that an earlier kubelet left and nobody claims are ended.
    strays_ended: bool,
}

/// What the loop hears.
pub struct Sources {
    pub files: mpsc::UnboundedReceiver<Vec<Value>>,
    pub changes: mpsc::UnboundedReceiver<Change>,
    pub told: mpsc::UnboundedReceiver<Told>,
    pub questions: mpsc::UnboundedReceiver<Question>,
}

impl Kubelet {
    pub fn new(
        config: Config,
        client: Client,
        shared: Shared,
        statuses: mpsc::UnboundedSender<Push>,
        node_uid: watch::Receiver<String>,
        ledger: Ledger,
    ) -> Self {
        Self {
            config,
            client,
            shared,
            statuses,
            node_uid,
            ledger,
            running: HashMap::new(),
            pending: BTreeMap::new(),
            mirrors: HashMap::new(),
            listed: false,
            next_ip: 2,
            strays_ended: false,
        }
    }

    /// Runs for ever.
    pub async fn run(mut self, mut sources: Sources) {
        loop {
            tokio::select! {
                Some(pods) = sources.files.recv() => self.set_static(pods),
                Some(change) = sources.changes.recv() => self.change(change),
                Some(told) = sources.told.recv() => self.told(told),
                Some(question) = sources.questions.recv() => self.answer(question),
                Ok(()) = self.node_uid.changed() => self.make_mirrors(),
                else => return,
            }
        }
    }

    fn answer(&self, question: Question) {
        match question {
            Question::Pods(answer) => {
                let pods = self
                    .running
                    .values()
                    .map(|one| {
                        let mut pod = one.pod.clone();
                        pod["status"] = one.status.clone();
                        (pod, one.states.clone())
                    })
                    .collect();
                let _ = answer.send(pods);
            }
            Question::StopContainer { uid, name, grace } => {
                if let Some(one) = self.running.get(&uid) {
                    let _ = one.orders.send(Order::StopContainer { name, grace });
                }
            }
        }
    }

    /// The static Pods are these and no others.
    fn set_static(&mut self, pods: Vec<Value>) {
        let wanted: Vec<&str> = pods.iter().map(object::uid).collect();
        if !self.strays_ended {
            self.strays_ended = true;
            self.ledger.end_strays(&wanted);
        }
        let unwanted: Vec<String> = self
            .running
            .iter()
            .filter(|(uid, one)| one.is_static && !wanted.contains(&uid.as_str()))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in unwanted {
            self.stop(&uid, None);
        }
        self.pending
            .retain(|_, pod| wanted.contains(&object::uid(pod)));
        for pod in pods {
            if self
                .running
                .get(object::uid(&pod))
                .is_some_and(|one| !one.stopping)
            {
                continue;
            }
            let name = object::key(&pod);
            let taken = self
                .running
                .values()
                .any(|one| object::key(&one.pod) == name);
            if taken {
                self.pending.insert(name, pod);
            } else {
                self.start(pod, true);
            }
        }
        self.make_mirrors();
    }

    fn start(&mut self, pod: Value, is_static: bool) {
        let uid = object::uid(&pod).to_owned();
        let host_network = object::flag(&pod, "spec.hostNetwork");
        let pod_ip = match host_network {
            true => self.config.address.to_string(),
            false => self.new_ip(),
        };
        let (orders, receiver) = mpsc::unbounded_channel();
        let adopted = self.ledger.adopt(&uid);
        tokio::spawn(worker::run(
            uid.clone(),
            pod.clone(),
            adopted,
            self.shared.clone(),
            receiver,
        ));
        let now = kube::time::rfc3339(jiff::Timestamp::now().as_second());
        let running = Running {
            status: Value::Null,
            pod,
            is_static,
            states: Vec::new(),
            pod_ip,
            started_at: now,
            orders,
            stopping: false,
        };
        self.running.insert(uid, running);
    }

    fn new_ip(&mut self) -> String {
        let network = crate::pod_network(self.config.address);
        let prefix = network.trim_end_matches("0/24").to_owned();
        let ip = format!("{prefix}{}", self.next_ip);
        self.next_ip = if self.next_ip >= 254 {
            2
        } else {
            self.next_ip + 1
        };
        ip
    }

    fn stop(&mut self, uid: &str, grace: Option<u64>) {
        if let Some(one) = self.running.get_mut(uid)
            && !one.stopping
        {
            one.stopping = true;
            let _ = one.orders.send(Order::Stop { grace });
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::States { key, states } => {
                self.ledger.note(&key, &states);
                let Some(one) = self.running.get_mut(&key) else {
                    return;
                };
                one.states = states;
                let facts = PodFacts {
                    host_ip: self.config.address.to_string(),
                    pod_ip: one.pod_ip.clone(),
                    started_at: one.started_at.clone(),
                    now: kube::time::rfc3339(jiff::Timestamp::now().as_second()),
                };
                one.status = state::status(&one.pod, &one.states, &facts, &one.status);
                self.push(&key);
            }
            Told::Stopped { key } => self.stopped(&key),
        }
    }

    /// Brings a Pod's status on its way to the API.
    fn push(&self, key: &str) {
        let Some(one) = self.running.get(key) else {
            return;
        };
        let uid = if one.is_static {
            match self.mirrors.get(&object::key(&one.pod)) {
                Some(mirror) if object::annotation(mirror, CONFIG_HASH) == key => {
                    object::uid(mirror)
                }
                _ => return,
            }
        } else {
            key
        };
        let push = Push {
            path: path(&one.pod),
            uid: uid.to_owned(),
            status: one.status.clone(),
        };
        let _ = self.statuses.send(push);
    }

    fn stopped(&mut self, key: &str) {
        self.ledger.forget(key);
        let Some(one) = self.running.remove(key) else {
            return;
        };
        if !one.is_static {
            // Nothing of it runs: the API may forget it.
            self.delete(&one.pod, key);
            return;
        }
        let name = object::key(&one.pod);
        match self.pending.remove(&name) {
            Some(successor) => {
                self.start(successor, true);
                self.make_mirrors();
            }
            None => {
                if let Some(mirror) = self.mirrors.remove(&name) {
                    self.delete(&mirror, object::uid(&mirror));
                }
            }
        }
    }

    /// Deletes a Pod from the API at once, in the background.
    fn delete(&self, pod: &Value, uid: &str) {
        let client = self.client.clone();
        let path = path(pod);
        let options = json!({
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "kind": "DeleteOptions",
            "preconditions": { "uid": uid },
        });
        tokio::spawn(async move {
            for _ in 0..50 {
                match client.delete(&path, &options).await {
                    Err(error) if error.code().is_none() => {
                        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    }
                    _ => return,
                }
            }
        });
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Listed(pods) => {
                self.listed = true;
                self.mirrors.clear();
                let listed: Vec<String> =
                    pods.iter().map(|pod| object::uid(pod).to_owned()).collect();
                let gone: Vec<String> = self
                    .running
                    .iter()
                    .filter(|(uid, one)| !one.is_static && !listed.contains(uid))
                    .map(|(uid, _)| uid.clone())
                    .collect();
                for uid in gone {
                    self.stop(&uid, Some(0));
                }
                for pod in pods {
                    self.apply(pod);
                }
                self.make_mirrors();
            }
            Change::Applied(pod) => self.apply(pod),
            Change::Deleted(pod) => {
                if object::annotation(&pod, CONFIG_MIRROR).is_empty() {
                    self.stop(object::uid(&pod), Some(0));
                } else {
                    self.mirrors.remove(&object::key(&pod));
                    self.make_mirrors();
                }
            }
        }
    }

    fn apply(&mut self, pod: Value) {
        let uid = object::uid(&pod).to_owned();
        if !object::annotation(&pod, CONFIG_MIRROR).is_empty() {
            self.apply_mirror(pod);
            return;
        }
        if let Some(one) = self.running.get_mut(&uid) {
            one.pod = pod;
            if object::deleting(&one.pod) {
                let grace = object::int(&one.pod, "metadata.deletionGracePeriodSeconds");
                self.stop(&uid, grace.and_then(|grace| u64::try_from(grace).ok()));
            } else if self.running[&uid].status != *object::at(&self.running[&uid].pod, "status") {
                // Somebody else wrote it, or it went back with a restored etcd.
                let known = &self.running[&uid];
                let theirs = object::text(&known.pod, "status.phase");
                if !known.status.is_null() && theirs != object::text(&known.status, "phase") {
                    self.push(&uid);
                }
            }
            return;
        }
        let phase = object::text(&pod, "status.phase");
        if object::deleting(&pod) {
            self.delete(&pod, &uid);
        } else if phase != "Succeeded" && phase != "Failed" {
            self.start(pod, false);
        }
    }

    fn apply_mirror(&mut self, mirror: Value) {
        let name = object::key(&mirror);
        let hash = object::annotation(&mirror, CONFIG_HASH).to_owned();
        let current = self
            .running
            .values()
            .find(|one| one.is_static && object::key(&one.pod) == name)
            .map(|one| object::uid(&one.pod).to_owned());
        let deleting = object::deleting(&mirror);
        let uid = object::uid(&mirror).to_owned();
        let known = self.mirrors.insert(name.clone(), mirror);
        match current {
            Some(current) if current == hash && !deleting => {
                if known.is_none_or(|known| object::uid(&known) != uid) {
                    self.push(&hash);
                }
            }
            // Of an earlier text, of no Pod at all, or unwanted: it goes, and comes
            // again if there is a Pod for it.
            _ => {
                if let Some(mirror) = self.mirrors.get(&name) {
                    self.delete(mirror, &uid);
                }
            }
        }
    }

    /// Shows every static Pod in the API.
    fn make_mirrors(&mut self) {
        if !self.listed || self.node_uid.borrow().is_empty() {
            return;
        }
        let node_uid = self.node_uid.borrow().clone();
        for one in self
            .running
            .values()
            .filter(|one| one.is_static && !one.stopping)
        {
            match self.mirrors.get(&object::key(&one.pod)) {
                Some(mirror)
                    if object::annotation(mirror, CONFIG_HASH) == object::uid(&one.pod) => {}
                Some(mirror) => self.delete(mirror, object::uid(mirror)),
                None => {
                    let mirror = manifest::mirror(&one.pod, &node_uid);
                    let client = self.client.clone();
                    let namespace = object::namespace(&one.pod).to_owned();
                    tokio::spawn(async move {
                        let path = format!("/api/v1/namespaces/{namespace}/pods");
                        // That it exists already is told by the watch.
                        let _ = client.post(&path, &mirror).await;
                    });
                }
            }
        }
    }
}

fn path(pod: &Value) -> String {
    format!(
        "/api/v1/namespaces/{}/pods/{}",
        object::namespace(pod),
        object::name(pod)
    )
}

/// Where Pods' logs are.
pub fn log_dir() -> PathBuf {
    "/var/log/pods".into()
}
