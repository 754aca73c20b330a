//! Page edits beneath all transactions: to damage a file on purpose, to look
//! at a damaged one, to repair it (what bbolt's `surgery` commands do). No
//! lock is taken and no checksum asked for; a file in use elsewhere changes
//! under its user.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::format::{
    FLAG_BRANCH, FLAG_LEAF, HEADER_BYTES, META_BYTES, Meta, MetaFault, NO_FREELIST, PageHeader,
    PageKind,
};
use crate::node::{Child, Encoder, Items, Node};
use crate::{Db, Error, Options, Page, Result};

/// A database file, page by page.
pub struct RawFile {
    file: File,
    name: Arc<str>,
    page_size: usize,
}

/// A page with its overflow, as it is.
#[derive(Clone, Debug)]
pub struct RawPage {
    /// What its first 16 bytes say.
    pub header: PageHeader,
    /// All bytes, overflow included as far as the file has it.
    pub data: Vec<u8>,
}

/// A line of the list of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageInfo {
    /// Where the page is. Its header may say otherwise.
    pub id: u64,
    /// What its header says that it is.
    pub kind: PageKind,
    /// Elements, as its header says.
    pub count: u16,
    /// Overflow pages, as its header says.
    pub overflow: u32,
    /// True if no tree uses it, so that the content means nothing; `None` if
    /// damage hides which pages are free.
    pub free: Option<bool>,
}

impl RawFile {
    /// Opens a file for reading and writing. The page size comes from either
    /// meta page, and is 4096 if both are damaged.
    pub fn open(path: &Path) -> Result<RawFile> {
        Self::open_as(path, true)
    }

    /// Opens a file for looking only.
    pub fn open_read_only(path: &Path) -> Result<RawFile> {
        Self::open_as(path, false)
    }

    fn open_as(path: &Path, write: bool) -> Result<RawFile> {
        let name: Arc<str> = path.display().to_string().into();
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .open(path)
            .map_err(|source| Error::Io {
                file: name.clone(),
                action: "open".into(),
                source,
            })?;
        let mut raw = RawFile {
            file,
            name,
            page_size: 4096,
        };
        let sizes = (10..=24).map(|shift| 1usize << shift);
        let mut found = raw.meta_at(0)?.ok().map(|meta| meta.page_size as usize);
        for size in sizes {
            if found.is_none()
                && raw
                    .meta_at(size as u64)?
                    .is_ok_and(|m| m.page_size as usize == size)
            {
                found = Some(size);
            }
        }
        if let Some(size) = found
            && crate::opening::possible_page_size(size)
        {
            raw.page_size = size;
        }
        Ok(raw)
    }

    fn io(&self, action: String, source: std::io::Error) -> Error {
        Error::Io {
            file: self.name.clone(),
            action,
            source,
        }
    }

    fn argument(&self, what: String) -> Error {
        Error::Argument {
            what: format!("{}: {what}", self.name),
        }
    }

    fn meta_at(&self, offset: u64) -> Result<Result<Meta, MetaFault>> {
        let mut page = [0; HEADER_BYTES + META_BYTES];
        if offset + page.len() as u64 > self.len()? {
            return Ok(Err(MetaFault::Short));
        }
        self.file
            .read_exact_at(&mut page, offset)
            .map_err(|e| self.io("read the meta pages".into(), e))?;
        Ok(Meta::read(&page))
    }

    /// Length of the file in bytes.
    pub fn len(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        metadata
            .map(|m| m.len())
            .map_err(|e| self.io("measure the file".into(), e))
    }

    /// True if the file has no bytes.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Whole pages in the file.
    pub fn page_count(&self) -> Result<u64> {
        Ok(self.len()? / self.page_size as u64)
    }

    /// Both meta pages, or what is wrong with them.
    pub fn metas(&self) -> Result<[Result<Meta, MetaFault>; 2]> {
        Ok([self.meta_at(0)?, self.meta_at(self.page_size as u64)?])
    }

    /// Which meta page is the one in force, and its record.
    pub fn active_meta(&self) -> Result<(u64, Meta)> {
        match self.metas()? {
            [Ok(first), Ok(second)] if second.txid > first.txid => Ok((1, second)),
            [Ok(first), _] => Ok((0, first)),
            [_, Ok(second)] => Ok((1, second)),
            [Err(first), Err(second)] => Err(Error::Invalid {
                file: self.name.clone(),
                detail: format!("page 0: {first}; page 1: {second}"),
            }),
        }
    }

