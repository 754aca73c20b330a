//! PUT, and the common end of every change of an object that exists.

use kube::object::{self, at, set};
use kube::resources::Resource;
use kube::validate::FieldError;
use serde_json::{Value, json};

use super::create::{check, decode, has_generation, parse};
use super::{Answer, Context, admission, warn};
use crate::app::{now, stored};
use crate::etcd::Written;
use crate::status::Failure;

/// PUT of an object or of its status.
pub async fn update(context: &Context, resource: &'static Resource, bytes: &[u8]) -> Answer {
    let mut object = parse(context, bytes)?;
    let warnings = decode(context, resource, &mut object)?;
    if resource.group == "events.k8s.io" {
        object = crate::events::to_core(&object);
    }
    let name = &context.info.name;
    match object::name(&object) {
        "" => return Err(Failure::bad_request("name must be provided")),
        given if given != name => {
            return Err(Failure::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        _ => {}
    }
    let given = object::namespace(&object);
    if resource.namespaced && !given.is_empty() && given != context.info.namespace {
        return Err(Failure::bad_request(format!(
            "the namespace of the object ({given}) does not match the namespace on the URL ({})",
            context.info.namespace
        )));
    }
    let expected = object::resource_version(&object).to_string();
    let retry = expected.is_empty();
    let changed = change(context, resource, retry, &mut |_| Ok(object.clone())).await?;
    let mut response = context.object(resource, 200, &changed)?;
    warn(&mut response, &warnings);
    Ok(response)
}

/// Makes the new object of the current one.
pub type Make<'a> = dyn FnMut(&Value) -> Result<Value, Failure> + Send + 'a;

/// Reads the object, makes its successor, checks and writes it; with `retry`, again
/// if it changed meanwhile. The successor's `resourceVersion`, if it has one, must
/// be the current one.
pub async fn change(
    context: &Context,
    resource: &'static Resource,
    retry: bool,
    make: &mut Make<'_>,
) -> Result<Value, Failure> {
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    let key = resource.key(namespace, name);
    for _ in 0..10 {
        let Some((old, revision)) = context.app.read(resource, namespace, name).await? else {
            return Err(Failure::not_found(resource, name));
        };
        let mut new = make(&old)?;
        let expected = object::resource_version(&new);
        if !expected.is_empty() && expected != "0" && expected != object::resource_version(&old) {
            return Err(Failure::modified(resource, name));
        }
        let given_uid = object::uid(&new);
        if !given_uid.is_empty() && given_uid != object::uid(&old) {
            return Err(Failure::conflict(
                resource,
                name,
                &format!(
                    "Precondition failed: UID in precondition: {given_uid}, UID in object meta: {}",
                    object::uid(&old)
                ),
            ));
        }
        let allocation = prepare(context, resource, &old, &mut new).await?;
        // Encrypted in an older way, even what did not change is written anew.
        if same(&old, &new) && !context.app.etcd.is_stale(&key).await? {
            return Ok(old);
        }
        kube::apply::track(
            resource,
            &old,
            &mut new,
            &context.manager(),
            subresource_of(context),
            &kube::time::rfc3339(now()),
        );
        if context.query.dry_run() {
            return Ok(new);
        }
        if finished(&new) {
            match context.app.etcd.delete(&key, revision).await? {
                Written::Done(_) => return Ok(new),
                Written::Lost if retry => continue,
                Written::Lost => return Err(Failure::modified(resource, name)),
            }
        }
        let lease = if resource.plural == "events" {
            context
                .app
                .etcd
                .lease(context.app.settings.event_ttl)
                .await?
        } else {
            0
        };
        let written = context
            .app
            .etcd
            .put(&key, stored(&new), revision, lease)
            .await?;
        drop(allocation);
        match written {
            Written::Done(revision) => {
                set(
                    &mut new,
                    "metadata.resourceVersion",
                    json!(revision.to_string()),
                );
                return Ok(new);
            }
            Written::Lost if retry => {}
            Written::Lost => return Err(Failure::modified(resource, name)),
        }
    }
    Err(Failure::modified(resource, name))
}

/// The subresource that managed fields are booked under.
fn subresource_of(context: &Context) -> &str {
    match context.info.subresource.as_str() {
        sub @ ("status" | "scale") => sub,
        _ => "",
    }
}

/// Whether two states differ in nothing but their revision and bookkeeping.
fn same(old: &Value, new: &Value) -> bool {
    let strip = |object: &Value| {
        let mut object = object.clone();
        object::remove(&mut object, "metadata.resourceVersion");
        object::remove(&mut object, "metadata.managedFields");
        object::remove(&mut object, kube::apply::MARK);
        object
    };
    // An apply that changes nothing may still take ownership.
    new.get(kube::apply::MARK).is_none()
        && strip(old) == strip(new)
        && (at(new, "metadata.managedFields") == at(old, "metadata.managedFields")
            || at(new, "metadata.managedFields").is_null())
}

/// Whether a deletion that waited for finalizers is over with this state.
fn finished(new: &Value) -> bool {
    object::deleting(new)
        && object::list(new, "metadata.finalizers").is_empty()
        && object::list(new, "spec.finalizers").is_empty()
        && object::int(new, "metadata.deletionGracePeriodSeconds").unwrap_or(0) == 0
}

/// Fills in what a client can't change, runs defaults, admission and validation.
async fn prepare<'a>(
    context: &'a Context,
    resource: &'static Resource,
    old: &Value,
    new: &mut Value,
) -> Result<Option<tokio::sync::MutexGuard<'a, ()>>, Failure> {
    let status = matches!(context.info.subresource.as_str(), "status" | "approval");
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
        "namespace",
        "name",
        "managedFields",
    ] {
        let path = format!("metadata.{field}");
        let before = at(old, &path).clone();
        if before.is_null() {
            object::remove(new, &path);
        } else {
            set(new, &path, before);
        }
    }
    let keep = |new: &mut Value, field: &str| match old.get(field) {
        Some(value) => new[field] = value.clone(),
        None => {
            object::remove(new, field);
        }
    };
    if status {
        // Only the status changes here (and, for Nodes and Pods, some metadata).
        let fields: Vec<String> = old
            .as_object()
            .map(|m| m.keys().cloned().collect())
            .unwrap_or_default();
        for field in fields
            .iter()
            .filter(|f| !matches!(f.as_str(), "status" | "metadata"))
        {
            keep(new, field);
        }
        for field in ["ownerReferences", "finalizers"] {
            let path = format!("metadata.{field}");
            let before = at(old, &path).clone();
            if before.is_null() {
                object::remove(new, &path);
            } else {
                set(new, &path, before);
            }
        }
        if resource.plural == "certificatesigningrequests" {
            stamp_conditions(old, new);
        }
    } else if resource.subresources.contains(&"status") {
        keep(new, "status");
    }
    // What was approved stays what it was.
    if resource.plural == "certificatesigningrequests" {
        keep(new, "spec");
    }
    if context.info.subresource != "finalize" && resource.plural == "namespaces" {
        let before = at(old, "spec.finalizers").clone();
        if before.is_null() {
            object::remove(new, "spec.finalizers");
        } else {
            set(new, "spec.finalizers", before);
        }
    }
    let mut allocation = None;
    if !status {
        if resource.plural == "services" {
            super::services::keep_addresses(old, new);
        }
        if !(resource.plural == "namespaces" && context.info.subresource == "finalize") {
            kube::defaults::apply(resource, new);
        }
        allocation = admission::on_update(context, resource, old, new).await?;
        if has_generation(resource) && spec_changed(old, new) {
            let generation = object::int(old, "metadata.generation").unwrap_or(0) + 1;
            set(new, "metadata.generation", json!(generation));
        }
    }
    let mut errors: Vec<FieldError> = if status {
        Vec::new()
    } else {
        check(resource, new, Some(old))
    };
    finalizers_only_shrink(old, new, &mut errors);
    if !errors.is_empty() {
        return Err(Failure::invalid(
            resource,
            resource.kind,
            object::name(new),
            &errors,
        ));
    }
    Ok(allocation)
}

