//! Ends: of a container and what follows from it, and of a Pod.

use std::time::Duration;

use kube::object;
use nix::sys::signal::Signal;
use sandbox::container::Container;
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};

use super::{Happened, Told, Worker, now};
use crate::{
    backoff::BackOff,
    image::{self, Image},
    ledger::end_with_id,
    state::{End, Phase},
};

impl Worker {
    /// A container ended: it starts again at once, later, or never.
    pub(super) fn ended(&mut self, name: &str, end: End) {
        let policy = object::text(&self.pod, "spec.restartPolicy").to_owned();
        let pod_name = format!(
            "{}_{}",
            object::name(&self.pod),
            object::namespace(&self.pod)
        );
        let place = format!(
            "{}/{}",
            object::namespace(&self.pod),
            object::name(&self.pod)
        );
        let uid = object::uid(&self.pod).to_owned();
        let stopping = self.stopping;
        let Some(slot) = self.slot(name) else { return };
        slot.end_probes();
        let again = match policy.as_str() {
            _ if stopping => false,
            "Never" => false,
            "OnFailure" => end.exit_code != 0,
            _ => !slot.state.init || end.exit_code != 0,
        };
        slot.state.ready = false;
        slot.state.started = false;
        slot.state.phase = Phase::Terminated(end.clone());
        if !again {
            slot.start_at = None;
            return;
        }
        let wait = slot.backoff.after_end(slot.began.elapsed());
        slot.start_at = Some(Instant::now() + wait);
        if wait.is_zero() {
            return;
        }
        let older = slot.state.last.replace(end);
        let message = format!(
            "back-off {}s restarting failed container={name} pod={pod_name}({uid})",
            kube_seconds(wait)
        );
        // The line that people look for with `journalctl -u kubelet`.
        crate::log::error(
            "Error syncing pod, skipping",
            &[
                (
                    "err",
                    &format!(
                        "failed to \"StartContainer\" for {name:?} with CrashLoopBackOff: {message:?}"
                    ),
                ),
                ("pod", &place),
                ("podUID", &uid),
            ],
        );
        slot.state.phase = Phase::Waiting {
            reason: "CrashLoopBackOff".into(),
            message,
        };
        self.clear(name, older);
        let event = format!("Back-off restarting failed container {name} in pod {pod_name}({uid})");
        self.record(name, "Warning", "BackOff", &event);
    }

    /// The Pod's own grace period.
    pub(super) fn grace(&self) -> Duration {
        let seconds = object::int(&self.pod, "spec.terminationGracePeriodSeconds").unwrap_or(30);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    /// Ends one container; what that means for it is decided when it has ended.
    pub(super) fn stop_container(&mut self, name: &str, grace: Duration) {
        let Some(slot) = self.slot(name) else { return };
        let Phase::Running { started_at } = &slot.state.phase else {
            return;
        };
        let id = slot.state.id.clone();
        if image::classify(&slot.state.image) == Image::Real {
            tokio::spawn(kill(id, grace));
            return;
        }
        let end = End {
            exit_code: if grace.is_zero() { 137 } else { 0 },
            reason: if grace.is_zero() {
                "Error"
            } else {
                "Completed"
            }
            .into(),
            message: String::new(),
            started_at: started_at.clone(),
            finished_at: now(),
            container_id: id,
            attempt: slot.state.restarts,
            removed: false,
        };
        self.ended(name, end);
        self.tell();
    }

    pub(super) fn forget(&mut self, id: &str) {
        for slot in self.slots.values_mut() {
            if let Some(end) = end_with_id(&mut slot.state, id) {
                end.removed = true;
                if slot.start_at.is_some() {
                    slot.backoff = BackOff::default();
                    slot.start_at = Some(Instant::now());
                }
            }
        }
        self.tell();
    }

    pub(super) fn remake(&mut self) {
        let mut running = Vec::new();
        for slot in self.slots.values_mut() {
            slot.backoff = BackOff::default();
            if slot.state.is_running() {
                running.push(slot.state.name.clone());
            } else if slot.start_at.is_some() {
                slot.start_at = Some(Instant::now());
            }
        }
        for name in running {
            self.stop_container(&name, Duration::ZERO);
        }
    }

    /// Containers whose image was changed are replaced at once.
    pub(super) fn update(&mut self, pod: Value) {
        self.pod = pod;
        let specs = [
            object::list(&self.pod, "spec.initContainers"),
            object::list(&self.pod, "spec.containers"),
        ]
        .concat();
        let mut changed = Vec::new();
        for (slot, spec) in self.slots.values_mut().zip(specs) {
            if slot.spec["image"] != spec["image"] {
                slot.state.image = object::text(&spec, "image").to_owned();
                slot.spec = spec;
                slot.backoff = BackOff::default();
                slot.retry = BackOff::default();
                slot.pull_at = None;
                changed.push(slot.state.name.clone());
            }
        }
        let grace = self.grace().max(Duration::from_secs(1));
        for name in changed {
            let Some(slot) = self.slot(&name) else {
                continue;
            };
            if slot.state.is_running() {
                let message = format!("Container {name} definition changed, will be restarted");
                self.record(&name, "Normal", "Killing", &message);
                self.stop_container(&name, grace);
            } else if slot.start_at.is_some() {
                slot.start_at = Some(Instant::now());
            }
        }
    }

    pub(super) async fn stop(
        &mut self,
        grace: Option<u64>,
        happenings: &mut mpsc::Receiver<Happened>,
    ) {
        self.stopping = true;
        let grace = grace.map_or_else(|| self.grace(), Duration::from_secs);
        for slot in self.slots.values_mut() {
            slot.start_at = None;
            slot.end_probes();
        }
        let names: Vec<String> = self
            .slots
            .values()
            .filter(|slot| slot.state.is_running())
            .map(|slot| slot.state.name.clone())
            .collect();
        for name in &names {
            let message = format!("Stopping container {name}");
            self.record(name, "Normal", "Killing", &message);
            self.stop_container(name, grace);
        }
        while self.slots.values().any(|slot| slot.state.is_running()) {
            match happenings.recv().await {
                Some(what) => self.handle(what),
                None => break,
            }
        }
        let _ = self.shared.told.send(Told::Stopped {
            key: self.key.clone(),
        });
    }
}

/// A back-off as Go prints such durations: `10s`, `1m20s`, without the last `s`.
fn kube_seconds(wait: Duration) -> String {
    match (wait.as_secs() / 60, wait.as_secs() % 60) {
        (0, seconds) => seconds.to_string(),
        (minutes, seconds) => format!("{minutes}m{seconds}"),
    }
}

/// How often it is looked whether a program has begun to listen.
const DEAF_PAUSE: Duration = Duration::from_millis(20);

/// SIGTERM, and SIGKILL when the grace period is over. A program that was started a moment ago
/// is told as soon as it listens: before that nothing would reach it.
async fn kill(id: String, grace: Duration) {
    let Ok(container) = Container::open(&id) else {
        return;
    };
    if !grace.is_zero() {
        let end = async {
            while !container.hears(Signal::SIGTERM as i32) {
                tokio::time::sleep(DEAF_PAUSE).await;
            }
            let _ = container.signal(Signal::SIGTERM as i32);
            container.wait().await
        };
        if tokio::time::timeout(grace, end).await.is_ok() {
            return;
        }
    }
    let _ = container.signal(Signal::SIGKILL as i32);
}
