//! What the API serves.

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde_json::Value;

use super::{TIMEOUT, tls};
use crate::assignment::Certificates;

/// What a GET found.
#[derive(Debug, Clone)]
pub enum Found {
    Object(Box<Value>),
    Missing,
}

/// A client of the lab's API server.
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
        match tokio::time::timeout(TIMEOUT, self.get_now(path)).await {
            Ok(found) => found,
            Err(_) => Err(format!(
                "the API server gave no answer within {} s",
                TIMEOUT.as_secs()
            )),
        }
    }

    async fn get_now(&self, path: &str) -> Result<Found, String> {
        let stream = tls::connect(Arc::clone(&self.config), self.address, 6443)
            .await
            .map_err(|error| format!("the API server can't be reached: {error}"))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let request = Request::get(path)
            .header(header::HOST, self.address.to_string())
            .header(header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|e| e.to_string())?;
            let status = response.status();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|e| e.to_string())?;
            Ok::<_, String>((status, body.to_bytes()))
        };
        let driver = async {
            // It ends with the exchange; what went wrong is told there.
            let _ = connection.await;
            std::future::pending::<()>().await;
        };
        let (status, body) = tokio::select! {
            answer = exchange => answer?,
            () = driver => return Err("the API server closed the connection".into()),
        };
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(|object| Found::Object(Box::new(object)))
                .map_err(|error| format!("the API server sent no JSON: {error}")),
            StatusCode::NOT_FOUND => Ok(Found::Missing),
            other => Err(format!(
                "the API server answered {other}: {}",
                message(&body)
            )),
        }
    }
}

/// The words of a Status object, or the body as it is.
fn message(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|status| Some(status.get("message")?.as_str()?.to_owned()))
        .unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
}
