//! The row of a Pod, whose STATUS column sums up phase, reasons and containers.

use serde_json::{Value, json};

use super::or_none;
use crate::object::{at, condition_true, flag, int, list, text};

fn signal_or_exit(state: &Value) -> String {
    match int(state, "signal") {
        Some(signal) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", int(state, "exitCode").unwrap_or(0)),
    }
}

fn is_restartable_init(pod: &Value, name: &str) -> bool {
    list(pod, "spec.initContainers")
        .iter()
        .any(|c| text(c, "name") == name && text(c, "restartPolicy") == "Always")
}

/// What the STATUS column says, with restart count, last restart and ready count.
struct Summary {
    reason: String,
    restarts: i64,
    last_restart: Option<i64>,
    ready: usize,
    total: usize,
}

fn finished_at(status: &Value) -> Option<i64> {
    crate::time::parse(text(status, "lastState.terminated.finishedAt"))
}

/// Looks at the init containers; true if one of them still runs.
fn initializing(pod: &Value, sum: &mut Summary) -> bool {
    let statuses = list(pod, "status.initContainerStatuses");
    let total = list(pod, "spec.initContainers").len();
    let mut restarts = 0;
    for (index, status) in statuses.iter().enumerate() {
        restarts += int(status, "restartCount").unwrap_or(0);
        sum.last_restart = sum.last_restart.max(finished_at(status));
        let terminated = at(status, "state.terminated");
        let restartable = is_restartable_init(pod, text(status, "name"));
        if terminated.is_object() && int(terminated, "exitCode").unwrap_or(0) == 0 {
            continue;
        }
        if restartable && flag(status, "started") {
            if flag(status, "ready") {
                sum.ready += 1;
            }
            continue;
        }
        sum.restarts = restarts;
        sum.reason = if terminated.is_object() {
            match text(terminated, "reason") {
                "" => format!("Init:{}", signal_or_exit(terminated)),
                reason => format!("Init:{reason}"),
            }
        } else {
            match text(status, "state.waiting.reason") {
                "" | "PodInitializing" => format!("Init:{index}/{total}"),
                reason => format!("Init:{reason}"),
            }
        };
        return true;
    }
    sum.restarts = restarts;
    false
}

fn summarize(pod: &Value) -> Summary {
    let restartable = list(pod, "spec.initContainers")
        .iter()
        .filter(|c| text(c, "restartPolicy") == "Always")
        .count();
    let mut sum = Summary {
        reason: text(pod, "status.phase").to_string(),
        restarts: 0,
        last_restart: None,
        ready: 0,
        total: list(pod, "spec.containers").len() + restartable,
    };
    if !text(pod, "status.reason").is_empty() {
        sum.reason = text(pod, "status.reason").to_string();
    }
    let gated = list(pod, "status.conditions")
        .iter()
        .any(|c| text(c, "type") == "PodScheduled" && text(c, "reason") == "SchedulingGated");
    if gated {
        sum.reason = "SchedulingGated".to_string();
    }
    let busy = initializing(pod, &mut sum);
    if !busy || condition_true(pod, "Initialized") {
        running(pod, &mut sum);
    }
    if !text(pod, "metadata.deletionTimestamp").is_empty() {
        if text(pod, "status.reason") == "NodeLost" {
            sum.reason = "Unknown".to_string();
        } else if !matches!(text(pod, "status.phase"), "Failed" | "Succeeded") {
            sum.reason = "Terminating".to_string();
        }
    }
    sum
}

fn running(pod: &Value, sum: &mut Summary) {
    let mut restarts = 0;
    let mut last = None;
    let mut has_running = false;
    for status in list(pod, "status.containerStatuses").iter().rev() {
        restarts += int(status, "restartCount").unwrap_or(0);
        last = last.max(finished_at(status));
        let waiting = text(status, "state.waiting.reason");
        let terminated = at(status, "state.terminated");
        if !waiting.is_empty() {
            sum.reason = waiting.to_string();
        } else if terminated.is_object() {
            sum.reason = match text(terminated, "reason") {
                "" => signal_or_exit(terminated),
                reason => reason.to_string(),
            };
        } else if flag(status, "ready") && at(status, "state.running").is_object() {
            has_running = true;
            sum.ready += 1;
        }
    }
    if sum.reason == "Completed" && has_running {
        sum.reason = if condition_true(pod, "Ready") {
            "Running".to_string()
        } else {
            "NotReady".to_string()
        };
    }
    sum.restarts = restarts;
    sum.last_restart = last;
}

/// The cells after the name.
pub(super) fn cells(pod: &Value, age: Value, now: i64) -> Vec<Value> {
    let sum = summarize(pod);
    let restarts = match sum.last_restart {
        Some(then) if sum.restarts != 0 => format!(
            "{} ({} ago)",
            sum.restarts,
            crate::time::human_duration(now - then)
        ),
        _ => sum.restarts.to_string(),
    };
    let gates = list(pod, "spec.readinessGates");
    let passed = gates
        .iter()
        .filter(|gate| condition_true(pod, text(gate, "conditionType")))
        .count();
    let gates = if gates.is_empty() {
        "<none>".to_string()
    } else {
        format!("{passed}/{}", gates.len())
    };
    let ip = match list(pod, "status.podIPs").first() {
        Some(first) => text(first, "ip"),
        None => text(pod, "status.podIP"),
    };
    vec![
        json!(format!("{}/{}", sum.ready, sum.total)),
        json!(sum.reason),
        json!(restarts),
        age,
        or_none(ip),
        or_none(text(pod, "spec.nodeName")),
        or_none(text(pod, "status.nominatedNodeName")),
        json!(gates),
    ]
}

/// The row conditions: finished Pods are marked as completed.
pub(super) fn row_conditions(pod: &Value) -> Vec<Value> {
    match text(pod, "status.phase") {
        phase @ ("Succeeded" | "Failed") => {
            let message = if phase == "Succeeded" {
                "The pod has completed successfully."
            } else {
                "The pod failed."
            };
            vec![
                json!({"type": "Completed", "status": "True", "reason": phase, "message": message}),
            ]
        }
        _ => Vec::new(),
    }
}
