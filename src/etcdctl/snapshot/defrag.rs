//! placeholder
use super::error::SnapshotError;
use std::path::Path;
pub fn defragment(_: &Path) -> Result<(), SnapshotError> {
    Err(SnapshotError::NotADatabase)
}
