//! From a data directory, or from nothing, to a member that can start: identity, log,
//! state machine.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder},
    net::ToSocketAddrs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mvcc::{Member, Store};
use prost::Message as _;
use raft::eraftpb::Entry;
use serde::Serialize;
use wal::{Snapshotter, Wal};
use wire::{
    etcdserverpb::Metadata,
    raftpb::{self as pb, ConfChange, ConfChangeType, EntryType, HardState},
    walpb,
};

use super::{ClusterState, Config, EtcdError, Identity, PeerClient, apply::Applied, snapshots};
use crate::raft::{convert, memory::MemoryLog};

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
    let sync = !config.unsafe_no_fsync;
    let snapshotter = Snapshotter::with_sync(&paths.snap, sync);
    snapshotter.remove_leftovers().map_err(storage)?;

    if wal::exists(&paths.wal) && !is_stillborn(config, &paths)? {
        let config = config.clone();
        let restart = move || restart(&config, &paths, snapshotter);
        return tokio::task::spawn_blocking(restart)
            .await
            .map_err(|_| EtcdError::Stopped)?;
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
    fresh(config, &paths, snapshotter, identity, &members, remotes)
}

struct Paths {
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
            snap,
        }
    }
}

fn make_dir(path: &Path) -> std::io::Result<()> {
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
    let Ok(contents) = wal::read_all(&paths.wal, &walpb::Snapshot::default()) else {
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

/// A member that has been running before.
fn restart(config: &Config, paths: &Paths, snapshotter: Snapshotter) -> Result<Boot, EtcdError> {
    let had_db = paths.db.exists();
    let known = wal::valid_snapshot_entries(&paths.wal).map_err(storage)?;
    let snapshot = match snapshotter.load_newest_available(&known) {
        Ok(snapshot) => Some(snapshot),
        Err(wal::Error::NoSnapshot) => {
            crate::info!(
                "etcdserver/server.go:532",
                "No snapshot found. Recovering WAL from scratch!"
            );
            None
        }
        Err(error) => return Err(storage(error)),
    };
    let backend = recover_store(config, paths, &snapshotter, snapshot.as_ref(), had_db)?;

    let from = snapshot
        .as_ref()
        .map_or_else(walpb::Snapshot::default, |snapshot| walpb::Snapshot {
            index: snapshot.metadata.index,
            term: snapshot.metadata.term,
            conf_state: None,
        });
    let (mut wal, contents, repaired) =
        Wal::open_repairing(&paths.wal, &from, wal_options(config)).map_err(storage)?;
    if repaired {
        crate::info!("etcdserver/storage.go:110", "repaired WAL", "error" => "unexpected EOF");
    }
    let metadata = Metadata::decode(contents.metadata).map_err(|error| {
        EtcdError::Storage(format!("the log's metadata can't be read: {error}"))
    })?;
    let identity = Identity {
        cluster_id: metadata.cluster_id,
        member_id: metadata.node_id,
    };
    let mut hard_state = contents.hard_state;
    let mut entries = contents.entries;
    if config.force_new_cluster {
        force_alone(
            &mut wal,
            identity.member_id,
            snapshot.as_ref(),
            &mut hard_state,
            &mut entries,
        )?;
    } else {
        crate::info!("etcdserver/raft.go:541", "restarting local member",
            "cluster-id" => format!("{:x}", identity.cluster_id),
            "local-member-id" => format!("{:x}", identity.member_id),
            "commit-index" => hard_state.commit);
    }
    let last = entries.last().map_or(from.index, |entry| entry.index);
    hard_state.commit = hard_state.commit.max(from.index);
    if hard_state.commit > last {
        return Err(EtcdError::Storage(format!(
            "tocommit({}) is out of range [lastIndex({last})]. Was the raft log corrupted, truncated, or lost?",
            hard_state.commit
        )));
    }
    // What the members are is told by the snapshot and the entries after it, which are
    // all applied again; the db only takes those that it has not seen.
    let membership = match &snapshot {
        Some(snapshot) => snapshots::membership(snapshot).map_err(storage)?,
        None => mvcc::Membership::default(),
    };
    let downgrade = backend.store.membership().downgrade.clone();
    backend.store.set_membership(mvcc::Membership {
        downgrade,
        ..membership
    });
    let metadata = snapshot.map(|snapshot| snapshot.metadata);
    let at = metadata.clone().unwrap_or_default();
    Ok(Boot {
        identity,
        backend,
        db_path: paths.db.clone(),
        wal,
        snapshotter,
        log: memory_log(metadata.as_ref(), hard_state, entries),
        applied: Applied {
            index: at.index,
            term: at.term,
            conf_state: at.conf_state,
            snapshot: at.index,
        },
        committed: hard_state.commit,
        remotes: Vec::new(),
    })
}

/// Opens the db. If the member died between saving the leader's snapshot and taking
/// its db over, that is made up for.
fn recover_store(
    config: &Config,
    paths: &Paths,
    snapshotter: &Snapshotter,
    snapshot: Option<&pb::Snapshot>,
    had_db: bool,
) -> Result<Backend, EtcdError> {
    let Some(metadata) = snapshot.map(|snapshot| &snapshot.metadata) else {
        return open_store(config, paths);
    };
    if had_db {
        let opened = open_store(config, paths)?;
        let index = opened.store.consistent_index();
        if index >= metadata.index {
            return Ok(opened);
        }
        if snapshotter.db_path(metadata.index).is_err() {
            if index == 0 {
                crate::warn!("etcdserver/server.go:654", "consistent index was never saved",
                    "snapshot-index" => metadata.index);
                return Ok(opened);
            }
            return Err(start_error(format!(
                "database file ({} index {index}) does not match with snapshot (index {})",
                paths.db.display(),
                metadata.index
            )));
        }
    }
    let came = snapshotter.db_path(metadata.index).map_err(|_| {
        start_error(format!(
            "database file ({}) of the backend is missing",
            paths.db.display()
        ))
    })?;
    fs::rename(&came, &paths.db).map_err(|error| {
        start_error(format!("failed to rename database snapshot file ({error})"))
    })?;
    open_store(config, paths)
}

/// `--force-new-cluster`: drops what is not committed and removes everyone else.
fn force_alone(
    wal: &mut Wal,
    own: u64,
    snapshot: Option<&pb::Snapshot>,
    hard_state: &mut HardState,
    entries: &mut Vec<pb::Entry>,
) -> Result<(), EtcdError> {
    entries.retain(|entry| entry.index <= hard_state.commit);
    let mut ids: BTreeSet<u64> = snapshot
        .map(|snapshot| &snapshot.metadata.conf_state)
        .into_iter()
        .flat_map(|state| state.voters.iter().chain(&state.learners).copied())
        .collect();
    for entry in entries
        .iter()
        .filter(|entry| entry.r#type() == EntryType::EntryConfChange)
    {
        let change = ConfChange::decode(entry.data().to_vec().as_slice()).map_err(|error| {
            EtcdError::Storage(format!("log entry {} can't be read: {error}", entry.index))
        })?;
        match change.r#type() {
            ConfChangeType::ConfChangeAddNode | ConfChangeType::ConfChangeAddLearnerNode => {
                ids.insert(change.node_id);
            }
            ConfChangeType::ConfChangeRemoveNode => {
                ids.remove(&change.node_id);
            }
            ConfChangeType::ConfChangeUpdateNode => {}
        }
    }
    let mut added = Vec::new();
    let mut push = |kind, id, context| {
        let index = hard_state.commit + 1 + added.len() as u64;
        added.push(change_entry(hard_state.term, index, kind, id, context));
    };
    // Itself first: a cluster without any voter can't go on.
    if !ids.contains(&own) {
        let member = Member {
            id: own,
            peer_urls: vec!["http://localhost:2380".into()],
            ..Member::default()
        };
        push(
            ConfChangeType::ConfChangeAddNode,
            own,
            Some(mvcc::member_to_json(&member)),
        );
    }
    for id in ids.into_iter().filter(|id| *id != own) {
        push(ConfChangeType::ConfChangeRemoveNode, id, None);
    }
    wal.save(&HardState::default(), &added).map_err(storage)?;
    entries.extend(added);
    if let Some(last) = entries.last() {
        hard_state.commit = last.index;
    }
    crate::info!("etcdserver/raft.go:618", "forcing restart member",
        "local-member-id" => format!("{own:x}"), "commit-index" => hard_state.commit);
    Ok(())
}

/// `--initial-cluster` as members.
struct Initial {
    own: Member,
    members: Vec<Member>,
}

impl Initial {
    /// Checks what can be checked without a network (`VerifyBootstrap`,
    /// `VerifyJoinExisting`).
    fn of(config: &Config) -> Result<Self, EtcdError> {
        let shown = || {
            let pairs: Vec<_> = config
                .initial_cluster
                .iter()
                .map(|(name, url)| format!("{name}={url}"))
                .collect();
            pairs.join(",")
        };
        let names: BTreeSet<_> = config
            .initial_cluster
            .iter()
            .map(|(name, _)| name)
            .collect();
        let members: Vec<_> = names
            .into_iter()
            .map(|name| {
                let mut urls: Vec<_> = config
                    .initial_cluster
                    .iter()
                    .filter(|(of, _)| of == name)
                    .map(|(_, url)| url.clone())
                    .collect();
                urls.sort();
                Member {
                    id: mvcc::member_id(&urls, &config.token, None),
                    peer_urls: urls,
                    name: name.clone(),
                    ..Member::default()
                }
            })
            .collect();
        let Some(own) = members
            .iter()
            .find(|member| member.name == config.name)
            .cloned()
        else {
            return Err(start_error(format!(
                "couldn't find local name \"{}\" in the initial cluster configuration",
                config.name
            )));
        };
        let urls: Vec<_> = members
            .iter()
            .flat_map(|member| &member.peer_urls)
            .collect();
        if urls.iter().collect::<BTreeSet<_>>().len() < urls.len() {
            return Err(start_error(format!(
                "initial cluster {} has duplicate url",
                shown()
            )));
        }
        if !same_urls(&own.peer_urls, &config.peer_urls) {
            return Err(mismatch(&own, config));
        }
        let id_of = |member: &Member| member.id;
        if members.iter().map(id_of).collect::<BTreeSet<_>>().len() < members.len() {
            return Err(start_error("member exists with identical ID"));
        }
        Ok(Self { own, members })
    }

    fn identity(&self, cluster_id: u64) -> Identity {
        Identity {
            cluster_id,
            member_id: self.own.id,
        }
    }

    fn other_urls(&self) -> Vec<String> {
        let others = self
            .members
            .iter()
            .filter(|member| member.name != self.own.name);
        let mut urls: Vec<_> = others.flat_map(|member| member.peer_urls.clone()).collect();
        urls.sort();
        urls
    }

    /// Refuses to be born twice: a cluster that runs knows its members.
    async fn check_not_bootstrapped(
        &self,
        config: &Config,
        peers: &dyn PeerClient,
    ) -> Result<(), EtcdError> {
        // All at once, and not for long: members that start together listen before they
        // can answer. A round trip is at most a tenth of the election timeout.
        let timeout = Duration::from_millis(config.election_ms / 2);
        let asked = self
            .other_urls()
            .into_iter()
            .map(|url| peers.members(url, timeout));
        for answer in futures_util::future::join_all(asked)
            .await
            .into_iter()
            .flatten()
        {
            let known = parse_members(&answer.members_json).unwrap_or_default();
            let published =
                |member: &Member| member.id == self.own.id && !member.client_urls.is_empty();
            if known.iter().any(published) {
                return Err(start_error(format!(
                    "member {:x} has already been bootstrapped",
                    self.own.id
                )));
            }
        }
        Ok(())
    }

    /// Learns the ids from a cluster that runs; its members are matched by peer URLs.
    async fn join(
        mut self,
        _config: &Config,
        peers: &dyn PeerClient,
    ) -> Result<(Identity, Vec<Member>, Vec<Member>), EtcdError> {
        let mut found = None;
        for url in self.other_urls() {
            match peers.members(url.clone(), Duration::from_secs(10)).await {
                Ok(answer) => match parse_members(&answer.members_json) {
                    Ok(members) if members.is_empty() => {
                        return Err(start_error(
                            "cannot fetch cluster info from peer urls: failed to get raft cluster member(s) from the given URLs",
                        ));
                    }
                    Ok(members) => {
                        found = Some((answer.cluster_id, members));
                        break;
                    }
                    Err(error) => {
                        crate::warn!("etcdserver/cluster_util.go:94", "failed to unmarshal cluster response",
                        "address" => format!("{url}/members"), "error" => error)
                    }
                },
                Err(error) => {
                    crate::warn!("etcdserver/cluster_util.go:79", "failed to get cluster response",
                    "address" => format!("{url}/members"), "error" => error.to_string())
                }
            }
        }
        let Some((cluster_id, existing)) = found else {
            return Err(start_error(
                "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs",
            ));
        };
        let invalid = |why: String| start_error(format!("error validating peerURLs: {why}"));
        if existing.len() != self.members.len() {
            return Err(invalid("member count is unequal".into()));
        }
        for member in &existing {
            let local = self
                .members
                .iter_mut()
                .find(|local| same_urls(&local.peer_urls, &member.peer_urls))
                .ok_or_else(|| {
                    invalid(format!(
                        "PeerURLs: no match found for existing member ({:x}, [{}])",
                        member.id,
                        member.peer_urls.join(" ")
                    ))
                })?;
            local.id = member.id;
            if local.name == self.own.name {
                self.own.id = member.id;
            }
        }
        check_compatible(&existing, self.own.id, peers).await?;
        Ok((self.identity(cluster_id), self.members, existing))
    }
}

/// A member may join if the cluster's version is not above its own, as far as anyone
/// tells (`isCompatibleWithCluster`).
async fn check_compatible(
    existing: &[Member],
    own: u64,
    peers: &dyn PeerClient,
) -> Result<(), EtcdError> {
    let number = |version: &str| {
        let mut parts = version.split('.').map(str::parse::<u64>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    let highest = number(super::VERSION);
    let mut told = false;
    for member in existing.iter().filter(|member| member.id != own) {
        for url in &member.peer_urls {
            let Ok(versions) = peers.version(url.clone(), Duration::from_secs(5)).await else {
                continue;
            };
            if let Some(version) = number(&versions.cluster) {
                if version < (3, 0) || Some(version) > highest {
                    return Err(start_error("incompatible with current running cluster"));
                }
                told = true;
            }
            break;
        }
    }
    if told {
        Ok(())
    } else {
        Err(start_error("incompatible with current running cluster"))
    }
}

fn cluster_id(members: &[Member]) -> u64 {
    mvcc::cluster_id(members.iter().map(|member| member.id))
}

/// True if both lists name the same places, by text or, failing that, by address.
fn same_urls(left: &[String], right: &[String]) -> bool {
    let texts = |urls: &[String]| -> BTreeSet<String> {
        urls.iter()
            .map(|url| url.trim_end_matches('/').to_owned())
            .collect()
    };
    if texts(left) == texts(right) {
        return true;
    }
    let resolve = |urls: &[String]| -> Option<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for url in urls {
            let (scheme, rest) = url.split_once("://")?;
            let address = rest.trim_end_matches('/').to_socket_addrs().ok()?.next()?;
            found.insert(format!("{scheme}://{address}"));
        }
        Some(found)
    };
    left.len() == right.len() && resolve(left).is_some_and(|found| Some(found) == resolve(right))
}

/// The words of `advertiseMatchesCluster`.
fn mismatch(own: &Member, config: &Config) -> EtcdError {
    let missing = |from: &[String], other: &[String]| -> Vec<String> {
        let gone = from.iter().filter(|url| !other.contains(url));
        gone.map(|url| format!("{}={url}", config.name)).collect()
    };
    let initial = missing(&own.peer_urls, &config.peer_urls);
    if !initial.is_empty() {
        return start_error(format!(
            "--initial-cluster has {} but missing from --initial-advertise-peer-urls={} (failed to resolve {} to match --initial-cluster={} (\"{}\"(resolved from \"{}\") != \"{}\"(resolved from \"{}\")))",
            initial.join(","),
            config.peer_urls.join(","),
            config.peer_urls.join(","),
            initial.join(","),
            config.peer_urls.join(","),
            config.peer_urls.join(","),
            own.peer_urls.join(","),
            own.peer_urls.join(","),
        ));
    }
    let advertised = missing(&config.peer_urls, &own.peer_urls);
    let all: Vec<_> = config
        .peer_urls
        .iter()
        .map(|url| format!("{}={url}", config.name))
        .collect();
    start_error(format!(
        "--initial-advertise-peer-urls has {} but missing from --initial-cluster={}",
        advertised.join(","),
        all.join(",")
    ))
}

/// Reads a list of members as `/members` answers it.
pub(crate) fn parse_members(json: &[u8]) -> Result<Vec<Member>, String> {
    let list: Vec<serde_json::Value> =
        serde_json::from_slice(json).map_err(|error| error.to_string())?;
    list.iter()
        .map(|value| mvcc::member_from_json(value.to_string().as_bytes()))
        .collect()
}

/// What a member publishes about itself, in the order of Go's fields.
pub(crate) fn attributes_json(name: &str, client_urls: &[String]) -> String {
    #[derive(Serialize)]
    struct Attributes<'a> {
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        #[serde(rename = "clientURLs", skip_serializing_if = "<[String]>::is_empty")]
        client_urls: &'a [String],
    }
    // A struct of strings always encodes.
    serde_json::to_string(&Attributes { name, client_urls }).unwrap_or_default()
}
