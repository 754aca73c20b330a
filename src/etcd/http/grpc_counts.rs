//! Counts gRPC calls by service, method and how they ended, as the reference's
//! interceptors do (`go-grpc-prometheus`).

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tonic::Code;

use crate::metrics::{Cell, counter};

/// Methods whose client or server streams, with the ends of their services' names; all
/// others are unary.
const STREAMS: &[(&str, &str, &str)] = &[
    ("Watch", "Watch", "bidi_stream"),
    ("Lease", "LeaseKeepAlive", "bidi_stream"),
    ("Maintenance", "Snapshot", "server_stream"),
    ("Election", "Observe", "server_stream"),
    ("Health", "Watch", "server_stream"),
];

/// One call on its way.
struct Call {
    service: String,
    method: String,
    ended: bool,
}

impl Call {
    /// Counts its beginning. `None` if the path is of none of the services: clients
    /// can say anything, and each path would have a series of its own.
    fn begin(path: &str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let known = [
            "etcdserverpb.",
            "v3lockpb.",
            "v3electionpb.",
            "grpc.health.v1.",
        ];
        let plain = method.len() < 64 && method.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || !known.iter().any(|package| service.starts_with(package)) {
            return None;
        }
        let call = Self {
            service: service.to_owned(),
            method: method.to_owned(),
            ended: false,
        };
        counter(
            "grpc_server_started_total",
            "Total number of RPCs started on the server.",
            &call.labels(),
        )
        .inc();
        Some(call)
    }

    fn labels(&self) -> [(&'static str, &str); 3] {
        let service = self.service.rsplit('.').next();
        let kind = STREAMS
            .iter()
            .find(|(of, method, _)| service == Some(*of) && *method == self.method)
            .map_or("unary", |(.., kind)| *kind);
        [
            ("grpc_method", &self.method),
            ("grpc_service", &self.service),
            ("grpc_type", kind),
        ]
    }

    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let name = match code {
            // Go spells two of them its own way.
            Code::Ok => "OK".to_owned(),
            Code::Cancelled => "Canceled".to_owned(),
            other => format!("{other:?}"),
        };
        let [method, service, kind] = self.labels();
        let labels = [("grpc_code", name.as_str()), method, service, kind];
        counter(
            "grpc_server_handled_total",
            "Total number of RPCs completed on the server, regardless of success or failure.",
            &labels,
        )
        .inc();
    }

    /// The status in headers or trailers, if there is one.
    fn look(&mut self, headers: &HeaderMap) {
        if let Some(status) = tonic::Status::from_header_map(headers) {
            self.end(status.code());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // The client has gone before the end was sent.
        self.end(Code::Cancelled);
    }
}

/// Messages that go by: each has five bytes before it, a flag and its length.
struct Messages {
    count: Cell,
    bytes: Cell,
    head: [u8; 5],
    /// Bytes of the head that were seen.
    seen: usize,
    /// Bytes of the message that are to come.
    left: usize,
}

impl Messages {
    fn new(count: Cell, bytes: Cell) -> Self {
        Self {
            count,
            bytes,
            head: [0; 5],
            seen: 0,
            left: 0,
        }
    }

    fn received(call: &Call) -> Self {
        Self::new(
            counter(
                "grpc_server_msg_received_total",
                "Total number of RPC stream messages received on the server.",
                &call.labels(),
            ),
            counter(
                "etcd_network_client_grpc_received_bytes_total",
                "The total number of bytes received from grpc clients.",
                &[],
            ),
        )
    }

    fn sent(call: &Call) -> Self {
        Self::new(
            counter(
                "grpc_server_msg_sent_total",
                "Total number of gRPC stream messages sent by the server.",
                &call.labels(),
            ),
            counter(
                "etcd_network_client_grpc_sent_bytes_total",
                "The total number of bytes sent to grpc clients.",
                &[],
            ),
        )
    }

    fn pass(&mut self, mut data: &[u8]) {
        self.bytes.add(data.len() as u64);
        while let Some((first, rest)) = data.split_first() {
            if self.left > 0 {
                let part = self.left.min(data.len());
                self.left -= part;
                data = &data[part..];
                continue;
            }
            self.head[self.seen] = *first;
            self.seen += 1;
            data = rest;
            if self.seen == self.head.len() {
                let [_, length @ ..] = self.head;
                self.seen = 0;
                self.left = u32::from_be_bytes(length) as usize;
                self.count.inc();
            }
        }
    }
}

/// A request's body, whose messages are counted.
struct Received {
    body: Body,
    messages: Messages,
}

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.messages.pass(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that tells how the call ended.
struct Counted {
    body: Body,
    call: Call,
    messages: Messages,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if let Some(data) = frame.data_ref() {
                self.messages.pass(data);
            }
            if let Some(trailers) = frame.trailers_ref() {
                self.call.look(trailers);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Counts a call that `answer` answers.
pub(super) async fn counted<F: Future<Output = Response>>(
    request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    let Some(mut call) = Call::begin(request.uri().path()) else {
        return answer(request).await;
    };
    let messages = Messages::received(&call);
    let request = request.map(|body| Body::new(Received { body, messages }));
    let (parts, body) = answer(request).await.into_parts();
    call.look(&parts.headers);
    if call.ended {
        return Response::from_parts(parts, body);
    }
    let messages = Messages::sent(&call);
    let counted = Counted {
        body,
        call,
        messages,
    };
    let body = Body::new(counted.boxed_unsync());
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_services_are_counted() {
        for (path, counted) in [
            ("/etcdserverpb.KV/Range", true),
            ("/v3lockpb.Lock/Lock", true),
            ("/grpc.health.v1.Health/Check", true),
            ("/etcdserverpb.KV/a b", false),
            ("/nothing", false),
        ] {
            assert_eq!(Call::begin(path).is_some(), counted, "{path}");
        }
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let message = |length: u8| [&[0, 0, 0, 0, length][..], &vec![7; length.into()]].concat();
        let bytes = [message(3), message(0), message(9)].concat();
        for piece in 1..=bytes.len() {
            let (count, size) = (Cell::default(), Cell::default());
            let mut messages = Messages::new(count.clone(), size.clone());
            for part in bytes.chunks(piece) {
                messages.pass(part);
            }
            assert_eq!((count.get(), size.get()), (3, bytes.len() as u64));
        }
    }

    #[tokio::test]
    async fn a_call_ends_with_its_trailers() {
        let ended = |code: &str| {
            let line = format!(
                "grpc_server_handled_total{{grpc_code=\"{code}\",grpc_method=\"TestOnly\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"}} 1"
            );
            crate::metrics::text().lines().any(|found| found == line)
        };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("5"));
        let body = http_body_util::Full::new(Bytes::from_static(b"x"))
            .with_trailers(std::future::ready(Some(Ok(trailers))));
        let asked = || {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = "/etcdserverpb.KV/TestOnly".parse().expect("a path");
            request
        };
        let response = counted(asked(), |_| async { Response::new(Body::new(body)) }).await;
        assert!(!ended("NotFound"));
        response.into_body().collect().await.expect("a body");
        assert!(ended("NotFound") && !ended("Canceled"));
        // Nobody reads the next one.
        drop(counted(asked(), |_| async { Response::new(Body::from("x")) }).await);
        assert!(ended("Canceled"));
    }
}
