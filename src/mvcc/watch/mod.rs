//! Watches: who wants which events, and what is ready for them.

use std::sync::Arc;

use wire::{etcdserverpb as pb, mvccpb};

use crate::{Result, Store};

/// Told when a stream has something to take. Called with locks held: it must
/// only wake someone.
pub trait Wake: Send + Sync {
    /// [`WatchStream::take`] has something now.
    fn wake(&self);
}

/// Something for one watch of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvents {
    /// The watch; -1 for all watches of the stream (a progress answer).
    pub watch_id: i64,
    /// The events in order; empty for a progress notification or a compaction.
    pub events: Vec<mvccpb::Event>,
    /// For the header: the store's revision when these were made, 0 with
    /// `compact_revision`.
    pub revision: i64,
    /// Not 0: the watch asked for revisions that are compacted; it is gone, and
    /// the client must be told `canceled` with this number.
    pub compact_revision: i64,
}

/// The watches of one client stream. Dropping it cancels them.
pub struct WatchStream {
    store: Arc<Store>,
}

impl WatchStream {
    /// Starts a watch; its id and, for the header, the revision before it. Key and range end are as
    /// the client sent them (an empty key means `\0`, range end `\0` means no end).
    /// `fragment` and `progress_notify` are the server's business.
    pub fn create(&self, request: &pb::WatchCreateRequest) -> Result<(i64, i64)> {
        let _ = (&self.store, request);
        Err(crate::Error::Unsupported("watch is being built".into()))
    }
    /// Stops a watch; false if there is none of that id.
    pub fn cancel(&self, watch_id: i64) -> bool {
        watch_id < 0
    }
    /// Takes at most `max` responses that are ready; `prev_kv` is filled in where it was asked for.
    pub fn take(&self, max: usize) -> Vec<WatchEvents> {
        Vec::with_capacity(max)
    }
    /// Queues a progress notification for one watch if it has seen everything.
    pub fn progress(&self, watch_id: i64) {
        let _ = watch_id;
    }
    /// Queues a progress answer for all watches (id -1) if each has seen everything; false if one has not.
    pub fn progress_all(&self) -> bool {
        false
    }
}
