//! Volumes and claims find each other. (`pkg/controller/volume/persistentvolume`, 1.32,
//! as far as volumes go that somebody made by hand; nobody makes any for a claim.)

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use kube::object::{self, at, list, set, text};
use kube::quantity::Quantity;
use kube::selector::LabelSelector;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Shared;
use crate::client::Result;
use crate::reflector::{Queue, work};

/// All is looked at together: a volume that becomes free may be any claim's.
const ALL: &str = "all";

/// Starts the controller.
pub fn start(shared: &Arc<Shared>) {
    let queue = Queue::new();
    for plural in [
        "persistentvolumes",
        "persistentvolumeclaims",
        "storageclasses",
    ] {
        let wake = Arc::clone(&queue);
        shared.store(plural).on_change(move |_, _| wake.add(ALL));
    }
    let wake = Arc::clone(&queue);
    shared.store("pods").on_change(move |old, new| {
        // A Pod that has its node may be what a claim waits for.
        let placed =
            |pod: Option<&Value>| pod.is_some_and(|p| !text(p, "spec.nodeName").is_empty());
        if placed(new) && !placed(old) {
            wake.add(ALL);
        }
    });
    let (shared, told) = (Arc::clone(shared), Arc::new(Told::default()));
    work("persistentvolume", &queue, 1, move |_| {
        let (shared, told) = (Arc::clone(&shared), Arc::clone(&told));
        async move { sync(&shared, &told).await }
    });
}

/// Which claims were told why they wait, by UID and reason.
type Told = Mutex<HashSet<(String, &'static str)>>;

async fn sync(shared: &Shared, told: &Told) -> Result<()> {
    let (volumes, claims) = (
        shared.store("persistentvolumes"),
        shared.store("persistentvolumeclaims"),
    );
    volumes.synced().await;
    claims.synced().await;
    shared.store("storageclasses").synced().await;
    let mut refused = Ok(());
    let all = claims.all();
    let lives = |uid: &str| all.iter().any(|claim| object::uid(claim) == uid);
    told.lock().retain(|(uid, _)| lives(uid));
    for claim in &all {
        if text(claim, "status.phase") == "Bound" || object::deleting(claim) {
            continue;
        }
        if let Some((reason, message)) = waits_for_a_pod(shared, claim) {
            tell(shared, told, claim, reason, message);
            continue;
        }
        match best(claim, &volumes.all()) {
            // One that is refused keeps nobody else waiting.
            Some(volume) => refused = refused.and(bind(shared, &volume, claim).await),
            None if text(claim, "spec.storageClassName").is_empty() => {
                let message =
                    "no persistent volumes available for this claim and no storage class is set";
                tell(shared, told, claim, "FailedBinding", message);
            }
            None => {}
        }
    }
    for volume in volumes.all() {
        let phase = phase(&volume, |key| claims.get(key));
        if text(&volume, "status.phase") != phase {
            let mut new = (*volume).clone();
            set(&mut new, "status.phase", json!(phase));
            match shared.client.update(volumes.resource, &new, "status").await {
                Ok(written) => volumes.observe(&written),
                Err(error) => refused = refused.and(Err(error)),
            }
        }
    }
    refused
}

/// Why a claim waits whose class binds for Pods only: none that uses it has a node yet.
fn waits_for_a_pod(shared: &Shared, claim: &Value) -> Option<(&'static str, &'static str)> {
    let class = shared
        .store("storageclasses")
        .get(text(claim, "spec.storageClassName"))?;
    let later = text(&class, "volumeBindingMode") == "WaitForFirstConsumer";
    let uses = |pod: &Value| {
        let volumes = list(pod, "spec.volumes").iter();
        let mut names = volumes.map(|v| text(v, "persistentVolumeClaim.claimName"));
        !text(pod, "spec.nodeName").is_empty() && names.any(|name| name == object::name(claim))
    };
    let pods = shared.store("pods").in_namespace(object::namespace(claim));
    (later && !pods.iter().any(|pod| uses(pod))).then_some((
        "WaitForFirstConsumer",
        "waiting for first consumer to be created before binding",
    ))
}

/// Says once in an event why a claim waits.
fn tell(shared: &Shared, told: &Told, claim: &Value, reason: &'static str, message: &str) {
    if told.lock().insert((object::uid(claim).to_owned(), reason)) {
        let claims = shared.store("persistentvolumeclaims");
        shared.events.of("persistentvolume-controller").normal(
            &super::typed(claims.resource, claim),
            reason,
            message,
        );
    }
}

/// What becomes of a volume by whose it is.
fn phase(volume: &Value, claim: impl Fn(&str) -> Option<Arc<Value>>) -> &'static str {
    let owner = at(volume, "spec.claimRef");
    if !owner.is_object() || text(owner, "uid").is_empty() {
        return "Available";
    }
    let key = format!("{}/{}", text(owner, "namespace"), text(owner, "name"));
    match claim(&key) {
        Some(claim) if object::uid(&claim) == text(owner, "uid") => "Bound",
        _ => "Released",
    }
}

/// The smallest volume that the claim may have; one that is reserved for it goes first.
fn best(claim: &Value, volumes: &[Arc<Value>]) -> Option<Arc<Value>> {
    let rank = |volume: &Value| {
        let reserved = at(volume, "spec.claimRef").is_object();
        (!reserved, size(at(volume, "spec.capacity")))
    };
    volumes
        .iter()
        .filter(|volume| fits(claim, volume))
        .min_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(Ordering::Equal))
        .cloned()
}

