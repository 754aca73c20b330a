//! What the flags add up to: the checks of `embed.Config.Validate`, and the
//! settings of each part of the server.

use std::{path::PathBuf, time::Duration};

use super::{
    duration,
    parse::Values,
    table::{Kind, Support},
    url::{self, Url},
};
use crate::{
    log::{Level, Output},
    server::{AutoCompaction, ClusterState, Config},
    tls::{TlsInfo, TlsVersion},
};

/// `etcd` refuses an election timeout above this, in milliseconds.
const MAX_ELECTION_MS: u64 = 50_000;
const DEFAULT_PEER_URL: &str = "http://localhost:2380";
/// The least that `--raft-read-timeout` and `--raft-write-timeout` can be.
const MIN_RAFT_TIMEOUT: Duration = Duration::from_secs(5);

/// All settings of one `etcd` process.
#[derive(Clone, Debug)]
pub struct Options {
    /// The member's.
    pub server: Config,
    /// `--listen-peer-urls`.
    pub listen_peer: Vec<Url>,
    /// `--listen-client-urls`.
    pub listen_client: Vec<Url>,
    /// `--listen-client-http-urls`; if any, the URLs above serve gRPC only.
    pub listen_client_http: Vec<Url>,
    /// `--listen-metrics-urls`.
    pub listen_metrics: Vec<Url>,
    /// Certificates of the client port.
    pub client_tls: TlsInfo,
    /// Certificates of the peer port, and of this member as a peer's client.
    pub peer_tls: TlsInfo,
    /// `--cipher-suites`, as given.
    pub cipher_suites: Vec<String>,
    /// `--max-concurrent-streams`.
    pub max_concurrent_streams: u32,
    /// `--enable-grpc-gateway`.
    pub grpc_gateway: bool,
    /// `--enable-v2`.
    pub enable_v2: bool,
    /// `--grpc-keepalive-interval`; zero switches pings off.
    pub keepalive_interval: Duration,
    /// `--grpc-keepalive-timeout`; zero switches pings off.
    pub keepalive_timeout: Duration,
    /// `--socket-reuse-port`.
    pub reuse_port: bool,
    /// `--socket-reuse-address`.
    pub reuse_address: bool,
    /// `--raft-read-timeout`.
    pub raft_read_timeout: Duration,
    /// `--raft-write-timeout`.
    pub raft_write_timeout: Duration,
    /// `--cors`; `*` stands for every origin.
    pub cors: Vec<String>,
    /// `--host-whitelist`; empty or `*` lets every host name through.
    pub host_whitelist: Vec<String>,
    /// `--experimental-watch-progress-notify-interval`.
    pub watch_progress_interval: Duration,
    /// `--auto-compaction-mode` as typed, for the log.
    pub auto_compaction_mode: String,
    /// Whether `--data-dir` was empty and its default is used.
    pub data_dir_defaulted: bool,
    /// Things worth a warning that don't keep the server from starting.
    pub warnings: Vec<(&'static str, String)>,
}

/// How to log; needed before anything else can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// The lowest level written.
    pub level: Level,
    /// Where to.
    pub outputs: Vec<Output>,
}

/// Reads `--logger`, `--log-level` and `--log-outputs` (`embed.Config.setupLogging`).
///
/// # Errors
/// The reference's texts.
pub fn logging(values: &Values) -> Result<Logging, String> {
    match values.text("logger") {
        "zap" => {}
        "capnslog" => return Err("--logger=capnslog is removed in v3.5".into()),
        other => return Err(format!("unknown logger option {other:?}")),
    }
    let word = values.text("log-level");
    let level = Level::parse(word).ok_or_else(|| format!("unrecognized level: {word:?}"))?;
    let words = values.words("log-outputs");
    if words.len() > 1 && words.iter().any(|word| word == "default") {
        return Err("multi logoutput for \"default\" is not supported yet".into());
    }
    let mut outputs = Vec::new();
    for word in &words {
        outputs.push(match word.as_str() {
            "default" | "stderr" => Output::Stderr,
            "stdout" => Output::Stdout,
            "/dev/null" => Output::Nowhere,
            "systemd/journal" => {
                return Err(
                    "--log-outputs=systemd/journal is not implemented; use stderr, which systemd keeps in its journal"
                        .into(),
                );
            }
            path => Output::File(PathBuf::from(path)),
        });
    }
    if outputs.contains(&Output::Nowhere) {
        outputs.clear();
    } else if outputs.is_empty() {
        outputs.push(Output::Stderr);
    }
    Ok(Logging { level, outputs })
}

