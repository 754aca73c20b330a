//! Nodes.

use super::{Page, date, since};
use crate::cx::Cx;
use crate::error::Outcome;
use kube::object::{flag, list, text};
use kube::quantity::Quantity;
use kube::request::Target;
use serde_json::Value;

pub(super) async fn node(
    cx: &Cx,
    page: &mut Page,
    node: &Value,
    events: Option<&[Value]>,
) -> Outcome {
    let (spec, status) = (&node["spec"], &node["status"]);
    page.name(node, false);
    page.line(0, format!("Roles:\t{}", roles(node)));
    page.meta(node);
    page.line(
        0,
        format!(
            "CreationTimestamp:\t{}",
            date(text(node, "metadata.creationTimestamp"))
        ),
    );
    page.rows("Taints", &taints(list(spec, "taints")));
    page.line(
        0,
        format!("Unschedulable:\t{}", flag(spec, "unschedulable")),
    );
    lease(cx, page, kube::object::name(node)).await?;
    if !list(status, "conditions").is_empty() {
        page.line(0, "Conditions:");
        page.line(
            1,
            "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage",
        );
        page.line(
            1,
            "----\t------\t-----------------\t------------------\t------\t-------",
        );
        for c in list(status, "conditions") {
            page.line(
                1,
                format!(
                    "{} \t{} \t{} \t{} \t{} \t{}",
                    text(c, "type"),
                    text(c, "status"),
                    date(text(c, "lastHeartbeatTime")),
                    date(text(c, "lastTransitionTime")),
                    text(c, "reason"),
                    text(c, "message")
                ),
            );
        }
    }
    page.line(0, "Addresses:");
    for address in list(status, "addresses") {
        page.line(
            1,
            format!("{}:\t{}", text(address, "type"), text(address, "address")),
        );
    }
    for (title, field) in [("Capacity", "capacity"), ("Allocatable", "allocatable")] {
        if let Some(amounts) = status[field].as_object().filter(|a| !a.is_empty()) {
            page.line(0, format!("{title}:"));
            for (name, amount) in amounts {
                page.line(0, format!("  {name}:\t{}", kube::gofmt::verb_v(amount)));
            }
        }
    }
    page.line(0, "System Info:");
    for (title, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
        ("Kube-Proxy Version", "kubeProxyVersion"),
    ] {
        page.line(
            0,
            format!("  {title}:\t{}", text(&status["nodeInfo"], field)),
        );
    }
    if !text(spec, "podCIDR").is_empty() {
        page.line(0, format!("PodCIDR:\t{}", text(spec, "podCIDR")));
    }
    let ranges: Vec<&str> = list(spec, "podCIDRs")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if !ranges.is_empty() {
        page.line(0, format!("PodCIDRs:\t{}", ranges.join(",")));
    }
    if !text(spec, "providerID").is_empty() {
        page.line(0, format!("ProviderID:\t{}", text(spec, "providerID")));
    }
    let selector = format!(
        "spec.nodeName={},status.phase!=Failed,status.phase!=Succeeded",
        kube::object::name(node)
    );
    let path = Target::new("/api/v1/pods")
        .with("fieldSelector", &selector)
        .finish();
    match cx.client()?.get(&path).await {
        Ok(answer) => pods(page, list(&answer, "items"), status),
        Err(e) if e.reason() == "Forbidden" => page.line(0, "Pods:\tnot authorized"),
        Err(e) => return Err(e),
    }
    page.events(events);
    Ok(())
}

/// Roles from labels, sorted.
fn roles(node: &Value) -> String {
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in node["metadata"]["labels"].as_object().into_iter().flatten() {
        if let Some(role) = key
            .strip_prefix("node-role.kubernetes.io/")
            .filter(|r| !r.is_empty())
        {
            roles.push(role);
        } else if key == "kubernetes.io/role" {
            roles.extend(value.as_str().filter(|v| !v.is_empty()));
        }
    }
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        "<none>".to_owned()
    } else {
        roles.join(",")
    }
}

