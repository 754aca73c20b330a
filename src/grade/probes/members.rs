//! Asks etcd for its members.

use std::net::Ipv4Addr;

use lab::model::MembersProbe;

use super::{Result, Scene};
use crate::verdict::Outcome;

pub async fn look(scene: &Scene<'_>, probe: &MembersProbe) -> Result {
    let place = format!("https://{}:2379", scene.address);
    let identity = scene.etcd.identity(scene.address).await.map_err(|reason| {
        Outcome::could_not_look(&place, format!("etcd does not answer: {reason}"))
    })?;
    let voters: Vec<_> = identity
        .members
        .iter()
        .filter(|one| !one.is_learner)
        .collect();
    if voters.len() != probe.count as usize {
        let names: Vec<_> = voters.iter().map(|one| one.name.as_str()).collect();
        let found = format!("{} voting members: {}", voters.len(), names.join(", "));
        return Err(Outcome::failed(
            place,
            found,
            format!("{} voting members", probe.count),
        ));
    }
    if probe.healthy {
        for member in &voters {
            let Some(address) = member.client_ur_ls.iter().find_map(|url| address(url)) else {
                let found = format!(
                    "the member {:x} has no client URL: it never started",
                    member.id
                );
                return Err(Outcome::failed(place, found, "all members healthy"));
            };
            if let Err(reason) = scene.etcd.identity(address).await {
                let found = format!("the member {} does not answer: {reason}", member.name);
                return Err(Outcome::failed(place, found, "all members healthy"));
            }
        }
    }
    Ok(Outcome::passed(match voters.as_slice() {
        [one] => format!("{} answers", one.name),
        more => format!("{} members answer", more.len()),
    }))
}

/// The address in a client URL that is no loopback one.
pub fn address(url: &str) -> Option<Ipv4Addr> {
    let rest = url.split("://").nth(1)?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    host.parse()
        .ok()
        .filter(|address: &Ipv4Addr| !address.is_loopback())
}
