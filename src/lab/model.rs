//! What a lab is, once its file is read and its templates are rendered for one seed.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fault::Fault,
    probes::{
        AccessProbe, AnswerProbe, CertificateProbe, ColdDatabaseProbe, CommandProbe, HealthProbe,
        KeyProbe, ProcessProbe, RestoreOrderProbe, UnitProbe,
    },
};

/// A lab with the values of one run.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The folder that holds `lab.toml`.
    pub dir: PathBuf,
    /// Name of the lab; equals the folder's name.
    pub id: String,
    /// One line for lists.
    pub title: String,
    /// What the learner reads first. Empty means nothing.
    pub intro: String,
    /// What is worth knowing afterwards; shown with a full score. Empty means nothing.
    pub review: String,
    /// How long it should take a prepared learner, in minutes.
    pub minutes: u32,
    /// Official competencies that it trains, as `domain/topic`.
    pub competencies: Vec<String>,
    pub cluster: Cluster,
    /// The seed that drew `vars`.
    pub seed: u64,
    /// Values that differ per run.
    pub vars: BTreeMap<String, String>,
    /// Those of them that were given instead of drawn.
    pub given: BTreeMap<String, String>,
    /// Steps before the learner is let in, in order.
    pub setup: Vec<Setup>,
    /// What is broken after the preparation.
    pub faults: Vec<Fault>,
    pub tasks: Vec<Task>,
    /// Accepted ways to solve it.
    pub solutions: Vec<Script>,
    /// Wrong turns, and what each of them must cost.
    pub wrong: Vec<Wrong>,
}

impl Lab {
    /// The sum of all tasks' points.
    pub fn points(&self) -> u32 {
        self.tasks.iter().map(|task| task.points).sum()
    }

    /// The node where the learner's shell opens: the first task's.
    pub fn home_node(&self) -> &str {
        self.tasks.first().map_or("controlplane", |task| &task.node)
    }
}

/// What an etcd machine that runs no member yet comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spare {
    /// The programs, the certificates, the user `etcd` and an empty `/var/lib/etcd`.
    #[default]
    Prepared,
    /// Nothing of etcd at all.
    Bare,
}

/// The machines of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// Control planes; each has an etcd member of its own unless `etcd` is there.
    pub control_planes: u8,
    pub workers: u8,
    /// External members, which run as services and which the API servers use.
    pub etcd: u8,
    /// More machines for etcd, on which none runs when the lab starts.
    pub spare: u8,
    pub spare_kind: Spare,
    /// Whether the lab is senseless on a host that can't map users besides root.
    pub users: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            control_planes: 1,
            workers: 1,
            etcd: 0,
            spare: 0,
            spare_kind: Spare::default(),
            users: false,
        }
    }
}

impl Cluster {
    /// `controlplane`, `controlplane2`…
    pub fn control_plane_names(self) -> Vec<String> {
        (1..=self.control_planes)
            .map(|number| match number {
                1 => "controlplane".to_owned(),
                _ => format!("controlplane{number}"),
            })
            .collect()
    }

    /// Whether a node of this name is a control plane; its API server is its own.
    pub fn is_control_plane(name: &str) -> bool {
        name.starts_with("controlplane")
    }

    /// `node01`, `node02`…
    pub fn worker_names(self) -> Vec<String> {
        (1..=self.workers)
            .map(|number| format!("node{number:02}"))
            .collect()
    }

    /// `etcd1`, `etcd2`…: those that run a member first, then the spare ones.
    pub fn etcd_names(self) -> Vec<String> {
        (1..=self.etcd + self.spare)
            .map(|number| format!("etcd{number}"))
            .collect()
    }

    /// The nodes on which a member runs when the lab starts; empty means none.
    pub fn member_names(self) -> Vec<String> {
        match self.etcd {
            0 => self.control_plane_names(),
            running => self.etcd_names().drain(..usize::from(running)).collect(),
        }
    }

    /// The names of all nodes: control planes first, then workers, then etcd machines.
    pub fn node_names(self) -> Vec<String> {
        let mut names = self.control_plane_names();
        names.extend(self.worker_names());
        names.extend(self.etcd_names());
        names
    }
}

/// A step that prepares the cluster.
#[derive(Debug, Clone)]
pub struct Setup {
    pub node: String,
    /// A bash script.
    pub run: String,
    /// What must hold before the next step starts.
    pub until: Option<Until>,
}

