//! A network in memory: members find each other by peer URL, links can be cut.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use wire::{etcdserverpb as pb, raftpb::Message};

use crate::server::{
    BoxFuture, EtcdError, Identity, IncomingSnapshot, Inner, Network, PeerClient, PeerMembers,
    PeerVersions, RaftInbox, Server, SnapshotSource, Transport, VERSION,
};

#[derive(Default)]
struct State {
    /// By member id. Each has a queue, so that messages keep their order.
    inboxes: HashMap<u64, (mpsc::UnboundedSender<Message>, Arc<dyn RaftInbox>)>,
    servers: HashMap<String, Weak<Inner>>,
    cut: HashSet<u64>,
}

#[derive(Clone, Default)]
pub(crate) struct MemoryNetwork(Arc<Mutex<State>>);

impl MemoryNetwork {
    pub(crate) fn add_server(&self, url: &str, server: &Server) {
        let mut state = self.0.lock().unwrap();
        state.servers.insert(url.into(), Arc::downgrade(&server.0));
    }

    /// Loses everything from and to this member, or no longer.
    pub(crate) fn cut(&self, id: u64, cut: bool) {
        let mut state = self.0.lock().unwrap();
        if cut {
            state.cut.insert(id);
        } else {
            state.cut.remove(&id);
        }
    }

    fn server(&self, url: &str) -> Result<Server, EtcdError> {
        let state = self.0.lock().unwrap();
        let server = state.servers.get(url).and_then(Weak::upgrade).map(Server);
        match server {
            Some(server) if !state.cut.contains(&server.id()) => Ok(server),
            _ => Err(EtcdError::Peer(format!("{url}: connection refused"))),
        }
    }
}

impl Network for MemoryNetwork {
    fn peer_client(&self) -> Arc<dyn PeerClient> {
        Arc::new(self.clone())
    }

    fn start(
        &self,
        identity: Identity,
        inbox: Arc<dyn RaftInbox>,
    ) -> Result<Arc<dyn Transport>, EtcdError> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let to = inbox.clone();
        tokio::spawn(async move {
            while let Some(message) = receiver.recv().await {
                let _ = to.process(message).await;
            }
        });
        self.0
            .lock()
            .unwrap()
            .inboxes
            .insert(identity.member_id, (sender, inbox));
        Ok(Arc::new(MemoryTransport {
            network: self.clone(),
            id: identity.member_id,
            started: Instant::now(),
        }))
    }
}

struct MemoryTransport {
    network: MemoryNetwork,
    id: u64,
    started: Instant,
}

struct Pipe(Box<dyn IncomingSnapshot>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for MemoryTransport {
    fn send(&self, messages: Vec<Message>) {
        let state = self.network.0.lock().unwrap();
        let mut servers = state.servers.values().filter_map(Weak::upgrade).map(Server);
        let own = servers.find(|server| server.id() == self.id);
        for message in messages {
            if let Some(own) = &own {
                let known = own.0.progress.committed();
                assert!(known >= message.commit, "{known}, but sent {message:?}");
            }
            let cut = state.cut.contains(&self.id) || state.cut.contains(&message.to);
            if let Some((inbox, _)) = state.inboxes.get(&message.to).filter(|_| !cut) {
                let _ = inbox.send(message);
            }
        }
    }

    fn send_snapshot(&self, message: Message, db: Box<dyn SnapshotSource>) {
        let network = self.network.clone();
        let own = self.id;
        tokio::runtime::Handle::try_current().map_or_else(
            // Called on the apply thread, which is outside of the runtime.
            |_| {
                drop(std::thread::spawn(move || {
                    deliver(&network, own, message, db)
                }))
            },
            |runtime| drop(runtime.spawn_blocking(|| ())),
        );
    }

    fn add_peer(&self, _: u64, _: Vec<String>) {}
    fn add_remote(&self, _: u64, _: Vec<String>) {}
    fn remove_peer(&self, _: u64) {}
    fn remove_all_peers(&self) {}
    fn update_peer(&self, _: u64, _: Vec<String>) {}

    fn active_since(&self, id: u64) -> Option<Instant> {
        let state = self.network.0.lock().unwrap();
        let there = state.inboxes.contains_key(&id) && !state.cut.contains(&id);
        // Long enough for membership changes to be allowed.
        there.then(|| {
            self.started
                .checked_sub(Duration::from_secs(60))
                .unwrap_or(self.started)
        })
    }

    fn stop(&self) {
        self.network.0.lock().unwrap().inboxes.remove(&self.id);
    }
}

fn deliver(network: &MemoryNetwork, from: u64, message: Message, db: Box<dyn SnapshotSource>) {
    let to = message.to;
    let (target, own) = {
        let state = network.0.lock().unwrap();
        let cut = state.cut.contains(&to) || state.cut.contains(&from);
        let target = state.inboxes.get(&to).filter(|_| !cut).cloned();
        (
            target,
            state.inboxes.get(&from).map(|(_, inbox)| inbox.clone()),
        )
    };
    let sent = target.is_some_and(|(queue, inbox)| {
        let incoming = inbox.receive_snapshot(message.snapshot.metadata.index);
        let Ok(incoming) = incoming else { return false };
        let mut pipe = Pipe(incoming);
        db.write_to(&mut pipe).is_ok() && pipe.0.finish().is_ok() && queue.send(message).is_ok()
    });
    if let Some(own) = own {
        own.report_snapshot(to, sent);
    }
}

impl PeerClient for MemoryNetwork {
    fn members(&self, url: String, _: Duration) -> BoxFuture<'_, Result<PeerMembers, EtcdError>> {
        Box::pin(async move {
            let server = self.server(&url)?;
            Ok(PeerMembers {
                cluster_id: server.cluster_id(),
                members_json: server.members_json().into_bytes(),
            })
        })
    }

    fn version(&self, url: String, _: Duration) -> BoxFuture<'_, Result<PeerVersions, EtcdError>> {
        Box::pin(async move {
            let server = self.server(&url)?;
            Ok(PeerVersions {
                server: VERSION.into(),
                cluster: server
                    .cluster_version()
                    .unwrap_or_else(|| "not_decided".into()),
            })
        })
    }

    fn lease_renew(
        &self,
        url: String,
        id: i64,
        _: Duration,
    ) -> BoxFuture<'_, Result<i64, EtcdError>> {
        Box::pin(async move { self.server(&url)?.lease_renew_local(id).await })
    }

    fn lease_time_to_live(
        &self,
        url: String,
        request: pb::LeaseTimeToLiveRequest,
        _: Duration,
    ) -> BoxFuture<'_, Result<pb::LeaseTimeToLiveResponse, EtcdError>> {
        Box::pin(async move { self.server(&url)?.lease_time_to_live_local(request).await })
    }

    fn promote(
        &self,
        url: String,
        id: u64,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, EtcdError>> {
        Box::pin(async move {
            let server = self.server(&url)?;
            server.member_promote_local(id).await?;
            Ok(server.members_json().into_bytes())
        })
    }

    fn hash_kv(
        &self,
        url: String,
        revision: i64,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, EtcdError>> {
        Box::pin(async move {
            let answer = self.server(&url)?.hash_kv(revision).await?;
            Ok(answer.hash.to_string().into_bytes())
        })
    }
}
