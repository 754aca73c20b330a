//! Long-lived streams between two members (`rafthttp/stream.go`). Each member
//! dials the other twice, once a codec, and the *answer* carries the messages:
//! who wants to receive, dials.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{io::BufReader, sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{io::StreamReader, sync::CancellationToken};
use wire::raftpb::{Message, MessageType};

use super::{
    Shared,
    codec::{Decoder, Encoder, Kind, is_link_heartbeat, link_heartbeat},
    connect::root_cause,
    status::{PeerStatus, UrlPicker},
};
use crate::metrics::{self, Cell};

/// Messages that may wait for a stream.
const STREAM_BUFFER: usize = 4096;
/// Bytes after which a batch is handed to the connection.
const BATCH_BYTES: usize = 256 * 1024;
/// Pause between two attempts to dial.
const DIAL_PAUSE: Duration = Duration::from_millis(100);

/// Where an accepted stream's bytes go: the body of the answer.
pub(super) type Outgoing = mpsc::Sender<Result<Bytes, Infallible>>;

/// The body of a stream's answer, and the end that feeds it.
pub(super) fn outgoing() -> (Outgoing, Body) {
    let (sender, receiver) = mpsc::channel(8);
    (sender, Body::from_stream(ReceiverStream::new(receiver)))
}

/// Writes messages to the newest stream that the peer dialled.
pub(super) struct StreamWriter {
    messages: mpsc::Sender<Message>,
    attach: mpsc::Sender<Outgoing>,
    working: Arc<AtomicBool>,
}

impl StreamWriter {
    pub(super) fn start(
        shared: &Arc<Shared>,
        id: u64,
        kind: Kind,
        status: Arc<PeerStatus>,
        cancel: CancellationToken,
    ) -> Self {
        let (messages, message_queue) = mpsc::channel(STREAM_BUFFER);
        let (attach, attach_queue) = mpsc::channel(4);
        let working = Arc::new(AtomicBool::new(false));
        let to = format!("{id:x}");
        let task = WriterTask {
            shared: Arc::clone(shared),
            id,
            kind,
            status,
            working: Arc::clone(&working),
            sent: metrics::counter(
                "etcd_network_peer_sent_bytes_total",
                "The total number of bytes sent to peers.",
                &[("To", &to)],
            ),
            failed: super::sent_failures(id),
        };
        shared
            .runtime
            .spawn(task.run(message_queue, attach_queue, cancel));
        Self {
            messages,
            attach,
            working,
        }
    }

    /// Whether a stream is open.
    pub(super) fn is_working(&self) -> bool {
        self.working.load(Ordering::Acquire)
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

    /// Replaces the stream.
    pub(super) async fn attach(&self, connection: Outgoing) {
        // A writer that has been stopped drops the connection, which closes it.
        let _ = self.attach.send(connection).await;
    }
}

struct WriterTask {
    shared: Arc<Shared>,
    id: u64,
    kind: Kind,
    status: Arc<PeerStatus>,
    working: Arc<AtomicBool>,
    sent: Cell,
    failed: Cell,
}

// It lives for one turn of the loop, on the stack.
#[allow(clippy::large_enum_variant)]
enum Next {
    Attached(Outgoing),
    Send(Message),
    Heartbeat,
    Lost,
    Stop,
}

impl WriterTask {
    async fn run(
        self,
        mut messages: mpsc::Receiver<Message>,
        mut attach: mpsc::Receiver<Outgoing>,
        cancel: CancellationToken,
    ) {
        self.log(
            "rafthttp/stream.go:169",
            "started stream writer with remote peer",
            false,
        );
        let mut heartbeat = time::interval(self.shared.read_timeout / 3);
        heartbeat.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let mut open: Option<(Encoder, Outgoing)> = None;
        let mut buffer = BytesMut::new();
        loop {
            let working = open.is_some();
            let closed = async {
                match &open {
                    Some((_, connection)) => connection.closed().await,
                    None => std::future::pending().await,
                }
            };
            let next = tokio::select! {
                biased;
                () = cancel.cancelled() => Next::Stop,
                connection = attach.recv() => connection.map_or(Next::Stop, Next::Attached),
                () = closed => Next::Lost,
                message = messages.recv(), if working => message.map_or(Next::Stop, Next::Send),
                _ = heartbeat.tick(), if working => Next::Heartbeat,
            };
            let action = match next {
                Next::Stop => break,
                Next::Attached(connection) => {
                    if open.take().is_some() {
                        self.log(
                            "rafthttp/stream.go:265",
                            "closed TCP streaming connection with remote peer",
                            true,
                        );
                    }
                    self.opened();
                    open = Some((Encoder::new(self.kind), connection));
                    continue;
                }
                Next::Lost => {
                    self.lost(&mut open, &mut messages, "write", "closed by the remote");
                    continue;
                }
                Next::Send(message) => {
                    if let Some((encoder, _)) = &mut open {
                        self.encode(encoder, &message, &mut buffer);
                        while buffer.len() < BATCH_BYTES
                            && let Ok(message) = messages.try_recv()
                        {
                            self.encode(encoder, &message, &mut buffer);
                        }
                    }
                    "write"
                }
                Next::Heartbeat => {
                    if let Some((encoder, _)) = &mut open {
                        encoder.encode(&link_heartbeat(), &mut buffer);
                    }
                    "heartbeat"
                }
            };
            let Some((_, connection)) = &open else {
                continue;
            };
            let bytes = buffer.split().freeze();
            let length = bytes.len() as u64;
            match time::timeout(self.shared.write_timeout, connection.send(Ok(bytes))).await {
                Ok(Ok(())) => self.sent.add(length),
                Ok(Err(_)) => self.lost(&mut open, &mut messages, action, "closed by the remote"),
                Err(_) => self.lost(&mut open, &mut messages, action, "i/o timeout"),
            }
        }
        self.working.store(false, Ordering::Release);
        self.log(
            "rafthttp/stream.go:294",
            "stopped TCP streaming connection with remote peer",
            false,
        );
    }

