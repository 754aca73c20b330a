//! `etcdutl backup`: a copy of a data directory that belongs to no cluster, for
//! `etcd --force-new-cluster` (`etcdutl/backup_command.go` of 3.5.16). What it makes
//! appears at its place when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bolt::{Db, Options};
use mvcc::Member;
use prost::Message as _;
use wire::etcdserverpb::{InternalRaftRequest, Request};
use wire::raftpb::{self, Entry, EntryType};
use wire::walpb;

use super::{OfflineError, database_file, open, snap_dir, wal_dir};
use crate::log::{Field, Level, console};

/// What is copied, and where to.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Its log, when that is elsewhere.
    pub wal_dir: Option<PathBuf>,
    /// The directory to make.
    pub backup_dir: PathBuf,
    /// Its log, when that is to be elsewhere.
    pub backup_wal_dir: Option<PathBuf>,
    /// Copy what API 3 stored; without it only what API 2 stored.
    pub with_v3: bool,
}

/// The one member that a backup knows, which the flag below replaces.
const MEMBER_NAME: &str = "etcdctl-v2-backup";
const PEER_URL: &str = "http://use-flag--force-new-cluster:2080";

/// Makes the copy.
pub fn backup(plan: &Backup) -> Result<(), OfflineError> {
    let source_wal = plan
        .wal_dir
        .clone()
        .unwrap_or_else(|| wal_dir(&plan.data_dir));
    let target_wal = plan
        .backup_wal_dir
        .clone()
        .unwrap_or_else(|| wal_dir(&plan.backup_dir));
    let target_snap = snap_dir(&plan.backup_dir);
    for dir in [&target_snap, &target_wal] {
        demand_empty(dir)?;
    }
    let member = lonely_member()?;
    let work = Work::begin(&plan.backup_dir, plan.backup_wal_dir.as_deref())?;
    let from = copy_snapshot(&plan.data_dir, &work.member.join("snap"), &member)?;
    let log = read_log(&source_wal, &from, plan.with_v3)?;
    copy_database(plan, &work.member.join("snap").join("db"), &member, &log)?;
    write_log(&work.wal, &log, &from)?;
    work.finish()
}

fn demand_empty(dir: &Path) -> Result<(), OfflineError> {
    let occupied = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    match occupied {
        true => Err(OfflineError::Other(format!(
            "{} is not empty; a backup needs a place of its own",
            dir.display()
        ))),
        false => Ok(()),
    }
}

/// A member with an ID that no other backup has.
fn lonely_member() -> Result<Member, OfflineError> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // The low 48 bits tell the time in milliseconds and a count, as
    // `pkg/idutil` of the reference has it.
    let id = ((since.as_millis() as u64) << 8) & 0xffff_ffff_ffff | 1;
    Ok(Member {
        id,
        name: MEMBER_NAME.into(),
        peer_urls: vec![PEER_URL.into()],
        ..Member::default()
    })
}

/// Directories under names that no etcd looks at, until they are whole.
struct Work {
    member: PathBuf,
    wal: PathBuf,
    renames: Vec<(PathBuf, PathBuf)>,
    /// The backup's directory, if it was not there before.
    made: Option<PathBuf>,
    done: bool,
}

impl Work {
    fn begin(backup_dir: &Path, wal: Option<&Path>) -> Result<Self, OfflineError> {
        let made = (!backup_dir.exists()).then(|| backup_dir.to_owned());
        let part = backup_dir.join("member.copying");
        // What an earlier attempt left under this name is nobody's.
        let _ = fs::remove_dir_all(&part);
        make_dir(&part.join("snap"))?;
        let mut renames = Vec::new();
        let wal = match wal {
            None => part.join("wal"),
            Some(dir) => {
                let mut name = dir.as_os_str().to_owned();
                name.push(".copying");
                let wal = PathBuf::from(name);
                let _ = fs::remove_dir_all(&wal);
                if let Some(parent) = wal.parent().filter(|p| !p.as_os_str().is_empty()) {
                    make_dir(parent)?;
                }
                renames.push((wal.clone(), dir.to_owned()));
                wal
            }
        };
        renames.push((part.clone(), backup_dir.join("member")));
        Ok(Self {
            member: part,
            wal,
            renames,
            made,
            done: false,
        })
    }

