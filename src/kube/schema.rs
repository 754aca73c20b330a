//! The shape of every served kind, read once from k8s-openapi's schemas and kept
//! small: no descriptions, only names and types. It decodes what clients send as
//! the API server's decoder does (unknown fields found, nulls dropped, quantities
//! put into canonical form) and tells the merge rules of list fields.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, RwLock};

use serde_json::{Map, Value};

use crate::resources::Resource;

mod rules;

pub use rules::{ListRule, list_rule, retains_keys};

/// The type of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Anything (raw extensions, managed fields).
    Any,
    /// A string.
    Text,
    /// Base64 bytes.
    Bytes,
    /// A whole number of that many bits.
    Integer(u8),
    /// A boolean.
    Boolean,
    /// A floating-point number.
    Number,
    /// A number or a string (ports, percentages).
    IntOrString,
    /// A resource quantity.
    Quantity,
    /// An RFC 3339 time.
    Time,
    /// A list.
    List(Box<Type>),
    /// A map from strings.
    Map(Box<Type>),
    /// A structure, by the name of its definition.
    Struct(Arc<str>),
}

/// A structure: its definition's name and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struct {
    /// E.g. `io.k8s.api.core.v1.PodSpec`.
    pub name: String,
    /// Fields by JSON name.
    pub fields: BTreeMap<String, Type>,
}

