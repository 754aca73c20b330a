//! One etcd member: the raft loop, its storage, and the requests it answers.
//!
//! The edge (flags, TLS, gRPC, HTTP, peer transport) talks to [`Server`] and is
//! talked to through [`Network`], [`Transport`] and [`PeerClient`].

mod config;
mod error;
mod network;

pub use config::{AutoCompaction, ClusterState, Config};
pub use error::EtcdError;
pub use network::{
    BoxFuture, Identity, IncomingSnapshot, Network, PeerClient, PeerMembers, PeerVersions,
    RaftInbox, SnapshotSource, Transport,
};
