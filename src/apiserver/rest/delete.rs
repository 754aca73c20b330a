//! DELETE of an object and of a collection: preconditions, grace, finalizers,
//! propagation.

use kube::object::{self, set};
use kube::resources::Resource;
use serde_json::{Value, json};

use super::create::parse;
use super::{Answer, Context, Selection, formatted};
use crate::app::{now, stored};
use crate::etcd::Written;
use crate::status::{self, Failure};

/// Reads `DeleteOptions` from body and query; the query wins where both speak.
fn options(context: &Context, bytes: &[u8]) -> Result<Value, Failure> {
    let mut options = if bytes.is_empty() {
        json!({})
    } else {
        parse(context, bytes)?
    };
    if let Some(seconds) = context.query.get("gracePeriodSeconds") {
        let seconds: i64 = seconds.parse().map_err(|_| {
            Failure::bad_request(format!(
                "strconv.ParseInt: parsing \"{seconds}\": invalid syntax"
            ))
        })?;
        set(&mut options, "gracePeriodSeconds", json!(seconds));
    }
    if let Some(policy) = context.query.get("propagationPolicy") {
        set(&mut options, "propagationPolicy", json!(policy));
    }
    if context.query.dry_run() {
        set(&mut options, "dryRun", json!(["All"]));
    }
    Ok(options)
}

fn is_dry(options: &Value) -> bool {
    object::list(options, "dryRun").iter().any(|v| v == "All")
}

/// DELETE of one object.
pub async fn delete(context: &Context, resource: &'static Resource, bytes: &[u8]) -> Answer {
    let options = options(context, bytes)?;
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    let (object, gone) = delete_one(context, resource, namespace, name, &options).await?;
    if gone && resource.plural != "pods" && !is_dry(&options) {
        let status = status::deleted(resource, name, object::uid(&object));
        return Ok(formatted(200, &status, context.accept.yaml));
    }
    context.object(resource, 200, &object)
}

/// How long the object may take to end; none for kinds that end at once.
fn grace(resource: &Resource, object: &Value, options: &Value) -> Option<i64> {
    if resource.plural != "pods" {
        return None;
    }
    let wanted = object::int(options, "gracePeriodSeconds")
        .or_else(|| object::int(object, "spec.terminationGracePeriodSeconds"))
        .unwrap_or(30)
        .max(0);
    let unscheduled = object::text(object, "spec.nodeName").is_empty();
    let finished = matches!(object::text(object, "status.phase"), "Failed" | "Succeeded");
    if unscheduled || finished {
        Some(0)
    } else {
        Some(wanted)
    }
}

/// Deletes one object; true if it is gone now, false if its end has only begun.
pub async fn delete_one(
    context: &Context,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
    options: &Value,
) -> Result<(Value, bool), Failure> {
    let key = resource.key(namespace, name);
    for _ in 0..10 {
        let Some((old, revision)) = context.app.read(resource, namespace, name).await? else {
            return Err(Failure::not_found(resource, name));
        };
        preconditions(resource, &old, options)?;
        protected(resource, name)?;
        let mut new = old.clone();
        let finalizers = finalizers(resource, &old, options);
        if finalizers.is_empty() {
            object::remove(&mut new, "metadata.finalizers");
        } else {
            set(&mut new, "metadata.finalizers", json!(finalizers));
        }
        let grace = grace(resource, &old, options);
        let waits = !finalizers.is_empty()
            || !object::list(&old, "spec.finalizers").is_empty()
            || grace.is_some_and(|seconds| seconds > 0);
        if !waits {
            if is_dry(options) {
                return Ok((old, true));
            }
            match context.app.etcd.delete(&key, revision).await? {
                Written::Done(revision) => {
                    let mut last = old;
                    set(
                        &mut last,
                        "metadata.resourceVersion",
                        json!(revision.to_string()),
                    );
                    if grace.is_some() {
                        stamp(&mut last, 0);
                    }
                    return Ok((last, true));
                }
                Written::Lost => continue,
            }
        }
        let seconds = grace.unwrap_or(0);
        let before = object::int(&old, "metadata.deletionGracePeriodSeconds");
        if !object::deleting(&old) {
            stamp(&mut new, seconds);
            if object::int(&new, "metadata.generation").is_some() {
                let generation = object::int(&new, "metadata.generation").unwrap_or(0) + 1;
                set(&mut new, "metadata.generation", json!(generation));
            }
        } else if before.is_some_and(|before| seconds < before) {
            // The end may be brought forward, never put off.
            stamp(&mut new, seconds);
        }
        if resource.plural == "namespaces" {
            set(&mut new, "status.phase", json!("Terminating"));
        }
        if new == old || is_dry(options) {
            return Ok((new, false));
        }
        if let Written::Done(revision) = context
            .app
            .etcd
            .put(&key, stored(&new), revision, 0)
            .await?
        {
            set(
                &mut new,
                "metadata.resourceVersion",
                json!(revision.to_string()),
            );
            return Ok((new, false));
        }
    }
    Err(Failure::modified(resource, name))
}