/// A condition on an object, as `kubectl wait` knows it.
#[derive(Debug, Clone)]
pub struct Until {
    /// `deploy/name`, in `namespace`.
    pub object: String,
    pub namespace: String,
    /// `Available`, `Ready`…
    pub condition: String,
}

/// One thing that the learner is asked for.
#[derive(Debug, Clone)]
pub struct Task {
    pub id: String,
    pub points: u32,
    /// Where it is to be done.
    pub node: String,
    pub text: String,
    pub hints: Vec<Hint>,
    /// All must pass for the points.
    pub checks: Vec<Check>,
}

/// Help that may cost something.
#[derive(Debug, Clone)]
pub struct Hint {
    /// Percent of the task's points that taking it costs; 0 is free.
    pub cost: u32,
    pub text: String,
}

/// A script of the lab.
#[derive(Debug, Clone)]
pub struct Script {
    /// Path below the lab's folder.
    pub file: String,
    pub title: String,
    pub text: String,
    /// Its text is not the file's, but has changes.
    pub changed: bool,
    /// Values of variables that it is for; proofs give them instead of drawing.
    pub given: BTreeMap<String, String>,
}

/// A script, or one with changes, that must lose the points of some tasks, and only those.
#[derive(Debug, Clone)]
pub struct Wrong {
    pub script: Script,
    /// Ids of the tasks that it must lose.
    pub loses: Vec<String>,
    /// What the report must say about it; empty means that any finding will do.
    pub says: String,
}

/// One look at the cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// What passing it means, in one phrase; made from the probe if the author gave none.
    pub name: String,
    /// The node whose files it reads.
    pub node: String,
    pub probe: Probe,
}

/// What a check looks at. Paths are absolute paths of the check's node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    Snapshot(SnapshotProbe),
    DataDir(DataDirProbe),
    History(HistoryProbe),
    Manifest(ManifestProbe),
    Members(MembersProbe),
    Handover(HandoverProbe),
    Object(ObjectProbe),
    File(FileProbe),
    Key(KeyProbe),
    Certificate(CertificateProbe),
    Health(HealthProbe),
    Process(ProcessProbe),
    Unit(UnitProbe),
    Command(CommandProbe),
    Access(AccessProbe),
    RestoreOrder(RestoreOrderProbe),
    ColdDatabase(ColdDatabaseProbe),
    Answer(AnswerProbe),
}

/// What most flags of a probe are if they are absent.
pub(crate) fn yes() -> bool {
    true
}

/// Where an object is if nobody says.
pub(crate) fn default_namespace() -> String {
    "default".into()
}

/// The nouns of [`Probe`], as authors write them.
pub const PROBES: [&str; 18] = [
    "snapshot",
    "data_dir",
    "history",
    "manifest",
    "members",
    "handover",
    "object",
    "file",
    "key",
    "certificate",
    "health",
    "process",
    "unit",
    "command",
    "access",
    "restore_order",
    "cold_database",
    "answer",
];

/// A snapshot file of etcd.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotProbe {
    /// The file.
    #[serde(rename = "snapshot")]
    pub path: String,
    /// It must carry this cluster's namespaces, not those of another run.
    #[serde(default = "yes")]
    pub this_cluster: bool,
    /// Its revision must not be older than the lab's start.
    #[serde(default = "yes")]
    pub since_start: bool,
    /// Keys that must live in it.
    #[serde(default)]
    pub holds: Vec<String>,
    /// Keys that must not live in it.
    #[serde(default)]
    pub lacks: Vec<String>,
}

/// A member's data directory, read without asking the member.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DataDirProbe {
    /// The directory.
    #[serde(rename = "data_dir")]
    pub path: String,
    /// The running etcd of the node must keep its data here.
    #[serde(default)]
    pub in_use: bool,
    /// It must belong to another cluster and member than at the lab's start,
    /// which is what a restore makes.
    #[serde(default)]
    pub restored: bool,
    /// The user of the node to whom the directory and its database must belong; empty
    /// means any.
    #[serde(default)]
    pub owner: String,
    /// The members that it must have been founded with, and no others: `name=URL,…` as in
    /// etcd's flag `--initial-cluster`; empty means any. Needs `token`.
    #[serde(default)]
    pub initial_cluster: String,
    /// The token that those members were founded with; etcd's own default is `etcd-cluster`.
    #[serde(default)]
    pub token: String,
    /// Keys that must live in it.
    #[serde(default)]
    pub holds: Vec<String>,
    /// Keys that must not live in it.
    #[serde(default)]
    pub lacks: Vec<String>,
}

