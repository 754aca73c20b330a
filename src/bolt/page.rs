//! A page of a tree, checked once when it is read, then read without copies.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::format::{
    BUCKET_FLAG, ELEMENT_BYTES, HEADER_BYTES, PageHeader, PageKind, u32_at, u64_at,
};

/// What is wrong with some bytes that should be a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What the format demands.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// A branch or leaf page whose elements all lie within it. The order of its
/// keys is not checked: that is what `check` is for.
#[derive(Debug)]
pub struct Page {
    header: PageHeader,
    leaf: bool,
    data: Bytes,
}

impl Page {
    /// Reads the page numbered `id` (0 for a page inline in a bucket's
    /// value) from all of its bytes, overflow included.
    pub fn parse(id: u64, data: Bytes) -> Result<Page, Damage> {
        let damage = |expected: &str, found: String| Damage {
            expected: expected.to_owned(),
            found,
        };
        let header = PageHeader::read(&data)
            .ok_or_else(|| damage("a page header of 16 bytes", format!("{} bytes", data.len())))?;
        if header.id != id {
            return Err(damage(
                &format!("the page to be numbered {id}"),
                format!("the number {}", header.id),
            ));
        }
        let leaf = match header.kind() {
            PageKind::Leaf => true,
            PageKind::Branch => false,
            other => return Err(damage("a branch or leaf page", format!("type {other}"))),
        };
        if !leaf && header.count == 0 {
            return Err(damage("a branch with at least one element", "none".into()));
        }
        let page = Page { header, leaf, data };
        page.check_elements()?;
        Ok(page)
    }

    fn check_elements(&self) -> Result<(), Damage> {
        let len = self.data.len();
        let records_end = HEADER_BYTES + self.len() * ELEMENT_BYTES;
        if records_end > len {
            return Err(Damage {
                expected: format!(
                    "at most {} elements in {len} bytes",
                    (len - HEADER_BYTES) / ELEMENT_BYTES
                ),
                found: format!("{}", self.len()),
            });
        }
        for index in 0..self.len() {
            let (start, key_len, value_len) = self.extent(index);
            let end = start.saturating_add(key_len).saturating_add(value_len);
            if end > len || start < records_end && key_len + value_len > 0 {
                return Err(Damage {
                    expected: format!(
                        "element {index} to lie between bytes {records_end} and {len}"
                    ),
                    found: format!("bytes {start} to {end}"),
                });
            }
        }
        Ok(())
    }

    /// Where element `index` has its data: start, key length, value length.
    fn extent(&self, index: usize) -> (usize, usize, usize) {
        let at = HEADER_BYTES + index * ELEMENT_BYTES;
        let data = &self.data;
        if self.leaf {
            (
                at.saturating_add(u32_at(data, at + 4) as usize),
                u32_at(data, at + 8) as usize,
                u32_at(data, at + 12) as usize,
            )
        } else {
            (
                at.saturating_add(u32_at(data, at) as usize),
                u32_at(data, at + 4) as usize,
                0,
            )
        }
    }

    /// The header.
    pub fn header(&self) -> PageHeader {
        self.header
    }
    /// The page's number; 0 for an inline page.
    pub fn id(&self) -> u64 {
        self.header.id
    }
    /// Pages after this one that belong to it.
    pub fn overflow(&self) -> u32 {
        self.header.overflow
    }
    /// True for a leaf, false for a branch.
    pub fn is_leaf(&self) -> bool {
        self.leaf
    }
    /// Number of elements.
    pub fn len(&self) -> usize {
        usize::from(self.header.count)
    }
    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.header.count == 0
    }
    /// All bytes of the page, overflow included.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The key of element `index`, which must be below [`Page::len`].
    pub fn key(&self, index: usize) -> &[u8] {
        let (start, key_len, _) = self.extent(index);
        &self.data[start..start + key_len]
    }

    /// The key of element `index`, sharing the page's memory.
    pub fn key_bytes(&self, index: usize) -> Bytes {
        let (start, key_len, _) = self.extent(index);
        self.data.slice(start..start + key_len)
    }

    /// The value of leaf element `index`, sharing the page's memory.
    pub fn value_bytes(&self, index: usize) -> Bytes {
        let (start, key_len, value_len) = self.extent(index);
        self.data
            .slice(start + key_len..start + key_len + value_len)
    }

    /// Flags of leaf element `index`; 0 in a branch.
    pub fn flags(&self, index: usize) -> u32 {
        if self.leaf {
            u32_at(&self.data, HEADER_BYTES + index * ELEMENT_BYTES)
        } else {
            0
        }
    }

    /// True if the value of leaf element `index` is a bucket.
    pub fn is_bucket(&self, index: usize) -> bool {
        self.flags(index) & BUCKET_FLAG != 0
    }

    /// The child page of branch element `index`; 0 in a leaf.
    pub fn child(&self, index: usize) -> u64 {
        if self.leaf {
            0
        } else {
            u64_at(&self.data, HEADER_BYTES + index * ELEMENT_BYTES + 8)
        }
    }

    /// Index of the first element whose key is not before `key`, and whether
    /// it equals it.
    pub(crate) fn lower_bound(&self, key: &[u8]) -> (usize, bool) {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle).cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return (middle, true),
                Ordering::Greater => high = middle,
            }
        }
        (low, false)
    }

    /// Index of the child that covers `key`; the branch is not empty.
    pub(crate) fn child_index(&self, key: &[u8]) -> usize {
        match self.lower_bound(key) {
            (index, true) => index,
            (index, false) => index.saturating_sub(1),
        }
    }
}
