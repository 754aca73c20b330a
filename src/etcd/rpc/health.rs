//! `grpc.health.v1.Health`, for probes that speak gRPC (`api/v3rpc/health.go` of 3.5.16,
//! and the health server of gRPC for Go 1.59 that it registers).
//!
//! The server as a whole, which has the empty name, is the one service that is known, and
//! it serves as long as it answers: neither a lost leader nor an alarm changes that.

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use wire::healthpb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

use super::Context;

/// What the server as a whole is said to do; clones share it.
#[derive(Clone)]
pub(super) struct Serving(watch::Sender<ServingStatus>);

impl Serving {
    /// Serving from the beginning: the reference asks nothing before it says so.
    pub(super) fn new() -> Self {
        let serving = Self(watch::Sender::new(ServingStatus::Serving));
        serving.start();
        serving
    }

    fn start(&self) {
        crate::info!("v3rpc/health.go:61", "grpc service status changed",
            "service" => "", "status" => ServingStatus::Serving.as_str_name());
        self.0.send_replace(ServingStatus::Serving);
    }

    /// What is to be said while the database is defragmented, until the answer is dropped:
    /// with `stop`, that the server does not serve (`--experimental-stop-grpc-service-on-defrag`).
    pub(super) fn defragmenting(&self, stop: bool) -> Defragmenting {
        if stop {
            crate::warn!("v3rpc/health.go:70", "grpc service status changed",
                "service" => "", "status" => ServingStatus::NotServing.as_str_name(),
                "reason" => "defrag is active");
            self.0.send_replace(ServingStatus::NotServing);
        }
        Defragmenting(self.clone())
    }
}

/// Lets the server serve again at its end.
pub(super) struct Defragmenting(Serving);

impl Drop for Defragmenting {
    fn drop(&mut self) {
        self.0.start();
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

type Watcher = mpsc::Sender<Result<HealthCheckResponse, Status>>;

/// Tells how it is now, and again whenever that changes, as long as somebody listens.
async fn follow(mut statuses: watch::Receiver<ServingStatus>, to: &Watcher) {
    loop {
        let status = *statuses.borrow_and_update();
        if to.send(Ok(answer(status))).await.is_err() {
            return;
        }
        if statuses.wait_for(|next| *next != status).await.is_err() {
            return;
        }
    }
}

/// Who asks for a service that is not known is told so, and waits for it to come.
async fn wait_in_vain(to: &Watcher) {
    let unknown = Ok(answer(ServingStatus::ServiceUnknown));
    if to.send(unknown).await.is_ok() {
        std::future::pending().await
    }
}

#[tonic::async_trait]
impl Health for Context {
    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        if !request.get_ref().service.is_empty() {
            return Err(Status::not_found("unknown service"));
        }
        let status = *self.serving.0.borrow();
        Ok(Response::new(answer(status)))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let needs_leader = self.admit_stream(request.metadata(), false)?;
        let known = request.get_ref().service.is_empty();
        let (sender, receiver) = mpsc::channel(1);
        let context = self.clone();
        tokio::spawn(async move {
            let stopping = context.server.stopping();
            tokio::select! {
                () = sender.closed() => return,
                () = follow(context.serving.0.subscribe(), &sender), if known => return,
                () = wait_in_vain(&sender), if !known => return,
                () = stopping.cancelled() => {}
                () = context.leader_lost(needs_leader) => {}
            }
            // The watcher may have gone.
            let _ = sender
                .send(Err(Status::cancelled("Stream has ended.")))
                .await;
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
