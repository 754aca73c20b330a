//! placeholder
use super::error::SnapshotError;
use std::path::PathBuf;
pub struct RestoreOptions {
    pub snapshot: PathBuf,
    pub name: String,
    pub data_dir: PathBuf,
    pub wal_dir: Option<PathBuf>,
    pub peer_urls: Vec<String>,
    pub initial_cluster: String,
    pub token: String,
    pub skip_hash_check: bool,
    pub revision_bump: Option<u64>,
    pub memory_map_size: u64,
}
pub fn restore(_: &RestoreOptions) -> Result<(), SnapshotError> {
    Err(SnapshotError::NotADatabase)
}
