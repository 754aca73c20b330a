//! Leader election by a Lease in `kube-system`.
//!
//! Only one process of a component runs on a host, so a lease that an earlier
//! process of this host left behind is taken over at once.

use std::time::Duration;

use kube::object::{self, set, text};
use kube::resources;
use serde_json::json;

use crate::app::{now_micro, uuid};
use crate::client::{Client, ClientError};
use crate::log;

const DURATION: Duration = Duration::from_secs(15);
const RENEW_WITHIN: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_string())
        .unwrap_or_default()
}

/// One try to get or keep the lease.
async fn try_hold(client: &Client, name: &str, identity: &str) -> Result<bool, ClientError> {
    let Some(leases) = resources::by_path("coordination.k8s.io", "v1", "leases") else {
        return Ok(true);
    };
    let time = now_micro();
    let stamp = kube::time::rfc3339_micro(time);
    let found = client.get(leases, "kube-system", name).await;
    let mut lease = match found {
        Ok(lease) => lease,
        Err(error) if error.is_not_found() => {
            let lease = json!({"metadata": {"name": name, "namespace": "kube-system"},
                "spec": {"holderIdentity": identity, "leaseDurationSeconds": DURATION.as_secs(),
                    "acquireTime": stamp, "renewTime": stamp, "leaseTransitions": 0}});
            return client
                .create(leases, "kube-system", lease)
                .await
                .map(|_| true);
        }
        Err(error) => return Err(error),
    };
    let holder = text(&lease, "spec.holderIdentity").to_string();
    let renewed = kube::time::parse_micro(text(&lease, "spec.renewTime")).unwrap_or(0);
    let valid = time - renewed < i64::try_from(DURATION.as_micros()).unwrap_or(i64::MAX);
    let ours = holder == identity;
    let left_behind = holder.split('_').next() == Some(host().as_str());
    if !ours && !holder.is_empty() && valid && !left_behind {
        return Ok(false);
    }
    if !ours {
        let count = object::int(&lease, "spec.leaseTransitions").unwrap_or(0) + 1;
        set(&mut lease, "spec.leaseTransitions", json!(count));
        set(&mut lease, "spec.acquireTime", json!(stamp));
        set(&mut lease, "spec.holderIdentity", json!(identity));
    }
    set(&mut lease, "spec.renewTime", json!(stamp));
    client.update(leases, &lease, "").await.map(|_| true)
}

/// Waits until this process leads, and keeps the lease in the background. When it is
/// lost, the process ends, as the reference does.
pub async fn lead(client: &Client, name: &'static str) {
    let identity = format!("{}_{}", host(), uuid());
    log::info(&format!(
        "attempting to acquire leader lease kube-system/{name}..."
    ));
    let mut pause = Duration::from_millis(50);
    loop {
        match try_hold(client, name, &identity).await {
            Ok(true) => break,
            Ok(false) => tokio::time::sleep(RETRY).await,
            Err(error) => {
                if pause > Duration::from_millis(500) {
                    log::error(&format!(
                        "error retrieving resource lock kube-system/{name}: {error}"
                    ));
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY);
            }
        }
    }
    log::info(&format!("successfully acquired lease kube-system/{name}"));
    let client = client.clone();
    tokio::spawn(async move {
        let mut last = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(RETRY).await;
            let kept =
                tokio::time::timeout(Duration::from_secs(5), try_hold(&client, name, &identity))
                    .await;
            if matches!(kept, Ok(Ok(true))) {
                last = tokio::time::Instant::now();
            }
            if matches!(kept, Ok(Ok(false))) || last.elapsed() > RENEW_WITHIN {
                log::error("leaderelection lost");
                std::process::exit(1);
            }
        }
    });
}
