//! From a container's specification to a container that runs, or to the reason why not.

use std::{path::PathBuf, time::Duration};

use kube::object;
use sandbox::container::{Container, ContainerSpec};
use serde_json::Value;
use tokio::time::Instant;

use super::{Worker, now};
use crate::{
    image::{self, Image},
    probe::Kind,
    simulate,
    state::{End, Phase},
    volumes,
};

/// How long a failed pull is shown as such before it is shown as backed off.
const PULL_SHOWN: Duration = Duration::from_secs(2);

/// 64 hexadecimal digits, as a runtime names containers.
pub fn new_id(uid: &str, name: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    digest.update(uid);
    digest.update(name);
    digest.update(jiff::Timestamp::now().as_nanosecond().to_be_bytes());
    crate::manifest::hex(&digest.finalize())
}

impl Worker {
    /// Where the n-th run of a container logs.
    fn log(&self, name: &str, attempt: u32) -> PathBuf {
        let pod = format!(
            "{}_{}_{}",
            object::namespace(&self.pod),
            object::name(&self.pod),
            object::uid(&self.pod)
        );
        let dir = self.shared.logs.join(pod).join(name);
        dir.join(format!("{attempt}.log"))
    }

    /// The name in `/var/log/containers` under which a log is found as well.
    fn log_link(&self, name: &str, id: &str) -> PathBuf {
        let link = format!(
            "{}_{}_{name}-{id}.log",
            object::name(&self.pod),
            object::namespace(&self.pod)
        );
        PathBuf::from("/var/log/containers").join(link)
    }

    /// Makes the directory of a run's log and the link to the log.
    fn prepare_log(&self, name: &str, id: &str, attempt: u32) -> Result<PathBuf, String> {
        let log = self.log(name, attempt);
        if let Some(dir) = log.parent() {
            std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        }
        let link = self.log_link(name, id);
        // Only people look there; a log is a log without it.
        let _ = std::fs::create_dir_all("/var/log/containers");
        let _ = std::os::unix::fs::symlink(&log, link);
        Ok(log)
    }

    /// Clears away a run of which nobody can ask any more.
    pub(super) fn clear(&self, name: &str, older: Option<End>) {
        let Some(older) = older else { return };
        let log = self.log(name, older.attempt);
        let link = self.log_link(name, &older.container_id);
        tokio::task::spawn_blocking(move || {
            if let Ok(container) = Container::open(&older.container_id) {
                let _ = container.remove();
            }
            let _ = std::fs::remove_file(link);
            let _ = std::fs::remove_file(log);
        });
    }

    /// Counts a new run; what ended before becomes the last one.
    fn next_run(&mut self, index: usize) -> u32 {
        let Some(slot) = self.slots.get_mut(&index) else {
            return 0;
        };
        let older = match &slot.state.phase {
            Phase::Terminated(end) => {
                let end = end.clone();
                slot.state.last.replace(end)
            }
            _ => None,
        };
        if !slot.state.id.is_empty() {
            slot.state.restarts += 1;
        }
        let (name, attempt) = (slot.state.name.clone(), slot.state.restarts);
        self.clear(&name, older);
        attempt
    }

    pub(super) async fn start(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        slot.start_at = None;
        let name = slot.state.name.clone();
        let image = slot.state.image.clone();
        let spec = slot.spec.clone();
        match image::classify(&image) {
            Image::Malformed(why) => self.cannot_parse(index, &name, &image, &why),
            Image::Missing => self.cannot_pull(index, &name, &image),
            Image::Simulated => self.simulate(index, &name, &image),
            Image::Real => self.prepare_real(index, &name, &image, &spec).await,
        }
    }

