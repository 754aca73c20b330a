//! The kubelet's loop: what should run on this node, from files and from the API,
//! against what does.

mod mirror;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    time::Duration,
};

use kube::object;
use rest::Client;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    config::Config,
    ledger::{Ledger, Record, Sandbox},
    manifest::CONFIG_MIRROR,
    node::Known,
    pods::Change,
    state::{self, ContainerState, PodFacts},
    status::Push,
    worker::{self, Order, Shared, Told},
};

/// How often what is left of Pods that are gone is looked at.
const CLEAR_EVERY: Duration = Duration::from_secs(20);

/// A Pod that runs here.
struct Running {
    pod: Value,
    is_static: bool,
    states: Vec<ContainerState>,
    status: Value,
    pod_ip: String,
    started_at: String,
    sandbox: Sandbox,
    orders: mpsc::UnboundedSender<Order>,
    stopping: bool,
    /// The API has no such Pod any more.
    gone: bool,
    /// The API had the Pod again while it was stopping, as after a restore.
    back: bool,
}

impl Running {
    /// What the ledger says of it.
    fn record(&self) -> Record {
        Record {
            metadata: object::at(&self.pod, "metadata").clone(),
            is_static: self.is_static,
            sandbox: self.sandbox.clone(),
            pod_ip: self.pod_ip.clone(),
            started_at: self.started_at.clone(),
            states: self.states.clone(),
            gone_at: 0,
        }
    }
}

/// A question of the kubelet's own server or of `crictl`.
pub enum Question {
    /// Every Pod with its status.
    Pods(oneshot::Sender<Vec<(Value, Vec<ContainerState>)>>),
    /// Stop one container; it starts again as the Pod's policy says.
    StopContainer {
        uid: String,
        name: String,
        grace: u64,
    },
    /// Stop all containers of a Pod, whose sandbox is made anew.
    StopPod { uid: String },
    /// Show nothing more of an ended container.
    Forget { uid: String, id: String },
}

/// The loop's state.
pub struct Kubelet {
    config: Config,
    client: Client,
    shared: Shared,
    statuses: mpsc::UnboundedSender<Push>,
    node: watch::Receiver<Known>,
    ledger: Ledger,
    /// By UID; a static Pod's is its hash.
    running: HashMap<String, Running>,
    /// Static Pods that wait for the end of another one of their name. The first to come
    /// is the first to start, whatever the others say.
    pending: Vec<Value>,
    /// Mirror Pods that the API has, by namespace/name.
    mirrors: HashMap<String, Value>,
    /// Mirror Pods that are being made.
    making: HashSet<String>,
    /// Whether the API has told us of its Pods at all.
    listed: bool,
    /// Whether the manifests have been read at all.
    read: bool,
    next_ip: u8,
}

/// What the loop hears.
pub struct Sources {
    pub files: mpsc::UnboundedReceiver<Vec<Value>>,
    pub changes: mpsc::UnboundedReceiver<Change>,
    pub told: mpsc::UnboundedReceiver<Told>,
    pub questions: mpsc::UnboundedReceiver<Question>,
}

/// The present as objects write it.
fn now() -> String {
    kube::time::rfc3339(jiff::Timestamp::now().as_second())
}

impl Kubelet {
    pub fn new(
        config: Config,
        client: Client,
        shared: Shared,
        statuses: mpsc::UnboundedSender<Push>,
        node: watch::Receiver<Known>,
        ledger: Ledger,
    ) -> Self {
        Self {
            config,
            client,
            shared,
            statuses,
            node,
            ledger,
            running: HashMap::new(),
            pending: Vec::new(),
            mirrors: HashMap::new(),
            making: HashSet::new(),
            listed: false,
            read: false,
            next_ip: 2,
        }
    }

    /// Runs for ever.
    pub async fn run(mut self, mut sources: Sources) {
        let mut clear = tokio::time::interval(CLEAR_EVERY);
        loop {
            tokio::select! {
                Some(pods) = sources.files.recv() => self.set_static(pods),
                Some(change) = sources.changes.recv() => self.change(change),
                Some(told) = sources.told.recv() => self.told(told),
                Some(question) = sources.questions.recv() => self.answer(question),
                Ok(()) = self.node.changed() => self.make_mirrors(),
                _ = clear.tick() => {
                    self.ledger.clear_gone(jiff::Timestamp::now().as_second());
                }
            }
        }
    }

