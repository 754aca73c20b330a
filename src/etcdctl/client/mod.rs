//! A client of etcd's v3 API with the habits of `clientv3`: several endpoints
//! with fail-over, the same waiting, retrying, time-outs and words.

mod balancer;
mod call;
mod connect;
mod endpoint;
mod error;
mod preface;
mod tls;
mod verify;
mod watch;

use std::time::Duration;

use tokio::time::Instant;

use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;

use balancer::Balancer;
pub use call::{CallOptions, Retry, both_streams, next, server_stream, unary};
pub use connect::resolve;
pub use error::RpcError;
use tls::Credentials;
pub use tls::{describe, from_files as tls_from_files, server_name};
pub use watch::{WatchEvent, Watcher};

/// Name of the logger of most commands.
pub const LOGGER: &str = "etcd-client";

/// How to reach a cluster.
#[derive(Clone)]
pub struct Config {
    /// Endpoints as typed, with or without scheme.
    pub endpoints: Vec<String>,
    /// Interval of HTTP/2 pings while a call is open.
    pub keepalive_time: Duration,
    /// How long a ping may stay unanswered.
    pub keepalive_timeout: Duration,
    /// Certificates; `None` when no flag asked for TLS. An endpoint with
    /// `https://` uses TLS even so.
    pub credentials: Option<Credentials>,
    /// Name of the logger of warnings.
    pub logger: &'static str,
}

/// A client. Connections are made when the first call needs one.
pub struct Client {
    config: Config,
    balancer: Balancer,
}

impl Client {
    /// A client for `config`.
    pub fn new(config: Config) -> Result<Self, Exit> {
        if config.endpoints.is_empty() {
            return Err(Exit::new(
                code::BAD_CONNECTION,
                "etcdclient: no available endpoints",
            ));
        }
        let balancer = Balancer::new(&config, &config.endpoints)?;
        Ok(Self { config, balancer })
    }

    /// The endpoints as typed.
    pub fn endpoints(&self) -> &[String] {
        &self.config.endpoints
    }

    /// What the client was made from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Connections to the endpoints together.
    pub fn any(&self) -> &Balancer {
        &self.balancer
    }

    /// Connections to one endpoint, for calls that mean that very member.
    pub fn only(&self, endpoint: &str) -> Result<Balancer, Exit> {
        Balancer::new(&self.config, std::slice::from_ref(&endpoint.to_owned()))
    }

    /// How log lines name the client's target. The reference prints the address
    /// of a Go object in the middle; ours is a number of no meaning, too.
    pub fn target(&self) -> String {
        let authority = endpoint::authority(&self.config.endpoints[0]);
        format!(
            "etcd-endpoints://0xc{:09x}/{authority}",
            (std::process::id() as usize) << 5
        )
    }

    /// The options of an ordinary call with a deadline.
    pub fn options(&self, retry: Retry, deadline: Option<Instant>) -> CallOptions {
        CallOptions {
            retry,
            deadline,
            logger: self.config.logger,
            target: self.target(),
            endpoints: self.config.endpoints.len(),
        }
    }
}

/// Refuses flags that can't be meant, and those that this client has no means for.
pub fn check_flags(invocation: &Invocation) -> Outcome {
    let parsed = &invocation.parsed;
    for name in ["cert", "key", "cacert"] {
        if parsed.text(name).is_empty() && parsed.changed(name) {
            return Err(Exit::bad_args(format!(
                "empty string is passed to --{name} option"
            )));
        }
    }
    for (flag, what) in [
        ("user", "logging in with a user name"),
        ("discovery-srv", "finding endpoints through DNS"),
    ] {
        if !parsed.text(flag).is_empty() {
            return Err(Exit::new(
                code::BAD_FEATURE,
                format!("--{flag}: {what} is not supported by kubedrill; nothing was done"),
            ));
        }
    }
    Ok(())
}

/// The configuration that the flags and the environment of a command describe.
pub fn config(invocation: &Invocation) -> Result<Config, Exit> {
    let endpoints = endpoints(invocation);
    config_for(invocation, endpoints)
}

/// The same for endpoints found elsewhere.
pub fn config_for(invocation: &Invocation, endpoints: Vec<String>) -> Result<Config, Exit> {
    let parsed = &invocation.parsed;
    Ok(Config {
        endpoints,
        keepalive_time: nanos(parsed.duration("keepalive-time")),
        keepalive_timeout: nanos(parsed.duration("keepalive-timeout")),
        credentials: tls::from_flags(parsed)?,
        logger: LOGGER,
    })
}

/// The endpoints of the command line or the environment, without spaces around them.
pub fn endpoints(invocation: &Invocation) -> Vec<String> {
    invocation
        .parsed
        .list("endpoints")
        .iter()
        .map(|e| e.trim().to_owned())
        .collect()
}

/// When a short command gives up.
pub fn deadline(invocation: &Invocation) -> Instant {
    Instant::now() + nanos(invocation.parsed.duration("command-timeout"))
}

fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.max(0) as u64)
}
