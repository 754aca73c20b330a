//! Asks the API server what somebody may do.

use lab::probes::AccessProbe;
use serde_json::json;

use super::{Result, Scene};
use crate::verdict::Outcome;

const PATH: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

pub async fn look(scene: &Scene<'_>, probe: &AccessProbe) -> Result {
    let what = match probe.object_name.as_str() {
        "" => format!("{} {}", probe.verb, probe.resource),
        name => format!("{} {} {name}", probe.verb, probe.resource),
    };
    let place = match probe.namespace.as_str() {
        "" => format!("the API server: {} {what}", probe.user),
        namespace => format!("the API server: {} {what} in {namespace}", probe.user),
    };
    let (resource, group) = probe
        .resource
        .split_once('.')
        .unwrap_or((&probe.resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": probe.user,
            "groups": groups(probe),
            "resourceAttributes": {
                "group": group,
                "resource": resource,
                "verb": probe.verb,
                "namespace": probe.namespace,
                "name": probe.object_name,
            },
        },
    });
    let answer = scene.api.review(PATH, &review).await;
    let answer = answer.map_err(|reason| Outcome::could_not_look(&place, reason))?;
    let allowed = answer["status"]["allowed"] == true;
    let words = |allowed: bool| if allowed { "allowed" } else { "refused" };
    if allowed != probe.allowed {
        return Err(Outcome::failed(place, words(allowed), words(probe.allowed)));
    }
    Ok(Outcome::passed(words(allowed)))
}

/// The groups of the probe, and those that a service account is in by its name
/// (apiserver 1.32 `authentication/serviceaccount/util.go`).
fn groups(probe: &AccessProbe) -> Vec<String> {
    let mut groups = probe.groups.clone();
    let account = probe.user.strip_prefix("system:serviceaccount:");
    if let Some((namespace, _)) = account.and_then(|rest| rest.split_once(':')) {
        groups.push("system:serviceaccounts".into());
        groups.push(format!("system:serviceaccounts:{namespace}"));
        groups.push("system:authenticated".into());
    }
    groups
}
