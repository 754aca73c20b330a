//! The API client of controllers and scheduler: HTTPS with a kubeconfig.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kube::object;
use kube::resources::Resource;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::tls::{self, Io};

/// Why a request came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The server refused.
    #[error("{message}")]
    Api {
        /// HTTP status code.
        code: u16,
        /// Machine-readable reason.
        reason: String,
        /// The server's sentence.
        message: String,
    },
    /// The server was not reached, or broke off.
    #[error("{0}")]
    Transport(String),
}

impl ClientError {
    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ClientError::Api { code: 404, .. })
    }
    /// Whether it lost a race (also: the object exists already).
    pub fn is_conflict(&self) -> bool {
        matches!(self, ClientError::Api { code: 409, .. })
    }
    /// Whether the namespace is on its way out.
    pub fn is_terminating(&self) -> bool {
        matches!(self, ClientError::Api { code: 403, message, .. } if message.contains("being terminated"))
    }
}

/// What a client call comes to.
pub type Result<T> = std::result::Result<T, ClientError>;

/// A TLS stream that hyper's pool can hold.
struct Conn(TokioIo<Io>);

impl Connection for Conn {
    fn connected(&self) -> Connected {
        Connected::new().negotiated_h2()
    }
}
impl hyper::rt::Read for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}
impl hyper::rt::Write for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[derive(Clone)]
struct Connector {
    config: Arc<ClientConfig>,
    refused: Refused,
}

/// Why the last connection could not be made, in Go's words; none if it could. Whoever
/// waited for another's connection only hears that his request was cancelled.
type Refused = Arc<Mutex<Option<String>>>;

impl tower::Service<Uri> for Connector {
    type Response = Conn;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Conn>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, uri: Uri) -> Self::Future {
        let Connector { config, refused } = self.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or("localhost").to_string();
            let port = uri.port_u16().unwrap_or(443);
            let dial = tls::connect(&host, port, Some(config));
            let dialed = tokio::time::timeout(Duration::from_secs(5), dial)
                .await
                .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
            *refused.lock() = dialed.as_ref().err().map(gowords::stream);
            Ok(Conn(TokioIo::new(dialed?)))
        })
    }
}

/// A handle on the API; clones share the connection.
#[derive(Clone)]
pub struct Client {
    http: Http<Connector, Full<Bytes>>,
    refused: Refused,
    server: String,
    token: Option<String>,
    agent: &'static str,
}

fn file_or_data(
    map: &Map<String, Value>,
    name: &str,
) -> std::result::Result<Option<Vec<u8>>, String> {
    let text = |key: &str| {
        map.get(key)
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
    };
    if let Some(data) = text(&format!("{name}-data")) {
        return base64::engine::general_purpose::STANDARD
            .decode(data)
            .map(Some)
            .map_err(|e| format!("{name}-data: {e}"));
    }
    match text(name) {
        None => Ok(None),
        Some(path) => std::fs::read(path)
            .map(Some)
            .map_err(|e| format!("unable to read {name} {path}: {e}")),
    }
}

