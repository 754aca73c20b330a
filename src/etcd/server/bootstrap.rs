//! From a data directory, or from nothing, to a member that can start: identity, log,
//! state machine.

mod initial;
mod restart;

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mvcc::{Member, Store};
use prost::Message as _;
use raft::eraftpb::Entry;
use wal::{Snapshotter, Wal};
use wire::{
    etcdserverpb::Metadata,
    raftpb::{self as pb, ConfChange, ConfChangeType, EntryType, HardState},
    walpb,
};

use super::{ClusterState, Config, EtcdError, Identity, PeerClient, apply::Applied};
use crate::raft::{convert, memory::MemoryLog};

use initial::{Initial, cluster_id};
pub(crate) use initial::{attributes_json, parse_members};
use restart::restart;

/// A member before it runs.
pub(crate) struct Boot {
    pub(crate) identity: Identity,
    pub(crate) backend: Backend,
    pub(crate) db_path: PathBuf,
    pub(crate) wal: Wal,
    pub(crate) snapshotter: Snapshotter,
    pub(crate) log: MemoryLog,
    pub(crate) applied: Applied,
    /// Commit index of the hard state.
    pub(crate) committed: u64,
    /// True if the member has been running before.
    pub(crate) restarted: bool,
    /// Members of a cluster that this one joins: the log doesn't name them yet.
    pub(crate) remotes: Vec<Member>,
}

/// The state machine and the file under it.
pub(crate) struct Backend {
    pub(crate) store: Arc<Store>,
    pub(crate) db: bolt::Db,
    pub(crate) options: bolt::Options,
}

fn start_error(text: impl Into<String>) -> EtcdError {
    EtcdError::Start(text.into())
}

/// Opens or makes the data directory.
pub(crate) async fn boot(config: &Config, peers: &dyn PeerClient) -> Result<Boot, EtcdError> {
    let paths = Paths::of(config);
    make_dir(&config.data_dir)
        .map_err(|error| start_error(format!("cannot access data directory: {error}")))?;
    make_dir(&paths.snap).map_err(|error| {
        start_error(format!(
            "failed to create snapshot directory {}: {error}",
            paths.snap.display()
        ))
    })?;
    warn_of_access(&paths.member);
    let sync = !config.unsafe_no_fsync;
    let snapshotter = Snapshotter::with_sync(&paths.snap, sync);
    snapshotter.remove_leftovers().map_err(storage)?;

    if wal::exists(&paths.wal) && !is_stillborn(config, &paths)? {
        let config = config.clone();
        let db = paths.db.clone();
        return open(&db, move || restart(&config, &paths, snapshotter)).await;
    }
    let cluster = Initial::of(config)?;
    let (identity, members, remotes) = match config.state {
        ClusterState::New => {
            cluster.check_not_bootstrapped(config, peers).await?;
            let id = cluster_id(&cluster.members);
            (cluster.identity(id), cluster.members.clone(), Vec::new())
        }
        ClusterState::Existing => cluster.join(config, peers).await?,
    };
    let config = config.clone();
    let db = paths.db.clone();
    open(&db, move || {
        fresh(&config, &paths, snapshotter, identity, &members, remotes)
    })
    .await
}

/// Opens the files on a blocking thread. The lock of the db is waited for as long as
/// it takes, as the reference does, but not without a word.
async fn open(
    db: &Path,
    work: impl FnOnce() -> Result<Boot, EtcdError> + Send + 'static,
) -> Result<Boot, EtcdError> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut opening = tokio::task::spawn_blocking(work);
    let opened = tokio::select! {
        opened = &mut opening => opened,
        () = tokio::time::sleep(PATIENCE) => {
            crate::info!("etcdserver/backend.go:85",
                "db file is flocked by another process, or taking too long",
                "path" => db.display().to_string(),
                "took" => format!("{}s", PATIENCE.as_secs()));
            opening.await
        }
    };
    opened.map_err(|_| EtcdError::Storage("opening the data directory has panicked".into()))?
}

struct Paths {
    member: PathBuf,
    wal: PathBuf,
    snap: PathBuf,
    db: PathBuf,
}

impl Paths {
    fn of(config: &Config) -> Self {
        let member = config.data_dir.join("member");
        let snap = member.join("snap");
        Self {
            wal: config.wal_dir.clone().unwrap_or_else(|| member.join("wal")),
            db: snap.join("db"),
            member,
            snap,
        }
    }
}

/// Others than the member's user may look into a directory that was there before.
/// Source: `CheckDirPermission`, `client/pkg/fileutil/fileutil.go`, 3.5.16.
fn warn_of_access(path: &Path) {
    const PRIVATE: u32 = 0o700;
    let Ok(found) = fs::metadata(path) else {
        return;
    };
    if found.mode() & 0o777 == PRIVATE {
        return;
    }
    let error = format!(
        "directory {:?} exist, but the permission is {:?}. The recommended permission is \
         \"-rwx------\" to prevent possible unprivileged access to the data",
        path.display().to_string(),
        gowords::directory_mode(found.mode()),
    );
    crate::warn!("fileutil/fileutil.go:53", "check file permission", "error" => error);
}

fn make_dir(path: &Path) -> std::io::Result<()> {
    warn_of_access(path);
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // As the reference does: a directory that can't be written is told of now.
    let probe = path.join(".touch");
    fs::write(&probe, "")?;
    fs::remove_file(probe)
}

fn storage(error: wal::Error) -> EtcdError {
    EtcdError::Storage(error.to_string())
}

