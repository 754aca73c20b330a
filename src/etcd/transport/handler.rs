//! What peers ask for under `/raft` (`rafthttp/http.go`).

use std::{io, sync::Arc};

use axum::{body::Body, extract::Request, response::Response};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use prost::Message as _;
use tokio::{io::AsyncReadExt, sync::mpsc, time};
use tokio_util::io::StreamReader;
use wire::raftpb::{Message, MessageType};

use super::{
    RaftTransport,
    codec::{self, Kind},
    stream,
};
use crate::{
    http::answer,
    metrics,
    server::{EtcdError, IncomingSnapshot, Transport},
    version::{MIN_CLUSTER_VERSION, VERSION, major_minor},
};

/// The most that a posted message may hold, in bytes.
const POST_LIMIT: usize = 512 * 1024 * 1024;
/// Where single messages are posted.
const RAFT: &str = "/raft";

impl RaftTransport {
    /// Answers a request whose path is `/raft` or starts with `/raft/`.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        match request.uri().path() {
            RAFT => self.message(request).await,
            "/raft/snapshot" => self.snapshot(request).await,
            "/raft/probing" => probing(),
            path if path.starts_with("/raft/stream/") => self.stream(request).await,
            _ => answer::not_found(),
        }
    }

    fn with_cluster_id(&self, mut response: Response) -> Response {
        response.headers_mut().insert(
            "X-Etcd-Cluster-ID",
            super::hex_header(self.shared.identity.cluster_id),
        );
        response
    }

    async fn message(self: Arc<Self>, request: Request) -> Response {
        if request.method() != Method::POST {
            return answer::wrong_method("POST");
        }
        let response = match self.check(request.headers()) {
            Err(refused) => refused,
            Ok(()) => {
                self.learn_sender(request.headers());
                self.take_message(request.into_body()).await
            }
        };
        self.with_cluster_id(response)
    }

    async fn take_message(&self, body: Body) -> Response {
        let local = format!("{:x}", self.shared.identity.member_id);
        let bytes = match Limited::new(body, POST_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                crate::warn!(
                    "rafthttp/http.go:145", "failed to read Raft message",
                    "local-member-id" => local, "error" => error.to_string(),
                );
                return answer::error(StatusCode::BAD_REQUEST, "error reading raft message");
            }
        };
        let length = bytes.len() as u64;
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                crate::warn!(
                    "rafthttp/http.go:157", "failed to unmarshal Raft message",
                    "local-member-id" => local, "error" => error.to_string(),
                );
                return answer::error(StatusCode::BAD_REQUEST, "error unmarshalling raft message");
            }
        };
        super::received_bytes(message.from).add(length);
        match self.shared.inbox.process(message).await {
            // Says that the member has the message, which tells the sender of a snapshot that it arrived.
            Ok(()) => answer::status(StatusCode::NO_CONTENT),
            Err(EtcdError::Removed) => removed(),
            Err(error) => {
                crate::warn!(
                    "rafthttp/http.go:175", "failed to process Raft message",
                    "local-member-id" => local, "error" => error.to_string(),
                );
                answer::error(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "error processing raft message",
                )
            }
        }
    }

    async fn stream(self: Arc<Self>, request: Request) -> Response {
        if request.method() != Method::GET {
            return answer::wrong_method("GET");
        }
        // A body is not shared between threads, so only what is needed of the request goes on.
        let request = request.map(drop);
        let mut response = match self
            .open_stream(request.uri().path(), request.headers())
            .await
        {
            Ok(response) | Err(response) => response,
        };
        response
            .headers_mut()
            .insert("X-Server-Version", http::HeaderValue::from_static(VERSION));
        self.with_cluster_id(response)
    }

    async fn open_stream(&self, path: &str, headers: &HeaderMap) -> Result<Response, Response> {
        self.check(headers)?;
        let rest = path.strip_prefix("/raft/stream/").unwrap_or_default();
        let (kind, from) = rest.rsplit_once('/').unwrap_or((rest, ""));
        let kind = [Kind::Message, Kind::MsgAppV2]
            .into_iter()
            .find(|known| known.path() == kind)
            .ok_or_else(|| answer::error(StatusCode::NOT_FOUND, "invalid path"))?;
        let id = u64::from_str_radix(from, 16).map_err(|_| {
            self.warn_stream("failed to parse path into ID", "path", from);
            answer::error(StatusCode::NOT_FOUND, "invalid from")
        })?;
        if self.shared.inbox.is_id_removed(id) {
            self.warn_stream(
                "rejected stream from remote peer because it was removed",
                "remote-peer-id-from",
                from,
            );
            return Err(answer::error(StatusCode::GONE, "removed member"));
        }
        let Some(peer) = self.member(id) else {
            if self.shared.cancel.is_cancelled() {
                // The member is going away; who asks will find out.
                return Err(answer::status(StatusCode::SERVICE_UNAVAILABLE));
            }
            // Either it is of another cluster, or this member lags behind and will learn of it.
            if let Some(urls) = peer_urls(headers) {
                self.add_remote(id, urls);
            }
            self.warn_stream(
                "failed to find remote peer in cluster",
                "remote-peer-id-from",
                from,
            );
            return Err(answer::error(
                StatusCode::NOT_FOUND,
                "error sender not found",
            ));
        };
        let to = text(headers, "X-Raft-To");
        if to != format!("{:x}", self.shared.identity.member_id) {
            self.warn_stream(
                "ignored streaming request; ID mismatch",
                "remote-peer-id-header",
                to,
            );
            return Err(answer::error(
                StatusCode::PRECONDITION_FAILED,
                "to field mismatch",
            ));
        }
        let (connection, body) = stream::outgoing();
        peer.attach(kind, connection).await;
        Ok(Response::new(body))
    }

    fn warn_stream(&self, message: &str, key: &'static str, value: &str) {
        let local = format!("{:x}", self.shared.identity.member_id);
        let fields = [
            ("local-member-id", crate::log::field(&local)),
            ("remote-peer-id-stream-handler", crate::log::field(&local)),
            (key, crate::log::field(value)),
            (
                "cluster-id",
                crate::log::field(format!("{:x}", self.shared.identity.cluster_id)),
            ),
        ];
        crate::log::write(
            crate::log::Level::Warn,
            None,
            "rafthttp/http.go:394",
            message,
            &fields,
        );
    }

    async fn snapshot(self: Arc<Self>, request: Request) -> Response {
        if request.method() != Method::POST {
            return answer::wrong_method("POST");
        }
        let response = match self.check(request.headers()) {
            Err(refused) => refused,
            Ok(()) => {
                self.learn_sender(request.headers());
                match self.receive_snapshot(request.into_body()).await {
                    Ok(response) | Err(response) => response,
                }
            }
        };
        self.with_cluster_id(response)
    }

    async fn receive_snapshot(&self, body: Body) -> Result<Response, Response> {
        let started = std::time::Instant::now();
        let stall = self.shared.read_timeout;
        let chunks = body
            .into_data_stream()
            .map(|chunk| chunk.map_err(io::Error::other));
        let mut reader = StreamReader::new(chunks);
        let message = codec::read_message(&mut reader, codec::SNAPSHOT_MESSAGE_LIMIT)
            .await
            .map_err(|error| {
                answer::error(
                    StatusCode::BAD_REQUEST,
                    &format!("failed to decode raft message ({error})"),
                )
            })?;
        if message.r#type() != MessageType::MsgSnap {
            return Err(answer::error(
                StatusCode::BAD_REQUEST,
                "wrong raft message type",
            ));
        }
        let from = format!("{:x}", message.from);
        let labels = [("From", from.as_str())];
        let index = message.snapshot.metadata.index;
        let size = message.encoded_len() as u64;
        crate::info!(
            "rafthttp/http.go:266", "receiving database snapshot",
            "local-member-id" => format!("{:x}", self.shared.identity.member_id),
            "remote-snapshot-sender-id" => from, "incoming-snapshot-index" => index,
            "incoming-snapshot-message-size-bytes" => size, "incoming-snapshot-message-size" => crate::size::bytes(size),
        );
        let failed = |error: String| {
            metrics::counter(
                "etcd_network_snapshot_receive_failures",
                "Total number of snapshot receive failures",
                &labels,
            )
            .inc();
            crate::warn!(
                "rafthttp/http.go:284", "failed to save incoming database snapshot",
                "local-member-id" => format!("{:x}", self.shared.identity.member_id),
                "remote-snapshot-sender-id" => from, "incoming-snapshot-index" => index, "error" => error,
            );
            answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("failed to save KV snapshot ({error})"),
            )
        };
        let file = self
            .shared
            .inbox
            .receive_snapshot(index)
            .map_err(|error| failed(error.to_string()))?;
        let begun = std::time::Instant::now();
        let bytes = save(file, &mut reader, stall * 6)
            .await
            .map_err(|error| failed(error.to_string()))?;
        crate::measures::measures()
            .snap_db_save
            .observe(begun.elapsed());
        super::received_bytes(message.from).add(size + bytes);
        crate::info!(
            "rafthttp/http.go:303", "received and saved database snapshot",
            "local-member-id" => format!("{:x}", self.shared.identity.member_id),
            "remote-snapshot-sender-id" => from, "incoming-snapshot-index" => index,
            "incoming-snapshot-size-bytes" => bytes, "incoming-snapshot-size" => crate::size::bytes(bytes),
            "download-took" => gowords::duration(started.elapsed()),
        );
        match self.shared.inbox.process(message).await {
            Ok(()) => {
                metrics::counter(
                    "etcd_network_snapshot_receive_success",
                    "Total number of successful snapshot receives",
                    &labels,
                )
                .inc();
                Ok(answer::status(StatusCode::NO_CONTENT))
            }
            Err(EtcdError::Removed) => Err(removed()),
            Err(error) => {
                let text = format!("failed to process raft message ({error})");
                Err(answer::error(StatusCode::INTERNAL_SERVER_ERROR, &text))
            }
        }
    }

    /// Members of other clusters, and of versions that can't work together, are refused.
    #[allow(clippy::result_large_err)]
    fn check(&self, headers: &HeaderMap) -> Result<(), Response> {
        let version = |name| {
            Some(text(headers, name))
                .filter(|text| !text.is_empty())
                .unwrap_or("2.0.0")
        };
        let (server, min_cluster) = (
            version("X-Server-Version"),
            version("X-Min-Cluster-Version"),
        );
        let (name, cluster) = (
            text(headers, "X-Server-From"),
            text(headers, "X-Etcd-Cluster-ID"),
        );
        let own_cluster = format!("{:x}", self.shared.identity.cluster_id);
        let reason = if major_minor(server) < major_minor(MIN_CLUSTER_VERSION) {
            Some(format!(
                "remote version is too low: remote[{name}]={server}, local={VERSION}"
            ))
        } else if major_minor(min_cluster) > major_minor(VERSION) {
            Some(format!(
                "local version is too low: remote[{name}]={server}, local={VERSION}"
            ))
        } else {
            None
        };
        let mut fields = vec![
            (
                "local-member-id",
                format!("{:x}", self.shared.identity.member_id),
            ),
            ("local-member-cluster-id", own_cluster.clone()),
            ("local-member-server-version", VERSION.to_owned()),
            (
                "local-member-server-minimum-cluster-version",
                MIN_CLUSTER_VERSION.to_owned(),
            ),
            ("remote-peer-server-name", name.to_owned()),
            ("remote-peer-server-version", server.to_owned()),
            (
                "remote-peer-server-minimum-cluster-version",
                min_cluster.to_owned(),
            ),
        ];
        let (caller, message, refusal) = match reason {
            Some(reason) => {
                fields.push(("error", reason));
                (
                    "rafthttp/http.go:486",
                    "failed to check version compatibility",
                    super::INCOMPATIBLE_VERSION,
                )
            }
            None if cluster != own_cluster => {
                fields.push(("remote-peer-cluster-id", cluster.to_owned()));
                (
                    "rafthttp/http.go:500",
                    "request cluster ID mismatch",
                    super::CLUSTER_ID_MISMATCH,
                )
            }
            None => return Ok(()),
        };
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(key, value)| (key, crate::log::field(value)))
            .collect();
        crate::log::write(crate::log::Level::Warn, None, caller, message, &fields);
        Err(answer::error(StatusCode::PRECONDITION_FAILED, refusal))
    }

    /// Remembers where a sender is, so that it can be answered before the log names it.
    fn learn_sender(&self, headers: &HeaderMap) {
        if let (Ok(id), Some(urls)) = (
            u64::from_str_radix(text(headers, "X-Server-From"), 16),
            peer_urls(headers),
        ) {
            self.add_remote(id, urls);
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn peer_urls(headers: &HeaderMap) -> Option<Vec<String>> {
    let urls = text(headers, "X-PeerURLs");
    (!urls.is_empty()).then(|| urls.split(',').map(str::to_owned).collect())
}

/// The answer to a member that was removed.
fn removed() -> Response {
    let body = "{\"message\":\"cannot process message from removed member\"}\n";
    let mut response = answer::ok("application/json", body);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

fn probing() -> Response {
    let now = jiff::Timestamp::now();
    answer::ok(
        "text/plain; charset=utf-8",
        format!("{{\"OK\":true,\"Now\":\"{now}\"}}\n"),
    )
}

/// Writes the rest of a body to a file; the disk works on a thread of its own.
/// `stall` is how long the sender may say nothing.
async fn save(
    mut file: Box<dyn IncomingSnapshot>,
    reader: &mut (impl tokio::io::AsyncRead + Unpin),
    stall: time::Duration,
) -> io::Result<u64> {
    let (pieces, mut queue) = mpsc::channel::<Bytes>(8);
    let writer = tokio::task::spawn_blocking(move || {
        let mut whole = false;
        while let Some(piece) = queue.blocking_recv() {
            // An empty piece says that the body ended as it should.
            whole = piece.is_empty();
            file.write(piece.chunk())?;
        }
        if whole {
            file.finish().map(drop)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    });
    let mut total = 0;
    loop {
        let mut buffer = bytes::BytesMut::with_capacity(64 * 1024);
        let read = time::timeout(stall, reader.read_buf(&mut buffer))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "i/o timeout"))??;
        total += read as u64;
        if pieces.send(buffer.freeze()).await.is_err() || read == 0 {
            break;
        }
    }
    drop(pieces);
    writer.await.map_err(io::Error::other)??;
    Ok(total)
}
