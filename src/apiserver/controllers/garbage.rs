//! Garbage collection: objects go when their owners are gone; foreground deletion and
//! orphaning. (`pkg/controller/garbagecollector`, 1.32.)

use std::sync::Arc;
use std::time::Duration;

use kube::object::{self, flag, list, text};
use kube::resources;
use serde_json::{Value, json};

use super::Shared;
use crate::client::Result;
use crate::reflector::{Queue, Store, work};

/// Starts the controller.
pub fn start(shared: &Arc<Shared>) {
    let queue = Queue::new();
    for store in &shared.stores {
        let (wake, plural) = (Arc::clone(&queue), store.resource.plural);
        let others: Vec<Arc<Store>> = shared.stores.clone();
        store.on_change(move |old, new| match (old, new) {
            (_, Some(object)) => {
                let owned = !list(object, "metadata.ownerReferences").is_empty();
                if owned || object::deleting(object) {
                    wake.add(format!("{plural} {}", object::key(object)));
                }
            }
            (Some(object), None) => {
                for store in &others {
                    for item in dependents(store, object) {
                        wake.add(format!("{} {}", store.resource.plural, object::key(&item)));
                    }
                }
                // An owner that waits for its dependents may go on.
                for owner in list(object, "metadata.ownerReferences") {
                    if let Some(resource) =
                        resources::by_kind(text(owner, "apiVersion"), text(owner, "kind"))
                    {
                        let key = if resource.namespaced {
                            format!("{}/{}", object::namespace(object), text(owner, "name"))
                        } else {
                            text(owner, "name").to_string()
                        };
                        wake.add(format!("{} {key}", resource.plural));
                    }
                }
            }
            (None, None) => {}
        });
    }
    let shared = Arc::clone(shared);
    let again = Arc::clone(&queue);
    work("garbage", &queue, 4, move |item| {
        let (shared, again) = (Arc::clone(&shared), Arc::clone(&again));
        async move { sync(&shared, &again, &item).await }
    });
}

/// The objects of a store that name `owner` as theirs.
fn dependents(store: &Store, owner: &Value) -> Vec<Arc<Value>> {
    let uid = object::uid(owner);
    let candidates = match object::namespace(owner) {
        "" => store.all(),
        namespace => store.in_namespace(namespace),
    };
    candidates
        .into_iter()
        .filter(|item| {
            list(item, "metadata.ownerReferences")
                .iter()
                .any(|o| text(o, "uid") == uid)
        })
        .collect()
}

fn has_finalizer(object: &Value, name: &str) -> bool {
    list(object, "metadata.finalizers")
        .iter()
        .any(|f| f == name)
}

async fn sync(shared: &Arc<Shared>, queue: &Arc<Queue>, item: &str) -> Result<()> {
    let Some((plural, key)) = item.split_once(' ') else {
        return Ok(());
    };
    let store = shared.store(plural);
    let Some(object) = store.get(key) else {
        return Ok(());
    };
    if object::deleting(&object) {
        if has_finalizer(&object, "orphan") {
            return orphan(shared, &store, &object).await;
        }
        if has_finalizer(&object, "foregroundDeletion") {
            return foreground(shared, queue, item, &store, &object).await;
        }
        return Ok(());
    }
    collect(shared, &store, &object).await
}

