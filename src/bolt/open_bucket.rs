//! A bucket in the hands of the write transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::cursor::{Start, Tree};
use crate::format::{BUCKET_FLAG, BUCKET_HEADER_BYTES, BucketHeader, ELEMENT_BYTES, HEADER_BYTES};
use crate::node::{BranchItem, Child, Items, LeafItem, Node};
use crate::pager::Pager;
use crate::read::{Bucket, not_found};
use crate::spill::{Ledger, inline_page, rebalance, spill_tree};
use crate::{Error, Page, Result, error};

/// How full a page is left when it splits, unless somebody says otherwise.
pub(crate) const DEFAULT_FILL: f64 = 0.5;

/// A run of pages: the first one and their number.
pub(crate) type Run = (u64, u64);

enum Root {
    Page(u64),
    Inline(Arc<Page>),
    Node(Box<Node>),
}

/// A bucket that the transaction has opened, with its unwritten changes.
pub(crate) struct OpenBucket {
    pub(crate) header: BucketHeader,
    root: Root,
    /// Buckets in this one that were opened.
    children: BTreeMap<Bytes, OpenBucket>,
    pub(crate) fill: f64,
}

/// The commit that the transaction began from.
#[derive(Clone, Copy)]
pub(crate) struct Base<'a> {
    pub(crate) pager: &'a Pager,
    pub(crate) high: u64,
}

impl OpenBucket {
    pub(crate) fn at(header: BucketHeader) -> OpenBucket {
        OpenBucket {
            header,
            root: Root::Page(header.root),
            children: BTreeMap::new(),
            fill: DEFAULT_FILL,
        }
    }

    fn empty() -> OpenBucket {
        OpenBucket {
            root: Root::Node(Box::new(Node::empty_leaf())),
            ..OpenBucket::at(BucketHeader::default())
        }
    }

    fn from_value(base: Base<'_>, value: &Bytes, parent: u64) -> Result<OpenBucket> {
        let bucket = Bucket::open(base.pager, base.high, value, parent)?;
        let mut open = OpenBucket::at(bucket.header);
        if let Start::Inline(page) = bucket.tree.start {
            open.root = Root::Inline(page);
        }
        Ok(open)
    }

    /// The bucket as it is now, for reading.
    pub(crate) fn tree<'a>(&'a self, base: Base<'a>) -> Tree<'a> {
        Tree {
            pager: base.pager,
            high: base.high,
            start: match &self.root {
                Root::Page(id) => Start::Page(*id),
                Root::Inline(page) => Start::Inline(page.clone()),
                Root::Node(node) => Start::Node(node),
            },
        }
    }

    /// The root as a node.
    fn node(&mut self, base: Base<'_>) -> Result<&mut Node> {
        let read = match &self.root {
            Root::Node(_) => None,
            Root::Page(id) => Some(Node::from_page(&*base.pager.load(*id, base.high)?)),
            Root::Inline(page) => Some(Node::from_page(page)),
        };
        if let Some(node) = read {
            self.root = Root::Node(Box::new(node));
        }
        match &mut self.root {
            Root::Node(node) => Ok(node),
            // Replaced by a node just above.
            _ => Err(base.pager.corrupt(self.header.root, "a tree", "none")),
        }
    }

    /// Makes the commit write this bucket though no key of it changes.
    pub(crate) fn touch(&mut self, base: Base<'_>) -> Result<()> {
        self.node(base).map(|_| ())
    }

    /// Sets an element, whose kind must be that of the one it replaces.
    pub(crate) fn put(&mut self, base: Base<'_>, item: LeafItem) -> Result<()> {
        let node = self.node(base)?;
        if let Some((key, sibling)) = node.put(base.pager, base.high, item, 1)? {
            let first = match &node.items {
                Items::Branch(items) => items.first().map(|item| item.key.clone()),
                Items::Leaf(items) => items.first().map(|item| item.key.clone()),
            };
            let old = std::mem::replace(node, Node::empty_leaf());
            *node = Node::new(Items::Branch(vec![
                BranchItem {
                    key: first.unwrap_or_default(),
                    child: Child::Node(Box::new(old)),
                },
                BranchItem {
                    key,
                    child: Child::Node(sibling),
                },
            ]));
        }
        Ok(())
    }

