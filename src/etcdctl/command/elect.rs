//! `etcdctl elect`.

use super::{Interrupt, Session, block_on, failed};
use crate::concurrency::{self, DEFAULT_TTL_SECONDS, Election, Lease};
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let listen = invocation.flag("listen");
    let (name, proposal) = match invocation.args() {
        [_] if !listen => {
            return Err(Exit::bad_args("no proposal argument but -l not set"));
        }
        [_, _] if listen => {
            return Err(Exit::bad_args("proposal given but -l is set"));
        }
        [name] => (name.clone(), None),
        [name, proposal] => (name.clone(), Some(proposal.clone())),
        _ => {
            return Err(Exit::bad_args(
                "elect takes one election name argument and an optional proposal argument",
            ));
        }
    };
    let session = Session::open(invocation)?;
    block_on(async {
        let interrupt = Interrupt::listen()?;
        let election = Election::new(&session.client, &name);
        // Observers have a lease, too, in the reference.
        concurrency::with_lease(
            &session.client,
            DEFAULT_TTL_SECONDS,
            async |lease| match proposal {
                None => observe(&session, &election, interrupt).await,
                Some(proposal) => lead(&session, &election, &proposal, lease, interrupt).await,
            },
        )
        .await
        .map_err(failed)?
    })
}

async fn observe(session: &Session, election: &Election<'_>, mut interrupt: Interrupt) -> Outcome {
    tokio::select! {
        () = interrupt.wait() => Ok(()),
        ended = election.observe(|leader| session.show(leader)) => match ended {
            Ok(Err(exit)) => Err(exit),
            Ok(Ok(())) | Err(_) => Err(Exit::error("elect: observer lost")),
        },
    }
}

async fn lead(
    session: &Session,
    election: &Election<'_>,
    proposal: &[u8],
    lease: Lease,
    mut interrupt: Interrupt,
) -> Outcome {
    let candidate = election
        .campaign(&lease, proposal, interrupt.wait())
        .await
        .map_err(|error| Exit::error(error.to_string()))?;
    let held = concurrency::get_key(&session.client, &candidate.key)
        .await
        .map_err(failed)?;
    session.show(&held)?;
    tokio::select! {
        () = interrupt.wait() => election.resign(&candidate).await.map_err(failed),
        () = lease.gone() => Err(Exit::error("elect: session expired")),
    }
}
