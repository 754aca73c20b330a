//! One Pod on this node: starts its containers, starts them again, stops them, and
//! tells what they do.

mod ending;
mod launch;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use kube::object;
use sandbox::container::{Container, Exited};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

pub use launch::new_id;

use crate::{
    backoff::BackOff,
    events::Recorder,
    image::{self, Image},
    probe::{self, Kind, Verdict},
    state::{ContainerState, End, Phase},
};

/// What a Pod is told.
#[derive(Debug)]
pub enum Order {
    /// Stop. The grace period in seconds; `None` is the Pod's own.
    Stop { grace: Option<u64> },
    /// Stop one container with a grace period; it may start again after that.
    StopContainer { name: String, grace: u64 },
    /// Show nothing more of an ended container, and do not wait because of it.
    Forget { id: String },
    /// Stop all containers and start them at once: their sandbox is a new one.
    Remake,
    /// The Pod was edited.
    Update(Box<Value>),
}

/// What a Pod tells.
#[derive(Debug)]
pub enum Told {
    /// Something changed.
    States {
        key: String,
        states: Vec<ContainerState>,
    },
    /// It is stopped and nothing of it runs.
    Stopped { key: String },
    /// The API was asked for a mirror Pod; whether that must be done again.
    MirrorMade { name: String, again: bool },
}

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    pub told: mpsc::UnboundedSender<Told>,
    pub recorder: Recorder,
    /// `/var/log/pods`.
    pub logs: PathBuf,
    /// The node's address, where probes go.
    pub address: String,
}

/// What happens to a container.
enum Happened {
    Ended {
        name: String,
        id: String,
        exited: Result<Exited, String>,
    },
    Probed {
        name: String,
        id: String,
        verdict: Verdict,
    },
}

struct Slot {
    spec: Value,
    state: ContainerState,
    backoff: BackOff,
    /// Waits between tries to mount or to pull.
    retry: BackOff,
    /// When the image is asked for again.
    pull_at: Option<Instant>,
    /// Whether its turn has come at all.
    begun: bool,
    /// When it may start; `None` while it runs or shall not start again.
    start_at: Option<Instant>,
    began: Instant,
    probes: Vec<JoinHandle<()>>,
}

impl Slot {
    fn new(spec: &Value, init: bool) -> Self {
        Self {
            spec: spec.clone(),
            state: ContainerState::new(spec, init),
            backoff: BackOff::default(),
            retry: BackOff::default(),
            pull_at: None,
            begun: false,
            start_at: None,
            began: Instant::now(),
            probes: Vec::new(),
        }
    }

    fn end_probes(&mut self) {
        for probe in self.probes.drain(..) {
            probe.abort();
        }
    }
}

/// A running worker.
struct Worker {
    key: String,
    pod: Value,
    slots: BTreeMap<usize, Slot>,
    shared: Shared,
    happened: mpsc::Sender<Happened>,
    /// Nothing starts any more.
    stopping: bool,
}

/// Runs a Pod until it is told to stop. `key` names it in what is told. `adopted` is what
/// an earlier kubelet knew of its containers.
pub async fn run(
    key: String,
    pod: Value,
    adopted: Vec<ContainerState>,
    shared: Shared,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let (happened, mut happenings) = mpsc::channel(64);
    let slots = slots(&pod);
    let mut worker = Worker {
        key,
        slots,
        shared,
        happened,
        pod,
        stopping: false,
    };
    if !adopted.is_empty() {
        for state in adopted {
            worker.adopt(state);
        }
        worker.tell();
    }
    loop {
        worker.start_due().await;
        let next = worker.slots.values().filter_map(|slot| slot.start_at).min();
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::StopContainer { name, grace }) => {
                    worker.stop_container(&name, Duration::from_secs(grace));
                }
                Some(Order::Forget { id }) => worker.forget(&id),
                Some(Order::Remake) => worker.remake(),
                Some(Order::Update(pod)) => worker.update(*pod),
                Some(Order::Stop { grace }) => {
                    worker.stop(grace, &mut happenings).await;
                    return;
                }
                // The kubelet itself ended; its containers stay.
                None => return,
            },
            Some(what) = happenings.recv() => worker.handle(what),
            () = due => {}
        }
    }
}

fn slots(pod: &Value) -> BTreeMap<usize, Slot> {
    let inits = object::list(pod, "spec.initContainers");
    let mains = object::list(pod, "spec.containers");
    let mut slots: Vec<Slot> = inits.iter().map(|spec| Slot::new(spec, true)).collect();
    slots.extend(mains.iter().map(|spec| Slot::new(spec, false)));
    if !inits.is_empty() {
        for slot in &mut slots {
            slot.state.phase = Phase::Waiting {
                reason: "PodInitializing".into(),
                message: String::new(),
            };
        }
    }
    slots.into_iter().enumerate().collect()
}

/// The present as objects write it.
fn now() -> String {
    kube::time::rfc3339(jiff::Timestamp::now().as_second())
}

impl Worker {
    fn tell(&self) {
        let states = self.slots.values().map(|slot| slot.state.clone()).collect();
        let _ = self.shared.told.send(Told::States {
            key: self.key.clone(),
            states,
        });
    }

    fn slot(&mut self, name: &str) -> Option<&mut Slot> {
        self.slots.values_mut().find(|slot| slot.state.name == name)
    }

    fn record(&self, container: &str, kind: &str, reason: &str, message: &str) {
        self.shared
            .recorder
            .record(&self.pod, container, kind, reason, message);
    }

