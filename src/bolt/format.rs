//! Numbers and small records of the format, as bbolt 1.3 lays them out in
//! memory on little-endian machines (`page.go`, `db.go`, `bucket.go`).

use bytes::Bytes;

/// First word of a meta record (bbolt `db.go`).
pub const MAGIC: u32 = 0xED0C_DAED;
/// Format version (bbolt `db.go`).
pub const VERSION: u32 = 2;
/// The free list's page when no free list is written.
pub const NO_FREELIST: u64 = u64::MAX;
/// Bytes of a page header: id u64, flags u16, count u16, overflow u32.
pub const HEADER_BYTES: usize = 16;
/// Bytes of one element's record, in leaves and in branches alike.
pub const ELEMENT_BYTES: usize = 16;
/// Bytes of a bucket's header: root page u64, sequence u64.
pub const BUCKET_HEADER_BYTES: usize = 16;
/// Bytes of a meta record, which follows the page header.
pub const META_BYTES: usize = 64;
/// Leaf element flag: the value is a bucket.
pub const BUCKET_FLAG: u32 = 1;

pub(crate) const FLAG_BRANCH: u16 = 0x01;
pub(crate) const FLAG_LEAF: u16 = 0x02;
pub(crate) const FLAG_META: u16 = 0x04;
pub(crate) const FLAG_FREELIST: u16 = 0x10;

pub(crate) fn u16_at(data: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([data[at], data[at + 1]])
}

pub(crate) fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

pub(crate) fn u64_at(data: &[u8], at: usize) -> u64 {
    u64::from(u32_at(data, at)) | u64::from(u32_at(data, at + 4)) << 32
}

pub(crate) fn put_u16(data: &mut [u8], at: usize, value: u16) {
    data[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u32(data: &mut [u8], at: usize, value: u32) {
    data[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(data: &mut [u8], at: usize, value: u64) {
    data[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// FNV-1a, 64 bits, which sums the meta record.
pub(crate) fn fnv1a(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What a page says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// Inner page of a tree.
    Branch,
    /// Outer page of a tree.
    Leaf,
    /// Page 0 or 1.
    Meta,
    /// A list of free pages.
    Freelist,
    /// Flags that mean nothing.
    Unknown(u16),
}

impl PageKind {
    /// The kind that exactly these flags mean.
    pub fn of(flags: u16) -> PageKind {
        match flags {
            FLAG_BRANCH => PageKind::Branch,
            FLAG_LEAF => PageKind::Leaf,
            FLAG_META => PageKind::Meta,
            FLAG_FREELIST => PageKind::Freelist,
            other => PageKind::Unknown(other),
        }
    }
}

impl std::fmt::Display for PageKind {
    /// The words of bbolt's `page.typ`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PageKind::Branch => f.write_str("branch"),
            PageKind::Leaf => f.write_str("leaf"),
            PageKind::Meta => f.write_str("meta"),
            PageKind::Freelist => f.write_str("freelist"),
            PageKind::Unknown(flags) => write!(f, "unknown<{flags:02x}>"),
        }
    }
}

/// The first 16 bytes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// The page's own number.
    pub id: u64,
    /// What it is, as flags.
    pub flags: u16,
    /// How many elements it holds.
    pub count: u16,
    /// How many pages after this one belong to it.
    pub overflow: u32,
}

impl PageHeader {
    /// Reads a header; `None` if fewer than 16 bytes are given.
    pub fn read(data: &[u8]) -> Option<PageHeader> {
        if data.len() < HEADER_BYTES {
            return None;
        }
        Some(PageHeader {
            id: u64_at(data, 0),
            flags: u16_at(data, 8),
            count: u16_at(data, 10),
            overflow: u32_at(data, 12),
        })
    }

    /// Writes the header to the first 16 bytes, which must be there.
    pub fn write(&self, data: &mut [u8]) {
        put_u64(data, 0, self.id);
        put_u16(data, 8, self.flags);
        put_u16(data, 10, self.count);
        put_u32(data, 12, self.overflow);
    }

    /// What the page is.
    pub fn kind(&self) -> PageKind {
        PageKind::of(self.flags)
    }
}

/// A bucket as a value of its parent: where its tree begins and its counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketHeader {
    /// Page of the tree's root; 0 when the only page follows inline.
    pub root: u64,
    /// The counter that `next_sequence` raises.
    pub sequence: u64,
}

impl BucketHeader {
    pub(crate) fn read(data: &[u8]) -> Option<BucketHeader> {
        if data.len() < BUCKET_HEADER_BYTES {
            return None;
        }
        Some(BucketHeader {
            root: u64_at(data, 0),
            sequence: u64_at(data, 8),
        })
    }

    pub(crate) fn write(&self, data: &mut [u8]) {
        put_u64(data, 0, self.root);
        put_u64(data, 8, self.sequence);
    }

    pub(crate) fn to_bytes(self) -> Bytes {
        let mut data = vec![0; BUCKET_HEADER_BYTES];
        self.write(&mut data);
        data.into()
    }
}

/// A commit: where everything begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes of a page.
    pub page_size: u32,
    /// Always 0 so far.
    pub flags: u32,
    /// The bucket of buckets.
    pub root: BucketHeader,
    /// Page of the free list, or [`NO_FREELIST`].
    pub freelist: u64,
    /// One more than the highest page in use (bbolt calls it `pgid`).
    pub high_water: u64,
    /// Number of the commit.
    pub txid: u64,
}

/// Why a meta page cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaFault {
    /// Fewer bytes than a meta record has.
    Short,
    /// The magic number is another (bbolt: `invalid database`).
    Magic(u32),
    /// The format version is another (bbolt: `version mismatch`).
    Version(u32),
    /// The checksum does not match (bbolt: `checksum error`).
    Checksum {
        /// The sum on the page.
        stored: u64,
        /// The sum of the record.
        computed: u64,
    },
}

