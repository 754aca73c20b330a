//! Every flag of etcd 3.5.16 (`server/etcdmain/config.go`): its kind, its
//! default, and what this server does when it is set to something else.

/// What a flag's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`; may stand without a value.
    Bool,
    /// A number from 0 to 2^64-1.
    Uint,
    /// A number from 0 to 2^32-1.
    Uint32,
    /// A number that may be negative.
    Int,
    /// A Go duration.
    Duration,
    /// Comma-separated URLs; `*` too where the default is `*`.
    Urls,
    /// Comma-separated words.
    Words,
    /// One of a few words; the first is the default.
    OneOf(&'static [&'static str]),
    /// Taken and ignored since etcd 2, with a warning.
    Ignored,
}

/// What happens when a flag is set to something else than its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// The server does what the flag says.
    Full,
    /// Every valid value means the same here; the text says why.
    NoDifference(&'static str),
    /// The server refuses to start; the text says why.
    Refused(&'static str),
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Without dashes.
    pub name: &'static str,
    /// How its value is read.
    pub kind: Kind,
    /// As it would be typed.
    pub default: &'static str,
    /// What a value other than the default does.
    pub support: Support,
}

const fn flag(name: &'static str, kind: Kind, default: &'static str, support: Support) -> Flag {
    Flag {
        name,
        kind,
        default,
        support,
    }
}

/// The flag of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

const DISCOVERY: Support =
    Support::Refused("bootstrap by a discovery service is not implemented; use --initial-cluster");
const SRV: Support =
    Support::Refused("bootstrap by DNS SRV records is not implemented; use --initial-cluster");
const PROXY: Support = Support::Refused("the v2 proxy is not implemented");
const V2_OVER_V3: Support = Support::Refused(
    "the v2 API over v3 keys is not implemented; --enable-v2 has a store of its own",
);
const AUTO_TLS: Support =
    Support::Refused("generated certificates are not implemented; give a certificate and its key");
const TRACING: Support = Support::Refused("distributed tracing is not implemented");
const ROTATION: Support =
    Support::Refused("log rotation is not implemented; rotate the file from outside");
const HASH_CHECK: Support =
    Support::Refused("the comparison of compaction hashes between members is not implemented");

use Kind::{Bool, Duration, Ignored, Int, OneOf, Text, Uint, Uint32, Urls, Words};
use Support::{Full, NoDifference, Refused};

/// All flags.
pub const FLAGS: &[Flag] = &[
    flag("config-file", Text, "", Full),
    flag("version", Bool, "false", Full),
    // Member
    flag("name", Text, "default", Full),
    flag("data-dir", Text, "", Full),
    flag("wal-dir", Text, "", Full),
    flag("snapshot-count", Uint, "100000", Full),
    flag("heartbeat-interval", Uint, "100", Full),
    flag("election-timeout", Uint, "1000", Full),
    flag("initial-election-tick-advance", Bool, "true", Full),
    flag("listen-peer-urls", Urls, "http://localhost:2380", Full),
    flag("listen-client-urls", Urls, "http://localhost:2379", Full),
    flag("listen-client-http-urls", Urls, "", Full),
    flag("max-snapshots", Uint, "5", Full),
    flag("max-wals", Uint, "5", Full),
    flag("quota-backend-bytes", Int, "0", Full),
    flag(
        "backend-bbolt-freelist-type",
        Text,
        "",
        NoDifference(
            "free pages are kept in one way whatever the word; nothing of it reaches the file",
        ),
    ),
    flag("backend-batch-interval", Duration, "0s", Full),
    flag("backend-batch-limit", Int, "0", Full),
    flag("max-txn-ops", Uint, "128", Full),
    flag("max-request-bytes", Uint, "1572864", Full),
    flag("max-concurrent-streams", Uint32, "4294967295", Full),
    flag("enable-grpc-gateway", Bool, "true", Full),
    flag(
        "grpc-keepalive-min-time",
        Duration,
        "5s",
        Refused("clients that ping often are never sent away"),
    ),
    flag("grpc-keepalive-interval", Duration, "2h0m0s", Full),
    flag("grpc-keepalive-timeout", Duration, "20s", Full),
    flag("socket-reuse-port", Bool, "false", Full),
    flag("socket-reuse-address", Bool, "false", Full),
    flag("raft-read-timeout", Duration, "5s", Full),
    flag("raft-write-timeout", Duration, "5s", Full),
    // Clustering
    flag(
        "initial-advertise-peer-urls",
        Urls,
        "http://localhost:2380",
        Full,
    ),
    flag(
        "initial-cluster",
        Text,
        "default=http://localhost:2380",
        Full,
    ),
    flag(
        "initial-cluster-state",
        OneOf(&["new", "existing"]),
        "new",
        Full,
    ),
    flag("initial-cluster-token", Text, "etcd-cluster", Full),
    flag("advertise-client-urls", Urls, "http://localhost:2379", Full),
    flag("discovery", Text, "", DISCOVERY),
    flag(
        "discovery-fallback",
        OneOf(&["proxy", "exit"]),
        "proxy",
        NoDifference("it says what to do when discovery fails, and discovery itself is refused"),
    ),
    flag("discovery-proxy", Text, "", DISCOVERY),
    flag("discovery-srv", Text, "", SRV),
    flag("discovery-srv-name", Text, "", SRV),
    flag("strict-reconfig-check", Bool, "true", Full),
    flag("pre-vote", Bool, "true", Full),
    flag("auto-compaction-retention", Text, "0", Full),
    flag("auto-compaction-mode", Text, "periodic", Full),
    flag("enable-v2", Bool, "false", Full),
    flag(
        "v2-deprecation",
        OneOf(&["not-yet", "write-only", "write-only-drop-data", "gone"]),
        "not-yet",
        Refused("only the stage of etcd 3.5, not-yet, is implemented"),
    ),
    // Security
    flag("cert-file", Text, "", Full),
    flag("key-file", Text, "", Full),
    flag("client-cert-auth", Bool, "false", Full),
    flag("client-cert-file", Text, "", Full),
    flag("client-key-file", Text, "", Full),
    flag("client-crl-file", Text, "", Full),
    flag("client-cert-allowed-hostname", Words, "", Full),
    flag("trusted-ca-file", Text, "", Full),
    flag("auto-tls", Bool, "false", AUTO_TLS),
    flag("peer-cert-file", Text, "", Full),
    flag("peer-key-file", Text, "", Full),
    flag("peer-client-cert-auth", Bool, "false", Full),
    flag("peer-trusted-ca-file", Text, "", Full),
    flag("peer-cert-allowed-cn", Words, "", Full),
    flag("peer-cert-allowed-hostname", Words, "", Full),
    flag("peer-auto-tls", Bool, "false", AUTO_TLS),
    flag("peer-client-cert-file", Text, "", Full),
    flag("peer-client-key-file", Text, "", Full),
    flag("self-signed-cert-validity", Uint, "1", AUTO_TLS),
    flag("peer-crl-file", Text, "", Full),
    flag("cipher-suites", Words, "", Full),
    flag("cors", Urls, "*", Full),
    flag("host-whitelist", Words, "*", Full),
    flag("tls-min-version", Text, "TLS1.2", Full),
    flag("tls-max-version", Text, "", Full),
    // Auth
    flag("auth-token", Text, "simple", Full),
    flag("bcrypt-cost", Uint, "10", Full),
    flag("auth-token-ttl", Uint, "300", Full),
    // Profiling and monitoring
    flag(
        "enable-pprof",
        Bool,
        "false",
        Refused("Go's profiles do not exist here"),
    ),
    flag(
        "metrics",
        Text,
        "basic",
        Refused("only basic metrics are implemented"),
    ),
    flag("listen-metrics-urls", Urls, "", Full),
    // Logging
    flag("logger", Text, "zap", Full),
    flag("log-outputs", Words, "default", Full),
    flag("log-level", Text, "info", Full),
    flag("enable-log-rotation", Bool, "false", ROTATION),
    flag(
        "log-rotation-config-json",
        Text,
        "{\"maxsize\": 100, \"maxage\": 0, \"maxbackups\": 0, \"localtime\": false, \"compress\": false}",
        ROTATION,
    ),
    // Tracing
    flag(
        "experimental-enable-distributed-tracing",
        Bool,
        "false",
        TRACING,
    ),
    flag(
        "experimental-distributed-tracing-address",
        Text,
        "localhost:4317",
        TRACING,
    ),
    flag(
        "experimental-distributed-tracing-service-name",
        Text,
        "etcd",
        TRACING,
    ),
    flag(
        "experimental-distributed-tracing-instance-id",
        Text,
        "",
        TRACING,
    ),
    flag(
        "experimental-distributed-tracing-sampling-rate",
        Int,
        "0",
        TRACING,
    ),
    // v2 proxy
    flag("proxy", OneOf(&["off", "readonly", "on"]), "off", PROXY),
    flag("proxy-failure-wait", Uint, "5000", PROXY),
    flag("proxy-refresh-interval", Uint, "30000", PROXY),
    flag("proxy-dial-timeout", Uint, "1000", PROXY),
    flag("proxy-write-timeout", Uint, "5000", PROXY),
    flag("proxy-read-timeout", Uint, "0", PROXY),
    // Experimental
    flag("experimental-initial-corrupt-check", Bool, "false", Full),
    flag("experimental-corrupt-check-time", Duration, "0s", Full),
    flag(
        "experimental-compact-hash-check-enabled",
        Bool,
        "false",
        HASH_CHECK,
    ),
    flag(
        "experimental-compact-hash-check-time",
        Duration,
        "1m0s",
        HASH_CHECK,
    ),
    flag("experimental-enable-v2v3", Text, "", V2_OVER_V3),
    flag("experimental-enable-lease-checkpoint", Bool, "false", Full),
    flag(
        "experimental-enable-lease-checkpoint-persist",
        Bool,
        "false",
        Full,
    ),
    flag("experimental-compaction-batch-limit", Int, "0", Full),
    flag(
        "experimental-compaction-sleep-interval",
        Duration,
        "0s",
        Refused("the pause between two batches of a compaction is fixed at 10ms"),
    ),
    flag(
        "experimental-peer-skip-client-san-verification",
        Bool,
        "false",
        Full,
    ),
    flag(
        "experimental-watch-progress-notify-interval",
        Duration,
        "0s",
        Full,
    ),
    flag("experimental-downgrade-check-time", Duration, "5s", Full),
    flag(
        "experimental-memory-mlock",
        Bool,
        "false",
        Refused("the database is not mapped, so it can't be locked in memory"),
    ),
    flag(
        "experimental-warning-apply-duration",
        Duration,
        "100ms",
        Full,
    ),
    flag(
        "experimental-txn-mode-write-with-shared-buffer",
        Bool,
        "true",
        NoDifference("the read-only checks of a write transaction always see the buffer"),
    ),
    flag(
        "experimental-bootstrap-defrag-threshold-megabytes",
        Uint,
        "0",
        Refused("defragment with etcdctl or etcdutl instead"),
    ),
    flag(
        "experimental-stop-grpc-service-on-defrag",
        Bool,
        "false",
        Full,
    ),
    flag("experimental-snapshot-catchup-entries", Uint, "5000", Full),
    // Unsafe
    flag("unsafe-no-fsync", Bool, "false", Full),
    flag("force-new-cluster", Bool, "false", Full),
    // Ignored
    flag("cluster-active-size", Ignored, "", Full),
    flag("cluster-remove-delay", Ignored, "", Full),
    flag("cluster-sync-interval", Ignored, "", Full),
    flag("config", Ignored, "", Full),
    flag("force", Ignored, "", Full),
    flag("max-result-buffer", Ignored, "", Full),
    flag("max-retry-attempts", Ignored, "", Full),
    flag("peer-heartbeat-interval", Ignored, "", Full),
    flag("peer-election-timeout", Ignored, "", Full),
    flag("retry-interval", Ignored, "", Full),
    flag("snapshot", Ignored, "", Full),
    flag("v", Ignored, "", Full),
    flag("vv", Ignored, "", Full),
    flag("test.coverprofile", Ignored, "", Full),
    flag("test.outputdir", Ignored, "", Full),
];
