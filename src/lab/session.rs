//! A lab that was started: its folder, what is known of it, and who owns it.
//!
//! ```text
//! <home>/sessions/<name>/
//!   session.json   what is below in [`Record`]
//!   lock           held by the kubedrill that runs the lab
//!   fabric/        the nodes' trees; owned by the sandbox
//!   lab/           bound into every node: the socket behind `check`, `task`, `hint`
//!   grader/        certificates and facts that no node sees
//! ```

use std::{
    collections::BTreeMap,
    env,
    fs::{self, OpenOptions, TryLockError},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Foreign binaries in the place of ours, and where they lie on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// `etcd`, `kubectl`, `kube-apiserver`… to a path.
    pub binaries: BTreeMap<String, PathBuf>,
}

/// What a session remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Folder of the lab.
    pub lab_dir: PathBuf,
    pub lab: String,
    pub title: String,
    pub seed: u64,
    /// Values of variables that were given instead of drawn.
    #[serde(default)]
    pub given: BTreeMap<String, String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub engine: Engine,
    /// Whether the setup came to its end; a session without it begins again.
    pub ready: bool,
    /// The tasks that are asked; an exam may ask some of a lab's only.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// How many hints of each task were taken.
    pub hints: BTreeMap<String, usize>,
    /// What it came to when it was graded last; absent before that.
    #[serde(default)]
    pub grade: Option<Grade>,
}

/// What is remembered of a grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grade {
    pub points: u32,
    pub earned_hundredths: u32,
    /// Whether every task was solved, hints or not.
    pub solved: bool,
}

/// Why a session can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not {what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "could not make {}: {source}; labs are kept in a folder that you can write to, and \
         KUBEDRILL_HOME says which", path.display()
    )]
    NotMade { path: PathBuf, source: io::Error },
    #[error("{} is damaged: {source}; `kubedrill stop` removes the session", path.display())]
    Damaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("there is no session `{0}`; `kubedrill list` shows them")]
    Missing(String),
    #[error(
        "the lab `{0}` runs already; `kubedrill shell --lab {0}` opens a shell in it, \
         `kubedrill check {0}` grades it, `kubedrill stop {0}` removes it"
    )]
    Busy(String),
    #[error("neither KUBEDRILL_HOME nor HOME is set; set one of them")]
    NoHome,
    #[error("could not find out where KUBEDRILL_HOME is: {0}")]
    Home(io::Error),
}

fn not_made(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::NotMade { path, source }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { what, path, source }
}

/// A session's folder.
#[derive(Debug, Clone)]
pub struct Session {
    pub name: String,
    dir: PathBuf,
}

/// Held while a kubedrill runs the session; the system lets go of it when that ends.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] fs::File);

/// Where sessions live: `$KUBEDRILL_HOME`; for root `/var/lib/kubedrill`, because the
/// lab's users can't enter root's home; `$XDG_STATE_HOME/kubedrill`, or
/// `~/.local/state/kubedrill`.
///
/// # Errors
/// None of the variables is set.
pub fn home(is_root: bool) -> Result<PathBuf, Error> {
    let var = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(home) = var("KUBEDRILL_HOME") {
        // The nodes' programs are started in other folders than this.
        return std::path::absolute(home).map_err(Error::Home);
    }
    if is_root {
        return Ok("/var/lib/kubedrill".into());
    }
    var("XDG_STATE_HOME")
        .or_else(|| var("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("kubedrill"))
        .ok_or(Error::NoHome)
}

impl Session {
    /// The session `name` below `home`, whether it exists or not.
    pub fn at(home: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dir: home.join("sessions").join(name),
        }
    }

    /// All sessions below `home`, by name.
    ///
    /// # Errors
    /// The folder can't be read; that it is absent means that there are none.
    pub fn all(home: &Path) -> Result<Vec<Self>, Error> {
        let dir = home.join("sessions");
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("list", &dir)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io_error("list", &dir))?;
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names.iter().map(|name| Self::at(home, name)).collect())
    }

    /// Makes the folders of a new session.
    ///
    /// # Errors
    /// A folder can't be made.
    pub fn create(&self, record: &Record) -> Result<(), Error> {
        for dir in [&self.dir, &self.lab_dir(), &self.grader_dir()] {
            fs::create_dir_all(dir).map_err(not_made(dir))?;
        }
        let grader = self.grader_dir();
        fs::set_permissions(&grader, fs::Permissions::from_mode(0o700))
            .map_err(io_error("close", &grader))?;
        self.save(record)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The nodes' trees.
    pub fn fabric_dir(&self) -> PathBuf {
        self.dir.join("fabric")
    }

    /// Bound into every node.
    pub fn lab_dir(&self) -> PathBuf {
        self.dir.join("lab")
    }

    /// The socket that a node's `check`, `task` and `hint` talk to.
    pub fn socket(&self) -> PathBuf {
        self.lab_dir().join("lab.sock")
    }

    /// Seen by no node.
    pub fn grader_dir(&self) -> PathBuf {
        self.dir.join("grader")
    }

    fn record_path(&self) -> PathBuf {
        self.dir.join("session.json")
    }

    pub fn exists(&self) -> bool {
        self.record_path().exists()
    }

    /// What is known of the session.
    ///
    /// # Errors
    /// There is none, or its record is damaged.
    pub fn load(&self) -> Result<Record, Error> {
        let path = self.record_path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing(self.name.clone()));
            }
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        serde_json::from_slice(&text).map_err(|source| Error::Damaged { path, source })
    }

    /// Replaces what is known of the session, whole or not at all.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save(&self, record: &Record) -> Result<(), Error> {
        let path = self.record_path();
        let temporary = self.dir.join("session.json.new");
        let text = serde_json::to_vec_pretty(record).map_err(|source| Error::Damaged {
            path: path.clone(),
            source,
        })?;
        fs::write(&temporary, text).map_err(io_error("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(io_error("write", &path))
    }

    /// Takes the session for this process.
    ///
    /// # Errors
    /// [`Error::Busy`] if another process has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        fs::create_dir_all(&self.dir).map_err(not_made(&self.dir))?;
        let path = self.dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Busy(self.name.clone())),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
        }
    }

    /// Whether a kubedrill runs it now.
    pub fn is_running(&self) -> bool {
        self.dir.exists() && matches!(self.lock(), Err(Error::Busy(_)))
    }
}

/// A seed for a run that asked for none.
///
/// # Errors
/// The system gives no randomness.
pub fn random_seed() -> io::Result<u64> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    // Short enough to be typed again.
    Ok(u64::from(u32::from_be_bytes(bytes) % 1_000_000))
}
