//! POST: a new object.

use http::Response;
use kube::object::{self, set};
use kube::resources::Resource;
use kube::validate::FieldError;
use serde_json::{Value, json};

use super::{Answer, Body, Context, admission, warn};
use crate::app::{now, stored, suffix, uuid};
use crate::etcd::Written;
use crate::status::Failure;

/// Parses a request's body into a value, as its media type says.
pub fn parse(context: &Context, bytes: &[u8]) -> Result<Value, Failure> {
    match context.content_type.as_str() {
        "" | "application/json" => serde_json::from_slice(bytes).map_err(|e| {
            Failure::bad_request(format!("couldn't get version/kind; json parse error: {e}"))
        }),
        "application/yaml" => {
            let text = String::from_utf8_lossy(bytes);
            let documents = kube::yaml::parse_documents(&text)
                .map_err(|e| Failure::bad_request(format!("yaml: {e}")))?;
            Ok(documents.into_iter().next().unwrap_or(Value::Null))
        }
        "application/vnd.kubernetes.protobuf" => {
            kube::protobuf::decode(bytes).map_err(|e| Failure::bad_request(e.to_string()))
        }
        _ => Err(Failure::unsupported_media(
            415,
            "UnsupportedMediaType",
            crate::request::MEDIA_TYPES,
        )),
    }
}

/// Checks kind and version of a body against the resource, and decodes it. Returns
/// the warnings about unknown fields.
pub fn decode(
    context: &Context,
    resource: &Resource,
    value: &mut Value,
) -> Result<Vec<String>, Failure> {
    let (kind, version) = (resource.kind, resource.api_version());
    if !value.is_object() {
        return Err(Failure::bad_request(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            match value {
                Value::String(_) => "string",
                Value::Array(_) => "array",
                _ => "number",
            }
        )));
    }
    let given = object::text(value, "apiVersion").to_string();
    let given_kind = object::text(value, "kind").to_string();
    if !given.is_empty() && given != version {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version ({version})"
        )));
    }
    if !given_kind.is_empty() && given_kind != kind {
        return Err(Failure::bad_request(format!(
            "{given_kind} in version \"{}\" cannot be handled as a {kind}: converting ({given}, Kind={given_kind}) to ({version}, Kind={kind}): unknown conversion",
            resource.version
        )));
    }
    set(value, "apiVersion", json!(version));
    set(value, "kind", json!(kind));
    let handled = format!(
        "{kind} in version \"{}\" cannot be handled as a {kind}",
        resource.version
    );
    let unknown = kube::schema::decode(resource, value)
        .map_err(|e| Failure::bad_request(format!("{handled}: {e}")))?;
    strictness(context, &handled, &unknown)
}

/// What the unknown fields come to under `fieldValidation`.
pub fn strictness(
    context: &Context,
    handled: &str,
    unknown: &[String],
) -> Result<Vec<String>, Failure> {
    let texts: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field \"{path}\""))
        .collect();
    match context.query.get("fieldValidation").unwrap_or("Warn") {
        "Strict" if !texts.is_empty() => Err(Failure::bad_request(format!(
            "{handled}: strict decoding error: {}",
            texts.join(", ")
        ))),
        "Warn" => Ok(texts),
        _ => Ok(Vec::new()),
    }
}

/// The checked metadata of a new object: name, namespace, identity.
fn identify(context: &Context, resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    let namespace = &context.info.namespace;
    if resource.namespaced {
        let given = object::namespace(object);
        if !given.is_empty() && given != namespace {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        set(object, "metadata.namespace", json!(namespace));
    } else {
        object::remove(object, "metadata.namespace");
    }
    if object::name(object).is_empty() {
        let prefix = object::text(object, "metadata.generateName").to_string();
        if !prefix.is_empty() {
            let kept: String = prefix.chars().take(58).collect();
            set(
                object,
                "metadata.name",
                json!(format!("{kept}{}", suffix(5))),
            );
        }
    }
    if !object::resource_version(object).is_empty() {
        return Err(Failure::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ] {
        object::remove(object, &format!("metadata.{field}"));
    }
    set(object, "metadata.uid", json!(uuid()));
    set(
        object,
        "metadata.creationTimestamp",
        json!(kube::time::rfc3339(now())),
    );
    if has_generation(resource) {
        set(object, "metadata.generation", json!(1));
    } else {
        object::remove(object, "metadata.generation");
    }
    Ok(())
}

/// Whether the kind counts the generations of its spec.
pub fn has_generation(resource: &Resource) -> bool {
    matches!(
        resource.plural,
        "deployments"
            | "replicasets"
            | "daemonsets"
            | "statefulsets"
            | "replicationcontrollers"
            | "jobs"
            | "cronjobs"
            | "poddisruptionbudgets"
            | "ingresses"
            | "ingressclasses"
            | "networkpolicies"
            | "priorityclasses"
            | "flowschemas"
            | "prioritylevelconfigurations"
            | "mutatingwebhookconfigurations"
            | "validatingwebhookconfigurations"
            | "endpointslices"
    )
}

/// What a new object's status is, whatever the client sent.
fn reset_status(resource: &Resource, object: &mut Value) {
    let keeps = matches!(resource.plural, "nodes" | "persistentvolumes");
    if resource.subresources.contains(&"status") && !keeps {
        object::remove(object, "status");
        kube::defaults::apply(resource, object);
    }
    if resource.plural == "pods" {
        let class = admission::qos_class(object);
        set(
            object,
            "status",
            json!({"phase": "Pending", "qosClass": class}),
        );
    }
}

/// POST to a collection.
pub async fn create(context: &Context, resource: &'static Resource, bytes: &[u8]) -> Answer {
    if resource.namespaced && context.info.namespace.is_empty() {
        return Err(Failure::method_not_allowed());
    }
    let mut object = parse(context, bytes)?;
    let warnings = decode(context, resource, &mut object)?;
    if resource.group == "events.k8s.io" {
        object = crate::events::to_core(&object);
    }
    let created = create_value(context, resource, object).await?;
    let mut response: Response<Body> = context.object(resource, 201, &created)?;
    warn(&mut response, &warnings);
    Ok(response)
}

/// Creates a decoded object and returns it as stored.
pub async fn create_value(
    context: &Context,
    resource: &'static Resource,
    mut object: Value,
) -> Result<Value, Failure> {
    identify(context, resource, &mut object)?;
    kube::defaults::apply(resource, &mut object);
    reset_status(resource, &mut object);
    let name = object::name(&object).to_string();
    admission::namespace_open(context, resource, &name).await?;
    let allocation = admission::on_create(context, resource, &mut object).await?;
    let errors = check(resource, &object, None);
    if !errors.is_empty() {
        return Err(Failure::invalid(resource, resource.kind, &name, &errors));
    }
    kube::apply::track(
        resource,
        &Value::Null,
        &mut object,
        &context.manager(),
        "",
        &kube::time::rfc3339(now()),
    );
    if context.query.dry_run() {
        return Ok(object);
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
    let key = resource.key(&context.info.namespace, &name);
    let written = context.app.etcd.put(&key, stored(&object), 0, lease).await;
    drop(allocation);
    match written? {
        Written::Done(revision) => {
            set(
                &mut object,
                "metadata.resourceVersion",
                json!(revision.to_string()),
            );
            Ok(object)
        }
        Written::Lost => Err(Failure::already_exists(resource, &name)),
    }
}

/// Validation, with Events spoken of as the stored kind.
pub fn check(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    kube::validate::object(resource, object, old)
}
