//! Watches: who wants which events, and what is ready for them
//! (`mvcc/watchable_store.go`, `mvcc/watcher.go`).
//!
//! Events go straight to watches that have seen everything before them. A watch that
//! starts in the past, or whose stream's queue is full, lags: it gets its events from
//! the history, a bounded part at a time, when its client takes what is queued. So a
//! slow client costs no memory and holds nobody up.

mod group;
mod hub;
mod sync;

use std::sync::Arc;

use wire::{etcdserverpb as pb, mvccpb};

use crate::{Result, Store};

pub(crate) use hub::Hub;
pub(crate) use sync::sync_step;

/// Told when a stream has something to take. Called with locks held: it must do no more
/// than wake someone, and must not call the store.
pub trait Wake: Send + Sync {
    /// [`WatchStream::take`] has something now.
    fn wake(&self);
}

/// Something for one watch of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvents {
    /// The watch; -1 for all watches of the stream (the answer to a progress
    /// request).
    pub watch_id: i64,
    /// The events in order; empty for progress and compaction.
    pub events: Vec<mvccpb::Event>,
    /// For the header: the store's revision when these were gathered; 0 with
    /// `compact_revision`.
    pub revision: i64,
    /// Not 0: the watch asked for revisions that are compacted. It is gone, and its
    /// client must be told `canceled` with this number.
    pub compact_revision: i64,
}

/// The watches of one client stream. Dropping it cancels them all.
pub struct WatchStream {
    store: Arc<Store>,
    id: u64,
}

impl WatchStream {
    pub(crate) fn new(store: Arc<Store>, wake: Arc<dyn Wake>) -> WatchStream {
        let id = store.hub.lock().open(wake);
        WatchStream { store, id }
    }

    /// Starts a watch. Returns its id and, for the header of the answer, the store's
    /// revision. Key and range end are as the client sent them (an empty key means
    /// `\0`, range end `\0` no end; id 0 picks one). `fragment` and
    /// `progress_notify` are the server's business.
    pub fn create(&self, request: &pb::WatchCreateRequest) -> Result<(i64, i64)> {
        let state = self.store.state.read();
        let id = self
            .store
            .hub
            .lock()
            .create(self.id, request, state.revision)?;
        Ok((id, state.revision))
    }

    /// Stops a watch; false if there is none of that id. Nothing is taken for it
    /// afterwards.
    pub fn cancel(&self, watch_id: i64) -> bool {
        self.store.hub.lock().cancel(self.id, watch_id)
    }

    /// Takes what is ready, at most `max` responses. If that is nothing, [`Wake::wake`]
    /// tells when there is more. The value before each event is filled in where the
    /// watch asked for it and it is not compacted.
    pub fn take(&self, max: usize) -> Result<Vec<WatchEvents>> {
        let (mut taken, lags) = self.store.hub.lock().take(self.id, max);
        if taken.is_empty() && lags {
            sync_step(&self.store, Some(self.id))?;
            (taken, _) = self.store.hub.lock().take(self.id, max);
        }
        let mut ready = Vec::with_capacity(taken.len());
        for item in taken {
            let mut response = item.response;
            if item.prev_kv {
                self.add_previous(&mut response.events)?;
            }
            ready.push(response);
        }
        Ok(ready)
    }

    fn add_previous(&self, events: &mut [mvccpb::Event]) -> Result<()> {
        for event in events {
            let Some(kv) = &event.kv else { continue };
            if event.r#type() == mvccpb::event::EventType::Put
                && kv.create_revision == kv.mod_revision
            {
                continue;
            }
            let before = kv.mod_revision - 1;
            self.store.tally.range();
            let state = self.store.state.read();
            if before >= state.compacted {
                event.prev_kv = state.get(&kv.key, before)?;
            }
        }
        Ok(())
    }

    /// Queues a progress notification for one watch, if it has seen everything.
    pub fn progress(&self, watch_id: i64) {
        let state = self.store.state.read();
        let mut hub = self.store.hub.lock();
        hub.progress(self.id, watch_id, state.revision);
    }

    /// Queues a progress answer for all watches (id -1), if each has seen everything;
    /// false if one has not, and then the caller tries again later.
    pub fn progress_all(&self) -> bool {
        let state = self.store.state.read();
        self.store.hub.lock().progress_all(self.id, state.revision)
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.store.hub.lock().close(self.id);
    }
}
