//! `list`: the labs that can be started, and those that were.

use grade::verdict::points;
use lab::{
    Order,
    session::{Grade, Session},
};
use serde::Serialize;

use crate::{
    args::{Format, List},
    error::{Error, status},
    find,
    page::Page,
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
    /// What the lab came to when it was graded last, if it was.
    grade: Option<Grade>,
}

pub fn run(args: &List) -> Result<u8, Error> {
    let rows = rows()?;
    if args.format == Format::Json {
        let text = serde_json::to_string_pretty(&rows)
            .map_err(|error| Error::Failed(error.to_string()))?;
        println!("{text}");
        return Ok(status::DONE);
    }
    // The labs are listed whatever is wrong with their order.
    let order = find::order().unwrap_or_else(|error| {
        error.show();
        Order::default()
    });
    print!("{}", table(&rows, &order, Page::for_stdout()));
    Ok(status::DONE)
}

const LAB: &str = "lab";
const EXAM: &str = "exam";

/// The labs in groups, then those that are in none, then the exams.
fn table(rows: &[Row], order: &Order, page: Page) -> String {
    let width = rows.iter().map(|row| row.lab.len()).max();
    let width = width.unwrap_or(0).max(4);
    let states = rows.iter().map(|row| row.shown().len()).max();
    let states = states.unwrap_or(0).max(5);
    let line = |name: &str, minutes: &str, state: &str, title: &str| {
        let before = format!("{name:<width$}  {minutes:<7}  {state:<states$}  ");
        let line = page.hang(&before, &" ".repeat(before.len()), title);
        format!("{}\n", line.trim_end())
    };
    let print = |row: &Row| {
        let minutes = row.minutes.map_or(String::new(), |all| all.to_string());
        line(&row.lab, &minutes, &row.shown(), &row.title)
    };
    let mut left: Vec<&Row> = rows.iter().filter(|row| row.kind == LAB).collect();
    let mut text = line("LAB", "MINUTES", "STATE", "TITLE");
    for group in &order.groups {
        let found: Vec<usize> = group
            .labs
            .iter()
            .filter_map(|lab| left.iter().position(|row| row.lab == *lab))
            .collect();
        if !found.is_empty() {
            let heading = page.paint.bold(&capital(&group.about));
            text += &format!("\n{heading}\n");
            for at in &found {
                text += &print(left[*at]);
            }
            let taken: Vec<String> = found.iter().map(|at| left[*at].lab.clone()).collect();
            left.retain(|row| !taken.contains(&row.lab));
        }
    }
    if !left.is_empty() && left.len() < rows.iter().filter(|row| row.kind == LAB).count() {
        text += &format!("\n{}\n", page.paint.bold("Others"));
    }
    text.extend(left.into_iter().map(print));
    let mut exams = rows.iter().filter(|row| row.kind == EXAM).peekable();
    if exams.peek().is_some() {
        text.push('\n');
        text += &line("EXAM", "MINUTES", "STATE", "TITLE");
    }
    text.extend(exams.map(print));
    text
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

impl Row {
    /// The state for people: what the lab came to says more than that it was left.
    fn shown(&self) -> String {
        match (&self.grade, self.state) {
            (Some(grade), "interrupted") if grade.solved => "solved".into(),
            (Some(grade), "interrupted") => {
                format!("{} of {}", points(grade.earned_hundredths), grade.points)
            }
            _ => self.state.into(),
        }
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
            grade: None,
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
            grade: None,
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
                    grade: None,
                });
                rows.len() - 1
            });
        let row = &mut rows[at];
        row.state = if running { "running" } else { "interrupted" };
        row.started_at = record.as_ref().map(|record| record.started_at.clone());
        row.seed = record.as_ref().map(|record| record.seed);
        row.grade = record.and_then(|record| record.grade);
    }
    rows.extend(exams()?);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use lab::order::Group;

    use super::*;
    use crate::paint::Paint;

    fn row(kind: &'static str, lab: &str, state: &'static str, grade: Option<Grade>) -> Row {
        Row {
            kind,
            lab: lab.into(),
            title: format!("Lab {lab}"),
            minutes: Some(7),
            points: None,
            state,
            started_at: None,
            seed: None,
            grade,
        }
    }

    #[test]
    fn labs_stand_in_their_order_and_say_what_they_came_to() {
        let grade = |earned_hundredths, solved| {
            Some(Grade {
                points: 10,
                earned_hundredths,
                solved,
            })
        };
        let rows = [
            row(LAB, "a", "interrupted", grade(440, false)),
            row(LAB, "b", "interrupted", grade(900, true)),
            row(LAB, "c", "running", grade(900, true)),
            row(LAB, "mine", "interrupted", None),
            row(EXAM, "x", "", None),
        ];
        let group = |about: &str, labs: &[&str]| Group {
            about: about.into(),
            labs: labs.iter().map(|&lab| lab.into()).collect(),
        };
        let order = Order {
            groups: vec![
                group("the first", &["b"]),
                group("none", &["gone"]),
                group("more", &["c", "a"]),
            ],
        };
        let page = Page {
            paint: Paint { on: false },
            columns: None,
        };
        let shown = table(&rows, &order, page);
        let squeezed: Vec<String> = shown
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let expected = [
            "LAB MINUTES STATE TITLE",
            "",
            "The first",
            "b 7 solved Lab b",
            "",
            "More",
            "c 7 running Lab c",
            "a 7 4.4 of 10 Lab a",
            "",
            "Others",
            "mine 7 interrupted Lab mine",
            "",
            "EXAM MINUTES STATE TITLE",
            "x 7 Lab x",
        ];
        assert_eq!(squeezed, expected);
    }
}
