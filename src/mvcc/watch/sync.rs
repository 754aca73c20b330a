//! Feeding watches that lag from the history.

use wire::mvccpb::{Event, event::EventType};

use crate::state::State;
use crate::view::decode;
use crate::{Result, Store};

/// Watches that are fed together (etcd's `maxWatchersPerSync`).
const WATCHES: usize = 512;
/// Revisions that are read at once (etcd's `watchBatchMaxRevs`).
const REVISIONS: i64 = 1000;
/// Bytes of keys and values that are read at once, but for the last revision.
const BYTES: usize = 1 << 20;

/// Feeds watches of one stream, or of all; true if more could be done at once.
///
/// The state's lock is held throughout, so that nothing happens between reading the
/// history and declaring a watch synced; that is a bounded time.
pub(crate) fn sync_step(store: &Store, stream: Option<u64>) -> Result<bool> {
    let state = store.state.read();
    let hungry = {
        let mut hub = store.hub.lock();
        for number in hub.hungry(stream, WATCHES) {
            if hub.watch(number).is_some_and(|w| w.next < state.compacted) {
                hub.cut_off(number, state.compacted);
            }
        }
        let mut hungry = hub.hungry(stream, WATCHES);
        hungry.retain(|number| {
            hub.watch(*number)
                .is_some_and(|w| w.next >= state.compacted)
        });
        hungry
    };
    let from = {
        let hub = store.hub.lock();
        let nexts = hungry.iter().filter_map(|n| hub.watch(*n)).map(|w| w.next);
        match nexts.min() {
            None => return Ok(false),
            Some(from) => from,
        }
    };
    let (events, next) = history(&state, from)?;
    let mut hub = store.hub.lock();
    for number in hungry {
        if hub.watch(number).is_some_and(|watch| watch.next < next) || next > state.revision {
            hub.feed(number, &events, next, state.revision);
        }
    }
    Ok(!hub.hungry(stream, 1).is_empty())
}

/// Events from a revision on, whole revisions only; and the revision to go on with.
fn history(state: &State, from: i64) -> Result<(Vec<Event>, i64)> {
    let mut events: Vec<Event> = Vec::new();
    let mut bytes = 0;
    let mut next = state.revision + 1;
    state.view.each_from(from, |rev, tombstone, value| {
        let newest = events.last().and_then(|e| e.kv.as_ref());
        let starts = newest.is_none_or(|kv| kv.mod_revision != rev.main);
        if starts && (rev.main >= from + REVISIONS || bytes >= BYTES) && !events.is_empty() {
            next = rev.main;
            return Ok(false);
        }
        bytes += value.len();
        let mut kv = decode(value.clone())?;
        kv.mod_revision = rev.main;
        let kind = match tombstone {
            true => EventType::Delete,
            false => EventType::Put,
        };
        events.push(Event {
            r#type: kind.into(),
            kv: Some(kv),
            prev_kv: None,
        });
        Ok(true)
    })?;
    Ok((events, next))
}
