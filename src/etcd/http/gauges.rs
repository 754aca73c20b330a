//! What `/metrics` reads from the member and from the system when it is asked.

use std::fs;

use crate::{
    measures::{measures, process_times},
    metrics::{counter, gauge, set_seconds},
    server::Server,
    version::VERSION,
};

/// Counts changes of the leader, and tells them, until the member stops.
pub async fn follow_leader(server: Server) {
    let changes = counter(
        "etcd_server_leader_changes_seen_total",
        "The number of leader changes seen.",
        &[],
    );
    let (mut leader, stopping) = (server.watch_leader(), server.stopping());
    let mut known = 0;
    loop {
        let now = *leader.borrow_and_update();
        if now != known {
            crate::log::leader_changed(server.id(), known, now);
            if now != 0 {
                changes.inc();
            }
            known = now;
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            changed = leader.changed() => if changed.is_err() { return },
        }
    }
}

/// Sets the counters of what was done on the keyspace, which the store counts.
fn operations(done: &mvcc::Operations) {
    let set = |name: &'static str, help: &'static str, n: u64| counter(name, help, &[]).set(n);
    set(
        "etcd_mvcc_range_total",
        "Total number of ranges seen by this member.",
        done.ranges,
    );
    set(
        "etcd_debugging_mvcc_range_total",
        "Total number of ranges seen by this member.",
        done.ranges,
    );
    set(
        "etcd_mvcc_put_total",
        "Total number of puts seen by this member.",
        done.puts,
    );
    set(
        "etcd_mvcc_delete_total",
        "Total number of deletes seen by this member.",
        done.deletes,
    );
    set(
        "etcd_mvcc_txn_total",
        "Total number of txns seen by this member.",
        done.txns,
    );
    gauge(
        "etcd_debugging_mvcc_total_put_size_in_bytes",
        "The total size of put kv pairs seen by this member.",
        &[],
    )
    .set(done.put_bytes);
}

/// Sets every gauge to the present.
pub fn refresh(server: &Server) {
    // Those that nothing has counted yet stand at zero.
    measures();
    let yes = |name: &'static str, help: &'static str, on: bool| {
        gauge(name, help, &[]).set(u64::from(on))
    };
    let set = |name: &'static str, help: &'static str, n: u64| gauge(name, help, &[]).set(n);
    let leader = server.leader();
    yes(
        "etcd_server_has_leader",
        "Whether or not a leader exists. 1 is existence, 0 is not.",
        leader != 0,
    );
    yes(
        "etcd_server_is_leader",
        "Whether or not this member is a leader. 1 if is, 0 otherwise.",
        server.is_leader(),
    );
    yes(
        "etcd_server_is_learner",
        "Whether or not this member is a learner. 1 if is, 0 otherwise.",
        server.is_learner(),
    );
    set(
        "etcd_server_proposals_committed_total",
        "The total number of consensus proposals committed.",
        server.committed_index(),
    );
    set(
        "etcd_server_proposals_applied_total",
        "The total number of consensus proposals applied.",
        server.applied_index(),
    );
    let store = server.store();
    set(
        "etcd_mvcc_db_total_size_in_bytes",
        "Total size of the underlying database physically allocated in bytes.",
        store.size_bytes(),
    );
    set(
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "Total size of the underlying database logically in use in bytes.",
        store.in_use_bytes(),
    );
    let revision = |n: i64| u64::try_from(n).unwrap_or(0);
    set(
        "etcd_debugging_mvcc_current_revision",
        "The current revision of store.",
        revision(store.revision()),
    );
    set(
        "etcd_debugging_mvcc_compact_revision",
        "The revision of the last compaction in store.",
        revision(store.compact_revision()),
    );
    operations(&store.operations());
    let counts = store.counts();
    let size = |n: usize| u64::try_from(n).unwrap_or(0);
    set(
        "etcd_debugging_mvcc_keys_total",
        "Total number of keys.",
        size(counts.keys),
    );
    set(
        "etcd_debugging_mvcc_watch_stream_total",
        "Total number of watch streams.",
        size(counts.watch_streams),
    );
    set(
        "etcd_debugging_mvcc_watcher_total",
        "Total number of watchers.",
        size(counts.watches),
    );
    set(
        "etcd_debugging_mvcc_slow_watcher_total",
        "Total number of unsynced slow watchers.",
        size(counts.lagging_watches),
    );
    set(
        "etcd_debugging_auth_revision",
        "The current revision of auth store.",
        store.auth_revision(),
    );
    let quota = match server.config().quota_backend_bytes {
        0 => 2 * 1024 * 1024 * 1024,
        bytes => u64::try_from(bytes).unwrap_or(0),
    };
    set(
        "etcd_server_quota_backend_bytes",
        "Current backend storage quota size in bytes.",
        quota,
    );
    gauge(
        "etcd_server_id",
        "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
        &[("server_id", &format!("{:x}", server.id()))],
    )
    .set(1);
    gauge(
        "etcd_server_version",
        "Which version is running. 1 for 'server_version' label with current version.",
        &[("server_version", VERSION)],
    )
    .set(1);
    if let Some(version) = server.cluster_version() {
        let short = version
            .rsplit_once('.')
            .map_or(version.as_str(), |(short, _)| short);
        gauge(
            "etcd_cluster_version",
            "Which version is running. 1 for 'cluster_version' label with current cluster version",
            &[("cluster_version", short)],
        )
        .set(1);
    }
    set(
        "etcd_mvcc_db_open_read_transactions",
        "The number of currently open read transactions",
        size(store.open_reads()),
    );
    of_v2(&store.v2_stats());
    process(&set);
    octets();
}

