//! Asks a component whether it serves. Here its silence is the finding.

use lab::{
    model::Cluster,
    probes::{Component, HealthProbe},
};

use super::{Result, SETTLE, Scene};
use crate::verdict::Outcome;

pub async fn look(scene: &Scene<'_>, probe: &HealthProbe) -> Result {
    let look = async || match probe.component {
        Component::Etcd => etcd(scene, probe).await,
        Component::ApiServer => api(scene).await,
    };
    scene.patience.until(SETTLE, look).await
}

/// The API server of the node; of a node that has none, that of the first control plane.
async fn api(scene: &Scene<'_>) -> Result {
    let own = Cluster::is_control_plane(scene.node.name).then_some(scene.address);
    let api = own.map_or_else(|| scene.api.clone(), |own| scene.api.at(own));
    let place = format!("https://{}:6443/readyz", api.address());
    match api.ready().await {
        Ok(()) => Ok(Outcome::passed("it is ready")),
        Err(reason) => Err(Outcome::failed(
            place,
            reason,
            "an API server that is ready",
        )),
    }
}

async fn etcd(scene: &Scene<'_>, probe: &HealthProbe) -> Result {
    let place = format!("https://{}:2379", scene.address);
    let expected = "a healthy etcd";
    let silent = |reason: String| Outcome::failed(&place, reason, expected);
    let status = scene.etcd.status(scene.address).await.map_err(silent)?;
    if status.leader == 0 {
        return Err(Outcome::failed(
            place,
            "a member without a leader",
            expected,
        ));
    }
    // A read through a quorum, as `endpoint health` makes it.
    scene
        .etcd
        .get(scene.address, "health")
        .await
        .map_err(silent)?;
    if !status.errors.is_empty() {
        let found = format!("it reports {}", status.errors.join(", "));
        return Err(Outcome::failed(place, found, "no alarm"));
    }
    let limit = u64::from(probe.size_below_mib) << 20;
    let size = u64::try_from(status.db_size).unwrap_or(0);
    if limit > 0 && size >= limit {
        let in_use = status.db_size_in_use / 1_048_576;
        let found = format!(
            "a database of {} MiB, {in_use} MiB of which are in use",
            size / 1_048_576
        );
        let expected = format!("less than {} MiB", probe.size_below_mib);
        return Err(Outcome::failed(place, found, expected));
    }
    if probe.refuses_anonymous && scene.etcd.lets_anyone_read(scene.address).await {
        let found = "whoever connects may read, without a certificate";
        let expected = "clients without a certificate to be turned away";
        return Err(Outcome::failed(place, found, expected));
    }
    Ok(Outcome::passed(format!(
        "it answers, database {} KiB, no alarm",
        size / 1024
    )))
}
