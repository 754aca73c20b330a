//! Admission: what is filled in or refused between decoding and storing.
//!
//! NamespaceLifecycle, ServiceAccount, Priority, DefaultTolerationSeconds,
//! TaintNodesByCondition, NodeRestriction (its labels), LimitRanger,
//! CertificateSubjectRestriction, the allocation of Service addresses.

use kube::object::{self, at, flag, list, map, set, set_default, text};
use kube::quantity::Quantity;
use kube::resources::{self, Resource};
use serde_json::{Value, json};
use tokio::sync::MutexGuard;

use super::{Context, services};
use crate::app::suffix;
use crate::status::Failure;

fn resource_of(group: &str, plural: &str) -> &'static Resource {
    resources::by_group_resource(group, plural).unwrap_or(&resources::RESOURCES[0])
}

/// Objects can only be made in a namespace that exists and is not ending.
pub async fn namespace_open(
    context: &Context,
    resource: &Resource,
    name: &str,
) -> Result<(), Failure> {
    if !resource.namespaced {
        return Ok(());
    }
    let namespaces = resource_of("", "namespaces");
    let wanted = &context.info.namespace;
    let found = context.app.lookup(namespaces, "", wanted).await?;
    match found {
        None => Err(Failure::not_found(namespaces, wanted)),
        Some(namespace) if object::deleting(&namespace) => {
            let mut failure = Failure::forbidden(
                resource,
                name,
                &format!(
                    "unable to create new content in namespace {wanted} because it is being terminated"
                ),
            );
            failure.details["causes"] = json!([{"reason": "NamespaceTerminating",
                "message": format!("namespace {wanted} is being terminated"), "field": "metadata.namespace"}]);
            Err(failure)
        }
        Some(_) => Ok(()),
    }
}

/// What admission does to a new object. The guard, if any, is held until the object
/// is written.
pub async fn on_create<'a>(
    context: &'a Context,
    resource: &'static Resource,
    object: &mut Value,
) -> Result<Option<MutexGuard<'a, ()>>, Failure> {
    match (resource.group, resource.plural) {
        ("", "pods") => pod(context, resource, object).await?,
        ("", "services") => {
            let guard = context.app.allocation.lock().await;
            services::allocate(context, resource, object).await?;
            return Ok(Some(guard));
        }
        ("", "nodes") => node(object),
        ("batch", "jobs") => job_selector(object),
        ("certificates.k8s.io", "certificatesigningrequests") => {
            no_masters(resource, object)?;
            set(object, "spec.username", json!(context.user.name));
            set(object, "spec.groups", json!(context.user.groups));
            if !context.user.uid.is_empty() {
                set(object, "spec.uid", json!(context.user.uid));
            }
        }
        ("", "persistentvolumeclaims") => default_storage_class(context, object).await?,
        _ => {}
    }
    Ok(None)
}

/// What admission does to a changed object.
pub async fn on_update<'a>(
    context: &'a Context,
    resource: &'static Resource,
    _old: &Value,
    new: &mut Value,
) -> Result<Option<MutexGuard<'a, ()>>, Failure> {
    if (resource.group, resource.plural) == ("", "services") {
        let guard = context.app.allocation.lock().await;
        // Addresses that the Service already has count as its own.
        services::allocate(context, resource, new).await?;
        return Ok(Some(guard));
    }
    Ok(None)
}

/// Nobody becomes an administrator by a certificate of the API server's own signer.
fn no_masters(resource: &Resource, object: &Value) -> Result<(), Failure> {
    use base64::Engine as _;
    if text(object, "spec.signerName") != kube::signing::API_CLIENT {
        return Ok(());
    }
    let pem = base64::engine::general_purpose::STANDARD.decode(text(object, "spec.request"));
    // What is no request is refused by validation, which comes later.
    let request = pem
        .ok()
        .and_then(|pem| kube::signing::Request::parse(&pem).ok());
    match request {
        Some(request) if request.organizations.iter().any(|o| o == "system:masters") => {
            Err(Failure::forbidden(
                resource,
                object::name(object),
                "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
            ))
        }
        _ => Ok(()),
    }
}

/// A new Node is not scheduled to before it has said that it is ready.
fn node(object: &mut Value) {
    let key = "node.kubernetes.io/not-ready";
    let tainted = list(object, "spec.taints")
        .iter()
        .any(|taint| text(taint, "key") == key);
    if !tainted {
        let mut taints = list(object, "spec.taints").to_vec();
        taints.push(json!({"key": key, "effect": "NoSchedule"}));
        set(object, "spec.taints", json!(taints));
    }
}

