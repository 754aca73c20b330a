//! `grade`: submissions, each in a lab of its own and within limits.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use grade::{Report, verdict::points};
use lab::session::random_seed;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scenario;
use crate::{
    args::{Grade, GradeFormat, Shard},
    error::{Error, status},
    find,
    limits::Limits,
    page::Page,
    render,
    serve::grade_status,
};

/// What a submission came to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Graded {
    /// The file, as it was named.
    submission: String,
    seconds: f64,
    /// Absent if there is no grade.
    report: Option<Report>,
    /// Why there is no grade, which is never the submission's fault; empty if there is.
    trouble: String,
}

impl Graded {
    fn status(&self) -> u8 {
        self.report
            .as_ref()
            .map_or(status::COULD_NOT_LOOK, grade_status)
    }
}

pub fn run(args: &Grade) -> Result<u8, Error> {
    sandbox::preflight()?;
    let dir = find::lab(&args.lab)?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => random_seed().map_err(|error| Error::Failed(error.to_string()))?,
    };
    // A mistake in the lab or a missing submission is told before anything runs.
    lab::load(&dir, seed)?;
    let submissions = read(&args.submissions, args.shard)?;
    if let Some(results) = &args.results {
        fs::create_dir_all(results).map_err(io("make", results))?;
    }
    let graded = grade_all(&dir, seed, &submissions, args)?;
    print(&graded, args.format)?;
    // The worst of all: trouble of the grader's outweighs what is not solved.
    Ok(graded
        .iter()
        .map(Graded::status)
        .max()
        .unwrap_or(status::DONE))
}

fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + use<'a> {
    move |source| Error::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// The submissions of this part, with their scripts.
fn read(paths: &[PathBuf], shard: Option<Shard>) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let Shard { index, count } = shard.unwrap_or(Shard { index: 1, count: 1 });
    paths
        .iter()
        .skip(index - 1)
        .step_by(count)
        .map(|path| {
            let script = fs::read(path).map_err(|error| {
                // Nothing of ours failed: the file that was named can't be read.
                Error::Usage(format!("the submission {}: {error}", path.display()))
            })?;
            Ok((path.display().to_string(), script))
        })
        .collect()
}