    fn finish(mut self) -> Result<(), OfflineError> {
        for (from, to) in &self.renames {
            // An empty directory may stand there, with empty ones in it.
            let _ = fs::remove_dir(to.join("snap"));
            let _ = fs::remove_dir(to.join("wal"));
            let _ = fs::remove_dir(to);
            fs::rename(from, to).map_err(OfflineError::file("rename", from))?;
            let parent = to.parent().filter(|p| !p.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            File::open(parent)
                .and_then(|dir| dir.sync_all())
                .map_err(OfflineError::file("sync", parent))?;
        }
        self.done = true;
        Ok(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.done {
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
}

fn make_dir(dir: &Path) -> Result<(), OfflineError> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(OfflineError::file("mkdir", dir))
}

/// Copies the newest raft snapshot with the new membership; gives the record that
/// the log must have of it. Without a snapshot that is the beginning.
fn copy_snapshot(
    data_dir: &Path,
    target: &Path,
    member: &Member,
) -> Result<walpb::Snapshot, OfflineError> {
    let newest = newest_snapshot(&snap_dir(data_dir))?;
    let Some(mut snapshot) = newest else {
        return Ok(walpb::Snapshot::default());
    };
    let conf_state = raftpb::ConfState {
        voters: vec![member.id],
        ..Default::default()
    };
    snapshot.metadata.conf_state = conf_state.clone();
    snapshot.data = Some(translate(&snapshot.data.unwrap_or_default(), member)?.into());
    wal::Snapshotter::new(target).save(&snapshot)?;
    Ok(walpb::Snapshot {
        index: snapshot.metadata.index,
        term: snapshot.metadata.term,
        conf_state: Some(conf_state),
    })
}

/// The newest `.snap` file that can be read. The source is left as it is.
fn newest_snapshot(dir: &Path) -> Result<Option<raftpb::Snapshot>, OfflineError> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(OfflineError::file("open", dir))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "snap"))
        .collect();
    files.sort();
    let mut readable = files.iter().rev().filter_map(|file| {
        let read = wal::Snapshotter::read(file);
        if let Err(error) = &read {
            let fields = [
                Field::text("path", &file.display().to_string()),
                Field::text("error", &error.to_string()),
            ];
            console(
                Level::Warn,
                "snap/snapshotter.go:146",
                "failed to read a snap file",
                &fields,
            );
        }
        read.ok()
    });
    Ok(readable.next())
}

/// The v2 store with the new membership in the place of the old one.
fn translate(document: &[u8], member: &Member) -> Result<Vec<u8>, OfflineError> {
    let failed = |error: &dyn std::fmt::Display| {
        OfflineError::Other(format!("cannot translate v2store: {error}"))
    };
    let mut store: serde_json::Value =
        serde_json::from_slice(document).map_err(|error| failed(&error))?;
    let mine = wal::v2store::document(
        &[wal::v2store::Member {
            id: member.id,
            peer_urls: member.peer_urls.clone(),
            ..Default::default()
        }],
        &[],
        None,
    );
    let mine: serde_json::Value = serde_json::from_slice(&mine).map_err(|error| failed(&error))?;
    let cluster = store
        .pointer_mut("/Root/Children/0/Children")
        .and_then(serde_json::Value::as_object_mut)
        .ok_or_else(|| failed(&"it has no directory /0"))?;
    let count = |name: &str| {
        let entries = cluster.get(name).and_then(|dir| dir.get("Children"));
        entries
            .and_then(serde_json::Value::as_object)
            .map_or(0, |all| all.len() as u64)
    };
    // Each removal is a change of the store, and so is the new member.
    let changes = count("members") + count("removed_members") + 1;
    cluster.remove("removed_members");
    let members = mine
        .pointer("/Root/Children/0/Children/members")
        .cloned()
        .ok_or_else(|| failed(&"it has no directory /0/members"))?;
    cluster.insert("members".into(), members);
    let index = store["CurrentIndex"].as_u64().unwrap_or_default();
    store["CurrentIndex"] = (index + changes).into();
    serde_json::to_vec(&store).map_err(|error| failed(&error))
}

