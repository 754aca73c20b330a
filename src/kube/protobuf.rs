//! Reads objects in the API's protobuf form, which typed Go clients prefer to send.
//!
//! Field numbers are in `protobuf/fields.txt`, field types in [`crate::schema`].
//! Source of the envelope: apimachinery `runtime/serializer/protobuf` (v0.32).

use std::collections::HashMap;
use std::sync::OnceLock;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use crate::resources::{self, Resource};
use crate::schema::{self, Struct, Type};

/// Why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The four bytes `k8s\0` are missing.
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    Prefix,
    /// The bytes end inside a field or have an impossible tag.
    #[error("proto: illegal tag or unexpected end of the message")]
    Malformed,
    /// A kind that is not known here.
    #[error("no kind is registered for the type in the message")]
    UnknownKind,
}

struct Field {
    name: String,
    /// The structure whose fields stand here, one level higher than in protobuf.
    inline: Option<String>,
}

type Numbers = HashMap<&'static str, HashMap<u64, Field>>;

fn numbers() -> &'static Numbers {
    static NUMBERS: OnceLock<Numbers> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let mut numbers = Numbers::new();
        for line in include_str!("protobuf/fields.txt").lines() {
            let mut words = line.split(' ');
            let Some(name) = words.next().filter(|name| !name.starts_with('#')) else {
                continue;
            };
            let fields = words.filter_map(|word| {
                let (field, rest) = word.split_once('=')?;
                let (number, inline) = match rest.split_once(':') {
                    Some((number, inline)) => (number, Some(inline.to_string())),
                    None => (rest, None),
                };
                let field = Field {
                    name: field.to_string(),
                    inline,
                };
                Some((number.parse().ok()?, field))
            });
            numbers.insert(name, fields.collect());
        }
        numbers
    })
}

/// `core.v1.Pod` for `io.k8s.api.core.v1.Pod`.
fn table_name(definition: &str) -> &str {
    definition
        .strip_prefix("io.k8s.api.")
        .or_else(|| definition.strip_prefix("io.k8s.apimachinery.pkg.apis."))
        .unwrap_or(definition)
}

struct Reader<'a>(&'a [u8]);

enum Wire<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first().ok_or(ProtobufError::Malformed)?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ProtobufError::Malformed)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(ProtobufError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next field's number and content; none at the end.
    fn field(&mut self) -> Result<Option<(u64, Wire<'a>)>, ProtobufError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let content = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(self.take(8)?);
                Wire::Fixed(u64::from_le_bytes(bytes))
            }
            2 => {
                let length =
                    usize::try_from(self.varint()?).map_err(|_| ProtobufError::Malformed)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                let mut bytes = [0; 4];
                bytes.copy_from_slice(self.take(4)?);
                Wire::Fixed(u64::from(u32::from_le_bytes(bytes)))
            }
            _ => return Err(ProtobufError::Malformed),
        };
        Ok(Some((tag >> 3, content)))
    }
}