fn grade_all(
    dir: &Path,
    seed: u64,
    submissions: &[(String, Vec<u8>)],
    args: &Grade,
) -> Result<Vec<Graded>, Error> {
    let next = AtomicUsize::new(0);
    let graded = Mutex::new(Vec::new());
    let trouble = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, script)) = submissions.get(at) else {
                        return;
                    };
                    match one(dir, seed, name, script, args) {
                        Ok(one) => {
                            if let Ok(mut graded) = graded.lock() {
                                graded.push((at, one));
                            }
                        }
                        Err(error) => {
                            if let Ok(mut trouble) = trouble.lock() {
                                *trouble = Some(error);
                            }
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = trouble.into_inner().unwrap_or_default() {
        return Err(error);
    }
    let mut graded = graded.into_inner().unwrap_or_default();
    graded.sort_by_key(|(at, _)| *at);
    Ok(graded.into_iter().map(|(_, one)| one).collect())
}

/// Grades a submission, unless a result of it is kept already.
fn one(dir: &Path, seed: u64, name: &str, script: &[u8], args: &Grade) -> Result<Graded, Error> {
    let kept = args
        .results
        .as_ref()
        .map(|results| results.join(format!("{}.json", file_name(name))));
    if let Some(path) = kept.as_deref().filter(|path| path.exists()) {
        let text = fs::read(path).map_err(io("read", path))?;
        let graded: Graded = serde_json::from_slice(&text).map_err(|error| {
            Error::Failed(format!(
                "{} is no result of a submission ({error}); remove it to have it graded again",
                path.display()
            ))
        })?;
        eprintln!("{name}: taken from {}", path.display());
        return Ok(graded);
    }
    let limits = Limits {
        time_limit: args.time_limit,
        output_limit: args.output_limit,
        memory_limit: args.memory_limit,
        disk_limit: args.disk_limit,
    };
    let graded = match scenario::run(dir, seed, &BTreeMap::new(), script, &limits, &args.engine) {
        Ok(run) => Graded {
            submission: name.to_owned(),
            seconds: run.took.as_secs_f64(),
            report: Some(run.report),
            trouble: String::new(),
        },
        Err(error) => Graded {
            submission: name.to_owned(),
            seconds: 0.0,
            report: None,
            trouble: error.to_string(),
        },
    };
    // Alone it is told at once by the grade itself.
    if args.submissions.len() > 1 || args.format != GradeFormat::Text {
        eprintln!("{name}: {}", summary(&graded));
    }
    // Without a grade it is worth another try.
    if let Some(path) = kept.filter(|_| graded.status() != status::COULD_NOT_LOOK) {
        let text = json(&graded)?;
        let new = path.with_extension("new");
        fs::write(&new, text).map_err(io("write", &new))?;
        fs::rename(&new, &path).map_err(io("write", &path))?;
    }
    Ok(graded)
}

/// A submission's name as a file's, and no other submission's: who names a file must not
/// get the grade of another one.
fn file_name(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn summary(graded: &Graded) -> String {
    match &graded.report {
        None => format!("no grade: {}", graded.trouble),
        Some(report) => {
            let mut text = format!(
                "{} of {} points",
                points(report.earned_hundredths),
                report.points
            );
            let lost = report.lost();
            if !lost.is_empty() {
                text += &format!(", not {}", lost.join(", "));
            }
            if !report.remark.is_empty() {
                text += &format!(" ({})", report.remark);
            }
            text
        }
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string_pretty(value).map_err(|error| Error::Failed(error.to_string()))
}

fn print(graded: &[Graded], format: GradeFormat) -> Result<(), Error> {
    let text = match format {
        GradeFormat::Json => json(&graded)? + "\n",
        GradeFormat::Junit => junit(graded)?,
        GradeFormat::Github => graded.iter().map(annotations).collect(),
        GradeFormat::Text => graded.iter().map(for_people).collect(),
    };
    print!("{text}");
    Ok(())
}

fn for_people(graded: &Graded) -> String {
    let report = graded
        .report
        .as_ref()
        .map(|report| render::report(report, None, Page::for_stdout()))
        .unwrap_or_default();
    format!("{}: {}\n{report}\n", graded.submission, summary(graded))
}

/// A suite a submission, a case a task. What could not be looked at is an error, which
/// is not a failure (the format of Ant's and Maven's reports).
fn junit(graded: &[Graded]) -> Result<String, Error> {
    let mut report = quick_junit::Report::new("kubedrill");
    for one in graded {
        let mut suite = TestSuite::new(&*one.submission);
        if one.report.is_none() {
            let mut trouble = TestCaseStatus::non_success(NonSuccessKind::Error);
            trouble.set_message(&*one.trouble);
            suite.add_test_case(TestCase::new("the lab", trouble));
        }
        for task in one.report.iter().flat_map(|report| &report.tasks) {
            let judged = if task.solved() {
                TestCaseStatus::success()
            } else {
                let kind = if task.failed() {
                    NonSuccessKind::Failure
                } else {
                    NonSuccessKind::Error
                };
                let mut judged = TestCaseStatus::non_success(kind);
                judged.set_message(render::findings(task).join("\n"));
                judged
            };
            suite.add_test_case(TestCase::new(&*task.id, judged));
        }
        report.add_test_suite(suite);
    }
    report
        .to_string()
        .map_err(|error| Error::Failed(error.to_string()))
}

/// One annotation a lost task, at the submission's first line.
fn annotations(graded: &Graded) -> String {
    let file = workflow_property(&graded.submission);
    let line = |level: &str, title: &str, text: &str| {
        format!(
            "::{level} file={file},line=1,title={}::{}\n",
            workflow_property(title),
            workflow_data(text)
        )
    };
    let Some(report) = &graded.report else {
        return line("warning", "no grade", &graded.trouble);
    };
    let lost = report.tasks.iter().filter(|task| !task.solved());
    lost.map(|task| {
        let level = if task.failed() { "error" } else { "warning" };
        let title = format!("{}: {}", report.lab, task.id);
        line(level, &title, &render::findings(task).join("\n"))
    })
    .collect()
}

/// Text of a workflow command: a line each, `%` for its own escapes.
pub fn workflow_data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command, in which more characters mean something.
pub fn workflow_property(text: &str) -> String {
    workflow_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use grade::{Outcome, TaskReport, verdict::CheckReport};

    use super::*;

    fn graded() -> Graded {
        let check = |outcome| CheckReport {
            name: "a check".into(),
            outcome,
        };
        let tasks = vec![
            TaskReport::new("good", 1, 0, vec![check(Outcome::passed("yes"))]),
            TaskReport::new(
                "bad",
                2,
                0,
                vec![check(Outcome::failed("here", "no", "yes"))],
            ),
            TaskReport::new(
                "dark",
                3,
                0,
                vec![check(Outcome::could_not_look("there", "night"))],
            ),
        ];
        Graded {
            submission: "a/b, c.sh".into(),
            seconds: 1.0,
            report: Some(Report {
                lab: "lab".into(),
                title: "Lab".into(),
                seed: 1,
                points: 6,
                earned_hundredths: 100,
                tasks,
                remark: String::new(),
            }),
            trouble: String::new(),
        }
    }

    #[test]
    fn what_could_not_be_seen_is_no_failure() {
        let text = junit(&[graded()]).expect("XML");
        assert!(
            text.contains(r#"tests="3" skipped="0" failures="1" errors="1""#),
            "{text}"
        );
        assert_eq!(
            annotations(&graded()),
            "::error file=a/b%2C c.sh,line=1,title=lab%3A bad::a check: found no, expected yes (here)\n\
             ::warning file=a/b%2C c.sh,line=1,title=lab%3A dark::a check: could not look at there: night\n"
        );
        assert_eq!(summary(&graded()), "1 of 6 points, not bad, dark");
        assert_eq!(graded().status(), status::COULD_NOT_LOOK);
        assert_eq!(file_name("a/b, c.sh"), "a%2Fb%2C%20c.sh");
        assert_ne!(file_name("a/b.sh"), file_name("a_b.sh"));
    }
}
