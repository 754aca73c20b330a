//! Leases. Grants and revocations go through the log; renewals only to the leader.

use std::time::Duration;

use mvcc::{Renewed, Response};
use tokio::time::Instant;
use wire::etcdserverpb::{self as pb, InternalRaftRequest};

use super::{Caller, EtcdError, Server};
use crate::measures::measures;

/// How long a renewal waits for the log to be applied (`v3_server.go`, `applyTimeout`).
const APPLY_TIMEOUT: Duration = Duration::from_secs(1);

impl Server {
    /// Grants a lease; the member chooses an id if the request has none.
    pub async fn lease_grant(
        &self,
        caller: &Caller,
        mut request: pb::LeaseGrantRequest,
    ) -> Result<pb::LeaseGrantResponse, EtcdError> {
        while request.id == 0 {
            request.id = (self.0.ids.next() & (i64::MAX as u64)) as i64;
        }
        let request = InternalRaftRequest {
            lease_grant: Some(request),
            ..Default::default()
        };
        match self.propose_within_quota(caller, request).await? {
            Response::LeaseGrant(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            _ => Err(EtcdError::Stopped),
        }
    }

    /// Revokes a lease with its keys.
    pub async fn lease_revoke(
        &self,
        caller: &Caller,
        request: pb::LeaseRevokeRequest,
    ) -> Result<pb::LeaseRevokeResponse, EtcdError> {
        let request = InternalRaftRequest {
            lease_revoke: Some(request),
            ..Default::default()
        };
        match self.propose(caller, request).await? {
            Response::LeaseRevoke(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            _ => Err(EtcdError::Stopped),
        }
    }

    /// Renews a lease, asking the leader if that is another member; the TTL in seconds.
    pub async fn lease_keep_alive(&self, id: i64) -> Result<i64, EtcdError> {
        if self.is_leader() {
            match self.lease_renew_local(id).await {
                Err(EtcdError::State(mvcc::Error::NotPrimary)) => {}
                answer => return answer,
            }
        }
        let deadline = Instant::now() + self.request_timeout();
        while Instant::now() < deadline {
            for url in self.wait_leader(deadline).await? {
                match self
                    .0
                    .peers
                    .lease_renew(url, id, self.request_timeout())
                    .await
                {
                    Err(
                        EtcdError::LeaseNotFound | EtcdError::State(mvcc::Error::LeaseNotFound),
                    ) => return Err(mvcc::Error::LeaseNotFound.into()),
                    Ok(ttl) => return Ok(ttl),
                    Err(_) => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(EtcdError::Timeout)
    }

    /// Renews a lease as the leader (the peer request `/leases`).
    pub async fn lease_renew_local(&self, id: i64) -> Result<i64, EtcdError> {
        if !self.ensure_leadership().await {
            return Err(mvcc::Error::NotPrimary.into());
        }
        self.wait_applied().await?;
        loop {
            match self.0.store.lease_renew(id, self.0.clock.monotonic())? {
                Renewed::Alive {
                    ttl,
                    clear_checkpoint,
                } => {
                    measures().leases_renewed.inc();
                    if clear_checkpoint {
                        let checkpoint = pb::LeaseCheckpoint {
                            id,
                            remaining_ttl: 0,
                        };
                        self.propose_checkpoints(vec![checkpoint]).await;
                    }
                    return Ok(ttl);
                }
                // It is past its time and being revoked: whoever renews it must not be
                // told that it lives.
                Renewed::Expiring => tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                    () = self.0.stopping.cancelled() => return Err(EtcdError::Stopped),
                },
            }
        }
    }

    pub(crate) async fn propose_checkpoints(&self, checkpoints: Vec<pb::LeaseCheckpoint>) {
        let request = InternalRaftRequest {
            lease_checkpoint: Some(pb::LeaseCheckpointRequest { checkpoints }),
            ..Default::default()
        };
        // A checkpoint that is lost is made again.
        let _ = self.propose(&Caller::nobody(), request).await;
    }

    /// Time left. The keys of a lease are named only to those who may read them all.
    pub async fn lease_time_to_live(
        &self,
        caller: &Caller,
        request: pb::LeaseTimeToLiveRequest,
    ) -> Result<pb::LeaseTimeToLiveResponse, EtcdError> {
        let store = &self.0.store;
        if !request.keys || !store.auth_enabled() {
            return self.lease_time_to_live_anywhere(request).await;
        }
        let before = store.auth_revision();
        let who = self.identify(caller).await?;
        if who == mvcc::AuthInfo::default() {
            return Err(mvcc::Error::UserEmpty.into());
        }
        store.permit_lease_keys(&who, request.id)?;
        let response = self.lease_time_to_live_anywhere(request).await?;
        if store.auth_enabled() && store.auth_revision() != before {
            return Err(mvcc::Error::AuthOldRevision.into());
        }
        Ok(response)
    }

    /// Time left, asking the leader if that is another member.
    async fn lease_time_to_live_anywhere(
        &self,
        request: pb::LeaseTimeToLiveRequest,
    ) -> Result<pb::LeaseTimeToLiveResponse, EtcdError> {
        if self.is_leader() {
            return self.lease_time_to_live_local(request).await;
        }
        let deadline = Instant::now() + self.request_timeout();
        while Instant::now() < deadline {
            for url in self.wait_leader(deadline).await? {
                let asked = self
                    .0
                    .peers
                    .lease_time_to_live(url, request, self.request_timeout());
                match asked.await {
                    Err(
                        EtcdError::LeaseNotFound | EtcdError::State(mvcc::Error::LeaseNotFound),
                    ) => return Err(mvcc::Error::LeaseNotFound.into()),
                    Ok(mut response) => {
                        self.fill(&mut response.header);
                        return Ok(response);
                    }
                    Err(_) => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(EtcdError::Timeout)
    }

    /// Time left, as the leader (the peer request `/leases/internal`).
    pub async fn lease_time_to_live_local(
        &self,
        request: pb::LeaseTimeToLiveRequest,
    ) -> Result<pb::LeaseTimeToLiveResponse, EtcdError> {
        self.wait_applied().await?;
        let now = self.0.clock.monotonic();
        let mut response = self
            .0
            .store
            .lease_time_to_live(request.id, request.keys, now)?;
        if !self.0.store.lease_is_primary() {
            return Err(EtcdError::LeaderChanged);
        }
        self.fill(&mut response.header);
        Ok(response)
    }

    /// All leases.
    pub fn lease_leases(&self) -> pb::LeaseLeasesResponse {
        let leases = self.0.store.leases();
        pb::LeaseLeasesResponse {
            header: Some(self.header()),
            leases: leases
                .into_iter()
                .map(|id| pb::LeaseStatus { id })
                .collect(),
        }
    }

    /// Waits until everything committed by now is applied, for a second at most.
    pub(crate) async fn wait_applied(&self) -> Result<(), EtcdError> {
        let wanted = self.0.progress.committed();
        let mut applied = self.0.progress.applied.subscribe();
        tokio::select! {
            reached = applied.wait_for(|applied| *applied >= wanted) => {
                reached.map(drop).map_err(|_| EtcdError::Stopped)
            }
            () = tokio::time::sleep(APPLY_TIMEOUT) => Err(EtcdError::TimeoutWaitAppliedIndex),
            () = self.0.stopping.cancelled() => Err(EtcdError::Stopped),
        }
    }

    /// True if this member is surely the leader still: it has been ticking, or a
    /// quorum says so.
    pub(crate) async fn ensure_leadership(&self) -> bool {
        let ticked = self
            .0
            .progress
            .ticked
            .load(std::sync::atomic::Ordering::Relaxed);
        let threshold = 3 * self.0.config.heartbeat_ms;
        if ticked + threshold > self.0.clock.monotonic() {
            return true;
        }
        let read = tokio::time::timeout(self.request_timeout(), self.linearizable_read_notify());
        matches!(read.await, Ok(Ok(()))) && self.is_leader()
    }

    /// The leader's peer URLs, as soon as there is a leader that this member knows.
    pub(crate) async fn wait_leader(&self, deadline: Instant) -> Result<Vec<String>, EtcdError> {
        loop {
            if let Some(leader) = self.membership().members.get(&self.leader()) {
                return Ok(leader.peer_urls.clone());
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(self.0.config.election_ms)) => {}
                () = tokio::time::sleep_until(deadline) => return Err(EtcdError::NoLeader),
                () = self.0.stopping.cancelled() => return Err(EtcdError::Stopped),
            }
        }
    }
}
