//! placeholder
use super::error::SnapshotError;
use crate::exit::Exit;
use std::path::Path;
pub struct Status;
pub enum StatusFormat {
    Simple,
}
impl StatusFormat {
    pub fn parse(_: &str) -> Result<Self, Exit> {
        Ok(Self::Simple)
    }
}
impl Status {
    pub fn show(&self, _: StatusFormat) -> Result<String, Exit> {
        Ok(String::new())
    }
}
pub fn status(_: &Path) -> Result<Status, SnapshotError> {
    Err(SnapshotError::NotADatabase)
}
