//! An election: `election.go`.

use wire::etcdserverpb as pb;
use wire::mvccpb::KeyValue;

use super::{
    CLEAN_UP, Error, Lease, created_at, first_created, get, is_delete, own_key, put_op, range_of,
    range_op, txn, wait_for_older,
};
use crate::client::{Client, RpcError, WatchEvent, Watcher};
use crate::command::prefix_end;
use crate::exit::Outcome;

/// An election of that name.
pub struct Election<'a> {
    client: &'a Client,
    prefix: Vec<u8>,
}

/// The key of whoever stands for election, and when it was created.
pub struct Candidate {
    /// The key.
    pub key: Vec<u8>,
    revision: i64,
}

impl<'a> Election<'a> {
    /// An election of that name.
    pub fn new(client: &'a Client, name: &[u8]) -> Self {
        let mut prefix = name.to_vec();
        prefix.push(b'/');
        Self { client, prefix }
    }

    /// Stands for election and waits until it is won or `interrupted`.
    pub async fn campaign(
        &self,
        lease: &Lease,
        proposal: &[u8],
        interrupted: impl Future<Output = ()>,
    ) -> Result<Candidate, Error> {
        let candidate = self.stand(lease, proposal).await?;
        let won = tokio::select! {
            won = wait_for_older(self.client, &self.prefix, candidate.revision - 1) => won,
            () = interrupted => Err(Error::Interrupted),
        };
        if won == Err(Error::Interrupted) {
            // The lease would end it, too, but only when it has run out.
            let _ = tokio::time::timeout(CLEAN_UP, self.resign(&candidate)).await;
        }
        won.map(|()| candidate)
    }

    async fn stand(&self, lease: &Lease, proposal: &[u8]) -> Result<Candidate, Error> {
        let key = own_key(&self.prefix, lease.id);
        let own = pb::RangeRequest {
            key: key.clone().into(),
            ..Default::default()
        };
        let request = pb::TxnRequest {
            compare: vec![created_at(&key, 0)],
            success: vec![put_op(&key, proposal, lease.id)],
            failure: vec![range_op(own)],
        };
        let response = txn(self.client, request).await?;
        let mut candidate = Candidate {
            key,
            revision: response.header.map_or(0, |header| header.revision),
        };
        if response.succeeded {
            return Ok(candidate);
        }
        let own = range_of(&response, 0).and_then(|range| range.kvs.first());
        candidate.revision = own.map_or(0, |kv| kv.create_revision);
        if own.is_none_or(|kv| kv.value[..] != *proposal)
            && let Err(error) = self.proclaim(&candidate, lease, proposal).await
        {
            let _ = self.resign(&candidate).await;
            return Err(error);
        }
        Ok(candidate)
    }

    /// Puts another proposal in the place of the candidate's last one.
    async fn proclaim(
        &self,
        candidate: &Candidate,
        lease: &Lease,
        proposal: &[u8],
    ) -> Result<(), Error> {
        let request = pb::TxnRequest {
            compare: vec![created_at(&candidate.key, candidate.revision)],
            success: vec![put_op(&candidate.key, proposal, lease.id)],
            failure: Vec::new(),
        };
        match txn(self.client, request).await?.succeeded {
            true => Ok(()),
            false => Err(Error::NotLeader),
        }
    }

    /// Leaves the election to others.
    pub async fn resign(&self, candidate: &Candidate) -> Result<(), RpcError> {
        let delete = pb::DeleteRangeRequest {
            key: candidate.key.clone().into(),
            ..Default::default()
        };
        let request = pb::TxnRequest {
            compare: vec![created_at(&candidate.key, candidate.revision)],
            success: vec![pb::RequestOp {
                request: Some(pb::request_op::Request::RequestDeleteRange(delete)),
            }],
            failure: Vec::new(),
        };
        txn(self.client, request).await.map(|_| ())
    }

    /// Tells each leader and each of its proposals as they come. Ends when the
    /// cluster can't be watched any more, or when `tell` fails.
    pub async fn observe(
        &self,
        mut tell: impl FnMut(&pb::RangeResponse) -> Outcome,
    ) -> Result<Outcome, RpcError> {
        loop {
            let mut response = get(self.client, first_created(&self.prefix)).await?;
            let now = response.header.unwrap_or_default();
            let (mut header, leader) = match response.kvs.first() {
                Some(leader) => (now, leader.clone()),
                None => {
                    let Some(found) = self.wait_for_first(now.revision).await? else {
                        return Ok(Ok(()));
                    };
                    found
                }
            };
            if let Err(exit) = tell(&pb::RangeResponse {
                header: Some(header),
                kvs: vec![leader.clone()],
                ..Default::default()
            }) {
                return Ok(Err(exit));
            }
            header.revision += 1;
            let mut watcher = self.watch(leader.key.to_vec(), Vec::new(), header.revision);
            let mut leads = true;
            while leads {
                let Some(changes) = events(&mut watcher).await? else {
                    return Ok(Ok(()));
                };
                for event in &changes.events {
                    if is_delete(event) {
                        leads = false;
                        break;
                    }
                    response.header = changes.header;
                    response.kvs = event.kv.iter().cloned().collect();
                    if let Err(exit) = tell(&response) {
                        return Ok(Err(exit));
                    }
                }
            }
        }
    }

    /// Waits for someone to stand; `None` when the watch ends before.
    async fn wait_for_first(
        &self,
        revision: i64,
    ) -> Result<Option<(pb::ResponseHeader, KeyValue)>, RpcError> {
        let end = prefix_end(&self.prefix);
        let mut watcher = self.watch(self.prefix.clone(), end, revision);
        while let Some(changes) = events(&mut watcher).await? {
            let put = changes.events.iter().find(|event| !is_delete(event));
            if let Some(kv) = put.and_then(|event| event.kv.clone()) {
                let header = pb::ResponseHeader {
                    revision: kv.mod_revision,
                    ..changes.header.unwrap_or_default()
                };
                return Ok(Some((header, kv)));
            }
        }
        Ok(None)
    }

    fn watch(&self, key: Vec<u8>, range_end: Vec<u8>, revision: i64) -> Watcher<'a> {
        let mut watcher = Watcher::new(self.client);
        watcher.add(pb::WatchCreateRequest {
            key: key.into(),
            range_end: range_end.into(),
            start_revision: revision,
            ..Default::default()
        });
        watcher
    }
}

/// The next changes; `None` when the watch has ended.
async fn events(watcher: &mut Watcher<'_>) -> Result<Option<pb::WatchResponse>, RpcError> {
    if !watcher.is_active() {
        return Ok(None);
    }
    match watcher.next().await? {
        WatchEvent::Ended { .. } => Ok(None),
        WatchEvent::Response { response, .. } => Ok(Some(response)),
    }
}
