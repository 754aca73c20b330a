//! The client and metrics ports: gRPC and HTTP side by side (`embed/serve.go`).

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response};
use http::{HeaderValue, Method, StatusCode, header};
use tower::ServiceExt;

use super::{
    answer, gateway::Gateway, gauges, grpc_counts, health, peer::version, serve::Remote,
    v2::V2Handler,
};
use crate::{metrics, server::Server};

/// What a client port serves.
pub struct ClientHandler {
    /// The member.
    pub server: Server,
    /// gRPC; `None` on a port for HTTP only.
    pub grpc: Option<Router>,
    /// Whether HTTP is served here; not if `--listen-client-http-urls` has a port of its own.
    pub http: bool,
    /// JSON over HTTP for gRPC; `None` without `--enable-grpc-gateway`.
    pub gateway: Option<Gateway>,
    /// The v2 API; `None` without `--enable-v2`.
    pub v2: Option<V2Handler>,
    /// `--cors`.
    pub cors: Vec<String>,
    /// `--host-whitelist`.
    pub host_whitelist: Vec<String>,
}

/// Whether a request is a gRPC call.
#[must_use]
pub fn is_grpc(request: &Request) -> bool {
    request.version() == http::Version::HTTP_2
        && request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/grpc"))
}

/// Hands a request to a router that answers everything.
pub async fn call(router: &Router, request: Request) -> Response {
    match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Answers a gRPC call and counts it, wherever it came from: the reference's JSON gateway
/// is a gRPC client too.
pub async fn call_grpc(grpc: &Router, request: Request) -> Response {
    let answer = |request| async { worded(call(grpc, request).await) };
    grpc_counts::counted(request, answer).await
}

/// Gives a request that is too long the code and the words of Go's gRPC.
#[must_use]
fn worded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let message = headers
        .get("grpc-message")
        .and_then(|text| text.to_str().ok())
        .unwrap_or_default();
    if !message.contains("decoded%20message%20length%20too%20large") {
        return response;
    }
    let message = message.replace("%20", " ");
    let mut numbers = message
        .split(' ')
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let (found, limit) = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    let text = format!("grpc: received message larger than max ({found} vs. {limit})");
    if let Ok(text) = HeaderValue::from_str(&text) {
        headers.insert("grpc-status", HeaderValue::from_static("8"));
        headers.insert("grpc-message", text);
    }
    response
}

impl ClientHandler {
    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        if is_grpc(&request) {
            return match &self.grpc {
                Some(grpc) => call_grpc(grpc, request).await,
                None => answer::not_found(),
            };
        }
        if !self.http {
            return answer::not_found();
        }
        if let Some(refused) = self.refuse_host(&request) {
            return refused;
        }
        let origin = self.allowed_origin(&request);
        let mut response = if request.method() == Method::OPTIONS {
            answer::status(StatusCode::OK)
        } else {
            self.http(request).await
        };
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            let words = |text| HeaderValue::from_static(text);
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                words("POST, GET, OPTIONS, PUT, DELETE"),
            );
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                words("accept, content-type, authorization"),
            );
        }
        response
    }

    async fn http(&self, request: Request) -> Response {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        if path.starts_with("/v3/") || path.starts_with("/v3beta/") {
            return match &self.gateway {
                Some(gateway) => gateway.handle(request).await,
                None => answer::not_found(),
            };
        }
        let request = match &self.v2 {
            Some(v2) => match v2.handle(request).await {
                Ok(response) => return response,
                Err(request) => *request,
            },
            None => request,
        };
        match path.as_str() {
            // Go's server sends whoever leaves the slash out to the folder.
            "/v3" if self.gateway.is_some() => answer::moved("/v3/"),
            // The reference leaves these away with the v2 API.
            path if self.v2.is_some()
                && (path.starts_with("/livez") || path.starts_with("/readyz")) =>
            {
                answer::not_found()
            }
            "/health" if self.v2.is_some() => {
                let query = request.uri().query().unwrap_or_default().to_owned();
                drop(request);
                health::health_of_v2(&self.server, &method, &query).await
            }
            "/version" => version(&self.server, &method),
            _ => monitoring(&self.server, request).await,
        }
    }

    /// Without TLS, a web page could reach a member on the same machine under a
    /// name of its own; the reference calls this CVE-2018-5702.
    fn refuse_host(&self, request: &Request) -> Option<Response> {
        let secure = request
            .extensions()
            .get::<Remote>()
            .is_some_and(|remote| remote.secure);
        let open =
            self.host_whitelist.is_empty() || self.host_whitelist.iter().any(|host| host == "*");
        if secure || open {
            return None;
        }
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| request.uri().host())
            .unwrap_or_default();
        let host = crate::flags::url::split_host_port(host).map_or(host, |(name, _)| name);
        if self.host_whitelist.iter().any(|allowed| allowed == host) {
            return None;
        }
        crate::warn!("embed/serve.go:360", "rejecting HTTP request to prevent DNS rebinding attacks", "host" => host);
        let text = format!(
            "\netcd received your request, but the Host header was unrecognized.\n\nTo fix this, choose one of the following options:\n- Enable TLS, then any HTTPS request will be allowed.\n- Add the hostname you want to use to the whitelist in settings.\n  - e.g. etcd --host-whitelist {host:?}\n\nThis requirement has been added to help prevent \"DNS Rebinding\" attacks (CVE-2018-5702).\n"
        );
        Some(answer::error(StatusCode::MISDIRECTED_REQUEST, &text))
    }

    fn allowed_origin(&self, request: &Request) -> Option<HeaderValue> {
        if self.cors.is_empty() || self.cors.iter().any(|origin| origin == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = request.headers().get(header::ORIGIN)?;
        self.cors
            .iter()
            .any(|allowed| origin == allowed)
            .then(|| origin.clone())
    }
}

/// `/metrics` and the health checks, all that a metrics port serves.
pub async fn monitoring(server: &Server, request: Request) -> Response {
    let method = request.method().clone();
    let (path, query) = (
        request.uri().path().to_owned(),
        request.uri().query().unwrap_or_default().to_owned(),
    );
    drop(request);
    if path == "/metrics" {
        gauges::refresh(server);
        return answer::ok("text/plain; version=0.0.4; charset=utf-8", metrics::text());
    }
    match health::answer(server, &method, &path, &query).await {
        Some(response) => response,
        None => answer::not_found(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_too_long_is_told_in_gos_words() {
        let mut response = answer::status(StatusCode::OK);
        let text = "Error,%20decoded%20message%20length%20too%20large:%20found%205000007%20bytes,%20the%20limit%20is:%202097152%20bytes";
        response
            .headers_mut()
            .insert("grpc-message", HeaderValue::from_static(text));
        let response = worded(response);
        assert_eq!(response.headers()["grpc-status"], "8");
        assert_eq!(
            response.headers()["grpc-message"],
            "grpc: received message larger than max (5000007 vs. 2097152)"
        );
    }
}
