//! An exam that somebody sits: what is kept of it between two labs and across an
//! interruption.
//!
//! ```text
//! <home>/exams/sessions/<pack>/
//!   exam.json      what is below in [`Sitting`]
//!   lock           held by the kubedrill that runs the exam
//!   sessions/…     those of its labs
//! <home>/exams/reports/<pack>.json
//!                  the grade of the last one that came to its end
//! ```

use std::{collections::BTreeMap, fs, io, path::Path, path::PathBuf, time::Duration};

use grade::{Paper, Report};
use lab::{
    pack::{Given, Item, Pack},
    session::{Engine, Session},
};
use serde::{Deserialize, Serialize};

use crate::{
    clock::{Leave, Place, State},
    error::Error,
    stage,
};

/// What an exam remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sitting {
    pub title: String,
    pub seed: u64,
    /// RFC 3339, UTC. The clock runs from here, whatever happens.
    pub started_at: String,
    /// Values that were given instead of drawn.
    pub given: Given,
    pub engine: Engine,
    /// The labs that are not done with, the present one first.
    pub queue: Vec<String>,
    /// The lab that was begun and not left in order, so that nobody graded it.
    pub open: Option<String>,
    /// Whether it was said that `next` is for good.
    #[serde(default)]
    pub warned: bool,
    /// What each lab came to when it was left last.
    pub reports: BTreeMap<String, Report>,
}

/// Where exams are kept below the sessions' home.
pub fn home(home: &Path) -> PathBuf {
    home.join("exams")
}

/// The place of the exam `pack`, whether it exists or not.
pub fn room(at: &Path, pack: &str) -> Session {
    Session::at(&home(at), pack)
}

/// The session of a lab of the exam.
pub fn lab_session(room: &Session, lab: &str) -> Session {
    Session::at(room.dir(), lab)
}

/// Where the grade of the last exam `pack` that came to its end is kept.
pub fn report_file(at: &Path, pack: &str) -> PathBuf {
    home(at).join("reports").join(format!("{pack}.json"))
}

/// Keeps the grade of an exam; gives its place.
///
/// # Errors
/// The file can't be written.
pub fn keep_report(at: &Path, paper: &Paper) -> Result<PathBuf, Error> {
    let path = report_file(at, &paper.pack);
    let text =
        serde_json::to_vec_pretty(paper).map_err(|error| Error::Failed(error.to_string()))?;
    let dir = path.parent().unwrap_or(at);
    let temporary = path.with_extension("json.new");
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(&temporary, text))
        .and_then(|()| fs::rename(&temporary, &path))
        .map_err(|source| Error::Io {
            what: "write",
            path: path.clone(),
            source,
        })?;
    Ok(path)
}

/// The grade of the last exam `pack` that came to its end.
///
/// # Errors
/// There is none, or it is damaged.
pub fn kept_report(at: &Path, pack: &str) -> Result<Paper, Error> {
    let path = report_file(at, pack);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Usage(format!(
                "there is no report of the exam `{pack}`: none has come to its end here"
            )));
        }
        Err(source) => {
            let what = "read";
            return Err(Error::Io { what, path, source });
        }
    };
    serde_json::from_slice(&text)
        .map_err(|error| Error::Failed(format!("{} is damaged: {error}", path.display())))
}

fn file(room: &Session) -> PathBuf {
    room.dir().join("exam.json")
}

impl Sitting {
    pub fn new(pack: &Pack, seed: u64, given: Given, engine: Engine) -> Self {
        Self {
            title: pack.title.clone(),
            seed,
            started_at: jiff::Timestamp::now().to_string(),
            given,
            engine,
            queue: pack.items.iter().map(|item| item.lab.clone()).collect(),
            open: None,
            warned: false,
            reports: BTreeMap::new(),
        }
    }

    /// What is known of the exam in `room`; `None` if none was begun.
    ///
    /// # Errors
    /// Its record is damaged or can't be read.
    pub fn load(room: &Session) -> Result<Option<Self>, Error> {
        let path = file(room);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let what = "read";
                return Err(Error::Io { what, path, source });
            }
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| Error::Failed(format!("{} is damaged: {error}", path.display())))
    }

    /// Replaces what is known of the exam, whole or not at all.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save(&self, room: &Session) -> Result<(), Error> {
        let path = file(room);
        let temporary = path.with_extension("json.new");
        let text =
            serde_json::to_vec_pretty(self).map_err(|error| Error::Failed(error.to_string()))?;
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|source| Error::Io {
                what: "write",
                path,
                source,
            })
    }

    /// What the learner may know of each lab of `pack`.
    pub fn places(&self, pack: &Pack) -> Vec<Place> {
        let place = |item: &Item| Place {
            lab: item.lab.clone(),
            title: item.title.clone(),
            weight: item.weight,
            state: match self.queue.iter().position(|lab| *lab == item.lab) {
                None => State::Done,
                Some(0) => State::Here,
                Some(_) if self.reports.contains_key(&item.lab) => State::Skipped,
                Some(_) => State::ToCome,
            },
        };
        pack.items.iter().map(place).collect()
    }

    /// Leaves the present lab; says whether the exam goes on with another.
    pub fn leave(&mut self, pack: &Pack, leave: Leave) -> bool {
        match leave {
            Leave::Next => drop(self.queue.remove(0)),
            Leave::Skip => self.queue.rotate_left(1),
            Leave::Goto(at) => {
                self.queue.rotate_left(1);
                let wanted = pack.items.get(at).map(|item| &item.lab);
                let place = self.queue.iter().position(|lab| Some(lab) == wanted);
                if let Some(place) = place {
                    let lab = self.queue.remove(place);
                    self.queue.insert(0, lab);
                }
            }
            Leave::Finish => return false,
        }
        true
    }

    /// How long ago the exam began.
    pub fn elapsed(&self) -> Duration {
        let begun = self.started_at.parse::<jiff::Timestamp>();
        // A clock that was set back, or a record from elsewhere, costs no time.
        begun
            .ok()
            .and_then(|begun| Duration::try_from(jiff::Timestamp::now().duration_since(begun)).ok())
            .unwrap_or_default()
    }
}

/// Removes all of an exam but its lock. It must not run.
///
/// # Errors
/// A file can't be removed.
pub fn clear(room: &Session) -> Result<(), Error> {
    for lab in Session::all(room.dir())? {
        stage::remove(&lab)?;
    }
    stage::clear(room)
}

/// Like [`clear`], and the exam's place goes too.
///
/// # Errors
/// A file can't be removed.
pub fn remove(room: &Session) -> Result<(), Error> {
    clear(room)?;
    stage::remove(room)
}
