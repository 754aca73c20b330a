//! Snapshots.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;

use crate::cursor::{Cursor, Pair, Start, Tree};
use crate::db::Inner;
use crate::format::{BUCKET_HEADER_BYTES, BucketHeader, Meta};
use crate::pager::Pager;
use crate::{Error, Page, Result, error};

/// Bytes that [`ReadTx::write_to`] holds at a time.
const COPY_BYTES: usize = 1 << 20;

/// A snapshot: the state of one commit, however long it is kept. Dropping it
/// lets the pages that only it shows be reused.
pub struct ReadTx {
    inner: Arc<Inner>,
    meta: Meta,
}

impl ReadTx {
    /// `inner` has counted this snapshot among its readers already.
    pub(crate) fn new(inner: Arc<Inner>, meta: Meta) -> ReadTx {
        ReadTx { inner, meta }
    }

    pub(crate) fn pager(&self) -> &Pager {
        &self.inner.pager
    }

    /// The number of the commit that this snapshot shows.
    pub fn id(&self) -> u64 {
        self.meta.txid
    }

    /// The commit's meta record.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Bytes up to the high water mark: the length of a copy.
    pub fn size_bytes(&self) -> u64 {
        self.meta.high_water * self.inner.pager.page_size as u64
    }

    /// The bucket that holds all buckets. It has no name and no values.
    pub fn root(&self) -> Bucket<'_> {
        Bucket {
            tree: Tree {
                pager: &self.inner.pager,
                high: self.meta.high_water,
                start: Start::Page(self.meta.root.root),
            },
            header: self.meta.root,
        }
    }

    /// Names of the buckets at the top, ascending.
    pub fn root_buckets(&self) -> Result<Vec<Bytes>> {
        self.root().buckets()
    }

    /// A bucket at the top; `None` if there is none of that name.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket<'_>>> {
        self.root().bucket(name)
    }

    /// Streams a consistent copy in bounded memory, as bbolt's `Tx.WriteTo`
    /// does: both meta pages show this commit, the second one numbered one
    /// lower. Returns the bytes written, always [`ReadTx::size_bytes`].
    pub fn write_to(&self, out: &mut dyn Write) -> Result<u64> {
        let pager = &self.inner.pager;
        let failed = |source| pager.io("write the copy of", source);
        let mut page = vec![0; pager.page_size];
        for id in 0..2 {
            page.fill(0);
            let meta = Meta {
                txid: self.meta.txid.wrapping_sub(id),
                ..self.meta
            };
            meta.write(&mut page, id);
            out.write_all(&page).map_err(failed)?;
        }
        let step = (COPY_BYTES / pager.page_size).max(1) as u64;
        let mut buffer = Vec::new();
        let mut id = 2;
        while id < self.meta.high_water {
            let pages = step.min(self.meta.high_water - id);
            buffer.resize(pages as usize * pager.page_size, 0);
            pager.read_at(id, &mut buffer)?;
            out.write_all(&buffer).map_err(failed)?;
            id += pages;
        }
        Ok(self.size_bytes())
    }
}

impl Drop for ReadTx {
    fn drop(&mut self) {
        self.inner.end_read(self.meta.txid);
    }
}

/// A bucket of a transaction.
#[derive(Clone)]
pub struct Bucket<'tx> {
    pub(crate) tree: Tree<'tx>,
    pub(crate) header: BucketHeader,
}

impl<'tx> Bucket<'tx> {
    /// Opens a bucket from its value in the parent. `parent` is the page that
    /// damage is reported for.
    pub(crate) fn open(
        pager: &'tx Pager,
        high: u64,
        value: &Bytes,
        parent: u64,
    ) -> Result<Bucket<'tx>> {
        let Some(header) = BucketHeader::read(value) else {
            return Err(pager.corrupt(
                parent,
                format!("a bucket's value of at least {BUCKET_HEADER_BYTES} bytes"),
                format!("{} bytes", value.len()),
            ));
        };
        let start = if header.root == 0 {
            let page = Page::parse(0, value.slice(BUCKET_HEADER_BYTES..))
                .map_err(|damage| pager.damage(parent, damage))?;
            if !page.is_leaf() {
                return Err(pager.corrupt(parent, "an inline bucket to be a leaf", "a branch"));
            }
            Start::Inline(Arc::new(page))
        } else {
            Start::Page(header.root)
        };
        Ok(Bucket {
            tree: Tree { pager, high, start },
            header,
        })
    }

    /// The value of a key; `None` if there is none or if it is a bucket.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(match self.tree.get(key)? {
            Some((value, false)) => Some(value),
            _ => None,
        })
    }

    /// A cursor, not yet positioned.
    pub fn cursor(&self) -> Cursor<'tx> {
        Cursor::new(self.tree.clone())
    }

    /// The bucket's counter.
    pub fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// The page of the tree's root; 0 for a bucket that lies inline in its
    /// parent's page.
    pub fn root_page(&self) -> u64 {
        self.header.root
    }

    /// A bucket in this bucket; `None` if there is none of that name, or if
    /// it is a plain key.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket<'tx>>> {
        match self.tree.get(name)? {
            Some((value, true)) => {
                Bucket::open(self.tree.pager, self.tree.high, &value, self.header.root).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Names of the buckets in this bucket, ascending.
    pub fn buckets(&self) -> Result<Vec<Bytes>> {
        let mut names = Vec::new();
        self.for_each(|key, value| {
            if value.is_none() {
                names.push(key);
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// Calls `f` for each pair in key order, until it returns an error.
    pub fn for_each(&self, mut f: impl FnMut(Bytes, Option<Bytes>) -> Result<()>) -> Result<()> {
        let mut cursor = self.cursor();
        let mut pair: Option<Pair> = cursor.first()?;
        while let Some((key, value)) = pair {
            f(key, value)?;
            pair = cursor.next()?;
        }
        Ok(())
    }
}

/// The error for a bucket that is not there.
pub(crate) fn not_found(name: &[u8]) -> Error {
    Error::BucketNotFound {
        name: error::printable(name),
    }
}
