//! `etcdserverpb.KV`.

use tonic::{Request, Response, Status};
use wire::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, TxnRequest, TxnResponse, kv_server::Kv,
};

use super::{Context, caller, status};

#[tonic::async_trait]
impl Kv for Context {
    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        self.admit_unary(request.metadata(), request.get_ref().serializable)?;
        self.server
            .range(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .put(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .delete_range(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .txn(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .compact(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }
}