    fn answer(&mut self, question: Question) {
        let order = |one: &Running, order: Order| drop(one.orders.send(order));
        match question {
            Question::Pods(answer) => {
                let with_status = |one: &Running| {
                    let mut pod = one.pod.clone();
                    pod["status"] = one.status.clone();
                    (pod, one.states.clone())
                };
                let _ = answer.send(self.running.values().map(with_status).collect());
            }
            Question::StopContainer { uid, name, grace } => {
                if let Some(one) = self.running.get(&uid) {
                    order(one, Order::StopContainer { name, grace });
                }
            }
            Question::StopPod { uid } => {
                let Some(one) = self.running.get_mut(&uid) else {
                    return;
                };
                one.sandbox = new_sandbox(&uid, one.sandbox.attempt + 1);
                order(one, Order::Remake);
                let record = one.record();
                self.ledger.note(&uid, record);
            }
            Question::Forget { uid, id } => match self.running.get(&uid) {
                Some(one) => order(one, Order::Forget { id }),
                None => drop(self.ledger.remove_gone(&id)),
            },
        }
    }

    /// The static Pods are these and no others.
    fn set_static(&mut self, pods: Vec<Value>) {
        let wanted: Vec<&str> = pods.iter().map(object::uid).collect();
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
            .retain(|pod| wanted.contains(&object::uid(pod)));
        for pod in pods {
            let uid = object::uid(&pod);
            let runs = self.running.get(uid).is_some_and(|one| !one.stopping);
            let waits = self.pending.iter().any(|other| object::uid(other) == uid);
            if runs || waits {
                continue;
            }
            let name = object::key(&pod);
            let taken = self
                .running
                .values()
                .any(|one| object::key(&one.pod) == name);
            if taken {
                self.pending.push(pod);
            } else {
                self.start(pod, true);
            }
        }
        if !self.read {
            self.read = true;
            self.ledger.end_strays(true);
        }
        self.make_mirrors();
    }

    fn start(&mut self, pod: Value, is_static: bool) {
        let uid = object::uid(&pod).to_owned();
        let left = self.ledger.adopt(&uid).unwrap_or_default();
        let host_network = object::flag(&pod, "spec.hostNetwork");
        let pod_ip = match host_network {
            true => self.config.address.to_string(),
            false if left.pod_ip.is_empty() => self.new_ip(),
            false => left.pod_ip,
        };
        let (orders, receiver) = mpsc::unbounded_channel();
        let adopted = left.states;
        let worker = worker::run(
            uid.clone(),
            pod.clone(),
            adopted.clone(),
            self.shared.clone(),
            receiver,
        );
        tokio::spawn(worker);
        let known_start = [
            left.started_at.as_str(),
            object::text(&pod, "status.startTime"),
        ];
        let started_at = known_start.into_iter().find(|time| !time.is_empty());
        let sandbox = match left.sandbox.id.as_str() {
            "" => new_sandbox(&uid, u32::from(!adopted.is_empty())),
            _ => left.sandbox,
        };
        let running = Running {
            // Conditions that hold as before keep their transition times.
            status: object::at(&pod, "status").clone(),
            started_at: started_at.map_or_else(now, str::to_owned),
            pod,
            is_static,
            states: adopted,
            pod_ip,
            sandbox,
            orders,
            stopping: false,
            gone: false,
            back: false,
        };
        self.running.insert(uid, running);
    }

