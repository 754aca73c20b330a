//! The book as runtimes see it: sandboxes and containers.

use std::path::PathBuf;

use kube::object;
use serde_json::Value;

use crate::{
    ledger::{self, Record},
    state::{End, Phase},
};

/// What a runtime says a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running,
    Exited,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Exited => "Exited",
        }
    }

    pub fn constant(self) -> &'static str {
        match self {
            Self::Running => "CONTAINER_RUNNING",
            Self::Exited => "CONTAINER_EXITED",
        }
    }
}

/// One run of a container.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: String,
    pub name: String,
    /// As the Pod names it.
    pub image: String,
    pub attempt: u32,
    pub state: State,
    /// RFC 3339.
    pub started_at: String,
    /// How it ended, if it has.
    pub end: Option<End>,
    pub pod: Record,
}

impl Entry {
    pub fn pod_text(&self, key: &str) -> &str {
        object::text(&self.pod.metadata, key)
    }

    /// When it was made, in seconds since 1970.
    pub fn created(&self) -> i64 {
        let time = match &self.end {
            // One that never started was made when it ended.
            Some(end) if end.started_at.starts_with("1970") => &end.finished_at,
            _ => &self.started_at,
        };
        kube::time::parse(time).unwrap_or(0)
    }

    pub fn log(&self) -> PathBuf {
        ledger::log_dir(&self.pod.metadata)
            .join(&self.name)
            .join(format!("{}.log", self.attempt))
    }

    /// The image's own id, as a runtime numbers it.
    pub fn image_id(&self) -> String {
        let full = crate::state::image_id(&self.image);
        full.rsplit_once('@')
            .map_or(full.clone(), |(_, id)| id.to_owned())
    }
}

/// Everything that is on this node.
#[derive(Debug, Default)]
pub struct View {
    pub pods: Vec<Record>,
    /// The newest first.
    pub containers: Vec<Entry>,
}

impl View {
    /// Reads the kubelet's book. What it says to run is looked at, because the kubelet
    /// may not be there to note an end.
    pub fn read() -> Self {
        Self::of(ledger::read(ledger::PATH.as_ref()))
    }

    fn of(book: ledger::Book) -> Self {
        let mut pods: Vec<Record> = book.pods.into_values().collect();
        pods.extend(book.gone);
        pods.retain(|pod| !pod.sandbox.id.is_empty());
        pods.sort_by(|a, b| b.sandbox.created_at.cmp(&a.sandbox.created_at));
        let mut containers: Vec<Entry> = pods.iter().flat_map(entries).collect();
        containers.sort_by_key(|entry| (-entry.created(), entry.pod.gone_at, entry.name.clone()));
        Self { pods, containers }
    }

    /// The container whose id begins so.
    ///
    /// # Errors
    /// What the runtime says if there is none, or more than one.
    pub fn container(&self, id: &str) -> Result<&Entry, String> {
        let mut found = self
            .containers
            .iter()
            .filter(|entry| !id.is_empty() && entry.id.starts_with(id));
        found.next().ok_or_else(|| {
            format!(
                "rpc error: code = NotFound desc = an error occurred when try to find container \
                 {id:?}: not found"
            )
        })
    }

    /// The Pod whose sandbox' id begins so.
    ///
    /// # Errors
    /// What the runtime says if there is none.
    pub fn pod(&self, id: &str) -> Result<&Record, String> {
        self.pods
            .iter()
            .find(|pod| !id.is_empty() && pod.sandbox.id.starts_with(id))
            .ok_or_else(|| {
                format!(
                    "rpc error: code = NotFound desc = an error occurred when try to find sandbox: \
                     not found: {id:?}"
                )
            })
    }
}

/// The runs of a Pod's containers that can still be looked at.
fn entries(pod: &Record) -> Vec<Entry> {
    let mut entries = Vec::new();
    for state in &pod.states {
        let entry = |id: &str, attempt: u32, started_at: &str, end: Option<End>| Entry {
            id: id.to_owned(),
            name: state.name.clone(),
            image: state.image.clone(),
            attempt,
            state: match end {
                Some(_) => State::Exited,
                None => State::Running,
            },
            started_at: started_at.to_owned(),
            end,
            pod: pod.clone(),
        };
        let ended = |end: &End| {
            let id = end.container_id.as_str();
            entry(id, end.attempt, &end.started_at, Some(end.clone()))
        };
        match &state.phase {
            Phase::Running { started_at } => {
                let end = ledger::end_of(state, true);
                entries.push(entry(&state.id, state.restarts, started_at, end));
            }
            Phase::Terminated(end) => entries.push(ended(end)),
            Phase::Waiting { .. } => {}
        }
        entries.extend(state.last.as_ref().map(ended));
    }
    entries.retain(|entry| !entry.end.as_ref().is_some_and(|end| end.removed));
    entries
}

/// The labels that the kubelet gives to what belongs to a Pod.
pub fn pod_labels(metadata: &Value) -> Value {
    serde_json::json!({
        "io.kubernetes.pod.name": object::text(metadata, "name"),
        "io.kubernetes.pod.namespace": object::text(metadata, "namespace"),
        "io.kubernetes.pod.uid": object::text(metadata, "uid"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::ContainerState;
    use serde_json::json;

    pub fn record() -> Record {
        let mut state = ContainerState::new(&json!({"name": "web", "image": "nginx"}), false);
        state.id = "bbbb".into();
        state.restarts = 1;
        state.phase = Phase::Running {
            started_at: "2026-01-01T00:01:00Z".into(),
        };
        state.last = Some(End {
            exit_code: 1,
            reason: "Error".into(),
            message: String::new(),
            started_at: "2026-01-01T00:00:00Z".into(),
            finished_at: "2026-01-01T00:00:30Z".into(),
            container_id: "aaaa".into(),
            attempt: 0,
            removed: false,
        });
        Record {
            metadata: json!({"name": "web-1", "namespace": "default", "uid": "u"}),
            sandbox: ledger::Sandbox {
                id: "ssss".into(),
                ..ledger::Sandbox::default()
            },
            states: vec![state],
            ..Record::default()
        }
    }

    #[test]
    fn the_last_run_is_seen_until_it_is_removed() {
        let view = |record: Record| {
            View::of(ledger::Book {
                pods: [("u".to_owned(), record)].into(),
                ..ledger::Book::default()
            })
        };
        let both = view(record());
        let seen: Vec<(&str, u32, State)> = both
            .containers
            .iter()
            .map(|entry| (entry.id.as_str(), entry.attempt, entry.state))
            .collect();
        assert_eq!(
            seen,
            [("bbbb", 1, State::Running), ("aaaa", 0, State::Exited)]
        );
        assert_eq!(
            both.container("aa")
                .unwrap()
                .end
                .as_ref()
                .unwrap()
                .exit_code,
            1
        );
        assert!(both.container("x").unwrap_err().contains("not found"));
        let mut removed = record();
        if let Some(last) = &mut removed.states[0].last {
            last.removed = true;
        }
        assert_eq!(view(removed).containers.len(), 1);
    }
}
