//! Events: what `kubectl describe` shows of the kubelet's doings.

use std::{collections::VecDeque, time::Duration};

use kube::object;
use rest::{Client, Patch};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How many different events are remembered, so that the next one that says the same is
/// counted instead of told anew.
const REMEMBERED: usize = 256;
/// How often an API that is away is told, and the longest pause before that (client-go
/// 1.32 `tools/record/event.go`). The first pauses are shorter: these clusters start fast.
const TRIES: u32 = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_secs(10);

/// Records events in the background.
#[derive(Clone)]
pub struct Recorder {
    events: mpsc::UnboundedSender<Value>,
    node: String,
}

impl Recorder {
    pub fn new(client: Client, node: &str) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        tokio::spawn(run(client, receiver));
        Self {
            events,
            node: node.to_owned(),
        }
    }

    /// `kind` is `Normal` or `Warning`; `container` is empty for the Pod itself.
    pub fn record(&self, about: &Value, container: &str, kind: &str, reason: &str, message: &str) {
        let now = jiff::Timestamp::now();
        let seconds = kube::time::rfc3339(now.as_second());
        let namespace = match object::namespace(about) {
            "" => "default",
            namespace => namespace,
        };
        let mut involved = json!({
            "apiVersion": "v1",
            "kind": about["kind"].as_str().unwrap_or("Pod"),
            "name": object::name(about),
            "namespace": namespace,
            "uid": object::uid(about),
        });
        if !container.is_empty() {
            involved["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
        }
        let name = format!("{}.{:x}", object::name(about), now.as_nanosecond());
        let event = json!({
            "apiVersion": "v1",
            "count": 1,
            "eventTime": null,
            "firstTimestamp": seconds,
            "involvedObject": involved,
            "kind": "Event",
            "lastTimestamp": seconds,
            "message": message,
            "metadata": { "name": name, "namespace": namespace },
            "reason": reason,
            "reportingComponent": "kubelet",
            "reportingInstance": self.node,
            "source": { "component": "kubelet", "host": self.node },
            "type": kind,
        });
        let _ = self.events.send(event);
    }
}

/// Whether both say the same of the same.
fn same(one: &Value, other: &Value) -> bool {
    ["involvedObject", "type", "reason", "message"]
        .iter()
        .all(|key| one[key] == other[key])
}

async fn run(client: Client, mut events: mpsc::UnboundedReceiver<Value>) {
    let mut told: VecDeque<Value> = VecDeque::new();
    while let Some(event) = events.recv().await {
        let known = told.iter_mut().find(|known| same(known, &event));
        if let Some(known) = known {
            let count = known["count"].as_u64().unwrap_or(1) + 1;
            known["count"] = json!(count);
            known["lastTimestamp"] = event["lastTimestamp"].clone();
        } else {
            told.push_back(event.clone());
            if told.len() > REMEMBERED {
                told.pop_front();
            }
        }
        let event = told
            .iter()
            .find(|known| same(known, &event))
            .unwrap_or(&event)
            .clone();
        tokio::spawn(tell(client.clone(), event));
    }
}

/// What an event tells has a status too, and people wait for that: it goes first.
const HEAD_START: Duration = Duration::from_millis(20);

/// Tells the API of an event, or that it came again.
async fn tell(client: Client, event: Value) {
    let namespace = object::namespace(&event).to_owned();
    let collection = format!("/api/v1/namespaces/{namespace}/events");
    let again = event["count"] != 1;
    let mut pause = FIRST_PAUSE;
    tokio::time::sleep(HEAD_START).await;
    for _ in 0..TRIES {
        let result = if again {
            let path = format!("{collection}/{}", object::name(&event));
            let patch = json!({
                "count": event["count"], "lastTimestamp": event["lastTimestamp"],
            });
            match client.patch(&path, Patch::Merge, &patch).await {
                Err(error) if error.is_not_found() => client.post(&collection, &event).await,
                other => other,
            }
        } else {
            client.post(&collection, &event).await
        };
        match result {
            // Away, or not ready yet.
            Err(error) if error.code().is_none_or(|code| code.is_server_error()) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE);
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_is_counted() {
        let event = |message: &str, at: &str| {
            json!({
                "involvedObject": {"uid": "u"}, "type": "Warning", "reason": "BackOff",
                "message": message, "lastTimestamp": at,
            })
        };
        assert!(same(&event("a", "1"), &event("a", "2")));
        assert!(!same(&event("a", "1"), &event("b", "1")));
    }
}
