//! `bench`: how long a learner waits, on this machine.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use lab::session::{Engine, Session};

use super::scenario;
use crate::{
    args::Bench,
    error::{Error, status},
    find,
    stage::{self, Stage},
};

pub fn run(args: &Bench) -> Result<u8, Error> {
    let dir = find::lab(&args.lab)?;
    let mut ready = Vec::new();
    let mut whole = Vec::new();
    let mut check = Vec::new();
    for _ in 0..args.runs.max(1) {
        let home = scenario::temporary_home()?;
        measure(&dir, home.path(), &mut ready, &mut whole, &mut check)?;
    }
    println!(
        "{:<36}  {:>9}  {:>9}  {:>9}",
        "WORK", "MEDIAN", "MIN", "MAX"
    );
    row("start until every node is Ready", &mut ready);
    row("start until the shell opens", &mut whole);
    row("check", &mut check);
    let mut proof = vec![verify(&dir)?];
    row("verify, two runs side by side", &mut proof);
    Ok(status::DONE)
}

fn measure(
    dir: &Path,
    home: &Path,
    ready: &mut Vec<Duration>,
    whole: &mut Vec<Duration>,
    check: &mut Vec<Duration>,
) -> Result<(), Error> {
    let session = Session::at(home, "bench");
    let begun = Instant::now();
    let lab = lab::load(dir, 1)?;
    let stage = Stage::prepare(lab, session.clone(), Engine::default())?;
    whole.push(begun.elapsed());
    ready.push(stage.ready_after);
    let begun = Instant::now();
    stage.check(&|_| ())?;
    check.push(begun.elapsed());
    stage.fabric.stop()?;
    drop(stage);
    stage::clear(&session)
}

/// Proves the lab once, in a process of its own.
fn verify(dir: &Path) -> Result<Duration, Error> {
    let io = |source| Error::Io {
        what: "prove",
        path: dir.to_owned(),
        source,
    };
    let begun = Instant::now();
    let output = Command::new(std::env::current_exe().map_err(io)?)
        .arg("verify")
        .arg(dir)
        .output()
        .map_err(io)?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Failed(format!(
            "the lab is not proven\n{}",
            words.trim()
        )));
    }
    Ok(begun.elapsed())
}

fn row(work: &str, times: &mut [Duration]) {
    times.sort();
    let ms = |at: usize| format!("{:.0} ms", times[at].as_secs_f64() * 1000.0);
    let last = times.len() - 1;
    println!(
        "{work:<36}  {:>9}  {:>9}  {:>9}",
        ms(last / 2),
        ms(0),
        ms(last)
    );
}
