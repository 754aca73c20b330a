//! The v2 API: requests that go through the log, reads, watches, expiry
//! (`etcdserver/v2_server.go`, `server.go`).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mvcc::{Response, Wake, v2};
use prost::Message as _;
use wire::etcdserverpb as pb;

use super::{EtcdError, Server, progress::Outcome};
use crate::raft::events::Event;

/// How often the leader says how late it is (`SyncTicker`).
const SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// Why a v2 request failed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The store said no.
    Store(v2::Error),
    /// It never got there, or nobody knows.
    Server(EtcdError),
}

impl From<v2::Error> for Refused {
    fn from(error: v2::Error) -> Self {
        Self::Store(error)
    }
}

impl Server {
    /// The wall clock as entries of the v2 API carry it.
    pub(crate) fn v2_now(&self) -> v2::Nanos {
        i64::try_from(self.0.clock.wall() * 1_000_000).unwrap_or(i64::MAX)
    }

    /// Answers a v2 request that is not a watch: `GET` and `HEAD` from what this member
    /// knows, unless the former asks for a quorum, all others through the log.
    pub(crate) async fn do_v2(&self, mut request: pb::Request) -> Result<Arc<v2::Event>, Refused> {
        if request.method == "GET" && request.quorum {
            request.method = "QGET".into();
        }
        if matches!(request.method.as_str(), "GET" | "HEAD") {
            let path = String::from_utf8_lossy(&request.path);
            let now = self.v2_now();
            return Ok(Arc::new(self.0.store.v2_get(
                &path,
                request.recursive,
                now,
            )?));
        }
        match self.propose_v2_for_answer(request).await {
            Ok(Response::V2(done)) => Ok(done?),
            Ok(other) => Err(Refused::Server(EtcdError::Storage(format!(
                "the v2 store gave an answer of another kind than was asked for: {other:?}"
            )))),
            Err(error) => Err(Refused::Server(error)),
        }
    }

    /// Begins a watch of the v2 store.
    pub(crate) fn watch_v2(
        &self,
        request: &pb::Request,
        wake: Arc<dyn Wake>,
    ) -> Result<v2::Watcher, v2::Error> {
        let path = String::from_utf8_lossy(&request.path);
        self.0.store.v2_watch(
            &path,
            request.recursive,
            request.stream,
            request.since,
            wake,
        )
    }

    /// Puts a v2 request into the log, which is how 3.5 publishes attributes and
    /// versions, and waits until it is applied here.
    pub(crate) async fn propose_v2(&self, request: pb::Request) -> Result<(), EtcdError> {
        self.propose_v2_for_answer(request).await.map(drop)
    }

    async fn propose_v2_for_answer(&self, mut request: pb::Request) -> Result<Response, EtcdError> {
        let id = self.0.ids.next();
        request.id = id;
        let data = Bytes::from(request.encode_to_vec());
        let waiter = self.0.waiters.register(id);
        match self.wait_for(waiter, Event::Propose { id, data }).await? {
            Outcome::Applied(result) => result.map_err(EtcdError::from),
            Outcome::Dropped(error) => Err(error),
            Outcome::Changed(_) => Err(EtcdError::Stopped),
        }
    }

    /// As the leader, puts the time into the log as long as anything expires in the v2
    /// store: every member then removes the same keys at the same entry.
    pub(crate) async fn sync_v2(self) {
        loop {
            tokio::time::sleep(SYNC_INTERVAL).await;
            if !self.is_leader() || !self.0.store.v2_has_expiring() {
                continue;
            }
            let request = pb::Request {
                method: "SYNC".into(),
                time: self.v2_now(),
                ..pb::Request::default()
            };
            // Any other trouble passes: the next one says it again.
            if let Err(EtcdError::Stopped) = self.propose_v2(request).await {
                return;
            }
        }
    }
}
