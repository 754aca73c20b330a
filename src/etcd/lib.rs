//! One etcd 3.5 member: raft, storage, peers, gRPC and HTTP.

#![forbid(unsafe_code)]

pub mod flags;
pub mod log;
pub mod server;
pub mod tls;
pub mod http;
pub mod metrics;
pub mod size;
pub mod transport;
pub mod version;
