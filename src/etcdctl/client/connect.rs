//! One connection: dial, TLS, HTTP/2; errors in the words of grpc-go.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::endpoint::{self, Address};
use super::preface::{Failure, Watched};
use super::tls;
use crate::go::quote::quote;

/// grpc-go gives a connection attempt so long (`minConnectTimeout`).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// grpc-go does not ping more often.
const MIN_PING_INTERVAL: Duration = Duration::from_secs(10);

/// How a connection is made.
#[derive(Clone)]
pub struct Dialer {
    /// Where to.
    pub address: Address,
    /// TLS, when the endpoint wants it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// See [`tls::Credentials::server_name`].
    pub server_name: Option<String>,
    /// See [`super::Config::keepalive_time`].
    pub keepalive_time: Duration,
    /// See [`super::Config::keepalive_timeout`].
    pub keepalive_timeout: Duration,
}

/// An open connection; clones share it.
#[derive(Clone)]
pub struct Connection {
    sender: SendRequest<Body>,
    origin: Uri,
}

impl Connection {
    /// Scheme and authority that requests carry.
    pub fn origin(&self) -> Uri {
        self.origin.clone()
    }

    /// Whether the other side has gone.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl tower::Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

/// Opens a connection; the error is the `desc` of grpc-go's connection error.
/// The second value ends when the connection does.
pub async fn connect(
    dialer: &Dialer,
) -> Result<(Connection, impl Future<Output = ()> + use<>), String> {
    let attempt = tokio::time::timeout(CONNECT_TIMEOUT, connect_within(dialer));
    match attempt.await {
        Ok(result) => result,
        Err(_) => Err(connection_error(&format!(
            "transport: Error while dialing: dial {} {}: i/o timeout",
            dialer.address.network(),
            dialer.address
        ))),
    }
}

async fn connect_within(
    dialer: &Dialer,
) -> Result<(Connection, impl Future<Output = ()> + use<>), String> {
    let (stream, ends) = stream(dialer).await?;
    let (stream, preface) = Watched::new(stream, ends);
    let scheme = if dialer.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let origin = Uri::builder()
        .scheme(scheme)
        .authority(match &dialer.address {
            Address::Tcp(address) => address.trim_start_matches(':'),
            Address::Unix(_) => "localhost",
        })
        .path_and_query("/")
        .build()
        .map_err(|_| {
            connection_error(&format!(
                "transport: invalid address {}",
                quote(dialer.address.to_string().as_bytes())
            ))
        })?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(dialer.keepalive_time.max(MIN_PING_INTERVAL)))
        .keep_alive_timeout(dialer.keepalive_timeout)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| preface_error("EOF"))?;
    let mut driver = tokio::spawn(async move {
        // What ended it is told by the calls that it carried.
        let _ = connection.await;
    });
    // grpc-go counts a connection as ready only when the server's settings have
    // come, which is also when a refused client certificate shows.
    tokio::select! {
        () = preface.seen() => {}
        _ = &mut driver => {
            if !preface.was_seen() {
                return Err(match preface.failure() {
                    Failure::Read(why) => preface_error(&why),
                    Failure::Write(why) => why,
                });
            }
        }
    }
    if preface.looks_wrong() {
        return Err(preface_error("http2: frame too large"));
    }
    Ok((Connection { sender, origin }, async move {
        let _ = driver.await;
    }))
}

/// Dials and, if need be, encrypts; the second value names the two ends.
pub async fn stream(dialer: &Dialer) -> Result<(Box<dyn Stream>, String), String> {
    let (transport, ends) = dial(&dialer.address).await.map_err(|why| {
        let network = dialer.address.network();
        connection_error(&format!(
            "transport: Error while dialing: dial {network}{why}"
        ))
    })?;
    Ok(match &dialer.tls {
        None => (transport, ends),
        Some(config) => {
            let stream = handshake(dialer, config.clone(), transport).await?;
            (Box::new(stream), ends)
        }
    })
}

/// A byte stream, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn connection_error(description: &str) -> String {
    format!("connection error: desc = {}", quote(description.as_bytes()))
}

fn preface_error(why: &str) -> String {
    connection_error(&format!("error reading server preface: {why}"))
}

async fn handshake(
    dialer: &Dialer,
    config: Arc<rustls::ClientConfig>,
    transport: Box<dyn Stream>,
) -> Result<impl Stream + use<>, String> {
    let failed = |why: &str| {
        connection_error(&format!(
            "transport: authentication handshake failed: {why}"
        ))
    };
    let host = match &dialer.address {
        _ if dialer.server_name.is_some() => dialer.server_name.as_deref().unwrap_or_default(),
        Address::Tcp(address) => endpoint::split_host_port(address)
            .map(|(host, _)| host)
            .map_err(|why| failed(&why))?,
        // The name of the socket's file is the server's.
        Address::Unix(path) => path.rsplit('/').next().unwrap_or(path),
    };
    let name = tls::server_name(host).map_err(|why| failed(&why))?;
    TlsConnector::from(config)
        .connect(name, transport)
        .await
        .map_err(|error| failed(&tls::describe(&error)))
}

/// Opens a connection; the second value names its two ends. The error follows
/// `dial tcp` or `dial unix` in Go's text.
async fn dial(address: &Address) -> Result<(Box<dyn Stream>, String), String> {
    match address {
        Address::Tcp(address) => {
            let tcp = dial_tcp(address).await?;
            // A request is a few packets; waiting to fill them only adds delay.
            let _ = tcp.set_nodelay(true);
            let ends = ends(&tcp);
            Ok((Box::new(tcp), ends))
        }
        Address::Unix(path) => match UnixStream::connect(path).await {
            Ok(unix) => Ok((Box::new(unix), format!("unix @->{path}"))),
            Err(error) => Err(format!(" {path}: connect: {}", gowords::errno(&error))),
        },
    }
}

fn ends(tcp: &TcpStream) -> String {
    let show =
        |address: io::Result<SocketAddr>| address.map_or_else(|_| "?".into(), |a| a.to_string());
    format!("tcp {}->{}", show(tcp.local_addr()), show(tcp.peer_addr()))
}

async fn dial_tcp(address: &str) -> Result<TcpStream, String> {
    let (host, port) = endpoint::split_host_port(address).map_err(|why| format!(": {why}"))?;
    let port = endpoint::port(port).map_err(|why| format!(": {why}"))?;
    let mut first = None;
    for candidate in resolve(host, port).await? {
        match TcpStream::connect(candidate).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                first.get_or_insert_with(|| {
                    format!(" {candidate}: connect: {}", gowords::errno(&error))
                });
            }
        }
    }
    Err(first.unwrap_or_else(|| format!(": lookup {host}: no such host")))
}

/// Addresses of a host. The error follows `dial tcp` in Go's text.
pub async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if host.is_empty() {
        return Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::from((ip, port))]);
    }
    let found = tokio::net::lookup_host((host, port))
        .await
        .map(|addresses| addresses.collect());
    found.map_err(|_: io::Error| format!(": lookup {host}{}: no such host", name_server()))
}

/// ` on 10.0.0.53:53`: Go names the server that it asked.
fn name_server() -> String {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("nameserver"));
    server.map_or_else(String::new, |server| format!(" on {}:53", server.trim()))
}
