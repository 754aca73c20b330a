//! `etcdserverpb.Watch` (`v3rpc/watch.go`).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use mvcc::{Wake, WatchEvents, WatchStream};
use prost::Message;
use tokio::{
    sync::{Notify, mpsc},
    time,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::etcdserverpb::{
    WatchCancelRequest, WatchCreateRequest, WatchRequest, WatchResponse,
    watch_request::RequestUnion, watch_server::Watch,
};

use super::{Context, caller, status};
use crate::{
    measures::measures,
    server::{Caller, EtcdError},
};

/// Stands for no watch, and for all watches of a stream.
const NO_WATCH: i64 = -1;
/// Responses that may wait for a slow client.
const BUFFER: usize = 16;
/// Responses taken at once from the hub.
const TAKE: usize = 64;

/// Wakes the task of a stream.
#[derive(Default)]
pub(super) struct Waker(Notify);

impl Waker {
    /// Ends when there is something to take.
    pub(super) async fn notified(&self) {
        self.0.notified().await;
    }
}

impl Wake for Waker {
    fn wake(&self) {
        self.0.notify_one();
    }
}

#[tonic::async_trait]
impl Watch for Context {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let needs_leader = self.admit_stream(request.metadata(), false)?;
        let caller = caller(&request);
        let (responses, stream) = mpsc::channel(BUFFER);
        let waker = Arc::new(Waker::default());
        let session = Session {
            watches: self
                .server
                .watch_stream(Arc::clone(&waker) as Arc<dyn Wake>),
            context: self.clone(),
            caller,
            waker,
            responses,
            progress: HashMap::new(),
            fragment: HashSet::new(),
        };
        let requests = request.into_inner();
        tokio::spawn(session.run(requests, needs_leader));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// One client stream with its watches.
struct Session {
    context: Context,
    caller: Caller,
    watches: WatchStream,
    waker: Arc<Waker>,
    responses: mpsc::Sender<Result<WatchResponse, Status>>,
    /// Watches that want progress notes; false if events were sent since the last.
    progress: HashMap<i64, bool>,
    /// Watches that want big responses cut.
    fragment: HashSet<i64>,
}

/// The client has gone.
struct Gone;

enum Next {
    Request(Option<WatchRequest>),
    Events,
    Progress,
    End(Status),
}

impl Session {
    async fn run(mut self, mut requests: Streaming<WatchRequest>, needs_leader: bool) {
        let period = with_jitter(self.context.watch_progress);
        let mut ticks = time::interval_at(time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let context = self.context.clone();
        let stopping = context.server.stopping();
        let lost = context.leader_lost(needs_leader);
        tokio::pin!(lost);
        let mut asking = true;
        loop {
            let next = tokio::select! {
                () = self.responses.closed() => return,
                () = stopping.cancelled() => Next::End(status(&EtcdError::Stopped)),
                () = &mut lost => Next::End(status(&EtcdError::NoLeader)),
                request = requests.message(), if asking => match request {
                    Ok(request) => Next::Request(request),
                    Err(error) => Next::End(error),
                },
                () = self.waker.notified() => Next::Events,
                _ = ticks.tick() => Next::Progress,
            };
            let done = match next {
                Next::Request(Some(request)) => self.answer(request).await,
                // The client asks nothing more, but still listens.
                Next::Request(None) => {
                    asking = false;
                    Ok(())
                }
                Next::Events => self.deliver().await,
                Next::Progress => {
                    self.note_progress();
                    Ok(())
                }
                Next::End(error) => {
                    // The client may have gone.
                    let _ = self.responses.send(Err(error)).await;
                    return;
                }
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn send(&self, response: WatchResponse) -> Result<(), Gone> {
        self.responses.send(Ok(response)).await.map_err(|_| Gone)
    }

    async fn answer(&mut self, request: WatchRequest) -> Result<(), Gone> {
        match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => self.create(create).await,
            Some(RequestUnion::CancelRequest(cancel)) => self.cancel(cancel).await,
            Some(RequestUnion::ProgressRequest(_)) => {
                // As in the reference, there is no answer while a watch still catches up.
                self.watches.progress_all();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Why a watch is refused, as the reference says it.
    async fn refusal(&self, request: &WatchCreateRequest) -> Option<String> {
        use mvcc::Error as State;
        let key: &[u8] = match &request.key[..] {
            [] => &[0],
            key => key,
        };
        // 3.5.16 has turned the end that stands for no end into an empty one by now,
        // and so asks for the first key alone.
        let range_end: &[u8] = match &request.range_end[..] {
            [0] => &[],
            end => end,
        };
        let permitted = self
            .context
            .server
            .permit_range(&self.caller, key, range_end)
            .await;
        let told = match permitted {
            Ok(()) => return None,
            Err(EtcdError::State(
                told @ (State::InvalidAuthToken | State::AuthOldRevision | State::UserEmpty),
            )) => told,
            Err(_) => State::PermissionDenied,
        };
        let code = match told {
            State::InvalidAuthToken => "Unauthenticated",
            State::PermissionDenied => "PermissionDenied",
            _ => "InvalidArgument",
        };
        Some(format!("rpc error: code = {code} desc = {told}"))
    }

    async fn create(&mut self, request: WatchCreateRequest) -> Result<(), Gone> {
        if let Some(cancel_reason) = self.refusal(&request).await {
            let server = &self.context.server;
            return self
                .send(WatchResponse {
                    header: Some(server.header_at(server.store().revision())),
                    watch_id: NO_WATCH,
                    created: true,
                    canceled: true,
                    cancel_reason,
                    ..WatchResponse::default()
                })
                .await;
        }
        let (id, revision, failure) = match self.watches.create(&request) {
            Ok((id, revision)) => {
                if request.progress_notify {
                    self.progress.insert(id, true);
                }
                if request.fragment {
                    self.fragment.insert(id);
                }
                (id, revision, None)
            }
            Err(error) => (
                NO_WATCH,
                self.context.server.store().revision(),
                Some(error.to_string()),
            ),
        };
        self.send(WatchResponse {
            header: Some(self.context.server.header_at(revision)),
            watch_id: id,
            created: true,
            canceled: failure.is_some(),
            cancel_reason: failure.unwrap_or_default(),
            ..WatchResponse::default()
        })
        .await
    }

    async fn cancel(&mut self, request: WatchCancelRequest) -> Result<(), Gone> {
        let id = request.watch_id;
        if !self.watches.cancel(id) {
            return Ok(());
        }
        self.progress.remove(&id);
        self.fragment.remove(&id);
        self.send(WatchResponse {
            header: Some(
                self.context
                    .server
                    .header_at(self.context.server.store().revision()),
            ),
            watch_id: id,
            canceled: true,
            ..WatchResponse::default()
        })
        .await
    }

    async fn deliver(&mut self) -> Result<(), Gone> {
        let taken = match self.watches.take(TAKE) {
            Ok(taken) => taken,
            Err(error) => {
                // The client may have gone.
                let _ = self.responses.send(Err(status(&error.into()))).await;
                return Err(Gone);
            }
        };
        if !taken.is_empty() {
            // There may be more; requests come first.
            self.waker.wake();
        }
        for ready in taken {
            let (id, had_events) = (ready.watch_id, !ready.events.is_empty());
            let count = ready.events.len() as u64;
            let _pending = Pending::new(count);
            let response = self.response(ready);
            if self.fragment.contains(&id) {
                for part in fragments(response, self.context.request_limit) {
                    self.send(part).await?;
                }
            } else {
                self.send(response).await?;
            }
            measures().events.add(count);
            if had_events && let Some(due) = self.progress.get_mut(&id) {
                // The events told the client as much as a note would.
                *due = false;
            }
        }
        Ok(())
    }

    fn response(&self, ready: WatchEvents) -> WatchResponse {
        WatchResponse {
            header: Some(self.context.server.header_at(ready.revision)),
            watch_id: ready.watch_id,
            canceled: ready.compact_revision != 0,
            compact_revision: ready.compact_revision,
            events: ready.events,
            ..WatchResponse::default()
        }
    }

    fn note_progress(&mut self) {
        for (id, due) in &mut self.progress {
            if *due {
                self.watches.progress(*id);
            }
            *due = true;
        }
    }
}

/// Up to a tenth longer, so that streams made together do not all speak at once.
fn with_jitter(period: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness all streams speak at once, which does no harm.
    let _ = getrandom::fill(&mut byte);
    period + period.mul_f64(f64::from(byte[0]) / 2560.0)
}

/// Cuts a response so that each part is smaller than `limit` bytes or holds one event.
fn fragments(mut response: WatchResponse, limit: usize) -> Vec<WatchResponse> {
    if response.encoded_len() < limit || response.events.len() < 2 {
        return vec![response];
    }
    let events = std::mem::take(&mut response.events);
    response.fragment = true;
    let empty = response.encoded_len();
    let mut parts = Vec::new();
    let (mut part, mut size) = (response.clone(), empty);
    for event in events {
        let length = event.encoded_len();
        // The event's bytes, their length, and the field's tag.
        let cost = length + prost::length_delimiter_len(length) + 1;
        if !part.events.is_empty() && size + cost >= limit {
            parts.push(std::mem::replace(&mut part, response.clone()));
            size = empty;
        }
        part.events.push(event);
        size += cost;
    }
    part.fragment = false;
    parts.push(part);
    parts
}

/// Events on their way to a client, counted as long as this lives.
struct Pending(u64);

impl Pending {
    fn new(count: u64) -> Self {
        measures().events_pending.add(count);
        Self(count)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        measures().events_pending.sub(self.0);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wire::mvccpb::{Event, KeyValue};

    use super::*;

    fn response(sizes: &[usize]) -> WatchResponse {
        let events = sizes
            .iter()
            .map(|&size| Event {
                kv: Some(KeyValue {
                    value: Bytes::from(vec![0; size]),
                    ..KeyValue::default()
                }),
                ..Event::default()
            })
            .collect();
        WatchResponse {
            watch_id: 1,
            events,
            ..WatchResponse::default()
        }
    }

    fn shape(parts: &[WatchResponse]) -> Vec<(usize, bool)> {
        parts
            .iter()
            .map(|part| (part.events.len(), part.fragment))
            .collect()
    }

    #[test]
    fn big_responses_are_cut_between_events() {
        assert_eq!(shape(&fragments(response(&[10, 10]), 1000)), [(2, false)]);
        let parts = fragments(response(&[400, 400, 400, 2000, 10]), 1000);
        assert_eq!(shape(&parts), [(2, true), (1, true), (1, true), (1, false)]);
        assert!(
            parts
                .iter()
                .all(|part| part.encoded_len() < 1000 || part.events.len() == 1)
        );
        assert_eq!(shape(&fragments(response(&[5000]), 1000)), [(1, false)]);
    }
}