fn taints(all: &[Value]) -> Vec<String> {
    let mut all = all.to_vec();
    all.sort_by_key(|t| format!("{},{}", text(t, "effect"), text(t, "key")));
    all.iter()
        .map(
            |t| match (text(t, "key"), text(t, "value"), text(t, "effect")) {
                (key, "", effect) => format!("{key}:{effect}"),
                (key, value, effect) => format!("{key}={value}:{effect}"),
            },
        )
        .collect()
}

async fn lease(cx: &Cx, page: &mut Page, name: &str) -> Outcome {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}");
    match cx.client()?.get(&path).await {
        Ok(lease) => {
            let time = |field| match text(&lease["spec"], field) {
                "" => "<unset>".to_owned(),
                time => date(time),
            };
            page.line(0, "Lease:");
            let holder = text(&lease, "spec.holderIdentity");
            page.line(
                1,
                format!(
                    "HolderIdentity:\t{}",
                    if holder.is_empty() { "<unset>" } else { holder }
                ),
            );
            page.line(1, format!("AcquireTime:\t{}", time("acquireTime")));
            page.line(1, format!("RenewTime:\t{}", time("renewTime")));
        }
        Err(e) => page.line(0, format!("Lease:\tFailed to get lease: {e}")),
    }
    Ok(())
}

/// What a Pod asks for: the sum of its containers, or its greediest init
/// container if that is more.
fn asked(pod: &Value, kind: &str, resource: &str) -> Quantity {
    let of = |container: &Value| {
        Quantity::parse(text(&container["resources"][kind], resource)).unwrap_or(Quantity::ZERO)
    };
    let sum = list(pod, "spec.containers")
        .iter()
        .fold(Quantity::ZERO, |sum, c| sum.plus(of(c)));
    let greedy = list(pod, "spec.initContainers").iter().map(of);
    greedy.fold(sum, |most, one| {
        if one.milli() > most.milli() {
            one
        } else {
            most
        }
    })
}

fn percent(amount: Quantity, of: Quantity) -> i64 {
    if of.milli() == 0 {
        return 0;
    }
    // As Google's: a float, cut to a whole number.
    (amount.milli() as f64 / of.milli() as f64 * 100.0) as i64
}

fn pods(page: &mut Page, pods: &[Value], status: &Value) {
    let amounts = if status["allocatable"].is_object() {
        &status["allocatable"]
    } else {
        &status["capacity"]
    };
    let allocatable = |name: &str| Quantity::parse(text(amounts, name)).unwrap_or(Quantity::ZERO);
    page.line(
        0,
        format!("Non-terminated Pods:\t({} in total)", pods.len()),
    );
    page.line(
        1,
        "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge",
    );
    page.line(
        1,
        "---------\t----\t\t------------\t----------\t---------------\t-------------\t---",
    );
    for pod in pods {
        let cell = |kind, resource| {
            let amount = asked(pod, kind, resource);
            format!("{amount} ({}%)", percent(amount, allocatable(resource)))
        };
        page.line(
            1,
            format!(
                "{}\t{}\t\t{}\t{}\t{}\t{}\t{}",
                kube::object::namespace(pod),
                kube::object::name(pod),
                cell("requests", "cpu"),
                cell("limits", "cpu"),
                cell("requests", "memory"),
                cell("limits", "memory"),
                since(text(pod, "metadata.creationTimestamp"))
            ),
        );
    }
    page.line(0, "Allocated resources:");
    page.line(
        0,
        "  (Total limits may be over 100 percent, i.e., overcommitted.)",
    );
    page.line(1, "Resource\tRequests\tLimits");
    page.line(1, "--------\t--------\t------");
    let mut names = vec!["cpu", "memory", "ephemeral-storage"];
    names.extend(
        amounts
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .filter(|n| n.starts_with("hugepages-")),
    );
    for name in names {
        let total = |kind| {
            pods.iter()
                .fold(Quantity::ZERO, |sum, pod| sum.plus(asked(pod, kind, name)))
        };
        let (requests, limits) = (total("requests"), total("limits"));
        let of = allocatable(name);
        page.line(
            1,
            format!(
                "{name}\t{requests} ({}%)\t{limits} ({}%)",
                percent(requests, of),
                percent(limits, of)
            ),
        );
    }
}
