//! The three patches that carry changes: JSON patch, merge patch and strategic
//! merge patch. (Server-side apply is in [`crate::apply`].)
//!
//! Source of the directives: apimachinery `util/strategicpatch` (v0.32).

use serde_json::{Map, Value};

use crate::schema::{self, Struct, Type};

/// Why a patch could not be applied; the text is the one of the reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself is malformed (400).
    #[error("{0}")]
    Malformed(String),
    /// The patch does not fit the object (422).
    #[error("{0}")]
    Unprocessable(String),
}

/// Applies an RFC 6902 patch.
pub fn json_patch(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| PatchError::Malformed(format!("error decoding patch: {error}")))?;
    let mut result = object.clone();
    json_patch::patch(&mut result, &operations).map_err(|error| {
        PatchError::Unprocessable(format!(
            "the server rejected our request due to an error in our request: {error}"
        ))
    })?;
    Ok(result)
}

/// Applies an RFC 7386 merge patch.
pub fn merge_patch(object: &Value, patch: &Value) -> Value {
    let mut result = object.clone();
    merge(&mut result, patch);
    result
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return };
    for (key, value) in fields {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Applies a strategic merge patch to an object of the structure `root`.
pub fn strategic_merge(object: &Value, patch: &Value, root: &Struct) -> Result<Value, PatchError> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err(PatchError::Malformed(
            "error decoding patch: the patch must be an object".to_string(),
        ));
    };
    merge_map(object.clone(), patch, Some(root)).map(Value::Object)
}

fn merge_map(
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
    shape: Option<&Struct>,
) -> Result<Map<String, Value>, PatchError> {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let mut replaced = patch.clone();
            replaced.remove("$patch");
            return Ok(replaced);
        }
        Some("delete") => return Ok(Map::new()),
        Some("merge") | None => {}
        Some(other) => {
            return Err(PatchError::Malformed(format!(
                "unknown patch type found: {other}"
            )));
        }
    }
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        original.retain(|key, _| keep.iter().any(|kept| kept == key));
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            delete_plain(&mut original, field, value);
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        if value.is_null() {
            original.remove(key);
            continue;
        }
        let before = original.remove(key);
        let merged = merge_field(before, value, key, patch, shape)?;
        original.insert(key.clone(), merged);
    }
    // A list may be reordered without being changed.
    for (key, order) in patch {
        let Some(field) = key.strip_prefix("$setElementOrder/") else {
            continue;
        };
        if patch.contains_key(field) {
            continue;
        }
        if let (Some(Value::Array(items)), Some(rule)) =
            (original.get(field).cloned(), rule_of(shape, field))
        {
            let ordered = reorder(items.clone(), order, &items, rule.merge_key);
            original.insert(field.to_string(), Value::Array(ordered));
        }
    }
    Ok(original)
}

fn rule_of(shape: Option<&Struct>, field: &str) -> Option<schema::ListRule> {
    shape.and_then(|shape| schema::list_rule(&shape.name, field))
}

