//! `etcdserverpb.Cluster`.

use tonic::{Request, Response, Status};
use wire::etcdserverpb::{
    MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse, cluster_server::Cluster,
};

use super::{Context, caller, status};

#[tonic::async_trait]
impl Cluster for Context {
    async fn member_add(
        &self,
        request: Request<MemberAddRequest>,
    ) -> Result<Response<MemberAddResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .member_add(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn member_remove(
        &self,
        request: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .member_remove(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn member_update(
        &self,
        request: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .member_update(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn member_list(
        &self,
        request: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .member_list(request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn member_promote(
        &self,
        request: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .member_promote(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }
}
