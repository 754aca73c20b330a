//! Gets an object from the API.

use kube::jsonpath::{JsonPath, JsonPathError, relaxed};
use lab::model::ObjectProbe;
use serde_json::Value;

use super::{Result, SETTLE, Scene, snapshot, stored_uid_is, uid};
use crate::{live::Found, node::Node, verdict::Outcome};

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
    // Pods become ready, and start anew after a restore; nothing else is waited for.
    let get = async || match scene.api.get(&path).await {
        Ok(Found::Object(object)) if probe.exists && !is_ready(probe, &object) => {
            let found = format!("{} ready", ready(&object));
            let expected = format!("{} ready", probe.ready);
            Err(Outcome::failed(&place, found, expected))
        }
        other => Ok(other),
    };
    let found = scene.patience.until(SETTLE, get).await?;
    let object = match found.map_err(|reason| Outcome::could_not_look(&place, reason))? {
        Found::Missing if probe.exists => {
            return Err(Outcome::failed(place, "it does not exist", "it to exist"));
        }
        Found::Missing => {
            let listed = lists_it(scene, &resource.path(&probe.namespace, ""), name).await;
            let remark = cache_remark(kind, false, listed);
            return Ok(Outcome::passed(format!("it does not exist{remark}")));
        }
        Found::Object(_) if !probe.exists => {
            return Err(Outcome::failed(place, "it exists", "it to be gone"));
        }
        Found::Object(object) => object,
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
    if !probe.field.is_empty() {
        has_value(probe, &place, &object)?;
    }
    let listed = lists_it(scene, &resource.path(&probe.namespace, ""), name).await;
    let remark = cache_remark(kind, true, listed);
    Ok(Outcome::passed(format!(
        "the API serves it as asked{remark}"
    )))
}

/// Whether a list has the object. None when the list can't be had, which is no matter
/// of the check: an object alone is read from etcd, a list from the watch cache.
async fn lists_it(scene: &Scene<'_>, collection: &str, name: &str) -> Option<bool> {
    let Ok(Found::Object(list)) = scene.api.get(collection).await else {
        return None;
    };
    let items = list["items"].as_array()?;
    Some(items.iter().any(|one| one["metadata"]["name"] == name))
}

/// What a learner has to know who sees another world in `kubectl get` than the grader.
fn cache_remark(kind: &str, exists: bool, listed: Option<bool>) -> String {
    match (exists, listed) {
        (false, Some(true)) => format!(
            " in etcd (`kubectl get {kind}` still lists it: the API server's watch cache was filled \
             before the restore, and reads afresh when the API server starts anew)"
        ),
        (true, Some(false)) => format!(
            " (`kubectl get {kind}` does not list it yet: the API server's watch cache was filled \
             before the restore)"
        ),
        _ => String::new(),
    }
}

/// The value at the probe's field must be the one that is asked for.
fn has_value(probe: &ObjectProbe, place: &str, object: &Value) -> Result<()> {
    let ObjectProbe { field, value, .. } = probe;
    let found = value_at(object, field)
        .map_err(|reason| Outcome::could_not_look(place, format!("{field}: {reason}")))?;
    if found == *value {
        return Ok(());
    }
    let found = match found.as_str() {
        "" => format!("it has no {field}"),
        found => format!("{field} is {found}"),
    };
    Err(Outcome::failed(
        place,
        found,
        format!("{field} to be {value}"),
    ))
}

/// What stands at `field` of an object, as `kubectl get -o jsonpath` prints it; empty if
/// nothing does.
///
/// # Errors
/// `field` is no path.
pub fn value_at(object: &Value, field: &str) -> std::result::Result<String, JsonPathError> {
    JsonPath::parse(&relaxed(field)?)?
        .allow_missing_keys(true)
        .render(object)
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
    let node = Node {
        fabric: scene.node.fabric,
        name: match probe.snapshot_node.as_str() {
            "" => scene.node.name,
            other => other,
        },
    };
    let keyspace = snapshot::read(&node, file, &[key.to_owned()])?;
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

/// Whether so many Pods or containers are ready as the probe asks for, if it does.
fn is_ready(probe: &ObjectProbe, object: &Value) -> bool {
    probe.ready.is_empty() || ready(object) == probe.ready
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

#[cfg(test)]
mod tests {
    use super::cache_remark;

    #[test]
    fn says_when_a_list_shows_another_world() {
        assert!(cache_remark("deploy", false, Some(true)).contains("still lists it"));
        assert!(cache_remark("deploy", true, Some(false)).contains("does not list it yet"));
        for agreeing in [
            (true, Some(true)),
            (false, Some(false)),
            (true, None),
            (false, None),
        ] {
            assert_eq!(cache_remark("deploy", agreeing.0, agreeing.1), "");
        }
    }
}
