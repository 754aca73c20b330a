//! Services, namespaces, configuration, accounts, RBAC.

use super::Page;
use crate::cx::Cx;
use crate::error::Outcome;
use kube::object::{list, text};
use kube::request::Target;
use serde_json::Value;

fn joined(values: &[Value]) -> String {
    let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    if texts.is_empty() {
        "<none>".to_owned()
    } else {
        texts.join(",")
    }
}

pub(super) async fn service(
    cx: &Cx,
    page: &mut Page,
    object: &Value,
    events: Option<&[Value]>,
) -> Outcome {
    let spec = &object["spec"];
    page.name(object, true);
    page.meta(object);
    let selector: Vec<String> = spec["selector"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
        .collect();
    page.line(
        0,
        format!(
            "Selector:\t{}",
            if selector.is_empty() {
                "<none>".to_owned()
            } else {
                selector.join(",")
            }
        ),
    );
    page.line(0, format!("Type:\t{}", text(spec, "type")));
    if !text(spec, "ipFamilyPolicy").is_empty() {
        page.line(
            0,
            format!("IP Family Policy:\t{}", text(spec, "ipFamilyPolicy")),
        );
    }
    page.line(
        0,
        format!("IP Families:\t{}", joined(list(spec, "ipFamilies"))),
    );
    page.line(0, format!("IP:\t{}", text(spec, "clusterIP")));
    page.line(0, format!("IPs:\t{}", joined(list(spec, "clusterIPs"))));
    if !list(spec, "externalIPs").is_empty() {
        page.line(
            0,
            format!("External IPs:\t{}", joined(list(spec, "externalIPs"))),
        );
    }
    for (title, field) in [
        ("Desired LoadBalancer IP", "loadBalancerIP"),
        ("External Name", "externalName"),
    ] {
        if !text(spec, field).is_empty() {
            page.line(0, format!("{title}:\t{}", text(spec, field)));
        }
    }
    let balancers: Vec<String> = list(object, "status.loadBalancer.ingress")
        .iter()
        .map(ingress)
        .collect();
    if !balancers.is_empty() {
        page.line(
            0,
            format!("LoadBalancer Ingress:\t{}", balancers.join(", ")),
        );
    }
    let slices = endpoint_slices(cx, object).await;
    for port in list(spec, "ports") {
        let name = match text(port, "name") {
            "" => "<unset>",
            name => name,
        };
        let protocol = text(port, "protocol");
        let number = |field: &str| kube::gofmt::verb_v(&port[field]);
        page.line(0, format!("Port:\t{name}\t{}/{protocol}", number("port")));
        page.line(
            0,
            format!("TargetPort:\t{}/{protocol}", number("targetPort")),
        );
        if port["nodePort"].as_i64().is_some_and(|p| p != 0) {
            page.line(
                0,
                format!("NodePort:\t{name}\t{}/{protocol}", number("nodePort")),
            );
        }
        page.line(
            0,
            format!("Endpoints:\t{}", endpoints(&slices, text(port, "name"))),
        );
    }
    page.line(
        0,
        format!("Session Affinity:\t{}", text(spec, "sessionAffinity")),
    );
    for (title, field) in [
        ("External Traffic Policy", "externalTrafficPolicy"),
        ("Internal Traffic Policy", "internalTrafficPolicy"),
    ] {
        if !text(spec, field).is_empty() {
            page.line(0, format!("{title}:\t{}", text(spec, field)));
        }
    }
    page.events(events);
    Ok(())
}

fn ingress(of: &Value) -> String {
    match (text(of, "ip"), text(of, "ipMode")) {
        ("", _) => text(of, "hostname").to_owned(),
        (ip, "") => ip.to_owned(),
        (ip, mode) => format!("{ip} ({mode})"),
    }
}

async fn endpoint_slices(cx: &Cx, service: &Value) -> Vec<Value> {
    let path = Target::new(format!(
        "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
        kube::object::namespace(service)
    ))
    .with(
        "labelSelector",
        &format!("kubernetes.io/service-name={}", kube::object::name(service)),
    )
    .finish();
    let Ok(client) = cx.client() else {
        return Vec::new();
    };
    match client.get(&path).await {
        Ok(answer) => list(&answer, "items").to_vec(),
        Err(_) => Vec::new(),
    }
}

/// At most three ready addresses of a named port.
fn endpoints(slices: &[Value], port_name: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_owned();
    }
    let mut found = Vec::new();
    for slice in slices {
        for port in list(slice, "ports")
            .iter()
            .filter(|p| text(p, "name") == port_name)
        {
            for endpoint in list(slice, "endpoints") {
                let ready = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
                if let Some(address) = list(endpoint, "addresses")
                    .first()
                    .and_then(Value::as_str)
                    .filter(|_| ready)
                {
                    found.push(format!("{address}:{}", port["port"].as_i64().unwrap_or(0)));
                }
            }
        }
    }
    let count = found.len();
    found.truncate(3);
    let shown = found.join(",");
    if count > 3 {
        format!("{shown} + {} more...", count - 3)
    } else {
        shown
    }
}

