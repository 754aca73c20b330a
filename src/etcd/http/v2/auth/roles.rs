//! `/v2/auth/roles`.

use axum::{extract::Request, response::Response};
use http::{Method, StatusCode};
use serde::Serialize;

use super::{
    Failure, V2Handler, done, line, read_body, refusal,
    store::{Permissions, Role},
};

#[derive(Serialize)]
struct List {
    roles: Vec<Role>,
}

impl V2Handler {
    pub(super) async fn list_roles(&self) -> Result<Response, Failure> {
        let store = self.auth_store();
        let mut roles = Vec::new();
        for name in store.roles().await? {
            roles.push(store.role(&name, false).await?);
        }
        Ok(line(StatusCode::OK, &List { roles }))
    }

    pub(super) async fn one_role(&self, request: Request, name: &str) -> Result<Response, Failure> {
        let store = self.auth_store();
        match *request.method() {
            Method::GET => Ok(line(StatusCode::OK, &store.role(name, false).await?)),
            Method::PUT => self.put_role(request, name).await,
            _ => store.delete_role(name).await.map(|()| done()),
        }
    }

    async fn put_role(&self, request: Request, name: &str) -> Result<Response, Failure> {
        let role: Role = match read_body(request).await {
            Ok(role) => role,
            Err(refused) => return Ok(refused),
        };
        let bad = |text: &str| Ok(refusal(StatusCode::BAD_REQUEST, text));
        if role.role != name {
            return bad("Role JSON name does not match the name in the URL");
        }
        let none = |change: &Option<Permissions>| change.as_ref().is_none_or(Permissions::is_empty);
        let store = self.auth_store();
        if none(&role.grant) && none(&role.revoke) {
            store.create_role(&role).await?;
            return Ok(line(StatusCode::CREATED, &role));
        }
        if !role.permissions.is_empty() {
            return bad("Role JSON contains both permissions and grant/revoke");
        }
        Ok(line(StatusCode::OK, &store.update_role(&role).await?))
    }
}