fn text(bytes: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Reads a whole message with its envelope.
pub fn decode(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let body = bytes.strip_prefix(b"k8s\0").ok_or(ProtobufError::Prefix)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    let mut reader = Reader(body);
    while let Some((number, content)) = reader.field()? {
        match (number, content) {
            (1, Wire::Bytes(meta)) => {
                let mut reader = Reader(meta);
                while let Some((number, content)) = reader.field()? {
                    if let Wire::Bytes(bytes) = content {
                        let value = String::from_utf8_lossy(bytes).into_owned();
                        match number {
                            1 => api_version = value,
                            2 => kind = value,
                            _ => {}
                        }
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let root = if kind == "DeleteOptions" {
        schema::delete_options()
    } else {
        root(&api_version, &kind)
    };
    let root = root.ok_or(ProtobufError::UnknownKind)?;
    let mut object = Map::new();
    message(&root, table_name(&root.name), raw, &mut object)?;
    object.insert("apiVersion".to_string(), json!(api_version));
    object.insert("kind".to_string(), json!(kind));
    Ok(Value::Object(object))
}

fn root(api_version: &str, kind: &str) -> Option<std::sync::Arc<Struct>> {
    if let Some(resource) = resources::by_kind(api_version, kind) {
        return schema::root(resource);
    }
    // Bodies of subresources are not in the table of resources.
    let (group, kind) = match (api_version, kind) {
        ("authentication.k8s.io/v1", "TokenRequest") => ("authentication.k8s.io", "TokenRequest"),
        ("policy/v1", "Eviction") => ("policy", "Eviction"),
        ("autoscaling/v1", "Scale") => ("autoscaling", "Scale"),
        _ => return None,
    };
    schema::root(&Resource {
        group,
        kind,
        ..resources::RESOURCES[0]
    })
}

fn message(
    shape: &Struct,
    table: &str,
    bytes: &[u8],
    out: &mut Map<String, Value>,
) -> Result<(), ProtobufError> {
    let Some(fields) = numbers().get(table) else {
        return Ok(());
    };
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.field()? {
        let Some(field) = fields.get(&number) else {
            continue;
        };
        let Some(kind) = shape.fields.get(&field.name) else {
            if let (Some(inline), Wire::Bytes(inner)) = (&field.inline, content) {
                message(shape, inline, inner, out)?;
            }
            continue;
        };
        match kind {
            Type::List(item) => {
                let value = value(item, content, "")?.unwrap_or_else(|| empty(item));
                let list = out.entry(field.name.clone()).or_insert_with(|| json!([]));
                if let Value::Array(items) = list {
                    items.push(value);
                }
            }
            Type::Map(item) => {
                let Wire::Bytes(entry) = content else {
                    return Err(ProtobufError::Malformed);
                };
                let (key, value) = map_entry(item, entry)?;
                let map = out.entry(field.name.clone()).or_insert_with(|| json!({}));
                map[key] = value;
            }
            kind => {
                if let Some(value) = value(kind, content, &field.name)? {
                    out.insert(field.name.clone(), value);
                }
            }
        }
    }
    Ok(())
}

fn empty(kind: &Type) -> Value {
    match kind {
        Type::Text | Type::Bytes => json!(""),
        Type::Integer(_) => json!(0),
        Type::Boolean => json!(false),
        Type::Struct(_) => json!({}),
        _ => Value::Null,
    }
}

fn map_entry(item: &Type, bytes: &[u8]) -> Result<(String, Value), ProtobufError> {
    let (mut key, mut found) = (String::new(), None);
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.field()? {
        match (number, content) {
            (1, Wire::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, content) => {
                found = match (item, content) {
                    // A list inside a map is wrapped into a message of its own.
                    (Type::List(inner), Wire::Bytes(bytes)) => {
                        let mut items = Vec::new();
                        let mut reader = Reader(bytes);
                        while let Some((_, content)) = reader.field()? {
                            items.push(value(inner, content, "")?.unwrap_or_else(|| empty(inner)));
                        }
                        Some(Value::Array(items))
                    }
                    (item, content) => value(item, content, "")?,
                };
            }
            _ => {}
        }
    }
    Ok((key, found.unwrap_or_else(|| empty(item))))
}

/// Numbers that are pointers in Go, so that a zero was meant.
const MEANT_ZERO: [&str; 22] = [
    "replicas",
    "terminationGracePeriodSeconds",
    "runAsUser",
    "runAsGroup",
    "fsGroup",
    "revisionHistoryLimit",
    "progressDeadlineSeconds",
    "backoffLimit",
    "parallelism",
    "completions",
    "ttlSecondsAfterFinished",
    "activeDeadlineSeconds",
    "tolerationSeconds",
    "gracePeriodSeconds",
    "expirationSeconds",
    "value",
    "successfulJobsHistoryLimit",
    "failedJobsHistoryLimit",
    "defaultMode",
    "mode",
    "minReplicas",
    "partition",
];

/// Booleans that are pointers in Go, so that a false was meant.
const MEANT_FALSE: [&str; 22] = [
    "automountServiceAccountToken",
    "enableServiceLinks",
    "allowPrivilegeEscalation",
    "privileged",
    "runAsNonRoot",
    "readOnlyRootFilesystem",
    "immutable",
    "suspend",
    "optional",
    "controller",
    "blockOwnerDeletion",
    "shareProcessNamespace",
    "setHostnameAsFQDN",
    "hostUsers",
    "allowVolumeExpansion",
    "manualSelector",
    "orphanDependents",
    "ready",
    "serving",
    "terminating",
    "allocateLoadBalancerNodePorts",
    "allowed",
];

/// One value; none for what Go's JSON form would leave out. `field` is empty for
/// items of lists and maps, which are never left out.
fn value(kind: &Type, content: Wire<'_>, field: &str) -> Result<Option<Value>, ProtobufError> {
    let item = field.is_empty();
    Ok(match (kind, content) {
        (Type::Text, Wire::Bytes(bytes)) => {
            let meant = item || !bytes.is_empty() || field == "storageClassName";
            meant.then(|| text(bytes))
        }
        (Type::Bytes, Wire::Bytes(bytes)) => Some(json!(
            base64::engine::general_purpose::STANDARD.encode(bytes)
        )),
        (Type::Integer(_), Wire::Varint(number)) => {
            // Negative numbers are sign-extended to 64 bits.
            let number = number as i64;
            (item || number != 0 || MEANT_ZERO.contains(&field)).then(|| json!(number))
        }
        (Type::Boolean, Wire::Varint(number)) => {
            (item || number != 0 || MEANT_FALSE.contains(&field)).then(|| json!(number != 0))
        }
        (Type::Number, Wire::Fixed(bits)) => Some(json!(f64::from_bits(bits))),
        (Type::IntOrString, Wire::Bytes(bytes)) => Some(int_or_string(bytes)?),
        (Type::Quantity, Wire::Bytes(bytes)) => {
            let mut reader = Reader(bytes);
            let mut found = json!("0");
            while let Some((_, content)) = reader.field()? {
                if let Wire::Bytes(bytes) = content {
                    found = text(bytes);
                }
            }
            Some(found)
        }
        (Type::Time, Wire::Bytes(bytes)) => time(bytes, field)?,
        (Type::Any, Wire::Bytes(bytes)) => {
            let mut reader = Reader(bytes);
            let mut found = None;
            while let Some((_, content)) = reader.field()? {
                if let Wire::Bytes(raw) = content {
                    found = serde_json::from_slice(raw).ok();
                }
            }
            found
        }
        (Type::Struct(name), Wire::Bytes(bytes)) => {
            let mut inner = Map::new();
            if let Some(shape) = schema::by_name(name) {
                message(&shape, table_name(name), bytes, &mut inner)?;
            }
            Some(Value::Object(inner))
        }
        _ => return Err(ProtobufError::Malformed),
    })
}

fn int_or_string(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let (mut is_text, mut number, mut word) = (false, 0i64, json!(""));
    let mut reader = Reader(bytes);
    while let Some((field, content)) = reader.field()? {
        match (field, content) {
            (1, Wire::Varint(kind)) => is_text = kind == 1,
            (2, Wire::Varint(value)) => number = value as i64,
            (3, Wire::Bytes(bytes)) => word = text(bytes),
            _ => {}
        }
    }
    Ok(if is_text { word } else { json!(number) })
}

/// A time; an empty message is Go's zero time, which JSON shows as null.
fn time(bytes: &[u8], field: &str) -> Result<Option<Value>, ProtobufError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0i64, 0i64);
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.field()? {
        match (number, content) {
            (1, Wire::Varint(value)) => seconds = value as i64,
            (2, Wire::Varint(value)) => nanos = value as i64,
            _ => {}
        }
    }
    let micro = matches!(
        field,
        "renewTime" | "acquireTime" | "eventTime" | "lastObservedTime"
    );
    Ok(Some(json!(if micro {
        crate::time::rfc3339_micro(
            seconds
                .saturating_mul(1_000_000)
                .saturating_add(nanos / 1000),
        )
    } else {
        crate::time::rfc3339(seconds)
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).expect("short")];
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn a_config_map_is_read() {
        let meta = [field(1, b"a"), field(8, b"")].concat();
        let entry = [field(1, b"k"), field(2, b"v")].concat();
        let raw = [field(1, &meta), field(2, &entry)].concat();
        let kind = [field(1, b"v1"), field(2, b"ConfigMap")].concat();
        let bytes = [b"k8s\0".to_vec(), field(1, &kind), field(2, &raw)].concat();
        assert_eq!(
            decode(&bytes),
            Ok(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}})
            )
        );
        assert_eq!(decode(b"{}"), Err(ProtobufError::Prefix));
        assert_eq!(
            decode(&bytes[..bytes.len() - 1]),
            Err(ProtobufError::Malformed)
        );
    }

    #[test]
    fn every_structure_of_the_schemas_has_numbers() {
        for resource in resources::RESOURCES {
            let root = schema::root(resource).expect("a schema");
            assert!(
                numbers().contains_key(table_name(&root.name)),
                "{}",
                root.name
            );
        }
    }
}