impl Client {
    /// Reads a kubeconfig and prepares the connection; nothing is sent yet.
    pub fn from_kubeconfig(
        path: &Path,
        agent: &'static str,
    ) -> std::result::Result<Client, String> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| format!("open {shown}: {e}"))?;
        let mut config = kube::kubeconfig::parse(&shown, &text).map_err(|e| e.to_string())?;
        if let Some(directory) = path.parent() {
            kube::kubeconfig::anchor_files(&mut config, directory);
        }
        let chosen = kube::kubeconfig::choose(&config, &kube::kubeconfig::Overrides::default())
            .map_err(|e| e.to_string())?;
        let server = chosen
            .cluster
            .get("server")
            .and_then(Value::as_str)
            .ok_or_else(|| format!("{shown}: the cluster has no server"))?
            .trim_end_matches('/')
            .to_string();
        let roots = match file_or_data(&chosen.cluster, "certificate-authority")? {
            Some(pem) => Some(
                tls::parse_certificates(&pem)
                    .and_then(|c| tls::roots(c).map_err(|e| e.to_string()))?,
            ),
            None => None,
        };
        let insecure = chosen
            .cluster
            .get("insecure-skip-tls-verify")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        if roots.is_none() && !insecure {
            return Err(format!("{shown}: the cluster has no certificate-authority"));
        }
        let identity = match (
            file_or_data(&chosen.user, "client-certificate")?,
            file_or_data(&chosen.user, "client-key")?,
        ) {
            (Some(cert), Some(key)) => {
                let chain = tls::parse_certificates(&cert)?;
                let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| e.to_string())?;
                Some((chain, key))
            }
            _ => None,
        };
        let roots = if insecure { None } else { roots };
        let tls = tls::client_config(roots, identity, &["h2"]).map_err(|e| e.to_string())?;
        let token = chosen
            .user
            .get("token")
            .and_then(Value::as_str)
            .map(str::to_string);
        let refused = Refused::default();
        let http = Http::builder(TokioExecutor::new())
            .http2_only(true)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .build(Connector {
                config: Arc::new(tls),
                refused: refused.clone(),
            });
        Ok(Client {
            http,
            refused,
            server,
            token,
            agent,
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: Vec<u8>,
    ) -> Result<http::Response<Incoming>> {
        let url = format!("{}{}", self.server, path.trim_end_matches('?'));
        let (first, rest) = method.as_str().split_at(1);
        let verb = format!("{first}{}", rest.to_lowercase());
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header("user-agent", self.agent)
            .header("accept", "application/json");
        if !body.is_empty() {
            request = request.header("content-type", media);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| ClientError::Transport(e.to_string()))?;
        self.http.request(request).await.map_err(|error| {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                text = inner.to_string();
                source = inner.source();
            }
            let why = self.refused.lock().clone().unwrap_or(text);
            ClientError::Transport(format!("{verb} {url:?}: {why}"))
        })
    }

    async fn value(&self, method: Method, path: &str, media: &str, body: Vec<u8>) -> Result<Value> {
        let exchange = async {
            let response = self.send(method, path, media, body).await?;
            let status = response.status();
            let bytes = response
                .into_body()
                .collect()
                .await
                .map_err(|e| ClientError::Transport(e.to_string()))?
                .to_bytes();
            let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            if status.is_success() {
                return Ok(value);
            }
            Err(ClientError::Api {
                code: status.as_u16(),
                reason: object::text(&value, "reason").to_string(),
                message: match object::text(&value, "message") {
                    "" => String::from_utf8_lossy(&bytes).into_owned(),
                    message => message.to_string(),
                },
            })
        };
        tokio::time::timeout(Duration::from_secs(30), exchange)
            .await
            .map_err(|_| ClientError::Transport("no answer within 30s".to_string()))?
    }

    /// Reads an object.
    pub async fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Value> {
        self.value(Method::GET, &resource.path(namespace, name), "", Vec::new())
            .await
    }

    /// Lists; `query` is a query string without its question mark.
    pub async fn list(&self, resource: &Resource, namespace: &str, query: &str) -> Result<Value> {
        let path = format!("{}?{query}", resource.path(namespace, ""));
        self.value(Method::GET, &path, "", Vec::new()).await
    }

    /// Creates an object; kind and version are filled in.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        mut object: Value,
    ) -> Result<Value> {
        object::set(&mut object, "apiVersion", json!(resource.api_version()));
        object::set(&mut object, "kind", json!(resource.kind));
        let path = resource.path(namespace, "");
        self.value(
            Method::POST,
            &path,
            "application/json",
            object.to_string().into_bytes(),
        )
        .await
    }

    /// Posts to a subresource.
    pub async fn post(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        sub: &str,
        body: &Value,
    ) -> Result<Value> {
        let path = format!("{}/{sub}", resource.path(namespace, name));
        self.value(
            Method::POST,
            &path,
            "application/json",
            body.to_string().into_bytes(),
        )
        .await
    }

    /// Replaces an object, or with `sub` one of its subresources.
    pub async fn update(&self, resource: &Resource, object: &Value, sub: &str) -> Result<Value> {
        let mut path = resource.path(object::namespace(object), object::name(object));
        if !sub.is_empty() {
            path = format!("{path}/{sub}");
        }
        self.value(
            Method::PUT,
            &path,
            "application/json",
            object.to_string().into_bytes(),
        )
        .await
    }

    /// Merges a patch into an object or a subresource.
    pub async fn patch(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        sub: &str,
        patch: &Value,
    ) -> Result<Value> {
        let mut path = resource.path(namespace, name);
        if !sub.is_empty() {
            path = format!("{path}/{sub}");
        }
        let body = patch.to_string().into_bytes();
        self.value(Method::PATCH, &path, "application/merge-patch+json", body)
            .await
    }

    /// Deletes an object; only the one of that uid, if `uid` is not empty.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        uid: &str,
        policy: &str,
    ) -> Result<()> {
        let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if !uid.is_empty() {
            options["preconditions"] = json!({ "uid": uid });
        }
        if !policy.is_empty() {
            options["propagationPolicy"] = json!(policy);
        }
        let path = resource.path(namespace, name);
        self.value(
            Method::DELETE,
            &path,
            "application/json",
            options.to_string().into_bytes(),
        )
        .await
        .map(drop)
    }

    /// Deletes everything of a kind in a namespace.
    pub async fn delete_all(&self, resource: &Resource, namespace: &str) -> Result<()> {
        let path = resource.path(namespace, "");
        let options =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        self.value(
            Method::DELETE,
            &path,
            "application/json",
            options.to_string().into_bytes(),
        )
        .await
        .map(drop)
    }

    /// Watches from a revision.
    pub async fn watch(&self, resource: &Resource, version: &str, query: &str) -> Result<Lines> {
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&resourceVersion={version}&{query}",
            resource.path("", "")
        );
        let response = self.send(Method::GET, &path, "", Vec::new()).await?;
        if !response.status().is_success() {
            return Err(ClientError::Api {
                code: response.status().as_u16(),
                reason: String::new(),
                message: format!("watch: {}", response.status()),
            });
        }
        Ok(Lines {
            body: response.into_body(),
            buffer: Vec::new(),
        })
    }
}

/// A watch's events.
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Lines {
    /// The next event; none when the stream ends.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if let Ok(value) = serde_json::from_slice(&line) {
                    return Some(value);
                }
                continue;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
