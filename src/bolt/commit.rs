//! Making a transaction durable, in the order that survives a crash at any
//! point: data pages, sync, meta page, sync.

use bytes::Bytes;

use crate::db::{Inner, Writer};
use crate::format::{FLAG_BRANCH, FLAG_LEAF, Meta, NO_FREELIST, PageHeader};
use crate::freelist;
use crate::open_bucket::{OpenBucket, Run};
use crate::spill::{Ledger, cached};
use crate::{Error, Result};

/// Neighbouring pages go out in writes of up to this many bytes.
const WRITE_BYTES: usize = 1 << 20;
/// A mapping of more than this many bytes grows in steps of as many (bbolt
/// `DefaultAllocSize`).
const GROW_BYTES: u64 = 16 << 20;

/// Commits the changes under `root`, made on `base`. `freed` are pages given
/// up already.
pub(crate) fn commit(
    inner: &Inner,
    writer: &mut Writer,
    base: &Meta,
    root: &mut OpenBucket,
    freed: Vec<Run>,
) -> Result<()> {
    let Writer {
        freelist,
        freelist_page,
        growth,
        poisoned,
    } = writer;
    let mut ledger = Ledger {
        pager: &inner.pager,
        freelist,
        old_high: base.high_water,
        high: base.high_water,
        freed,
        reused: Vec::new(),
        grown: Vec::new(),
        pages: Vec::new(),
    };
    let written = write_data(
        inner,
        &mut ledger,
        base,
        root,
        *freelist_page,
        growth,
        poisoned,
    );
    let Ledger {
        freed,
        reused,
        grown,
        ..
    } = ledger;
    let (meta, new_freelist_page) = match written {
        Ok(done) => done,
        Err(error) => {
            // Nothing refers to the pages that were taken.
            for (start, len) in reused {
                writer.freelist.give_back(start, len);
            }
            return Err(error);
        }
    };
    if let Err(error) = write_meta(inner, &meta) {
        // The meta page may or may not be on disk, now or later.
        writer.poisoned = true;
        return Err(error);
    }
    let taken: Vec<Run> = reused.into_iter().chain(grown).collect();
    writer.freelist.commit(meta.txid, &freed, &taken);
    writer.freelist_page = new_freelist_page;
    inner.publish(meta);
    Ok(())
}

/// Everything before the meta page.
fn write_data(
    inner: &Inner,
    ledger: &mut Ledger<'_>,
    base: &Meta,
    root: &mut OpenBucket,
    freelist_page: Option<(u64, u32)>,
    growth: &mut Growth,
    poisoned: &mut bool,
) -> Result<(Meta, Option<(u64, u32)>)> {
    root.spill(ledger)?;
    ledger.free(freelist_page);
    check_freed(ledger)?;
    let new_freelist_page = inner.freelist_sync.then(|| write_freelist(ledger));
    let meta = Meta {
        root: root.header,
        freelist: new_freelist_page.map_or(NO_FREELIST, |(id, _)| id),
        high_water: ledger.high,
        txid: base.txid + 1,
        ..*base
    };
    if meta.high_water > base.high_water {
        growth.reserve(inner, (meta.high_water + 1) * inner.pager.page_size as u64)?;
    }
    write_pages(inner, &mut ledger.pages)?;
    if inner.sync
        && let Err(error) = inner.pager.sync()
    {
        // What the kernel keeps after a failed sync is unknown.
        *poisoned = true;
        return Err(error);
    }
    Ok((meta, new_freelist_page))
}

/// A page given up twice, or given up though it is free, means that two
/// trees share it: going on would destroy one of them.
fn check_freed(ledger: &mut Ledger<'_>) -> Result<()> {
    ledger.freed.sort_unstable();
    let mut end = 2;
    for &(start, len) in &ledger.freed {
        let free = (start..start + len).find(|id| ledger.freelist.holds(*id));
        let shared = if start < end { Some(start) } else { free };
        if let Some(id) = shared {
            return Err(ledger.pager.corrupt(
                id,
                "a page in use to have one owner",
                "that it is free or shared",
            ));
        }
        end = start + len;
    }
    Ok(())
}

