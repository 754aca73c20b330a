//! What is served: `/api`, `/apis`, resource lists, and the aggregated form.

use http::HeaderMap;
use kube::resources::{self, RESOURCES, Resource};
use serde_json::{Value, json};

use super::{Answer, Context, json_response, text};
use crate::status::Failure;

/// Whether the client asks for aggregated discovery, and in which version.
fn aggregated(headers: &HeaderMap) -> Option<&'static str> {
    let accept = headers.get("accept").and_then(|v| v.to_str().ok())?;
    accept.split(',').find_map(|range| {
        if !range.contains("as=APIGroupDiscoveryList") {
            return None;
        }
        if range.contains("v=v2beta1") {
            Some("v2beta1")
        } else if range.contains("v=v2") {
            Some("v2")
        } else {
            None
        }
    })
}

/// Kind, group and version that a subresource's body has, if not the resource's.
fn subresource_kind(
    resource: &Resource,
    subresource: &str,
) -> (&'static str, &'static str, &'static str) {
    match subresource {
        "scale" => ("autoscaling", "v1", "Scale"),
        "eviction" => ("policy", "v1", "Eviction"),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest"),
        "binding" => ("", "v1", "Binding"),
        "attach" => ("", "v1", "PodAttachOptions"),
        "exec" => ("", "v1", "PodExecOptions"),
        "portforward" => ("", "v1", "PodPortForwardOptions"),
        "proxy" => match resource.plural {
            "nodes" => ("", "v1", "NodeProxyOptions"),
            "services" => ("", "v1", "ServiceProxyOptions"),
            _ => ("", "v1", "PodProxyOptions"),
        },
        _ => (resource.group, resource.version, resource.kind),
    }
}

fn subresource_verbs(subresource: &str) -> &'static [&'static str] {
    match subresource {
        "eviction" | "token" | "binding" => &["create"],
        "attach" | "exec" | "portforward" => &["create", "get"],
        "log" => &["get"],
        "finalize" => &["update"],
        "proxy" => &["create", "delete", "get", "patch", "update"],
        _ => &["get", "patch", "update"],
    }
}

fn of_group(group: &str, version: &str) -> Vec<&'static Resource> {
    let mut found: Vec<&Resource> = RESOURCES
        .iter()
        .filter(|r| r.group == group && r.version == version)
        .collect();
    found.sort_by_key(|r| r.plural);
    found
}

fn resource_list(group: &str, version: &str) -> Value {
    let mut entries = Vec::new();
    for r in of_group(group, version) {
        let mut entry = json!({"name": r.plural, "singularName": r.singular,
            "namespaced": r.namespaced, "kind": r.kind, "verbs": r.verbs});
        if !r.short_names.is_empty() {
            entry["shortNames"] = json!(r.short_names);
        }
        if !r.categories.is_empty() {
            entry["categories"] = json!(r.categories);
        }
        entries.push(entry);
        for sub in r.subresources {
            let (group, version, kind) = subresource_kind(r, sub);
            let mut entry = json!({"name": format!("{}/{sub}", r.plural), "singularName": "",
                "namespaced": r.namespaced, "kind": kind, "verbs": subresource_verbs(sub)});
            if (group, version) != (r.group, r.version) {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            entries.push(entry);
        }
    }
    let group_version = if group.is_empty() {
        version.to_string()
    } else {
        format!("{group}/{version}")
    };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries})
}

