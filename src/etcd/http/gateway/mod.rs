//! JSON over HTTP for gRPC, under `/v3/`, as grpc-gateway does it for etcd.

mod json;
mod schema;
mod text;

use std::io;

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use tonic::Code;

use super::{answer, client::call_grpc, serve::Remote};
use json::Json;
use schema::{Method, Schema};

/// The most that a request may hold, in bytes; base64 makes it longer than what
/// gRPC then holds against its own limit.
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;

/// HTTP paths and the gRPC methods behind them (`api/etcdserverpb/rpc.proto`).
const ROUTES: &[(&str, &str)] = &[
    ("/v3/kv/range", "KV/Range"),
    ("/v3/kv/put", "KV/Put"),
    ("/v3/kv/deleterange", "KV/DeleteRange"),
    ("/v3/kv/txn", "KV/Txn"),
    ("/v3/kv/compaction", "KV/Compact"),
    ("/v3/watch", "Watch/Watch"),
    ("/v3/lease/grant", "Lease/LeaseGrant"),
    ("/v3/lease/revoke", "Lease/LeaseRevoke"),
    ("/v3/kv/lease/revoke", "Lease/LeaseRevoke"),
    ("/v3/lease/keepalive", "Lease/LeaseKeepAlive"),
    ("/v3/lease/timetolive", "Lease/LeaseTimeToLive"),
    ("/v3/kv/lease/timetolive", "Lease/LeaseTimeToLive"),
    ("/v3/lease/leases", "Lease/LeaseLeases"),
    ("/v3/kv/lease/leases", "Lease/LeaseLeases"),
    ("/v3/cluster/member/add", "Cluster/MemberAdd"),
    ("/v3/cluster/member/remove", "Cluster/MemberRemove"),
    ("/v3/cluster/member/update", "Cluster/MemberUpdate"),
    ("/v3/cluster/member/list", "Cluster/MemberList"),
    ("/v3/cluster/member/promote", "Cluster/MemberPromote"),
    ("/v3/maintenance/alarm", "Maintenance/Alarm"),
    ("/v3/maintenance/status", "Maintenance/Status"),
    ("/v3/maintenance/defragment", "Maintenance/Defragment"),
    ("/v3/maintenance/hash", "Maintenance/Hash"),
    ("/v3/maintenance/hashkv", "Maintenance/HashKV"),
    ("/v3/maintenance/snapshot", "Maintenance/Snapshot"),
    (
        "/v3/maintenance/transfer-leadership",
        "Maintenance/MoveLeader",
    ),
    ("/v3/maintenance/downgrade", "Maintenance/Downgrade"),
    ("/v3/auth/enable", "Auth/AuthEnable"),
    ("/v3/auth/disable", "Auth/AuthDisable"),
    ("/v3/auth/status", "Auth/AuthStatus"),
    ("/v3/auth/authenticate", "Auth/Authenticate"),
    ("/v3/auth/user/add", "Auth/UserAdd"),
    ("/v3/auth/user/get", "Auth/UserGet"),
    ("/v3/auth/user/list", "Auth/UserList"),
    ("/v3/auth/user/delete", "Auth/UserDelete"),
    ("/v3/auth/user/changepw", "Auth/UserChangePassword"),
    ("/v3/auth/user/grant", "Auth/UserGrantRole"),
    ("/v3/auth/user/revoke", "Auth/UserRevokeRole"),
    ("/v3/auth/role/add", "Auth/RoleAdd"),
    ("/v3/auth/role/get", "Auth/RoleGet"),
    ("/v3/auth/role/list", "Auth/RoleList"),
    ("/v3/auth/role/delete", "Auth/RoleDelete"),
    ("/v3/auth/role/grant", "Auth/RoleGrantPermission"),
    ("/v3/auth/role/revoke", "Auth/RoleRevokePermission"),
    ("/v3/lock/lock", "v3lockpb.Lock/Lock"),
    ("/v3/lock/unlock", "v3lockpb.Lock/Unlock"),
    ("/v3/election/campaign", "v3electionpb.Election/Campaign"),
    ("/v3/election/proclaim", "v3electionpb.Election/Proclaim"),
    ("/v3/election/leader", "v3electionpb.Election/Leader"),
    ("/v3/election/observe", "v3electionpb.Election/Observe"),
    ("/v3/election/resign", "v3electionpb.Election/Resign"),
];

/// The path of a gRPC call; methods without a package are etcdserverpb's.
fn grpc_path(name: &str) -> String {
    if name.contains('.') {
        format!("/{name}")
    } else {
        format!("/etcdserverpb.{name}")
    }
}

/// Turns posts under `/v3/` into gRPC calls on the services of this process.
#[derive(Clone)]
pub struct Gateway {
    /// The services.
    pub grpc: Router,
}