    pub(crate) fn delete(&mut self, base: Base<'_>, key: &[u8]) -> Result<bool> {
        self.node(base)?
            .delete(base.pager, base.high, key, false, 1)
    }

    /// A bucket that was opened before.
    pub(crate) fn opened(&self, name: &[u8]) -> Option<&OpenBucket> {
        self.children.get(name)
    }

    /// The bucket of that name in this one.
    pub(crate) fn child(&mut self, base: Base<'_>, name: &[u8]) -> Result<&mut OpenBucket> {
        if !self.children.contains_key(name) {
            let child = match self.tree(base).get(name)? {
                Some((value, true)) => OpenBucket::from_value(base, &value, self.header.root)?,
                _ => return Err(not_found(name)),
            };
            self.children.insert(Bytes::copy_from_slice(name), child);
        }
        self.children.get_mut(name).ok_or_else(|| not_found(name))
    }

    pub(crate) fn create(&mut self, base: Base<'_>, name: &[u8]) -> Result<()> {
        if name.is_empty() {
            return Err(Error::BucketNameRequired);
        }
        let printable = error::printable(name);
        match self.tree(base).get(name)? {
            Some((_, true)) => return Err(Error::BucketExists { name: printable }),
            Some((_, false)) => {
                return Err(Error::IncompatibleValue {
                    name: printable,
                    found: "is not a bucket",
                });
            }
            None => {}
        }
        let key = Bytes::copy_from_slice(name);
        let item = LeafItem {
            key: key.clone(),
            value: BucketHeader::default().to_bytes(),
            flags: BUCKET_FLAG,
        };
        self.put(base, item)?;
        self.children.insert(key, OpenBucket::empty());
        Ok(())
    }

    /// Deletes a bucket in this one; its pages are added to `freed`.
    pub(crate) fn delete_bucket(
        &mut self,
        base: Base<'_>,
        name: &[u8],
        freed: &mut Vec<Run>,
    ) -> Result<()> {
        match self.tree(base).get(name)? {
            None => return Err(not_found(name)),
            Some((_, false)) => {
                return Err(Error::IncompatibleValue {
                    name: error::printable(name),
                    found: "is not a bucket",
                });
            }
            Some((_, true)) => {}
        }
        // All of the bucket is read before anything changes, so that damage
        // leaves the transaction as it was.
        let mut sweep = Sweep {
            base,
            freed: Vec::new(),
            seen: HashSet::new(),
        };
        self.child(base, name)?;
        if let Some(child) = self.children.get(name) {
            sweep.bucket(child)?;
        }
        self.node(base)?
            .delete(base.pager, base.high, name, true, 1)?;
        self.children.remove(name);
        freed.append(&mut sweep.freed);
        Ok(())
    }

    /// Writes what changed in this bucket and below to new pages; afterwards
    /// `header` names the new root.
    pub(crate) fn spill(&mut self, ledger: &mut Ledger<'_>) -> Result<()> {
        self.spill_children(ledger)?;
        if let Root::Node(node) = &mut self.root {
            rebalance(node, ledger)?;
            let node = std::mem::replace(node, Box::new(Node::empty_leaf()));
            self.header.root = spill_tree(*node, self.fill, ledger)?;
            self.root = Root::Page(self.header.root);
        }
        Ok(())
    }

