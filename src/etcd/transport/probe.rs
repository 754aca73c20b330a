//! Asks a peer now and then whether it is there, only to tell the operator
//! (`rafthttp/probing_status.go`).

use std::time::{Duration, Instant};

use axum::body::Body;
use http::Method;
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{connect::root_cause, pipeline::Target};
use crate::metrics;

/// Between two questions.
const INTERVAL: Duration = Duration::from_secs(4);
/// Between two lines about a peer that does not answer.
const UNHEALTHY: Duration = Duration::from_secs(5);

pub(super) async fn run(target: Target, cancel: CancellationToken) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = probe(target) => {}
    }
}

async fn probe(target: Target) {
    let to = format!("{:x}", target.id);
    let rtt = metrics::histogram(
        "etcd_network_peer_round_trip_time_seconds",
        "Round-Trip-Time histogram between peers",
        metrics::doubling(0.0001, 16),
        &[("To", &to)],
    );
    let mut smoothed = Duration::ZERO;
    let mut told: Option<Instant> = None;
    loop {
        let started = Instant::now();
        match ask(&target).await {
            Ok(()) => {
                let took = started.elapsed();
                // The weights of TCP, as the reference's prober has them.
                smoothed = if smoothed.is_zero() {
                    took
                } else {
                    smoothed * 7 / 8 + took / 8
                };
                rtt.observe(took);
                told = None;
            }
            Err(error) => {
                if told.is_none_or(|then| then.elapsed() >= UNHEALTHY) {
                    told = Some(Instant::now());
                    for name in ["ROUND_TRIPPER_SNAPSHOT", "ROUND_TRIPPER_RAFT_MESSAGE"] {
                        crate::warn!(
                            "rafthttp/probing_status.go:68", "prober detected unhealthy status",
                            "round-tripper-name" => name, "remote-peer-id" => to,
                            "rtt" => gowords::duration(smoothed), "error" => error,
                        );
                    }
                }
            }
        }
        time::sleep(INTERVAL).await;
    }
}

async fn ask(target: &Target) -> Result<(), String> {
    let url = target.picker.pick();
    let request = target
        .shared
        .request(Method::GET, &url, "/raft/probing", Body::empty())?;
    let answer = time::timeout(
        target.shared.read_timeout,
        target.shared.client.request(request),
    )
    .await
    .map_err(|_| "i/o timeout".to_owned())?
    .map_err(|error| root_cause(&error))?;
    if !answer.status().is_success() {
        return Err(format!("unexpected http status {}", answer.status()));
    }
    super::small_body(answer.into_body()).await;
    Ok(())
}