/// A Job's own label and selector.
fn job_selector(object: &mut Value) {
    if flag(object, "spec.manualSelector") {
        return;
    }
    let uid = object::uid(object).to_string();
    let name = object::name(object).to_string();
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        if !at(object, "spec.template.metadata.labels").is_object() {
            set(object, "spec.template.metadata.labels", json!({}));
        }
        object["spec"]["template"]["metadata"]["labels"][key] = json!(value);
    }
    set(
        object,
        "spec.selector",
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}),
    );
}

async fn default_storage_class(context: &Context, object: &mut Value) -> Result<(), Failure> {
    if !at(object, "spec.storageClassName").is_null() {
        return Ok(());
    }
    let classes = context
        .app
        .fresh(resource_of("storage.k8s.io", "storageclasses"))
        .await?;
    let default = classes
        .list("/registry/storageclasses/")
        .items
        .into_iter()
        .find(|class| {
            object::annotation(class, "storageclass.kubernetes.io/is-default-class") == "true"
        });
    if let Some(class) = default {
        set(object, "spec.storageClassName", json!(object::name(&class)));
    }
    Ok(())
}

async fn pod(context: &Context, resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    let mirror = !object::annotation(object, "kubernetes.io/config.mirror").is_empty();
    limit_ranges(context, resource, object).await?;
    if mirror {
        if text(object, "spec.nodeName").is_empty() {
            return Err(Failure::forbidden(
                resource,
                object::name(object),
                "a mirror pod must be bound to a node",
            ));
        }
    } else {
        service_account(context, resource, object).await?;
    }
    priority(context, resource, object).await?;
    if !mirror {
        tolerations(object);
    }
    Ok(())
}

/// Pods leave a node that is gone after five minutes.
fn tolerations(object: &mut Value) {
    let mut tolerations = list(object, "spec.tolerations").to_vec();
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let has = tolerations.iter().any(|t| {
            (text(t, "key") == key
                || (text(t, "key").is_empty() && text(t, "operator") == "Exists"))
                && matches!(text(t, "effect"), "NoExecute" | "")
        });
        if !has {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    set(object, "spec.tolerations", json!(tolerations));
}

async fn priority(
    context: &Context,
    resource: &Resource,
    object: &mut Value,
) -> Result<(), Failure> {
    let classes = resource_of("scheduling.k8s.io", "priorityclasses");
    let wanted = text(object, "spec.priorityClassName").to_string();
    let (value, policy) = if wanted.is_empty() {
        let cache = context.app.cache(classes);
        cache.start();
        let default = cache
            .list("/registry/priorityclasses/")
            .items
            .into_iter()
            .find(|c| flag(c, "globalDefault"));
        match default {
            Some(class) => {
                set(
                    object,
                    "spec.priorityClassName",
                    json!(object::name(&class)),
                );
                (
                    object::int(&class, "value").unwrap_or(0),
                    text(&class, "preemptionPolicy").to_string(),
                )
            }
            None => (0, String::new()),
        }
    } else {
        match context.app.lookup(classes, "", &wanted).await? {
            Some(class) => (
                object::int(&class, "value").unwrap_or(0),
                text(&class, "preemptionPolicy").to_string(),
            ),
            None if wanted == "system-node-critical" => (2_000_001_000, String::new()),
            None if wanted == "system-cluster-critical" => (2_000_000_000, String::new()),
            None => {
                return Err(Failure::forbidden(
                    resource,
                    object::name(object),
                    &format!("no PriorityClass with name {wanted} was found"),
                ));
            }
        }
    };
    set(object, "spec.priority", json!(value));
    let policy = if policy.is_empty() {
        "PreemptLowerPriority".to_string()
    } else {
        policy
    };
    set_default(object, "spec.preemptionPolicy", json!(policy));
    Ok(())
}

async fn service_account(
    context: &Context,
    resource: &Resource,
    object: &mut Value,
) -> Result<(), Failure> {
    if context
        .app
        .settings
        .disabled_admission
        .iter()
        .any(|name| name == "ServiceAccount")
    {
        return Ok(());
    }
    set_default(object, "spec.serviceAccountName", json!("default"));
    let name = text(object, "spec.serviceAccountName").to_string();
    set(object, "spec.serviceAccount", json!(name));
    let namespace = context.info.namespace.clone();
    let accounts = resource_of("", "serviceaccounts");
    let mut found = context.app.lookup(accounts, &namespace, &name).await?;
    // The account of a namespace that is a moment old may still be on its way.
    for _ in 0..20 {
        if found.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        found = context.app.lookup(accounts, &namespace, &name).await?;
    }
    let Some(account) = found else {
        return Err(Failure::forbidden(
            resource,
            object::name(object),
            &format!(
                "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
            ),
        ));
    };
    if at(object, "spec.imagePullSecrets").is_null()
        && !list(&account, "imagePullSecrets").is_empty()
    {
        set(
            object,
            "spec.imagePullSecrets",
            at(&account, "imagePullSecrets").clone(),
        );
    }
    let wants = at(object, "spec.automountServiceAccountToken")
        .as_bool()
        .or_else(|| at(&account, "automountServiceAccountToken").as_bool())
        .unwrap_or(true);
    if wants {
        mount_token(object);
    }
    Ok(())
}

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Mounts the projected token volume into every container that has nothing there.
fn mount_token(object: &mut Value) {
    let existing = list(object, "spec.volumes")
        .iter()
        .map(|v| text(v, "name"))
        .find(|name| name.starts_with("kube-api-access-"))
        .map(str::to_string);
    let name = existing
        .clone()
        .unwrap_or_else(|| format!("kube-api-access-{}", suffix(5)));
    let mut used = false;
    for group in ["initContainers", "containers"] {
        let Some(containers) = object["spec"].get_mut(group).and_then(Value::as_array_mut) else {
            continue;
        };
        for container in containers {
            let has = list(container, "volumeMounts")
                .iter()
                .any(|m| text(m, "mountPath") == TOKEN_PATH);
            if has {
                continue;
            }
            let mut mounts = list(container, "volumeMounts").to_vec();
            mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
            set(container, "volumeMounts", json!(mounts));
            used = true;
        }
    }
    if used && existing.is_none() {
        let mut volumes = list(object, "spec.volumes").to_vec();
        volumes.push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace",
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}}));
        set(object, "spec.volumes", json!(volumes));
    }
}

