//! `snapshot restore`: a data directory for a member of a new cluster.
//!
//! What is written equals etcd 3.5.16's `etcdutl/snapshot/v3_snapshot.go`: the
//! database with other members and another consistent index, a log that begins
//! with the members' arrival, a raft snapshot that has seen it. Other than there
//! nothing appears at its final place before it is whole.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bolt::{Db, Options, WriteTx};
use prost::Message as _;
use wire::etcdserverpb::Metadata;
use wire::{raftpb, walpb};

use super::cluster::NewCluster;
use super::copy::{Copied, Source};
use super::error::SnapshotError;
use super::status::main_revision;
use crate::log::{Field, Level, console};

/// What is to be restored, and into what.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The snapshot file, or a copied database.
    pub snapshot: PathBuf,
    /// Name of the member.
    pub name: String,
    /// The directory to make; it may exist when it is empty.
    pub data_dir: PathBuf,
    /// The log's directory, which must not exist; `None` puts it into `data_dir`.
    pub wal_dir: Option<PathBuf>,
    /// The member's peer URLs.
    pub peer_urls: Vec<String>,
    /// All members as `name=url,…`.
    pub initial_cluster: String,
    /// The new cluster's token.
    pub token: String,
    /// Take the file as it is, with or without a hash at its end.
    pub skip_hash_check: bool,
    /// Add so much to the latest revision and mark it as compacted.
    pub revision_bump: Option<u64>,
    /// Only told in log lines.
    pub memory_map_size: u64,
}

/// The term of everything that a restored log begins with.
const TERM: u64 = 1;

/// The name of `member` while it isn't whole.
const PART: &str = "member.restoring";

/// Restores; gives nothing but the directory.
pub fn restore(options: &RestoreOptions) -> Result<(), SnapshotError> {
    let cluster = NewCluster::from_flags(
        &options.name,
        &options.initial_cluster,
        &options.token,
        &options.peer_urls,
    )?;
    let data_dir = &options.data_dir;
    if data_dir.exists() && !is_empty(data_dir) {
        return Err(SnapshotError::DataDir(data_dir.clone()));
    }
    let member = clean(&data_dir.join("member"));
    let wal_dir = options
        .wal_dir
        .clone()
        .unwrap_or_else(|| member.join("wal"));
    if wal_dir.exists() {
        return Err(SnapshotError::WalDir(wal_dir));
    }
    let progress = [
        Field::text("path", &options.snapshot.display().to_string()),
        Field::text("wal-dir", &wal_dir.display().to_string()),
        Field::text("data-dir", &data_dir.display().to_string()),
        Field::text("snap-dir", &member.join("snap").display().to_string()),
        Field::number("initial-memory-map-size", options.memory_map_size),
    ];
    console(
        Level::Info,
        "snapshot/v3_snapshot.go:265",
        "restoring snapshot",
        &progress,
    );

    let source = Source::open(&options.snapshot)?;
    let mut work = Workplace::prepare(data_dir, &member, options.wal_dir.as_deref())?;
    let snap_dir = work.member.join("snap");
    make_dir(&snap_dir)?;
    let copied = source.copy_to(&snap_dir.join("db"), options.skip_hash_check)?;
    rewrite(copied, &cluster, options.revision_bump)?;
    write_log(&work.wal, &snap_dir, &cluster)?;
    work.finish()?;
    console(
        Level::Info,
        "snapshot/v3_snapshot.go:293",
        "restored snapshot",
        &progress,
    );
    Ok(())
}

/// Whether nothing is in the directory but what an interrupted restore left.
fn is_empty(dir: &Path) -> bool {
    let mut entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(_) => return false,
    };
    entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == PART))
}

/// Leaves out what Go's `filepath.Join` leaves out.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) =>
            {
                cleaned.pop();
            }
            part => cleaned.push(part),
        }
    }
    cleaned
}

fn make_dir(dir: &Path) -> Result<(), SnapshotError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| SnapshotError::file("mkdir", dir, error))
}

/// The directories under names that no etcd looks at, until they are whole.
struct Workplace {
    member: PathBuf,
    wal: PathBuf,
    /// From the names of now to the final ones, in the order of renaming.
    renames: Vec<(PathBuf, PathBuf)>,
    /// Removed when the work fails: it was made for it.
    made: Option<PathBuf>,
    done: bool,
}

