//! `inspect`, `inspectp`, `info`.

use std::process::ExitCode;

use kube::object;
use serde_json::{Value, json};

use super::{
    Fatal,
    args::{Args, Flag},
    objects,
    pattern::Pattern,
    print,
    show::structured,
    table::ago,
    view::View,
};

pub const INSPECT: &[Flag] = &[
    Flag::value("output", 'o'),
    Flag::switch("quiet", 'q'),
    Flag::value("name", ' '),
    Flag::value("template", ' '),
];

/// Prints one, or a list of several; as a table in crictl's way of saying so.
fn inspected(
    args: &Args,
    mut found: Vec<Value>,
    table: fn(&Value) -> String,
) -> Result<ExitCode, Fatal> {
    if args.value("output") == Some("table") {
        return print(&found.iter().map(table).collect::<String>());
    }
    if args.value("template").is_some() || args.value("output") == Some("go-template") {
        return Err("crictl inspect --template is not part of kubedrill; use -o json".into());
    }
    let all = match found.len() {
        1 => found.remove(0),
        _ => found.into(),
    };
    let text = structured(args, &all)?.unwrap_or_else(|| kube::gofmt::json_pretty(&all));
    print(&text)
}

pub fn inspect(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, INSPECT, false)?;
    let mut found = Vec::new();
    if let Some(name) = args.value("name") {
        let name = Pattern::parse(name)?;
        let named = view
            .containers
            .iter()
            .filter(|entry| name.is_in(&entry.name));
        found.extend(named.map(objects::inspect));
    } else if args.rest.is_empty() {
        return Err("ID cannot be empty".into());
    }
    for id in &args.rest {
        let entry = view
            .container(id)
            .map_err(|error| format!("getting the status of the container {id:?}: {error}"))?;
        found.push(objects::inspect(entry));
    }
    inspected(&args, found, container_table)
}

pub fn inspect_pods(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, INSPECT, false)?;
    if args.rest.is_empty() {
        return Err("ID cannot be empty".into());
    }
    let mut found = Vec::new();
    for id in &args.rest {
        let pod = view
            .pod(id)
            .map_err(|error| format!("getting the pod sandbox status for {id:?}: {error}"))?;
        found.push(objects::inspect_pod(pod));
    }
    inspected(&args, found, pod_table)
}

pub fn info(words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, INSPECT, false)?;
    let condition =
        |kind: &str| json!({ "message": "", "reason": "", "status": true, "type": kind });
    let info = json!({
        "config": { "containerdEndpoint": super::SOCKET, "containerdRootDir": "/var/lib/containerd" },
        "status": { "conditions": [condition("RuntimeReady"), condition("NetworkReady")] },
    });
    // It has no table: JSON is the default there.
    inspected(&args, vec![info], kube::gofmt::json_pretty)
}

/// Labels and annotations below each other.
fn maps(status: &Value) -> String {
    let mut text = String::new();
    for (head, key) in [("Labels", "labels"), ("Annotations", "annotations")] {
        let Some(map) = status[key].as_object() else {
            continue;
        };
        text += &format!("{head}:\n");
        for (name, value) in map {
            let value = value.as_str().unwrap_or_default();
            text += &format!("\t{name} -> {value}\n");
        }
    }
    text
}

/// What `-o table` says of a container (cri-tools 1.32 `outputContainerStatusTable`).
fn container_table(inspected: &Value) -> String {
    let status = &inspected["status"];
    let text = |path: &str| object::text(status, path);
    let since = |path: &str| {
        let then = kube::time::parse(text(path)).unwrap_or(0);
        ago(jiff::Timestamp::now().as_second() - then)
    };
    let mut lines = vec![
        format!("ID: {}", text("id")),
        format!("Name: {}", text("metadata.name")),
    ];
    match object::int(status, "metadata.attempt") {
        None | Some(0) => {}
        Some(attempt) => lines.push(format!("Attempt: {attempt}")),
    }
    lines.push(format!("State: {}", text("state")));
    lines.push(format!("Created: {}", since("createdAt")));
    lines.push(format!("Started: {}", since("startedAt")));
    if text("state") == "CONTAINER_EXITED" {
        lines.push(format!("Finished: {}", since("finishedAt")));
        lines.push(format!("Exit Code: {}", status["exitCode"]));
    }
    lines.join("\n") + "\n" + &maps(status)
}

/// What `-o table` says of a Pod (cri-tools 1.32 `outputPodSandboxStatusTable`).
fn pod_table(inspected: &Value) -> String {
    let status = &inspected["status"];
    let text = |path: &str| object::text(status, path);
    let lines = [
        format!("ID: {}", text("id")),
        format!("Name: {}", text("metadata.name")),
        format!("UID: {}", text("metadata.uid")),
        format!("Namespace: {}", text("metadata.namespace")),
        format!("Attempt: {}", status["metadata"]["attempt"]),
        format!("Status: {}", text("state")),
        format!("Created: {}", text("createdAt")),
        format!("IP Addresses: {}", text("network.ip")),
    ];
    lines.join("\n") + "\n" + &maps(status)
}
