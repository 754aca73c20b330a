//! Watches of the past, here and there.

use std::time::Duration;

use tonic::Streaming;
use wire::mvccpb::Event;

use super::*;
use crate::{Wake, WatchStream};

struct Deaf;

impl Wake for Deaf {
    fn wake(&self) {}
}

/// The events of a watch up to a revision, or at which revision it was cut off.
type Seen = std::result::Result<Vec<Event>, i64>;

fn mine(bench: &Bench, request: &pb::WatchCreateRequest) -> Seen {
    let stream: WatchStream = bench.store.watch_stream(Arc::new(Deaf));
    stream.create(request).unwrap();
    let mut events = Vec::new();
    loop {
        let taken = stream.take(10).unwrap();
        if taken.is_empty() {
            return Ok(events);
        }
        for response in taken {
            if response.compact_revision != 0 {
                return Err(response.compact_revision);
            }
            events.extend(response.events);
        }
    }
}

/// The reference tells nobody that a watch has caught up unless asked; a watch without
/// history is waited for until it answers a request for progress.
async fn theirs(clients: &mut Clients, request: pb::WatchCreateRequest) -> Seen {
    use pb::watch_request::RequestUnion;
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    let send = |union| {
        let request = pb::WatchRequest {
            request_union: Some(union),
        };
        sender.send(request).unwrap();
    };
    send(RequestUnion::CreateRequest(request));
    let requests = tokio_stream::wrappers::UnboundedReceiverStream::new(requests);
    let answer = clients.watch.watch(requests).await.unwrap();
    let mut answers: Streaming<pb::WatchResponse> = answer.into_inner();
    let mut events = Vec::new();
    loop {
        let wait = Duration::from_millis(30);
        let answer = match tokio::time::timeout(wait, answers.message()).await {
            Ok(answer) => answer.unwrap().unwrap(),
            Err(_) => {
                send(RequestUnion::ProgressRequest(pb::WatchProgressRequest {}));
                continue;
            }
        };
        if answer.compact_revision != 0 {
            assert!(answer.canceled);
            return Err(answer.compact_revision);
        }
        if answer.watch_id == -1 {
            return Ok(events);
        }
        events.extend(answer.events);
    }
}

#[test]
fn watches_of_the_past_show_the_same_events() {
    let mut reference = Reference::start();
    runtime().block_on(async {
        let mut clients = reference.connect().await;
        let bench = Bench::new();
        let mut dice = Dice(31);
        for _ in 0..600 {
            random_step(&mut dice, &bench, &mut clients).await;
        }
        let newest = bench.store.revision();
        for n in 0..60 {
            let start = newest - dice.roll(50) as i64;
            let request = pb::WatchCreateRequest {
                key: dice.key().into(),
                range_end: ["", "k99", "\0"][dice.roll(3) as usize].into(),
                start_revision: start.max(1),
                filters: match dice.roll(4) {
                    0 => vec![0],
                    1 => vec![1],
                    _ => vec![],
                },
                prev_kv: dice.roll(2) == 0,
                ..Default::default()
            };
            let seen = theirs(&mut clients, request.clone()).await;
            assert_eq!(mine(&bench, &request), seen, "watch {n}: {request:?}");
        }
    });
}
