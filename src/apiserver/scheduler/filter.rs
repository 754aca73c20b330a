//! Which nodes a Pod fits, which of them is best, and why none is. No IO.
//! Source of the texts: `pkg/scheduler/framework/plugins` (1.32).

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::object::{self, at, flag, int, list, map, text};
use kube::quantity::Quantity;
use kube::selector::LabelSelector;
use serde_json::{Value, json};

/// Whether a toleration covers a taint.
pub fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let effect = text(toleration, "effect");
    let key = text(toleration, "key");
    if !effect.is_empty() && effect != text(taint, "effect") {
        return false;
    }
    if !key.is_empty() && key != text(taint, "key") {
        return false;
    }
    match text(toleration, "operator") {
        "Exists" => true,
        "" | "Equal" => !key.is_empty() && text(toleration, "value") == text(taint, "value"),
        _ => false,
    }
}

/// The first taint that keeps the Pod away.
fn untolerated<'a>(pod: &Value, node: &'a Value, effects: &[&str]) -> Option<&'a Value> {
    let tolerations = list(pod, "spec.tolerations");
    list(node, "spec.taints").iter().find(|taint| {
        effects.contains(&text(taint, "effect")) && !tolerations.iter().any(|t| tolerates(t, taint))
    })
}

fn term_matches(term: &Value, node: &Value) -> bool {
    let expressions = list(term, "matchExpressions");
    let fields = list(term, "matchFields");
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    let labels = LabelSelector::from_object(&json!({"matchExpressions": expressions}));
    labels.matches(at(node, "metadata.labels"))
        && fields.iter().all(|field| {
            let hit = list(field, "values")
                .iter()
                .any(|v| v == object::name(node));
            if text(field, "operator") == "NotIn" {
                !hit
            } else {
                hit
            }
        })
}

fn affinity_matches(pod: &Value, node: &Value) -> bool {
    let selector = at(pod, "spec.nodeSelector");
    let labels =
        json!({"matchLabels": if selector.is_object() { selector.clone() } else { json!({}) }});
    if !LabelSelector::from_object(&labels).matches(at(node, "metadata.labels")) {
        return false;
    }
    let required = at(
        pod,
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
    );
    required.is_null()
        || list(required, "nodeSelectorTerms")
            .iter()
            .any(|term| term_matches(term, node))
}

/// Whether a daemon's Pod belongs on a node, and whether one that is there stays: a taint
/// that only keeps new Pods away does not drive it out.
pub fn fits_daemon(pod: &Value, node: &Value) -> (bool, bool) {
    let tolerates = |effects: &[&str]| untolerated(pod, node, effects).is_none();
    let matches = affinity_matches(pod, node);
    (
        matches && tolerates(&["NoSchedule", "NoExecute"]),
        matches && tolerates(&["NoExecute"]),
    )
}

/// What a Pod asks for: the sum of its containers, or its largest init container.
pub fn requests(pod: &Value) -> BTreeMap<String, Quantity> {
    let mut total: BTreeMap<String, Quantity> = BTreeMap::new();
    let each = |container: &Value| -> Vec<(String, Quantity)> {
        map(container, "resources.requests")
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), Quantity::parse(value.as_str()?)?)))
            .collect()
    };
    for container in list(pod, "spec.containers") {
        for (name, value) in each(container) {
            let sum = total
                .get(&name)
                .copied()
                .unwrap_or(Quantity::ZERO)
                .plus(value);
            total.insert(name, sum);
        }
    }
    for container in list(pod, "spec.initContainers") {
        for (name, value) in each(container) {
            let have = total.entry(name).or_insert(Quantity::ZERO);
            if value > *have {
                *have = value;
            }
        }
    }
    total
}

fn used(placed: &[(Arc<Value>, String)], node: &str) -> (BTreeMap<String, Quantity>, i64) {
    let mut total: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut count = 0;
    for (pod, _) in placed.iter().filter(|(_, on)| on == node) {
        count += 1;
        for (name, value) in requests(pod) {
            let sum = total
                .get(&name)
                .copied()
                .unwrap_or(Quantity::ZERO)
                .plus(value);
            total.insert(name, sum);
        }
    }
    (total, count)
}

