//! `etcdutl migrate`.

use std::path::Path;

use crate::etcdutl::migrate::{Version, migrate};
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let failed = |error: crate::etcdutl::OfflineError| Exit::error(error.to_string());
    let target = Version::parse(invocation.text("target-version")).map_err(failed)?;
    migrate(
        Path::new(invocation.text("data-dir")),
        target,
        invocation.flag("force"),
    )
    .map_err(failed)
}
