//! `etcdctl lease …`.

use wire::etcdserverpb as pb;

use super::{Session, block_on, lease_id};
use crate::client::{Retry, RpcError, keep_alive};
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;
use crate::go::number;
use crate::print::{self, Format, Sentence, TimeToLive, fields, json};

fn unreachable(error: RpcError) -> Exit {
    Exit::new(code::BAD_CONNECTION, error.to_string())
}

/// `lease grant`.
pub fn grant(invocation: &mut Invocation) -> Outcome {
    let [ttl] = invocation.args() else {
        return Err(Exit::bad_args("lease grant command needs TTL argument"));
    };
    let ttl =
        number::parse_i64(ttl, 10).map_err(|error| Exit::bad_args(format!("bad TTL ({error})")))?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::LeaseGrantRequest { ttl, id: 0 };
        let response: pb::LeaseGrantResponse = session
            .ask("/etcdserverpb.Lease/LeaseGrant", request, Retry::Repeatable)
            .await
            .map_err(|error| Exit::error(format!("failed to grant lease ({error})")))?;
        session.show(&response)
    })
}

/// `lease revoke`.
pub fn revoke(invocation: &mut Invocation) -> Outcome {
    let [id] = invocation.args() else {
        return Err(Exit::bad_args("lease revoke command needs 1 argument"));
    };
    let id = lease_id(id)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let response: pb::LeaseRevokeResponse = session
            .ask(
                "/etcdserverpb.Lease/LeaseRevoke",
                pb::LeaseRevokeRequest { id },
                Retry::Repeatable,
            )
            .await
            .map_err(|error| Exit::error(format!("failed to revoke lease ({error})")))?;
        session.show(&Sentence {
            text: format!("lease {id:016x} revoked"),
            json: json::only_header(response.header.as_ref()),
            protobuf: None,
            fields: Some(fields::only_header(response.header.as_ref())),
        })
    })
}

/// `lease timetolive`.
pub fn time_to_live(invocation: &mut Invocation) -> Outcome {
    let [id] = invocation.args() else {
        return Err(Exit::bad_args(
            "lease timetolive command needs lease ID as argument",
        ));
    };
    let id = id.clone();
    let keys = invocation.flag("keys");
    let session = Session::open(invocation)?;
    let id = lease_id(&id)?;
    block_on(async {
        let request = pb::LeaseTimeToLiveRequest { id, keys };
        let response: pb::LeaseTimeToLiveResponse = session
            .ask_patiently(
                "/etcdserverpb.Lease/LeaseTimeToLive",
                request,
                Retry::Repeatable,
            )
            .await
            .map_err(unreachable)?;
        session.show(&TimeToLive {
            response: &response,
            keys,
        })
    })
}

/// `lease list`.
pub fn list(invocation: &mut Invocation) -> Outcome {
    let session = Session::open(invocation)?;
    block_on(async {
        let response: pb::LeaseLeasesResponse = session
            .ask_patiently(
                "/etcdserverpb.Lease/LeaseLeases",
                pb::LeaseLeasesRequest {},
                Retry::Repeatable,
            )
            .await
            .map_err(unreachable)?;
        session.show(&response)
    })
}

/// `lease keep-alive`.
pub fn keep_alive(invocation: &mut Invocation) -> Outcome {
    let [id] = invocation.args() else {
        return Err(Exit::bad_args(
            "lease keep-alive command needs lease ID as argument",
        ));
    };
    let id = lease_id(id)?;
    let once = invocation.flag("once");
    let session = Session::open(invocation)?;
    block_on(async {
        if once {
            let renewed = keep_alive::once(&session.client, id).await;
            let response = renewed.map_err(unreachable)?;
            return session.show(&response);
        }
        keep_alive::for_ever(&session.client, id, |answer| session.show(answer)).await?;
        if session.printer.format == Format::Simple {
            print::stdout(format!("lease {id:016x} expired or revoked.\n").as_bytes())?;
        }
        Ok(())
    })
}
