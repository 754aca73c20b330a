//! Who may do what: `system:masters`, the node's own rules, RBAC.
//!
//! Source: `plugin/pkg/auth/authorizer/rbac` and `pkg/registry/rbac/validation` (1.32).

use std::sync::Arc;

use kube::object::{list, text};
use serde_json::{Value, json};

use crate::authn::User;
use crate::cache::Cache;

/// What is to be allowed.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// The verb.
    pub verb: String,
    /// API group.
    pub group: String,
    /// Plural; empty for paths that are no resources.
    pub resource: String,
    /// Subresource.
    pub subresource: String,
    /// Namespace; empty for the whole cluster.
    pub namespace: String,
    /// Name; empty for collections.
    pub name: String,
    /// The path, for requests that name no resource.
    pub path: String,
}

impl Attributes {
    fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// The refusal in words, without the `is forbidden` in front.
    pub fn refusal(&self, user: &User) -> String {
        if self.resource.is_empty() {
            return format!(
                "User \"{}\" cannot {} path \"{}\"",
                user.name, self.verb, self.path
            );
        }
        let place = if self.namespace.is_empty() {
            "at the cluster scope".to_string()
        } else {
            format!("in the namespace \"{}\"", self.namespace)
        };
        format!(
            "User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {place}",
            user.name,
            self.verb,
            self.full_resource(),
            self.group
        )
    }
}

/// An answer with its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why (only RBAC's grants and troubles have one).
    pub reason: String,
}

/// The modes of `--authorization-mode`.
pub struct Authorizer {
    /// Allow everything (`AlwaysAllow`).
    pub always: bool,
    /// The node authorizer.
    pub node: bool,
    /// RBAC.
    pub rbac: bool,
    /// Roles by scope: cluster roles, cluster role bindings, roles, role bindings, Pods.
    pub cluster_roles: Arc<Cache>,
    /// Cluster role bindings.
    pub cluster_bindings: Arc<Cache>,
    /// Roles.
    pub roles: Arc<Cache>,
    /// Role bindings.
    pub bindings: Arc<Cache>,
    /// Pods, for the node authorizer.
    pub pods: Arc<Cache>,
}

fn has(rule: &Value, field: &str, value: &str) -> bool {
    list(rule, field).iter().any(|v| v == "*" || v == value)
}

fn path_matches(rule: &Value, path: &str) -> bool {
    list(rule, "nonResourceURLs")
        .iter()
        .filter_map(Value::as_str)
        .any(|pattern| {
            pattern == "*"
                || pattern == path
                || pattern
                    .strip_suffix('*')
                    .is_some_and(|prefix| path.starts_with(prefix))
        })
}

/// Whether one rule of a role allows it.
pub fn rule_allows(rule: &Value, wanted: &Attributes) -> bool {
    if !has(rule, "verbs", &wanted.verb) {
        return false;
    }
    if wanted.resource.is_empty() {
        return path_matches(rule, &wanted.path);
    }
    let full = wanted.full_resource();
    let resource = list(rule, "resources")
        .iter()
        .filter_map(Value::as_str)
        .any(|r| {
            r == "*"
                || r == full
                || (!wanted.subresource.is_empty()
                    && r.strip_prefix("*/") == Some(wanted.subresource.as_str()))
        });
    let names = list(rule, "resourceNames");
    has(rule, "apiGroups", &wanted.group)
        && resource
        && (names.is_empty() || names.iter().any(|n| n == wanted.name.as_str()))
}

fn subject_matches(subject: &Value, user: &User, namespace: &str) -> bool {
    let name = text(subject, "name");
    match text(subject, "kind") {
        "User" => name == user.name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let namespace = match text(subject, "namespace") {
                "" => namespace,
                namespace => namespace,
            };
            user.name
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'))
                .is_some_and(|(ns, account)| ns == namespace && account == name)
        }
        _ => false,
    }
}

impl Authorizer {
    /// Starts the caches that decisions are made from.
    pub fn start(&self) {
        for cache in [
            &self.cluster_roles,
            &self.cluster_bindings,
            &self.roles,
            &self.bindings,
        ] {
            cache.start();
        }
        if self.node {
            self.pods.start();
        }
    }

