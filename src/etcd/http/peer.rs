//! What the peer port answers besides raft itself (`etcdhttp/peer.go`,
//! `lease/leasehttp/http.go`, `etcdserver/corrupt.go`).

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use prost::Message;
use wire::etcdserverpb::{LeaseKeepAliveRequest, LeaseKeepAliveResponse};

use super::answer;
use crate::{
    server::{EtcdError, Server},
    transport::{LeaseInternalRequest, LeaseInternalResponse, RaftTransport},
    version::VERSION,
};

/// The most that a question may hold, in bytes.
const QUESTION_LIMIT: usize = 1024 * 1024;

/// Answers peers.
#[derive(Clone)]
pub struct PeerHandler {
    /// The member.
    pub server: Server,
    /// Raft's part of the paths.
    pub transport: Arc<RaftTransport>,
}

impl PeerHandler {
    /// Answers one request that is not gRPC.
    pub async fn handle(self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        if path == "/raft" || path.starts_with("/raft/") {
            return Arc::clone(&self.transport).handle(request).await;
        }
        let method = request.method().clone();
        if path == "/version" {
            return version(&self.server, &method);
        }
        if path == "/leases" || path == "/leases/internal" {
            if method != Method::POST {
                return answer::error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            }
            let Ok(body) = Limited::new(request.into_body(), QUESTION_LIMIT)
                .collect()
                .await
            else {
                return answer::error(StatusCode::BAD_REQUEST, "error reading body");
            };
            let answered = if path == "/leases" {
                self.renew(body.to_bytes()).await
            } else {
                self.time_to_live(body.to_bytes()).await
            };
            return answered.unwrap_or_else(|refused| refused);
        }
        let response = match path.as_str() {
            "/members" if method != Method::GET => return answer::wrong_method("GET"),
            "/members" => answer::ok("application/json", self.server.members_json() + "\n"),
            "/members/hashkv" if method != Method::GET => return answer::wrong_method("GET"),
            "/members/hashkv" => self.hash_kv(request).await,
            "/downgrade/enabled" if method != Method::GET => return answer::wrong_method("GET"),
            "/downgrade/enabled" => self.downgrade_enabled().await,
            _ => match path.strip_prefix("/members/promote/") {
                Some(_) if method != Method::POST => return answer::wrong_method("POST"),
                Some(id) => self.promote(id).await,
                None => return answer::not_found(),
            },
        };
        self.with_cluster_id(response)
    }

    fn with_cluster_id(&self, mut response: Response) -> Response {
        if let Ok(id) = HeaderValue::from_str(&format!("{:x}", self.server.cluster_id())) {
            response.headers_mut().insert("X-Etcd-Cluster-ID", id);
        }
        response
    }

    async fn renew(&self, body: Bytes) -> Result<Response, Response> {
        let request = LeaseKeepAliveRequest::decode(body).map_err(|_| unreadable())?;
        let ttl = self
            .server
            .lease_renew_local(request.id)
            .await
            .map_err(|error| lease_error(&error))?;
        let reply = LeaseKeepAliveResponse {
            id: request.id,
            ttl,
            header: None,
        };
        Ok(answer::ok("application/protobuf", reply.encode_to_vec()))
    }

    async fn time_to_live(&self, body: Bytes) -> Result<Response, Response> {
        let request = LeaseInternalRequest::decode(body).map_err(|_| unreadable())?;
        let request = request.lease_time_to_live_request.ok_or_else(unreadable)?;
        let reply = self
            .server
            .lease_time_to_live_local(request)
            .await
            .map_err(|error| lease_error(&error))?;
        let reply = LeaseInternalResponse {
            lease_time_to_live_response: Some(reply),
        };
        Ok(answer::ok("application/protobuf", reply.encode_to_vec()))
    }

    async fn promote(&self, id: &str) -> Response {
        let Ok(id) = id.parse::<u64>() else {
            return answer::error(
                StatusCode::NOT_FOUND,
                &format!("member {id} not found in cluster"),
            );
        };
        match self.server.member_promote_local(id).await {
            Ok(_) => answer::ok("application/json", self.server.members_json() + "\n"),
            Err(error) => {
                crate::warn!(
                    "etcdhttp/peer.go:147", "failed to promote a member",
                    "member-id" => format!("{id:x}"), "error" => error.to_string(),
                );
                promote_error(&error)
            }
        }
    }

