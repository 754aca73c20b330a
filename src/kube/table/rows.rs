//! The rows of the other kinds.

use serde_json::{Value, json};

use super::{containers, format_labels, format_selector, number, or_none};
use crate::object::{at, condition, flag, int, list, map, text};
use crate::resources::Resource;

fn age_of(object: &Value, path: &str, now: i64) -> Value {
    json!(crate::time::age(text(object, path), now))
}

/// Containers, images and selector of a workload: the wide columns.
fn images(object: &Value, template: &str, selector: Option<String>) -> Vec<Value> {
    let (names, images) = containers(at(object, template));
    let mut cells = vec![json!(names), json!(images)];
    cells.extend(selector.map(|selector| json!(selector)));
    cells
}

/// Rows of the group `apps` (and, as ReplicaSets, of replication controllers).
pub(super) fn apps(plural: &str, object: &Value, age: Value) -> Vec<Value> {
    let selector = at(object, "spec.selector");
    let shown =
        if selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some() {
            format_selector(selector)
        } else {
            format_labels(selector)
        };
    let wide = |selector: Option<String>| images(object, "spec.template.spec", selector);
    let mut cells = match plural {
        "deployments" => vec![
            json!(format!(
                "{}/{}",
                int(object, "status.readyReplicas").unwrap_or(0),
                int(object, "spec.replicas").unwrap_or(0)
            )),
            number(object, "status.updatedReplicas"),
            number(object, "status.availableReplicas"),
            age,
        ],
        "replicasets" => vec![
            number(object, "spec.replicas"),
            number(object, "status.replicas"),
            number(object, "status.readyReplicas"),
            age,
        ],
        "daemonsets" => vec![
            number(object, "status.desiredNumberScheduled"),
            number(object, "status.currentNumberScheduled"),
            number(object, "status.numberReady"),
            number(object, "status.updatedNumberScheduled"),
            number(object, "status.numberAvailable"),
            json!(format_labels(at(object, "spec.template.spec.nodeSelector"))),
            age,
        ],
        "statefulsets" => {
            let ready = format!(
                "{}/{}",
                int(object, "status.readyReplicas").unwrap_or(0),
                int(object, "spec.replicas").unwrap_or(0)
            );
            let mut cells = vec![json!(ready), age];
            cells.extend(wide(None));
            return cells;
        }
        _ => {
            let owner = crate::object::controller_of(object).map_or("<none>".to_string(), |o| {
                let kind = text(o, "kind").to_lowercase();
                let group = text(o, "apiVersion").split_once('/').map_or("", |(g, _)| g);
                if group.is_empty() {
                    format!("{kind}/{}", text(o, "name"))
                } else {
                    format!("{kind}.{group}/{}", text(o, "name"))
                }
            });
            return vec![json!(owner), number(object, "revision"), age];
        }
    };
    cells.extend(wide(Some(shown)));
    cells
}

