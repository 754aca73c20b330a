//! Tasks, hints and grades as people read them.

use std::{fmt::Write, time::Duration};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use grade::{Outcome, Paper, Report, TaskReport, verdict::points};
use lab::{Lab, diagnostic::Diagnostic, model::Task};

use crate::{paint::Paint, serve::Wishes};

/// The lab's introduction and its tasks.
pub fn tasks(lab: &Lab, paint: Paint) -> String {
    let words = "`task` shows this again, `hint TASK` helps, `check` grades what is there now.";
    format!("{}\n{}\n", assignment(lab, paint), paint.dim(words))
}

/// The same in an exam, with its clock.
pub fn exam_tasks(lab: &Lab, wishes: &Wishes, paint: Paint) -> String {
    let (place, weight) = wishes
        .clock
        .as_ref()
        .map_or(("", 0), |clock| (&clock.place, clock.weight));
    let left = minutes(wishes.time_left().unwrap_or_default());
    format!(
        "{}\n\n{}\n{}\n",
        paint.bold(&format!("{place}, {weight} % of the exam. {left} left.")),
        assignment(lab, paint),
        paint.dim("`task` shows this again; `next`, `skip` and `finish` lead on.")
    )
}

/// A mistake in a lab's file, with the place that it is at.
pub fn mistake(mistake: &Diagnostic, paint: Paint) -> String {
    let text = mistake.text();
    let inside = |at: usize| {
        let mut down = (0..=at.min(text.len())).rev();
        down.find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let place = inside(mistake.span.start)..inside(mistake.span.end);
    let shown = Snippet::source(text)
        .path(mistake.file())
        .annotation(AnnotationKind::Primary.span(place).label(&mistake.label));
    let title = Level::ERROR
        .primary_title(&mistake.message)
        .id(mistake.code);
    let mut group = title.element(shown);
    if let Some(help) = &mistake.help {
        group = group.element(Level::HELP.message(help));
    }
    let renderer = match paint.on {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    renderer.render(&[group])
}

/// A time on an exam's clock.
pub fn minutes(time: Duration) -> String {
    match (time.as_secs() / 60, time.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (1, _) => "1 minute".to_owned(),
        (minutes, _) => format!("{minutes} minutes"),
    }
}

fn assignment(lab: &Lab, paint: Paint) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}  {}",
        paint.bold(&lab.title),
        paint.dim(&format!(
            "{} points, about {} minutes",
            lab.points(),
            lab.minutes
        ))
    );
    if !lab.intro.trim().is_empty() {
        let _ = writeln!(text, "\n{}", lab.intro.trim());
    }
    for (number, task) in lab.tasks.iter().enumerate() {
        let _ = writeln!(text, "\n{}", task_text(number + 1, task, paint));
    }
    text
}

