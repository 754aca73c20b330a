//! Asks etcd for its members.

use std::{net::Ipv4Addr, time::Duration};

use lab::model::MembersProbe;
use wire::etcdserverpb::Member;

use super::{Result, Scene};
use crate::{
    live::{Identity, refuses},
    logs,
    verdict::Outcome,
};

/// How long members may take to come up, or to catch up with each other, before that
/// counts.
const SETTLE: Duration = Duration::from_secs(5);

const CLIENT_PORT: u16 = 2379;

pub async fn look(scene: &Scene<'_>, probe: &MembersProbe) -> Result {
    let look = async || look_once(scene, probe).await;
    scene.patience.until(SETTLE, look).await
}

async fn look_once(scene: &Scene<'_>, probe: &MembersProbe) -> Result {
    let place = format!("https://{}:{CLIENT_PORT}", scene.address);
    let identity = ask(scene, scene.address, &place).await?;
    let failed = |found: String, expected: String| Err(Outcome::failed(&place, found, expected));
    let (learners, voters): (Vec<&Member>, Vec<&Member>) =
        identity.members.iter().partition(|one| one.is_learner);
    if voters.len() != probe.count as usize {
        let found = format!("{} voting members: {}", voters.len(), names(&voters));
        return failed(found, format!("{} voting members", probe.count));
    }
    if let Some(wanted) = probe.learners
        && learners.len() != wanted as usize
    {
        let found = match learners.len() {
            0 => "no learners".to_owned(),
            number => format!("{number} learners: {}", names(&learners)),
        };
        return failed(found, format!("{wanted} learners"));
    }
    if let Some(name) = probe.names.iter().find(|name| !has(&voters, name)) {
        let found = format!("the members are {}", names(&voters));
        return failed(found, format!("a member called {name}"));
    }
    are_those_asked_for(scene, probe, &identity, &place)?;
    have_learned(scene, probe, &identity, &place)?;
    if !probe.leader.is_empty() {
        let leads = voters.iter().find(|one| one.id == identity.leader);
        let found = leads.map_or("no leader".to_owned(), |one| format!("{} leads", one.name));
        if leads.is_none_or(|one| one.name != probe.leader) {
            return failed(found, format!("{} to lead", probe.leader));
        }
    }
    let mut answered = vec![];
    if probe.healthy || probe.same_data {
        for member in &voters {
            answered.push(answers(scene, member, &identity, &place).await?);
        }
    }
    if probe.same_data {
        hold_the_same(scene, &answered, &place).await?;
    }
    Ok(Outcome::passed(match voters.as_slice() {
        [one] => format!("{} answers", one.name),
        more => format!("{} members answer", more.len()),
    }))
}

/// Asks a member of the lab. That a machine refuses the connection is a finding: no etcd
/// runs there. Silence may have other reasons.
async fn ask(scene: &Scene<'_>, address: Ipv4Addr, place: &str) -> Result<Identity> {
    match scene.etcd.identity(address).await {
        Ok(identity) => Ok(identity),
        Err(_) if refuses(address, CLIENT_PORT).await => Err(Outcome::failed(
            place,
            format!("nothing listens on {address}:{CLIENT_PORT} (connection refused)"),
            "a running etcd",
        )),
        Err(reason) => Err(Outcome::could_not_look(
            place,
            format!("etcd does not answer: {reason}"),
        )),
    }
}

/// What the lab's start tells of the members' IDs.
fn are_those_asked_for(
    scene: &Scene<'_>,
    probe: &MembersProbe,
    identity: &Identity,
    place: &str,
) -> Result<()> {
    let failed = |found: String, expected: &str| Err(Outcome::failed(place, found, expected));
    if probe.restored && identity.cluster_id == scene.facts.etcd_cluster_id {
        let found = format!(
            "the cluster {:x} that the lab started with",
            identity.cluster_id
        );
        return failed(found, "a new cluster, made by `snapshot restore`");
    }
    if !probe.token.is_empty()
        && let Some(other) = identity.members.iter().find(|one| {
            !one.is_learner && one.id != mvcc::member_id(&one.peer_ur_ls, &probe.token, None)
        })
    {
        let found = format!(
            "the member {} ({:x}) is of another token",
            other.name, other.id
        );
        let expected = format!("members founded with the token {}", probe.token);
        return failed(found, &expected);
    }
    let id_now = |name: &String| identity.members.iter().find(|one| one.name == *name);
    for name in &probe.replaced {
        let before = scene.facts.etcd_member_ids.get(name);
        match id_now(name) {
            None => {
                let found = format!("no member is called {name}");
                return failed(found, "a new member of that name");
            }
            Some(now) if before == Some(&now.id) => {
                let found = format!("{name} is still the member {:x}", now.id);
                return failed(found, "a new member, with another ID");
            }
            Some(_) => {}
        }
    }
    for name in &probe.kept {
        let before = scene.facts.etcd_member_ids.get(name);
        if id_now(name).map(|now| &now.id) != before {
            let found = match id_now(name) {
                Some(now) => format!("{name} is the member {:x}", now.id),
                None => format!("no member is called {name}"),
            };
            return failed(found, "the member that the lab started with");
        }
    }
    Ok(())
}

