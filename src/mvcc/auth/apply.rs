//! Applying requests about users, roles and authentication itself.

use wire::etcdserverpb as pb;

use super::{Auth, AuthInfo, TokenChange};
use crate::batch::Batch;
use crate::state::header;
use crate::{Error, Response, Result};

/// True for the requests that [`Auth::apply`] knows.
pub(crate) fn is_auth_request(request: &pb::InternalRaftRequest) -> bool {
    request.authenticate.is_some()
        || request.auth_user_get.is_some()
        || request.auth_role_get.is_some()
        || needs_admin(request)
}

fn needs_admin(request: &pb::InternalRaftRequest) -> bool {
    request.auth_enable.is_some()
        || request.auth_disable.is_some()
        || request.auth_status.is_some()
        || request.auth_user_add.is_some()
        || request.auth_user_delete.is_some()
        || request.auth_user_change_password.is_some()
        || request.auth_user_grant_role.is_some()
        || request.auth_user_revoke_role.is_some()
        || request.auth_user_list.is_some()
        || request.auth_role_add.is_some()
        || request.auth_role_delete.is_some()
        || request.auth_role_grant_permission.is_some()
        || request.auth_role_revoke_permission.is_some()
        || request.auth_role_list.is_some()
}

/// What an entry is applied with.
pub(crate) struct Entry<'a> {
    pub request: &'a pb::InternalRaftRequest,
    pub who: &'a AuthInfo,
    /// Index of the entry before this one; simple tokens end with it.
    pub before: u64,
    /// The store's revision, for headers.
    pub revision: i64,
}

impl Auth {
    /// Applies a request; the answer, and what it means for tokens.
    pub(crate) fn apply(
        &mut self,
        batch: &mut Batch,
        entry: &Entry<'_>,
    ) -> Result<(Response, Option<TokenChange>)> {
        if needs_admin(entry.request) {
            self.permit_admin(entry.who)?;
        }
        let request = entry.request;
        let header = header(entry.revision);
        if let Some(request) = &request.authenticate {
            return self.authenticate(request, entry);
        }
        if request.auth_enable.is_some() {
            self.enable(batch)?;
            return Ok((
                Response::AuthEnable(pb::AuthEnableResponse { header }),
                None,
            ));
        }
        if request.auth_disable.is_some() {
            let tokens = self.disable(batch).then_some(TokenChange::ForgetAll);
            let response = Response::AuthDisable(pb::AuthDisableResponse { header });
            return Ok((response, tokens));
        }
        if request.auth_status.is_some() {
            let response = Response::AuthStatus(pb::AuthStatusResponse {
                header,
                enabled: self.enabled,
                auth_revision: self.revision,
            });
            return Ok((response, None));
        }
        match self.apply_user(batch, entry) {
            Some(done) => done,
            None => self
                .apply_role(batch, entry)
                .map(|response| (response, None)),
        }
    }

    fn authenticate(
        &self,
        request: &pb::InternalAuthenticateRequest,
        entry: &Entry<'_>,
    ) -> Result<(Response, Option<TokenChange>)> {
        self.may_authenticate(&request.name)?;
        let token = format!("{}.{}", request.simple_token, entry.before);
        let response = Response::Authenticate(pb::AuthenticateResponse {
            header: header(entry.revision),
            token: token.clone(),
        });
        let user = request.name.clone();
        Ok((response, Some(TokenChange::Assign { user, token })))
    }

    fn apply_user(
        &mut self,
        batch: &mut Batch,
        entry: &Entry<'_>,
    ) -> Option<Result<(Response, Option<TokenChange>)>> {
        let request = entry.request;
        let header = || header(entry.revision);
        let forget = |name: &str| {
            Some(TokenChange::Forget {
                user: name.to_owned(),
            })
        };
        Some(if let Some(add) = &request.auth_user_add {
            self.user_add(batch, add).map(|()| {
                (
                    Response::UserAdd(pb::AuthUserAddResponse { header: header() }),
                    None,
                )
            })
        } else if let Some(delete) = &request.auth_user_delete {
            self.user_delete(batch, &delete.name).map(|()| {
                let response = pb::AuthUserDeleteResponse { header: header() };
                (Response::UserDelete(response), forget(&delete.name))
            })
        } else if let Some(change) = &request.auth_user_change_password {
            self.user_change_password(batch, change).map(|()| {
                let response = pb::AuthUserChangePasswordResponse { header: header() };
                (Response::UserChangePassword(response), forget(&change.name))
            })
        } else if let Some(grant) = &request.auth_user_grant_role {
            self.user_grant_role(batch, grant).map(|()| {
                let response = pb::AuthUserGrantRoleResponse { header: header() };
                (Response::UserGrantRole(response), None)
            })
        } else if let Some(revoke) = &request.auth_user_revoke_role {
            self.user_revoke_role(batch, revoke).map(|()| {
                let response = pb::AuthUserRevokeRoleResponse { header: header() };
                (Response::UserRevokeRole(response), None)
            })
        } else if let Some(get) = &request.auth_user_get {
            self.user_get(entry.who, &get.name).map(|roles| {
                let header = header();
                (
                    Response::UserGet(pb::AuthUserGetResponse { header, roles }),
                    None,
                )
            })
        } else if request.auth_user_list.is_some() {
            let (header, users) = (header(), self.user_list());
            Ok((
                Response::UserList(pb::AuthUserListResponse { header, users }),
                None,
            ))
        } else {
            return None;
        })
    }

    /// Everyone may ask about themselves.
    fn user_get(&self, who: &AuthInfo, name: &str) -> Result<Vec<String>> {
        match self.permit_admin(who) {
            Err(error) if who.username != name => Err(error),
            _ => self.user_roles(name),
        }
    }

    fn apply_role(&mut self, batch: &mut Batch, entry: &Entry<'_>) -> Result<Response> {
        let request = entry.request;
        let header = header(entry.revision);
        if let Some(add) = &request.auth_role_add {
            self.role_add(batch, add)?;
            return Ok(Response::RoleAdd(pb::AuthRoleAddResponse { header }));
        }
        if let Some(delete) = &request.auth_role_delete {
            self.role_delete(batch, &delete.role)?;
            return Ok(Response::RoleDelete(pb::AuthRoleDeleteResponse { header }));
        }
        if let Some(grant) = &request.auth_role_grant_permission {
            self.role_grant_permission(batch, grant)?;
            let response = pb::AuthRoleGrantPermissionResponse { header };
            return Ok(Response::RoleGrantPermission(response));
        }
        if let Some(revoke) = &request.auth_role_revoke_permission {
            self.role_revoke_permission(batch, revoke)?;
            let response = pb::AuthRoleRevokePermissionResponse { header };
            return Ok(Response::RoleRevokePermission(response));
        }
        if let Some(get) = &request.auth_role_get {
            // Everyone may ask about the roles they have.
            if let Err(error) = self.permit_admin(entry.who)
                && !self.has_role(&entry.who.username, &get.role)
            {
                return Err(error);
            }
            let perm = self.role_permissions(&get.role)?;
            return Ok(Response::RoleGet(pb::AuthRoleGetResponse { header, perm }));
        }
        if request.auth_role_list.is_some() {
            let roles = self.role_list();
            return Ok(Response::RoleList(pb::AuthRoleListResponse {
                header,
                roles,
            }));
        }
        Err(Error::Unsupported(
            "a request of a kind that etcd 3.5 does not know".into(),
        ))
    }
}
