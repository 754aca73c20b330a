//! Tells whether an API server ran while etcd was restored, on one node or on several.
//!
//! Two things give it away. A control plane renews its leases every few seconds: one
//! renewed in an old directory after the first restore was written by an API server that
//! still ran, wherever that was. And an API server that was started before the restored
//! etcd of its node, or before the last restore, serves the old world from its cache.

use std::{
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lab::probes::RestoreOrderProbe;
use serde_json::Value;

use super::{Result, Scene, data_dir, process};
use crate::{
    logs,
    node::{Entry, Node},
    verdict::Outcome,
};

const EXPECTED: &str = "every API server to be stopped before etcd is restored, and started after";

pub fn look(scene: &Scene<'_>, probe: &RestoreOrderProbe) -> Result {
    let names: Vec<&str> = match probe.nodes.is_empty() {
        true => vec![scene.node.name],
        false => probe.nodes.iter().map(String::as_str).collect(),
    };
    let mut seen = Vec::new();
    for name in names {
        let node = Node {
            fabric: scene.node.fabric,
            name,
        };
        seen.push(Seen::of(scene, &node, probe)?);
    }
    if seen.iter().all(|node| node.renewed.is_none()) {
        let reason = "no lease of the control plane is in it, so it can't be told";
        return Err(Outcome::could_not_look(
            scene.node.place(&probe.before),
            reason,
        ));
    }
    match objection(&seen) {
        Some((node, found)) => {
            let place = format!("{node}:{}", probe.restored);
            Err(Outcome::failed(place, found, EXPECTED))
        }
        None if seen.len() > 1 => Ok(Outcome::passed(
            "every API server was stopped before the first restore and started after the last",
        )),
        None => Ok(Outcome::passed(
            "the API server was stopped before the restore and started after etcd",
        )),
    }
}

/// What one node tells.
#[derive(Debug, Clone)]
struct Seen {
    node: String,
    restored: SystemTime,
    /// The last renewal in the directory that etcd ran on before, and of which lease.
    renewed: Option<(SystemTime, String)>,
    /// When the API server that runs was started; `None` if none does.
    api_server: Option<SystemTime>,
    /// When etcd was first started after the restore; `None` if it does not run.
    etcd: Option<SystemTime>,
}

impl Seen {
    /// # Errors
    /// The node was not restored, or the grader can't see it.
    fn of(scene: &Scene<'_>, node: &Node<'_>, probe: &RestoreOrderProbe) -> Result<Self> {
        let restored = restored_at(node, &probe.restored)?;
        let place = node.place(&probe.restored);
        let mut leases = vec![
            "/registry/leases/kube-system/kube-controller-manager".to_owned(),
            "/registry/leases/kube-system/kube-scheduler".to_owned(),
        ];
        for name in scene.addresses.keys() {
            leases.push(format!("/registry/leases/kube-node-lease/{name}"));
        }
        let keyspace = data_dir::read(node, &probe.before, &leases)?.keyspace;
        let renewed = leases.iter().filter_map(|key| {
            let at = renewed_at(keyspace.value(key)?)?;
            Some((at, key.clone()))
        });
        let processes = node
            .fabric
            .node_processes(node.name)
            .map_err(|error| Outcome::could_not_look(place, error.to_string()))?;
        let started = |name| process::newest(&processes, name).map(|found| found.started_at);
        // What runs now may have been started again since.
        let first = logs::etcd_lines(node, STARTING)?
            .iter()
            .filter_map(logged_at)
            .filter(|at| *at >= restored)
            .min();
        let etcd = started("etcd").map(|at| first.map_or(at, |first| first.min(at)));
        Ok(Self {
            node: node.name.to_owned(),
            restored,
            renewed: renewed.max(),
            api_server: started("kube-apiserver"),
            etcd,
        })
    }
}

/// On which node the order was wrong, and what tells so; `None` if it was right.
fn objection(seen: &[Seen]) -> Option<(&str, String)> {
    let first = seen.iter().min_by_key(|node| node.restored)?;
    let last = seen.iter().max_by_key(|node| node.restored)?;
    let renewed = seen.iter().filter_map(|node| node.renewed.as_ref()).max();
    if let Some((at, lease)) = renewed
        && let Ok(late) = at.duration_since(first.restored)
    {
        let found = format!(
            "an API server renewed {lease} {:.1} s after the restore",
            late.as_secs_f64()
        );
        return Some((&first.node, found));
    }
    for node in seen {
        let (Some(api_server), Some(etcd)) = (node.api_server, node.etcd) else {
            return Some((&node.node, "no API server, or no etcd, runs".into()));
        };
        if api_server < etcd {
            let found = "the API server has been running since before the restored etcd was \
                         started, and serves what its cache holds";
            return Some((&node.node, found.into()));
        }
        if api_server < last.restored {
            let found = format!(
                "the API server was started before etcd was restored on {}",
                last.node
            );
            return Some((&node.node, found));
        }
    }
    None
}

/// When `snapshot restore` made the directory: it writes the first raft snapshot, which
/// nothing changes later.
fn restored_at(node: &Node<'_>, path: &str) -> Result<SystemTime> {
    let missing = || {
        let found = "no directory as `snapshot restore` makes it";
        Outcome::failed(node.place(path), found, EXPECTED)
    };
    // It is called after its term, 1, and its index: one entry for each member.
    let snap = format!("{}/member/snap", path.trim_end_matches('/'));
    let first = node
        .list(&snap)?
        .into_iter()
        .find(|name| name.starts_with("0000000000000001-") && name.ends_with(".snap"))
        .ok_or_else(missing)?;
    match node.entry(&format!("{snap}/{first}"))? {
        Entry::File(_, metadata) => {
            let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
            let nanos = u64::try_from(metadata.mtime_nsec()).unwrap_or(0);
            Ok(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos))
        }
        Entry::Missing | Entry::Other(_) => Err(missing()),
    }
}

