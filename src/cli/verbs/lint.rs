//! `lint`: what an author would want to know of a lab before anybody runs it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use lab::{Lab, LoadError, Order, diagnostic::Diagnostic, model::Script};
use serde::Serialize;
use serde_json::json;

use super::submissions::{workflow_data, workflow_property};
use crate::{
    args::{Lint, LintFormat},
    error::{Error, status},
    find,
};

/// So many seeds are tried: values that are drawn may break what holds for others.
const SEEDS: u64 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// The lab can't be started, or can't be proven.
    Error,
    /// It can, and some learner will be worse off.
    Warning,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

#[derive(Debug, Serialize)]
struct Finding {
    rule: String,
    level: Level,
    file: String,
    /// From 1 on.
    line: usize,
    message: String,
}

pub fn run(args: &Lint) -> Result<u8, Error> {
    let mut findings = Vec::new();
    let mut labs = 0;
    for wanted in &args.labs {
        let packs = find::packs(wanted);
        if packs.is_empty() {
            for dir in find::labs(wanted)? {
                labs += 1;
                lint(&dir, &mut findings)?;
            }
        }
        if let Err(LoadError::Mistakes(mistakes)) = Order::load(Path::new(wanted)) {
            findings.extend(mistakes.iter().map(|found| mistake(found, "")));
        }
        for pack in packs.into_iter().chain(find::packs_in(Path::new(wanted))) {
            lint_pack(&pack, &mut findings)?;
        }
    }
    let text = match args.format {
        LintFormat::Text => for_people(&findings, labs),
        LintFormat::Json => pretty(&json!(findings))?,
        LintFormat::Github => findings.iter().map(annotation).collect(),
        LintFormat::Sarif => pretty(&sarif(&findings))?,
    };
    print!("{text}");
    Ok(if findings.is_empty() {
        status::DONE
    } else if findings.iter().any(|found| found.level == Level::Error) {
        status::USAGE
    } else {
        status::NOT_SOLVED
    })
}