impl DataDirProbe {
    /// The founders that it must have: names with a URL each. A name comes once for each
    /// of its URLs.
    pub fn founders(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.initial_cluster.split(',');
        all.filter_map(|founder| founder.split_once('='))
    }
}

/// What the revisions of a keyspace tell about the order of events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HistoryProbe {
    /// Data directories and snapshot files; the first that shows the order is enough.
    #[serde(rename = "history")]
    pub within: Vec<String>,
    /// Events that must have happened in this order, others in between allowed.
    pub order: Vec<Event>,
}

/// One change of one key.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The key came to be.
    Create(String),
    /// The key was deleted.
    Delete(String),
    /// The snapshot in this file was taken.
    Snapshot(String),
}

/// A static Pod's manifest.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ManifestProbe {
    /// The file.
    #[serde(rename = "manifest")]
    pub path: String,
    /// Volume whose hostPath is looked at; empty means none.
    #[serde(default)]
    pub volume: String,
    /// What that hostPath must be; empty means anything.
    #[serde(default)]
    pub host_path: String,
    /// Flags of the first container that must be there, as `--name=value`.
    #[serde(default)]
    pub flags: Vec<String>,
    /// It must mean what it meant before the lab's faults, whatever it looks like.
    #[serde(default)]
    pub unchanged: bool,
}

/// The members that the node's etcd reports.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MembersProbe {
    /// How many voting members there must be.
    #[serde(rename = "members")]
    #[schemars(range(min = 1, max = 9))]
    pub count: u32,
    /// All of them must answer.
    #[serde(default = "yes")]
    pub healthy: bool,
    /// How many members must be learners; `None` means any number.
    #[schemars(range(max = 9))]
    pub learners: Option<u32>,
    /// Names of the voting members, in any order; empty means any.
    #[serde(default)]
    pub names: Vec<String>,
    /// The cluster must be another one than at the lab's start, as a restore makes it.
    #[serde(default)]
    pub restored: bool,
    /// Names of members that must have another ID than the member of that name had at
    /// the lab's start.
    #[serde(default)]
    pub replaced: Vec<String>,
    /// Names of members that must be those that the lab started with.
    #[serde(default)]
    pub kept: Vec<String>,
    /// Names of members that must have joined as learners.
    #[serde(default)]
    pub learned: Vec<String>,
    /// Name of the member that must lead; empty means any.
    #[serde(default)]
    pub leader: String,
    /// The token that every voting member was founded with, by its ID; empty means any. A
    /// member that was added later has no token.
    #[serde(default)]
    pub token: String,
    /// All voting members must hold the same keyspace, by its hash.
    #[serde(default)]
    pub same_data: bool,
}

/// How leadership came to the member that has it now.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HandoverProbe {
    /// Name of the member that must lead.
    #[serde(rename = "handover")]
    pub to: String,
}

/// An object that the API serves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ObjectProbe {
    /// `deploy/before`.
    #[serde(rename = "object")]
    pub reference: String,
    /// Its namespace.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// `false`: it must not exist.
    #[serde(default = "yes")]
    pub exists: bool,
    /// Ready and wanted replicas as `kubectl get` shows them, `2/2`; empty means any.
    #[serde(default)]
    pub ready: String,
    /// What `value` is looked for at, as in `kubectl get -o jsonpath`: `.data.name`; empty
    /// means nowhere.
    #[serde(default)]
    pub field: String,
    /// What must stand at `field`, byte for byte.
    #[serde(default)]
    pub value: String,
    /// A snapshot that must hold the very same object (the same UID), so that one
    /// made again by hand is told apart; empty means none.
    #[serde(default)]
    pub same_as_in: String,
    /// The node that has that snapshot; empty means the check's own.
    #[serde(default)]
    pub snapshot_node: String,
}

/// A file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FileProbe {
    /// The file.
    #[serde(rename = "file")]
    pub path: String,
    /// `false`: it must not exist.
    #[serde(default = "yes")]
    pub exists: bool,
    /// Permission bits in octal, `0600`; empty means any.
    #[serde(default)]
    pub mode: String,
    /// Lines that it must hold, surrounding white space aside. A failed check names the one
    /// that is missing: what learners have to find out is a matter of `answer` or `command`.
    #[serde(default)]
    pub lines: Vec<String>,
}
