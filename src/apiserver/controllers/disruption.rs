//! How many Pods of a disruption budget may go. (`pkg/controller/disruption`, 1.32.)

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::object::{self, at, int, map, set, text};
use kube::selector::LabelSelector;
use serde_json::{Map, Value, json};

use super::Shared;
use crate::app::now;
use crate::client::Result;
use crate::reflector::{Queue, work};

/// How long an evicted Pod that does not go counts as one that will.
const PATIENCE: i64 = 2 * 60;

/// Starts the controller.
pub fn start(shared: &Arc<Shared>) {
    let queue = Queue::new();
    let wake = Arc::clone(&queue);
    shared
        .store("poddisruptionbudgets")
        .on_change(move |_, new| {
            if let Some(budget) = new {
                wake.add(object::key(budget));
            }
        });
    // What a budget counts: Pods, and how many their controllers want.
    for plural in [
        "pods",
        "replicasets",
        "deployments",
        "statefulsets",
        "replicationcontrollers",
    ] {
        let (wake, budgets) = (Arc::clone(&queue), shared.store("poddisruptionbudgets"));
        shared.store(plural).on_change(move |old, new| {
            let namespace = new.or(old).map_or("", object::namespace);
            for budget in budgets.in_namespace(namespace) {
                wake.add(object::key(&budget));
            }
        });
    }
    let (shared, again) = (Arc::clone(shared), Arc::clone(&queue));
    work("disruption", &queue, 1, move |key| {
        let (shared, again) = (Arc::clone(&shared), Arc::clone(&again));
        async move {
            if sync(&shared, &key).await? {
                again.add_after(key, Duration::from_secs(PATIENCE.unsigned_abs()));
            }
            Ok(())
        }
    });
}

/// One pass; true if an evicted Pod is still awaited.
async fn sync(shared: &Shared, key: &str) -> Result<bool> {
    let (budgets, pods) = (shared.store("poddisruptionbudgets"), shared.store("pods"));
    for plural in [
        "pods",
        "replicasets",
        "deployments",
        "statefulsets",
        "replicationcontrollers",
    ] {
        shared.store(plural).synced().await;
    }
    let Some(budget) = budgets.get(key).filter(|b| !object::deleting(b)) else {
        return Ok(false);
    };
    let selector = LabelSelector::from_object(at(&budget, "spec.selector"));
    let chosen: Vec<Arc<Value>> = pods
        .in_namespace(object::namespace(&budget))
        .into_iter()
        .filter(|pod| selector.matches(at(pod, "metadata.labels")) && unfinished(pod))
        .collect();
    let wanted = wanted_replicas(shared, &chosen);
    let status = status_of(&budget, &chosen, wanted, now());
    let awaited = map(&status, "disruptedPods").is_some_and(|pods| !pods.is_empty());
    if at(&budget, "status") != &status {
        if chosen.is_empty() {
            let budget = super::typed(budgets.resource, &budget);
            shared
                .events
                .normal(&budget, "NoPods", "No matching pods found");
        }
        let mut new = (*budget).clone();
        set(&mut new, "status", status);
        let written = shared.client.update(budgets.resource, &new, "status");
        budgets.observe(&written.await?);
    }
    Ok(awaited)
}

fn unfinished(pod: &Value) -> bool {
    !matches!(text(pod, "status.phase"), "Succeeded" | "Failed")
}

/// How many Pods the controllers of these Pods want together.
fn wanted_replicas(shared: &Shared, pods: &[Arc<Value>]) -> i64 {
    let mut seen = BTreeSet::new();
    let mut sum = 0;
    for pod in pods {
        let Some(mut owner) = object::controller_of(pod).cloned() else {
            continue;
        };
        let namespace = object::namespace(pod);
        let stored = |owner: &Value| {
            let plural = match text(owner, "kind") {
                "ReplicaSet" => "replicasets",
                "Deployment" => "deployments",
                "StatefulSet" => "statefulsets",
                "ReplicationController" => "replicationcontrollers",
                _ => return None,
            };
            let found = shared
                .store(plural)
                .get(&format!("{namespace}/{}", text(owner, "name")));
            found.filter(|object| object::uid(object) == text(owner, "uid"))
        };
        let Some(mut controller) = stored(&owner) else {
            continue;
        };
        // A Deployment says it for its ReplicaSets.
        if let Some(above) = object::controller_of(&controller).cloned()
            && let Some(found) = stored(&above)
        {
            (owner, controller) = (above, found);
        }
        if seen.insert(text(&owner, "uid").to_string()) {
            sum += int(&controller, "spec.replicas").unwrap_or(1);
        }
    }
    sum
}

/// A number, or a part of `whole` rounded up.
fn scaled(value: &Value, whole: i64) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            Some((whole * percent + 99).div_euclid(100))
        }
        _ => None,
    }
}

