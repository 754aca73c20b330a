//! `etcdutl check`: what is wrong with a data directory, a database file or a
//! snapshot, and where. Nothing is changed. It reads in streams: a database of any
//! size takes some dozens of bytes a key.

mod database;
mod keyspace;
mod log;

use std::fs;
use std::path::{Path, PathBuf};

use super::OfflineError;
use crate::json::{Object, list};

/// Findings of one kind are told one by one up to this number.
const MOST: usize = 20;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A member would refuse it, or serve something that was never written.
    Error,
    /// Worth knowing; a member starts on it all the same.
    Note,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// See [`Severity`].
    pub severity: Severity,
    /// The file, and the place in it as far as it is known.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// All that was found, and what was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order in which they were found.
    pub findings: Vec<Finding>,
    /// A sentence for each part that was read.
    pub looked_at: Vec<String>,
}

impl Report {
    fn error(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.add(Severity::Error, place.into(), what.into());
    }

    fn note(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.add(Severity::Note, place.into(), what.into());
    }

    fn add(&mut self, severity: Severity, place: String, what: String) {
        self.findings.push(Finding {
            severity,
            place,
            what,
        });
    }

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.errors() == 0
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        let errors = self.findings.iter();
        errors.filter(|f| f.severity == Severity::Error).count()
    }

    /// A line for each finding and for each part that was read.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.looked_at {
            text.push_str(&format!("read {line}\n"));
        }
        for finding in &self.findings {
            let name = match finding.severity {
                Severity::Error => "ERROR",
                Severity::Note => "note",
            };
            text.push_str(&format!("{name} {}: {}\n", finding.place, finding.what));
        }
        text.push_str(&match self.errors() {
            0 => "sound\n".to_owned(),
            1 => "1 error\n".to_owned(),
            count => format!("{count} errors\n"),
        });
        text
    }

    /// The same as JSON.
    pub fn json(&self) -> String {
        Object::default()
            .plain("sound", self.is_sound())
            .raw(
                "read",
                &list(&self.looked_at, |line| crate::json::string(line)),
            )
            .raw(
                "findings",
                &list(&self.findings, |finding| {
                    let severity = match finding.severity {
                        Severity::Error => "error",
                        Severity::Note => "note",
                    };
                    Object::default()
                        .text("severity", severity)
                        .text("place", &finding.place)
                        .text("what", &finding.what)
                        .end()
                }),
            )
            .end()
    }
}

/// Findings of one kind, which may be as many as there are keys.
struct Several<'a> {
    report: &'a mut Report,
    place: String,
    count: usize,
}

impl<'a> Several<'a> {
    fn new(report: &'a mut Report, place: impl Into<String>) -> Self {
        Self {
            report,
            place: place.into(),
            count: 0,
        }
    }

    fn error(&mut self, at: &str, what: impl Into<String>) {
        self.count += 1;
        if self.count <= MOST {
            let place = format!("{}, {at}", self.place);
            self.report.error(place, what);
        }
    }

    fn finish(self) {
        if self.count > MOST {
            let more = self.count - MOST;
            self.report
                .error(self.place, format!("{more} more errors like these"));
        }
    }
}

/// Looks at a data directory, or at a file with a database in it.
pub fn check(path: &Path, wal_dir: Option<&Path>) -> Result<Report, OfflineError> {
    let kind = fs::metadata(path).map_err(OfflineError::file("open", path))?;
    let mut report = Report::default();
    if kind.is_file() {
        database::check(path, path, &mut report)?;
        return Ok(report);
    }
    let member = path.join("member");
    if !member.is_dir() {
        return Err(OfflineError::Other(format!(
            "{} is no data directory: it has no directory \"member\"",
            path.display()
        )));
    }
    for entry in fs::read_dir(path).map_err(OfflineError::file("open", path))? {
        let name = entry.map_err(OfflineError::file("open", path))?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("member.") {
            report.note(
                name.to_string(),
                "left by a restore or a backup that did not finish; it can be removed",
            );
        }
    }
    let wal = wal_dir.map_or_else(|| super::wal_dir(path), Path::to_owned);
    let file = super::database_file(path);
    let state = match file.exists() {
        true => database::check(&file, &relative(path, &file), &mut report)?,
        false => {
            report.error(
                relative(path, &file).display().to_string(),
                "there is no database",
            );
            None
        }
    };
    log::check(path, &wal, state.as_ref(), &mut report)?;
    Ok(report)
}

fn relative(base: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(base).unwrap_or(path).to_owned()
}
