//! Pages from the disk through a bounded cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use crate::format::{HEADER_BYTES, PageHeader};
use crate::page::Damage;
use crate::{Disk, Error, Page, Result};

/// A tree deeper than this is damaged: with at least two children a branch
/// it would hold more pages than a file can.
pub(crate) const MAX_DEPTH: usize = 64;

#[derive(Clone)]
struct PageBytes;

impl Weighter<u64, Arc<Page>> for PageBytes {
    fn weight(&self, _: &u64, page: &Arc<Page>) -> u64 {
        // The allocation and the cache's own entry cost about this much more.
        page.data().len() as u64 + 128
    }
}

/// Reads and writes pages; shared by all transactions of a database.
///
/// The cache needs no invalidation beyond [`Pager::remember`]: a page number
/// is reused only after every transaction that can reach its old content has
/// ended, and the write that reuses it replaces the entry.
pub(crate) struct Pager {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) file: Arc<str>,
    pub(crate) page_size: usize,
    file_len: AtomicU64,
    cache: Cache<u64, Arc<Page>, PageBytes>,
}

impl Pager {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        file: Arc<str>,
        page_size: usize,
        cache_bytes: usize,
    ) -> Result<Pager> {
        let cache_bytes = if cache_bytes == 0 {
            32 << 20
        } else {
            cache_bytes
        };
        let items = (cache_bytes / page_size).clamp(16, 1 << 20);
        let pager = Pager {
            disk,
            file,
            page_size,
            file_len: AtomicU64::new(0),
            cache: Cache::with_weighter(items, cache_bytes as u64, PageBytes),
        };
        let len = pager
            .disk
            .len()
            .map_err(|e| pager.io("measure the file", e))?;
        pager.file_len.store(len, Ordering::Release);
        Ok(pager)
    }

    pub(crate) fn io(&self, action: impl Into<String>, source: std::io::Error) -> Error {
        Error::Io {
            file: self.file.clone(),
            action: action.into(),
            source,
        }
    }

    pub(crate) fn corrupt(
        &self,
        page: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        Error::Corrupt {
            file: self.file.clone(),
            page,
            expected: expected.into(),
            found: found.into(),
        }
    }

    pub(crate) fn damage(&self, page: u64, damage: Damage) -> Error {
        self.corrupt(page, damage.expected, damage.found)
    }

    pub(crate) fn file_len(&self) -> u64 {
        self.file_len.load(Ordering::Acquire)
    }

    pub(crate) fn set_file_len(&self, len: u64) -> Result<()> {
        self.disk
            .set_len(len)
            .map_err(|e| self.io(format!("set the length to {len} bytes"), e))?;
        self.file_len.store(len, Ordering::Release);
        Ok(())
    }

    /// Fails unless `id` can be a page of a tree below the mark `high`.
    pub(crate) fn check_bounds(&self, id: u64, high: u64) -> Result<()> {
        if id < 2 || id >= high {
            return Err(self.corrupt(
                id,
                format!(
                    "a tree page's number to be from 2 to {}",
                    high.saturating_sub(1)
                ),
                format!("a reference to page {id}"),
            ));
        }
        Ok(())
    }

    /// The branch or leaf page `id` of a commit whose high water mark is
    /// `high`.
    pub(crate) fn load(&self, id: u64, high: u64) -> Result<Arc<Page>> {
        self.check_bounds(id, high)?;
        if let Some(page) = self.cache.get(&id) {
            return Ok(page);
        }
        let page = Arc::new(self.read(id, high)?);
        self.cache.insert(id, page.clone());
        Ok(page)
    }

    /// Like [`Pager::load`], but leaves the cache alone.
    pub(crate) fn read(&self, id: u64, high: u64) -> Result<Page> {
        let data = self.read_raw(id, high)?;
        Page::parse(id, data).map_err(|damage| self.damage(id, damage))
    }

    /// All bytes of page `id` and of the overflow that its header names.
    pub(crate) fn read_raw(&self, id: u64, high: u64) -> Result<Bytes> {
        self.read_raw_guessing(id, high, 0)
    }

    /// Like [`Pager::read_raw`]; `guess` pages of overflow are read along with the first,
    /// which saves a read where there are as many.
    pub(crate) fn read_raw_guessing(&self, id: u64, high: u64, guess: u32) -> Result<Bytes> {
        let behind = (self.file_len() / self.page_size as u64).saturating_sub(id + 1);
        let guess = u64::from(guess).min(behind) as usize;
        let mut data = vec![0; (guess + 1) * self.page_size];
        match self.read_at(id, &mut data) {
            // What can't be read may be a page that nobody asked for.
            Err(_) if guess > 0 => return self.read_raw(id, high),
            read => read?,
        }
        // A page always holds a header: the page size is at least 1024.
        let overflow = PageHeader::read(&data).map_or(0, |header| header.overflow);
        if overflow > 0 {
            if u64::from(overflow) >= high - id {
                return Err(self.corrupt(
                    id,
                    format!("its overflow to end before page {high}"),
                    format!("{overflow} overflow pages"),
                ));
            }
            // Asks the file's length first, so that a damaged header cannot
            // make us reserve more memory than the file has bytes.
            let size = (overflow as usize + 1) * self.page_size;
            let end = id * self.page_size as u64 + size as u64;
            if end > self.file_len() {
                return Err(self.corrupt(
                    id,
                    format!("{overflow} overflow pages in the file"),
                    format!("a file of {} bytes", self.file_len()),
                ));
            }
            if size > data.len() {
                data.resize(size, 0);
                let (_, rest) = data.split_at_mut((guess + 1) * self.page_size);
                self.read_at(id + 1 + guess as u64, rest)?;
            }
        }
        data.truncate((overflow as usize + 1) * self.page_size);
        debug_assert!(data.len() >= HEADER_BYTES);
        Ok(data.into())
    }

    /// Fills `buf` from the start of page `id`.
    pub(crate) fn read_at(&self, id: u64, buf: &mut [u8]) -> Result<()> {
        let offset = id.saturating_mul(self.page_size as u64);
        let end = offset.saturating_add(buf.len() as u64);
        if end > self.file_len() {
            return Err(self.corrupt(
                id,
                format!("a file of at least {end} bytes"),
                format!("{} bytes", self.file_len()),
            ));
        }
        self.disk
            .read_at(buf, offset)
            .map_err(|e| self.io(format!("read page {id}"), e))
    }

    /// Writes bytes at the start of page `id`.
    pub(crate) fn write_at(&self, id: u64, data: &[u8]) -> Result<()> {
        self.disk
            .write_at(data, id * self.page_size as u64)
            .map_err(|e| self.io(format!("write page {id}"), e))
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.disk.sync_data().map_err(|e| self.io("sync", e))
    }

    /// Puts a page that was just written into the cache, in the place of
    /// whatever had its number before.
    pub(crate) fn remember(&self, page: Page) {
        self.cache.insert(page.id(), Arc::new(page));
    }

    /// Forgets a page number whose new content is no tree page.
    pub(crate) fn forget(&self, id: u64) {
        self.cache.remove(&id);
    }
}
