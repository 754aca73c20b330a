//! What the member counts and times as it works, under the names that dashboards and
//! alerts for etcd use. The rooms below have no clock: they are timed from outside.

use std::{
    collections::HashMap,
    sync::OnceLock,
    time::{Duration, Instant},
};

use mvcc::Response;
use parking_lot::Mutex;
use wire::etcdserverpb::InternalRaftRequest;

use crate::metrics::{Cell, Histogram, counter, doubling, gauge, histogram};

/// The process's series; the same ones for every caller.
pub(crate) struct Measures {
    pub(crate) wal_fsync: Histogram,
    pub(crate) wal_write: Histogram,
    pub(crate) wal_write_bytes: Cell,
    pub(crate) backend_commit: Histogram,
    pub(crate) backend_defrag: Histogram,
    pub(crate) backend_snapshot: Histogram,
    pub(crate) defrag_inflight: Cell,
    pub(crate) hash: Histogram,
    pub(crate) hash_rev: Histogram,
    pub(crate) snap_save: Histogram,
    pub(crate) proposals_pending: Cell,
    pub(crate) proposals_failed: Cell,
    pub(crate) slow_reads: Cell,
    pub(crate) failed_reads: Cell,
    leases_granted: Cell,
    lease_ttl: Histogram,
    leases_revoked: Cell,
    pub(crate) leases_renewed: Cell,
    pub(crate) leases_expired: Cell,
    pub(crate) promotions: Cell,
    pub(crate) snapshot_in_progress: Cell,
    pub(crate) snap_db_save: Histogram,
    slow_applies: Cell,
    /// By operation and success. A lock of its own, which the apply thread alone takes.
    applies: Mutex<HashMap<(&'static str, bool), Histogram>>,
    pub(crate) compaction_pause: Histogram,
    pub(crate) compaction_total: Histogram,
    pub(crate) compaction_last: Cell,
    pub(crate) events: Cell,
    pub(crate) events_pending: Cell,
}

/// The series, which begin at zero with the first call.
pub(crate) fn measures() -> &'static Measures {
    static MEASURES: OnceLock<Measures> = OnceLock::new();
    MEASURES.get_or_init(Measures::new)
}

