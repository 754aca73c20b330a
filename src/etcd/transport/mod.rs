//! etcd's peer protocol (`server/etcdserver/api/rafthttp`), so that a cluster
//! may mix our members with Google's.

mod client;
mod codec;
mod connect;
mod handler;
mod peer;
mod pipeline;
mod probe;
mod status;
mod stream;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use parking_lot::RwLock;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;
use wire::raftpb::Message;

use crate::{
    metrics::{self, Cell},
    server::{
        BoxFuture, EtcdError, FollowerStats, Identity, Network, PeerClient, RaftInbox,
        SnapshotSource, Transport,
    },
    version::{MIN_CLUSTER_VERSION, VERSION},
};
pub use client::{LeaseInternalRequest, LeaseInternalResponse};
use connect::HttpClient;
use peer::Peer;

/// Answered to and understood from members that can't work together.
const INCOMPATIBLE_VERSION: &str = "incompatible version";
/// Answered to and understood from members of other clusters.
const CLUSTER_ID_MISMATCH: &str = "cluster ID mismatch";
/// What a member is told that has been removed.
const REMOVED: &str = "the member has been permanently removed from the cluster";
/// The most that is read of an answer that should be a sentence, in bytes.
const SMALL_BODY: usize = 64 * 1024;

/// How to reach peers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For peers with `https`; `None` if no peer has it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// This member's peer URLs, told to everyone it talks to.
    pub peer_urls: Vec<String>,
    /// How long a connection may take (etcd: a second and an election timeout).
    pub dial_timeout: Duration,
    /// `--raft-read-timeout`.
    pub read_timeout: Duration,
    /// `--raft-write-timeout`.
    pub write_timeout: Duration,
}

/// Everything about peers: the clients, and, once the member knows who it is,
/// the raft transport. Clones are the same network.
#[derive(Clone)]
pub struct PeerNetwork {
    settings: Settings,
    client: HttpClient,
    runtime: Handle,
    started: Arc<OnceLock<Arc<RaftTransport>>>,
    removed: Arc<watch::Sender<bool>>,
}

impl PeerNetwork {
    /// Must be called on a tokio runtime, which all its tasks will run on.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            client: connect::client(settings.tls.clone(), settings.dial_timeout),
            runtime: Handle::current(),
            started: Arc::default(),
            removed: Arc::new(watch::Sender::new(false)),
            settings,
        }
    }

    /// Becomes true when a peer says that this member has been removed from the cluster.
    #[must_use]
    pub fn removed(&self) -> watch::Receiver<bool> {
        self.removed.subscribe()
    }

    /// The raft transport, once the member has started it.
    #[must_use]
    pub fn transport(&self) -> Option<Arc<RaftTransport>> {
        self.started.get().cloned()
    }
}

impl Network for PeerNetwork {
    fn peer_client(&self) -> Arc<dyn PeerClient> {
        Arc::new(client::Requests {
            client: self.client.clone(),
        })
    }

    fn start(
        &self,
        identity: Identity,
        inbox: Arc<dyn RaftInbox>,
    ) -> Result<Arc<dyn Transport>, EtcdError> {
        let shared = Shared {
            identity,
            peer_urls: self.settings.peer_urls.join(","),
            client: self.client.clone(),
            inbox,
            read_timeout: self.settings.read_timeout,
            write_timeout: self.settings.write_timeout,
            runtime: self.runtime.clone(),
            removed: Arc::clone(&self.removed),
            cancel: CancellationToken::new(),
        };
        let transport = Arc::new(RaftTransport {
            shared: Arc::new(shared),
            peers: RwLock::default(),
        });
        if self.started.set(Arc::clone(&transport)).is_err() {
            return Err(EtcdError::Start(
                "the peer transport has been started already; this is a mistake in the program"
                    .into(),
            ));
        }
        Ok(transport)
    }
}

/// What every part of the transport needs.
struct Shared {
    identity: Identity,
    peer_urls: String,
    client: HttpClient,
    inbox: Arc<dyn RaftInbox>,
    read_timeout: Duration,
    write_timeout: Duration,
    runtime: Handle,
    removed: Arc<watch::Sender<bool>>,
    cancel: CancellationToken,
}

impl Shared {
    /// A request with the headers by which members know each other.
    fn request(
        &self,
        method: Method,
        url: &str,
        path: &str,
        body: Body,
    ) -> Result<Request<Body>, String> {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", url.trim_end_matches('/')))
            .header("X-Server-From", hex_header(self.identity.member_id))
            .header("X-Server-Version", VERSION)
            .header("X-Min-Cluster-Version", MIN_CLUSTER_VERSION)
            .header("X-Etcd-Cluster-ID", hex_header(self.identity.cluster_id))
            .header("X-PeerURLs", &self.peer_urls)
            .body(body)
            .map_err(|error| format!("failed to make http request to {url} ({error})"))
    }

    fn told_removed(&self) {
        self.removed.send_replace(true);
    }
}

/// An ID as headers and paths have it.
fn hex_header(id: u64) -> HeaderValue {
    // Hexadecimal digits are always a valid value.
    HeaderValue::from_str(&format!("{id:x}")).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// Reads an answer that should be a sentence; what can't be read is left out.
async fn small_body(body: Incoming) -> String {
    match Limited::new(body, SMALL_BODY).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    }
}

