//! The status of a Deployment: counts and conditions, without IO.

use kube::object::{self, at, flag, int, list, set, text};
use serde_json::{Value, json};

use super::super::rollout;
use super::replicas;
use crate::app::now;

/// Whether the roll-out is over: everything wanted is new and available.
pub(super) fn complete(deployment: &Value, sets: &[Value], new: usize) -> bool {
    let wanted = replicas(deployment);
    let sum = |path: &str| sets.iter().map(|s| int(s, path).unwrap_or(0)).sum::<i64>();
    int(&sets[new], "status.replicas").unwrap_or(0) == wanted
        && sum("status.replicas") == wanted
        && sum("status.availableReplicas") == wanted
        && int(&sets[new], "spec.replicas").unwrap_or(0) == wanted
}

/// The condition with the transition time kept if the status is the same.
fn condition(
    before: Option<&Value>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
) -> Value {
    let time = kube::time::rfc3339(now());
    let same_status = before.is_some_and(|c| text(c, "status") == status);
    let same = same_status
        && before.is_some_and(|c| text(c, "reason") == reason && text(c, "message") == message);
    let keep = |field: &str| before.map_or(String::new(), |c| text(c, field).to_string());
    json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": if same { keep("lastUpdateTime") } else { time.clone() },
        "lastTransitionTime": if same_status { keep("lastTransitionTime") } else { time }})
}

/// The status that the ReplicaSets add up to.
pub(super) fn status_of(
    current: &Value,
    deployment: &Value,
    sets: &[Value],
    new: Option<usize>,
    progress: Option<(&str, String)>,
) -> Value {
    let sum = |path: &str| sets.iter().map(|s| int(s, path).unwrap_or(0)).sum::<i64>();
    let (total, ready, usable) = (
        sum("status.replicas"),
        sum("status.readyReplicas"),
        sum("status.availableReplicas"),
    );
    let updated = new.map_or(0, |i| int(&sets[i], "status.replicas").unwrap_or(0));
    let wanted = replicas(deployment);
    let mut status = json!({"observedGeneration": at(deployment, "metadata.generation")});
    let unavailable = (sum("spec.replicas") - usable).max(0);
    for (field, count) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", usable),
        ("unavailableReplicas", unavailable),
    ] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    if let Some(count) = int(current, "status.collisionCount") {
        status["collisionCount"] = json!(count);
    }
    let available = if usable >= wanted - rollout::limits(deployment).unavailable {
        condition(
            object::condition(current, "Available"),
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        condition(
            object::condition(current, "Available"),
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    let mut conditions = vec![available];
    conditions.extend(progressing(
        current, deployment, sets, new, &status, progress,
    ));
    let failed = sets
        .iter()
        .find_map(|s| object::condition(s, "ReplicaFailure"));
    if let Some(failed) = failed {
        conditions.push(condition(
            object::condition(current, "ReplicaFailure"),
            "ReplicaFailure",
            "True",
            text(failed, "reason"),
            text(failed, "message"),
        ));
    }
    // Conditions keep their places.
    let order: Vec<&str> = list(current, "status.conditions")
        .iter()
        .map(|c| text(c, "type"))
        .collect();
    conditions.sort_by_key(|c| {
        order
            .iter()
            .position(|t| *t == text(c, "type"))
            .unwrap_or(usize::MAX)
    });
    status["conditions"] = json!(conditions);
    status
}

fn progressing(
    current: &Value,
    deployment: &Value,
    sets: &[Value],
    new: Option<usize>,
    status: &Value,
    progress: Option<(&str, String)>,
) -> Option<Value> {
    let before = object::condition(current, "Progressing");
    let deadline = int(deployment, "spec.progressDeadlineSeconds")?;
    if flag(deployment, "spec.paused") {
        return Some(condition(
            before,
            "Progressing",
            "Unknown",
            "DeploymentPaused",
            "Deployment is paused",
        ));
    }
    let Some(index) = new else {
        return before.cloned();
    };
    let name = object::name(&sets[index]);
    if let Some((reason, message)) = progress {
        return Some(condition(before, "Progressing", "True", reason, &message));
    }
    if complete(deployment, sets, index) {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        return Some(condition(
            before,
            "Progressing",
            "True",
            "NewReplicaSetAvailable",
            &message,
        ));
    }
    // A finished roll-out stays finished while Pods come and go.
    let finished = before.is_some_and(|c| {
        text(c, "reason") == "NewReplicaSetAvailable"
            && text(c, "message").contains(&format!("\"{name}\""))
    });
    if finished {
        return before.cloned();
    }
    let moved = [
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "replicas",
    ]
    .iter()
    .any(|field| at(current, &format!("status.{field}")) != at(status, field));
    let message = format!("ReplicaSet \"{name}\" is progressing.");
    if moved || before.is_none() || before.is_some_and(|c| text(c, "reason") == "DeploymentPaused")
    {
        let mut fresh = condition(before, "Progressing", "True", "ReplicaSetUpdated", &message);
        set(
            &mut fresh,
            "lastUpdateTime",
            json!(kube::time::rfc3339(now())),
        );
        return Some(fresh);
    }
    let since = before
        .and_then(|c| kube::time::parse(text(c, "lastUpdateTime")))
        .unwrap_or_else(now);
    if now() > since + deadline {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        return Some(condition(
            before,
            "Progressing",
            "False",
            "ProgressDeadlineExceeded",
            &message,
        ));
    }
    before.cloned()
}