    async fn hash_kv(&self, request: Request) -> Response {
        let asked = request
            .headers()
            .get("X-Etcd-Cluster-ID")
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default();
        if !asked.is_empty() && asked != format!("{:x}", self.server.cluster_id()) {
            return answer::error(StatusCode::PRECONDITION_FAILED, "cluster ID mismatch");
        }
        let Ok(body) = Limited::new(request.into_body(), QUESTION_LIMIT)
            .collect()
            .await
        else {
            return answer::error(StatusCode::BAD_REQUEST, "error reading body");
        };
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&body.to_bytes()) else {
            return answer::error(StatusCode::BAD_REQUEST, "error unmarshalling request");
        };
        let revision = json
            .get("revision")
            .and_then(serde_json::Value::as_i64)
            .unwrap_or(0);
        match self.server.hash_kv(revision).await {
            Ok(hash) => {
                let revision = hash.header.as_ref().map_or(0, |header| header.revision);
                // Go leaves out what is zero.
                let mut json = serde_json::json!({ "header": { "revision": revision } });
                if hash.hash != 0 {
                    json["hash"] = hash.hash.into();
                }
                if hash.compact_revision != 0 {
                    json["compact_revision"] = hash.compact_revision.into();
                }
                answer::ok("application/json", json.to_string())
            }
            // Peers look for the words of the inner error.
            Err(error) => {
                let text = error.to_string();
                let text = text.strip_prefix("etcdserver: ").unwrap_or(&text);
                crate::warn!("etcdserver/corrupt.go:507", "failed to get hashKV",
                    "requested-revision" => revision, "error" => text);
                answer::error(StatusCode::BAD_REQUEST, text)
            }
        }
    }

    async fn downgrade_enabled(&self) -> Response {
        match tokio::time::timeout(
            self.server.request_timeout(),
            self.server.linearizable_read_notify(),
        )
        .await
        {
            Ok(Ok(())) => answer::ok(
                "text/plain",
                self.server.membership().downgrade.enabled.to_string(),
            ),
            Ok(Err(error)) => answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("failed linearized read: {error}"),
            ),
            Err(_) => answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("failed linearized read: {}", EtcdError::Timeout),
            ),
        }
    }
}

/// `/version`, on both ports.
#[must_use]
pub fn version(server: &Server, method: &Method) -> Response {
    if method != Method::GET {
        return answer::wrong_method("GET");
    }
    let cluster = server
        .cluster_version()
        .unwrap_or_else(|| "not_decided".into());
    answer::ok(
        "application/json",
        format!("{{\"etcdserver\":\"{VERSION}\",\"etcdcluster\":\"{cluster}\"}}"),
    )
}

fn unreadable() -> Response {
    answer::error(StatusCode::BAD_REQUEST, "error unmarshalling request")
}

fn lease_error(error: &EtcdError) -> Response {
    match error {
        EtcdError::LeaseNotFound | EtcdError::State(mvcc::Error::LeaseNotFound) => {
            answer::error(StatusCode::NOT_FOUND, "lease not found")
        }
        EtcdError::TimeoutWaitAppliedIndex => answer::error(
            StatusCode::REQUEST_TIMEOUT,
            "waiting for node to catch up its applied index has timed out",
        ),
        EtcdError::LeaderChanged => {
            answer::error(StatusCode::INTERNAL_SERVER_ERROR, "not a primary lessor")
        }
        EtcdError::State(mvcc::Error::NotPrimary) => {
            answer::error(StatusCode::BAD_REQUEST, "not a primary lessor")
        }
        other => answer::error(StatusCode::BAD_REQUEST, &other.to_string()),
    }
}

fn promote_error(error: &EtcdError) -> Response {
    use mvcc::Error as State;
    match error {
        EtcdError::MemberNotFound | EtcdError::State(State::MemberNotFound) => {
            answer::error(StatusCode::NOT_FOUND, "membership: ID not found")
        }
        EtcdError::MemberNotLearner | EtcdError::State(State::MemberNotLearner) => answer::error(
            StatusCode::PRECONDITION_FAILED,
            "membership: can only promote a learner member",
        ),
        EtcdError::LearnerNotReady => answer::error(
            StatusCode::PRECONDITION_FAILED,
            "etcdserver: can only promote a learner member which is in sync with leader",
        ),
        _ => {
            let mut response = answer::ok(
                "application/json",
                Body::from("{\"message\":\"Internal Server Error\"}\n"),
            );
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