fn allocatable(node: &Value, name: &str) -> Quantity {
    at(node, "status.allocatable")
        .get(name)
        .and_then(Value::as_str)
        .and_then(Quantity::parse)
        .unwrap_or(Quantity::ZERO)
}

/// Why the Pod does not fit, resource by resource.
fn lacking(pod: &Value, node: &Value, placed: &[(Arc<Value>, String)]) -> Vec<String> {
    let mut reasons = Vec::new();
    let (used, count) = used(placed, object::name(node));
    let most = allocatable(node, "pods").value();
    if most > 0 && count + 1 > most {
        reasons.push("Too many pods".to_string());
    }
    for (name, wanted) in requests(pod) {
        if wanted == Quantity::ZERO || wanted.value() == 0 {
            continue;
        }
        let after = used
            .get(&name)
            .copied()
            .unwrap_or(Quantity::ZERO)
            .plus(wanted);
        if after > allocatable(node, &name) {
            reasons.push(format!("Insufficient {name}"));
        }
    }
    reasons
}

fn host_ports(pod: &Value) -> Vec<(i64, String)> {
    list(pod, "spec.containers")
        .iter()
        .flat_map(|c| list(c, "ports"))
        .filter_map(|p| {
            Some((
                int(p, "hostPort").filter(|n| *n > 0)?,
                text(p, "protocol").to_string(),
            ))
        })
        .collect()
}

/// Required anti-affinity and affinity between Pods.
fn pod_affinity(
    pod: &Value,
    node: &Value,
    nodes: &[Arc<Value>],
    placed: &[(Arc<Value>, String)],
) -> Option<&'static str> {
    let terms = |kind: &str| {
        list(
            pod,
            &format!("spec.affinity.{kind}.requiredDuringSchedulingIgnoredDuringExecution"),
        )
        .to_vec()
    };
    let topology = |node: &Value, key: &str| object::label(node, key).to_string();
    let hits = |term: &Value| {
        let selector = LabelSelector::from_object(at(term, "labelSelector"));
        let key = text(term, "topologyKey");
        let here = topology(node, key);
        let spaces = list(term, "namespaces");
        placed.iter().any(|(other, on)| {
            let space = object::namespace(other);
            let in_scope = if spaces.is_empty() {
                space == object::namespace(pod)
            } else {
                spaces.iter().any(|s| s == space)
            };
            in_scope
                && selector.matches(at(other, "metadata.labels"))
                && nodes
                    .iter()
                    .any(|n| object::name(n) == on && !here.is_empty() && topology(n, key) == here)
        })
    };
    for term in terms("podAntiAffinity") {
        if hits(&term) {
            return Some("node(s) didn't match pod anti-affinity rules");
        }
    }
    for term in terms("podAffinity") {
        let selector = LabelSelector::from_object(at(&term, "labelSelector"));
        // The first of a group that wants to be together may go anywhere.
        let first = selector.matches(at(pod, "metadata.labels"))
            && !placed
                .iter()
                .any(|(other, _)| selector.matches(at(other, "metadata.labels")));
        if !first && !hits(&term) {
            return Some("node(s) didn't match pod affinity rules");
        }
    }
    None
}

/// Why a Pod can't go to a node (several reasons only for resources), and whether
/// making room could help.
fn refuse(
    pod: &Value,
    node: &Value,
    nodes: &[Arc<Value>],
    placed: &[(Arc<Value>, String)],
) -> Option<(Vec<String>, bool)> {
    let one = |text: String| Some((vec![text], false));
    let unschedulable = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    if flag(node, "spec.unschedulable")
        && !list(pod, "spec.tolerations")
            .iter()
            .any(|t| tolerates(t, &unschedulable))
    {
        return one("node(s) were unschedulable".to_string());
    }
    if let Some(taint) = untolerated(pod, node, &["NoSchedule", "NoExecute"]) {
        return one(format!(
            "node(s) had untolerated taint {{{}: {}}}",
            text(taint, "key"),
            text(taint, "value")
        ));
    }
    if !affinity_matches(pod, node) {
        return one("node(s) didn't match Pod's node affinity/selector".to_string());
    }
    let ports = host_ports(pod);
    let clash = placed
        .iter()
        .filter(|(_, on)| on == object::name(node))
        .any(|(other, _)| host_ports(other).iter().any(|p| ports.contains(p)));
    if clash {
        return Some((
            vec!["node(s) didn't have free ports for the requested pod ports".to_string()],
            true,
        ));
    }
    let lacking = lacking(pod, node, placed);
    if !lacking.is_empty() {
        return Some((lacking, true));
    }
    pod_affinity(pod, node, nodes, placed).map(|why| (vec![why.to_string()], why.contains("anti")))
}

