//! What `-o json` and `inspect` print: the CRI's messages as JSON
//! (k8s.io/cri-api v1 `api.proto`).

use kube::object;
use serde_json::{Value, json};

use super::view::{Entry, pod_labels};
use crate::{ledger::Record, state};

/// An RFC 3339 time in nanoseconds since 1970, as a string.
fn nanos(time: &str) -> String {
    let seconds = kube::time::parse(time).unwrap_or(0);
    (i128::from(seconds) * 1_000_000_000).to_string()
}

fn labels(entry: &Entry) -> Value {
    let mut labels = pod_labels(&entry.pod.metadata);
    labels["io.kubernetes.container.name"] = json!(entry.name);
    labels
}

fn annotations(entry: &Entry) -> Value {
    json!({
        "io.kubernetes.container.restartCount": entry.attempt.to_string(),
        "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
        "io.kubernetes.container.terminationMessagePolicy": "File",
    })
}

/// One of ListContainersResponse.
pub fn container(entry: &Entry) -> Value {
    json!({
        "annotations": annotations(entry),
        "createdAt": (i128::from(entry.created()) * 1_000_000_000).to_string(),
        "id": entry.id,
        "image": {
            "annotations": {}, "image": entry.image_id(), "runtimeHandler": "",
            "userSpecifiedImage": entry.image,
        },
        "imageRef": entry.image_id(),
        "labels": labels(entry),
        "metadata": { "attempt": entry.attempt, "name": entry.name },
        "podSandboxId": entry.pod.sandbox.id,
        "state": entry.state.constant(),
    })
}

/// One of ListPodSandboxResponse.
pub fn pod(record: &Record) -> Value {
    let metadata = &record.metadata;
    json!({
        "annotations": object::at(metadata, "annotations"),
        "createdAt": nanos(&record.sandbox.created_at),
        "id": record.sandbox.id,
        "labels": merged(object::at(metadata, "labels"), pod_labels(metadata)),
        "metadata": sandbox_metadata(record),
        "runtimeHandler": "",
        "state": sandbox_state(record),
    })
}

fn merged(own: &Value, more: Value) -> Value {
    let mut all = own.as_object().cloned().unwrap_or_default();
    if let Value::Object(more) = more {
        all.extend(more);
    }
    all.into()
}

fn sandbox_metadata(record: &Record) -> Value {
    let text = |key: &str| object::text(&record.metadata, key);
    json!({
        "attempt": record.sandbox.attempt,
        "name": text("name"),
        "namespace": text("namespace"),
        "uid": text("uid"),
    })
}

pub fn sandbox_state(record: &Record) -> &'static str {
    match record.gone_at {
        0 => "SANDBOX_READY",
        _ => "SANDBOX_NOTREADY",
    }
}

/// What containerd calls the way in which it runs containers.
const RUNTIME: &str = "io.containerd.runc.v2";

/// What `inspect` prints of one container.
pub fn inspect(entry: &Entry) -> Value {
    let running = sandbox::container::Container::open(&entry.id).ok();
    let spec = running.as_ref().and_then(|one| one.spec().ok());
    let mounts: Vec<Value> = spec
        .iter()
        .flat_map(|spec| &spec.binds)
        .map(|bind| {
            json!({
                "containerPath": bind.mount_path,
                "gidMappings": [],
                "hostPath": bind.host_path,
                "propagation": "PROPAGATION_PRIVATE",
                "readonly": bind.read_only,
                "selinuxRelabel": false,
                "uidMappings": [],
            })
        })
        .collect();
    let end = entry.end.as_ref();
    let never = "0001-01-01T00:00:00Z";
    json!({
        "info": {
            "pid": running.as_ref().and_then(|one| one.pid()).unwrap_or(0),
            "removing": false,
            "runtimeType": RUNTIME,
            "runtimeSpec": {
                "hostname": object::text(&entry.pod.metadata, "name"),
                "process": spec.as_ref().map(|spec| json!({
                    "args": spec.argv,
                    "cwd": match spec.cwd.as_os_str().is_empty() {
                        true => "/".into(),
                        false => spec.cwd.display().to_string(),
                    },
                    "env": spec.env.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
                })),
            },
            "sandboxID": entry.pod.sandbox.id,
        },
        "status": {
            "annotations": annotations(entry),
            "createdAt": kube::time::rfc3339(entry.created()),
            "exitCode": end.map_or(0, |end| end.exit_code),
            "finishedAt": end.map_or(never, |end| end.finished_at.as_str()),
            "id": entry.id,
            "image": {
                "annotations": {}, "image": state::full_image(&entry.image),
                "runtimeHandler": "", "userSpecifiedImage": "",
            },
            "imageRef": state::image_id(&entry.image),
            "labels": labels(entry),
            "logPath": entry.log(),
            "message": end.map_or("", |end| end.message.as_str()),
            "metadata": { "attempt": entry.attempt, "name": entry.name },
            "mounts": mounts,
            "reason": end.map_or("", |end| end.reason.as_str()),
            "startedAt": entry.started_at,
            "state": entry.state.constant(),
        },
    })
}

/// What `inspectp` prints of one Pod.
pub fn inspect_pod(record: &Record) -> Value {
    let mut status = pod(record);
    status["network"] = json!({ "additionalIps": [], "ip": record.pod_ip });
    status["createdAt"] = json!(record.sandbox.created_at);
    json!({ "info": { "runtimeType": RUNTIME }, "status": status })
}