impl Measures {
    fn new() -> Self {
        let count = |name, help| counter(name, help, &[]);
        let level = |name, help| gauge(name, help, &[]);
        let times =
            |name, help, start, buckets| histogram(name, help, doubling(start, buckets), &[]);
        // They are there before the first health check.
        count(
            "etcd_server_health_success",
            "The total number of successful health checks",
        );
        count(
            "etcd_server_health_failures",
            "The total number of failed health checks",
        );
        Self {
            wal_fsync: times(
                "etcd_disk_wal_fsync_duration_seconds",
                "The latency distributions of fsync called by WAL.",
                0.001,
                14,
            ),
            wal_write: times(
                "etcd_disk_wal_write_duration_seconds",
                "The latency distributions of write called by WAL.",
                0.001,
                14,
            ),
            wal_write_bytes: level(
                "etcd_disk_wal_write_bytes_total",
                "Total number of bytes written in WAL.",
            ),
            backend_commit: times(
                "etcd_disk_backend_commit_duration_seconds",
                "The latency distributions of commit called by backend.",
                0.001,
                14,
            ),
            backend_defrag: times(
                "etcd_disk_backend_defrag_duration_seconds",
                "The latency distribution of backend defragmentation.",
                0.1,
                13,
            ),
            backend_snapshot: times(
                "etcd_disk_backend_snapshot_duration_seconds",
                "The latency distribution of backend snapshots.",
                0.01,
                17,
            ),
            defrag_inflight: level(
                "etcd_disk_defrag_inflight",
                "Whether or not defrag is active on the member. 1 means active, 0 means not.",
            ),
            hash: times(
                "etcd_mvcc_hash_duration_seconds",
                "The latency distribution of storage hash operation.",
                0.01,
                15,
            ),
            hash_rev: times(
                "etcd_mvcc_hash_rev_duration_seconds",
                "The latency distribution of storage hash by revision operation.",
                0.01,
                15,
            ),
            snap_save: times(
                "etcd_debugging_snap_save_total_duration_seconds",
                "The total latency distributions of save called by snapshot.",
                0.001,
                14,
            ),
            proposals_pending: level(
                "etcd_server_proposals_pending",
                "The current number of pending proposals to commit.",
            ),
            proposals_failed: count(
                "etcd_server_proposals_failed_total",
                "The total number of failed proposals seen.",
            ),
            slow_reads: count(
                "etcd_server_slow_read_indexes_total",
                "The total number of pending read indexes not in sync with leader's or timed out read index requests.",
            ),
            failed_reads: count(
                "etcd_server_read_indexes_failed_total",
                "The total number of failed read indexes seen.",
            ),
            leases_granted: count(
                "etcd_debugging_lease_granted_total",
                "The total number of granted leases.",
            ),
            lease_ttl: times(
                "etcd_debugging_lease_ttl_total",
                "Bucketed histogram of lease TTLs.",
                1.0,
                24,
            ),
            leases_revoked: count(
                "etcd_debugging_lease_revoked_total",
                "The total number of revoked leases.",
            ),
            leases_renewed: count(
                "etcd_debugging_lease_renewed_total",
                "The number of renewed leases seen by the leader.",
            ),
            leases_expired: count(
                "etcd_debugging_server_lease_expired_total",
                "The total number of expired leases.",
            ),
            promotions: count(
                "etcd_server_learner_promote_successes",
                "The total number of successful learner promotions while this member is leader.",
            ),
            snapshot_in_progress: level(
                "etcd_server_snapshot_apply_in_progress_total",
                "1 if the server is applying the incoming snapshot. 0 if none.",
            ),
            snap_db_save: times(
                "etcd_snap_db_save_total_duration_seconds",
                "The total latency distributions of v3 snapshot save",
                0.1,
                10,
            ),
            slow_applies: count(
                "etcd_server_slow_apply_total",
                "The total number of slow apply requests (likely overloaded from slow disk).",
            ),
            applies: Mutex::default(),
            compaction_pause: times(
                "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
                "Bucketed histogram of db compaction pause duration.",
                1.0,
                13,
            ),
            compaction_total: times(
                "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                "Bucketed histogram of db compaction total duration.",
                100.0,
                14,
            ),
            compaction_last: level(
                "etcd_debugging_mvcc_db_compaction_last",
                "The unix time of the last db compaction. Resets to 0 on start.",
            ),
            events: count(
                "etcd_debugging_mvcc_events_total",
                "Total number of events sent by this member.",
            ),
            events_pending: level(
                "etcd_debugging_mvcc_pending_events_total",
                "Total number of pending events to be sent.",
            ),
        }
    }

    /// Counts an applied entry, and what it did.
    pub(crate) fn applied(&self, request: &InternalRaftRequest, outcome: &Outcome, took: Took) {
        let (operation, success) = (operation(request), outcome.is_ok());
        self.applies
            .lock()
            .entry((operation, success))
            .or_insert_with(|| applies(operation, success))
            .observe(took.it);
        if !took.too_long.is_zero() && took.it > took.too_long {
            self.slow_applies.inc();
        }
        let Ok(response) = outcome else { return };
        match response {
            Response::LeaseGrant(answer) => {
                self.leases_granted.inc();
                let seconds = Duration::from_secs(u64::try_from(answer.ttl).unwrap_or(0));
                self.lease_ttl.observe(seconds);
            }
            Response::LeaseRevoke(_) => self.leases_revoked.inc(),
            _ => {}
        }
    }
}

fn applies(operation: &str, success: bool) -> Histogram {
    let success = if success { "true" } else { "false" };
    histogram(
        "etcd_server_apply_duration_seconds",
        "The latency distributions of v2 apply called by backend.",
        doubling(0.0001, 20),
        &[("version", "v3"), ("op", operation), ("success", success)],
    )
}

