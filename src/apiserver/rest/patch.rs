//! PATCH in its four forms.

use kube::object::{self, set};
use kube::resources::Resource;
use kube::schema;
use serde_json::{Value, json};

use super::create::strictness;
use super::update::change;
use super::{Answer, Context, warn};
use crate::status::Failure;

const TYPES: &str = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml";

fn patch_failure(error: kube::patch::PatchError) -> Failure {
    match error {
        kube::patch::PatchError::Malformed(text) => Failure::bad_request(text),
        kube::patch::PatchError::Unprocessable(text) => Failure::new(422, "Invalid", text),
    }
}

/// PATCH of an object or one of its subresources.
pub async fn patch(context: &Context, resource: &'static Resource, bytes: &[u8]) -> Answer {
    let apply = context.content_type == "application/apply-patch+yaml";
    let patch: Value = if apply {
        let text = String::from_utf8_lossy(bytes);
        kube::yaml::parse_documents(&text)
            .map_err(|e| Failure::bad_request(format!("error decoding YAML: {e}")))?
            .into_iter()
            .next()
            .unwrap_or(Value::Null)
    } else {
        serde_json::from_slice(bytes)
            .map_err(|e| Failure::bad_request(format!("error decoding patch: {e}")))?
    };
    if apply {
        return super::patch::apply(context, resource, patch).await;
    }
    let kind = context.content_type.clone();
    let mut warnings = Vec::new();
    let mut make = |old: &Value| {
        let shown = super::present(resource, old);
        let patched = apply_form(resource, &kind, &shown, &patch)?;
        let (decoded, unknown) = redecode(context, resource, &shown, patched)?;
        warnings = unknown;
        Ok(if resource.group == "events.k8s.io" {
            crate::events::to_core(&decoded)
        } else {
            decoded
        })
    };
    let changed = change(context, resource, true, &mut make).await?;
    let mut response = context.object(resource, 200, &changed)?;
    warn(&mut response, &warnings);
    Ok(response)
}

/// Applies a patch of the given media type to a value of the resource's kind.
pub fn apply_form(
    resource: &Resource,
    media: &str,
    old: &Value,
    patch: &Value,
) -> Result<Value, Failure> {
    match media {
        "application/json-patch+json" => kube::patch::json_patch(old, patch).map_err(patch_failure),
        "application/merge-patch+json" => Ok(kube::patch::merge_patch(old, patch)),
        "application/strategic-merge-patch+json" => {
            let root = schema::root(resource)
                .ok_or_else(|| Failure::unsupported_media(415, "UnsupportedMediaType", TYPES))?;
            kube::patch::strategic_merge(old, patch, &root).map_err(patch_failure)
        }
        _ => Err(Failure::unsupported_media(
            415,
            "UnsupportedMediaType",
            TYPES,
        )),
    }
}

/// Decodes the patched object and checks that it is still the same one.
fn redecode(
    context: &Context,
    resource: &Resource,
    old: &Value,
    mut patched: Value,
) -> Result<(Value, Vec<String>), Failure> {
    let handled = format!(
        "{} in version \"{}\" cannot be handled as a {}",
        resource.kind, resource.version, resource.kind
    );
    let unknown = schema::decode(resource, &mut patched)
        .map_err(|e| Failure::new(400, "BadRequest", format!("{handled}: {e}")))?;
    let warnings = strictness(context, &handled, &unknown)?;
    if object::name(&patched) != object::name(old) {
        return Err(Failure::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            object::name(&patched),
            object::name(old)
        )));
    }
    set(&mut patched, "apiVersion", json!(resource.api_version()));
    set(&mut patched, "kind", json!(resource.kind));
    Ok((patched, warnings))
}

/// Server-side apply.
async fn apply(context: &Context, resource: &'static Resource, mut patch: Value) -> Answer {
    let manager = context.query.get("fieldManager").unwrap_or("").to_string();
    if manager.is_empty() {
        return Err(Failure::new(
            422,
            "Invalid",
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    }
    let force = context.query.truth("force");
    let warnings = super::create::decode(context, resource, &mut patch)?;
    if !object::list(&patch, "metadata.managedFields").is_empty() {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    if context.app.read(resource, namespace, name).await?.is_none() {
        set(&mut patch, "metadata.name", json!(name));
        let mut new = patch.clone();
        kube::apply::mark_applied(resource, &patch, &mut new);
        let created = super::create::create_value(context, resource, new).await?;
        let mut response = context.object(resource, 201, &created)?;
        warn(&mut response, &warnings);
        return Ok(response);
    }
    let mut make = |old: &Value| {
        kube::apply::apply(resource, old, &patch, &manager, force).map_err(|conflicts| {
            let causes: Vec<Value> = conflicts
                .iter()
                .map(|c| json!({"reason": "FieldManagerConflict", "message": c.message(), "field": c.field}))
                .collect();
            Failure {
                details: json!({"causes": causes}),
                ..Failure::new(409, "Conflict", kube::apply::conflict_text(&conflicts))
            }
        })
    };
    let changed = change(context, resource, true, &mut make).await?;
    let mut response = context.object(resource, 200, &changed)?;
    warn(&mut response, &warnings);
    Ok(response)
}
