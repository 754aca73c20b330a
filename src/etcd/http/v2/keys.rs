//! `/v2/keys` (`v2http/client.go`).

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{StatusCode, request::Parts};
use mvcc::{
    Wake,
    v2::{self, Action, Code, Error, KEYS_PREFIX, Nanos, NodeView, Taken, Watcher},
};
use serde::Serialize;
use tokio::sync::Notify;
use wire::etcdserverpb as pb;

use super::{
    V2Handler, X_ETCD_INDEX, X_RAFT_INDEX, X_RAFT_TERM, auth::Asked, form::Form, json,
    refuse_method, set,
};
use crate::server::{EtcdError, Refused};

/// An event as a client sees it; without nodes if it did not want them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_node: Option<NodeView>,
}

impl Shown {
    fn of(event: &v2::Event) -> Self {
        let trimmed = |node: &NodeView| {
            let mut node = node.clone();
            node.trim_prefix(KEYS_PREFIX);
            node
        };
        Self {
            action: event.action,
            node: Some(trimmed(&event.node)),
            prev_node: event.prev_node.as_ref().map(trimmed),
        }
    }

    fn to_line(&self) -> String {
        v2::as_go(self) + "\n"
    }
}

/// Wakes whoever waits for a watch.
#[derive(Default)]
struct Bell(Notify);

impl Wake for Bell {
    fn wake(&self) {
        self.0.notify_one();
    }
}

impl V2Handler {
    pub(super) async fn keys(&self, request: Request, key: &[u8]) -> Response {
        let allowed = ["HEAD", "GET", "PUT", "POST", "DELETE"];
        if let Some(refused) = refuse_method(request.method(), &allowed) {
            return refused;
        }
        self.with_cluster_id(self.answer_keys(request, key).await)
    }

    async fn answer_keys(&self, request: Request, key: &[u8]) -> Response {
        let (parts, form) = Form::read(request).await;
        let read = form
            .map_err(|error| Error::new(Code::InvalidForm, error, 0))
            .and_then(|form| read(&parts, key, &form, self.server.v2_now()));
        let (request, no_value) = match read {
            Ok(read) => read,
            Err(error) => return refused(&error),
        };
        let key = String::from_utf8_lossy(key);
        let asked = Asked::of_parts(&parts);
        if !self.has_key_access(asked, &key, request.recursive).await {
            return no_auth();
        }
        if request.wait && !request.quorum {
            return self.watch(&request);
        }
        let done = self.server.do_v2(request).await;
        match done {
            Ok(event) => self.event(&event, no_value),
            Err(Refused::Store(mut error)) => {
                if let Some(rest) = error.cause.strip_prefix(KEYS_PREFIX) {
                    error.cause = rest.to_owned();
                }
                refused(&error)
            }
            Err(Refused::Server(error)) => failed(&error),
        }
    }

    fn event(&self, event: &v2::Event, no_value: bool) -> Response {
        let status = match event.is_created() {
            true => StatusCode::CREATED,
            false => StatusCode::OK,
        };
        let mut shown = Shown::of(event);
        let writes = matches!(
            event.action,
            Action::Set | Action::CompareAndSwap | Action::Create | Action::Update
        );
        if no_value && writes {
            (shown.node, shown.prev_node) = (None, None);
        }
        let mut response = json(status, shown.to_line());
        set(&mut response, X_ETCD_INDEX, event.etcd_index);
        self.add_raft(&mut response);
        response
    }

    fn add_raft(&self, response: &mut Response) {
        set(response, X_RAFT_INDEX, self.server.committed_index());
        set(response, X_RAFT_TERM, self.server.term());
    }

    fn watch(&self, request: &pb::Request) -> Response {
        let bell = Arc::new(Bell::default());
        let watcher = match self.server.watch_v2(request, bell.clone()) {
            Ok(watcher) => watcher,
            Err(error) => return refused(&error),
        };
        let mut response = json(StatusCode::OK, Body::empty());
        set(&mut response, X_ETCD_INDEX, watcher.start_index);
        self.add_raft(&mut response);
        let (stopping, stream) = (self.server.stopping(), request.stream);
        let lines = futures_util::stream::unfold(Some((watcher, bell)), move |state| {
            let stopping = stopping.clone();
            async move {
                let (watcher, bell) = state?;
                let event = tokio::select! {
                    event = next(&watcher, &bell) => event?,
                    () = stopping.cancelled() => return None,
                };
                let line = Bytes::from(Shown::of(&event).to_line());
                let state = stream.then_some((watcher, bell));
                Some((Ok::<_, std::convert::Infallible>(line), state))
            }
        });
        *response.body_mut() = Body::from_stream(lines);
        response
    }
}

