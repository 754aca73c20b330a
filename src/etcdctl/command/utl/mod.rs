//! `etcdutl`'s commands beside `snapshot` and `defrag`.

pub mod backup;
pub mod check;
pub mod hashkv;
pub mod migrate;
