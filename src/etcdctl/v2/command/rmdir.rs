//! `rmdir`.

use super::{End, rm::remove};
use crate::v2::{Context, keys::Delete};

/// Removes an empty directory or a key.
pub fn run(context: &Context) -> Result<(), End> {
    let delete = Delete {
        dir: true,
        ..Delete::default()
    };
    remove(context, &delete)
}
