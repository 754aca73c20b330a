//! The tables as they are written, where that is another shape than what they are read into.
//! Only their schemas are used.
#![allow(dead_code)]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::{CheckFile, FaultFile};

/// A lab of kubedrill, as `lab.toml` has it.
#[derive(JsonSchema)]
#[schemars(rename = "lab.toml", deny_unknown_fields)]
pub struct LabFile {
    lab: Head,
    #[schemars(default)]
    cluster: Option<ClusterFile>,
    /// Values that differ per run, by name: `{ pick = ["a", "b"] }`, `{ number = [1, 9] }`,
    /// `{ word = 6 }` (letters and digits), or a fixed string, which does not differ.
    #[schemars(default)]
    vars: BTreeMap<String, Var>,
    #[schemars(default)]
    setup: Vec<SetupFile>,
    #[schemars(default)]
    fault: Vec<FaultFile>,
    task: Vec<TaskFile>,
    #[schemars(default)]
    solution: Vec<Solution>,
    #[schemars(default)]
    wrong: Vec<WrongFile>,
}

/// What the lab is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Head {
    /// The folder's name.
    id: String,
    /// One line for lists.
    title: String,
    /// What the learner reads first.
    #[schemars(default)]
    intro: String,
    /// What is worth knowing afterwards; shown once everything is solved.
    #[schemars(default)]
    review: String,
    /// How long it should take a prepared learner.
    #[schemars(default = "quarter", range(min = 1, max = 600))]
    minutes: u32,
    /// Official competencies that it trains, as `domain/topic`.
    #[schemars(default)]
    competencies: Vec<String>,
}

fn quarter() -> u32 {
    15
}

/// The machines.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ClusterFile {
    /// Control planes; each has an etcd member of its own unless `etcd` is there.
    #[schemars(default = "one", range(max = 5))]
    control_planes: u8,
    /// Workers; 1 if absent, 0 without a control plane.
    #[schemars(range(max = 3))]
    workers: Option<u8>,
    /// External members, which run as services and which the API servers use.
    #[schemars(default, range(max = 7))]
    etcd: u8,
    /// Machines for etcd on which none runs yet; no more than 7 with `etcd`.
    #[schemars(default, range(max = 7))]
    spare: u8,
    /// What a spare machine comes with.
    #[schemars(default)]
    spare_kind: SpareKind,
    /// The lab needs users besides root, and says so where none can be mapped.
    #[schemars(default)]
    users: bool,
}

fn one() -> u8 {
    1
}

/// What a spare machine comes with.
#[derive(JsonSchema, serde::Serialize, Default)]
#[serde(rename_all = "snake_case")]
enum SpareKind {
    /// The programs, the certificates, the user `etcd` and an empty `/var/lib/etcd`.
    #[default]
    Prepared,
    /// Nothing of etcd at all.
    Bare,
}

/// How a variable is drawn.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Var {
    /// The same in every run.
    Fixed(String),
    /// One of these.
    Pick {
        #[schemars(length(min = 1))]
        pick: Vec<String>,
    },
    /// A number from the first to the second.
    Number { number: [i64; 2] },
    /// So many letters and digits.
    Word {
        #[schemars(range(min = 1, max = 63))]
        word: u32,
    },
}

/// A step before the learner is let in.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SetupFile {
    /// A bash script.
    run: String,
    /// Where; the first node if absent.
    #[schemars(default)]
    node: String,
    /// What must hold before the next step starts.
    until: Option<UntilFile>,
}

/// A condition on an object, as `kubectl wait` knows it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct UntilFile {
    /// `deploy/name`.
    object: String,
    #[schemars(default = "crate::model::default_namespace")]
    namespace: String,
    /// `Available`, `Ready`…
    condition: String,
}

