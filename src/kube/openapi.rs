//! OpenAPI documents, made when they are asked for: v3 by group and version, and the
//! definitions of v2.
//!
//! They hold what kubectl reads: the schemas with merge keys, and for each object
//! path the PATCH operation with its media types and `fieldValidation` parameter.

use serde_json::{Map, Value, json};

use crate::resources::{RESOURCES, Resource};
use crate::schema;

const PATCH_TYPES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// Definitions of the resources' kinds with references below `base`
/// (`#/components/schemas/` or `#/definitions/`).
pub fn definitions(resources: &[&Resource], base: &str) -> Map<String, Value> {
    let mut generator = schemars::SchemaGenerator::default();
    let mut roots: Vec<(String, &Resource)> = Vec::new();
    for resource in resources {
        if let Some(name) = schema::generate(resource, &mut generator) {
            roots.push((name, resource));
        }
    }
    let mut definitions = generator.take_definitions(true);
    for (name, definition) in &mut definitions {
        polish(definition, base);
        merge_rules(name, definition);
    }
    for (name, resource) in roots {
        if let Some(definition) = definitions.get_mut(&name) {
            definition["x-kubernetes-group-version-kind"] = json!([kind_of(resource)]);
        }
    }
    definitions
}

fn kind_of(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

/// Points references to where the document has them. In v3 a reference with other
/// words beside it stands in `allOf`; v2 readers take the reference as it is.
fn polish(value: &mut Value, base: &str) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|r| r.rsplit('/').next())
                .map(str::to_string)
            {
                let target = format!("{base}{name}");
                if base.starts_with("#/components") && map.len() > 1 {
                    map.remove("$ref");
                    map.insert("allOf".to_string(), json!([{"$ref": target}]));
                } else {
                    map.insert("$ref".to_string(), json!(target));
                }
            }
            if map.remove("x-kubernetes-int-or-string").is_some() {
                map.insert("type".to_string(), json!("string"));
                map.insert("format".to_string(), json!("int-or-string"));
            }
            for (_, inner) in map.iter_mut() {
                polish(inner, base);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| polish(item, base)),
        _ => {}
    }
}

fn merge_rules(name: &str, definition: &mut Value) {
    let Some(properties) = definition
        .get_mut("properties")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for (field, property) in properties {
        if schema::retains_keys(name, field) {
            property["x-kubernetes-patch-strategy"] = json!("retainKeys");
        }
        let Some(rule) = schema::list_rule(name, field) else {
            continue;
        };
        property["x-kubernetes-patch-strategy"] = json!(if rule.retain_keys {
            "merge,retainKeys"
        } else {
            "merge"
        });
        if rule.merge_key.is_empty() {
            property["x-kubernetes-list-type"] = json!("set");
        } else {
            property["x-kubernetes-patch-merge-key"] = json!(rule.merge_key);
            property["x-kubernetes-list-type"] = json!("map");
            property["x-kubernetes-list-map-keys"] = json!(rule.apply_keys);
        }
    }
}

fn parameter(name: &str, kind: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
}

