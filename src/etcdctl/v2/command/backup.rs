//! `backup`, which is `etcdutl backup` with `--with-v3` off unless it is given.

use std::path::PathBuf;

use super::End;
use crate::etcdutl::backup::{Backup, backup};
use crate::v2::{Context, code};

/// Copies a data directory that no member uses.
pub fn run(context: &Context) -> Result<(), End> {
    let optional = |name: &str| {
        let text = context.text(name);
        (!text.is_empty()).then(|| PathBuf::from(text))
    };
    // The reference would take the directory that it was started in for both.
    let needed = |name: &str| {
        optional(name).ok_or_else(|| {
            End::line(
                code::ERROR,
                format!("Error: required flag \"{name}\" not set"),
            )
        })
    };
    backup(&Backup {
        data_dir: needed("data-dir")?,
        wal_dir: optional("wal-dir"),
        backup_dir: needed("backup-dir")?,
        backup_wal_dir: optional("backup-wal-dir"),
        with_v3: context.is_set("with-v3"),
    })
    .map_err(|error| End::line(code::ERROR, format!("Error: {error}")))
}
