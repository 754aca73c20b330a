//! Walking a tree in key order, over pages and over unwritten nodes.

use std::sync::Arc;

use bytes::Bytes;

use crate::node::{Child, Items, Node, child_index, too_deep};
use crate::pager::{MAX_DEPTH, Pager};
use crate::{Page, Result};

/// A key and its value; the value of a nested bucket is `None`.
///
/// Both share the memory of the page they are on: who keeps a few of them
/// for long should copy them.
pub type Pair = (Bytes, Option<Bytes>);

/// Where a tree begins.
#[derive(Clone)]
pub(crate) enum Start<'tx> {
    Page(u64),
    Inline(Arc<Page>),
    Node(&'tx Node),
}

/// A page or node on the way down.
#[derive(Clone)]
pub(crate) enum View<'tx> {
    Page(Arc<Page>),
    Node(&'tx Node),
}

impl<'tx> View<'tx> {
    fn len(&self) -> usize {
        match self {
            View::Page(page) => page.len(),
            View::Node(node) => node.len(),
        }
    }

    fn is_leaf(&self) -> bool {
        match self {
            View::Page(page) => page.is_leaf(),
            View::Node(node) => matches!(node.items, Items::Leaf(_)),
        }
    }

    fn id(&self) -> u64 {
        match self {
            View::Page(page) => page.id(),
            View::Node(node) => node.page_id(),
        }
    }

    fn key(&self, index: usize) -> Bytes {
        match self {
            View::Page(page) => page.key_bytes(index),
            View::Node(node) => match &node.items {
                Items::Branch(items) => items[index].key.clone(),
                Items::Leaf(items) => items[index].key.clone(),
            },
        }
    }

    /// Index of the child of a branch that covers the key.
    fn child_index(&self, key: &[u8]) -> usize {
        match self {
            View::Page(page) => page.child_index(key),
            View::Node(node) => match &node.items {
                Items::Branch(items) => child_index(items, key),
                Items::Leaf(_) => 0,
            },
        }
    }

    /// Index in a leaf of the first key that is not before `key`, and
    /// whether it is that key.
    fn lower_bound(&self, key: &[u8]) -> (usize, bool) {
        match self {
            View::Page(page) => page.lower_bound(key),
            View::Node(node) => match &node.items {
                Items::Leaf(items) => {
                    match items.binary_search_by(|item| item.key.as_ref().cmp(key)) {
                        Ok(index) => (index, true),
                        Err(index) => (index, false),
                    }
                }
                Items::Branch(_) => (0, false),
            },
        }
    }

    /// The child of a branch.
    fn child(&self, index: usize) -> Start<'tx> {
        match self {
            View::Page(page) => Start::Page(page.child(index)),
            View::Node(node) => match &node.items {
                Items::Branch(items) => match &items[index].child {
                    Child::Page(id) => Start::Page(*id),
                    Child::Node(node) => Start::Node(node),
                },
                Items::Leaf(_) => Start::Page(0),
            },
        }
    }

    /// The value of a leaf element, and whether it is a bucket.
    fn value(&self, index: usize) -> (Bytes, bool) {
        match self {
            View::Page(page) => (page.value_bytes(index), page.is_bucket(index)),
            View::Node(node) => match &node.items {
                Items::Leaf(items) => (items[index].value.clone(), items[index].is_bucket()),
                Items::Branch(_) => (Bytes::new(), false),
            },
        }
    }

    fn pair(&self, index: usize) -> Pair {
        let (value, bucket) = self.value(index);
        (self.key(index), (!bucket).then_some(value))
    }
}

/// A tree to read: its start and where its pages come from.
#[derive(Clone)]
pub(crate) struct Tree<'tx> {
    pub(crate) pager: &'tx Pager,
    /// The high water mark of the commit that is read.
    pub(crate) high: u64,
    pub(crate) start: Start<'tx>,
}