    async fn prepare_real(&mut self, index: usize, name: &str, image: &str, spec: &Value) {
        let binds = match volumes::binds(&self.pod, spec) {
            Ok(binds) => binds,
            Err(reason) => {
                self.record("", "Warning", "FailedMount", &reason);
                self.wait_again(index, "ContainerCreating", "");
                return;
            }
        };
        let env = match self.environment(spec) {
            Ok(env) => env,
            Err(reason) => {
                self.record(name, "Warning", "Failed", &format!("Error: {reason}"));
                self.wait_again(index, "CreateContainerConfigError", &reason);
                return;
            }
        };
        let id = new_id(object::uid(&self.pod), name);
        let attempt = self.next_run(index);
        match self.prepare_log(name, &id, attempt) {
            Ok(log) => {
                let container = self.container_spec(spec, &id);
                let container = ContainerSpec {
                    binds,
                    env,
                    log,
                    ..container
                };
                self.start_real(index, name, image, container).await;
            }
            Err(reason) => {
                self.record(name, "Warning", "Failed", &format!("Error: {reason}"));
                self.wait_again(index, "CreateContainerError", &reason);
            }
        }
    }

    /// Not started; tries again later and is shown with this reason until then.
    fn wait_again(&mut self, index: usize, reason: &str, message: &str) {
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        let wait = slot.retry.after_end(Duration::ZERO);
        slot.start_at = Some(Instant::now() + wait.max(Duration::from_secs(1)));
        slot.state.phase = Phase::Waiting {
            reason: reason.into(),
            message: message.into(),
        };
        slot.state.ready = false;
    }

    /// Shows that the image's name is none; the Pod must be changed.
    fn cannot_parse(&mut self, index: usize, name: &str, image: &str, why: &str) {
        let message = format!(
            "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {why}"
        );
        self.record(name, "Warning", "InspectFailed", &message);
        self.record(name, "Warning", "Failed", "Error: InvalidImageName");
        self.wait_again(index, "InvalidImageName", &message);
    }

    /// Shows a failed pull, then that it is backed off, then asks again.
    fn cannot_pull(&mut self, index: usize, name: &str, image: &str) {
        let error = image::pull_error(image);
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        if let Some(at) = slot.pull_at.filter(|at| *at > Instant::now()) {
            slot.start_at = Some(at);
            slot.state.phase = Phase::Waiting {
                reason: "ImagePullBackOff".into(),
                message: format!("Back-off pulling image \"{image}\": ErrImagePull: {error}"),
            };
            let event = format!("Back-off pulling image \"{image}\"");
            self.record(name, "Normal", "BackOff", &event);
            self.record(name, "Warning", "Failed", "Error: ImagePullBackOff");
            return;
        }
        let wait = slot.retry.after_end(Duration::ZERO);
        let now = Instant::now();
        slot.pull_at = Some(now + wait.max(Duration::from_secs(10)));
        slot.start_at = Some(now + PULL_SHOWN);
        slot.state.phase = Phase::Waiting {
            reason: "ErrImagePull".into(),
            message: error.clone(),
        };
        let pulling = format!("Pulling image \"{image}\"");
        self.record(name, "Normal", "Pulling", &pulling);
        let failed = format!("Failed to pull image \"{image}\": {error}");
        self.record(name, "Warning", "Failed", &failed);
        self.record(name, "Warning", "Failed", "Error: ErrImagePull");
    }

    fn simulate(&mut self, index: usize, name: &str, image: &str) {
        let id = new_id(object::uid(&self.pod), name);
        let attempt = self.next_run(index);
        if let Ok(log) = self.prepare_log(name, &id, attempt) {
            // A full disk loses log lines and nothing else.
            let _ = std::fs::write(log, simulate::log(image, jiff::Timestamp::now()));
        }
        self.started(index, name, image, id);
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        if let (true, Phase::Running { started_at }) = (slot.state.init, &slot.state.phase) {
            slot.state.phase = Phase::Terminated(End {
                exit_code: 0,
                reason: "Completed".into(),
                message: String::new(),
                started_at: started_at.clone(),
                finished_at: now(),
                container_id: slot.state.id.clone(),
                attempt,
                removed: false,
            });
            return;
        }
        slot.state.started = true;
        slot.state.ready = true;
    }

