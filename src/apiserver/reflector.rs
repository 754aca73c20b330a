//! Local copies of what the API holds, kept by list and watch, and the queues that
//! controllers work from.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kube::object;
use kube::resources::Resource;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::client::Client;

type Handler = Box<dyn Fn(Option<&Value>, Option<&Value>) + Send + Sync>;

/// The objects of one kind by `namespace/name`.
pub struct Store {
    /// The kind.
    pub resource: &'static Resource,
    query: String,
    items: RwLock<BTreeMap<String, Arc<Value>>>,
    handlers: RwLock<Vec<Handler>>,
    synced: watch::Sender<bool>,
    /// Uids of objects that went lately, so that a late answer does not bring one back.
    gone: Mutex<VecDeque<String>>,
}

/// How many vanished objects are remembered.
const TOMBSTONES: usize = 512;

impl Store {
    /// An empty store; `query` narrows list and watch (`fieldSelector=…`).
    pub fn new(resource: &'static Resource, query: &str) -> Arc<Store> {
        Arc::new(Store {
            resource,
            query: query.to_string(),
            items: RwLock::new(BTreeMap::new()),
            handlers: RwLock::new(Vec::new()),
            synced: watch::channel(false).0,
            gone: Mutex::new(VecDeque::new()),
        })
    }

    /// Calls `handler` with the object before and after every change.
    pub fn on_change(
        &self,
        handler: impl Fn(Option<&Value>, Option<&Value>) + Send + Sync + 'static,
    ) {
        self.handlers.write().push(Box::new(handler));
    }

