//! From nodes back to pages: merging what got small, splitting what got
//! large, with the thresholds of bbolt's `node.go`, so that files come out
//! as large as the reference's.

use bytes::Bytes;

use crate::format::HEADER_BYTES;
use crate::freelist::Freelist;
use crate::node::{BranchItem, Child, Encoder, Items, LeafItem, Node, descend};
use crate::pager::{MAX_DEPTH, Pager};
use crate::{Page, Result};

/// Fewest elements that a split leaves on a page.
const MIN_KEYS: usize = 2;
/// A page counts its elements in 16 bits, and 0xFFFF has a meaning of its own.
const MAX_KEYS: usize = 0xFFFE;

/// What a commit takes, gives up and writes.
pub(crate) struct Ledger<'a> {
    pub(crate) pager: &'a Pager,
    pub(crate) freelist: &'a mut Freelist,
    /// The high water mark before, which bounds the pages that can be read.
    pub(crate) old_high: u64,
    /// The high water mark that the commit will have.
    pub(crate) high: u64,
    /// Runs given up: first page and length.
    pub(crate) freed: Vec<(u64, u64)>,
    /// Runs taken from the free list.
    pub(crate) reused: Vec<(u64, u64)>,
    /// Runs taken from above the old mark.
    pub(crate) grown: Vec<(u64, u64)>,
    /// Pages to be written.
    pub(crate) pages: Vec<(u64, Bytes)>,
}

impl Ledger<'_> {
    /// A run of pages that nothing refers to.
    pub(crate) fn take(&mut self, pages: usize) -> u64 {
        let pages = pages as u64;
        if let Some(id) = self.freelist.take(pages) {
            self.reused.push((id, pages));
            return id;
        }
        let id = self.high;
        self.high += pages;
        self.grown.push((id, pages));
        id
    }

    /// Gives up a page with its overflow.
    pub(crate) fn free(&mut self, page: Option<(u64, u32)>) {
        if let Some((id, overflow)) = page {
            self.freed.push((id, u64::from(overflow) + 1));
        }
    }
}

/// Merges nodes that lost elements with a neighbour and drops empty ones.
/// To be called with the root of a tree; a root that is a branch with one
/// child gives its place to the child.
pub(crate) fn rebalance(root: &mut Node, ledger: &mut Ledger<'_>) -> Result<()> {
    rebalance_children(root, ledger, 1)?;
    // The count keeps a damaged chain of single children from going round.
    let mut levels = 0;
    while root.shrunk
        && levels < MAX_DEPTH
        && let Items::Branch(items) = &mut root.items
        && items.len() < MIN_KEYS
    {
        let replaced = match items.pop() {
            None => Node::empty_leaf(),
            Some(mut only) => {
                descend(&mut only.child, ledger.pager, ledger.old_high, 1, 0)?;
                match only.child {
                    Child::Node(node) => *node,
                    Child::Page(_) => break,
                }
            }
        };
        let old = std::mem::replace(root, replaced);
        ledger.free(old.page);
        root.shrunk = true;
        levels += 1;
    }
    Ok(())
}

fn rebalance_children(node: &mut Node, ledger: &mut Ledger<'_>, depth: usize) -> Result<()> {
    let page = node.page_id();
    let Items::Branch(items) = &mut node.items else {
        return Ok(());
    };
    let mut index = 0;
    let mut removed = false;
    while index < items.len() {
        let Child::Node(child) = &mut items[index].child else {
            index += 1;
            continue;
        };
        rebalance_children(child, ledger, depth + 1)?;
        if !is_small(child, ledger.pager.page_size) {
            index += 1;
        } else if child.len() == 0 {
            let item = items.remove(index);
            free_node(item, ledger);
            removed = true;
        } else if items.len() == 1 {
            index += 1;
        } else {
            // With the left neighbour if there is one; what was merged is
            // not looked at again.
            let left = index.saturating_sub(1);
            let right = items.remove(left + 1);
            merge(&mut items[left], right, ledger, depth, page)?;
            removed = true;
            index = left + 1;
        }
    }
    if removed {
        node.shrunk = true;
        node.measure();
    }
    Ok(())
}

/// True if a node lost elements and now has a quarter page or less, or too
/// few of them.
fn is_small(node: &Node, page_size: usize) -> bool {
    let fewest = match node.items {
        Items::Leaf(_) => 1,
        Items::Branch(_) => 2,
    };
    node.len() == 0 || node.shrunk && (node.size <= page_size / 4 || node.len() <= fewest)
}

fn free_node(item: BranchItem, ledger: &mut Ledger<'_>) {
    if let Child::Node(node) = item.child {
        ledger.free(node.page);
    }
}

fn merge(
    left: &mut BranchItem,
    mut right: BranchItem,
    ledger: &mut Ledger<'_>,
    depth: usize,
    parent: u64,
) -> Result<()> {
    let (pager, high) = (ledger.pager, ledger.old_high);
    let target = descend(&mut left.child, pager, high, depth, parent)?;
    let source = descend(&mut right.child, pager, high, depth, parent)?;
    match (&mut target.items, &mut source.items) {
        (Items::Leaf(to), Items::Leaf(from)) => to.append(from),
        (Items::Branch(to), Items::Branch(from)) => to.append(from),
        _ => {
            return Err(pager.corrupt(
                parent,
                "all children of a branch to be of one kind",
                "a leaf beside a branch",
            ));
        }
    }
    target.measure();
    ledger.free(source.page);
    Ok(())
}

