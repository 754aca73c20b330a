//! From bytes to a usable database: page size, meta page, free pages.

use std::sync::Arc;

use crate::format::{
    FLAG_FREELIST, FLAG_LEAF, HEADER_BYTES, META_BYTES, Meta, MetaFault, NO_FREELIST, PageHeader,
};
use crate::freelist::{self, Freelist};
use crate::pager::Pager;
use crate::{BucketHeader, Disk, Error, Options, Result, scan};

const DEFAULT_PAGE_SIZE: usize = 4096;
/// Page sizes that can be: 1 KiB to 16 MiB, powers of two.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 10..=24;

/// Opens or initialises; says whether it did the latter.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    file: Arc<str>,
    options: &Options,
) -> Result<(Pager, Meta, bool)> {
    let wanted = page_size(options)?;
    let failed = |action: &str, source| Error::Io {
        file: file.clone(),
        action: action.to_owned(),
        source,
    };
    let len = disk.len().map_err(|e| failed("measure the file", e))?;
    let fresh =
        len == 0 || interrupted_creation(&*disk, len, wanted).map_err(|e| failed("read", e))?;
    if fresh {
        if options.read_only {
            return Err(Error::Invalid {
                file,
                detail: "the file is empty".into(),
            });
        }
        let pager = Pager::new(disk, file, wanted, options.cache_bytes)?;
        let meta = create(&pager, options.sync)?;
        return Ok((pager, meta, true));
    }
    let metas = read_metas(&*disk, len, wanted).map_err(|e| failed("read the meta pages", e))?;
    let meta = choose(&file, &metas)?;
    if !possible_page_size(meta.page_size as usize) {
        return Err(Error::Corrupt {
            file,
            page: meta.txid % 2,
            expected: "a page size that is a power of two from 1024 to 16777216".into(),
            found: meta.page_size.to_string(),
        });
    }
    let pager = Pager::new(disk, file, meta.page_size as usize, options.cache_bytes)?;
    check_meta(&pager, &meta)?;
    Ok((pager, meta, false))
}

fn page_size(options: &Options) -> Result<usize> {
    match options.page_size {
        0 => Ok(DEFAULT_PAGE_SIZE),
        size if possible_page_size(size) => Ok(size),
        size => Err(Error::Argument {
            what: format!(
                "a page size of {size} bytes cannot be: use a power of two from 1024 to 16777216"
            ),
        }),
    }
}

pub(crate) fn possible_page_size(size: usize) -> bool {
    size.is_power_of_two() && PAGE_SIZES.contains(&size.trailing_zeros())
}

/// A crash while the file was made can leave it without meta pages: they are
/// written last. Such a file has at most four pages and no byte in the first
/// two of them, which no commit ever leaves.
fn interrupted_creation(disk: &dyn Disk, len: u64, page_size: usize) -> std::io::Result<bool> {
    if len > 4 * page_size as u64 {
        return Ok(false);
    }
    let mut metas = vec![0; len.min(2 * page_size as u64) as usize];
    disk.read_at(&mut metas, 0)?;
    Ok(metas.iter().all(|byte| *byte == 0))
}

/// An empty database as bbolt's `db.init` makes it: two meta pages, a free
/// list, a leaf. Written back to front, so that there is no meta page before
/// there is something for it to name.
fn create(pager: &Pager, sync: bool) -> Result<Meta> {
    let size = pager.page_size;
    let meta = Meta {
        page_size: size as u32,
        flags: 0,
        root: BucketHeader {
            root: 3,
            sequence: 0,
        },
        freelist: 2,
        high_water: 4,
        txid: 1,
    };
    pager.set_file_len(4 * size as u64)?;
    let mut pages = vec![0; 2 * size];
    for (index, flags) in [FLAG_FREELIST, FLAG_LEAF].into_iter().enumerate() {
        PageHeader {
            id: index as u64 + 2,
            flags,
            count: 0,
            overflow: 0,
        }
        .write(&mut pages[index * size..]);
    }
    pager.write_at(2, &pages)?;
    if sync {
        pager.sync()?;
    }
    pages.fill(0);
    Meta { txid: 0, ..meta }.write(&mut pages, 0);
    meta.write(&mut pages[size..], 1);
    pager.write_at(0, &pages)?;
    if sync {
        pager.sync()?;
    }
    Ok(meta)
}

