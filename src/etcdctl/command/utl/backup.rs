//! `etcdutl backup`.

use std::path::PathBuf;

use crate::etcdutl::backup::{Backup, backup};
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let path = |name: &str| PathBuf::from(invocation.text(name));
    let optional = |name: &str| Some(path(name)).filter(|path| !path.as_os_str().is_empty());
    backup(&Backup {
        data_dir: path("data-dir"),
        wal_dir: optional("wal-dir"),
        backup_dir: path("backup-dir"),
        backup_wal_dir: optional("backup-wal-dir"),
        with_v3: invocation.flag("with-v3"),
    })
    .map_err(|error| Exit::error(error.to_string()))
}