/// One thing that the learner is asked for.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TaskFile {
    id: String,
    text: String,
    #[schemars(default = "one_point", range(min = 1, max = 100))]
    points: u32,
    /// Where it is to be done; the first node if absent. The first task's node is where the
    /// learner's shell opens.
    #[schemars(default)]
    node: String,
    /// Help, the next one step by step.
    #[schemars(default)]
    hints: Vec<HintFile>,
    /// All must pass for the points.
    check: Vec<CheckFile>,
}

fn one_point() -> u32 {
    1
}

/// Help that may cost something.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HintFile {
    /// Percent of the task's points that taking it costs.
    #[schemars(default, range(max = 100))]
    cost: u32,
    text: String,
}

/// Keys of every check.
#[derive(JsonSchema)]
pub struct CheckKeys {
    /// What passing it means; made from the probe if absent.
    #[schemars(default)]
    name: String,
    /// The node that is looked at; the task's if absent.
    #[schemars(default)]
    node: String,
}

/// Keys of every fault.
#[derive(JsonSchema)]
pub struct FaultKeys {
    /// Where; the first node if absent.
    #[schemars(default)]
    node: String,
    /// A template that gives `true` or `false`: whether the fault comes in this run.
    #[schemars(default = "always")]
    when: String,
    /// A process: the learner is let in when those of that name that ran have ended.
    #[schemars(default)]
    ends: String,
    /// Processes of this name are stopped before the fault touches what they use, and killed
    /// (SIGKILL) afterwards.
    #[schemars(default)]
    kills: String,
}

fn always() -> String {
    "true".into()
}

/// An accepted way to solve the lab.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Solution {
    /// A bash script, by its path below the lab's folder.
    script: String,
    /// One line; the path if absent.
    #[schemars(default)]
    title: String,
    /// Values that the proof gives to variables instead of drawing them.
    #[schemars(default)]
    with: BTreeMap<String, String>,
}

/// A way that must lose the points of some tasks, and only those.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WrongFile {
    /// A bash script, by its path below the lab's folder. May be a solution's, with `changes`.
    script: String,
    /// What is another text than in the script, one after the other.
    #[schemars(default)]
    changes: Vec<ChangeFile>,
    /// One line; the path if absent.
    #[schemars(default)]
    title: String,
    /// Values that the proof gives to variables instead of drawing them.
    #[schemars(default)]
    with: BTreeMap<String, String>,
    /// Ids of the tasks that it must lose.
    #[schemars(length(min = 1))]
    loses: Vec<String>,
    /// What the report must say about it.
    #[schemars(default)]
    says: String,
}

/// A text of a script that is another in a wrong turn.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ChangeFile {
    /// Stands in the script; every place of it changes.
    text: String,
    /// What stands there instead; nothing if absent.
    #[schemars(default)]
    becomes: String,
}

/// An exam pack of kubedrill, as `packs/NAME.toml` has it.
#[derive(JsonSchema)]
#[schemars(rename = "packs/NAME.toml", deny_unknown_fields)]
pub struct PackFile {
    pack: PackHead,
    item: Vec<ItemFile>,
}

/// What the exam is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PackHead {
    /// The file's name without its ending.
    id: String,
    /// One line for lists.
    title: String,
    /// What the learner reads first.
    #[schemars(default)]
    intro: String,
    /// The clock.
    #[schemars(default = "two_hours", range(min = 1, max = 600))]
    minutes: u32,
    /// Percent that pass.
    #[schemars(default = "two_thirds", range(min = 1, max = 100))]
    pass: u32,
}

fn two_hours() -> u32 {
    120
}

fn two_thirds() -> u32 {
    66
}

/// A lab of the exam.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ItemFile {
    /// A lab beside the folder `packs`, each but once.
    lab: String,
    /// Those of its tasks that are asked; all if absent.
    #[schemars(default)]
    tasks: Vec<String>,
    /// Percent of the exam; the sum is 100.
    #[schemars(range(min = 1, max = 100))]
    weight: u32,
    /// The official competency that it counts for, one of the lab's.
    competency: String,
}