/// Writes a tree to new pages and returns the number of its root.
pub(crate) fn spill_tree(root: Node, fill: f64, ledger: &mut Ledger<'_>) -> Result<u64> {
    let mut pages = spill(root, fill, ledger)?;
    while pages.len() > 1 {
        let items = pages
            .into_iter()
            .map(|(key, id)| BranchItem {
                key,
                child: Child::Page(id),
            })
            .collect();
        pages = spill(Node::new(Items::Branch(items)), fill, ledger)?;
    }
    // A spilled node always yields a page, an empty one too.
    Ok(pages.first().map_or(0, |(_, id)| *id))
}

/// Writes a node and all nodes below it; returns the first key and the
/// number of each page that came of it.
fn spill(node: Node, fill: f64, ledger: &mut Ledger<'_>) -> Result<Vec<(Bytes, u64)>> {
    let page_size = ledger.pager.page_size;
    let items = match node.items {
        Items::Leaf(items) => Items::Leaf(items),
        Items::Branch(items) => {
            let mut flat = Vec::with_capacity(items.len());
            for item in items {
                match item.child {
                    Child::Page(_) => flat.push(item),
                    Child::Node(child) => {
                        flat.extend(spill(*child, fill, ledger)?.into_iter().map(|(key, id)| {
                            BranchItem {
                                key,
                                child: Child::Page(id),
                            }
                        }))
                    }
                }
            }
            Items::Branch(flat)
        }
    };
    ledger.free(node.page);
    let mut written = Vec::new();
    match &items {
        Items::Leaf(items) => {
            for chunk in split(items, LeafItem::size, page_size, fill) {
                let id = write_leaf(chunk, ledger);
                written.push((
                    chunk.first().map_or(Bytes::new(), |item| item.key.clone()),
                    id,
                ));
            }
        }
        Items::Branch(items) => {
            for chunk in split(items, BranchItem::size, page_size, fill) {
                let id = write_branch(chunk, ledger);
                written.push((
                    chunk.first().map_or(Bytes::new(), |item| item.key.clone()),
                    id,
                ));
            }
        }
    }
    Ok(written)
}

/// Cuts elements into pages as bbolt's `node.splitTwo` and `splitIndex` do.
fn split<T>(items: &[T], size: impl Fn(&T) -> usize, page_size: usize, fill: f64) -> Vec<&[T]> {
    let threshold = (page_size as f64 * fill.clamp(0.1, 1.0)) as usize;
    let mut left = HEADER_BYTES + items.iter().map(&size).sum::<usize>();
    let mut rest = items;
    let mut chunks = Vec::new();
    while rest.len() > MIN_KEYS * 2 && (left >= page_size || rest.len() > MAX_KEYS) {
        let mut filled = HEADER_BYTES;
        let mut index = 0;
        while index + 1 < rest.len() - MIN_KEYS && index < MAX_KEYS {
            let next = filled + size(&rest[index]);
            if index >= MIN_KEYS && next > threshold {
                break;
            }
            filled = next;
            index += 1;
        }
        let (chunk, remaining) = rest.split_at(index);
        left -= filled - HEADER_BYTES;
        chunks.push(chunk);
        rest = remaining;
    }
    chunks.push(rest);
    chunks
}

fn write_leaf(items: &[LeafItem], ledger: &mut Ledger<'_>) -> u64 {
    let bytes = HEADER_BYTES + items.iter().map(LeafItem::size).sum::<usize>();
    let pages = bytes.div_ceil(ledger.pager.page_size);
    let id = ledger.take(pages);
    let mut out = Encoder::new(id, true, items.len(), pages, pages * ledger.pager.page_size);
    for item in items {
        out.leaf(item);
    }
    ledger.pages.push((id, out.finish()));
    id
}

fn write_branch(items: &[BranchItem], ledger: &mut Ledger<'_>) -> u64 {
    let bytes = HEADER_BYTES + items.iter().map(BranchItem::size).sum::<usize>();
    let pages = bytes.div_ceil(ledger.pager.page_size);
    let id = ledger.take(pages);
    let mut out = Encoder::new(
        id,
        false,
        items.len(),
        pages,
        pages * ledger.pager.page_size,
    );
    for item in items {
        // Children were written first, so each is a page by now.
        if let Child::Page(child) = item.child {
            out.branch(&item.key, child);
        }
    }
    ledger.pages.push((id, out.finish()));
    id
}

/// A leaf as the inline page of a bucket's value: number 0, no padding.
pub(crate) fn inline_page(items: &[LeafItem], out: &mut Vec<u8>) {
    let bytes = HEADER_BYTES + items.iter().map(LeafItem::size).sum::<usize>();
    let mut page = Encoder::new(0, true, items.len(), 1, bytes);
    for item in items {
        page.leaf(item);
    }
    out.extend_from_slice(&page.finish());
}

/// Reads a tree page back for the cache from the bytes that were written.
pub(crate) fn cached(id: u64, data: &Bytes) -> Option<Page> {
    Page::parse(id, data.clone()).ok()
}
