//! Which pages are free, and which become free once no snapshot shows them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::format::{FLAG_FREELIST, HEADER_BYTES, PageHeader, put_u64, u64_at};
use crate::page::Damage;

/// Pages that a commit gave up, waiting for snapshots older than it.
#[derive(Default)]
struct Group {
    pages: Vec<Pending>,
    /// The count of ended snapshots when this group was last looked at; while
    /// it has not changed nothing in the group can have become free.
    looked_at: Option<u64>,
}

struct Pending {
    start: u64,
    len: u64,
    /// The commit that took the page; 0 if that was before anybody cared.
    taken_by: u64,
}

/// Free and pending pages. Taking and giving back cost the logarithm of the
/// number of free runs.
#[derive(Default)]
pub(crate) struct Freelist {
    runs: BTreeMap<u64, u64>,
    by_len: BTreeSet<(u64, u64)>,
    free_pages: u64,
    pending: BTreeMap<u64, Group>,
    pending_ids: HashSet<u64>,
    /// Which commit took a page, kept only while a snapshot older than that
    /// commit is open: such pages, freed again, need not wait for it.
    taken: HashMap<u64, u64>,
    oldest_reader: Option<u64>,
}

impl Freelist {
    /// A list of these free pages.
    pub(crate) fn from_ids(ids: impl IntoIterator<Item = u64>) -> Freelist {
        let mut list = Freelist::default();
        let mut run: Option<(u64, u64)> = None;
        for id in ids {
            run = match run {
                Some((start, len)) if start + len == id => Some((start, len + 1)),
                Some((start, len)) => {
                    list.give_back(start, len);
                    Some((id, 1))
                }
                None => Some((id, 1)),
            };
        }
        if let Some((start, len)) = run {
            list.give_back(start, len);
        }
        list
    }

    /// Pages that can be taken now.
    pub(crate) fn free_pages(&self) -> u64 {
        self.free_pages
    }

    /// True if the page is free or waits to be.
    pub(crate) fn holds(&self, id: u64) -> bool {
        if self.pending_ids.contains(&id) {
            return true;
        }
        match self.runs.range(..=id).next_back() {
            Some((start, len)) => id < start + len,
            None => false,
        }
    }

    /// Takes the first page of a run of `count` pages, the tightest fit.
    pub(crate) fn take(&mut self, count: u64) -> Option<u64> {
        let (len, start) = *self.by_len.range((count, 0)..).next()?;
        self.by_len.remove(&(len, start));
        self.runs.remove(&start);
        if len > count {
            self.runs.insert(start + count, len - count);
            self.by_len.insert((len - count, start + count));
        }
        self.free_pages -= count;
        Some(start)
    }

    /// Makes a run free at once. It must not be free already.
    pub(crate) fn give_back(&mut self, start: u64, len: u64) {
        let (mut start, mut len) = (start, len);
        self.free_pages += len;
        if let Some((&before, &before_len)) = self.runs.range(..start).next_back()
            && before + before_len == start
        {
            self.runs.remove(&before);
            self.by_len.remove(&(before_len, before));
            start = before;
            len += before_len;
        }
        if let Some(after_len) = self.runs.remove(&(start + len)) {
            self.by_len.remove(&(after_len, start + len));
            len += after_len;
        }
        self.runs.insert(start, len);
        self.by_len.insert((len, start));
    }

    /// Records what commit `txid` gave up and what it took.
    pub(crate) fn commit(&mut self, txid: u64, freed: &[(u64, u64)], taken: &[(u64, u64)]) {
        let mut group = Group::default();
        for &(start, len) in freed {
            let taken_by = self.taken.remove(&start).unwrap_or(0);
            group.pages.push(Pending {
                start,
                len,
                taken_by,
            });
            self.pending_ids.extend(start..start + len);
        }
        if !group.pages.is_empty() {
            self.pending.insert(txid, group);
        }
        if self.oldest_reader.is_some() {
            self.taken
                .extend(taken.iter().map(|&(start, _)| (start, txid)));
        }
    }

