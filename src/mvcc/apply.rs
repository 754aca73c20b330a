//! Applying the log (`etcdserver/apply.go`, `apply_v2.go`, `server.go`).

use std::sync::Arc;

use prost::Message;
use wire::etcdserverpb as pb;
use wire::mvccpb::Event;
use wire::raftpb::{ConfChange, ConfState};

use crate::alarm::Mode;
use crate::auth::{AuthInfo, Entry, TokenChange, is_auth_request};
use crate::index::Span;
use crate::membership::{Attributes, member_to_json};
use crate::state::{State, header};
use crate::writer::Writer;
use crate::{
    Applied, ConfChanged, Downgrade, Error, Membership, Millis, Operations, Response, Result,
    Store, bucket, request_cost, txn,
};

const DEFAULT_BATCH: usize = 10_000;

impl Store {
    /// Applies an entry. One at or below the consistent index changes only what is
    /// rebuilt from the log (members, cluster version, downgrade) and answers
    /// [`Response::None`].
    pub fn apply(
        &self,
        index: u64,
        term: u64,
        request: &pb::InternalRaftRequest,
        now: Millis,
    ) -> Applied {
        if let Some(v2) = &request.v2 {
            return self.applied(self.apply_v2(index, term, v2, v2.time));
        }
        if let Some(change) = cluster_request(request) {
            let done = self.apply_cluster(index, term, change);
            return self.applied(done.map(|()| Response::None));
        }
        if index <= self.consistent_index() {
            return self.applied(Ok(Response::None));
        }
        let fits = self.within_quota(request_cost(request));
        let mut tokens = None;
        let mut response = {
            let mut state = self.state.write();
            let response = if is_auth_request(request) {
                apply_auth(&mut state, request).map(|(response, change)| {
                    tokens = change;
                    response
                })
            } else {
                self.dispatch(&mut state, request, now)
            };
            state.position = (index, term);
            response
        };
        let compacted = matches!(response, Ok(Response::Compaction(_)));
        if compacted {
            // The compaction must be known to a member that starts again.
            if let Err(error) = self.commit() {
                response = Err(error);
            }
        }
        if response.is_ok() && !fits {
            // It is applied all the same: members may differ in size, not in content.
            response = Err(Error::NoSpace);
        }
        let mut applied = self.applied(response);
        applied.compaction_scheduled = compacted;
        applied.tokens = tokens;
        applied.raise_nospace = matches!(applied.response, Err(Error::NoSpace))
            && self.alarms.lock().of(pb::AlarmType::Nospace).is_empty();
        applied
    }

    fn applied(&self, response: Result<Response>) -> Applied {
        let limit = match self.config.batch_limit {
            0 => DEFAULT_BATCH,
            limit => limit,
        };
        Applied {
            response,
            raise_nospace: false,
            batch_full: self.state.read().view.gathering.len() >= limit,
            compaction_scheduled: false,
            tokens: None,
        }
    }

    fn dispatch(
        &self,
        state: &mut State,
        request: &pb::InternalRaftRequest,
        now: Millis,
    ) -> Result<Response> {
        self.check_alarms(request)?;
        self.check_permission(state, request)?;
        if let Some(range) = &request.range {
            return txn::range(state, range, state.revision).map(Response::Range);
        }
        if let Some(put) = &request.put {
            return self.write(state, |w| txn::put(w, put, true).map(Response::Put));
        }
        if let Some(delete) = &request.delete_range {
            return self.write(state, |w| txn::delete(w, delete).map(Response::DeleteRange));
        }
        if let Some(request) = &request.txn {
            return self.write(state, |w| {
                let mut looked = Operations::default();
                let exists = |id| w.lessor.exists(id);
                let path = txn::prepare(w.state, &exists, request, &mut looked);
                self.tally.end(looked);
                txn::run(w, request, &path?).map(Response::Txn)
            });
        }
        if let Some(request) = &request.compaction {
            return self.compact(state, request.revision);
        }
        self.dispatch_lease(state, request, now)
    }

