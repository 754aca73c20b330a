//! `etcdctl move-leader`.

use prost::Message as _;
use wire::etcdserverpb as pb;

use super::{block_on, configure, failed};
use crate::client::{self, Client, Config, Retry};
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::go::number;
use crate::print::{Sentence, json};

/// The command: finds the leader among the endpoints and asks it.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let [target] = invocation.args() else {
        return Err(Exit::bad_args("move-leader command needs 1 argument"));
    };
    let target_id =
        number::parse_u64(target, 16).map_err(|error| Exit::bad_args(error.to_string()))?;
    let (config, printer) = configure(invocation, &[])?;
    let endpoints = Client::open(config.clone())?.endpoints().to_vec();
    let deadline = Some(client::deadline(invocation));
    block_on(async {
        for endpoint in &endpoints {
            let client = Client::logged_in(Config {
                endpoints: vec![endpoint.clone()],
                ..config.clone()
            })
            .await?;
            let options = client.options(Retry::Repeatable, deadline);
            let status: pb::StatusResponse = client::unary(
                client.any(),
                "/etcdserverpb.Maintenance/Status",
                pb::StatusRequest {},
                &options,
            )
            .await
            .map_err(failed)?;
            let leader = status.leader;
            if status.header.unwrap_or_default().member_id != leader {
                continue;
            }
            let request = pb::MoveLeaderRequest { target_id };
            let response: pb::MoveLeaderResponse = client::unary(
                client.any(),
                "/etcdserverpb.Maintenance/MoveLeader",
                request,
                &options,
            )
            .await
            .map_err(failed)?;
            return printer.show(&Sentence {
                text: format!("Leadership transferred from {leader:x} to {target_id:x}"),
                json: json::only_header(response.header.as_ref()),
                protobuf: Some(response.encode_to_vec()),
                fields: None,
            });
        }
        Err(Exit::bad_args(format!(
            "no leader endpoint given at [{}]",
            endpoints.join(" ")
        )))
    })
}