/// Both meta pages. Where the second one lies depends on the page size, which
/// the first one tells; if that is damaged all possible places are tried, as
/// bbolt's `getPageSize` does.
fn read_metas(
    disk: &dyn Disk,
    len: u64,
    wanted: usize,
) -> std::io::Result<[Result<Meta, MetaFault>; 2]> {
    let read = |offset: u64| -> std::io::Result<Result<Meta, MetaFault>> {
        let mut page = [0; HEADER_BYTES + META_BYTES];
        if offset + page.len() as u64 > len {
            return Ok(Err(MetaFault::Short));
        }
        disk.read_at(&mut page, offset)?;
        Ok(Meta::read(&page))
    };
    let first = read(0)?;
    if let Ok(meta) = &first {
        return Ok([first, read(u64::from(meta.page_size))?]);
    }
    for shift in PAGE_SIZES {
        let second = read(1 << shift)?;
        if second.is_ok_and(|meta| u64::from(meta.page_size) == 1 << shift) {
            return Ok([first, second]);
        }
    }
    Ok([first, read(wanted as u64)?])
}

/// The newer one of the usable meta pages.
fn choose(file: &Arc<str>, metas: &[Result<Meta, MetaFault>; 2]) -> Result<Meta> {
    match metas {
        [Ok(first), Ok(second)] if second.txid > first.txid => Ok(*second),
        [Ok(meta), _] | [_, Ok(meta)] => Ok(*meta),
        [Err(first), Err(second)] => {
            let file = file.clone();
            let detail = format!("page 0: {first}; page 1: {second}");
            // bbolt reports what is wrong with the first one.
            Err(match first {
                MetaFault::Short | MetaFault::Magic(_) => Error::Invalid { file, detail },
                MetaFault::Version(found) => Error::VersionMismatch {
                    file,
                    found: *found,
                },
                MetaFault::Checksum { .. } => Error::Checksum { file, detail },
            })
        }
    }
}

/// What a checksum cannot tell.
fn check_meta(pager: &Pager, meta: &Meta) -> Result<()> {
    let page = meta.txid % 2;
    if meta.high_water > pager.file_len() / u64::from(meta.page_size) {
        return Err(pager.corrupt(
            page,
            format!(
                "a file of {} pages of {} bytes, as the meta page says",
                meta.high_water, meta.page_size
            ),
            format!("{} bytes", pager.file_len()),
        ));
    }
    if meta.txid == u64::MAX {
        return Err(pager.corrupt(
            page,
            "a number that commits can follow",
            "the last number there is",
        ));
    }
    pager.check_bounds(meta.root.root, meta.high_water)
}

/// The free pages: from the list on disk, or else by walking all trees. Also
/// says where the list is.
pub(crate) fn load_freelist(pager: &Pager, meta: &Meta) -> Result<(Freelist, Option<(u64, u32)>)> {
    if meta.freelist == NO_FREELIST {
        let reached = scan::reachable(pager, meta)?;
        return Ok((Freelist::from_ids(reached.missing()), None));
    }
    let (ids, page) = read_freelist(pager, meta)?;
    Ok((Freelist::from_ids(ids), Some(page)))
}

/// The list on disk, ascending, and its page and overflow.
fn read_freelist(pager: &Pager, meta: &Meta) -> Result<(Vec<u64>, (u64, u32))> {
    let id = meta.freelist;
    let (mut ids, overflow) = listed_free(pager, meta)?;
    ids.sort_unstable();
    for pair in ids.windows(2) {
        if pair[0] == pair[1] {
            return Err(pager.corrupt(
                id,
                "each free page listed once",
                format!("page {} twice", pair[0]),
            ));
        }
    }
    if let Some(bad) = ids
        .iter()
        .find(|page| **page < 2 || **page >= meta.high_water)
    {
        return Err(pager.corrupt(
            id,
            format!("free pages from 2 to {}", meta.high_water - 1),
            format!("page {bad}"),
        ));
    }
    Ok((ids, (id, overflow)))
}

/// The list on disk as it is stored, and its overflow.
pub(crate) fn listed_free(pager: &Pager, meta: &Meta) -> Result<(Vec<u64>, u32)> {
    pager.check_bounds(meta.freelist, meta.high_water)?;
    let data = pager.read_raw(meta.freelist, meta.high_water)?;
    let ids = freelist::decode(meta.freelist, &data)
        .map_err(|damage| pager.damage(meta.freelist, damage))?;
    let overflow = PageHeader::read(&data).map_or(0, |header| header.overflow);
    Ok((ids, overflow))
}
