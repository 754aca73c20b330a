//! Cluster IPs and node ports of Services.
//!
//! They are chosen among those that no Service has, under a lock of this process.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use kube::object::{self, at, list, set, text};
use kube::resources::{self, Resource};
use kube::validate::FieldError;
use serde_json::{Value, json};

use super::Context;
use crate::status::Failure;

/// The first address of the service network: the one of `kubernetes.default`.
pub fn first_address(network: (Ipv4Addr, u8)) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network.0) + 1)
}

fn in_network(network: (Ipv4Addr, u8), address: Ipv4Addr) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(network.1)).unwrap_or(0);
    u32::from(address) & mask == u32::from(network.0) & mask
}

/// On update, what was allocated stays if the client left it out.
pub fn keep_addresses(old: &Value, new: &mut Value) {
    let external = text(new, "spec.type") == "ExternalName";
    if external {
        for field in ["spec.clusterIP", "spec.clusterIPs"] {
            object::remove(new, field);
        }
        return;
    }
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let path = format!("spec.{field}");
        if at(new, &path).is_null() && !at(old, &path).is_null() {
            set(new, &path, at(old, &path).clone());
        }
    }
    let ports = list(old, "spec.ports").to_vec();
    let wants = matches!(text(new, "spec.type"), "NodePort" | "LoadBalancer");
    for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let same = ports.iter().find(|p| {
            at(p, "port") == at(port, "port")
                && (at(p, "protocol") == at(port, "protocol") || at(port, "protocol").is_null())
        });
        if !wants {
            object::remove(port, "nodePort");
        } else if at(port, "nodePort").is_null()
            && let Some(node) = same.and_then(|p| p.get("nodePort"))
        {
            set(port, "nodePort", node.clone());
        }
    }
}

/// Chooses what a Service needs and does not have.
pub async fn allocate(
    context: &Context,
    resource: &Resource,
    service: &mut Value,
) -> Result<(), Failure> {
    let kind = text(service, "spec.type").to_string();
    if kind == "ExternalName" {
        return Ok(());
    }
    let services = resources::by_path("", "v1", "services").unwrap_or(&resources::RESOURCES[0]);
    let cache = context.app.fresh(services).await?;
    let others = cache.list("/registry/services/specs/").items;
    let own = |other: &Value| object::key(other) == object::key(service);
    let taken: HashSet<String> = others
        .iter()
        .filter(|other| !own(other))
        .map(|other| text(other, "spec.clusterIP").to_string())
        .collect();
    let network = context.app.settings.service_network;
    let name = object::name(service).to_string();
    let refuse = |error: FieldError| Failure::invalid(resource, resource.kind, &name, &[error]);
    match text(service, "spec.clusterIP") {
        "None" => {}
        "" => {
            let address = free_address(network, &taken).ok_or_else(|| {
                Failure::internal("failed to allocate a serviceIP: range is full")
            })?;
            set(service, "spec.clusterIP", json!(address.to_string()));
        }
        given => {
            let field = "spec.clusterIPs";
            let shown = json!([given]);
            match given.parse::<Ipv4Addr>() {
                Err(_) => {
                    return Err(refuse(FieldError::invalid(
                        format!("{field}[0]"),
                        &json!(given),
                        "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                    )));
                }
                Ok(address) if !in_network(network, address) => {
                    let detail = format!(
                        "failed to allocate IP {given}: the provided IP ({given}) is not in the valid range. The range of valid IPs is {}/{}",
                        network.0, network.1
                    );
                    return Err(refuse(FieldError::invalid(field, &shown, &detail)));
                }
                Ok(_) if taken.contains(given) => {
                    let detail =
                        format!("failed to allocate IP {given}: provided IP is already allocated");
                    return Err(refuse(FieldError::invalid(field, &shown, &detail)));
                }
                Ok(_) => {}
            }
        }
    }
    let address = at(service, "spec.clusterIP").clone();
    set(service, "spec.clusterIPs", json!([address]));
    object::set_default(service, "spec.ipFamilies", json!(["IPv4"]));
    object::set_default(service, "spec.ipFamilyPolicy", json!("SingleStack"));
    if kind == "NodePort" || kind == "LoadBalancer" {
        node_ports(context, &others, service, &refuse)?;
    }
    Ok(())
}

fn free_address(network: (Ipv4Addr, u8), taken: &HashSet<String>) -> Option<Ipv4Addr> {
    let size = 1u32
        .checked_shl(32 - u32::from(network.1))
        .unwrap_or(u32::MAX);
    let start = u32::from_le_bytes(crate::app::random());
    // A random place to begin, as the reference has it, then upwards.
    (0..size.min(1 << 20)).find_map(|step| {
        let offset = start.wrapping_add(step) % size;
        let address = Ipv4Addr::from(u32::from(network.0).wrapping_add(offset));
        let usable = offset > 1 && offset + 1 < size;
        (usable && !taken.contains(&address.to_string())).then_some(address)
    })
}

fn node_ports(
    context: &Context,
    others: &[std::sync::Arc<Value>],
    service: &mut Value,
    refuse: &dyn Fn(FieldError) -> Failure,
) -> Result<(), Failure> {
    let key = object::key(service);
    let mut taken: HashSet<i64> = others
        .iter()
        .filter(|other| object::key(other) != key)
        .flat_map(|other| {
            list(other, "spec.ports")
                .iter()
                .filter_map(|p| object::int(p, "nodePort"))
                .collect::<Vec<_>>()
        })
        .collect();
    let (low, high) = context.app.settings.node_ports;
    let ports = service["spec"]["ports"].as_array_mut();
    for (index, port) in ports.into_iter().flatten().enumerate() {
        let field = format!("spec.ports[{index}].nodePort");
        match object::int(port, "nodePort").filter(|n| *n != 0) {
            Some(given) if given < i64::from(low) || given > i64::from(high) => {
                let detail = format!(
                    "provided port is not in the valid range. The range of valid ports is {low}-{high}"
                );
                return Err(refuse(FieldError::invalid(field, &json!(given), &detail)));
            }
            Some(given) if !taken.insert(given) => {
                return Err(refuse(FieldError::invalid(
                    field,
                    &json!(given),
                    "provided port is already allocated",
                )));
            }
            Some(_) => {}
            None => {
                let size = u32::from(high - low) + 1;
                let start = u32::from(u16::from_le_bytes(crate::app::random()));
                let free = (0..size)
                    .map(|step| i64::from(low) + i64::from((start + step) % size))
                    .find(|candidate| !taken.contains(candidate))
                    .ok_or_else(|| {
                        Failure::internal("failed to allocate a nodePort: range is full")
                    })?;
                taken.insert(free);
                set(port, "nodePort", json!(free));
            }
        }
    }
    Ok(())
}