fn write_freelist(ledger: &mut Ledger<'_>) -> (u64, u32) {
    // Taking these pages can only shorten the list, so that they suffice.
    let page_size = ledger.pager.page_size;
    let count = ledger.freelist.all_ids(&ledger.freed).len();
    let pages = freelist::encoded_len(count) / page_size + 1;
    let id = ledger.take(pages);
    let ids = ledger.freelist.all_ids(&ledger.freed);
    let data = freelist::encode(&ids, id, pages, page_size);
    ledger.pages.push((id, data.into()));
    (id, (pages - 1) as u32)
}

/// Writes pages in the order of their numbers and puts them into the cache.
fn write_pages(inner: &Inner, pages: &mut [(u64, Bytes)]) -> Result<()> {
    pages.sort_unstable_by_key(|(id, _)| *id);
    let page_size = inner.pager.page_size as u64;
    let mut buffer: Vec<u8> = Vec::new();
    let mut first = 0;
    for (id, data) in pages.iter() {
        let follows = first + buffer.len() as u64 / page_size == *id;
        if !buffer.is_empty() && (!follows || buffer.len() + data.len() > WRITE_BYTES) {
            inner.pager.write_at(first, &buffer)?;
            buffer.clear();
        }
        if buffer.is_empty() {
            first = *id;
        }
        if buffer.is_empty() && data.len() >= WRITE_BYTES {
            inner.pager.write_at(*id, data)?;
        } else {
            buffer.extend_from_slice(data);
        }
    }
    if !buffer.is_empty() {
        inner.pager.write_at(first, &buffer)?;
    }
    for (id, data) in pages.iter() {
        let tree = PageHeader::read(data)
            .is_some_and(|header| matches!(header.flags, FLAG_BRANCH | FLAG_LEAF));
        match cached(*id, data) {
            Some(page) if tree => inner.pager.remember(page),
            _ => inner.pager.forget(*id),
        }
    }
    Ok(())
}

fn write_meta(inner: &Inner, meta: &Meta) -> Result<(), Error> {
    let mut page = vec![0; inner.pager.page_size];
    meta.write(&mut page, meta.txid % 2);
    inner.pager.write_at(meta.txid % 2, &page)?;
    if inner.sync {
        inner.pager.sync()
    } else {
        Ok(())
    }
}

/// How far ahead the file grows: as far as bbolt's would (`db.grow`,
/// `db.mmapSize`), so that its length is what people know.
pub(crate) struct Growth {
    /// Bytes that bbolt would have mapped.
    mapped: u64,
    /// Bytes that this process has grown the file to.
    grown_to: u64,
}

impl Growth {
    pub(crate) fn new(file_len: u64, initial_map_bytes: u64, created: bool) -> Growth {
        Growth {
            mapped: map_size(file_len.max(initial_map_bytes)),
            grown_to: if created { file_len } else { 0 },
        }
    }

    fn reserve(&mut self, inner: &Inner, needed: u64) -> Result<()> {
        if needed >= self.mapped {
            self.mapped = map_size(needed.max(inner.pager.file_len()));
        }
        if needed <= self.grown_to {
            return Ok(());
        }
        let len = if self.mapped <= GROW_BYTES {
            self.mapped
        } else {
            needed + GROW_BYTES
        };
        if len > inner.pager.file_len() {
            inner.pager.set_file_len(len)?;
        }
        self.grown_to = len;
        Ok(())
    }
}

/// A power of two from 32 KiB to 1 GiB, then whole GiB.
fn map_size(size: u64) -> u64 {
    const GIB: u64 = 1 << 30;
    if size <= GIB {
        size.max(1 << 15).next_power_of_two()
    } else {
        size.div_ceil(GIB) * GIB
    }
}
