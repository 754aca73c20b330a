//! `/v2/auth/users`.

use axum::{extract::Request, response::Response};
use http::{Method, StatusCode};
use serde::Serialize;

use super::{
    Failure, V2Handler, done, line, read_body, refusal,
    store::{Role, User, is_empty},
};

/// A user with what its roles may do.
#[derive(Serialize)]
struct Shown {
    user: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Role>,
}

#[derive(Serialize)]
struct List {
    users: Option<Vec<Shown>>,
}

impl V2Handler {
    pub(super) async fn list_users(&self) -> Result<Response, Failure> {
        let store = self.auth_store();
        let mut users = Vec::new();
        for name in store.users().await? {
            let user = store.user(&name, false).await?;
            let mut roles = Vec::new();
            for role in user.roles.iter().flatten() {
                // A role that is gone is left out here.
                roles.extend(store.role(role, false).await.ok());
            }
            users.push(Shown {
                user: user.user,
                roles,
            });
        }
        let users = (!users.is_empty()).then_some(users);
        Ok(line(StatusCode::OK, &List { users }))
    }

    pub(super) async fn one_user(&self, request: Request, name: &str) -> Result<Response, Failure> {
        match *request.method() {
            Method::GET => self.show_user(name).await,
            Method::PUT => self.put_user(request, name).await,
            _ => self.auth_store().delete_user(name).await.map(|()| done()),
        }
    }

    async fn show_user(&self, name: &str) -> Result<Response, Failure> {
        let store = self.auth_store();
        let user = store.user(name, false).await?;
        let mut roles = Vec::new();
        for role in user.roles.iter().flatten() {
            roles.push(store.role(role, false).await?);
        }
        let user = user.user;
        Ok(line(StatusCode::OK, &Shown { user, roles }))
    }

    async fn put_user(&self, request: Request, name: &str) -> Result<Response, Failure> {
        let user: User = match read_body(request).await {
            Ok(user) => user,
            Err(refused) => return Ok(refused),
        };
        let bad = |text: &str| Ok(refusal(StatusCode::BAD_REQUEST, text));
        if user.user != name {
            return bad("User JSON name does not match the name in the URL");
        }
        let store = self.auth_store();
        let has_roles = !is_empty(&user.roles);
        let changes = !is_empty(&user.grant) || !is_empty(&user.revoke);
        let (out, created) = match (changes, has_roles) {
            (true, true) => return bad("User JSON contains both roles and grant/revoke"),
            (true, false) => (store.update_user(user).await?, false),
            (false, true) => (store.create_user(user).await?, false),
            (false, false) => store.create_or_update_user(user).await?,
        };
        let status = match created {
            true => StatusCode::CREATED,
            false => StatusCode::OK,
        };
        let out = User {
            password: String::new(),
            ..out
        };
        Ok(line(status, &out))
    }
}
