//! `v3electionpb.Election` (`server/etcdserver/api/v3election`).

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use wire::{
    etcdserverpb::{ResponseHeader, TxnRequest},
    mvccpb::KeyValue,
    v3electionpb::{
        CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse,
        ProclaimRequest, ProclaimResponse, ResignRequest, ResignResponse,
        election_server::Election,
    },
};

use super::{
    Caller, Context, Watch, created_at, delete_op, first_kv, get, is_delete, oldest, own_key,
    prefix, prefix_end, put_op, range_op, revision,
};

/// Proclamations that may wait for a slow observer.
const BUFFER: usize = 16;

#[tonic::async_trait]
impl Election for Context {
    type ObserveStream = ReceiverStream<Result<LeaderResponse, Status>>;

    async fn campaign(
        &self,
        request: Request<CampaignRequest>,
    ) -> Result<Response<CampaignResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let (caller, request) = Caller::new(self, request);
        let lease = caller.lease(request.lease).await?;
        let prefix = prefix(&request.name);
        let key = own_key(&prefix, lease);
        let stand = TxnRequest {
            compare: vec![created_at(&key, 0)],
            success: vec![put_op(&key, &request.value, lease)],
            failure: vec![range_op(get(&key))],
        };
        let stood = caller.txn(stand).await?;
        let mut leader = LeaderKey {
            name: request.name,
            rev: revision(stood.header.as_ref()),
            key,
            lease,
        };
        // The same lease campaigns again, perhaps with another value.
        let again = (!stood.succeeded)
            .then(|| first_kv(&stood.responses, 0))
            .flatten();
        if let Some(kv) = again {
            leader.rev = kv.create_revision;
        }
        let standing = caller.cleanup(resignation(&leader));
        if again.is_some_and(|kv| kv.value != request.value)
            && let Err(error) = caller.proclaim(&leader, &request.value).await
        {
            standing.now().await;
            return Err(error);
        }
        let waited = caller.wait_deletes(&prefix, leader.rev - 1).await;
        // Only a client that has gone withdraws; after an error the key stays.
        standing.forget();
        waited?;
        Ok(Response::new(CampaignResponse {
            header: stood.header,
            leader: Some(leader),
        }))
    }

    async fn proclaim(
        &self,
        request: Request<ProclaimRequest>,
    ) -> Result<Response<ProclaimResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let (caller, request) = Caller::new(self, request);
        let mut leader = request.leader.ok_or_else(missing_leader)?;
        leader.lease = caller.lease(leader.lease).await?;
        let header = caller.proclaim(&leader, &request.value).await?;
        Ok(Response::new(ProclaimResponse { header }))
    }

    async fn leader(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<LeaderResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let (caller, request) = Caller::new(self, request);
        let found = caller.range(oldest(&prefix(&request.name))).await?;
        match found.kvs.into_iter().next() {
            Some(kv) => Ok(Response::new(LeaderResponse {
                header: found.header,
                kv: Some(kv),
            })),
            None => Err(Status::unknown("election: no leader")),
        }
    }

    async fn observe(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let needs_leader = self.admit_stream(request.metadata(), false)?;
        let (caller, request) = Caller::new(self, request);
        let (sender, receiver) = mpsc::channel(BUFFER);
        let context = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                // Whatever disturbs it ends the stream, as in the reference, without a word.
                _ = caller.observe(&request.name, &sender) => {}
                () = context.leader_lost(needs_leader) => {
                    let error = super::super::status(&crate::server::EtcdError::NoLeader);
                    // The observer may have gone.
                    let _ = sender.send(Err(error)).await;
                }
                () = sender.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn resign(
        &self,
        request: Request<ResignRequest>,
    ) -> Result<Response<ResignResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let (caller, request) = Caller::new(self, request);
        let mut leader = request.leader.ok_or_else(missing_leader)?;
        leader.lease = caller.lease(leader.lease).await?;
        let resigned = caller.txn(resignation(&leader)).await?;
        let header = resigned.header;
        Ok(Response::new(ResignResponse { header }))
    }
}

fn missing_leader() -> Status {
    Status::unknown("\"leader\" field must be provided")
}

/// Deletes the leader's key if it is still the same one.
fn resignation(leader: &LeaderKey) -> TxnRequest {
    TxnRequest {
        compare: vec![created_at(&leader.key, leader.rev)],
        success: vec![delete_op(&leader.key)],
        ..TxnRequest::default()
    }
}

/// The observer has gone, or the watch was disturbed.
struct Ended;

type Observer = mpsc::Sender<Result<LeaderResponse, Status>>;

async fn tell(to: &Observer, header: ResponseHeader, kv: KeyValue) -> Result<(), Ended> {
    let response = LeaderResponse {
        header: Some(header),
        kv: Some(kv),
    };
    to.send(Ok(response)).await.map_err(|_| Ended)
}

impl Caller {
    async fn proclaim(
        &self,
        leader: &LeaderKey,
        value: &Bytes,
    ) -> Result<Option<ResponseHeader>, Status> {
        let put = TxnRequest {
            compare: vec![created_at(&leader.key, leader.rev)],
            success: vec![put_op(&leader.key, value, leader.lease)],
            ..TxnRequest::default()
        };
        let done = self.txn(put).await?;
        if !done.succeeded {
            return Err(Status::unknown("election: not leader"));
        }
        Ok(done.header)
    }

    /// Tells who leads and what they proclaim, one leader after the other.
    async fn observe(&self, name: &[u8], to: &Observer) -> Result<(), Ended> {
        let prefix = prefix(name);
        loop {
            let found = self.range(oldest(&prefix)).await.map_err(|_| Ended)?;
            let header = found.header.unwrap_or_default();
            let (header, kv) = match found.kvs.into_iter().next() {
                Some(kv) => (header, kv),
                None => self.first_put(&prefix, header.revision).await?,
            };
            let (key, since) = (kv.key.clone(), header.revision + 1);
            tell(to, header, kv).await?;
            self.follow(key, since, to).await?;
        }
    }

    /// The first candidate, with the header of its revision.
    async fn first_put(
        &self,
        prefix: &Bytes,
        since: i64,
    ) -> Result<(ResponseHeader, KeyValue), Ended> {
        let watch = Watch::new(&self.context, prefix.clone(), prefix_end(prefix), since);
        let mut watch = watch.map_err(|_| Ended)?;
        loop {
            let ready = watch.next().await.map_err(|_| Ended)?;
            let put = ready.events.into_iter().find(|event| !is_delete(event));
            if let Some(kv) = put.and_then(|event| event.kv) {
                return Ok((self.context.server.header_at(kv.mod_revision), kv));
            }
        }
    }

    /// Tells every proclamation of one leader until its key is gone.
    async fn follow(&self, key: Bytes, since: i64, to: &Observer) -> Result<(), Ended> {
        let watch = Watch::new(&self.context, key, Bytes::new(), since);
        let mut watch = watch.map_err(|_| Ended)?;
        loop {
            let ready = watch.next().await.map_err(|_| Ended)?;
            for event in ready.events {
                if is_delete(&event) {
                    return Ok(());
                }
                if let Some(kv) = event.kv {
                    tell(to, self.context.server.header_at(ready.revision), kv).await?;
                }
            }
        }
    }
}
