//! Writing to the store (`store.go`).

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Action, CLUSTER_PREFIX, Code, Error, Event, Expiry, KEYS_PREFIX, Nanos, Store, node::Node, path,
};

/// Times before the year 2000 mean "never" where a key is made: JavaScript's idea of null.
const EARLIEST: Nanos = 946_684_800_000_000_000;

type Written = Result<Arc<Event>, Error>;

/// Counts a result. The reference counts some refusals as successes; those say so.
macro_rules! count {
    ($store:ident, $success:ident, $fail:ident, $done:expr) => {{
        let (done, counts_as_success) = $done;
        match counts_as_success {
            true => $store.stats.$success += 1,
            false => $store.stats.$fail += 1,
        }
        done
    }};
}

/// A result and whether it is counted as a success.
fn honest<T, E>(done: Result<T, E>) -> (Result<T, E>, bool) {
    let success = done.is_ok();
    (done, success)
}

/// A refusal that the reference counts as a success.
fn lucky<T>(error: Error) -> (Result<T, Error>, bool) {
    (Err(error), true)
}

fn is_read_only(at: &str) -> bool {
    at == "/" || at == CLUSTER_PREFIX || at == KEYS_PREFIX
}

/// Why a comparison failed; `None` if it did not. An empty value and the index 0 are not
/// compared.
fn mismatch(node: &Node, value: &str, index: u64) -> Option<String> {
    let index_differs = index != 0 && node.modified != index;
    let value_differs = !value.is_empty() && node.value != value;
    let indexes = format!("[{index} != {}]", node.modified);
    let values = format!("[{value} != {}]", node.value);
    match (value_differs, index_differs) {
        (false, false) => None,
        (false, true) => Some(indexes),
        (true, false) => Some(values),
        (true, true) => Some(format!("{values} {indexes}")),
    }
}

impl Store {
    /// Makes a key or directory where nothing is. With `unique` it gets a name of its
    /// own below the path, in the order of such requests.
    pub fn create(
        &mut self,
        at: &str,
        (dir, value): (bool, &str),
        unique: bool,
        expiry: Expiry,
        now: Nanos,
    ) -> Written {
        let made = self.make(
            at,
            (dir, value),
            (unique, false),
            expiry.at,
            Action::Create,
            now,
        );
        let event = count!(self, create_success, create_fail, honest(made))?;
        Ok(self.announce(event, false))
    }

    /// Makes a key or directory, or replaces a key.
    pub fn set(
        &mut self,
        at: &str,
        (dir, value): (bool, &str),
        expiry: Expiry,
        now: Nanos,
    ) -> Written {
        let done = self.set_inner(at, (dir, value), expiry, now);
        count!(self, sets_success, sets_fail, honest(done))
    }

    fn set_inner(
        &mut self,
        at: &str,
        (dir, value): (bool, &str),
        expiry: Expiry,
        now: Nanos,
    ) -> Written {
        let before = match self.find(&path::clean(at)) {
            Ok(node) => Some((node.view(false, now), node.value.clone())),
            Err(error) if error.code != Code::KeyNotFound || expiry.refresh => return Err(error),
            Err(_) => None,
        };
        let value = match &before {
            Some((_, old)) if expiry.refresh => old,
            _ => value,
        };
        let mut event = self.make(at, (dir, value), (false, true), expiry.at, Action::Set, now)?;
        if let Some((view, _)) = before {
            event.prev_node = Some(view);
        }
        Ok(self.announce(event, expiry.refresh))
    }

    /// Changes the value of a key, or when a key or directory expires.
    pub fn update(&mut self, at: &str, value: &str, expiry: Expiry, now: Nanos) -> Written {
        let done = self.update_inner(at, value, expiry, now);
        count!(self, update_success, update_fail, done)
    }

    fn update_inner(
        &mut self,
        at: &str,
        value: &str,
        expiry: Expiry,
        now: Nanos,
    ) -> (Written, bool) {
        let at = path::clean(at);
        if is_read_only(&at) {
            return lucky(self.error(Code::RootReadOnly, "/"));
        }
        let node = match self.find(&at) {
            Ok(node) => node,
            Err(error) => return honest(Err(error)),
        };
        // A refresh brings the old value, which is empty for a directory.
        if node.is_dir() && !value.is_empty() {
            return lucky(self.error(Code::NotFile, at));
        }
        let value = match expiry.refresh {
            true => node.value.clone(),
            false => value.to_owned(),
        };
        if node.is_dir() {
            // `node.Write` refuses directories, and `Update` wraps the refusal, so that
            // it reaches the client as an internal error.
            return lucky(Error::new(
                Code::RaftInternal,
                format!("nodePath {at} : {} ()", Code::NotFile.message()),
                0,
            ));
        }
        (
            Ok(self.rewrite(&at, value, expiry, Action::Update, now)),
            true,
        )
    }

