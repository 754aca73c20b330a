//! Pod templates: their hash, their Pods.

use kube::object::{self, at, set};
use serde_json::{Value, json};

/// The label that tells the ReplicaSets of a Deployment apart.
pub const HASH_LABEL: &str = "pod-template-hash";

/// A short hash of a value in the alphabet of generated names (FNV-1a, 32 bits, as
/// the reference hashes a dump of the Go structure; the digits differ from its).
pub fn hash(value: &Value, salt: i64) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash: u32 = 0x811c_9dc5;
    for byte in value.to_string().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    if salt > 0 {
        for byte in salt.to_le_bytes() {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    hash.to_string()
        .bytes()
        .map(|b| char::from(ALPHABET[usize::from(b) % ALPHABET.len()]))
        .collect()
}

/// A template without the hash label: what two ReplicaSets are compared by.
pub fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH_LABEL);
    }
    object::remove(&mut template, "metadata.creationTimestamp");
    template
}

/// A Pod of a template: metadata and spec, its owner not yet set.
pub fn pod(template: &Value, namespace: &str, prefix: &str, owner: Value) -> Value {
    let mut pod = json!({"metadata": {"generateName": format!("{prefix}-"), "namespace": namespace,
        "ownerReferences": [owner]}, "spec": at(template, "spec")});
    for field in ["labels", "annotations", "finalizers"] {
        let path = format!("metadata.{field}");
        if !at(template, &path).is_null() {
            set(&mut pod, &path, at(template, &path).clone());
        }
    }
    pod
}
