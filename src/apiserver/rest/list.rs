//! GET of an object and of a list.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use kube::object;
use kube::resources::Resource;
use serde_json::{Value, json};

use super::{Answer, Context, Selection, formatted, present};
use crate::app::now;
use crate::request::Shape;
use crate::status::Failure;

/// GET of one object: from etcd, or from the cache if any revision will do.
pub async fn get(context: &Context, resource: &Resource) -> Answer {
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    let missing = || Failure::not_found(resource, name);
    if context.query.get("resourceVersion") == Some("0") {
        let cache = context.app.cache(resource);
        cache.wait(0, Duration::from_secs(3)).await;
        if let Some(found) = cache.get(&resource.key(namespace, name)) {
            return context.object(resource, 200, &found);
        }
    }
    let found = context.app.read(resource, namespace, name).await?;
    let (object, _) = found.ok_or_else(missing)?;
    context.object(resource, 200, &object)
}

/// Where a paged list goes on.
struct Continue {
    revision: i64,
    start: String,
}

fn read_token(token: &str) -> Result<Continue, Failure> {
    let bad = |why: &str| Failure::bad_request(format!("continue key is not valid: {why}"));
    let text = B64
        .decode(token.trim_end_matches('='))
        .map_err(|e| bad(&e.to_string()))?;
    let value: Value = serde_json::from_slice(&text).map_err(|e| bad(&e.to_string()))?;
    let start = object::text(&value, "start");
    if start.is_empty() {
        return Err(bad("empty start"));
    }
    Ok(Continue {
        revision: object::int(&value, "rv").unwrap_or(0),
        start: start.to_string(),
    })
}

fn number(context: &Context, name: &str) -> Result<i64, Failure> {
    match context.query.get(name) {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| {
            Failure::bad_request(format!(
                "strconv.ParseInt: parsing \"{text}\": invalid syntax"
            ))
        }),
    }
}

/// GET of a list.
pub async fn list(context: &Context, resource: &Resource) -> Answer {
    let selection = Selection::from(context, resource)?;
    let prefix = resource.key_prefix(&context.info.namespace);
    let limit = number(context, "limit")?;
    let token = context.query.get("continue");
    let version = context.query.get("resourceVersion").unwrap_or("");
    if let Some(token) = token {
        let from = read_token(token)?;
        return page(context, resource, &selection, &prefix, limit, from).await;
    }
    // What the watch cache can't answer comes from etcd: an exact revision. A limit
    // alone does not matter to the cache, which answers with everything (1.32,
    // `storage/cacher`, shouldDelegateList).
    let matching = context.query.get("resourceVersionMatch").unwrap_or("");
    let legacy = limit > 0 && matching.is_empty() && !matches!(version, "" | "0");
    if matching == "Exact" || legacy {
        let revision = number(context, "resourceVersion")?;
        let from = Continue {
            revision,
            start: String::new(),
        };
        return page(context, resource, &selection, &prefix, limit, from).await;
    }
    let cache = match version {
        "" => context.app.fresh(resource).await?,
        text => {
            let wanted: i64 = text.parse().map_err(|_| {
                Failure::bad_request(format!(
                    "invalid resource version \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
                ))
            })?;
            let cache = context.app.cache(resource);
            if !cache.wait(wanted, Duration::from_secs(3)).await {
                return Err(too_large(wanted, cache.revision()));
            }
            cache
        }
    };
    let listed = cache.list(&prefix);
    let items: Vec<Arc<Value>> = listed
        .items
        .into_iter()
        .filter(|object| selection.matches(object))
        .collect();
    let meta = json!({"resourceVersion": listed.revision.to_string()});
    Ok(shape(context, resource, &items, meta))
}

/// The refusal of a revision that this server has not come to.
pub fn too_large(wanted: i64, current: i64) -> Failure {
    Failure {
        details: json!({"retryAfterSeconds": 1, "causes": [
            {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}),
        ..Failure::new(
            504,
            "Timeout",
            format!("Too large resource version: {wanted}, current: {current}"),
        )
    }
}

/// One page from etcd. Objects that the selectors leave out do not count.
async fn page(
    context: &Context,
    resource: &Resource,
    selection: &Selection,
    prefix: &str,
    limit: i64,
    from: Continue,
) -> Answer {
    let mut revision = from.revision;
    let mut start = if from.start.is_empty() {
        String::new()
    } else {
        format!("{prefix}{}", from.start)
    };
    let mut items = Vec::new();
    let mut left = 0;
    loop {
        let ask = if limit > 0 {
            limit - items.len() as i64
        } else {
            0
        };
        let got = context.app.etcd.list(prefix, &start, ask, revision).await?;
        if revision == 0 {
            revision = got.revision;
        }
        let seen = got.items.len() as i64;
        for kv in &got.items {
            start = format!("{}\0", String::from_utf8_lossy(&kv.key));
            if let Some(object) = crate::cache::decode(kv)
                && selection.matches(&object)
            {
                items.push(Arc::new(object));
            }
        }
        if !got.more {
            start.clear();
            break;
        }
        if limit > 0 && items.len() as i64 >= limit {
            left = got.count - seen;
            break;
        }
    }
    let mut meta = json!({"resourceVersion": revision.to_string()});
    if !start.is_empty() {
        let next = start.strip_prefix(prefix).unwrap_or(&start);
        let token = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": next});
        meta["continue"] = json!(B64.encode(token.to_string()));
        if selection.labels.is_everything() && selection.fields.terms.is_empty() {
            meta["remainingItemCount"] = json!(left);
        }
    }
    Ok(shape(context, resource, &items, meta))
}

fn shape(
    context: &Context,
    resource: &Resource,
    items: &[Arc<Value>],
    meta: Value,
) -> http::Response<super::Body> {
    let value = match &context.accept.shape {
        Shape::Table(version) => {
            let objects: Vec<Value> = items.iter().map(|o| present(resource, o)).collect();
            let include = context.query.get("includeObject").unwrap_or("Metadata");
            kube::table::table(resource, &objects, meta, include, version, now())
        }
        Shape::Metadata(version) => {
            let items: Vec<Value> = items
                .iter()
                .map(|o| json!({"metadata": o["metadata"]}))
                .collect();
            json!({"kind": "PartialObjectMetadataList",
                "apiVersion": format!("meta.k8s.io/{version}"), "metadata": meta, "items": items})
        }
        Shape::Plain => {
            // Items of a typed list do not repeat kind and version.
            let items: Vec<Value> = items
                .iter()
                .map(|o| {
                    let mut object = present(resource, o);
                    if let Some(map) = object.as_object_mut() {
                        map.remove("kind");
                        map.remove("apiVersion");
                    }
                    object
                })
                .collect();
            json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(),
                "metadata": meta, "items": items})
        }
    };
    formatted(200, &value, context.accept.yaml)
}