    /// Frees what no open snapshot shows. `readers` are the commits that
    /// open snapshots show, ascending; `ended` counts snapshots that ended.
    pub(crate) fn release(&mut self, readers: &[u64], ended: u64) {
        let oldest = readers.first().copied();
        if oldest != self.oldest_reader {
            self.oldest_reader = oldest;
            match oldest {
                Some(oldest) => self.taken.retain(|_, txid| *txid > oldest),
                None => self.taken.clear(),
            }
        }
        let mut released = Vec::new();
        self.pending.retain(|&freed_by, group| {
            if group.looked_at == Some(ended) {
                return true;
            }
            group.looked_at = Some(ended);
            group.pages.retain(|page| {
                let first = readers.partition_point(|reader| *reader < page.taken_by);
                let shown = readers.get(first).is_some_and(|reader| *reader < freed_by);
                if !shown {
                    released.push((page.start, page.len));
                }
                shown
            });
            !group.pages.is_empty()
        });
        for (start, len) in released {
            for id in start..start + len {
                self.pending_ids.remove(&id);
            }
            self.give_back(start, len);
        }
    }

    /// All free and pending pages and `more`, ascending: what is written to
    /// disk, because after a crash nothing is pending any more.
    pub(crate) fn all_ids(&self, more: &[(u64, u64)]) -> Vec<u64> {
        let mut ids: Vec<u64> = self
            .runs
            .iter()
            .chain(more.iter().map(|(start, len)| (start, len)))
            .flat_map(|(start, len)| *start..*start + *len)
            .chain(self.pending_ids.iter().copied())
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// Bytes that a list of `count` ids takes with its page header. From 65535
/// on the count itself is stored as the first entry.
pub(crate) fn encoded_len(count: usize) -> usize {
    HEADER_BYTES + 8 * (count + usize::from(count >= 0xFFFF))
}

/// Writes the list as page `id` of `pages` pages.
pub(crate) fn encode(ids: &[u64], id: u64, pages: usize, page_size: usize) -> Vec<u8> {
    let mut data = vec![0; pages * page_size];
    let long = ids.len() >= 0xFFFF;
    PageHeader {
        id,
        flags: FLAG_FREELIST,
        count: if long { 0xFFFF } else { ids.len() as u16 },
        overflow: (pages - 1) as u32,
    }
    .write(&mut data);
    let mut at = HEADER_BYTES;
    if long {
        put_u64(&mut data, at, ids.len() as u64);
        at += 8;
    }
    for id in ids {
        put_u64(&mut data, at, *id);
        at += 8;
    }
    data
}

/// Reads the list from all bytes of its page, in the order that is stored.
pub(crate) fn decode(id: u64, data: &[u8]) -> Result<Vec<u64>, Damage> {
    let damage = |expected: String, found: String| Damage { expected, found };
    let header = PageHeader::read(data).ok_or_else(|| {
        damage(
            "a page header of 16 bytes".into(),
            format!("{} bytes", data.len()),
        )
    })?;
    if header.flags != FLAG_FREELIST {
        return Err(damage(
            "a freelist page".into(),
            format!("type {}", header.kind()),
        ));
    }
    if header.id != id {
        return Err(damage(
            format!("the page to be numbered {id}"),
            format!("the number {}", header.id),
        ));
    }
    let room = (data.len() - HEADER_BYTES) / 8;
    let (first, count) = if header.count == 0xFFFF && room > 0 {
        (1, u64_at(data, HEADER_BYTES))
    } else {
        (0, u64::from(header.count))
    };
    if count > (room - first) as u64 {
        return Err(damage(
            format!("at most {} free pages listed", room - first),
            format!("{count}"),
        ));
    }
    Ok((first..first + count as usize)
        .map(|index| u64_at(data, HEADER_BYTES + 8 * index))
        .collect())
}