fn size(of: &Value) -> Option<Quantity> {
    of.get("storage")?.as_str().and_then(Quantity::parse)
}

fn fits(claim: &Value, volume: &Value) -> bool {
    let owner = at(volume, "spec.claimRef");
    let free = !owner.is_object()
        || text(owner, "namespace") == object::namespace(claim)
            && text(owner, "name") == object::name(claim)
            && ["", object::uid(claim)].contains(&text(owner, "uid"));
    let named = text(claim, "spec.volumeName");
    let wanted = size(at(claim, "spec.resources.requests"));
    let modes = list(volume, "spec.accessModes");
    let mode = |object| match text(object, "spec.volumeMode") {
        "" => "Filesystem",
        mode => mode,
    };
    let selector = at(claim, "spec.selector");
    free && !object::deleting(volume)
        && (named.is_empty() || named == object::name(volume))
        && text(claim, "spec.storageClassName") == text(volume, "spec.storageClassName")
        && mode(claim) == mode(volume)
        && size(at(volume, "spec.capacity")) >= wanted
        && list(claim, "spec.accessModes")
            .iter()
            .all(|m| modes.contains(m))
        && (selector.is_null()
            || LabelSelector::from_object(selector).matches(at(volume, "metadata.labels")))
}

/// Writes each other's names into both, the volume's first: it is what others may want.
async fn bind(shared: &Shared, volume: &Value, claim: &Value) -> Result<()> {
    let (volumes, claims) = (
        shared.store("persistentvolumes"),
        shared.store("persistentvolumeclaims"),
    );
    let mut owned = volume.clone();
    set(
        &mut owned,
        "spec.claimRef",
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "namespace": object::namespace(claim), "name": object::name(claim),
            "uid": object::uid(claim), "resourceVersion": object::resource_version(claim)}),
    );
    if at(volume, "spec.claimRef").is_null() {
        object::set_annotation(&mut owned, "pv.kubernetes.io/bound-by-controller", "yes");
    }
    volumes.observe(&shared.client.update(volumes.resource, &owned, "").await?);
    let mut bound = claim.clone();
    object::set_annotation(&mut bound, "pv.kubernetes.io/bind-completed", "yes");
    if text(claim, "spec.volumeName").is_empty() {
        set(&mut bound, "spec.volumeName", json!(object::name(volume)));
        object::set_annotation(&mut bound, "pv.kubernetes.io/bound-by-controller", "yes");
    }
    let mut bound = shared.client.update(claims.resource, &bound, "").await?;
    set(
        &mut bound,
        "status",
        json!({"phase": "Bound", "accessModes": at(volume, "spec.accessModes"),
            "capacity": at(volume, "spec.capacity")}),
    );
    let written = shared.client.update(claims.resource, &bound, "status");
    claims.observe(&written.await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, size: &str, more: Value) -> Arc<Value> {
        let mut volume = json!({"metadata": {"name": name}, "spec": {"capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "volumeMode": "Filesystem"}});
        for (field, value) in more.as_object().into_iter().flatten() {
            volume["spec"][field] = value.clone();
        }
        Arc::new(volume)
    }

    fn claim(size: &str, mode: &str, class: &str) -> Value {
        json!({"metadata": {"name": "data", "namespace": "default", "uid": "u1"},
            "spec": {"accessModes": [mode], "storageClassName": class,
                "resources": {"requests": {"storage": size}}}})
    }

    #[test]
    fn a_claim_gets_the_smallest_volume_that_fits() {
        let other = json!({"claimRef": {"namespace": "default", "name": "other"}});
        let mine = json!({"claimRef": {"namespace": "default", "name": "data"}});
        let volumes = [
            volume("large", "10Gi", json!({})),
            volume("small", "1Gi", json!({})),
            volume("fitting", "2Gi", json!({})),
            volume("taken", "2Gi", other),
            volume("fast", "2Gi", json!({"storageClassName": "fast"})),
        ];
        for (size, mode, class, expected) in [
            ("2Gi", "ReadWriteOnce", "", Some("fitting")),
            ("3Gi", "ReadOnlyMany", "", Some("large")),
            ("500Mi", "ReadWriteOnce", "", Some("small")),
            ("20Gi", "ReadWriteOnce", "", None),
            ("1Gi", "ReadWriteMany", "", None),
            ("1Gi", "ReadWriteOnce", "fast", Some("fast")),
        ] {
            let found = best(&claim(size, mode, class), &volumes);
            let name = found.as_deref().map(object::name);
            assert_eq!(name, expected, "{size} {mode} {class}");
        }
        let reserved = [volumes[1].clone(), volume("mine", "5Gi", mine)];
        let found = best(&claim("1Gi", "ReadWriteOnce", ""), &reserved);
        assert_eq!(found.as_deref().map(object::name), Some("mine"));
    }

    #[test]
    fn a_volume_whose_claim_is_gone_is_released() {
        let owned = json!({"claimRef": {"namespace": "default", "name": "data", "uid": "u1"}});
        let owned = volume("a", "1Gi", owned);
        let there = |uid: &'static str| {
            move |key: &str| {
                assert_eq!(key, "default/data");
                Some(Arc::new(json!({"metadata": {"uid": uid}})))
            }
        };
        assert_eq!(phase(&owned, there("u1")), "Bound");
        assert_eq!(phase(&owned, there("u2")), "Released");
        assert_eq!(phase(&owned, |_| None), "Released");
        assert_eq!(phase(&volume("b", "1Gi", json!({})), |_| None), "Available");
    }
}