/// True if a member of a new cluster died between making its log and writing its
/// first entries: nobody can have heard of it, so it is born again.
fn is_stillborn(config: &Config, paths: &Paths) -> Result<bool, EtcdError> {
    if config.state != ClusterState::New || config.force_new_cluster {
        return Ok(false);
    }
    match wal::segments(&paths.wal) {
        Ok(segments) if segments.len() == 1 && segments[0].index == 0 => {}
        _ => return Ok(false),
    }
    // Opened for writing: the log of a member that is just starting is locked.
    let Ok((_, contents)) = Wal::open(&paths.wal, &walpb::Snapshot::default()) else {
        return Ok(false);
    };
    if !contents.entries.is_empty() || contents.hard_state != HardState::default() {
        return Ok(false);
    }
    fs::remove_dir_all(&paths.wal).map_err(|error| {
        start_error(format!(
            "cannot remove the empty log {}: {error}",
            paths.wal.display()
        ))
    })?;
    Ok(true)
}

fn open_store(config: &Config, paths: &Paths) -> Result<Backend, EtcdError> {
    const DEFAULT_QUOTA: i64 = 2 << 30;
    let mut options = bolt::Options {
        sync: !config.unsafe_no_fsync,
        ..bolt::Options::default()
    };
    let quota = config.quota_backend_bytes;
    if quota > 0 && quota != DEFAULT_QUOTA {
        // 10 % more than the quota, so that there is room to disarm the alarm.
        options.initial_map_bytes = (quota + quota / 10) as u64;
    }
    let db = bolt::Db::open(&paths.db, options.clone()).map_err(|error| {
        EtcdError::Storage(format!(
            "failed to open database file {}: {error}",
            paths.db.display()
        ))
    })?;
    let ticks = config.election_ms / config.heartbeat_ms.max(1);
    let store = Store::open(
        db.clone(),
        mvcc::Config {
            quota_bytes: quota,
            min_lease_ttl: mvcc::min_lease_ttl(ticks, config.heartbeat_ms),
            batch_limit: config.backend_batch_limit,
            compaction_batch: config.compaction_batch_limit,
            // lease/lessor.go: defaultLeaseCheckpointInterval
            lease_checkpoint_interval: config.lease_checkpoint.then_some(5 * 60 * 1000),
            lease_checkpoint_persist: config.lease_checkpoint_persist,
        },
    )?;
    Ok(Backend {
        store: Arc::new(store),
        db,
        options,
    })
}

/// A member without a log: it writes down who it is, and in a new cluster who all
/// the members are, as if a leader had added them.
fn fresh(
    config: &Config,
    paths: &Paths,
    snapshotter: Snapshotter,
    identity: Identity,
    members: &[Member],
    remotes: Vec<Member>,
) -> Result<Boot, EtcdError> {
    let backend = open_store(config, paths)?;
    let metadata = Metadata {
        node_id: identity.member_id,
        cluster_id: identity.cluster_id,
    };
    let options = wal_options(config);
    let mut wal =
        Wal::create_with(&paths.wal, metadata.encode_to_vec().into(), options).map_err(storage)?;
    crate::info!("etcdserver/raft.go:497", "starting local member",
        "local-member-id" => format!("{:x}", identity.member_id),
        "cluster-id" => format!("{:x}", identity.cluster_id));
    let mut members: Vec<_> = if remotes.is_empty() {
        members.to_vec()
    } else {
        Vec::new()
    };
    members.sort_by_key(|member| member.id);
    let entries: Vec<_> = members
        .iter()
        .zip(1..)
        .map(|(member, index)| {
            let kind = ConfChangeType::ConfChangeAddNode;
            change_entry(
                1,
                index,
                kind,
                member.id,
                Some(mvcc::member_to_json(member)),
            )
        })
        .collect();
    let hard_state = match entries.len() as u64 {
        0 => HardState::default(),
        commit => HardState {
            term: 1,
            vote: 0,
            commit,
        },
    };
    wal.save(&hard_state, &entries).map_err(storage)?;
    Ok(Boot {
        identity,
        backend,
        db_path: paths.db.clone(),
        wal,
        snapshotter,
        log: memory_log(None, hard_state, entries),
        applied: Applied {
            index: 0,
            term: 0,
            conf_state: pb::ConfState::default(),
            snapshot: 0,
        },
        committed: hard_state.commit,
        restarted: false,
        remotes,
    })
}

fn wal_options(config: &Config) -> wal::Options {
    wal::Options {
        sync: !config.unsafe_no_fsync,
        ..wal::Options::default()
    }
}

fn memory_log(
    snapshot: Option<&pb::SnapshotMetadata>,
    hard_state: HardState,
    entries: Vec<pb::Entry>,
) -> MemoryLog {
    let from = snapshot.cloned().unwrap_or_default();
    let entries: Vec<Entry> = entries.into_iter().map(convert::entry_in).collect();
    MemoryLog::recover(
        (
            from.index,
            from.term,
            convert::conf_state_in(from.conf_state),
        ),
        convert::hard_state_in(hard_state),
        entries,
    )
}

fn change_entry(
    term: u64,
    index: u64,
    kind: ConfChangeType,
    node_id: u64,
    context: Option<String>,
) -> pb::Entry {
    let mut change = ConfChange {
        node_id,
        context: context.map(|text| text.into_bytes().into()),
        ..Default::default()
    };
    change.set_type(kind);
    let mut entry = pb::Entry {
        term,
        index,
        data: Some(change.encode_to_vec().into()),
        ..Default::default()
    };
    entry.set_type(EntryType::EntryConfChange);
    entry
}
