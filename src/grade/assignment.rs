//! What the process that looks is told, and what it answers.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Read, Write},
    net::Ipv4Addr,
    path::PathBuf,
    process::ExitCode,
};

use lab::model::Check;
use sandbox::Fabric;
use serde::{Deserialize, Serialize};

use crate::{exam, run::Ran, verdict::Outcome};

/// PEM texts by name: `etcd-ca.crt`, `api-client.key`…
pub type Certificates = BTreeMap<String, String>;

/// What was true when the learner was let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// 0 if no member ran.
    pub etcd_cluster_id: u64,
    /// By the member's name, which is that of its node.
    pub etcd_member_ids: BTreeMap<String, u64>,
    /// Name of the member that led; empty if none did.
    #[serde(default)]
    pub leader: String,
    /// Raft's term; 0 if no member ran.
    #[serde(default)]
    pub raft_term: u64,
    pub revision: i64,
    /// UID of the namespace kube-system: the one name of a cluster that nobody chose.
    /// Empty in a lab of etcd alone.
    pub kube_system_uid: String,
    /// The static Pods' manifests before the lab's faults, by place: `node:path`.
    #[serde(default)]
    pub manifests: BTreeMap<String, serde_json::Value>,
}

/// Work for the process that looks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// The fabric's folder.
    pub fabric_dir: PathBuf,
    /// The grader's certificates by file name, PEM. The process that looks may be another
    /// user to the host, and could not read the files.
    pub certificates: Certificates,
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// The node that runs the first control plane; `None` in a lab of etcd alone.
    pub control_plane: Option<String>,
    /// The nodes whose etcd members the lab started with.
    pub members: Vec<String>,
    /// Absent while they are being recorded.
    pub facts: Option<Facts>,
    pub checks: Vec<Check>,
    /// What was run on the nodes for them, in their order.
    pub ran: Vec<Option<Ran>>,
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    Facts(Facts),
    /// One for each check, in order.
    Outcomes(Vec<Outcome>),
    /// The grader's own trouble with everything at once.
    Trouble(String),
    /// Not the end yet: the check of this number is being looked at.
    Looking(usize),
}

/// Says which check is being looked at, on a line of its own. Who no longer listens needs
/// no answer, so trouble with it is none.
pub(crate) fn tell_looking(check: usize) {
    if let Ok(mut line) = serde_json::to_vec(&Answer::Looking(check)) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// The internal applet that looks: an [`Assignment`] comes on standard input, [`Answer`]s go
/// to standard output, a line each, all as JSON.
pub fn inside(_: Vec<OsString>) -> ExitCode {
    let answer = match read_assignment() {
        Ok(assignment) => look(&assignment),
        Err(error) => Answer::Trouble(format!("the grader got no assignment: {error}")),
    };
    match serde_json::to_writer(io::stdout().lock(), &answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn read_assignment() -> Result<Assignment, String> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn look(assignment: &Assignment) -> Answer {
    let fabric = match Fabric::attach(&assignment.fabric_dir) {
        Ok(Some(fabric)) => fabric,
        Ok(None) => return Answer::Trouble("the lab is not running".into()),
        Err(error) => return Answer::Trouble(error.to_string()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(exam::look(assignment, &fabric)),
        Err(error) => Answer::Trouble(error.to_string()),
    }
}