/// What the v2 store has counted, by the names of its actions.
fn of_v2(stats: &mvcc::v2::Stats) {
    let by_action =
        |name, help, action: &str, n: u64| counter(name, help, &[("action", action)]).set(n);
    for (action, good, bad) in [
        ("set", stats.sets_success, stats.sets_fail),
        ("create", stats.create_success, stats.create_fail),
        ("update", stats.update_success, stats.update_fail),
        ("delete", stats.delete_success, stats.delete_fail),
        (
            "compareAndSwap",
            stats.compare_and_swap_success,
            stats.compare_and_swap_fail,
        ),
        (
            "compareAndDelete",
            stats.compare_and_delete_success,
            stats.compare_and_delete_fail,
        ),
    ] {
        by_action(
            "etcd_debugging_store_writes_total",
            "Total number of writes (e.g. set/compareAndDelete) seen by this member.",
            action,
            good + bad,
        );
    }
    by_action(
        "etcd_debugging_store_reads_total",
        "Total number of reads action by (get/getRecursive), local to this member.",
        "get",
        stats.gets_success + stats.gets_fail,
    );
    counter(
        "etcd_debugging_store_expires_total",
        "Total number of expired keys.",
        &[],
    )
    .set(stats.expire_count);
    gauge(
        "etcd_debugging_store_watchers",
        "Count of currently active watchers.",
        &[],
    )
    .set(stats.watchers);
}

/// Bytes that went through the network of this process' namespace.
fn octets() {
    let text = fs::read_to_string("/proc/self/net/netstat").unwrap_or_default();
    for (name, help, column) in [
        (
            "process_network_receive_bytes_total",
            "Number of bytes received by the process over the network.",
            "InOctets",
        ),
        (
            "process_network_transmit_bytes_total",
            "Number of bytes sent by the process over the network.",
            "OutOctets",
        ),
    ] {
        if let Some(bytes) = column_of(&text, "IpExt:", column) {
            counter(name, help, &[]).set(bytes);
        }
    }
}

/// A number of a table whose lines come in twos: names, then numbers.
fn column_of(text: &str, table: &str, column: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with(table));
    let at = lines.next()?.split(' ').position(|name| name == column)?;
    lines.next()?.split(' ').nth(at)?.parse().ok()
}

fn process(set: &dyn Fn(&'static str, &'static str, u64)) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    if let Some((started, worked)) = process_times(&read("/proc/self/stat"), &read("/proc/stat")) {
        set(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            started,
        );
        set_seconds(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            worked,
        );
    }
    let open = fs::read_dir("/proc/self/fd")
        .map(|files| files.count() as u64)
        .unwrap_or(0);
    set("os_fd_used", "The number of used file descriptors.", open);
    set("process_open_fds", "Number of open file descriptors.", open);
    if let Some(limit) = fs::read_to_string("/proc/self/limits")
        .ok()
        .as_deref()
        .and_then(fd_limit)
    {
        set("os_fd_limit", "The file descriptor limit.", limit);
        set(
            "process_max_fds",
            "Maximum number of open file descriptors.",
            limit,
        );
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let kilobytes = |key: &str| -> Option<u64> {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        set(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            kilobytes("VmRSS:").unwrap_or(0) * 1024,
        );
        set(
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            kilobytes("VmSize:").unwrap_or(0) * 1024,
        );
    }
}

fn fd_limit(limits: &str) -> Option<u64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let text = "TcpExt: A\nTcpExt: 1\nIpExt: A InOctets B\nIpExt: 5 77 6\n";
        assert_eq!(column_of(text, "IpExt:", "InOctets"), Some(77));
        assert_eq!(column_of(text, "IpExt:", "OutOctets"), None);
        assert_eq!(column_of("", "IpExt:", "InOctets"), None);
    }

    #[test]
    fn the_limit_of_descriptors_is_found() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n";
        assert_eq!(fd_limit(limits), Some(1024));
    }
}
