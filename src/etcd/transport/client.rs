//! Single requests to the peer port of another member.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Limited};
use prost::Message;
use wire::etcdserverpb::{
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};

use super::{
    Answer,
    connect::{HttpClient, root_cause},
};
use crate::server::{EtcdError, PeerClient, PeerMembers, PeerVersions};

/// The most that an answer may hold, in bytes: a lease may have many keys.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;

/// What travels to `/leases/internal` (`server/lease/leasepb`).
#[derive(Clone, PartialEq, Message)]
pub struct LeaseInternalRequest {
    /// The question as a client asked it.
    #[prost(message, optional, tag = "1")]
    pub lease_time_to_live_request: Option<LeaseTimeToLiveRequest>,
}

/// What comes back.
#[derive(Clone, PartialEq, Message)]
pub struct LeaseInternalResponse {
    /// The answer as the client will get it, but for its header.
    #[prost(message, optional, tag = "1")]
    pub lease_time_to_live_response: Option<LeaseTimeToLiveResponse>,
}

/// The requests by one client.
pub(super) struct Requests {
    pub(super) client: HttpClient,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body)
            .trim_end_matches('\n')
            .to_owned()
    }
}

impl Requests {
    async fn ask(
        &self,
        method: Method,
        url: &str,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
        timeout: Duration,
    ) -> Result<Reply, EtcdError> {
        let address = format!("{}{path}", url.trim_end_matches('/'));
        let failed = |reason: String| {
            EtcdError::Peer(format!("{} \"{address}\": {reason}", go_method(&method)))
        };
        let mut request = Request::builder().method(method.clone()).uri(&address);
        let body = match body {
            Some((content_type, bytes)) => {
                request = request.header(CONTENT_TYPE, content_type);
                Body::from(bytes)
            }
            None => Body::empty(),
        };
        let request = request
            .body(body)
            .map_err(|error| failed(error.to_string()))?;
        let asked = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| root_cause(&error))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT)
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes();
            Ok(Reply {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        match tokio::time::timeout(timeout, asked).await {
            Ok(reply) => reply.map_err(failed),
            Err(_) => Err(EtcdError::Timeout),
        }
    }
}

/// `Get`, `Post`: as Go names a request in its errors.
fn go_method(method: &Method) -> &'static str {
    if method == Method::GET { "Get" } else { "Post" }
}

fn unexpected(url: &str, path: &str, reply: &Reply) -> EtcdError {
    EtcdError::Peer(format!(
        "{url}{path} answered {}: {}",
        reply.status,
        reply.text()
    ))
}

/// The lease answers share their errors.
fn lease_reply(url: &str, path: &str, reply: Reply) -> Result<Bytes, EtcdError> {
    match reply.status {
        StatusCode::OK => Ok(reply.body),
        StatusCode::NOT_FOUND => Err(EtcdError::LeaseNotFound),
        StatusCode::REQUEST_TIMEOUT => Err(EtcdError::Timeout),
        _ => Err(unexpected(url, path, &reply)),
    }
}

fn undecodable(url: &str, path: &str, error: &dyn std::fmt::Display) -> EtcdError {
    EtcdError::Peer(format!("{url}{path} answered what can't be read: {error}"))
}

