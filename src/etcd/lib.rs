//! One etcd 3.5 member: raft, storage, peers, gRPC and HTTP.

#![forbid(unsafe_code)]

pub mod flags;
pub mod http;
pub mod log;
mod measures;
pub mod metrics;
mod raft;
mod rpc;
mod run;
pub mod server;
pub mod size;
pub mod tls;
mod token;
pub mod transport;
pub mod version;

pub use run::run;
