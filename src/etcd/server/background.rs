//! What a member does by itself: committing, compacting, expiring leases, publishing
//! itself, deciding the cluster version.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use wire::etcdserverpb::{self as pb, Request};

use super::{AutoCompaction, Caller, EtcdError, Server, VERSION};
use crate::measures::measures;

/// How often expired leases are looked for, and how many are revoked at once
/// (`lease/lessor.go`).
const LEASE_INTERVAL: Duration = Duration::from_millis(500);
const LEASES_AT_ONCE: usize = 16;
const LEASES_PER_ROUND: usize = 500;
/// Checkpoints in one log entry at most (`maxLeaseCheckpointBatchSize`).
const CHECKPOINTS_AT_ONCE: usize = 1000;
/// How often the members' versions are looked at (`monitorVersionInterval`).
const VERSION_INTERVAL: Duration = Duration::from_secs(5);
/// The cluster version as long as a member can't be asked (`version.MinClusterVersion`).
const MIN_CLUSTER_VERSION: &str = "3.0.0";
/// Pause between two steps of a compaction.
const COMPACTION_PAUSE: Duration = Duration::from_millis(10);
/// How often watches that lag behind are fed.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

impl Server {
    /// Writes what was applied to the db, every batch interval; ends, with all
    /// written, when the sender is dropped. A thread of its own.
    pub(crate) fn commit_regularly(&self, interval: Duration, stop: &Receiver<()>) {
        loop {
            let last = match stop.recv_timeout(interval) {
                Err(RecvTimeoutError::Timeout) => false,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            };
            if let Err(error) = commit(&self.0.store) {
                return self.fail(error.into());
            }
            if last {
                return;
            }
        }
    }

    /// Does scheduled compactions in small steps, so that writes aren't held up.
    pub(crate) async fn compact_regularly(self) {
        loop {
            let begun = std::time::Instant::now();
            let mut steps = 0;
            while self.0.store.compaction_pending().is_some() {
                let step = std::time::Instant::now();
                match self.blocking(|store| store.compact_step()).await {
                    Ok(_) => {
                        // This series counts milliseconds where others count seconds.
                        measures().compaction_pause.observe(step.elapsed() * 1000);
                        tokio::time::sleep(COMPACTION_PAUSE).await;
                    }
                    Err(error) => return self.fail(error),
                }
                steps += 1;
            }
            if steps > 0 {
                measures().compaction_total.observe(begun.elapsed() * 1000);
                measures().compaction_last.set(self.0.clock.wall() / 1000);
            }
            self.0.compaction.notified().await;
        }
    }

    /// Feeds watches that began in the past, or that were too slow.
    pub(crate) async fn feed_watches(self) {
        loop {
            match self.blocking(|store| store.watch_sync_step()).await {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => tokio::time::sleep(WATCH_INTERVAL).await,
                Err(error) => return self.fail(error),
            }
        }
    }

    /// As the leader, revokes leases past their time through the log.
    pub(crate) async fn expire_leases(self) {
        loop {
            tokio::time::sleep(LEASE_INTERVAL).await;
            if !self.0.store.lease_is_primary() || !self.is_leader() {
                continue;
            }
            let now = self.0.clock.monotonic();
            let expired = self.0.store.lease_expired(now, LEASES_PER_ROUND);
            if !expired.is_empty() && self.ensure_leadership().await {
                measures().leases_expired.add(expired.len() as u64);
                self.revoke(expired).await;
            }
            if self.0.config.lease_checkpoint {
                let due = self.0.store.lease_checkpoints(now, CHECKPOINTS_AT_ONCE);
                if !due.is_empty() {
                    self.propose_checkpoints(due).await;
                }
            }
        }
    }

    async fn revoke(&self, expired: Vec<i64>) {
        for some in expired.chunks(LEASES_AT_ONCE) {
            let mut revoking = tokio::task::JoinSet::new();
            for &id in some {
                let server = self.clone();
                revoking.spawn(async move {
                    let revoked = server
                        .lease_revoke(&Caller::member(), pb::LeaseRevokeRequest { id })
                        .await;
                    if let Err(error) = revoked {
                        crate::warn!("etcdserver/server.go:1201", "failed to revoke lease",
                            "lease-id" => format!("{id:016x}"), "error" => error.to_string());
                    }
                });
            }
            revoking.join_all().await;
        }
    }

    /// Puts this member's name and client URLs into the log, until it succeeds.
    pub(crate) async fn publish(self) {
        let config = &self.0.config;
        let attributes = super::bootstrap::attributes_json(&config.name, &config.client_urls);
        let path = format!("/0/members/{:x}/attributes", self.id());
        let shown = format!(
            "{{Name:{} ClientURLs:[{}]}}",
            self.0.config.name,
            self.0.config.client_urls.join(" ")
        );
        loop {
            let request = Request {
                method: "PUT".into(),
                path: path.clone().into(),
                val: attributes.clone().into(),
                ..Request::default()
            };
            match self.propose_v2(request).await {
                Ok(()) => {
                    crate::info!("etcdserver/server.go:2144",
                        "published local member to cluster through raft",
                        "local-member-id" => format!("{:x}", self.id()),
                        "local-member-attributes" => shown,
                        "request-path" => path,
                        "cluster-id" => format!("{:x}", self.cluster_id()),
                        "publish-timeout" => format!("{}s", self.request_timeout().as_secs()));
                    self.0.ready.send_replace(true);
                    return;
                }
                Err(EtcdError::Stopped) => return,
                Err(error) => crate::warn!("etcdserver/server.go:2152",
                    "failed to publish local member to cluster through raft",
                    "local-member-id" => format!("{:x}", self.id()),
                    "error" => error.to_string()),
            }
        }
    }