    fn spill_children(&mut self, ledger: &mut Ledger<'_>) -> Result<()> {
        for (name, mut child) in std::mem::take(&mut self.children) {
            child.spill_children(ledger)?;
            let Root::Node(root) = &mut child.root else {
                continue;
            };
            rebalance(root, ledger)?;
            let value = match inlined(root, child.header.sequence, ledger.pager.page_size / 4) {
                Some(value) => {
                    ledger.free(root.page);
                    value
                }
                None => {
                    child.spill(ledger)?;
                    child.header.to_bytes()
                }
            };
            let base = Base {
                pager: ledger.pager,
                high: ledger.old_high,
            };
            self.put(
                base,
                LeafItem {
                    key: name,
                    value,
                    flags: BUCKET_FLAG,
                },
            )?;
        }
        Ok(())
    }
}

/// The value of a bucket that is small enough to lie in its parent's page: a
/// leaf without buckets that takes a quarter page at most.
fn inlined(root: &Node, sequence: u64, limit: usize) -> Option<Bytes> {
    let Items::Leaf(items) = &root.items else {
        return None;
    };
    let mut size = HEADER_BYTES;
    for item in items {
        size += ELEMENT_BYTES + item.key.len() + item.value.len();
        if item.is_bucket() || size > limit {
            return None;
        }
    }
    let mut value = vec![0; BUCKET_HEADER_BYTES];
    BucketHeader { root: 0, sequence }.write(&mut value);
    inline_page(items, &mut value);
    Some(value.into())
}

/// Collects all pages of a bucket and of the buckets in it.
struct Sweep<'a> {
    base: Base<'a>,
    freed: Vec<Run>,
    seen: HashSet<u64>,
}

impl Sweep<'_> {
    fn bucket(&mut self, bucket: &OpenBucket) -> Result<()> {
        match &bucket.root {
            Root::Inline(_) => Ok(()),
            Root::Page(id) => self.pages(*id, Some(bucket)),
            Root::Node(node) => self.node(node, bucket),
        }
    }

    fn node(&mut self, node: &Node, owner: &OpenBucket) -> Result<()> {
        if let Some((id, overflow)) = node.page {
            self.add(id, overflow)?;
        }
        match &node.items {
            Items::Branch(items) => {
                for item in items {
                    match &item.child {
                        Child::Page(id) => self.pages(*id, Some(owner))?,
                        Child::Node(node) => self.node(node, owner)?,
                    }
                }
            }
            Items::Leaf(items) => {
                for item in items.iter().filter(|item| item.is_bucket()) {
                    self.nested(&item.key, &item.value, Some(owner))?;
                }
            }
        }
        Ok(())
    }

    /// A bucket in a bucket: as it was opened, or as it is on disk.
    fn nested(&mut self, name: &[u8], value: &[u8], owner: Option<&OpenBucket>) -> Result<()> {
        if let Some(open) = owner.and_then(|owner| owner.opened(name)) {
            return self.bucket(open);
        }
        match BucketHeader::read(value) {
            Some(header) if header.root != 0 => self.pages(header.root, None),
            _ => Ok(()),
        }
    }

    fn add(&mut self, id: u64, overflow: u32) -> Result<()> {
        if !self.seen.insert(id) {
            return Err(self
                .base
                .pager
                .corrupt(id, "one reference to the page", "more than one"));
        }
        self.freed.push((id, u64::from(overflow) + 1));
        Ok(())
    }

    /// A tree on disk. No page is entered twice, which bounds the recursion
    /// through damaged trees; sound ones are a few levels deep.
    fn pages(&mut self, root: u64, owner: Option<&OpenBucket>) -> Result<()> {
        let mut left = vec![root];
        while let Some(id) = left.pop() {
            self.base.pager.check_bounds(id, self.base.high)?;
            let page = self.base.pager.read(id, self.base.high)?;
            self.add(id, page.overflow())?;
            for index in 0..page.len() {
                if !page.is_leaf() {
                    left.push(page.child(index));
                } else if page.is_bucket(index) {
                    self.nested(page.key(index), &page.value_bytes(index), owner)?;
                }
            }
        }
        Ok(())
    }
}