impl PeerClient for Requests {
    fn members(&self, url: String, timeout: Duration) -> Answer<'_, PeerMembers> {
        Box::pin(async move {
            let reply = self
                .ask(Method::GET, &url, "/members", None, timeout)
                .await?;
            if reply.status != StatusCode::OK {
                return Err(unexpected(&url, "/members", &reply));
            }
            let cluster_id = reply
                .headers
                .get("X-Etcd-Cluster-ID")
                .and_then(|id| u64::from_str_radix(id.to_str().ok()?, 16).ok())
                .ok_or_else(|| undecodable(&url, "/members", &"no cluster ID in the header"))?;
            Ok(PeerMembers {
                cluster_id,
                members_json: reply.body.to_vec(),
            })
        })
    }

    fn version(&self, url: String, timeout: Duration) -> Answer<'_, PeerVersions> {
        Box::pin(async move {
            let reply = self
                .ask(Method::GET, &url, "/version", None, timeout)
                .await?;
            if reply.status != StatusCode::OK {
                return Err(unexpected(&url, "/version", &reply));
            }
            let json: serde_json::Value = serde_json::from_slice(&reply.body)
                .map_err(|error| undecodable(&url, "/version", &error))?;
            let text = |key: &str| {
                json.get(key)
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            Ok(PeerVersions {
                server: text("etcdserver"),
                cluster: text("etcdcluster"),
            })
        })
    }

    fn lease_renew(&self, url: String, id: i64, timeout: Duration) -> Answer<'_, i64> {
        Box::pin(async move {
            let body = LeaseKeepAliveRequest { id }.encode_to_vec();
            let reply = self
                .ask(
                    Method::POST,
                    &url,
                    "/leases",
                    Some(("application/protobuf", body)),
                    timeout,
                )
                .await?;
            let bytes = lease_reply(&url, "/leases", reply)?;
            let answer = LeaseKeepAliveResponse::decode(bytes)
                .map_err(|error| undecodable(&url, "/leases", &error))?;
            if answer.id != id {
                return Err(EtcdError::Peer("lease: renew id mismatch".into()));
            }
            Ok(answer.ttl)
        })
    }

    fn lease_time_to_live(
        &self,
        url: String,
        request: LeaseTimeToLiveRequest,
        timeout: Duration,
    ) -> Answer<'_, LeaseTimeToLiveResponse> {
        Box::pin(async move {
            const PATH: &str = "/leases/internal";
            let id = request.id;
            let body = LeaseInternalRequest {
                lease_time_to_live_request: Some(request),
            }
            .encode_to_vec();
            let reply = self
                .ask(
                    Method::POST,
                    &url,
                    PATH,
                    Some(("application/protobuf", body)),
                    timeout,
                )
                .await?;
            let bytes = lease_reply(&url, PATH, reply)?;
            let answer = LeaseInternalResponse::decode(bytes)
                .map_err(|error| undecodable(&url, PATH, &error))?;
            match answer.lease_time_to_live_response {
                Some(answer) if answer.id == id => Ok(answer),
                _ => Err(EtcdError::Peer("lease: renew id mismatch".into())),
            }
        })
    }

    fn promote(&self, url: String, id: u64, timeout: Duration) -> Answer<'_, Vec<u8>> {
        Box::pin(async move {
            let path = format!("/members/promote/{id}");
            let reply = self.ask(Method::POST, &url, &path, None, timeout).await?;
            let text = reply.text();
            match reply.status {
                StatusCode::OK => Ok(reply.body.to_vec()),
                StatusCode::REQUEST_TIMEOUT => Err(EtcdError::Timeout),
                StatusCode::NOT_FOUND => Err(EtcdError::MemberNotFound),
                // Both reasons come with the same status and differ in their words.
                StatusCode::PRECONDITION_FAILED if text.contains("in sync with leader") => {
                    Err(EtcdError::LearnerNotReady)
                }
                StatusCode::PRECONDITION_FAILED
                    if text.contains("can only promote a learner member") =>
                {
                    Err(EtcdError::MemberNotLearner)
                }
                _ => Err(EtcdError::Peer(format!(
                    "member promote: unknown error({text})"
                ))),
            }
        })
    }

    fn hash_kv(&self, url: String, revision: i64, timeout: Duration) -> Answer<'_, Vec<u8>> {
        Box::pin(async move {
            const PATH: &str = "/members/hashkv";
            let body = format!("{{\"revision\":{revision}}}").into_bytes();
            // The reference asks with GET and a body.
            let reply = self
                .ask(
                    Method::GET,
                    &url,
                    PATH,
                    Some(("application/json", body)),
                    timeout,
                )
                .await?;
            let text = reply.text();
            match reply.status {
                StatusCode::OK => Ok(reply.body.to_vec()),
                StatusCode::BAD_REQUEST if text.contains("compacted") => {
                    Err(mvcc::Error::Compacted.into())
                }
                StatusCode::BAD_REQUEST if text.contains("future revision") => {
                    Err(mvcc::Error::FutureRevision.into())
                }
                StatusCode::PRECONDITION_FAILED if text.contains("cluster ID mismatch") => {
                    Err(EtcdError::Peer("etcdserver: cluster ID mismatch".into()))
                }
                _ => Err(EtcdError::Peer(format!("unknown error: {text}"))),
            }
        })
    }
}
