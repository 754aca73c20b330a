//! The last thousand events (`event_history.go`, `event_queue.go`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Action, Code, Error, Event};

/// How many events are kept.
pub(super) const CAPACITY: usize = 1000;

/// A ring; it is stored as it lies, positions included.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Queue {
    #[serde(with = "ring")]
    events: Vec<Option<Arc<Event>>>,
    size: usize,
    front: usize,
    back: usize,
    capacity: usize,
}

/// Events by their index, which has no gaps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct History {
    queue: Queue,
    start_index: u64,
    last_index: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            queue: Queue {
                events: vec![None; CAPACITY],
                size: 0,
                front: 0,
                back: 0,
                capacity: CAPACITY,
            },
            start_index: 0,
            last_index: 0,
        }
    }
}

impl History {
    /// Says what is wrong with one that was read from a file.
    pub(super) fn check(&self) -> Result<(), String> {
        let queue = &self.queue;
        let sound = queue.capacity > 0
            && queue.events.len() == queue.capacity
            && queue.size <= queue.capacity
            && queue.front < queue.capacity
            && queue.back < queue.capacity;
        if sound {
            Ok(())
        } else {
            Err(format!(
                "the ring of events does not fit together: {} events, size {}, front {}, back {}, capacity {}",
                queue.events.len(),
                queue.size,
                queue.front,
                queue.back,
                queue.capacity
            ))
        }
    }

    pub(super) fn add(&mut self, event: Arc<Event>) {
        let queue = &mut self.queue;
        self.last_index = event.index();
        queue.events[queue.back] = Some(event);
        queue.back = (queue.back + 1) % queue.capacity;
        if queue.size == queue.capacity {
            queue.front = (queue.front + 1) % queue.capacity;
        } else {
            queue.size += 1;
        }
        if let Some(first) = &queue.events[queue.front] {
            self.start_index = first.index();
        }
    }

    /// The first event about a key from an index on; `None` if there was none yet. The
    /// error lacks the store's index.
    pub(super) fn scan(
        &self,
        key: &str,
        recursive: bool,
        index: u64,
    ) -> Result<Option<&Arc<Event>>, Error> {
        if index < self.start_index {
            return Err(Error::new(
                Code::EventIndexCleared,
                format!(
                    "the requested history has been cleared [{}/{index}]",
                    self.start_index
                ),
                0,
            ));
        }
        if index > self.last_index {
            return Ok(None);
        }
        let below = match key {
            "/" => "/".to_owned(),
            key => format!("{key}/"),
        };
        let queue = &self.queue;
        let skipped = (index - self.start_index) as usize;
        let found = (skipped..queue.size)
            .filter_map(|nth| queue.events[(queue.front + nth) % queue.capacity].as_ref())
            .find(|event| !event.refresh && is_about(event, key, recursive.then_some(&*below)));
        Ok(found)
    }
}

fn is_about(event: &Event, key: &str, below: Option<&str>) -> bool {
    let ended = matches!(event.action, Action::Delete | Action::Expire);
    let gone = event
        .prev_node
        .as_ref()
        .filter(|before| ended && before.dir);
    event.node.key == key
        || below.is_some_and(|below| event.node.key.starts_with(below))
        || gone.is_some_and(|before| key.starts_with(&before.key))
}

/// Shared events, stored as if they were not shared.
mod ring {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Event;

    pub(super) fn serialize<S: Serializer>(
        events: &[Option<Arc<Event>>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(events.iter().map(Option::as_deref))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Option<Arc<Event>>>, D::Error> {
        let events = Vec::<Option<Event>>::deserialize(deserializer)?;
        Ok(events
            .into_iter()
            .map(|event| event.map(Arc::new))
            .collect())
    }
}