/// Rows of Jobs and CronJobs.
pub(super) fn batch(plural: &str, object: &Value, age: Value, now: i64) -> Vec<Value> {
    if plural == "cronjobs" {
        let last = match text(object, "status.lastScheduleTime") {
            "" => json!("<none>"),
            time => json!(crate::time::age(time, now)),
        };
        let zone = or_none(text(object, "spec.timeZone"));
        let suspend = if flag(object, "spec.suspend") {
            "True"
        } else {
            "False"
        };
        let mut cells = vec![
            at(object, "spec.schedule").clone(),
            zone,
            json!(suspend),
            json!(list(object, "status.active").len()),
            last,
            age,
        ];
        let template = "spec.jobTemplate.spec.template.spec";
        let selector = format_selector(at(object, "spec.jobTemplate.spec.selector"));
        cells.extend(images(object, template, Some(selector)));
        return cells;
    }
    let done = int(object, "status.succeeded").unwrap_or(0);
    let completions = match int(object, "spec.completions") {
        Some(wanted) => format!("{done}/{wanted}"),
        None => match int(object, "spec.parallelism").unwrap_or(0) {
            parallel if parallel > 1 => format!("{done}/1 of {parallel}"),
            _ => format!("{done}/1"),
        },
    };
    let start = crate::time::parse(text(object, "status.startTime"));
    let end = crate::time::parse(text(object, "status.completionTime"));
    let duration = start.map_or(String::new(), |start| {
        crate::time::human_duration(end.unwrap_or(now) - start)
    });
    let is = |kind: &str| crate::object::condition_true(object, kind);
    let status = if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if crate::object::deleting(object) {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    let mut cells = vec![json!(status), json!(completions), json!(duration), age];
    let selector = format_selector(at(object, "spec.selector"));
    cells.extend(images(object, "spec.template.spec", Some(selector)));
    cells
}

/// The row of an Event, of either API group.
pub(super) fn event(object: &Value, now: i64) -> Vec<Value> {
    let first_of = |paths: &[&str]| {
        paths
            .iter()
            .map(|path| text(object, path))
            .find(|value| !value.is_empty())
            .unwrap_or("")
            .to_string()
    };
    let first = first_of(&["firstTimestamp", "deprecatedFirstTimestamp", "eventTime"]);
    let mut last = first_of(&["lastTimestamp", "deprecatedLastTimestamp"]);
    if last.is_empty() {
        last.clone_from(&first);
    }
    let mut count = int(object, "count")
        .or(int(object, "deprecatedCount"))
        .unwrap_or(1);
    if let Some(series) = map(object, "series") {
        let series = Value::Object(series.clone());
        last = text(&series, "lastObservedTime").to_string();
        count = int(&series, "count").unwrap_or(count);
    }
    let target = if at(object, "regarding").is_object() {
        at(object, "regarding")
    } else {
        at(object, "involvedObject")
    };
    let kind = text(target, "kind").to_lowercase();
    let shown = match text(target, "name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = first_of(&[
        "source.component",
        "deprecatedSource.component",
        "reportingComponent",
        "reportingController",
    ]);
    let host = first_of(&["source.host", "deprecatedSource.host", "reportingInstance"]);
    let source = if host.is_empty() || component.is_empty() {
        component
    } else {
        format!("{component}, {host}")
    };
    let message = first_of(&["message", "note"]);
    vec![
        json!(crate::time::age(&last, now)),
        at(object, "type").clone(),
        at(object, "reason").clone(),
        json!(shown),
        json!(text(target, "fieldPath")),
        json!(source),
        json!(message.trim()),
        json!(crate::time::age(&first, now)),
        json!(count),
        json!(crate::object::name(object)),
    ]
}

/// The row of a Node.
pub(super) fn node(object: &Value, age: Value) -> Vec<Value> {
    let mut status: Vec<String> = condition(object, "Ready")
        .map(|ready| match text(ready, "status") {
            "True" => "Ready".to_string(),
            _ => "NotReady".to_string(),
        })
        .into_iter()
        .collect();
    if status.is_empty() {
        status.push("Unknown".to_string());
    }
    if flag(object, "spec.unschedulable") {
        status.push("SchedulingDisabled".to_string());
    }
    let mut roles: Vec<&str> = map(object, "metadata.labels")
        .into_iter()
        .flatten()
        .filter_map(
            |(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) => (!role.is_empty()).then_some(role),
                None => (key == "kubernetes.io/role").then(|| value.as_str().unwrap_or("")),
            },
        )
        .collect();
    roles.sort_unstable();
    let address = |kind: &str| {
        list(object, "status.addresses")
            .iter()
            .find(|address| text(address, "type") == kind)
            .map_or("", |address| text(address, "address"))
    };
    let unknown = |path: &str| match text(object, path) {
        "" => json!("<unknown>"),
        value => json!(value),
    };
    vec![
        json!(status.join(",")),
        or_none(&roles.join(",")),
        age,
        json!(text(object, "status.nodeInfo.kubeletVersion")),
        or_none(address("InternalIP")),
        or_none(address("ExternalIP")),
        unknown("status.nodeInfo.osImage"),
        unknown("status.nodeInfo.kernelVersion"),
        unknown("status.nodeInfo.containerRuntimeVersion"),
    ]
}

