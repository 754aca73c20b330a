//! Remembers which containers belong to which Pod, so that a kubelet that starts again
//! takes them over instead of starting them twice.

use std::{collections::BTreeMap, fs, path::PathBuf};

use sandbox::container::{self, Container};
use serde::{Deserialize, Serialize};

use crate::state::ContainerState;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    name: String,
    id: String,
    restarts: u32,
}

/// Containers by their Pod's UID.
#[derive(Debug, Default)]
pub struct Ledger {
    path: PathBuf,
    pods: BTreeMap<String, Vec<Entry>>,
}

impl Ledger {
    /// Reads what an earlier kubelet left. What can't be read is as good as absent:
    /// containers that nobody claims are ended by [`Ledger::end_strays`].
    pub fn open(path: PathBuf) -> Self {
        let pods = fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self { path, pods }
    }

    /// The containers of a Pod that still run: name, id, restarts.
    pub fn adopt(&self, uid: &str) -> Vec<(String, String, u32)> {
        let runs = |id: &str| Container::open(id).is_ok_and(|one| one.pid().is_some());
        self.pods
            .get(uid)
            .into_iter()
            .flatten()
            .filter(|entry| runs(&entry.id))
            .map(|entry| (entry.name.clone(), entry.id.clone(), entry.restarts))
            .collect()
    }

    /// Ends every container whose Pod is not one of `uids`.
    pub fn end_strays(&mut self, uids: &[&str]) {
        self.pods.retain(|uid, _| uids.contains(&uid.as_str()));
        let claimed: Vec<String> = self
            .pods
            .values()
            .flatten()
            .map(|entry| entry.id.clone())
            .collect();
        for id in container::list().unwrap_or_default() {
            if !claimed.contains(&id) {
                let _ = Container::open(&id).and_then(Container::remove);
            }
        }
        self.save();
    }

    /// Notes what runs for a Pod.
    pub fn note(&mut self, uid: &str, states: &[ContainerState]) {
        let entries: Vec<Entry> = states
            .iter()
            .filter(|state| state.is_running())
            .map(|state| Entry {
                name: state.name.clone(),
                id: state.id.clone(),
                restarts: state.restarts,
            })
            .collect();
        if self.pods.get(uid) != Some(&entries) {
            self.pods.insert(uid.to_owned(), entries);
            self.save();
        }
    }

    pub fn forget(&mut self, uid: &str) {
        if self.pods.remove(uid).is_some() {
            self.save();
        }
    }

    fn save(&self) {
        let temporary = self.path.with_extension("new");
        let saved = serde_json::to_vec(&self.pods)
            .map_err(std::io::Error::other)
            .and_then(|text| fs::write(&temporary, text))
            .and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(error) = saved {
            crate::log::error(
                "Could not remember containers",
                &[("err", &error.to_string())],
            );
        }
    }
}
