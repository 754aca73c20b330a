//! What a lock and an election have in common: who asks has a key of its own under the
//! name, bound to a lease, and the oldest key owns (`client/v3/concurrency`).

mod election;
mod lock;

use std::sync::Arc;

use bytes::Bytes;
use mvcc::{Wake, WatchEvents, WatchStream};
use tonic::{Extensions, Request, Response, Status, metadata::MetadataMap};
use wire::{
    etcdserverpb::{
        self as pb, Compare, DeleteRangeRequest, LeaseGrantRequest, PutRequest, RangeRequest,
        RangeResponse, RequestOp, ResponseOp, TxnRequest, TxnResponse, WatchCreateRequest,
        compare::{CompareResult, CompareTarget, TargetUnion},
        kv_server::Kv,
        lease_server::Lease,
        range_request::{SortOrder, SortTarget},
        request_op, response_op,
    },
    mvccpb::{Event, KeyValue},
};

use super::{Context, watch::Waker};

/// Seconds that a lease of the server's own lives (`defaultSessionTTL`).
const SESSION_TTL: i64 = 60;
/// Responses taken at once from a watch.
const TAKE: usize = 64;

/// One request, and the right with which it reads and writes.
struct Caller {
    context: Context,
    metadata: MetadataMap,
    extensions: Extensions,
}

/// The reference asks itself through a client whose errors carry no code.
fn without_code(status: Status) -> Status {
    Status::unknown(status.message())
}

impl Caller {
    fn new<T>(context: &Context, request: Request<T>) -> (Self, T) {
        let (metadata, extensions, message) = request.into_parts();
        let caller = Self {
            context: context.clone(),
            metadata,
            extensions,
        };
        (caller, message)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.metadata.clone(), self.extensions.clone(), message)
    }

    async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Status> {
        answer(Kv::range(&self.context, self.request(request)).await)
    }

    async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, Status> {
        answer(Kv::txn(&self.context, self.request(request)).await)
    }

    /// The lease of a request; a new one if it names none.
    async fn lease(&self, lease: i64) -> Result<i64, Status> {
        if lease != 0 {
            return Ok(lease);
        }
        let grant = LeaseGrantRequest {
            id: 0,
            ttl: SESSION_TTL,
        };
        let granted = answer(Lease::lease_grant(&self.context, self.request(grant)).await)?;
        Ok(granted.id)
    }

    /// Waits until nothing under the prefix is as old as `revision` or older.
    async fn wait_deletes(&self, prefix: &Bytes, revision: i64) -> Result<(), Status> {
        loop {
            let newest = RangeRequest {
                sort_order: SortOrder::Descend.into(),
                max_create_revision: revision,
                ..oldest(prefix)
            };
            let found = self.range(newest).await?;
            let Some(kv) = found.kvs.into_iter().next() else {
                return Ok(());
            };
            let since = found.header.unwrap_or_default().revision;
            let mut watch = Watch::new(&self.context, kv.key, Bytes::new(), since)?;
            while !watch.next().await?.events.iter().any(is_delete) {}
        }
    }

    /// Something that is done, without anyone's right, if this request is given up.
    fn cleanup(&self, undo: TxnRequest) -> Cleanup {
        Cleanup(Some((self.context.clone(), undo)))
    }
}

fn answer<T>(response: Result<Response<T>, Status>) -> Result<T, Status> {
    response.map(Response::into_inner).map_err(without_code)
}

fn is_delete(event: &Event) -> bool {
    event.r#type() == wire::mvccpb::event::EventType::Delete
}

/// Undoes what a request began unless it is told that all went well: the client may
/// leave at any moment, and then nobody awaits the request any more.
struct Cleanup(Option<(Context, TxnRequest)>);

impl Cleanup {
    /// Nothing is left to undo.
    fn forget(mut self) {
        self.0 = None;
    }

    /// Undoes it now.
    async fn now(mut self) {
        if let Some((context, undo)) = self.0.take() {
            // What can't be undone ends with its lease.
            let _ = Kv::txn(&context, Request::new(undo)).await;
        }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Some((context, undo)) = self.0.take() {
            tokio::spawn(async move { Cleanup(Some((context, undo))).now().await });
        }
    }
}