/// The row of a Service.
pub(super) fn service(object: &Value, age: Value) -> Vec<Value> {
    let kind = text(object, "spec.type");
    let externals: Vec<&str> = list(object, "spec.externalIPs")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let external = match kind {
        "ExternalName" => text(object, "spec.externalName").to_string(),
        "LoadBalancer" => {
            let mut ingress: Vec<&str> = list(object, "status.loadBalancer.ingress")
                .iter()
                .map(|i| match text(i, "ip") {
                    "" => text(i, "hostname"),
                    ip => ip,
                })
                .collect();
            ingress.extend(&externals);
            if ingress.is_empty() {
                "<pending>".to_string()
            } else {
                ingress.join(",")
            }
        }
        _ if externals.is_empty() => "<none>".to_string(),
        _ => externals.join(","),
    };
    let ports: Vec<String> = list(object, "spec.ports")
        .iter()
        .map(|port| {
            let number = int(port, "port").unwrap_or(0);
            let protocol = text(port, "protocol");
            match int(port, "nodePort") {
                Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })
        .collect();
    let address = match list(object, "spec.clusterIPs")
        .first()
        .and_then(Value::as_str)
    {
        Some(ip) => ip,
        None => text(object, "spec.clusterIP"),
    };
    vec![
        json!(kind),
        or_none(address),
        json!(external),
        or_none(&ports.join(",")),
        age,
        json!(format_labels(at(object, "spec.selector"))),
    ]
}

fn count(object: &Value, paths: &[&str]) -> Value {
    let total: usize = paths
        .iter()
        .map(|path| map(object, path).map_or(0, |m| m.len()))
        .sum();
    json!(total)
}

fn limited(items: &[String], limit: usize) -> String {
    if items.is_empty() {
        return "<none>".to_string();
    }
    if items.len() > limit {
        return format!(
            "{} + {} more...",
            items[..limit].join(","),
            items.len() - limit
        );
    }
    items.join(",")
}

fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(object, "subsets") {
        let ports = list(subset, "ports");
        for address in list(subset, "addresses") {
            let ip = text(address, "ip");
            if ports.is_empty() {
                all.push(ip.to_string());
            }
            all.extend(
                ports
                    .iter()
                    .map(|port| format!("{ip}:{}", int(port, "port").unwrap_or(0))),
            );
        }
    }
    limited(&all, 3)
}

fn slice(object: &Value, age: Value) -> Vec<Value> {
    let ports: Vec<String> = list(object, "ports")
        .iter()
        .map(|port| match int(port, "port") {
            Some(number) => number.to_string(),
            None => "*".to_string(),
        })
        .collect();
    let ports = if ports.is_empty() {
        "<unset>".to_string()
    } else {
        limited(&ports, 3)
    };
    let addresses: Vec<String> = list(object, "endpoints")
        .iter()
        .flat_map(|endpoint| list(endpoint, "addresses"))
        .filter_map(Value::as_str)
        .map(str::to_string)
        .collect();
    let addresses = if addresses.is_empty() {
        "<unset>".to_string()
    } else {
        limited(&addresses, 3)
    };
    vec![
        at(object, "addressType").clone(),
        json!(ports),
        json!(addresses),
        age,
    ]
}

