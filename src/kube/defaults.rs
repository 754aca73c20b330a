//! Defaults that the API server fills in, kind by kind.
//!
//! Source: `pkg/apis/*/v1/defaults.go` of Kubernetes 1.32. Fields that depend on the
//! cluster (cluster IPs, node ports, service-account volumes) belong to admission.

use serde_json::{Value, json};

use crate::object::{at, list, set, set_default, text};
use crate::resources::Resource;

/// Fills in the defaults of a decoded object of the resource's kind.
pub fn apply(resource: &Resource, object: &mut Value) {
    match (resource.group, resource.plural) {
        ("", "pods") => {
            if let Some(spec) = object.get_mut("spec") {
                pod_spec(spec);
                set_default(spec, "enableServiceLinks", json!(true));
            }
        }
        ("", "podtemplates") => template(object, "template"),
        ("", "namespaces") => namespace(object),
        ("", "services") => service(object),
        ("", "secrets") => secret(object),
        ("", "nodes") => set_default(object, "status", json!({})),
        ("", "limitranges") => {
            items(object, "spec.limits").for_each(limits);
        }
        ("", "persistentvolumeclaims") => {
            set_default(object, "spec.volumeMode", json!("Filesystem"));
            set_default(object, "status.phase", json!("Pending"));
        }
        ("", "persistentvolumes") => {
            set_default(
                object,
                "spec.persistentVolumeReclaimPolicy",
                json!("Retain"),
            );
            set_default(object, "spec.volumeMode", json!("Filesystem"));
            set_default(object, "status.phase", json!("Pending"));
        }
        ("apps", "deployments") => deployment(object),
        ("apps", "replicasets") => {
            set_default(object, "spec.replicas", json!(1));
            template(object, "spec.template");
            set_default(object, "status.replicas", json!(0));
        }
        ("", "replicationcontrollers") => {
            set_default(object, "spec.replicas", json!(1));
            template(object, "spec.template");
            set_default(object, "status.replicas", json!(0));
        }
        ("apps", "daemonsets") => daemon_set(object),
        ("apps", "statefulsets") => stateful_set(object),
        ("batch", "jobs") => job(object, "spec"),
        ("batch", "cronjobs") => cron_job(object),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => binding(object),
        ("storage.k8s.io", "storageclasses") => {
            set_default(object, "reclaimPolicy", json!("Delete"));
            set_default(object, "volumeBindingMode", json!("Immediate"));
        }
        ("scheduling.k8s.io", "priorityclasses") => {
            set_default(object, "preemptionPolicy", json!("PreemptLowerPriority"));
        }
        ("networking.k8s.io", "networkpolicies") => network_policy(object),
        ("networking.k8s.io", "ingresses") => set_default(object, "status.loadBalancer", json!({})),
        ("", "endpoints") => {
            for subset in items(object, "subsets") {
                for port in items(subset, "ports") {
                    set_default(port, "protocol", json!("TCP"));
                }
            }
        }
        ("discovery.k8s.io", "endpointslices") => {
            for port in items(object, "ports") {
                set_default(port, "name", json!(""));
                set_default(port, "protocol", json!("TCP"));
            }
        }
        _ => {}
    }
}

/// The items of the list at `path`, to be changed.
fn items<'a>(object: &'a mut Value, path: &str) -> impl Iterator<Item = &'a mut Value> {
    let mut here = Some(object);
    for step in path.split('.') {
        here = here.and_then(|value| value.get_mut(step));
    }
    here.and_then(Value::as_array_mut).into_iter().flatten()
}

fn field<'a>(object: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.')
        .try_fold(object, |value, step| value.get_mut(step))
}

fn namespace(object: &mut Value) {
    set_default(object, "spec.finalizers", json!(["kubernetes"]));
    set_default(object, "status.phase", json!("Active"));
    let name = crate::object::name(object).to_string();
    if !at(object, "metadata.labels").is_object() {
        set(object, "metadata.labels", json!({}));
    }
    if !name.is_empty() {
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
    }
}

