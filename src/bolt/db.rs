//! An open database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::check::{Finding, check_with};
use crate::commit::Growth;
use crate::disk::FileDisk;
use crate::format::Meta;
use crate::freelist::Freelist;
use crate::opening;
use crate::pager::Pager;
use crate::{Disk, Error, Options, ReadTx, Result, WriteTx};

/// An open database; clones share it. The file stays locked until the last
/// clone and the last transaction are gone, or until [`Db::close`].
#[derive(Clone)]
pub struct Db(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) pager: Pager,
    path: PathBuf,
    read_only: bool,
    pub(crate) sync: bool,
    pub(crate) freelist_sync: bool,
    state: Mutex<State>,
    /// Empty while a write transaction is open.
    slot: Mutex<Option<Box<Writer>>>,
    slot_filled: Condvar,
    /// Free pages after the last write transaction; `u64::MAX` before
    /// anybody counted them in a database opened read-only.
    free_pages: AtomicU64,
}

struct State {
    meta: Meta,
    /// Open snapshots: how many of which commit.
    readers: BTreeMap<u64, usize>,
    /// How often the last snapshot of a commit ended.
    ended: u64,
    closed: bool,
}

/// What only the one write transaction touches.
pub(crate) struct Writer {
    pub(crate) freelist: Freelist,
    /// The free list's page on disk and its overflow.
    pub(crate) freelist_page: Option<(u64, u32)>,
    pub(crate) growth: Growth,
    pub(crate) poisoned: bool,
}

const NOT_COUNTED: u64 = u64::MAX;

impl Db {
    /// Opens the file, and creates it unless `read_only`. A file that lists
    /// no free pages (etcd's) is walked to find them, at about the speed at
    /// which it can be read.
    pub fn open(path: &Path, options: Options) -> Result<Db> {
        let disk = Arc::new(FileDisk::open(path, &options)?);
        Self::open_named(disk, path.to_owned(), options)
    }

    /// Opens a database on an injected disk; an empty one is initialised.
    pub fn open_with(disk: Arc<dyn Disk>, options: Options) -> Result<Db> {
        Self::open_named(disk, PathBuf::new(), options)
    }

    fn open_named(disk: Arc<dyn Disk>, path: PathBuf, options: Options) -> Result<Db> {
        let file: Arc<str> = match path.as_os_str().is_empty() {
            true => disk.name().into(),
            false => path.display().to_string().into(),
        };
        let (pager, meta, created) = opening::open(disk, file, &options)?;
        let writer = if options.read_only {
            None
        } else {
            let (freelist, freelist_page) = opening::load_freelist(&pager, &meta)?;
            Some(Box::new(Writer {
                freelist,
                freelist_page,
                growth: Growth::new(pager.file_len(), options.initial_map_bytes, created),
                poisoned: false,
            }))
        };
        let free_pages = writer
            .as_ref()
            .map_or(NOT_COUNTED, |writer| writer.freelist.free_pages());
        let lists_free = writer
            .as_ref()
            .is_none_or(|writer| writer.freelist_page.is_some());
        let db = Db(Arc::new(Inner {
            pager,
            path,
            read_only: options.read_only,
            sync: options.sync,
            freelist_sync: options.freelist_sync,
            state: Mutex::new(State {
                meta,
                readers: BTreeMap::new(),
                ended: 0,
                closed: false,
            }),
            slot: Mutex::new(writer),
            slot_filled: Condvar::new(),
            free_pages: AtomicU64::new(free_pages),
        }));
        if options.freelist_sync && !lists_free {
            // As bbolt does, so that programs that know no files without a
            // free list can open this one.
            db.begin_write()?.commit()?;
        }
        Ok(db)
    }

    /// A snapshot of the last commit. Never waits for a write transaction or
    /// its disk.
    pub fn begin_read(&self) -> Result<ReadTx> {
        let mut state = self.0.state.lock();
        if state.closed {
            return Err(self.0.closed());
        }
        let meta = state.meta;
        *state.readers.entry(meta.txid).or_default() += 1;
        drop(state);
        Ok(ReadTx::new(self.0.clone(), meta))
    }

