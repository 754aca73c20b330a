//! `grpc.health.v1.Health/Check`, for probes that speak gRPC.

use std::convert::Infallible;

use axum::{body::Body, extract::Request, response::Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Frame;
use prost::Message;

use super::answer;

/// The most that a question may hold, in bytes.
const LIMIT: usize = 64 * 1024;
const SERVING: i32 = 1;

/// `HealthCheckRequest`.
#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse`.
#[derive(Clone, PartialEq, Message)]
struct Reply {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Answers one call: the server as a whole (service "") serves as long as it
/// answers at all; the reference knows no other service either.
pub async fn check(request: Request) -> Response {
    let asked = match Limited::new(request.into_body(), LIMIT).collect().await {
        // The first five bytes are gRPC's own.
        Ok(body) => body
            .to_bytes()
            .get(5..)
            .and_then(|bytes| Question::decode(bytes).ok()),
        Err(_) => None,
    };
    match asked {
        Some(question) if question.service.is_empty() => reply(),
        Some(_) => failed("5", "unknown service"),
        None => failed("13", "the request can't be read"),
    }
}

fn reply() -> Response {
    let message = Reply { status: SERVING }.encode_to_vec();
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or_default());
    framed.extend_from_slice(&message);
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let frames: [Result<Frame<Bytes>, Infallible>; 2] = [
        Ok(Frame::data(framed.freeze())),
        Ok(Frame::trailers(trailers)),
    ];
    answer::ok(
        "application/grpc",
        Body::new(StreamBody::new(stream::iter(frames))),
    )
}

fn failed(code: &'static str, message: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    headers.insert("grpc-status", HeaderValue::from_static(code));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(service: &str) -> (Option<i32>, HeaderMap) {
        let mut body = vec![0; 5];
        body.extend(
            Question {
                service: service.into(),
            }
            .encode_to_vec(),
        );
        let response = check(Request::new(Body::from(body))).await;
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.expect("a body");
        let trailers = collected.trailers().cloned().unwrap_or(parts.headers);
        let bytes = collected.to_bytes();
        (
            bytes
                .get(5..)
                .and_then(|bytes| Reply::decode(bytes).ok())
                .map(|reply| reply.status),
            trailers,
        )
    }

    #[tokio::test]
    async fn the_server_as_a_whole_serves() {
        let (status, trailers) = ask("").await;
        assert_eq!(
            (status, &trailers["grpc-status"]),
            (Some(SERVING), &HeaderValue::from_static("0"))
        );
        assert_eq!(ask("etcd").await.1["grpc-status"], "5");
    }
}
