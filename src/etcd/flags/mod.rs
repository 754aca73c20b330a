//! The flags of `etcd`, its environment variables and its configuration file.

mod advertise;
pub mod duration;
mod file;
mod options;
mod parse;
mod table;
pub mod url;

#[cfg(test)]
mod tests;

pub use file::parse as parse_file;
pub use options::{Logging, Options, logging};
pub use parse::{Asked, EnvNote, Trouble, Values, command_line, environment};

/// What `etcd --help` prints on standard output (golden output of etcd 3.5.16).
pub const HELP: &str = include_str!("help.txt");

/// What `etcd --help` and a wrong flag print on standard error.
pub const USAGE: &str = "Usage:

  etcd [flags]
    Start an etcd server.

  etcd --version
    Show the version of etcd.

  etcd -h | --help
    Show the help information about etcd.

  etcd --config-file
    Path to the server configuration file. Note that if a configuration file is provided, other command line flags and environment variables will be ignored.

  etcd gateway
    Run the stateless pass-through etcd TCP connection forwarding proxy.

  etcd grpc-proxy
    Run the stateless etcd v3 gRPC L7 reverse proxy.
";
