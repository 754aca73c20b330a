//! Where the transport delivers to.

use std::{io, path::PathBuf, sync::Weak, sync::atomic::Ordering, time::Duration};

use prost::Message as _;
use tokio::sync::mpsc::error::TrySendError;
use wire::raftpb::{Message, MessageType};

use super::{
    EtcdError, Inner,
    network::{BoxFuture, IncomingSnapshot, RaftInbox},
};
use crate::raft::events::Event;

/// How long the log is kept after a snapshot was sent, for the follower to catch up
/// from there (`releaseDelayAfterSnapshot`).
const RELEASE_DELAY: Duration = Duration::from_secs(30);

/// Weak, because the member owns the transport that owns this.
pub(crate) struct Inbox(pub(crate) Weak<Inner>);

impl Inbox {
    /// Sends without waiting. Raft needs to hear how a snapshot ended, so a full inbox
    /// only delays it.
    fn send(&self, event: Event) {
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        if let Err(TrySendError::Full(event)) = inner.inbox.try_send(event)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let inbox = inner.inbox.clone();
            // If it is closed the member has stopped.
            runtime.spawn(async move { inbox.send(event).await });
        }
    }
}

impl RaftInbox for Inbox {
    fn process(&self, message: Message) -> BoxFuture<'_, Result<(), EtcdError>> {
        Box::pin(async move {
            let Some(inner) = self.0.upgrade() else {
                return Err(EtcdError::Stopped);
            };
            if inner.store.membership().removed.contains(&message.from) {
                crate::warn!("etcdserver/server.go:993", "rejected Raft message from removed member",
                    "local-member-id" => format!("{:x}", inner.identity.member_id),
                    "removed-member-id" => format!("{:x}", message.from));
                return Err(EtcdError::Removed);
            }
            if message.to != inner.identity.member_id {
                crate::warn!("etcdserver/server.go:1001", "rejected Raft message to mismatch member",
                    "local-member-id" => format!("{:x}", inner.identity.member_id),
                    "mismatch-member-id" => format!("{:x}", message.to));
                return Err(EtcdError::Peer(
                    "cannot process message to mismatch member".into(),
                ));
            }
            if message.r#type() == MessageType::MsgApp {
                inner
                    .v2_stats
                    .received_append(message.from, message.encoded_len());
            }
            inner
                .inbox
                .send(Event::Step(Box::new(message)))
                .await
                .map_err(|_| EtcdError::Stopped)
        })
    }

    fn is_id_removed(&self, id: u64) -> bool {
        self.0
            .upgrade()
            .is_some_and(|inner| inner.store.membership().removed.contains(&id))
    }

    fn report_unreachable(&self, id: u64) {
        self.send(Event::ReportUnreachable { id });
    }

    fn report_snapshot(&self, id: u64, ok: bool) {
        self.send(Event::ReportSnapshot { id, ok });
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        let progress = inner.progress.clone();
        let release = move || {
            progress.snapshots_in_flight.fetch_sub(1, Ordering::Relaxed);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if ok => drop(runtime.spawn(async move {
                tokio::time::sleep(RELEASE_DELAY).await;
                release();
            })),
            _ => release(),
        }
    }

    fn receive_snapshot(&self, index: u64) -> io::Result<Box<dyn IncomingSnapshot>> {
        let inner = self
            .0
            .upgrade()
            .ok_or_else(|| io::Error::other("the member has stopped"))?;
        Ok(Box::new(Incoming(inner.snapshotter.receive_db(index)?)))
    }
}

struct Incoming(wal::IncomingDb);

impl IncomingSnapshot for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }

    fn finish(self: Box<Self>) -> io::Result<PathBuf> {
        self.0.finish()
    }
}
