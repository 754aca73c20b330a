//! Gets an object from the API.

use std::time::{Duration, Instant};

use lab::model::ObjectProbe;
use serde_json::Value;

use super::{Result, Scene, snapshot, stored_uid_is, uid};
use crate::{live::Found, verdict::Outcome};

/// How long Pods may take to become ready, or to start anew after a restore, before
/// that counts.
const SETTLE: Duration = Duration::from_secs(3);

pub async fn look(scene: &Scene<'_>, probe: &ObjectProbe) -> Result {
    let place = match probe.namespace.as_str() {
        "" => probe.reference.clone(),
        namespace => format!("{} in namespace {namespace}", probe.reference),
    };
    let (kind, name) = probe
        .reference
        .split_once('/')
        .unwrap_or((&probe.reference, ""));
    let Some(resource) = kube::resources::by_name(kind) else {
        return Err(Outcome::could_not_look(
            place,
            format!("the lab names no known kind: {kind}"),
        ));
    };
    let path = resource.path(&probe.namespace, name);
    let begun = Instant::now();
    let object = loop {
        let found = scene.api.get(&path).await;
        let object = match found.map_err(|reason| Outcome::could_not_look(&place, reason))? {
            Found::Missing if probe.exists => {
                return Err(Outcome::failed(place, "it does not exist", "it to exist"));
            }
            Found::Missing => return Ok(Outcome::passed("it does not exist")),
            Found::Object(_) if !probe.exists => {
                return Err(Outcome::failed(place, "it exists", "it to be gone"));
            }
            Found::Object(object) => object,
        };
        let found = ready(&object);
        if probe.ready.is_empty() || found == probe.ready {
            break object;
        }
        if begun.elapsed() > SETTLE {
            let found = format!("{found} ready");
            return Err(Outcome::failed(
                place,
                found,
                format!("{} ready", probe.ready),
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    if !probe.same_as_in.is_empty() {
        is_the_one_in(
            scene,
            probe,
            &place,
            &resource.key(&probe.namespace, name),
            &object,
        )?;
    }
    Ok(Outcome::passed("the API serves it as asked"))
}

/// The object must be the very one that a snapshot holds.
fn is_the_one_in(
    scene: &Scene<'_>,
    probe: &ObjectProbe,
    place: &str,
    key: &str,
    object: &Value,
) -> Result<()> {
    let file = &probe.same_as_in;
    let keyspace = snapshot::read(&scene.node, file, &[key.to_owned()])?;
    let Some(stored) = keyspace.value(key) else {
        let found = format!(
            "{} is not in {file}, so it can't come from there",
            probe.reference
        );
        return Err(Outcome::failed(
            place,
            found,
            format!("the object that {file} holds"),
        ));
    };
    if !stored_uid_is(stored, &uid(object)) {
        let found = format!(
            "another object than {file} holds (UID {}): made again by hand",
            uid(object)
        );
        return Err(Outcome::failed(
            place,
            found,
            format!("the object that {file} holds"),
        ));
    }
    Ok(())
}

/// `ready/wanted`, as `kubectl get` prints it.
fn ready(object: &Value) -> String {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    match object["kind"].as_str() {
        Some("Pod") => {
            let statuses = object
                .pointer("/status/containerStatuses")
                .and_then(Value::as_array);
            let statuses = statuses.map_or(&[][..], Vec::as_slice);
            let ready = statuses.iter().filter(|one| one["ready"] == true).count();
            let all = object.pointer("/spec/containers").and_then(Value::as_array);
            format!("{ready}/{}", all.map_or(0, Vec::len))
        }
        Some("DaemonSet") => format!(
            "{}/{}",
            number("/status/numberReady").unwrap_or(0),
            number("/status/desiredNumberScheduled").unwrap_or(0)
        ),
        _ => format!(
            "{}/{}",
            number("/status/readyReplicas").unwrap_or(0),
            number("/spec/replicas").unwrap_or(1)
        ),
    }
}
