//! The table of built-in kinds: what discovery answers, what `kubectl` knows
//! without asking, and where each kind lives in etcd.
//!
//! Source of names, short names, categories and storage prefixes: Kubernetes 1.32
//! (`pkg/registry/*/*/storage`, `pkg/kubeapiserver/default_storage_factory_builder.go`).

/// One served resource of one API version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version, e.g. `v1`.
    pub version: &'static str,
    /// Kind in CamelCase, e.g. `Deployment`.
    pub kind: &'static str,
    /// Plural, lower case: the path segment and the name RBAC uses.
    pub plural: &'static str,
    /// Singular, lower case.
    pub singular: &'static str,
    /// Short names such as `deploy`; empty where there are none.
    pub short_names: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Categories such as `all`; empty where there are none.
    pub categories: &'static [&'static str],
    /// Subresources, e.g. `status`, `scale`.
    pub subresources: &'static [&'static str],
    /// Verbs in discovery's order (alphabetical).
    pub verbs: &'static [&'static str],
    /// Path below `/registry/` without slashes at the ends; empty for kinds that
    /// are answered but never stored (reviews, bindings).
    pub prefix: &'static str,
}

const ALL_VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const CREATE_ONLY: &[&str] = &["create"];
const READ_ONLY: &[&str] = &["get", "list"];

impl Resource {
    const fn new(
        gv: (&'static str, &'static str),
        kind: &'static str,
        plural: &'static str,
        singular: &'static str,
        namespaced: bool,
    ) -> Resource {
        Resource {
            group: gv.0,
            version: gv.1,
            kind,
            plural,
            singular,
            short_names: &[],
            namespaced,
            categories: &[],
            subresources: &[],
            verbs: ALL_VERBS,
            prefix: plural,
        }
    }
    const fn short(mut self, names: &'static [&'static str]) -> Resource {
        self.short_names = names;
        self
    }
    const fn category(mut self, names: &'static [&'static str]) -> Resource {
        self.categories = names;
        self
    }
    const fn sub(mut self, names: &'static [&'static str]) -> Resource {
        self.subresources = names;
        self
    }
    const fn at(mut self, prefix: &'static str) -> Resource {
        self.prefix = prefix;
        self
    }
    /// A review: created, answered, never stored.
    const fn review(mut self) -> Resource {
        self.verbs = CREATE_ONLY;
        self.prefix = "";
        self
    }
    const fn read_only(mut self) -> Resource {
        self.verbs = READ_ONLY;
        self.prefix = "";
        self
    }

    /// `v1` or `apps/v1`, as in an object's `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps`, or `pods` for the core group: the name in error texts.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `deployment.apps`, or `pod`: the name `kubectl` prints before a slash.
    pub fn printed(&self) -> String {
        if self.group.is_empty() {
            self.singular.to_string()
        } else {
            format!("{}.{}", self.singular, self.group)
        }
    }

    /// Whether objects of this resource are kept in etcd.
    pub fn stored(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// The etcd key of an object, without the leading `/registry`'s parent:
    /// `/registry/<prefix>/[<namespace>/]<name>`.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        if self.namespaced {
            format!("/registry/{}/{namespace}/{name}", self.prefix)
        } else {
            format!("/registry/{}/{name}", self.prefix)
        }
    }

    /// The etcd prefix of a list: of one namespace, or of all if `namespace` is empty.
    pub fn key_prefix(&self, namespace: &str) -> String {
        if self.namespaced && !namespace.is_empty() {
            format!("/registry/{}/{namespace}/", self.prefix)
        } else {
            format!("/registry/{}/", self.prefix)
        }
    }

    /// The REST path of a collection or, with a name, of an object.
    /// `namespace` is ignored for cluster-scoped kinds and means "all" when empty.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if self.namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(self.plural);
        if !name.is_empty() {
            path.push('/');
            path.push_str(name);
        }
        path
    }
}

