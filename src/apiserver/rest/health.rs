//! `/livez`, `/readyz`, `/healthz`, `/version`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Response;
use serde_json::json;

use super::{Answer, Body, Context, json_response, text};
use crate::status::Failure;

const HOOKS: [&str; 9] = [
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/bootstrap-controller",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/start-kube-aggregator-informers",
    "autoregister-completion",
];

/// A health endpoint, or one of its checks.
pub async fn health(context: &Context, path: &str) -> Answer {
    let mut parts = path.trim_matches('/').splitn(2, '/');
    let endpoint = parts.next().unwrap_or("");
    let single = parts.next();
    let excluded = context.query.all("exclude");
    let etcd = context.app.etcd.probe(Duration::from_secs(2)).await;
    let bootstrapped = context.app.bootstrapped.load(Ordering::Relaxed);
    let mut checks: Vec<(&str, Option<String>)> = vec![
        ("ping", None),
        ("log", None),
        ("etcd", etcd.err().map(|error| error.to_string())),
    ];
    if endpoint == "readyz" {
        checks.push(("etcd-readiness", checks[2].1.clone()));
        checks.push(("informer-sync", None));
    }
    for hook in HOOKS {
        checks.push((hook, None));
    }
    let roles = (!bootstrapped).then(|| "not finished".to_string());
    checks.push(("poststarthook/rbac/bootstrap-roles", roles));
    if endpoint == "readyz" {
        let stopping = *context.app.stopping.borrow();
        checks.push((
            "shutdown",
            stopping.then(|| "process is shutting down".to_string()),
        ));
    }
    if let Some(name) = single {
        let found = checks.iter().find(|(check, _)| *check == name);
        return match found {
            None => Err(Failure::no_such_path()),
            Some((_, None)) => Ok(text(200, "ok")),
            Some((check, Some(why))) => Ok(text(
                500,
                format!("internal server error: {check}: {why}\n"),
            )),
        };
    }
    checks.retain(|(name, _)| !excluded.contains(name));
    let failed: Vec<&str> = checks
        .iter()
        .filter(|(_, e)| e.is_some())
        .map(|(n, _)| *n)
        .collect();
    if failed.is_empty() && !context.query.truth("verbose") {
        return Ok(text(200, "ok"));
    }
    let mut out = String::new();
    for (name, error) in &checks {
        match error {
            None => out.push_str(&format!("[+]{name} ok\n")),
            Some(_) => out.push_str(&format!("[-]{name} failed: reason withheld\n")),
        }
    }
    if failed.is_empty() {
        out.push_str(&format!("{endpoint} check passed\n"));
        return Ok(text(200, out));
    }
    out.push_str(&format!("{endpoint} check failed\n"));
    Ok(text(500, out))
}

/// `/version`.
pub fn version() -> Response<Body> {
    json_response(
        200,
        &json!({"major": "1", "minor": "32", "gitVersion": kube::openapi::VERSION,
            "gitCommit": "70d3cc986aa8221cd1dfb1121852688902d3bf53", "gitTreeState": "clean",
            "buildDate": "2024-12-11T17:59:15Z", "goVersion": "go1.23.3", "compiler": "gc",
            "platform": if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" }}),
    )
}
