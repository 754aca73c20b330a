//! `etcdctl defrag` and `etcdutl defrag`.

use std::path::Path;

use wire::etcdserverpb as pb;

use super::{block_on, configure, endpoint};
use crate::client::{self, Client, Retry};
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;
use crate::print;
use crate::snapshot;

/// `etcdctl defrag`.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let data_dir = invocation.text("data-dir");
    if !data_dir.is_empty() {
        tell!(
            "Use `etcdutl defrag` instead. The --data-dir is going to be decomissioned in v3.6.\n"
        );
        return snapshot::defragment(Path::new(data_dir))
            .map_err(|error| Exit::error(error.to_string()));
    }
    let (config, _) = configure(invocation, &[])?;
    let client = Client::open(config)?;
    block_on(async {
        let mut failed = false;
        for endpoint in endpoint::endpoints(invocation, client.config()).await? {
            let options = client.options(Retry::Once, Some(client::deadline(invocation)));
            let path = "/etcdserverpb.Maintenance/Defragment";
            let answer: Result<pb::DefragmentResponse, _> = client
                .ask_only(&endpoint, path, pb::DefragmentRequest {}, &options)
                .await;
            match answer {
                Ok(_) => print::stdout(
                    format!("Finished defragmenting etcd member[{endpoint}]\n").as_bytes(),
                )?,
                Err(error) => {
                    failed = true;
                    tell!("Failed to defragment etcd member[{endpoint}] ({error})");
                }
            }
        }
        if failed {
            Err(Exit::silent(code::ERROR))
        } else {
            Ok(())
        }
    })
}

/// `etcdutl defrag`.
pub fn offline(invocation: &mut Invocation) -> Outcome {
    let data_dir = invocation.text("data-dir");
    snapshot::defragment(Path::new(data_dir)).map_err(|error| {
        Exit::error(format!(
            "Failed to defragment etcd data[{data_dir}] ({error})"
        ))
    })
}
