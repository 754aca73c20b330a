//! Watches, and the events that they wait for (`watcher_hub.go`, `watcher.go`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{Error, Event, history::History, path};
use crate::Wake;

/// Events that a slow watch may leave untaken; one more and it ends.
const UNTAKEN: usize = 100;

/// What a watch has for its owner.
#[derive(Debug)]
pub enum Taken {
    /// The next event.
    Event(Arc<Event>),
    /// Nothing yet.
    Nothing,
    /// Nothing any more: it was too slow, or it was for one event and has had it.
    Ended,
}

struct Inbox {
    recursive: bool,
    /// It wants more than one event.
    stream: bool,
    since: u64,
    /// Waiting events, and whether no more will come.
    events: Mutex<(VecDeque<Arc<Event>>, bool)>,
    wake: Arc<dyn Wake>,
}

impl Inbox {
    /// Takes an event if it is meant; whether it was.
    fn offer(&self, event: &Arc<Event>, at_its_path: bool, deleted: bool) -> bool {
        let meant = self.recursive || at_its_path || deleted;
        if !meant || event.index() < self.since {
            return false;
        }
        let mut events = self.events.lock();
        if events.0.len() < UNTAKEN && !events.1 {
            events.0.push_back(event.clone());
            events.1 = !self.stream;
        } else {
            events.1 = true;
        }
        drop(events);
        self.wake.wake();
        true
    }

    fn has_ended(&self) -> bool {
        self.events.lock().1
    }
}

/// All watches by the path that they watch, and the history.
#[derive(Default)]
pub(super) struct Hub {
    watches: BTreeMap<String, Vec<Arc<Inbox>>>,
    pub(super) history: History,
}

/// One watch. It ends when this is dropped.
pub struct Watcher {
    /// The store's count of changes when it began.
    pub start_index: u64,
    key: String,
    inbox: Arc<Inbox>,
    hub: Arc<Mutex<Hub>>,
}

impl Watcher {
    /// What there is now.
    #[must_use]
    pub fn take(&self) -> Taken {
        let mut events = self.inbox.events.lock();
        match events.0.pop_front() {
            Some(event) => Taken::Event(event),
            None if events.1 => Taken::Ended,
            None => Taken::Nothing,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.hub.lock().forget(&self.key, &self.inbox);
    }
}

impl Hub {
    /// Begins a watch. If an event is known already the watch has it and ends.
    pub(super) fn watch(
        hub: &Arc<Mutex<Self>>,
        key: String,
        (recursive, stream): (bool, bool),
        since: u64,
        store_index: u64,
        wake: Arc<dyn Wake>,
    ) -> Result<Watcher, Error> {
        let mut this = hub.lock();
        let known = this
            .history
            .scan(&key, recursive, since)
            .map_err(|error| Error {
                index: store_index,
                ..error
            })?
            .cloned();
        let found = known.is_some();
        let inbox = Arc::new(Inbox {
            recursive,
            stream,
            since,
            // The reference leaves a stream that was answered from the history open, but
            // never sends it anything more.
            events: Mutex::new((known.into_iter().collect(), found && !stream)),
            wake,
        });
        if !found {
            this.watches
                .entry(key.clone())
                .or_default()
                .push(inbox.clone());
        }
        drop(this);
        Ok(Watcher {
            start_index: store_index,
            key,
            inbox,
            hub: hub.clone(),
        })
    }

    fn forget(&mut self, key: &str, inbox: &Arc<Inbox>) {
        if let Some(list) = self.watches.get_mut(key) {
            list.retain(|known| !Arc::ptr_eq(known, inbox));
            if list.is_empty() {
                self.watches.remove(key);
            }
        }
    }

    /// Watches that wait.
    pub(super) fn len(&self) -> usize {
        self.watches.values().map(Vec::len).sum()
    }

    /// Notes an event and tells all who watch its path or one above it.
    pub(super) fn notify(&mut self, event: &Arc<Event>) {
        self.history.add(event.clone());
        let mut at = "/".to_owned();
        self.tell(event, &at, false);
        for part in path::parts(&event.node.key) {
            at = path::join(&at, part);
            self.tell(event, &at, false);
        }
    }

    /// Tells those who watch just this path. `deleted` if it went with a directory.
    pub(super) fn tell(&mut self, event: &Arc<Event>, at: &str, deleted: bool) {
        let Some(list) = self.watches.get_mut(at) else {
            return;
        };
        let at_its_path = event.node.key == at;
        if at_its_path || !path::is_hidden(at, &event.node.key) {
            list.retain(|inbox| !(inbox.offer(event, at_its_path, deleted) && inbox.has_ended()));
        }
        if list.is_empty() {
            self.watches.remove(at);
        }
    }
}
