//! Linearizable reads: one question to the leader for all reads that wait.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    EtcdError,
    progress::{Progress, RequestIds},
};
use crate::{measures::measures, raft::events::Event};

/// After so long without an answer the leader is asked again (`readIndexRetryTime`).
const RETRY: Duration = Duration::from_millis(500);

pub(crate) type Waiting = oneshot::Sender<Result<(), EtcdError>>;

/// What the read loop needs of the member.
pub(crate) struct Reads {
    pub(crate) waiting: mpsc::UnboundedReceiver<Waiting>,
    pub(crate) answers: mpsc::UnboundedReceiver<(u64, u64)>,
    pub(crate) inbox: mpsc::Sender<Event>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) ids: RequestIds,
    pub(crate) timeout: Duration,
    pub(crate) stopping: CancellationToken,
}

impl Reads {
    /// Runs until the member stops.
    pub(crate) async fn run(mut self) {
        let stopping = self.stopping.clone();
        tokio::select! {
            () = stopping.cancelled() => {}
            () = self.answer_all() => {}
        }
    }

    async fn answer_all(&mut self) {
        while let Some(first) = self.waiting.recv().await {
            let mut batch = vec![first];
            while let Ok(next) = self.waiting.try_recv() {
                batch.push(next);
            }
            let result = self.confirm().await;
            if result.is_err() {
                measures().failed_reads.inc();
            }
            for waiting in batch {
                // Whoever asked may have gone away.
                let _ = waiting.send(result.clone());
            }
        }
    }

    async fn confirm(&mut self) -> Result<(), EtcdError> {
        let index = self.current_index().await?;
        let mut applied = self.progress.applied.subscribe();
        applied
            .wait_for(|applied| *applied >= index)
            .await
            .map(drop)
            .map_err(|_| EtcdError::Stopped)
    }

    /// The leader's commit index, confirmed by a quorum after this was called.
    async fn current_index(&mut self) -> Result<u64, EtcdError> {
        let id = self.ids.next();
        let mut leaders = self.progress.leaders.subscribe();
        let mut first_commits = self.progress.first_commits.subscribe();
        let deadline = Instant::now() + self.timeout;
        loop {
            self.inbox
                .send(Event::ReadIndex { context: id })
                .await
                .map_err(|_| EtcdError::Stopped)?;
            let retry = Instant::now() + RETRY;
            loop {
                tokio::select! {
                    biased;
                    answer = self.answers.recv() => match answer {
                        Some((context, index)) if context == id => return Ok(index),
                        // The answer to a question that was given up.
                        Some(_) => {}
                        None => return Err(EtcdError::Stopped),
                    },
                    _ = leaders.changed() => return Err(EtcdError::LeaderChanged),
                    // A new leader can't answer before an entry of its term is committed.
                    _ = first_commits.changed() => break,
                    () = sleep_until(deadline) => {
                        measures().slow_reads.inc();
                        return Err(EtcdError::Timeout);
                    }
                    () = sleep_until(retry) => {
                        crate::warn!("etcdserver/v3_server.go:892",
                            "waiting for ReadIndex response took too long, retrying",
                            "sent-request-id" => id, "retry-timeout" => "500ms");
                        break;
                    }
                }
            }
        }
    }
}
