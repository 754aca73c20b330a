//! Tells whether an API server ran while etcd was restored.
//!
//! Two things give it away. A control plane renews its leases every few seconds: one
//! renewed in the old directory after the restore was written by an API server that
//! still ran. And an API server that was started before the restored etcd serves the
//! old world from its cache.

use std::{
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lab::probes::RestoreOrderProbe;
use serde_json::Value;

use super::{Result, Scene, data_dir, process};
use crate::{node::Entry, verdict::Outcome};

const EXPECTED: &str = "every API server to be stopped before etcd is restored, and started after";

pub fn look(scene: &Scene<'_>, probe: &RestoreOrderProbe) -> Result {
    let place = scene.node.place(&probe.restored);
    let restored = restored_at(scene, &probe.restored)?;
    let mut leases = vec![
        "/registry/leases/kube-system/kube-controller-manager".to_owned(),
        "/registry/leases/kube-system/kube-scheduler".to_owned(),
    ];
    for node in scene.node.fabric.nodes() {
        leases.push(format!("/registry/leases/kube-node-lease/{node}"));
    }
    let keyspace = data_dir::read(&scene.node, &probe.before, &leases)?.keyspace;
    let renewed = leases
        .iter()
        .filter_map(|key| {
            let at = renewed_at(keyspace.value(key)?)?;
            Some((at, key))
        })
        .max();
    let Some((renewed, lease)) = renewed else {
        let reason = "no lease of the control plane is in it, so it can't be told";
        return Err(Outcome::could_not_look(
            scene.node.place(&probe.before),
            reason,
        ));
    };
    if let Ok(late) = renewed.duration_since(restored) {
        let found = format!(
            "an API server renewed {lease} {:.1} s after the restore",
            late.as_secs_f64()
        );
        return Err(Outcome::failed(place, found, EXPECTED));
    }
    let all = process::all(scene, &place)?;
    let (Some(api), Some(etcd)) = (
        process::newest(&all, "kube-apiserver"),
        process::newest(&all, "etcd"),
    ) else {
        let found = "no API server, or no etcd, runs";
        return Err(Outcome::failed(place, found, EXPECTED));
    };
    if api.started_at < etcd.started_at {
        let found = "the API server has been running since before the restored etcd was started, \
                     and serves what its cache holds";
        return Err(Outcome::failed(place, found, EXPECTED));
    }
    Ok(Outcome::passed(
        "the API server was stopped before the restore and started after etcd",
    ))
}

/// When `snapshot restore` made the directory: it writes the first raft snapshot, which
/// nothing changes later.
fn restored_at(scene: &Scene<'_>, path: &str) -> Result<SystemTime> {
    let first = format!(
        "{}/member/snap/0000000000000001-0000000000000001.snap",
        path.trim_end_matches('/')
    );
    match scene.node.entry(&first)? {
        Entry::File(_, metadata) => {
            let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
            let nanos = u64::try_from(metadata.mtime_nsec()).unwrap_or(0);
            Ok(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos))
        }
        Entry::Missing | Entry::Other(_) => {
            let found = "no directory as `snapshot restore` makes it";
            Err(Outcome::failed(scene.node.place(path), found, EXPECTED))
        }
    }
}

/// When a stored Lease was renewed.
fn renewed_at(stored: &[u8]) -> Option<SystemTime> {
    let lease: Value = serde_json::from_slice(stored).ok()?;
    let micros = kube::time::parse_micro(kube::object::text(&lease, "spec.renewTime"))?;
    Some(UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).ok()?))
}