const CORE: (&str, &str) = ("", "v1");
const ADMISSION: (&str, &str) = ("admissionregistration.k8s.io", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const AUTHN: (&str, &str) = ("authentication.k8s.io", "v1");
const AUTHZ: (&str, &str) = ("authorization.k8s.io", "v1");
const AUTOSCALING: (&str, &str) = ("autoscaling", "v2");
const BATCH: (&str, &str) = ("batch", "v1");
const CERTS: (&str, &str) = ("certificates.k8s.io", "v1");
const COORDINATION: (&str, &str) = ("coordination.k8s.io", "v1");
const DISCOVERY: (&str, &str) = ("discovery.k8s.io", "v1");
const EVENTS: (&str, &str) = ("events.k8s.io", "v1");
const FLOW: (&str, &str) = ("flowcontrol.apiserver.k8s.io", "v1");
const NET: (&str, &str) = ("networking.k8s.io", "v1");
const NODE: (&str, &str) = ("node.k8s.io", "v1");
const POLICY: (&str, &str) = ("policy", "v1");
const RBAC: (&str, &str) = ("rbac.authorization.k8s.io", "v1");
const SCHEDULING: (&str, &str) = ("scheduling.k8s.io", "v1");
const STORAGE: (&str, &str) = ("storage.k8s.io", "v1");

const ALL: &[&str] = &["all"];
const EXT: &[&str] = &["api-extensions"];

/// Every served resource, in the order of discovery: the core group first, then
/// the groups in the order the real API server lists them, plurals sorted.
pub static RESOURCES: &[Resource] = &[
    Resource::new(CORE, "Binding", "bindings", "binding", true).review(),
    Resource::new(
        CORE,
        "ComponentStatus",
        "componentstatuses",
        "componentstatus",
        false,
    )
    .short(&["cs"])
    .read_only(),
    Resource::new(CORE, "ConfigMap", "configmaps", "configmap", true).short(&["cm"]),
    Resource::new(CORE, "Endpoints", "endpoints", "endpoints", true)
        .short(&["ep"])
        .at("services/endpoints"),
    Resource::new(CORE, "Event", "events", "event", true).short(&["ev"]),
    Resource::new(CORE, "LimitRange", "limitranges", "limitrange", true).short(&["limits"]),
    Resource::new(CORE, "Namespace", "namespaces", "namespace", false)
        .short(&["ns"])
        .sub(&["finalize", "status"]),
    Resource::new(CORE, "Node", "nodes", "node", false)
        .short(&["no"])
        .sub(&["proxy", "status"])
        .at("minions"),
    Resource::new(
        CORE,
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        true,
    )
    .short(&["pvc"])
    .sub(&["status"]),
    Resource::new(
        CORE,
        "PersistentVolume",
        "persistentvolumes",
        "persistentvolume",
        false,
    )
    .short(&["pv"])
    .sub(&["status"]),
    Resource::new(CORE, "Pod", "pods", "pod", true)
        .short(&["po"])
        .category(ALL)
        .sub(&[
            "attach",
            "binding",
            "ephemeralcontainers",
            "eviction",
            "exec",
            "log",
            "portforward",
            "proxy",
            "resize",
            "status",
        ]),
    Resource::new(CORE, "PodTemplate", "podtemplates", "podtemplate", true),
    Resource::new(
        CORE,
        "ReplicationController",
        "replicationcontrollers",
        "replicationcontroller",
        true,
    )
    .short(&["rc"])
    .category(ALL)
    .sub(&["scale", "status"])
    .at("controllers"),
    Resource::new(
        CORE,
        "ResourceQuota",
        "resourcequotas",
        "resourcequota",
        true,
    )
    .short(&["quota"])
    .sub(&["status"]),
    Resource::new(CORE, "Secret", "secrets", "secret", true),
    Resource::new(
        CORE,
        "ServiceAccount",
        "serviceaccounts",
        "serviceaccount",
        true,
    )
    .short(&["sa"])
    .sub(&["token"]),
    Resource::new(CORE, "Service", "services", "service", true)
        .short(&["svc"])
        .category(ALL)
        .sub(&["proxy", "status"])
        .at("services/specs"),
    Resource::new(EVENTS, "Event", "events", "event", true).short(&["ev"]),
    Resource::new(
        AUTHN,
        "SelfSubjectReview",
        "selfsubjectreviews",
        "selfsubjectreview",
        false,
    )
    .review(),
    Resource::new(AUTHN, "TokenReview", "tokenreviews", "tokenreview", false).review(),
    Resource::new(
        AUTHZ,
        "LocalSubjectAccessReview",
        "localsubjectaccessreviews",
        "localsubjectaccessreview",
        true,
    )
    .review(),
    Resource::new(
        AUTHZ,
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
        false,
    )
    .review(),
    Resource::new(
        AUTHZ,
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        "selfsubjectrulesreview",
        false,
    )
    .review(),
    Resource::new(
        AUTHZ,
        "SubjectAccessReview",
        "subjectaccessreviews",
        "subjectaccessreview",
        false,
    )
    .review(),
    Resource::new(
        AUTOSCALING,
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        true,
    )
    .short(&["hpa"])
    .category(ALL)
    .sub(&["status"]),
    Resource::new(BATCH, "CronJob", "cronjobs", "cronjob", true)
        .short(&["cj"])
        .category(ALL)
        .sub(&["status"]),
    Resource::new(BATCH, "Job", "jobs", "job", true)
        .category(ALL)
        .sub(&["status"]),
    Resource::new(
        CERTS,
        "CertificateSigningRequest",
        "certificatesigningrequests",
        "certificatesigningrequest",
        false,
    )
    .short(&["csr"])
    .sub(&["approval", "status"]),
    Resource::new(NET, "IngressClass", "ingressclasses", "ingressclass", false),
    Resource::new(NET, "Ingress", "ingresses", "ingress", true)
        .short(&["ing"])
        .sub(&["status"])
        .at("ingress"),
    Resource::new(
        NET,
        "NetworkPolicy",
        "networkpolicies",
        "networkpolicy",
        true,
    )
    .short(&["netpol"]),
    Resource::new(
        POLICY,
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "poddisruptionbudget",
        true,
    )
    .short(&["pdb"])
    .sub(&["status"]),
    Resource::new(
        RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        "clusterrolebinding",
        false,
    ),
    Resource::new(RBAC, "ClusterRole", "clusterroles", "clusterrole", false),
    Resource::new(RBAC, "RoleBinding", "rolebindings", "rolebinding", true),
    Resource::new(RBAC, "Role", "roles", "role", true),
    Resource::new(STORAGE, "CSIDriver", "csidrivers", "csidriver", false),
    Resource::new(STORAGE, "CSINode", "csinodes", "csinode", false),
    Resource::new(
        STORAGE,
        "CSIStorageCapacity",
        "csistoragecapacities",
        "csistoragecapacity",
        true,
    ),
    Resource::new(
        STORAGE,
        "StorageClass",
        "storageclasses",
        "storageclass",
        false,
    )
    .short(&["sc"]),
    Resource::new(
        STORAGE,
        "VolumeAttachment",
        "volumeattachments",
        "volumeattachment",
        false,
    )
    .sub(&["status"]),
    Resource::new(
        ADMISSION,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "mutatingwebhookconfiguration",
        false,
    )
    .category(EXT),
    Resource::new(
        ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "validatingwebhookconfiguration",
        false,
    )
    .category(EXT),
    Resource::new(
        APPS,
        "ControllerRevision",
        "controllerrevisions",
        "controllerrevision",
        true,
    ),
    Resource::new(APPS, "DaemonSet", "daemonsets", "daemonset", true)
        .short(&["ds"])
        .category(ALL)
        .sub(&["status"]),
    Resource::new(APPS, "Deployment", "deployments", "deployment", true)
        .short(&["deploy"])
        .category(ALL)
        .sub(&["scale", "status"]),
    Resource::new(APPS, "ReplicaSet", "replicasets", "replicaset", true)
        .short(&["rs"])
        .category(ALL)
        .sub(&["scale", "status"]),
    Resource::new(APPS, "StatefulSet", "statefulsets", "statefulset", true)
        .short(&["sts"])
        .category(ALL)
        .sub(&["scale", "status"]),
    Resource::new(
        SCHEDULING,
        "PriorityClass",
        "priorityclasses",
        "priorityclass",
        false,
    )
    .short(&["pc"]),
    Resource::new(
        NODE,
        "RuntimeClass",
        "runtimeclasses",
        "runtimeclass",
        false,
    ),
    Resource::new(COORDINATION, "Lease", "leases", "lease", true),
    Resource::new(
        DISCOVERY,
        "EndpointSlice",
        "endpointslices",
        "endpointslice",
        true,
    ),
    Resource::new(FLOW, "FlowSchema", "flowschemas", "flowschema", false).sub(&["status"]),
    Resource::new(
        FLOW,
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        "prioritylevelconfiguration",
        false,
    )
    .sub(&["status"]),
];

/// The resource served at `group`/`version` under the plural name, as in a REST path.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES
        .iter()
        .find(|r| r.group == group && r.version == version && r.plural == plural)
}

