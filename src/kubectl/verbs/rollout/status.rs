//! `kubectl rollout status`.

use super::targets;
use crate::cx::{Cx, put};
use crate::error::{Error, Outcome, fail};
use crate::source::Item;
use crate::verbs::until::{self, Verdict};
use kube::gofmt::quote;
use kube::object::{annotation, condition, int, text};
use serde_json::Value;
use std::time::Duration;

pub(super) async fn run(cx: &Cx) -> Outcome {
    let revision = cx.flags.int("revision");
    if revision < 0 {
        return fail(format!("revision must be a positive integer: {revision}"));
    }
    let (items, mut errors) = targets(cx).await?;
    if items.is_empty() && errors.is_empty() {
        eprintln!("No resources found in {} namespace.", cx.namespace()?);
    }
    for item in items {
        if let Err(e) = one(cx, &item, revision).await {
            errors.push(e);
        }
    }
    Error::collect(errors)
}

async fn one(cx: &Cx, item: &Item, revision: i64) -> Outcome {
    if !cx.bool("watch") {
        let (message, _) = state(item, &item.object, revision)?;
        return put(&message);
    }
    let limit = cx
        .flags
        .duration("timeout")
        .filter(|limit| !limit.is_zero());
    let mut last = String::new();
    let watching = until::object(
        cx,
        item,
        limit.unwrap_or(Duration::from_secs(365 * 24 * 3600)),
        |now| {
            let Some(object) = now else {
                return fail("object has been deleted");
            };
            let (message, done) = state(item, object, revision)?;
            if message != last {
                put(&message)?;
                last = message;
            }
            Ok(if done { Verdict::Done } else { Verdict::NotYet })
        },
    );
    watching.await
}

/// What to say, and whether it is over.
fn state(item: &Item, object: &Value, revision: i64) -> Outcome<(String, bool)> {
    match item.res.kind {
        "Deployment" => deployment(object, revision),
        "DaemonSet" => daemon_set(object),
        "StatefulSet" => stateful_set(object),
        _ => fail(format!(
            "no status viewer has been implemented for {}",
            super::group_kind(item)
        )),
    }
}

fn number(object: &Value, path: &str) -> i64 {
    int(object, path).unwrap_or(0)
}

fn deployment(object: &Value, revision: i64) -> Outcome<(String, bool)> {
    let name = quote(kube::object::name(object));
    if revision > 0 {
        let running: i64 = annotation(object, super::REVISION).parse().unwrap_or(0);
        if running != revision {
            return fail(format!(
                "desired revision ({revision}) is different from the running revision ({running})"
            ));
        }
    }
    if number(object, "metadata.generation") > number(object, "status.observedGeneration") {
        return Ok((
            "Waiting for deployment spec update to be observed...\n".to_owned(),
            false,
        ));
    }
    if condition(object, "Progressing")
        .is_some_and(|c| text(c, "reason") == "ProgressDeadlineExceeded")
    {
        return fail(format!("deployment {name} exceeded its progress deadline"));
    }
    let updated = number(object, "status.updatedReplicas");
    let (total, available) = (
        number(object, "status.replicas"),
        number(object, "status.availableReplicas"),
    );
    let waiting = format!("Waiting for deployment {name} rollout to finish:");
    if let Some(wanted) = int(object, "spec.replicas").filter(|wanted| updated < *wanted) {
        return Ok((
            format!("{waiting} {updated} out of {wanted} new replicas have been updated...\n"),
            false,
        ));
    }
    if total > updated {
        return Ok((
            format!(
                "{waiting} {} old replicas are pending termination...\n",
                total - updated
            ),
            false,
        ));
    }
    if available < updated {
        return Ok((
            format!("{waiting} {available} of {updated} updated replicas are available...\n"),
            false,
        ));
    }
    Ok((format!("deployment {name} successfully rolled out\n"), true))
}

fn daemon_set(object: &Value) -> Outcome<(String, bool)> {
    let name = quote(kube::object::name(object));
    if text(object, "spec.updateStrategy.type") != "RollingUpdate" {
        return fail("rollout status is only available for RollingUpdate strategy type");
    }
    if number(object, "metadata.generation") > number(object, "status.observedGeneration") {
        return Ok((
            "Waiting for daemon set spec update to be observed...\n".to_owned(),
            false,
        ));
    }
    let desired = number(object, "status.desiredNumberScheduled");
    let updated = number(object, "status.updatedNumberScheduled");
    let available = number(object, "status.numberAvailable");
    let waiting = format!("Waiting for daemon set {name} rollout to finish:");
    if updated < desired {
        return Ok((
            format!("{waiting} {updated} out of {desired} new pods have been updated...\n"),
            false,
        ));
    }
    if available < desired {
        return Ok((
            format!("{waiting} {available} of {desired} updated pods are available...\n"),
            false,
        ));
    }
    Ok((format!("daemon set {name} successfully rolled out\n"), true))
}

fn stateful_set(object: &Value) -> Outcome<(String, bool)> {
    if text(object, "spec.updateStrategy.type") != "RollingUpdate" {
        return fail("rollout status is only available for RollingUpdate strategy type");
    }
    let observed = number(object, "status.observedGeneration");
    if observed == 0 || number(object, "metadata.generation") > observed {
        return Ok((
            "Waiting for statefulset spec update to be observed...\n".to_owned(),
            false,
        ));
    }
    let ready = number(object, "status.readyReplicas");
    if let Some(wanted) = int(object, "spec.replicas").filter(|wanted| ready < *wanted) {
        return Ok((
            format!("Waiting for {} pods to be ready...\n", wanted - ready),
            false,
        ));
    }
    let updated = number(object, "status.updatedReplicas");
    if object["spec"]["updateStrategy"]["rollingUpdate"].is_object() {
        let partition = int(object, "spec.updateStrategy.rollingUpdate.partition");
        if let (Some(wanted), Some(partition)) = (int(object, "spec.replicas"), partition)
            && updated < wanted - partition
        {
            return Ok((
                format!(
                    "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...\n",
                    wanted - partition
                ),
                false,
            ));
        }
        return Ok((
            format!("partitioned roll out complete: {updated} new pods have been updated...\n"),
            true,
        ));
    }
    let (update, current) = (
        text(object, "status.updateRevision"),
        text(object, "status.currentRevision"),
    );
    if update != current {
        return Ok((
            format!(
                "waiting for statefulset rolling update to complete {updated} pods at revision {update}...\n"
            ),
            false,
        ));
    }
    let count = number(object, "status.currentReplicas");
    Ok((
        format!("statefulset rolling update complete {count} pods at revision {current}...\n"),
        true,
    ))
}

#[cfg(test)]
mod tests {
    use super::deployment;
    use serde_json::json;

    #[test]
    fn a_deployments_progress_in_words() {
        let state = |updated, total, available| {
            let object = json!({"metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 3},
                "status": {"observedGeneration": 2, "updatedReplicas": updated, "replicas": total, "availableReplicas": available}});
            deployment(&object, 0).unwrap()
        };
        assert_eq!(
            state(1, 3, 3).0,
            "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...\n"
        );
        assert_eq!(
            state(3, 4, 3).0,
            "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...\n"
        );
        assert_eq!(
            state(3, 3, 2).0,
            "Waiting for deployment \"web\" rollout to finish: 2 of 3 updated replicas are available...\n"
        );
        assert_eq!(
            state(3, 3, 3),
            (
                "deployment \"web\" successfully rolled out\n".to_owned(),
                true
            )
        );
    }
}