    fn dispatch_lease(
        &self,
        state: &mut State,
        request: &pb::InternalRaftRequest,
        now: Millis,
    ) -> Result<Response> {
        if let Some(grant) = &request.lease_grant {
            let record = self.lessor.lock().grant(grant.id, grant.ttl, now)?;
            store_lease(state, &record);
            return Ok(Response::LeaseGrant(pb::LeaseGrantResponse {
                header: header(state.revision),
                id: record.id,
                ttl: record.ttl,
                error: String::new(),
            }));
        }
        if let Some(revoke) = &request.lease_revoke {
            return self.revoke(state, revoke.id);
        }
        if let Some(request) = &request.lease_checkpoint {
            let mut lessor = self.lessor.lock();
            for point in &request.checkpoints {
                if let Some(record) = lessor.checkpoint(point.id, point.remaining_ttl, now) {
                    store_lease(state, &record);
                }
            }
            return Ok(Response::LeaseCheckpoint(pb::LeaseCheckpointResponse {
                header: header(state.revision),
            }));
        }
        if let Some(request) = &request.alarm {
            let (response, change) = self.alarms.lock().apply(request);
            match change {
                Some((key, true)) => state.view.gathering.put(bucket::ALARM, &key, &[]),
                Some((key, false)) => state.view.gathering.delete(bucket::ALARM, &key),
                None => {}
            }
            return Ok(Response::Alarm(response));
        }
        Err(Error::Unsupported(
            "a request of a kind that etcd 3.5 does not know".into(),
        ))
    }

    /// What the one who asks may not do. Unlike 3.5.16, where a raised alarm takes the
    /// place of this check until the member starts again, both hold at all times.
    fn check_permission(&self, state: &State, request: &pb::InternalRaftRequest) -> Result<()> {
        let auth = &state.auth;
        if !auth.enabled {
            return Ok(());
        }
        let who = who(request);
        if let Some(range) = &request.range {
            return auth.permit_range(&who, &range.key, &range.range_end);
        }
        if let Some(put) = &request.put {
            return auth.permit_put(&who, put, &self.lessor.lock());
        }
        if let Some(delete) = &request.delete_range {
            return auth.permit_delete(&who, delete);
        }
        if let Some(txn) = &request.txn {
            return auth.permit_txn(&who, txn);
        }
        match &request.lease_revoke {
            Some(revoke) => auth.permit_lease(&who, revoke.id, &self.lessor.lock()),
            None => Ok(()),
        }
    }

    /// What the alarms forbid.
    fn check_alarms(&self, request: &pb::InternalRaftRequest) -> Result<()> {
        let mode = self.alarms.lock().mode;
        let grows = request.put.is_some()
            || request.lease_grant.is_some()
            || request
                .txn
                .as_ref()
                .is_some_and(|_| request_cost(request) > 0);
        let touches = grows
            || request.range.is_some()
            || request.delete_range.is_some()
            || request.txn.is_some()
            || request.compaction.is_some()
            || request.lease_revoke.is_some();
        match mode {
            Mode::Capped if grows => Err(Error::NoSpace),
            Mode::Corrupt if touches => Err(Error::Corrupt),
            _ => Ok(()),
        }
    }

