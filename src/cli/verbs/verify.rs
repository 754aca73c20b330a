//! `verify`: proves that a lab grades what it says it grades.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use grade::{Outcome, Report, verdict::points};
use lab::{Lab, session::random_seed};
use serde::Serialize;

use super::scenario;
use crate::{
    args::{Engine, Format, Verify},
    error::{Error, status},
    find,
};

/// One thing that must be true of a lab.
#[derive(Debug, Clone)]
struct Scenario {
    name: String,
    script: String,
    /// The tasks that must be lost; all others must be solved.
    loses: Vec<String>,
    /// What the report must say; empty means anything.
    says: String,
}

#[derive(Debug, Clone, Serialize)]
struct Proof {
    lab: String,
    scenario: String,
    repeat: u32,
    seed: u64,
    holds: bool,
    /// Why it does not hold; empty if it does.
    why: String,
    score: String,
    seconds: f64,
    /// The verdict of every check, for comparing repeats.
    verdicts: String,
    #[serde(skip)]
    transcript: String,
}

pub fn run(args: &Verify) -> Result<u8, Error> {
    sandbox::preflight()?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => random_seed().map_err(|error| Error::Failed(error.to_string()))?,
    };
    let mut work = VecDeque::new();
    for wanted in &args.labs {
        for dir in find::labs(wanted)? {
            let lab = lab::load(&dir, seed)?;
            for repeat in 1..=args.repeat.max(1) {
                for scenario in scenarios(&lab) {
                    work.push_back((lab.clone(), scenario, repeat));
                }
            }
        }
    }
    eprintln!(
        "{} runs, seed {seed}, {} side by side",
        work.len(),
        args.jobs.max(1)
    );
    let mut proofs = run_all(work, args);
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
    }
    Ok(if holds {
        status::DONE
    } else {
        status::NOT_SOLVED
    })
}

fn scenarios(lab: &Lab) -> Vec<Scenario> {
    let all: Vec<String> = lab.tasks.iter().map(|task| task.id.clone()).collect();
    let mut scenarios = vec![Scenario {
        name: "untouched".into(),
        script: String::new(),
        loses: all,
        says: String::new(),
    }];
    scenarios.extend(lab.solutions.iter().map(|solution| Scenario {
        name: solution.file.clone(),
        script: solution.text.clone(),
        loses: Vec::new(),
        says: String::new(),
    }));
    scenarios.extend(lab.wrong.iter().map(|wrong| Scenario {
        name: wrong.script.file.clone(),
        script: wrong.script.text.clone(),
        loses: wrong.loses.clone(),
        says: wrong.says.clone(),
    }));
    scenarios
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
        eprintln!("       {}", proof.why);
        for line in proof.transcript.trim().lines() {
            eprintln!("       | {line}");
        }
    }
}

fn prove(lab: &Lab, scenario: &Scenario, repeat: u32, engine: &Engine) -> Proof {
    let mut proof = Proof {
        lab: lab.id.clone(),
        scenario: scenario.name.clone(),
        repeat,
        seed: lab.seed,
        holds: false,
        why: String::new(),
        score: "no".into(),
        seconds: 0.0,
        verdicts: String::new(),
        transcript: String::new(),
    };
    match scenario::run(&lab.dir, lab.seed, &scenario.script, engine) {
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

fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Why the report is not what the scenario promises; empty if it is.
fn objection(scenario: &Scenario, report: &Report) -> String {
    for task in &report.tasks {
        let must_lose = scenario.loses.contains(&task.id);
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
    let mut words = Vec::new();
    for check in report.tasks.iter().flat_map(|task| &task.checks) {
        match &check.outcome {
            Outcome::Passed { .. } => {}
            Outcome::Failed {
                found,
                expected,
                place,
            } => {
                words.push(format!(
                    "{}: found {found}, expected {expected} ({place})",
                    check.name
                ));
            }
            Outcome::CouldNotLook { reason, place } => {
                words.push(format!(
                    "{}: could not look at {place}: {reason}",
                    check.name
                ));
            }
        }
    }
    words.join("; ")
}

/// One letter a check: passed, failed, unknown.
fn verdicts(report: &Report) -> String {
    report
        .tasks
        .iter()
        .flat_map(|task| &task.checks)
        .map(|check| match check.outcome {
            Outcome::Passed { .. } => 'p',
            Outcome::Failed { .. } => 'f',
            Outcome::CouldNotLook { .. } => 'u',
        })
        .collect()
}

/// Repeats of one scenario must agree in every check.
fn compare_repeats(proofs: &mut [Proof]) {
    for at in 0..proofs.len() {
        let first = proofs
            .iter()
            .find(|other| other.lab == proofs[at].lab && other.scenario == proofs[at].scenario)
            .map(|first| first.verdicts.clone());
        if let Some(first) = first.filter(|first| *first != proofs[at].verdicts) {
            let proof = &mut proofs[at];
            if proof.holds {
                proof.holds = false;
                proof.why = format!(
                    "verdicts differ between repeats: {first}, {}",
                    proof.verdicts
                );
                eprintln!("FAILS  {}  {}: {}", proof.lab, proof.scenario, proof.why);
            }
        }
    }
}
