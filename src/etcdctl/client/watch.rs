//! Watches on one stream, begun again where they stopped when a connection breaks.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use wire::etcdserverpb as pb;
use wire::etcdserverpb::watch_request::RequestUnion;

use super::Client;
use super::call::{self, CallOptions, Retry};
use super::error::RpcError;
use super::raw::Messages;

const PATH: &str = "/etcdserverpb.Watch/Watch";

/// Pause before a broken stream is opened again; grows by a quarter each time.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// The watch ID of answers that are meant for every watch.
const BROADCAST: i64 = -1;

/// Something that happened to a watch.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchEvent {
    /// Events, a progress report, or a cancellation by compaction.
    Response {
        /// The number that [`Watcher::add`] gave.
        watch: usize,
        /// The answer.
        response: pb::WatchResponse,
    },
    /// The server ended the watch; `reason` is what it said.
    Ended {
        /// The number that [`Watcher::add`] gave.
        watch: usize,
        /// Why.
        reason: RpcError,
    },
}

struct Watch {
    request: pb::WatchCreateRequest,
    ended: bool,
    /// Events of a response that came in pieces.
    pieces: Option<pb::WatchResponse>,
}

/// Watches that share a stream.
pub struct Watcher<'a> {
    client: &'a Client,
    options: CallOptions,
    watches: Vec<Watch>,
    stream: Option<Stream>,
    pause: Duration,
}

struct Stream {
    requests: mpsc::UnboundedSender<pb::WatchRequest>,
    answers: Messages<pb::WatchResponse>,
    /// Watches whose creation has not been answered, in the order they were sent.
    pending: std::collections::VecDeque<usize>,
    ids: HashMap<i64, usize>,
}

impl<'a> Watcher<'a> {
    /// A watcher without watches.
    pub fn new(client: &'a Client) -> Self {
        Self {
            client,
            options: client.options(Retry::Once, None),
            watches: Vec::new(),
            stream: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Adds a watch; gives its number.
    pub fn add(&mut self, request: pb::WatchCreateRequest) -> usize {
        let number = self.watches.len();
        self.watches.push(Watch {
            request: request.clone(),
            ended: false,
            pieces: None,
        });
        if let Some(stream) = &mut self.stream {
            stream.create(number, request);
        }
        number
    }

    /// Asks the server to report its progress to all watches.
    pub fn request_progress(&mut self) {
        if let Some(stream) = &self.stream {
            let union = RequestUnion::ProgressRequest(pb::WatchProgressRequest {});
            // A stream that is gone is opened again by `next`.
            let _ = stream.requests.send(pb::WatchRequest {
                request_union: Some(union),
            });
        }
    }

    /// Whether any watch still runs.
    pub fn is_active(&self) -> bool {
        self.watches.iter().any(|watch| !watch.ended)
    }

    /// What happens next. Can be dropped and called again without loss. An error
    /// ends all watches.
    pub async fn next(&mut self) -> Result<WatchEvent, RpcError> {
        loop {
            if self.stream.is_none() {
                self.open().await?;
            }
            let stream = self
                .stream
                .as_mut()
                .expect("the stream has just been opened");
            match stream.answers.message().await {
                Ok(Some(response)) => {
                    if let Some(event) = self.take(response) {
                        return Ok(event);
                    }
                }
                Ok(None) => self.broken(RpcError::unavailable("EOF")).await?,
                Err(status) => self.broken(RpcError::from_status(&status)).await?,
            }
        }
    }

    async fn broken(&mut self, error: RpcError) -> Result<(), RpcError> {
        self.stream = None;
        if !error.is_passing() || error.message == "etcdserver: no leader" {
            return Err(error);
        }
        self.pause = (self.pause + self.pause / 4).min(MAX_PAUSE);
        tokio::time::sleep(self.pause).await;
        Ok(())
    }

    async fn open(&mut self) -> Result<(), RpcError> {
        loop {
            let (sender, receiver) = mpsc::unbounded_channel();
            // The first requests go before the answer's headers, which the server
            // sends with its first message.
            let mut pending = std::collections::VecDeque::new();
            for (number, watch) in self
                .watches
                .iter_mut()
                .enumerate()
                .filter(|(_, watch)| !watch.ended)
            {
                watch.pieces = None;
                let _ = sender.send(creation(watch.request.clone()));
                pending.push_back(number);
            }
            let requests = UnboundedReceiverStream::new(receiver);
            match call::both_streams(self.client.any(), PATH, requests, true, &self.options).await {
                Ok(answers) => {
                    self.stream = Some(Stream {
                        requests: sender,
                        answers,
                        pending,
                        ids: HashMap::new(),
                    });
                    return Ok(());
                }
                Err(error) => self.broken(error).await?,
            }
        }
    }

    /// Takes an answer of the stream; gives what the watch's owner must know.
    fn take(&mut self, response: pb::WatchResponse) -> Option<WatchEvent> {
        self.pause = FIRST_PAUSE;
        let stream = self.stream.as_mut()?;
        if response.created {
            let number = stream.pending.pop_front()?;
            if response.watch_id == BROADCAST || response.canceled {
                return Some(self.end(number, &response));
            }
            stream.ids.insert(response.watch_id, number);
            let watch = &mut self.watches[number];
            if watch.request.start_revision == 0 {
                // Resumed later, it must not miss what happened in between.
                watch.request.start_revision = revision(&response);
            }
            return None;
        }
        let number = match stream.ids.get(&response.watch_id) {
            Some(number) => *number,
            // A progress report for all is told once.
            None if response.watch_id == BROADCAST => {
                self.watches.iter().position(|watch| !watch.ended)?
            }
            None => return None,
        };
        if response.canceled && response.compact_revision == 0 {
            return Some(self.end(number, &response));
        }
        let watch = &mut self.watches[number];
        let whole = match watch.pieces.take() {
            Some(mut pieces) => {
                pieces.events.extend(response.events);
                pieces.fragment = response.fragment;
                pieces
            }
            None => response,
        };
        if whole.fragment {
            watch.pieces = Some(whole);
            return None;
        }
        watch.request.start_revision = match whole.events.last().and_then(|event| event.kv.as_ref())
        {
            Some(kv) => kv.mod_revision + 1,
            None => revision(&whole) + 1,
        };
        watch.ended = whole.canceled;
        Some(WatchEvent::Response {
            watch: number,
            response: whole,
        })
    }

    fn end(&mut self, number: usize, response: &pb::WatchResponse) -> WatchEvent {
        self.watches[number].ended = true;
        let message = match response.cancel_reason.as_str() {
            "" => "etcdserver: mvcc: required revision is a future revision".to_owned(),
            reason => reason.to_owned(),
        };
        let reason = RpcError {
            code: tonic::Code::FailedPrecondition,
            message,
            expired: false,
        };
        WatchEvent::Ended {
            watch: number,
            reason,
        }
    }
}

impl Stream {
    fn create(&mut self, number: usize, request: pb::WatchCreateRequest) {
        // A stream that is gone sends all creations when it is opened again.
        if self.requests.send(creation(request)).is_ok() {
            self.pending.push_back(number);
        }
    }
}

fn creation(request: pb::WatchCreateRequest) -> pb::WatchRequest {
    pb::WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(request)),
    }
}

fn revision(response: &pb::WatchResponse) -> i64 {
    response.header.map_or(0, |header| header.revision)
}
