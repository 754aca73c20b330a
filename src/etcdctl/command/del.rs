//! `etcdctl del`.

use wire::etcdserverpb as pb;

use super::{Session, block_on, exclusive, failed, from_key_range, prefix_range};
use crate::client::Retry;
use crate::exit::{Exit, Outcome};
use crate::flags::{Invocation, Parsed};

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let request = request(&invocation.parsed)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let response: pb::DeleteRangeResponse = session
            .ask("/etcdserverpb.KV/DeleteRange", request, Retry::Once)
            .await
            .map_err(failed)?;
        session.show(&response)
    })
}

/// The request that arguments and flags describe; `txn` uses it, too.
pub fn request(parsed: &Parsed) -> Result<pb::DeleteRangeRequest, Exit> {
    let args = &parsed.args;
    if args.is_empty() || args.len() > 2 {
        return Err(Exit::bad_args(
            "del command needs one argument as key and an optional argument as range_end",
        ));
    }
    let (prefix, from_key) = (parsed.boolean("prefix"), parsed.boolean("from-key"));
    if prefix && from_key {
        return Err(exclusive("prefix", "from-key"));
    }
    let (key, range_end) = match args.get(1) {
        Some(_) if prefix || from_key => {
            return Err(Exit::bad_args(
                "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
            ));
        }
        Some(end) => {
            if !parsed.boolean("range") {
                tell!(
                    "In etcd v3.6, the operation will be suspended for a few seconds to provide the user time to verify range."
                );
            }
            (args[0].clone(), end.clone())
        }
        None if prefix => prefix_range(&args[0]),
        None if from_key => from_key_range(&args[0]),
        None => (args[0].clone(), Vec::new()),
    };
    Ok(pb::DeleteRangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        prev_kv: parsed.boolean("prev-kv"),
    })
}
