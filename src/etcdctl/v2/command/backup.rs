//! `backup`.

use super::End;
use crate::v2::{Context, code};

/// Copies a data directory that no member uses.
pub fn run(_context: &Context) -> Result<(), End> {
    Err(End::line(
        code::ERROR,
        "backup of a data directory is not supported by kubedrill; use `etcdctl snapshot save`",
    ))
}