    /// Calls `visit` with every rule that applies to the user in the namespace (and,
    /// for an empty namespace, in the cluster), with the binding's description.
    /// Bindings to roles that are not there are reported through `missing`.
    pub fn visit(
        &self,
        user: &User,
        namespace: &str,
        visit: &mut dyn FnMut(&Value, &dyn Fn() -> String) -> bool,
        missing: &mut Vec<String>,
    ) {
        let bound = |binding: &Value, ns: &str| {
            list(binding, "subjects")
                .iter()
                .find(|subject| subject_matches(subject, user, ns))
                .cloned()
        };
        let mut each = |binding: &Value, ns: &str| -> bool {
            let Some(subject) = bound(binding, ns) else {
                return true;
            };
            let (kind, name) = (text(binding, "roleRef.kind"), text(binding, "roleRef.name"));
            let role = match kind {
                "Role" => self.roles.get(&format!("/registry/roles/{ns}/{name}")),
                _ => self
                    .cluster_roles
                    .get(&format!("/registry/clusterroles/{name}")),
            };
            let Some(role) = role else {
                let plural = if kind == "Role" {
                    "role"
                } else {
                    "clusterrole"
                };
                missing.push(format!(
                    "{plural}.rbac.authorization.k8s.io \"{name}\" not found"
                ));
                return true;
            };
            let describe = || {
                let (what, at) = if ns.is_empty() {
                    (
                        "ClusterRoleBinding",
                        kube::object::name(binding).to_string(),
                    )
                } else {
                    (
                        "RoleBinding",
                        format!("{}/{ns}", kube::object::name(binding)),
                    )
                };
                let who = match text(&subject, "kind") {
                    "ServiceAccount" => format!(
                        "ServiceAccount \"{}/{}\"",
                        text(&subject, "name"),
                        text(&subject, "namespace")
                    ),
                    kind => format!("{kind} \"{}\"", text(&subject, "name")),
                };
                format!("RBAC: allowed by {what} \"{at}\" of {kind} \"{name}\" to {who}")
            };
            list(&role, "rules")
                .iter()
                .all(|rule| visit(rule, &describe))
        };
        for binding in self
            .cluster_bindings
            .list("/registry/clusterrolebindings/")
            .items
        {
            if !each(&binding, "") {
                return;
            }
        }
        if !namespace.is_empty() {
            let prefix = format!("/registry/rolebindings/{namespace}/");
            for binding in self.bindings.list(&prefix).items {
                if !each(&binding, namespace) {
                    return;
                }
            }
        }
    }

    /// Decides.
    pub fn authorize(&self, user: &User, wanted: &Attributes) -> Decision {
        let yes = |reason: String| Decision {
            allowed: true,
            reason,
        };
        if self.always || user.groups.iter().any(|group| group == "system:masters") {
            return yes(String::new());
        }
        if self.node && self.node_allows(user, wanted) {
            return yes(String::new());
        }
        let mut decision = Decision::default();
        if !self.rbac {
            return decision;
        }
        let mut missing = Vec::new();
        self.visit(
            user,
            &wanted.namespace,
            &mut |rule, describe| {
                if rule_allows(rule, wanted) {
                    decision = yes(describe());
                    return false;
                }
                true
            },
            &mut missing,
        );
        if !decision.allowed && !missing.is_empty() {
            decision.reason = match missing.as_slice() {
                [one] => format!("RBAC: {one}"),
                all => format!("RBAC: [{}]", all.join(", ")),
            };
        }
        decision
    }

    /// The rules of the node authorizer for `system:node:<name>` in `system:nodes`.
    fn node_allows(&self, user: &User, wanted: &Attributes) -> bool {
        let Some(node) = user.name.strip_prefix("system:node:") else {
            return false;
        };
        if !user.groups.iter().any(|group| group == "system:nodes") {
            return false;
        }
        let own_pod = |refers: &dyn Fn(&Value) -> bool| {
            let prefix = if wanted.namespace.is_empty() {
                "/registry/pods/".to_string()
            } else {
                format!("/registry/pods/{}/", wanted.namespace)
            };
            self.pods
                .list(&prefix)
                .items
                .iter()
                .any(|pod| text(pod, "spec.nodeName") == node && refers(pod))
        };
        match (wanted.group.as_str(), wanted.resource.as_str()) {
            ("", "secrets" | "configmaps") => {
                let read = matches!(wanted.verb.as_str(), "get" | "list" | "watch");
                let name = wanted.name.as_str();
                read && !name.is_empty() && own_pod(&|pod| mentions(pod, &wanted.resource, name))
            }
            ("", "serviceaccounts") => {
                (wanted.subresource == "token" && wanted.verb == "create"
                    || wanted.subresource.is_empty() && wanted.verb == "get")
                    && own_pod(&|pod| text(pod, "spec.serviceAccountName") == wanted.name)
            }
            ("coordination.k8s.io", "leases") => {
                wanted.namespace == "kube-node-lease"
                    && (wanted.name == node || (wanted.name.is_empty() && wanted.verb == "create"))
            }
            // NodeRestriction: a node changes only itself and its own Pods.
            ("", "nodes") if matches!(wanted.verb.as_str(), "update" | "patch") => {
                wanted.name == node
            }
            ("", "pods") if matches!(wanted.verb.as_str(), "update" | "patch" | "delete") => {
                let key = format!("/registry/pods/{}/{}", wanted.namespace, wanted.name);
                // A Pod that was made a moment ago may not be in the cache yet.
                let own = self
                    .pods
                    .get(&key)
                    .is_none_or(|pod| text(&pod, "spec.nodeName") == node);
                own && node_rules().iter().any(|rule| rule_allows(rule, wanted))
            }
            _ => node_rules().iter().any(|rule| rule_allows(rule, wanted)),
        }
    }
}