fn access_modes(modes: &[Value]) -> String {
    let short = |mode: &Value| match mode.as_str().unwrap_or("") {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    let modes: Vec<&str> = modes.iter().map(short).collect();
    modes.join(",")
}

fn binding(object: &Value, age: Value) -> Vec<Value> {
    let role = format!(
        "{}/{}",
        text(object, "roleRef.kind"),
        text(object, "roleRef.name")
    );
    let subjects = |kind: &str| {
        let names: Vec<String> = list(object, "subjects")
            .iter()
            .filter(|s| text(s, "kind") == kind)
            .map(|s| match text(s, "namespace") {
                "" => text(s, "name").to_string(),
                namespace => format!("{namespace}/{}", text(s, "name")),
            })
            .collect();
        json!(names.join(", "))
    };
    vec![
        json!(role),
        age,
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

fn volume(object: &Value, age: Value) -> Vec<Value> {
    let claim = match map(object, "spec.claimRef") {
        Some(_) => format!(
            "{}/{}",
            text(object, "spec.claimRef.namespace"),
            text(object, "spec.claimRef.name")
        ),
        None => String::new(),
    };
    let phase = if crate::object::deleting(object) {
        "Terminating"
    } else {
        text(object, "status.phase")
    };
    vec![
        json!(text(object, "spec.capacity.storage")),
        json!(access_modes(list(object, "spec.accessModes"))),
        json!(text(object, "spec.persistentVolumeReclaimPolicy")),
        json!(phase),
        json!(claim),
        json!(text(object, "spec.storageClassName")),
        unset(text(object, "spec.volumeAttributesClassName")),
        json!(text(object, "status.reason")),
        age,
        unset(text(object, "spec.volumeMode")),
    ]
}

fn unset(text: &str) -> Value {
    json!(if text.is_empty() { "<unset>" } else { text })
}

fn claim(object: &Value, age: Value) -> Vec<Value> {
    let phase = if crate::object::deleting(object) {
        "Terminating"
    } else {
        text(object, "status.phase")
    };
    let bound = !text(object, "spec.volumeName").is_empty();
    let (capacity, modes) = if bound {
        (
            text(object, "status.capacity.storage").to_string(),
            access_modes(list(object, "status.accessModes")),
        )
    } else {
        (String::new(), String::new())
    };
    vec![
        json!(phase),
        json!(text(object, "spec.volumeName")),
        json!(capacity),
        json!(modes),
        json!(text(object, "spec.storageClassName")),
        unset(text(object, "spec.volumeAttributesClassName")),
        age,
        unset(text(object, "spec.volumeMode")),
    ]
}

fn ingress(object: &Value, age: Value) -> Vec<Value> {
    let hosts: Vec<String> = list(object, "spec.rules")
        .iter()
        .map(|rule| text(rule, "host").to_string())
        .filter(|host| !host.is_empty())
        .collect();
    let hosts = if hosts.is_empty() {
        "*".to_string()
    } else {
        limited(&hosts, 3)
    };
    let address: Vec<&str> = list(object, "status.loadBalancer.ingress")
        .iter()
        .map(|i| match text(i, "ip") {
            "" => text(i, "hostname"),
            ip => ip,
        })
        .collect();
    let ports = if list(object, "spec.tls").is_empty() {
        "80"
    } else {
        "80, 443"
    };
    vec![
        or_none(text(object, "spec.ingressClassName")),
        json!(hosts),
        json!(address.join(",")),
        json!(ports),
        age,
    ]
}

fn csr(object: &Value, age: Value) -> Vec<Value> {
    let state = crate::signing::state(object);
    let duration = int(object, "spec.expirationSeconds")
        .map_or("<none>".to_string(), crate::time::human_duration);
    vec![
        age,
        or_none(text(object, "spec.signerName")),
        json!(text(object, "spec.username")),
        json!(duration),
        json!(state),
    ]
}

fn budget(object: &Value, age: Value) -> Vec<Value> {
    let bound = |path: &str| match at(object, path) {
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        _ => "N/A".to_string(),
    };
    vec![
        json!(bound("spec.minAvailable")),
        json!(bound("spec.maxUnavailable")),
        number(object, "status.disruptionsAllowed"),
        age,
    ]
}

fn quota(object: &Value, age: Value) -> Vec<Value> {
    let part = |limits: bool| {
        let parts: Vec<String> = map(object, "spec.hard")
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.starts_with("limits") == limits)
            .map(|(name, hard)| {
                let used = at(object, "status.used")
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or("0");
                format!("{name}: {used}/{}", hard.as_str().unwrap_or(""))
            })
            .collect();
        json!(parts.join(", "))
    };
    vec![part(false), part(true), age]
}

/// Rows of kinds with few columns; none for kinds that show only their creation time.
pub(super) fn small(
    resource: &Resource,
    object: &Value,
    age: Value,
    now: i64,
) -> Option<Vec<Value>> {
    Some(match (resource.group, resource.plural) {
        ("", "namespaces") => vec![at(object, "status.phase").clone(), age],
        ("", "configmaps") => vec![count(object, &["data", "binaryData"]), age],
        ("", "secrets") => vec![at(object, "type").clone(), count(object, &["data"]), age],
        ("", "serviceaccounts") => vec![json!(list(object, "secrets").len()), age],
        ("", "endpoints") => vec![json!(endpoints(object)), age],
        ("discovery.k8s.io", "endpointslices") => slice(object, age),
        ("coordination.k8s.io", "leases") => {
            vec![json!(text(object, "spec.holderIdentity")), age]
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            binding(object, age)
        }
        ("", "persistentvolumes") => volume(object, age),
        ("", "persistentvolumeclaims") => claim(object, age),
        ("", "resourcequotas") => quota(object, age),
        ("", "podtemplates") => {
            let (names, images) = containers(at(object, "template.spec"));
            let labels = format_labels(at(object, "template.metadata.labels"));
            vec![json!(names), json!(images), json!(labels)]
        }
        ("", "componentstatuses") => component(object),
        ("networking.k8s.io", "ingresses") => ingress(object, age),
        ("networking.k8s.io", "ingressclasses") => {
            let parameters = match map(object, "spec.parameters") {
                Some(_) => format!(
                    "{}/{}",
                    text(object, "spec.parameters.kind"),
                    text(object, "spec.parameters.name")
                ),
                None => "<none>".to_string(),
            };
            vec![
                at(object, "spec.controller").clone(),
                json!(parameters),
                age,
            ]
        }
        ("networking.k8s.io", "networkpolicies") => {
            vec![json!(format_selector(at(object, "spec.podSelector"))), age]
        }
        ("storage.k8s.io", "storageclasses") => vec![
            at(object, "provisioner").clone(),
            at(object, "reclaimPolicy").clone(),
            at(object, "volumeBindingMode").clone(),
            json!(flag(object, "allowVolumeExpansion")),
            age,
        ],
        ("scheduling.k8s.io", "priorityclasses") => vec![
            number(object, "value"),
            json!(flag(object, "globalDefault")),
            age,
            at(object, "preemptionPolicy").clone(),
        ],
        ("certificates.k8s.io", _) => csr(object, age),
        ("policy", "poddisruptionbudgets") => budget(object, age),
        ("autoscaling", _) => autoscaler(object, age),
        ("node.k8s.io", "runtimeclasses") => vec![at(object, "handler").clone(), age],
        ("admissionregistration.k8s.io", _) => {
            vec![json!(list(object, "webhooks").len()), age]
        }
        _ => {
            let _ = age_of(object, "metadata.creationTimestamp", now);
            return None;
        }
    })
}

fn autoscaler(object: &Value, age: Value) -> Vec<Value> {
    let reference = format!(
        "{}/{}",
        text(object, "spec.scaleTargetRef.kind"),
        text(object, "spec.scaleTargetRef.name")
    );
    let targets: Vec<String> = list(object, "spec.metrics")
        .iter()
        .map(|metric| {
            let name = text(metric, "resource.name");
            match int(metric, "resource.target.averageUtilization") {
                Some(target) => format!("{name}: <unknown>/{target}%"),
                None => "<unknown>/<auto>".to_string(),
            }
        })
        .collect();
    let minimum = int(object, "spec.minReplicas").map_or("<unset>".to_string(), |n| n.to_string());
    vec![
        json!(reference),
        or_none(&targets.join(", ")),
        json!(minimum),
        number(object, "spec.maxReplicas"),
        number(object, "status.currentReplicas"),
        age,
    ]
}

fn component(object: &Value) -> Vec<Value> {
    let healthy = list(object, "conditions")
        .iter()
        .find(|c| text(c, "type") == "Healthy");
    let (status, message, error) = healthy.map_or(("Unknown", "", ""), |c| {
        let status = if text(c, "status") == "True" {
            "Healthy"
        } else {
            "Unhealthy"
        };
        (status, text(c, "message"), text(c, "error"))
    });
    vec![json!(status), json!(message), json!(error)]
}
