//! Events: what `kubectl describe` shows of the kubelet's doings.

use kube::object;
use rest::Client;
use serde_json::{Value, json};

/// Records an event about `object`, in the background; an API that is away misses it,
/// as it does with the real kubelet.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
    node: String,
}

impl Recorder {
    pub fn new(client: Client, node: &str) -> Self {
        Self {
            client,
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
        let client = self.client.clone();
        let path = format!("/api/v1/namespaces/{namespace}/events");
        tokio::spawn(async move {
            let _ = client.post(&path, &event).await;
        });
    }
}