fn merge_field(
    before: Option<Value>,
    value: &Value,
    key: &str,
    patch: &Map<String, Value>,
    shape: Option<&Struct>,
) -> Result<Value, PatchError> {
    let kind = shape.and_then(|shape| shape.fields.get(key));
    match value {
        Value::Object(fields) => {
            let inner = match kind {
                Some(Type::Struct(name)) => schema::by_name(name),
                _ => None,
            };
            let base = match before {
                Some(Value::Object(map)) => map,
                _ => Map::new(),
            };
            merge_map(base, fields, inner.as_deref()).map(Value::Object)
        }
        Value::Array(items) => {
            let Some(rule) = rule_of(shape, key) else {
                return Ok(value.clone());
            };
            let base = match before {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            let merged = if rule.merge_key.is_empty() {
                let mut merged = base.clone();
                merged.extend(items.iter().filter(|item| !base.contains(item)).cloned());
                merged
            } else {
                let inner = match kind {
                    Some(Type::List(item)) => match &**item {
                        Type::Struct(name) => schema::by_name(name),
                        _ => None,
                    },
                    _ => None,
                };
                merge_list(base.clone(), items, rule.merge_key, inner.as_deref())?
            };
            Ok(Value::Array(
                match patch.get(&format!("$setElementOrder/{key}")) {
                    Some(order) => reorder(merged, order, &base, rule.merge_key),
                    None => merged,
                },
            ))
        }
        other => Ok(other.clone()),
    }
}

fn delete_plain(original: &mut Map<String, Value>, field: &str, gone: &Value) {
    let gone = gone.as_array().map_or(&[][..], Vec::as_slice);
    if let Some(Value::Array(items)) = original.get_mut(field) {
        items.retain(|item| !gone.contains(item));
        if items.is_empty() {
            original.remove(field);
        }
    }
}

fn merge_list(
    mut original: Vec<Value>,
    patch: &[Value],
    merge_key: &str,
    shape: Option<&Struct>,
) -> Result<Vec<Value>, PatchError> {
    let replace = patch
        .iter()
        .any(|item| item.get("$patch").and_then(Value::as_str) == Some("replace"));
    if replace {
        return Ok(patch
            .iter()
            .filter(|item| item.get("$patch").is_none())
            .cloned()
            .collect());
    }
    for item in patch {
        let Value::Object(fields) = item else {
            return Err(PatchError::Malformed(
                "error decoding patch: a list of maps holds something else".to_string(),
            ));
        };
        let Some(key) = fields.get(merge_key) else {
            return Err(PatchError::Malformed(format!(
                "map: {item} does not contain declared merge key: {merge_key}"
            )));
        };
        let at = original
            .iter()
            .position(|other| other.get(merge_key) == Some(key));
        let delete = fields.get("$patch").and_then(Value::as_str) == Some("delete");
        match (at, delete) {
            (Some(at), true) => {
                original.remove(at);
            }
            (None, true) => {}
            (Some(at), false) => {
                let Value::Object(base) = original[at].take() else {
                    continue;
                };
                original[at] = Value::Object(merge_map(base, fields, shape)?);
            }
            (None, false) => original.push(Value::Object(merge_map(Map::new(), fields, shape)?)),
        }
    }
    Ok(original)
}

/// Orders a merged list: what the patch lists in the patch's order, the rest where
/// it stood on the server relative to it.
fn reorder(merged: Vec<Value>, order: &Value, server: &[Value], merge_key: &str) -> Vec<Value> {
    let identity = |item: &Value| -> Value {
        if merge_key.is_empty() {
            item.clone()
        } else {
            item.get(merge_key).cloned().unwrap_or(Value::Null)
        }
    };
    let order: Vec<Value> = order
        .as_array()
        .map(|items| items.iter().map(identity).collect())
        .unwrap_or_default();
    let place = |item: &Value| {
        server
            .iter()
            .position(|other| identity(other) == identity(item))
    };
    let (mut listed, rest): (Vec<Value>, Vec<Value>) = merged
        .into_iter()
        .partition(|item| order.contains(&identity(item)));
    listed.sort_by_key(|item| order.iter().position(|key| *key == identity(item)));
    let (mut listed, mut rest) = (listed.into_iter().peekable(), rest.into_iter().peekable());
    let mut result = Vec::new();
    loop {
        let rest_first = match (rest.peek(), listed.peek()) {
            (None, None) => return result,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(left), Some(right)) => match (place(left), place(right)) {
                (Some(left), Some(right)) => left < right,
                _ => false,
            },
        };
        result.extend(if rest_first {
            rest.next()
        } else {
            listed.next()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment() -> std::sync::Arc<Struct> {
        crate::resources::by_name("deploy")
            .and_then(schema::root)
            .expect("deployments have a schema")
    }

    #[test]
    fn containers_merge_by_name() {
        let object = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "2"}]}}}});
        let patch = json!({"spec": {"template": {"spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c", "image": "3"}, {"name": "a", "image": "9"}, {"name": "b", "$patch": "delete"}]}}}});
        let merged = strategic_merge(&object, &patch, &deployment()).expect("merges");
        assert_eq!(
            merged["spec"]["template"]["spec"]["containers"],
            json!([{"name": "c", "image": "3"},
                {"name": "a", "image": "9", "env": [{"name": "X", "value": "1"}]}])
        );
    }

    #[test]
    fn strategy_keeps_only_retained_keys() {
        let object = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        assert_eq!(
            strategic_merge(&object, &patch, &deployment()).expect("merges"),
            json!({"spec": {"strategy": {"type": "Recreate"}}})
        );
    }

    #[test]
    fn finalizers_are_a_set() {
        let object = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}});
        assert_eq!(
            strategic_merge(&object, &patch, &deployment()).expect("merges"),
            json!({"metadata": {"finalizers": ["b"]}})
        );
    }

    #[test]
    fn merge_patch_removes_nulls() {
        assert_eq!(
            merge_patch(
                &json!({"a": {"b": 1, "c": 2}}),
                &json!({"a": {"b": null}, "d": [1]})
            ),
            json!({"a": {"c": 2}, "d": [1]})
        );
    }
}
