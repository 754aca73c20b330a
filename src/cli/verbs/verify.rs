//! `verify`: proves that a lab grades what it says it grades.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use grade::{
    Outcome, Report,
    verdict::{CheckReport, points},
};
use lab::{Lab, model::Script, session::random_seed};
use serde::Serialize;

use super::{scenario, verify_pack};
use crate::{
    args::{Engine, Format, Verify},
    error::{Error, status},
    find,
    limits::Limits,
    looks, render, script,
};

/// One thing that must be true of a lab.
#[derive(Debug, Clone)]
struct Scenario {
    name: String,
    script: String,
    promise: Promise,
    /// What the report must say; empty means anything.
    says: String,
    /// Values that are given instead of drawn.
    given: BTreeMap<String, String>,
}

/// What a lab promises of a scenario.
#[derive(Debug, Clone)]
enum Promise {
    /// These tasks are lost, all others are solved.
    Loses(Vec<String>),
    /// It is not the full score.
    LosesSomething,
}

/// A command that no solution needs, says its script.
struct Optional {
    lab: String,
    scenario: String,
    why: String,
}

/// How long a run may take before its verdict is that it never ends.
const TIME_LIMIT: u64 = 600;

/// The same for a solution that lacks a command, which may wait for what never comes.
const INCOMPLETE_TIME_LIMIT: u64 = 180;

#[derive(Debug, Clone, Serialize)]
pub(super) struct Proof {
    /// The lab, or the exam pack.
    pub lab: String,
    pub scenario: String,
    pub repeat: u32,
    pub seed: u64,
    pub holds: bool,
    /// Why it does not hold; empty if it does.
    pub why: String,
    pub score: String,
    pub seconds: f64,
    /// The verdict of every check, the tasks apart, for comparing repeats: `pf/p`.
    pub verdicts: String,
    #[serde(skip)]
    pub transcript: String,
}

pub fn run(args: &Verify) -> Result<u8, Error> {
    sandbox::preflight()?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => random_seed().map_err(|error| Error::Failed(error.to_string()))?,
    };
    let mut work = VecDeque::new();
    let mut optional = Vec::new();
    let mut exams = Vec::new();
    for wanted in &args.labs {
        let packs = find::packs(wanted);
        for pack in &packs {
            exams.push(verify_pack::exam(pack, seed)?);
        }
        if !packs.is_empty() {
            continue;
        }
        for dir in find::labs(wanted)? {
            for repeat in 1..=args.repeat.max(1) {
                // Other values with every repeat: the verdicts must not depend on them.
                let lab = lab::load(&dir, seed.wrapping_add(u64::from(repeat - 1)))?;
                for scenario in scenarios(&lab) {
                    work.push_back((lab.clone(), scenario, repeat));
                }
            }
            if args.incomplete {
                let lab = lab::load(&dir, seed)?;
                for scenario in incomplete(&lab, &mut optional) {
                    work.push_back((lab.clone(), scenario, 1));
                }
            }
        }
    }
    if let Some(only) = &args.only {
        work.retain(|(_, scenario, _)| scenario.name.contains(only.as_str()));
        optional.retain(|one| one.scenario.contains(only.as_str()));
    }
    // What takes long begins first, so that nobody waits for a long run at the end.
    work.make_contiguous()
        .sort_by_key(|(lab, ..)| Reverse((lab.cluster.node_names().len(), lab.minutes)));
    eprintln!(
        "{} runs, seed {seed}, {} side by side",
        work.len() + 2 * exams.len(),
        args.jobs.max(1)
    );
    let mut proofs = run_all(work, args);
    for exam in &exams {
        for proof in verify_pack::prove(exam, seed, &args.engine) {
            show(&proof, args.format);
            proofs.push(proof);
        }
    }
    compare_repeats(&mut proofs);
    proofs.sort_by(|a, b| (&a.lab, a.repeat).cmp(&(&b.lab, b.repeat)));
    let holds = proofs.iter().all(|proof| proof.holds);
    if args.format == Format::Json {
        let text = serde_json::to_string_pretty(&proofs)
            .map_err(|error| Error::Failed(error.to_string()))?;
        println!("{text}");
    } else {
        let failed = proofs.iter().filter(|proof| !proof.holds).count();
        let holding = match proofs.len() - failed {
            1 => "1 proof holds".to_owned(),
            more => format!("{more} proofs hold"),
        };
        let verb = if failed == 1 { "does" } else { "do" };
        println!("{holding}, {failed} {verb} not");
        tell_incomplete(&proofs, &optional);
    }
    Ok(if holds {
        status::DONE
    } else {
        status::NOT_SOLVED
    })
}

