//! Is a commit sound? What bbolt's `Tx.Check` looks for (`tx_check.go`), in
//! its words, and more: damaged elements, empty keys, inline buckets. Every
//! page is entered once at most, so a check of any file ends.

use std::collections::HashSet;
use std::{fmt, mem};

use bytes::Bytes;

use crate::error::hex;
use crate::format::{BucketHeader, NO_FREELIST, PageHeader, PageKind};
use crate::opening::listed_free;
use crate::pager::MAX_DEPTH;
use crate::scan::PageSet;
use crate::{BUCKET_HEADER_BYTES, Page, ReadTx};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The page on which it was noticed.
    pub page: u64,
    /// What is wrong.
    pub problem: Problem,
    /// The pages from the tree's root to this one; empty where no walk led
    /// to it.
    pub stack: Vec<u64>,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The free list names the page twice.
    AlreadyFreed,
    /// A tree refers to a page beyond the high water mark, which is given.
    OutOfBounds(u64),
    /// The page is reached by more than one way.
    MultipleReferences,
    /// A tree uses the page and the free list offers it.
    ReachableFreed,
    /// A tree refers to something that is neither branch nor leaf.
    InvalidType(PageKind),
    /// No tree uses the page and the free list does not name it.
    UnreachableUnfreed,
    /// Keys are not where their order puts them; the text is bbolt's.
    KeyOrder(String),
    /// A key has no bytes.
    EmptyKey {
        /// Which element of the page.
        index: usize,
    },
    /// The page cannot be read, or holds what the format forbids.
    Damaged(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = self.page;
        let stack = Stack(&self.stack);
        match &self.problem {
            Problem::AlreadyFreed => write!(f, "page {page}: already freed"),
            Problem::OutOfBounds(high) => {
                write!(f, "page {page}: out of bounds: {high} (stack: {stack})")
            }
            Problem::MultipleReferences => {
                write!(f, "page {page}: multiple references (stack: {stack})")
            }
            Problem::ReachableFreed => write!(f, "page {page}: reachable freed"),
            Problem::InvalidType(kind) => {
                write!(f, "page {page}: invalid type: {kind} (stack: {stack})")
            }
            Problem::UnreachableUnfreed => write!(f, "page {page}: unreachable unfreed"),
            Problem::KeyOrder(text) => f.write_str(text),
            Problem::EmptyKey { index } => {
                write!(f, "page {page}: key[{index}] is empty (stack: {stack})")
            }
            Problem::Damaged(text) => write!(f, "page {page}: {text} (stack: {stack})"),
        }
    }
}

/// Page numbers as Go prints a slice.
struct Stack<'a>(&'a [u64]);

impl fmt::Display for Stack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, page) in self.0.iter().enumerate() {
            write!(f, "{}{page}", if index > 0 { " " } else { "" })?;
        }
        f.write_str("]")
    }
}

/// What [`check_each`] comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed<'a> {
    /// A bucket of the root bucket, by its name; its pairs follow.
    Bucket(&'a [u8]),
    /// A key, and its value; none where the key names a bucket within the bucket, whose
    /// own pairs are left out.
    Pair(&'a [u8], Option<&'a [u8]>),
}

/// Checks the commit that a snapshot shows, and the free list that it has on
/// disk. A commit without one (etcd's) has no page that is unreachable.
pub fn check(tx: &ReadTx) -> Vec<Finding> {
    check_each(tx, &mut |_| ())
}

/// Like [`check`], and shows what the buckets hold meanwhile, in order: who needs both
/// reads the file once. What it shows means nothing where something is found wrong.
pub fn check_each(tx: &ReadTx, each: &mut dyn FnMut(Passed<'_>)) -> Vec<Finding> {
    check_with(tx, None, each)
}

/// Like [`check_each`], with the free pages given where somebody has them.
pub(crate) fn check_with(
    tx: &ReadTx,
    free: Option<Vec<u64>>,
    each: &mut dyn FnMut(Passed<'_>),
) -> Vec<Finding> {
    let high = tx.meta().high_water;
    let mut check = Check {
        tx,
        high,
        freed: HashSet::new(),
        reached: PageSet::new(high),
        stack: Vec::new(),
        findings: Vec::new(),
        each,
        shown: false,
        guess: 0,
    };
    check.reached.insert(0);
    check.reached.insert(1);
    let complete = check.free_pages(free);
    check.root(tx.meta().root.root);
    if complete {
        let lost: Vec<u64> = check
            .reached
            .missing()
            .filter(|id| !check.freed.contains(id))
            .collect();
        for id in lost {
            check.report(id, Problem::UnreachableUnfreed);
        }
    }
    check.findings
}

struct Check<'a> {
    tx: &'a ReadTx,
    high: u64,
    freed: HashSet<u64>,
    reached: PageSet,
    stack: Vec<u64>,
    findings: Vec<Finding>,
    each: &'a mut dyn FnMut(Passed<'_>),
    /// Whether the pairs of this tree are shown.
    shown: bool,
    /// How many pages of overflow the next page may have.
    guess: u32,
}

