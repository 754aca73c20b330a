//! Two transports in one process, over real connections on the loopback.

use std::{io, path::PathBuf};

use axum::Router;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time;
use wire::raftpb::{Entry, MessageType};

use super::*;
use crate::{
    http::serve::{Http2, Stop, bind, serve},
    server::IncomingSnapshot,
};

const CLUSTER: u64 = 0xc1;

/// Keeps what it is given.
#[derive(Default)]
struct Inbox {
    messages: Mutex<Vec<Message>>,
    snapshots: Mutex<Vec<(u64, bool)>>,
    file: Arc<Mutex<Vec<u8>>>,
    removed: Mutex<Vec<u64>>,
}

struct File(Arc<Mutex<Vec<u8>>>);

impl IncomingSnapshot for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().extend_from_slice(bytes);
        Ok(())
    }
    fn finish(self: Box<Self>) -> io::Result<PathBuf> {
        Ok(PathBuf::new())
    }
}

impl RaftInbox for Inbox {
    fn process(&self, message: Message) -> BoxFuture<'_, Result<(), EtcdError>> {
        self.messages.lock().push(message);
        Box::pin(async { Ok(()) })
    }
    fn is_id_removed(&self, id: u64) -> bool {
        self.removed.lock().contains(&id)
    }
    fn report_unreachable(&self, _: u64) {}
    fn report_snapshot(&self, id: u64, ok: bool) {
        self.snapshots.lock().push((id, ok));
    }
    fn receive_snapshot(&self, _: u64) -> io::Result<Box<dyn IncomingSnapshot>> {
        Ok(Box::new(File(Arc::clone(&self.file))))
    }
}

struct Db(Vec<u8>);

impl SnapshotSource for Db {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn write_to(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<u64> {
        out.write_all(&self.0).map(|()| self.0.len() as u64)
    }
}

struct Member {
    network: PeerNetwork,
    transport: Arc<dyn Transport>,
    inbox: Arc<Inbox>,
    url: String,
    stop: Stop,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.transport.stop();
        self.stop.graceful.cancel();
        self.stop.now.cancel();
    }
}

async fn member(id: u64, cluster_id: u64) -> Member {
    let any = crate::flags::url::Url::parse("http://127.0.0.1:0").expect("a good URL");
    let listener = bind(&any, Default::default()).await.expect("a free port");
    let url = format!("http://{}", listener.address());
    let network = PeerNetwork::new(Settings {
        tls: None,
        peer_urls: vec![url.clone()],
        dial_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(5),
    });
    let inbox = Arc::new(Inbox::default());
    let transport = network
        .start(
            Identity {
                cluster_id,
                member_id: id,
            },
            Arc::clone(&inbox) as Arc<dyn RaftInbox>,
        )
        .expect("started once");
    let handler = network.transport().expect("started");
    let router = Router::new()
        .fallback(move |request: axum::extract::Request| Arc::clone(&handler).handle(request));
    let stop = Stop::default();
    let http2 = Http2 {
        max_concurrent_streams: 100,
        keepalive: None,
    };
    tokio::spawn(serve(listener, None, http2, router, stop.clone()));
    Member {
        network,
        transport,
        inbox,
        url,
        stop,
    }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in five seconds it did not happen that {what}");
}

fn message(kind: MessageType, from: u64, to: u64) -> Message {
    let mut message = Message {
        from,
        to,
        term: 1,
        log_term: 1,
        ..Message::default()
    };
    message.set_type(kind);
    message
}

#[tokio::test]
async fn messages_arrive_in_order_and_appends_keep_their_entries() {
    let (a, b) = (member(1, CLUSTER).await, member(2, CLUSTER).await);
    a.transport.add_peer(2, vec![b.url.clone()]);
    b.transport.add_peer(1, vec![a.url.clone()]);
    until("both are active", || {
        a.transport.active_since(2).is_some() && b.transport.active_since(1).is_some()
    })
    .await;
    let streams = || {
        a.network
            .transport()
            .and_then(|transport| transport.member(2))
            .is_some()
    };
    until("the peer is known", streams).await;
    for index in 0..1000 {
        let mut append = message(MessageType::MsgApp, 1, 2);
        append.index = index;
        append.entries.push(Entry {
            term: 1,
            index: index + 1,
            data: Some(Bytes::from(vec![7; 100])),
            ..Entry::default()
        });
        a.transport
            .send(vec![append, message(MessageType::MsgHeartbeat, 1, 2)]);
        if index % 50 == 0 {
            time::sleep(Duration::from_millis(5)).await;
        }
    }
    let appends = || -> Vec<Message> {
        b.inbox
            .messages
            .lock()
            .iter()
            .filter(|message| message.r#type() == MessageType::MsgApp)
            .cloned()
            .collect()
    };
    until("all appends arrive", || appends().len() == 1000).await;
    // Streams open one after the other, so what goes by post at first may be overtaken.
    let mut indexes: Vec<u64> = appends().iter().map(|append| append.index).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..1000).collect::<Vec<_>>());
    assert!(
        appends()
            .iter()
            .all(|append| append.entries.len() == 1 && append.entries[0].index == append.index + 1)
    );
}

#[tokio::test]
async fn a_snapshot_brings_its_file() {
    let (a, b) = (member(1, CLUSTER).await, member(2, CLUSTER).await);
    a.transport.add_peer(2, vec![b.url.clone()]);
    let db: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut snapshot = message(MessageType::MsgSnap, 1, 2);
    snapshot.snapshot.metadata.index = 9;
    a.transport
        .send_snapshot(snapshot.clone(), Box::new(Db(db.clone())));
    until("the sender hears of it", || {
        *a.inbox.snapshots.lock() == [(2, true)]
    })
    .await;
    assert!(*b.inbox.file.lock() == db, "the file arrived changed");
    assert_eq!(*b.inbox.messages.lock(), [snapshot]);
    // The sender's URL came with it.
    assert!(
        b.network
            .transport()
            .is_some_and(|transport| transport.find(1).is_some())
    );
}

#[tokio::test]
async fn members_of_other_clusters_are_refused() {
    let (a, b) = (member(1, CLUSTER).await, member(2, 0xc2).await);
    a.transport.add_peer(2, vec![b.url.clone()]);
    a.transport
        .send(vec![message(MessageType::MsgHeartbeat, 1, 2)]);
    time::sleep(Duration::from_millis(300)).await;
    assert!(b.inbox.messages.lock().is_empty());
    assert!(a.transport.active_since(2).is_none());
}

#[tokio::test]
async fn a_removed_member_is_told() {
    let (a, b) = (member(1, CLUSTER).await, member(2, CLUSTER).await);
    b.inbox.removed.lock().push(1);
    let removed = a.network.removed();
    a.transport.add_peer(2, vec![b.url.clone()]);
    until("it is told", || *removed.borrow()).await;
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_again() {
    let a = member(1, CLUSTER).await;
    let b = member(2, CLUSTER).await;
    a.transport
        .add_peer(2, vec!["http://127.0.0.1:1".into(), b.url.clone()]);
    b.transport.add_peer(1, vec![a.url.clone()]);
    until("the second URL is tried", || {
        a.transport.active_since(2).is_some()
    })
    .await;
    a.transport
        .update_peer(2, vec!["http://127.0.0.1:1".into()]);
    b.transport.remove_peer(1);
    until("it is gone", || a.transport.active_since(2).is_none()).await;
    b.transport.add_peer(1, vec![a.url.clone()]);
    a.transport.update_peer(2, vec![b.url.clone()]);
    until("it is back", || a.transport.active_since(2).is_some()).await;
}
