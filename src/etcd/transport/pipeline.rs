//! Single posts to a peer: the fallback for messages while no stream is open
//! (`rafthttp/pipeline.go`), and snapshots (`rafthttp/snapshot_sender.go`).

use std::{io, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use prost::Message as _;
use tokio::{
    sync::{Semaphore, mpsc},
    time,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use wire::raftpb::{Message, MessageType};

use super::{
    Shared,
    connect::root_cause,
    status::{PeerStatus, UrlPicker},
};
use crate::{metrics, server::SnapshotSource};

/// Posts under way at once.
const CONNECTIONS: usize = 4;
/// Messages that may wait.
const BUFFER: usize = 64;
/// How long a post may take; a proposal may have to wait for a leader.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may leave the next piece of a snapshot untouched.
const SNAPSHOT_STALL: Duration = Duration::from_secs(30);
/// Size of those pieces, in bytes.
const SNAPSHOT_PIECE: usize = 64 * 1024;

/// What both ways of posting need of a peer.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) shared: Arc<Shared>,
    pub(super) id: u64,
    pub(super) picker: Arc<UrlPicker>,
    pub(super) status: Arc<PeerStatus>,
}

/// Queue of messages that are posted one by one.
pub(super) struct Pipeline {
    messages: mpsc::Sender<Message>,
}

impl Pipeline {
    pub(super) fn start(target: Target, cancel: CancellationToken) -> Self {
        let (messages, mut queue) = mpsc::channel::<Message>(BUFFER);
        crate::info!(
            "rafthttp/pipeline.go:72", "started HTTP pipelining with remote peer",
            "local-member-id" => format!("{:x}", target.shared.identity.member_id),
            "remote-peer-id" => format!("{:x}", target.id),
        );
        let runtime = target.shared.runtime.clone();
        runtime.clone().spawn(async move {
            let slots = Arc::new(Semaphore::new(CONNECTIONS));
            loop {
                let next = async {
                    let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
                    queue.recv().await.map(|message| (slot, message))
                };
                let Some((slot, message)) = (tokio::select! {
                    () = cancel.cancelled() => None,
                    next = next => next,
                }) else {
                    break;
                };
                let (target, cancel) = (target.clone(), cancel.clone());
                runtime.spawn(async move {
                    tokio::select! {
                        () = cancel.cancelled() => {}
                        () = target.post_message(message) => {}
                    }
                    drop(slot);
                });
            }
        });
        Self { messages }
    }

    /// Queues a message; gives it back if there is no room.
    pub(super) fn send(&self, message: Message) -> Option<Message> {
        match self.messages.try_send(message) {
            Ok(()) => None,
            Err(
                mpsc::error::TrySendError::Full(message)
                | mpsc::error::TrySendError::Closed(message),
            ) => Some(message),
        }
    }
}

impl Target {
    async fn post_message(&self, message: Message) {
        let snapshot = message.r#type() == MessageType::MsgSnap;
        let append = message.r#type() == MessageType::MsgApp;
        let started = time::Instant::now();
        let bytes = Bytes::from(message.encode_to_vec());
        let length = bytes.len() as u64;
        let url = self.picker.pick();
        let posted = time::timeout(
            POST_TIMEOUT,
            self.post(&url, "/raft", "application/protobuf", Body::from(bytes)),
        );
        match posted.await.unwrap_or_else(|_| Err("i/o timeout".into())) {
            Ok(()) => {
                self.status.activate();
                if append {
                    let took = started.elapsed();
                    self.status.appends.lock().succeeded(took);
                }
                super::sent_bytes(self.id).add(length);
            }
            Err(reason) => {
                if append {
                    self.status.appends.lock().failed();
                }
                self.picker.unreachable(&url);
                self.status.deactivate("pipeline", "write", &reason);
                super::sent_failures(self.id).inc();
                self.shared.inbox.report_unreachable(self.id);
                if snapshot {
                    self.shared.inbox.report_snapshot(self.id, false);
                }
                return;
            }
        }
        if snapshot {
            self.shared.inbox.report_snapshot(self.id, true);
        }
    }

    async fn post(
        &self,
        url: &str,
        path: &str,
        content_type: &'static str,
        body: Body,
    ) -> Result<(), String> {
        let mut request = self.shared.request(Method::POST, url, path, body)?;
        request.headers_mut().insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static(content_type),
        );
        let answer = self
            .shared
            .client
            .request(request)
            .await
            .map_err(|error| root_cause(&error))?;
        self.judge(url, path, answer).await
    }

    async fn judge(&self, url: &str, path: &str, answer: Response<Incoming>) -> Result<(), String> {
        let status = answer.status();
        match status {
            StatusCode::NO_CONTENT => Ok(()),
            StatusCode::FORBIDDEN => {
                self.shared.told_removed();
                Err(super::REMOVED.into())
            }
            StatusCode::PRECONDITION_FAILED => {
                let cluster = answer
                    .headers()
                    .get("X-Etcd-Cluster-ID")
                    .and_then(|id| id.to_str().ok())
                    .unwrap_or_default()
                    .to_owned();
                let body = super::small_body(answer.into_body()).await;
                match body.trim_end_matches('\n') {
                    super::INCOMPATIBLE_VERSION => crate::error!(
                        "rafthttp/http_util.go:100", "request sent was ignored by peer",
                        "remote-peer-id" => format!("{:x}", self.id),
                    ),
                    super::CLUSTER_ID_MISMATCH => crate::error!(
                        "rafthttp/http_util.go:109", "request sent was ignored due to cluster ID mismatch",
                        "remote-peer-id" => format!("{:x}", self.id),
                        "remote-peer-cluster-id" => cluster,
                        "local-member-cluster-id" => format!("{:x}", self.shared.identity.cluster_id),
                    ),
                    other => {
                        return Err(format!(
                            "unhandled error {other:?} when precondition failed"
                        ));
                    }
                }
                Err(body.trim_end_matches('\n').to_owned())
            }
            other => {
                let reason = other.canonical_reason().unwrap_or_default();
                Err(format!(
                    "unexpected http status {reason} while posting to \"{url}{path}\""
                ))
            }
        }
    }

    /// Posts a snapshot message and the db file behind it, then reports how it went.
    pub(super) async fn send_snapshot(self, message: Message, db: Box<dyn SnapshotSource>) {
        let to = format!("{:x}", self.id);
        let index = message.snapshot.metadata.index;
        let mut head = BytesMut::new();
        head.put_u64(message.encoded_len() as u64);
        // Encoding into a growing buffer does not fail.
        let _ = message.encode(&mut head);
        let total = head.len() as u64 + db.len();
        crate::info!(
            "rafthttp/snapshot_sender.go:78", "sending database snapshot",
            "snapshot-index" => index, "remote-peer-id" => to, "bytes" => total, "size" => crate::size::bytes(total),
        );
        let labels = [("To", to.as_str())];
        let inflight = metrics::gauge(
            "etcd_network_snapshot_send_inflights_total",
            "Total number of inflight snapshot sends",
            &labels,
        );
        inflight.inc();
        let started = std::time::Instant::now();
        let (sender, receiver) = mpsc::channel::<Result<Bytes, io::Error>>(4);
        let runtime = self.shared.runtime.clone();
        runtime.clone().spawn_blocking(move || {
            let mut pieces = Pieces {
                sender,
                runtime,
                buffer: head,
            };
            let written = db
                .write_to(&mut pieces)
                .and_then(|_| io::Write::flush(&mut pieces));
            if let Err(error) = written {
                // Makes the post fail rather than end early; nobody may be there to hear it.
                let _ = pieces.sender.blocking_send(Err(error));
            }
        });
        let url = self.picker.pick();
        let posted = self
            .post(
                &url,
                "/raft/snapshot",
                "application/octet-stream",
                Body::from_stream(ReceiverStream::new(receiver)),
            )
            .await;
        inflight.dec();
        match posted {
            Ok(()) => {
                self.status.activate();
                self.shared.inbox.report_snapshot(self.id, true);
                crate::info!(
                    "rafthttp/snapshot_sender.go:131", "sent database snapshot",
                    "snapshot-index" => index, "remote-peer-id" => to, "bytes" => total, "size" => crate::size::bytes(total),
                );
                super::sent_bytes(self.id).add(total);
                metrics::counter(
                    "etcd_network_snapshot_send_success",
                    "Total number of successful snapshot sends",
                    &labels,
                )
                .inc();
                metrics::histogram(
                    "etcd_network_snapshot_send_total_duration_seconds",
                    "Total latency distributions of v3 snapshot sends",
                    metrics::doubling(0.1, 10),
                    &labels,
                )
                .observe(started.elapsed());
            }
            Err(reason) => {
                crate::warn!(
                    "rafthttp/snapshot_sender.go:95", "failed to send database snapshot",
                    "snapshot-index" => index, "remote-peer-id" => to, "bytes" => total,
                    "size" => crate::size::bytes(total), "error" => reason,
                );
                self.picker.unreachable(&url);
                self.status.deactivate("sendMsgSnap", "post", &reason);
                self.shared.inbox.report_unreachable(self.id);
                self.shared.inbox.report_snapshot(self.id, false);
                super::sent_failures(self.id).inc();
                metrics::counter(
                    "etcd_network_snapshot_send_failures",
                    "Total number of snapshot send failures",
                    &labels,
                )
                .inc();
            }
        }
    }
}

/// Cuts what is written into pieces and waits until the connection takes them.
struct Pieces {
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
    runtime: tokio::runtime::Handle,
    buffer: BytesMut,
}

impl Pieces {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = self.buffer.split().freeze();
        let sent = self
            .runtime
            .block_on(async { time::timeout(SNAPSHOT_STALL, self.sender.send(Ok(piece))).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the peer closed the connection",
            )),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")),
        }
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(SNAPSHOT_PIECE);
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() >= SNAPSHOT_PIECE {
            self.hand_over()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_over()
    }
}
