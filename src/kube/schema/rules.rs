//! The merge rules of list and map fields.

/// How a list field merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRule {
    /// The key of strategic merge patches; empty for sets of plain values.
    pub merge_key: &'static str,
    /// The keys of server-side apply; empty for sets of plain values.
    pub apply_keys: &'static [&'static str],
    /// Whether maps in the patch carry `$retainKeys`.
    pub retain_keys: bool,
}

/// The merge rule of a list field; none if the list is replaced as a whole.
/// Source: `patchMergeKey`, `patchStrategy` and `listMapKey` tags of Kubernetes 1.32.
pub fn list_rule(definition: &str, field: &str) -> Option<ListRule> {
    let short = definition.rsplit('.').next().unwrap_or(definition);
    let rule = |merge_key, apply_keys| {
        Some(ListRule {
            merge_key,
            apply_keys,
            retain_keys: field == "volumes" || field == "resourceClaims",
        })
    };
    match (short, field) {
        ("PodSpec", "containers" | "initContainers" | "ephemeralContainers")
        | ("PodSpec", "imagePullSecrets" | "volumes" | "schedulingGates" | "resourceClaims")
        | ("Container" | "EphemeralContainer", "env")
        | ("ServiceAccount", "secrets")
        | ("CSINodeSpec", "drivers")
        | ("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration", "webhooks") => {
            rule("name", &["name"])
        }
        ("PodSpec", "hostAliases") => rule("ip", &["ip"]),
        ("PodSpec", "topologySpreadConstraints") => {
            rule("topologyKey", &["topologyKey", "whenUnsatisfiable"])
        }
        ("Container" | "EphemeralContainer", "ports") => {
            rule("containerPort", &["containerPort", "protocol"])
        }
        ("Container" | "EphemeralContainer", "volumeMounts") => rule("mountPath", &["mountPath"]),
        ("Container" | "EphemeralContainer", "volumeDevices") => {
            rule("devicePath", &["devicePath"])
        }
        ("ServiceSpec", "ports") => rule("port", &["port", "protocol"]),
        ("PodStatus", "podIPs" | "hostIPs") => rule("ip", &["ip"]),
        ("NodeStatus", "addresses") => rule("type", &["type"]),
        ("NodeSpec", "podCIDRs") | ("ObjectMeta", "finalizers") => rule("", &[]),
        ("ObjectMeta", "ownerReferences") => rule("uid", &["uid"]),
        (_, "conditions") if short.ends_with("Status") => rule("type", &["type"]),
        _ => None,
    }
}

/// Whether a map field carries `$retainKeys` in strategic merge patches.
pub fn retains_keys(definition: &str, field: &str) -> bool {
    definition.ends_with(".DeploymentSpec") && field == "strategy"
}
