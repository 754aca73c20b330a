//! What runs on this node, on disk: a kubelet that starts again takes its containers
//! over instead of starting them twice, and `crictl` sees them while no kubelet runs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use kube::object;
use sandbox::container::{self, Container};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    image::{self, Image},
    state::{ContainerState, End, Phase},
};

/// Where the kubelet keeps it.
pub const PATH: &str = "/var/lib/kubelet/containers.json";

/// How long what is left of a Pod that is gone can still be looked at.
const KEPT_SECONDS: i64 = 60;

/// A Pod's sandbox, as runtimes call what its containers share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// 64 hexadecimal digits.
    pub id: String,
    pub attempt: u32,
    /// RFC 3339.
    pub created_at: String,
}

/// A Pod and what its containers do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The Pod's metadata.
    pub metadata: Value,
    pub is_static: bool,
    pub sandbox: Sandbox,
    pub pod_ip: String,
    /// RFC 3339.
    pub started_at: String,
    pub states: Vec<ContainerState>,
    /// Seconds since 1970 at which the Pod was gone; 0 while it is here.
    #[serde(default)]
    pub gone_at: i64,
}

/// What is on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// Which boot of the node wrote it.
    pub boot: String,
    /// By UID; a static Pod's is its hash.
    pub pods: BTreeMap<String, Record>,
    /// Pods that are gone; the last to go comes last.
    #[serde(default)]
    pub gone: Vec<Record>,
}

/// The book and where it is.
#[derive(Debug, Default)]
pub struct Ledger {
    path: PathBuf,
    book: Book,
    /// What an earlier kubelet noted and nobody asked for yet.
    left: BTreeMap<String, Record>,
}

/// Tells one boot of the node from another: when its first process began.
fn boot() -> String {
    let stat = fs::read_to_string("/proc/1/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let began = after_name.split_whitespace().nth(19).unwrap_or_default();
    began.to_owned()
}

/// The book at `path`; an empty one if there is none or it can't be read: containers
/// that nobody claims are ended by [`Ledger::end_strays`].
pub fn read(path: &Path) -> Book {
    fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// Takes an ended container out of the book at `path` while no kubelet keeps it.
///
/// # Errors
/// The book can't be written.
pub fn mark_removed(path: &Path, id: &str) -> std::io::Result<()> {
    let mut book = read(path);
    let records = book.pods.values_mut().chain(&mut book.gone);
    for state in records.flat_map(|record| &mut record.states) {
        if state.id == id
            && let Some(end) = end_of(state, true)
        {
            state.phase = Phase::Terminated(end);
        }
        if let Some(end) = end_with_id(state, id) {
            end.removed = true;
        }
    }
    write(path, &json!(book))
}

fn write(path: &Path, book: &Value) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let text = serde_json::to_vec(book).map_err(std::io::Error::other)?;
    fs::write(&temporary, text)?;
    fs::rename(&temporary, path)
}

/// How a container that the book says runs has ended; `None` if it runs.
pub fn end_of(state: &ContainerState, same_boot: bool) -> Option<End> {
    let Phase::Running { started_at } = &state.phase else {
        return None;
    };
    let ended = |exit_code: i32, reason: &str, at: i64| End {
        exit_code,
        reason: reason.into(),
        message: String::new(),
        started_at: started_at.clone(),
        finished_at: kube::time::rfc3339(at),
        container_id: state.id.clone(),
        attempt: state.restarts,
        removed: false,
    };
    let now = jiff::Timestamp::now().as_second();
    if !same_boot {
        return Some(ended(255, "Unknown", now));
    }
    if image::classify(&state.image) != Image::Real {
        return None;
    }
    match Container::open(&state.id).and_then(|one| one.try_wait()) {
        Ok(None) => None,
        Ok(Some(exited)) => {
            let at = i64::try_from(exited.at_unix_nanos / 1_000_000_000).unwrap_or(now);
            let reason = if exited.code == 0 {
                "Completed"
            } else {
                "Error"
            };
            Some(ended(exited.code, reason, at))
        }
        Err(_) => Some(ended(137, "Error", now)),
    }
}

impl Ledger {
    /// Reads what an earlier kubelet left.
    pub fn open(path: PathBuf) -> Self {
        let mut book = read(&path);
        let now = boot();
        let same_boot = book.boot == now;
        for record in book.pods.values_mut() {
            for state in &mut record.states {
                if let Some(end) = end_of(state, same_boot) {
                    state.phase = Phase::Terminated(end);
                    state.ready = false;
                    state.started = false;
                }
            }
            if !same_boot {
                record.sandbox = Sandbox::default();
            }
        }
        book.boot = now;
        let left = std::mem::take(&mut book.pods);
        Self { path, book, left }
    }

    /// What an earlier kubelet noted of a Pod.
    pub fn adopt(&mut self, uid: &str) -> Option<Record> {
        let record = self.left.remove(uid)?;
        // Its containers are claimed from now on, also before their Pod is noted again.
        self.book.pods.insert(uid.to_owned(), record.clone());
        Some(record)
    }

    /// Ends what an earlier kubelet left and is still not claimed: of static Pods once
    /// the files are read, of others once the API told its Pods.
    pub fn end_strays(&mut self, is_static: bool) {
        let unclaimed: Vec<String> = self
            .left
            .iter()
            .filter(|(_, record)| record.is_static == is_static)
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in unclaimed {
            if let Some(record) = self.left.remove(&uid) {
                remove_containers(&record);
            }
        }
        if is_static {
            self.end_unknown();
        }
        self.save();
    }

    /// Ends containers of which no book tells.
    fn end_unknown(&self) {
        let known: Vec<&str> = self
            .book
            .pods
            .values()
            .chain(self.left.values())
            .chain(&self.book.gone)
            .flat_map(|record| &record.states)
            .flat_map(|state| {
                let last = state.last.as_ref().map(|end| end.container_id.as_str());
                [Some(state.id.as_str()), last]
            })
            .flatten()
            .collect();
        for id in container::list().unwrap_or_default() {
            if !known.contains(&id.as_str()) {
                let _ = Container::open(&id).and_then(Container::remove);
            }
        }
    }

    /// Notes a Pod as it is now.
    pub fn note(&mut self, uid: &str, record: Record) {
        if self.book.pods.get(uid) != Some(&record) {
            self.book.pods.insert(uid.to_owned(), record);
            self.save();
        }
    }

    /// The Pod is gone. What is left of its containers stays for a while.
    pub fn forget(&mut self, uid: &str) {
        if let Some(mut record) = self.book.pods.remove(uid) {
            record.gone_at = jiff::Timestamp::now().as_second();
            self.book.gone.push(record);
            self.save();
        }
    }

    /// Marks an ended container of a Pod that is gone as removed. Whether there is one.
    pub fn remove_gone(&mut self, id: &str) -> bool {
        let Some(end) = self
            .book
            .gone
            .iter_mut()
            .flat_map(|record| &mut record.states)
            .find_map(|state| end_with_id(state, id))
        else {
            return false;
        };
        end.removed = true;
        self.save();
        true
    }

    /// Clears away what was kept long enough.
    pub fn clear_gone(&mut self, now: i64) {
        let keep = |record: &Record| now - record.gone_at < KEPT_SECONDS;
        if self.book.gone.iter().all(keep) {
            return;
        }
        let (kept, gone) = std::mem::take(&mut self.book.gone)
            .into_iter()
            .partition(keep);
        self.book.gone = kept;
        for record in gone {
            remove_containers(&record);
            remove_logs(&record);
        }
        self.save();
    }

    fn save(&self) {
        let mut book = json!(self.book);
        // Unclaimed ones stay in the book until it is known that nobody claims them.
        for (uid, record) in &self.left {
            book["pods"][uid] = json!(record);
        }
        if let Err(error) = write(&self.path, &book) {
            crate::log::error(
                "Could not remember containers",
                &[("err", &error.to_string())],
            );
        }
    }
}

/// The end in `state` of the container with this id.
pub fn end_with_id<'a>(state: &'a mut ContainerState, id: &str) -> Option<&'a mut End> {
    if let Phase::Terminated(end) = &mut state.phase
        && end.container_id == id
    {
        return Some(end);
    }
    state.last.as_mut().filter(|end| end.container_id == id)
}