/// The paths of a resource for the v3 document.
fn paths_v3(resource: &Resource, definition: &str, paths: &mut Map<String, Value>) {
    let reference = json!({"$ref": format!("#/components/schemas/{definition}")});
    let content = json!({"application/json": {"schema": reference}});
    let responses = json!({"200": {"description": "OK", "content": content}, "401": {"description": "Unauthorized"}});
    let kind = kind_of(resource);
    let writes = || {
        vec![
            parameter("dryRun", "string"),
            parameter("fieldManager", "string"),
            parameter("fieldValidation", "string"),
        ]
    };
    let collection = resource.path(
        if resource.namespaced {
            "{namespace}"
        } else {
            ""
        },
        "",
    );
    let operation = |action: &str, body: bool, media: &[&str], parameters: Vec<Value>| {
        let mut operation = json!({"parameters": parameters, "responses": responses,
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind});
        if body {
            let schema = if action == "patch" {
                json!({"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Patch"})
            } else {
                reference.clone()
            };
            let content: Map<String, Value> = media
                .iter()
                .map(|media| ((*media).to_string(), json!({"schema": schema})))
                .collect();
            operation["requestBody"] = json!({"content": content, "required": true});
        }
        operation
    };
    let mut item = json!({});
    let mut list = json!({});
    for verb in resource.verbs {
        match *verb {
            "get" => item["get"] = operation("get", false, &[], Vec::new()),
            "update" => item["put"] = operation("put", true, &["*/*"], writes()),
            "delete" => {
                item["delete"] =
                    operation("delete", false, &[], vec![parameter("dryRun", "string")])
            }
            "patch" => {
                let mut parameters = writes();
                parameters.push(parameter("force", "boolean"));
                item["patch"] = operation("patch", true, &PATCH_TYPES, parameters);
            }
            "list" => list["get"] = operation("list", false, &[], Vec::new()),
            "create" => list["post"] = operation("post", true, &["*/*"], writes()),
            _ => {}
        }
    }
    if list.as_object().is_some_and(|m| !m.is_empty()) {
        paths.insert(collection.clone(), list);
    }
    if item.as_object().is_some_and(|m| !m.is_empty()) {
        paths.insert(format!("{collection}/{{name}}"), item);
    }
}

/// The v3 document of a group and version; none if nothing is served there.
pub fn v3(group: &str, version: &str) -> Option<Value> {
    let resources: Vec<&Resource> = RESOURCES
        .iter()
        .filter(|r| r.group == group && r.version == version)
        .collect();
    if resources.is_empty() {
        return None;
    }
    let mut schemas = definitions(&resources, "#/components/schemas/");
    schemas.insert(
        "io.k8s.apimachinery.pkg.apis.meta.v1.Patch".to_string(),
        json!({"description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.", "type": "object"}),
    );
    let mut paths = Map::new();
    for resource in resources {
        if let Some(root) = schema::root(resource) {
            paths_v3(resource, &root.name, &mut paths);
        }
    }
    Some(
        json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": crate::openapi::VERSION},
        "paths": paths, "components": {"schemas": schemas}}),
    )
}

/// The version that the documents and `/version` name.
pub const VERSION: &str = "v1.32.4";

/// The paths `/openapi/v3/…` that can be asked for.
pub fn v3_index() -> Vec<(String, String, String)> {
    let mut index = vec![("api/v1".to_string(), String::new(), "v1".to_string())];
    for (group, versions) in crate::resources::groups() {
        for version in versions {
            index.push((
                format!("apis/{group}/{version}"),
                group.to_string(),
                version.to_string(),
            ));
        }
    }
    index
}

/// The v2 document.
pub fn v2() -> Value {
    let resources: Vec<&Resource> = RESOURCES.iter().collect();
    let definitions = definitions(&resources, "#/definitions/");
    let mut paths = Map::new();
    for resource in resources {
        let Some(root) = schema::root(resource) else {
            continue;
        };
        let body = json!({"name": "body", "in": "body", "required": true,
            "schema": {"$ref": format!("#/definitions/{}", root.name)}});
        let query = |name: &str| json!({"name": name, "in": "query", "type": "string", "uniqueItems": true});
        let collection = resource.path(
            if resource.namespaced {
                "{namespace}"
            } else {
                ""
            },
            "",
        );
        if resource.verbs.contains(&"patch") {
            paths.insert(
                format!("{collection}/{{name}}"),
                json!({"patch": {"consumes": PATCH_TYPES, "parameters": [body, query("dryRun"), query("fieldManager"), query("fieldValidation")],
                    "responses": {"200": {"description": "OK"}}, "x-kubernetes-action": "patch",
                    "x-kubernetes-group-version-kind": kind_of(resource)}}),
            );
        }
    }
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths, "definitions": definitions})
}