    /// All of the specification that can't fail.
    fn container_spec(&self, spec: &Value, id: &str) -> ContainerSpec {
        let words = |field: &str| object::list(spec, field).iter().filter_map(Value::as_str);
        let mut argv: Vec<String> = words("command")
            .chain(words("args"))
            .map(str::to_owned)
            .collect();
        let applets = image::applets(object::text(spec, "image"));
        if object::list(spec, "command").is_empty() {
            // The image's entry point is its program.
            argv.insert(0, applets[0].clone());
        }
        let user = |key: &str| {
            object::int(spec, &format!("securityContext.{key}"))
                .or_else(|| object::int(&self.pod, &format!("spec.securityContext.{key}")))
                .and_then(|id| u32::try_from(id).ok())
                .unwrap_or(0)
        };
        ContainerSpec {
            id: id.to_owned(),
            argv,
            cwd: object::text(spec, "workingDir").into(),
            applets,
            uid: user("runAsUser"),
            gid: user("runAsGroup"),
            read_only_root: object::flag(spec, "securityContext.readOnlyRootFilesystem"),
            host_pid: object::flag(&self.pod, "spec.hostPID"),
            host_ipc: object::flag(&self.pod, "spec.hostIPC"),
            ..ContainerSpec::default()
        }
    }

    fn environment(&self, spec: &Value) -> Result<Vec<(String, String)>, String> {
        let mut environment = Vec::new();
        for one in object::list(spec, "env") {
            let name = object::text(one, "name").to_owned();
            let value = match object::text(one, "valueFrom.fieldRef.fieldPath") {
                "" if one.get("valueFrom").is_some() => {
                    return Err(format!(
                        "the environment variable {name} comes from a source that this kubelet \
                         does not know: value and fieldRef"
                    ));
                }
                "" => object::text(one, "value").to_owned(),
                "status.hostIP" | "status.podIP" => self.shared.address.clone(),
                path => object::text(&self.pod, path).to_owned(),
            };
            environment.push((name, value));
        }
        Ok(environment)
    }

    async fn start_real(&mut self, index: usize, name: &str, image: &str, spec: ContainerSpec) {
        let id = spec.id.clone();
        let starting = tokio::task::spawn_blocking(move || Container::start(&spec));
        let result = match starting.await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = result {
            self.start_failed(index, name, id, &reason);
            return;
        }
        self.started(index, name, image, id.clone());
        if let Some(slot) = self.slots.get_mut(&index) {
            let lacks = |kind: Kind| slot.spec.get(kind.field()).is_none();
            slot.state.started = lacks(Kind::Startup);
            slot.state.ready = slot.state.started && lacks(Kind::Readiness);
        }
        self.watch_end(name, &id);
        self.start_probes(index);
    }

    fn start_failed(&mut self, index: usize, name: &str, id: String, reason: &str) {
        let message = format!(
            "failed to create containerd task: failed to create shim task: OCI runtime create \
             failed: runc create failed: unable to start container process: {reason}: unknown"
        );
        self.record(name, "Warning", "Failed", &format!("Error: {message}"));
        let Some(slot) = self.slots.get_mut(&index) else {
            return;
        };
        let end = End {
            exit_code: 128,
            reason: "StartError".into(),
            message: message.clone(),
            started_at: "1970-01-01T00:00:00Z".into(),
            finished_at: now(),
            container_id: id.clone(),
            attempt: slot.state.restarts,
            removed: false,
        };
        slot.state.id = id;
        slot.began = Instant::now();
        self.ended(name, end);
        // Until it is tried again, or backs off, the reason is shown.
        if let Some(slot) = self.slots.get_mut(&index)
            && let Phase::Terminated(end) = slot.state.phase.clone()
            && slot.start_at.is_some()
        {
            let older = slot.state.last.replace(end);
            slot.state.phase = Phase::Waiting {
                reason: "RunContainerError".into(),
                message,
            };
            // A moment to be seen, as with the real one.
            slot.start_at = Some(Instant::now() + Duration::from_secs(1));
            self.clear(name, older);
        }
    }

    fn started(&mut self, index: usize, name: &str, image: &str, id: String) {
        let present = format!("Container image \"{image}\" already present on machine");
        let created = format!("Created container: {name}");
        let started = format!("Started container {name}");
        self.record(name, "Normal", "Pulled", &present);
        self.record(name, "Normal", "Created", &created);
        self.record(name, "Normal", "Started", &started);
        if let Some(slot) = self.slots.get_mut(&index) {
            slot.state.id = id;
            slot.state.phase = Phase::Running { started_at: now() };
            slot.retry = crate::backoff::BackOff::default();
            slot.pull_at = None;
            slot.began = Instant::now();
        }
    }
}
