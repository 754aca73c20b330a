//! Sends a process to look, and makes a report of what it answers.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    net::Ipv4Addr,
    process::{Command, Stdio},
};

use lab::{
    Lab,
    model::{Check, Probe},
    session::Session,
};
use sandbox::Fabric;

use crate::{
    assignment::{Answer, Assignment, Certificates, Facts, tell_looking},
    live::{Api, Etcd, Found, Identity},
    node::Node,
    patience::Patience,
    probes, run,
    verdict::{CheckReport, Outcome, Report, TaskReport},
};

/// The first word that makes kubedrill the process that looks.
pub const APPLET: &str = "grade-inside";

/// Why there is no report at all.
#[derive(Debug, thiserror::Error)]
pub enum GradeError {
    #[error("could not look into the lab: {0}")]
    Sandbox(#[from] sandbox::Error),
    #[error("could not send a process to look: {0}")]
    Process(#[from] io::Error),
    #[error("could not look: {0}")]
    Trouble(String),
}

/// What the grader knows of a lab's machines.
#[derive(Debug, Clone)]
pub struct Scene {
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// The first control plane; `None` in a lab of etcd alone.
    pub control_plane: Option<String>,
    /// The nodes on which a member of etcd runs when the lab starts; empty means none.
    pub members: Vec<String>,
}

/// Records what is true now, before the learner is let in.
///
/// # Errors
/// etcd or the API can't be asked.
pub fn record_facts(
    fabric: &Fabric,
    session: &Session,
    scene: &Scene,
) -> Result<Facts, GradeError> {
    match send(fabric, session, scene, None, Vec::new(), &|_| ())? {
        Answer::Facts(facts) => Ok(facts),
        Answer::Trouble(reason) => Err(GradeError::Trouble(reason)),
        _ => Err(GradeError::Trouble("outcomes came instead of facts".into())),
    }
}

/// Grades the lab as it is now. `hint_cost_percent` is what each task's hints cost; `looking`
/// is told the name of each check when it is looked at.
///
/// # Errors
/// No process could be sent to look. Checks that could not look are in the report.
pub fn grade(
    fabric: &Fabric,
    session: &Session,
    scene: &Scene,
    facts: &Facts,
    lab: &Lab,
    hint_cost_percent: &BTreeMap<String, u32>,
    looking: &dyn Fn(&str),
) -> Result<Report, GradeError> {
    let checks: Vec<Check> = lab
        .tasks
        .iter()
        .flat_map(|task| task.checks.clone())
        .collect();
    let facts = Some(facts.clone());
    let mut outcomes = match send(fabric, session, scene, facts, checks, looking)? {
        Answer::Outcomes(outcomes) => outcomes.into_iter(),
        Answer::Trouble(reason) => return Err(GradeError::Trouble(reason)),
        _ => return Err(GradeError::Trouble("no outcomes came".into())),
    };
    let missing = || Outcome::could_not_look("the grader", "it gave no answer for this check");
    let tasks: Vec<TaskReport> = lab
        .tasks
        .iter()
        .map(|task| {
            let checks = task
                .checks
                .iter()
                .map(|check| CheckReport {
                    name: check.name.clone(),
                    outcome: outcomes.next().unwrap_or_else(missing),
                })
                .collect();
            let hints = hint_cost_percent.get(&task.id).copied().unwrap_or(0);
            TaskReport::new(&task.id, task.points, hints, checks)
        })
        .collect();
    Ok(report(lab, tasks))
}

/// The grade of a run that went over a limit so that its nodes had to be ended.
pub fn lost(lab: &Lab, limit: &str) -> Report {
    let outcome = Outcome::failed("the nodes", limit, "a run within its limits");
    let tasks = lab
        .tasks
        .iter()
        .map(|task| {
            let judged = |check: &Check| CheckReport {
                name: check.name.clone(),
                outcome: outcome.clone(),
            };
            let checks = task.checks.iter().map(judged).collect();
            TaskReport::new(&task.id, task.points, 0, checks)
        })
        .collect();
    Report {
        remark: format!("{limit}; the nodes were ended"),
        ..report(lab, tasks)
    }
}

fn report(lab: &Lab, tasks: Vec<TaskReport>) -> Report {
    Report {
        lab: lab.id.clone(),
        title: lab.title.clone(),
        seed: lab.seed,
        points: lab.points(),
        earned_hundredths: tasks.iter().map(|task| task.earned_hundredths).sum(),
        tasks,
        remark: String::new(),
    }
}

fn send(
    fabric: &Fabric,
    session: &Session,
    scene: &Scene,
    facts: Option<Facts>,
    checks: Vec<Check>,
    looking: &dyn Fn(&str),
) -> Result<Answer, GradeError> {
    let names: Vec<String> = checks.iter().map(|check| check.name.clone()).collect();
    let mut certificates = Certificates::new();
    for name in lab::provision::GRADER_FILES {
        let text = fs::read_to_string(session.grader_dir().join(name))?;
        certificates.insert(name.to_owned(), text);
    }
    let assignment = Assignment {
        fabric_dir: session.fabric_dir(),
        certificates,
        addresses: scene.addresses.clone(),
        control_plane: scene.control_plane.clone(),
        members: scene.members.clone(),
        facts,
        ran: checks
            .iter()
            .map(|check| {
                looking(&check.name);
                run::for_check(fabric, check)
            })
            .collect(),
        checks,
    };
    // By this name the kernel finds the program that runs, even when a new build has
    // taken its path meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg(APPLET);
    let mut child = fabric
        .enter_network(&command)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let text = serde_json::to_vec(&assignment).map_err(io::Error::other)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A process that died early closes the pipe; its words come below.
        let _ = stdin.write_all(&text);
    }
    let words = run::drain(child.stderr.take());
    let mut answer = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            // One that can't be read is the end of what it says.
            let Ok(line) = line else { break };
            match serde_json::from_str(&line) {
                Ok(Answer::Looking(at)) => {
                    looking(names.get(at).map_or("", String::as_str));
                }
                Ok(last) => answer = Some(last),
                // A process that dies while it writes has no answer.
                Err(_) => answer = None,
            }
        }
    }
    let status = child.wait()?;
    answer.ok_or_else(|| {
        let words = words.join().unwrap_or_default();
        let words = words.trim();
        GradeError::Trouble(format!("the grader ended with {status}: {words}"))
    })
}

