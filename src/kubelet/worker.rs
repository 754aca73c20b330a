//! One Pod on this node: starts its containers, starts them again, stops them, and
//! tells what they do.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use kube::object;
use nix::sys::signal::Signal;
use sandbox::container::{Container, ContainerSpec, Exited};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use crate::{
    backoff::BackOff,
    events::Recorder,
    image::{self, Image},
    probe::{self, Kind, Verdict},
    state::{ContainerState, End, Phase},
    volumes,
};

/// What a Pod is told.
#[derive(Debug)]
pub enum Order {
    /// Stop. The grace period in seconds; `None` is the Pod's own.
    Stop { grace: Option<u64> },
    /// Stop one container with a grace period; it may start again after that.
    StopContainer { name: String, grace: u64 },
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
    /// When it may start; `None` while it runs or shall not start again.
    start_at: Option<Instant>,
    began: Instant,
    probes: Vec<JoinHandle<()>>,
}

/// A running worker.
pub struct Worker {
    key: String,
    pod: Value,
    slots: BTreeMap<usize, Slot>,
    shared: Shared,
    happened: mpsc::Sender<Happened>,
}

/// Runs a Pod until it is told to stop. `key` names it in what is told. Containers of
/// `adopted` (name, id, restarts) run already.
pub async fn run(
    key: String,
    pod: Value,
    adopted: Vec<(String, String, u32)>,
    shared: Shared,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let (happened, mut happenings) = mpsc::channel(64);
    let mut worker = Worker {
        key,
        slots: BTreeMap::new(),
        shared,
        happened,
        pod,
    };
    for (index, spec) in object::list(&worker.pod, "spec.containers")
        .iter()
        .enumerate()
    {
        let now = Instant::now();
        let slot = Slot {
            spec: spec.clone(),
            state: ContainerState::new(spec),
            backoff: BackOff::default(),
            start_at: Some(now),
            began: now,
            probes: Vec::new(),
        };
        worker.slots.insert(index, slot);
    }
    for (name, id, restarts) in adopted {
        worker.adopt(&name, &id, restarts);
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

fn now() -> String {
    kube::time::rfc3339(jiff::Timestamp::now().as_second())
}

/// 64 hexadecimal digits, as a runtime names containers.
fn new_id(pod: &Value, name: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    digest.update(object::uid(pod));
    digest.update(name);
    digest.update(jiff::Timestamp::now().as_nanosecond().to_be_bytes());
    crate::manifest::hex(&digest.finalize())
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

    /// Where the n-th run of a container logs.
    fn log(&self, name: &str, restarts: u32) -> PathBuf {
        let pod = format!(
            "{}_{}_{}",
            object::namespace(&self.pod),
            object::name(&self.pod),
            object::uid(&self.pod)
        );
        self.shared
            .logs
            .join(pod)
            .join(name)
            .join(format!("{restarts}.log"))
    }

    async fn start_due(&mut self) {
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

    async fn start(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        slot.start_at = None;
        // A container that ended once starts for another time.
        if matches!(slot.state.phase, Phase::Terminated(_)) || slot.state.last.is_some() {
            if let Phase::Terminated(end) = &slot.state.phase {
                slot.state.last = Some(end.clone());
            }
            if !slot.state.id.is_empty() {
                slot.state.restarts += 1;
            }
        }
        let name = slot.state.name.clone();
        let image = slot.state.image.clone();
        let spec = slot.spec.clone();
        let restarts = slot.state.restarts;
        match image::classify(&image) {
            Image::Missing => self.cannot_pull(index, &name, &image),
            Image::Simulated => {
                self.simulate(index, &name, &image);
            }
            Image::Real => {
                let id = new_id(&self.pod, &name);
                match self.container_spec(&spec, &id, &name, restarts) {
                    Ok(container) => self.start_real(index, &name, &image, container).await,
                    Err(reason) => {
                        self.record("", "Warning", "FailedMount", &reason);
                        self.wait_again(index, "ContainerCreating", "");
                    }
                }
            }
        }
    }

    /// Not started; tries again later under the same name for the reason.
    fn wait_again(&mut self, index: usize, reason: &str, message: &str) {
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        let wait = slot
            .backoff
            .after_end(Duration::ZERO)
            .max(Duration::from_secs(2));
        slot.start_at = Some(Instant::now() + wait);
        slot.state.phase = Phase::Waiting {
            reason: reason.into(),
            message: message.into(),
        };
        slot.state.ready = false;
    }

    fn cannot_pull(&mut self, index: usize, name: &str, image: &str) {
        let again = self.slots.get(&index).is_some_and(|slot| {
            matches!(&slot.state.phase, Phase::Waiting { reason, .. } if reason.contains("Image"))
        });
        self.record(
            name,
            "Normal",
            "Pulling",
            &format!("Pulling image \"{image}\""),
        );
        let error = image::pull_error(image);
        let failed = format!("Failed to pull image \"{image}\": {error}");
        self.record(name, "Warning", "Failed", &failed);
        self.record(name, "Warning", "Failed", "Error: ErrImagePull");
        if again {
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {error}");
            self.wait_again(index, "ImagePullBackOff", &message);
        } else {
            self.wait_again(index, "ErrImagePull", &error);
        }
    }

    fn simulate(&mut self, index: usize, name: &str, image: &str) {
        let id = new_id(&self.pod, name);
        self.started(index, name, image, id);
        if let Some(slot) = self.slots.get_mut(&index) {
            slot.state.started = true;
            slot.state.ready = true;
        }
    }

    fn container_spec(
        &self,
        spec: &Value,
        id: &str,
        name: &str,
        restarts: u32,
    ) -> Result<ContainerSpec, String> {
        let words = |field: &str| object::list(spec, field).iter().filter_map(Value::as_str);
        let mut argv: Vec<String> = words("command")
            .chain(words("args"))
            .map(str::to_owned)
            .collect();
        let image = object::text(spec, "image");
        let applets = image::applets(image);
        if object::list(spec, "command").is_empty() {
            // The image's entry point is its program.
            argv.insert(0, applets[0].clone());
        }
        let env = object::list(spec, "env")
            .iter()
            .filter(|one| one.get("value").is_some())
            .map(|one| {
                (
                    object::text(one, "name").to_owned(),
                    object::text(one, "value").to_owned(),
                )
            })
            .collect();
        let log = self.log(name, restarts);
        if let Some(dir) = log.parent() {
            std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        }
        Ok(ContainerSpec {
            id: id.to_owned(),
            argv,
            env,
            cwd: object::text(spec, "workingDir").into(),
            binds: volumes::binds(&self.pod, spec)?,
            applets,
            log,
            uid: object::int(spec, "securityContext.runAsUser").unwrap_or(0) as u32,
            read_only_root: object::flag(spec, "securityContext.readOnlyRootFilesystem"),
            // The processes of a static Pod are seen in the node's own list.
            host_pid: object::flag(&self.pod, "spec.hostPID"),
            host_ipc: object::flag(&self.pod, "spec.hostIPC"),
            ..ContainerSpec::default()
        })
    }

    async fn start_real(&mut self, index: usize, name: &str, image: &str, spec: ContainerSpec) {
        let id = spec.id.clone();
        let begun = now();
        let starting = tokio::task::spawn_blocking(move || Container::start(&spec));
        let result = match starting.await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match result {
            Ok(_) => {
                self.started(index, name, image, id.clone());
                self.watch_end(name, &id);
                self.start_probes(index, name, &id);
            }
            Err(message) => {
                self.record(name, "Warning", "Failed", &format!("Error: {message}"));
                let end = End {
                    exit_code: 128,
                    signal: None,
                    reason: "StartError".into(),
                    message,
                    started_at: begun,
                    finished_at: now(),
                    container_id: id.clone(),
                };
                if let Some(slot) = self.slots.get_mut(&index) {
                    slot.state.id = id;
                    slot.began = Instant::now();
                }
                self.ended(name, end);
            }
        }
    }

    fn started(&mut self, index: usize, name: &str, image: &str, id: String) {
        let present = format!("Container image \"{image}\" already present on machine");
        self.record(name, "Normal", "Pulled", &present);
        self.record(
            name,
            "Normal",
            "Created",
            &format!("Created container: {name}"),
        );
        self.record(
            name,
            "Normal",
            "Started",
            &format!("Started container {name}"),
        );
        if let Some(slot) = self.slots.get_mut(&index) {
            slot.state.id = id;
            slot.state.phase = Phase::Running { started_at: now() };
            slot.began = Instant::now();
        }
    }

    /// Takes over a container that an earlier kubelet started.
    fn adopt(&mut self, name: &str, id: &str, restarts: u32) {
        let Some(index) = self
            .slots
            .iter()
            .find(|(_, slot)| slot.state.name == name)
            .map(|(index, _)| *index)
        else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(&index) {
            slot.start_at = None;
            slot.state.id = id.to_owned();
            slot.state.restarts = restarts;
            slot.state.phase = Phase::Running { started_at: now() };
        }
        self.watch_end(name, id);
        self.start_probes(index, name, id);
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

    fn start_probes(&mut self, index: usize, name: &str, id: &str) {
        let address = self.shared.address.clone();
        let happened = self.happened.clone();
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        slot.state.started = slot.spec.get(Kind::Startup.field()).is_none();
        slot.state.ready = slot.state.started && slot.spec.get(Kind::Readiness.field()).is_none();
        for kind in Kind::ALL {
            // The others wait until the container has started.
            if kind != Kind::Startup && !slot.state.started {
                continue;
            }
            let Some(spec) = slot.spec.get(kind.field()) else {
                continue;
            };
            let task = spawn_probe(kind, spec, &address, name, id, happened.clone());
            slot.probes.push(task);
        }
    }

    fn handle(&mut self, what: Happened) {
        match what {
            Happened::Ended { name, id, exited } => {
                let Some(slot) = self.slot(&name).filter(|slot| slot.state.id == id) else {
                    return;
                };
                let started_at = match &slot.state.phase {
                    Phase::Running { started_at } => started_at.clone(),
                    _ => now(),
                };
                let (code, signal) = match exited {
                    Ok(exited) => (exited.code, exited.signal),
                    // Its shim is gone, and with it how it ended.
                    Err(_) => (137, Some(9)),
                };
                let end = End {
                    exit_code: code,
                    signal,
                    reason: if code == 0 { "Completed" } else { "Error" }.into(),
                    message: String::new(),
                    started_at,
                    finished_at: now(),
                    container_id: id,
                };
                self.ended(&name, end);
            }
            Happened::Probed { name, id, verdict } => self.probed(&name, &id, &verdict),
        }
        self.tell();
    }

    /// A container ended: it starts again at once, later, or never.
    fn ended(&mut self, name: &str, end: End) {
        let policy = object::text(&self.pod, "spec.restartPolicy").to_owned();
        let pod_name = format!(
            "{}_{}",
            object::name(&self.pod),
            object::namespace(&self.pod)
        );
        let uid = object::uid(&self.pod).to_owned();
        let Some(slot) = self.slot(name) else { return };
        for probe in slot.probes.drain(..) {
            probe.abort();
        }
        let again = match policy.as_str() {
            "Never" => false,
            "OnFailure" => end.exit_code != 0,
            _ => true,
        };
        slot.state.ready = false;
        slot.state.started = false;
        let ran = slot.began.elapsed();
        slot.state.phase = Phase::Terminated(end.clone());
        if !again {
            return;
        }
        let wait = slot.backoff.after_end(ran);
        slot.start_at = Some(Instant::now() + wait);
        if !wait.is_zero() {
            slot.state.last = Some(end);
            let message = format!(
                "back-off {}s restarting failed container={name} pod={pod_name}({uid})",
                wait.as_secs()
            );
            slot.state.phase = Phase::Waiting {
                reason: "CrashLoopBackOff".into(),
                message: message.clone(),
            };
            let event =
                format!("Back-off restarting failed container {name} in pod {pod_name}({uid})");
            self.record(name, "Warning", "BackOff", &event);
        }
    }

    fn probed(&mut self, name: &str, id: &str, verdict: &Verdict) {
        let happened = self.happened.clone();
        let address = self.shared.address.clone();
        let Some(slot) = self.slot(name).filter(|slot| slot.state.id == id) else {
            return;
        };
        match (verdict.kind, verdict.ok) {
            (Kind::Startup, true) => {
                slot.state.started = true;
                slot.state.ready = slot.spec.get(Kind::Readiness.field()).is_none();
                for kind in [Kind::Liveness, Kind::Readiness] {
                    let Some(spec) = slot.spec.get(kind.field()) else {
                        continue;
                    };
                    let task = spawn_probe(kind, spec, &address, name, id, happened.clone());
                    slot.probes.push(task);
                }
            }
            (Kind::Readiness, ok) => slot.state.ready = ok,
            (Kind::Startup | Kind::Liveness, _) => {}
        }
        if verdict.ok {
            return;
        }
        let word = verdict.kind.word();
        let message = format!("{word} probe failed: {}", verdict.message);
        self.record(name, "Warning", "Unhealthy", &message);
        if verdict.kind != Kind::Readiness {
            let lower = word.to_lowercase();
            let message = format!("Container {name} failed {lower} probe, will be restarted");
            self.record(name, "Normal", "Killing", &message);
            let grace = object::int(&self.pod, "spec.terminationGracePeriodSeconds").unwrap_or(30);
            self.stop_container(name, Duration::from_secs(grace.max(0) as u64));
        }
    }

    /// Ends one container; what that means for it is decided when it has ended.
    fn stop_container(&mut self, name: &str, grace: Duration) {
        let Some(slot) = self.slot(name) else { return };
        if !slot.state.is_running() {
            return;
        }
        let id = slot.state.id.clone();
        if image::classify(&slot.state.image) == Image::Real {
            tokio::spawn(kill(id, grace));
            return;
        }
        let end = End {
            exit_code: 0,
            signal: None,
            reason: "Completed".into(),
            message: String::new(),
            started_at: now(),
            finished_at: now(),
            container_id: id,
        };
        self.ended(name, end);
        self.tell();
    }

    async fn stop(&mut self, grace: Option<u64>, happenings: &mut mpsc::Receiver<Happened>) {
        let own = object::int(&self.pod, "spec.terminationGracePeriodSeconds").unwrap_or(30);
        let grace = Duration::from_secs(grace.unwrap_or(own.max(0) as u64));
        for slot in self.slots.values_mut() {
            slot.start_at = None;
            for probe in slot.probes.drain(..) {
                probe.abort();
            }
        }
        let names: Vec<String> = self
            .slots
            .values()
            .filter(|slot| slot.state.is_running())
            .map(|slot| slot.state.name.clone())
            .collect();
        for name in &names {
            self.record(
                name,
                "Normal",
                "Killing",
                &format!("Stopping container {name}"),
            );
            self.stop_container(name, grace);
        }
        while self.slots.values().any(|slot| slot.state.is_running()) {
            match happenings.recv().await {
                Some(what) => self.handle(what),
                None => break,
            }
            // Nothing starts again in a Pod that stops.
            for slot in self.slots.values_mut() {
                slot.start_at = None;
            }
        }
        for slot in self.slots.values() {
            if let Ok(container) = Container::open(&slot.state.id) {
                let _ = container.remove();
            }
        }
        let _ = self.shared.told.send(Told::Stopped {
            key: self.key.clone(),
        });
    }
}

fn spawn_probe(
    kind: Kind,
    spec: &Value,
    address: &str,
    name: &str,
    id: &str,
    happened: mpsc::Sender<Happened>,
) -> JoinHandle<()> {
    let (verdicts, mut incoming) = mpsc::channel(1);
    let (spec, address) = (spec.clone(), address.to_owned());
    let (name, id) = (name.to_owned(), id.to_owned());
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

/// SIGTERM, and SIGKILL when the grace period is over.
async fn kill(id: String, grace: Duration) {
    let Ok(container) = Container::open(&id) else {
        return;
    };
    if !grace.is_zero() {
        let _ = container.signal(Signal::SIGTERM as i32);
        if tokio::time::timeout(grace, container.wait()).await.is_ok() {
            return;
        }
    }
    let _ = container.signal(Signal::SIGKILL as i32);
}
