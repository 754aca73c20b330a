//! `start`: the lab comes up, the learner works, the lab is graded.

use std::{
    io::{self, IsTerminal, Write},
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use grade::Report;
use lab::session::{Session, random_seed};
use sandbox::{Exec, Fabric};

use crate::{
    args::{Format, Start},
    error::Error,
    find, interrupt, limits,
    looking::Looking,
    page::Page,
    question, render,
    serve::{self, Wishes, grade_status},
    stage::{self, Stage},
};

pub fn run(args: Start) -> Result<u8, Error> {
    let dir = find::lab(&args.lab)?;
    let home = stage::home()?;
    let name = dir
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(&args.lab)
        .to_owned();
    let session = Session::at(&home, &name);
    let interactive = io::stdin().is_terminal();
    let watched = session.clone();
    interrupt::arm(&session, move || {
        watched.load().is_ok_and(|record| record.ready).then(|| {
            format!(
                "`kubedrill start {0}` goes on, `kubedrill stop {0}` removes the lab",
                watched.name
            )
        })
    })?;
    let mut stage = if wants_resume(&args, &session, interactive)? {
        Stage::resume(session.clone())?
    } else {
        let seed = match args.seed {
            Some(seed) => seed,
            None => random_seed().map_err(|error| Error::Failed(error.to_string()))?,
        };
        let given = args.given.iter().cloned().collect();
        let lab = lab::load_with(&dir, seed, &given)?;
        Stage::prepare(lab, session.clone(), stage::engine(&args.engine))?
    };
    if !interactive {
        return batch(&stage, &args);
    }
    let wishes = loop {
        greet(&stage);
        let wishes = Wishes::default();
        attend(&stage, &wishes)?;
        if wishes.stop.load(Ordering::SeqCst) {
            drop(stage);
            return super::stop::remove(&session);
        }
        if !wishes.reset.load(Ordering::SeqCst) {
            break wishes;
        }
        let record = session.load()?;
        let lab = lab::load_with(&record.lab_dir, record.seed, &record.given)?;
        drop(stage);
        stage = Stage::prepare(lab, session.clone(), record.engine)?;
    };
    farewell(&stage, &wishes)
}

/// Whether an earlier run shall go on. A person is asked when the flags do not say.
fn wants_resume(args: &Start, session: &Session, interactive: bool) -> Result<bool, Error> {
    if session.is_running() {
        return Err(lab::session::Error::Busy(session.name.clone()).into());
    }
    if args.resume {
        // Killed early, a run may have left a folder and nothing to tell of itself.
        let missing = !session.exists() && session.dir().exists();
        if missing || !session.load()?.ready {
            let message = "the earlier run never came to its start; use --again";
            return Err(Error::Usage(message.into()));
        }
        return Ok(true);
    }
    if args.again || !session.load().is_ok_and(|record| record.ready) {
        return Ok(false);
    }
    let record = session.load()?;
    if interactive {
        return goes_on(&format!("`{}`", session.name), &record.started_at);
    }
    if args.discard {
        return Ok(false);
    }
    // What somebody made is not thrown away without a word.
    Err(Error::Usage(format!(
        "`{}` was started {} and its files are kept: --resume goes on with them, --again throws \
         them away, --discard too, and removes the lab at the end",
        session.name,
        ago(&record.started_at)
    )))
}

/// Asks a person whether what was begun shall go on.
pub(super) fn goes_on(what: &str, started_at: &str) -> Result<bool, Error> {
    let question = format!(
        "You started {what} {} and left it. [g]o on with it, or [b]egin again? [G/b] ",
        ago(started_at)
    );
    match question::ask(&question, &[('g', "go on"), ('b', "begin")]) {
        Some(chosen) => Ok(chosen == 0),
        None => Err(Error::Usage("no answer; use --resume or --again".into())),
    }
}

/// How long ago `moment` was, for people: to the minute, the hour or the day.
pub(super) fn ago(moment: &str) -> String {
    let Ok(moment) = moment.parse::<jiff::Timestamp>() else {
        return format!("at {moment}");
    };
    let minutes = jiff::Timestamp::now().duration_since(moment).as_secs() / 60;
    let (number, unit) = match minutes {
        ..1 => return "just now".into(),
        1..120 => (minutes, "minute"),
        120..2880 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

fn greet(stage: &Stage) {
    println!("{}", render::tasks(&stage.lab, Page::for_stdout()));
    eprintln!(
        "Ready after {:.2} s. You are root on {}; `exit` leaves and grades. Seed {}.\n",
        stage.ready_after.as_secs_f64(),
        stage.lab.home_node(),
        stage.lab.seed
    );
}

/// Runs the learner's shell, and answers its words meanwhile.
fn attend(stage: &Stage, wishes: &Wishes) -> Result<(), Error> {
    let mut shell = stage.fabric.shell(stage.lab.home_node())?;
    serving(stage, wishes, || {
        let mut child = shell.spawn().map_err(|source| Error::Io {
            what: "open a shell on",
            path: stage.lab.home_node().into(),
            source,
        })?;
        wait(&mut child, wishes, &stage.fabric)
    })
}

/// Does `work` while another thread answers `check`, `task` and `hint`.
pub(super) fn serving<T>(
    stage: &Stage,
    wishes: &Wishes,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let listener = serve::listen(&stage.session.socket())?;
    let done = AtomicBool::new(false);
    // The nodes die with the thread that made them, so the work stays on this one.
    std::thread::scope(|scope| {
        scope.spawn(|| serve::serve(&listener, stage, wishes, &done));
        let result = work();
        done.store(true, Ordering::SeqCst);
        result
    })
}

/// Waits for the shell's end, or ends it when another terminal wants the lab.
fn wait(child: &mut Child, wishes: &Wishes, fabric: &Fabric) -> Result<(), Error> {
    let trouble = |source| Error::Io {
        what: "wait for",
        path: "the shell".into(),
        source,
    };
    loop {
        if child.try_wait().map_err(trouble)?.is_some() {
            return Ok(());
        }
        if wishes.any() {
            // A shell at its prompt ignores polite signals. Without its node it ends,
            // and the terminal is put back as it was.
            fabric.stop()?;
            child.wait().map_err(trouble)?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Grades what the learner left. A grade that they have just read is not told again.
fn farewell(stage: &Stage, wishes: &Wishes) -> Result<u8, Error> {
    let report = {
        let line = Looking::on_stderr();
        stage.check(&|what| line.at(what))?
    };
    stage.remember(&report)?;
    let page = Page::for_stdout();
    if wishes.was_told(&report) {
        println!(
            "Graded as at your last `check`. {}",
            render::score(&report, page)
        );
    } else {
        print!("{}", render::report(&report, Some(&stage.lab), page));
    }
    print!("{}", render::lead_on(&report, &stage.lab, page));
    let words = format!(
        "The nodes are switched off. `kubedrill start {0}` goes on where you left, \
         `kubedrill stop {0}` removes the lab.",
        stage.session.name
    );
    eprintln!("\n{}", page.hang("", "", &words));
    Ok(grade_status(&report))
}

/// No terminal: commands come on standard input, the grade comes at their end.
fn batch(stage: &Stage, args: &Start) -> Result<u8, Error> {
    eprintln!("Ready after {:.2} s.", stage.ready_after.as_secs_f64());
    let exec = Exec {
        env: stage.environment(),
        ..Exec::new(["bash", "-s"])
    };
    let mut command = stage.fabric.command(stage.lab.home_node(), &exec)?;
    command.stdin(Stdio::inherit());
    if args.format == Format::Json {
        // Standard output is for the grade.
        command.stdout(io::stderr());
    }
    let (ended, exceeded) = serving(stage, &Wishes::default(), || {
        let files = stage.session.fabric_dir();
        limits::run(&mut command, &args.limits, &files, io::stderr()).map_err(|source| Error::Io {
            what: "run the commands on",
            path: stage.lab.home_node().into(),
            source,
        })
    })?;
    let report = match exceeded {
        Some(exceeded) if exceeded.ends_the_nodes() => {
            stage.fabric.stop()?;
            eprintln!("Over the limit: {exceeded}. The nodes were ended; nothing is graded.");
            grade::lost(&stage.lab, &exceeded.to_string())
        }
        Some(exceeded) => {
            eprintln!("Over the limit: {exceeded}. What is there is graded.");
            Report {
                remark: format!("{exceeded}; what was there then is graded"),
                ..stage.check(&|_| ())?
            }
        }
        None => {
            if !ended.success() {
                eprintln!("The commands ended with {ended}.");
            }
            stage.check(&|_| ())?
        }
    };
    stage.remember(&report)?;
    let text = match args.format {
        Format::Json => serve::json(&report)?,
        Format::Text => render::report(&report, Some(&stage.lab), Page::for_stdout()),
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|source| Error::Io {
            what: "write to",
            path: "standard output".into(),
            source,
        })?;
    if args.discard {
        stage.fabric.stop()?;
        stage::remove(&stage.session)?;
    }
    Ok(grade_status(&report))
}

#[cfg(test)]
mod tests {
    use super::ago;

    #[test]
    fn tells_how_long_ago_in_one_unit() {
        let before = |seconds: i64| {
            let moment = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
            ago(&moment.to_string())
        };
        assert_eq!(before(5), "just now");
        assert_eq!(before(61), "1 minute ago");
        assert_eq!(before(3 * 3600), "3 hours ago");
        assert_eq!(before(3 * 86_400), "3 days ago");
        assert_eq!(ago("once"), "at once");
    }
}
