//! `etcdserverpb.Auth`. Users and roles are not built yet: what has an answer
//! while there are none gets etcd's answer, the rest is refused by name.

use tonic::{Request, Response, Status};
use wire::etcdserverpb::{auth_server::Auth, *};

use super::Context;

/// The revision of an auth store that nobody has changed.
const UNTOUCHED: u64 = 1;

impl Context {
    /// What a call on users and roles gets: `none` while there are none, else a refusal.
    fn without_users<T>(&self, request: &Request<impl Sized>, none: Status) -> Result<T, Status> {
        self.admit_unary(request.metadata(), false)?;
        if self.server.store().auth_revision() > UNTOUCHED {
            return Err(unsupported());
        }
        Err(none)
    }
}

fn unsupported() -> Status {
    Status::unimplemented("etcdserver: users and roles are not supported by this server")
}

fn user_not_found() -> Status {
    Status::failed_precondition("etcdserver: user name not found")
}

fn role_not_found() -> Status {
    Status::failed_precondition("etcdserver: role name not found")
}

#[tonic::async_trait]
impl Auth for Context {
    async fn auth_enable(
        &self,
        request: Request<AuthEnableRequest>,
    ) -> Result<Response<AuthEnableResponse>, Status> {
        self.without_users(
            &request,
            Status::failed_precondition("etcdserver: root user does not exist"),
        )
    }

    async fn auth_disable(
        &self,
        request: Request<AuthDisableRequest>,
    ) -> Result<Response<AuthDisableResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let mut response = AuthDisableResponse::default();
        self.server.fill(&mut response.header);
        Ok(Response::new(response))
    }

    async fn auth_status(
        &self,
        request: Request<AuthStatusRequest>,
    ) -> Result<Response<AuthStatusResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let mut response = AuthStatusResponse {
            auth_revision: self.server.store().auth_revision(),
            ..Default::default()
        };
        self.server.fill(&mut response.header);
        Ok(Response::new(response))
    }

    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.without_users(
            &request,
            Status::failed_precondition("etcdserver: authentication is not enabled"),
        )
    }

    async fn user_add(
        &self,
        request: Request<AuthUserAddRequest>,
    ) -> Result<Response<AuthUserAddResponse>, Status> {
        let refusal = match request.get_ref().name.as_str() {
            "" => Status::invalid_argument("etcdserver: user name is empty"),
            _ => unsupported(),
        };
        self.without_users(&request, refusal)
    }

    async fn user_get(
        &self,
        request: Request<AuthUserGetRequest>,
    ) -> Result<Response<AuthUserGetResponse>, Status> {
        self.without_users(&request, user_not_found())
    }

    async fn user_list(
        &self,
        request: Request<AuthUserListRequest>,
    ) -> Result<Response<AuthUserListResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        if self.server.store().auth_revision() > UNTOUCHED {
            return Err(unsupported());
        }
        let mut response = AuthUserListResponse::default();
        self.server.fill(&mut response.header);
        Ok(Response::new(response))
    }

    async fn user_delete(
        &self,
        request: Request<AuthUserDeleteRequest>,
    ) -> Result<Response<AuthUserDeleteResponse>, Status> {
        self.without_users(&request, user_not_found())
    }

    async fn user_change_password(
        &self,
        request: Request<AuthUserChangePasswordRequest>,
    ) -> Result<Response<AuthUserChangePasswordResponse>, Status> {
        self.without_users(&request, user_not_found())
    }

    async fn user_grant_role(
        &self,
        request: Request<AuthUserGrantRoleRequest>,
    ) -> Result<Response<AuthUserGrantRoleResponse>, Status> {
        self.without_users(&request, user_not_found())
    }

    async fn user_revoke_role(
        &self,
        request: Request<AuthUserRevokeRoleRequest>,
    ) -> Result<Response<AuthUserRevokeRoleResponse>, Status> {
        self.without_users(&request, user_not_found())
    }

    async fn role_add(
        &self,
        request: Request<AuthRoleAddRequest>,
    ) -> Result<Response<AuthRoleAddResponse>, Status> {
        let refusal = match request.get_ref().name.as_str() {
            "" => Status::invalid_argument("etcdserver: role name is empty"),
            _ => unsupported(),
        };
        self.without_users(&request, refusal)
    }

    async fn role_get(
        &self,
        request: Request<AuthRoleGetRequest>,
    ) -> Result<Response<AuthRoleGetResponse>, Status> {
        self.without_users(&request, role_not_found())
    }

    async fn role_list(
        &self,
        request: Request<AuthRoleListRequest>,
    ) -> Result<Response<AuthRoleListResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        if self.server.store().auth_revision() > UNTOUCHED {
            return Err(unsupported());
        }
        let mut response = AuthRoleListResponse::default();
        self.server.fill(&mut response.header);
        Ok(Response::new(response))
    }

    async fn role_delete(
        &self,
        request: Request<AuthRoleDeleteRequest>,
    ) -> Result<Response<AuthRoleDeleteResponse>, Status> {
        self.without_users(&request, role_not_found())
    }

    async fn role_grant_permission(
        &self,
        request: Request<AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<AuthRoleGrantPermissionResponse>, Status> {
        self.without_users(&request, role_not_found())
    }

    async fn role_revoke_permission(
        &self,
        request: Request<AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<AuthRoleRevokePermissionResponse>, Status> {
        self.without_users(&request, role_not_found())
    }
}