/// The flags that this server knows but does not implement, set to something
/// that would matter.
fn refuse_unimplemented(values: &Values) -> Result<(), String> {
    for (flag, value) in values.changed() {
        if let Support::Refused(why) = flag.support {
            let shown = if flag.kind == Kind::Bool {
                value.to_owned()
            } else {
                format!("{value:?}")
            };
            return Err(format!(
                "--{}={shown} is not supported by this server: {why}",
                flag.name
            ));
        }
    }
    Ok(())
}

impl Options {
    /// Checks the values as etcd does and refuses what is not implemented.
    ///
    /// # Errors
    /// One sentence, the reference's where it has one.
    pub fn from_values(values: &Values) -> Result<Self, String> {
        refuse_unimplemented(values)?;
        let mut warnings = Vec::new();
        let listen = Listen::read(values)?;
        if listen.client_http.is_empty() {
            warnings.push((
                "embed/config.go:689",
                "Running http and grpc server on single port. This is not recommended for production.".to_owned(),
            ));
        }
        let (heartbeat_ms, election_ms) = timing(values)?;
        let auto_compaction = compaction(values)?;
        if values.bool("experimental-enable-lease-checkpoint-persist")
            && !values.bool("experimental-enable-lease-checkpoint")
        {
            return Err(
                "setting experimental-enable-lease-checkpoint-persist requires experimental-enable-lease-checkpoint"
                    .into(),
            );
        }
        if values.bool("experimental-enable-lease-checkpoint")
            && !values.bool("experimental-enable-lease-checkpoint-persist")
        {
            warnings.push(("embed/config.go:741", "Detected that checkpointing is enabled without persistence. Consider enabling experimental-enable-lease-checkpoint-persist".to_owned()));
        }
        let versions = (
            tls_version(values, "tls-min-version")?,
            tls_version(values, "tls-max-version")?,
        );
        if let (Some(min), Some(max)) = versions
            && min > max
        {
            return Err(format!(
                "min version ({}) is greater than max version ({})",
                values.text("tls-min-version"),
                values.text("tls-max-version")
            ));
        }
        let cipher_suites = values.words("cipher-suites");
        if versions.0 == Some(TlsVersion::Tls13) && !cipher_suites.is_empty() {
            return Err("cipher suites cannot be configured when only TLS1.3 is enabled".into());
        }
        let mut raft_timeout = |name: &str, line: &'static str| {
            let given = to_duration(values.nanos(name));
            if given < MIN_RAFT_TIMEOUT {
                warnings.push((line, format!("{name} increased to minimum value: 5s")));
            }
            given.max(MIN_RAFT_TIMEOUT)
        };
        let raft_read_timeout = raft_timeout("raft-read-timeout", "etcdmain/config.go:349");
        let raft_write_timeout = raft_timeout("raft-write-timeout", "etcdmain/config.go:353");
        let name = values.text("name").to_owned();
        let data_dir = values.text("data-dir");
        let server = Config {
            data_dir: if data_dir.is_empty() {
                PathBuf::from(format!("{name}.etcd"))
            } else {
                PathBuf::from(data_dir)
            },
            wal_dir: Some(values.text("wal-dir"))
                .filter(|dir| !dir.is_empty())
                .map(PathBuf::from),
            peer_urls: url::strings(&listen.advertise_peer),
            client_urls: url::strings(&listen.advertise_client),
            initial_cluster: initial_cluster(values, &name, &listen.advertise_peer)?,
            token: values.text("initial-cluster-token").to_owned(),
            state: match values.text("initial-cluster-state") {
                "existing" => ClusterState::Existing,
                _ => ClusterState::New,
            },
            heartbeat_ms,
            election_ms,
            initial_election_tick_advance: values.bool("initial-election-tick-advance"),
            snapshot_count: values.uint("snapshot-count"),
            snapshot_catchup_entries: values.uint("experimental-snapshot-catchup-entries"),
            max_snapshots: to_size(values.uint("max-snapshots")),
            max_wals: to_size(values.uint("max-wals")),
            quota_backend_bytes: values.int("quota-backend-bytes"),
            backend_batch_interval: to_duration(values.nanos("backend-batch-interval")),
            backend_batch_limit: usize::try_from(values.int("backend-batch-limit")).unwrap_or(0),
            max_txn_ops: to_size(values.uint("max-txn-ops")),
            max_request_bytes: to_size(values.uint("max-request-bytes")),
            pre_vote: values.bool("pre-vote"),
            force_new_cluster: values.bool("force-new-cluster"),
            auto_compaction,
            compaction_batch_limit: usize::try_from(
                values.int("experimental-compaction-batch-limit"),
            )
            .unwrap_or(0),
            strict_reconfig_check: values.bool("strict-reconfig-check"),
            unsafe_no_fsync: values.bool("unsafe-no-fsync"),
            initial_corrupt_check: values.bool("experimental-initial-corrupt-check"),
            stop_grpc_service_on_defrag: values.bool("experimental-stop-grpc-service-on-defrag"),
            corrupt_check_time: to_duration(values.nanos("experimental-corrupt-check-time")),
            downgrade_check_time: to_duration(values.nanos("experimental-downgrade-check-time")),
            lease_checkpoint: values.bool("experimental-enable-lease-checkpoint"),
            lease_checkpoint_persist: values.bool("experimental-enable-lease-checkpoint-persist"),
            warning_apply_duration: to_duration(
                values.nanos("experimental-warning-apply-duration"),
            ),
            client_cert_auth: values.bool("client-cert-auth"),
            auth_token: values.text("auth-token").to_owned(),
            auth_token_ttl: Duration::from_secs(values.uint("auth-token-ttl")),
            bcrypt_cost: u32::try_from(values.uint("bcrypt-cost")).unwrap_or(u32::MAX),
            name,
            ..Config::default()
        };
        Ok(Self {
            server,
            client_tls: tls_info(values, "", &cipher_suites, versions),
            peer_tls: tls_info(values, "peer-", &cipher_suites, versions),
            listen_peer: listen.peer,
            listen_client: listen.client,
            listen_client_http: listen.client_http,
            listen_metrics: listen.metrics,
            cipher_suites,
            max_concurrent_streams: u32::try_from(values.uint("max-concurrent-streams"))
                .unwrap_or(u32::MAX),
            grpc_gateway: values.bool("enable-grpc-gateway"),
            enable_v2: values.bool("enable-v2"),
            keepalive_interval: to_duration(values.nanos("grpc-keepalive-interval")),
            keepalive_timeout: to_duration(values.nanos("grpc-keepalive-timeout")),
            reuse_port: values.bool("socket-reuse-port"),
            reuse_address: values.bool("socket-reuse-address"),
            raft_read_timeout,
            raft_write_timeout,
            cors: values.words("cors"),
            host_whitelist: values.words("host-whitelist"),
            watch_progress_interval: progress_interval(values, &mut warnings),
            auto_compaction_mode: values.text("auto-compaction-mode").to_owned(),
            data_dir_defaulted: data_dir.is_empty(),
            warnings,
        })
    }
}