/// How many Pods are expected, and how many of them must be healthy.
fn needs(budget: &Value, pods: i64, wanted: i64) -> (i64, i64) {
    let (least, most) = (
        at(budget, "spec.minAvailable"),
        at(budget, "spec.maxUnavailable"),
    );
    if let Some(most) = scaled(most, wanted) {
        return (wanted, (wanted - most).max(0));
    }
    // A plain number says itself what is expected.
    if least.is_number() {
        return (pods, scaled(least, pods).unwrap_or(0));
    }
    (wanted, scaled(least, wanted).unwrap_or(0))
}

fn status_of(budget: &Value, pods: &[Arc<Value>], wanted: i64, now: i64) -> Value {
    let mut evicted = Map::new();
    for (name, since) in map(budget, "status.disruptedPods").into_iter().flatten() {
        let since_seconds = since.as_str().and_then(kube::time::parse).unwrap_or(0);
        let stays = pods
            .iter()
            .any(|pod| object::name(pod) == name && !object::deleting(pod));
        if stays && now - since_seconds < PATIENCE {
            evicted.insert(name.clone(), since.clone());
        }
    }
    let healthy = pods
        .iter()
        .filter(|pod| {
            !object::deleting(pod)
                && !evicted.contains_key(object::name(pod))
                && object::condition_true(pod, "Ready")
        })
        .count();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let healthy = count(healthy);
    let (expected, desired) = needs(budget, count(pods.len()), wanted);
    let allowed = if expected > 0 {
        (healthy - desired).max(0)
    } else {
        0
    };
    let generation = int(budget, "metadata.generation").unwrap_or(0);
    let (state, reason) = if allowed > 0 {
        ("True", "SufficientPods")
    } else {
        ("False", "InsufficientPods")
    };
    let before = object::condition(budget, "DisruptionAllowed");
    let since = before.filter(|c| text(c, "status") == state).map_or_else(
        || kube::time::rfc3339(now),
        |c| text(c, "lastTransitionTime").to_string(),
    );
    let mut status = json!({
        "conditions": [{"type": "DisruptionAllowed", "status": state, "reason": reason, "message": "",
            "observedGeneration": generation, "lastTransitionTime": since}],
        "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed,
        "expectedPods": expected, "observedGeneration": generation,
    });
    if !evicted.is_empty() {
        status["disruptedPods"] = Value::Object(evicted);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(ready: usize, not_ready: usize) -> Vec<Arc<Value>> {
        let pod = |i: usize, ready: bool| {
            let state = if ready { "True" } else { "False" };
            Arc::new(json!({"metadata": {"name": format!("p{i}")},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": state}]}}))
        };
        (0..ready + not_ready).map(|i| pod(i, i < ready)).collect()
    }

    #[test]
    fn budgets_allow_what_is_more_than_they_need() {
        for (spec, ready, not_ready, wanted, expected) in [
            (json!({"minAvailable": 1}), 5, 0, 5, (4, 1, 5)),
            (json!({"minAvailable": 0}), 2, 0, 2, (2, 0, 2)),
            (json!({"minAvailable": 2}), 2, 0, 2, (0, 2, 2)),
            (json!({"minAvailable": "50%"}), 3, 0, 3, (1, 2, 3)),
            (json!({"maxUnavailable": 1}), 3, 0, 3, (1, 2, 3)),
            (json!({"maxUnavailable": 1}), 2, 1, 3, (0, 2, 3)),
            (json!({"maxUnavailable": "100%"}), 3, 0, 3, (3, 0, 3)),
            // A Deployment that was just scaled up: its new Pods count already.
            (json!({"maxUnavailable": 1}), 3, 0, 6, (0, 5, 6)),
            (json!({"maxUnavailable": 1}), 0, 0, 0, (0, 0, 0)),
        ] {
            let budget = json!({"metadata": {"generation": 1}, "spec": spec});
            let status = status_of(&budget, &pods(ready, not_ready), wanted, 1_800_000_000);
            let got = (
                int(&status, "disruptionsAllowed").unwrap(),
                int(&status, "desiredHealthy").unwrap(),
                int(&status, "expectedPods").unwrap(),
            );
            assert_eq!(got, expected, "{spec}");
        }
    }

    #[test]
    fn an_evicted_pod_counts_as_gone_for_two_minutes() {
        let budget = json!({"spec": {"minAvailable": 1},
            "status": {"disruptedPods": {"p0": kube::time::rfc3339(1_800_000_000)}}});
        let allowed = |at: i64| {
            int(
                &status_of(&budget, &pods(2, 0), 2, at),
                "disruptionsAllowed",
            )
            .unwrap()
        };
        assert_eq!(allowed(1_800_000_001), 0);
        assert_eq!(allowed(1_800_000_000 + PATIENCE), 1);
    }
}
