//! Entries of the v2 API, and what the v2 store keeps of the members
//! (`etcdserver/apply_v2.go`, `membership/storev2.go`, 3.5.16).
//!
//! The v2 store is not in the database: every entry after the raft snapshot is applied to
//! it again at a restart, those too that the database has seen.

use std::sync::Arc;

use wire::etcdserverpb as pb;

use crate::apply::Change;
use crate::membership::{Attributes, member_to_parts};
use crate::v2::{self, CLUSTER_PREFIX, Expiry, Nanos};
use crate::{ConfChanged, Error, Member, Membership, Response, Result, Store, Wake};

impl Store {
    /// Applies a request of the v2 API. `now` only shows in how long keys have left.
    pub fn apply_v2(
        &self,
        index: u64,
        term: u64,
        request: &pb::Request,
        now: Nanos,
    ) -> Result<Response> {
        if let Some(change) = cluster_change(index, request)? {
            return self
                .apply_cluster(index, term, change)
                .map(|()| Response::None);
        }
        let answer = match request.method.as_str() {
            "SYNC" => {
                self.v2.lock().expire(request.time);
                Response::None
            }
            "PUT" | "POST" | "DELETE" | "QGET" => Response::V2(self.change_v2(request, now)),
            // No release writes others.
            _ => Response::None,
        };
        self.advance(index, term);
        Ok(answer)
    }

    fn change_v2(&self, request: &pb::Request, now: Nanos) -> Result<Arc<v2::Event>, v2::Error> {
        let path = String::from_utf8_lossy(&request.path);
        let value = String::from_utf8_lossy(&request.val);
        let prev_value = String::from_utf8_lossy(&request.prev_value);
        let prev = (&*prev_value, request.prev_index);
        let compares = request.prev_index > 0 || !prev_value.is_empty();
        let new = (request.dir, &*value);
        let expiry = Expiry {
            at: (request.expiration != 0).then_some(request.expiration),
            refresh: request.refresh(),
        };
        let mut store = self.v2.lock();
        match request.method.as_str() {
            "POST" => store.create(&path, new, true, expiry, now),
            "QGET" => store.get(&path, request.recursive, now).map(Arc::new),
            "DELETE" if compares => store.compare_and_delete(&path, prev, now),
            "DELETE" => store.delete(&path, request.dir, request.recursive, now),
            _ => match request.prev_exist {
                Some(false) => store.create(&path, new, false, expiry, now),
                _ if compares => store.compare_and_swap(&path, prev, &value, expiry, now),
                Some(true) => store.update(&path, &value, expiry, now),
                None => store.set(&path, new, expiry, now),
            },
        }
    }

    /// What is at a path of the v2 store, as this member knows it.
    pub fn v2_get(
        &self,
        path: &str,
        recursive: bool,
        now: Nanos,
    ) -> std::result::Result<v2::Event, v2::Error> {
        self.v2.lock().get(path, recursive, now)
    }

    /// Watches a path of the v2 store; see [`v2::Store::watch`].
    pub fn v2_watch(
        &self,
        path: &str,
        recursive: bool,
        stream: bool,
        since: u64,
        wake: Arc<dyn Wake>,
    ) -> std::result::Result<v2::Watcher, v2::Error> {
        self.v2.lock().watch(path, recursive, stream, since, wake)
    }

    /// How requests to the v2 store went.
    pub fn v2_stats(&self) -> v2::Stats {
        self.v2.lock().current_stats()
    }

    /// Whether keys of the v2 store wait for the leader to say how late it is.
    pub fn v2_has_expiring(&self) -> bool {
        self.v2.lock().has_expiring()
    }

    /// Whether clients have put something into the v2 store.
    pub fn v2_has_custom_content(&self) -> bool {
        self.v2.lock().has_custom_content()
    }

    /// The v2 store as the data of a raft snapshot.
    pub fn v2_save(&self) -> Vec<u8> {
        self.v2.lock().save()
    }

    /// Takes the v2 store out of the data of a raft snapshot.
    pub fn v2_recover(&self, document: &[u8]) -> Result<(), String> {
        self.v2.lock().recover(document)
    }

    /// Counts the two reads of the members with which the reference checks a
    /// configuration change; the counts are a part of the stored v2 store.
    pub(crate) fn v2_note_validation(&self) {
        let mut store = self.v2.lock();
        // Without members it does not look for removed ones.
        if store
            .get(&format!("{CLUSTER_PREFIX}/members"), false, 0)
            .is_ok()
        {
            let _ = store.get(&format!("{CLUSTER_PREFIX}/removed_members"), false, 0);
        }
    }

    pub(crate) fn v2_put_version(&self, version: &str) {
        self.v2_put(&format!("{CLUSTER_PREFIX}/version"), version);
    }

    pub(crate) fn v2_put_attributes(&self, member: &Member) {
        let path = format!("{CLUSTER_PREFIX}/members/{:x}/attributes", member.id);
        self.v2_put(&path, &member_to_parts(member).1);
    }

    fn v2_put(&self, path: &str, value: &str) {
        // Nobody but this file writes below the prefix, so nothing can be in the way.
        let _ = self
            .v2
            .lock()
            .set(path, (false, value), Expiry::default(), 0);
    }

    /// Does to the v2 store what a configuration change did to the members.
    pub(crate) fn v2_follow(&self, changed: &ConfChanged, members: &Membership) {
        let path = |id: u64| format!("{CLUSTER_PREFIX}/members/{id:x}");
        let raft_path = |id: u64| path(id) + "/raftAttributes";
        let never = Expiry::default();
        let mut store = self.v2.lock();
        // A snapshot may tell already what the entry says; then these refuse, and the
        // reference too goes on.
        match changed {
            ConfChanged::Added(member) => {
                let value = member_to_parts(member).0;
                let _ = store.create(&raft_path(member.id), (false, &value), false, never, 0);
            }
            ConfChanged::Updated(Member { id, .. }) | ConfChanged::Promoted(id) => {
                if let Some(member) = members.members.get(id) {
                    let _ = store.update(&raft_path(*id), &member_to_parts(member).0, never, 0);
                }
            }
            ConfChanged::Removed(id) => {
                if store.delete(&path(*id), true, true, 0).is_ok() {
                    let gone = format!("{CLUSTER_PREFIX}/removed_members/{id:x}");
                    let _ = store.create(&gone, (false, ""), false, never, 0);
                }
            }
        }
    }
}

/// The change of a member's attributes or of the cluster version that a request is; 3.5
/// still writes these as v2 requests.
fn cluster_change(index: u64, request: &pb::Request) -> Result<Option<Change<'_>>> {
    let plain =
        request.prev_exist.is_none() && request.prev_index == 0 && request.prev_value.is_empty();
    let Ok(path) = std::str::from_utf8(&request.path) else {
        return Ok(None);
    };
    if request.method != "PUT" || !plain {
        return Ok(None);
    }
    let bad = |detail: String| Error::BadEntry { index, detail };
    if path == "/0/version" {
        let version = std::str::from_utf8(&request.val).map_err(|error| bad(error.to_string()))?;
        return Ok(Some(Change::Version(version)));
    }
    let member = path
        .strip_prefix("/0/members/")
        .and_then(|rest| rest.strip_suffix("/attributes"))
        .and_then(|id| u64::from_str_radix(id, 16).ok());
    let Some(id) = member else {
        return Ok(None);
    };
    let attributes = Attributes::from_json(&request.val).map_err(bad)?;
    Ok(Some(Change::Attributes(id, attributes)))
}
