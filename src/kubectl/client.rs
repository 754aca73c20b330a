//! The HTTPS client: HTTP/1.1 over rustls, one kept connection, streams and
//! upgrades on connections of their own.

use crate::error::{Error, Outcome, fail};
use crate::tls;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use kube::kubeconfig::Chosen;
use kube::object::text;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::time::Duration;
use tokio::net::TcpStream;

/// How to reach a server and who to be there.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// `https://host:port` with an optional path.
    pub server: String,
    /// The kubeconfig's cluster entry, with flags put in.
    pub cluster: Map<String, Value>,
    /// The kubeconfig's user entry, with flags put in.
    pub user: Map<String, Value>,
    /// Headers of impersonation.
    pub extra_headers: Vec<(String, String)>,
    /// Longest time for one answer to begin; none when absent.
    pub timeout: Option<Duration>,
}

impl Access {
    /// From what a kubeconfig chose; an empty one means `http://localhost:8080`,
    /// as kubectl does.
    pub fn new(chosen: &Chosen) -> Self {
        let server = chosen
            .cluster
            .get("server")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Self {
            server: if server.is_empty() {
                "http://localhost:8080".to_owned()
            } else {
                server.to_owned()
            },
            cluster: chosen.cluster.clone(),
            user: chosen.user.clone(),
            ..Self::default()
        }
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// A client of one API server.
pub struct Client {
    /// `host:port` as error texts and the `Host` header name it.
    pub host: String,
    secure: bool,
    base_path: String,
    tls: Option<tls::Connector>,
    authorization: Option<String>,
    extra_headers: Vec<(String, String)>,
    timeout: Option<Duration>,
    kept: RefCell<Option<Sender>>,
    /// Where `Warning:` headers go.
    warned: RefCell<Vec<String>>,
}

/// The media types of patches.
pub const JSON_PATCH: &str = "application/json-patch+json";
/// Merge patch.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// Strategic merge patch.
pub const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
/// Server-side apply; YAML is a superset of JSON.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// The address, a certificate, a key or a token file is no good.
    pub fn new(access: &Access) -> Outcome<Self> {
        let (secure, rest) = match access.server.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => {
                return fail(format!(
                    "unsupported scheme in server address {:?}; use https://",
                    access.server
                ));
            }
            None => (access.server.ends_with(":443"), access.server.as_str()),
        };
        let (authority, base) = rest.split_once('/').unwrap_or((rest, ""));
        let has_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
            port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']'))
        });
        let host = if has_port {
            authority.to_owned()
        } else {
            format!("{authority}:{}", if secure { 443 } else { 80 })
        };
        Ok(Self {
            tls: if secure {
                Some(tls::Connector::new(access, &host)?)
            } else {
                None
            },
            secure,
            host,
            base_path: base.trim_end_matches('/').to_owned(),
            authorization: authorization(&access.user)?,
            extra_headers: access.extra_headers.clone(),
            timeout: access.timeout,
            kept: RefCell::new(None),
            warned: RefCell::new(Vec::new()),
        })
    }

    /// The server's address as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let slash = if self.base_path.is_empty() { "" } else { "/" };
        format!("{scheme}://{}{slash}{}", self.host, self.base_path)
    }

    async fn connect(&self) -> Outcome<Sender> {
        let stream = TcpStream::connect(&self.host)
            .await
            .map_err(|e| self.dial_error(&e))?;
        // Small requests must not wait for each other's acknowledgement.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            Some(tls) => {
                self.handshake(TokioIo::new(tls.connect(stream).await?))
                    .await
            }
            None => self.handshake(TokioIo::new(stream)).await,
        }
    }

    async fn handshake<T>(&self, io: TokioIo<T>) -> Outcome<Sender>
    where
        TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) = hyper::client::conn::http1::handshake(io)
            .await
            .map_err(|e| Error::Connect(e.to_string()))?;
        tokio::spawn(async move {
            // Its failure shows in the request that was under way.
            let _ = connection.with_upgrades().await;
        });
        Ok(sender)
    }

    fn dial_error(&self, e: &std::io::Error) -> Error {
        match e.kind() {
            std::io::ErrorKind::ConnectionRefused => Error::Refused(self.host.clone()),
            _ => Error::Connect(gowords::dial(&self.host, e)),
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Outcome<Request<Full<Bytes>>> {
        let slash = if self.base_path.is_empty() { "" } else { "/" };
        let mut builder = Request::builder()
            .method(method)
            .uri(format!("{slash}{}{path}", self.base_path))
            .header(header::HOST, &self.host)
            .header(
                header::USER_AGENT,
                concat!(
                    "kubectl/v1.32.3 (linux/amd64) kubedrill/",
                    env!("CARGO_PKG_VERSION")
                ),
            );
        if let Some(authorization) = &self.authorization {
            builder = builder.header(header::AUTHORIZATION, authorization);
        }
        for (name, value) in &self.extra_headers {
            builder = builder.header(name, value);
        }
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("accept"))
        {
            builder = builder.header(header::ACCEPT, "application/json");
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder
            .body(Full::new(body))
            .map_err(|e| Error::Message(format!("malformed request to {path}: {e}")))
    }

    /// Sends a request and returns the answer whatever its status.
    ///
    /// # Errors
    /// The server cannot be reached, or does not answer in time.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Outcome<Response<Incoming>> {
        let body = body.into();
        let attempt = self.send_once(&method, path, headers, body);
        let response = match self.timeout {
            Some(limit) => tokio::time::timeout(limit, attempt).await.map_err(|_| {
                Error::Connect(
                    "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
                        .to_owned(),
                )
            })??,
            None => attempt.await?,
        };
        self.show_warnings(&response);
        Ok(response)
    }

    async fn send_once(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Outcome<Response<Incoming>> {
        // A kept connection may have been closed meanwhile: one more attempt on
        // a fresh one. A busy one (its body still streams) stays with its stream.
        let kept = self.kept.borrow_mut().take().filter(SendRequest::is_ready);
        if let Some(mut sender) = kept {
            let request = self.request(method, path, headers, body.clone())?;
            match sender.send_request(request).await {
                Ok(response) => {
                    *self.kept.borrow_mut() = Some(sender);
                    return Ok(response);
                }
                Err(e) if e.is_canceled() || e.is_closed() || e.is_incomplete_message() => {}
                Err(e) => return Err(Error::Connect(e.to_string())),
            }
        }
        let mut sender = self.connect().await?;
        let request = self.request(method, path, headers, body)?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| self.answer_error(&e))?;
        *self.kept.borrow_mut() = Some(sender);
        Ok(response)
    }

    fn answer_error(&self, e: &hyper::Error) -> Error {
        if let Some(io) =
            std::error::Error::source(e).and_then(|s| s.downcast_ref::<std::io::Error>())
        {
            return Error::Connect(gowords::stream(io));
        }
        if e.is_incomplete_message() {
            Error::Connect("EOF".to_owned())
        } else {
            Error::Connect(e.to_string())
        }
    }

    /// `Warning: …` once for each text, as kubectl prints them.
    fn show_warnings(&self, response: &Response<Incoming>) {
        for value in response.headers().get_all(header::WARNING) {
            let Some(text) = value
                .to_str()
                .ok()
                .and_then(|v| v.split_once('"'))
                .map(|(_, t)| t)
            else {
                continue;
            };
            let text = text.trim_end_matches('"').replace("\\\"", "\"");
            let mut warned = self.warned.borrow_mut();
            if !warned.contains(&text) {
                eprintln!("Warning: {text}");
                warned.push(text);
            }
        }
    }

    /// Sends a request and returns the body of a successful answer.
    ///
    /// # Errors
    /// Also when the server's answer is a failure.
    pub async fn bytes(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Outcome<Bytes> {
        let verb = method.as_str().to_owned();
        let response = self.send(method, path, headers, body).await?;
        let status = response.status();
        let body = read(response).await?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(failure(status, &body, &verb, path))
        }
    }

    async fn value(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Outcome<Value> {
        let body = self.bytes(method, path, headers, body).await?;
        serde_json::from_slice(&body)
            .map_err(|e| Error::Message(format!("the server's answer is not JSON: {e}")))
    }

    /// GET of a JSON value.
    pub async fn get(&self, path: &str) -> Outcome<Value> {
        self.value(Method::GET, path, &[], Bytes::new()).await
    }

    /// GET with an `Accept` header of one's own.
    pub async fn get_as(&self, path: &str, accept: &str) -> Outcome<Value> {
        self.value(Method::GET, path, &[("accept", accept)], Bytes::new())
            .await
    }

    /// POST of a JSON value.
    pub async fn post(&self, path: &str, value: &Value) -> Outcome<Value> {
        self.value(
            Method::POST,
            path,
            &[("content-type", "application/json")],
            value.to_string(),
        )
        .await
    }

    /// PUT of a JSON value.
    pub async fn put(&self, path: &str, value: &Value) -> Outcome<Value> {
        self.value(
            Method::PUT,
            path,
            &[("content-type", "application/json")],
            value.to_string(),
        )
        .await
    }

    /// PATCH with one of the media types of this module.
    pub async fn patch(
        &self,
        path: &str,
        media_type: &str,
        patch: impl Into<Bytes>,
    ) -> Outcome<Value> {
        self.value(Method::PATCH, path, &[("content-type", media_type)], patch)
            .await
    }

    /// DELETE with options.
    pub async fn delete(&self, path: &str, options: &Value) -> Outcome<Value> {
        self.value(
            Method::DELETE,
            path,
            &[("content-type", "application/json")],
            options.to_string(),
        )
        .await
    }

    /// GET of lines that come when they come (watch, logs).
    ///
    /// # Errors
    /// Also when the server's answer is a failure.
    pub async fn stream(&self, path: &str, accept: &str) -> Outcome<Lines> {
        let response = self
            .send(Method::GET, path, &[("accept", accept)], Bytes::new())
            .await?;
        let status = response.status();
        if !status.is_success() {
            let body = read(response).await?;
            return Err(failure(status, &body, "GET", path));
        }
        Ok(Lines {
            body: response.into_body(),
            buffer: Vec::new(),
            done: false,
        })
    }

    /// GET with a protocol upgrade, on a connection of its own.
    ///
    /// # Errors
    /// The server does not switch protocols.
    pub async fn upgrade(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Outcome<(Response<()>, TokioIo<hyper::upgrade::Upgraded>)> {
        let mut sender = self.connect().await?;
        let request = self.request(&Method::GET, path, headers, Bytes::new())?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| self.answer_error(&e))?;
        let status = response.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let body = read(response).await?;
            return Err(failure(status, &body, "GET", path));
        }
        let head = Response::builder().status(status);
        let head = response
            .headers()
            .iter()
            .fold(head, |h, (name, value)| h.header(name, value));
        let head = head.body(()).map_err(|e| Error::Connect(e.to_string()))?;
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|e| Error::Connect(e.to_string()))?;
        Ok((head, TokioIo::new(upgraded)))
    }
}

