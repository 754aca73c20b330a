//! `etcdutl hashkv`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::etcdutl::hashkv::hash;
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::print::{self, Format};

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let [file] = invocation.args() else {
        return Err(Exit::error(format!(
            "accepts 1 arg(s), received {}",
            invocation.args().len()
        )));
    };
    let format = Format::parse(invocation.text("write-out"))?;
    let hash = hash(Path::new(OsStr::from_bytes(file)), invocation.int("rev"))
        .map_err(|error| Exit::error(error.to_string()))?;
    print::stdout(hash.show(format)?.as_bytes())
}
