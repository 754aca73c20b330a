//! A client of etcd's v3 API with the habits of `clientv3`: several endpoints
//! with fail-over, the same waiting, retrying, time-outs and words.

mod balancer;
mod call;
mod connect;
mod discovery;
mod endpoint;
mod error;
pub mod keep_alive;
pub mod login;
pub mod metrics;
mod preface;
mod raw;
mod tls;
mod verify;
mod watch;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;

pub use balancer::Balancer;
pub use call::{CallOptions, Retry, both_streams, next, server_stream, unary};
pub use connect::resolve;
pub use discovery::find_endpoints;
pub use error::RpcError;
use login::Login;
use tls::Credentials;
pub use tls::{Wanted, describe, from_files as tls_from_files, server_name};
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
    /// Who the client is for the server; `None` for nobody.
    pub login: Option<Arc<Login>>,
    /// How long logging in may take; zero for no limit.
    pub dial_timeout: Duration,
    /// Name of the logger of warnings.
    pub logger: &'static str,
}

/// A client. Connections are made when the first call needs one.
pub struct Client {
    config: Config,
    balancer: Balancer,
}

impl Client {
    /// A client that has logged in, if its configuration names a user. A runtime of
    /// its own does this, so that a command can open its client before it begins.
    pub fn open(config: Config) -> Result<Self, Exit> {
        if config.login.is_some() {
            // The token stays; the connection goes with the runtime.
            block_on(Self::logged_in(config.clone()))?;
        }
        Self::new(config)
    }

    /// The same within a runtime.
    pub async fn logged_in(config: Config) -> Result<Self, Exit> {
        let client = Self::new(config)?;
        login::log_in(client.any(), &client.login_options())
            .await
            .map_err(|error| Exit::new(code::BAD_CONNECTION, error.to_string()))?;
        Ok(client)
    }

    /// A client for `config` that is nobody yet.
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

    /// Asks that very endpoint.
    pub async fn ask_only<Q, R>(
        &self,
        endpoint: &str,
        path: &'static str,
        request: Q,
        options: &CallOptions,
    ) -> Result<R, AskError>
    where
        Q: prost::Message + Clone + 'static,
        R: prost::Message + Default + 'static,
    {
        login::log_in(&self.balancer, &self.login_options())
            .await
            .map_err(|source| AskError::LogIn {
                endpoint: endpoint.to_owned(),
                source,
            })?;
        let only = Balancer::new(&self.config, std::slice::from_ref(&endpoint.to_owned()))?;
        Ok(call::unary(&only, path, request, options).await?)
    }

    fn login_options(&self) -> CallOptions {
        let limit = self.config.dial_timeout;
        let deadline = (!limit.is_zero()).then(|| Instant::now() + limit);
        self.options(Retry::Once, deadline)
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

/// Why one endpoint could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No token could be had.
    #[error("failed to getToken from endpoint {endpoint} with maintenance client: {source}")]
    LogIn {
        /// As typed.
        endpoint: String,
        /// Why.
        source: RpcError,
    },
    /// It can't be reached in the way that the flags describe.
    #[error(transparent)]
    Config(#[from] Exit),
    /// It refused, or did not answer.
    #[error(transparent)]
    Call(#[from] RpcError),
}

/// Refuses flags that can't be meant.
pub fn check_flags(invocation: &Invocation) -> Outcome {
    let parsed = &invocation.parsed;
    for name in ["cert", "key", "cacert"] {
        if parsed.text(name).is_empty() && parsed.changed(name) {
            return Err(Exit::bad_args(format!(
                "empty string is passed to --{name} option"
            )));
        }
    }
    Ok(())
}

/// The configuration that the flags and the environment of a command describe, for
/// endpoints that [`endpoints`] and a user that [`login::from_flags`] gave.
pub fn config(
    invocation: &Invocation,
    endpoints: Vec<String>,
    login: Option<Arc<Login>>,
) -> Result<Config, Exit> {
    let tls = Wanted::from_flags(&invocation.parsed);
    config_with(invocation, endpoints, login, tls)
}

/// The same for a cluster that has TLS of its own.
pub fn config_with(
    invocation: &Invocation,
    endpoints: Vec<String>,
    login: Option<Arc<Login>>,
    tls: Wanted,
) -> Result<Config, Exit> {
    let parsed = &invocation.parsed;
    Ok(Config {
        endpoints,
        keepalive_time: nanos(parsed.duration("keepalive-time")),
        keepalive_timeout: nanos(parsed.duration("keepalive-timeout")),
        dial_timeout: nanos(parsed.duration("dial-timeout")),
        credentials: tls.read()?,
        login,
        logger: LOGGER,
    })
}

/// The endpoints that `--discovery-srv` finds, else those of the command line or the
/// environment, without spaces around them.
pub fn endpoints(invocation: &Invocation) -> Result<Vec<String>, Exit> {
    let found = discovery::endpoints(&invocation.parsed)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let typed = invocation.parsed.list("endpoints");
    Ok(typed.iter().map(|e| e.trim().to_owned()).collect())
}

/// Runs what talks to a server. One thread is enough: there is one thing to do.
pub fn block_on<T>(future: impl Future<Output = Result<T, Exit>>) -> Result<T, Exit> {
    run_on(tokio::runtime::Builder::new_current_thread(), future)
}

/// The same for many things at once, on all cores.
pub fn block_on_all_cores<T>(future: impl Future<Output = Result<T, Exit>>) -> Result<T, Exit> {
    run_on(tokio::runtime::Builder::new_multi_thread(), future)
}

fn run_on<T>(
    builder: tokio::runtime::Builder,
    future: impl Future<Output = Result<T, Exit>>,
) -> Result<T, Exit> {
    run_pinned(builder, std::pin::pin!(future))
}

/// Without the future's type, so that a runtime is compiled once and not for each command.
fn run_pinned<T>(
    mut builder: tokio::runtime::Builder,
    future: Pin<&mut dyn Future<Output = Result<T, Exit>>>,
) -> Result<T, Exit> {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Exit::error(format!("cannot start the client: {error}")))?;
    let outcome = runtime.block_on(future);
    // A look-up of a name that hangs must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// When a short command gives up.
pub fn deadline(invocation: &Invocation) -> Instant {
    Instant::now() + nanos(invocation.parsed.duration("command-timeout"))
}

fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.max(0) as u64)
}