/// A gRPC status that is not OK.
struct Failed {
    code: Code,
    message: String,
}

impl Failed {
    fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: Code::InvalidArgument,
            message: message.into(),
        }
    }

    /// The status in the headers or trailers of a gRPC answer, if it is not OK.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let status = tonic::Status::from_header_map(headers)?;
        (status.code() != Code::Ok).then(|| Self {
            code: status.code(),
            message: status.message().to_owned(),
        })
    }

    /// The last line of a stream that ends badly.
    fn chunk(&self) -> String {
        let message = Value::from(self.message.as_str());
        let code = self.code as i32;
        format!("{{\"error\":{{\"code\":{code},\"message\":{message}}}}}")
    }

    /// The answer to a request for a stream that never began.
    fn stream_response(&self) -> Response {
        let mut response = answer::ok("application/json", self.chunk() + "\n");
        *response.status_mut() = http_status(self.code);
        response
    }

    fn response(&self) -> Response {
        let body = format!(
            "{{\"code\":{}, \"message\":{}}}",
            self.code as i32,
            Value::from(self.message.as_str())
        );
        let mut response = answer::ok("application/json", body);
        *response.status_mut() = http_status(self.code);
        response
    }
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Gateway {
    /// Answers one request whose path begins with `/v3/` or, as of old, `/v3beta/`.
    pub async fn handle(&self, request: Request) -> Response {
        let path = request.uri().path().replacen("/v3beta/", "/v3/", 1);
        let Some((_, name)) = ROUTES.iter().find(|(known, _)| *known == path) else {
            return Failed {
                code: Code::NotFound,
                message: "Not Found".into(),
            }
            .response();
        };
        if request.method() != http::Method::POST {
            return Failed {
                code: Code::Unimplemented,
                message: "Method Not Allowed".into(),
            }
            .response();
        }
        let grpc_path = grpc_path(name);
        let Some(method) = Schema::get().method(&grpc_path) else {
            return Failed {
                code: Code::Unimplemented,
                message: format!("unknown method {grpc_path}"),
            }
            .response();
        };
        match self.transcode(method, &grpc_path, request).await {
            Ok(response) => response,
            Err(failed) => failed.response(),
        }
    }

    async fn transcode(
        &self,
        method: &'static Method,
        path: &str,
        request: Request,
    ) -> Result<Response, Failed> {
        let metadata = metadata(request.headers());
        let secure = request
            .extensions()
            .get::<Remote>()
            .is_some_and(|remote| remote.secure);
        let body = Limited::new(request.into_body(), REQUEST_LIMIT)
            .collect()
            .await;
        let body = body
            .map_err(|error| Failed::invalid(error.to_string()))?
            .to_bytes();
        let body = String::from_utf8_lossy(&body);
        let messages = messages(&body, method.streams_in).map_err(Failed::invalid)?;
        if messages.is_empty() {
            // The reference has nothing to say to a stream that says nothing.
            let mut response = answer::status(StatusCode::OK);
            if secure {
                response.headers_mut().extend(go_server_headers());
            }
            return Ok(response);
        }
        let mut framed = BytesMut::new();
        for message in messages {
            let bytes =
                json::to_bytes(Schema::get(), &method.input, message).map_err(Failed::invalid)?;
            framed.put_u8(0);
            framed.put_u32(
                u32::try_from(bytes.len())
                    .map_err(|_| Failed::invalid("the message is too long"))?,
            );
            framed.extend_from_slice(&bytes);
        }
        let mut call_request = http::Request::builder()
            .method(http::Method::POST)
            .version(http::Version::HTTP_2)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(Body::from(framed.freeze()))
            .map_err(|error| Failed::invalid(error.to_string()))?;
        call_request.headers_mut().extend(metadata);
        let (parts, body) = call_grpc(&self.grpc, call_request).await.into_parts();
        if let Some(failed) = Failed::of(&parts.headers) {
            if method.streams_out {
                return Ok(failed.stream_response());
            }
            let mut response = failed.response();
            if secure {
                response.headers_mut().extend(go_server_headers());
            }
            return Ok(response);
        }
        let mut answers = Answers {
            body,
            buffer: BytesMut::new(),
            output: &method.output,
        };
        let mut response = if method.streams_out {
            answer::ok("application/json", Body::from_stream(answers.lines()))
        } else {
            let message = answers
                .next()
                .await?
                .unwrap_or_else(|| Json::Object(Vec::new()));
            // The status comes behind it, and the call is counted by its status.
            answers.next().await?;
            // Go's protobuf writes a blank after each comma of a single answer.
            answer::ok("application/json", message.text(", "))
        };
        response.headers_mut().extend(match secure {
            true => go_server_headers(),
            false => content_type_of_grpc(),
        });
        Ok(response)
    }
}

