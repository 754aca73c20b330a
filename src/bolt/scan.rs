//! Finding the free pages of a file that lists none, by walking all trees.
//!
//! The walk goes level by level with sorted page numbers, so that it reads
//! the file front to back, and of leaves it looks at the records only: of a leaf
//! that stands alone, as those with large values do, it reads no more.

use std::ops::Range;

use crate::Result;
use crate::format::{
    BUCKET_FLAG, BucketHeader, ELEMENT_BYTES, HEADER_BYTES, Meta, PageHeader, PageKind, u32_at,
};
use crate::pager::Pager;

/// Most pages that one read fetches.
const WINDOW_PAGES: u64 = 64;
/// What is read of a page that stands alone. No page is smaller.
const HEAD_BYTES: usize = 1024;

/// A set of page numbers below a bound.
pub(crate) struct PageSet {
    words: Vec<u64>,
    bound: u64,
}

impl PageSet {
    pub(crate) fn new(bound: u64) -> PageSet {
        PageSet {
            words: vec![0; bound.div_ceil(64) as usize],
            bound,
        }
    }

    /// Adds a number; false if it was there or is out of bounds.
    pub(crate) fn insert(&mut self, id: u64) -> bool {
        if id >= self.bound {
            return false;
        }
        let word = &mut self.words[(id / 64) as usize];
        let bit = 1 << (id % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        id < self.bound && self.words[(id / 64) as usize] & 1 << (id % 64) != 0
    }

    /// Numbers from 0 to the bound that are not in the set, ascending.
    pub(crate) fn missing(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.bound).filter(|id| !self.contains(*id))
    }
}

/// All pages that the commit reaches: its trees, the meta pages, and the free
/// list's own pages. Fails at the first page that is damaged or is reached
/// twice.
pub(crate) fn reachable(pager: &Pager, meta: &Meta) -> Result<PageSet> {
    // Each page is at least a bit here, so a mark far beyond the file would
    // cost memory that no page stands for.
    let size = meta.high_water.saturating_mul(pager.page_size as u64);
    if size > pager.file_len() {
        return Err(pager.corrupt(
            meta.txid % 2,
            format!("a file of at least {size} bytes"),
            format!("{} bytes", pager.file_len()),
        ));
    }
    let mut walk = Walk {
        pager,
        high: meta.high_water,
        seen: PageSet::new(meta.high_water),
        next: vec![meta.root.root],
    };
    walk.seen.insert(0);
    walk.seen.insert(1);
    while !walk.next.is_empty() {
        let mut level = std::mem::take(&mut walk.next);
        level.sort_unstable();
        walk.level(&level)?;
    }
    Ok(walk.seen)
}

struct Walk<'a> {
    pager: &'a Pager,
    high: u64,
    seen: PageSet,
    next: Vec<u64>,
}

impl Walk<'_> {
    fn level(&mut self, ids: &[u64]) -> Result<()> {
        let page_size = self.pager.page_size;
        let mut buffer = Vec::new();
        let mut from = 0;
        while from < ids.len() {
            let run = self.run(ids, from)?;
            let wanted = match run.len() {
                1 => HEAD_BYTES,
                pages => pages * page_size,
            };
            buffer.resize(wanted, 0);
            self.pager.read_at(ids[run.start], &mut buffer)?;
            for (id, data) in ids[run.clone()].iter().zip(buffer.chunks(page_size)) {
                self.page(*id, data)?;
            }
            from = run.end;
        }
        Ok(())
    }

    /// The ids from index `from` on, without a gap, that one read can fetch.
    fn run(&self, ids: &[u64], from: usize) -> Result<Range<usize>> {
        let mut end = from + 1;
        self.pager.check_bounds(ids[from], self.high)?;
        while end < ids.len()
            && ids[end] < self.high
            && ids[end] - ids[end - 1] == 1
            && ids[end] - ids[from] < WINDOW_PAGES
        {
            end += 1;
        }
        Ok(from..end)
    }

    /// Looks at a page of which the beginning is at hand.
    fn page(&mut self, id: u64, data: &[u8]) -> Result<()> {
        // A page always holds a header: the page size is at least 1024.
        let Some(header) = PageHeader::read(data) else {
            return Ok(());
        };
        let last = id.saturating_add(u64::from(header.overflow));
        if last >= self.high {
            return Err(self.pager.corrupt(
                id,
                format!("its overflow to end before page {}", self.high),
                format!("{} overflow pages", header.overflow),
            ));
        }
        for part in id..=last {
            if !self.seen.insert(part) {
                return Err(self
                    .pager
                    .corrupt(part, "one reference to the page", "more than one"));
            }
        }
        if header.id == id && header.kind() == PageKind::Leaf && !has_buckets(&header, data) {
            return Ok(());
        }
        let whole = self.pager.read(id, self.high)?;
        for index in 0..whole.len() {
            if !whole.is_leaf() {
                self.next.push(whole.child(index));
            } else if whole.is_bucket(index)
                && let Some(bucket) = BucketHeader::read(&whole.value_bytes(index))
                && bucket.root != 0
            {
                self.next.push(bucket.root);
            }
        }
        Ok(())
    }
}

/// True if a leaf holds buckets, or if that cannot be told from its beginning.
fn has_buckets(header: &PageHeader, data: &[u8]) -> bool {
    let count = usize::from(header.count);
    if HEADER_BYTES + count * ELEMENT_BYTES > data.len() {
        return true;
    }
    (0..count).any(|index| u32_at(data, HEADER_BYTES + index * ELEMENT_BYTES) & BUCKET_FLAG != 0)
}