/// LimitRanges of the namespace: defaults for containers, then limits.
async fn limit_ranges(
    context: &Context,
    resource: &Resource,
    object: &mut Value,
) -> Result<(), Failure> {
    let ranges = resource_of("", "limitranges");
    let cache = context.app.cache(ranges);
    cache.start();
    let prefix = ranges.key_prefix(&context.info.namespace);
    for range in cache.list(&prefix).items {
        for limit in list(&range, "spec.limits")
            .iter()
            .filter(|l| text(l, "type") == "Container")
        {
            for group in ["initContainers", "containers"] {
                let Some(containers) = object["spec"].get_mut(group).and_then(Value::as_array_mut)
                else {
                    continue;
                };
                for container in containers {
                    for (from, to) in [("default", "limits"), ("defaultRequest", "requests")] {
                        for (name, value) in map(limit, from).into_iter().flatten() {
                            set_default(container, &format!("resources.{to}"), json!({}));
                            if container["resources"][to].get(name).is_none() {
                                container["resources"][to][name] = value.clone();
                            }
                        }
                    }
                    within(resource, limit, container)?;
                }
            }
        }
    }
    Ok(())
}

fn within(resource: &Resource, limit: &Value, container: &Value) -> Result<(), Failure> {
    let parse = |value: &Value| value.as_str().and_then(Quantity::parse);
    for (name, most) in map(limit, "max").into_iter().flatten() {
        let given = at(container, "resources.limits").get(name);
        if let (Some(most), Some(have)) = (parse(most), given.and_then(parse))
            && have > most
        {
            return Err(Failure::forbidden(
                resource,
                "",
                &format!("maximum {name} usage per Container is {most}, but limit is {have}"),
            ));
        }
    }
    for (name, least) in map(limit, "min").into_iter().flatten() {
        let given = at(container, "resources.requests").get(name);
        if let (Some(least), Some(have)) = (parse(least), given.and_then(parse))
            && have < least
        {
            return Err(Failure::forbidden(
                resource,
                "",
                &format!("minimum {name} usage per Container is {least}, but request is {have}"),
            ));
        }
    }
    Ok(())
}

/// The quality-of-service class of a Pod.
pub fn qos_class(pod: &Value) -> &'static str {
    let mut any = false;
    let mut guaranteed = true;
    for container in list(pod, "spec.containers")
        .iter()
        .chain(list(pod, "spec.initContainers"))
    {
        let get = |kind: &str, name: &str| {
            at(container, &format!("resources.{kind}"))
                .get(name)
                .cloned()
        };
        for name in ["cpu", "memory"] {
            let (request, limit) = (get("requests", name), get("limits", name));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