async fn next(watcher: &Watcher, bell: &Bell) -> Option<Arc<v2::Event>> {
    loop {
        match watcher.take() {
            Taken::Event(event) => return Some(event),
            Taken::Ended => return None,
            Taken::Nothing => bell.0.notified().await,
        }
    }
}

pub(super) fn refused(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, error.to_json() + "\n");
    set(&mut response, X_ETCD_INDEX, error.index);
    response
}

fn failed(error: &EtcdError) -> Response {
    crate::warn!("v2http/client.go:587", "v2 response error",
        "internal-server-error" => error.to_string());
    refused(&Error::new(Code::RaftInternal, error.to_string(), 0))
}

/// The request that a form asks for, and whether the answer shall lack the nodes.
fn read(parts: &Parts, key: &[u8], form: &Form, now: Nanos) -> Result<(pb::Request, bool), Error> {
    let not_a_number = |name: &str| {
        Error::new(
            Code::IndexNotANumber,
            format!("invalid value for {name:?}"),
            0,
        )
    };
    let invalid = |cause: String| Error::new(Code::InvalidField, cause, 0);
    let bool = |name: &str| {
        form.bool(name)
            .map_err(|()| invalid(format!("invalid value for {name:?}")))
    };
    let maybe_bool = |name: &str| match form.get(name) {
        None => Ok(None),
        Some(_) => form
            .bool(name)
            .map(Some)
            .map_err(|()| invalid(format!("invalid value for {name}"))),
    };
    let number = |name: &str| form.number(name).map_err(|()| not_a_number(name));
    let (prev_index, since) = (number("prevIndex")?, number("waitIndex")?);
    let (recursive, sorted, wait) = (bool("recursive")?, bool("sorted")?, bool("wait")?);
    let (dir, quorum, stream) = (bool("dir")?, bool("quorum")?, bool("stream")?);
    if wait && parts.method != http::Method::GET {
        let cause = "\"wait\" can only be used with GET requests";
        return Err(invalid(cause.to_owned()));
    }
    let prev_value = form.get("prevValue");
    if prev_value.is_some_and(<[u8]>::is_empty) {
        let cause = "\"prevValue\" cannot be empty";
        return Err(Error::new(Code::PrevValueRequired, cause, 0));
    }
    let no_value = bool("noValueOnSuccess")?;
    let ttl = match form.get("ttl") {
        None | Some(b"") => None,
        Some(_) => Some(
            form.number("ttl")
                .map_err(|()| Error::new(Code::TtlNotANumber, "invalid value for \"ttl\"", 0))?,
        ),
    };
    let prev_exist = maybe_bool("prevExist")?;
    let refresh = maybe_bool("refresh")?;
    let value = form.get("value").unwrap_or_default();
    if refresh == Some(true) {
        if !value.is_empty() {
            let cause = "A value was provided on a refresh";
            return Err(Error::new(Code::RefreshValue, cause, 0));
        }
        if ttl.is_none() {
            return Err(Error::new(Code::RefreshTtlRequired, "No TTL value set", 0));
        }
    }
    let path = [KEYS_PREFIX.as_bytes(), b"/", key].concat();
    let path = v2::path::clean(&String::from_utf8_lossy(&path));
    let request = pb::Request {
        method: parts.method.to_string(),
        path: path.into(),
        val: Bytes::copy_from_slice(value),
        dir,
        prev_value: Bytes::copy_from_slice(prev_value.unwrap_or_default()),
        prev_index,
        prev_exist,
        wait,
        since,
        recursive,
        sorted,
        quorum,
        stream,
        refresh,
        // Go's durations and times wrap around, and so do ours.
        expiration: ttl.map_or(0, |ttl| {
            now.wrapping_add((ttl as i64).wrapping_mul(1_000_000_000))
        }),
        ..pb::Request::default()
    };
    Ok((request, no_value))
}

/// `writeKeyNoAuth`.
fn no_auth() -> Response {
    refused(&Error::new(
        Code::Unauthorized,
        "Insufficient credentials",
        0,
    ))
}
