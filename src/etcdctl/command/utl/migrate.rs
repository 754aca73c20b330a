//! `etcdutl migrate`.

use std::path::Path;

use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::offline::migrate::{Version, migrate};

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let failed = |error: crate::offline::OfflineError| Exit::error(error.to_string());
    let target = Version::parse(invocation.text("target-version")).map_err(failed)?;
    migrate(
        Path::new(invocation.text("data-dir")),
        target,
        invocation.flag("force"),
    )
    .map_err(failed)
}
