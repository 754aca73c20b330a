//! The patch that `kubectl apply` sends: what the new configuration says
//! against the live object, plus deletions of what the last configuration said
//! and the new one does not.
//!
//! Reference: `strategicpatch.CreateThreeWayMergePatch` and
//! `jsonmergepatch.CreateThreeWayJSONMergePatch` of apimachinery 1.32.

use crate::schema::{self, Struct, Type};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The patch; an empty object when nothing is to change. With a shape it is a
/// strategic merge patch, without one a JSON merge patch.
#[must_use]
pub fn patch(original: &Value, modified: &Value, current: &Value, shape: Option<&Struct>) -> Value {
    let nothing = Map::new();
    let map = |v: &Value| v.as_object().cloned().unwrap_or_default();
    let (original, modified, current) = (map(original), map(modified), map(current));
    let patch = maps(&original, &modified, &current, shape, shape.is_some());
    Value::Object(if patch.is_empty() { nothing } else { patch })
}

fn as_map(value: Option<&Value>) -> Map<String, Value> {
    value
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

fn maps(
    original: &Map<String, Value>,
    modified: &Map<String, Value>,
    current: &Map<String, Value>,
    shape: Option<&Struct>,
    strategic: bool,
) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, new) in modified {
        let live = current.get(key);
        match (new, live) {
            (Value::Object(new), Some(Value::Object(live))) => {
                let inner = shape.and_then(|s| field_struct(s, key));
                let mut below = maps(
                    &as_map(original.get(key)),
                    new,
                    live,
                    inner.as_deref(),
                    strategic,
                );
                if !below.is_empty() {
                    if strategic && shape.is_some_and(|s| schema::retains_keys(&s.name, key)) {
                        let keys: Vec<&String> = new.keys().collect();
                        below.insert("$retainKeys".to_owned(), json!(keys));
                    }
                    patch.insert(key.clone(), Value::Object(below));
                }
            }
            (Value::Array(new), Some(Value::Array(live))) => {
                let rule = shape
                    .filter(|_| strategic)
                    .and_then(|s| schema::list_rule(&s.name, key));
                match rule {
                    Some(rule) => {
                        let old = original.get(key).and_then(Value::as_array);
                        let old = old.map_or(&[][..], Vec::as_slice);
                        let inner = shape.and_then(|s| item_struct(s, key));
                        lists(
                            key,
                            old,
                            new,
                            live,
                            rule.merge_key,
                            inner.as_deref(),
                            &mut patch,
                        );
                    }
                    None if new != live => {
                        patch.insert(key.clone(), Value::Array(new.clone()));
                    }
                    None => {}
                }
            }
            (new, Some(live)) if new == live => {}
            (Value::Null, None) => {}
            (new, _) => {
                patch.insert(key.clone(), new.clone());
            }
        }
    }
    for key in original.keys().filter(|key| !modified.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}

fn lists(
    field: &str,
    original: &[Value],
    modified: &[Value],
    current: &[Value],
    merge_key: &str,
    shape: Option<&Struct>,
    patch: &mut Map<String, Value>,
) {
    if merge_key.is_empty() {
        let added: Vec<&Value> = modified.iter().filter(|v| !current.contains(v)).collect();
        let gone: Vec<&Value> = original.iter().filter(|v| !modified.contains(v)).collect();
        if !added.is_empty() {
            patch.insert(field.to_owned(), json!(added));
        }
        if !gone.is_empty() {
            patch.insert(format!("$deleteFromPrimitiveList/{field}"), json!(gone));
        }
        if !added.is_empty() || !gone.is_empty() {
            patch.insert(format!("$setElementOrder/{field}"), json!(modified));
        }
        return;
    }
    let same = |list: &[Value], item: &Value| {
        list.iter()
            .find(|other| other.get(merge_key) == item.get(merge_key))
            .cloned()
    };
    let mut changes: Vec<Value> = Vec::new();
    for new in modified {
        let Some(live) = same(current, new) else {
            changes.push(new.clone());
            continue;
        };
        let old = same(original, new);
        let below = maps(
            &as_map(old.as_ref()),
            &as_map(Some(new)),
            &as_map(Some(&live)),
            shape,
            true,
        );
        if !below.is_empty() {
            let mut below = below;
            below.insert(merge_key.to_owned(), new[merge_key].clone());
            changes.push(Value::Object(below));
        }
    }
    for old in original.iter().filter(|old| same(modified, old).is_none()) {
        changes.push(json!({"$patch": "delete", merge_key: old[merge_key]}));
    }
    let place = |item: &Value| {
        current
            .iter()
            .position(|c| c.get(merge_key) == item.get(merge_key))
    };
    let places: Vec<usize> = modified.iter().filter_map(place).collect();
    let moved = !places.is_sorted();
    if changes.is_empty() && !moved {
        return;
    }
    let order: Vec<Value> = modified
        .iter()
        .map(|item| json!({merge_key: item[merge_key]}))
        .collect();
    patch.insert(format!("$setElementOrder/{field}"), Value::Array(order));
    if !changes.is_empty() {
        patch.insert(field.to_owned(), Value::Array(changes));
    }
}

fn field_struct(shape: &Struct, field: &str) -> Option<Arc<Struct>> {
    match shape.fields.get(field)? {
        Type::Struct(name) => schema::by_name(name),
        _ => None,
    }
}

fn item_struct(shape: &Struct, field: &str) -> Option<Arc<Struct>> {
    match shape.fields.get(field)? {
        Type::List(item) => match &**item {
            Type::Struct(name) => schema::by_name(name),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::patch;
    use crate::{resources, schema};
    use serde_json::json;

    fn pod_shape() -> std::sync::Arc<schema::Struct> {
        schema::root(resources::by_name("pods").unwrap()).unwrap()
    }

    #[test]
    fn nothing_changes_when_only_defaults_differ() {
        let new = json!({"spec": {"containers": [{"name": "a", "image": "x"}]}});
        let live = json!({"spec": {"dnsPolicy": "ClusterFirst", "containers": [{"name": "a", "image": "x", "imagePullPolicy": "Always"}]}});
        assert_eq!(patch(&new, &new, &live, Some(&pod_shape())), json!({}));
    }

    #[test]
    fn lists_merge_by_key() {
        let old = json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}});
        let new = json!({"spec": {"containers": [{"name": "a", "image": "z"}]}});
        let got = patch(&old, &new, &old, Some(&pod_shape()));
        let want = json!({"spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "a", "image": "z"}, {"$patch": "delete", "name": "b"}]}});
        assert_eq!(got, want);
        let shape = pod_shape();
        let merged = crate::patch::strategic_merge(&old, &got, &shape).unwrap();
        assert_eq!(merged, new);
    }

    #[test]
    fn deletions_come_from_the_last_configuration_only() {
        let old = json!({"data": {"a": "1", "b": "2"}});
        let new = json!({"data": {"a": "1"}});
        let live = json!({"data": {"a": "1", "b": "2", "c": "3"}});
        assert_eq!(patch(&old, &new, &live, None), json!({"data": {"b": null}}));
    }
}
