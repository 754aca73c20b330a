//! `etcdutl check`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::etcdutl::check::check;
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;
use crate::print::{self, Format};

/// The command: status 0 when nothing is wrong, 1 when something is, 2 when it could
/// not look.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let [path] = invocation.args() else {
        return Err(Exit::bad_args(
            "check requires exactly one argument: a data directory, a database file or a snapshot",
        ));
    };
    let format = Format::parse(invocation.text("write-out"))?;
    let path = Path::new(OsStr::from_bytes(path));
    let wal_dir = Some(invocation.text("wal-dir")).filter(|dir| !dir.is_empty());
    let report = check(path, wal_dir.map(Path::new))
        .map_err(|error| Exit::new(code::BAD_CONNECTION, error.to_string()))?;
    match format {
        Format::Simple => print::stdout(report.text().as_bytes())?,
        Format::Json => print::stdout(format!("{}\n", report.json()).as_bytes())?,
        Format::Fields | Format::Protobuf | Format::Table => {
            return Err(Exit::new(
                code::BAD_FEATURE,
                format!("{} not supported as output format", format.name()),
            ));
        }
    }
    match report.is_sound() {
        true => Ok(()),
        false => Err(Exit::silent(code::ERROR)),
    }
}
