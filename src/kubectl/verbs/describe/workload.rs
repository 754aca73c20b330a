//! Deployments, ReplicaSets, DaemonSets.

use super::{Page, date, pod};
use crate::cx::Cx;
use crate::error::Outcome;
use crate::verbs::rollout::selector_text;
use kube::object::{controller_of, int, list, text};
use kube::request::Target;
use serde_json::Value;

fn number(object: &Value, path: &str) -> i64 {
    int(object, path).unwrap_or(0)
}

fn conditions(page: &mut Page, status: &Value) {
    if list(status, "conditions").is_empty() {
        return;
    }
    page.line(0, "Conditions:");
    page.line(1, "Type\tStatus\tReason");
    page.line(1, "----\t------\t------");
    for c in list(status, "conditions") {
        page.line(
            1,
            format!(
                "{} \t{}\t{}",
                text(c, "type"),
                text(c, "status"),
                text(c, "reason")
            ),
        );
    }
}

/// The objects of a collection that the selector lets through and the object
/// controls.
async fn controlled(cx: &Cx, owner: &Value, collection: &str) -> Outcome<Vec<Value>> {
    let path = Target::new(collection)
        .with_some("labelSelector", &selector_text(&owner["spec"]["selector"]))
        .finish();
    let answer = cx.client()?.get(&path).await?;
    let uid = kube::object::uid(owner);
    let mine = |object: &&Value| controller_of(object).is_some_and(|o| text(o, "uid") == uid);
    Ok(list(&answer, "items")
        .iter()
        .filter(mine)
        .cloned()
        .collect())
}

pub(super) async fn deployment(
    cx: &Cx,
    page: &mut Page,
    object: &Value,
    events: Option<&[Value]>,
) -> Outcome {
    let (spec, status) = (&object["spec"], &object["status"]);
    page.name(object, true);
    page.line(
        0,
        format!(
            "CreationTimestamp:\t{}",
            date(text(object, "metadata.creationTimestamp"))
        ),
    );
    page.meta(object);
    page.line(
        0,
        format!("Selector:\t{}", selector_text(&spec["selector"])),
    );
    page.line(
        0,
        format!(
            "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable",
            number(spec, "replicas"),
            number(status, "updatedReplicas"),
            number(status, "replicas"),
            number(status, "availableReplicas"),
            number(status, "unavailableReplicas")
        ),
    );
    page.line(0, format!("StrategyType:\t{}", text(spec, "strategy.type")));
    page.line(
        0,
        format!("MinReadySeconds:\t{}", number(spec, "minReadySeconds")),
    );
    let rolling = &spec["strategy"]["rollingUpdate"];
    if rolling.is_object() {
        let amount = |field: &str| kube::gofmt::verb_v(&rolling[field]);
        page.line(
            0,
            format!(
                "RollingUpdateStrategy:\t{} max unavailable, {} max surge",
                amount("maxUnavailable"),
                amount("maxSurge")
            ),
        );
    }
    pod::template(page, 0, &spec["template"]);
    conditions(page, status);
    let namespace = kube::object::namespace(object);
    let mut sets = controlled(
        cx,
        object,
        &format!("/apis/apps/v1/namespaces/{namespace}/replicasets"),
    )
    .await?;
    if !sets.is_empty() {
        let revision = |set: &Value| -> i64 {
            kube::object::annotation(set, super::super::rollout::REVISION)
                .parse()
                .unwrap_or(0)
        };
        sets.sort_by_key(revision);
        let newest = sets.pop();
        // Old ReplicaSets are listed by name, as the server lists them.
        sets.sort_by(|a, b| kube::object::name(a).cmp(kube::object::name(b)));
        let row = |set: &Value| {
            format!(
                "{} ({}/{} replicas created)",
                kube::object::name(set),
                number(set, "status.replicas"),
                number(set, "spec.replicas")
            )
        };
        let old: Vec<String> = sets.iter().map(row).collect();
        page.line(
            0,
            format!(
                "OldReplicaSets:\t{}",
                if old.is_empty() {
                    "<none>".to_owned()
                } else {
                    old.join(", ")
                }
            ),
        );
        page.line(
            0,
            format!(
                "NewReplicaSet:\t{}",
                newest.as_ref().map_or("<none>".to_owned(), row)
            ),
        );
    }
    page.events(events);
    Ok(())
}

async fn pods_status(cx: &Cx, object: &Value) -> Outcome<String> {
    let namespace = kube::object::namespace(object);
    let pods = controlled(cx, object, &format!("/api/v1/namespaces/{namespace}/pods")).await?;
    let count = |phase: &str| {
        pods.iter()
            .filter(|p| text(p, "status.phase") == phase)
            .count()
    };
    Ok(format!(
        "{} Running / {} Waiting / {} Succeeded / {} Failed",
        count("Running"),
        count("Pending"),
        count("Succeeded"),
        count("Failed")
    ))
}

pub(super) async fn replica_set(
    cx: &Cx,
    page: &mut Page,
    object: &Value,
    events: Option<&[Value]>,
) -> Outcome {
    let (spec, status) = (&object["spec"], &object["status"]);
    page.name(object, true);
    page.line(
        0,
        format!("Selector:\t{}", selector_text(&spec["selector"])),
    );
    page.meta(object);
    pod::controlled_by(page, object);
    page.line(
        0,
        format!(
            "Replicas:\t{} current / {} desired",
            number(status, "replicas"),
            number(spec, "replicas")
        ),
    );
    page.line(
        0,
        format!("Pods Status:\t{}", pods_status(cx, object).await?),
    );
    pod::template(page, 0, &spec["template"]);
    conditions(page, status);
    page.events(events);
    Ok(())
}

pub(super) async fn daemon_set(
    cx: &Cx,
    page: &mut Page,
    object: &Value,
    events: Option<&[Value]>,
) -> Outcome {
    let (spec, status) = (&object["spec"], &object["status"]);
    page.name(object, false);
    page.line(
        0,
        format!("Selector:\t{}", selector_text(&spec["selector"])),
    );
    let nodes: Vec<String> = spec["template"]["spec"]["nodeSelector"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
        .collect();
    page.line(
        0,
        format!(
            "Node-Selector:\t{}",
            if nodes.is_empty() {
                "<none>".to_owned()
            } else {
                nodes.join(",")
            }
        ),
    );
    page.meta(object);
    for (title, field) in [
        (
            "Desired Number of Nodes Scheduled",
            "desiredNumberScheduled",
        ),
        (
            "Current Number of Nodes Scheduled",
            "currentNumberScheduled",
        ),
        (
            "Number of Nodes Scheduled with Up-to-date Pods",
            "updatedNumberScheduled",
        ),
        (
            "Number of Nodes Scheduled with Available Pods",
            "numberAvailable",
        ),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        page.line(0, format!("{title}: {}", number(status, field)));
    }
    page.line(
        0,
        format!("Pods Status:\t{}", pods_status(cx, object).await?),
    );
    pod::template(page, 0, &spec["template"]);
    page.events(events);
    Ok(())
}
