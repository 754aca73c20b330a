//! Probes that look at what runs and at what a learner wrote down about it. Those that
//! read files of etcd and objects are in [`crate::model`].

use serde::{Deserialize, Serialize};

/// A key of etcd, read from the running member of the node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyProbe {
    pub key: String,
    /// `false`: it must not exist.
    pub exists: bool,
    /// What it must hold, byte for byte; empty means anything.
    pub value: String,
    /// What its value must begin with, as encryption at rest marks it; empty means
    /// anything.
    pub starts_with: String,
    /// Look at every key that begins with `key` instead; there must be one.
    pub below: bool,
    /// It must have been created after the lab's start.
    pub since_start: bool,
    /// How often it must have been written at least; 0 means any.
    pub written: u32,
}

/// Which authority must have signed a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// Anyone.
    Any,
    Etcd,
    Kubernetes,
}

/// A certificate file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CertificateProbe {
    pub path: String,
    /// The authority that the lab started with, not one of the same name.
    pub signed_by: Authority,
    /// Names and addresses that it must be valid for.
    pub names: Vec<String>,
    /// File of the private key that must belong to it; empty means any.
    pub private_key: String,
    /// How many days it must still be valid.
    pub days: u32,
}

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Component {
    #[serde(rename = "etcd")]
    Etcd,
    #[serde(rename = "kube-apiserver")]
    ApiServer,
}

/// Whether a component of the node serves. That it does not is the finding, unlike with
/// the probes that only need it to look at something else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HealthProbe {
    pub component: Component,
    /// How many MiB etcd's database may have at most; 0 means any.
    pub size_below_mib: u32,
    /// Clients without a certificate must be turned away.
    pub refuses_anonymous: bool,
}

/// A process of the node, as the host sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessProbe {
    pub name: String,
    /// `false`: none of that name must run.
    pub running: bool,
    /// Arguments that it must have been started with.
    pub flags: Vec<String>,
    /// Name of another process that must have been started before it; empty means none.
    pub started_after: String,
}

/// A unit of the node's init.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnitProbe {
    pub name: String,
    pub active: Option<bool>,
    pub enabled: Option<bool>,
}

/// A command that the grader runs on the node as root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandProbe {
    /// A bash script.
    pub script: String,
    /// Its exit status.
    pub status: i32,
    /// What must stand in a line of its standard output, each.
    pub prints: Vec<String>,
    /// Seconds until it is killed and the check fails.
    pub seconds: u32,
}

/// What the API server lets somebody do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessProbe {
    pub user: String,
    pub groups: Vec<String>,
    pub verb: String,
    /// Plural, as `secrets`.
    pub resource: String,
    pub namespace: String,
    /// Name of one object; empty means all.
    pub object_name: String,
    pub allowed: bool,
}

/// Whether the API servers were stopped while etcd was restored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RestoreOrderProbe {
    /// The directory that was restored.
    pub restored: String,
    /// The directory that etcd ran on before.
    pub before: String,
}

/// A database file copied from a member that was stopped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ColdDatabaseProbe {
    pub path: String,
    /// The directory that it was copied from; nothing in it may be newer.
    pub of: String,
    pub holds: Vec<String>,
}

/// A live fact that a learner is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnswerProbe {
    pub path: String,
    /// The word before the answer: `leader` for `leader: m2` or `leader=m2`; empty means
    /// that the whole file is the answer.
    pub line: String,
    pub fact: Fact,
    /// The key, prefix or `kind/name` that the fact is of; empty for facts of the cluster.
    pub of: String,
    /// For [`Fact::Object`]: a path such as `spec.clusterIP`.
    pub field: String,
    /// For [`Fact::Object`].
    pub namespace: String,
}