/// More pages are not read on a guess.
const MOST_GUESSED: u32 = 16;

/// A bucket that is the value of a leaf's element.
struct Nested {
    name: Bytes,
    tree: Tree,
}

enum Tree {
    /// The root page's number.
    Page(u64),
    /// The page itself, which has been checked with the leaf that holds it.
    Inline(Page),
}

/// The keys that a subtree may hold: from the first to below the second.
#[derive(Clone, Default)]
struct Range {
    least: Option<Bytes>,
    below: Option<Bytes>,
}

impl Check<'_> {
    fn report(&mut self, page: u64, problem: Problem) {
        self.findings.push(Finding {
            page,
            problem,
            stack: self.stack.clone(),
        });
    }

    /// Notes all free pages; true if they are known completely.
    fn free_pages(&mut self, given: Option<Vec<u64>>) -> bool {
        let page = self.tx.meta().freelist;
        let mut complete = true;
        let mut listed = None;
        if page != NO_FREELIST {
            match listed_free(self.tx.pager(), self.tx.meta()) {
                Ok((ids, overflow)) => {
                    for id in page..=page + u64::from(overflow) {
                        self.reached.insert(id);
                    }
                    listed = Some(ids);
                }
                Err(error) => {
                    self.report(page, Problem::Damaged(format!("the free list: {error}")));
                    complete = false;
                }
            }
        }
        let Some(ids) = given.or(listed) else {
            return false;
        };
        for id in ids {
            if !self.freed.insert(id) {
                self.report(id, Problem::AlreadyFreed);
            } else if id < 2 || id >= self.high {
                self.report(id, Problem::OutOfBounds(self.high));
            }
        }
        complete
    }

    /// The root bucket's tree and all buckets in it.
    fn root(&mut self, root: u64) {
        let mut buckets = Vec::new();
        self.tree(root, Range::default(), &mut buckets);
        for bucket in buckets {
            (self.each)(Passed::Bucket(&bucket.name));
            self.bucket(bucket.tree, true);
        }
    }

    /// A bucket's tree and all buckets in it.
    fn bucket(&mut self, tree: Tree, shown: bool) {
        let mut nested = Vec::new();
        match tree {
            Tree::Page(root) => {
                self.stack.clear();
                self.shown = shown;
                self.tree(root, Range::default(), &mut nested);
                self.shown = false;
            }
            Tree::Inline(page) if shown => {
                for index in 0..page.len() {
                    self.show(&page, index);
                }
            }
            Tree::Inline(_) => {}
        }
        for bucket in nested {
            self.bucket(bucket.tree, false);
        }
    }

    fn show(&mut self, page: &Page, index: usize) {
        let value = (!page.is_bucket(index)).then(|| page.value_bytes(index));
        (self.each)(Passed::Pair(page.key(index), value.as_deref()));
    }

    /// Checks the subtree at page `id`; returns the last key in it.
    fn tree(&mut self, id: u64, range: Range, nested: &mut Vec<Nested>) -> Option<Bytes> {
        self.stack.push(id);
        let last = match self.enter(id) {
            Some(page) if page.is_leaf() => self.leaf(&page, id, range, nested),
            Some(page) => self.branch(&page, range, nested),
            None => None,
        };
        self.stack.pop();
        last
    }

    /// The page, if it is one that can be looked into and was not before.
    fn enter(&mut self, id: u64) -> Option<Page> {
        if id < 2 || id >= self.high {
            self.report(id, Problem::OutOfBounds(self.high));
            return None;
        }
        if self.stack.len() > MAX_DEPTH {
            self.report(
                id,
                Problem::Damaged(format!("deeper than {MAX_DEPTH} levels")),
            );
            return None;
        }
        let data = match self.tx.pager().read_raw_guessing(id, self.high, self.guess) {
            Ok(data) => data,
            Err(error) => {
                self.reached.insert(id);
                self.report(id, Problem::Damaged(error.to_string()));
                return None;
            }
        };
        let header = PageHeader::read(&data)?;
        // Neighbours are alike. What is large is read in two steps all the same.
        self.guess = header.overflow.min(MOST_GUESSED);
        let mut first_visit = true;
        for part in id..=id + u64::from(header.overflow) {
            if !self.reached.insert(part) {
                first_visit = false;
                self.report(part, Problem::MultipleReferences);
            }
        }
        if self.freed.contains(&id) {
            self.report(id, Problem::ReachableFreed);
        }
        if !first_visit {
            return None;
        }
        if !matches!(header.kind(), PageKind::Branch | PageKind::Leaf) {
            self.report(id, Problem::InvalidType(header.kind()));
            return None;
        }
        match Page::parse(id, data) {
            Ok(page) => Some(page),
            Err(damage) => {
                let text = format!(
                    "damaged: expected {}, found {}",
                    damage.expected, damage.found
                );
                self.report(id, Problem::Damaged(text));
                None
            }
        }
    }

    fn branch(&mut self, page: &Page, range: Range, nested: &mut Vec<Nested>) -> Option<Bytes> {
        let mut running = range.least.clone();
        for index in 0..page.len() {
            let child = page.child(index);
            self.key(
                "branch",
                page,
                index,
                child,
                running.as_ref(),
                range.below.as_ref(),
            );
            let below = if index + 1 < page.len() {
                Some(page.key_bytes(index + 1))
            } else {
                range.below.clone()
            };
            let child_range = Range {
                least: Some(page.key_bytes(index)),
                below,
            };
            // A child that cannot be read leaves the order known so far.
            running = self
                .tree(child, child_range, nested)
                .or_else(|| Some(page.key_bytes(index)));
        }
        running
    }

    fn leaf(
        &mut self,
        page: &Page,
        id: u64,
        range: Range,
        nested: &mut Vec<Nested>,
    ) -> Option<Bytes> {
        let mut running = range.least;
        for index in 0..page.len() {
            self.key(
                "leaf",
                page,
                index,
                id,
                running.as_ref(),
                range.below.as_ref(),
            );
            running = Some(page.key_bytes(index));
            if self.shown {
                self.show(page, index);
            }
            if page.is_bucket(index) {
                self.nested(page, index, id, nested);
            }
        }
        running
    }

    /// The bucket that is the value of a leaf's element.
    fn nested(&mut self, page: &Page, index: usize, id: u64, nested: &mut Vec<Nested>) {
        let value = page.value_bytes(index);
        let mut found = |tree| {
            nested.push(Nested {
                name: page.key_bytes(index),
                tree,
            });
        };
        match BucketHeader::read(&value) {
            None => {
                let text = format!("key[{index}] is a bucket of only {} bytes", value.len());
                self.report(id, Problem::Damaged(text));
            }
            Some(header) if header.root != 0 => found(Tree::Page(header.root)),
            Some(_) => match Page::parse(0, value.slice(BUCKET_HEADER_BYTES..)) {
                Ok(inline) if inline.is_leaf() => {
                    let mut buckets = Vec::new();
                    let shown = mem::take(&mut self.shown);
                    self.leaf(&inline, id, Range::default(), &mut buckets);
                    self.shown = shown;
                    if !buckets.is_empty() {
                        let text = format!("key[{index}] is an inline bucket with buckets in it");
                        self.report(id, Problem::Damaged(text));
                    }
                    found(Tree::Inline(inline));
                }
                Ok(_) => {
                    let text = format!("key[{index}] is an inline bucket, but a branch");
                    self.report(id, Problem::Damaged(text));
                }
                Err(damage) => {
                    let text = format!(
                        "key[{index}] is a damaged inline bucket: expected {}, found {}",
                        damage.expected, damage.found
                    );
                    self.report(id, Problem::Damaged(text));
                }
            },
        }
    }

    /// Checks one key against its neighbours; the texts are those of bbolt's
    /// `verifyKeyOrder`.
    fn key(
        &mut self,
        kind: &str,
        page: &Page,
        index: usize,
        id: u64,
        before: Option<&Bytes>,
        below: Option<&Bytes>,
    ) {
        let key = page.key(index);
        if key.is_empty() {
            self.report(page.id(), Problem::EmptyKey { index });
        }
        // Nothing is formatted for the keys that are in their places.
        let rises = before.is_none_or(|before| match index {
            0 => before.as_ref() <= key,
            _ => before.as_ref() < key,
        });
        if rises && below.is_none_or(|below| key < below.as_ref()) {
            return;
        }
        let stack = self.stack.clone();
        let named = format!("key[{index}]=(hex){} on {kind} page({id})", Hex(key));
        let stack = Stack(&stack);
        let mut texts = Vec::new();
        if let Some(before) = before {
            let shown = Hex(before);
            if index == 0 && before.as_ref() > key {
                texts.push(format!(
                    "the first {named} needs to be >= the key in the ancestor ({shown}). Stack: {stack}"
                ));
            }
            if index > 0 && before.as_ref() >= key {
                let relation = if before.as_ref() == key { "=" } else { "<" };
                texts.push(format!(
                    "{named} needs to be > (found {relation}) than previous element (hex){shown}. Stack: {stack}"
                ));
            }
        }
        if let Some(below) = below
            && key >= below.as_ref()
        {
            texts.push(format!(
                "{named} needs to be < than key of the next element in ancestor (hex){}. Pages stack: {stack}",
                Hex(below)
            ));
        }
        for text in texts {
            self.report(id, Problem::KeyOrder(text));
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0))
    }
}
