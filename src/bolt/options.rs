//! How a database is opened.

use std::time::Duration;

/// How a database is opened. The default is what an etcd member uses.
#[derive(Clone, Debug)]
pub struct Options {
    /// Page size in bytes of a file that is created; a power of two from
    /// 1024 to 16 MiB. 0 means 4096. An existing file keeps its own.
    pub page_size: usize,
    /// Take no writes, share the lock with other readers, create nothing.
    pub read_only: bool,
    /// Make each commit durable with `fdatasync`. Switch it off only for a
    /// file that is worthless until it is complete, and call
    /// [`crate::Db::sync`] at the end. Default true.
    pub sync: bool,
    /// Write the list of free pages at each commit, so that opening needs no
    /// scan. Default false, as etcd has it: the file then names the page
    /// `0xffff_ffff_ffff_ffff` as its free list.
    pub freelist_sync: bool,
    /// How long to wait for the file lock: `None` waits as long as it takes,
    /// zero tries once.
    pub lock_timeout: Option<Duration>,
    /// Most bytes of pages kept in memory. 0 means 32 MiB.
    pub cache_bytes: usize,
    /// Only decides how far ahead the file grows, so that its length on disk
    /// equals the reference's: bbolt grows a file that it has mapped with up to 16 MiB to
    /// the mapped size (a power of two from 32 KiB), and a larger one by
    /// 16 MiB beyond what is needed. This is bbolt's `InitialMmapSize` in
    /// bytes. Default 10 GiB (etcd's).
    pub initial_map_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            page_size: 0,
            read_only: false,
            sync: true,
            freelist_sync: false,
            lock_timeout: None,
            cache_bytes: 0,
            initial_map_bytes: 10 << 30,
        }
    }
}
