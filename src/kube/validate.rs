//! Names, labels and the fields of the main kinds, checked with the texts of the
//! reference (apimachinery `util/validation` and `pkg/apis/*/validation` of 1.32).

use serde_json::Value;

use crate::object::{at, flag, int, list, map, text};
use crate::quantity::Quantity;
use crate::resources::Resource;

mod pod;
mod signing;
mod workload;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The machine-readable reason, e.g. `FieldValueInvalid`.
    pub reason: &'static str,
    /// The path, e.g. `spec.containers[0].image`.
    pub field: String,
    /// The text after the path, e.g. `Required value`.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl FieldError {
    /// A value that can't be.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> FieldError {
        FieldError {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: format!("Invalid value: {}: {detail}", shown(value)),
        }
    }
    /// A value that must be there.
    pub fn required(field: impl Into<String>, detail: &str) -> FieldError {
        FieldError {
            reason: "FieldValueRequired",
            field: field.into(),
            message: if detail.is_empty() {
                "Required value".to_string()
            } else {
                format!("Required value: {detail}")
            },
        }
    }
    /// A value outside a fixed set.
    pub fn unsupported(field: impl Into<String>, value: &str, allowed: &[&str]) -> FieldError {
        let allowed: Vec<String> = allowed.iter().map(|v| format!("\"{v}\"")).collect();
        FieldError {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message: format!(
                "Unsupported value: \"{value}\": supported values: {}",
                allowed.join(", ")
            ),
        }
    }
    /// A value that may not be changed or set here.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> FieldError {
        FieldError {
            reason: "FieldValueForbidden",
            field: field.into(),
            message: format!("Forbidden: {detail}"),
        }
    }
    /// A value that occurs twice.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> FieldError {
        FieldError {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {}", shown(value)),
        }
    }
}

/// A value as Go's error texts show it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        other => other.to_string(),
    }
}

const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn edges(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_label_like(text: &str) -> bool {
    edges(text)
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The problem with a qualified name (`[prefix/]name`, a label key), if any.
pub fn qualified_name(key: &str) -> Option<String> {
    let name = match key.split_once('/') {
        Some((_, name)) if name.contains('/') => {
            return Some(
                "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
                    .to_string(),
            );
        }
        Some(("", _)) => return Some("prefix part must be non-empty".to_string()),
        Some((prefix, name)) => {
            if let Some(problem) = dns_subdomain(prefix) {
                return Some(format!("prefix part {problem}"));
            }
            name
        }
        None => key,
    };
    if name.is_empty() {
        return Some("name part must be non-empty".to_string());
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 characters".to_string());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!edges(name) || !name.chars().all(plain)).then(|| QUALIFIED.to_string())
}

/// The problem with a label's value, if any.
pub fn label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters".to_string());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!value.is_empty() && (!edges(value) || !value.chars().all(plain)))
        .then(|| LABEL_VALUE.to_string())
}

/// The problem with an RFC 1123 label, if any.
pub fn dns_label(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 characters".to_string());
    }
    (!is_label_like(name)).then(|| DNS_LABEL.to_string())
}

/// The problem with an RFC 1123 subdomain, if any.
pub fn dns_subdomain(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 characters".to_string());
    }
    (!name.split('.').all(is_label_like)).then(|| DNS_SUBDOMAIN.to_string())
}

/// The problem with a DNS-1035 label (a Service's name), if any.
pub fn dns_1035_label(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 characters".to_string());
    }
    (!is_label_like(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()))
        .then(|| DNS_1035.to_string())
}

/// The problem with a path segment (the names of RBAC objects), if any.
fn path_segment(name: &str) -> Option<String> {
    match name {
        "." | ".." => Some(format!("may not be '{name}'")),
        _ if name.contains('/') => Some("may not contain '/'".to_string()),
        _ if name.contains('%') => Some("may not contain '%'".to_string()),
        _ => None,
    }
}

fn name_problem(resource: &Resource, name: &str) -> Option<String> {
    match (resource.group, resource.plural) {
        ("", "namespaces") => dns_label(name),
        ("", "services") => dns_1035_label(name),
        ("rbac.authorization.k8s.io", _) => path_segment(name),
        _ => dns_subdomain(name),
    }
}