/// Each solution without one of its commands, for each command; those that are optional
/// are put aside.
fn incomplete(lab: &Lab, aside: &mut Vec<Optional>) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for solution in &lab.solutions {
        let steps = script::steps(&solution.text);
        let commands: Vec<(&String, Option<String>)> = steps
            .iter()
            .flat_map(|step| {
                let reason = |command: &str| {
                    let mechanical = looks::leaves_all_as_it_is(command).map(str::to_owned);
                    step.optional().or(mechanical)
                };
                step.commands.iter().map(move |one| (one, reason(one)))
            })
            .collect();
        for (left_out, (command, optional)) in commands.iter().enumerate() {
            let shown = first_line(command);
            // Repeats are told by their names, so no two commands share one.
            let alike = commands[..left_out]
                .iter()
                .filter(|(earlier, _)| first_line(earlier) == shown)
                .count();
            let nth = match alike {
                0 => String::new(),
                _ => format!(" ({})", alike + 1),
            };
            let file = named(solution);
            let name = format!("{file}{LEFT_OUT}{shown}{nth}");
            if let Some(why) = optional {
                aside.push(Optional {
                    lab: lab.id.clone(),
                    scenario: name,
                    why: why.clone(),
                });
                continue;
            }
            let kept: Vec<&str> = commands
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != left_out)
                .map(|(_, (command, _))| command.as_str())
                .collect();
            scenarios.push(Scenario {
                name,
                script: kept.join("\n") + "\n",
                promise: Promise::LosesSomething,
                says: String::new(),
                given: solution.given.clone(),
            });
        }
    }
    scenarios
}

/// A command's first line, with those that it is continued by.
fn first_line(command: &str) -> String {
    let mut shown = String::new();
    for line in command.lines() {
        let line = line.trim();
        match line.strip_suffix('\\') {
            Some(begun) => {
                shown += begun.trim_end();
                shown += " ";
            }
            None => return shown + line,
        }
    }
    shown
}

/// The scenario in which nobody does anything.
const UNTOUCHED: &str = "untouched";

/// Between a solution's name and the command that it is left without.
const LEFT_OUT: &str = " without: ";

/// How many incomplete solutions lose points, and what the checks do not ask for.
fn tell_incomplete(proofs: &[Proof], optional: &[Optional]) {
    let tried: Vec<&Proof> = proofs
        .iter()
        .filter(|proof| proof.scenario.contains(LEFT_OUT))
        .collect();
    if tried.is_empty() && optional.is_empty() {
        return;
    }
    let noticed = tried.iter().filter(|proof| proof.holds).count();
    let list = match optional.len() {
        0 => "",
        _ => ":",
    };
    println!(
        "{noticed} of {} incomplete solutions lose points; {} more lack what is optional{list}",
        tried.len(),
        optional.len()
    );
    for Optional { lab, scenario, why } in optional {
        println!("optional  {lab}  {scenario}  ({why})");
    }
}

fn scenarios(lab: &Lab) -> Vec<Scenario> {
    let all: Vec<String> = lab.tasks.iter().map(|task| task.id.clone()).collect();
    let mut scenarios = vec![Scenario {
        name: UNTOUCHED.into(),
        script: String::new(),
        promise: Promise::Loses(all),
        says: String::new(),
        given: BTreeMap::new(),
    }];
    scenarios.extend(lab.solutions.iter().map(|solution| Scenario {
        name: named(solution),
        script: solution.text.clone(),
        promise: Promise::Loses(Vec::new()),
        says: String::new(),
        given: solution.given.clone(),
    }));
    scenarios.extend(lab.wrong.iter().map(|wrong| Scenario {
        name: named(&wrong.script),
        script: wrong.script.text.clone(),
        promise: Promise::Loses(wrong.loses.clone()),
        says: wrong.says.clone(),
        given: wrong.script.given.clone(),
    }));
    scenarios
}

/// A script's name, what it does otherwise, and the values that it is for.
fn named(script: &Script) -> String {
    let mut name = script.file.clone();
    if script.changed {
        name += &format!(" but {}", script.title);
    }
    let values = script.given.iter();
    let values: Vec<String> = values
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !values.is_empty() {
        name += &format!(" with {}", values.join(", "));
    }
    name
}

fn run_all(work: VecDeque<(Lab, Scenario, u32)>, args: &Verify) -> Vec<Proof> {
    let work = Mutex::new(work);
    let proofs = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let next = work.lock().ok().and_then(|mut work| work.pop_front());
                    let Some((lab, scenario, repeat)) = next else {
                        return;
                    };
                    let proof = prove(&lab, &scenario, repeat, &args.engine);
                    show(&proof, args.format);
                    if let Ok(mut proofs) = proofs.lock() {
                        proofs.push(proof);
                    }
                }
            });
        }
    });
    proofs.into_inner().unwrap_or_default()
}

fn show(proof: &Proof, format: Format) {
    let verdict = if proof.holds { "holds" } else { "FAILS" };
    let line = format!(
        "{verdict}  {}  {} ({} points, {:.1} s)",
        proof.lab, proof.scenario, proof.score, proof.seconds
    );
    if format == Format::Json {
        eprintln!("{line}");
    } else {
        println!("{line}");
    }
    if !proof.holds {
        eprintln!("       seed {}: {}", proof.seed, proof.why);
        for line in proof.transcript.trim().lines() {
            eprintln!("       | {line}");
        }
    }
}