fn task_text(number: usize, task: &Task, paint: Paint) -> String {
    let noun = if task.points == 1 { "point" } else { "points" };
    format!(
        "{} {}\n{}",
        paint.bold(&format!("{number}. {}", task.id)),
        paint.dim(&format!("({} {noun}, on {})", task.points, task.node)),
        task.text
            .trim()
            .lines()
            .map(|line| format!("   {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    )
}

/// The points, and what they mean, in a line.
pub fn score(report: &Report, paint: Paint) -> String {
    let score = format!(
        "{} of {} points",
        points(report.earned_hundredths),
        report.points
    );
    if report.solved() {
        paint.green(&format!("Solved: {score}"))
    } else if report.unknown() {
        paint.yellow(&format!(
            "{score}, so far: what is marked ?? could not be looked at and counts neither \
             way. Repair what is named there, then `check` again."
        ))
    } else {
        paint.bold(&format!("Not yet: {score}"))
    }
}

/// A grade.
pub fn report(report: &Report, review: &str, paint: Paint) -> String {
    let mut text = String::new();
    for task in &report.tasks {
        task_report(&mut text, task, paint);
    }
    let _ = writeln!(text, "\n{}", score(report, paint));
    if !report.remark.is_empty() {
        let _ = writeln!(text, "Note: {}.", report.remark);
    }
    if report.solved() && !review.trim().is_empty() {
        let _ = writeln!(text, "\n{}", review.trim());
    }
    text
}

/// The grade of an exam.
pub fn paper(paper: &Paper, paint: Paint) -> String {
    let mut text = String::new();
    for item in &paper.items {
        let score = format!("{}/{} %", points(item.earned_hundredths), item.weight);
        let heading = format!("{}  {}", paint.bold(&item.lab), paint.dim(&score));
        let _ = match &item.report {
            None => writeln!(text, "{heading}  not begun"),
            Some(_) => writeln!(text, "{heading}"),
        };
        for task in item.report.iter().flat_map(|report| &report.tasks) {
            let _ = writeln!(text, "  {}  {}", verdict(task, paint), task.id);
            for finding in findings(task) {
                let _ = writeln!(text, "    {finding}");
            }
        }
    }
    let _ = writeln!(text, "\nBy competency, the weakest first:");
    for one in &paper.competencies {
        let _ = writeln!(text, "  {:>3} %  {}", one.percent(), one.competency);
    }
    let score = format!(
        "{} of 100 %, {} are needed; {} of {} minutes",
        points(paper.earned_hundredths),
        paper.pass_percent,
        paper.used_seconds / 60,
        paper.minutes
    );
    let _ = match (paper.passed, paper.unknown()) {
        (true, _) => writeln!(text, "\n{}", paint.green(&format!("Passed: {score}"))),
        (false, true) => writeln!(
            text,
            "\n{}",
            paint.yellow(&format!(
                "Not passed: {score}. Something could not be looked at, and counts neither way."
            ))
        ),
        (false, false) => writeln!(text, "\n{}", paint.bold(&format!("Not passed: {score}"))),
    };
    let weak: Vec<&str> = paper
        .items
        .iter()
        .filter(|item| item.earned_hundredths < item.weight * 100)
        .map(|item| item.lab.as_str())
        .collect();
    if !weak.is_empty() {
        let _ = writeln!(
            text,
            "To practise, with hints and a review: `kubedrill start LAB` with {}.",
            weak.join(", ")
        );
    }
    text
}

fn verdict(task: &TaskReport, paint: Paint) -> String {
    if task.solved() {
        paint.green("passed")
    } else if task.failed() {
        paint.red("failed")
    } else {
        paint.yellow("could not look")
    }
}

fn task_report(text: &mut String, task: &TaskReport, paint: Paint) {
    let verdict = verdict(task, paint);
    let mut score = format!("{}/{}", points(task.earned_hundredths), task.points);
    if task.hint_cost_percent > 0 {
        let _ = write!(score, ", hints cost {} %", task.hint_cost_percent);
    }
    let _ = writeln!(
        text,
        "{verdict}  {} {}",
        paint.bold(&task.id),
        paint.dim(&format!("({score})"))
    );
    for check in &task.checks {
        match &check.outcome {
            Outcome::Passed { found } => {
                let _ = writeln!(text, "    ok    {}: {found}", check.name);
            }
            Outcome::Failed {
                found,
                expected,
                place,
            } => {
                let _ = writeln!(text, "    {}  {}", paint.red("FAIL"), check.name);
                let _ = writeln!(text, "          found:    {found}");
                let _ = writeln!(text, "          expected: {expected}");
                let _ = writeln!(text, "          where:    {place}");
            }
            Outcome::CouldNotLook { reason, place } => {
                let _ = writeln!(
                    text,
                    "    {}    {}: could not look at {place}: {reason}",
                    paint.yellow("??"),
                    check.name
                );
            }
        }
    }
}

/// What of a task's checks did not pass, a sentence each.
pub fn findings(task: &TaskReport) -> Vec<String> {
    task.checks
        .iter()
        .filter_map(|check| match &check.outcome {
            Outcome::Passed { .. } => None,
            Outcome::Failed {
                found,
                expected,
                place,
            } => Some(format!(
                "{}: found {found}, expected {expected} ({place})",
                check.name
            )),
            Outcome::CouldNotLook { reason, place } => Some(format!(
                "{}: could not look at {place}: {reason}",
                check.name
            )),
        })
        .collect()
}

/// What the next hint of a task would cost, as an appendix; empty when all are taken.
pub fn next_hint(task: &Task, taken: usize) -> String {
    match task.hints.get(taken) {
        None => String::new(),
        Some(hint) if hint.cost == 0 => "; the next is free".into(),
        Some(hint) => format!("; the next costs {} % of the task's points", hint.cost),
    }
}

/// The next hint of a task, or that there is none. `taken` counts this one.
pub fn hint(task: &Task, taken: usize) -> String {
    let Some(hint) = taken.checked_sub(1).and_then(|at| task.hints.get(at)) else {
        return format!("The task {} has no hints.\n", task.id);
    };
    let cost = match hint.cost {
        0 => "free".to_owned(),
        percent => format!("costs {percent} % of the task's points"),
    };
    format!(
        "Hint {taken} of {} for {} ({cost}):\n\n  {}\n",
        task.hints.len(),
        task.id,
        hint.text.trim()
    )
}
