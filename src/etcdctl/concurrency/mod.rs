//! Locks and elections out of plain keys, leases and watches, as
//! `client/v3/concurrency` of the reference makes them: whoever wants something puts
//! the key `NAME/LEASE-ID`, and the oldest key of the prefix has it. So programs
//! that use the reference's library and these commands wait for each other.

mod election;
mod mutex;

use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use wire::etcdserverpb as pb;
use wire::etcdserverpb::range_request::{SortOrder, SortTarget};

use crate::client::{self, Client, Retry, RpcError, WatchEvent, Watcher, keep_alive};
use crate::command::prefix_end;

pub use election::Election;
pub use mutex::Mutex;

/// Seconds that a lease lives when nothing else was asked for (`session.go`).
pub const DEFAULT_TTL_SECONDS: i64 = 60;

/// How long giving up may take before the lease is left to do it.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// Why something that is waited for did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server refused, or is not there.
    #[error(transparent)]
    Call(#[from] RpcError),
    /// The key is gone although it was never given up.
    #[error("mutex: session is expired")]
    Expired,
    /// Someone else leads meanwhile.
    #[error("election: not leader")]
    NotLeader,
    /// The watch ended and nobody said why.
    #[error("lost watcher waiting for delete")]
    Lost,
    /// A signal ended the waiting.
    #[error("context canceled")]
    Interrupted,
}

/// A lease that is renewed as long as the work goes on.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Its ID.
    pub id: i64,
    gone: watch::Receiver<bool>,
}

impl Lease {
    /// Waits until the lease is renewed no more.
    pub async fn gone(&self) {
        let mut gone = self.gone.clone();
        // The other end lives as long as the work does.
        let _ = gone.wait_for(|gone| *gone).await;
    }
}

/// Runs `work` with a lease of so many seconds, renewing it meanwhile. The lease is
/// not revoked at the end, as the reference's commands do not revoke theirs.
pub async fn with_lease<T>(
    client: &Client,
    ttl: i64,
    work: impl AsyncFnOnce(Lease) -> T,
) -> Result<T, RpcError> {
    let ttl = if ttl > 0 { ttl } else { DEFAULT_TTL_SECONDS };
    let granted: pb::LeaseGrantResponse = ask(
        client,
        "/etcdserverpb.Lease/LeaseGrant",
        pb::LeaseGrantRequest { ttl, id: 0 },
        Retry::Repeatable,
    )
    .await?;
    let (tell, gone) = watch::channel(false);
    let mut work = pin!(work(Lease {
        id: granted.id,
        gone,
    }));
    let mut renewing = pin!(keep_alive::for_ever(client, granted.id, |_| Ok(())));
    loop {
        tokio::select! {
            result = &mut work => return Ok(result),
            _ = &mut renewing, if !*tell.borrow() => {
                // Without a receiver nobody waits for it.
                let _ = tell.send(true);
            }
        }
    }
}

async fn ask<Q, R>(
    client: &Client,
    path: &'static str,
    request: Q,
    retry: Retry,
) -> Result<R, RpcError>
where
    Q: prost::Message + Clone + 'static,
    R: prost::Message + Default + 'static,
{
    client::unary(client.any(), path, request, &client.options(retry, None)).await
}

async fn get(client: &Client, request: pb::RangeRequest) -> Result<pb::RangeResponse, RpcError> {
    ask(client, "/etcdserverpb.KV/Range", request, Retry::Repeatable).await
}

/// What a key holds.
pub async fn get_key(client: &Client, key: &[u8]) -> Result<pb::RangeResponse, RpcError> {
    let request = pb::RangeRequest {
        key: key.to_vec().into(),
        ..Default::default()
    };
    get(client, request).await
}

async fn txn(client: &Client, request: pb::TxnRequest) -> Result<pb::TxnResponse, RpcError> {
    ask(client, "/etcdserverpb.KV/Txn", request, Retry::Once).await
}

/// The oldest key of a prefix.
fn first_created(prefix: &[u8]) -> pb::RangeRequest {
    pb::RangeRequest {
        key: prefix.to_vec().into(),
        range_end: prefix_end(prefix).into(),
        limit: 1,
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        ..Default::default()
    }
}

/// `PREFIX` and the lease's ID in hexadecimal.
fn own_key(prefix: &[u8], lease: i64) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend_from_slice(format!("{lease:x}").as_bytes());
    key
}

/// Whether the key was created at that revision; 0 when it must not exist.
fn created_at(key: &[u8], revision: i64) -> pb::Compare {
    pb::Compare {
        result: pb::compare::CompareResult::Equal.into(),
        target: pb::compare::CompareTarget::Create.into(),
        key: key.to_vec().into(),
        target_union: Some(pb::compare::TargetUnion::CreateRevision(revision)),
        ..Default::default()
    }
}

fn put_op(key: &[u8], value: &[u8], lease: i64) -> pb::RequestOp {
    let put = pb::PutRequest {
        key: key.to_vec().into(),
        value: value.to_vec().into(),
        lease,
        ..Default::default()
    };
    pb::RequestOp {
        request: Some(pb::request_op::Request::RequestPut(put)),
    }
}

fn range_op(range: pb::RangeRequest) -> pb::RequestOp {
    pb::RequestOp {
        request: Some(pb::request_op::Request::RequestRange(range)),
    }
}

/// The answer to the range at that place of a transaction.
fn range_of(response: &pb::TxnResponse, at: usize) -> Option<&pb::RangeResponse> {
    match response.responses.get(at)?.response.as_ref()? {
        pb::response_op::Response::ResponseRange(range) => Some(range),
        _ => None,
    }
}

/// Waits until no key of the prefix is as old as `revision` or older. Only the
/// youngest of them is watched: so a key that goes wakes one of those who wait.
async fn wait_for_older(client: &Client, prefix: &[u8], revision: i64) -> Result<(), Error> {
    loop {
        let request = pb::RangeRequest {
            sort_order: SortOrder::Descend.into(),
            max_create_revision: revision,
            ..first_created(prefix)
        };
        let response = get(client, request).await?;
        let Some(last) = response.kvs.first() else {
            return Ok(());
        };
        let now = response.header.map_or(0, |header| header.revision);
        wait_for_delete(client, &last.key, now).await?;
    }
}

async fn wait_for_delete(client: &Client, key: &[u8], revision: i64) -> Result<(), Error> {
    let mut watcher = Watcher::new(client);
    watcher.add(pb::WatchCreateRequest {
        key: key.to_vec().into(),
        start_revision: revision,
        ..Default::default()
    });
    while watcher.is_active() {
        let response = match watcher.next().await? {
            WatchEvent::Ended { reason, .. } => return Err(reason.into()),
            WatchEvent::Response { response, .. } => response,
        };
        if response.events.iter().any(is_delete) {
            return Ok(());
        }
    }
    Err(Error::Lost)
}

fn is_delete(event: &wire::mvccpb::Event) -> bool {
    event.r#type() == wire::mvccpb::event::EventType::Delete
}