fn secret(object: &mut Value) {
    set_default(object, "type", json!("Opaque"));
    // What was written as text is kept as bytes.
    if let Some(Value::Object(plain)) = crate::object::remove(object, "stringData") {
        use base64::Engine as _;
        set_default(object, "data", json!({}));
        for (key, value) in plain {
            let bytes = value.as_str().unwrap_or("");
            object["data"][key] = json!(base64::engine::general_purpose::STANDARD.encode(bytes));
        }
    }
}

fn service(object: &mut Value) {
    set_default(object, "spec.sessionAffinity", json!("None"));
    set_default(object, "spec.type", json!("ClusterIP"));
    if text(object, "spec.sessionAffinity") == "ClientIP" {
        set_default(
            object,
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            json!(10800),
        );
    }
    for port in items(object, "spec.ports") {
        set_default(port, "protocol", json!("TCP"));
        let number = at(port, "port").clone();
        set_default(port, "targetPort", number);
    }
    let kind = text(object, "spec.type").to_string();
    if kind != "ExternalName" {
        set_default(object, "spec.internalTrafficPolicy", json!("Cluster"));
    }
    if kind == "NodePort" || kind == "LoadBalancer" {
        set_default(object, "spec.externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set_default(object, "spec.allocateLoadBalancerNodePorts", json!(true));
    }
    set_default(object, "status.loadBalancer", json!({}));
}

fn deployment(object: &mut Value) {
    set_default(object, "spec.replicas", json!(1));
    set_default(object, "spec.revisionHistoryLimit", json!(10));
    set_default(object, "spec.progressDeadlineSeconds", json!(600));
    set_default(object, "spec.strategy.type", json!("RollingUpdate"));
    if text(object, "spec.strategy.type") == "RollingUpdate" {
        set_default(object, "spec.strategy.rollingUpdate.maxSurge", json!("25%"));
        set_default(
            object,
            "spec.strategy.rollingUpdate.maxUnavailable",
            json!("25%"),
        );
    }
    template(object, "spec.template");
    set_default(object, "status", json!({}));
}

fn daemon_set(object: &mut Value) {
    set_default(object, "spec.revisionHistoryLimit", json!(10));
    set_default(object, "spec.updateStrategy.type", json!("RollingUpdate"));
    if text(object, "spec.updateStrategy.type") == "RollingUpdate" {
        set_default(
            object,
            "spec.updateStrategy.rollingUpdate.maxSurge",
            json!(0),
        );
        set_default(
            object,
            "spec.updateStrategy.rollingUpdate.maxUnavailable",
            json!(1),
        );
    }
    template(object, "spec.template");
    for field in [
        "currentNumberScheduled",
        "desiredNumberScheduled",
        "numberMisscheduled",
        "numberReady",
    ] {
        set_default(object, &format!("status.{field}"), json!(0));
    }
}

fn stateful_set(object: &mut Value) {
    set_default(object, "spec.replicas", json!(1));
    set_default(object, "spec.revisionHistoryLimit", json!(10));
    set_default(object, "spec.podManagementPolicy", json!("OrderedReady"));
    set_default(object, "spec.updateStrategy.type", json!("RollingUpdate"));
    if text(object, "spec.updateStrategy.type") == "RollingUpdate" {
        set_default(
            object,
            "spec.updateStrategy.rollingUpdate.partition",
            json!(0),
        );
    }
    set_default(
        object,
        "spec.persistentVolumeClaimRetentionPolicy",
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
    );
    template(object, "spec.template");
    for claim in items(object, "spec.volumeClaimTemplates") {
        set_default(claim, "apiVersion", json!("v1"));
        set_default(claim, "kind", json!("PersistentVolumeClaim"));
        set_default(claim, "spec.volumeMode", json!("Filesystem"));
        set_default(claim, "status.phase", json!("Pending"));
    }
    set_default(object, "status.replicas", json!(0));
    set_default(object, "status.availableReplicas", json!(0));
}

fn job(object: &mut Value, path: &str) {
    let Some(spec) = field(object, path) else {
        return;
    };
    if at(spec, "completions").is_null() && at(spec, "parallelism").is_null() {
        set(spec, "completions", json!(1));
        set(spec, "parallelism", json!(1));
    }
    set_default(spec, "parallelism", json!(1));
    set_default(spec, "backoffLimit", json!(6));
    set_default(spec, "completionMode", json!("NonIndexed"));
    set_default(spec, "suspend", json!(false));
    set_default(spec, "manualSelector", json!(false));
    set_default(spec, "podReplacementPolicy", json!("TerminatingOrFailed"));
    template(spec, "template");
    set_default(object, "status", json!({}));
}

fn cron_job(object: &mut Value) {
    set_default(object, "spec.concurrencyPolicy", json!("Allow"));
    set_default(object, "spec.suspend", json!(false));
    set_default(object, "spec.successfulJobsHistoryLimit", json!(3));
    set_default(object, "spec.failedJobsHistoryLimit", json!(1));
    template(object, "spec.jobTemplate.spec.template");
    set_default(object, "status", json!({}));
}

fn binding(object: &mut Value) {
    if text(object, "roleRef.apiGroup").is_empty() {
        set(
            object,
            "roleRef.apiGroup",
            json!("rbac.authorization.k8s.io"),
        );
    }
    for subject in items(object, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            set_default(subject, "apiGroup", json!("rbac.authorization.k8s.io"));
        }
    }
}

