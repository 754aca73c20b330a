//! A page of a tree in the hands of the write transaction.

use bytes::Bytes;

use crate::format::{
    BUCKET_FLAG, ELEMENT_BYTES, FLAG_BRANCH, FLAG_LEAF, HEADER_BYTES, PageHeader, put_u32, put_u64,
};
use crate::pager::{MAX_DEPTH, Pager};
use crate::{Error, Page, Result, error};

/// A node with more elements than this splits in memory when it takes one in
/// its middle, so that a large batch in random order does not move ever
/// longer arrays. Elements that arrive in order need no such help.
const CROWDED: usize = 1024;

/// Where a branch points: a page of an earlier commit, or a node.
pub(crate) enum Child {
    Page(u64),
    Node(Box<Node>),
}

pub(crate) struct BranchItem {
    pub(crate) key: Bytes,
    pub(crate) child: Child,
}

pub(crate) struct LeafItem {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) flags: u32,
}

impl LeafItem {
    pub(crate) fn is_bucket(&self) -> bool {
        self.flags & BUCKET_FLAG != 0
    }
}

pub(crate) enum Items {
    Branch(Vec<BranchItem>),
    Leaf(Vec<LeafItem>),
}

/// A page of a tree, changeable.
pub(crate) struct Node {
    pub(crate) items: Items,
    /// Bytes of the page that the items would fill, header included.
    pub(crate) size: usize,
    /// The page (and its overflow) that this node replaces.
    pub(crate) page: Option<(u64, u32)>,
    /// An element was removed since the page was read.
    pub(crate) shrunk: bool,
}

/// What a crowded node left to a new right neighbour.
pub(crate) type Sibling = Option<(Bytes, Box<Node>)>;

impl BranchItem {
    pub(crate) fn size(&self) -> usize {
        ELEMENT_BYTES + self.key.len()
    }
}

impl LeafItem {
    pub(crate) fn size(&self) -> usize {
        ELEMENT_BYTES + self.key.len() + self.value.len()
    }
}

impl Node {
    pub(crate) fn empty_leaf() -> Node {
        Node::new(Items::Leaf(Vec::new()))
    }

    pub(crate) fn new(items: Items) -> Node {
        let mut node = Node {
            items,
            size: 0,
            page: None,
            shrunk: false,
        };
        node.measure();
        node
    }

    pub(crate) fn measure(&mut self) {
        self.size = HEADER_BYTES
            + match &self.items {
                Items::Branch(items) => items.iter().map(BranchItem::size).sum::<usize>(),
                Items::Leaf(items) => items.iter().map(LeafItem::size).sum(),
            };
    }

    /// Takes over a page; an inline page (number 0) replaces no page.
    pub(crate) fn from_page(page: &Page) -> Node {
        let items = if page.is_leaf() {
            Items::Leaf(
                (0..page.len())
                    .map(|index| LeafItem {
                        key: page.key_bytes(index),
                        value: page.value_bytes(index),
                        flags: page.flags(index),
                    })
                    .collect(),
            )
        } else {
            Items::Branch(
                (0..page.len())
                    .map(|index| BranchItem {
                        key: page.key_bytes(index),
                        child: Child::Page(page.child(index)),
                    })
                    .collect(),
            )
        };
        let mut node = Node::new(items);
        node.page = (page.id() != 0).then(|| (page.id(), page.overflow()));
        node
    }

    pub(crate) fn len(&self) -> usize {
        match &self.items {
            Items::Branch(items) => items.len(),
            Items::Leaf(items) => items.len(),
        }
    }

    /// The page that damage near this node is reported for.
    pub(crate) fn page_id(&self) -> u64 {
        self.page.map_or(0, |(id, _)| id)
    }

    /// Sets a key. The element that is there must be of the same kind
    /// (bucket or not).
    pub(crate) fn put(
        &mut self,
        pager: &Pager,
        high: u64,
        item: LeafItem,
        depth: usize,
    ) -> Result<Sibling> {
        let page = self.page_id();
        match &mut self.items {
            Items::Leaf(items) => {
                match items.binary_search_by(|probe| probe.key.as_ref().cmp(&item.key)) {
                    Ok(index) => {
                        same_kind(&items[index], item.is_bucket())?;
                        self.size = self.size - items[index].size() + item.size();
                        items[index] = item;
                        return Ok(None);
                    }
                    Err(index) => {
                        self.size += item.size();
                        let last = index == items.len();
                        items.insert(index, item);
                        if last {
                            return Ok(None);
                        }
                    }
                }
            }
            Items::Branch(items) => {
                let index = child_index(items, &item.key);
                let child = descend(&mut items[index].child, pager, high, depth, page)?;
                let Some((key, node)) = child.put(pager, high, item, depth + 1)? else {
                    return Ok(None);
                };
                let new = BranchItem {
                    key,
                    child: Child::Node(node),
                };
                self.size += new.size();
                items.insert(index + 1, new);
            }
        }
        Ok(self.relieve())
    }