impl Struct {
    /// The last part of the name: what Go calls the type.
    pub fn short(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

/// Why an object could not be decoded; the text is the one of the reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

type Known = RwLock<HashMap<String, Arc<Struct>>>;

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(Known::default)
}

macro_rules! roots {
    ($($group:literal $kind:literal => $path:path),* $(,)?) => {
        /// Adds the schema of the resource's kind to the generator and returns the
        /// name of its definition; none for kinds that have no schema here.
        pub fn generate(
            resource: &Resource,
            generator: &mut schemars::SchemaGenerator,
        ) -> Option<String> {
            match (resource.group, resource.kind) {
                $(($group, $kind) => {
                    generator.subschema_for::<$path>();
                    Some(<$path as schemars::JsonSchema>::schema_name().into_owned())
                })*
                _ => None,
            }
        }
    };
}

roots! {
    "" "Binding" => k8s_openapi::api::core::v1::Binding,
    "" "ComponentStatus" => k8s_openapi::api::core::v1::ComponentStatus,
    "" "ConfigMap" => k8s_openapi::api::core::v1::ConfigMap,
    "" "Endpoints" => k8s_openapi::api::core::v1::Endpoints,
    "" "Event" => k8s_openapi::api::core::v1::Event,
    "" "LimitRange" => k8s_openapi::api::core::v1::LimitRange,
    "" "Namespace" => k8s_openapi::api::core::v1::Namespace,
    "" "Node" => k8s_openapi::api::core::v1::Node,
    "" "PersistentVolumeClaim" => k8s_openapi::api::core::v1::PersistentVolumeClaim,
    "" "PersistentVolume" => k8s_openapi::api::core::v1::PersistentVolume,
    "" "Pod" => k8s_openapi::api::core::v1::Pod,
    "" "PodTemplate" => k8s_openapi::api::core::v1::PodTemplate,
    "" "ReplicationController" => k8s_openapi::api::core::v1::ReplicationController,
    "" "ResourceQuota" => k8s_openapi::api::core::v1::ResourceQuota,
    "" "Secret" => k8s_openapi::api::core::v1::Secret,
    "" "ServiceAccount" => k8s_openapi::api::core::v1::ServiceAccount,
    "" "Service" => k8s_openapi::api::core::v1::Service,
    "events.k8s.io" "Event" => k8s_openapi::api::events::v1::Event,
    "authentication.k8s.io" "SelfSubjectReview" => k8s_openapi::api::authentication::v1::SelfSubjectReview,
    "authentication.k8s.io" "TokenReview" => k8s_openapi::api::authentication::v1::TokenReview,
    "authentication.k8s.io" "TokenRequest" => k8s_openapi::api::authentication::v1::TokenRequest,
    "authorization.k8s.io" "LocalSubjectAccessReview" => k8s_openapi::api::authorization::v1::LocalSubjectAccessReview,
    "authorization.k8s.io" "SelfSubjectAccessReview" => k8s_openapi::api::authorization::v1::SelfSubjectAccessReview,
    "authorization.k8s.io" "SelfSubjectRulesReview" => k8s_openapi::api::authorization::v1::SelfSubjectRulesReview,
    "authorization.k8s.io" "SubjectAccessReview" => k8s_openapi::api::authorization::v1::SubjectAccessReview,
    "autoscaling" "HorizontalPodAutoscaler" => k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler,
    "autoscaling" "Scale" => k8s_openapi::api::autoscaling::v1::Scale,
    "batch" "CronJob" => k8s_openapi::api::batch::v1::CronJob,
    "batch" "Job" => k8s_openapi::api::batch::v1::Job,
    "certificates.k8s.io" "CertificateSigningRequest" => k8s_openapi::api::certificates::v1::CertificateSigningRequest,
    "networking.k8s.io" "IngressClass" => k8s_openapi::api::networking::v1::IngressClass,
    "networking.k8s.io" "Ingress" => k8s_openapi::api::networking::v1::Ingress,
    "networking.k8s.io" "NetworkPolicy" => k8s_openapi::api::networking::v1::NetworkPolicy,
    "policy" "PodDisruptionBudget" => k8s_openapi::api::policy::v1::PodDisruptionBudget,
    "policy" "Eviction" => k8s_openapi::api::policy::v1::Eviction,
    "rbac.authorization.k8s.io" "ClusterRoleBinding" => k8s_openapi::api::rbac::v1::ClusterRoleBinding,
    "rbac.authorization.k8s.io" "ClusterRole" => k8s_openapi::api::rbac::v1::ClusterRole,
    "rbac.authorization.k8s.io" "RoleBinding" => k8s_openapi::api::rbac::v1::RoleBinding,
    "rbac.authorization.k8s.io" "Role" => k8s_openapi::api::rbac::v1::Role,
    "storage.k8s.io" "CSIDriver" => k8s_openapi::api::storage::v1::CSIDriver,
    "storage.k8s.io" "CSINode" => k8s_openapi::api::storage::v1::CSINode,
    "storage.k8s.io" "CSIStorageCapacity" => k8s_openapi::api::storage::v1::CSIStorageCapacity,
    "storage.k8s.io" "StorageClass" => k8s_openapi::api::storage::v1::StorageClass,
    "storage.k8s.io" "VolumeAttachment" => k8s_openapi::api::storage::v1::VolumeAttachment,
    "admissionregistration.k8s.io" "MutatingWebhookConfiguration" => k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration,
    "admissionregistration.k8s.io" "ValidatingWebhookConfiguration" => k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration,
    "apps" "ControllerRevision" => k8s_openapi::api::apps::v1::ControllerRevision,
    "apps" "DaemonSet" => k8s_openapi::api::apps::v1::DaemonSet,
    "apps" "Deployment" => k8s_openapi::api::apps::v1::Deployment,
    "apps" "ReplicaSet" => k8s_openapi::api::apps::v1::ReplicaSet,
    "apps" "StatefulSet" => k8s_openapi::api::apps::v1::StatefulSet,
    "scheduling.k8s.io" "PriorityClass" => k8s_openapi::api::scheduling::v1::PriorityClass,
    "node.k8s.io" "RuntimeClass" => k8s_openapi::api::node::v1::RuntimeClass,
    "coordination.k8s.io" "Lease" => k8s_openapi::api::coordination::v1::Lease,
    "discovery.k8s.io" "EndpointSlice" => k8s_openapi::api::discovery::v1::EndpointSlice,
    "flowcontrol.apiserver.k8s.io" "FlowSchema" => k8s_openapi::api::flowcontrol::v1::FlowSchema,
    "flowcontrol.apiserver.k8s.io" "PriorityLevelConfiguration" => k8s_openapi::api::flowcontrol::v1::PriorityLevelConfiguration,
}

/// The structure of a resource's kind; none for kinds without a schema.
pub fn root(resource: &Resource) -> Option<Arc<Struct>> {
    let name = {
        // The cheap way to the name is through the table of roots filled below.
        let key = format!("{}/{}", resource.group, resource.kind);
        if let Some(found) = read(&key) {
            return Some(found);
        }
        let mut generator = schemars::SchemaGenerator::default();
        let name = generate(resource, &mut generator)?;
        let definitions = generator.take_definitions(true);
        let mut store = known().write().unwrap_or_else(|e| e.into_inner());
        for (name, schema) in &definitions {
            if !store.contains_key(name) {
                store.insert(
                    name.clone(),
                    Arc::new(structure(name, schema, &definitions)),
                );
            }
        }
        if let Some(found) = store.get(&name).cloned() {
            store.insert(key, found);
        }
        name
    };
    read(&name)
}

/// The structure of `DeleteOptions`, which is the body of deletions in any group.
pub fn delete_options() -> Option<Arc<Struct>> {
    const NAME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
    if let Some(found) = read(NAME) {
        return Some(found);
    }
    let mut generator = schemars::SchemaGenerator::default();
    generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions>();
    let definitions = generator.take_definitions(true);
    let mut store = known().write().unwrap_or_else(|e| e.into_inner());
    for (name, schema) in &definitions {
        if !store.contains_key(name) {
            store.insert(
                name.clone(),
                Arc::new(structure(name, schema, &definitions)),
            );
        }
    }
    store.get(NAME).cloned()
}

fn read(name: &str) -> Option<Arc<Struct>> {
    let store = known().read().unwrap_or_else(|e| e.into_inner());
    store.get(name).cloned()
}

/// A structure by its definition's name, if a kind that holds it was asked for before.
pub fn by_name(name: &str) -> Option<Arc<Struct>> {
    read(name)
}

fn structure(name: &str, schema: &Value, definitions: &Map<String, Value>) -> Struct {
    let fields = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(field, schema)| (field.clone(), type_of(schema, definitions)))
        .collect();
    Struct {
        name: name.to_string(),
        fields,
    }
}

