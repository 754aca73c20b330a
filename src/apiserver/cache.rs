//! The watch cache: the objects of one etcd prefix, kept by one etcd watch, and the
//! recent events, for lists and watches.
//!
//! A cache only moves forward. When etcd comes back with an older history (a
//! restored snapshot), the watch waits for revisions that are far away, and the
//! cache goes on serving the old world until the process restarts: so does the
//! reference (etcd client watches resume by revision; `storage/cacher` 1.32).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kube::object;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, watch};
use wire::etcdserverpb as pb;
use wire::mvccpb::KeyValue;

use crate::etcd::{Etcd, EtcdError, progress_request};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone; the event carries its last state.
    Deleted,
}

/// One event of a cache.
#[derive(Debug)]
pub struct Event {
    /// What happened.
    pub change: Change,
    /// The object after the change, or before it if it is gone.
    pub object: Arc<Value>,
    /// The object before the change.
    pub previous: Option<Arc<Value>>,
    /// The revision of the change.
    pub revision: i64,
}

/// How many events a cache keeps for watchers that come late.
const HISTORY: usize = 1024;

struct State {
    objects: BTreeMap<String, Arc<Value>>,
    revision: i64,
    /// Events after this revision are all in `history`.
    oldest: i64,
    history: VecDeque<Arc<Event>>,
    ready: bool,
    progress: Option<mpsc::Sender<pb::WatchRequest>>,
}

/// The cache of one prefix. It starts working when it is first asked.
pub struct Cache {
    prefix: String,
    etcd: Etcd,
    started: AtomicBool,
    state: Mutex<State>,
    live: broadcast::Sender<Arc<Event>>,
    reached: watch::Sender<i64>,
}

/// A list at a revision.
pub struct Listed {
    /// Keys and objects in key order.
    pub items: Vec<Arc<Value>>,
    /// The revision the list is true for.
    pub revision: i64,
}

/// A watch: what happened already, then what happens.
pub struct Subscription {
    /// Events after the wanted revision, up to now.
    pub backlog: Vec<Arc<Event>>,
    /// Events from now on.
    pub live: broadcast::Receiver<Arc<Event>>,
    /// The revision the backlog ends at.
    pub revision: i64,
}

/// The object of a key, with its revision written into it; none if the value is
/// not JSON (a key that someone put there by hand).
pub fn decode(kv: &KeyValue) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(&kv.value).ok()?;
    if !value.is_object() {
        return None;
    }
    object::set(
        &mut value,
        "metadata.resourceVersion",
        Value::from(kv.mod_revision.to_string()),
    );
    Some(value)
}

impl Cache {
    /// A cache of the keys that begin with `prefix` (with its trailing slash).
    pub fn new(prefix: String, etcd: Etcd) -> Arc<Cache> {
        Arc::new(Cache {
            prefix,
            etcd,
            started: AtomicBool::new(false),
            state: Mutex::new(State {
                objects: BTreeMap::new(),
                revision: 0,
                oldest: 0,
                history: VecDeque::new(),
                ready: false,
                progress: None,
            }),
            live: broadcast::channel(HISTORY).0,
            reached: watch::channel(0).0,
        })
    }

    /// Starts the feeding task once.
    pub fn start(self: &Arc<Self>) {
        if !self.started.swap(true, Ordering::SeqCst) {
            let cache = Arc::clone(self);
            tokio::spawn(async move { cache.feed().await });
        }
    }

    /// The revision the cache has come to; 0 before its first list.
    pub fn revision(&self) -> i64 {
        self.state.lock().revision
    }

