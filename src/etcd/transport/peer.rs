//! One peer: two streams each way and a pipeline (`rafthttp/peer.go`).

use std::{sync::Arc, time::Instant};

use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;
use wire::raftpb::{Message, MessageType};

use super::{
    Shared,
    codec::Kind,
    pipeline::{Pipeline, Target},
    probe,
    status::{PeerStatus, UrlPicker},
    stream::{Outgoing, PeerReader, StreamWriter},
};
use crate::server::{FollowerStats, SnapshotSource};

/// Messages from a peer that may wait for the member.
const RECEIVE_BUFFER: usize = 4096;

/// A member of the cluster, or (a *remote*) one that only gets posts until it is.
pub(super) struct Peer {
    target: Target,
    streams: Option<Streams>,
    pipeline: Pipeline,
    cancel: CancellationToken,
}

struct Streams {
    appends: StreamWriter,
    messages: StreamWriter,
}

impl Peer {
    /// A member of the cluster.
    pub(super) fn start(shared: &Arc<Shared>, id: u64, urls: Vec<String>) -> Self {
        crate::info!("rafthttp/peer.go:133", "starting remote peer", "remote-peer-id" => format!("{id:x}"));
        let mut peer = Self::remote(shared, id, urls);
        let cancel = &peer.cancel;
        let status = &peer.target.status;
        peer.streams = Some(Streams {
            appends: StreamWriter::start(
                shared,
                id,
                Kind::MsgAppV2,
                Arc::clone(status),
                cancel.clone(),
            ),
            messages: StreamWriter::start(
                shared,
                id,
                Kind::Message,
                Arc::clone(status),
                cancel.clone(),
            ),
        });
        let messages = deliver(shared, cancel);
        // A proposal may wait for a leader and must not hold up what makes one.
        let proposals = deliver(shared, cancel);
        for kind in [Kind::MsgAppV2, Kind::Message] {
            let reader = PeerReader {
                shared: Arc::clone(shared),
                id,
                kind,
                picker: Arc::clone(&peer.target.picker),
                status: Arc::clone(status),
                proposals: proposals.clone(),
                messages: messages.clone(),
            };
            shared.runtime.spawn(reader.run(cancel.clone()));
        }
        shared
            .runtime
            .spawn(probe::run(peer.target.clone(), cancel.clone()));
        crate::info!("rafthttp/peer.go:137", "started remote peer", "remote-peer-id" => format!("{id:x}"));
        peer
    }

    /// Someone who may need a catch-up before it is in the configuration.
    pub(super) fn remote(shared: &Arc<Shared>, id: u64, urls: Vec<String>) -> Self {
        let target = Target {
            shared: Arc::clone(shared),
            id,
            picker: UrlPicker::new(urls),
            status: PeerStatus::new(shared.identity.member_id, id),
        };
        let cancel = shared.cancel.child_token();
        Self {
            pipeline: Pipeline::start(target.clone(), cancel.clone()),
            streams: None,
            target,
            cancel,
        }
    }

    /// Sends a message by the best way that is open now; drops it if that way is full.
    pub(super) fn send(&self, message: Message) {
        let (name, sent) = match &self.streams {
            Some(streams)
                if message.r#type() == MessageType::MsgApp && streams.appends.is_working() =>
            {
                ("streamMsgAppV2", streams.appends.send(message))
            }
            Some(streams)
                if message.r#type() != MessageType::MsgSnap && streams.messages.is_working() =>
            {
                ("streamMsg", streams.messages.send(message))
            }
            _ => ("pipeline", self.pipeline.send(message)),
        };
        let Some(message) = sent else { return };
        let target = &self.target;
        target.shared.inbox.report_unreachable(target.id);
        crate::warn!(
            "rafthttp/peer.go:267",
            "dropped internal Raft message since sending buffer is full (overloaded network)",
            "message-type" => message.r#type().as_str_name(),
            "local-member-id" => format!("{:x}", target.shared.identity.member_id),
            "from" => format!("{:x}", message.from),
            "remote-peer-id" => format!("{:x}", target.id),
            "remote-peer-name" => name,
            "remote-peer-active" => target.status.active_since().is_some(),
        );
        super::sent_failures(target.id).inc();
    }

    /// How sending appends went so far.
    pub(super) fn append_stats(&self) -> FollowerStats {
        self.target.status.appends.lock().clone()
    }

    /// Posts a snapshot in the background.
    pub(super) fn send_snapshot(&self, message: Message, db: Box<dyn SnapshotSource>) {
        let (target, cancel) = (self.target.clone(), self.cancel.clone());
        self.target.shared.runtime.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = target.send_snapshot(message, db) => {}
            }
        });
    }

    /// Gives the writer of this kind a stream that the peer has dialled.
    pub(super) async fn attach(&self, kind: Kind, connection: Outgoing) {
        if let Some(streams) = &self.streams {
            let writer = match kind {
                Kind::MsgAppV2 => &streams.appends,
                Kind::Message => &streams.messages,
            };
            writer.attach(connection).await;
        }
    }

    pub(super) fn update(&self, urls: Vec<String>) {
        self.target.picker.update(urls);
    }

    pub(super) fn active_since(&self) -> Option<Instant> {
        self.target.status.active_since()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.cancel.cancel();
        crate::info!("rafthttp/peer.go:335", "stopped remote peer", "remote-peer-id" => format!("{:x}", self.target.id));
    }
}

/// A queue whose messages are stepped one after the other.
fn deliver(shared: &Arc<Shared>, cancel: &CancellationToken) -> mpsc::Sender<Message> {
    let (sender, mut queue) = mpsc::channel(RECEIVE_BUFFER);
    let (inbox, cancel) = (Arc::clone(&shared.inbox), cancel.clone());
    shared.runtime.spawn(async move {
        let work = async {
            while let Some(message) = queue.recv().await {
                if let Err(error) = inbox.process(message).await {
                    crate::warn!("rafthttp/peer.go:180", "failed to process Raft message", "error" => error.to_string());
                    // An inbox that fails at once must not make this loop spin.
                    time::sleep(time::Duration::from_millis(1)).await;
                }
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = work => {}
        }
    });
    sender
}
