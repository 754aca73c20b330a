//! The keyspace in memory: key index, revision, and the view of the stored values.

use std::sync::Arc;

use wire::etcdserverpb as pb;
use wire::mvccpb::KeyValue;

use crate::auth::Auth;
use crate::index::{Index, Span};
use crate::revision::Rev;
use crate::view::{Found, View, resolve};
use crate::{Error, Result};

/// See the module. Kept behind one lock: readers share it, applying an entry takes it
/// whole, so nobody sees half of a transaction.
pub(crate) struct State {
    pub index: Index,
    /// The newest revision.
    pub revision: i64,
    /// The last compaction; -1 for none.
    pub compacted: i64,
    pub view: View,
    pub auth: Auth,
    /// Index and term of the last entry applied.
    pub position: (u64, u64),
}

/// What is to be read: [`State::plan`] finds it under the lock, [`Plan::run`] reads it without.
pub(crate) struct Plan {
    found: Vec<Found>,
    disk: Arc<bolt::ReadTx>,
    /// Keys there are, whatever the limit.
    count: i64,
    /// The store's revision.
    revision: i64,
}

impl Plan {
    pub(crate) fn run(self) -> Result<Vec<KeyValue>> {
        let disk = &self.disk;
        self.found.into_iter().map(|f| resolve(disk, f)).collect()
    }

    /// Reads, and answers the request that was planned.
    pub(crate) fn answer(self, request: &pb::RangeRequest) -> Result<pb::RangeResponse> {
        let (count, revision) = (self.count, self.revision);
        Ok(finish_range(request, count, revision, self.run()?))
    }
}

impl State {
    /// Finds a span at `at` (0 or less: at `current`).
    pub(crate) fn plan(
        &self,
        span: Span<'_>,
        at: i64,
        current: i64,
        limit: usize,
        count_only: bool,
    ) -> Result<Plan> {
        if at > current {
            return Err(Error::FutureRevision);
        }
        let at = if at <= 0 { current } else { at };
        if at < self.compacted {
            return Err(Error::Compacted);
        }
        let (revs, count) = match count_only {
            true => (Vec::new(), self.index.count(span, at)),
            false => self.index.revisions(span, at, limit),
        };
        Ok(Plan {
            found: revs.into_iter().map(|rev| self.view.find(rev)).collect(),
            disk: self.view.disk.clone(),
            count,
            revision: current,
        })
    }

    /// Plans a range request.
    pub(crate) fn plan_range(&self, request: &pb::RangeRequest, current: i64) -> Result<Plan> {
        let span = Span::new(&request.key, &request.range_end);
        // Filters and orders need everything; else one more than asked tells if there is more.
        let limit = match request.limit {
            limit if limit <= 0 || needs_all(request) => 0,
            limit => usize::try_from(limit)
                .unwrap_or(usize::MAX)
                .saturating_add(1),
        };
        self.plan(span, request.revision, current, limit, request.count_only)
    }

    /// The one key and value at `current`.
    pub(crate) fn get(&self, key: &[u8], current: i64) -> Result<Option<KeyValue>> {
        match self.index.get(key, current) {
            Some(seen) => self.view.read(seen.modified).map(Some),
            None => Ok(None),
        }
    }

    /// Writes a stored change into the batch and the index.
    pub(crate) fn record_put(&mut self, key: &[u8], rev: Rev, value: bytes::Bytes) {
        self.view.gathering.push(rev, false, value);
        self.index.put(key, rev);
    }

    /// Writes a deletion; false if there is no such key.
    pub(crate) fn record_tombstone(&mut self, key: &[u8], rev: Rev, value: bytes::Bytes) -> bool {
        let known = self.index.tombstone(key, rev);
        if known {
            self.view.gathering.push(rev, true, value);
        }
        known
    }
}

fn needs_all(request: &pb::RangeRequest) -> bool {
    request.sort_order != 0
        || request.min_mod_revision != 0
        || request.max_mod_revision != 0
        || request.min_create_revision != 0
        || request.max_create_revision != 0
}

/// Turns what a plan read into the answer to its request (`etcdserver/apply.go`).
fn finish_range(
    request: &pb::RangeRequest,
    count: i64,
    revision: i64,
    mut kvs: Vec<KeyValue>,
) -> pb::RangeResponse {
    let within =
        |value: i64, min: i64, max: i64| (max == 0 || value <= max) && (min == 0 || value >= min);
    let (mods, creates) = (
        (request.min_mod_revision, request.max_mod_revision),
        (request.min_create_revision, request.max_create_revision),
    );
    if mods != (0, 0) || creates != (0, 0) {
        kvs.retain(|kv| {
            within(kv.mod_revision, mods.0, mods.1)
                && within(kv.create_revision, creates.0, creates.1)
        });
    }
    sort(request, &mut kvs);
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let more = request.limit > 0 && kvs.len() > limit;
    if more {
        kvs.truncate(limit);
    }
    if request.keys_only {
        kvs.iter_mut().for_each(|kv| kv.value = bytes::Bytes::new());
    }
    pb::RangeResponse {
        header: header(revision),
        kvs,
        more,
        count,
    }
}

fn sort(request: &pb::RangeRequest, kvs: &mut [KeyValue]) {
    use pb::range_request::{SortOrder, SortTarget};
    let target = request.sort_target();
    let order = match request.sort_order() {
        // Keys come in order; by anything else etcd sorts upwards unless told otherwise.
        SortOrder::None if target != SortTarget::Key => SortOrder::Ascend,
        order => order,
    };
    if order == SortOrder::None {
        return;
    }
    let compare = |a: &KeyValue, b: &KeyValue| match target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    };
    match order {
        SortOrder::Descend => kvs.sort_by(|a, b| compare(b, a)),
        _ => kvs.sort_by(compare),
    }
}

/// A header that holds only the revision; the server fills in the rest.
pub(crate) fn header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader {
        revision,
        ..Default::default()
    })
}