/// Members log who joins them, and as what (etcd 3.5.16, `server/etcdserver/server.go`).
fn have_learned(
    scene: &Scene<'_>,
    probe: &MembersProbe,
    identity: &Identity,
    place: &str,
) -> Result<()> {
    for name in &probe.learned {
        let id = identity.members.iter().find(|one| one.name == *name);
        let id = id.map(|one| format!("{:x}", one.id)).unwrap_or_default();
        let mut joined = false;
        for node in scene.nodes() {
            let lines = logs::etcd_lines(&node, "ConfChangeAddLearnerNode")?;
            joined |= lines
                .iter()
                .any(|line| line["raft-conf-change-node-id"] == id.as_str());
        }
        if !joined {
            let found = format!("{name} joined as a voting member at once");
            let expected = "a member that joined as a learner and was promoted";
            return Err(Outcome::failed(place, found, expected));
        }
    }
    Ok(())
}

/// A member that `asked` knows must answer, as one of the same cluster and with the same
/// leader.
async fn answers(
    scene: &Scene<'_>,
    member: &Member,
    asked: &Identity,
    place: &str,
) -> Result<(String, Ipv4Addr, i64)> {
    let expected = "all members healthy";
    let failed = |found: String| Outcome::failed(place, found, expected);
    let urls = &member.client_ur_ls;
    let Some(address) = urls.iter().find_map(|url| address(scene, url)) else {
        return Err(failed(match urls.as_slice() {
            [] => format!(
                "the member {:x} has no client URL: it never started",
                member.id
            ),
            urls => format!(
                "the member {} tells clients to come to {}, where no other machine finds it",
                member.name,
                urls.join(", ")
            ),
        }));
    };
    let own = scene.etcd.identity(address).await.map_err(|reason| {
        failed(format!(
            "the member {} does not answer: {reason}",
            member.name
        ))
    })?;
    if own.cluster_id != asked.cluster_id || own.member_id != member.id {
        return Err(failed(format!(
            "at {address} answers the member {:x} of the cluster {:x}, not {} ({:x}) of {:x}",
            own.member_id, own.cluster_id, member.name, member.id, asked.cluster_id
        )));
    }
    if own.leader == 0 {
        return Err(failed(format!("the member {} has no leader", member.name)));
    }
    Ok((member.name.clone(), address, own.revision))
}

/// The hashes of all at the newest revision that all have come to.
async fn hold_the_same(
    scene: &Scene<'_>,
    members: &[(String, Ipv4Addr, i64)],
    place: &str,
) -> Result<()> {
    let revision = members.iter().map(|(_, _, own)| *own).min().unwrap_or(0);
    let mut hashes = Vec::new();
    for (name, address, _) in members {
        let hash = scene.etcd.hash_kv(*address, revision).await;
        let hash = hash.map_err(|reason| {
            Outcome::could_not_look(place, format!("{name} gives no hash of its data: {reason}"))
        })?;
        hashes.push((name, hash));
    }
    let Some((first, (hash, _))) = hashes.first() else {
        return Ok(());
    };
    // A hash counts from the last compaction on, which members see at different times;
    // then there is nothing to compare yet.
    let comparable = hashes.iter().all(|(_, (_, from))| *from == hashes[0].1.1);
    if !comparable {
        let reason = "the members were compacted at different revisions just now";
        return Err(Outcome::could_not_look(place, reason));
    }
    match hashes.iter().find(|(_, (other, _))| other != hash) {
        None => Ok(()),
        Some((other, _)) => Err(Outcome::failed(
            place,
            format!("{first} and {other} hold different data at revision {revision}"),
            "the same data on all members",
        )),
    }
}

fn has(members: &[&Member], name: &str) -> bool {
    members.iter().any(|one| one.name == name)
}

/// Names with commas; a member that never started has none.
fn names(members: &[&Member]) -> String {
    let names: Vec<String> = members
        .iter()
        .map(|one| match one.name.as_str() {
            "" => format!("{:x} (never started)", one.id),
            name => name.to_owned(),
        })
        .collect();
    names.join(", ")
}

/// The address in a client URL that is no loopback one; nodes may be named.
pub fn address(scene: &Scene<'_>, url: &str) -> Option<Ipv4Addr> {
    let rest = url.split("://").nth(1)?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    let named = || scene.addresses.get(host).copied();
    host.parse()
        .ok()
        .or_else(named)
        .filter(|address: &Ipv4Addr| !address.is_loopback())
}