    /// Init containers one after the other, then all others at once.
    fn advance(&mut self) {
        let now = Instant::now();
        let begin = |slot: &mut Slot| {
            if !slot.begun {
                slot.begun = true;
                slot.start_at = Some(now);
            }
        };
        let open = |slot: &&mut Slot| slot.state.init && !slot.state.is_done();
        if let Some(slot) = self.slots.values_mut().find(open) {
            begin(slot);
            return;
        }
        for slot in self.slots.values_mut() {
            begin(slot);
        }
    }

    async fn start_due(&mut self) {
        loop {
            self.advance();
            let now = Instant::now();
            let due: Vec<usize> = self
                .slots
                .iter()
                .filter(|(_, slot)| slot.start_at.is_some_and(|at| at <= now))
                .map(|(index, _)| *index)
                .collect();
            if due.is_empty() {
                return;
            }
            for index in due {
                self.start(index).await;
            }
            self.tell();
        }
    }

    /// Goes on with what an earlier kubelet knew of a container.
    fn adopt(&mut self, state: ContainerState) {
        let name = state.name.clone();
        let Some((&index, slot)) = self
            .slots
            .iter_mut()
            .find(|(_, slot)| slot.state.name == name && slot.state.image == state.image)
        else {
            return;
        };
        slot.begun = true;
        slot.state = state;
        match slot.state.phase.clone() {
            Phase::Waiting { .. } => slot.start_at = Some(Instant::now()),
            Phase::Terminated(end) => self.ended(&name, end),
            Phase::Running { .. } => {
                if image::classify(&slot.state.image) == Image::Real {
                    let id = slot.state.id.clone();
                    self.watch_end(&name, &id);
                    self.start_probes(index);
                }
            }
        }
    }

    fn watch_end(&self, name: &str, id: &str) {
        let happened = self.happened.clone();
        let (name, id) = (name.to_owned(), id.to_owned());
        tokio::spawn(async move {
            let exited = match Container::open(&id) {
                Ok(container) => container.wait().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let _ = happened.send(Happened::Ended { name, id, exited }).await;
        });
    }

    /// Starts the probes whose turn it is in the container's present state.
    fn start_probes(&mut self, index: usize) {
        let happened = self.happened.clone();
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        let kinds: &[Kind] = match slot.state.started {
            true => &[Kind::Liveness, Kind::Readiness],
            false => &[Kind::Startup],
        };
        for kind in kinds {
            let Some(spec) = slot.spec.get(kind.field()) else {
                continue;
            };
            let spec = probe::with_port(spec, &slot.spec);
            let (name, id) = (slot.state.name.clone(), slot.state.id.clone());
            let address = self.shared.address.clone();
            let task = spawn_probe(*kind, spec, address, name, id, happened.clone());
            slot.probes.push(task);
        }
    }

    fn handle(&mut self, what: Happened) {
        match what {
            Happened::Ended { name, id, exited } => {
                let Some(slot) = self.slot(&name).filter(|slot| slot.state.id == id) else {
                    return;
                };
                let Phase::Running { started_at } = &slot.state.phase else {
                    return;
                };
                // Without a shim nobody knows how it ended.
                let code = exited.map_or(137, |exited| exited.code);
                let end = End {
                    exit_code: code,
                    reason: if code == 0 { "Completed" } else { "Error" }.into(),
                    message: String::new(),
                    started_at: started_at.clone(),
                    finished_at: now(),
                    container_id: id,
                    attempt: slot.state.restarts,
                    removed: false,
                };
                self.ended(&name, end);
            }
            Happened::Probed { name, id, verdict } => self.probed(&name, &id, &verdict),
        }
        self.tell();
    }

    fn probed(&mut self, name: &str, id: &str, verdict: &Verdict) {
        let Some((&index, slot)) = self
            .slots
            .iter_mut()
            .find(|(_, slot)| slot.state.name == name && slot.state.id == id)
        else {
            return;
        };
        match (verdict.kind, verdict.ok) {
            (Kind::Startup, true) => {
                slot.state.started = true;
                slot.state.ready = slot.spec.get(Kind::Readiness.field()).is_none();
                self.start_probes(index);
            }
            (Kind::Readiness, ok) if verdict.decided => slot.state.ready = ok,
            _ => {}
        }
        if verdict.ok {
            return;
        }
        let word = verdict.kind.word();
        let message = format!("{word} probe failed: {}", verdict.message);
        self.record(name, "Warning", "Unhealthy", &message);
        if verdict.decided && verdict.kind != Kind::Readiness {
            let lower = word.to_lowercase();
            let message = format!("Container {name} failed {lower} probe, will be restarted");
            self.record(name, "Normal", "Killing", &message);
            let grace = self.grace();
            self.stop_container(name, grace);
        }
    }
}

fn spawn_probe(
    kind: Kind,
    spec: Value,
    address: String,
    name: String,
    id: String,
    happened: mpsc::Sender<Happened>,
) -> JoinHandle<()> {
    let (verdicts, mut incoming) = mpsc::channel(1);
    tokio::spawn(async move {
        let probing = probe::run(kind, spec, address, id.clone(), verdicts);
        let forwarding = async {
            while let Some(verdict) = incoming.recv().await {
                let what = Happened::Probed {
                    name: name.clone(),
                    id: id.clone(),
                    verdict,
                };
                if happened.send(what).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(probing, forwarding);
    })
}
