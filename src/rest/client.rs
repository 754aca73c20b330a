//! Requests.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{net::TcpStream, sync::Mutex};
use tokio_rustls::TlsConnector;

use crate::{Access, Error, Watch};

/// How long a connection or an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// RFC 7386: lists are replaced.
    Merge,
    /// Kubernetes' own: lists of known fields are merged by key.
    Strategic,
}

/// A client; clones share its connection.
#[derive(Clone)]
pub struct Client {
    access: Arc<Access>,
    agent: Arc<str>,
    sender: Arc<Mutex<Option<SendRequest<Full<Bytes>>>>>,
}

impl Client {
    /// Connects at the first request. `agent` is the User-Agent.
    pub fn new(access: Access, agent: &str) -> Self {
        Self {
            access: Arc::new(access),
            agent: agent.into(),
            sender: Arc::default(),
        }
    }

    /// # Errors
    /// See [`Error`]; so for all requests.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.json(Method::GET, path, "application/json", None).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn post(&self, path: &str, object: &Value) -> Result<Value, Error> {
        self.json(Method::POST, path, "application/json", Some(object))
            .await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn put(&self, path: &str, object: &Value) -> Result<Value, Error> {
        self.json(Method::PUT, path, "application/json", Some(object))
            .await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn patch(&self, path: &str, kind: Patch, patch: &Value) -> Result<Value, Error> {
        let content = match kind {
            Patch::Merge => "application/merge-patch+json",
            Patch::Strategic => "application/strategic-merge-patch+json",
        };
        self.json(Method::PATCH, path, content, Some(patch)).await
    }

    /// Deletes with `options`, a DeleteOptions object.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Value, Error> {
        self.json(Method::DELETE, path, "application/json", Some(options))
            .await
    }

    /// Watches a collection; `path` carries the query, `watch=true` included.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn watch(&self, path: &str) -> Result<Watch, Error> {
        let request = self.request(Method::GET, path, "application/json", None)?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            return Err(refused(response).await);
        }
        Ok(Watch::new(response.into_body()))
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let request = self.request(method, path, content, body)?;
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        let body = collect(response).await?;
        serde_json::from_slice(&body)
            .map_err(|error| Error::Connection(format!("the server sent no JSON: {error}")))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Connection(error.to_string());
        let bytes = match body {
            Some(body) => serde_json::to_vec(body).map_err(|error| wrong(&error))?,
            None => Vec::new(),
        };
        let uri = format!("https://{}:{}{path}", self.access.host, self.access.port);
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::USER_AGENT, &*self.agent)
            .header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, content);
        }
        if let Some(token) = &self.access.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request
            .body(Full::new(bytes.into()))
            .map_err(|error| wrong(&error))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        let sending = async {
            let mut sender = self.sender().await?;
            let answer = sender.send_request(request).await;
            answer.map_err(|error| Error::Connection(error.to_string()))
        };
        match tokio::time::timeout(TIMEOUT, sending).await {
            Ok(response) => response,
            Err(_) => {
                // A connection that does not answer may be dead without knowing it.
                *self.sender.lock().await = None;
                Err(Error::Connection(format!(
                    "no answer within {} s",
                    TIMEOUT.as_secs()
                )))
            }
        }
    }

    /// The shared connection, made anew if it broke.
    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let mut shared = self.sender.lock().await;
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let access = &self.access;
        let address = format!("{}:{}", access.host, access.port);
        let unreachable = |why: String| Error::Unreachable {
            address: address.clone(),
            why,
        };
        let stream = TcpStream::connect((access.host.as_str(), access.port))
            .await
            .map_err(|error| unreachable(gowords::dial(&address, &error)))?;
        // Only small messages suffer from a failure here.
        let _ = stream.set_nodelay(true);
        let stream = TlsConnector::from(Arc::clone(&access.tls))
            .connect(access.name.clone(), stream)
            .await
            .map_err(|error| unreachable(gowords::stream(&error)))?;
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        // Its end shows at the next request, which connects again.
        tokio::spawn(connection);
        *shared = Some(sender.clone());
        Ok(sender)
    }
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, Error> {
    let body = tokio::time::timeout(TIMEOUT, response.into_body().collect())
        .await
        .map_err(|_| Error::Connection("the answer does not end".into()))?;
    Ok(body
        .map_err(|error| Error::Connection(error.to_string()))?
        .to_bytes())
}

async fn refused(response: Response<Incoming>) -> Error {
    let code = response.status();
    match collect(response).await {
        Ok(body) => {
            let status = serde_json::from_slice(&body).unwrap_or_else(
                |_| serde_json::json!({ "message": String::from_utf8_lossy(&body).trim() }),
            );
            Error::Status {
                code,
                status: Box::new(status),
            }
        }
        Err(error) => error,
    }
}
