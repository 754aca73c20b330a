//! Field ownership: `metadata.managedFields`, and server-side apply on top of it.
//!
//! A set of fields is kept in the form the API shows it (`fieldsV1`): nested maps
//! with `f:name` for fields, `k:{…}` for items of keyed lists, `v:…` for values of
//! sets, `.` for the thing itself. Source: structured-merge-diff v4 and apimachinery
//! `util/managedfields` (v0.32).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::object;
use crate::resources::Resource;
use crate::schema::{self, ListRule, Struct, Type};

/// Where an applied object carries the set of applied fields until [`track`] books it.
pub const MARK: &str = "$applied";

type Tree = Map<String, Value>;

/// Metadata that nobody owns.
const UNOWNED: [&str; 11] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "generateName",
];

/// A field that someone else owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner as conflicts name it, e.g. `"kubectl-edit" using apps/v1`.
    pub owner: String,
    /// The field, e.g. `.spec.replicas`.
    pub field: String,
}

impl Conflict {
    /// The text of the cause.
    pub fn message(&self) -> String {
        format!("conflict with {}", self.owner)
    }
}

/// The message of a refused apply.
pub fn conflict_text(conflicts: &[Conflict]) -> String {
    let count = conflicts.len();
    let mut owners: Vec<&str> = conflicts.iter().map(|c| c.owner.as_str()).collect();
    owners.dedup();
    let parts: Vec<String> = owners
        .iter()
        .map(|owner| {
            let fields: Vec<&str> = conflicts
                .iter()
                .filter(|c| c.owner == *owner)
                .map(|c| c.field.as_str())
                .collect();
            match fields.as_slice() {
                [one] => format!("conflict with {owner}: {one}"),
                many => format!("conflicts with {owner}:\n- {}", many.join("\n- ")),
            }
        })
        .collect();
    let noun = if count == 1 { "conflict" } else { "conflicts" };
    format!("Apply failed with {count} {noun}: {}", parts.join("\n"))
}

/// What a value is made of, for the purpose of ownership.
enum Kind {
    /// Fields, each with a type; a structure or a map.
    Fields(Option<Arc<Struct>>, Option<Type>),
    /// A list whose items have keys, or a set.
    Items(ListRule, Option<Arc<Struct>>),
    /// One indivisible value.
    Leaf,
}

fn kind_of(owner: Option<&Struct>, field: &str, value: &Value) -> Kind {
    let known = owner.and_then(|owner| owner.fields.get(field));
    match (known, value) {
        (Some(Type::Struct(name)), Value::Object(_)) if !atomic(name) => {
            Kind::Fields(schema::by_name(name), None)
        }
        (Some(Type::Map(inner)), Value::Object(_)) if !atomic_map(field) => {
            Kind::Fields(None, Some((**inner).clone()))
        }
        (Some(Type::List(inner)), Value::Array(_)) => {
            let rule = owner.and_then(|owner| schema::list_rule(&owner.name, field));
            let shape = match &**inner {
                Type::Struct(name) => schema::by_name(name),
                _ => None,
            };
            rule.map_or(Kind::Leaf, |rule| Kind::Items(rule, shape))
        }
        _ => Kind::Leaf,
    }
}

/// Structures that are owned as a whole.
fn atomic(name: &str) -> bool {
    let short = name.rsplit('.').next().unwrap_or(name);
    matches!(
        short,
        "LabelSelector"
            | "ObjectReference"
            | "LocalObjectReference"
            | "ObjectFieldSelector"
            | "SecretKeySelector"
            | "ConfigMapKeySelector"
            | "ResourceFieldSelector"
            | "NodeSelector"
            | "NodeSelectorTerm"
            | "RoleRef"
            | "TypedLocalObjectReference"
    )
}

fn atomic_map(field: &str) -> bool {
    matches!(field, "nodeSelector" | "selector")
}

fn item_key(rule: ListRule, item: &Value) -> String {
    if rule.merge_key.is_empty() {
        return format!("v:{item}");
    }
    let mut key = Map::new();
    for name in rule.apply_keys {
        let value = match item.get(*name) {
            Some(value) => value.clone(),
            None if *name == "protocol" => json!("TCP"),
            None => continue,
        };
        key.insert((*name).to_string(), value);
    }
    format!("k:{}", Value::Object(key))
}

fn skipped(path: &[String], field: &str) -> bool {
    match path {
        [] => matches!(field, "apiVersion" | "kind" | MARK),
        [only] => only == "metadata" && UNOWNED.contains(&field),
        _ => false,
    }
}

