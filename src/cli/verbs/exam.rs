//! `exam`: the labs of a pack one after another, under one clock, graded at the end.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    path::Path,
    process::{Child, Stdio},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use grade::{Paper, Report};
use lab::{
    Pack,
    pack::Item,
    session::{Session, random_seed},
};
use sandbox::Exec;

use super::start::{ago, goes_on, serving};
use crate::{
    args::{Exam, Format},
    clock::{Clock, Leave},
    error::{Error, status},
    find, interrupt,
    looking::Looking,
    page::Page,
    render,
    serve::Wishes,
    sitting::{self, Sitting},
    stage::{self, Stage},
};

const WELCOME: &str = "\
Each lab is a cluster of its own. These words lead on: `next` is done with a lab for good, \
`skip` puts it off until the others are done, `goto` puts it off for another one, `finish` ends \
the exam. `task` shows the tasks, the other labs and the clock. Nothing is graded before the end.";

/// An exam that runs.
struct Hall {
    pack: Pack,
    room: Session,
    sitting: Sitting,
    interactive: bool,
    format: Format,
}

/// How a lab of the exam was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Word(Leave),
    /// The clock has run out.
    Time,
    /// The shell ended.
    Exit,
}

pub fn run(args: &Exam) -> Result<u8, Error> {
    if args.report {
        return show_report(args);
    }
    let pack = lab::load_pack(&find::pack(&args.pack)?)?;
    let room = sitting::room(&stage::home()?, &pack.id);
    let interactive = io::stdin().is_terminal();
    if room.is_running() {
        let message = format!(
            "the exam `{}` runs already; `kubedrill shell` opens one more shell in its lab",
            pack.id
        );
        return Err(Error::Usage(message));
    }
    let earlier = earlier(args, &pack, &room, interactive)?;
    let _lock = room.lock()?;
    let sitting = match earlier {
        Some(sitting) => sitting,
        None => {
            sitting::clear(&room)?;
            let given = given(args, &pack)?;
            let seed = match args.seed {
                Some(seed) => seed,
                None => random_seed().map_err(|error| Error::Failed(error.to_string()))?,
            };
            Sitting::new(&pack, seed, given, stage::engine(&args.engine))
        }
    };
    sitting.save(&room)?;
    let goes_on = format!(
        "`kubedrill exam {0}` goes on, and so does its clock; `kubedrill stop {0}` removes it",
        pack.id
    );
    interrupt::arm(&room, move || Some(goes_on.clone()))?;
    let mut hall = Hall {
        pack,
        room,
        sitting,
        interactive,
        format: args.format,
    };
    hall.welcome();
    hall.sit()
}

/// The exam that was begun and shall go on. A person is asked when the flags do not say.
fn earlier(
    args: &Exam,
    pack: &Pack,
    room: &Session,
    interactive: bool,
) -> Result<Option<Sitting>, Error> {
    if args.again {
        return Ok(None);
    }
    let Some(sitting) = Sitting::load(room)? else {
        return match args.resume {
            true => Err(Error::Usage(format!(
                "the exam `{}` was not begun",
                pack.id
            ))),
            false => Ok(None),
        };
    };
    if !args.resume && !interactive {
        return Err(Error::Usage(format!(
            "the exam `{}` was begun {} and not ended: --resume goes on with it, --again throws \
             it away",
            pack.id,
            ago(&sitting.started_at)
        )));
    }
    let goes_on = args.resume || wants_to_go_on(&pack.id, &sitting)?;
    let known = |lab: &String| pack.items.iter().any(|item| item.lab == *lab);
    if goes_on && !sitting.queue.iter().all(known) {
        let message = format!("{} is another exam by now; use --again", pack.id);
        return Err(Error::Usage(message));
    }
    Ok(goes_on.then_some(sitting))
}

fn wants_to_go_on(id: &str, sitting: &Sitting) -> Result<bool, Error> {
    goes_on(&format!("the exam `{id}`"), &sitting.started_at)
}