pub(super) async fn namespace(cx: &Cx, page: &mut Page, object: &Value) -> Outcome {
    page.name(object, false);
    page.meta(object);
    page.line(0, format!("Status:\t{}", text(object, "status.phase")));
    let conditions = list(object, "status.conditions");
    if !conditions.is_empty() {
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage");
        page.line(1, "----\t------\t------------------\t------\t-------");
        for c in conditions {
            page.line(
                1,
                format!(
                    "{}\t{}\t{}\t{}\t{}",
                    text(c, "type"),
                    text(c, "status"),
                    super::date(text(c, "lastTransitionTime")),
                    text(c, "reason"),
                    text(c, "message")
                ),
            );
        }
    }
    let name = kube::object::name(object);
    quotas(cx, page, name).await;
    limits(cx, page, name).await;
    Ok(())
}

async fn quotas(cx: &Cx, page: &mut Page, namespace: &str) {
    let Ok(client) = cx.client() else { return };
    let Ok(answer) = client
        .get(&format!("/api/v1/namespaces/{namespace}/resourcequotas"))
        .await
    else {
        return;
    };
    page.line(0, "");
    let quotas = list(&answer, "items");
    if quotas.is_empty() {
        page.line(0, "No resource quota.");
        return;
    }
    page.line(0, "Resource Quotas");
    for quota in quotas {
        page.line(0, format!("  Name:\t{}", kube::object::name(quota)));
        page.line(0, "  Resource\tUsed\tHard");
        page.line(0, "  --------\t---\t---");
        for (resource, hard) in quota["status"]["hard"].as_object().into_iter().flatten() {
            let used = kube::gofmt::verb_v(&quota["status"]["used"][resource]);
            page.line(
                0,
                format!("  {resource}\t{used}\t{}", kube::gofmt::verb_v(hard)),
            );
        }
    }
}

async fn limits(cx: &Cx, page: &mut Page, namespace: &str) {
    let Ok(client) = cx.client() else { return };
    let Ok(answer) = client
        .get(&format!("/api/v1/namespaces/{namespace}/limitranges"))
        .await
    else {
        return;
    };
    page.line(0, "");
    let ranges = list(&answer, "items");
    if ranges.is_empty() {
        page.line(0, "No LimitRange resource.");
        return;
    }
    page.line(0, "Resource Limits");
    page.line(
        0,
        " Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio",
    );
    page.line(
        0,
        " ----\t--------\t---\t---\t---------------\t-------------\t-----------------------",
    );
    for item in ranges.iter().flat_map(|r| list(r, "spec.limits")) {
        let fields = [
            "min",
            "max",
            "defaultRequest",
            "default",
            "maxLimitRequestRatio",
        ];
        let mut names: Vec<&String> = fields
            .iter()
            .filter_map(|f| item[*f].as_object())
            .flat_map(|m| m.keys())
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let cells: Vec<&str> = fields
                .iter()
                .map(|f| item[*f][name].as_str().unwrap_or("-"))
                .collect();
            page.line(
                0,
                format!(" {}\t{name}\t{}", text(item, "type"), cells.join("\t")),
            );
        }
    }
}

pub(super) fn config_map(page: &mut Page, object: &Value, events: Option<&[Value]>) {
    page.name(object, true);
    page.meta(object);
    page.line(0, "\nData\n====");
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        page.line(
            0,
            format!("{key}:\n----\n{}\n", value.as_str().unwrap_or_default()),
        );
    }
    page.line(0, "\nBinaryData\n====");
    for (key, value) in object["binaryData"].as_object().into_iter().flatten() {
        page.line(0, format!("{key}: {} bytes", decoded_length(value)));
    }
    page.line(0, "");
    page.events(events);
}

fn decoded_length(value: &Value) -> usize {
    use base64::Engine as _;
    let text = value.as_str().unwrap_or_default();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_or(0, |bytes| bytes.len())
}

pub(super) fn secret(page: &mut Page, object: &Value) {
    use base64::Engine as _;
    page.name(object, true);
    page.meta(object);
    let kind = text(object, "type");
    page.line(0, format!("\nType:\t{kind}"));
    page.line(0, "\nData\n====");
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        if key == "token" && kind == "kubernetes.io/service-account-token" {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(value.as_str().unwrap_or_default());
            let token = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
            page.line(0, format!("{key}:\t{token}"));
        } else {
            page.line(0, format!("{key}:\t{} bytes", decoded_length(value)));
        }
    }
}

