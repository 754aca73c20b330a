//! The thread that writes the log to disk. What waits while it syncs is written with
//! the next sync, all at once.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use raft::eraftpb as lib;
use tokio::sync::mpsc::UnboundedSender;
use wal::{Snapshotter, Wal};
use wire::{raftpb as pb, walpb};

use super::{convert, events::Done};
use crate::measures::{measures, timed};

/// How often old segments and snapshots are removed (`purgeFileInterval`).
const PURGE_INTERVAL: Duration = Duration::from_secs(30);
/// Jobs that share one sync at most.
const MAX_BATCH: usize = 512;

/// What one step of raft wants on the disk.
pub(crate) struct Write {
    /// Raft's number for it, told back when it is there.
    pub(crate) number: u64,
    pub(crate) hard_state: Option<pb::HardState>,
    pub(crate) entries: Vec<lib::Entry>,
    /// A snapshot from the leader, whose db file is there already.
    pub(crate) snapshot: Option<pb::Snapshot>,
}

pub(crate) enum Job {
    Write(Write),
    /// Save a snapshot of the member's own state, then let go of what it replaces.
    SaveSnapshot(pb::Snapshot),
}

/// The files, and how many old ones to keep.
pub(crate) struct Disk {
    pub(crate) wal: Wal,
    pub(crate) snapshotter: Snapshotter,
    pub(crate) keep_segments: usize,
    pub(crate) keep_snapshots: usize,
}

/// Starts the thread; `watched` lives as long as it. It ends, with the log synced, when the sender is dropped.
pub(crate) fn spawn(
    disk: Disk,
    done: UnboundedSender<Done>,
    watched: impl Send + 'static,
) -> std::io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, jobs) = mpsc::channel();
    let handle = thread::Builder::new()
        .name("etcd-wal".into())
        .spawn(move || {
            // Tells of a panic when it is dropped by one.
            let _watched = watched;
            if let Err(error) = run(disk, &jobs, &done) {
                // The driver stops the member; if it is gone already, so are we.
                let _ = done.send(Done::Failed(format!("the log can't be written: {error}")));
            }
        })?;
    Ok((sender, handle))
}

fn run(
    mut disk: Disk,
    jobs: &Receiver<Job>,
    done: &UnboundedSender<Done>,
) -> Result<(), wal::Error> {
    disk.purge()?;
    loop {
        let first = match jobs.recv_timeout(PURGE_INTERVAL) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                disk.purge()?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return disk.wal.close(),
        };
        let mut batch = Batch::default();
        let rest = std::iter::from_fn(|| jobs.try_recv().ok()).take(MAX_BATCH);
        for job in std::iter::once(first).chain(rest) {
            match job {
                Job::Write(write) if write.snapshot.is_none() => batch.add(&mut disk.wal, write),
                Job::Write(write) => {
                    batch.settle(&mut disk.wal, done)?;
                    disk.install(write, done)?;
                }
                Job::SaveSnapshot(snapshot) => {
                    batch.settle(&mut disk.wal, done)?;
                    disk.save_snapshot(&snapshot)?;
                    let _ = done.send(Done::SnapshotSaved(snapshot.metadata));
                }
            }
        }
        batch.settle(&mut disk.wal, done)?;
    }
}

/// Writes that share a sync.
#[derive(Default)]
struct Batch {
    number: Option<u64>,
    must_sync: bool,
}

impl Batch {
    fn add(&mut self, wal: &mut Wal, write: Write) {
        let entries: Vec<_> = write.entries.into_iter().map(convert::entry_out).collect();
        let state = write.hard_state.unwrap_or_default();
        let waiting = wal.buffered();
        self.must_sync |= timed(&measures().wal_write, || wal.append(&state, &entries));
        measures()
            .wal_write_bytes
            .add((wal.buffered() - waiting) as u64);
        self.number = Some(write.number);
    }

    fn settle(&mut self, wal: &mut Wal, done: &UnboundedSender<Done>) -> Result<(), wal::Error> {
        let Some(number) = self.number.take() else {
            return Ok(());
        };
        let must_sync = std::mem::take(&mut self.must_sync);
        if must_sync {
            timed(&measures().wal_fsync, || wal.settle(true))?;
        } else {
            wal.settle(false)?;
        }
        let _ = done.send(Done::Persisted(number));
        Ok(())
    }
}

impl Disk {
    /// The file first, then the record in the log: a file without a record is ignored
    /// at the next start, a record without a file would stop it.
    fn save_snapshot(&mut self, snapshot: &pb::Snapshot) -> Result<(), wal::Error> {
        timed(&measures().snap_save, || self.snapshotter.save(snapshot))?;
        let metadata = &snapshot.metadata;
        self.wal.save_snapshot(&walpb::Snapshot {
            index: metadata.index,
            term: metadata.term,
            conf_state: Some(metadata.conf_state.clone()),
        })?;
        self.wal.release_to(metadata.index);
        self.snapshotter.release_dbs(metadata.index)
    }

    fn install(&mut self, write: Write, done: &UnboundedSender<Done>) -> Result<(), wal::Error> {
        if let Some(snapshot) = &write.snapshot {
            self.snapshotter.save(snapshot)?;
            let metadata = &snapshot.metadata;
            self.wal.save_snapshot(&walpb::Snapshot {
                index: metadata.index,
                term: metadata.term,
                conf_state: Some(metadata.conf_state.clone()),
            })?;
        }
        let entries: Vec<_> = write.entries.into_iter().map(convert::entry_out).collect();
        self.wal
            .append(&write.hard_state.unwrap_or_default(), &entries);
        // The hard state has to be there before old segments may go, even if only its
        // commit has changed: a commit index beyond the log can't be started from.
        self.wal.settle(true)?;
        if let Some(snapshot) = &write.snapshot {
            self.wal.release_to(snapshot.metadata.index);
        }
        let _ = done.send(Done::Persisted(write.number));
        Ok(())
    }

    fn purge(&self) -> Result<(), wal::Error> {
        for name in self.wal.purge(self.keep_segments)? {
            crate::info!("fileutil/purge.go:96", "purged", "path" => name);
        }
        for name in self.snapshotter.purge(self.keep_snapshots)? {
            crate::info!("fileutil/purge.go:96", "purged", "path" => name);
        }
        Ok(())
    }
}