/// What the process that was sent does.
pub(crate) async fn look(assignment: &Assignment, fabric: &Fabric) -> Answer {
    let control_plane = assignment
        .control_plane
        .as_ref()
        .and_then(|name| assignment.addresses.get(name).copied())
        .unwrap_or(Ipv4Addr::LOCALHOST);
    let clients = Etcd::new(&assignment.certificates)
        .and_then(|etcd| Ok((etcd, Api::new(&assignment.certificates, control_plane)?)));
    let (etcd, api) = match clients {
        Ok(clients) => clients,
        Err(reason) => return Answer::Trouble(reason),
    };
    let Some(facts) = &assignment.facts else {
        return match facts_now(assignment, fabric, &etcd, &api).await {
            Ok(facts) => Answer::Facts(facts),
            Err(reason) => Answer::Trouble(reason),
        };
    };
    let mut outcomes = Vec::new();
    let patience = Patience::default();
    for (at, check) in assignment.checks.iter().enumerate() {
        tell_looking(at);
        let scene = probes::Scene {
            node: Node {
                fabric,
                name: &check.node,
            },
            addresses: &assignment.addresses,
            address: assignment
                .addresses
                .get(&check.node)
                .copied()
                .unwrap_or(control_plane),
            facts,
            etcd: &etcd,
            api: &api,
            patience: &patience,
            certificates: &assignment.certificates,
            ran: assignment.ran.get(at).and_then(Option::as_ref),
        };
        outcomes.push(match look_at(&scene, &check.probe).await {
            Ok(outcome) | Err(outcome) => outcome,
        });
    }
    Answer::Outcomes(outcomes)
}

