//! From what people type to the server's resources.
//!
//! Kinds that are built in resolve from the table that the API server itself
//! uses; anything else (custom resources) is looked up by discovery.

use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use kube::object::{list, text};
use kube::resources::{self, Resource};
use serde_json::Value;
use std::cell::OnceCell;

/// A resource that lives as long as the program: built in, or discovered once.
pub type Res = &'static Resource;

thread_local! {
    static DISCOVERED: OnceCell<Vec<Res>> = const { OnceCell::new() };
}

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// Everything the server serves, in its order.
///
/// # Errors
/// The server does not answer.
pub async fn discover(cx: &Cx) -> Outcome<Vec<Res>> {
    if let Some(known) = DISCOVERED.with(|d| d.get().cloned()) {
        return Ok(known);
    }
    let client = cx.client()?;
    let mut found = Vec::new();
    for path in ["/api", "/apis"] {
        let answer = client.get_as(path, AGGREGATED).await?;
        if text(&answer, "kind") == "APIGroupDiscoveryList" {
            aggregated(&answer, &mut found);
        } else {
            one_by_one(cx, path, &answer, &mut found).await?;
        }
    }
    Ok(DISCOVERED.with(|d| d.get_or_init(|| found).clone()))
}

fn aggregated(answer: &Value, found: &mut Vec<Res>) {
    for group in list(answer, "items") {
        for version in list(group, "versions") {
            for resource in list(version, "resources") {
                let kind = text(resource, "responseKind.kind");
                found.push(leak(
                    text(group, "metadata.name"),
                    text(version, "version"),
                    kind,
                    text(resource, "resource"),
                    text(resource, "singularResource"),
                    text(resource, "scope") == "Namespaced",
                    resource,
                    list(resource, "subresources")
                        .iter()
                        .map(|s| text(s, "subresource"))
                        .collect(),
                ));
            }
        }
    }
}

async fn one_by_one(cx: &Cx, path: &str, answer: &Value, found: &mut Vec<Res>) -> Outcome {
    let client = cx.client()?;
    let versions: Vec<String> = if path == "/api" {
        list(answer, "versions")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    } else {
        list(answer, "groups")
            .iter()
            .flat_map(|g| list(g, "versions"))
            .map(|v| text(v, "groupVersion").to_owned())
            .collect()
    };
    for version in versions {
        let Ok(resources) = client.get(&format!("{path}/{version}")).await else {
            continue;
        };
        let (group, short) = version.split_once('/').unwrap_or(("", &version));
        for resource in list(&resources, "resources") {
            let name = text(resource, "name");
            if name.contains('/') {
                continue;
            }
            let prefix = format!("{name}/");
            let subresources = list(&resources, "resources")
                .iter()
                .filter_map(|r| text(r, "name").strip_prefix(&prefix))
                .collect();
            found.push(leak(
                group,
                short,
                text(resource, "kind"),
                name,
                text(resource, "singularName"),
                resource["namespaced"] == true,
                resource,
                subresources,
            ));
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the fields of one table row")]
fn leak(
    group: &str,
    version: &str,
    kind: &str,
    plural: &str,
    singular: &str,
    namespaced: bool,
    rest: &Value,
    subresources: Vec<&str>,
) -> Res {
    // One row for each resource of the server, once a run.
    fn text(s: &str) -> &'static str {
        Box::leak(s.to_owned().into_boxed_str())
    }
    fn texts<'a>(all: impl Iterator<Item = &'a str>) -> &'static [&'static str] {
        Box::leak(all.map(text).collect::<Vec<_>>().into_boxed_slice())
    }
    let strings = |name: &str| texts(list(rest, name).iter().filter_map(Value::as_str));
    let lower = kind.to_lowercase();
    Box::leak(Box::new(Resource {
        group: text(group),
        version: text(version),
        kind: text(kind),
        plural: text(plural),
        singular: text(if singular.is_empty() {
            &lower
        } else {
            singular
        }),
        short_names: strings("shortNames"),
        namespaced,
        categories: strings("categories"),
        subresources: texts(subresources.into_iter()),
        verbs: strings("verbs"),
        prefix: "",
    }))
}

/// The resource that a person's word means.
///
/// # Errors
/// The server has no such resource type.
pub async fn by_name(cx: &Cx, word: &str) -> Outcome<Res> {
    if let Some(known) = resources::by_name(word) {
        return Ok(known);
    }
    let lower = word.to_lowercase();
    let (name, rest) = lower
        .split_once('.')
        .map_or((lower.as_str(), None), |(n, r)| (n, Some(r)));
    let spelled =
        |r: &&Res| r.plural == name || r.singular == name || r.short_names.contains(&name);
    let all = discover(cx).await?;
    let found = all.iter().filter(spelled).find(|r| match rest {
        None => true,
        Some(rest) => r.group == rest || format!("{}.{}", r.version, r.group) == rest,
    });
    match found {
        Some(found) => Ok(found),
        None => match rest {
            Some(_) if word.contains('.') => fail(format!(
                "the server doesn't have a resource type {}",
                kube::gofmt::quote(word)
            )),
            _ => fail(format!(
                "the server doesn't have a resource type {}",
                kube::gofmt::quote(word)
            )),
        },
    }
}

/// The resources of a category, or the one that a word means.
///
/// # Errors
/// As [`by_name`].
pub async fn by_word(cx: &Cx, word: &str) -> Outcome<Vec<Res>> {
    if word == "all" {
        return Ok(resources::by_category("all"));
    }
    if resources::by_name(word).is_none() {
        let category = resources::by_category(word);
        if !category.is_empty() {
            return Ok(category);
        }
        let discovered: Vec<Res> = discover(cx)
            .await?
            .into_iter()
            .filter(|r| r.categories.contains(&word))
            .collect();
        if !discovered.is_empty() {
            return Ok(discovered);
        }
    }
    Ok(vec![by_name(cx, word).await?])
}

/// The resource of an object from a file.
///
/// # Errors
/// The server does not serve the object's kind.
pub async fn by_kind(cx: &Cx, object: &Value, source: &str) -> Outcome<Res> {
    let (version, kind) = (text(object, "apiVersion"), text(object, "kind"));
    if let Some(known) = resources::by_kind(version, kind) {
        return Ok(known);
    }
    let found = discover(cx)
        .await?
        .into_iter()
        .find(|r| r.api_version() == version && r.kind == kind);
    let quote = kube::gofmt::quote;
    found.ok_or_else(|| {
        Error::Message(format!(
            "resource mapping not found for name: {} namespace: {} from {}: no matches for kind {} in version {}\nensure CRDs are installed first",
            quote(text(object, "metadata.name")),
            quote(text(object, "metadata.namespace")),
            quote(source),
            quote(kind),
            quote(version),
        ))
    })
}

/// `deployment.apps/name`, as results name an object.
pub fn display(res: Res, name: &str) -> String {
    format!("{}/{name}", kind_group(res))
}

/// `deployment.apps`
pub fn kind_group(res: Res) -> String {
    let kind = res.kind.to_lowercase();
    if res.group.is_empty() {
        kind
    } else {
        format!("{kind}.{}", res.group)
    }
}
