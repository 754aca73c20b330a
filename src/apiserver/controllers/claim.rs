//! Whose children are whose: a set lets go of what does not match it any more, and adopts
//! orphans that do; so does a Deployment with its sets.
//! (`pkg/controller/controller_ref_manager.go`, 1.32.)

use std::sync::Arc;

use kube::object::{self, at, list, text};
use kube::selector::LabelSelector;
use serde_json::{Value, json};

use super::{Shared, owned_by, owner};
use crate::client::Result;
use crate::reflector::Store;

/// The children of `set`, one of `sets`, among `all`, as far as `counts` says that they count.
pub(super) async fn claim(
    shared: &Shared,
    sets: &Store,
    all: &Store,
    set: &Value,
    counts: fn(&Value) -> bool,
) -> Result<Vec<Arc<Value>>> {
    let selector = LabelSelector::from_object(at(set, "spec.selector"));
    let mut mine = Vec::new();
    for child in all.in_namespace(object::namespace(set)) {
        if !counts(&child) {
            continue;
        }
        let matches = selector.matches(at(&child, "metadata.labels"));
        if owned_by(&child, object::uid(set)) {
            if matches {
                mine.push(child);
            } else if !object::deleting(set) {
                // It was relabelled away: let it go.
                let mut owners = list(&child, "metadata.ownerReferences").to_vec();
                owners.retain(|owner| text(owner, "uid") != object::uid(set));
                set_owners(shared, all, &child, json!(owners)).await?;
            }
        } else if matches
            && object::controller_of(&child).is_none()
            && !object::deleting(set)
            && !object::deleting(&child)
        {
            let mut owners = list(&child, "metadata.ownerReferences").to_vec();
            owners.push(owner(set, sets.resource));
            set_owners(shared, all, &child, json!(owners)).await?;
            mine.push(child);
        }
    }
    Ok(mine)
}

async fn set_owners(shared: &Shared, all: &Store, child: &Value, owners: Value) -> Result<()> {
    let patch = json!({"metadata": {"uid": object::uid(child), "ownerReferences": owners}});
    let (namespace, name) = (object::namespace(child), object::name(child));
    let done = shared
        .client
        .patch(all.resource, namespace, name, "", &patch);
    match done.await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
