//! `etcdctl lease …`.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use wire::etcdserverpb as pb;

use super::{Session, block_on, lease_id};
use crate::client::{self, Retry, RpcError};
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;
use crate::go::number;
use crate::print::{self, Format, Sentence, TimeToLive, json};

const KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";

/// Pause before a broken stream of renewals is opened again.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// A lease that has not been heard of for so long when nothing was ever heard.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);

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
            header: response.header.unwrap_or_default(),
            protobuf: None,
            header_as_fields: true,
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
            let response = renew_once(&session, id).await.map_err(unreachable)?;
            return session.show(&response);
        }
        renew_for_ever(&session, id).await?;
        if session.printer.format == Format::Simple {
            print::stdout(format!("lease {id:016x} expired or revoked.\n").as_bytes())?;
        }
        Ok(())
    })
}

async fn renew_once(session: &Session, id: i64) -> Result<pb::LeaseKeepAliveResponse, RpcError> {
    loop {
        let result = async {
            let requests = tokio_stream::once(pb::LeaseKeepAliveRequest { id });
            let mut answers =
                client::both_streams(session.client.any(), KEEP_ALIVE, requests, false).await?;
            let answer: Option<pb::LeaseKeepAliveResponse> =
                client::next(&mut answers, None).await?;
            answer.ok_or_else(|| RpcError::unavailable("EOF"))
        };
        match result.await {
            Ok(answer) if answer.ttl <= 0 => {
                return Err(RpcError {
                    code: tonic::Code::NotFound,
                    message: "etcdserver: requested lease not found".into(),
                    expired: false,
                });
            }
            Ok(answer) => return Ok(answer),
            Err(error) if !error.is_passing() => return Err(error),
            Err(_) => {}
        }
    }
}

/// Renews each third of the lease's time until it is gone or has not been heard
/// of for its whole time.
async fn renew_for_ever(session: &Session, id: i64) -> Outcome {
    let mut deadline = Instant::now() + FIRST_TIMEOUT;
    loop {
        let (sender, receiver) = mpsc::channel(1);
        let opening = client::both_streams(
            session.client.any(),
            KEEP_ALIVE,
            ReceiverStream::new(receiver),
            true,
        );
        let opened = tokio::time::timeout_at(deadline, async {
            // The request goes first: the server answers the call only with the
            // first answer.
            let _ = sender.send(pb::LeaseKeepAliveRequest { id }).await;
            opening.await
        });
        let Ok(opened) = opened.await else {
            return Ok(());
        };
        if let Ok(mut answers) = opened {
            loop {
                let answer: pb::LeaseKeepAliveResponse =
                    match tokio::time::timeout_at(deadline, client::next(&mut answers, None)).await
                    {
                        Err(_) => return Ok(()),
                        Ok(Ok(Some(answer))) => answer,
                        Ok(_) => break,
                    };
                if answer.ttl <= 0 {
                    return Ok(());
                }
                let ttl = Duration::from_secs(answer.ttl as u64);
                deadline = Instant::now() + ttl;
                session.show(&answer)?;
                // The reference looks twice a second whether it is time.
                let turns = (ttl / 3)
                    .as_millis()
                    .div_ceil(RETRY_WAIT.as_millis())
                    .max(1) as u32;
                tokio::time::sleep(RETRY_WAIT * turns).await;
                if sender.send(pb::LeaseKeepAliveRequest { id }).await.is_err() {
                    break;
                }
            }
        }
        if Instant::now() + RETRY_WAIT > deadline {
            tokio::time::sleep_until(deadline).await;
            return Ok(());
        }
        tokio::time::sleep(RETRY_WAIT).await;
    }
}