fn type_of(schema: &Value, definitions: &Map<String, Value>) -> Type {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        if name.ends_with(".Quantity") {
            return Type::Quantity;
        }
        return match definitions.get(name) {
            Some(definition) if definition.get("properties").is_some() => {
                Type::Struct(Arc::from(name))
            }
            Some(definition) if definition.get("$ref").is_none() => {
                type_of(definition, definitions)
            }
            _ => Type::Any,
        };
    }
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return Type::IntOrString;
    }
    let format = schema.get("format").and_then(Value::as_str).unwrap_or("");
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => match format {
            "byte" => Type::Bytes,
            "date-time" => Type::Time,
            _ => Type::Text,
        },
        Some("integer") if format == "int64" => Type::Integer(64),
        Some("integer") => Type::Integer(32),
        Some("boolean") => Type::Boolean,
        Some("number") => Type::Number,
        Some("array") => Type::List(Box::new(
            schema
                .get("items")
                .map_or(Type::Any, |items| type_of(items, definitions)),
        )),
        Some("object") => match schema.get("additionalProperties") {
            Some(values) if values.is_object() => Type::Map(Box::new(type_of(values, definitions))),
            _ => Type::Any,
        },
        _ => Type::Any,
    }
}

/// Decodes `object` in place as the resource's kind. Returns the paths of unknown
/// fields (which are removed), in the decoder's order.
pub fn decode(resource: &Resource, object: &mut Value) -> Result<Vec<String>, DecodeError> {
    match root(resource) {
        Some(root) => decode_as(&root, object),
        None => Ok(Vec::new()),
    }
}

/// Decodes `object` in place as a structure; see [`decode`].
pub fn decode_as(root: &Struct, object: &mut Value) -> Result<Vec<String>, DecodeError> {
    let mut unknown = Vec::new();
    let Value::Object(map) = object else {
        return Err(DecodeError(format!(
            "json: cannot unmarshal {} into Go value of type {}",
            json_name(object),
            go_name(&root.name)
        )));
    };
    decode_struct(root, map, "", &mut unknown)?;
    Ok(unknown)
}

fn decode_struct(
    this: &Struct,
    map: &mut Map<String, Value>,
    path: &str,
    unknown: &mut Vec<String>,
) -> Result<(), DecodeError> {
    let names: Vec<String> = map.keys().cloned().collect();
    for name in names {
        let field_path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let Some(kind) = this.fields.get(&name) else {
            map.remove(&name);
            unknown.push(field_path);
            continue;
        };
        let Some(value) = map.get_mut(&name) else {
            continue;
        };
        if value.is_null() {
            map.remove(&name);
            continue;
        }
        decode_value(kind, value, this.short(), &field_path, unknown)?;
        let empty = match (kind, &*value) {
            (Type::List(_), Value::Array(items)) => items.is_empty() && name != "rules",
            (Type::Map(_), Value::Object(items)) => items.is_empty(),
            _ => false,
        };
        if empty {
            map.remove(&name);
        }
    }
    Ok(())
}