fn aggregated_version(group: &str, version: &str) -> Value {
    let resources: Vec<Value> = of_group(group, version)
        .into_iter()
        .map(|r| {
            let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
            let mut entry = json!({"resource": r.plural,
                "responseKind": kind(r.group, r.version, r.kind),
                "scope": if r.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": r.singular, "verbs": r.verbs});
            if !r.short_names.is_empty() {
                entry["shortNames"] = json!(r.short_names);
            }
            if !r.categories.is_empty() {
                entry["categories"] = json!(r.categories);
            }
            let subs: Vec<Value> = r.subresources.iter().map(|sub| {
                let (g, v, k) = subresource_kind(r, sub);
                json!({"subresource": sub, "responseKind": kind(g, v, k), "verbs": subresource_verbs(sub)})
            }).collect();
            if !subs.is_empty() {
                entry["subresources"] = json!(subs);
            }
            entry
        })
        .collect();
    json!({"version": version, "freshness": "Current", "resources": resources})
}

fn group_entry(group: &str, versions: &[&str]) -> Value {
    let list: Vec<Value> = versions
        .iter()
        .map(|v| json!({"groupVersion": format!("{group}/{v}"), "version": v}))
        .collect();
    json!({"name": group, "versions": list, "preferredVersion": list[0]})
}

/// Answers a discovery path; none if the path is no discovery.
pub fn discover(context: &Context, headers: &HeaderMap, path: &str) -> Option<Answer> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let aggregate = |version: &str, items: Vec<Value>| {
        let value = json!({"kind": "APIGroupDiscoveryList",
            "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {}, "items": items});
        let mut response = json_response(200, &value);
        let media =
            format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        if let Ok(media) = media.parse() {
            response.headers_mut().insert("content-type", media);
        }
        response
            .headers_mut()
            .insert("vary", http::HeaderValue::from_static("Accept"));
        response
    };
    let item = |group: &str, versions: &[&str]| {
        let versions: Vec<Value> = versions
            .iter()
            .map(|v| aggregated_version(group, v))
            .collect();
        let mut metadata = json!({"creationTimestamp": null});
        if !group.is_empty() {
            metadata["name"] = json!(group);
        }
        json!({"metadata": metadata, "versions": versions})
    };
    let answer = match parts.as_slice() {
        ["api"] => match aggregated(headers) {
            Some(version) => aggregate(version, vec![item("", &["v1"])]),
            None => {
                let address = format!(
                    "{}:{}",
                    context.app.settings.advertise, context.app.settings.port
                );
                json_response(
                    200,
                    &json!({"kind": "APIVersions", "versions": ["v1"],
                    "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]}),
                )
            }
        },
        ["apis"] => {
            let groups = resources::groups();
            match aggregated(headers) {
                Some(version) => {
                    aggregate(version, groups.iter().map(|(g, v)| item(g, v)).collect())
                }
                None => {
                    let groups: Vec<Value> =
                        groups.iter().map(|(g, v)| group_entry(g, v)).collect();
                    json_response(
                        200,
                        &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}),
                    )
                }
            }
        }
        ["api", "v1"] => json_response(200, &resource_list("", "v1")),
        ["apis", group] => {
            let found = resources::groups()
                .into_iter()
                .find(|(name, _)| name == group);
            match found {
                Some((group, versions)) => {
                    let mut entry = group_entry(group, &versions);
                    entry["kind"] = json!("APIGroup");
                    entry["apiVersion"] = json!("v1");
                    json_response(200, &entry)
                }
                None => return Some(Err(Failure::no_such_path())),
            }
        }
        ["apis", group, version] => {
            if of_group(group, version).is_empty() {
                return Some(Ok(text(404, "404 page not found\n")));
            }
            json_response(200, &resource_list(group, version))
        }
        [""] => {
            let mut paths = vec![
                "/api".to_string(),
                "/api/v1".to_string(),
                "/apis".to_string(),
            ];
            for (group, versions) in resources::groups() {
                paths.push(format!("/apis/{group}"));
                paths.extend(versions.iter().map(|v| format!("/apis/{group}/{v}")));
            }
            for path in [
                "/healthz",
                "/livez",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz",
                "/version",
            ] {
                paths.push(path.to_string());
            }
            json_response(200, &json!({"paths": paths}))
        }
        _ => return None,
    };
    Some(Ok(answer))
}
