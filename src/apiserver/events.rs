//! Events exist in two API groups with one storage: the older form is stored, the
//! newer one is made from it (`pkg/apis/events/v1/conversion.go`, 1.32).

use serde_json::{Value, json};

/// Older name, newer name.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

fn rename(object: &Value, names: impl Iterator<Item = (&'static str, &'static str)>) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        for (from, to) in names {
            if let Some(value) = map.remove(from) {
                map.insert(to.to_string(), value);
            }
        }
    }
    object
}

/// A stored Event as `events.k8s.io/v1`.
pub fn to_events_v1(object: &Value) -> Value {
    let mut object = rename(object, NAMES.into_iter());
    object["apiVersion"] = json!("events.k8s.io/v1");
    object
}

/// An `events.k8s.io/v1` Event as it is stored.
pub fn to_core(object: &Value) -> Value {
    let mut object = rename(object, NAMES.into_iter().map(|(old, new)| (new, old)));
    object["apiVersion"] = json!("v1");
    object
}