fn decode_value(
    kind: &Type,
    value: &mut Value,
    owner: &str,
    path: &str,
    unknown: &mut Vec<String>,
) -> Result<(), DecodeError> {
    let wrong = |value: &Value, kind: &Type| {
        // Go names the path without the indexes of lists.
        let plain: String = strip_indexes(path);
        Err(DecodeError(format!(
            "json: cannot unmarshal {} into Go struct field {owner}.{plain} of type {}",
            json_name(value),
            go_type(kind)
        )))
    };
    match (kind, &mut *value) {
        (Type::Any, _) | (Type::Text, Value::String(_)) | (Type::Boolean, Value::Bool(_)) => Ok(()),
        (Type::Number, Value::Number(_)) => Ok(()),
        (Type::IntOrString, Value::String(_)) => Ok(()),
        (Type::IntOrString, Value::Number(n)) if n.is_i64() => Ok(()),
        (Type::Integer(bits), Value::Number(number)) => {
            // A whole number may be written as 3.0; Go reads that too.
            if let (false, Some(float)) = (number.is_i64(), number.as_f64())
                && float.fract() == 0.0
                && float.abs() < 9e15
            {
                *value = Value::from(float as i64);
            }
            match value.as_i64() {
                Some(n) if *bits == 64 || i32::try_from(n).is_ok() => Ok(()),
                _ => {
                    let plain = strip_indexes(path);
                    Err(DecodeError(format!(
                        "json: cannot unmarshal number {value} into Go struct field {owner}.{plain} of type {}",
                        go_type(kind)
                    )))
                }
            }
        }
        (Type::Bytes, Value::String(text)) => {
            use base64::Engine as _;
            let compact: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
            match base64::engine::general_purpose::STANDARD.decode(&compact) {
                Ok(_) => {
                    *value = Value::from(compact);
                    Ok(())
                }
                Err(error) => {
                    let at = match error {
                        base64::DecodeError::InvalidByte(at, _)
                        | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                        _ => compact.len(),
                    };
                    Err(DecodeError(format!(
                        "illegal base64 data at input byte {at}"
                    )))
                }
            }
        }
        (Type::Time, Value::String(text)) => {
            if crate::time::parse(text).is_some() {
                Ok(())
            } else {
                Err(DecodeError(format!(
                    "parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as \"2006\""
                )))
            }
        }
        (Type::Quantity, Value::String(_) | Value::Number(_)) => {
            let text = match &*value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            match crate::quantity::canonical(&text) {
                Some(canonical) => {
                    *value = Value::from(canonical);
                    Ok(())
                }
                None => Err(DecodeError(
                    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_string(),
                )),
            }
        }
        (Type::List(item), Value::Array(items)) => {
            for (index, element) in items.iter_mut().enumerate() {
                decode_value(item, element, owner, &format!("{path}[{index}]"), unknown)?;
            }
            Ok(())
        }
        (Type::Map(item), Value::Object(items)) => {
            for (key, element) in items.iter_mut() {
                if element.is_null() && **item == Type::Text {
                    *element = Value::from("");
                }
                decode_value(item, element, owner, &format!("{path}.{key}"), unknown)?;
            }
            Ok(())
        }
        (Type::Struct(name), Value::Object(map)) => match read(name) {
            Some(inner) => decode_struct(&inner, map, path, unknown),
            None => Ok(()),
        },
        (kind, value) => wrong(value, kind),
    }
}

fn strip_indexes(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}

fn json_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `v1.PodSpec` for `io.k8s.api.core.v1.PodSpec`.
fn go_name(name: &str) -> String {
    let mut parts = name.rsplit('.');
    let last = parts.next().unwrap_or(name);
    match parts.next() {
        Some(package) => format!("{package}.{last}"),
        None => last.to_string(),
    }
}

fn go_type(kind: &Type) -> String {
    match kind {
        Type::Any => "runtime.RawExtension".to_string(),
        Type::Text => "string".to_string(),
        Type::Bytes => "[]uint8".to_string(),
        Type::Integer(bits) => format!("int{bits}"),
        Type::Boolean => "bool".to_string(),
        Type::Number => "float64".to_string(),
        Type::IntOrString => "intstr.IntOrString".to_string(),
        Type::Quantity => "resource.Quantity".to_string(),
        Type::Time => "v1.Time".to_string(),
        Type::List(item) => format!("[]{}", go_type(item)),
        Type::Map(item) => format!("map[string]{}", go_type(item)),
        Type::Struct(name) => go_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment() -> &'static Resource {
        crate::resources::by_name("deploy").expect("deployments are in the table")
    }

    #[test]
    fn unknown_fields_are_named_and_removed() {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "a", "creationTimestamp": null, "labels": {}},
            "spec": {"foo": 1, "replicas": 2, "template": {"spec": {"containers": [
                {"name": "c", "imagee": "x", "resources": {"requests": {"cpu": 0.5}}}]}}}});
        let unknown = decode(deployment(), &mut object).expect("decodes");
        assert_eq!(
            unknown,
            ["spec.foo", "spec.template.spec.containers[0].imagee"]
        );
        assert_eq!(
            object["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"],
            "500m"
        );
        assert_eq!(object["metadata"], json!({"name": "a"}));
    }

    #[test]
    fn wrong_types_are_named_as_go_names_them() {
        let mut object = json!({"spec": {"replicas": "two"}});
        assert_eq!(
            decode(deployment(), &mut object).map_err(|e| e.0),
            Err("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32".to_string())
        );
    }

    #[test]
    fn every_stored_kind_has_a_schema() {
        for resource in crate::resources::RESOURCES {
            assert!(root(resource).is_some(), "{}", resource.kind);
        }
    }
}
