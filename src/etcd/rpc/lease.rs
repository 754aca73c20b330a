//! `etcdserverpb.Lease`.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, lease_server::Lease,
};

use super::{Context, caller, status};
use crate::server::EtcdError;

/// Answers to keep-alives that may wait for a slow client.
const BUFFER: usize = 16;

fn not_found(error: &EtcdError) -> bool {
    matches!(
        error,
        EtcdError::LeaseNotFound | EtcdError::State(mvcc::Error::LeaseNotFound)
    )
}

#[tonic::async_trait]
impl Lease for Context {
    type LeaseKeepAliveStream = ReceiverStream<Result<LeaseKeepAliveResponse, Status>>;

    async fn lease_grant(
        &self,
        request: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .lease_grant(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn lease_revoke(
        &self,
        request: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .lease_revoke(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let needs_leader = self.admit_stream(request.metadata(), false)?;
        let (answers, stream) = mpsc::channel(BUFFER);
        let context = self.clone();
        let mut requests = request.into_inner();
        tokio::spawn(async move {
            let stopping = context.server.stopping();
            let ended = tokio::select! {
                () = answers.closed() => return,
                () = stopping.cancelled() => Err(status(&EtcdError::Stopped)),
                () = context.leader_lost(needs_leader) => Err(status(&EtcdError::NoLeader)),
                ended = context.keep_alive(&mut requests, &answers) => ended,
            };
            if let Err(error) = ended {
                // The client may have gone.
                let _ = answers.send(Err(error)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<LeaseTimeToLiveRequest>,
    ) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let caller = caller(&request);
        let request = request.into_inner();
        let id = request.id;
        match self.server.lease_time_to_live(&caller, request).await {
            Ok(response) => Ok(Response::new(response)),
            Err(error) if not_found(&error) => {
                let mut response = LeaseTimeToLiveResponse {
                    id,
                    ttl: -1,
                    ..Default::default()
                };
                self.server.fill(&mut response.header);
                Ok(Response::new(response))
            }
            Err(error) => Err(status(&error)),
        }
    }

    async fn lease_leases(
        &self,
        request: Request<LeaseLeasesRequest>,
    ) -> Result<Response<LeaseLeasesResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let mut response = self.server.lease_leases();
        self.server.fill(&mut response.header);
        Ok(Response::new(response))
    }
}

impl Context {
    async fn keep_alive(
        &self,
        requests: &mut Streaming<LeaseKeepAliveRequest>,
        answers: &mpsc::Sender<Result<LeaseKeepAliveResponse, Status>>,
    ) -> Result<(), Status> {
        while let Some(request) = requests.message().await? {
            // The header is made first: a client must not see a revision at which
            // the lease may already have been gone.
            let mut answer = LeaseKeepAliveResponse {
                id: request.id,
                ..Default::default()
            };
            self.server.fill(&mut answer.header);
            answer.ttl = match self.server.lease_keep_alive(request.id).await {
                Ok(ttl) => ttl,
                Err(error) if not_found(&error) => 0,
                Err(error) => return Err(status(&error)),
            };
            if answers.send(Ok(answer)).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