impl std::fmt::Display for MetaFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MetaFault::Short => f.write_str("ends before its meta record"),
            MetaFault::Magic(found) => {
                write!(f, "magic number {found:#010x} where {MAGIC:#010x} belongs")
            }
            MetaFault::Version(found) => write!(f, "format version {found}"),
            MetaFault::Checksum { stored, computed } => {
                write!(f, "checksum {stored:#018x} where {computed:#018x} belongs")
            }
        }
    }
}

impl Meta {
    /// Reads the meta record of a meta page (header included in `page`).
    pub fn read(page: &[u8]) -> Result<Meta, MetaFault> {
        if page.len() < HEADER_BYTES + META_BYTES {
            return Err(MetaFault::Short);
        }
        let data = &page[HEADER_BYTES..HEADER_BYTES + META_BYTES];
        if u32_at(data, 0) != MAGIC {
            return Err(MetaFault::Magic(u32_at(data, 0)));
        }
        if u32_at(data, 4) != VERSION {
            return Err(MetaFault::Version(u32_at(data, 4)));
        }
        let stored = u64_at(data, 56);
        let computed = fnv1a(&data[..56]);
        if stored != computed {
            return Err(MetaFault::Checksum { stored, computed });
        }
        Ok(Meta {
            page_size: u32_at(data, 8),
            flags: u32_at(data, 12),
            root: BucketHeader {
                root: u64_at(data, 16),
                sequence: u64_at(data, 24),
            },
            freelist: u64_at(data, 32),
            high_water: u64_at(data, 40),
            txid: u64_at(data, 48),
        })
    }

    /// Writes header, record and checksum of a meta page with number `id`
    /// into `page`, which must hold at least 80 bytes.
    pub fn write(&self, page: &mut [u8], id: u64) {
        PageHeader {
            id,
            flags: FLAG_META,
            count: 0,
            overflow: 0,
        }
        .write(page);
        let data = &mut page[HEADER_BYTES..HEADER_BYTES + META_BYTES];
        put_u32(data, 0, MAGIC);
        put_u32(data, 4, VERSION);
        put_u32(data, 8, self.page_size);
        put_u32(data, 12, self.flags);
        self.root.write(&mut data[16..32]);
        put_u64(data, 32, self.freelist);
        put_u64(data, 40, self.high_water);
        put_u64(data, 48, self.txid);
        let sum = fnv1a(&data[..56]);
        put_u64(data, 56, sum);
    }

    /// Bytes up to the high water mark.
    pub fn size_bytes(&self) -> u64 {
        self.high_water.saturating_mul(u64::from(self.page_size))
    }
}
