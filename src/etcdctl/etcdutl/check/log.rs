//! The log and the raft snapshots, and whether they fit to the database.

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use wire::etcdserverpb::Metadata;
use wire::walpb;

use super::super::{OfflineError, snap_dir};
use super::database::State;
use super::{Report, relative};

/// Looks at the log of a data directory.
pub fn check(
    data_dir: &Path,
    wal: &Path,
    state: Option<&State>,
    report: &mut Report,
) -> Result<(), OfflineError> {
    let place = relative(data_dir, wal).display().to_string();
    if !wal.is_dir() {
        report.error(
            place,
            "there is no log; when it is elsewhere, name it with --wal-dir",
        );
        return Ok(());
    }
    let audit = match wal::audit(wal) {
        Ok(audit) => audit,
        Err(wal::Error::FileNotFound) => {
            report.error(place, "there is no segment in it");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    report.looked_at.push(format!(
        "{place}: {} segments, entries {} to {}, commit {}, term {}",
        audit.segments.len(),
        audit.first_index,
        audit.last_index,
        audit.hard_state.commit,
        audit.hard_state.term
    ));
    let last = audit.segments.last().map(wal::Segment::file_name);
    if audit.torn {
        report.note(
            format!("{place}/{}", last.unwrap_or_default()),
            "ends in a record that a crash tore; a member cuts it off when it starts",
        );
    }
    if let Some(damage) = &audit.damage {
        let what = match damage.error {
            wal::Error::FileNotFound => "the segment before it is missing".to_owned(),
            ref error => error.to_string(),
        };
        report.error(
            format!("{place}/{}, byte {}", damage.file, damage.offset),
            what,
        );
    }
    let local = match Metadata::decode(audit.metadata.clone()) {
        Ok(metadata) if metadata.node_id != 0 => Some(metadata.node_id),
        _ => {
            report.error(&place, "it does not say whose log it is");
            None
        }
    };
    let snapshot = snapshots(data_dir, &audit.snapshots, report)?;
    if audit.damage.is_none() {
        fits(&place, &audit, &snapshot, state, local, report);
    }
    Ok(())
}

/// Looks at the raft snapshots; gives the newest that a member can start from.
fn snapshots(
    data_dir: &Path,
    recorded: &[walpb::Snapshot],
    report: &mut Report,
) -> Result<walpb::Snapshot, OfflineError> {
    let dir = snap_dir(data_dir);
    let mut files: Vec<PathBuf> = match fs::read_dir(&dir) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect(),
        Err(error) => return Err(OfflineError::file("open", &dir)(error)),
    };
    files.sort();
    let mut newest = walpb::Snapshot::default();
    for file in &files {
        let name = relative(data_dir, file).display().to_string();
        if name.ends_with(".broken") {
            report.note(name, "put aside by a member that could not read it");
            continue;
        }
        if !name.ends_with(".snap") {
            continue;
        }
        match wal::Snapshotter::read(file) {
            Err(error) => report.error(name, error.to_string()),
            Ok(snapshot) => {
                let metadata = &snapshot.metadata;
                if let Err(error) =
                    wal::v2store::parse(snapshot.data.as_deref().unwrap_or_default())
                {
                    report.error(&name, error.to_string());
                }
                let known = recorded
                    .iter()
                    .find(|r| r.index == metadata.index && r.term == metadata.term);
                match known {
                    Some(record) if record.index > newest.index => newest = record.clone(),
                    Some(_) => {}
                    None => report.note(name, "the log has no record of it"),
                }
            }
        }
    }
    Ok(newest)
}

/// Whether snapshot, database and log tell one story (`server/verify/verify.go`). That function
/// is for members that were stopped, and wants the database not to be ahead of what the log
/// says is committed. A member that was killed may have applied an entry before it wrote down
/// that it is committed; only an entry that the log does not have is somebody else's.
fn fits(
    place: &str,
    audit: &wal::Audit,
    snapshot: &walpb::Snapshot,
    state: Option<&State>,
    local: Option<u64>,
    report: &mut Report,
) {
    let commit = audit.hard_state.commit;
    if audit.last_index != 0 && audit.first_index > snapshot.index + 1 {
        report.error(
            place,
            format!(
                "entries begin at {}, after the newest snapshot at {}",
                audit.first_index, snapshot.index
            ),
        );
    }
    if commit > audit.last_index.max(snapshot.index) {
        report.error(
            place,
            format!(
                "{commit} entries are committed, but it ends at {}",
                audit.last_index
            ),
        );
    }
    let Some(state) = state else { return };
    let index = state.consistent_index;
    let last = audit.last_index.max(snapshot.index);
    if index > last {
        report.error(
            place,
            format!("the database has entry {index}, but the log ends at {last}: it belongs to another log"),
        );
    }
    if index < snapshot.index {
        report.error(
            place,
            format!(
                "the database ends at entry {index}, before the snapshot at {}: what is between them is nowhere",
                snapshot.index
            ),
        );
    }
    if let Some(local) = local
        && !state.members.is_empty()
        && !state.members.contains(&local)
    {
        report.note(
            place,
            format!("it is that of member {local:x}, who is no member of the database"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a log of 15 entries, 14 of which it knows to be committed, beside a
    /// database that is as far as `index`.
    fn found(index: u64) -> String {
        let mut audit = wal::Audit {
            first_index: 1,
            last_index: 15,
            ..wal::Audit::default()
        };
        audit.hard_state.commit = 14;
        let state = State {
            consistent_index: index,
            term: 1,
            members: Vec::new(),
        };
        let mut report = Report::default();
        let snapshot = walpb::Snapshot::default();
        fits("wal", &audit, &snapshot, Some(&state), None, &mut report);
        report.text()
    }

    #[test]
    fn a_member_that_was_killed_is_not_taken_for_another_one() {
        assert_eq!(found(14), found(15));
        let another = found(16);
        assert!(another.contains("the log ends at 15"), "{another}");
    }
}