    /// Encodes a message, and notes how long that took if it is an append.
    fn encode(&self, encoder: &mut Encoder, message: &Message, buffer: &mut BytesMut) {
        let started = std::time::Instant::now();
        encoder.encode(message, buffer);
        if matches!(self.kind, Kind::MsgAppV2) {
            self.status.appends.lock().succeeded(started.elapsed());
        }
    }

    fn opened(&self) {
        crate::info!(
            "rafthttp/stream.go:249", "set message encoder",
            "from" => format!("{:x}", self.shared.identity.member_id),
            "to" => format!("{:x}", self.id),
            "stream-type" => self.kind.name(),
        );
        self.log(
            "rafthttp/stream.go:274",
            "established TCP streaming connection with remote peer",
            false,
        );
        self.status.activate();
        self.working.store(true, Ordering::Release);
    }

    fn lost(
        &self,
        open: &mut Option<(Encoder, Outgoing)>,
        messages: &mut mpsc::Receiver<Message>,
        action: &str,
        reason: &str,
    ) {
        *open = None;
        self.working.store(false, Ordering::Release);
        self.status.deactivate(self.kind.name(), action, reason);
        self.failed.inc();
        self.log(
            "rafthttp/stream.go:223",
            "lost TCP streaming connection with remote peer",
            true,
        );
        // What waited for this connection would arrive too late on the next one.
        while messages.try_recv().is_ok() {}
        self.shared.inbox.report_unreachable(self.id);
    }

    fn log(&self, caller: &'static str, message: &str, warn: bool) {
        let level = if warn {
            crate::log::Level::Warn
        } else {
            crate::log::Level::Info
        };
        crate::log_line!(
            level, caller, message,
            "stream-writer-type" => self.kind.name(),
            "local-member-id" => format!("{:x}", self.shared.identity.member_id),
            "remote-peer-id" => format!("{:x}", self.id),
        );
    }
}

/// Dials the peer over and over and hands its messages to the queues.
pub(super) struct PeerReader {
    pub(super) shared: Arc<Shared>,
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) picker: Arc<UrlPicker>,
    pub(super) status: Arc<PeerStatus>,
    /// Proposals forwarded by the peer; they may wait for a leader.
    pub(super) proposals: mpsc::Sender<Message>,
    /// Everything else.
    pub(super) messages: mpsc::Sender<Message>,
}