    /// Changes the value of a key that has not changed since it was looked at.
    pub fn compare_and_swap(
        &mut self,
        at: &str,
        (prev_value, prev_index): (&str, u64),
        value: &str,
        expiry: Expiry,
        now: Nanos,
    ) -> Written {
        let at = path::clean(at);
        let done = if is_read_only(&at) {
            lucky(self.error(Code::RootReadOnly, "/"))
        } else {
            let old = self.compared(&at, prev_value, prev_index);
            honest(old.map(|old| {
                let value = match expiry.refresh {
                    true => old,
                    false => value.to_owned(),
                };
                self.rewrite(&at, value, expiry, Action::CompareAndSwap, now)
            }))
        };
        count!(self, compare_and_swap_success, compare_and_swap_fail, done)
    }

    /// The value of a key, if the comparison holds.
    fn compared(&self, at: &str, value: &str, index: u64) -> Result<String, Error> {
        let node = self.find(at)?;
        if node.is_dir() {
            return Err(self.error(Code::NotFile, at));
        }
        match mismatch(node, value, index) {
            Some(cause) => Err(self.error(Code::TestFailed, cause)),
            None => Ok(node.value.clone()),
        }
    }

    /// Removes a key, a directory that is empty if `dir`, or any if `recursive`.
    pub fn delete(&mut self, at: &str, dir: bool, recursive: bool, now: Nanos) -> Written {
        let at = path::clean(at);
        let done = if is_read_only(&at) {
            lucky(self.error(Code::RootReadOnly, "/"))
        } else {
            honest(self.delete_inner(&at, dir || recursive, recursive, now))
        };
        count!(self, delete_success, delete_fail, done)
    }

    fn delete_inner(&mut self, at: &str, dir: bool, recursive: bool, now: Nanos) -> Written {
        let node = self.find(at)?;
        if let Some(children) = &node.children {
            if !dir {
                return Err(self.error(Code::NotFile, at));
            }
            if !children.is_empty() && !recursive {
                return Err(self.error(Code::DirNotEmpty, at));
            }
        }
        Ok(self.take_out(at, Action::Delete, now))
    }

    /// Removes a key that has not changed since it was looked at.
    pub fn compare_and_delete(
        &mut self,
        at: &str,
        (prev_value, prev_index): (&str, u64),
        now: Nanos,
    ) -> Written {
        let at = path::clean(at);
        let done = match self.compared(&at, prev_value, prev_index) {
            Ok(_) => honest(Ok(self.take_out(&at, Action::CompareAndDelete, now))),
            Err(error) if matches!(error.code, Code::NotFile | Code::TestFailed) => lucky(error),
            Err(error) => honest(Err(error)),
        };
        count!(
            self,
            compare_and_delete_success,
            compare_and_delete_fail,
            done
        )
    }

    /// Removes all whose time has come.
    pub fn expire(&mut self, now: Nanos) {
        while let Some((at, key)) = self.expiring.first().cloned() {
            if at > now {
                return;
            }
            self.expiring.remove(&(at, key.clone()));
            if self.find(&key).is_ok() {
                self.take_out(&key, Action::Expire, now);
                self.stats.expire_count += 1;
            }
        }
    }