fn sent_bytes(to: u64) -> Cell {
    metrics::counter(
        "etcd_network_peer_sent_bytes_total",
        "The total number of bytes sent to peers.",
        &[("To", &format!("{to:x}"))],
    )
}

fn sent_failures(to: u64) -> Cell {
    metrics::counter(
        "etcd_network_peer_sent_failures_total",
        "The total number of send failures from peers.",
        &[("To", &format!("{to:x}"))],
    )
}

fn received_bytes(from: u64) -> Cell {
    metrics::counter(
        "etcd_network_peer_received_bytes_total",
        "The total number of bytes received from peers.",
        &[("From", &format!("{from:x}"))],
    )
}

fn received_failures(from: &str) -> Cell {
    metrics::counter(
        "etcd_network_peer_received_failures_total",
        "The total number of receive failures from peers.",
        &[("From", from)],
    )
}

/// Peers and remotes by ID.
#[derive(Default)]
struct Peers {
    members: HashMap<u64, Arc<Peer>>,
    remotes: HashMap<u64, Arc<Peer>>,
    stopped: bool,
}

/// Sends raft messages to peers and receives theirs.
pub struct RaftTransport {
    shared: Arc<Shared>,
    peers: RwLock<Peers>,
}

impl RaftTransport {
    fn find(&self, id: u64) -> Option<Arc<Peer>> {
        let peers = self.peers.read();
        peers
            .members
            .get(&id)
            .or_else(|| peers.remotes.get(&id))
            .cloned()
    }

    fn member(&self, id: u64) -> Option<Arc<Peer>> {
        self.peers.read().members.get(&id).cloned()
    }

    fn local(&self) -> String {
        format!("{:x}", self.shared.identity.member_id)
    }
}

impl Transport for RaftTransport {
    fn send(&self, messages: Vec<Message>) {
        for message in messages {
            // The member drops a message by addressing it to nobody.
            if message.to == 0 {
                continue;
            }
            match self.find(message.to) {
                Some(peer) => peer.send(message),
                None => crate::debug!(
                    "rafthttp/transport.go:190", "ignored message send request; unknown remote peer target",
                    "type" => message.r#type().as_str_name(),
                    "unknown-target-peer-id" => format!("{:x}", message.to),
                ),
            }
        }
    }

    fn send_snapshot(&self, message: Message, db: Box<dyn SnapshotSource>) {
        match self.member(message.to) {
            Some(peer) => peer.send_snapshot(message, db),
            None => self.shared.inbox.report_snapshot(message.to, false),
        }
    }

    fn add_peer(&self, id: u64, urls: Vec<String>) {
        let mut peers = self.peers.write();
        if peers.stopped || peers.members.contains_key(&id) {
            return;
        }
        let peer = Peer::start(&self.shared, id, urls.clone());
        peers.members.insert(id, Arc::new(peer));
        drop(peers);
        crate::info!(
            "rafthttp/transport.go:317", "added remote peer",
            "local-member-id" => self.local(), "remote-peer-id" => format!("{id:x}"), "remote-peer-urls" => urls,
        );
    }

    fn add_remote(&self, id: u64, urls: Vec<String>) {
        let mut peers = self.peers.write();
        if peers.stopped || peers.members.contains_key(&id) || peers.remotes.contains_key(&id) {
            return;
        }
        peers
            .remotes
            .insert(id, Arc::new(Peer::remote(&self.shared, id, urls.clone())));
        drop(peers);
        crate::info!(
            "rafthttp/transport.go:287", "added new remote peer",
            "local-member-id" => self.local(), "remote-peer-id" => format!("{id:x}"), "remote-peer-urls" => urls,
        );
    }

    fn remove_peer(&self, id: u64) {
        if self.peers.write().members.remove(&id).is_some() {
            crate::info!(
                "rafthttp/transport.go:355", "removed remote peer",
                "local-member-id" => self.local(), "removed-remote-peer-id" => format!("{id:x}"),
            );
        }
    }

    fn remove_all_peers(&self) {
        let ids: Vec<u64> = self.peers.read().members.keys().copied().collect();
        for id in ids {
            self.remove_peer(id);
        }
    }

    fn update_peer(&self, id: u64, urls: Vec<String>) {
        if let Some(peer) = self.member(id) {
            peer.update(urls.clone());
            crate::info!(
                "rafthttp/transport.go:380", "updated remote peer",
                "local-member-id" => self.local(), "updated-remote-peer-id" => format!("{id:x}"),
                "updated-remote-peer-urls" => urls,
            );
        }
    }

    fn active_since(&self, id: u64) -> Option<Instant> {
        self.member(id).and_then(|peer| peer.active_since())
    }

    fn follower_stats(&self) -> Vec<(u64, FollowerStats)> {
        let peers = self.peers.read();
        let stats = |(id, peer): (&u64, &Arc<Peer>)| (*id, peer.append_stats());
        peers.members.iter().map(stats).collect()
    }

    fn stop(&self) {
        self.shared.cancel.cancel();
        let mut peers = self.peers.write();
        peers.stopped = true;
        peers.members.clear();
        peers.remotes.clear();
    }
}

/// A boxed future of a single request.
type Answer<'a, T> = BoxFuture<'a, Result<T, EtcdError>>;