impl Workplace {
    fn prepare(
        data_dir: &Path,
        member: &Path,
        wal_dir: Option<&Path>,
    ) -> Result<Self, SnapshotError> {
        let made = (!data_dir.exists()).then(|| data_dir.to_owned());
        make_dir(data_dir)?;
        let part = data_dir.join(PART);
        // What an earlier attempt left under this name is nobody's.
        let _ = fs::remove_dir_all(&part);
        let mut renames = Vec::new();
        let wal = match wal_dir {
            None => part.join("wal"),
            Some(dir) => {
                let mut name = clean(dir).into_os_string();
                name.push(".restoring");
                let wal = PathBuf::from(name);
                if let Some(parent) = wal.parent().filter(|p| !p.as_os_str().is_empty()) {
                    make_dir(parent)?;
                }
                // What an earlier attempt left under this name is nobody's.
                let _ = fs::remove_dir_all(&wal);
                renames.push((wal.clone(), dir.to_owned()));
                wal
            }
        };
        renames.push((part.clone(), member.to_owned()));
        Ok(Self {
            member: part,
            wal,
            renames,
            made,
            done: false,
        })
    }

    /// Puts the directories in their places: all of them, or none.
    fn finish(&mut self) -> Result<(), SnapshotError> {
        sync_dir(&self.member.join("snap"))?;
        sync_dir(&self.member)?;
        for (count, (from, to)) in self.renames.iter().enumerate() {
            if let Err(error) = fs::rename(from, to) {
                for (from, to) in &self.renames[..count] {
                    // Back under its old name it is removed with the rest.
                    let _ = fs::rename(to, from);
                }
                return Err(SnapshotError::file("rename", from, error));
            }
        }
        self.done = true;
        for (_, to) in &self.renames {
            let parent = to.parent().filter(|p| !p.as_os_str().is_empty());
            sync_dir(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }
}

fn sync_dir(dir: &Path) -> Result<(), SnapshotError> {
    File::open(dir)
        .and_then(|file| file.sync_all())
        .map_err(|error| SnapshotError::file("sync", dir, error))
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        for (from, _) in &self.renames {
            // What can't be removed has a name that says what it is.
            let _ = fs::remove_dir_all(from);
        }
        if let Some(dir) = &self.made {
            // Not empty means that someone else has put something there.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Puts the new members in the place of the old ones. One transaction: the
/// reference takes four, but nobody can see the file in between.
fn rewrite(
    copied: Copied,
    cluster: &NewCluster,
    revision_bump: Option<u64>,
) -> Result<(), SnapshotError> {
    let db =
        Db::open_with(Arc::new(copied), Options::default()).map_err(SnapshotError::database)?;
    let mut tx = db.begin_write().map_err(SnapshotError::database)?;
    console(
        Level::Info,
        "membership/store.go:141",
        "Trimming membership information from the backend...",
        &[],
    );
    for bucket in [&b"members"[..], b"members_removed"] {
        empty(&mut tx, bucket).map_err(SnapshotError::database)?;
    }
    // A database that no server has opened may lack them.
    for bucket in [&b"members"[..], b"members_removed", b"cluster", b"meta"] {
        tx.create_bucket_if_missing(bucket)
            .map_err(SnapshotError::database)?;
    }
    if let Some(amount) = revision_bump {
        bump(&mut tx, amount)?;
    }
    for member in &cluster.members {
        let key = format!("{:x}", member.id);
        tx.put(
            b"members",
            key.as_bytes(),
            mvcc::member_to_json(member).as_bytes(),
        )
        .map_err(SnapshotError::database)?;
        let fields = [
            Field::text("cluster-id", &format!("{:x}", cluster.id)),
            Field::text("local-member-id", "0"),
            Field::text("added-peer-id", &key),
            Field::texts("added-peer-peer-urls", &member.peer_urls),
        ];
        console(
            Level::Info,
            "membership/cluster.go:421",
            "added member",
            &fields,
        );
    }
    let index = cluster.members.len() as u64;
    tx.put(b"meta", b"consistent_index", &index.to_be_bytes())
        .map_err(SnapshotError::database)?;
    tx.put(b"meta", b"term", &TERM.to_be_bytes())
        .map_err(SnapshotError::database)?;
    tx.commit().map_err(SnapshotError::database)?;
    db.close().map_err(SnapshotError::database)
}

fn empty(tx: &mut WriteTx, bucket: &[u8]) -> bolt::Result<()> {
    if !tx.has_bucket(bucket)? {
        return Ok(());
    }
    let mut keys = Vec::new();
    {
        let mut cursor = tx.cursor(bucket)?;
        let mut pair = cursor.first()?;
        while let Some((key, _)) = pair {
            keys.push(key);
            pair = cursor.next()?;
        }
    }
    for key in keys {
        tx.delete(bucket, &key)?;
    }
    Ok(())
}

/// Raises the latest revision, so that watchers never see one go back, and marks
/// everything before as compacted, so that no one reads a revision that never was.
fn bump(tx: &mut WriteTx, amount: u64) -> Result<(), SnapshotError> {
    let latest = tx
        .cursor(b"key")
        .and_then(|mut cursor| cursor.last())
        .map_err(SnapshotError::database)?;
    let latest = latest.and_then(|(key, _)| main_revision(&key)).unwrap_or(0);
    let new = latest.wrapping_add(amount as i64);
    let fields = [
        Field::number("latest-revision", latest),
        Field::number("bump-amount", amount as i64),
        Field::number("new-latest-revision", new),
    ];
    console(
        Level::Info,
        "snapshot/v3_snapshot.go:356",
        "bumping latest revision",
        &fields,
    );
    let key = revision_key(new);
    tx.put(b"key", &key, b"").map_err(SnapshotError::database)?;
    console(
        Level::Info,
        "snapshot/v3_snapshot.go:373",
        "marking revision compacted",
        &[Field::number("revision", new)],
    );
    tx.put(b"meta", b"scheduledCompactRev", &key)
        .map_err(SnapshotError::database)
}

/// Main and sub revision as the bucket `key` has them: `main_sub`, big endian.
fn revision_key(main: i64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&main.to_be_bytes());
    key[8] = b'_';
    key
}

/// The log with the members' arrival, and the raft snapshot after it.
fn write_log(wal_dir: &Path, snap_dir: &Path, cluster: &NewCluster) -> Result<(), SnapshotError> {
    let failed = |error: wal::Error| SnapshotError::Log(error.to_string());
    let metadata = Metadata {
        node_id: cluster.local,
        cluster_id: cluster.id,
    };
    let mut log = wal::Wal::create(wal_dir, metadata.encode_to_vec()).map_err(failed)?;
    let entries: Vec<raftpb::Entry> = (1..)
        .zip(&cluster.members)
        .map(|(index, member)| entry(index, member))
        .collect();
    let commit = entries.len() as u64;
    let first = cluster.members.first().map_or(0, |member| member.id);
    log.save(
        &raftpb::HardState {
            term: TERM,
            vote: first,
            commit,
        },
        &entries,
    )
    .map_err(failed)?;

    let voters: Vec<u64> = cluster.members.iter().map(|member| member.id).collect();
    let conf_state = raftpb::ConfState {
        voters,
        ..Default::default()
    };
    let members: Vec<wal::v2store::Member> = cluster
        .members
        .iter()
        .map(|member| wal::v2store::Member {
            id: member.id,
            peer_urls: member.peer_urls.clone(),
            ..Default::default()
        })
        .collect();
    let snapshot = raftpb::Snapshot {
        data: Some(wal::v2store::document(&members, &[], None).into()),
        metadata: raftpb::SnapshotMetadata {
            conf_state: conf_state.clone(),
            index: commit,
            term: TERM,
        },
    };
    wal::Snapshotter::new(snap_dir)
        .save(&snapshot)
        .map_err(failed)?;
    log.save_snapshot(&walpb::Snapshot {
        index: commit,
        term: TERM,
        conf_state: Some(conf_state),
    })
    .map_err(failed)?;
    log.close().map_err(failed)
}

fn entry(index: u64, member: &mvcc::Member) -> raftpb::Entry {
    let change = raftpb::ConfChange {
        r#type: raftpb::ConfChangeType::ConfChangeAddNode.into(),
        node_id: member.id,
        context: Some(mvcc::member_to_json(member).into_bytes().into()),
        id: 0,
    };
    raftpb::Entry {
        r#type: raftpb::EntryType::EntryConfChange.into(),
        term: TERM,
        index,
        data: Some(change.encode_to_vec().into()),
    }
}