/// The resource of an object's `apiVersion` (`v1`, `apps/v1`) and `kind`.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    RESOURCES
        .iter()
        .find(|r| r.group == group && r.version == version && r.kind == kind)
}

/// The resource of group and plural, whatever its version: what RBAC and status
/// details speak of.
pub fn by_group_resource(group: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES
        .iter()
        .find(|r| r.group == group && r.plural == plural)
}

/// Resolves a name as a person types it: plural, singular or short name, upper or
/// lower case, optionally with `.group` or `.version.group` after a dot
/// (`deploy`, `Pods`, `deployments.apps`, `deployments.v1.apps`).
pub fn by_name(name: &str) -> Option<&'static Resource> {
    let name = name.to_ascii_lowercase();
    let (word, rest) = match name.split_once('.') {
        Some((word, rest)) => (word, Some(rest)),
        None => (name.as_str(), None),
    };
    let spelled =
        |r: &&Resource| r.plural == word || r.singular == word || r.short_names.contains(&word);
    match rest {
        None => RESOURCES.iter().find(spelled),
        Some(rest) => RESOURCES.iter().filter(spelled).find(|r| {
            r.group == rest
                || rest
                    .strip_prefix(r.version)
                    .is_some_and(|tail| tail.strip_prefix('.').unwrap_or(tail) == r.group)
        }),
    }
}

