//! Keeping a lease alive, as `client/v3/lease.go` does it.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use wire::etcdserverpb as pb;

use super::{Client, Retry, RpcError, both_streams, next};
use crate::exit::Outcome;

const PATH: &str = "/etcdserverpb.Lease/LeaseKeepAlive";

/// Pause before a broken stream of renewals is opened again.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// A lease that has not been heard of for so long when nothing was ever heard.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);

/// Renews once.
pub async fn once(client: &Client, id: i64) -> Result<pb::LeaseKeepAliveResponse, RpcError> {
    let options = client.options(Retry::Once, None);
    loop {
        let result = async {
            let requests = tokio_stream::once(pb::LeaseKeepAliveRequest { id });
            let mut answers = both_streams(client.any(), PATH, requests, false, &options).await?;
            let answer: Option<pb::LeaseKeepAliveResponse> = next(&mut answers, None).await?;
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
/// of for its whole time. `heard` gets each answer.
pub async fn for_ever(
    client: &Client,
    id: i64,
    mut heard: impl FnMut(&pb::LeaseKeepAliveResponse) -> Outcome,
) -> Outcome {
    let options = client.options(Retry::Once, None);
    let mut deadline = Instant::now() + FIRST_TIMEOUT;
    loop {
        let (sender, receiver) = mpsc::channel(1);
        let opening = both_streams(
            client.any(),
            PATH,
            ReceiverStream::new(receiver),
            true,
            &options,
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
                    match tokio::time::timeout_at(deadline, next(&mut answers, None)).await {
                        Err(_) => return Ok(()),
                        Ok(Ok(Some(answer))) => answer,
                        Ok(_) => break,
                    };
                if answer.ttl <= 0 {
                    return Ok(());
                }
                let ttl = Duration::from_secs(answer.ttl as u64);
                deadline = Instant::now() + ttl;
                heard(&answer)?;
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
