//! What every namespace has: the service account `default` and the ConfigMap with
//! the cluster's root certificate.

use std::sync::Arc;

use kube::object::{self, at, set};
use serde_json::json;

use super::Shared;
use crate::client::Result;
use crate::reflector::{Queue, work};

const ROOT_CA: &str = "kube-root-ca.crt";

/// Starts both controllers; without a root certificate only the first.
pub fn start(shared: &Arc<Shared>, root_ca: Option<String>) {
    let queue = Queue::new();
    let wake = Arc::clone(&queue);
    shared.store("namespaces").on_change(move |_, new| {
        if let Some(namespace) = new.filter(|n| !object::deleting(n)) {
            wake.add(object::name(namespace));
        }
    });
    for (plural, name) in [("serviceaccounts", "default"), ("configmaps", ROOT_CA)] {
        let wake = Arc::clone(&queue);
        shared.store(plural).on_change(move |old, new| {
            if let Some(object) = new.or(old).filter(|o| object::name(o) == name) {
                wake.add(object::namespace(object));
            }
        });
    }
    let shared = Arc::clone(shared);
    let root_ca = Arc::new(root_ca);
    work("serviceaccount", &queue, 2, move |namespace| {
        let (shared, root_ca) = (Arc::clone(&shared), Arc::clone(&root_ca));
        async move { sync(&shared, &namespace, root_ca.as_deref()).await }
    });
}

async fn sync(shared: &Shared, namespace: &str, root_ca: Option<&str>) -> Result<()> {
    let (accounts, maps) = (shared.store("serviceaccounts"), shared.store("configmaps"));
    accounts.synced().await;
    maps.synced().await;
    let alive = shared
        .store("namespaces")
        .get(namespace)
        .is_some_and(|n| !object::deleting(&n));
    if !alive {
        return Ok(());
    }
    if accounts.get(&format!("{namespace}/default")).is_none() {
        let account = json!({"metadata": {"name": "default", "namespace": namespace}});
        match shared
            .client
            .create(accounts.resource, namespace, account)
            .await
        {
            Ok(_) => {}
            Err(error) if error.is_conflict() || error.is_terminating() => {}
            Err(error) => return Err(error),
        }
    }
    let Some(root_ca) = root_ca else {
        return Ok(());
    };
    let data = json!({"ca.crt": root_ca});
    match maps.get(&format!("{namespace}/{ROOT_CA}")) {
        Some(map) if at(&map, "data") == &data => Ok(()),
        Some(map) => {
            let mut new = (*map).clone();
            set(&mut new, "data", data);
            shared
                .client
                .update(maps.resource, &new, "")
                .await
                .map(drop)
        }
        None => {
            let about = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
            let map = json!({"metadata": {"name": ROOT_CA, "namespace": namespace,
                "annotations": {"kubernetes.io/description": about}}, "data": data});
            match shared.client.create(maps.resource, namespace, map).await {
                Err(error) if !error.is_conflict() && !error.is_terminating() => Err(error),
                _ => Ok(()),
            }
        }
    }
}