/// What the apply step came to.
type Outcome = Result<Response, mvcc::Error>;

/// How long an entry took, and how long is too long (zero for no limit).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) it: Duration,
    pub(crate) too_long: Duration,
}

/// The reference's name of what an entry asks for (`apply.go`).
fn operation(request: &InternalRaftRequest) -> &'static str {
    let names = [
        (request.range.is_some(), "Range"),
        (request.put.is_some(), "Put"),
        (request.delete_range.is_some(), "DeleteRange"),
        (request.txn.is_some(), "Txn"),
        (request.compaction.is_some(), "Compaction"),
        (request.lease_grant.is_some(), "LeaseGrant"),
        (request.lease_revoke.is_some(), "LeaseRevoke"),
        (request.lease_checkpoint.is_some(), "LeaseCheckpoint"),
        (request.alarm.is_some(), "Alarm"),
        (request.authenticate.is_some(), "Authenticate"),
        (request.auth_enable.is_some(), "AuthEnable"),
        (request.auth_disable.is_some(), "AuthDisable"),
        (request.auth_user_add.is_some(), "AuthUserAdd"),
        (request.auth_user_delete.is_some(), "AuthUserDelete"),
        (
            request.auth_user_change_password.is_some(),
            "AuthUserChangePassword",
        ),
        (request.auth_user_grant_role.is_some(), "AuthUserGrantRole"),
        (
            request.auth_user_revoke_role.is_some(),
            "AuthUserRevokeRole",
        ),
        (request.auth_role_add.is_some(), "AuthRoleAdd"),
        (request.auth_role_delete.is_some(), "AuthRoleDelete"),
        (
            request.auth_role_grant_permission.is_some(),
            "AuthRoleGrantPermission",
        ),
        (
            request.auth_role_revoke_permission.is_some(),
            "AuthRoleRevokePermission",
        ),
        (request.cluster_version_set.is_some(), "ClusterVersionSet"),
        (
            request.cluster_member_attr_set.is_some(),
            "ClusterMemberAttrSet",
        ),
        (request.downgrade_info_set.is_some(), "DowngradeInfoSet"),
    ];
    names
        .iter()
        .find(|(asked, _)| *asked)
        .map_or("unknown", |(_, name)| name)
}

/// Does something and counts how long it took.
pub(crate) fn timed<T>(histogram: &Histogram, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    histogram.observe(begun.elapsed());
    done
}

/// A number that is one higher as long as this lives.
pub(crate) struct While(Cell);

impl While {
    pub(crate) fn new(cell: &Cell) -> Self {
        cell.add(1);
        Self(cell.clone())
    }
}

impl Drop for While {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Since when the process runs and how much it has worked: seconds since 1970, and
/// seconds of processor time. A tick of `/proc` is a hundredth of a second.
pub(crate) fn process_times(stat: &str, boot: &str) -> Option<(u64, Duration)> {
    // The name of the program, in parentheses, may hold blanks.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let (user, system, started) = (ticks(11)?, ticks(12)?, ticks(19)?);
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot: u64 = boot.trim().parse().ok()?;
    Some((
        boot + started / 100,
        Duration::from_millis((user + system) * 10),
    ))
}

#[cfg(test)]
mod tests {
    use wire::etcdserverpb::TxnRequest;

    use super::*;

    #[test]
    fn entries_are_named_by_what_they_ask() {
        let request = InternalRaftRequest {
            txn: Some(TxnRequest::default()),
            ..Default::default()
        };
        assert_eq!(operation(&request), "Txn");
        assert_eq!(operation(&InternalRaftRequest::default()), "unknown");
    }

    #[test]
    fn the_process_is_timed() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 1200 1 2";
        let boot = "cpu 1 2 3\nbtime 1000\nprocesses 5\n";
        assert_eq!(
            process_times(stat, boot),
            Some((1012, Duration::from_secs(2)))
        );
        assert_eq!(process_times("", boot), None);
        assert_eq!(process_times(stat, ""), None);
    }
}