fn remove_containers(record: &Record) {
    for state in &record.states {
        let last = state.last.as_ref().map(|end| end.container_id.as_str());
        for id in [Some(state.id.as_str()), last].into_iter().flatten() {
            if let Ok(container) = Container::open(id) {
                let _ = container.remove();
            }
        }
    }
}

/// The directory of a Pod's logs.
pub fn log_dir(metadata: &Value) -> PathBuf {
    let text = |key: &str| object::text(metadata, key);
    crate::kubelet::log_dir().join(format!(
        "{}_{}_{}",
        text("namespace"),
        text("name"),
        text("uid")
    ))
}

fn remove_logs(record: &Record) {
    let dir = log_dir(&record.metadata);
    let _ = fs::remove_dir_all(&dir);
    let links = fs::read_dir("/var/log/containers").into_iter().flatten();
    for link in links.flatten().map(|entry| entry.path()) {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(&dir)) {
            let _ = fs::remove_file(&link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(image: &str) -> ContainerState {
        let mut state = ContainerState::new(&json!({"name": "c", "image": image}), false);
        state.id = "abc".into();
        state.phase = Phase::Running {
            started_at: "2026-01-01T00:00:00Z".into(),
        };
        state
    }

    #[test]
    fn a_restarted_kubelet_finds_what_it_noted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("containers.json");
        let mut ledger = Ledger::open(path.clone());
        let record = Record {
            metadata: json!({"name": "web"}),
            states: vec![running("nginx")],
            ..Record::default()
        };
        ledger.note("u1", record.clone());
        drop(ledger);
        let mut ledger = Ledger::open(path.clone());
        assert_eq!(ledger.adopt("u1"), Some(record));
        assert_eq!(ledger.adopt("u1"), None);
        ledger.end_strays(false);
        assert!(read(&path).pods.contains_key("u1"), "claimed is claimed");
    }

    #[test]
    fn what_nobody_claims_is_kept_until_its_source_has_spoken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("containers.json");
        Ledger::open(path.clone()).note("u1", Record::default());
        let mut ledger = Ledger::open(path.clone());
        ledger.end_strays(true);
        assert!(read(&path).pods.contains_key("u1"));
        ledger.end_strays(false);
        assert!(!read(&path).pods.contains_key("u1"));
    }

    #[test]
    fn after_a_boot_nothing_runs() {
        assert_eq!(end_of(&running("nginx"), true), None);
        let end = end_of(&running("nginx"), false).unwrap();
        assert_eq!((end.exit_code, end.reason.as_str()), (255, "Unknown"));
    }

    #[test]
    fn gone_pods_are_kept_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("containers.json");
        let mut ledger = Ledger::open(path.clone());
        ledger.note("u1", Record::default());
        ledger.forget("u1");
        let now = jiff::Timestamp::now().as_second();
        ledger.clear_gone(now);
        assert_eq!(read(&path).gone.len(), 1);
        ledger.clear_gone(now + KEPT_SECONDS + 1);
        assert!(read(&path).gone.is_empty());
    }
}
