//! What is served over HTTP.

pub mod answer;
pub mod client;
pub mod gateway;
pub mod gauges;
mod grpc_counts;
mod health;
pub mod peer;
pub mod serve;
pub mod v2;