    async fn feed(self: Arc<Self>) {
        let mut pause = Duration::from_millis(20);
        loop {
            let ready = self.state.lock().ready;
            if !ready && let Err(error) = self.fill().await {
                crate::log::warning(&format!(
                    "cacher ({}): unexpected ListAndWatch error: {error}; reinitializing...",
                    self.prefix
                        .trim_start_matches("/registry/")
                        .trim_end_matches('/')
                ));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
                continue;
            }
            match self.follow().await {
                // The stream ended or broke: go on from where we are.
                Ok(()) => pause = Duration::from_millis(20),
                Err(EtcdError::Compacted) => {
                    self.state.lock().ready = false;
                    continue;
                }
                Err(_) => {}
            }
            self.state.lock().progress = None;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Reads everything anew. Objects that vanished meanwhile are reported as deleted.
    async fn fill(&self) -> Result<(), EtcdError> {
        let mut objects = BTreeMap::new();
        let mut start = String::new();
        let mut revision = 0;
        loop {
            let page = self.etcd.list(&self.prefix, &start, 500, revision).await?;
            if revision == 0 {
                revision = page.revision;
            }
            for kv in &page.items {
                let key = String::from_utf8_lossy(&kv.key).into_owned();
                start = format!("{key}\0");
                if let Some(value) = decode(kv) {
                    objects.insert(key, Arc::new(value));
                }
            }
            if !page.more {
                break;
            }
        }
        let mut state = self.state.lock();
        state.objects = objects;
        state.revision = revision;
        state.oldest = revision;
        state.history.clear();
        state.ready = true;
        self.reached.send_replace(revision);
        Ok(())
    }

    async fn follow(&self) -> Result<(), EtcdError> {
        let from = self.state.lock().revision + 1;
        let (sender, mut stream) = self.etcd.watch(&self.prefix, from).await?;
        self.state.lock().progress = Some(sender);
        while let Ok(Some(response)) = stream.message().await {
            if response.compact_revision > 0 {
                return Err(EtcdError::Compacted);
            }
            if response.canceled {
                return Ok(());
            }
            if response.created {
                continue;
            }
            let revision = response.header.as_ref().map_or(0, |h| h.revision);
            self.apply(&response.events, revision);
        }
        Ok(())
    }

    fn apply(&self, events: &[wire::mvccpb::Event], revision: i64) {
        let mut state = self.state.lock();
        let mut reached = state.revision;
        for event in events {
            let Some(kv) = &event.kv else { continue };
            reached = reached.max(kv.mod_revision);
            let key = String::from_utf8_lossy(&kv.key).into_owned();
            let deleted = event.r#type == wire::mvccpb::event::EventType::Delete as i32;
            let change = if deleted {
                let Some(previous) = state.objects.remove(&key) else {
                    continue;
                };
                // The last state is reported at the revision of the deletion.
                let mut last = (*previous).clone();
                let text = Value::from(kv.mod_revision.to_string());
                object::set(&mut last, "metadata.resourceVersion", text);
                Event {
                    change: Change::Deleted,
                    object: Arc::new(last),
                    previous: Some(previous),
                    revision: kv.mod_revision,
                }
            } else {
                // What can't be decrypted is no object, like a key put there by hand.
                let Ok(opened) = self.etcd.open(kv.clone()) else {
                    continue;
                };
                let Some(value) = decode(&opened) else {
                    continue;
                };
                let value = Arc::new(value);
                let previous = state.objects.insert(key, Arc::clone(&value));
                Event {
                    change: if previous.is_some() {
                        Change::Modified
                    } else {
                        Change::Added
                    },
                    object: value,
                    previous,
                    revision: kv.mod_revision,
                }
            };
            let change = Arc::new(change);
            if state.history.len() == HISTORY
                && let Some(gone) = state.history.pop_front()
            {
                state.oldest = gone.revision;
            }
            state.history.push_back(Arc::clone(&change));
            // No receiver is no trouble.
            let _ = self.live.send(change);
        }
        if events.is_empty() {
            reached = reached.max(revision);
        }
        state.revision = reached;
        self.reached.send_replace(reached);
    }

    /// Waits until the cache has come to `revision` (at least to its first list).
    /// False if that did not happen within `patience`.
    pub async fn wait(self: &Arc<Self>, revision: i64, patience: Duration) -> bool {
        self.start();
        let deadline = Instant::now() + patience;
        let mut reached = self.reached.subscribe();
        loop {
            let progress = {
                let state = self.state.lock();
                if state.ready && state.revision >= revision {
                    return true;
                }
                if state.ready {
                    state.progress.clone()
                } else {
                    None
                }
            };
            if let Some(progress) = progress {
                let _ = progress.try_send(progress_request());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // A progress request may be lost with its stream, so ask again soon.
            let nap = left.min(Duration::from_millis(100));
            let _ = tokio::time::timeout(nap, reached.changed()).await;
        }
    }

    /// The objects whose keys begin with `prefix`.
    pub fn list(&self, prefix: &str) -> Listed {
        let state = self.state.lock();
        let items = state
            .objects
            .range(prefix.to_string()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(_, value)| Arc::clone(value))
            .collect();
        Listed {
            items,
            revision: state.revision,
        }
    }

    /// One object by key.
    pub fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.state.lock().objects.get(key).cloned()
    }

    /// Subscribes to events after `since`. An error carries the oldest revision that
    /// can still be had.
    pub fn subscribe(&self, since: i64) -> Result<Subscription, i64> {
        let state = self.state.lock();
        if since < state.oldest {
            return Err(state.oldest);
        }
        Ok(Subscription {
            backlog: state
                .history
                .iter()
                .filter(|event| event.revision > since)
                .cloned()
                .collect(),
            live: self.live.subscribe(),
            revision: state.revision,
        })
    }

    /// The current objects under `prefix` and the events that follow, without a gap.
    pub fn snapshot(&self, prefix: &str) -> (Listed, Subscription) {
        let state = self.state.lock();
        let items = state
            .objects
            .range(prefix.to_string()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(_, value)| Arc::clone(value))
            .collect();
        let listed = Listed {
            items,
            revision: state.revision,
        };
        let subscription = Subscription {
            backlog: Vec::new(),
            live: self.live.subscribe(),
            revision: state.revision,
        };
        (listed, subscription)
    }
}
