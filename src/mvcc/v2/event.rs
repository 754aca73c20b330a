//! What happened to a key, and how a key is shown (`event.go`, `node_extern.go`).

use serde::{Deserialize, Serialize};

use super::{Nanos, json};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Get,
    Create,
    Set,
    Update,
    Delete,
    CompareAndSwap,
    CompareAndDelete,
    Expire,
}

/// A key or directory as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeView {
    /// Its path; empty for the root that a client sees.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// `None` for a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dir: bool,
    /// When it goes by itself; `None` for never.
    #[serde(with = "json::maybe_time", skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Nanos>,
    /// Seconds until then, rounded up, when this was made; 0 for never.
    #[serde(skip_serializing_if = "is_zero")]
    pub ttl: i64,
    /// What lies in a directory, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeView>,
    /// Count of changes at the last one.
    #[serde(skip_serializing_if = "is_none")]
    pub modified_index: u64,
    /// Count of changes when it was made.
    #[serde(skip_serializing_if = "is_none")]
    pub created_index: u64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_none(index: &u64) -> bool {
    *index == 0
}

impl NodeView {
    /// Takes a prefix from all keys in it.
    pub fn trim_prefix(&mut self, prefix: &str) {
        if let Some(rest) = self.key.strip_prefix(prefix) {
            self.key = rest.to_owned();
        }
        for node in &mut self.nodes {
            node.trim_prefix(prefix);
        }
    }
}

/// A change, or the answer to a read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What was done.
    pub action: Action,
    /// What is there now.
    pub node: NodeView,
    /// What was there before, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_node: Option<NodeView>,
    /// The store's count of changes.
    #[serde(skip)]
    pub etcd_index: u64,
    /// Only the time to live changed: watches do not hear of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refresh: bool,
}

impl Event {
    pub(super) fn new(action: Action, key: &str, modified: u64, created: u64) -> Self {
        Self {
            action,
            node: NodeView {
                key: key.to_owned(),
                modified_index: modified,
                created_index: created,
                ..NodeView::default()
            },
            prev_node: None,
            etcd_index: 0,
            refresh: false,
        }
    }

    /// Whether a key was made where none was.
    #[must_use]
    pub fn is_created(&self) -> bool {
        self.action == Action::Create || (self.action == Action::Set && self.prev_node.is_none())
    }

    /// The count of changes at this one.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.node.modified_index
    }
}