/// A watch by the server itself.
struct Watch {
    context: Context,
    stream: WatchStream,
    waker: Arc<Waker>,
    ready: std::collections::VecDeque<WatchEvents>,
}

impl Watch {
    fn new(context: &Context, key: Bytes, range_end: Bytes, since: i64) -> Result<Self, Status> {
        let waker = Arc::new(Waker::default());
        let stream = context
            .server
            .watch_stream(Arc::clone(&waker) as Arc<dyn Wake>);
        let request = WatchCreateRequest {
            key,
            range_end,
            start_revision: since,
            ..WatchCreateRequest::default()
        };
        stream
            .create(&request)
            .map_err(|error| Status::unknown(error.to_string()))?;
        Ok(Self {
            context: context.clone(),
            stream,
            waker,
            ready: std::collections::VecDeque::new(),
        })
    }

    /// The next events. An error if they are compacted or the member stops.
    async fn next(&mut self) -> Result<WatchEvents, Status> {
        let stopping = self.context.server.stopping();
        loop {
            if let Some(ready) = self.ready.pop_front() {
                if ready.compact_revision != 0 {
                    let error = mvcc::Error::Compacted;
                    return Err(Status::unknown(error.to_string()));
                }
                return Ok(ready);
            }
            let taken = self
                .stream
                .take(TAKE)
                .map_err(|error| Status::unknown(error.to_string()))?;
            self.ready.extend(taken);
            if self.ready.is_empty() {
                tokio::select! {
                    () = self.waker.notified() => {}
                    () = stopping.cancelled() => {
                        return Err(Status::unknown("lost watcher waiting for delete"));
                    }
                }
            }
        }
    }
}

/// All keys of a lock or an election begin with its name and a slash.
fn prefix(name: &[u8]) -> Bytes {
    [name, b"/"].concat().into()
}

/// Where the keys of a prefix, which ends with a slash, end.
fn prefix_end(prefix: &Bytes) -> Bytes {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

/// The key of a lease; Go writes a negative number with its sign.
fn own_key(prefix: &Bytes, lease: i64) -> Bytes {
    let sign = if lease < 0 { "-" } else { "" };
    let digits = format!("{sign}{:x}", lease.unsigned_abs());
    [prefix, digits.as_bytes()].concat().into()
}

/// Reads the oldest key of a prefix.
fn oldest(prefix: &Bytes) -> RangeRequest {
    RangeRequest {
        key: prefix.clone(),
        range_end: prefix_end(prefix),
        limit: 1,
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        ..RangeRequest::default()
    }
}

fn get(key: &Bytes) -> RangeRequest {
    RangeRequest {
        key: key.clone(),
        ..RangeRequest::default()
    }
}

/// Holds while the key is the one that was created in this revision; 0 for no key.
fn created_at(key: &Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
        ..Compare::default()
    }
}

fn put_op(key: &Bytes, value: &Bytes, lease: i64) -> RequestOp {
    op(request_op::Request::RequestPut(PutRequest {
        key: key.clone(),
        value: value.clone(),
        lease,
        ..PutRequest::default()
    }))
}

fn range_op(request: RangeRequest) -> RequestOp {
    op(request_op::Request::RequestRange(request))
}

fn delete_op(key: &Bytes) -> RequestOp {
    op(request_op::Request::RequestDeleteRange(
        DeleteRangeRequest {
            key: key.clone(),
            ..DeleteRangeRequest::default()
        },
    ))
}

fn op(request: request_op::Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

/// The first key of a range within a transaction's answer.
fn first_kv(responses: &[ResponseOp], at: usize) -> Option<&KeyValue> {
    match responses.get(at)?.response.as_ref()? {
        response_op::Response::ResponseRange(range) => range.kvs.first(),
        _ => None,
    }
}

fn revision(header: Option<&pb::ResponseHeader>) -> i64 {
    header.map_or(0, |header| header.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_the_reference_names_them() {
        let prefix = prefix(b"lock");
        assert_eq!(prefix, &b"lock/"[..]);
        assert_eq!(prefix_end(&prefix), &b"lock0"[..]);
        assert_eq!(own_key(&prefix, 0x39_0d), &b"lock/390d"[..]);
        assert_eq!(own_key(&prefix, -255), &b"lock/-ff"[..]);
        assert_eq!(own_key(&prefix, i64::MIN), &b"lock/-8000000000000000"[..]);
    }
}
