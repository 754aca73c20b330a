//! An exam that somebody sits: what is kept of it between two labs and across an
//! interruption.
//!
//! ```text
//! <home>/exams/sessions/<pack>/
//!   exam.json      what is below in [`Sitting`]
//!   lock           held by the kubedrill that runs the exam
//!   sessions/…     those of its labs
//! ```

use std::{collections::BTreeMap, fs, io, path::Path, path::PathBuf, time::Duration};

use grade::Report;
use lab::{
    pack::{Given, Pack},
    session::{Engine, Session},
};
use serde::{Deserialize, Serialize};

use crate::{error::Error, stage};

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
