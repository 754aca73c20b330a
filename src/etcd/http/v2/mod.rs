//! The HTTP of etcd's v2 API (`server/etcdserver/api/v2http`, 3.5.16), served with
//! `--enable-v2`.

mod auth;
mod form;
mod keys;
mod members;
mod mux;
mod stats;

use std::sync::{Arc, atomic::AtomicBool};

use axum::{extract::Request, response::Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::answer;
use crate::server::{EtcdError, Server};

const AUTH: &str = "/v2/auth";
const KEYS: &str = "/v2/keys";
const MEMBERS: &str = "/v2/members";

const X_ETCD_CLUSTER_ID: HeaderName = HeaderName::from_static("x-etcd-cluster-id");
const X_ETCD_INDEX: HeaderName = HeaderName::from_static("x-etcd-index");
const X_RAFT_INDEX: HeaderName = HeaderName::from_static("x-raft-index");
const X_RAFT_TERM: HeaderName = HeaderName::from_static("x-raft-term");

/// Answers v2 requests.
#[derive(Clone)]
pub struct V2Handler {
    /// The member.
    pub server: Server,
    /// Whether the directories of users and roles are known to be there.
    auth_ensured: Arc<AtomicBool>,
}

impl V2Handler {
    /// For a member.
    pub fn new(server: Server) -> Self {
        Self {
            server,
            auth_ensured: Arc::default(),
        }
    }

    /// Answers if the path is one of v2's; hands the request back otherwise.
    pub async fn handle(&self, request: Request) -> Result<Response, Box<Request>> {
        let Some(path) = mux::decode(request.uri().path()) else {
            return Ok(answer::error(StatusCode::BAD_REQUEST, "400 Bad Request"));
        };
        if !path.starts_with(b"/v2") && !mux::clean(&path).starts_with(b"/v2") {
            return Err(Box::new(request));
        }
        if let Some(redirect) = mux::redirect(&request, &path) {
            return Ok(redirect);
        }
        let below = |prefix: &str| {
            path.strip_prefix(prefix.as_bytes())
                .filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
                .map(<[u8]>::to_vec)
        };
        if let Some(key) = below(KEYS) {
            return Ok(self.keys(request, &key).await);
        }
        if let Some(rest) = below(MEMBERS) {
            return Ok(self.members(request, &String::from_utf8_lossy(&rest)).await);
        }
        if let Some(rest) = below(AUTH) {
            return Ok(self.auth(request, &String::from_utf8_lossy(&rest)).await);
        }
        Ok(match path.as_slice() {
            b"/v2/machines" => self.machines(request.method()),
            b"/v2/stats/store" => self.store_stats(request.method()),
            b"/v2/stats/self" => self.self_stats(request.method()),
            b"/v2/stats/leader" => self.leader_stats(request.method()),
            _ => answer::not_found(),
        })
    }

    fn with_cluster_id(&self, mut response: Response) -> Response {
        let id = format!("{:x}", self.server.cluster_id());
        set(&mut response, X_ETCD_CLUSTER_ID, id);
        response
    }
}

fn set(response: &mut Response, name: HeaderName, value: impl ToString) {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        response.headers_mut().insert(name, value);
    }
}

/// Says which methods would have been right, unless this is one of them.
fn refuse_method(method: &Method, allowed: &[&str]) -> Option<Response> {
    if allowed.contains(&method.as_str()) {
        return None;
    }
    let mut response = answer::error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    set(&mut response, header::ALLOW, allowed.join(","));
    Some(response)
}

/// JSON with a status.
fn json(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let mut response = answer::ok("application/json", body);
    *response.status_mut() = status;
    response
}

/// `httptypes.HTTPError`.
fn refusal(status: StatusCode, message: &str) -> Response {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        message: &'a str,
    }
    json(status, mvcc::v2::as_go(&Body { message }))
}

/// What the member itself could not do.
fn internal_error(error: &EtcdError) -> Response {
    crate::warn!("etcdhttp/base.go:143", "v2 response error",
        "internal-server-error" => error.to_string());
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}
