//! Server-side tables: the columns `kubectl get` shows, equal to the real server's.
//!
//! Source of columns and cells: `pkg/printers/internalversion/printers.go` of 1.32.

use serde_json::{Value, json};

use crate::object::{self, at, int, list, map, text};
use crate::resources::Resource;

mod pod;
mod rows;

/// One column: name, type, format and priority (0 always, 1 only `-o wide`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Header as the server spells it, e.g. `Ready`.
    pub name: &'static str,
    /// `string`, `integer` or `date`.
    pub kind: &'static str,
    /// `name` for the column that names the object, else empty.
    pub format: &'static str,
    /// 0 is always shown, 1 only in wide output.
    pub priority: u8,
}

const fn column(name: &'static str) -> Column {
    Column {
        name,
        kind: "string",
        format: "",
        priority: 0,
    }
}
const fn integer(name: &'static str) -> Column {
    Column {
        kind: "integer",
        ..column(name)
    }
}
const fn wide(name: &'static str) -> Column {
    Column {
        priority: 1,
        ..column(name)
    }
}
const NAME: Column = Column {
    format: "name",
    ..column("Name")
};
const AGE: Column = column("Age");

/// The columns of a resource's table.
pub fn columns(resource: &Resource) -> Vec<Column> {
    let c = column;
    let i = integer;
    let w = wide;
    let images = [w("Containers"), w("Images"), w("Selector")];
    let mut columns = vec![NAME];
    let rest: Vec<Column> = match (resource.group, resource.plural) {
        ("", "pods") => vec![
            c("Ready"),
            c("Status"),
            c("Restarts"),
            AGE,
            w("IP"),
            w("Node"),
            w("Nominated Node"),
            w("Readiness Gates"),
        ],
        ("", "podtemplates") => vec![c("Containers"), c("Images"), c("Pod Labels")],
        ("", "replicationcontrollers") | ("apps", "replicasets") => {
            [&[i("Desired"), i("Current"), i("Ready"), AGE][..], &images].concat()
        }
        ("apps", "deployments") => [
            &[c("Ready"), i("Up-to-date"), i("Available"), AGE][..],
            &images,
        ]
        .concat(),
        ("apps", "daemonsets") => [
            &[
                i("Desired"),
                i("Current"),
                i("Ready"),
                i("Up-to-date"),
                i("Available"),
                c("Node Selector"),
                AGE,
            ][..],
            &images,
        ]
        .concat(),
        ("apps", "statefulsets") => vec![c("Ready"), AGE, w("Containers"), w("Images")],
        ("apps", "controllerrevisions") => vec![c("Controller"), i("Revision"), AGE],
        ("batch", "jobs") => [
            &[c("Status"), c("Completions"), c("Duration"), AGE][..],
            &images,
        ]
        .concat(),
        ("batch", "cronjobs") => [
            &[
                c("Schedule"),
                c("Timezone"),
                c("Suspend"),
                i("Active"),
                c("Last Schedule"),
                AGE,
            ][..],
            &images,
        ]
        .concat(),
        ("", "services") => vec![
            c("Type"),
            c("Cluster-IP"),
            c("External-IP"),
            c("Port(s)"),
            AGE,
            w("Selector"),
        ],
        ("networking.k8s.io", "ingresses") => {
            vec![c("Class"), c("Hosts"), c("Address"), c("Ports"), AGE]
        }
        ("networking.k8s.io", "ingressclasses") => vec![c("Controller"), c("Parameters"), AGE],
        ("networking.k8s.io", "networkpolicies") => vec![c("Pod-Selector"), AGE],
        ("", "endpoints") => vec![c("Endpoints"), AGE],
        ("discovery.k8s.io", "endpointslices") => {
            vec![c("AddressType"), c("Ports"), c("Endpoints"), AGE]
        }
        ("", "nodes") => vec![
            c("Status"),
            c("Roles"),
            AGE,
            c("Version"),
            w("Internal-IP"),
            w("External-IP"),
            w("OS-Image"),
            w("Kernel-Version"),
            w("Container-Runtime"),
        ],
        ("", "events") | ("events.k8s.io", "events") => {
            columns.clear();
            vec![
                c("Last Seen"),
                c("Type"),
                c("Reason"),
                c("Object"),
                w("Subobject"),
                w("Source"),
                c("Message"),
                w("First Seen"),
                w("Count"),
                Column {
                    priority: 1,
                    ..NAME
                },
            ]
        }
        ("", "namespaces") => vec![c("Status"), AGE],
        ("", "secrets") => vec![c("Type"), i("Data"), AGE],
        ("", "serviceaccounts") => vec![i("Secrets"), AGE],
        ("", "configmaps") => vec![i("Data"), AGE],
        ("", "resourcequotas") => vec![c("Request"), c("Limit"), AGE],
        ("", "componentstatuses") => vec![c("Status"), c("Message"), c("Error")],
        ("", "persistentvolumes") => vec![
            c("Capacity"),
            c("Access Modes"),
            c("Reclaim Policy"),
            c("Status"),
            c("Claim"),
            c("StorageClass"),
            c("VolumeAttributesClass"),
            c("Reason"),
            AGE,
            w("VolumeMode"),
        ],
        ("", "persistentvolumeclaims") => vec![
            c("Status"),
            c("Volume"),
            c("Capacity"),
            c("Access Modes"),
            c("StorageClass"),
            c("VolumeAttributesClass"),
            AGE,
            w("VolumeMode"),
        ],
        ("storage.k8s.io", "storageclasses") => vec![
            c("Provisioner"),
            c("ReclaimPolicy"),
            c("VolumeBindingMode"),
            c("AllowVolumeExpansion"),
            AGE,
        ],
        ("coordination.k8s.io", "leases") => vec![c("Holder"), AGE],
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => vec![
            c("Role"),
            AGE,
            w("Users"),
            w("Groups"),
            w("ServiceAccounts"),
        ],
        ("scheduling.k8s.io", "priorityclasses") => {
            vec![c("Value"), c("Global-Default"), AGE, c("PreemptionPolicy")]
        }
        ("policy", "poddisruptionbudgets") => vec![
            c("Min Available"),
            c("Max Unavailable"),
            i("Allowed Disruptions"),
            AGE,
        ],
        ("autoscaling", "horizontalpodautoscalers") => vec![
            c("Reference"),
            c("Targets"),
            c("MinPods"),
            c("MaxPods"),
            c("Replicas"),
            AGE,
        ],
        ("certificates.k8s.io", "certificatesigningrequests") => vec![
            AGE,
            c("SignerName"),
            c("Requestor"),
            c("RequestedDuration"),
            c("Condition"),
        ],
        ("node.k8s.io", "runtimeclasses") => vec![c("Handler"), AGE],
        (
            "admissionregistration.k8s.io",
            "mutatingwebhookconfigurations" | "validatingwebhookconfigurations",
        ) => vec![i("Webhooks"), AGE],
        _ => vec![Column {
            kind: "date",
            ..column("Created At")
        }],
    };
    columns.extend(rest);
    columns
}