    /// Makes a node with the directories on the way to it. The event is not announced.
    fn make(
        &mut self,
        at: &str,
        (dir, value): (bool, &str),
        (unique, replace): (bool, bool),
        expires: Option<Nanos>,
        action: Action,
        now: Nanos,
    ) -> Result<Event, Error> {
        let next = self.index + 1;
        let at = match unique {
            true => path::join(at, &format!("{next:020}")),
            false => path::clean(at),
        };
        if is_read_only(&at) {
            return Err(self.error(Code::RootReadOnly, "/"));
        }
        let expires = expires.filter(|time| *time >= EARLIEST);
        let (above, name) = path::split(&at);
        let index = self.index;
        let children = match directory(&mut self.root, above, next) {
            Ok(children) => children,
            Err(blocking) => {
                let error = Error::new(Code::NotDir, blocking, index);
                self.stats.sets_fail += 1;
                return Err(error);
            }
        };
        let mut event = Event::new(action, &at, next, next);
        if let Some(old) = children.get(name) {
            if !replace {
                return Err(Error::new(Code::NodeExist, at, index));
            }
            if old.is_dir() {
                return Err(Error::new(Code::NotFile, at, index));
            }
            event.prev_node = Some(old.view(false, now));
            if let Some(time) = old.expires {
                self.expiring.remove(&(time, at.clone()));
            }
        }
        let node = match dir {
            true => Node::dir(&at, next, expires),
            false => Node::file(&at, value.to_owned(), next, expires),
        };
        event.node.dir = dir;
        event.node.value = (!dir).then(|| value.to_owned());
        (event.node.expiration, event.node.ttl) = node.expiration(now);
        children.insert(name.to_owned(), node);
        if let Some(time) = expires {
            self.expiring.insert((time, at));
        }
        self.index = next;
        event.etcd_index = next;
        Ok(event)
    }

    /// Writes a key that is there, as everyone has checked.
    fn rewrite(
        &mut self,
        at: &str,
        value: String,
        expiry: Expiry,
        action: Action,
        now: Nanos,
    ) -> Arc<Event> {
        self.index += 1;
        let index = self.index;
        // Invariant: the callers have found it.
        let node = find_mut(&mut self.root, at).expect("a key that was found");
        let mut event = Event::new(action, at, index, node.created);
        event.etcd_index = index;
        event.prev_node = Some(node.view(false, now));
        if let Some(time) = node.expires {
            self.expiring.remove(&(time, at.to_owned()));
        }
        node.value.clone_from(&value);
        node.modified = index;
        node.expires = expiry.at;
        (event.node.expiration, event.node.ttl) = node.expiration(now);
        event.node.value = Some(value);
        if let Some(time) = expiry.at {
            self.expiring.insert((time, at.to_owned()));
        }
        self.announce(event, expiry.refresh)
    }

    /// Takes a node that is there out of the tree, with all below it, and tells whoever
    /// watches any of it.
    fn take_out(&mut self, at: &str, action: Action, now: Nanos) -> Arc<Event> {
        self.index += 1;
        let (above, name) = path::split(at);
        // Invariant: the callers have found it, and it is not the root.
        let node = find_mut(&mut self.root, above)
            .and_then(|node| node.children.as_mut())
            .and_then(|children| children.remove(name))
            .expect("a node that was found");
        let mut event = Event::new(action, at, self.index, node.created);
        event.etcd_index = self.index;
        event.node.dir = node.is_dir();
        event.prev_node = Some(node.view(false, now));
        let event = Arc::new(event);
        let mut hub = self.hub.lock();
        node.walk(&mut |gone| {
            hub.tell(&event, &gone.path, true);
            if let Some(time) = gone.expires {
                self.expiring.remove(&(time, gone.path.clone()));
            }
        });
        hub.notify(&event);
        drop(hub);
        event
    }

    fn announce(&mut self, mut event: Event, refresh: bool) -> Arc<Event> {
        event.refresh = refresh;
        let event = Arc::new(event);
        let mut hub = self.hub.lock();
        if refresh {
            hub.history.add(event.clone());
        } else {
            hub.notify(&event);
        }
        drop(hub);
        event
    }
}

/// What lies in a directory, made with all above it if need be; the path of the key that
/// is in the way otherwise.
fn directory<'a>(
    root: &'a mut Node,
    at: &str,
    index: u64,
) -> Result<&'a mut BTreeMap<String, Node>, String> {
    let mut node = root;
    for name in path::parts(at) {
        let here = path::join(&node.path, name);
        let Some(children) = &mut node.children else {
            return Err(node.path.clone());
        };
        node = children
            .entry(name.to_owned())
            .or_insert_with(|| Node::dir(&here, index, None));
    }
    match &mut node.children {
        Some(children) => Ok(children),
        None => Err(node.path.clone()),
    }
}

fn find_mut<'a>(root: &'a mut Node, at: &str) -> Option<&'a mut Node> {
    let mut node = root;
    for name in path::parts(at) {
        node = node.children.as_mut()?.get_mut(name)?;
    }
    Some(node)
}
