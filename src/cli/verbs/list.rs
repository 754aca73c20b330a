//! `list`: the labs that can be started, and those that were.

use lab::session::Session;
use serde::Serialize;

use crate::{
    args::{Format, List},
    error::{Error, status},
    find,
    sitting::{self, Sitting},
    stage,
};

#[derive(Debug, Serialize)]
struct Row {
    /// `lab` or `exam`.
    kind: &'static str,
    /// The name of the lab or of the exam.
    lab: String,
    title: String,
    minutes: Option<u32>,
    points: Option<u32>,
    /// `running`, `interrupted`, or empty.
    state: &'static str,
    started_at: Option<String>,
    seed: Option<u64>,
}

pub fn run(args: &List) -> Result<u8, Error> {
    let rows = rows()?;
    if args.format == Format::Json {
        let text = serde_json::to_string_pretty(&rows)
            .map_err(|error| Error::Failed(error.to_string()))?;
        println!("{text}");
        return Ok(status::DONE);
    }
    let width = rows
        .iter()
        .map(|row| row.lab.len())
        .max()
        .unwrap_or(0)
        .max(3);
    println!(
        "{:<width$}  {:<7}  {:<11}  TITLE",
        "LAB", "MINUTES", "STATE"
    );
    for row in rows.iter().filter(|row| row.kind == LAB) {
        let minutes = row
            .minutes
            .map_or(String::new(), |minutes| minutes.to_string());
        println!(
            "{:<width$}  {minutes:<7}  {:<11}  {}",
            row.lab, row.state, row.title
        );
    }
    print_exams(&rows, width);
    Ok(status::DONE)
}

const LAB: &str = "lab";
const EXAM: &str = "exam";

/// The exams below the labs, if there are any.
fn print_exams(rows: &[Row], width: usize) {
    let mut exams = rows.iter().filter(|row| row.kind == EXAM).peekable();
    if exams.peek().is_some() {
        println!(
            "\n{:<width$}  {:<7}  {:<11}  TITLE",
            "EXAM", "MINUTES", "STATE"
        );
    }
    for row in exams {
        let minutes = row.minutes.map_or(String::new(), |all| all.to_string());
        println!(
            "{:<width$}  {minutes:<7}  {:<11}  {}",
            row.lab, row.state, row.title
        );
    }
}

/// The exam packs, with what is known of those that were begun.
fn exams() -> Result<Vec<Row>, Error> {
    let home = stage::home()?;
    let mut rows = Vec::new();
    for file in find::all_packs() {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let loaded = lab::load_pack(&file).ok();
        let room = sitting::room(&home, &name);
        let sitting = Sitting::load(&room).ok().flatten();
        rows.push(Row {
            kind: EXAM,
            title: loaded
                .as_ref()
                .map_or("(mistakes in the pack)".into(), |pack| pack.title.clone()),
            minutes: loaded.as_ref().map(|pack| pack.minutes),
            points: None,
            state: match &sitting {
                _ if room.is_running() => "running",
                Some(_) => "interrupted",
                None => "",
            },
            started_at: sitting.as_ref().map(|sitting| sitting.started_at.clone()),
            seed: sitting.map(|sitting| sitting.seed),
            lab: name.into_owned(),
        });
    }
    Ok(rows)
}

fn rows() -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for dir in find::all() {
        // A lab with mistakes is listed too; starting it shows them.
        let name = dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let loaded = lab::load(&dir, 0).ok();
        rows.push(Row {
            kind: LAB,
            title: loaded
                .as_ref()
                .map_or("(mistakes in lab.toml)".into(), |l| l.title.clone()),
            minutes: loaded.as_ref().map(|lab| lab.minutes),
            points: loaded.as_ref().map(lab::Lab::points),
            lab: name,
            state: "",
            started_at: None,
            seed: None,
        });
    }
    for session in Session::all(&stage::home()?)? {
        let running = session.is_running();
        let record = session.load().ok();
        let at = rows
            .iter()
            .position(|row| row.lab == session.name)
            .unwrap_or_else(|| {
                rows.push(Row {
                    kind: LAB,
                    lab: session.name.clone(),
                    title: record
                        .as_ref()
                        .map_or("(damaged)".into(), |record| record.title.clone()),
                    minutes: None,
                    points: None,
                    state: "",
                    started_at: None,
                    seed: None,
                });
                rows.len() - 1
            });
        let row = &mut rows[at];
        row.state = if running { "running" } else { "interrupted" };
        row.started_at = record.as_ref().map(|record| record.started_at.clone());
        row.seed = record.map(|record| record.seed);
    }
    rows.extend(exams()?);
    Ok(rows)
}
