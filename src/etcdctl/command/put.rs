//! `etcdctl put`.

use std::io::Read as _;

use wire::etcdserverpb as pb;

use super::{Session, block_on, failed};
use crate::client::Retry;
use crate::exit::{Exit, Outcome};
use crate::flags::{Invocation, Parsed};
use crate::go::number;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let request = request(&invocation.parsed)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let response: pb::PutResponse = session
            .ask("/etcdserverpb.KV/Put", request, Retry::Once)
            .await
            .map_err(failed)?;
        session.show(&response)
    })
}

/// The request that arguments and flags describe; `txn` uses it, too.
pub fn request(parsed: &Parsed) -> Result<pb::PutRequest, Exit> {
    const NEEDS: &str = "put command needs 1 argument and input from stdin or 2 arguments";
    let key = parsed.args.first().ok_or_else(|| Exit::bad_args(NEEDS))?;
    let ignore_value = parsed.boolean("ignore-value");
    if ignore_value && parsed.args.len() > 1 {
        return Err(Exit::bad_args(
            "put command needs only 1 argument when 'ignore-value' is set",
        ));
    }
    let value = match parsed.args.get(1) {
        _ if ignore_value => Vec::new(),
        Some(value) => value.clone(),
        None => {
            let mut value = Vec::new();
            match std::io::stdin().read_to_end(&mut value) {
                Ok(length) if length > 0 => value,
                _ => return Err(Exit::bad_args(NEEDS)),
            }
        }
    };
    let lease = number::parse_i64(parsed.text("lease").as_bytes(), 16)
        .map_err(|error| Exit::bad_args(format!("bad lease ID ({error}), expecting ID in Hex")))?;
    Ok(pb::PutRequest {
        key: key.clone().into(),
        value: value.into(),
        lease,
        prev_kv: parsed.boolean("prev-kv"),
        ignore_value,
        ignore_lease: parsed.boolean("ignore-lease"),
    })
}