impl<'tx> Tree<'tx> {
    fn view(&self, start: &Start<'tx>) -> Result<View<'tx>> {
        Ok(match start {
            Start::Page(id) => View::Page(self.pager.load(*id, self.high)?),
            Start::Inline(page) => View::Page(page.clone()),
            Start::Node(node) => View::Node(node),
        })
    }

    /// The value of a key and whether it is a bucket.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<(Bytes, bool)>> {
        let mut view = self.view(&self.start)?;
        for _ in 0..MAX_DEPTH {
            if view.is_leaf() {
                let (index, exact) = view.lower_bound(key);
                return Ok(exact.then(|| view.value(index)));
            }
            view = self.view(&view.child(view.child_index(key)))?;
        }
        Err(too_deep(self.pager, view.id()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nowhere yet.
    Unset,
    /// On the element that the stack leads to.
    At,
    /// Before the first element.
    Front,
    /// Behind the last element.
    Back,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forth,
    Back,
}

/// Walks the keys of a bucket in order.
///
/// A new cursor is nowhere: [`Cursor::next`] then goes to the first element,
/// [`Cursor::prev`] to the last. After the end `next` stays there and `prev`
/// gives the last element; in front of the beginning it is the other way
/// round. On a damaged tree a walk ends in an error rather than going round:
/// from leaf to leaf the keys must rise.
pub struct Cursor<'tx> {
    tree: Tree<'tx>,
    stack: Vec<(View<'tx>, usize)>,
    place: Place,
}

impl<'tx> Cursor<'tx> {
    pub(crate) fn new(tree: Tree<'tx>) -> Cursor<'tx> {
        Cursor {
            tree,
            stack: Vec::new(),
            place: Place::Unset,
        }
    }

    /// Goes to the first element and returns it; `None` if there is none.
    pub fn first(&mut self) -> Result<Option<Pair>> {
        self.edge(Way::Forth)
    }

    /// Goes to the last element and returns it; `None` if there is none.
    pub fn last(&mut self) -> Result<Option<Pair>> {
        self.edge(Way::Back)
    }

    /// Goes to the first element whose key is `key` or comes after it, or
    /// behind the last element (`None`).
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Pair>> {
        self.stack.clear();
        self.place = Place::Unset;
        let mut view = self.tree.view(&self.tree.start)?;
        loop {
            if view.is_leaf() {
                let (index, _) = view.lower_bound(key);
                let len = view.len();
                if index < len {
                    let pair = view.pair(index);
                    self.stack.push((view, index));
                    self.place = Place::At;
                    return Ok(Some(pair));
                }
                self.stack.push((view, len.saturating_sub(1)));
                return self.step(Way::Forth);
            }
            let index = view.child_index(key);
            let child = view.child(index);
            self.push(view, index)?;
            view = self.tree.view(&child)?;
        }
    }

    /// Goes to the next element and returns it; `None` behind the last.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Pair>> {
        match self.place {
            Place::Unset | Place::Front => self.first(),
            Place::Back => Ok(None),
            Place::At => {
                // The common step stays on one leaf.
                if let Some((view, index)) = self.stack.last_mut()
                    && *index + 1 < view.len()
                {
                    *index += 1;
                    return Ok(Some(view.pair(*index)));
                }
                self.step(Way::Forth)
            }
        }
    }

    /// Goes to the element before and returns it; `None` in front of the first.
    pub fn prev(&mut self) -> Result<Option<Pair>> {
        match self.place {
            Place::Unset | Place::Back => self.last(),
            Place::Front => Ok(None),
            Place::At => {
                if let Some((view, index)) = self.stack.last_mut()
                    && *index > 0
                {
                    *index -= 1;
                    return Ok(Some(view.pair(*index)));
                }
                self.step(Way::Back)
            }
        }
    }

    fn push(&mut self, view: View<'tx>, index: usize) -> Result<()> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep(self.tree.pager, view.id()));
        }
        self.stack.push((view, index));
        Ok(())
    }

    /// Descends from `start` along its first or last children to a leaf.
    fn descend(&mut self, start: &Start<'tx>, way: Way) -> Result<u64> {
        let mut view = self.tree.view(start)?;
        let mut pages = 1;
        loop {
            let index = match way {
                Way::Forth => 0,
                Way::Back => view.len().saturating_sub(1),
            };
            if view.is_leaf() {
                self.push(view, index)?;
                return Ok(pages);
            }
            let child = view.child(index);
            self.push(view, index)?;
            view = self.tree.view(&child)?;
            pages += 1;
        }
    }

    fn edge(&mut self, way: Way) -> Result<Option<Pair>> {
        self.stack.clear();
        self.place = Place::Unset;
        let start = self.tree.start.clone();
        self.descend(&start, way)?;
        match self.stack.last() {
            Some((view, index)) if view.len() > 0 => {
                let pair = view.pair(*index);
                self.place = Place::At;
                Ok(Some(pair))
            }
            _ => self.step(way),
        }
    }

    /// Leaves the current leaf for the next one that is not empty.
    fn step(&mut self, way: Way) -> Result<Option<Pair>> {
        let mut bound = None;
        if let Some((leaf, _)) = self.stack.pop()
            && leaf.len() > 0
        {
            let (first, last) = (leaf.key(0), leaf.key(leaf.len() - 1));
            bound = Some(match way {
                Way::Forth => first.max(last),
                Way::Back => first.min(last),
            });
        }
        let mut pages = 0;
        while let Some((view, index)) = self.stack.last_mut() {
            let moved = match way {
                Way::Forth => (*index + 1 < view.len()).then(|| *index + 1),
                Way::Back => index.checked_sub(1),
            };
            let Some(moved) = moved else {
                self.stack.pop();
                continue;
            };
            *index = moved;
            let child = view.child(moved);
            pages += self.descend(&child, way)?;
            // Empty leaves are stepped over, but not more than there are pages.
            if pages > self.tree.high + MAX_DEPTH as u64 {
                self.place = Place::Unset;
                return Err(too_deep(self.tree.pager, 0));
            }
            if let Some(pair) = self.arrive(way, &bound)? {
                return Ok(Some(pair));
            }
        }
        self.place = match way {
            Way::Forth => Place::Back,
            Way::Back => Place::Front,
        };
        Ok(None)
    }

    /// The element at the top of the stack; `None`, and the leaf popped, if
    /// the leaf is empty.
    fn arrive(&mut self, way: Way, bound: &Option<Bytes>) -> Result<Option<Pair>> {
        let Some((leaf, index)) = self.stack.last() else {
            return Ok(None);
        };
        if leaf.len() == 0 {
            self.stack.pop();
            return Ok(None);
        }
        let pair = leaf.pair(*index);
        let in_order = bound.as_ref().is_none_or(|bound| match way {
            Way::Forth => pair.0 > *bound,
            Way::Back => pair.0 < *bound,
        });
        if !in_order {
            let id = leaf.id();
            self.place = Place::Unset;
            return Err(self.tree.pager.corrupt(
                id,
                "keys to rise from leaf to leaf",
                "a key that is out of order",
            ));
        }
        self.place = Place::At;
        Ok(Some(pair))
    }
}
