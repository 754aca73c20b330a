//! etcd's v3 gRPC services on a [`Server`] (`server/etcdserver/api/v3rpc`).

mod auth;
mod cluster;
mod concurrency;
mod health;
mod kv;
mod lease;
mod maintenance;
mod watch;

use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;
use tonic::{Code, Request, Status, metadata::MetadataMap, service::Routes};
use wire::{
    etcdserverpb::{
        auth_server::AuthServer, cluster_server::ClusterServer, kv_server::KvServer,
        lease_server::LeaseServer, maintenance_server::MaintenanceServer,
        watch_server::WatchServer,
    },
    healthpb::health_server::HealthServer,
    v3electionpb::election_server::ElectionServer,
    v3lockpb::lock_server::LockServer,
};

use crate::{
    http::serve::Remote,
    metrics::{self, Cell},
    server::{Caller, EtcdError, Server},
};

/// What a request may hold beyond `--max-request-bytes`, for gRPC's own parts, in bytes.
const GRPC_OVERHEAD: usize = 512 * 1024;
/// The most that an answer may hold, in bytes.
const MAX_SEND: usize = i32::MAX as usize;
/// Election timeouts without a leader after which streams that need one are ended.
const MAX_NO_LEADER: u32 = 3;

/// What every service needs; clones share it.
#[derive(Clone)]
pub struct Context {
    server: Server,
    /// Counts how often streams that need a leader must end.
    leader_losses: Arc<tokio::sync::watch::Sender<u64>>,
    watch_progress: Duration,
    request_limit: usize,
    requests: Arc<RequestCounts>,
    serving: health::Serving,
}

/// The counters of requests by kind and the version that the client names, looked
/// up in the registry once each.
#[derive(Default)]
struct RequestCounts {
    known: RwLock<Vec<(&'static str, String, Cell)>>,
}

impl RequestCounts {
    /// Different versions that are counted by name; clients can say anything.
    const MOST: usize = 64;

    fn count(&self, kind: &'static str, version: &str) {
        let known = self.known.read();
        if let Some((_, _, cell)) = known.iter().find(|(k, v, _)| *k == kind && v == version) {
            cell.inc();
            return;
        }
        let version = if known.len() < Self::MOST {
            version
        } else {
            "unknown"
        };
        drop(known);
        let cell = metrics::counter(
            "etcd_server_client_requests_total",
            "The total number of client requests per client version.",
            &[("type", kind), ("client_api_version", version)],
        );
        cell.inc();
        let mut known = self.known.write();
        if known.len() < Self::MOST {
            known.push((kind, version.to_owned(), cell));
        }
    }
}

impl Context {
    /// Starts to look after the leader. `watch_progress` is the period of progress notes.
    #[must_use]
    pub fn new(server: Server, watch_progress: Duration) -> Self {
        let leader_losses = Arc::new(tokio::sync::watch::Sender::new(0));
        let config = server.config();
        let request_limit = config.max_request_bytes.saturating_add(GRPC_OVERHEAD);
        let election = Duration::from_millis(config.election_ms);
        tokio::spawn(look_after_leader(
            server.clone(),
            Arc::clone(&leader_losses),
            election,
        ));
        Self {
            server,
            leader_losses,
            watch_progress,
            request_limit,
            requests: Arc::default(),
            serving: health::Serving::new(),
        }
    }

    /// All services.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let limit = self.request_limit;
        let mut routes = Routes::builder();
        routes
            .add_service(
                KvServer::new(self.clone())
                    .max_decoding_message_size(limit)
                    .max_encoding_message_size(MAX_SEND),
            )
            .add_service(
                WatchServer::new(self.clone())
                    .max_decoding_message_size(limit)
                    .max_encoding_message_size(MAX_SEND),
            )
            .add_service(
                LeaseServer::new(self.clone())
                    .max_decoding_message_size(limit)
                    .max_encoding_message_size(MAX_SEND),
            )
            .add_service(ClusterServer::new(self.clone()).max_decoding_message_size(limit))
            .add_service(AuthServer::new(self.clone()).max_decoding_message_size(limit))
            .add_service(MaintenanceServer::new(self.clone()).max_decoding_message_size(limit))
            .add_service(HealthServer::new(self.clone()).max_decoding_message_size(limit))
            .add_service(LockServer::new(self.clone()).max_decoding_message_size(limit))
            .add_service(ElectionServer::new(self.clone()).max_decoding_message_size(limit));
        routes.routes()
    }

    /// What the reference's interceptors check of a single request. `learner` says
    /// whether a member without a vote may answer it.
    fn admit_unary(&self, metadata: &MetadataMap, learner: bool) -> Result<(), Status> {
        self.admit("unary", metadata, learner).map(drop)
    }

    /// The same for a stream; true if it must end when there is no leader.
    fn admit_stream(&self, metadata: &MetadataMap, learner: bool) -> Result<bool, Status> {
        self.admit("stream", metadata, learner)
    }

    fn admit(
        &self,
        kind: &'static str,
        metadata: &MetadataMap,
        learner: bool,
    ) -> Result<bool, Status> {
        if !learner && self.server.is_learner() {
            return Err(status(&EtcdError::NotSupportedForLearner));
        }
        let text = |key| metadata.get(key).and_then(|value| value.to_str().ok());
        let version = text("client-api-version").unwrap_or("unknown");
        self.requests.count(kind, version);
        let needs_leader = text("hasleader") == Some("true");
        if needs_leader && self.server.leader() == 0 {
            return Err(status(&EtcdError::NoLeader));
        }
        Ok(needs_leader)
    }

    /// Ends when a stream that needs a leader must be ended.
    async fn leader_lost(&self, needed: bool) {
        if needed {
            let mut losses = self.leader_losses.subscribe();
            if losses.changed().await.is_ok() {
                return;
            }
        }
        std::future::pending().await
    }
}

/// Who makes a request, by its metadata and its connection.
fn caller<T>(request: &Request<T>) -> Caller {
    let metadata = request.metadata();
    // Both names are the reference's: its own clients', and that of HTTP.
    let token = metadata
        .get("token")
        .or_else(|| metadata.get("authorization"));
    let remote = request.extensions().get::<Remote>();
    Caller::client(
        token.map(|token| String::from_utf8_lossy(token.as_encoded_bytes()).into_owned()),
        remote.and_then(|remote| remote.common_name.clone()),
    )
}

/// An error as gRPC tells it.
fn status(error: &EtcdError) -> Status {
    Status::new(Code::from_i32(error.code()), error.to_string())
}

/// Streams that need a leader are ended only after some time without one:
/// they cost more to make again than a request.
async fn look_after_leader(
    server: Server,
    losses: Arc<tokio::sync::watch::Sender<u64>>,
    election: Duration,
) {
    let stopping = server.stopping();
    let mut missing = 0;
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(election) => {}
        }
        missing = if server.leader() == 0 { missing + 1 } else { 0 };
        if missing >= MAX_NO_LEADER {
            losses.send_modify(|losses| *losses += 1);
        }
    }
}