async fn look_at(scene: &probes::Scene<'_>, probe: &Probe) -> probes::Result {
    match probe {
        Probe::Snapshot(probe) => probes::snapshot::look(scene, probe),
        Probe::DataDir(probe) => probes::data_dir::look(scene, probe).await,
        Probe::History(probe) => probes::history::look(scene, probe),
        Probe::Manifest(probe) => probes::manifest::look(scene, probe),
        Probe::Members(probe) => probes::members::look(scene, probe).await,
        Probe::Handover(probe) => probes::handover::look(scene, probe).await,
        Probe::Object(probe) => probes::object::look(scene, probe).await,
        Probe::File(probe) => probes::file::look(scene, probe),
        Probe::Key(probe) => probes::key::look(scene, probe).await,
        Probe::Certificate(probe) => probes::certificate::look(scene, probe),
        Probe::Health(probe) => probes::health::look(scene, probe).await,
        Probe::Process(probe) => probes::process::look(scene, probe),
        Probe::Unit(probe) => probes::unit::look(scene, probe),
        Probe::Command(probe) => probes::command::look(scene, probe),
        Probe::Access(probe) => probes::access::look(scene, probe).await,
        Probe::RestoreOrder(probe) => probes::restore_order::look(scene, probe),
        Probe::ColdDatabase(probe) => probes::cold_database::look(scene, probe),
        Probe::Answer(probe) => probes::answer::look(scene, probe).await,
    }
}

/// What the members that the lab starts with know; its setup may have taken some down. One may
/// be behind the others by a moment: who is furthest on of the first one's cluster is believed.
/// `None` if none runs by design.
async fn furthest_on(assignment: &Assignment, etcd: &Etcd) -> Result<Option<Identity>, String> {
    let (mut furthest, mut trouble) = (None::<Identity>, None);
    for name in &assignment.members {
        let address = assignment.addresses.get(name);
        let address = *address.unwrap_or(&Ipv4Addr::LOCALHOST);
        match (etcd.identity(address).await, &furthest) {
            (Ok(one), Some(known)) if !one.is_further_than(known) => {}
            (Ok(one), _) => furthest = Some(one),
            (Err(reason), _) => trouble = Some(reason),
        }
    }
    match (furthest, trouble) {
        (None, Some(reason)) => Err(reason),
        (furthest, _) => Ok(furthest),
    }
}

async fn facts_now(
    assignment: &Assignment,
    fabric: &Fabric,
    etcd: &Etcd,
    api: &Api,
) -> Result<Facts, String> {
    let mut facts = Facts::default();
    let known = Patience::default()
        .until(probes::SETTLE, async || furthest_on(assignment, etcd).await)
        .await?;
    if let Some(identity) = known {
        facts.etcd_cluster_id = identity.cluster_id;
        facts.revision = identity.revision;
        facts.raft_term = identity.raft_term;
        facts.leader = identity
            .members
            .iter()
            .find(|member| member.id == identity.leader)
            .map(|member| member.name.clone())
            .unwrap_or_default();
        for member in identity.members {
            facts.etcd_member_ids.insert(member.name, member.id);
        }
    }
    if assignment.control_plane.is_some() {
        facts.kube_system_uid = match api.get("/api/v1/namespaces/kube-system").await? {
            Found::Object(object) => probes::uid(&object),
            Found::Missing => return Err("the namespace kube-system does not exist".into()),
        };
    }
    for name in assignment.addresses.keys() {
        let node = Node { fabric, name };
        facts.manifests.extend(probes::manifest::all(&node));
    }
    Ok(facts)
}