    /// Runs a write transaction, makes it visible and tells the watches.
    fn write<T>(
        &self,
        state: &mut State,
        f: impl FnOnce(&mut Writer<'_>) -> Result<T>,
    ) -> Result<T> {
        let (done, revision, events) = {
            let mut lessor = self.lessor.lock();
            let mut writer = Writer::new(state, &mut lessor);
            let done = f(&mut writer);
            self.tally.end(writer.done);
            let (revision, events) = writer.finish();
            (done, revision, events)
        };
        self.tell(revision, &events);
        done
    }

    fn tell(&self, revision: i64, events: &[Event]) {
        if !events.is_empty() {
            self.hub.lock().notify(revision, events);
        }
    }

    /// Removes a lease and its keys, in one transaction.
    fn revoke(&self, state: &mut State, id: i64) -> Result<Response> {
        let revision = {
            let mut lessor = self.lessor.lock();
            let keys = lessor.keys(id)?;
            let mut writer = Writer::new(state, &mut lessor);
            for key in &keys {
                writer.delete(Span::new(key, &[]));
            }
            self.tally.end(writer.done);
            let (revision, events) = writer.finish();
            lessor.remove(id);
            drop(lessor);
            self.tell(revision, &events);
            revision
        };
        state
            .view
            .gathering
            .delete(bucket::LEASE, &id.to_be_bytes());
        Ok(Response::LeaseRevoke(pb::LeaseRevokeResponse {
            header: header(revision),
        }))
    }

    fn compact(&self, state: &mut State, revision: i64) -> Result<Response> {
        if revision <= state.compacted {
            return Err(Error::Compacted);
        }
        if revision > state.revision {
            return Err(Error::FutureRevision);
        }
        let before = state.compacted;
        state.compacted = revision;
        let key = crate::revision::Rev::new(revision, 0).put_key();
        state
            .view
            .gathering
            .put(bucket::META, bucket::SCHEDULED_COMPACT, &key);
        self.compactions.lock().schedule(revision, before);
        // For its answer, 3.5.16 looks at a key to learn the revision.
        self.tally.range();
        Ok(Response::Compaction(pb::CompactionResponse {
            header: header(state.revision),
        }))
    }

    /// Notes an entry that changes nothing: an empty one, or a configuration change that was
    /// refused.
    pub fn advance(&self, index: u64, term: u64) {
        let mut state = self.state.write();
        if index > state.position.0 {
            state.position = (index, term);
        }
    }

    pub(crate) fn apply_cluster(&self, index: u64, term: u64, change: Change<'_>) -> Result<()> {
        let mut state = self.state.write();
        let fresh = index > state.position.0;
        let mut cluster = self.cluster.lock();
        let membership = Arc::make_mut(&mut cluster.membership);
        let batch = &mut state.view.gathering;
        match change {
            Change::Version(version) => {
                membership.version = Some(version.to_owned());
                self.v2_put_version(version);
                if fresh {
                    batch.put(bucket::CLUSTER, bucket::CLUSTER_VERSION, version.as_bytes());
                }
            }
            Change::Downgrade(downgrade) => {
                if fresh {
                    let json = downgrade.to_json();
                    batch.put(bucket::CLUSTER, bucket::DOWNGRADE, json.as_bytes());
                }
                membership.downgrade = downgrade;
            }
            Change::Attributes(id, attributes) => {
                if let Some(member) = membership.members.get_mut(&id) {
                    member.name = attributes.name;
                    member.client_urls = attributes.client_urls;
                    self.v2_put_attributes(member);
                    let json = member_to_json(member);
                    if fresh && cluster.stored.insert(id) {
                        // 3.5.16 writes a member only once, see `Membership`.
                        batch.put(bucket::MEMBERS, &member_key(id), json.as_bytes());
                    }
                } else if !membership.removed.contains(&id) {
                    return Err(Error::BadEntry {
                        index,
                        detail: format!("it is about member {id:x}, which is not in the cluster"),
                    });
                }
            }
        }
        if fresh {
            state.position = (index, term);
        }
        Ok(())
    }

    /// Checks a configuration change against the members. If it fails, raft must be
    /// told to drop the change, and [`Store::advance`] notes the entry.
    pub fn validate_conf_change(&self, change: &ConfChange) -> Result<()> {
        self.v2_note_validation();
        self.cluster.lock().membership.validate(change)
    }

    /// Applies a valid configuration change; `conf_state` is what raft made of it.
    pub fn apply_conf_change(
        &self,
        index: u64,
        term: u64,
        change: &ConfChange,
        conf_state: &ConfState,
    ) -> Result<ConfChanged> {
        let mut state = self.state.write();
        let fresh = index > state.position.0;
        let mut cluster = self.cluster.lock();
        let mut membership = Membership::clone(&cluster.membership);
        let done = membership.change(change).map_err(|error| match error {
            Error::BadEntry { detail, .. } => Error::BadEntry { index, detail },
            error => error,
        })?;
        self.v2_follow(&done, &membership);
        let batch = &mut state.view.gathering;
        if fresh {
            let key = member_key(change.node_id);
            match membership.members.get(&change.node_id) {
                Some(member) if cluster.stored.insert(member.id) => {
                    batch.put(bucket::MEMBERS, &key, member_to_json(member).as_bytes());
                }
                Some(_) => {}
                None => {
                    batch.put(bucket::MEMBERS_REMOVED, &key, bucket::REMOVED);
                    cluster.stored_removed.insert(change.node_id);
                    if cluster.stored.remove(&change.node_id) {
                        batch.delete(bucket::MEMBERS, &key);
                    }
                }
            }
            batch.conf_state = Some(conf_state.clone());
            cluster.conf_state = Some(conf_state.clone());
        }
        cluster.membership = Arc::new(membership);
        if fresh {
            state.position = (index, term);
        }
        Ok(done)
    }

    /// Stores a configuration (bootstrap, force-new-cluster).
    pub fn set_conf_state(&self, conf_state: &ConfState) {
        let mut state = self.state.write();
        state.view.gathering.conf_state = Some(conf_state.clone());
        self.cluster.lock().conf_state = Some(conf_state.clone());
    }

    /// Writes the members in memory over those in the database, where removed ids are
    /// forgotten, as etcd does (force-new-cluster, restore of a snapshot). Reaches the
    /// disk with the next commit.
    pub fn push_membership(&self) {
        let mut state = self.state.write();
        let batch = &mut state.view.gathering;
        let mut cluster = self.cluster.lock();
        for id in std::mem::take(&mut cluster.stored) {
            batch.delete(bucket::MEMBERS, &member_key(id));
        }
        for id in std::mem::take(&mut cluster.stored_removed) {
            batch.delete(bucket::MEMBERS_REMOVED, &member_key(id));
        }
        let membership = cluster.membership.clone();
        for (id, member) in &membership.members {
            let json = member_to_json(member);
            batch.put(bucket::MEMBERS, &member_key(*id), json.as_bytes());
            cluster.stored.insert(*id);
        }
    }

    /// Sets the consistent index and term, backwards too: a restored snapshot begins
    /// a log of its own. Reaches the disk with the next commit.
    pub fn set_position(&self, index: u64, term: u64) {
        self.state.write().position = (index, term);
    }
}

/// Who asks, by the header of an entry; nobody if it has none.
fn who(request: &pb::InternalRaftRequest) -> AuthInfo {
    let header = request.header.as_ref();
    header.map_or_else(AuthInfo::default, |header| AuthInfo {
        username: header.username.clone(),
        revision: header.auth_revision,
    })
}

fn apply_auth(
    state: &mut State,
    request: &pb::InternalRaftRequest,
) -> Result<(Response, Option<TokenChange>)> {
    let entry = Entry {
        request,
        who: &who(request),
        before: state.position.0,
        revision: state.revision,
    };
    state.auth.apply(&mut state.view.gathering, &entry)
}

/// A change of the cluster's facts other than its configuration.
pub(crate) enum Change<'a> {
    Version(&'a str),
    Downgrade(Downgrade),
    Attributes(u64, Attributes),
}

fn cluster_request(request: &pb::InternalRaftRequest) -> Option<Change<'_>> {
    if let Some(set) = &request.cluster_version_set {
        return Some(Change::Version(&set.ver));
    }
    if let Some(set) = &request.cluster_member_attr_set {
        let attributes = set.member_attributes.clone().unwrap_or_default();
        let attributes = Attributes {
            name: attributes.name,
            client_urls: attributes.client_urls,
        };
        return Some(Change::Attributes(set.member_id, attributes));
    }
    let set = request.downgrade_info_set.as_ref()?;
    Some(Change::Downgrade(match set.enabled {
        true => Downgrade {
            enabled: true,
            target_version: set.ver.clone(),
        },
        false => Downgrade::default(),
    }))
}

/// The key of a member in its buckets (`types.ID.String`).
fn member_key(id: u64) -> Vec<u8> {
    format!("{id:x}").into_bytes()
}

fn store_lease(state: &mut State, record: &wire::leasepb::Lease) {
    let key = record.id.to_be_bytes();
    let batch = &mut state.view.gathering;
    batch.put(bucket::LEASE, &key, &record.encode_to_vec());
}
