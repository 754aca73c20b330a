//! One HTTP/1.1 request, with the failures of Go's `http.Transport` in its words.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{client::Failure, url::Url};
use crate::client::{describe, resolve, server_name};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: &'static str,
    /// Decoded, below the endpoint's own path.
    pub path: String,
    /// Encoded; may be empty.
    pub query: String,
    pub content_type: Option<&'static str>,
    pub body: Option<String>,
    /// The answer may take for ever.
    pub waits: bool,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `X-Etcd-Index`; empty if absent.
    pub index: String,
    /// `Location`; empty if absent.
    pub location: String,
    pub body: Vec<u8>,
}

/// How connections are made.
#[derive(Clone)]
pub struct Transport {
    pub tls: Arc<ClientConfig>,
    pub dial_timeout: Duration,
    /// Limit of everything before the answer's body.
    pub header_timeout: Option<Duration>,
    /// The value of `Authorization`, if any.
    pub authorization: Option<String>,
    /// The name that a certificate must carry in the place of the URL's host.
    pub server_name: Option<String>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Transport {
    /// Asks at `url`, whose path and query are those of the request.
    pub async fn ask(&self, url: &Url, request: &Request) -> Result<Answer, Failure> {
        let head = self.send(url, request);
        let limit = self.header_timeout.filter(|_| !request.waits);
        let response = match limit {
            None => head.await?,
            Some(limit) => timeout(limit, head).await.map_err(|_| {
                let endpoint = url.with("", "");
                Failure::Other(format!(
                    "client: endpoint {endpoint} exceeded header timeout"
                ))
            })??,
        };
        let header = |name: &str| {
            let value = response.headers().get(name);
            let text = value.and_then(|value| value.to_str().ok());
            text.unwrap_or_default().to_owned()
        };
        Ok(Answer {
            status: response.status().as_u16(),
            index: header("x-etcd-index"),
            location: header("location"),
            body: response
                .into_body()
                .collect()
                .await
                .map_err(|_| Failure::Other("unexpected EOF".to_owned()))?
                .to_bytes()
                .to_vec(),
        })
    }

    async fn send(
        &self,
        url: &Url,
        request: &Request,
    ) -> Result<http::Response<hyper::body::Incoming>, Failure> {
        let other = |text: &str| Failure::Other(text.to_owned());
        if !matches!(url.scheme.as_str(), "http" | "https") {
            let scheme = crate::go::quote::quote(url.scheme.as_bytes());
            return Err(Failure::Other(format!(
                "unsupported protocol scheme {scheme}"
            )));
        }
        if url.host.is_empty() {
            return Err(other("http: no Host in request URL"));
        }
        let stream = self.connect(url).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
                .await
                .map_err(|_| other("EOF"))?;
        tokio::spawn(async move {
            // What ended it is told by the request.
            let _ = connection.await;
        });
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(url.target())
            .header("Host", &url.host)
            .header("User-Agent", "Go-http-client/1.1");
        if let Some(kind) = request.content_type {
            builder = builder.header("Content-Type", kind);
        }
        if let Some(authorization) = &self.authorization {
            builder = builder.header("Authorization", authorization);
        }
        let body = request.body.clone().unwrap_or_default();
        let request = builder
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::Other(error.to_string()))?;
        sender.send_request(request).await.map_err(|error| {
            if error.is_parse() {
                return other(
                    "net/http: HTTP/1.x transport connection broken: malformed HTTP response",
                );
            }
            match std::error::Error::source(&error)
                .and_then(|source| source.downcast_ref::<std::io::Error>())
            {
                Some(error) => Failure::Other(describe(error)),
                None => other("EOF"),
            }
        })
    }

    async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, Failure> {
        let address = url.address();
        let dialed = timeout(self.dial_timeout, dial(&address)).await;
        let tcp = dialed
            .unwrap_or_else(|_| Err(format!(" {address}: i/o timeout")))
            .map_err(|why| Failure::Connection(format!("dial tcp{why}")))?;
        // A request is a few packets; waiting to fill them only adds delay.
        let _ = tcp.set_nodelay(true);
        if url.scheme == "http" {
            return Ok(Box::new(tcp));
        }
        let host = address.rsplit_once(':').map_or("", |(host, _)| host);
        let host = self.server_name.as_deref().unwrap_or(host);
        let name = server_name(host.trim_matches(['[', ']'])).map_err(Failure::Other)?;
        let shaken = timeout(
            HANDSHAKE,
            TlsConnector::from(self.tls.clone()).connect(name, tcp),
        );
        match shaken.await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(Failure::Other(match describe(&error).as_str() {
                "tls: first record does not look like a TLS handshake" => {
                    "http: server gave HTTP response to HTTPS client".to_owned()
                }
                text => text.to_owned(),
            })),
            Err(_) => Err(Failure::Other("net/http: TLS handshake timeout".to_owned())),
        }
    }
}

/// Opens a TCP connection. The error follows `dial tcp` in Go's text.
async fn dial(address: &str) -> Result<TcpStream, String> {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let port = port
        .parse()
        .map_err(|_| format!(": address {port}: invalid port"))?;
    let mut first = None;
    for candidate in resolve(host.trim_matches(['[', ']']), port).await? {
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