impl PeerReader {
    pub(super) async fn run(self, cancel: CancellationToken) {
        self.log(
            "rafthttp/stream.go:395",
            "started stream reader with remote peer",
            None,
        );
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.dial_forever() => {}
        }
        self.log(
            "rafthttp/stream.go:442",
            "stopped stream reader with remote peer",
            None,
        );
    }

    async fn dial_forever(&self) {
        loop {
            let picked = self.picker.pick();
            match self.dial(&picked).await {
                Err(reason) => {
                    self.picker.unreachable(&picked);
                    self.status.deactivate(self.kind.name(), "dial", &reason);
                }
                Ok(body) => {
                    self.status.activate();
                    self.log(
                        "rafthttp/stream.go:412",
                        "established TCP streaming connection with remote peer",
                        None,
                    );
                    let error = self.receive(body).await;
                    self.log(
                        "rafthttp/stream.go:421",
                        "lost TCP streaming connection with remote peer",
                        Some(&error),
                    );
                    if error.kind() != io::ErrorKind::UnexpectedEof {
                        self.status
                            .deactivate(self.kind.name(), "read", &error.to_string());
                    }
                }
            }
            time::sleep(DIAL_PAUSE).await;
        }
    }

    async fn dial(&self, url: &str) -> Result<Incoming, String> {
        let path = format!(
            "/raft/stream/{}/{:x}",
            self.kind.path(),
            self.shared.identity.member_id
        );
        let mut request = self
            .shared
            .request(Method::GET, url, &path, Body::empty())?;
        request
            .headers_mut()
            .insert("X-Raft-To", super::hex_header(self.id));
        let answer = time::timeout(
            self.shared.read_timeout,
            self.shared.client.request(request),
        )
        .await
        .map_err(|_| "i/o timeout".to_owned())?
        .map_err(|error| root_cause(&error))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            StatusCode::GONE => {
                self.shared.told_removed();
                Err(super::REMOVED.into())
            }
            StatusCode::NOT_FOUND => Err(format!(
                "peer {:x} failed to find local node {:x}",
                self.id, self.shared.identity.member_id
            )),
            StatusCode::PRECONDITION_FAILED => {
                let body = super::small_body(answer.into_body()).await;
                Err(self.precondition(body.trim_end_matches('\n')))
            }
            other => Err(format!("unhandled http status {}", other.as_u16())),
        }
    }

    fn precondition(&self, body: &str) -> String {
        let message = match body {
            super::INCOMPATIBLE_VERSION => {
                "request sent was ignored by remote peer due to server version incompatibility"
            }
            super::CLUSTER_ID_MISMATCH => {
                "request sent was ignored by remote peer due to cluster ID mismatch"
            }
            other => return format!("unhandled error {other:?} when precondition failed"),
        };
        self.log(
            "rafthttp/stream.go:640",
            message,
            Some(&io::Error::other(body.to_owned())),
        );
        body.to_owned()
    }

    /// Reads until something fails.
    async fn receive(&self, body: Incoming) -> io::Error {
        let timeout = self.shared.read_timeout;
        let chunks = stream::unfold(Some(body), |body| async {
            let mut body = body?;
            loop {
                // The peer sends a heartbeat of the link three times in this period.
                return match time::timeout(timeout, body.frame()).await {
                    Err(_) => Some((
                        Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")),
                        None,
                    )),
                    Ok(None) => None,
                    Ok(Some(Err(error))) => Some((Err(io::Error::other(root_cause(&error))), None)),
                    Ok(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => Some((Ok(data), Some(body))),
                        Err(_) => continue,
                    },
                };
            }
        });
        let mut reader = BufReader::with_capacity(64 * 1024, StreamReader::new(Box::pin(chunks)));
        let mut decoder = Decoder::new(self.kind, self.shared.identity.member_id, self.id);
        let received = super::received_bytes(self.id);
        loop {
            match decoder.decode(&mut reader).await {
                Err(error) => return error,
                Ok(message) if is_link_heartbeat(&message) => {}
                Ok(message) => {
                    received.add(prost::Message::encoded_len(&message) as u64);
                    self.deliver(message);
                }
            }
        }
    }

    fn deliver(&self, message: Message) {
        let queue = if message.r#type() == MessageType::MsgProp {
            &self.proposals
        } else {
            &self.messages
        };
        if let Err(mpsc::error::TrySendError::Full(message)) = queue.try_send(message) {
            let active = self.status.active_since().is_some();
            crate::warn!(
                "rafthttp/stream.go:535",
                "dropped internal Raft message since receiving buffer is full (overloaded network)",
                "message-type" => message.r#type().as_str_name(),
                "local-member-id" => format!("{:x}", self.shared.identity.member_id),
                "from" => format!("{:x}", message.from),
                "remote-peer-id" => format!("{:x}", message.to),
                "remote-peer-active" => active,
            );
            super::received_failures(&format!("{:x}", message.from)).inc();
        }
    }

    fn log(&self, caller: &'static str, message: &str, error: Option<&io::Error>) {
        let level = if error.is_some() {
            crate::log::Level::Warn
        } else {
            crate::log::Level::Info
        };
        if !crate::log::enabled(level) {
            return;
        }
        let mut fields = vec![
            ("stream-reader-type", crate::log::field(self.kind.name())),
            (
                "local-member-id",
                crate::log::field(format!("{:x}", self.shared.identity.member_id)),
            ),
            (
                "remote-peer-id",
                crate::log::field(format!("{:x}", self.id)),
            ),
        ];
        if let Some(error) = error {
            let text = if error.kind() == io::ErrorKind::UnexpectedEof {
                "EOF".to_owned()
            } else {
                error.to_string()
            };
            fields.push(("error", crate::log::field(text)));
        }
        crate::log::write(level, None, caller, message, &fields);
    }
}