/// The values of `--set LAB.NAME=VALUE`.
fn given(args: &Exam, pack: &Pack) -> Result<lab::pack::Given, Error> {
    let mut given: lab::pack::Given = BTreeMap::new();
    for (name, value) in &args.given {
        let place = name.split_once('.');
        let Some((lab, name)) =
            place.filter(|(lab, _)| pack.items.iter().any(|item| item.lab == *lab))
        else {
            let message = format!("--set {name}: expected LAB.NAME=VALUE with a lab of the exam");
            return Err(Error::Usage(message));
        };
        let values = given.entry(lab.to_owned()).or_default();
        values.insert(name.to_owned(), value.clone());
    }
    Ok(given)
}

impl Hall {
    fn clock(&self) -> Duration {
        Duration::from_secs(u64::from(self.pack.minutes) * 60)
    }

    fn time_left(&self) -> Duration {
        self.clock().saturating_sub(self.sitting.elapsed())
    }

    fn welcome(&self) {
        let pack = &self.pack;
        eprintln!(
            "{}: {} labs, {} minutes, {} % to pass. Seed {}.",
            pack.title,
            pack.items.len(),
            pack.minutes,
            pack.pass,
            self.sitting.seed
        );
        if !pack.intro.trim().is_empty() {
            eprintln!("\n{}", Page::for_stdout().text("", &pack.intro));
        }
        eprintln!("\n{}\n", Page::for_stdout().text("", WELCOME));
    }

    /// Goes through the labs and grades.
    fn sit(&mut self) -> Result<u8, Error> {
        while let Some(lab) = self.sitting.queue.first().cloned() {
            if self.time_left().is_zero() {
                eprintln!("The time is up.");
                break;
            }
            let (left, report) = self.work_on(&lab)?;
            self.sitting.reports.insert(lab, report);
            self.sitting.open = None;
            let goes_on = match left {
                Left::Word(leave) => self.sitting.leave(&self.pack, leave),
                Left::Time | Left::Exit => false,
            };
            self.sitting.save(&self.room)?;
            // Without a terminal nobody is there who could go on later.
            if left == Left::Exit && self.interactive {
                return Ok(self.take_a_break());
            }
            if !goes_on {
                break;
            }
        }
        self.grade_what_is_open()?;
        self.finish()
    }

    fn take_a_break(&self) -> u8 {
        let words = format!(
            "The nodes are switched off; the clock goes on, with {} left. `kubedrill exam {1}` \
             goes on with this lab, `kubedrill stop {1}` removes the exam.",
            render::minutes(self.time_left()),
            self.pack.id
        );
        eprintln!("\n{}", Page::for_stdout().hang("", "", &words));
        status::NOT_SOLVED
    }

    fn item(&self, lab: &str) -> Result<&Item, Error> {
        let item = self.pack.items.iter().find(|item| item.lab == lab);
        item.ok_or_else(|| Error::Usage(format!("the exam has no lab `{lab}`")))
    }

    /// Brings a lab up: anew, or as it was left.
    fn stage(&self, lab: &str) -> Result<Stage, Error> {
        let item = self.item(lab)?;
        let session = sitting::lab_session(&self.room, lab);
        if session.load().is_ok_and(|record| record.ready) {
            return Stage::resume(session);
        }
        let given = self.sitting.given.get(lab).cloned().unwrap_or_default();
        let mut read = lab::load_with(&item.dir, self.sitting.seed, &given)?;
        read.tasks.retain(|task| item.tasks.contains(&task.id));
        Stage::prepare(read, session, self.sitting.engine.clone())
    }

