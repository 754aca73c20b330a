//! Probes that look at what runs and at what a learner wrote down about it. Those that
//! read files of etcd and objects are in [`crate::model`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{default_namespace, yes};

/// How long the grader's commands may take if nobody says, in seconds.
fn usual_seconds() -> u32 {
    15
}

/// A key of etcd, read from the running member of the node.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeyProbe {
    /// The key, or with `below` what keys begin with.
    pub key: String,
    /// `false`: it must not exist.
    #[serde(default = "yes")]
    pub exists: bool,
    /// What it must hold, byte for byte; empty means anything.
    #[serde(default)]
    pub value: String,
    /// What its value must begin with, as encryption at rest marks it; empty means
    /// anything.
    #[serde(default)]
    pub starts_with: String,
    /// Look at every key that begins with `key` instead; there must be one.
    #[serde(default)]
    pub below: bool,
    /// It must have been created after the lab's start.
    #[serde(default)]
    pub since_start: bool,
    /// How often it must have been written at least; 0 means any.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub written: u32,
}

/// Which authority must have signed a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// Anyone.
    #[default]
    Any,
    Etcd,
    Kubernetes,
}

/// A certificate file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CertificateProbe {
    /// The file.
    #[serde(rename = "certificate")]
    pub path: String,
    /// The authority that the lab started with, not one of the same name.
    #[serde(default)]
    pub signed_by: Authority,
    /// Names and addresses that it must be valid for.
    #[serde(default)]
    pub names: Vec<String>,
    /// The common name of its subject; empty means any.
    #[serde(default)]
    pub common_name: String,
    /// File of the private key that must belong to it; empty means any.
    #[serde(default)]
    pub private_key: String,
    /// How many days it must still be valid.
    #[serde(default)]
    #[schemars(range(max = 36500))]
    pub days: u32,
}

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Component {
    #[serde(rename = "etcd")]
    Etcd,
    #[serde(rename = "kube-apiserver")]
    ApiServer,
}

/// Whether a component of the node serves. That it does not is the finding, unlike with
/// the probes that only need it to look at something else.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HealthProbe {
    /// What must be healthy.
    #[serde(rename = "health")]
    pub component: Component,
    /// How many MiB etcd's database may have at most; 0 means any.
    #[serde(default)]
    #[schemars(range(max = 8192))]
    pub size_below_mib: u32,
    /// Clients without a certificate must be turned away.
    #[serde(default)]
    pub refuses_anonymous: bool,
}

/// A process of the node, as the host sees it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProcessProbe {
    /// Its name, as in `ps -C`.
    #[serde(rename = "process")]
    pub name: String,
    /// `false`: none of that name must run.
    #[serde(default = "yes")]
    pub running: bool,
    /// Flags that it must have been started with: `--name=value`, of which the last counts
    /// and which may be two words, or a word as it stands.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Name of another process that must have been started before it; empty means none.
    #[serde(default)]
    pub started_after: String,
}

/// A unit of the node's init.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UnitProbe {
    /// Its name, with its ending.
    #[serde(rename = "unit")]
    pub name: String,
    /// Whether it must run; absent means any.
    pub active: Option<bool>,
    /// Whether it must start with the node; absent means any.
    pub enabled: Option<bool>,
}

/// A command that the grader runs on the node as root.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CommandProbe {
    /// A bash script.
    #[serde(rename = "command")]
    pub script: String,
    /// Its exit status.
    #[serde(default)]
    #[schemars(range(min = 0, max = 255))]
    pub status: i32,
    /// What must stand in a line of its standard output, each.
    #[serde(default)]
    pub prints: Vec<String>,
    /// Seconds until it is killed and the check fails.
    #[serde(default = "usual_seconds")]
    #[schemars(range(min = 1, max = 60))]
    pub seconds: u32,
}

/// What the API server lets somebody do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AccessProbe {
    /// Who asks.
    #[serde(rename = "access")]
    pub user: String,
    /// Groups of the user; those of a service account are added.
    #[serde(default)]
    pub groups: Vec<String>,
    /// `get`, `list`, `create`…
    pub verb: String,
    /// Plural, as `secrets`.
    pub resource: String,
    /// Where; empty means everywhere.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// Name of one object; empty means all.
    #[serde(default)]
    pub object_name: String,
    /// `false`: it must be refused.
    #[serde(default = "yes")]
    pub allowed: bool,
}

