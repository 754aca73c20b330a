//! Connections to one or several endpoints: all are kept open, calls take turns
//! over those that work, and wait while none does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::connect::{self, Connection, Dialer};
use super::endpoint::{self, Scheme};
use super::error::RpcError;
use super::login::Login;
use super::{Config, tls};
use crate::exit::Exit;

/// Pause after the first failed attempt; grows to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(120);

#[derive(Default)]
struct State {
    ready: Vec<(usize, Connection)>,
    last_error: Option<String>,
    turn: usize,
    started: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
pub struct Balancer {
    dialers: Vec<Dialer>,
    shared: Arc<Shared>,
    login: Option<Arc<Login>>,
}

impl Balancer {
    /// A balancer over `endpoints`. As in the reference the scheme of the first
    /// decides for all whether TLS is used.
    pub fn new(config: &Config, endpoints: &[String]) -> Result<Self, Exit> {
        let first = Self::dialer(config, &endpoints[0])?;
        let dialers = endpoints
            .iter()
            .map(|endpoint| Dialer {
                address: endpoint::interpret(endpoint).1,
                ..first.clone()
            })
            .collect();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Notify::new(),
        });
        Ok(Self {
            dialers,
            shared,
            login: config.login.clone(),
        })
    }

    /// How one endpoint is connected to.
    pub fn dialer(config: &Config, endpoint: &str) -> Result<Dialer, Exit> {
        let (scheme, address) = endpoint::interpret(endpoint);
        let credentials = config.credentials.as_ref();
        let tls = match (scheme, credentials) {
            (Scheme::Plain, _) | (Scheme::Either, None) => None,
            (_, Some(credentials)) => Some(credentials.config.clone()),
            (Scheme::Tls, None) => Some(tls::system()?),
        };
        Ok(Dialer {
            address,
            tls,
            server_name: credentials.and_then(|credentials| credentials.server_name.clone()),
            keepalive_time: config.keepalive_time,
            keepalive_timeout: config.keepalive_timeout,
        })
    }

    /// The user whose token calls carry.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_deref()
    }

    /// A connection that works, waiting for one until `deadline` (for ever
    /// without). Connecting begins with the first call.
    pub async fn pick(&self, deadline: Option<Instant>) -> Result<Connection, RpcError> {
        self.start();
        loop {
            let changed = self.shared.changed.notified();
            if let Some(connection) = self.next_ready() {
                return Ok(connection);
            }
            let Some(deadline) = deadline else {
                changed.await;
                continue;
            };
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Err(RpcError::deadline(match &self.shared.lock().last_error {
                    Some(error) => format!("latest balancer error: last connection error: {error}"),
                    None => "context deadline exceeded".to_owned(),
                }));
            }
        }
    }

    fn next_ready(&self) -> Option<Connection> {
        let mut state = self.shared.lock();
        state
            .ready
            .retain(|(_, connection)| !connection.is_closed());
        if state.ready.is_empty() {
            return None;
        }
        state.turn = state.turn.wrapping_add(1);
        let index = state.turn % state.ready.len();
        Some(state.ready[index].1.clone())
    }

    fn start(&self) {
        if std::mem::replace(&mut self.shared.lock().started, true) {
            return;
        }
        for (index, dialer) in self.dialers.iter().enumerate() {
            tokio::spawn(keep_connected(index, dialer.clone(), self.shared.clone()));
        }
    }
}

/// Connects, waits for the end of the connection, connects again.
async fn keep_connected(index: usize, dialer: Dialer, shared: Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match connect::connect(&dialer).await {
            Ok((connection, ended)) => {
                pause = FIRST_PAUSE;
                shared.lock().ready.push((index, connection));
                shared.changed.notify_waiters();
                ended.await;
                shared.lock().ready.retain(|(other, _)| *other != index);
            }
            Err(error) => {
                shared.lock().last_error = Some(error);
                tokio::time::sleep(pause).await;
                pause = pause.mul_f64(1.6).min(MAX_PAUSE);
            }
        }
    }
}