    /// Page `id` with its overflow.
    pub fn read_page(&self, id: u64) -> Result<RawPage> {
        let pages = self.page_count()?;
        if id >= pages {
            return Err(self.argument(format!("there is no page {id}: the file has {pages} pages")));
        }
        let mut data = vec![0; self.page_size];
        let offset = id * self.page_size as u64;
        let failed = |e| self.io(format!("read page {id}"), e);
        self.file.read_exact_at(&mut data, offset).map_err(failed)?;
        let Some(header) = PageHeader::read(&data) else {
            return Err(self.argument(format!("page {id} has no header")));
        };
        let whole = (u64::from(header.overflow) + 1).min(pages - id) as usize;
        if whole > 1 {
            data.resize(whole * self.page_size, 0);
            self.file.read_exact_at(&mut data, offset).map_err(failed)?;
        }
        Ok(RawPage { header, data })
    }

    /// Writes bytes at the start of page `id`: a whole number of pages that
    /// are in the file.
    pub fn write_page(&self, id: u64, data: &[u8]) -> Result<()> {
        let pages = (data.len() / self.page_size) as u64;
        if data.is_empty() || !data.len().is_multiple_of(self.page_size) {
            return Err(self.argument(format!(
                "{} bytes are no whole number of pages of {} bytes",
                data.len(),
                self.page_size
            )));
        }
        if id.saturating_add(pages) > self.page_count()? {
            let last = id.saturating_add(pages - 1);
            return Err(self.argument(format!("there is no page {last}")));
        }
        self.write_bytes(id, 0, data)
    }

    /// Writes bytes somewhere in page `id` or behind it.
    fn write_bytes(&self, id: u64, at: usize, data: &[u8]) -> Result<()> {
        self.file
            .write_all_at(data, id * self.page_size as u64 + at as u64)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| self.io(format!("write page {id}"), e))
    }

    /// All pages up to the high water mark, overflow pages not on lines of
    /// their own.
    pub fn list_pages(&self) -> Result<Vec<PageInfo>> {
        let high = match self.active_meta() {
            Ok((_, meta)) => meta.high_water.min(self.page_count()?),
            Err(_) => self.page_count()?,
        };
        let used = self.used_pages();
        let mut list = Vec::new();
        let mut id = 0;
        while id < high {
            let mut start = [0; HEADER_BYTES];
            self.file
                .read_exact_at(&mut start, id * self.page_size as u64)
                .map_err(|e| self.io(format!("read page {id}"), e))?;
            let Some(header) = PageHeader::read(&start) else {
                break;
            };
            let free = used.as_ref().map(|used| !used.contains(id));
            list.push(PageInfo {
                id,
                kind: header.kind(),
                count: header.count,
                overflow: header.overflow,
                free,
            });
            // What a free page says about its overflow means nothing.
            id += match free {
                Some(true) => 1,
                _ => u64::from(header.overflow) + 1,
            };
        }
        Ok(list)
    }

    fn used_pages(&self) -> Option<crate::scan::PageSet> {
        let (_, meta) = self.active_meta().ok()?;
        let disk = Arc::new(crate::disk::FileDisk::unlocked(self.file.try_clone().ok()?));
        let pager =
            crate::pager::Pager::new(disk, self.name.clone(), self.page_size, 1 << 20).ok()?;
        let mut used = crate::scan::reachable(&pager, &meta).ok()?;
        if meta.freelist != NO_FREELIST {
            let (_, overflow) = crate::opening::listed_free(&pager, &meta).ok()?;
            for id in meta.freelist..=meta.freelist + u64::from(overflow) {
                used.insert(id);
            }
        }
        Some(used)
    }

    /// Inverts the bits of `mask` in one byte of page `id`.
    pub fn flip(&self, id: u64, at: usize, mask: u8) -> Result<()> {
        let page = self.read_page(id)?;
        match page.data.get(at) {
            Some(byte) => self.write_bytes(id, at, &[byte ^ mask]),
            None => Err(self.argument(format!(
                "page {id} has {} bytes, there is no byte {at}",
                page.data.len()
            ))),
        }
    }

    /// Fills page `id` and its overflow with zeros.
    pub fn zero_page(&self, id: u64) -> Result<()> {
        let page = self.read_page(id)?;
        self.write_page(id, &vec![0; page.data.len()])
    }

    /// Copies page `from` with its overflow over page `to`, which gets its
    /// own number.
    pub fn copy_page(&self, from: u64, to: u64) -> Result<()> {
        let mut page = self.read_page(from)?;
        PageHeader {
            id: to,
            ..page.header
        }
        .write(&mut page.data);
        self.write_page(to, &page.data)
    }

    /// Removes all elements of a branch or leaf.
    pub fn clear_page(&self, id: u64) -> Result<bool> {
        self.clear_elements(id, 0, None)
    }

    /// Removes elements `start` to before `end` (`None`: to the last) of a
    /// branch or leaf. True if pages may have become unreachable, so that a
    /// free list on disk is wrong from now on: see
    /// [`RawFile::abandon_freelist`].
    pub fn clear_elements(&self, id: u64, start: usize, end: Option<usize>) -> Result<bool> {
        let raw = self.read_page(id)?;
        if !matches!(raw.header.kind(), PageKind::Branch | PageKind::Leaf) {
            return Err(self.argument(format!(
                "can't clear elements in {:?} page",
                raw.header.kind().to_string()
            )));
        }
        let page =
            Page::parse(raw.header.id, raw.data.into()).map_err(|damage| Error::Corrupt {
                file: self.name.clone(),
                page: id,
                expected: damage.expected,
                found: damage.found,
            })?;
        if page.is_empty() {
            return Ok(false);
        }
        let end = end.unwrap_or(page.len());
        if start >= end || end > page.len() {
            return Err(self.argument(format!(
                "elements {start} to {end} are no range within the {} elements of page {id}",
                page.len()
            )));
        }
        let mut node = Node::from_page(&page);
        match &mut node.items {
            Items::Branch(items) => drop(items.drain(start..end)),
            Items::Leaf(items) => drop(items.drain(start..end)),
        }
        node.measure();
        let pages = node.size.div_ceil(self.page_size);
        self.write_page(id, &encode(&node, page.id(), pages, self.page_size))?;
        Ok(!page.is_leaf() || pages as u32 - 1 != page.overflow())
    }

    /// Puts the older meta page in the place of the newer one: the last
    /// commit is undone.
    pub fn revert_meta(&self) -> Result<()> {
        let (active, _) = self.active_meta()?;
        let other = 1 - active;
        if let Err(fault) = self.metas()?[other as usize] {
            return Err(self.argument(format!("meta page {other} cannot take over: {fault}")));
        }
        self.copy_page(other, active)
    }

    /// Makes both meta pages say that there is no free list, so that it is
    /// found out anew when the file is opened.
    pub fn abandon_freelist(&self) -> Result<()> {
        for (id, meta) in (0..).zip(self.metas()?) {
            if let Ok(meta) = meta {
                let mut page = vec![0; self.page_size];
                Meta {
                    freelist: NO_FREELIST,
                    ..meta
                }
                .write(&mut page, id);
                self.write_page(id, &page)?;
            }
        }
        Ok(())
    }
}