struct Listen {
    peer: Vec<Url>,
    client: Vec<Url>,
    client_http: Vec<Url>,
    metrics: Vec<Url>,
    advertise_peer: Vec<Url>,
    advertise_client: Vec<Url>,
}

impl Listen {
    fn read(values: &Values) -> Result<Self, String> {
        let listen = Self {
            peer: values.urls("listen-peer-urls"),
            client: values.urls("listen-client-urls"),
            client_http: values.urls("listen-client-http-urls"),
            metrics: values.urls("listen-metrics-urls"),
            advertise_peer: values.urls("initial-advertise-peer-urls"),
            advertise_client: values.urls("advertise-client-urls"),
        };
        for urls in [
            &listen.peer,
            &listen.client,
            &listen.client_http,
            &listen.metrics,
        ] {
            url::check_bind(urls)?;
        }
        for (flag, urls) in [
            ("initial-advertise-peer-urls", &listen.advertise_peer),
            ("advertise-client-urls", &listen.advertise_client),
        ] {
            url::check_host(urls).map_err(|error| {
                format!(
                    "--{flag} {:?} must be \"host:port\" ({error})",
                    url::strings(urls).join(",")
                )
            })?;
        }
        if values.is_set("listen-client-urls") && !values.is_set("advertise-client-urls") {
            return Err(
                "--advertise-client-urls is required when --listen-client-urls is set explicitly"
                    .into(),
            );
        }
        Ok(listen)
    }
}

fn timing(values: &Values) -> Result<(u64, u64), String> {
    let (tick, election) = (
        values.uint("heartbeat-interval"),
        values.uint("election-timeout"),
    );
    if tick == 0 {
        return Err("--heartbeat-interval must be >0 (set to 0ms)".into());
    }
    if election == 0 {
        return Err("--election-timeout must be >0 (set to 0ms)".into());
    }
    if tick.saturating_mul(5) > election {
        return Err(format!(
            "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{tick}ms]"
        ));
    }
    if election > MAX_ELECTION_MS {
        return Err(format!(
            "--election-timeout[{election}ms] is too long, and should be set less than {MAX_ELECTION_MS}ms"
        ));
    }
    Ok((tick, election))
}