    /// An address of this node's Pod network that no Pod has.
    fn new_ip(&mut self) -> String {
        let given = self.node.borrow().pod_cidr.clone();
        let network = match given.ends_with(".0/24") {
            true => given,
            false => crate::pod_network(self.config.address),
        };
        let prefix = network.trim_end_matches("0/24").to_owned();
        for _ in 0..253 {
            let ip = format!("{prefix}{}", self.next_ip);
            self.next_ip = match self.next_ip {
                254.. => 2,
                ip => ip + 1,
            };
            if !self.running.values().any(|one| one.pod_ip == ip) {
                return ip;
            }
        }
        // More Pods than a node takes (110) would be needed to get here.
        format!("{prefix}254")
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
            Told::States { key, states } => self.note(&key, states),
            Told::Stopped { key } => self.stopped(&key),
            Told::MirrorMade { name, again } => {
                self.making.remove(&name);
                if again {
                    self.make_mirrors();
                }
            }
        }
    }

    fn note(&mut self, key: &str, states: Vec<ContainerState>) {
        let Some(one) = self.running.get_mut(key) else {
            return;
        };
        one.states = states;
        let facts = PodFacts {
            host_ip: self.config.address.to_string(),
            pod_ip: one.pod_ip.clone(),
            started_at: one.started_at.clone(),
            now: now(),
        };
        let record = one.record();
        let status = state::status(&one.pod, &one.states, &facts, &one.status);
        let changed = status != one.status;
        one.status = status;
        if changed {
            self.push(key);
        }
        self.ledger.note(key, record);
    }

    /// Brings a Pod's status on its way to the API.
    fn push(&self, key: &str) {
        let Some(one) = self.running.get(key) else {
            return;
        };
        let uid = if one.is_static {
            match self.mirror_of(one) {
                Some(mirror) => object::uid(mirror),
                None => return,
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
            if one.back {
                self.start(one.pod, false);
            } else if !one.gone {
                // Nothing of it runs: the API may forget it.
                self.delete(&one.pod, key);
            }
            return;
        }
        let name = object::key(&one.pod);
        let next = self
            .pending
            .iter()
            .position(|pod| object::key(pod) == name)
            .map(|at| self.pending.remove(at));
        match next {
            Some(successor) => self.start(successor, true),
            None => {
                if let Some(mirror) = self.mirrors.get(&name) {
                    self.delete(mirror, object::uid(mirror));
                }
            }
        }
        self.make_mirrors();
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Listed(pods) => {
                self.mirrors.clear();
                let listed: HashSet<&str> = pods.iter().map(object::uid).collect();
                let gone: Vec<String> = self
                    .running
                    .iter()
                    .filter(|(uid, one)| !one.is_static && !listed.contains(uid.as_str()))
                    .map(|(uid, _)| uid.clone())
                    .collect();
                for uid in gone {
                    self.vanished(&uid);
                }
                for pod in pods {
                    let uid = object::uid(&pod).to_owned();
                    let known = object::at(&pod, "status").clone();
                    self.apply(pod);
                    // Whatever was told before may have been lost since.
                    if self
                        .running
                        .get(&uid)
                        .is_some_and(|one| !one.states.is_empty() && one.status != known)
                    {
                        self.push(&uid);
                    }
                }
                if !self.listed {
                    self.listed = true;
                    self.ledger.end_strays(false);
                }
                self.make_mirrors();
            }
            Change::Applied(pod) => self.apply(pod),
            Change::Deleted(pod) => {
                if object::annotation(&pod, CONFIG_MIRROR).is_empty() {
                    self.vanished(object::uid(&pod));
                } else {
                    self.mirrors.remove(&object::key(&pod));
                    self.make_mirrors();
                }
            }
        }
    }

    /// The API has no such Pod any more.
    fn vanished(&mut self, uid: &str) {
        if let Some(one) = self.running.get_mut(uid) {
            one.gone = true;
            one.back = false;
        }
        self.stop(uid, None);
    }

    fn apply(&mut self, pod: Value) {
        if !object::annotation(&pod, CONFIG_MIRROR).is_empty() {
            self.apply_mirror(pod);
            return;
        }
        let uid = object::uid(&pod).to_owned();
        let deleting = object::deleting(&pod);
        let Some(one) = self.running.get_mut(&uid) else {
            let phase = object::text(&pod, "status.phase");
            if deleting {
                self.delete(&pod, &uid);
            } else if phase != "Succeeded" && phase != "Failed" {
                self.start(pod, false);
            }
            return;
        };
        let edited = one.pod["spec"] != pod["spec"];
        one.pod = pod;
        if one.stopping {
            one.back = !deleting;
            one.gone = false;
            return;
        }
        if deleting {
            let grace = object::int(&one.pod, "metadata.deletionGracePeriodSeconds");
            self.stop(&uid, grace.and_then(|grace| u64::try_from(grace).ok()));
            return;
        }
        if edited {
            let _ = one.orders.send(Order::Update(Box::new(one.pod.clone())));
        }
        // Somebody else wrote it: a controller, or a restored etcd.
        let theirs = |what: &str| object::condition_true(&one.pod, what);
        let ours = serde_json::json!({ "status": one.status });
        let differs = object::text(&one.pod, "status.phase") != object::text(&ours, "status.phase")
            || theirs("Ready") != object::condition_true(&ours, "Ready");
        // Until its worker has spoken, nothing is known here that the API does not know.
        let stale = object::text(&one.pod, "status.phase") != "Pending";
        if differs && stale && !one.states.is_empty() {
            self.push(&uid);
        }
    }
}

fn new_sandbox(uid: &str, attempt: u32) -> Sandbox {
    Sandbox {
        id: worker::new_id(uid, "sandbox"),
        attempt,
        created_at: now(),
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
