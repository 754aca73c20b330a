//! What the API serves.

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{TIMEOUT, tls};
use crate::assignment::Certificates;

/// What a GET found.
#[derive(Debug, Clone)]
pub enum Found {
    Object(Box<Value>),
    Missing,
}

/// More than any answer to the grader has. The server may be whatever a learner has put in
/// its place.
const BODY_BYTES: usize = 16 << 20;

/// How much of a refusal is told.
const REFUSAL_CHARS: usize = 500;

/// A client of one of the lab's API servers.
#[derive(Clone)]
pub struct Api {
    config: Arc<ClientConfig>,
    address: Ipv4Addr,
}

impl Api {
    /// # Errors
    /// The grader's certificates are missing.
    pub fn new(certificates: &Certificates, address: Ipv4Addr) -> Result<Self, String> {
        Ok(Self {
            config: tls::config(certificates, "api", b"http/1.1")?,
            address,
        })
    }

    /// Gets the object at `path`.
    ///
    /// # Errors
    /// The API does not answer, or answers with anything but the object or 404.
    pub async fn get(&self, path: &str) -> Result<Found, String> {
        let (status, body) = self.ask(Method::GET, path, Bytes::new()).await?;
        match status {
            StatusCode::OK => parse(&body).map(|object| Found::Object(Box::new(object))),
            StatusCode::NOT_FOUND => Ok(Found::Missing),
            other => Err(refusal(other, &body)),
        }
    }

    /// Whose API server it is.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The client of the API server at another address.
    pub fn at(&self, address: Ipv4Addr) -> Self {
        Self {
            config: Arc::clone(&self.config),
            address,
        }
    }

    /// Asks whether it is ready to serve.
    ///
    /// # Errors
    /// It does not answer, or says that it is not.
    pub async fn ready(&self) -> Result<(), String> {
        match self.ask(Method::GET, "/readyz", Bytes::new()).await? {
            (StatusCode::OK, _) => Ok(()),
            (other, body) => Err(refusal(other, &body)),
        }
    }

    /// Has `review` answered, an object of a kind that is a question and leaves nothing.
    ///
    /// # Errors
    /// The API does not answer, or not with the object.
    pub async fn review(&self, path: &str, review: &Value) -> Result<Value, String> {
        let body = Bytes::from(review.to_string());
        match self.ask(Method::POST, path, body).await? {
            (StatusCode::OK | StatusCode::CREATED, body) => parse(&body),
            (other, body) => Err(refusal(other, &body)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        match tokio::time::timeout(TIMEOUT, self.ask_now(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!(
                "the API server gave no answer within {} s",
                TIMEOUT.as_secs()
            )),
        }
    }

    async fn ask_now(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let stream = tls::connect(Arc::clone(&self.config), self.address, 6443)
            .await
            .map_err(|error| format!("the API server can't be reached: {error}"))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        exchange(stream, request).await
    }
}

/// Sends the only request of a connection.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| e.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES)
            .collect()
            .await
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => format!("the API server sent more than {} MiB", BODY_BYTES >> 20),
                None => error.to_string(),
            })?;
        Ok::<_, String>((status, body.to_bytes()))
    };
    let driver = async {
        // It ends with the exchange; what went wrong is told there.
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer,
        () = driver => Err("the API server closed the connection".into()),
    }
}

fn parse(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| format!("the API server sent no JSON: {error}"))
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    format!("the API server answered {status}: {}", message(body))
}

/// The words of a Status object, or the body as it is.
fn message(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|status| Some(status.get("message")?.as_str()?.to_owned()))
        .unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
        .chars()
        .take(REFUSAL_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_server_that_sends_without_end_is_left() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 4096]).await;
            let mut sent = 0;
            let mut piece = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            while theirs.write_all(&piece).await.is_ok() {
                sent += piece.len();
                piece = vec![b'x'; 1 << 16];
            }
            sent
        });
        let request = Request::new(Full::default());
        let said = exchange(ours, request).await.map(|(status, _)| status);
        assert_eq!(said, Err("the API server sent more than 16 MiB".to_owned()));
        let sent = server.await.expect("no panic");
        assert!(sent < BODY_BYTES + (1 << 20), "{sent} bytes were taken");
    }
}