/// Checks metadata that every kind has. `name` may be empty only with `generateName`.
pub fn metadata(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(object, "metadata.name");
    if name.is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if let Some(problem) = name_problem(resource, name) {
        errors.push(FieldError::invalid(
            "metadata.name",
            &Value::from(name),
            &problem,
        ));
    }
    labels(
        at(object, "metadata.labels"),
        "metadata.labels",
        &mut errors,
    );
    for (key, _) in map(object, "metadata.annotations").into_iter().flatten() {
        if let Some(problem) = qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid(
                "metadata.annotations",
                &Value::from(key.as_str()),
                &problem,
            ));
        }
    }
    for finalizer in list(object, "metadata.finalizers") {
        let name = finalizer.as_str().unwrap_or("");
        if let Some(problem) = qualified_name(name) {
            errors.push(FieldError::invalid(
                "metadata.finalizers",
                finalizer,
                &problem,
            ));
        } else if !name.contains('/')
            && !matches!(name, "orphan" | "foregroundDeletion" | "kubernetes")
        {
            errors.push(FieldError::invalid(
                "metadata.finalizers",
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
    for (index, owner) in list(object, "metadata.ownerReferences").iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, field).is_empty() {
                errors.push(FieldError::invalid(
                    format!("metadata.ownerReferences[{index}].{field}"),
                    &Value::from(""),
                    &format!(
                        "{} must not be empty",
                        if field == "apiVersion" {
                            "version"
                        } else {
                            field
                        }
                    ),
                ));
            }
        }
    }
    errors
}

/// Checks a map of labels.
fn labels(labels: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        if let Some(problem) = qualified_name(key) {
            errors.push(FieldError::invalid(
                path,
                &Value::from(key.as_str()),
                &problem,
            ));
        }
        if let Some(problem) = label_value(value.as_str().unwrap_or("")) {
            errors.push(FieldError::invalid(path, value, &problem));
        }
    }
}

/// Checks an object that was decoded and defaulted. `old` is the stored object on
/// update.
pub fn object(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = metadata(resource, object);
    match (resource.group, resource.plural) {
        ("", "pods") => pod::pod(object, old, &mut errors),
        ("apps", _) => workload::apps(resource.plural, object, old, &mut errors),
        ("batch", "jobs") => workload::job(object, &mut errors),
        ("batch", "cronjobs") => workload::cron_job(object, &mut errors),
        ("", "services") => service(object, old, &mut errors),
        ("", "configmaps") => config_map(object, old, &mut errors),
        ("", "secrets") => secret(object, old, &mut errors),
        ("", "persistentvolumeclaims") => claim(object, old, &mut errors),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            role_binding(object, old, &mut errors);
        }
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => role(object, &mut errors),
        ("", "nodes") => taints(object, &mut errors),
        ("certificates.k8s.io", "certificatesigningrequests") => {
            signing::request(object, &mut errors);
        }
        _ => {}
    }
    errors
}

fn data_keys(object: &Value, field: &str, errors: &mut Vec<FieldError>) {
    for (key, _) in map(object, field).into_iter().flatten() {
        let bad = key.is_empty()
            || !key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if bad {
            errors.push(FieldError::invalid(
                format!("{field}[{key}]"),
                &Value::from(key.as_str()),
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            ));
        }
    }
}

/// `immutable: true` can be neither taken back nor worked around.
fn immutable(object: &Value, old: Option<&Value>, fields: &[&str], errors: &mut Vec<FieldError>) {
    let Some(old) = old.filter(|old| flag(old, "immutable")) else {
        return;
    };
    if !flag(object, "immutable") {
        errors.push(FieldError::forbidden(
            "immutable",
            "field is immutable when `immutable` is set",
        ));
    }
    for field in fields {
        if at(old, field) != at(object, field) {
            errors.push(FieldError::forbidden(
                *field,
                "field is immutable when `immutable` is set",
            ));
        }
    }
}

fn config_map(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    data_keys(object, "data", errors);
    data_keys(object, "binaryData", errors);
    immutable(object, old, &["data", "binaryData"], errors);
}

fn secret(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    data_keys(object, "data", errors);
    let needs = |key: &str, errors: &mut Vec<FieldError>| {
        if at(object, "data").get(key).is_none() {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    };
    match text(object, "type") {
        "kubernetes.io/tls" => {
            needs("tls.crt", errors);
            needs("tls.key", errors);
        }
        "kubernetes.io/dockerconfigjson" => needs(".dockerconfigjson", errors),
        "kubernetes.io/ssh-auth" => needs("ssh-privatekey", errors),
        "kubernetes.io/service-account-token"
            if crate::object::annotation(object, "kubernetes.io/service-account.name")
                .is_empty() =>
        {
            errors.push(FieldError::required(
                "metadata.annotations[kubernetes.io/service-account.name]",
                "",
            ));
        }
        _ => {}
    }
    if let Some(old) = old
        && at(old, "type") != at(object, "type")
    {
        errors.push(FieldError::invalid(
            "type",
            at(object, "type"),
            "field is immutable",
        ));
    }
    immutable(object, old, &["data"], errors);
}

fn claim(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if list(object, "spec.accessModes").is_empty() {
        errors.push(FieldError::required(
            "spec.accessModes",
            "at least 1 access mode is required",
        ));
    }
    if at(object, "spec.resources.requests")
        .get("storage")
        .is_none()
    {
        errors.push(FieldError::required("spec.resources[storage]", ""));
    }
    if let Some(old) = old
        && at(old, "spec.accessModes") != at(object, "spec.accessModes")
    {
        errors.push(FieldError::forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ));
    }
}