async fn read(response: Response<Incoming>) -> Outcome<Bytes> {
    let body = response.into_body().collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|e| {
        if e.is_incomplete_message() {
            Error::Connect("unexpected EOF".to_owned())
        } else {
            Error::Connect(e.to_string())
        }
    })
}

/// A body read line by line.
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    done: bool,
}

impl Lines {
    /// Whatever came next, cut anywhere; `None` at the end.
    pub async fn chunk(&mut self) -> Outcome<Option<Bytes>> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(e)) if e.is_incomplete_message() || e.is_body_write_aborted() => {
                    return Ok(None);
                }
                Some(Err(e)) => return Err(Error::Connect(e.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The next line without its line break; `None` at the end.
    pub async fn line(&mut self) -> Outcome<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.buffer.iter().position(|&b| b == b'\n') {
                let rest = self.buffer.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(Some(line));
            }
            if self.done {
                let rest = std::mem::take(&mut self.buffer);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            match self.chunk().await? {
                Some(data) => self.buffer.extend_from_slice(&data),
                None => self.done = true,
            }
        }
    }

    /// The next watch event; `None` at the end.
    ///
    /// # Errors
    /// Also when the event is an error.
    pub async fn event(&mut self) -> Outcome<Option<Value>> {
        let Some(line) = self.line().await? else {
            return Ok(None);
        };
        let event: Value = serde_json::from_slice(&line).map_err(|e| {
            Error::Message(format!(
                "unable to decode an event from the watch stream: {e}"
            ))
        })?;
        if event["type"] == "ERROR" {
            return Err(Error::Status(event["object"].clone()));
        }
        Ok(Some(event))
    }
}

