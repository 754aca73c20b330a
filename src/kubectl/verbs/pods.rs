//! Finding the Pods behind a name: `web-0`, `pod/web-0`, `deploy/web`.

use super::rollout::selector_text;
use crate::cx::Cx;
use crate::error::{Outcome, fail};
use crate::mapping;
use kube::object::{condition_true, list, text};
use kube::request::Target;
use serde_json::{Value, json};

/// All containers of a Pod: init, regular, ephemeral.
pub fn containers(pod: &Value) -> Vec<&Value> {
    [
        "spec.initContainers",
        "spec.containers",
        "spec.ephemeralContainers",
    ]
    .iter()
    .flat_map(|path| list(pod, path))
    .collect()
}

/// Their names as `Defaulted container` lists them.
pub fn container_names(pod: &Value) -> String {
    let part = |path, mark: &str| -> Vec<String> {
        list(pod, path)
            .iter()
            .map(|c| format!("{}{mark}", text(c, "name")))
            .collect()
    };
    let mut all = part("spec.containers", "");
    all.extend(part("spec.ephemeralContainers", " (ephem)"));
    all.extend(part("spec.initContainers", " (init)"));
    all.join(", ")
}

/// The Pods that a selector lets through, by name.
///
/// # Errors
/// The server's.
pub async fn by_selector(cx: &Cx, selector: &str, namespace: &str) -> Outcome<Vec<Value>> {
    let path = Target::new(format!("/api/v1/namespaces/{namespace}/pods"))
        .with("labelSelector", selector)
        .finish();
    let answer = cx.client()?.get(&path).await?;
    Ok(list(&answer, "items").to_vec())
}

/// The Pod (or, with `every`, all Pods) that a word means. Of several the best:
/// running and ready before others, the youngest last.
///
/// # Errors
/// The word names nothing, or something that has no Pods.
pub async fn of(cx: &Cx, word: &str, every: bool) -> Outcome<Vec<Value>> {
    let namespace = cx.namespace()?;
    let Some((kind, name)) = word.split_once('/') else {
        return Ok(vec![
            cx.client()?
                .get(&format!("/api/v1/namespaces/{namespace}/pods/{word}"))
                .await?,
        ]);
    };
    let res = mapping::by_name(cx, kind).await?;
    let object = cx.client()?.get(&res.path(&namespace, name)).await?;
    let selector = match res.kind {
        "Pod" => return Ok(vec![object]),
        "Service" => {
            if !object["spec"]["selector"].is_object() {
                return fail(format!(
                    "invalid service '{name}': Service is defined without a selector"
                ));
            }
            selector_text(&json!({"matchLabels": object["spec"]["selector"]}))
        }
        "ReplicationController" => {
            selector_text(&json!({"matchLabels": object["spec"]["selector"]}))
        }
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job" => {
            selector_text(&object["spec"]["selector"])
        }
        other => {
            return fail(format!(
                "cannot get the logs from *v1.{other}: selector for *v1.{other} not implemented"
            ));
        }
    };
    let mut pods = by_selector(cx, &selector, &namespace).await?;
    if pods.is_empty() {
        return fail("timed out waiting for the condition");
    }
    pods.sort_by_key(rank);
    if every {
        return Ok(pods);
    }
    if pods.len() > 1 && cx.command == "logs" {
        eprintln!(
            "Found {} pods, using pod/{}",
            pods.len(),
            kube::object::name(&pods[0])
        );
    }
    pods.truncate(1);
    Ok(pods)
}

/// Smaller is better (`podutils.ByLogging`).
fn rank(pod: &Value) -> (bool, u8, bool, String) {
    let phase = match text(pod, "status.phase") {
        "Running" => 0,
        "Pending" => 2,
        _ => 1,
    };
    (
        text(pod, "spec.nodeName").is_empty(),
        phase,
        !condition_true(pod, "Ready"),
        text(pod, "metadata.creationTimestamp").to_owned(),
    )
}
