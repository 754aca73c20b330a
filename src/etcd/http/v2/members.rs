//! `/v2/members` and `/v2/machines` (`v2http/client.go`, `httptypes/member.go`).

use axum::{extract::Request, response::Response};
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use mvcc::{Error as State, Member, v2};
use serde::{Deserialize, Serialize};
use wire::etcdserverpb as pb;

use super::{V2Handler, auth::Asked, internal_error, json, refusal, refuse_method};
use crate::{
    flags::url::Url,
    http::answer,
    server::{Caller, EtcdError},
};

/// The longest body that is read, in bytes.
const LIMIT: usize = 10 << 20;

#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    name: &'a str,
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(rename = "clientURLs")]
    client_urls: &'a [String],
}

impl<'a> Shown<'a> {
    fn of(member: &'a Member) -> Self {
        Self {
            id: format!("{:x}", member.id),
            name: &member.name,
            peer_urls: &member.peer_urls,
            client_urls: &member.client_urls,
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    members: Vec<Shown<'a>>,
}

fn line(status: StatusCode, value: &impl Serialize) -> Response {
    json(status, v2::as_go(value) + "\n")
}

impl V2Handler {
    pub(super) fn machines(&self, method: &Method) -> Response {
        if let Some(refused) = refuse_method(method, &["GET", "HEAD"]) {
            return refused;
        }
        let members = self.server.membership();
        let mut urls: Vec<_> = members
            .members
            .values()
            .flat_map(|member| member.client_urls.iter().map(String::as_str))
            .collect();
        urls.sort_unstable();
        answer::ok("text/plain; charset=utf-8", urls.join(", "))
    }

    /// `rest` is what follows `/v2/members`.
    pub(super) async fn members(&self, request: Request, rest: &str) -> Response {
        if let Some(refused) = refuse_method(request.method(), &["GET", "POST", "DELETE", "PUT"]) {
            return refused;
        }
        if request.method() != Method::GET && !self.has_root_access(Asked::of(&request)).await {
            return refusal(StatusCode::UNAUTHORIZED, "Insufficient credentials");
        }
        let name = rest.strip_prefix('/').unwrap_or(rest);
        let response = match *request.method() {
            Method::GET => self.show_members(name),
            Method::POST => self.add_member(request).await,
            _ if name.is_empty() => {
                answer::error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
            }
            _ => match u64::from_str_radix(name, 16) {
                Err(_) => no_such_member(name),
                Ok(id) if request.method() == Method::DELETE => self.remove_member(id).await,
                Ok(id) => self.update_member(request, id).await,
            },
        };
        self.with_cluster_id(response)
    }

    fn show_members(&self, name: &str) -> Response {
        let members = self.server.membership();
        match name {
            "" => line(
                StatusCode::OK,
                &List {
                    members: members.members.values().map(Shown::of).collect(),
                },
            ),
            "leader" => match members.members.get(&self.server.leader()) {
                Some(leader) => line(StatusCode::OK, &Shown::of(leader)),
                None => refusal(StatusCode::SERVICE_UNAVAILABLE, "During election"),
            },
            _ => refusal(StatusCode::NOT_FOUND, "Not found"),
        }
    }

    async fn add_member(&self, request: Request) -> Response {
        let urls = match peer_urls(request).await {
            Ok(urls) => urls,
            Err(refused) => return refused,
        };
        let request = pb::MemberAddRequest {
            peer_ur_ls: urls,
            is_learner: false,
        };
        match self.server.member_add(&Caller::nobody(), request).await {
            Ok(added) => {
                let member = added.member.unwrap_or_default();
                let member = Member {
                    id: member.id,
                    name: member.name,
                    peer_urls: member.peer_ur_ls,
                    client_urls: member.client_ur_ls,
                    is_learner: false,
                };
                line(StatusCode::CREATED, &Shown::of(&member))
            }
            Err(error) => conflict(&error).unwrap_or_else(|| internal_error(&error)),
        }
    }

    async fn remove_member(&self, id: u64) -> Response {
        match self
            .server
            .member_remove(&Caller::nobody(), pb::MemberRemoveRequest { id })
            .await
        {
            Ok(_) => answer::status(StatusCode::NO_CONTENT),
            Err(error) if is_missing(&error) => {
                if self.server.membership().removed.contains(&id) {
                    let text = format!("Member permanently removed: {id:x}");
                    return refusal(StatusCode::GONE, &text);
                }
                no_such_member(&format!("{id:x}"))
            }
            Err(error) => internal_error(&error),
        }
    }

    async fn update_member(&self, request: Request, id: u64) -> Response {
        let urls = match peer_urls(request).await {
            Ok(urls) => urls,
            Err(refused) => return refused,
        };
        let request = pb::MemberUpdateRequest {
            id,
            peer_ur_ls: urls,
        };
        match self.server.member_update(&Caller::nobody(), request).await {
            Ok(_) => answer::status(StatusCode::NO_CONTENT),
            Err(error) if is_missing(&error) => {
                // The reference has no answer of its own for one that was removed.
                if self.server.membership().removed.contains(&id) {
                    return internal_error(&error);
                }
                no_such_member(&format!("{id:x}"))
            }
            Err(error) => conflict(&error).unwrap_or_else(|| internal_error(&error)),
        }
    }
}

fn is_missing(error: &EtcdError) -> bool {
    matches!(
        error,
        EtcdError::MemberNotFound | EtcdError::State(State::MemberNotFound)
    )
}

fn conflict(error: &EtcdError) -> Option<Response> {
    let text = match error {
        EtcdError::MemberExists | EtcdError::State(State::MemberExists) => "membership: ID exists",
        EtcdError::PeerUrlExists | EtcdError::State(State::PeerUrlExists) => {
            "membership: peerURL exists"
        }
        _ => return None,
    };
    Some(refusal(StatusCode::CONFLICT, text))
}

fn no_such_member(id: &str) -> Response {
    refusal(StatusCode::NOT_FOUND, &format!("No such member: {id}"))
}

/// The peer URLs that the body of a request names, sorted.
async fn peer_urls(request: Request) -> Result<Vec<String>, Response> {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(rename = "peerURLs", default)]
        peer_urls: Option<Vec<String>>,
    }
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = match kind.split_once(';') {
        Some((kind, _)) => kind.to_lowercase().trim().to_owned(),
        None => kind.to_owned(),
    };
    if kind != "application/json" {
        return Err(refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &format!("Bad Content-Type {kind}, accept application/json"),
        ));
    }
    let bad = |error: String| refusal(StatusCode::BAD_REQUEST, &error);
    let body = Limited::new(request.into_body(), LIMIT)
        .collect()
        .await
        .map_err(|error| bad(error.to_string()))?
        .to_bytes();
    let asked: Asked =
        serde_json::from_slice(&body).map_err(|error| bad(go_words(&body, &error)))?;
    let urls = asked.peer_urls.unwrap_or_default();
    if urls.is_empty() {
        return Err(bad("no valid URLs given".to_owned()));
    }
    let mut urls = urls
        .iter()
        .map(|url| Url::parse(url))
        .collect::<Result<Vec<_>, _>>()
        .map_err(bad)?;
    urls.sort();
    Ok(urls.iter().map(ToString::to_string).collect())
}

/// What Go says to JSON that breaks off; our own words for everything else.
fn go_words(body: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() || body.is_empty() {
        return "unexpected end of JSON input".to_owned();
    }
    error.to_string()
}