impl Proof {
    /// One that nothing was run for yet, and so does not hold.
    pub(super) fn open(lab: &str, scenario: &str, repeat: u32, seed: u64) -> Self {
        Self {
            lab: lab.to_owned(),
            scenario: scenario.to_owned(),
            repeat,
            seed,
            holds: false,
            why: String::new(),
            score: "no".into(),
            seconds: 0.0,
            verdicts: String::new(),
            transcript: String::new(),
        }
    }
}

fn prove(lab: &Lab, scenario: &Scenario, repeat: u32, engine: &Engine) -> Proof {
    let mut proof = Proof::open(&lab.id, &scenario.name, repeat, lab.seed);
    let limits = Limits {
        time_limit: match scenario.promise {
            Promise::Loses(_) => TIME_LIMIT,
            Promise::LosesSomething => INCOMPLETE_TIME_LIMIT,
        },
        ..Limits::default()
    };
    let script = scenario.script.as_bytes();
    match scenario::run(&lab.dir, lab.seed, &scenario.given, script, &limits, engine) {
        Ok(run) => {
            proof.seconds = seconds(run.took);
            proof.score = format!(
                "{} of {}",
                points(run.report.earned_hundredths),
                run.report.points
            );
            proof.verdicts = verdicts(&run.report);
            proof.why = objection(scenario, &run.report);
            proof.holds = proof.why.is_empty();
            proof.transcript = run.transcript;
        }
        Err(error) => proof.why = error.to_string(),
    }
    proof
}

pub(super) fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Why the report is not what the scenario promises; empty if it is.
fn objection(scenario: &Scenario, report: &Report) -> String {
    let loses = match &scenario.promise {
        Promise::Loses(_) if !report.remark.is_empty() => return report.remark.clone(),
        Promise::Loses(tasks) => tasks,
        Promise::LosesSomething if report.solved() => {
            return "no check notices that the command is left out".into();
        }
        Promise::LosesSomething => return String::new(),
    };
    for task in &report.tasks {
        let must_lose = loses.contains(&task.id);
        if task.unknown() {
            return format!("`{}` could not be looked at: {}", task.id, words(report));
        }
        if must_lose && !task.failed() {
            return format!("`{}` must be lost, but is solved", task.id);
        }
        if !must_lose && !task.solved() {
            return format!(
                "`{}` must be solved, but is lost: {}",
                task.id,
                words(report)
            );
        }
    }
    if !scenario.says.is_empty() && !words(report).contains(&scenario.says) {
        return format!(
            "the report does not say {:?}; it says: {}",
            scenario.says,
            words(report)
        );
    }
    String::new()
}

/// What the checks that did not pass say.
fn words(report: &Report) -> String {
    let findings: Vec<String> = report.tasks.iter().flat_map(render::findings).collect();
    findings.join("; ")
}

/// One letter a check, passed, failed or unknown, and a stroke between tasks.
pub(super) fn verdicts(report: &Report) -> String {
    let letter = |check: &CheckReport| match check.outcome {
        Outcome::Passed { .. } => 'p',
        Outcome::Failed { .. } => 'f',
        Outcome::CouldNotLook { .. } => 'u',
    };
    let tasks: Vec<String> = report
        .tasks
        .iter()
        .map(|task| task.checks.iter().map(letter).collect())
        .collect();
    tasks.join("/")
}

/// One letter a task: failed if a check is, else unknown if one is.
fn by_task(verdicts: &str) -> String {
    let letter = |checks: &str| {
        *['f', 'u']
            .iter()
            .find(|one| checks.contains(**one))
            .unwrap_or(&'p')
    };
    verdicts.split('/').map(letter).collect()
}

/// Repeats of one scenario must agree in every check. An untouched lab must in every task:
/// which of a task's checks fail depends on the fault that was drawn.
fn compare_repeats(proofs: &mut [Proof]) {
    let verdicts = |proof: &Proof| match proof.scenario.as_str() {
        UNTOUCHED => by_task(&proof.verdicts),
        _ => proof.verdicts.clone(),
    };
    for at in 0..proofs.len() {
        let first = proofs
            .iter()
            .find(|other| other.lab == proofs[at].lab && other.scenario == proofs[at].scenario)
            .map(verdicts);
        let own = verdicts(&proofs[at]);
        let proof = &mut proofs[at];
        if let Some(first) = first.filter(|first| *first != own)
            && proof.holds
        {
            proof.holds = false;
            proof.why = format!("verdicts differ between repeats: {first}, {own}");
            eprintln!("FAILS  {}  {}: {}", proof.lab, proof.scenario, proof.why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::first_line;

    #[test]
    fn a_continued_command_is_named_whole() {
        for (command, shown) in [
            ("kubectl get pods", "kubectl get pods"),
            (
                "etcdctl --a=b \\\n  --c=d \\\n  get x",
                "etcdctl --a=b --c=d get x",
            ),
            ("cat >file <<END\ntext\nEND", "cat >file <<END"),
            ("", ""),
        ] {
            assert_eq!(first_line(command), shown);
        }
    }
}
