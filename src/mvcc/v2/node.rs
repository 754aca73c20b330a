//! The tree (`node.go`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Nanos, NodeView, json, path};

/// A key with its value, or a directory; stored as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Node {
    pub(super) path: String,
    #[serde(rename = "CreatedIndex")]
    pub(super) created: u64,
    #[serde(rename = "ModifiedIndex")]
    pub(super) modified: u64,
    /// `None` for never.
    #[serde(rename = "ExpireTime", with = "json::time")]
    pub(super) expires: Option<Nanos>,
    /// Empty for a directory.
    pub(super) value: String,
    /// `None` for a key.
    pub(super) children: Option<BTreeMap<String, Node>>,
}

impl Node {
    pub(super) fn dir(path: &str, index: u64, expires: Option<Nanos>) -> Self {
        Self {
            path: path.to_owned(),
            created: index,
            modified: index,
            expires,
            value: String::new(),
            children: Some(BTreeMap::new()),
        }
    }

    pub(super) fn file(path: &str, value: String, index: u64, expires: Option<Nanos>) -> Self {
        Self {
            value,
            children: None,
            ..Self::dir(path, index, expires)
        }
    }

    pub(super) fn is_dir(&self) -> bool {
        self.children.is_some()
    }

    fn is_hidden(&self) -> bool {
        path::split(&self.path).1.starts_with('_')
    }

    /// When it expires, and how many seconds are left, rounded up.
    pub(super) fn expiration(&self, now: Nanos) -> (Option<Nanos>, i64) {
        const SECOND: i64 = 1_000_000_000;
        let Some(expires) = self.expires else {
            return (None, 0);
        };
        let left = expires.saturating_sub(now);
        let up = i64::from(left % SECOND > 0);
        (Some(expires), left / SECOND + up)
    }

    /// As others see it; with all that lies below it if `recursive`.
    pub(super) fn view(&self, recursive: bool, now: Nanos) -> NodeView {
        let (expiration, ttl) = self.expiration(now);
        NodeView {
            key: self.path.clone(),
            value: (!self.is_dir()).then(|| self.value.clone()),
            dir: self.is_dir(),
            expiration,
            ttl,
            nodes: match recursive {
                true => self.list(true, now),
                false => Vec::new(),
            },
            modified_index: self.modified,
            created_index: self.created,
        }
    }

    /// What lies in a directory, hidden ones left out, by name.
    pub(super) fn list(&self, recursive: bool, now: Nanos) -> Vec<NodeView> {
        self.children
            .iter()
            .flat_map(BTreeMap::values)
            .filter(|child| !child.is_hidden())
            .map(|child| child.view(recursive, now))
            .collect()
    }

    /// The node and all below it, those below first.
    pub(super) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        for child in self.children.iter().flat_map(BTreeMap::values) {
            child.walk(visit);
        }
        visit(self);
    }
}