/// Says of conditions that do not say it since when they are so.
fn stamp_conditions(old: &Value, new: &mut Value) {
    let time = kube::time::rfc3339(now());
    let conditions = new
        .get_mut("status")
        .and_then(|status| status.get_mut("conditions"))
        .and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let before = object::condition(old, object::text(condition, "type"))
            .filter(|before| before["status"] == condition["status"]);
        let since = before.map_or(time.as_str(), |b| object::text(b, "lastTransitionTime"));
        object::set_default(condition, "lastTransitionTime", json!(since));
        object::set_default(condition, "lastUpdateTime", json!(time));
    }
}

fn spec_changed(old: &Value, new: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        for field in [
            "metadata",
            "status",
            "kind",
            "apiVersion",
            kube::apply::MARK,
        ] {
            object::remove(&mut object, field);
        }
        object
    };
    rest(old) != rest(new)
}

/// While an object is being deleted, no finalizer may be added.
fn finalizers_only_shrink(old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    if !object::deleting(old) {
        return;
    }
    let before = object::list(old, "metadata.finalizers");
    let added: Vec<&Value> = object::list(new, "metadata.finalizers")
        .iter()
        .filter(|f| !before.contains(f))
        .collect();
    if !added.is_empty() {
        let names: Vec<String> = added.iter().map(ToString::to_string).collect();
        errors.push(FieldError::forbidden(
            "metadata.finalizers",
            &format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                names.join(", ")
            ),
        ));
    }
}
