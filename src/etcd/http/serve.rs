//! Listeners, and connections with or without TLS that speak HTTP/1.1 or HTTP/2,
//! whichever the client begins with.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::Request};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, UnixListener},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    flags::url::Url,
    tls::{PeerCheck, TlsError, TlsInfo},
};

/// How long a TLS handshake may take before the connection is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Queue of connections that are not accepted yet.
const BACKLOG: u32 = 1024;

/// Socket options of flags.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketOptions {
    /// `--socket-reuse-port`.
    pub reuse_port: bool,
    /// `--socket-reuse-address`. Rust sets it on every listener, as Go does.
    pub reuse_address: bool,
}

/// Where connections come in.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A socket in the file system, removed at the end.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// The address as logs show it.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map(|address| address.to_string())
                .unwrap_or_default(),
            Self::Unix(_, path) => path.display().to_string(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // It may have been removed already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Listens at a URL.
///
/// # Errors
/// As Go words it: `listen tcp 127.0.0.1:2379: bind: address already in use`.
pub async fn bind(url: &Url, options: SocketOptions) -> io::Result<Listener> {
    if url.is_unix() {
        let path = format!("{}{}", url.host, url.path);
        // A socket left behind by a process that was killed.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(Path::new(&path)).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("listen unix {path}: bind: {}", gowords::errno(&error)),
            )
        })?;
        return Ok(Listener::Unix(listener, PathBuf::from(path)));
    }
    let wrapped = |step: &str, error: &io::Error| {
        io::Error::new(
            error.kind(),
            format!("listen tcp {}: {step}: {}", url.host, gowords::errno(error)),
        )
    };
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host(&url.host)
        .await
        .map_err(|error| wrapped("lookup", &error))?
        .collect();
    // "localhost" is the IPv4 one, as for Go.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = *addresses
        .first()
        .ok_or_else(|| wrapped("lookup", &io::ErrorKind::NotFound.into()))?;
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let listen = |socket: TcpSocket| {
        socket.set_reuseaddr(true)?;
        if options.reuse_port {
            socket.set_reuseport(true)?;
        }
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    socket
        .and_then(listen)
        .map(Listener::Tcp)
        .map_err(|error| wrapped("bind", &error))
}

/// The certificates of a listener and what it checks of a client's.
#[derive(Clone)]
pub struct TlsEndpoint {
    acceptor: TlsAcceptor,
    check: Arc<PeerCheck>,
    /// `client` or `peer`; stands in the log.
    what: &'static str,
}

impl TlsEndpoint {
    /// `what` is `client` or `peer`; `san` as in [`TlsInfo::peer_check`].
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(info: &TlsInfo, what: &'static str, san: bool) -> Result<Self, TlsError> {
        Ok(Self {
            acceptor: TlsAcceptor::from(info.server_config()?),
            check: Arc::new(info.peer_check(san)),
            what,
        })
    }
}

/// HTTP/2 settings of flags.
#[derive(Clone, Copy, Debug)]
pub struct Http2 {
    /// `--max-concurrent-streams`.
    pub max_concurrent_streams: u32,
    /// `--grpc-keepalive-interval` and `--grpc-keepalive-timeout`; `None` sends no pings.
    pub keepalive: Option<(Duration, Duration)>,
}

/// Stops a server in two steps: `graceful` lets requests under way finish,
/// `now` cuts every connection.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// No new connections and requests.
    pub graceful: CancellationToken,
    /// No connections at all.
    pub now: CancellationToken,
}

/// What a request came over; found in its extensions.
#[derive(Clone, Debug, Default)]
pub struct Remote {
    /// The client's address; empty for a socket.
    pub address: String,
    /// Whether TLS was spoken.
    pub secure: bool,
    /// The common name in the client's certificate, whose chain was checked; empty if it
    /// has none. `None` without a certificate.
    pub common_name: Option<String>,
}

