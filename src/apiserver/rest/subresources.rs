//! Subresources that are not simply parts of the object: scale, binding, eviction,
//! token, approval.

use http::Method;
use kube::object::{self, at, set, text};
use kube::resources::Resource;
use kube::validate::FieldError;
use serde_json::{Value, json};

use super::create::parse;
use super::update::change;
use super::{Answer, Context, delete, formatted};
use crate::app::{now, uuid};
use crate::status::{self, Failure};

/// The `Scale` of a workload.
fn scale_of(resource: &Resource, object: &Value) -> Value {
    let selector = at(object, "spec.selector");
    let labels = selector.get("matchLabels").unwrap_or(selector);
    let mut parts: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, v)| v.is_string())
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or("")))
        .collect();
    for e in object::list(selector, "matchExpressions") {
        let values: Vec<&str> = object::list(e, "values")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let key = text(e, "key");
        parts.push(match text(e, "operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_string(),
            _ => format!("!{key}"),
        });
    }
    let _ = resource;
    let meta = |field: &str| at(object, &format!("metadata.{field}")).clone();
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": meta("name"), "namespace": meta("namespace"), "uid": meta("uid"),
            "resourceVersion": meta("resourceVersion"), "creationTimestamp": meta("creationTimestamp")},
        "spec": {"replicas": object::int(object, "spec.replicas").unwrap_or(0)},
        "status": {"replicas": object::int(object, "status.replicas").unwrap_or(0),
            "selector": parts.join(",")}})
}

/// GET, PUT and PATCH of `…/scale`.
pub async fn scale(
    context: &Context,
    resource: &'static Resource,
    method: &Method,
    bytes: &[u8],
) -> Answer {
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    if *method == Method::GET {
        let found = context.app.read(resource, namespace, name).await?;
        let (object, _) = found.ok_or_else(|| Failure::not_found(resource, name))?;
        return Ok(formatted(
            200,
            &scale_of(resource, &object),
            context.accept.yaml,
        ));
    }
    let patch: Value = if context.content_type == "application/apply-patch+yaml" {
        let text = String::from_utf8_lossy(bytes);
        kube::yaml::parse_documents(&text)
            .map_err(|e| Failure::bad_request(e.to_string()))?
            .into_iter()
            .next()
            .unwrap_or(Value::Null)
    } else {
        match context.content_type.as_str() {
            ""
            | "application/json"
            | "application/yaml"
            | "application/vnd.kubernetes.protobuf" => parse(context, bytes)?,
            _ => serde_json::from_slice(bytes).map_err(|e| Failure::bad_request(e.to_string()))?,
        }
    };
    let put = *method == Method::PUT;
    let version = object::resource_version(&patch).to_string();
    let retry = version.is_empty() || !put;
    let mut make = |old: &Value| {
        let current = scale_of(resource, old);
        let wanted = if put {
            patch.clone()
        } else if context.content_type == "application/json-patch+json" {
            kube::patch::json_patch(&current, &patch)
                .map_err(|e| Failure::bad_request(e.to_string()))?
        } else {
            kube::patch::merge_patch(&current, &patch)
        };
        let replicas = match at(&wanted, "spec.replicas") {
            Value::Null => 0,
            Value::Number(n) if n.is_i64() => n.as_i64().unwrap_or(0),
            _ => {
                return Err(Failure::bad_request(
                    "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32",
                ));
            }
        };
        if replicas < 0 {
            let error = FieldError::invalid(
                "spec.replicas",
                &json!(replicas),
                "must be greater than or equal to 0",
            );
            let mut failure = Failure::invalid(resource, "Scale", name, &[error]);
            failure.message = failure
                .message
                .replace(&format!("Scale.{}", resource.group), "Scale.autoscaling");
            return Err(failure);
        }
        let mut new = old.clone();
        set(&mut new, "spec.replicas", json!(replicas));
        let given = object::resource_version(&wanted);
        if given.is_empty() {
            object::remove(&mut new, "metadata.resourceVersion");
        } else {
            set(&mut new, "metadata.resourceVersion", json!(given));
        }
        Ok(new)
    };
    let changed = change(context, resource, retry, &mut make).await?;
    Ok(formatted(
        200,
        &scale_of(resource, &changed),
        context.accept.yaml,
    ))
}

/// POST of `pods/<name>/binding`: the scheduler's word.
pub async fn bind(context: &Context, resource: &'static Resource, bytes: &[u8]) -> Answer {
    let binding = parse(context, bytes)?;
    let node = text(&binding, "target.name").to_string();
    let name = context.info.name.clone();
    if node.is_empty() {
        return Err(Failure::bad_request("target.name is required"));
    }
    let uid = object::uid(&binding).to_string();
    let mut make = |old: &Value| {
        if !uid.is_empty() && uid != object::uid(old) {
            return Err(Failure::conflict(
                resource,
                &name,
                &format!(
                    "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                    object::uid(old)
                ),
            ));
        }
        if object::deleting(old) {
            return Err(Failure::conflict(
                resource,
                &name,
                &format!("pod {name} is being deleted, cannot be assigned to a host"),
            ));
        }
        let current = text(old, "spec.nodeName");
        if !current.is_empty() {
            return Err(Failure::conflict(
                resource,
                &name,
                &format!("pod {name} is already assigned to node \"{current}\""),
            ));
        }
        let mut new = old.clone();
        object::remove(&mut new, "metadata.resourceVersion");
        set(&mut new, "spec.nodeName", json!(node));
        for (key, value) in object::map(&binding, "metadata.annotations")
            .into_iter()
            .flatten()
        {
            object::set_annotation(&mut new, key, value.as_str().unwrap_or(""));
        }
        let time = kube::time::rfc3339(now());
        set_condition(
            &mut new,
            json!({"type": "PodScheduled", "status": "True",
            "lastProbeTime": null, "lastTransitionTime": time}),
        );
        Ok(new)
    };
    // The binding sets the Pod's status as well, so it goes past the usual split.
    write_whole(context, resource, &mut make).await?;
    Ok(formatted(201, &status::success(201), context.accept.yaml))
}

