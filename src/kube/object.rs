//! Reading and writing fields of objects by dotted path.
//!
//! Missing fields read as empty, so that callers say what they mean instead of
//! unwrapping at every level. A path segment never contains a dot; label and
//! annotation keys (which do) are read with [`label`] and [`annotation`].

use serde_json::{Map, Value};

static NULL: Value = Value::Null;

/// The value at `path` (`spec.template.spec`), or null if any step is missing.
pub fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .try_fold(object, |value, step| value.get(step))
        .unwrap_or(&NULL)
}

/// The string at `path`; empty if missing or of another type.
pub fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    at(object, path).as_str().unwrap_or("")
}

/// The integer at `path`, if there is one.
pub fn int(object: &Value, path: &str) -> Option<i64> {
    at(object, path).as_i64()
}

/// The boolean at `path`; false if missing.
pub fn flag(object: &Value, path: &str) -> bool {
    at(object, path).as_bool().unwrap_or(false)
}

/// The items of the list at `path`; empty if missing.
pub fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    at(object, path).as_array().map_or(&[], Vec::as_slice)
}

/// The map at `path`, if there is one.
pub fn map<'a>(object: &'a Value, path: &str) -> Option<&'a Map<String, Value>> {
    at(object, path).as_object()
}

/// Sets the value at `path`, making the maps on the way (and replacing anything
/// on the way that is no map).
pub fn set(object: &mut Value, path: &str, value: Value) {
    let mut here = object;
    for step in path.split('.') {
        if !here.is_object() {
            *here = Value::Object(Map::new());
        }
        let Value::Object(map) = here else { return };
        here = map.entry(step.to_string()).or_insert(Value::Null);
    }
    *here = value;
}

/// Sets the value at `path` if nothing (or null) is there.
pub fn set_default(object: &mut Value, path: &str, value: Value) {
    if at(object, path).is_null() {
        set(object, path, value);
    }
}

/// Removes the field at `path` and returns it.
pub fn remove(object: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = match path.rsplit_once('.') {
        Some((parent, last)) => {
            let mut here = object;
            for step in parent.split('.') {
                here = here.get_mut(step)?;
            }
            (here, last)
        }
        None => (object, path),
    };
    parent.as_object_mut()?.remove(last)
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    text(object, "metadata.name")
}

/// `metadata.namespace`; empty for cluster-scoped objects.
pub fn namespace(object: &Value) -> &str {
    text(object, "metadata.namespace")
}

/// `metadata.uid`.
pub fn uid(object: &Value) -> &str {
    text(object, "metadata.uid")
}

/// `metadata.resourceVersion`.
pub fn resource_version(object: &Value) -> &str {
    text(object, "metadata.resourceVersion")
}

/// The label's value; empty if the object has no such label.
pub fn label<'a>(object: &'a Value, key: &str) -> &'a str {
    at(object, "metadata.labels")
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// The annotation's value; empty if the object has no such annotation.
pub fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    at(object, "metadata.annotations")
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// Sets an annotation.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    if !at(object, "metadata.annotations").is_object() {
        set(object, "metadata.annotations", Value::Object(Map::new()));
    }
    if let Some(map) = object["metadata"]["annotations"].as_object_mut() {
        map.insert(key.to_string(), Value::from(value));
    }
}

/// Whether deletion of the object has begun.
pub fn deleting(object: &Value) -> bool {
    !text(object, "metadata.deletionTimestamp").is_empty()
}

/// The owner reference marked as controller, if any.
pub fn controller_of(object: &Value) -> Option<&Value> {
    list(object, "metadata.ownerReferences")
        .iter()
        .find(|owner| flag(owner, "controller"))
}

/// The condition of that type in `status.conditions`.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "status.conditions")
        .iter()
        .find(|condition| text(condition, "type") == kind)
}

/// Whether the condition of that type is `True`.
pub fn condition_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "status") == "True")
}

/// `namespace/name`, or only the name for cluster-scoped objects.
pub fn key(object: &Value) -> String {
    match namespace(object) {
        "" => name(object).to_string(),
        namespace => format!("{namespace}/{}", name(object)),
    }
}
