//! `create service …`, `create ingress`.

use super::{begin, finish, one_name};
use crate::cx::Cx;
use crate::error::{Outcome, fail};
use serde_json::{Map, Value, json};

pub(super) async fn service(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    let kind = match cx.command {
        "create service clusterip" => "ClusterIP",
        "create service nodeport" => "NodePort",
        "create service loadbalancer" => "LoadBalancer",
        _ => "ExternalName",
    };
    let cluster_ip = if kind == "ClusterIP" {
        cx.text("clusterip")
    } else {
        ""
    };
    let tcp = cx.flags.list("tcp");
    if tcp.is_empty() && kind != "ExternalName" && cluster_ip != "None" {
        return fail("at least one tcp port specifier must be provided");
    }
    let mut ports = Vec::new();
    for spec in tcp {
        let mut port = port(spec)?;
        if kind == "NodePort" && cx.flags.int("node-port") != 0 {
            port["nodePort"] = Value::from(cx.flags.int("node-port"));
        }
        ports.push(port);
    }
    let mut object = begin("v1", "Service", name);
    object["metadata"]["labels"] = json!({"app": name});
    object["spec"] = json!({"selector": {"app": name}, "type": kind});
    if !ports.is_empty() {
        object["spec"]["ports"] = Value::Array(ports);
    }
    if !cluster_ip.is_empty() {
        object["spec"]["clusterIP"] = Value::from(cluster_ip);
    }
    if kind == "ExternalName" {
        if cx.text("external-name").is_empty() {
            return fail("required flag(s) \"external-name\" not set");
        }
        object["spec"]["externalName"] = Value::from(cx.text("external-name"));
    }
    object["status"] = json!({"loadBalancer": {}});
    finish(cx, object, &format!("failed to create {kind} service:")).await
}

fn number(text: &str) -> Outcome<u16> {
    text.parse().ok().filter(|n| *n > 0).map_or_else(
        || {
            fail(format!(
                "strconv.ParseInt: parsing {}: invalid syntax",
                kube::gofmt::quote(text)
            ))
        },
        Ok,
    )
}

/// `80`, `80:8080`, `80:http`
fn port(spec: &str) -> Outcome<Value> {
    let (outer, inner) = spec.split_once(':').unwrap_or((spec, spec));
    let outer = number(outer)?;
    let inner = match inner.parse::<u16>() {
        Ok(0) => return fail("must be between 1 and 65535, inclusive"),
        Ok(n) => Value::from(n),
        Err(_) => Value::from(inner),
    };
    let name = spec.replace(':', "-");
    Ok(json!({"name": name, "port": outer, "protocol": "TCP", "targetPort": inner}))
}

fn backend(service: &str, port: &str) -> Value {
    let port = match port.parse::<u16>() {
        Ok(number) => json!({"number": number}),
        Err(_) => json!({"name": port}),
    };
    json!({"service": {"name": service, "port": port}})
}

pub(super) async fn ingress(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    let rules = cx.flags.list("rule");
    let default = cx.text("default-backend");
    if rules.is_empty() && default.is_empty() {
        return fail(
            "not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)",
        );
    }
    let mut object = begin("networking.k8s.io/v1", "Ingress", name);
    object["spec"] = json!({});
    if !cx.text("class").is_empty() {
        object["spec"]["ingressClassName"] = Value::from(cx.text("class"));
    }
    let mut annotations = Map::new();
    for annotation in cx.flags.list("annotation") {
        let Some((key, value)) = annotation.split_once('=') else {
            return fail(format!(
                "annotation {annotation} is invalid and should be in format key=[value]"
            ));
        };
        annotations.insert(key.to_owned(), Value::from(value));
    }
    if !annotations.is_empty() {
        object["metadata"]["annotations"] = Value::Object(annotations);
    }
    if !default.is_empty() {
        let Some((service, port)) = default.split_once(':') else {
            return fail("default-backend should be in format servicename:serviceport");
        };
        object["spec"]["defaultBackend"] = backend(service, port);
    }
    let mut tls: Vec<Value> = Vec::new();
    let mut hosts: Vec<(String, Vec<Value>)> = Vec::new();
    for rule in rules {
        add_rule(rule, &mut hosts, &mut tls)?;
    }
    if !hosts.is_empty() {
        let rules = hosts.into_iter().map(|(host, paths)| {
            let mut rule = json!({"http": {"paths": paths}});
            if !host.is_empty() {
                rule["host"] = Value::from(host);
            }
            rule
        });
        object["spec"]["rules"] = rules.collect();
    }
    if !tls.is_empty() {
        object["spec"]["tls"] = Value::Array(tls);
    }
    object["status"] = json!({"loadBalancer": {}});
    finish(cx, object, "failed to create ingress:").await
}

/// `host/path=service:port[,tls[=secret]]`; a trailing `*` makes it a prefix.
fn add_rule(rule: &str, hosts: &mut Vec<(String, Vec<Value>)>, tls: &mut Vec<Value>) -> Outcome {
    let bad = || {
        fail(format!(
            "rule {rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
        ))
    };
    let (main, options) = rule
        .split_once(',')
        .map_or((rule, None), |(m, o)| (m, Some(o)));
    let Some((place, target)) = main.split_once('=') else {
        return bad();
    };
    let Some((host, path)) = place.split_once('/') else {
        return bad();
    };
    let Some((service, port)) = target.split_once(':') else {
        return bad();
    };
    if service.is_empty() || port.is_empty() {
        return bad();
    }
    let (path, kind) = match path.strip_suffix('*') {
        Some(path) => (path, "Prefix"),
        None => (path, "Exact"),
    };
    let entry =
        json!({"backend": backend(service, port), "path": format!("/{path}"), "pathType": kind});
    match hosts.iter_mut().find(|(known, _)| known == host) {
        Some((_, paths)) => paths.push(entry),
        None => hosts.push((host.to_owned(), vec![entry])),
    }
    match options {
        None => {}
        Some("tls") => tls.push(json!({"hosts": [host]})),
        Some(other) => match other.strip_prefix("tls=") {
            Some("") => tls.push(json!({"hosts": [host]})),
            Some(secret) => tls.push(json!({"hosts": [host], "secretName": secret})),
            None => return bad(),
        },
    }
    Ok(())
}
