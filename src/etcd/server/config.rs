//! What a member is started with. Defaults are those of etcd 3.5.16
//! (`server/embed/config.go`, `server/config/config.go`).

use std::{path::PathBuf, time::Duration};

/// `--initial-cluster-state`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClusterState {
    /// A cluster that starts now, all of its members listed in `initial_cluster`.
    New,
    /// A cluster that runs already and that this member was added to.
    Existing,
}

/// `--auto-compaction-mode` and `--auto-compaction-retention`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AutoCompaction {
    /// Nothing is compacted by itself.
    Off,
    /// Keep what was written within the last duration.
    Periodic(Duration),
    /// Keep the last so many revisions.
    Revision(i64),
}

/// The settings of one member.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--name`.
    pub name: String,
    /// `--data-dir`.
    pub data_dir: PathBuf,
    /// `--wal-dir`; `None` means `member/wal` in the data directory.
    pub wal_dir: Option<PathBuf>,
    /// `--initial-advertise-peer-urls`.
    pub peer_urls: Vec<String>,
    /// `--advertise-client-urls`, published through the log.
    pub client_urls: Vec<String>,
    /// `--initial-cluster` as (name, peer URL) pairs; a name may occur several times.
    pub initial_cluster: Vec<(String, String)>,
    /// `--initial-cluster-token`.
    pub token: String,
    /// `--initial-cluster-state`.
    pub state: ClusterState,
    /// `--heartbeat-interval`, milliseconds.
    pub heartbeat_ms: u64,
    /// `--election-timeout`, milliseconds.
    pub election_ms: u64,
    /// `--initial-election-tick-advance`.
    pub initial_election_tick_advance: bool,
    /// `--snapshot-count`: applied entries between two raft snapshots.
    pub snapshot_count: u64,
    /// Entries kept in memory behind a snapshot for slow followers
    /// (`--experimental-snapshot-catchup-entries`).
    pub snapshot_catchup_entries: u64,
    /// `--max-snapshots`; 0 keeps all.
    pub max_snapshots: usize,
    /// `--max-wals`; 0 keeps all.
    pub max_wals: usize,
    /// `--quota-backend-bytes`; 0 is etcd's 2 GiB, negative switches the quota off.
    pub quota_backend_bytes: i64,
    /// `--backend-batch-interval`; zero is etcd's 100 ms.
    pub backend_batch_interval: Duration,
    /// `--backend-batch-limit`; 0 is etcd's 10000.
    pub backend_batch_limit: usize,
    /// `--max-txn-ops`.
    pub max_txn_ops: usize,
    /// `--max-request-bytes`.
    pub max_request_bytes: usize,
    /// `--pre-vote`.
    pub pre_vote: bool,
    /// `--force-new-cluster`.
    pub force_new_cluster: bool,
    /// `--auto-compaction-mode`, `--auto-compaction-retention`.
    pub auto_compaction: AutoCompaction,
    /// `--experimental-compaction-batch-limit`; 0 is etcd's 1000.
    pub compaction_batch_limit: usize,
    /// `--strict-reconfig-check`.
    pub strict_reconfig_check: bool,
    /// `--unsafe-no-fsync`.
    pub unsafe_no_fsync: bool,
    /// `--experimental-initial-corrupt-check`.
    pub initial_corrupt_check: bool,
    /// `--experimental-corrupt-check-time`; zero switches it off.
    pub corrupt_check_time: Duration,
    /// `--experimental-stop-grpc-service-on-defrag`: gRPC's health service tells probes to
    /// stay away meanwhile.
    pub stop_grpc_service_on_defrag: bool,
    /// `--experimental-downgrade-check-time`; zero switches it off.
    pub downgrade_check_time: Duration,
    /// `--experimental-enable-lease-checkpoint`.
    pub lease_checkpoint: bool,
    /// `--experimental-enable-lease-checkpoint-persist`.
    pub lease_checkpoint_persist: bool,
    /// `--experimental-memory-mlock`, `--experimental-warning-apply-duration`:
    /// requests that take longer than this are logged; zero is etcd's 100 ms.
    pub warning_apply_duration: Duration,
    /// `--experimental-max-learners`.
    pub max_learners: usize,
    /// `--client-cert-auth`: a client's certificate names its user.
    pub client_cert_auth: bool,
    /// `--auth-token`.
    pub auth_token: String,
    /// `--auth-token-ttl`: how long a simple token lives after its last use; zero is
    /// etcd's 5 minutes.
    pub auth_token_ttl: Duration,
    /// `--bcrypt-cost`.
    pub bcrypt_cost: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "default".into(),
            data_dir: PathBuf::new(),
            wal_dir: None,
            peer_urls: vec!["http://localhost:2380".into()],
            client_urls: vec!["http://localhost:2379".into()],
            initial_cluster: vec![("default".into(), "http://localhost:2380".into())],
            token: "etcd-cluster".into(),
            state: ClusterState::New,
            heartbeat_ms: 100,
            election_ms: 1000,
            initial_election_tick_advance: true,
            snapshot_count: 100_000,
            snapshot_catchup_entries: 5000,
            max_snapshots: 5,
            max_wals: 5,
            quota_backend_bytes: 0,
            backend_batch_interval: Duration::ZERO,
            backend_batch_limit: 0,
            max_txn_ops: 128,
            max_request_bytes: 1536 * 1024,
            pre_vote: true,
            force_new_cluster: false,
            auto_compaction: AutoCompaction::Off,
            compaction_batch_limit: 0,
            strict_reconfig_check: true,
            unsafe_no_fsync: false,
            initial_corrupt_check: false,
            corrupt_check_time: Duration::ZERO,
            stop_grpc_service_on_defrag: false,
            downgrade_check_time: Duration::from_secs(5),
            lease_checkpoint: false,
            lease_checkpoint_persist: false,
            warning_apply_duration: Duration::ZERO,
            max_learners: 1,
            client_cert_auth: false,
            auth_token: "simple".into(),
            auth_token_ttl: Duration::from_secs(300),
            bcrypt_cost: 10,
        }
    }
}