fn compaction(values: &Values) -> Result<AutoCompaction, String> {
    let mode = values.text("auto-compaction-mode");
    if !matches!(mode, "" | "periodic" | "revision") {
        return Err(format!("unknown auto-compaction-mode {mode:?}"));
    }
    let text = Some(values.text("auto-compaction-retention"))
        .filter(|text| !text.is_empty())
        .unwrap_or("0");
    let amount = match text.parse::<i64>() {
        Ok(0) => return Ok(AutoCompaction::Off),
        Ok(hours) if hours > 0 && mode != "revision" => {
            return Ok(AutoCompaction::Periodic(Duration::from_secs(
                hours.unsigned_abs().saturating_mul(3600),
            )));
        }
        Ok(revisions) if revisions > 0 => return Ok(AutoCompaction::Revision(revisions)),
        _ => duration::parse(text)
            .map_err(|error| format!("error parsing CompactionRetention: {error}"))?,
    };
    Ok(match (amount, mode) {
        (0, _) => AutoCompaction::Off,
        // The reference takes the nanoseconds for a number of revisions.
        (nanos, "revision") => AutoCompaction::Revision(nanos),
        (nanos, _) => AutoCompaction::Periodic(to_duration(nanos)),
    })
}

fn tls_version(values: &Values, flag: &str) -> Result<Option<TlsVersion>, String> {
    match values.text(flag) {
        "" => Ok(None),
        "TLS1.2" => Ok(Some(TlsVersion::Tls12)),
        "TLS1.3" => Ok(Some(TlsVersion::Tls13)),
        other => Err(format!(
            "unexpected TLS version {other:?} (must be one of: TLS1.2, TLS1.3)"
        )),
    }
}

fn tls_info(
    values: &Values,
    prefix: &str,
    cipher_suites: &[String],
    (min_version, max_version): (Option<TlsVersion>, Option<TlsVersion>),
) -> TlsInfo {
    let file = |name: &str| {
        Some(values.text(name))
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    };
    let peer = prefix == "peer-";
    TlsInfo {
        cert_file: file(&format!("{prefix}cert-file")),
        key_file: file(&format!("{prefix}key-file")),
        client_cert_file: file(if peer {
            "peer-client-cert-file"
        } else {
            "client-cert-file"
        }),
        client_key_file: file(if peer {
            "peer-client-key-file"
        } else {
            "client-key-file"
        }),
        trusted_ca_file: file(&format!("{prefix}trusted-ca-file")),
        client_cert_auth: values.bool(&format!("{prefix}client-cert-auth")),
        crl_file: file(if peer {
            "peer-crl-file"
        } else {
            "client-crl-file"
        }),
        allowed_cns: if peer {
            values.words("peer-cert-allowed-cn")
        } else {
            Vec::new()
        },
        allowed_hostnames: values.words(if peer {
            "peer-cert-allowed-hostname"
        } else {
            "client-cert-allowed-hostname"
        }),
        skip_client_san_verify: peer
            && values.bool("experimental-peer-skip-client-san-verification"),
        cipher_suites: cipher_suites.to_vec(),
        min_version,
        max_version,
    }
}

/// `--initial-cluster`, or what its default becomes for a member of another name.
fn initial_cluster(
    values: &Values,
    name: &str,
    advertise_peer: &[Url],
) -> Result<Vec<(String, String)>, String> {
    let text = values.text("initial-cluster");
    let text = if text == format!("default={DEFAULT_PEER_URL}") && name != "default" {
        advertise_peer
            .iter()
            .map(|url| format!("{name}={url}"))
            .collect::<Vec<_>>()
            .join(",")
    } else {
        text.to_owned()
    };
    url::parse_cluster(&text).map_err(|error| format!("error setting up initial cluster: {error}"))
}

/// The period of progress notes, at least 100 ms, 10 minutes if not given.
fn progress_interval(values: &Values, warnings: &mut Vec<(&'static str, String)>) -> Duration {
    const LEAST: Duration = Duration::from_millis(100);
    match to_duration(values.nanos("experimental-watch-progress-notify-interval")) {
        Duration::ZERO => Duration::from_secs(600),
        short if short < LEAST => {
            warnings.push((
                "v3rpc/watch.go:67",
                "adjusting watch progress notify interval to minimum period".to_owned(),
            ));
            LEAST
        }
        interval => interval,
    }
}

fn to_duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn to_size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