/// A log without what belongs to the old cluster.
fn read_log(
    dir: &Path,
    from: &walpb::Snapshot,
    with_v3: bool,
) -> Result<wal::Contents, OfflineError> {
    let mut contents = match wal::read_all(dir, from) {
        Err(wal::Error::SnapshotNotFound) => {
            let fields = [Field::text("srcWAL", &dir.display().to_string())];
            console(
                Level::Warn,
                "etcdutl/backup_command.go:203",
                "failed to find the match snapshot record",
                &fields,
            );
            return Err(OfflineError::Log(wal::Error::SnapshotNotFound));
        }
        other => other?,
    };
    for entry in &mut contents.entries {
        if let Some(why) = foreign(entry, with_v3) {
            console(Level::Info, "etcdutl/backup_command.go:212", why, &[]);
            // An empty entry changes nothing, and indexes stay what they are.
            entry.r#type = EntryType::EntryNormal.into();
            entry.data = None;
        }
    }
    Ok(contents)
}

/// Why an entry has no place in a backup; `None` when it has one.
fn foreign(entry: &Entry, with_v3: bool) -> Option<&'static str> {
    if entry.r#type() != EntryType::EntryNormal {
        return Some("ignoring EntryConfChange raft entry");
    }
    let data = entry.data.clone().unwrap_or_default();
    let (request, v2) = match InternalRaftRequest::decode(data.clone()) {
        Ok(request) => {
            let v2 = request.v2.clone();
            (Some(request), v2)
        }
        // Entries of API 2 are plain requests.
        Err(_) => (None, Request::decode(data).ok()),
    };
    if v2.is_some_and(|v2| {
        v2.method == "PUT" && is_member_attributes(&String::from_utf8_lossy(&v2.path))
    }) {
        return Some("ignoring member attribute update on");
    }
    let request = request?;
    if request.cluster_member_attr_set.is_some() {
        return Some("ignoring cluster_member_attr_set");
    }
    (!with_v3 && request.header.is_some()).then_some("ignoring v3 raft entry")
}

/// `/0/members/ID/attributes`.
fn is_member_attributes(path: &str) -> bool {
    path.strip_prefix("/0/members/")
        .and_then(|rest| rest.strip_suffix("/attributes"))
        .is_some_and(|id| (1..=16).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn copy_database(
    plan: &Backup,
    target: &Path,
    member: &Member,
    log: &wal::Contents,
) -> Result<(), OfflineError> {
    if plan.with_v3 {
        let path = database_file(&plan.data_dir);
        let source = open(&path, true)?;
        let failed = OfflineError::database(&path);
        let tx = source.begin_read().map_err(&failed)?;
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(target)
            .map_err(OfflineError::file("open", target))?;
        tx.write_to(&mut out).map_err(&failed)?;
        out.flush()
            .and_then(|()| out.sync_all())
            .map_err(OfflineError::file("write", target))?;
    }
    console(
        Level::Info,
        "membership/store.go:141",
        "Trimming membership information from the backend...",
        &[],
    );
    let failed = OfflineError::database(target);
    let db = Db::open(target, Options::default()).map_err(&failed)?;
    let mut tx = db.begin_write().map_err(&failed)?;
    for bucket in [&b"cluster"[..], b"members", b"members_removed"] {
        if tx.has_bucket(bucket).map_err(&failed)? {
            tx.delete_bucket(bucket).map_err(&failed)?;
        }
        tx.create_bucket(bucket).map_err(&failed)?;
    }
    let key = format!("{:x}", member.id);
    let value = mvcc::member_to_json(member);
    tx.put(b"members", key.as_bytes(), value.as_bytes())
        .map_err(&failed)?;
    if !plan.with_v3 {
        tx.create_bucket_if_missing(b"meta").map_err(&failed)?;
        let state = &log.hard_state;
        for (name, number) in [
            (&b"consistent_index"[..], state.commit),
            (b"term", state.term),
        ] {
            tx.put(b"meta", name, &number.to_be_bytes())
                .map_err(&failed)?;
        }
    }
    tx.commit().map_err(&failed)?;
    db.close().map_err(&failed)
}

fn write_log(dir: &Path, log: &wal::Contents, from: &walpb::Snapshot) -> Result<(), OfflineError> {
    let mut wal = wal::Wal::create(dir, log.metadata.clone())?;
    wal.save(&log.hard_state, &log.entries)?;
    wal.save_snapshot(from)?;
    Ok(wal.close()?)
}

#[cfg(test)]
mod tests {
    use super::is_member_attributes;

    #[test]
    fn paths_of_members() {
        assert!(is_member_attributes(
            "/0/members/8e9e05c52164694d/attributes"
        ));
        assert!(!is_member_attributes(
            "/0/members/8e9e05c52164694d/raftAttributes"
        ));
        assert!(!is_member_attributes("/1/members/x/attributes"));
    }
}
