//! The longer lines of a start and an end, with the fields that operators read.

use std::time::Duration;

use crate::{
    flags::{Options, url::strings},
    server::{AutoCompaction, ClusterState, Server},
    version::VERSION,
};

/// What closes, or has closed.
pub(super) fn log_close(options: &Options, caller: &'static str, message: &str) {
    crate::info!(
        caller, message,
        "name" => options.server.name,
        "data-dir" => options.server.data_dir.display().to_string(),
        "advertise-peer-urls" => options.server.peer_urls,
        "advertise-client-urls" => options.server.client_urls,
    );
}

/// Where the member is to be found.
pub(super) fn log_urls(options: &Options, server: &Server) {
    crate::info!(
        "embed/etcd.go:280", "now serving peer/client/metrics",
        "local-member-id" => format!("{:x}", server.id()),
        "initial-advertise-peer-urls" => options.server.peer_urls,
        "listen-peer-urls" => strings(&options.listen_peer),
        "advertise-client-urls" => options.server.client_urls,
        "listen-client-urls" => strings(&options.listen_client),
        "listen-metrics-urls" => strings(&options.listen_metrics),
    );
}

/// All settings.
pub(super) fn log_start(options: &Options, initialized: bool) {
    let server = &options.server;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // As in the reference, a member with data does not look at the initial cluster.
    let cluster: Vec<String> = if initialized {
        Vec::new()
    } else {
        server
            .initial_cluster
            .iter()
            .map(|(name, url)| format!("{name}={url}"))
            .collect()
    };
    let (retention, revisions) = match server.auto_compaction {
        AutoCompaction::Off => (Duration::ZERO, 0),
        AutoCompaction::Periodic(duration) => (duration, 0),
        AutoCompaction::Revision(revisions) => (Duration::ZERO, revisions),
    };
    let retention = if revisions > 0 {
        format!("{revisions}ns")
    } else {
        gowords::duration(retention)
    };
    let quota = if server.quota_backend_bytes == 0 {
        2 * 1024 * 1024 * 1024
    } else {
        server.quota_backend_bytes
    };
    let millis = |ms| gowords::duration(Duration::from_millis(ms));
    let sorted = |words: &[String]| {
        let mut words = words.to_vec();
        words.sort();
        words
    };
    crate::info!(
        "embed/etcd.go:311", "starting an etcd server",
        "etcd-version" => VERSION,
        "git-sha" => concat!("kubedrill-", env!("CARGO_PKG_VERSION")),
        "go-version" => "none (Rust)",
        "go-os" => std::env::consts::OS,
        "go-arch" => if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
        "max-cpu-set" => cpus,
        "max-cpu-available" => cpus,
        "member-initialized" => initialized,
        "name" => server.name,
        "data-dir" => server.data_dir.display().to_string(),
        "wal-dir" => server.wal_dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default(),
        "wal-dir-dedicated" => server.wal_dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default(),
        "member-dir" => server.data_dir.join("member").display().to_string(),
        "force-new-cluster" => server.force_new_cluster,
        "heartbeat-interval" => millis(server.heartbeat_ms),
        "election-timeout" => millis(server.election_ms),
        "initial-election-tick-advance" => server.initial_election_tick_advance,
        "snapshot-count" => server.snapshot_count,
        "max-wals" => server.max_wals,
        "max-snapshots" => server.max_snapshots,
        "snapshot-catchup-entries" => server.snapshot_catchup_entries,
        "initial-advertise-peer-urls" => server.peer_urls,
        "listen-peer-urls" => strings(&options.listen_peer),
        "advertise-client-urls" => server.client_urls,
        "listen-client-urls" => strings(&options.listen_client),
        "listen-metrics-urls" => strings(&options.listen_metrics),
        "cors" => sorted(&options.cors),
        "host-whitelist" => sorted(&options.host_whitelist),
        "initial-cluster" => cluster.join(","),
        "initial-cluster-state" => if server.state == ClusterState::Existing { "existing" } else { "new" },
        "initial-cluster-token" => if initialized { "" } else { server.token.as_str() },
        "quota-backend-bytes" => quota,
        "max-request-bytes" => server.max_request_bytes,
        "max-concurrent-streams" => options.max_concurrent_streams,
        "pre-vote" => server.pre_vote,
        "initial-corrupt-check" => server.initial_corrupt_check,
        "corrupt-check-time-interval" => gowords::duration(server.corrupt_check_time),
        "compact-check-time-enabled" => false,
        "compact-check-time-interval" => "1m0s",
        "auto-compaction-mode" => options.auto_compaction_mode,
        "auto-compaction-retention" => retention,
        "auto-compaction-interval" => retention,
        "discovery-url" => "",
        "discovery-proxy" => "",
        "downgrade-check-interval" => "5s",
    );
}