    /// As the leader, keeps the cluster version at the lowest of its members.
    pub(crate) async fn monitor_versions(self) {
        let mut first_commits = self.0.progress.first_commits.subscribe();
        // A sole member may lead before this task runs.
        first_commits.mark_changed();
        loop {
            tokio::select! {
                _ = first_commits.changed() => {}
                () = tokio::time::sleep(VERSION_INTERVAL) => {}
            }
            if !self.is_leader() {
                continue;
            }
            let decided = self.lowest_version().await;
            let present = self.cluster_version();
            let wanted = match (present.as_deref(), decided) {
                (None, decided) => decided.unwrap_or_else(|| MIN_CLUSTER_VERSION.into()),
                (Some(present), Some(decided)) if is_raise(present, &decided) => decided,
                _ => continue,
            };
            let from = present.map_or_else(|| "not decided".to_owned(), |from| short(&from));
            let request = Request {
                method: "PUT".into(),
                path: "/0/version".into(),
                val: wanted.clone().into(),
                ..Request::default()
            };
            match self.propose_v2(request).await {
                Ok(()) => crate::info!("etcdserver/server.go:2674", "cluster version is updated",
                    "cluster-version" => short(&wanted), "from" => from),
                Err(EtcdError::Stopped) => return,
                Err(error) => crate::warn!("etcdserver/server.go:2682",
                    "failed to update cluster version", "error" => error.to_string()),
            }
        }
    }

    /// The lowest minor version of all members; `None` if one can't be asked.
    async fn lowest_version(&self) -> Option<String> {
        let mut lowest = parse_version(VERSION)?;
        let members = self.membership();
        for member in members
            .members
            .values()
            .filter(|member| member.id != self.id())
        {
            let mut found = None;
            for url in &member.peer_urls {
                let asked = self.0.peers.version(url.clone(), self.request_timeout());
                if let Ok(versions) = asked.await {
                    found = Some(versions);
                    break;
                }
            }
            let Some(versions) = found else {
                crate::warn!("etcdserver/cluster_util.go:155", "failed to get version",
                    "remote-member-id" => format!("{:x}", member.id));
                return None;
            };
            lowest = lowest.min(parse_version(&versions.server)?);
        }
        Some(format!("{}.{}.0", lowest.0, lowest.1))
    }

    /// Compacts by itself (`--auto-compaction-mode`), as the leader.
    pub(crate) async fn auto_compact(self) {
        match self.0.config.auto_compaction {
            AutoCompaction::Off => {}
            AutoCompaction::Revision(keep) => {
                // v3compactor/revision.go: every five minutes.
                loop {
                    tokio::time::sleep(Duration::from_secs(300)).await;
                    self.auto_compact_to(self.0.store.revision() - keep).await;
                }
            }
            AutoCompaction::Periodic(period) => {
                // v3compactor/periodic.go: the revision is sampled ten times a period
                // (an hour's period at most), and compacted once a period.
                let cycle = period.min(Duration::from_secs(3600));
                let pause = cycle / 10;
                let keep = (period.as_secs_f64() / pause.as_secs_f64()).round() as usize + 1;
                let mut samples = std::collections::VecDeque::new();
                let mut since = tokio::time::Instant::now();
                let mut wait = period;
                loop {
                    samples.push_back(self.0.store.revision());
                    if samples.len() > keep {
                        samples.pop_front();
                    }
                    tokio::time::sleep(pause).await;
                    if since.elapsed() < wait {
                        continue;
                    }
                    since = tokio::time::Instant::now();
                    wait = cycle;
                    if let Some(&revision) = samples.front() {
                        self.auto_compact_to(revision).await;
                    }
                }
            }
        }
    }

    async fn auto_compact_to(&self, revision: i64) {
        if !self.is_leader() || revision <= self.0.store.compact_revision() || revision <= 0 {
            return;
        }
        let request = pb::CompactionRequest {
            revision,
            physical: false,
        };
        match self.compact(&Caller::nobody(), request).await {
            Ok(_) => {
                crate::info!("v3compactor/periodic.go:152", "completed auto compaction", "revision" => revision)
            }
            Err(error) => crate::warn!("v3compactor/periodic.go:161", "failed auto compaction",
                "revision" => revision, "error" => error.to_string()),
        }
    }
}

/// Writes what was applied to the db; false if there was nothing to write.
pub(crate) fn commit(store: &mvcc::Store) -> mvcc::Result<bool> {
    let begun = std::time::Instant::now();
    let written = store.commit()?;
    if written {
        measures().backend_commit.observe(begun.elapsed());
    }
    Ok(written)
}

/// Major and minor version.
fn parse_version(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn short(version: &str) -> String {
    parse_version(version).map_or_else(
        || version.to_owned(),
        |(major, minor)| format!("{major}.{minor}"),
    )
}

fn is_raise(from: &str, to: &str) -> bool {
    match (parse_version(from), parse_version(to)) {
        (Some(from), Some(to)) => from.0 == to.0 && from.1 < to.1,
        _ => false,
    }
}
