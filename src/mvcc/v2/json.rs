//! JSON as Go's encoder writes it, and the document that raft snapshots carry.

use serde::{Deserialize, Serialize};

use super::{Nanos, Stats, Store, history::History, node::Node};

/// JSON with the three characters escaped that Go escapes for the sake of HTML.
#[must_use]
pub fn as_go(value: &impl Serialize) -> String {
    // Invariant: what is written here are structs of strings, numbers and string-keyed maps.
    let json = serde_json::to_string(value).expect("strings and numbers always serialize");
    crate::membership::escape_as_go(json)
}

fn to_text(time: Nanos) -> String {
    // Invariant: all of i64 in nanoseconds lies between the years 1677 and 2262.
    jiff::Timestamp::from_nanosecond(i128::from(time))
        .expect("a time within jiff's range")
        .to_string()
}

/// Times outside of what 64 bits of nanoseconds hold are drawn to the nearest one inside.
fn from_text(text: &str) -> Result<Option<Nanos>, String> {
    if text == ZERO {
        return Ok(None);
    }
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|error| format!("{text:?} is not a time: {error}"))?;
    let nanos = time.as_nanosecond();
    Ok(Some(
        nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64,
    ))
}

/// Go's zero time.
const ZERO: &str = "0001-01-01T00:00:00Z";

/// A time that is Go's zero time for `None`.
pub(super) mod time {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::{Nanos, ZERO, from_text, to_text};

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<Nanos>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_str(&to_text(*time)),
            None => serializer.serialize_str(ZERO),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Nanos>, D::Error> {
        from_text(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A time that is absent or null for `None`.
pub(super) mod maybe_time {
    use serde::{Deserialize, Deserializer, de::Error};

    use super::{Nanos, from_text};

    pub(in super::super) use super::time::serialize;

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Nanos>, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(text) => from_text(&text).map_err(D::Error::custom),
            None => Ok(None),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document<R, H> {
    root: R,
    watcher_hub: WatcherHub<H>,
    current_index: u64,
    stats: Stats,
    current_version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WatcherHub<H> {
    event_history: H,
}

impl Store {
    /// The whole store as 3.5 writes it into the data of a raft snapshot
    /// (`store.SaveNoCopy`). Watches are not in it.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let hub = self.hub.lock();
        as_go(&Document {
            root: &self.root,
            watcher_hub: WatcherHub {
                event_history: &hub.history,
            },
            current_index: self.index,
            stats: self.stats(&hub),
            current_version: 2,
        })
        .into_bytes()
    }

    /// Becomes what a document holds; watches go on. Changes nothing if the document
    /// can't be read.
    pub fn recover(&mut self, document: &[u8]) -> Result<(), String> {
        let read: Document<Node, History> = serde_json::from_slice(document)
            .map_err(|error| format!("the v2 store can't be read: {error}"))?;
        let history = read.watcher_hub.event_history;
        history.check()?;
        if !read.root.is_dir() {
            return Err("the root of the v2 store is not a directory".to_owned());
        }
        self.root = read.root;
        self.index = read.current_index;
        self.stats = Stats {
            watchers: 0,
            ..read.stats
        };
        self.hub.lock().history = history;
        self.complete();
        Ok(())
    }
}
