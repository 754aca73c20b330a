//! A range of Pod addresses for each node. (`pkg/controller/nodeipam`, 1.32.)

use std::net::Ipv4Addr;
use std::sync::Arc;

use kube::object::{self, text};
use serde_json::json;

use super::Shared;
use crate::client::Result;
use crate::reflector::{Queue, work};

/// The cluster's Pod network and the size of a node's part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: u32,
    count: u32,
    bits: u32,
}

impl Range {
    /// Parses `--cluster-cidr`; `bits` is `--node-cidr-mask-size`.
    pub fn parse(cidr: &str, bits: i64) -> std::result::Result<Range, String> {
        let wrong = || {
            format!(
                "invalid argument \"{cidr}\" for \"--cluster-cidr\" flag: invalid CIDR address: {cidr}"
            )
        };
        let (address, length) = cidr.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let length: u32 = length.parse().map_err(|_| wrong())?;
        let bits = u32::try_from(bits).map_err(|_| wrong())?;
        if !(1..=30).contains(&length) || bits < length || bits > 30 || bits - length > 16 {
            return Err(format!(
                "--node-cidr-mask-size {bits} does not fit --cluster-cidr {cidr}"
            ));
        }
        Ok(Range {
            base: u32::from(address) & (u32::MAX << (32 - length)),
            count: 1 << (bits - length),
            bits,
        })
    }

    fn part(self, index: u32) -> String {
        let address = Ipv4Addr::from(self.base + (index << (32 - self.bits)));
        format!("{address}/{}", self.bits)
    }
}

/// Starts the controller.
pub fn start(shared: &Arc<Shared>, range: Range) {
    let queue = Queue::new();
    let nodes = shared.store("nodes");
    let wake = Arc::clone(&queue);
    nodes.on_change(move |_, new| {
        if let Some(node) = new.filter(|n| text(n, "spec.podCIDR").is_empty()) {
            wake.add(object::name(node));
        }
    });
    let shared = Arc::clone(shared);
    // One at a time, so that no range is given twice.
    work("node-ipam", &queue, 1, move |name| {
        let shared = Arc::clone(&shared);
        async move { assign(&shared, range, &name).await }
    });
}

async fn assign(shared: &Shared, range: Range, name: &str) -> Result<()> {
    let nodes = shared.store("nodes");
    nodes.synced().await;
    let Some(node) = nodes
        .get(name)
        .filter(|n| text(n, "spec.podCIDR").is_empty())
    else {
        return Ok(());
    };
    let all = nodes.all();
    let taken: Vec<&str> = all.iter().map(|n| text(n, "spec.podCIDR")).collect();
    let free = (0..range.count)
        .map(|i| range.part(i))
        .find(|part| !taken.contains(&part.as_str()));
    let Some(part) = free else {
        let events = shared.events.of("cidrAllocator");
        let node = super::typed(nodes.resource, &node);
        events.normal(
            &node,
            "CIDRNotAvailable",
            format!("Node {name} status is now: CIDRNotAvailable"),
        );
        return Ok(());
    };
    let patch = json!({"spec": {"podCIDR": part, "podCIDRs": [part]}});
    let written = shared
        .client
        .patch(nodes.resource, "", name, "", &patch)
        .await?;
    nodes.observe(&written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_get_consecutive_parts() {
        let range = Range::parse("10.244.0.0/16", 24).expect("a range");
        assert_eq!(
            (range.count, range.part(0), range.part(2)),
            (
                256,
                "10.244.0.0/24".to_string(),
                "10.244.2.0/24".to_string()
            )
        );
        assert!(Range::parse("10.244.0.0", 24).is_err());
        assert!(Range::parse("10.244.0.0/24", 16).is_err());
    }
}
