//! Putting a member together, running it, taking it apart.

use std::{
    sync::{Arc, OnceLock, mpsc as blocking},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use raft::RawNode;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    Clock, Config, EtcdError, Inner, Network, Server, VERSION,
    apply::Applier,
    auth::bcrypt_cost,
    bootstrap::{self, Boot},
    inbox::Inbox,
    progress::{Progress, RequestIds, Waiters},
    reads::Reads,
};
use crate::raft::{
    disk::{self, Disk},
    driver::Driver,
    events::{Event, Outlets},
};
use crate::token::Tokens;

/// Events that may wait for the raft loop.
const INBOX: usize = 4096;
/// `maxSizePerMsg`: what one append carries at most.
const MAX_SIZE_PER_MESSAGE: u64 = 1 << 20;
/// `maxInflightMsgs`: appends under way to one follower.
const MAX_IN_FLIGHT: usize = 512;

/// Stops the member if a thread of it panics: the others would wait for it for ever.
struct Watched(Server, &'static str);

impl Drop for Watched {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0
                .fail(EtcdError::Storage(format!("{} has panicked", self.1)));
        }
    }
}

impl Server {
    /// Starts a member: opens or makes its data directory, starts the transport and the
    /// raft loop, and begins to publish itself. It answers requests when
    /// [`Server::ready`] says so. Must be called within a tokio runtime.
    pub async fn start(
        mut config: Config,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EtcdError> {
        let tokens = Tokens::new(&config.auth_token, config.auth_token_ttl).map_err(|error| {
            crate::warn!("etcdserver/server.go:615", "failed to create token provider",
                "error" => error);
            EtcdError::Start(error)
        })?;
        config.bcrypt_cost = bcrypt_cost(config.bcrypt_cost);
        let peers = network.peer_client();
        let boot = bootstrap::boot(&config, &*peers).await?;
        let (inbox, events) = mpsc::channel(INBOX);
        let (reads, waiting_reads) = mpsc::unbounded_channel();
        let term = boot.applied.term;
        let server = Self(Arc::new(Inner {
            identity: boot.identity,
            bolt_options: boot.backend.options.clone(),
            db: Mutex::new(boot.backend.db.clone()),
            store: boot.backend.store.clone(),
            peers,
            transport: OnceLock::new(),
            progress: Arc::new(Progress::new(boot.applied.index, boot.committed, term)),
            waiters: Waiters::default(),
            ids: RequestIds::new(boot.identity.member_id, clock.wall()),
            tokens,
            inbox,
            reads,
            compaction: Notify::new(),
            snapshotter: boot.snapshotter.clone(),
            v2_stats: Arc::new(super::v2_stats::Stats::new(boot.identity.member_id)),
            ready: watch::Sender::new(false),
            failure: watch::Sender::new(None),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            config,
            clock,
        }));
        let transport = network.start(boot.identity, Arc::new(Inbox(Arc::downgrade(&server.0))))?;
        // Nobody else has this server yet.
        let _ = server.0.transport.set(transport);
        server.meet_peers(&boot);
        if boot.restarted && server.0.config.initial_corrupt_check {
            // Nothing runs yet that would have to be ended.
            server
                .check_initially()
                .await
                .inspect_err(|_| server.transport().stop())?;
        }
        server.log_start();
        server.clone().run(boot, events, waiting_reads)?;
        Ok(server)
    }

    fn meet_peers(&self, boot: &Boot) {
        let transport = self.transport();
        for member in boot.remotes.iter().filter(|member| member.id != self.id()) {
            transport.add_remote(member.id, member.peer_urls.clone());
            transport.add_peer(member.id, member.peer_urls.clone());
        }
        for member in self
            .membership()
            .members
            .values()
            .filter(|member| member.id != self.id())
        {
            transport.add_peer(member.id, member.peer_urls.clone());
        }
    }

    fn log_start(&self) {
        let version = self
            .cluster_version()
            .unwrap_or_else(|| "to_be_decided".into());
        crate::info!("etcdserver/server.go:864", "starting etcd server",
            "local-member-id" => format!("{:x}", self.id()),
            "local-server-version" => VERSION,
            "cluster-id" => format!("{:x}", self.cluster_id()),
            "cluster-version" => version);
    }

    fn run(
        self,
        boot: Boot,
        events: mpsc::Receiver<Event>,
        waiting_reads: mpsc::UnboundedReceiver<super::reads::Waiting>,
    ) -> Result<(), EtcdError> {
        let thread_error =
            |error: std::io::Error| EtcdError::Start(format!("a thread can't be started: {error}"));
        let config = &self.0.config;
        let node = self.raft_node(&boot)?;
        let (done, done_receiver) = mpsc::unbounded_channel();
        let watched = Watched(self.clone(), "the log thread");
        let (disk, disk_thread) = disk::spawn(
            Disk {
                wal: boot.wal,
                snapshotter: boot.snapshotter,
                keep_segments: config.max_wals,
                keep_snapshots: config.max_snapshots,
            },
            done.clone(),
            watched,
        )
        .map_err(thread_error)?;

        let (apply, apply_jobs) = blocking::channel();
        let applier = Applier {
            server: self.clone(),
            applied: boot.applied,
            done,
            disk: disk.clone(),
            runtime: tokio::runtime::Handle::current(),
            db_path: boot.db_path,
        };
        let apply_thread = thread::Builder::new()
            .name("etcd-apply".into())
            .spawn(move || {
                let _watched = Watched(applier.server.clone(), "the apply thread");
                applier.run(&apply_jobs);
            })
            .map_err(thread_error)?;

        let (stop_commits, commits_stopped) = blocking::channel();
        let interval = match config.backend_batch_interval {
            Duration::ZERO => Duration::from_millis(100),
            interval => interval,
        };
        let committer = self.clone();
        let commit_thread = thread::Builder::new()
            .name("etcd-commit".into())
            .spawn(move || {
                let _watched = Watched(committer.clone(), "the commit thread");
                committer.commit_regularly(interval, &commits_stopped);
            })
            .map_err(thread_error)?;

        let (read_states, answers) = mpsc::unbounded_channel();
        let outlets = Outlets {
            disk,
            apply,
            reads: read_states,
            transport: self.transport(),
            store: self.0.store.clone(),
            progress: self.0.progress.clone(),
            waiters: self.0.waiters.clone(),
            clock: self.0.clock.clone(),
            stats: self.0.v2_stats.clone(),
        };
        let driver = Driver::new(node, boot.log, outlets, config.snapshot_catchup_entries);
        let heartbeat = Duration::from_millis(config.heartbeat_ms.max(1));
        let stopping = self.0.stopping.clone();
        let raft_loop = tokio::spawn(async move {
            driver
                .run(events, done_receiver, heartbeat, stopping.cancelled_owned())
                .await
        });
        let tasks = self.background(Reads {
            waiting: waiting_reads,
            answers,
            inbox: self.0.inbox.clone(),
            progress: self.0.progress.clone(),
            ids: RequestIds::new(self.id(), self.0.clock.wall()),
            timeout: self.request_timeout(),
            stopping: self.0.stopping.clone(),
        });
        let threads = [disk_thread, apply_thread];
        tokio::spawn(self.end(raft_loop, tasks, threads, stop_commits, commit_thread));
        Ok(())
    }

    fn raft_node(&self, boot: &Boot) -> Result<RawNode<crate::raft::memory::MemoryLog>, EtcdError> {
        let config = &self.0.config;
        let ticks = (config.election_ms / config.heartbeat_ms.max(1)).max(2) as usize;
        let raft_config = raft::Config {
            id: self.id(),
            election_tick: ticks,
            heartbeat_tick: 1,
            applied: boot.applied.index,
            max_size_per_msg: MAX_SIZE_PER_MESSAGE,
            max_inflight_msgs: MAX_IN_FLIGHT,
            check_quorum: true,
            pre_vote: config.pre_vote,
            ..raft::Config::default()
        };
        let logger = crate::log::raft_logger(self.id());
        RawNode::new(&raft_config, boot.log.clone(), &logger)
            .map_err(|error| EtcdError::Start(format!("raft can't start: {error}")))
    }

    fn background(&self, reads: Reads) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(reads.run());
        tasks.spawn(self.clone().publish());
        tasks.spawn(self.clone().compact_regularly());
        tasks.spawn(self.clone().feed_watches());
        tasks.spawn(self.clone().expire_leases());
        tasks.spawn(self.clone().sync_v2());
        tasks.spawn(self.clone().monitor_versions());
        tasks.spawn(self.clone().monitor_downgrade());
        tasks.spawn(self.clone().auto_compact());
        tasks.spawn(self.clone().check_regularly());
        tasks.spawn(self.clone().hasten_election());
        tasks
    }