fn content_type_of_grpc() -> HeaderMap {
    HeaderMap::from_iter([(
        HeaderName::from_static("grpc-metadata-content-type"),
        HeaderValue::from_static("application/grpc"),
    )])
}

/// With TLS the reference serves gRPC through Go's HTTP server, whose own headers its
/// gateway takes for metadata (`embed/serve.go`, `grpcHandlerFunc`).
fn go_server_headers() -> HeaderMap {
    let headers = [
        (
            "access-control-allow-headers",
            "accept, content-type, authorization",
        ),
        (
            "access-control-allow-methods",
            "POST, GET, OPTIONS, PUT, DELETE",
        ),
        ("access-control-allow-origin", "*"),
        ("trailer", "Grpc-Status"),
        ("trailer", "Grpc-Message"),
        ("trailer", "Grpc-Status-Details-Bin"),
    ];
    let mut all = content_type_of_grpc();
    for (name, value) in headers {
        // The names above are names of headers.
        if let Ok(name) = HeaderName::try_from(format!("grpc-metadata-{name}")) {
            all.append(name, HeaderValue::from_static(value));
        }
    }
    all
}

/// What of the headers reaches the services: the token, and whatever is marked for them.
/// A client's certificate does not: it vouches for the connection to the gateway.
fn metadata(headers: &HeaderMap) -> HeaderMap {
    let named = |name: &HeaderName| match name.as_str() {
        "authorization" => Some(name.clone()),
        name => name.strip_prefix("grpc-metadata-")?.parse().ok(),
    };
    headers
        .iter()
        .filter_map(|(name, value)| Some((named(name)?, value.clone())))
        .collect()
}

/// The JSON messages of a body: one, or as many as there are.
fn messages(body: &str, many: bool) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some((start, end)) = text::first_value(rest)? {
        found.push(&rest[start..end]);
        rest = &rest[end..];
        if !many {
            break;
        }
    }
    if found.is_empty() && !many {
        // No body at all is a message without fields.
        found.push("{}");
    }
    Ok(found)
}

/// The messages of a gRPC answer.
struct Answers {
    body: Body,
    buffer: BytesMut,
    output: &'static str,
}

impl Answers {
    /// The next message; `None` at the end of a stream that ended well.
    async fn next(&mut self) -> Result<Option<Json>, Failed> {
        let internal = |message: String| Failed {
            code: Code::Internal,
            message,
        };
        loop {
            if let Some(message) = self.take_message() {
                return json::from_bytes(Schema::get(), self.output, message)
                    .map(Some)
                    .map_err(internal);
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(internal(error.to_string())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => {
                        if let Some(failed) = frame.trailers_ref().and_then(Failed::of) {
                            return Err(failed);
                        }
                    }
                },
            }
        }
    }

    /// A message whose bytes are all there: a flag, the length, the bytes.
    fn take_message(&mut self) -> Option<Bytes> {
        let length = self
            .buffer
            .get(1..5)
            .map(|mut length| length.get_u32() as usize)?;
        if self.buffer.len() < 5 + length {
            return None;
        }
        self.buffer.advance(5);
        Some(self.buffer.split_to(length).freeze())
    }

    /// One line a message: `{"result":…}`, and `{"error":…}` if it ends badly.
    fn lines(self) -> impl futures_util::Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
        stream::unfold(Some(self), |answers| async {
            let mut answers = answers?;
            let (line, rest) = match answers.next().await {
                Ok(None) => return None,
                Ok(Some(message)) => (
                    format!("{{\"result\":{}}}", message.text(",")),
                    Some(answers),
                ),
                Err(failed) => (failed.chunk(), None),
            };
            Some((Ok(Bytes::from(format!("{line}\n"))), rest))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_leads_to_a_method() {
        for (path, name) in ROUTES {
            assert!(Schema::get().method(&grpc_path(name)).is_some(), "{path}");
        }
    }

    #[test]
    fn the_token_and_marked_headers_reach_the_services() {
        let headers = [
            ("authorization", "abc.7"),
            ("grpc-metadata-hasleader", "true"),
            ("cookie", "x"),
        ];
        let headers = headers.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let passed = metadata(&headers.into_iter().collect());
        assert_eq!(passed.len(), 2);
        assert_eq!(passed["authorization"], "abc.7");
        assert_eq!(passed["hasleader"], "true");
    }

    #[test]
    fn a_body_holds_one_message_or_many() {
        assert_eq!(messages("", false), Ok(vec!["{}"]));
        assert_eq!(messages(" \n", true), Ok(vec![]));
        assert_eq!(messages("{} {\"a\":1}", false), Ok(vec!["{}"]));
        assert_eq!(messages("{} {\"a\":1}", true), Ok(vec!["{}", "{\"a\":1}"]));
        assert_eq!(messages("{\"key\": ", false), Err("unexpected EOF".into()));
        assert!(messages("nope", false).is_err());
    }
}