fn role(object: &Value, errors: &mut Vec<FieldError>) {
    for (index, rule) in list(object, "rules").iter().enumerate() {
        let path = |field: &str| format!("rules[{index}].{field}");
        if list(rule, "verbs").is_empty() {
            errors.push(FieldError::required(
                path("verbs"),
                "verbs must contain at least one value",
            ));
        }
        if !list(rule, "nonResourceURLs").is_empty() {
            continue;
        }
        if list(rule, "apiGroups").is_empty() {
            errors.push(FieldError::required(
                path("apiGroups"),
                "resource rules must supply at least one api group",
            ));
        }
        if list(rule, "resources").is_empty() {
            errors.push(FieldError::required(
                path("resources"),
                "resource rules must supply at least one resource",
            ));
        }
    }
}

fn role_binding(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    const KINDS: [&str; 2] = ["ClusterRole", "Role"];
    let kind = text(object, "roleRef.kind");
    if !KINDS.contains(&kind) {
        errors.push(FieldError::unsupported("roleRef.kind", kind, &KINDS));
    }
    if text(object, "roleRef.name").is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
    for (index, subject) in list(object, "subjects").iter().enumerate() {
        let path = format!("subjects[{index}]");
        if text(subject, "name").is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        match text(subject, "kind") {
            "ServiceAccount" if text(subject, "namespace").is_empty() => {
                errors.push(FieldError::required(format!("{path}.namespace"), ""));
            }
            "ServiceAccount" | "User" | "Group" => {}
            other => errors.push(FieldError::unsupported(
                format!("{path}.kind"),
                other,
                &["Group", "ServiceAccount", "User"],
            )),
        }
    }
    if let Some(old) = old
        && at(old, "roleRef") != at(object, "roleRef")
    {
        errors.push(FieldError::invalid(
            "roleRef",
            at(object, "roleRef"),
            "cannot change roleRef",
        ));
    }
}

fn taints(object: &Value, errors: &mut Vec<FieldError>) {
    const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "PreferNoSchedule"];
    for (index, taint) in list(object, "spec.taints").iter().enumerate() {
        let path = format!("spec.taints[{index}]");
        if let Some(problem) = qualified_name(text(taint, "key")) {
            errors.push(FieldError::invalid(
                format!("{path}.key"),
                at(taint, "key"),
                &problem,
            ));
        }
        let effect = text(taint, "effect");
        if !EFFECTS.contains(&effect) {
            errors.push(FieldError::unsupported(
                format!("{path}.effect"),
                effect,
                &EFFECTS,
            ));
        }
    }
}

fn service(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    let kind = text(object, "spec.type");
    if !TYPES.contains(&kind) {
        errors.push(FieldError::unsupported("spec.type", kind, &TYPES));
    }
    let ports = list(object, "spec.ports");
    if ports.is_empty() && kind != "ExternalName" && text(object, "spec.clusterIP") != "None" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    if kind == "ExternalName" && text(object, "spec.externalName").is_empty() {
        errors.push(FieldError::required("spec.externalName", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        if ports.len() > 1 && text(port, "name").is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        port_number(port, "port", &path, errors);
        if at(port, "targetPort").is_i64() {
            port_number(port, "targetPort", &path, errors);
        }
        let same = |other: &&Value| {
            at(other, "port") == at(port, "port") && at(other, "protocol") == at(port, "protocol")
        };
        if ports[..index].iter().any(|other| same(&other)) {
            let shown =
                serde_json::json!({"port": at(port, "port"), "protocol": at(port, "protocol")});
            errors.push(FieldError::duplicate(path, &shown));
        }
    }
    if let Some(old) = old {
        let (before, now) = (text(old, "spec.clusterIP"), text(object, "spec.clusterIP"));
        if before != now
            && !before.is_empty()
            && kind != "ExternalName"
            && text(old, "spec.type") != "ExternalName"
        {
            errors.push(FieldError::invalid(
                "spec.clusterIPs[0]",
                &serde_json::json!([now]),
                "may not change once set",
            ));
        }
    }
}

/// A port between 1 and 65535.
fn port_number(port: &Value, field: &str, path: &str, errors: &mut Vec<FieldError>) {
    let number = int(port, field).unwrap_or(0);
    if !(1..=65535).contains(&number) {
        errors.push(FieldError::invalid(
            format!("{path}.{field}"),
            &Value::from(number),
            "must be between 1 and 65535, inclusive",
        ));
    }
}

/// A number that must not be negative.
fn non_negative(object: &Value, field: &str, errors: &mut Vec<FieldError>) {
    if let Some(number) = int(object, field).filter(|n| *n < 0) {
        errors.push(FieldError::invalid(
            field,
            &Value::from(number),
            "must be greater than or equal to 0",
        ));
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?)
}

#[cfg(test)]
mod tests;