/// The best node, or the sentence of the `FailedScheduling` event.
pub fn choose(
    pod: &Value,
    nodes: &[Arc<Value>],
    placed: &[(Arc<Value>, String)],
) -> Result<String, String> {
    if nodes.is_empty() {
        return Err("no nodes available to schedule pods".to_string());
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut preemptable = 0;
    let mut best: Option<(i64, &str)> = None;
    for node in nodes {
        match refuse(pod, node, nodes, placed) {
            None => {
                let score = score(pod, node, placed);
                if best.is_none_or(|(have, _)| score > have) {
                    best = Some((score, object::name(node)));
                }
            }
            Some((why, room)) => {
                preemptable += usize::from(room);
                for reason in why {
                    *reasons.entry(reason).or_default() += 1;
                }
            }
        }
    }
    if let Some((_, name)) = best {
        return Ok(name.to_string());
    }
    let total = nodes.len();
    let mut parts: Vec<String> = reasons
        .iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    parts.sort();
    let mut preemption = Vec::new();
    if preemptable > 0 {
        preemption.push(format!(
            "{preemptable} No preemption victims found for incoming pod"
        ));
    }
    if preemptable < total {
        preemption.push(format!(
            "{} Preemption is not helpful for scheduling",
            total - preemptable
        ));
    }
    preemption.sort();
    Err(format!(
        "0/{total} nodes are available: {}. preemption: 0/{total} nodes are available: {}.",
        parts.join(", "),
        preemption.join(", ")
    ))
}

/// More is better: free resources, few Pods of the same owner, few Pods at all.
fn score(pod: &Value, node: &Value, placed: &[(Arc<Value>, String)]) -> i64 {
    let name = object::name(node);
    let (used, count) = used(placed, name);
    let mut free = 0;
    for resource in ["cpu", "memory"] {
        let capacity = allocatable(node, resource).milli();
        if capacity > 0 {
            let taken = used.get(resource).map_or(0, |q| q.milli());
            free += (capacity - taken).max(0) / (capacity / 100).max(1) / 2;
        }
    }
    let owner = object::controller_of(pod).map_or("", |o| text(o, "uid"));
    let siblings = placed
        .iter()
        .filter(|(other, on)| {
            on == name
                && !owner.is_empty()
                && object::controller_of(other).is_some_and(|o| text(o, "uid") == owner)
        })
        .count();
    let tainted = i64::from(untolerated(pod, node, &["PreferNoSchedule"]).is_some());
    let siblings = i64::try_from(siblings).unwrap_or(0);
    free - siblings * 50 - count.min(100) / 4 - tainted * 300 + preferred(pod, node)
}

fn preferred(pod: &Value, node: &Value) -> i64 {
    list(
        pod,
        "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution",
    )
    .iter()
    .filter(|p| term_matches(at(p, "preference"), node))
    .filter_map(|p| int(p, "weight"))
    .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, taint: Option<&str>) -> Arc<Value> {
        let taints = taint.map(|key| json!([{"key": key, "effect": "NoSchedule"}]));
        Arc::new(
            json!({"metadata": {"name": name, "labels": {"disk": name}}, "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "110"}}}),
        )
    }

    #[test]
    fn the_reasons_read_as_the_scheduler_writes_them() {
        let nodes = [
            node("a", Some("node-role.kubernetes.io/control-plane")),
            node("b", None),
        ];
        let pod = json!({"spec": {"nodeSelector": {"disk": "ssd"}}});
        assert_eq!(
            choose(&pod, &nodes, &[]),
            Err("0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.".to_string())
        );
        let big = json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "4"}}}]}});
        assert_eq!(
            choose(&big, &nodes, &[]),
            Err("0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }. preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.".to_string())
        );
        assert_eq!(choose(&json!({}), &nodes, &[]), Ok("b".to_string()));
    }
}