/// The members of a category such as `all`, in the order `kubectl get all` shows them.
pub fn by_category(category: &str) -> Vec<&'static Resource> {
    RESOURCES
        .iter()
        .filter(|r| r.categories.contains(&category))
        .collect()
}

/// The API groups in discovery's order with their versions, preferred first; the
/// core group is not among them.
pub fn groups() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut groups: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    for r in RESOURCES.iter().filter(|r| !r.group.is_empty()) {
        match groups.iter_mut().find(|(group, _)| *group == r.group) {
            Some((_, versions)) if versions.contains(&r.version) => {}
            Some((_, versions)) => versions.push(r.version),
            None => groups.push((r.group, vec![r.version])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve_as_people_type_them() {
        for (typed, plural) in [
            ("po", "pods"),
            ("Deployment", "deployments"),
            ("deploy.apps", "deployments"),
            ("deployments.v1.apps", "deployments"),
            ("no", "nodes"),
            ("ev", "events"),
        ] {
            assert_eq!(by_name(typed).map(|r| r.plural), Some(plural), "{typed}");
        }
        assert_eq!(by_name("ev").map(|r| r.group), Some(""));
        assert_eq!(
            by_name("events.events.k8s.io").map(|r| r.group),
            Some("events.k8s.io")
        );
        assert!(by_name("widgets").is_none());
        assert!(by_name("pods.apps").is_none());
    }

    #[test]
    fn keys_are_where_the_real_server_puts_them() {
        let key = |name: &str, ns: &str, n: &str| by_name(name).map(|r| r.key(ns, n));
        assert_eq!(
            key("svc", "default", "kubernetes").as_deref(),
            Some("/registry/services/specs/default/kubernetes")
        );
        assert_eq!(
            key("no", "", "node01").as_deref(),
            Some("/registry/minions/node01")
        );
        assert_eq!(
            key("ing", "a", "b").as_deref(),
            Some("/registry/ingress/a/b")
        );
    }
}