    /// Lets most of the first election timeout pass as soon as peers are connected
    /// (`adjustTicks`): those who start together need not wait all of it.
    async fn hasten_election(self) {
        let config = &self.0.config;
        let ticks = config.election_ms / config.heartbeat_ms.max(1);
        if !config.initial_election_tick_advance {
            return;
        }
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let others: Vec<_> = self
                .membership()
                .members
                .keys()
                .copied()
                .filter(|id| *id != self.id())
                .collect();
            let transport = self.transport();
            let active = others
                .iter()
                .filter(|id| transport.active_since(**id).is_some())
                .count();
            if self.leader() == 0 && active > 0 && active >= others.len().div_ceil(2) {
                // Only raft's clock moves; if the inbox is closed the member stops.
                let _ = self.send(Event::Ticks(ticks.saturating_sub(2))).await;
                return;
            }
        }
    }

    /// Waits for the end and clears up: first the raft loop, then what it fed.
    async fn end(
        self,
        raft_loop: tokio::task::JoinHandle<Result<(), EtcdError>>,
        mut tasks: JoinSet<()>,
        threads: [thread::JoinHandle<()>; 2],
        stop_commits: blocking::Sender<()>,
        commit_thread: thread::JoinHandle<()>,
    ) {
        match raft_loop.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(error),
            Err(_) => self.fail(EtcdError::Storage("the raft loop has panicked".into())),
        }
        self.0.stopping.cancel();
        self.transport().stop();
        tasks.shutdown().await;
        let db = self.0.db.lock().clone();
        let joined = tokio::task::spawn_blocking(move || {
            // A thread that panicked has nothing more to end.
            for thread in threads {
                let _ = thread.join();
            }
            drop(stop_commits);
            let _ = commit_thread.join();
            // All is written. Whoever still holds the member must not hold the file.
            let _ = db.close();
        });
        let _ = joined.await;
        self.0.stopped.cancel();
    }
}