fn stamp(object: &mut Value, seconds: i64) {
    let end = kube::time::rfc3339(now() + seconds);
    set(object, "metadata.deletionTimestamp", json!(end));
    set(
        object,
        "metadata.deletionGracePeriodSeconds",
        json!(seconds),
    );
}

fn preconditions(resource: &Resource, old: &Value, options: &Value) -> Result<(), Failure> {
    let name = object::name(old);
    let uid = object::text(options, "preconditions.uid");
    if !uid.is_empty() && uid != object::uid(old) {
        return Err(Failure::conflict(
            resource,
            name,
            &format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                object::uid(old)
            ),
        ));
    }
    let version = object::text(options, "preconditions.resourceVersion");
    if !version.is_empty() && version != object::resource_version(old) {
        return Err(Failure::conflict(
            resource,
            name,
            &format!(
                "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}",
                object::resource_version(old)
            ),
        ));
    }
    Ok(())
}

/// What admission never lets go of.
fn protected(resource: &Resource, name: &str) -> Result<(), Failure> {
    let forever = ["default", "kube-system", "kube-public"];
    if resource.plural == "namespaces" && forever.contains(&name) {
        return Err(Failure::forbidden(
            resource,
            name,
            "this namespace may not be deleted",
        ));
    }
    let system = ["system-cluster-critical", "system-node-critical"];
    if resource.plural == "priorityclasses" && system.contains(&name) {
        return Err(Failure::forbidden(
            resource,
            name,
            "this is a system priority class and cannot be deleted",
        ));
    }
    Ok(())
}

/// The finalizers that the propagation policy asks for, on top of the object's own.
fn finalizers(_resource: &Resource, old: &Value, options: &Value) -> Vec<String> {
    let mut finalizers: Vec<String> = object::list(old, "metadata.finalizers")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_string)
        .collect();
    let policy = match object::text(options, "propagationPolicy") {
        "" if object::flag(options, "orphanDependents") => "Orphan",
        policy => policy,
    };
    let wanted = match policy {
        "Orphan" => "orphan",
        "Foreground" => "foregroundDeletion",
        "Background" => "",
        _ => return finalizers,
    };
    finalizers.retain(|f| !matches!(f.as_str(), "orphan" | "foregroundDeletion"));
    if !wanted.is_empty() {
        finalizers.push(wanted.to_string());
    }
    finalizers
}

/// DELETE of a collection.
pub async fn delete_collection(
    context: &Context,
    resource: &'static Resource,
    bytes: &[u8],
) -> Answer {
    let options = options(context, bytes)?;
    let selection = Selection::from(context, resource)?;
    let cache = context.app.fresh(resource).await?;
    let listed = cache.list(&resource.key_prefix(&context.info.namespace));
    let mut items = Vec::new();
    for item in listed.items.iter().filter(|item| selection.matches(item)) {
        let (namespace, name) = (object::namespace(item), object::name(item));
        match delete_one(context, resource, namespace, name, &options).await {
            Ok((object, _)) => items.push(object),
            Err(failure) if failure.code == 404 => {}
            Err(failure) => return Err(failure),
        }
    }
    let list = json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(),
        "metadata": {"resourceVersion": listed.revision.to_string()}, "items": items});
    Ok(formatted(200, &list, context.accept.yaml))
}