/// Whether a Pod uses the Secret or ConfigMap of that name.
fn mentions(pod: &Value, plural: &str, name: &str) -> bool {
    let keys: [(&str, &str); 3] = if plural == "secrets" {
        [
            ("secret", "secretName"),
            ("secretRef", "name"),
            ("secretKeyRef", "name"),
        ]
    } else {
        [
            ("configMap", "name"),
            ("configMapRef", "name"),
            ("configMapKeyRef", "name"),
        ]
    };
    fn search(value: &Value, keys: &[(&str, &str)], name: &str) -> bool {
        match value {
            Value::Object(map) => {
                keys.iter().any(|(outer, inner)| {
                    map.get(*outer)
                        .is_some_and(|v| text(v, inner) == name || text(v, "name") == name)
                }) || map.values().any(|v| search(v, keys, name))
            }
            Value::Array(items) => items.iter().any(|v| search(v, keys, name)),
            _ => false,
        }
    }
    let pulls = plural == "secrets"
        && list(pod, "spec.imagePullSecrets")
            .iter()
            .any(|s| text(s, "name") == name);
    pulls || search(kube::object::at(pod, "spec"), &keys, name)
}

/// What every node may do (`bootstrappolicy.NodeRules`).
pub fn node_rules() -> Vec<Value> {
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    vec![
        rule(&["authentication.k8s.io"], &["tokenreviews"], &["create"]),
        rule(
            &["authorization.k8s.io"],
            &["localsubjectaccessreviews", "subjectaccessreviews"],
            &["create"],
        ),
        rule(&[""], &["services"], &["get", "list", "watch"]),
        rule(&[""], &["nodes"], &["create", "get", "list", "watch"]),
        rule(&[""], &["nodes/status"], &["patch", "update"]),
        rule(&[""], &["nodes"], &["patch", "update"]),
        rule(&[""], &["events"], &["create", "patch", "update"]),
        rule(&[""], &["pods"], &["get", "list", "watch"]),
        rule(&[""], &["pods"], &["create", "delete"]),
        rule(&[""], &["pods/status"], &["patch", "update"]),
        rule(&[""], &["pods/eviction"], &["create"]),
        rule(&[""], &["configmaps", "secrets"], &["get", "list", "watch"]),
        rule(
            &[""],
            &["persistentvolumeclaims", "persistentvolumes"],
            &["get"],
        ),
        rule(&[""], &["endpoints"], &["get"]),
        rule(
            &["certificates.k8s.io"],
            &["certificatesigningrequests"],
            &["create", "get", "list", "watch"],
        ),
        rule(
            &["coordination.k8s.io"],
            &["leases"],
            &["create", "delete", "get", "patch", "update"],
        ),
        rule(&["storage.k8s.io"], &["volumeattachments"], &["get"]),
        rule(&[""], &["serviceaccounts/token"], &["create"]),
        rule(
            &[""],
            &["persistentvolumeclaims/status"],
            &["get", "patch", "update"],
        ),
        rule(
            &["storage.k8s.io"],
            &["csidrivers"],
            &["get", "list", "watch"],
        ),
        rule(
            &["storage.k8s.io"],
            &["csinodes"],
            &["create", "delete", "get", "patch", "update"],
        ),
        rule(
            &["node.k8s.io"],
            &["runtimeclasses"],
            &["get", "list", "watch"],
        ),
    ]
}