/// Serves connections until `stop.graceful`, then waits for those that are open.
pub async fn serve(
    listener: Listener,
    tls: Option<TlsEndpoint>,
    http2: Http2,
    router: Router,
    stop: Stop,
) {
    let connections = TaskTracker::new();
    let server = Arc::new(Connections {
        tls,
        builder: builder(http2),
        router,
        stop: stop.clone(),
    });
    loop {
        let accepted = tokio::select! {
            () = stop.graceful.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        match accepted {
            Ok(connection) => {
                let server = Arc::clone(&server);
                connections.spawn(async move { server.run(connection).await });
            }
            Err(error) => {
                crate::warn!("embed/etcd.go:882", "failed to accept a connection", "error" => gowords::errno(&error));
                // Most often no descriptors are left; closing connections brings some back.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

enum Accepted {
    Tcp(tokio::net::TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Listener) -> io::Result<Accepted> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // Only latency suffers from a failure here.
            let _ = stream.set_nodelay(true);
            Ok(Accepted::Tcp(stream, address))
        }
        Listener::Unix(listener, _) => Ok(Accepted::Unix(listener.accept().await?.0)),
    }
}

fn builder(http2: Http2) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // As Go writes them; nothing but people's eyes cares.
        .title_case_headers(true)
        .header_read_timeout(HEAD_TIMEOUT);
    let mut settings = builder.http2();
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(http2.max_concurrent_streams);
    if let Some((interval, timeout)) = http2.keepalive {
        settings
            .keep_alive_interval(interval)
            .keep_alive_timeout(timeout);
    }
    builder
}

struct Connections {
    tls: Option<TlsEndpoint>,
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    stop: Stop,
}

impl Connections {
    async fn run(&self, accepted: Accepted) {
        let remote = match &accepted {
            Accepted::Tcp(_, address) => address.to_string(),
            Accepted::Unix(_) => String::new(),
        };
        let Some(tls) = &self.tls else {
            let remote = Remote {
                address: remote,
                ..Remote::default()
            };
            return match accepted {
                Accepted::Tcp(stream, _) => self.http(stream, remote).await,
                Accepted::Unix(stream) => self.http(stream, remote).await,
            };
        };
        let mut secured = Remote {
            address: remote,
            secure: true,
            common_name: None,
        };
        match accepted {
            Accepted::Tcp(stream, address) => {
                let stream =
                    tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.acceptor.accept(stream)).await;
                let stream = match stream
                    .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")))
                {
                    Ok(stream) => stream,
                    Err(error) => {
                        return tls.rejected(&secured.address, None, &gowords::stream(&error));
                    }
                };
                if !tls.check.is_empty() {
                    let session = stream.get_ref().1;
                    let chain = session.peer_certificates().unwrap_or_default();
                    if let Err(reason) = tls.check.check(chain, address).await {
                        return tls.rejected(&secured.address, session.server_name(), &reason);
                    }
                }
                secured.common_name = common_name(stream.get_ref().1);
                self.http(stream, secured).await;
            }
            Accepted::Unix(stream) => match tls.acceptor.accept(stream).await {
                Ok(stream) => {
                    secured.common_name = common_name(stream.get_ref().1);
                    self.http(stream, secured).await;
                }
                Err(error) => tls.rejected(&secured.address, None, &gowords::stream(&error)),
            },
        }
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        remote: Remote,
    ) {
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(remote.clone());
            self.router.clone().oneshot(request)
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let mut finishing = false;
        loop {
            tokio::select! {
                // How a connection ends is the client's business.
                _ = &mut connection => return,
                () = self.stop.graceful.cancelled(), if !finishing => {
                    finishing = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.stop.now.cancelled() => return,
            }
        }
    }
}

/// The common name of the client's certificate; of several, the last, as Go reads it.
fn common_name(session: &rustls::ServerConnection) -> Option<String> {
    let certificate = session.peer_certificates()?.first()?;
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject().iter_common_name();
    let last = names.filter_map(|name| name.as_str().ok()).last();
    Some(last.unwrap_or_default().to_owned())
}

impl TlsEndpoint {
    fn rejected(&self, remote: &str, server_name: Option<&str>, reason: &str) {
        crate::warn!(
            "embed/config_logging.go:170", format!("rejected connection on {} endpoint", self.what),
            "remote-addr" => remote, "server-name" => server_name.unwrap_or_default(), "error" => reason,
        );
    }
}