/// Puts a condition in the place of the one of its type.
pub fn set_condition(object: &mut Value, condition: Value) {
    let mut conditions = object::list(object, "status.conditions").to_vec();
    match conditions
        .iter_mut()
        .find(|c| text(c, "type") == text(&condition, "type"))
    {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
    set(object, "status.conditions", json!(conditions));
}

/// Like [`change`], but without the split of spec and status and without validation.
async fn write_whole(
    context: &Context,
    resource: &'static Resource,
    make: &mut super::update::Make<'_>,
) -> Result<Value, Failure> {
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    for _ in 0..10 {
        let Some((old, revision)) = context.app.read(resource, namespace, name).await? else {
            return Err(Failure::not_found(resource, name));
        };
        let mut new = make(&old)?;
        if context.query.dry_run() {
            return Ok(new);
        }
        let key = resource.key(namespace, name);
        let written = context
            .app
            .etcd
            .put(&key, crate::app::stored(&new), revision, 0)
            .await?;
        if let crate::etcd::Written::Done(revision) = written {
            set(
                &mut new,
                "metadata.resourceVersion",
                json!(revision.to_string()),
            );
            return Ok(new);
        }
    }
    Err(Failure::modified(resource, name))
}

/// POST of `pods/<name>/eviction`.
pub async fn evict(context: &Context, resource: &'static Resource, bytes: &[u8]) -> Answer {
    let eviction = parse(context, bytes)?;
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    let found = context.app.read(resource, namespace, name).await?;
    let (pod, _) = found.ok_or_else(|| Failure::not_found(resource, name))?;
    super::eviction::allow(context, &pod).await?;
    let options = at(&eviction, "deleteOptions");
    let mut options = if options.is_object() {
        options.clone()
    } else {
        json!({})
    };
    if context.query.dry_run() {
        set(&mut options, "dryRun", json!(["All"]));
    }
    delete::delete_one(context, resource, namespace, name, &options).await?;
    Ok(formatted(201, &status::success(201), context.accept.yaml))
}

/// POST of `serviceaccounts/<name>/token`.
pub async fn token(context: &Context, resource: &'static Resource, bytes: &[u8]) -> Answer {
    let mut request = parse(context, bytes)?;
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    let found = context.app.read(resource, namespace, name).await?;
    let (account, _) = found.ok_or_else(|| Failure::not_found(resource, name))?;
    let tokens = &context.app.authenticator.tokens;
    let wanted = object::int(&request, "spec.expirationSeconds").unwrap_or(3600);
    if wanted < 600 {
        let probe = Resource {
            kind: "TokenRequest",
            group: "authentication.k8s.io",
            ..*resource
        };
        let error = FieldError::invalid(
            "spec.expirationSeconds",
            &json!(wanted),
            "may not specify a duration less than 10 minutes",
        );
        return Err(Failure::invalid(&probe, "TokenRequest", "", &[error]));
    }
    let limit = context.app.settings.max_token_seconds;
    let seconds = if limit > 0 { wanted.min(limit) } else { wanted };
    let mut audiences = at(&request, "spec.audiences").clone();
    if !audiences.is_array() || object::list(&request, "spec.audiences").is_empty() {
        audiences = json!(tokens.audiences);
    }
    let issued = now();
    let mut bound = json!({"namespace": namespace,
        "serviceaccount": {"name": name, "uid": object::uid(&account)}});
    let reference = at(&request, "spec.boundObjectRef");
    if reference.is_object() {
        let kind = text(reference, "kind").to_lowercase();
        bound[&kind] = json!({"name": text(reference, "name"), "uid": text(reference, "uid")});
    }
    let claims = json!({"iss": tokens.issuer(), "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "aud": audiences, "exp": issued + seconds, "iat": issued, "nbf": issued, "jti": uuid(),
        "kubernetes.io": bound});
    let signed = tokens
        .sign(&claims)
        .ok_or_else(|| Failure::internal("no --service-account-signing-key-file"))?;
    set(&mut request, "kind", json!("TokenRequest"));
    set(
        &mut request,
        "apiVersion",
        json!("authentication.k8s.io/v1"),
    );
    set(
        &mut request,
        "metadata",
        json!({"name": name, "namespace": namespace,
        "creationTimestamp": kube::time::rfc3339(issued)}),
    );
    set(&mut request, "spec.audiences", audiences);
    set(&mut request, "spec.expirationSeconds", json!(seconds));
    object::set_default(&mut request, "spec.boundObjectRef", Value::Null);
    set(
        &mut request,
        "status",
        json!({"token": signed,
        "expirationTimestamp": kube::time::rfc3339(issued + seconds)}),
    );
    Ok(formatted(201, &request, context.accept.yaml))
}