fn lint_pack(file: &Path, findings: &mut Vec<Finding>) -> Result<(), Error> {
    match lab::load_pack(file) {
        Ok(_) => Ok(()),
        Err(LoadError::Mistakes(mistakes)) => {
            findings.extend(mistakes.iter().map(|found| mistake(found, "")));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// A mistake as a finding; `when` says when it comes.
fn mistake(found: &Diagnostic, when: &str) -> Finding {
    Finding {
        rule: found.code.to_owned(),
        level: Level::Error,
        file: found.file().to_owned(),
        line: found.line(),
        message: format!("{found}: {}{when}", found.label),
    }
}

fn lint(dir: &Path, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let file = dir.join("lab.toml").display().to_string();
    for seed in 0..SEEDS {
        match lab::load(dir, seed) {
            Ok(lab) if seed == 0 => {
                let text =
                    std::fs::read_to_string(dir.join("lab.toml")).map_err(|source| Error::Io {
                        what: "read",
                        path: dir.join("lab.toml"),
                        source,
                    })?;
                let mut found = Found {
                    file: file.clone(),
                    text,
                    findings: Vec::new(),
                };
                look(&lab, &mut found)?;
                findings.append(&mut found.findings);
            }
            Ok(_) => {}
            Err(LoadError::Mistakes(mistakes)) => {
                let when = format!(" (with seed {seed})");
                findings.extend(mistakes.iter().map(|found| mistake(found, &when)));
                // The same ones come with every seed.
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The findings of one file.
struct Found {
    file: String,
    text: String,
    findings: Vec<Finding>,
}

impl Found {
    /// Adds a finding at the first line that holds `mark`, or the first of all.
    fn add(&mut self, rule: &str, level: Level, mark: &str, message: String) {
        let at = self.text.lines().position(|line| line.contains(mark));
        self.findings.push(Finding {
            rule: rule.to_owned(),
            level,
            file: self.file.clone(),
            line: at.map_or(1, |at| at + 1),
            message,
        });
    }

    fn warn(&mut self, rule: &str, mark: &str, message: impl Into<String>) {
        self.add(rule, Level::Warning, mark, message.into());
    }
}

fn look(lab: &Lab, found: &mut Found) -> Result<(), Error> {
    if lab.solutions.is_empty() {
        let message = "no [[solution]]: nobody can tell whether the lab can be solved".into();
        found.add("no-solution", Level::Error, "[lab]", message);
    }
    if lab.wrong.is_empty() {
        found.warn(
            "no-wrong-turn",
            "[lab]",
            "no [[wrong]]: nobody can tell whether wrong answers are told from right ones",
        );
    }
    if lab.review.trim().is_empty() {
        found.warn(
            "no-review",
            "[lab]",
            "no `review`: who solves the lab does not learn why it worked",
        );
    }
    if lab.vars.is_empty() {
        found.warn(
            "same-every-run",
            "[lab]",
            "no [vars]: a script from elsewhere solves every run",
        );
    }
    look_at_variables(lab, found);
    look_at_tasks(lab, found);
    for wrong in &lab.wrong {
        if wrong.says.is_empty() {
            found.warn(
                "wrong-turn-says-nothing",
                &wrong.script.file,
                format!(
                    "{} has no `says`: it may be rejected for another reason than its own",
                    wrong.script.file
                ),
            );
        }
    }
    let wrong = lab.wrong.iter().map(|wrong| &wrong.script);
    for script in lab.solutions.iter().chain(wrong) {
        check_script(lab, script, found)?;
    }
    Ok(())
}

fn look_at_variables(lab: &Lab, found: &mut Found) {
    let scripts = lab.solutions.iter().map(|script| &script.text);
    let wrong = lab.wrong.iter().map(|wrong| &wrong.script.text);
    let texts: Vec<&String> = scripts.chain(wrong).collect();
    for name in lab.vars.keys() {
        let uses = found.text.matches(name.as_str()).count();
        let in_scripts = texts.iter().any(|text| text.contains(name.as_str()));
        // The declaration itself is one.
        if uses < 2 && !in_scripts {
            found.warn(
                "unused-variable",
                name,
                format!("the variable `{name}` is used nowhere"),
            );
        }
    }
}

fn look_at_tasks(lab: &Lab, found: &mut Found) {
    for task in &lab.tasks {
        let mark = format!("id = \"{}\"", task.id);
        if task.hints.is_empty() {
            found.warn(
                "no-hint",
                &mark,
                format!(
                    "the task `{}` has no hint: who is stuck stays stuck",
                    task.id
                ),
            );
        }
        if !task.hints.iter().is_sorted_by_key(|hint| hint.cost) {
            found.warn("hint-order", &mark, format!("a hint of `{}` costs less than the one before it: whoever took that paid for nothing", task.id));
        }
        let texts: std::collections::BTreeSet<_> =
            task.hints.iter().map(|hint| hint.text.trim()).collect();
        if texts.len() < task.hints.len() {
            found.warn(
                "dead-hint",
                &mark,
                format!("two hints of `{}` say the same", task.id),
            );
        }
        let lost = lab.wrong.iter().any(|wrong| wrong.loses.contains(&task.id));
        if !lost && !lab.wrong.is_empty() {
            found.warn(
                "task-never-lost",
                &mark,
                format!(
                    "no wrong turn loses `{}`: its checks are only shown to pass",
                    task.id
                ),
            );
        }
    }
}

/// Asks bash whether it could run a script.
fn check_script(lab: &Lab, script: &Script, found: &mut Found) -> Result<(), Error> {
    let path = lab.dir.join(&script.file);
    let output = Command::new("bash")
        .arg("-n")
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Io {
            what: "run",
            path: "bash".into(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let first = words.lines().next().unwrap_or_default();
    // `FILE: line 3: what is wrong`
    let (line, message) = first
        .split_once(": line ")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or((1, first), |(line, rest)| (line.parse().unwrap_or(1), rest));
    found.findings.push(Finding {
        rule: "script-syntax".into(),
        level: Level::Error,
        file: path.display().to_string(),
        line,
        message: message.to_owned(),
    });
    Ok(())
}

fn for_people(findings: &[Finding], labs: usize) -> String {
    let mut text = String::new();
    for found in findings {
        let level = found.level.word();
        text += &format!(
            "{}:{}: {level}: {} [{}]\n",
            found.file, found.line, found.message, found.rule
        );
    }
    let noun = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    text + &format!(
        "{} in {}\n",
        noun(findings.len(), "finding"),
        noun(labs, "lab")
    )
}

fn annotation(found: &Finding) -> String {
    format!(
        "::{} file={},line={},title={}::{}\n",
        found.level.word(),
        workflow_property(&found.file),
        found.line,
        workflow_property(&found.rule),
        workflow_data(&found.message)
    )
}

fn pretty(value: &serde_json::Value) -> Result<String, Error> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Error::Failed(error.to_string()))
}

/// The findings as a SARIF 2.1.0 log (OASIS, section 3.13).
fn sarif(findings: &[Finding]) -> serde_json::Value {
    let results: Vec<_> = findings
        .iter()
        .map(|found| {
            json!({
                "ruleId": found.rule,
                "level": found.level.word(),
                "message": { "text": found.message },
                "locations": [{
                    "physicalLocation": {
                        "artifactLocation": { "uri": found.file },
                        "region": { "startLine": found.line },
                    },
                }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kubedrill",
                "version": env!("CARGO_PKG_VERSION"),
            } },
            "results": results,
        }],
    })
}
