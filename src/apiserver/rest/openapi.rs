//! `/openapi/v2` and `/openapi/v3`.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{Answer, body, json_response};
use crate::protobuf::{message, string};
use crate::status::Failure;

/// Answers a path below `/openapi/`.
pub fn openapi(headers: &HeaderMap, path: &str) -> Answer {
    if path == "/openapi/v2" {
        let accept = headers
            .get("accept")
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        let document = kube::openapi::v2();
        if accept.contains("proto-openapi.spec.v2") && !accept.contains("json") {
            let mut response = http::Response::new(body(encode(&document)));
            let media = http::HeaderValue::from_static(
                "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
            );
            response.headers_mut().insert("content-type", media);
            return Ok(response);
        }
        return Ok(json_response(200, &document));
    }
    if path == "/openapi/v3" {
        let paths: BTreeMap<String, Value> = kube::openapi::v3_index()
            .into_iter()
            .map(|(name, _, _)| {
                let url = format!("/openapi/v3/{name}?hash={}", kube::openapi::VERSION);
                (name, json!({"serverRelativeURL": url}))
            })
            .collect();
        return Ok(json_response(200, &json!({"paths": paths})));
    }
    let name = path.strip_prefix("/openapi/v3/").unwrap_or("");
    let found = kube::openapi::v3_index()
        .into_iter()
        .find(|(n, _, _)| n == name);
    found
        .and_then(|(_, group, version)| kube::openapi::v3(&group, &version))
        .map(|document| json_response(200, &document))
        .ok_or_else(Failure::no_such_path)
}

/// The v2 document in gnostic's protobuf form (`OpenAPIv2.proto`), which older
/// clients ask for. Only what they read is written: definitions, and of the paths the
/// kind and the query parameters of PATCH.
fn encode(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    string(&mut out, 1, "2.0");
    let mut info = Vec::new();
    string(&mut info, 1, "Kubernetes");
    string(&mut info, 2, kube::openapi::VERSION);
    message(&mut out, 2, &info);
    let mut paths = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        let mut operation = Vec::new();
        for parameter in kube::object::list(item, "patch.parameters") {
            if kube::object::text(parameter, "in") == "query" {
                message(
                    &mut operation,
                    8,
                    &query_parameter(kube::object::text(parameter, "name")),
                );
            }
        }
        message(&mut operation, 13, &extension(KIND, &item["patch"][KIND]));
        let mut value = Vec::new();
        message(&mut value, 8, &operation);
        let mut named = Vec::new();
        string(&mut named, 1, path);
        message(&mut named, 2, &value);
        message(&mut paths, 2, &named);
    }
    message(&mut out, 8, &paths);
    let empty = Map::new();
    let definitions = document["definitions"].as_object().unwrap_or(&empty);
    message(&mut out, 9, &named_schemas(definitions));
    out
}

const KIND: &str = "x-kubernetes-group-version-kind";

/// A query parameter in its four layers (`ParametersItem`, `Parameter`,
/// `NonBodyParameter`, `QueryParameterSubSchema`).
fn query_parameter(name: &str) -> Vec<u8> {
    let mut inner = Vec::new();
    string(&mut inner, 2, "query");
    string(&mut inner, 4, name);
    for field in [3, 2, 1] {
        let mut outer = Vec::new();
        message(&mut outer, field, &inner);
        inner = outer;
    }
    inner
}

/// A `NamedAny`. JSON is YAML, and gnostic reads extensions from their YAML text.
fn extension(name: &str, value: &Value) -> Vec<u8> {
    let mut any = Vec::new();
    string(&mut any, 2, &value.to_string());
    let mut named = Vec::new();
    string(&mut named, 1, name);
    message(&mut named, 2, &any);
    named
}

/// `Definitions` and `Properties` have one shape: repeated `NamedSchema` as field 1.
fn named_schemas(schemas: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in schemas {
        let mut named = Vec::new();
        string(&mut named, 1, name);
        message(&mut named, 2, &schema(value));
        message(&mut out, 1, &named);
    }
    out
}

fn schema(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("");
    if !text("$ref").is_empty() {
        string(&mut out, 1, text("$ref"));
    }
    if !text("format").is_empty() {
        string(&mut out, 2, text("format"));
    }
    if !text("description").is_empty() {
        string(&mut out, 4, text("description"));
    }
    for required in kube::object::list(value, "required") {
        string(&mut out, 19, required.as_str().unwrap_or(""));
    }
    if let Some(additional) = value.get("additionalProperties").filter(|v| v.is_object()) {
        let mut item = Vec::new();
        message(&mut item, 1, &schema(additional));
        message(&mut out, 21, &item);
    }
    if !text("type").is_empty() {
        let mut kind = Vec::new();
        string(&mut kind, 1, text("type"));
        message(&mut out, 22, &kind);
    }
    if let Some(items) = value.get("items") {
        let mut item = Vec::new();
        message(&mut item, 1, &schema(items));
        message(&mut out, 23, &item);
    }
    if let Some(properties) = value.get("properties").and_then(Value::as_object) {
        message(&mut out, 25, &named_schemas(properties));
    }
    for (name, content) in value.as_object().into_iter().flatten() {
        if name.starts_with("x-kubernetes-") {
            message(&mut out, 31, &extension(name, content));
        }
    }
    out
}