    /// One lab, until it is left.
    fn work_on(&mut self, lab: &str) -> Result<(Left, Report), Error> {
        let stage = self.stage(lab)?;
        self.sitting.open = Some(lab.to_owned());
        self.sitting.save(&self.room)?;
        let here = self.pack.items.iter().position(|item| item.lab == lab);
        // A clock that can't be told is one that has run out.
        let now = Instant::now();
        let ends = now.checked_add(self.time_left()).unwrap_or(now);
        let places = self.sitting.places(&self.pack);
        let clock = Clock::new(places, here.unwrap_or(0), ends, self.sitting.warned);
        let text = render::exam_tasks(&stage.lab, &clock, Page::for_stdout());
        let wishes = Wishes::exam(clock);
        if self.format == Format::Json || !self.interactive {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
        let mut child = self.shell(&stage)?;
        let result = serving(&stage, &wishes, || {
            let Some(clock) = &wishes.clock else {
                return Err(Error::Failed("the exam has no clock".into()));
            };
            let left = wait(&mut child, clock)?;
            if left == Left::Time {
                eprintln!("\r\nThe time is up.\r");
            }
            // Whoever gave the word waits for the nodes' end, so nothing changes now.
            let report = graded(&stage)?;
            stage.fabric.stop()?;
            child.wait().map_err(trouble)?;
            Ok((left, report))
        });
        if result.is_err() {
            let _ = stage.fabric.stop();
            let _ = child.wait();
        }
        if let Some(clock) = &wishes.clock {
            self.sitting.warned = clock.warned.load(Ordering::SeqCst);
        }
        result
    }

    fn shell(&self, stage: &Stage) -> Result<Child, Error> {
        let node = stage.lab.home_node();
        let mut command = if self.interactive {
            stage.fabric.shell(node)?
        } else {
            let exec = Exec {
                env: stage.environment(),
                ..Exec::new(["bash", "-s"])
            };
            let mut command = stage.fabric.command(node, &exec)?;
            command.stdin(Stdio::inherit());
            if self.format == Format::Json {
                // Standard output is for the grade.
                command.stdout(io::stderr());
            }
            command
        };
        command.spawn().map_err(|source| Error::Io {
            what: "open a shell on",
            path: node.into(),
            source,
        })
    }

    /// Grades the lab that an interruption left ungraded.
    fn grade_what_is_open(&mut self) -> Result<(), Error> {
        let Some(lab) = self.sitting.open.clone() else {
            return Ok(());
        };
        let report = graded(&self.stage(&lab)?)?;
        self.sitting.reports.insert(lab, report);
        self.sitting.open = None;
        self.sitting.save(&self.room)
    }

    /// The grade of all, after which nothing of the exam is left.
    fn finish(&mut self) -> Result<u8, Error> {
        let used = self.sitting.elapsed().min(self.clock());
        let reports = self.pack.items.iter();
        let reports = reports.map(|item| self.sitting.reports.get(&item.lab).cloned());
        let paper = Paper::new(
            &self.pack,
            self.sitting.seed,
            used.as_secs(),
            reports.collect(),
        );
        print_paper(&paper, self.format)?;
        let kept = sitting::keep_report(&stage::home()?, &paper)?;
        let words = format!(
            "The report is kept in {}; `kubedrill exam {} --report` shows it again.",
            kept.display(),
            self.pack.id
        );
        eprintln!("\n{}", Page::for_stdout().hang("", "", &words));
        sitting::remove(&self.room)?;
        Ok(if paper.passed {
            status::DONE
        } else if paper.unknown() {
            status::COULD_NOT_LOOK
        } else {
            status::NOT_SOLVED
        })
    }
}

/// Grades a lab of the exam. What its checks look at would be a hint, so it is not told.
fn graded(stage: &Stage) -> Result<Report, Error> {
    let line = Looking::on_stderr();
    line.at("what you made of this lab");
    stage.check(&|_| ())
}

fn print_paper(paper: &Paper, format: Format) -> Result<(), Error> {
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(paper)
                .map_err(|error| Error::Failed(error.to_string()))?;
            println!("{text}");
        }
        Format::Text => print!("{}", render::paper(paper, Page::for_stdout())),
    }
    Ok(())
}

/// The report of an exam that is over, whose pack may be gone.
fn show_report(args: &Exam) -> Result<u8, Error> {
    let name = Path::new(&args.pack).file_stem().unwrap_or_default();
    let paper = sitting::kept_report(&stage::home()?, &name.to_string_lossy())?;
    print_paper(&paper, args.format)?;
    Ok(status::DONE)
}

fn trouble(source: io::Error) -> Error {
    Error::Io {
        what: "wait for",
        path: "the shell".into(),
        source,
    }
}

/// Waits until the lab is left.
fn wait(child: &mut Child, clock: &Clock) -> Result<Left, Error> {
    loop {
        // The word counts even if the shell ended with it.
        if let Some(word) = clock.left() {
            return Ok(Left::Word(word));
        }
        if child.try_wait().map_err(trouble)?.is_some() {
            return Ok(clock.left().map_or(Left::Exit, Left::Word));
        }
        if clock.time_left().is_zero() {
            return Ok(Left::Time);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
