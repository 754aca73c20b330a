//! `list`: the labs that can be started, and those that were.

use lab::session::Session;
use serde::Serialize;

use crate::{
    args::{Format, List},
    error::{Error, status},
    find, stage,
};

#[derive(Debug, Serialize)]
struct Row {
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
    for row in rows {
        let minutes = row
            .minutes
            .map_or(String::new(), |minutes| minutes.to_string());
        println!(
            "{:<width$}  {minutes:<7}  {:<11}  {}",
            row.lab, row.state, row.title
        );
    }
    Ok(status::DONE)
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
    Ok(rows)
}