pub(super) async fn service_account(
    cx: &Cx,
    page: &mut Page,
    object: &Value,
    events: Option<&[Value]>,
) -> Outcome {
    page.name(object, true);
    page.meta(object);
    let namespace = kube::object::namespace(object);
    let answer = cx
        .client()?
        .get(&format!("/api/v1/namespaces/{namespace}/secrets"))
        .await;
    let secrets: Option<Vec<Value>> = answer.ok().map(|a| list(&a, "items").to_vec());
    let names = |items: &[Value]| -> Vec<String> {
        items.iter().map(|s| text(s, "name").to_owned()).collect()
    };
    let tokens: Vec<String> = secrets
        .iter()
        .flatten()
        .filter(|s| {
            text(s, "type") == "kubernetes.io/service-account-token"
                && kube::object::annotation(s, "kubernetes.io/service-account.name")
                    == kube::object::name(object)
        })
        .map(|s| kube::object::name(s).to_owned())
        .collect();
    let known = |name: &str| {
        secrets
            .as_ref()
            .is_none_or(|all| all.iter().any(|s| kube::object::name(s) == name))
    };
    for (title, names) in [
        (
            "Image pull secrets:",
            names(list(object, "imagePullSecrets")),
        ),
        ("Mountable secrets: ", names(list(object, "secrets"))),
        ("Tokens:            ", tokens),
    ] {
        if names.is_empty() {
            page.line(0, format!("{title}\t<none>"));
        }
        for (i, name) in names.iter().enumerate() {
            let prefix = if i == 0 { title } else { "                   " };
            let missing = if known(name) { "" } else { " (not found)" };
            page.line(0, format!("{prefix}\t{name}{missing}"));
        }
    }
    page.events(events);
    Ok(())
}

pub(super) fn role(page: &mut Page, object: &Value) {
    page.name(object, false);
    page.meta(object);
    page.line(0, "PolicyRule:");
    page.line(1, "Resources\tNon-Resource URLs\tResource Names\tVerbs");
    page.line(1, "---------\t-----------------\t--------------\t-----");
    for row in rules(list(object, "rules")) {
        page.line(1, row);
    }
}

/// Rules one resource a line; those that differ in their verbs only are joined.
fn rules(rules: &[Value]) -> Vec<String> {
    let strings = |rule: &Value, field: &str| -> Vec<String> {
        list(rule, field)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    // (resource, URLs, names) → verbs
    let mut rows: Vec<((String, String, String), Vec<String>)> = Vec::new();
    let mut add = |key: (String, String, String), verbs: Vec<String>| match rows
        .iter_mut()
        .find(|(k, _)| *k == key)
    {
        Some((_, known)) => known.extend(verbs),
        None => rows.push((key, verbs)),
    };
    for rule in rules {
        let verbs = strings(rule, "verbs");
        for url in strings(rule, "nonResourceURLs") {
            add(
                (String::new(), format!("[{url}]"), "[]".to_owned()),
                verbs.clone(),
            );
        }
        let names = strings(rule, "resourceNames");
        let names = if names.is_empty() {
            vec!["[]".to_owned()]
        } else {
            names.iter().map(|n| format!("[{n}]")).collect()
        };
        for group in strings(rule, "apiGroups") {
            for resource in strings(rule, "resources") {
                let (plural, sub) = resource
                    .split_once('/')
                    .map_or((resource.as_str(), String::new()), |(p, s)| {
                        (p, format!("/{s}"))
                    });
                let shown = if group.is_empty() {
                    format!("{plural}{sub}")
                } else {
                    format!("{plural}.{group}{sub}")
                };
                for name in &names {
                    add(
                        (shown.clone(), "[]".to_owned(), name.clone()),
                        verbs.clone(),
                    );
                }
            }
        }
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    rows.into_iter()
        .map(|((resource, urls, names), verbs)| {
            format!("{resource}\t{urls}\t{names}\t[{}]", verbs.join(" "))
        })
        .collect()
}

pub(super) fn binding(page: &mut Page, object: &Value) {
    page.name(object, false);
    page.meta(object);
    page.line(0, "Role:");
    page.line(1, format!("Kind:\t{}", text(object, "roleRef.kind")));
    page.line(1, format!("Name:\t{}", text(object, "roleRef.name")));
    page.line(0, "Subjects:");
    page.line(1, "Kind\tName\tNamespace");
    page.line(1, "----\t----\t---------");
    for subject in list(object, "subjects") {
        page.line(
            1,
            format!(
                "{}\t{}\t{}",
                text(subject, "kind"),
                text(subject, "name"),
                text(subject, "namespace")
            ),
        );
    }
}
