//! All watches and what is queued for them. No history is read here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use wire::etcdserverpb as pb;
use wire::mvccpb::{Event, event::EventType};

use super::group::{Group, Keys, Number, Until};
use super::{Wake, WatchEvents};
use crate::{Error, Result};

/// Responses that are queued for a stream before its watches lag (etcd's
/// `chanBufLen`).
const QUEUE: usize = 128;

/// A queued response, and whether it wants the values before.
pub(crate) struct Item {
    pub response: WatchEvents,
    pub prev_kv: bool,
}

struct Stream {
    wake: Arc<dyn Wake>,
    queue: VecDeque<Item>,
    /// Watches by the ids that the client knows.
    watches: BTreeMap<i64, Number>,
    next_id: i64,
    lagging: usize,
}

/// One watch.
pub(crate) struct Watch {
    stream: u64,
    id: i64,
    keys: Keys,
    /// The oldest revision that it has not seen.
    pub next: i64,
    no_put: bool,
    no_delete: bool,
    prev_kv: bool,
    synced: bool,
}

impl Watch {
    pub(crate) fn wants(&self, key: &[u8]) -> bool {
        self.keys.contains(key)
    }

    fn passes(&self, event: &Event) -> bool {
        match event.r#type() {
            EventType::Put => !self.no_put,
            EventType::Delete => !self.no_delete,
        }
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Hub {
    streams: HashMap<u64, Stream>,
    watches: HashMap<Number, Watch>,
    /// Those that have seen everything.
    synced: Group,
    /// Those that lag, by the revision they need next.
    lagging: BTreeSet<(i64, Number)>,
    last: u64,
}

impl Hub {
    pub(crate) fn open(&mut self, wake: Arc<dyn Wake>) -> u64 {
        self.last += 1;
        let stream = Stream {
            wake,
            queue: VecDeque::new(),
            watches: BTreeMap::new(),
            next_id: 0,
            lagging: 0,
        };
        self.streams.insert(self.last, stream);
        self.last
    }

    /// Streams, watches, and watches that lag.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.streams.len(), self.watches.len(), self.lagging.len())
    }

    pub(crate) fn close(&mut self, stream: u64) {
        if let Some(stream) = self.streams.remove(&stream) {
            for number in stream.watches.into_values() {
                self.remove(number);
            }
        }
    }

