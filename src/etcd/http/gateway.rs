//! JSON over HTTP for gRPC.

use axum::{Router, extract::Request, response::Response};

use super::answer;

/// Turns `/v3/…` posts into gRPC calls.
#[derive(Clone)]
pub struct Gateway {
    /// The services.
    pub grpc: Router,
}

impl Gateway {
    /// Answers one request.
    pub async fn handle(&self, _: Request) -> Response {
        answer::not_found()
    }
}