/// The cells of one object, in the order of [`columns`]. `now` is in seconds since
/// the Unix epoch.
pub fn cells(resource: &Resource, object: &Value, now: i64) -> Vec<Value> {
    let name = json!(object::name(object));
    let age = json!(crate::time::age(
        text(object, "metadata.creationTimestamp"),
        now
    ));
    let mut cells = vec![name];
    match (resource.group, resource.plural) {
        ("", "pods") => cells.extend(pod::cells(object, age, now)),
        ("", "events") | ("events.k8s.io", "events") => return rows::event(object, now),
        ("", "nodes") => cells.extend(rows::node(object, age)),
        ("", "services") => cells.extend(rows::service(object, age)),
        ("apps", _) => cells.extend(rows::apps(resource.plural, object, age)),
        ("batch", _) => cells.extend(rows::batch(resource.plural, object, age, now)),
        ("", "replicationcontrollers") => {
            cells.extend(rows::apps("replicasets", object, age));
        }
        _ => match rows::small(resource, object, age, now) {
            Some(rest) => cells.extend(rest),
            None => cells.push(at(object, "metadata.creationTimestamp").clone()),
        },
    }
    cells
}

/// `<none>` for an empty text.
fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { "<none>" } else { text })
}

/// `a=b,c=d`, or `<none>`.
fn format_labels(labels: &Value) -> String {
    let pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
        .collect();
    if pairs.is_empty() {
        "<none>".to_string()
    } else {
        pairs.join(",")
    }
}

/// A label selector as people write it, or `<none>`.
fn format_selector(selector: &Value) -> String {
    let mut parts: Vec<String> = map(selector, "matchLabels")
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
        .collect();
    for expression in list(selector, "matchExpressions") {
        let key = text(expression, "key");
        let values: Vec<&str> = list(expression, "values")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let values = values.join(",");
        parts.push(match text(expression, "operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_string(),
            _ => format!("!{key}"),
        });
    }
    if parts.is_empty() {
        "<none>".to_string()
    } else {
        parts.join(",")
    }
}

/// Names and images of a template's containers, comma-separated.
fn containers(spec: &Value) -> (String, String) {
    let join = |field: &str| {
        let items: Vec<&str> = list(spec, "containers")
            .iter()
            .map(|c| text(c, field))
            .collect();
        items.join(",")
    };
    (join("name"), join("image"))
}

fn number(object: &Value, path: &str) -> Value {
    json!(int(object, path).unwrap_or(0))
}

/// The whole `meta.k8s.io/v1` Table of some objects. `include` is the query
/// parameter `includeObject`: `None`, `Metadata` (the default) or `Object`.
pub fn table(
    resource: &Resource,
    objects: &[Value],
    list_meta: Value,
    include: &str,
    version: &str,
    now: i64,
) -> Value {
    let definitions: Vec<Value> = columns(resource)
        .iter()
        .map(|column| {
            json!({"name": column.name, "type": column.kind, "format": column.format,
                "description": "", "priority": column.priority})
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| row(resource, object, include, version, now))
        .collect();
    json!({"kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": list_meta, "columnDefinitions": definitions, "rows": rows})
}

fn row(resource: &Resource, object: &Value, include: &str, version: &str, now: i64) -> Value {
    let cells = cells(resource, object, now);
    let mut row = json!({ "cells": cells });
    if resource.plural == "pods" {
        let conditions = pod::row_conditions(object);
        if !conditions.is_empty() {
            row["conditions"] = Value::Array(conditions);
        }
    }
    match include {
        "None" => {}
        "Object" => row["object"] = object.clone(),
        _ => {
            row["object"] = json!({"kind": "PartialObjectMetadata",
                "apiVersion": format!("meta.k8s.io/{version}"),
                "metadata": at(object, "metadata")});
        }
    }
    row
}

#[cfg(test)]
mod tests;