    pub(crate) fn create(
        &mut self,
        stream: u64,
        request: &pb::WatchCreateRequest,
        revision: i64,
    ) -> Result<i64> {
        let keys = keys(request)?;
        let id = self.pick_id(stream, request.watch_id)?;
        self.last += 1;
        let number = self.last;
        let start = request.start_revision;
        let synced = start > revision || start == 0;
        use pb::watch_create_request::FilterType;
        let filtered = |kind: FilterType| request.filters.contains(&(kind as i32));
        let watch = Watch {
            stream,
            id,
            keys,
            next: if synced {
                start.max(revision + 1)
            } else {
                start
            },
            no_put: filtered(FilterType::Noput),
            no_delete: filtered(FilterType::Nodelete),
            prev_kv: request.prev_kv,
            synced: true,
        };
        self.synced.add(&watch.keys, number);
        self.watches.insert(number, watch);
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.watches.insert(id, number);
        }
        if !synced {
            self.lag(number, start);
        }
        Ok(id)
    }

    fn pick_id(&mut self, stream: u64, wanted: i64) -> Result<i64> {
        let Some(stream) = self.streams.get_mut(&stream) else {
            return Err(Error::WatchRangeEmpty);
        };
        if wanted != 0 {
            return match stream.watches.contains_key(&wanted) {
                true => Err(Error::WatchIdExists),
                false => Ok(wanted),
            };
        }
        while stream.watches.contains_key(&stream.next_id) {
            stream.next_id += 1;
        }
        stream.next_id += 1;
        Ok(stream.next_id - 1)
    }

    pub(crate) fn cancel(&mut self, stream: u64, id: i64) -> bool {
        let Some(stream) = self.streams.get_mut(&stream) else {
            return false;
        };
        let Some(number) = stream.watches.remove(&id) else {
            return false;
        };
        stream.queue.retain(|item| item.response.watch_id != id);
        self.remove(number);
        true
    }

    /// Forgets a watch that its stream has forgotten.
    fn remove(&mut self, number: Number) {
        let Some(watch) = self.watches.remove(&number) else {
            return;
        };
        if watch.synced {
            self.synced.remove(&watch.keys, number);
            return;
        }
        self.lagging.remove(&(watch.next, number));
        if let Some(stream) = self.streams.get_mut(&watch.stream) {
            stream.lagging -= 1;
        }
    }

    /// Takes at most `max` responses; and whether watches of the stream lag.
    pub(crate) fn take(&mut self, stream: u64, max: usize) -> (Vec<Item>, bool) {
        let Some(stream) = self.streams.get_mut(&stream) else {
            return (Vec::new(), false);
        };
        let n = max.min(stream.queue.len());
        if n > 0 && stream.lagging > 0 {
            // There is room now for what lags; whoever waits for a bell must hear one.
            stream.wake.wake();
        }
        (stream.queue.drain(..n).collect(), stream.lagging > 0)
    }

    /// Gives the events of one revision to the watches that want them.
    pub(crate) fn notify(&mut self, revision: i64, events: &[Event]) {
        if self.watches.is_empty() {
            return;
        }
        let mut wanted: BTreeMap<Number, Vec<Event>> = BTreeMap::new();
        for event in events {
            let key = event.kv.as_ref().map_or(&[][..], |kv| &kv.key);
            self.synced.each(key, |number| {
                let watch = &self.watches[&number];
                if watch.next <= revision && watch.passes(event) {
                    wanted.entry(number).or_default().push(event.clone());
                }
            });
        }
        for (number, events) in wanted {
            if self.push(number, events, revision, 0) {
                if let Some(watch) = self.watches.get_mut(&number) {
                    watch.next = revision + 1;
                }
            } else {
                self.lag(number, revision);
            }
        }
    }

    /// Queues a response; false if the queue is full.
    fn push(&mut self, number: Number, events: Vec<Event>, revision: i64, compact: i64) -> bool {
        let Some(watch) = self.watches.get(&number) else {
            return true;
        };
        let response = WatchEvents {
            watch_id: watch.id,
            events,
            revision,
            compact_revision: compact,
        };
        let item = Item {
            response,
            prev_kv: watch.prev_kv,
        };
        match self.streams.get_mut(&watch.stream) {
            Some(stream) => stream.push(item),
            None => true,
        }
    }

    /// A watch needs history from `next` on.
    fn lag(&mut self, number: Number, next: i64) {
        let Some(watch) = self.watches.get_mut(&number) else {
            return;
        };
        watch.next = next;
        if watch.synced {
            watch.synced = false;
            self.synced.remove(&watch.keys, number);
            if let Some(stream) = self.streams.get_mut(&watch.stream) {
                stream.lagging += 1;
                stream.wake.wake();
            }
        }
        self.lagging.insert((next, number));
    }

    /// After the state was swapped, each watch looks again from where it was.
    pub(crate) fn unsync_all(&mut self) {
        let synced: Vec<(Number, i64)> = self
            .watches
            .iter()
            .filter(|(_, watch)| watch.synced)
            .map(|(number, watch)| (*number, watch.next))
            .collect();
        for (number, next) in synced {
            self.lag(number, next);
        }
    }

    /// Watches that lag and can be fed, oldest first: of one stream, or at most
    /// `max` of all.
    pub(crate) fn hungry(&self, stream: Option<u64>, max: usize) -> Vec<Number> {
        self.lagging
            .iter()
            .map(|(_, number)| *number)
            .filter(|number| {
                let watch = &self.watches[number];
                stream.is_none_or(|stream| stream == watch.stream)
                    && self
                        .streams
                        .get(&watch.stream)
                        .is_some_and(Stream::has_room)
            })
            .take(max)
            .collect()
    }

    pub(crate) fn watch(&self, number: Number) -> Option<&Watch> {
        self.watches.get(&number)
    }

    /// Tells a watch that its past is compacted, and forgets it; later, if its queue is
    /// full.
    pub(crate) fn cut_off(&mut self, number: Number, compacted: i64) {
        if !self.push(number, Vec::new(), 0, compacted) {
            return;
        }
        if let Some(watch) = self.watches.get(&number)
            && let Some(stream) = self.streams.get_mut(&watch.stream)
        {
            stream.watches.remove(&watch.id);
        }
        self.remove(number);
    }

    /// Gives a lagging watch its events before `next`; it has seen everything if `next`
    /// is past the store's revision.
    pub(crate) fn feed(&mut self, number: Number, events: &[Event], next: i64, revision: i64) {
        // It was hungry when the history was read; another thread may have fed it since.
        let Some(watch) = self.watches.get(&number).filter(|watch| !watch.synced) else {
            return;
        };
        let from = watch.next;
        let events: Vec<Event> = events
            .iter()
            .filter(|event| {
                let Some(kv) = &event.kv else { return false };
                kv.mod_revision >= from && watch.wants(&kv.key) && watch.passes(event)
            })
            .cloned()
            .collect();
        if !events.is_empty() && !self.push(number, events, revision, 0) {
            return;
        }
        self.lagging.remove(&(from, number));
        let next = next.max(from);
        let Some(watch) = self.watches.get_mut(&number) else {
            return;
        };
        watch.next = next;
        if next <= revision {
            self.lagging.insert((next, number));
            return;
        }
        watch.synced = true;
        self.synced.add(&watch.keys, number);
        if let Some(stream) = self.streams.get_mut(&watch.stream) {
            stream.lagging -= 1;
        }
    }

    pub(crate) fn progress(&mut self, stream: u64, id: i64, revision: i64) {
        let number = self.streams.get(&stream).and_then(|s| s.watches.get(&id));
        if let Some(number) = number.copied()
            && self.watches.get(&number).is_some_and(|watch| watch.synced)
        {
            self.push(number, Vec::new(), revision, 0);
        }
    }

    pub(crate) fn progress_all(&mut self, stream: u64, revision: i64) -> bool {
        let Some(stream) = self.streams.get_mut(&stream) else {
            return false;
        };
        if stream.lagging > 0 {
            return false;
        }
        if stream.watches.is_empty() {
            return true;
        }
        let response = WatchEvents {
            watch_id: -1,
            events: Vec::new(),
            revision,
            compact_revision: 0,
        };
        stream.push(Item {
            response,
            prev_kv: false,
        })
    }
}

impl Stream {
    fn has_room(&self) -> bool {
        self.queue.len() < QUEUE
    }

    fn push(&mut self, item: Item) -> bool {
        if !self.has_room() {
            return false;
        }
        self.queue.push_back(item);
        self.wake.wake();
        true
    }
}

fn keys(request: &pb::WatchCreateRequest) -> Result<Keys> {
    let key: &[u8] = match &request.key[..] {
        [] => &[0],
        key => key,
    };
    let end = match &request.range_end[..] {
        [] => Until::One,
        [0] => Until::Open,
        end if end <= key => return Err(Error::WatchRangeEmpty),
        end => Until::Before(end.into()),
    };
    Ok(Keys {
        key: key.into(),
        end,
    })
}
