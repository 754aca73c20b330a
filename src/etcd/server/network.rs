//! The contract between the member and the peer transport.

use std::{
    future::Future,
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use wire::raftpb::Message;

use super::{EtcdError, FollowerStats};

/// A future in a box, so that the traits here can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who this member is; goes into the headers of every peer request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    /// `X-Etcd-Cluster-ID`.
    pub cluster_id: u64,
    /// `X-Server-From`.
    pub member_id: u64,
}

/// Makes what the member needs from the network. Given to `Server::start`.
pub trait Network: Send + Sync + 'static {
    /// A client for single requests to peers, usable before the member has an identity.
    fn peer_client(&self) -> Arc<dyn PeerClient>;
    /// Starts the raft transport. Called once, when the identity is known; peers
    /// follow through [`Transport::add_peer`]. Messages from peers go to `inbox`.
    fn start(
        &self,
        identity: Identity,
        inbox: Arc<dyn RaftInbox>,
    ) -> Result<Arc<dyn Transport>, EtcdError>;
}

/// The db file that goes with a snapshot message.
pub trait SnapshotSource: Send {
    /// Bytes that [`SnapshotSource::write_to`] will write.
    fn len(&self) -> u64;
    /// True if there is nothing to write.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Streams the file in bounded memory. Blocking: call it on a blocking thread.
    fn write_to(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<u64>;
}

/// Sends raft messages to peers. Nothing here blocks.
pub trait Transport: Send + Sync {
    /// Sends messages, in order for each receiver. A message that can't be sent is
    /// dropped and told to [`RaftInbox::report_unreachable`]. `MsgSnap` never comes here.
    fn send(&self, messages: Vec<Message>);
    /// Sends a `MsgSnap` followed by the db file (rafthttp's POST to `/raft/snapshot`),
    /// then tells [`RaftInbox::report_snapshot`].
    fn send_snapshot(&self, message: Message, db: Box<dyn SnapshotSource>);
    /// Starts to talk with a member of the cluster.
    fn add_peer(&self, id: u64, urls: Vec<String>);
    /// Knows a member that may need a catch-up before it is in the configuration.
    fn add_remote(&self, id: u64, urls: Vec<String>);
    /// Stops talking with it.
    fn remove_peer(&self, id: u64);
    /// Stops talking with everyone, but this member itself stays up.
    fn remove_all_peers(&self);
    /// Changes where a peer is.
    fn update_peer(&self, id: u64, urls: Vec<String>);
    /// Since when the peer has been reachable; `None` while it is not.
    fn active_since(&self, id: u64) -> Option<Instant>;
    /// How sending appends to each peer went so far.
    fn follower_stats(&self) -> Vec<(u64, FollowerStats)> {
        Vec::new()
    }
    /// Ends every connection; no call to the inbox follows.
    fn stop(&self);
}

/// A db file that came with a `MsgSnap`, being written.
pub trait IncomingSnapshot: Send {
    /// Appends bytes. Blocking.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Syncs the file and gives it its name `%016x.snap.db`. Call it before
    /// [`RaftInbox::process`] gets the message.
    fn finish(self: Box<Self>) -> io::Result<PathBuf>;
}

/// Where the transport's listener delivers to.
pub trait RaftInbox: Send + Sync + 'static {
    /// Steps a message. `Err(EtcdError::Removed)` if the sender has been removed
    /// (the listener answers 403 with etcd's words).
    fn process(&self, message: Message) -> BoxFuture<'_, Result<(), EtcdError>>;
    /// True if the member was removed from the cluster.
    fn is_id_removed(&self, id: u64) -> bool;
    /// The last message to the peer was lost.
    fn report_unreachable(&self, id: u64);
    /// How the sending of a snapshot ended.
    fn report_snapshot(&self, id: u64, ok: bool);
    /// Begins to receive the db file of a snapshot with this index.
    fn receive_snapshot(&self, index: u64) -> io::Result<Box<dyn IncomingSnapshot>>;
}

/// The answer of a peer's `/members`.
#[derive(Clone, Debug)]
pub struct PeerMembers {
    /// `X-Etcd-Cluster-ID` of the answer.
    pub cluster_id: u64,
    /// The JSON array of members as the peer sent it
    /// (`[{"id":1,"peerURLs":[…],"isLearner":true,"name":"a","clientURLs":[…]},…]`).
    pub members_json: Vec<u8>,
}

/// The answer of a peer's `/version`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerVersions {
    /// `etcdserver`, for example "3.5.16".
    pub server: String,
    /// `etcdcluster`, "not_decided" while there is none.
    pub cluster: String,
}

/// Single requests to the peer port of another member.
pub trait PeerClient: Send + Sync {
    /// `GET <url>/members`.
    fn members(
        &self,
        url: String,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<PeerMembers, EtcdError>>;
    /// `GET <url>/version`.
    fn version(
        &self,
        url: String,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<PeerVersions, EtcdError>>;
    /// `POST <url>/leases` with a `LeaseKeepAliveRequest`; the answer's TTL in seconds.
    /// `EtcdError::LeaseNotFound` if the peer answers 404.
    fn lease_renew(
        &self,
        url: String,
        id: i64,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<i64, EtcdError>>;
    /// `POST <url>/leases/internal` with a `LeaseInternalRequest`
    /// (field 1: `LeaseTimeToLiveRequest`).
    fn lease_time_to_live(
        &self,
        url: String,
        request: wire::etcdserverpb::LeaseTimeToLiveRequest,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<wire::etcdserverpb::LeaseTimeToLiveResponse, EtcdError>>;
    /// `POST <url>/members/promote/<id>` (decimal): the members as JSON.
    fn promote(
        &self,
        url: String,
        id: u64,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, EtcdError>>;
    /// `GET/POST <url>/members/hashkv` with `{"revision":N}` (etcd 3.5's PeerHashKV):
    /// the JSON body of the answer.
    fn hash_kv(
        &self,
        url: String,
        revision: i64,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, EtcdError>>;
}