fn network_policy(object: &mut Value) {
    if list(object, "spec.policyTypes").is_empty() {
        let mut types = vec![json!("Ingress")];
        if !list(object, "spec.egress").is_empty() {
            types.push(json!("Egress"));
        }
        set(object, "spec.policyTypes", Value::Array(types));
    }
    for group in ["spec.ingress", "spec.egress"] {
        for rule in items(object, group) {
            for port in items(rule, "ports") {
                set_default(port, "protocol", json!("TCP"));
            }
        }
    }
}

fn template(object: &mut Value, path: &str) {
    if let Some(template) = field(object, path) {
        set_default(template, "metadata", json!({}));
        if let Some(spec) = template.get_mut("spec") {
            pod_spec(spec);
        }
    }
}

/// Defaults of a Pod's spec, in Pods and in templates.
fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    set_default(spec, "dnsPolicy", json!("ClusterFirst"));
    set_default(spec, "restartPolicy", json!("Always"));
    set_default(spec, "terminationGracePeriodSeconds", json!(30));
    set_default(spec, "securityContext", json!({}));
    set_default(spec, "schedulerName", json!("default-scheduler"));
    if !text(spec, "serviceAccountName").is_empty() {
        let account = at(spec, "serviceAccountName").clone();
        set_default(spec, "serviceAccount", account);
    } else if !text(spec, "serviceAccount").is_empty() {
        let account = at(spec, "serviceAccount").clone();
        set(spec, "serviceAccountName", account);
    }
    let host_network = crate::object::flag(spec, "hostNetwork");
    for group in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(spec, group) {
            container_defaults(container, host_network);
        }
    }
    for volume in items(spec, "volumes") {
        volume_defaults(volume);
    }
}

