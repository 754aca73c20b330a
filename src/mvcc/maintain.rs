//! What writes the database file: commits, physical compaction, defragmentation.

use std::path::Path;
use std::sync::Arc;

use crate::compaction::{Job, Phase};
use crate::revision::Rev;
use crate::{Error, Result, Store, bucket};

const DEFAULT_COMPACTION_BATCH: usize = 1000;
/// Keys of the index that are compacted before others get a turn.
const INDEX_BATCH: usize = 4096;
/// Pairs a transaction of a defragmentation holds.
const DEFRAG_BATCH: usize = 10_000;

impl Store {
    /// Writes what has gathered into the database file; true if there was
    /// something. etcd does it every 100 ms or 10 000 writes. Applying and reading go
    /// on meanwhile.
    pub fn commit(&self) -> Result<bool> {
        let _commits = self.commits.lock();
        self.commit_locked()
    }

    fn commit_locked(&self) -> Result<bool> {
        let batch = {
            let mut state = self.state.write();
            if let Some(left) = &state.view.leaving {
                // An earlier commit failed; the database takes no more writes.
                left.clone()
            } else {
                let position = state.position;
                if state.view.gathering.len() == 0 && position == *self.durable.lock() {
                    return Ok(false);
                }
                let mut batch = std::mem::take(&mut state.view.gathering);
                batch.position = position;
                let batch = Arc::new(batch);
                state.view.leaving = Some(batch.clone());
                batch
            }
        };
        let db = self.db.read().clone();
        let mut tx = db.begin_write()?;
        batch.write(&mut tx)?;
        tx.commit()?;
        let disk = Arc::new(db.begin_read()?);
        let mut state = self.state.write();
        state.view.disk = disk;
        state.view.leaving = None;
        *self.durable.lock() = batch.position;
        Ok(true)
    }

    /// Writes the batch, and returns a snapshot of the file that holds it.
    pub fn snapshot(&self) -> Result<bolt::ReadTx> {
        let _commits = self.commits.lock();
        self.commit_locked()?;
        let db = self.db.read().clone();
        Ok(db.begin_read()?)
    }

    /// The oldest compaction that is not carried out in the file yet; a request
    /// with `physical` is answered when its revision is not pending any more.
    pub fn compaction_pending(&self) -> Option<i64> {
        self.compactions.lock().pending()
    }

    /// Does a bounded part of the oldest scheduled compaction; true if there is more to do.
    /// etcd pauses 10 ms between steps, so that writes aren't held up.
    pub fn compact_step(&self) -> Result<bool> {
        let _commits = self.commits.lock();
        let Some(mut job) = self.compactions.lock().take() else {
            return Ok(false);
        };
        let done = self.compact_part(&mut job);
        let mut compactions = self.compactions.lock();
        match done {
            Ok(true) => compactions.finish(&job),
            _ => compactions.give_back(job),
        }
        done?;
        Ok(compactions.pending().is_some())
    }

    fn compact_part(&self, job: &mut Job) -> Result<bool> {
        match &job.phase {
            Phase::Index(from) => {
                let next = {
                    let index = &mut self.state.write().index;
                    index.compact_part(job.upto, from, INDEX_BATCH, &mut job.keep)
                };
                job.phase = match next {
                    Some(key) => Phase::Index(key),
                    None => {
                        job.keep.sort();
                        Phase::Bucket(Rev::default())
                    }
                };
                Ok(false)
            }
            Phase::Bucket(from) => {
                let from = *from;
                self.compact_bucket(job, from)
            }
        }
    }