fn child(path: &[String], field: &str) -> Vec<String> {
    let mut path = path.to_vec();
    path.push(field.to_string());
    path
}

/// The set of fields in `new` that are not in `old` or differ there.
fn changed(
    old: &Value,
    new: &Value,
    shape: Option<&Struct>,
    inner: Option<&Type>,
    path: &[String],
) -> Tree {
    let mut tree = Tree::new();
    let Some(fields) = new.as_object() else {
        return tree;
    };
    for (field, value) in fields {
        let before = old.get(field).unwrap_or(&Value::Null);
        if skipped(path, field) || before == value {
            continue;
        }
        let kind = match inner {
            Some(Type::Struct(name)) if value.is_object() => {
                Kind::Fields(schema::by_name(name), None)
            }
            Some(_) => Kind::Leaf,
            None => kind_of(shape, field, value),
        };
        let mut below = match &kind {
            Kind::Fields(shape, inner) => changed(
                before,
                value,
                shape.as_deref(),
                inner.as_ref(),
                &child(path, field),
            ),
            Kind::Items(rule, shape) => changed_items(before, value, *rule, shape.as_deref()),
            Kind::Leaf => Tree::new(),
        };
        let newly_mapped = matches!(kind, Kind::Fields(None, _)) && before.is_null();
        if newly_mapped && !below.is_empty() {
            below.insert(".".to_string(), json!({}));
        }
        // An empty map was set; a map whose every field is nobody's was not.
        let hollow = value.as_object().is_some_and(|map| !map.is_empty());
        let nothing_below =
            below.is_empty() && !matches!(kind, Kind::Leaf) && (!before.is_null() || hollow);
        if !nothing_below {
            tree.insert(format!("f:{field}"), Value::Object(below));
        }
    }
    tree
}

fn changed_items(old: &Value, new: &Value, rule: ListRule, shape: Option<&Struct>) -> Tree {
    let mut tree = Tree::new();
    if old.is_null() {
        tree.insert(".".to_string(), json!({}));
    }
    let deep = vec![String::new(); 3];
    for item in new.as_array().into_iter().flatten() {
        let key = item_key(rule, item);
        let before = old
            .as_array()
            .into_iter()
            .flatten()
            .find(|other| item_key(rule, other) == key)
            .unwrap_or(&Value::Null);
        if before == item {
            continue;
        }
        let mut below = Tree::new();
        if !rule.merge_key.is_empty() {
            below = changed(before, item, shape, None, &deep);
            if before.is_null() {
                below.insert(".".to_string(), json!({}));
            }
        }
        if !below.is_empty() || rule.merge_key.is_empty() {
            tree.insert(key, Value::Object(below));
        }
    }
    tree
}

fn union(into: &mut Tree, from: &Tree) {
    for (key, value) in from {
        let slot = into.entry(key.clone()).or_insert_with(|| json!({}));
        if let (Value::Object(slot), Value::Object(value)) = (slot, value) {
            union(slot, value);
        }
    }
}

/// Takes the leaves of `from` out of `tree`.
fn subtract(tree: &mut Tree, from: &Tree) {
    for (key, value) in from {
        let Some(Value::Object(mine)) = tree.get_mut(key) else {
            continue;
        };
        let leaf = value.as_object().is_none_or(Map::is_empty);
        if leaf {
            if mine.is_empty() || key != "." {
                tree.remove(key);
            }
        } else if let Value::Object(value) = value {
            subtract(mine, value);
            if mine.is_empty() {
                tree.remove(key);
            }
        }
    }
}

/// Takes out what is no longer there.
fn prune(tree: &mut Tree, value: &Value) {
    let keys: Vec<String> = tree.keys().cloned().collect();
    for key in keys {
        if key == "." {
            continue;
        }
        let found = find(value, &key).cloned();
        match (found, tree.get_mut(&key)) {
            (Some(found), Some(Value::Object(below))) if !below.is_empty() => {
                prune(below, &found);
                if below.is_empty() {
                    tree.remove(&key);
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                tree.remove(&key);
            }
        }
    }
}

/// The value that one step of a path leads to.
fn find<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    if let Some(field) = step.strip_prefix("f:") {
        return value.get(field);
    }
    if let Some(key) = step.strip_prefix("k:") {
        let key: Value = serde_json::from_str(key).ok()?;
        return value
            .as_array()?
            .iter()
            .find(|item| matches_key(item, &key));
    }
    let wanted: Value = serde_json::from_str(step.strip_prefix("v:")?).ok()?;
    value.as_array()?.iter().find(|item| **item == wanted)
}

