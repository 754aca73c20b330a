//! `etcdctl snapshot …` and `etcdutl snapshot …`.

use std::path::{Path, PathBuf};

use super::{block_on, configure};
use crate::client::{self, Config};
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;
use crate::print;
use crate::snapshot::{self, RestoreOptions, StatusFormat};

/// `etcdctl snapshot save`.
pub fn save(invocation: &mut Invocation) -> Outcome {
    let [file] = invocation.args() else {
        return Err(Exit::bad_args("snapshot save expects one argument"));
    };
    let file = path(file);
    let (config, _) = configure(invocation, &[])?;
    // Only a time limit that someone asked for counts: a snapshot may take long.
    let deadline = invocation
        .parsed
        .changed("command-timeout")
        .then(|| client::deadline(invocation));
    block_on(async {
        let config = Config {
            logger: "client",
            ..config
        };
        snapshot::save(config, &file, deadline)
            .await
            .map_err(|error| Exit::new(code::INTERRUPTED, error.to_string()))
    })?;
    print::stdout(format!("Snapshot saved at {}\n", file.display()).as_bytes())
}

/// `etcdutl snapshot save`, which only says where to go.
pub fn save_refused(_: &mut Invocation) -> Outcome {
    Err(Exit::bad_args(
        "In order to download snapshot use: `etcdctl snapshot save ...`",
    ))
}

/// `etcdctl snapshot status`.
pub fn status_deprecated(invocation: &mut Invocation) -> Outcome {
    tell!("Deprecated: Use `etcdutl snapshot status` instead.\n");
    status(invocation)
}

/// `etcdutl snapshot status`.
pub fn status(invocation: &mut Invocation) -> Outcome {
    let [file] = invocation.args() else {
        return Err(Exit::bad_args(
            "snapshot status requires exactly one argument",
        ));
    };
    let format = StatusFormat::parse(invocation.text("write-out"))?;
    let status = snapshot::status(&path(file)).map_err(|error| Exit::error(error.to_string()))?;
    print::stdout(status.show(format)?.as_bytes())
}

/// `etcdctl snapshot restore`.
pub fn restore_deprecated(invocation: &mut Invocation) -> Outcome {
    tell!("Deprecated: Use `etcdutl snapshot restore` instead.\n");
    restore(invocation)
}

/// `etcdutl snapshot restore`.
pub fn restore(invocation: &mut Invocation) -> Outcome {
    let [file] = invocation.args() else {
        return Err(Exit::bad_args(
            "snapshot restore requires exactly one argument",
        ));
    };
    let bump = invocation.uint("bump-revision");
    let mark = invocation.flag("mark-compacted");
    if (bump > 0) != mark {
        return Err(Exit::bad_args(
            "--mark-compacted required if --revision-bump > 0",
        ));
    }
    let name = invocation.text("name").to_owned();
    let data_dir = match invocation.text("data-dir") {
        "" => PathBuf::from(format!("{name}.etcd")),
        dir => PathBuf::from(dir),
    };
    let wal_dir = match invocation.text("wal-dir") {
        "" => None,
        dir => Some(PathBuf::from(dir)),
    };
    let options = RestoreOptions {
        snapshot: path(file),
        name,
        data_dir,
        wal_dir,
        peer_urls: invocation
            .text("initial-advertise-peer-urls")
            .split(',')
            .map(str::to_owned)
            .collect(),
        initial_cluster: invocation.text("initial-cluster").to_owned(),
        token: invocation.text("initial-cluster-token").to_owned(),
        skip_hash_check: invocation.flag("skip-hash-check"),
        revision_bump: mark.then_some(bump),
        memory_map_size: invocation.uint("initial-memory-map-size"),
    };
    snapshot::restore(&options).map_err(|error| Exit::error(error.to_string()))
}

fn path(argument: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(argument)).to_owned()
}
