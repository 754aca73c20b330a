//! `verify` of an exam pack: untouched it comes to nothing, with a solution of each lab to
//! all there is.

use std::{ffi::OsString, path::Path};

use grade::{Paper, verdict::points};
use lab::Lab;

use super::{
    scenario::{self, Ran},
    verify::{Proof, seconds, verdicts},
};
use crate::{args::Engine, error::Error};

/// A pack and its labs, in its order.
pub(super) struct Exam {
    pack: lab::Pack,
    labs: Vec<Lab>,
}

/// Reads a pack with all its labs.
///
/// # Errors
/// Something of it can't be used.
pub(super) fn exam(file: &Path, seed: u64) -> Result<Exam, Error> {
    let pack = lab::load_pack(file)?;
    let mut labs = Vec::new();
    for item in &pack.items {
        labs.push(lab::load(&item.dir, seed)?);
    }
    Ok(Exam { pack, labs })
}

/// Sits the exam twice.
pub(super) fn prove(exam: &Exam, seed: u64, engine: &Engine) -> [Proof; 2] {
    let untouched = "next\n".repeat(exam.labs.len());
    let mut solved = String::new();
    let mut values = Vec::new();
    for lab in &exam.labs {
        // One that is for any values, if there is one.
        let any = lab.solutions.iter().find(|one| one.given.is_empty());
        if let Some(solution) = any.or(lab.solutions.first()) {
            solved += &solution.text;
            for (name, value) in &solution.given {
                values.push(format!("{}.{name}={value}", lab.id));
            }
        }
        solved += "\nnext\n";
    }
    [
        one(exam, "untouched", seed, &untouched, &[], engine, 0),
        one(exam, "solved", seed, &solved, &values, engine, 100),
    ]
}

fn one(
    exam: &Exam,
    scenario: &str,
    seed: u64,
    script: &str,
    values: &[String],
    engine: &Engine,
    percent: u32,
) -> Proof {
    let mut proof = Proof::open(&exam.pack.id, scenario, 1, seed);
    let mut args: Vec<OsString> = vec!["exam".into(), exam.pack.file.clone().into()];
    for value in values {
        args.extend(["--set".into(), value.into()]);
    }
    let ran: Result<Ran<Paper>, Error> =
        scenario::run_program(&args, seed, script.as_bytes(), engine);
    match ran {
        Ok(ran) => {
            proof.seconds = seconds(ran.took);
            proof.score = format!("{} of 100", points(ran.grade.earned_hundredths));
            let reports = ran.grade.items.iter();
            let reports = reports.filter_map(|item| item.report.as_ref());
            proof.verdicts = reports.map(verdicts).collect();
            proof.why = objection(&ran.grade, percent);
            proof.holds = proof.why.is_empty();
            proof.transcript = ran.transcript;
        }
        Err(error) => proof.why = error.to_string(),
    }
    proof
}

/// Why the grade is not `percent`; empty if it is.
fn objection(paper: &Paper, percent: u32) -> String {
    for item in &paper.items {
        match &item.report {
            None => return format!("the lab `{}` was not begun", item.lab),
            Some(report) if report.unknown() => {
                return format!("something of `{}` could not be looked at", item.lab);
            }
            Some(_) => {}
        }
        if item.earned_hundredths != item.weight * percent {
            return format!(
                "`{}` comes to {} of its {} %, and not to {percent} in a hundred of them",
                item.lab,
                points(item.earned_hundredths),
                item.weight
            );
        }
    }
    String::new()
}
