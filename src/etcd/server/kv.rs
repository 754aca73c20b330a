//! Keys and values: reads, and writes through the log.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mvcc::{Membership, Response};
use prost::Message;
use wire::{
    etcdserverpb::{self as pb, AlarmType, InternalRaftRequest, alarm_request::AlarmAction},
    raftpb::ConfChange,
};

use super::{
    Caller, EtcdError, Server,
    progress::{Outcome, Waiter},
};
use crate::{
    measures::{While, measures},
    raft::events::Event,
};

/// Entries that may be committed and not yet applied before writes are refused
/// (`v3_server.go`, `maxGapBetweenApplyAndCommitIndex`).
const MAX_APPLY_GAP: u64 = 5000;

impl Server {
    /// Range. Linearizable unless the request says otherwise.
    pub async fn range(
        &self,
        caller: &Caller,
        request: pb::RangeRequest,
    ) -> Result<pb::RangeResponse, EtcdError> {
        mvcc::check_range_request(&request)?;
        if !request.serializable {
            self.linearizable_read_notify().await?;
        }
        let mut response = {
            let who = self.identify(caller).await?;
            self.blocking(move |store| store.range(&who, &request))
                .await?
        };
        self.fill(&mut response.header);
        Ok(response)
    }

    /// Put.
    pub async fn put(
        &self,
        caller: &Caller,
        request: pb::PutRequest,
    ) -> Result<pb::PutResponse, EtcdError> {
        mvcc::check_put_request(&request)?;
        let request = InternalRaftRequest {
            put: Some(request),
            ..Default::default()
        };
        match self.propose_within_quota(caller, request).await? {
            Response::Put(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// DeleteRange.
    pub async fn delete_range(
        &self,
        caller: &Caller,
        request: pb::DeleteRangeRequest,
    ) -> Result<pb::DeleteRangeResponse, EtcdError> {
        mvcc::check_delete_range_request(&request)?;
        let request = InternalRaftRequest {
            delete_range: Some(request),
            ..Default::default()
        };
        match self.propose(caller, request).await? {
            Response::DeleteRange(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Txn. One without writes is answered without a log entry.
    pub async fn txn(
        &self,
        caller: &Caller,
        request: pb::TxnRequest,
    ) -> Result<pb::TxnResponse, EtcdError> {
        mvcc::check_txn_request(&request, self.0.config.max_txn_ops)?;
        if mvcc::is_read_only(&request) {
            if !mvcc::is_serializable(&request) {
                self.linearizable_read_notify().await?;
            }
            let mut response = {
                let who = self.identify(caller).await?;
                self.blocking(move |store| store.read_txn(&who, &request))
                    .await?
            };
            self.fill(&mut response.header);
            return Ok(response);
        }
        let request = InternalRaftRequest {
            txn: Some(request),
            ..Default::default()
        };
        match self.propose_within_quota(caller, request).await? {
            Response::Txn(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Compact. With `physical` it returns after the revisions are gone from the disk.
    pub async fn compact(
        &self,
        caller: &Caller,
        request: pb::CompactionRequest,
    ) -> Result<pb::CompactionResponse, EtcdError> {
        let physical = request.physical;
        let revision = request.revision;
        let request = InternalRaftRequest {
            compaction: Some(request),
            ..Default::default()
        };
        let Response::Compaction(mut response) = self.propose(caller, request).await? else {
            return Err(unexpected(&Response::None));
        };
        if physical {
            self.compacted_up_to(revision).await?;
            // A crash must not begin the finished compaction again.
            self.blocking(|store| super::background::commit(store))
                .await?;
        }
        response.header.get_or_insert_default().revision = self.0.store.revision();
        self.fill(&mut response.header);
        Ok(response)
    }

    /// Waits until no compaction of this revision or an older one is left to be done.
    pub(crate) async fn compacted_up_to(&self, revision: i64) -> Result<(), EtcdError> {
        while self
            .0
            .store
            .compaction_pending()
            .is_some_and(|pending| pending <= revision)
        {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
                () = self.0.stopping.cancelled() => return Err(EtcdError::Stopped),
            }
        }
        Ok(())
    }

    /// Waits until everything that was committed in the cluster when this was called
    /// is applied here. A read after it is linearizable.
    pub async fn linearizable_read_notify(&self) -> Result<(), EtcdError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.0.reads.send(sender).map_err(|_| EtcdError::Stopped)?;
        tokio::select! {
            answer = receiver => answer.map_err(|_| EtcdError::Stopped)?,
            () = self.0.stopping.cancelled() => Err(EtcdError::Stopped),
        }
    }

    /// Runs something on the store where it may wait for the disk.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<mvcc::Store>) -> mvcc::Result<T> + Send + 'static,
    ) -> Result<T, EtcdError> {
        let store = self.0.store.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => Ok(result?),
            Err(error) => Err(EtcdError::of_task(error)),
        }
    }

    /// [`Server::propose`], but not if the request may not fit into the quota; then
    /// the alarm is raised (`quota.go` and `v3rpc/quota.go` of the reference).
    pub(crate) async fn propose_within_quota(
        &self,
        caller: &Caller,
        request: InternalRaftRequest,
    ) -> Result<Response, EtcdError> {
        if !self.0.store.within_quota(mvcc::request_cost(&request)) {
            let server = self.clone();
            tokio::spawn(async move { server.raise_nospace().await });
            return Err(EtcdError::NoSpace);
        }
        self.propose(caller, request).await
    }

    /// Puts the NOSPACE alarm of this member into the log.
    pub(crate) async fn raise_nospace(&self) {
        let alarm = pb::AlarmRequest {
            member_id: self.id(),
            action: AlarmAction::Activate.into(),
            alarm: AlarmType::Nospace.into(),
        };
        // If this fails the next write raises it again.
        let _ = self.alarm(&Caller::nobody(), alarm).await;
    }

    /// Puts a request into the log, with the name of who asks, and waits until this
    /// member has applied it.
    pub(crate) async fn propose(
        &self,
        caller: &Caller,
        mut request: InternalRaftRequest,
    ) -> Result<Response, EtcdError> {
        let progress = &self.0.progress;
        if progress.committed() > progress.applied() + MAX_APPLY_GAP {
            return Err(EtcdError::TooManyRequests);
        }
        let id = self.0.ids.next();
        let who = match request.authenticate {
            Some(_) => mvcc::AuthInfo::default(),
            None => self.identify(caller).await?,
        };
        request.header = Some(pb::RequestHeader {
            id,
            username: who.username,
            auth_revision: who.revision,
        });
        let data = Bytes::from(request.encode_to_vec());
        if data.len() > self.0.config.max_request_bytes {
            return Err(EtcdError::RequestTooLarge);
        }
        let waiter = self.0.waiters.register(id);
        match self.wait_for(waiter, Event::Propose { id, data }).await? {
            Outcome::Applied(result) => Ok(result?),
            Outcome::Dropped(error) => Err(error),
            Outcome::Changed(_) => Err(EtcdError::Stopped),
        }
    }

    /// Puts a configuration change into the log; the members after it.
    pub(crate) async fn propose_change(
        &self,
        mut change: ConfChange,
    ) -> Result<Arc<Membership>, EtcdError> {
        let id = self.0.ids.next();
        change.id = id;
        let waiter = self.0.waiters.register(id);
        match self
            .wait_for(waiter, Event::ProposeChange { id, change })
            .await?
        {
            Outcome::Changed(result) => Ok(result?),
            Outcome::Dropped(error) => Err(error),
            Outcome::Applied(_) => Err(EtcdError::Stopped),
        }
    }

    pub(super) async fn wait_for(
        &self,
        mut waiter: Waiter,
        event: Event,
    ) -> Result<Outcome, EtcdError> {
        let started = self.0.clock.monotonic();
        let _pending = While::new(&measures().proposals_pending);
        let waiting = async {
            self.0
                .inbox
                .send(event)
                .await
                .map_err(|_| EtcdError::Stopped)?;
            (&mut waiter.receiver).await.map_err(|_| EtcdError::Stopped)
        };
        let outcome = tokio::select! {
            outcome = waiting => outcome,
            () = tokio::time::sleep(self.request_timeout()) => Err(self.timeout_error(started)),
            () = self.0.stopping.cancelled() => Err(EtcdError::Stopped),
        };
        if !matches!(outcome, Ok(Outcome::Applied(_) | Outcome::Changed(_))) {
            measures().proposals_failed.inc();
        }
        outcome
    }
}

fn unexpected(response: &Response) -> EtcdError {
    EtcdError::Storage(format!(
        "the state machine gave an answer of another kind than was asked for: {response:?}"
    ))
}
