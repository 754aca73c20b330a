//! `etcdctl compaction`.

use wire::etcdserverpb as pb;

use super::{Session, block_on, failed};
use crate::client::Retry;
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::go::number;
use crate::print;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let [revision] = invocation.args() else {
        return Err(Exit::bad_args("compaction command needs 1 argument"));
    };
    let revision =
        number::parse_i64(revision, 10).map_err(|error| Exit::error(error.to_string()))?;
    let request = pb::CompactionRequest {
        revision,
        physical: invocation.flag("physical"),
    };
    let session = Session::open(invocation)?;
    block_on(async {
        let _: pb::CompactionResponse = session
            .ask("/etcdserverpb.KV/Compact", request, Retry::Once)
            .await
            .map_err(failed)?;
        print::stdout(format!("compacted revision {revision}\n").as_bytes())
    })
}