/// Whether the API servers were stopped while etcd was restored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RestoreOrderProbe {
    /// The directory that was restored.
    #[serde(rename = "restore_order")]
    pub restored: String,
    /// The directory that etcd ran on before.
    pub before: String,
    /// The nodes that this is about, each with a member and an API server of its own; empty
    /// means the check's.
    #[serde(default)]
    pub nodes: Vec<String>,
}

/// A database file copied from a member that was stopped.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ColdDatabaseProbe {
    /// The file.
    #[serde(rename = "cold_database")]
    pub path: String,
    /// The directory that it was copied from; nothing in it may be newer. A snapshot is no
    /// such copy.
    pub of: String,
    /// Keys that must live in it.
    #[serde(default)]
    pub holds: Vec<String>,
}

/// A live fact that a learner is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// `static pod` or `service`.
    Deployment,
    /// Of the server.
    Version,
    /// Client URLs of every member.
    Endpoints,
    /// URLs that other members reach the members at.
    PeerUrls,
    /// On the node, not in the container.
    DataDir,
    CertFile,
    KeyFile,
    TrustedCaFile,
    /// By name, ID or endpoint.
    Leader,
    /// Of any one member, in bytes or as etcdctl prints it; a seventh off is near enough,
    /// because it grows.
    DbSize,
    MemberCount,
    /// Of every member.
    MemberIds,
    /// Of every member.
    MemberNames,
    ClusterId,
    /// Names of those that do not answer; there must be one.
    SilentMembers,
    /// The whole file lists the keys below `of`.
    Keys,
    /// Of the key `of`: the revision of its last change.
    ModRevision,
    /// Of the key `of`: the revision of its creation.
    CreateRevision,
    /// Of the key `of`: how often it was written.
    KeyVersion,
    /// Of the key `of`.
    KeyValue,
    /// Of the object `of`, the value at `field`.
    Object,
    /// The file holds what `snapshot status` prints of the snapshot `of`.
    SnapshotStatus,
}

/// The words for [`Fact`], as authors write them.
pub const FACTS: [(&str, Fact); 22] = [
    ("deployment", Fact::Deployment),
    ("version", Fact::Version),
    ("endpoints", Fact::Endpoints),
    ("peer_urls", Fact::PeerUrls),
    ("data_dir", Fact::DataDir),
    ("cert_file", Fact::CertFile),
    ("key_file", Fact::KeyFile),
    ("trusted_ca_file", Fact::TrustedCaFile),
    ("leader", Fact::Leader),
    ("db_size", Fact::DbSize),
    ("member_count", Fact::MemberCount),
    ("member_ids", Fact::MemberIds),
    ("member_names", Fact::MemberNames),
    ("cluster_id", Fact::ClusterId),
    ("silent_members", Fact::SilentMembers),
    ("keys", Fact::Keys),
    ("mod_revision", Fact::ModRevision),
    ("create_revision", Fact::CreateRevision),
    ("key_version", Fact::KeyVersion),
    ("key_value", Fact::KeyValue),
    ("object", Fact::Object),
    ("snapshot_status", Fact::SnapshotStatus),
];

/// A learner's answer against a live fact.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AnswerProbe {
    /// The file that the learner writes.
    #[serde(rename = "answer")]
    pub path: String,
    /// The word before the answer: `leader` for `leader: m2` or `leader=m2`; empty means
    /// that the whole file is the answer.
    #[serde(default)]
    pub line: String,
    /// What is asked for.
    pub fact: Fact,
    /// The key, prefix or `kind/name` that the fact is of; empty for facts of the cluster.
    #[serde(default)]
    pub of: String,
    /// For [`Fact::Object`]: a path such as `spec.clusterIP`.
    #[serde(default)]
    pub field: String,
    /// For [`Fact::Object`].
    #[serde(default = "default_namespace")]
    pub namespace: String,
}
