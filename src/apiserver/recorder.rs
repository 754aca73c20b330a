//! Events: what happened to an object, for people to read. Repetitions are counted.

use std::collections::HashMap;

use kube::object::{self, text};
use kube::resources;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::app::{now, now_micro};
use crate::client::Client;

struct Record {
    component: &'static str,
    target: Value,
    kind: &'static str,
    reason: String,
    message: String,
    newer: Option<&'static str>,
}

/// Writes Events in the background.
#[derive(Clone)]
pub struct Recorder {
    sender: mpsc::UnboundedSender<Record>,
    component: &'static str,
    /// What the component does, for those that write in the way of `events.k8s.io`:
    /// with one exact time, and repetitions as a series.
    newer: Option<&'static str>,
}

/// How many distinct events are remembered for counting.
const REMEMBERED: usize = 1024;

impl Recorder {
    /// Starts the writer; `component` names the source.
    pub fn start(client: Client, component: &'static str) -> Recorder {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Record>();
        tokio::spawn(async move {
            let mut seen: HashMap<String, (String, i64)> = HashMap::new();
            while let Some(record) = receiver.recv().await {
                write(&client, &mut seen, record).await;
            }
        });
        Recorder {
            sender,
            component,
            newer: None,
        }
    }

    /// The same writer in the newer way, as the reference's scheduler writes; `action`
    /// is what it does to the objects.
    pub fn newer(&self, action: &'static str) -> Recorder {
        Recorder {
            newer: Some(action),
            ..self.clone()
        }
    }

    /// The same writer under another component's name.
    pub fn of(&self, component: &'static str) -> Recorder {
        Recorder {
            component,
            ..self.clone()
        }
    }

    /// Records a normal event.
    pub fn normal(&self, target: &Value, reason: &str, message: impl Into<String>) {
        self.record(target, "Normal", reason, message.into());
    }

    /// Records a warning.
    pub fn warning(&self, target: &Value, reason: &str, message: impl Into<String>) {
        self.record(target, "Warning", reason, message.into());
    }

    fn record(&self, target: &Value, kind: &'static str, reason: &str, message: String) {
        let reference = json!({"kind": text(target, "kind"), "namespace": object::namespace(target),
            "name": object::name(target), "uid": object::uid(target),
            "apiVersion": text(target, "apiVersion"), "resourceVersion": object::resource_version(target)});
        // The writer ends only with the process.
        let _ = self.sender.send(Record {
            component: self.component,
            target: reference,
            kind,
            reason: reason.to_string(),
            message,
            newer: self.newer,
        });
    }
}

async fn write(client: &Client, seen: &mut HashMap<String, (String, i64)>, record: Record) {
    let Some(events) = resources::by_path("", "v1", "events") else {
        return;
    };
    let namespace = match text(&record.target, "namespace") {
        "" => "default".to_string(),
        namespace => namespace.to_string(),
    };
    let component = record.component;
    let time = kube::time::rfc3339(now());
    let key = format!(
        "{}/{}/{}/{}",
        text(&record.target, "uid"),
        record.kind,
        record.reason,
        record.message
    );
    if let Some((name, count)) = seen.get_mut(&key) {
        *count += 1;
        let patch = if record.newer.is_some() {
            let moment = kube::time::rfc3339_micro(now_micro());
            json!({"series": {"count": count, "lastObservedTime": moment}})
        } else {
            json!({"count": count, "lastTimestamp": time})
        };
        if client
            .patch(events, &namespace, name, "", &patch)
            .await
            .is_ok()
        {
            return;
        }
    }
    let name = format!("{}.{:x}", text(&record.target, "name"), now_micro() * 1000);
    let mut target = record.target;
    if text(&target, "namespace").is_empty() {
        object::remove(&mut target, "namespace");
    }
    let mut event = json!({"metadata": {"name": name, "namespace": namespace}, "involvedObject": target,
        "reason": record.reason, "message": record.message, "type": record.kind,
        "reportingComponent": component});
    let more = match record.newer {
        Some(action) => {
            json!({"action": action, "eventTime": kube::time::rfc3339_micro(now_micro()),
            "reportingInstance": format!("{component}-{}", hostname()), "source": {},
            "firstTimestamp": null, "lastTimestamp": null})
        }
        None => json!({"source": {"component": component}, "reportingInstance": "",
            "firstTimestamp": time, "lastTimestamp": time, "count": 1}),
    };
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    match client.create(events, &namespace, event).await {
        Ok(_) => {
            if seen.len() >= REMEMBERED {
                seen.clear();
            }
            seen.insert(key, (name, 1));
        }
        Err(error) if error.is_terminating() || error.is_not_found() => {}
        Err(error) => crate::log::warning(&format!("event {}: {error}", record.reason)),
    }
}

/// The name of this machine; empty where the kernel does not say it.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
