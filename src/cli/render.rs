//! Tasks, hints and grades as people read them.

use std::{fmt::Write, time::Duration};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use grade::{Outcome, Paper, Report, TaskReport, verdict::points};
use lab::{Lab, Order, diagnostic::Diagnostic, model::Task};

use crate::{
    clock::{Clock, Place, State},
    page::Page,
    paint::Paint,
};

/// The lab's introduction and its tasks.
pub fn tasks(lab: &Lab, page: Page) -> String {
    let words = "`task` shows this again, `hint TASK` helps, `check` grades what is there now.";
    let words = page.text("", words);
    format!("{}\n{}\n", assignment(lab, page), page.paint.dim(&words))
}

/// The same in an exam, with its clock and its other labs.
pub fn exam_tasks(lab: &Lab, clock: &Clock, page: Page) -> String {
    let weight = clock.labs.get(clock.here).map_or(0, |place| place.weight);
    let heading = format!(
        "Lab {} of {}, {weight} % of the exam. {} left.",
        clock.here + 1,
        clock.labs.len(),
        minutes(clock.time_left())
    );
    let words = page.text(
        "",
        "`task` shows this again; `next`, `skip`, `goto NUMBER` and `finish` lead on.",
    );
    format!(
        "{}\n\n{}\n{}\n{}\n",
        page.paint.bold(&heading),
        assignment(lab, page),
        overview(&clock.labs, page),
        page.paint.dim(&words)
    )
}

/// The labs of an exam, a line each.
fn overview(labs: &[Place], page: Page) -> String {
    let mut text = String::new();
    for (at, place) in labs.iter().enumerate() {
        let state = match place.state {
            State::Here => "here",
            State::Done => "done",
            State::Skipped => "skipped",
            State::ToCome => "to come",
        };
        let line = format!(
            "{:>3}  {:>2} %  {state:<7}  {}",
            at + 1,
            place.weight,
            place.title
        );
        let line = match place.state {
            State::Here => page.paint.bold(&line),
            State::Done => page.paint.dim(&line),
            State::Skipped | State::ToCome => line,
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

/// What comes after a lab that is solved; nothing before that.
pub fn lead_on(report: &Report, lab: &Lab, page: Page) -> String {
    if !report.solved() {
        return String::new();
    }
    let shelf = lab.dir.parent().unwrap_or(&lab.dir);
    // A mistake in the order is told by `list`; here there is no next lab then.
    let order = Order::load(shelf).unwrap_or_default();
    let next = order
        .after(&lab.id)
        .filter(|next| shelf.join(next).join("lab.toml").is_file())
        .map(|next| format!("Next: `kubedrill start {next}`."));
    let others = (!lab.solutions.is_empty())
        .then(|| format!("How others solve this one: `kubedrill play {}`.", lab.id));
    let parts: Vec<String> = next.into_iter().chain(others).collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!("\n{}\n", page.hang("", "", &parts.join(" "))),
    }
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

/// A time on an exam's clock; a minute that has begun counts.
pub fn minutes(time: Duration) -> String {
    match time.as_secs_f64() {
        ..60.0 => format!("{} s", time.as_secs()),
        ..=60.0 => "1 minute".to_owned(),
        seconds => format!("{:.0} minutes", (seconds / 60.0).ceil()),
    }
}

fn assignment(lab: &Lab, page: Page) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}  {}",
        page.paint.bold(&lab.title),
        page.paint.dim(&format!(
            "{} points, about {} minutes",
            lab.points(),
            lab.minutes
        ))
    );
    if !lab.intro.trim().is_empty() {
        let _ = writeln!(text, "\n{}", page.text("", &lab.intro));
    }
    for (number, task) in lab.tasks.iter().enumerate() {
        let _ = writeln!(text, "\n{}", task_text(number + 1, task, page));
    }
    text
}

