//! One etcd member: the raft loop, its storage, and the requests it answers.
//!
//! The edge (flags, TLS, gRPC, HTTP, peer transport) talks to [`Server`] and is
//! talked to through [`Network`], [`Transport`] and [`PeerClient`].

mod apply;
mod auth;
mod background;
mod bootstrap;
mod clock;
mod cluster;
mod config;
mod corruption;
pub(crate) mod downgrade;
mod error;
mod inbox;
mod kv;
mod lease;
mod maintenance;
mod network;
pub(crate) mod progress;
mod reads;
mod snapshots;
mod start;
#[cfg(test)]
mod tests;
mod v2;
pub(crate) mod v2_stats;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use mvcc::{Membership, Store, Wake, WatchStream};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use wire::etcdserverpb::ResponseHeader;

pub use auth::Caller;
pub use clock::{Clock, SystemClock};
pub use config::{AutoCompaction, ClusterState, Config};
pub use error::EtcdError;
pub use network::{
    BoxFuture, Identity, IncomingSnapshot, Network, PeerClient, PeerMembers, PeerVersions,
    RaftInbox, SnapshotSource, Transport,
};
pub(crate) use v2::Refused;
pub use v2_stats::FollowerStats;

use crate::raft::events::{Event, RaftStatus};
use crate::token::Tokens;
use progress::{Progress, RequestIds, Waiters};

/// The version that this member claims, because it does what that release does.
pub const VERSION: &str = "3.5.16";

/// A running member. Clones are handles on the same one.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    config: Config,
    identity: Identity,
    bolt_options: bolt::Options,
    /// The db that the store uses now, to be closed at the end.
    db: Mutex<bolt::Db>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    peers: Arc<dyn PeerClient>,
    /// Set once, right after the member was put together: the transport needs the
    /// member as its inbox.
    transport: OnceLock<Arc<dyn Transport>>,
    progress: Arc<Progress>,
    waiters: Waiters,
    ids: RequestIds,
    tokens: Tokens,
    inbox: mpsc::Sender<Event>,
    reads: mpsc::UnboundedSender<oneshot::Sender<Result<(), EtcdError>>>,
    /// Told when a compaction was scheduled.
    compaction: Notify,
    snapshotter: wal::Snapshotter,
    v2_stats: Arc<v2_stats::Stats>,
    /// True after the member has published its name and client URLs.
    ready: watch::Sender<bool>,
    /// Why the member stopped by itself, if it did.
    failure: watch::Sender<Option<EtcdError>>,
    stopping: CancellationToken,
    /// Cancelled when every thread and task of the member has ended.
    stopped: CancellationToken,
}

impl Server {
    /// `X-Etcd-Cluster-ID`.
    pub fn cluster_id(&self) -> u64 {
        self.0.identity.cluster_id
    }

    /// This member's id.
    pub fn id(&self) -> u64 {
        self.0.identity.member_id
    }

    /// The settings it was started with.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The leader's id; 0 while there is none.
    pub fn leader(&self) -> u64 {
        self.0.progress.lead()
    }

    /// True if this member leads.
    pub fn is_leader(&self) -> bool {
        self.leader() == self.id()
    }

    /// Watches the leader's id.
    pub fn watch_leader(&self) -> watch::Receiver<u64> {
        self.0.progress.lead.subscribe()
    }

    /// True if this member has no vote.
    pub fn is_learner(&self) -> bool {
        self.membership()
            .members
            .get(&self.id())
            .is_some_and(|member| member.is_learner)
    }

    /// Term of the newest applied entry.
    pub fn term(&self) -> u64 {
        self.0.progress.term()
    }

    /// Index of the newest applied entry.
    pub fn applied_index(&self) -> u64 {
        self.0.progress.applied()
    }

    /// Index of the newest entry known to be committed.
    pub fn committed_index(&self) -> u64 {
        self.0.progress.committed()
    }

    /// The members, ids that were removed, and the cluster version.
    pub fn membership(&self) -> Arc<Membership> {
        self.0.store.membership()
    }

    /// The cluster version ("3.5.0"); `None` while it is not decided.
    pub fn cluster_version(&self) -> Option<String> {
        self.membership().version.clone()
    }