/// Whether an owner is there: in its store, or else on the server.
async fn owner_lives(shared: &Shared, object: &Value, owner: &Value) -> Result<bool> {
    let Some(resource) = resources::by_kind(text(owner, "apiVersion"), text(owner, "kind")) else {
        // A kind that is not known here can't be judged.
        return Ok(true);
    };
    let namespace = if resource.namespaced {
        object::namespace(object)
    } else {
        ""
    };
    let name = text(owner, "name");
    let key = if namespace.is_empty() {
        name.to_string()
    } else {
        format!("{namespace}/{name}")
    };
    let uid = text(owner, "uid");
    let known = shared
        .stores
        .iter()
        .find(|s| std::ptr::eq(s.resource, resource));
    if known
        .and_then(|s| s.get(&key))
        .is_some_and(|o| object::uid(&o) == uid)
    {
        return Ok(true);
    }
    match shared.client.get(resource, namespace, name).await {
        Ok(found) => Ok(object::uid(&found) == uid),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes an object none of whose owners lives.
async fn collect(shared: &Shared, store: &Store, object: &Value) -> Result<()> {
    let owners = list(object, "metadata.ownerReferences");
    if owners.is_empty() {
        return Ok(());
    }
    let mut living = Vec::new();
    for owner in owners {
        if owner_lives(shared, object, owner).await? {
            living.push(owner.clone());
        }
    }
    let (namespace, name) = (object::namespace(object), object::name(object));
    let done = if living.is_empty() {
        let policy = if has_finalizer(object, "foregroundDeletion") {
            "Foreground"
        } else {
            "Background"
        };
        shared
            .client
            .delete(store.resource, namespace, name, object::uid(object), policy)
            .await
    } else if living.len() < owners.len() {
        let patch = json!({"metadata": {"uid": object::uid(object), "ownerReferences": living}});
        shared
            .client
            .patch(store.resource, namespace, name, "", &patch)
            .await
            .map(drop)
    } else {
        Ok(())
    };
    match done {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}

async fn drop_finalizer(shared: &Shared, store: &Store, object: &Value, name: &str) -> Result<()> {
    let finalizers: Vec<&Value> = list(object, "metadata.finalizers")
        .iter()
        .filter(|f| *f != name)
        .collect();
    let patch = json!({"metadata": {"resourceVersion": object::resource_version(object), "finalizers": finalizers}});
    let done = shared
        .client
        .patch(
            store.resource,
            object::namespace(object),
            object::name(object),
            "",
            &patch,
        )
        .await;
    match done {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Sets the dependents free, then lets the owner go.
async fn orphan(shared: &Shared, store: &Store, owner: &Value) -> Result<()> {
    let uid = object::uid(owner);
    for other in &shared.stores {
        for item in dependents(other, owner) {
            let rest: Vec<&Value> = list(&item, "metadata.ownerReferences")
                .iter()
                .filter(|o| text(o, "uid") != uid)
                .collect();
            let patch = json!({"metadata": {"uid": object::uid(&item), "ownerReferences": rest}});
            let done = shared
                .client
                .patch(
                    other.resource,
                    object::namespace(&item),
                    object::name(&item),
                    "",
                    &patch,
                )
                .await;
            match done {
                Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error),
                _ => {}
            }
        }
    }
    drop_finalizer(shared, store, owner, "orphan").await
}

/// Deletes the dependents; the owner goes after those that block it.
async fn foreground(
    shared: &Shared,
    queue: &Arc<Queue>,
    item: &str,
    store: &Store,
    owner: &Value,
) -> Result<()> {
    let uid = object::uid(owner);
    let mut blocked = false;
    for other in &shared.stores {
        for dependent in dependents(other, owner) {
            let blocks = list(&dependent, "metadata.ownerReferences")
                .iter()
                .any(|o| text(o, "uid") == uid && flag(o, "blockOwnerDeletion"));
            blocked |= blocks;
            if object::deleting(&dependent) {
                continue;
            }
            let done = shared
                .client
                .delete(
                    other.resource,
                    object::namespace(&dependent),
                    object::name(&dependent),
                    object::uid(&dependent),
                    "Foreground",
                )
                .await;
            match done {
                Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error),
                _ => {}
            }
        }
    }
    if blocked {
        // The dependents' end wakes this up; the clock is for a missed call.
        queue.add_after(item, Duration::from_secs(2));
        return Ok(());
    }
    drop_finalizer(shared, store, owner, "foregroundDeletion").await
}