    /// The one write transaction; waits while there is another.
    pub fn begin_write(&self) -> Result<WriteTx> {
        let inner = &self.0;
        if inner.read_only {
            return Err(Error::ReadOnly {
                file: inner.pager.file.clone(),
            });
        }
        let mut writer = inner.take_writer();
        let state = inner.state.lock();
        let problem = if state.closed {
            Some(inner.closed())
        } else if writer.poisoned {
            Some(Error::Poisoned {
                file: inner.pager.file.clone(),
            })
        } else {
            None
        };
        let meta = state.meta;
        let readers: Vec<u64> = state.readers.keys().copied().collect();
        let ended = state.ended;
        drop(state);
        if let Some(problem) = problem {
            inner.end_write(writer);
            return Err(problem);
        }
        writer.freelist.release(&readers, ended);
        Ok(WriteTx::new(inner.clone(), writer, meta))
    }

    /// Bytes up to the high water mark (etcd's `dbSize`).
    pub fn size_bytes(&self) -> u64 {
        self.0.state.lock().meta.high_water * self.0.pager.page_size as u64
    }

    /// Bytes in free pages after the last write transaction, without those
    /// that open snapshots hold back. In a database opened read-only they are
    /// counted at the first call, and are 0 if damage forbids counting.
    pub fn free_bytes(&self) -> u64 {
        let inner = &self.0;
        let mut pages = inner.free_pages.load(Ordering::Acquire);
        if pages == NOT_COUNTED {
            let meta = inner.state.lock().meta;
            pages = opening::load_freelist(&inner.pager, &meta)
                .map_or(0, |(list, _)| list.free_pages());
            inner.free_pages.store(pages, Ordering::Release);
        }
        pages * inner.pager.page_size as u64
    }

    /// `size_bytes` without `free_bytes` (etcd's `dbSizeInUse`).
    pub fn in_use_bytes(&self) -> u64 {
        let free = self.free_bytes();
        self.size_bytes().saturating_sub(free)
    }

    /// The path it was opened by; empty on an injected disk.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> usize {
        self.0.pager.page_size
    }

    /// True if it takes no writes.
    pub fn is_read_only(&self) -> bool {
        self.0.read_only
    }

    /// How many snapshots are open.
    pub fn open_snapshots(&self) -> usize {
        self.0.state.lock().readers.values().sum()
    }

    /// Makes everything written so far durable, for databases opened with
    /// `sync` off.
    pub fn sync(&self) -> Result<()> {
        self.0.pager.sync()
    }

    /// Waits for the write transaction to end, refuses new transactions and
    /// gives the file lock back. Open snapshots stay readable as long as
    /// nobody else writes the file. Closing twice is no error.
    pub fn close(&self) -> Result<()> {
        let inner = &self.0;
        let writer = (!inner.read_only).then(|| inner.take_writer());
        let was_closed = std::mem::replace(&mut inner.state.lock().closed, true);
        if let Some(writer) = writer {
            inner.end_write(writer);
        }
        if was_closed {
            return Ok(());
        }
        inner
            .pager
            .disk
            .unlock()
            .map_err(|e| inner.pager.io("unlock", e))
    }

    /// Checks the newest commit like [`crate::check`], and that the free
    /// pages in memory are exactly those that no tree reaches. Waits for the
    /// write transaction and holds new ones up.
    pub fn check(&self) -> Result<Vec<Finding>> {
        let tx = self.begin_read()?;
        if self.0.read_only {
            return Ok(crate::check(&tx));
        }
        let writer = self.0.take_writer();
        // A commit may have ended in between; the list belongs to the newest.
        let findings = self
            .begin_read()
            .map(|newest| check_with(&newest, Some(writer.freelist.all_ids(&[])), &mut |_| ()));
        self.0.end_write(writer);
        drop(tx);
        findings
    }
}

impl Inner {
    fn closed(&self) -> Error {
        Error::Closed {
            file: self.pager.file.clone(),
        }
    }

    fn take_writer(&self) -> Box<Writer> {
        let mut slot = self.slot.lock();
        loop {
            if let Some(writer) = slot.take() {
                return writer;
            }
            self.slot_filled.wait(&mut slot);
        }
    }

    pub(crate) fn end_write(&self, writer: Box<Writer>) {
        self.free_pages
            .store(writer.freelist.free_pages(), Ordering::Release);
        *self.slot.lock() = Some(writer);
        self.slot_filled.notify_one();
    }

    pub(crate) fn publish(&self, meta: Meta) {
        self.state.lock().meta = meta;
    }

    pub(crate) fn end_read(&self, txid: u64) {
        let mut state = self.state.lock();
        if let Some(count) = state.readers.get_mut(&txid) {
            *count -= 1;
            if *count == 0 {
                state.readers.remove(&txid);
                state.ended += 1;
            }
        }
    }
}
