//! Tells from the members' own logs how leadership moved: handed over by the leader, or won
//! in an election because nobody led.

use lab::model::HandoverProbe;

use super::{Result, Scene};
use crate::{logs, verdict::Outcome};

pub async fn look(scene: &Scene<'_>, probe: &HandoverProbe) -> Result {
    let expected = format!("{} to lead, handed over by the leader before it", probe.to);
    let address = *scene.addresses.get(&probe.to).unwrap_or(&scene.address);
    let place = format!("https://{address}:2379");
    let identity = scene.identity(address).await.map_err(|reason| {
        Outcome::could_not_look(&place, format!("etcd does not answer: {reason}"))
    })?;
    let leader = identity
        .members
        .iter()
        .find(|member| member.id == identity.leader);
    let Some(leader) = leader else {
        return Err(Outcome::failed(place, "no leader", expected));
    };
    if leader.name != probe.to {
        let found = format!("{} leads", leader.name);
        return Err(Outcome::failed(place, found, expected));
    }
    let mut terms = Vec::new();
    for node in scene.nodes() {
        for line in logs::etcd_lines(&node, "received MsgTimeoutNow from ")? {
            terms.extend(line["msg"].as_str().and_then(term_after_handover));
        }
    }
    // The term in which the first leader after the lab's start came to lead. Elections
    // after that may have reasons of their own, a slow machine for one.
    let first = scene.facts.raft_term + 1;
    if terms.contains(&first) {
        let found = format!("the leadership was handed over in term {first}");
        return Ok(Outcome::passed(found));
    }
    let found = format!(
        "no handover began term {first}, the first after the lab's start: an election was held \
         because the leader was gone"
    );
    Err(Outcome::failed("the logs of etcd", found, expected))
}

/// The term that follows a message that told the member to take over: raft's "… [term 2]
/// received MsgTimeoutNow from 8e9e05c52164694d and starts an election to get leadership."
/// (etcd 3.5.16, `raft/raft.go`).
fn term_after_handover(message: &str) -> Option<u64> {
    let (before, _) = message.split_once("] received MsgTimeoutNow from ")?;
    let (_, term) = before.rsplit_once("[term ")?;
    Some(term.parse::<u64>().ok()? + 1)
}

#[cfg(test)]
mod tests {
    use super::term_after_handover;

    #[test]
    fn a_handover_is_told_from_other_lines() {
        for (message, term) in [
            (
                "ab [term 2] received MsgTimeoutNow from cd and starts an election to get leadership.",
                Some(3),
            ),
            ("ab is starting a new election at term 2", None),
            ("[term x] received MsgTimeoutNow from cd", None),
            ("", None),
        ] {
            assert_eq!(term_after_handover(message), term, "{message}");
        }
    }
}
