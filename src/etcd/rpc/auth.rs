//! `etcdserverpb.Auth` (`v3rpc/auth.go`). Everything but the passwords goes through the
//! log as it is.

use mvcc::Response as Applied;
use tonic::{Request, Response, Status};
use wire::etcdserverpb::{auth_server::Auth, *};

use super::{Context, caller, status};
use crate::server::EtcdError;

/// Puts a request into the log and gives the answer of its kind.
macro_rules! proposed {
    ($self:ident, $request:expr, $field:ident, $answer:ident) => {{
        let request = $request;
        let caller = caller(&request);
        let entry = InternalRaftRequest {
            $field: Some(request.into_inner()),
            ..Default::default()
        };
        match $self.server.propose(&caller, entry).await {
            Ok(Applied::$answer(mut response)) => {
                $self.server.fill(&mut response.header);
                Ok(Response::new(response))
            }
            Ok(_) => Err(status(&EtcdError::Stopped)),
            Err(error) => Err(status(&error)),
        }
    }};
}

#[tonic::async_trait]
impl Auth for Context {
    async fn auth_enable(
        &self,
        request: Request<AuthEnableRequest>,
    ) -> Result<Response<AuthEnableResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_enable, AuthEnable)
    }

    async fn auth_disable(
        &self,
        request: Request<AuthDisableRequest>,
    ) -> Result<Response<AuthDisableResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_disable, AuthDisable)
    }

    async fn auth_status(
        &self,
        request: Request<AuthStatusRequest>,
    ) -> Result<Response<AuthStatusResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_status, AuthStatus)
    }

    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .authenticate(request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn user_add(
        &self,
        mut request: Request<AuthUserAddRequest>,
    ) -> Result<Response<AuthUserAddResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let add = request.get_mut();
        if !add.options.is_some_and(|options| options.no_password) {
            let password = std::mem::take(&mut add.password);
            add.hashed_password = self.hashed(password).await?;
        }
        proposed!(self, request, auth_user_add, UserAdd)
    }

    async fn user_get(
        &self,
        request: Request<AuthUserGetRequest>,
    ) -> Result<Response<AuthUserGetResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_user_get, UserGet)
    }

    async fn user_list(
        &self,
        request: Request<AuthUserListRequest>,
    ) -> Result<Response<AuthUserListResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_user_list, UserList)
    }

    async fn user_delete(
        &self,
        request: Request<AuthUserDeleteRequest>,
    ) -> Result<Response<AuthUserDeleteResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_user_delete, UserDelete)
    }

    async fn user_change_password(
        &self,
        mut request: Request<AuthUserChangePasswordRequest>,
    ) -> Result<Response<AuthUserChangePasswordResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let change = request.get_mut();
        if !change.password.is_empty() {
            let password = std::mem::take(&mut change.password);
            change.hashed_password = self.hashed(password).await?;
        }
        proposed!(self, request, auth_user_change_password, UserChangePassword)
    }

    async fn user_grant_role(
        &self,
        request: Request<AuthUserGrantRoleRequest>,
    ) -> Result<Response<AuthUserGrantRoleResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_user_grant_role, UserGrantRole)
    }

    async fn user_revoke_role(
        &self,
        request: Request<AuthUserRevokeRoleRequest>,
    ) -> Result<Response<AuthUserRevokeRoleResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_user_revoke_role, UserRevokeRole)
    }

    async fn role_add(
        &self,
        request: Request<AuthRoleAddRequest>,
    ) -> Result<Response<AuthRoleAddResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_role_add, RoleAdd)
    }

    async fn role_get(
        &self,
        request: Request<AuthRoleGetRequest>,
    ) -> Result<Response<AuthRoleGetResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_role_get, RoleGet)
    }

    async fn role_list(
        &self,
        request: Request<AuthRoleListRequest>,
    ) -> Result<Response<AuthRoleListResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_role_list, RoleList)
    }

    async fn role_delete(
        &self,
        request: Request<AuthRoleDeleteRequest>,
    ) -> Result<Response<AuthRoleDeleteResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(self, request, auth_role_delete, RoleDelete)
    }

    async fn role_grant_permission(
        &self,
        request: Request<AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<AuthRoleGrantPermissionResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(
            self,
            request,
            auth_role_grant_permission,
            RoleGrantPermission
        )
    }

    async fn role_revoke_permission(
        &self,
        request: Request<AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<AuthRoleRevokePermissionResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        proposed!(
            self,
            request,
            auth_role_revoke_permission,
            RoleRevokePermission
        )
    }
}

impl Context {
    async fn hashed(&self, password: String) -> Result<String, Status> {
        self.server
            .hash_password(password)
            .await
            .map_err(|error| status(&error))
    }
}
