//! The store: what is in it, and reading it (`store.go`).

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;

use super::{
    Action, CLUSTER_PREFIX, Code, Error, Event, KEYS_PREFIX, Nanos, Stats, Watcher, hub::Hub,
    node::Node, path,
};
use crate::Wake;

/// How long what is written shall live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Until then; `None` for ever.
    pub at: Option<Nanos>,
    /// Only this is written, the value stays, and watches do not hear of it.
    pub refresh: bool,
}

/// Keys, directories, history, watches.
pub struct Store {
    pub(super) root: Node,
    /// Count of all changes.
    pub(super) index: u64,
    pub(super) stats: Stats,
    /// Everything that expires, soonest first.
    pub(super) expiring: BTreeSet<(Nanos, String)>,
    pub(super) hub: Arc<Mutex<Hub>>,
}

impl Default for Store {
    fn default() -> Self {
        let mut store = Self {
            root: Node::dir("/", 0, None),
            index: 0,
            stats: Stats::default(),
            expiring: BTreeSet::new(),
            hub: Arc::default(),
        };
        store.complete();
        store
    }
}

impl Store {
    /// Makes the two directories that are always there, and finds what expires.
    pub(super) fn complete(&mut self) {
        for prefix in [CLUSTER_PREFIX, KEYS_PREFIX] {
            let name = path::split(prefix).1.to_owned();
            let children = self.root.children.get_or_insert_default();
            children
                .entry(name)
                .or_insert_with(|| Node::dir(prefix, 0, None));
        }
        let mut expiring = BTreeSet::new();
        self.root.walk(&mut |node| {
            if let Some(at) = node.expires {
                expiring.insert((at, node.path.clone()));
            }
        });
        self.expiring = expiring;
    }

    /// Count of all changes.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Whether anything expires, so that the leader must say how late it is.
    #[must_use]
    pub fn has_expiring(&self) -> bool {
        !self.expiring.is_empty()
    }

    /// Whether there is more in it than the members and the cluster version
    /// (`membership.IsMetaStoreOnly`).
    #[must_use]
    pub fn has_custom_content(&self) -> bool {
        self.root
            .list(true, 0)
            .iter()
            .any(|node| node.key != CLUSTER_PREFIX && !node.nodes.is_empty())
    }

    pub(super) fn stats(&self, hub: &Hub) -> Stats {
        Stats {
            watchers: hub.len() as u64,
            ..self.stats.clone()
        }
    }

    /// How requests went so far.
    #[must_use]
    pub fn current_stats(&self) -> Stats {
        self.stats(&self.hub.lock())
    }

    pub(super) fn error(&self, code: Code, cause: impl Into<String>) -> Error {
        Error::new(code, cause, self.index)
    }

    /// The node at a clean path.
    pub(super) fn find(&self, at: &str) -> Result<&Node, Error> {
        let mut node = &self.root;
        for name in path::parts(at) {
            let Some(children) = &node.children else {
                return Err(self.error(Code::NotDir, &node.path));
            };
            node = children
                .get(name)
                .ok_or_else(|| self.error(Code::KeyNotFound, path::join(&node.path, name)))?;
        }
        Ok(node)
    }

    /// What is at a path; a directory with what lies in it, or all that lies below it.
    /// Always in the order of names.
    pub fn get(&mut self, at: &str, recursive: bool, now: Nanos) -> Result<Event, Error> {
        let at = path::clean(at);
        match self.find(&at) {
            Ok(node) => {
                let mut event = Event::new(Action::Get, &at, node.modified, node.created);
                event.etcd_index = self.index;
                event.node.dir = node.is_dir();
                if node.is_dir() {
                    event.node.nodes = node.list(recursive, now);
                } else {
                    event.node.value = Some(node.value.clone());
                }
                (event.node.expiration, event.node.ttl) = node.expiration(now);
                self.stats.gets_success += 1;
                Ok(event)
            }
            Err(error) => {
                self.stats.gets_fail += 1;
                Err(error)
            }
        }
    }

    /// Waits for a change of a path, or of anything below it if `recursive`; of more
    /// than one change if `stream`. `since` is the first index of interest; 0 for what
    /// comes next.
    pub fn watch(
        &self,
        at: &str,
        recursive: bool,
        stream: bool,
        since: u64,
        wake: Arc<dyn Wake>,
    ) -> Result<Watcher, Error> {
        let since = match since {
            0 => self.index + 1,
            since => since,
        };
        Hub::watch(
            &self.hub,
            path::clean(at),
            (recursive, stream),
            since,
            self.index,
            wake,
        )
    }
}
