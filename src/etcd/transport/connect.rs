//! The HTTP client for peers: HTTP/1.1 over TCP, a socket or TLS, as Google's
//! members speak it among themselves.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A client with a pool of connections.
pub type HttpClient = Client<Connector, Body>;

/// Opens connections for [`HttpClient`].
#[derive(Clone)]
pub struct Connector {
    tls: Option<Arc<rustls::ClientConfig>>,
    dial_timeout: Duration,
}

/// A client that waits at most `dial_timeout` for a connection and its handshake.
#[must_use]
pub fn client(tls: Option<Arc<rustls::ClientConfig>>, dial_timeout: Duration) -> HttpClient {
    Client::builder(TokioExecutor::new())
        // The reference hangs up on connections that are silent for 5 seconds.
        .pool_idle_timeout(Duration::from_secs(3))
        .pool_timer(TokioTimer::new())
        .build(Connector { tls, dial_timeout })
}

/// A connection to a peer.
pub enum PeerStream {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connector {
    async fn open(self, uri: Uri) -> io::Result<TokioIo<PeerStream>> {
        let refuse = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let host = uri
            .host()
            .ok_or_else(|| refuse(format!("no host in {uri}")))?;
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let host = host.trim_matches(['[', ']']).to_owned();
        let address = format!(
            "{}:{port}",
            if host.contains(':') {
                format!("[{host}]")
            } else {
                host.clone()
            }
        );
        let tcp = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| {
                // As Go's net package words it.
                io::Error::new(
                    error.kind(),
                    format!("dial tcp {address}: connect: {}", gowords::errno(&error)),
                )
            })?;
        // Only small messages suffer from a failure here.
        let _ = tcp.set_nodelay(true);
        if !secure {
            return Ok(TokioIo::new(PeerStream::Plain(tcp)));
        }
        let tls = self.tls.ok_or_else(|| {
            refuse(format!(
                "{uri} needs TLS, but no peer certificate or CA is configured"
            ))
        })?;
        let name = ServerName::try_from(host).map_err(|error| refuse(error.to_string()))?;
        let stream = TlsConnector::from(tls)
            .connect(name, tcp)
            .await
            .map_err(|error| io::Error::new(error.kind(), gowords::stream(&error)))?;
        Ok(TokioIo::new(PeerStream::Tls(Box::new(stream))))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<PeerStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let timeout = connector.dial_timeout;
            match tokio::time::timeout(timeout, connector.open(uri.clone())).await {
                Ok(result) => result,
                Err(_) => {
                    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
                    Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("dial tcp {host}: i/o timeout"),
                    ))
                }
            }
        })
    }
}

impl Connection for PeerStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The innermost reason of an error, which is the one that says something.
#[must_use]
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut current = error;
    while let Some(next) = current.source() {
        current = next;
    }
    current.to_string()
}