    /// Gives the upper half to a new neighbour if there are too many items.
    fn relieve(&mut self) -> Sibling {
        if self.len() <= CROWDED {
            return None;
        }
        let half = self.len() / 2;
        let (key, items) = match &mut self.items {
            Items::Branch(items) => {
                let upper = items.split_off(half);
                (upper[0].key.clone(), Items::Branch(upper))
            }
            Items::Leaf(items) => {
                let upper = items.split_off(half);
                (upper[0].key.clone(), Items::Leaf(upper))
            }
        };
        let sibling = Node::new(items);
        self.measure();
        Some((key, Box::new(sibling)))
    }

    /// Removes a key; true if it was there. A bucket is only removed if
    /// `bucket` is set, and a plain key only if it is not.
    pub(crate) fn delete(
        &mut self,
        pager: &Pager,
        high: u64,
        key: &[u8],
        bucket: bool,
        depth: usize,
    ) -> Result<bool> {
        let page = self.page_id();
        match &mut self.items {
            Items::Leaf(items) => {
                let Ok(index) = items.binary_search_by(|probe| probe.key.as_ref().cmp(key)) else {
                    return Ok(false);
                };
                same_kind(&items[index], bucket)?;
                let item = items.remove(index);
                self.size -= item.size();
                self.shrunk = true;
                Ok(true)
            }
            Items::Branch(items) => {
                let index = child_index(items, key);
                descend(&mut items[index].child, pager, high, depth, page)?.delete(
                    pager,
                    high,
                    key,
                    bucket,
                    depth + 1,
                )
            }
        }
    }
}

fn same_kind(item: &LeafItem, bucket: bool) -> Result<()> {
    if item.is_bucket() == bucket {
        return Ok(());
    }
    Err(Error::IncompatibleValue {
        name: error::printable(&item.key),
        found: if bucket {
            "is not a bucket"
        } else {
            "is a bucket"
        },
    })
}

/// Index of the child that covers `key`; `items` is not empty.
pub(crate) fn child_index(items: &[BranchItem], key: &[u8]) -> usize {
    items
        .partition_point(|item| item.key.as_ref() <= key)
        .saturating_sub(1)
}

/// The child as a node, read from its page if it is not one yet.
pub(crate) fn descend<'a>(
    child: &'a mut Child,
    pager: &Pager,
    high: u64,
    depth: usize,
    parent: u64,
) -> Result<&'a mut Node> {
    if let Child::Page(id) = child {
        if depth >= MAX_DEPTH {
            return Err(too_deep(pager, parent));
        }
        let page = pager.load(*id, high)?;
        *child = Child::Node(Box::new(Node::from_page(&page)));
    }
    match child {
        Child::Node(node) => Ok(node),
        // Replaced by a node just above.
        Child::Page(id) => Err(too_deep(pager, *id)),
    }
}

pub(crate) fn too_deep(pager: &Pager, page: u64) -> Error {
    pager.corrupt(
        page,
        format!("a tree of at most {MAX_DEPTH} levels"),
        "a deeper one, which must run in a circle",
    )
}

/// Writes elements as page `id` of `pages` pages.
pub(crate) struct Encoder {
    data: Vec<u8>,
    record: usize,
    body: usize,
}

impl Encoder {
    pub(crate) fn new(id: u64, leaf: bool, count: usize, pages: usize, bytes: usize) -> Encoder {
        let mut data = vec![0; bytes];
        PageHeader {
            id,
            flags: if leaf { FLAG_LEAF } else { FLAG_BRANCH },
            count: count as u16,
            overflow: (pages - 1) as u32,
        }
        .write(&mut data);
        Encoder {
            data,
            record: HEADER_BYTES,
            body: HEADER_BYTES + count * ELEMENT_BYTES,
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        self.data[self.body..self.body + bytes.len()].copy_from_slice(bytes);
        self.body += bytes.len();
    }

    pub(crate) fn leaf(&mut self, item: &LeafItem) {
        let at = self.record;
        put_u32(&mut self.data, at, item.flags);
        put_u32(&mut self.data, at + 4, (self.body - at) as u32);
        put_u32(&mut self.data, at + 8, item.key.len() as u32);
        put_u32(&mut self.data, at + 12, item.value.len() as u32);
        self.record += ELEMENT_BYTES;
        self.body(&item.key);
        self.body(&item.value);
    }

    pub(crate) fn branch(&mut self, key: &[u8], child: u64) {
        let at = self.record;
        put_u32(&mut self.data, at, (self.body - at) as u32);
        put_u32(&mut self.data, at + 4, key.len() as u32);
        put_u64(&mut self.data, at + 8, child);
        self.record += ELEMENT_BYTES;
        self.body(key);
    }

    pub(crate) fn finish(self) -> Bytes {
        self.data.into()
    }
}
