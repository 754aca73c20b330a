//! Namespaces that are ending: everything in them goes, then they go.
//! (`pkg/controller/namespace`, 1.32.)

use std::sync::Arc;
use std::time::Duration;

use kube::object::{self, list, set, text};
use kube::resources::RESOURCES;
use serde_json::{Value, json};

use super::Shared;
use crate::app::now;
use crate::client::Result;
use crate::reflector::{Queue, work};

/// Starts the controller.
pub fn start(shared: &Arc<Shared>) {
    let queue = Queue::new();
    let store = shared.store("namespaces");
    let wake = Arc::clone(&queue);
    store.on_change(move |_, new| {
        if let Some(namespace) = new.filter(|n| object::deleting(n)) {
            wake.add(object::name(namespace));
        }
    });
    let (shared, again) = (Arc::clone(shared), Arc::clone(&queue));
    work("namespace", &queue, 2, move |name| {
        let (shared, again) = (Arc::clone(&shared), Arc::clone(&again));
        async move {
            if sync(&shared, &name).await? {
                // What is left ends by itself; look again.
                again.add_after(name, Duration::from_millis(250));
            }
            Ok(())
        }
    });
}

/// One pass; true if something is left.
async fn sync(shared: &Shared, name: &str) -> Result<bool> {
    let store = shared.store("namespaces");
    let current = match shared.client.get(store.resource, "", name).await {
        Ok(current) => current,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error),
    };
    if !object::deleting(&current) {
        return Ok(false);
    }
    let (mut left, mut stuck): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for resource in RESOURCES.iter().filter(|r| r.namespaced && r.stored()) {
        // Events of the newer group are the same objects.
        if resource.group == "events.k8s.io" {
            continue;
        }
        let items = shared.client.list(resource, name, "").await?;
        if list(&items, "items").is_empty() {
            continue;
        }
        shared.client.delete_all(resource, name).await?;
        let items = shared.client.list(resource, name, "").await?;
        let remaining = list(&items, "items");
        if remaining.is_empty() {
            continue;
        }
        left.push(format!(
            "{} has {} resource instances",
            resource_name(resource),
            remaining.len()
        ));
        for item in remaining {
            for finalizer in list(item, "metadata.finalizers") {
                stuck.push(finalizer.as_str().unwrap_or("").to_string());
            }
        }
    }
    if !left.is_empty() {
        conditions(shared, current, &left, &stuck).await?;
        return Ok(true);
    }
    let mut done = current;
    let finalizers: Vec<Value> = list(&done, "spec.finalizers")
        .iter()
        .filter(|f| *f != "kubernetes")
        .cloned()
        .collect();
    set(&mut done, "spec.finalizers", json!(finalizers));
    match shared
        .client
        .update(store.resource, &done, "finalize")
        .await
    {
        Ok(_) => Ok(false),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

fn resource_name(resource: &kube::resources::Resource) -> String {
    format!("{}.{}", resource.plural, resource.group)
}

/// Tells in the status what the end waits for.
async fn conditions(
    shared: &Shared,
    mut namespace: Value,
    left: &[String],
    stuck: &[String],
) -> Result<()> {
    let store = shared.store("namespaces");
    let time = kube::time::rfc3339(now());
    let mut wanted = vec![(
        "NamespaceContentRemaining",
        "SomeResourcesRemain",
        format!("Some resources are remaining: {}", left.join(", ")),
    )];
    if !stuck.is_empty() {
        let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for finalizer in stuck {
            *counts.entry(finalizer).or_default() += 1;
        }
        let parts: Vec<String> = counts
            .iter()
            .map(|(f, n)| format!("{f} in {n} resource instances"))
            .collect();
        wanted.push((
            "NamespaceFinalizersRemaining",
            "SomeFinalizersRemain",
            format!(
                "Some content in the namespace has finalizers remaining: {}",
                parts.join(", ")
            ),
        ));
    }
    let mut changed = false;
    let mut all = list(&namespace, "status.conditions").to_vec();
    for (kind, reason, message) in wanted {
        let same = all
            .iter()
            .any(|c| text(c, "type") == kind && text(c, "message") == message);
        if same {
            continue;
        }
        all.retain(|c| text(c, "type") != kind);
        all.push(json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": time}));
        changed = true;
    }
    if changed {
        set(&mut namespace, "status.conditions", json!(all));
        shared
            .client
            .update(store.resource, &namespace, "status")
            .await?;
    }
    Ok(())
}