/// What etcd logs first (etcd 3.5.16 `server/embed/etcd.go`).
const STARTING: &str = "starting an etcd server";

/// When etcd wrote a line.
fn logged_at(line: &Value) -> Option<SystemTime> {
    moment(line["ts"].as_str()?)
}

/// When a stored Lease was renewed.
fn renewed_at(stored: &[u8]) -> Option<SystemTime> {
    let lease: Value = serde_json::from_slice(stored).ok()?;
    moment(kube::object::text(&lease, "spec.renewTime"))
}

/// A time as logs and Leases write it.
fn moment(text: &str) -> Option<SystemTime> {
    let micros = kube::time::parse_micro(text)?;
    Some(UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A node that was restored, and whose last lease, etcd and API server are of then.
    fn node(name: &str, restored: u64, renewed: u64, etcd: u64, api_server: u64) -> Seen {
        Seen {
            node: name.into(),
            restored: at(restored),
            renewed: Some((at(renewed), format!("lease-of-{name}"))),
            api_server: Some(at(api_server)),
            etcd: Some(at(etcd)),
        }
    }

    fn said(seen: &[Seen]) -> String {
        objection(seen).map_or_else(String::new, |(node, found)| format!("{node}: {found}"))
    }

    #[test]
    fn one_node_is_judged_by_its_leases_and_by_when_what_runs_was_started() {
        for (seen, says) in [
            (node("a", 20, 10, 30, 40), ""),
            (
                node("a", 20, 22, 30, 40),
                "a: an API server renewed lease-of-a 2.0 s after",
            ),
            (
                node("a", 20, 10, 30, 5),
                "a: the API server has been running since before",
            ),
            (
                node("a", 20, 10, 30, 25),
                "a: the API server has been running since before",
            ),
        ] {
            let found = said(std::slice::from_ref(&seen));
            assert_eq!(found.is_empty(), says.is_empty(), "{seen:?}: {found}");
            assert!(found.starts_with(says), "{seen:?}: {found}");
        }
    }

    #[test]
    fn an_api_server_of_any_node_counts() {
        let right = || {
            vec![
                node("a", 20, 10, 30, 40),
                node("b", 21, 10, 31, 41),
                node("c", 22, 10, 32, 42),
            ]
        };
        assert_eq!(said(&right()), "");

        // One node's server ran all the time.
        let mut seen = right();
        seen[1].api_server = Some(at(5));
        assert!(said(&seen).starts_with("b: the API server has been running since before"));

        // It was stopped, but only after the first restore; another node's members tell.
        let mut seen = right();
        seen[2].renewed = Some((at(21), "lease".into()));
        assert_eq!(
            said(&seen),
            "a: an API server renewed lease 1.0 s after the restore"
        );

        // Node by node: the first one's server came back before the last restore.
        let mut seen = right();
        seen[0] = node("a", 12, 10, 13, 14);
        assert_eq!(
            said(&seen),
            "a: the API server was started before etcd was restored on c"
        );

        let mut seen = right();
        seen[2].api_server = None;
        assert_eq!(said(&seen), "c: no API server, or no etcd, runs");
    }
}