    /// The state machine, for reads that need no agreement (alarms, sizes, revision).
    pub fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    /// A new stream of watches; `wake` is called whenever it has something.
    pub fn watch_stream(&self, wake: Arc<dyn Wake>) -> WatchStream {
        self.0.store.watch_stream(wake)
    }

    /// A header without a revision (Cluster and MoveLeader answers).
    pub fn header(&self) -> ResponseHeader {
        self.header_at(0)
    }

    /// A header with this revision.
    pub fn header_at(&self, revision: i64) -> ResponseHeader {
        ResponseHeader {
            cluster_id: self.cluster_id(),
            member_id: self.id(),
            revision,
            raft_term: self.term(),
        }
    }

    /// Completes a header that has at most a revision.
    pub fn fill(&self, header: &mut Option<ResponseHeader>) {
        let revision = header.as_ref().map_or(0, |header| header.revision);
        let revision = match revision {
            0 => self.0.store.revision(),
            known => known,
        };
        *header = Some(self.header_at(revision));
    }

    /// How long a request may take: 5 s for queueing, computing and disk, and twice
    /// the election timeout (`config.ReqTimeout`).
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(5) + Duration::from_millis(2 * self.0.config.election_ms)
    }

    /// The peer transport.
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        // Invariant: set by `start` before anyone has a `Server`.
        self.0
            .transport
            .get()
            .expect("the transport is set at the start")
            .clone()
    }

    /// Waits until the member has published its name and client URLs.
    pub async fn ready(&self) -> Result<(), EtcdError> {
        let mut ready = self.0.ready.subscribe();
        tokio::select! {
            reached = ready.wait_for(|ready| *ready) => reached.map(drop).map_err(|_| EtcdError::Stopped),
            () = self.0.stopping.cancelled() => Err(self.failure().unwrap_or(EtcdError::Stopped)),
        }
    }

    /// Waits until the member has stopped, by itself or because it was told to; why,
    /// if it was by itself.
    pub async fn stopped(&self) -> Option<EtcdError> {
        self.0.stopped.cancelled().await;
        self.failure()
    }

    /// Stops: no more requests, the log synced, the db committed. Returns when done.
    pub async fn stop(&self) {
        self.0.stopping.cancel();
        self.0.stopped.cancelled().await;
    }

    /// A future that ends when the member begins to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.0.stopping.clone()
    }

    fn failure(&self) -> Option<EtcdError> {
        self.0.failure.borrow().clone()
    }

    /// Stops the member because it can't go on.
    pub(crate) fn fail(&self, error: EtcdError) {
        self.0.fail(error);
    }

    pub(crate) async fn send(&self, event: Event) -> Result<(), EtcdError> {
        self.0
            .inbox
            .send(event)
            .await
            .map_err(|_| EtcdError::Stopped)
    }

    pub(crate) async fn raft_status(&self) -> Result<RaftStatus, EtcdError> {
        let (reply, answer) = oneshot::channel();
        self.send(Event::Status { reply }).await?;
        answer.await.map_err(|_| EtcdError::Stopped)
    }

    /// What a request that ran out of time is told (`parseProposeCtxErr`).
    pub(crate) fn timeout_error(&self, started: u64) -> EtcdError {
        use std::sync::atomic::Ordering;
        let elected = self.0.progress.elected.load(Ordering::Relaxed);
        let lost = elected.saturating_sub(2 * self.0.config.election_ms);
        if started > lost && started < elected {
            return EtcdError::TimeoutDueToLeaderFail;
        }
        let waited = Duration::from_millis(self.0.clock.monotonic().saturating_sub(started));
        let lead = self.leader();
        let connected = if lead == 0 {
            true
        } else if lead == self.id() {
            let ids: Vec<_> = self.membership().members.keys().copied().collect();
            self.connected_since(&ids, waited) > ids.len() / 2
        } else {
            self.connected_since(&[lead], waited) == 1
        };
        if connected {
            EtcdError::Timeout
        } else {
            EtcdError::TimeoutDueToConnectionLost
        }
    }
}

impl Inner {
    fn fail(&self, error: EtcdError) {
        crate::error!("etcdserver/server.go:1139", "server error", "error" => error.to_string());
        self.failure.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(error);
            }
            first
        });
        self.stopping.cancel();
    }
}
