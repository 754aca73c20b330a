//! Whose children are whose: a set lets go of what does not match it any more, and adopts
//! orphans that do; so does a Deployment with its sets. (`pkg/controller/controller_ref_manager.go`, 1.32.)

use std::sync::Arc;

use kube::object::{self, at, list, text};
use kube::selector::LabelSelector;
use serde_json::{Value, json};

use super::{Shared, owned_by, owner};
use crate::client::Result;
use crate::reflector::Store;

/// The Pods of `set`, one of `sets`, as far as `counts` says that they count.
pub(super) async fn claim(
    shared: &Shared,
    sets: &Store,
    pods: &Store,
    set: &Value,
    counts: fn(&Value) -> bool,
) -> Result<Vec<Arc<Value>>> {
    let selector = LabelSelector::from_object(at(set, "spec.selector"));
    let mut mine = Vec::new();
    for pod in pods.in_namespace(object::namespace(set)) {
        if !counts(&pod) {
            continue;
        }
        let matches = selector.matches(at(&pod, "metadata.labels"));
        if owned_by(&pod, object::uid(set)) {
            if matches {
                mine.push(pod);
            } else if !object::deleting(set) {
                // It was relabelled away: let it go.
                let mut owners = list(&pod, "metadata.ownerReferences").to_vec();
                owners.retain(|owner| text(owner, "uid") != object::uid(set));
                set_owners(shared, pods, &pod, json!(owners)).await?;
            }
        } else if matches
            && object::controller_of(&pod).is_none()
            && !object::deleting(set)
            && !object::deleting(&pod)
        {
            let mut owners = list(&pod, "metadata.ownerReferences").to_vec();
            owners.push(owner(set, sets.resource));
            set_owners(shared, pods, &pod, json!(owners)).await?;
            mine.push(pod);
        }
    }
    Ok(mine)
}

async fn set_owners(shared: &Shared, pods: &Store, pod: &Value, owners: Value) -> Result<()> {
    let patch = json!({"metadata": {"uid": object::uid(pod), "ownerReferences": owners}});
    let (namespace, name) = (object::namespace(pod), object::name(pod));
    let done = shared
        .client
        .patch(pods.resource, namespace, name, "", &patch);
    match done.await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