/// The pages on the way to a key: from the root of its bucket to the leaf
/// on which it is, or would be. The bucket is named by its path; a bucket
/// inline in its parent has no pages. Takes the shared lock, so that nobody may
/// be writing the file.
pub fn locate(path: &Path, bucket: &[&[u8]], key: &[u8]) -> Result<Vec<u64>> {
    let options = Options {
        read_only: true,
        lock_timeout: Some(std::time::Duration::ZERO),
        ..Options::default()
    };
    locate_in(&Db::open(path, options)?, bucket, key)
}

/// What [`locate`] finds, in a database that is open.
pub fn locate_in(db: &Db, bucket: &[&[u8]], key: &[u8]) -> Result<Vec<u64>> {
    let tx = db.begin_read()?;
    let mut found = tx.root();
    for name in bucket {
        found = found
            .bucket(name)?
            .ok_or_else(|| crate::read::not_found(name))?;
    }
    let mut pages = Vec::new();
    let mut next = found.root_page();
    while next != 0 && pages.len() <= crate::pager::MAX_DEPTH {
        pages.push(next);
        let page = tx.pager().load(next, tx.meta().high_water)?;
        next = match page.is_leaf() {
            true => 0,
            false => page.child(page.child_index(key)),
        };
    }
    Ok(pages)
}

/// A node whose children are all pages, as bytes.
fn encode(node: &Node, id: u64, pages: usize, page_size: usize) -> Vec<u8> {
    let leaf = matches!(node.items, Items::Leaf(_));
    let mut out = Encoder::new(id, leaf, node.len(), pages, pages * page_size);
    match &node.items {
        Items::Leaf(items) => items.iter().for_each(|item| out.leaf(item)),
        Items::Branch(items) => {
            for item in items {
                if let Child::Page(child) = item.child {
                    out.branch(&item.key, child);
                }
            }
        }
    }
    let data = out.finish();
    debug_assert!(matches!(
        PageHeader::read(&data).map(|header| header.flags),
        Some(FLAG_BRANCH | FLAG_LEAF)
    ));
    data.to_vec()
}