    /// An object by key.
    pub fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.items.read().get(key).cloned()
    }

    /// Every object.
    pub fn all(&self) -> Vec<Arc<Value>> {
        self.items.read().values().cloned().collect()
    }

    /// The objects of a namespace.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<Value>> {
        let prefix = format!("{namespace}/");
        self.items
            .read()
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .map(|(_, value)| Arc::clone(value))
            .collect()
    }

    /// Waits for the first list.
    pub async fn synced(&self) {
        let mut synced = self.synced.subscribe();
        // The sender lives as long as the store.
        let _ = synced.wait_for(|done| *done).await;
    }

    fn tell(&self, old: Option<&Value>, new: Option<&Value>) {
        for handler in self.handlers.read().iter() {
            handler(old, new);
        }
    }

    fn put(&self, object: Value) {
        let object = Arc::new(object);
        let old = self
            .items
            .write()
            .insert(object::key(&object), Arc::clone(&object));
        self.tell(old.as_deref(), Some(&object));
    }

    /// Takes a written object over before the watch brings it, unless the watch has
    /// brought a newer one.
    pub fn observe(&self, object: &Value) {
        let version = |o: &Value| object::resource_version(o).parse::<u64>().unwrap_or(0);
        let newer = self
            .get(&object::key(object))
            .is_none_or(|have| version(&have) < version(object));
        let dead = self
            .gone
            .lock()
            .iter()
            .any(|uid| uid == object::uid(object));
        if newer && !dead {
            self.put(object.clone());
        }
    }

    fn remove(&self, key: &str) {
        let old = self.items.write().remove(key);
        if let Some(old) = old {
            let mut gone = self.gone.lock();
            if gone.len() == TOMBSTONES {
                gone.pop_front();
            }
            gone.push_back(object::uid(&old).to_string());
            drop(gone);
            self.tell(Some(&old), None);
        }
    }

    fn replace(&self, items: Vec<Value>) {
        let keys: HashSet<String> = items.iter().map(object::key).collect();
        let gone: Vec<String> = self
            .items
            .read()
            .keys()
            .filter(|k| !keys.contains(*k))
            .cloned()
            .collect();
        for key in gone {
            self.remove(&key);
        }
        for item in items {
            let same = self.get(&object::key(&item)).is_some_and(|have| {
                object::resource_version(&have) == object::resource_version(&item)
            });
            if !same {
                self.put(item);
            }
        }
    }

    /// Lists and watches for ever.
    pub async fn run(self: Arc<Self>, client: Client) {
        let mut pause = Duration::from_millis(50);
        let mut failures = 0_u32;
        loop {
            match self.once(&client).await {
                Ok(()) => (pause, failures) = (Duration::from_millis(50), 0),
                Err(error) => {
                    failures += 1;
                    // A moment's silence is no news, and a long one is told less often.
                    if failures > 4 && failures.is_power_of_two() {
                        crate::log::warning(&format!(
                            "failed to list *v1.{}: {error}",
                            self.resource.kind
                        ));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    async fn once(&self, client: &Client) -> crate::client::Result<()> {
        let mut list = client.list(self.resource, "", &self.query).await?;
        let version = object::resource_version(&list).to_string();
        let items = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        self.replace(items);
        self.synced.send_replace(true);
        let mut lines = client.watch(self.resource, &version, &self.query).await?;
        while let Some(mut event) = lines.next().await {
            let object = event["object"].take();
            match event["type"].as_str() {
                Some("ADDED" | "MODIFIED") => self.put(object),
                Some("DELETED") => self.remove(&object::key(&object)),
                Some("BOOKMARK") => {}
                // Too old, or the server is in trouble: start over with a list.
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Work {
    pending: VecDeque<String>,
    waiting: HashSet<String>,
    running: HashSet<String>,
    failures: HashMap<String, u32>,
}

/// Keys to be worked on: each at most once at a time, none forgotten.
#[derive(Default)]
pub struct Queue {
    work: Mutex<Work>,
    wake: Notify,
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Arc<Queue> {
        Arc::new(Queue::default())
    }

    /// Adds a key.
    pub fn add(&self, key: impl Into<String>) {
        let key = key.into();
        let mut work = self.work.lock();
        if work.waiting.insert(key.clone()) && !work.running.contains(&key) {
            work.pending.push_back(key);
            self.wake.notify_one();
        }
    }

    /// Adds a key later.
    pub fn add_after(self: &Arc<Self>, key: impl Into<String>, delay: Duration) {
        let (queue, key) = (Arc::clone(self), key.into());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            queue.add(key);
        });
    }

    async fn next(&self) -> String {
        loop {
            {
                let mut work = self.work.lock();
                if let Some(key) = work.pending.pop_front() {
                    work.waiting.remove(&key);
                    work.running.insert(key.clone());
                    if !work.pending.is_empty() {
                        self.wake.notify_one();
                    }
                    return key;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Ends the work on a key; after a failure it comes back with growing delay.
    fn done(self: &Arc<Self>, key: String, failed: bool) {
        let mut work = self.work.lock();
        work.running.remove(&key);
        if work.waiting.contains(&key) {
            work.pending.push_back(key.clone());
            self.wake.notify_one();
        }
        if !failed {
            work.failures.remove(&key);
            return;
        }
        let count = work.failures.entry(key.clone()).or_insert(0);
        *count = (*count + 1).min(14);
        let delay = Duration::from_millis(5 << *count).min(Duration::from_secs(30));
        drop(work);
        self.add_after(key, delay);
    }
}

/// Works a queue off with `workers` tasks.
pub fn work<F, Fut>(name: &'static str, queue: &Arc<Queue>, workers: usize, sync: F)
where
    F: Fn(String) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = crate::client::Result<()>> + Send,
{
    for _ in 0..workers {
        let (queue, sync) = (Arc::clone(queue), sync.clone());
        tokio::spawn(async move {
            loop {
                let key = queue.next().await;
                let result = sync(key.clone()).await;
                if let Err(error) = &result
                    && !error.is_conflict()
                    && !error.is_not_found()
                {
                    crate::log::warning(&format!("{name}: {key}: {error}"));
                }
                queue.done(key, result.is_err());
            }
        });
    }
}