fn task_text(number: usize, task: &Task, page: Page) -> String {
    let noun = if task.points == 1 { "point" } else { "points" };
    // A task whose checks look at several nodes is not done on one.
    let place = match spread(task) {
        true => String::new(),
        false => format!(", on {}", task.node),
    };
    format!(
        "{} {}\n{}",
        page.paint.bold(&format!("{number}. {}", task.id)),
        page.paint.dim(&format!("({} {noun}{place})", task.points)),
        page.text("   ", &task.text)
    )
}

/// Whether a task's checks look at more than one node.
fn spread(task: &Task) -> bool {
    task.checks.iter().any(|check| check.node != task.node)
}

/// The points, and what they mean, in a line.
pub fn score(report: &Report, page: Page) -> String {
    let score = format!(
        "{} of {} points",
        points(report.earned_hundredths),
        report.points
    );
    if report.solved() {
        page.paint.green(&format!("Solved: {score}"))
    } else if report.unknown() {
        let words = format!(
            "{score}, so far: what is marked ?? could not be looked at and counts neither \
             way. Repair what is named there, then `check` again."
        );
        page.paint.yellow(&page.hang("", "", &words))
    } else {
        page.paint.bold(&format!("Not yet: {score}"))
    }
}

/// A grade; with the lab it is one of, that says more.
pub fn report(report: &Report, lab: Option<&Lab>, page: Page) -> String {
    let mut text = String::new();
    for task in &report.tasks {
        let asked = lab.and_then(|lab| lab.tasks.iter().find(|one| one.id == task.id));
        task_report(&mut text, task, asked, page);
    }
    let _ = writeln!(text, "\n{}", score(report, page));
    if !report.remark.is_empty() {
        let _ = writeln!(text, "Note: {}.", report.remark);
    }
    let review = lab.map_or("", |lab| lab.review.trim());
    if report.solved() && !review.is_empty() {
        let _ = writeln!(text, "\n{}", page.text("", review));
    }
    text
}