fn matches_key(item: &Value, key: &Value) -> bool {
    key.as_object().is_some_and(|key| {
        key.iter().all(|(name, value)| match item.get(name) {
            Some(have) => have == value,
            None => name == "protocol" && value == "TCP",
        })
    })
}

fn entry_tree(entry: &Value) -> Tree {
    object::map(entry, "fieldsV1").cloned().unwrap_or_default()
}

/// Books the difference between `old` (null for a new object) and `new` in the
/// managed fields of `new`: as an apply if the object carries [`MARK`], else as an
/// update by `manager`.
pub fn track(
    resource: &Resource,
    old: &Value,
    new: &mut Value,
    manager: &str,
    subresource: &str,
    time: &str,
) {
    let applied = object::remove(new, MARK);
    let root = schema::root(resource);
    let changes = changed(old, new, root.as_deref(), None, &[]);
    let mine = |entry: &Value| {
        object::text(entry, "manager") == manager
            && object::text(entry, "subresource") == subresource
            && (object::text(entry, "operation") == "Apply") == applied.is_some()
            && object::text(entry, "apiVersion") == resource.api_version()
    };
    let mut entries = Vec::new();
    let mut own = Tree::new();
    let mut own_time = String::new();
    for entry in object::list(old, "metadata.managedFields") {
        let mut tree = entry_tree(entry);
        if mine(entry) {
            own = tree;
            own_time = object::text(entry, "time").to_string();
            continue;
        }
        subtract(&mut tree, &changes);
        prune(&mut tree, new);
        if !tree.is_empty() {
            let mut entry = entry.clone();
            entry["fieldsV1"] = Value::Object(tree);
            entries.push(entry);
        }
    }
    let is_apply = applied.is_some();
    let before = own.clone();
    match applied {
        Some(Value::Object(tree)) => own = tree,
        _ => {
            union(&mut own, &changes);
            prune(&mut own, new);
        }
    }
    if !own.is_empty() && !manager.is_empty() {
        let time = if own == before {
            own_time.as_str()
        } else {
            time
        };
        let operation = if is_apply { "Apply" } else { "Update" };
        let mut entry = json!({"manager": manager, "operation": operation,
            "apiVersion": resource.api_version(), "time": time, "fieldsType": "FieldsV1",
            "fieldsV1": own});
        if !subresource.is_empty() {
            entry["subresource"] = json!(subresource);
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        object::remove(new, "metadata.managedFields");
    } else {
        object::set(new, "metadata.managedFields", json!(entries));
    }
}

/// Marks `new` as the result of applying `patch` to nothing.
pub fn mark_applied(resource: &Resource, patch: &Value, new: &mut Value) {
    let root = schema::root(resource);
    let tree = changed(&Value::Null, patch, root.as_deref(), None, &[]);
    new[MARK] = Value::Object(tree);
}

fn owner_name(entry: &Value) -> String {
    let mut name = format!("\"{}\"", object::text(entry, "manager"));
    let subresource = object::text(entry, "subresource");
    if !subresource.is_empty() {
        name.push_str(&format!(" with subresource \"{subresource}\""));
    }
    if object::text(entry, "operation") == "Update" {
        name.push_str(&format!(" using {}", object::text(entry, "apiVersion")));
        let time = object::text(entry, "time");
        if !time.is_empty() {
            name.push_str(&format!(" at {time}"));
        }
    }
    name
}

/// The leaves that both trees have, as dotted paths.
fn common(a: &Tree, b: &Tree, path: &str, out: &mut Vec<String>) {
    for (key, left) in a {
        let (Value::Object(left), Some(Value::Object(right))) = (left, b.get(key)) else {
            continue;
        };
        if key == "." {
            continue;
        }
        let here = match key.split_once(':') {
            Some(("f", field)) => format!("{path}.{field}"),
            Some(("k", key)) => {
                let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let parts: Vec<String> = key.iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!("{path}[{}]", parts.join(","))
            }
            Some((_, value)) => format!("{path}[={value}]"),
            None => path.to_string(),
        };
        if left.is_empty() || right.is_empty() {
            out.push(here);
        } else {
            common(left, right, &here, out);
        }
    }
}

/// Applies `patch` for `manager` to `old`. Fields that another manager owns with
/// another value are conflicts unless `force`.
pub fn apply(
    resource: &Resource,
    old: &Value,
    patch: &Value,
    manager: &str,
    force: bool,
) -> Result<Value, Vec<Conflict>> {
    let root = schema::root(resource);
    let shape = root.as_deref();
    let differing = changed(old, patch, shape, None, &[]);
    let wanted = changed(&Value::Null, patch, shape, None, &[]);
    let mut conflicts = Vec::new();
    let mut own = Tree::new();
    let mut others = Tree::new();
    for entry in object::list(old, "metadata.managedFields") {
        let tree = entry_tree(entry);
        let applied = object::text(entry, "operation") == "Apply";
        if applied && object::text(entry, "manager") == manager {
            own = tree;
            continue;
        }
        union(&mut others, &tree);
        let mut fields = Vec::new();
        common(&differing, &tree, "", &mut fields);
        let owner = owner_name(entry);
        conflicts.extend(fields.into_iter().map(|field| Conflict {
            owner: owner.clone(),
            field,
        }));
    }
    if !conflicts.is_empty() && !force {
        return Err(conflicts);
    }
    let mut new = old.clone();
    merge(&mut new, patch, shape, None, &[]);
    // What was applied before and is not any more goes, unless someone else has it.
    let mut gone = own;
    subtract_all(&mut gone, &wanted);
    subtract_all(&mut gone, &others);
    drop_fields(&mut new, &gone);
    if let Some(version) = patch
        .get("metadata")
        .and_then(|metadata| metadata.get("resourceVersion"))
    {
        object::set(&mut new, "metadata.resourceVersion", version.clone());
    } else {
        object::remove(&mut new, "metadata.resourceVersion");
    }
    new[MARK] = Value::Object(wanted);
    Ok(new)
}

/// Takes out every leaf of `tree` that `from` has in any form.
fn subtract_all(tree: &mut Tree, from: &Tree) {
    for (key, value) in from {
        let Some(Value::Object(mine)) = tree.get_mut(key) else {
            continue;
        };
        if let Value::Object(value) = value {
            if value.is_empty() || mine.is_empty() {
                tree.remove(key);
                continue;
            }
            subtract_all(mine, value);
            if mine.is_empty() {
                tree.remove(key);
            }
        }
    }
}

fn drop_fields(value: &mut Value, gone: &Tree) {
    for (step, below) in gone {
        let below = below.as_object().cloned().unwrap_or_default();
        let whole = below.is_empty() || below.contains_key(".");
        if let Some(field) = step.strip_prefix("f:") {
            if below.is_empty() {
                object::remove(value, field);
            } else if let Some(inner) = value.get_mut(field) {
                drop_fields(inner, &below);
                let empty = match inner {
                    Value::Object(map) => map.is_empty(),
                    Value::Array(items) => items.is_empty(),
                    _ => false,
                };
                if whole && empty {
                    object::remove(value, field);
                }
            }
        } else if let (Some(key), Some(items)) = (step.strip_prefix("k:"), value.as_array_mut()) {
            let key: Value = serde_json::from_str(key).unwrap_or(Value::Null);
            if whole {
                items.retain(|item| !matches_key(item, &key));
            } else if let Some(item) = items.iter_mut().find(|item| matches_key(item, &key)) {
                drop_fields(item, &below);
            }
        } else if let (Some(text), Some(items)) = (step.strip_prefix("v:"), value.as_array_mut()) {
            let wanted: Value = serde_json::from_str(text).unwrap_or(Value::Null);
            items.retain(|item| *item != wanted);
        }
    }
}

fn merge(
    target: &mut Value,
    patch: &Value,
    shape: Option<&Struct>,
    inner: Option<&Type>,
    path: &[String],
) {
    let Some(fields) = patch.as_object() else {
        return;
    };
    for (field, value) in fields {
        if skipped(path, field) {
            continue;
        }
        let kind = match inner {
            Some(Type::Struct(name)) if value.is_object() => {
                Kind::Fields(schema::by_name(name), None)
            }
            Some(_) => Kind::Leaf,
            None => kind_of(shape, field, value),
        };
        let slot = &mut target[field.as_str()];
        match kind {
            Kind::Fields(shape, inner) if slot.is_object() => {
                merge(
                    slot,
                    value,
                    shape.as_deref(),
                    inner.as_ref(),
                    &child(path, field),
                );
            }
            Kind::Items(rule, shape) if slot.is_array() => {
                merge_items(slot, value, rule, shape.as_deref());
            }
            _ => *slot = value.clone(),
        }
    }
}

fn merge_items(target: &mut Value, patch: &Value, rule: ListRule, shape: Option<&Struct>) {
    let deep = vec![String::new(); 3];
    let Some(items) = target.as_array_mut() else {
        return;
    };
    for item in patch.as_array().into_iter().flatten() {
        let key = item_key(rule, item);
        match items.iter_mut().find(|other| item_key(rule, other) == key) {
            Some(other) if !rule.merge_key.is_empty() => merge(other, item, shape, None, &deep),
            Some(_) => {}
            None => items.push(item.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