fn authorization(user: &Map<String, Value>) -> Outcome<Option<String>> {
    let field = |name: &str| {
        user.get(name)
            .and_then(Value::as_str)
            .filter(|v| !v.is_empty())
    };
    if let Some(token) = field("token") {
        return Ok(Some(format!("Bearer {token}")));
    }
    if let Some(file) = field("tokenFile") {
        let token = std::fs::read_to_string(file)
            .map_err(|e| Error::Message(format!("failed to read token file {file:?}: {e}")))?;
        return Ok(Some(format!("Bearer {}", token.trim())));
    }
    if let (Some(name), Some(password)) = (field("username"), field("password")) {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        return Ok(Some(format!("Basic {pair}")));
    }
    for (refused, what) in [
        ("exec", "credential plugins (users[].user.exec)"),
        ("auth-provider", "auth providers"),
    ] {
        if user.contains_key(refused) {
            return fail(format!(
                "{what} are not supported; use a client certificate or a token"
            ));
        }
    }
    Ok(None)
}

/// A failed answer as an error: the server's `Status`, or one made from the
/// HTTP status as client-go does (`apimachinery/pkg/api/errors`).
fn failure(status: StatusCode, body: &[u8], verb: &str, path: &str) -> Error {
    if let Ok(value) = serde_json::from_slice::<Value>(body)
        && text(&value, "kind") == "Status"
    {
        return Error::Status(value);
    }
    let said = String::from_utf8_lossy(body).trim().to_owned();
    let (reason, message) = match status.as_u16() {
        401 => ("Unauthorized", "the server has asked for the client to provide credentials".to_owned()),
        403 => ("Forbidden", said.clone()),
        404 => ("NotFound", "the server could not find the requested resource".to_owned()),
        405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource".to_owned()),
        406 => ("NotAcceptable", said.clone()),
        409 => ("Conflict", "the server reported a conflict".to_owned()),
        415 => ("UnsupportedMediaType", said.clone()),
        429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later".to_owned()),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request".to_owned()),
        504 => ("Timeout", "the server was unable to return a response in the time allotted, but may still be processing the request".to_owned()),
        500.. => ("InternalError", format!("an error on the server ({}) has prevented the request from succeeding", kube::gofmt::quote(&said))),
        _ => ("", format!("the server responded with the status code {} but did not return more information", status.as_u16())),
    };
    let _ = (verb, path);
    Error::Status(
        json!({"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status.as_u16()}),
    )
}