/// The grade of an exam.
pub fn paper(paper: &Paper, page: Page) -> String {
    let paint = page.paint;
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
                let _ = writeln!(text, "{}", page.hang("    ", "    ", &finding));
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
        let words = format!(
            "To practise, with hints and a review: `kubedrill start LAB` with {}.",
            weak.join(", ")
        );
        let _ = writeln!(text, "{}", page.hang("", "", &words));
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

/// `asked` is the task as the lab has it, if it still has it.
fn task_report(text: &mut String, task: &TaskReport, asked: Option<&Task>, page: Page) {
    let paint = page.paint;
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
    let deep = " ".repeat(10);
    for (at, check) in task.checks.iter().enumerate() {
        let line = match &check.outcome {
            Outcome::Passed { found } => {
                // Checks of several nodes say the same; which is which is in the lab.
                let node = asked.filter(|task| spread(task));
                let node = node.and_then(|task| task.checks.get(at));
                let node = node.map_or(String::new(), |check| format!("{}: ", check.node));
                let words = format!("{node}{}: {found}", check.name);
                page.hang("    ok    ", &deep, &words)
            }
            Outcome::Failed {
                found,
                expected,
                place,
            } => {
                let mut lines =
                    vec![page.hang(&format!("    {}  ", paint.red("FAIL")), &deep, &check.name)];
                let place = place.replace(NODE_PROGRAM, "");
                for (what, words) in [
                    ("found:    ", found.as_str()),
                    ("expected: ", expected),
                    ("where:    ", &place),
                ] {
                    lines.push(page.hang(&format!("{deep}{what}"), &deep.repeat(2), words));
                }
                lines.join("\n")
            }
            Outcome::CouldNotLook { reason, place } => page.hang(
                &format!("    {}    ", paint.yellow("??")),
                &deep,
                &format!("{}: could not look at {place}: {reason}", check.name),
            ),
        };
        let _ = writeln!(text, "{line}");
    }
}

/// How checks call our programs on a node, whatever the learner made of its PATH; nothing
/// that a learner types.
const NODE_PROGRAM: &str = "/usr/local/lib/kubedrill/kubedrill ";

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

/// Whether a hint ends as commands do and sentences do not: it stays in one piece, so that it
/// can be copied.
fn is_command(text: &str) -> bool {
    !text
        .trim()
        .ends_with(['.', '?', '!', ':', ';', ')', '`', '…'])
}

/// The next hint of a task, or that there is none. `taken` counts this one.
pub fn hint(task: &Task, taken: usize, page: Page) -> String {
    let Some(hint) = taken.checked_sub(1).and_then(|at| task.hints.get(at)) else {
        return format!("The task {} has no hints.\n", task.id);
    };
    let cost = match hint.cost {
        0 => "free".to_owned(),
        percent => format!("costs {percent} % of the task's points"),
    };
    let next = match task.hints.get(taken) {
        None => "That is the last one.".to_owned(),
        Some(next) if next.cost == 0 => "The next one is free.".to_owned(),
        Some(next) => format!("The next one costs {} % of the task's points.", next.cost),
    };
    let text = match is_command(&hint.text) {
        true => format!("  {}", hint.text.trim()),
        false => page.text("  ", &hint.text),
    };
    format!(
        "Hint {taken} of {} for {} ({cost}):\n\n{text}\n\n{}\n",
        task.hints.len(),
        task.id,
        page.paint.dim(&next)
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lab::model::Check;

    use super::*;
    use crate::page::Page;

    /// A lab whose tasks are done on three nodes.
    fn lab_of_three() -> Lab {
        let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../labs");
        lab::load(&labs.join("ha-restore"), 1).expect("a lab without mistakes")
    }

    const PLAIN: Page = Page {
        paint: Paint { on: false },
        columns: None,
    };

    #[test]
    fn tasks_of_several_nodes_name_none_and_their_checks_name_each() {
        let lab = lab_of_three();
        let task = lab.tasks.iter().find(|task| spread(task)).expect("one");
        assert!(!task_text(1, task, PLAIN).contains(", on controlplane)"));
        let passed = |check: &Check| grade::verdict::CheckReport {
            name: check.name.clone(),
            outcome: Outcome::passed("yes"),
        };
        let checks = task.checks.iter().map(passed).collect();
        let judged = TaskReport::new(&task.id, task.points, 0, checks);
        let mut text = String::new();
        task_report(&mut text, &judged, Some(task), PLAIN);
        assert!(text.contains("    ok    controlplane2: "), "{text}");
    }

    #[test]
    fn a_place_is_what_a_learner_would_type() {
        let outcome = Outcome::failed(format!("`{NODE_PROGRAM}etcdctl get a` on x"), "no", "yes");
        let check = grade::verdict::CheckReport {
            name: "a".into(),
            outcome,
        };
        let judged = TaskReport::new("task", 1, 0, vec![check]);
        let mut text = String::new();
        task_report(&mut text, &judged, None, PLAIN);
        assert!(text.contains("where:    `etcdctl get a` on x\n"), "{text}");
    }

    #[test]
    fn commands_among_hints_stay_in_one_piece() {
        for (text, is_one) in [
            ("sudo apt install etcd-client\n", true),
            ("nohup etcd --name solo >/var/log/etcd.log 2>&1 &", true),
            (
                "--name and --data-dir. Both can be changed by a restart.",
                false,
            ),
            ("Which option says where etcd is?", false),
            ("`etcdctl --endpoints=… member list -w table`", false),
        ] {
            assert_eq!(is_command(text), is_one, "{text}");
        }
    }

    #[test]
    fn a_minute_that_has_begun_counts() {
        for (millis, text) in [
            (0, "0 s"),
            (59_900, "59 s"),
            (60_000, "1 minute"),
            (60_100, "2 minutes"),
            (7_199_990, "120 minutes"),
            (7_200_000, "120 minutes"),
        ] {
            assert_eq!(minutes(Duration::from_millis(millis)), text);
        }
    }
}