fn container_defaults(container: &mut Value, host_network: bool) {
    set_default(
        container,
        "terminationMessagePath",
        json!("/dev/termination-log"),
    );
    set_default(container, "terminationMessagePolicy", json!("File"));
    set_default(container, "resources", json!({}));
    let image = text(container, "image");
    let tag = image.rsplit('/').next().unwrap_or("");
    let latest = !image.contains('@') && tag.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    let policy = if latest { "Always" } else { "IfNotPresent" };
    set_default(container, "imagePullPolicy", json!(policy));
    for port in items(container, "ports") {
        set_default(port, "protocol", json!("TCP"));
        if host_network {
            let number = at(port, "containerPort").clone();
            set_default(port, "hostPort", number);
        }
    }
    for variable in items(container, "env") {
        if at(variable, "valueFrom.fieldRef").is_object() {
            set_default(variable, "valueFrom.fieldRef.apiVersion", json!("v1"));
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(name).filter(|p| p.is_object()) else {
            continue;
        };
        set_default(probe, "timeoutSeconds", json!(1));
        set_default(probe, "periodSeconds", json!(10));
        set_default(probe, "successThreshold", json!(1));
        set_default(probe, "failureThreshold", json!(3));
        if at(probe, "httpGet").is_object() {
            set_default(probe, "httpGet.path", json!("/"));
            set_default(probe, "httpGet.scheme", json!("HTTP"));
        }
        if at(probe, "grpc").is_object() {
            set_default(probe, "grpc.service", json!(""));
        }
    }
    // A limit without a request is the request as well.
    if let Some(limits) = at(container, "resources.limits").as_object().cloned() {
        set_default(container, "resources.requests", json!({}));
        for (name, limit) in limits {
            if at(container, "resources.requests").get(&name).is_none() {
                container["resources"]["requests"][name] = limit;
            }
        }
    }
}

/// What a container gets that says nothing: the limit is the request, too, and where
/// there is no limit the most and the least that are allowed.
fn limits(limit: &mut Value) {
    if text(limit, "type") != "Container" {
        return;
    }
    for (from, to) in [
        ("max", "default"),
        ("default", "defaultRequest"),
        ("min", "defaultRequest"),
    ] {
        for (name, value) in at(limit, from).as_object().cloned().into_iter().flatten() {
            set_default(limit, to, json!({}));
            if limit[to].get(&name).is_none() {
                limit[to][name] = value;
            }
        }
    }
}

fn volume_defaults(volume: &mut Value) {
    if volume.as_object().is_some_and(|map| map.len() == 1) {
        set(volume, "emptyDir", json!({}));
    }
    for kind in ["secret", "configMap", "projected", "downwardAPI"] {
        if at(volume, kind).is_object() {
            set_default(volume, &format!("{kind}.defaultMode"), json!(420));
        }
    }
    if at(volume, "hostPath").is_object() {
        set_default(volume, "hostPath.type", json!(""));
    }
    for source in items(volume, "projected.sources") {
        if at(source, "serviceAccountToken").is_object() {
            set_default(source, "serviceAccountToken.expirationSeconds", json!(3600));
        }
        for item in items(source, "downwardAPI.items") {
            if at(item, "fieldRef").is_object() {
                set_default(item, "fieldRef.apiVersion", json!("v1"));
            }
        }
    }
    for item in items(volume, "downwardAPI.items") {
        if at(item, "fieldRef").is_object() {
            set_default(item, "fieldRef.apiVersion", json!("v1"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_request_too() {
        let mut object = json!({"spec": {"limits": [
            {"type": "Container", "default": {"cpu": "1"}, "max": {"memory": "1Gi"}, "min": {"cpu": "10m"}},
            {"type": "Pod", "max": {"cpu": "2"}}]}});
        let resource = crate::resources::by_name("limitranges").expect("known");
        apply(resource, &mut object);
        let limit = &object["spec"]["limits"][0];
        assert_eq!(limit["default"], json!({"cpu": "1", "memory": "1Gi"}));
        assert_eq!(
            limit["defaultRequest"],
            json!({"cpu": "1", "memory": "1Gi"})
        );
        assert_eq!(object["spec"]["limits"][1].get("default"), None);
    }

    #[test]
    fn a_deployment_gets_its_defaults() {
        let mut object = json!({"spec": {"selector": {}, "template": {"spec": {"containers": [
            {"name": "a", "image": "nginx"}, {"name": "b", "image": "reg:5000/x:1.2"}]}}}});
        let resource = crate::resources::by_name("deploy").expect("known");
        apply(resource, &mut object);
        let spec = at(&object, "spec.template.spec");
        assert_eq!(text(&spec["containers"][0], "imagePullPolicy"), "Always");
        assert_eq!(
            text(&spec["containers"][1], "imagePullPolicy"),
            "IfNotPresent"
        );
        assert_eq!(text(spec, "restartPolicy"), "Always");
        assert_eq!(at(&object, "spec.strategy.rollingUpdate.maxSurge"), "25%");
    }
}