    /// Deletes from the bucket `key` what no reader can see any more.
    fn compact_bucket(&self, job: &mut Job, from: Rev) -> Result<bool> {
        let limit = match self.config.compaction_batch {
            0 => DEFAULT_COMPACTION_BATCH,
            limit => limit,
        };
        // What is compacted was committed when it was scheduled, so the disk has it all.
        let disk = self.state.read().view.disk.clone();
        let mut dead: Vec<bytes::Bytes> = Vec::new();
        let (mut seen, mut last) = (0, from);
        if let Some(keys) = disk.bucket(bucket::KEY)? {
            let mut cursor = keys.cursor();
            let mut pair = cursor.seek(&from.put_key())?;
            while let Some((key, value)) = pair
                && seen < limit
            {
                let (rev, tombstone) = Rev::parse(&key)?;
                if rev.main > job.upto {
                    break;
                }
                let value = value.unwrap_or_default();
                job.hasher.add(rev, tombstone, &value, &job.keep);
                if !job.keep.contains(rev) {
                    dead.push(key);
                }
                (seen, last) = (seen + 1, rev);
                pair = cursor.next()?;
            }
        }
        let done = seen < limit;
        if dead.is_empty() && !done {
            job.phase = Phase::Bucket(Rev::new(last.main, last.sub + 1));
            return Ok(false);
        }
        let db = self.db.read().clone();
        let mut tx = db.begin_write()?;
        for key in &dead {
            tx.delete(bucket::KEY, key)?;
        }
        if done {
            let rev = Rev::new(job.upto, 0).put_key();
            tx.put(bucket::META, bucket::FINISHED_COMPACT, &rev)?;
        }
        tx.commit()?;
        let disk = Arc::new(db.begin_read()?);
        self.state.write().view.disk = disk;
        job.phase = Phase::Bucket(Rev::new(last.main, last.sub + 1));
        Ok(done)
    }

    /// Rewrites the database file without its free pages, while reading and applying
    /// go on. The new file is made as `db.tmp.defrag` beside the old one and takes its
    /// name when it is complete; `open` then opens it the way the caller opens
    /// databases. If anything fails before that, the old file stays in use.
    pub fn defragment(&self, open: &dyn Fn(&Path) -> bolt::Result<bolt::Db>) -> Result<()> {
        let _commits = self.commits.lock();
        self.commit_locked()?;
        let old = self.db.read().clone();
        let path = old.path().to_path_buf();
        let new_path = path.with_file_name("db.tmp.defrag");
        let copied = remove_if_there(&new_path).and_then(|()| copy(&old, &new_path));
        if let Err(error) = copied {
            // What is half made is of no use; the error tells more than this could.
            let _ = std::fs::remove_file(&new_path);
            return Err(error);
        }
        std::fs::rename(&new_path, &path).map_err(|e| no_defrag(&path, &e))?;
        // The log may be cut on the word of the new file, so a crash must not bring the old
        // one back.
        sync_dir_of(&path)?;
        // From here on only the new file counts: failing to open it is fatal.
        let new = open(&path)?;
        let disk = Arc::new(new.begin_read()?);
        {
            let mut state = self.state.write();
            state.view.disk = disk;
            *self.db.write() = new;
        }
        old.close()?;
        Ok(())
    }
}

fn sync_dir_of(path: &Path) -> Result<()> {
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    std::fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| Error::Damaged(format!("{}: could not be synced: {e}", dir.display())))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(no_defrag(path, &e)),
        _ => Ok(()),
    }
}

fn no_defrag(path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!(
        "the database was not defragmented: {}: {error}",
        path.display()
    ))
}

/// Copies all buckets into a new file, in key order and so without gaps.
fn copy(from: &bolt::Db, path: &Path) -> Result<()> {
    let options = bolt::Options {
        page_size: from.page_size(),
        sync: false,
        ..bolt::Options::default()
    };
    let to = bolt::Db::open(path, options)?;
    let source = from.begin_read()?;
    for name in source.root_buckets()? {
        let Some(bucket) = source.bucket(&name)? else {
            continue;
        };
        let mut cursor = bucket.cursor();
        let mut pair = cursor.first()?;
        loop {
            let mut tx = to.begin_write()?;
            tx.create_bucket_if_missing(&name)?;
            tx.set_fill_percent(&name, bucket::KEY_FILL)?;
            let mut n = 0;
            while let Some((key, value)) = pair.take() {
                tx.put(&name, &key, &value.unwrap_or_default())?;
                pair = cursor.next()?;
                n += 1;
                if n == DEFRAG_BATCH {
                    break;
                }
            }
            tx.commit()?;
            if pair.is_none() {
                break;
            }
        }
    }
    to.sync()?;
    to.close()?;
    Ok(())
}
