//! Labs: the format and its mistakes, the values that differ per run, sessions on
//! disk, and the kubeadm layout that a lab's nodes start with.
//!
//! Never here: scoring (that is `grade`), and processes (that is `sandbox`).
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod fault;
pub mod model;
pub mod order;
pub mod pack;
pub mod parse;
mod parse_check;
mod parse_cluster;
mod parse_live;
pub mod probes;
pub mod provision;
mod read;
pub mod schema;
pub mod session;
pub mod vars;

pub use model::Lab;
pub use order::Order;
pub use pack::{Pack, load_pack};
pub use parse::{LoadError, load, load_with};

#[cfg(test)]
mod tests;
