//! `/v2/auth`, and who may do what (`v2http/client_auth.go`, `api/v2auth`).

mod roles;
mod store;
mod users;

use axum::{body::Bytes, extract::Request, response::Response};
use base64::Engine as _;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use super::{V2Handler, internal_error, json, refusal, refuse_method};
use crate::{
    http::{answer, serve::Remote},
    server::{EtcdError, Refused},
};

pub(super) use store::AuthStore;

/// The longest body that is read, in bytes.
const LIMIT: usize = 10 << 20;

/// Why a request about users or roles failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was refused; the sentence lacks `auth: `.
    Refused(StatusCode, String),
    /// The store said no.
    Store(mvcc::v2::Error),
    /// It never got there.
    Server(EtcdError),
    /// What the store holds makes no sense, or the password can't be hashed.
    Broken(String),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Store(error) => Self::Store(error),
            Refused::Server(error) => Self::Server(error),
        }
    }
}

impl Failure {
    fn is_missing(&self) -> bool {
        matches!(self, Self::Store(error) if error.code == mvcc::v2::Code::KeyNotFound)
    }

    fn is_existing(&self) -> bool {
        matches!(self, Self::Store(error) if error.code == mvcc::v2::Code::NodeExist)
    }

    fn answer(self) -> Response {
        match self {
            Self::Refused(status, text) => refusal(status, &format!("auth: {text}")),
            Self::Store(error) => super::keys::refused(&error),
            Self::Server(error) => internal_error(&error),
            Self::Broken(text) => internal_error(&EtcdError::Storage(text)),
        }
    }
}

fn refused(status: StatusCode, text: impl Into<String>) -> Failure {
    Failure::Refused(status, text.into())
}

/// JSON with a line feed, as Go's encoder ends it.
fn line(status: StatusCode, value: &impl serde::Serialize) -> Response {
    json(status, mvcc::v2::as_go(value) + "\n")
}

/// Done, and nothing to say.
fn done() -> Response {
    json(StatusCode::OK, Bytes::new())
}

fn no_auth() -> Response {
    refusal(StatusCode::UNAUTHORIZED, "Insufficient credentials")
}

/// The first JSON value of a body.
async fn read_body<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let invalid = || refusal(StatusCode::BAD_REQUEST, "Invalid JSON in request body.");
    let body = Limited::new(request.into_body(), LIMIT)
        .collect()
        .await
        .map_err(|_| invalid())?
        .to_bytes();
    let mut values = serde_json::Deserializer::from_slice(&body).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) | None => Err(invalid()),
    }
}

/// Name and password of a `Basic` authorization.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let encoded = value
        .get(..6)
        .filter(|scheme| scheme.eq_ignore_ascii_case("basic "))
        .map(|_| &value[6..])?;
    let pair = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (name, password) = pair.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// What tells who makes a request, and what it is about.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    remote: Option<&'a Remote>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        Self {
            method: request.method(),
            path: request.uri().path(),
            headers: request.headers(),
            remote: request.extensions().get(),
        }
    }

    pub(super) fn of_parts(parts: &'a http::request::Parts) -> Self {
        Self {
            method: &parts.method,
            path: parts.uri.path(),
            headers: &parts.headers,
            remote: parts.extensions.get(),
        }
    }

    fn has_authorization(self) -> bool {
        self.headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| !value.is_empty())
    }

    fn writes(self) -> bool {
        *self.method != Method::GET && *self.method != Method::HEAD
    }
}

impl V2Handler {
    fn auth_store(&self) -> AuthStore<'_> {
        AuthStore {
            server: &self.server,
            ensured: &self.auth_ensured,
        }
    }

    /// The user whose name and password a request has.
    async fn user_by_password(&self, asked: Asked<'_>) -> Option<store::User> {
        let Some((name, password)) = basic(asked.headers) else {
            crate::warn!("v2http/client_auth.go:47", "malformed basic auth encoding");
            return None;
        };
        let user = self.auth_store().user(&name, false).await.ok()?;
        if store::is_password(&user, password).await {
            return Some(user);
        }
        crate::warn!("v2http/client_auth.go:57", "incorrect password", "user-name" => name);
        None
    }

    /// The user whom the certificate of the connection names, with `--client-cert-auth`.
    /// For 3.5.16 the names of the authorities above it count too; here they do not, so
    /// that nobody becomes another user by how an authority is called.
    async fn user_by_certificate(&self, asked: Asked<'_>) -> Option<store::User> {
        if !self.server.config().client_cert_auth {
            return None;
        }
        let name = asked.remote?.common_name.as_deref()?;
        crate::debug!("v2http/client_auth.go:70", "found common name", "common-name" => name);
        let user = self.auth_store().user(name, false).await.ok()?;
        // The store finds users by paths, and a name like `a/../root` leads to another's.
        if user.user != name {
            return None;
        }
        crate::debug!("v2http/client_auth.go:73", "authenticated a user via common name",
            "user-name" => user.user, "common-name" => name);
        Some(user)
    }

    /// Whether a request may manage the cluster.
    pub(super) async fn has_root_access(&self, asked: Asked<'_>) -> bool {
        if !self.auth_store().is_enabled().await {
            return true;
        }
        let by_certificate = !asked.has_authorization() && self.server.config().client_cert_auth;
        let user = match by_certificate {
            true => self.user_by_certificate(asked).await,
            false => self.user_by_password(asked).await,
        };
        let Some(user) = user else { return false };
        if user.has_role(store::ROOT) {
            return true;
        }
        crate::warn!("v2http/client_auth.go:113", "a user does not have root role for resource",
            "root-user" => user.user, "root-role-name" => store::ROOT, "resource-path" => asked.path);
        false
    }

    /// Whether a request may read or write a key, or all below it.
    pub(super) async fn has_key_access(
        &self,
        asked: Asked<'_>,
        key: &str,
        recursive: bool,
    ) -> bool {
        let store = self.auth_store();
        if !store.is_enabled().await {
            return true;
        }
        let user = if asked.has_authorization() {
            match self.user_by_password(asked).await {
                Some(user) => user,
                None => return false,
            }
        } else {
            match self.user_by_certificate(asked).await {
                Some(user) => user,
                None => return self.has_guest_access(asked, key).await,
            }
        };
        for name in user.roles.iter().flatten() {
            let role = store.role(name, false).await;
            if role.is_ok_and(|role| role.may(key, asked.writes(), recursive)) {
                return true;
            }
        }
        crate::warn!("v2http/client_auth.go:161", "invalid access for user on key",
            "user-name" => user.user, "key" => key);
        false
    }

    async fn has_guest_access(&self, asked: Asked<'_>, key: &str) -> bool {
        let Ok(guest) = self.auth_store().role(store::GUEST, false).await else {
            return false;
        };
        if guest.may(key, asked.writes(), false) {
            return true;
        }
        crate::warn!("v2http/client_auth.go:179", "invalid access for a guest role on key",
            "role-name" => store::GUEST, "key" => key);
        false
    }

    /// `rest` is what follows `/v2/auth`.
    pub(super) async fn auth(&self, request: Request, rest: &str) -> Response {
        let known = ["/roles", "/users", "/enable"].contains(&rest)
            || rest.starts_with("/roles/")
            || rest.starts_with("/users/");
        if !known {
            return answer::not_found();
        }
        if self.server.cluster_version().is_none() {
            return refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Not capable of accessing auth feature during rolling upgrades.",
            );
        }
        if rest == "/enable" {
            return self.enable(request).await;
        }
        let path = mvcc::v2::path::clean(rest);
        let pieces: Vec<&str> = path.split('/').skip(1).collect();
        let (allowed, name): (&[&str], _) = match pieces.as_slice() {
            [_] => (&["GET"], None),
            [_, name] => (&["GET", "PUT", "DELETE"], Some(*name)),
            _ => return refusal(StatusCode::BAD_REQUEST, "Invalid path"),
        };
        if let Some(refused) = refuse_method(request.method(), allowed) {
            return refused;
        }
        if !self.has_root_access(Asked::of(&request)).await {
            return no_auth();
        }
        let answered = match (pieces[0], name) {
            ("roles", None) => self.list_roles().await,
            ("roles", Some(name)) => self.one_role(request, name).await,
            (_, None) => self.list_users().await,
            (_, Some(name)) => self.one_user(request, name).await,
        };
        self.with_cluster_id(answered.unwrap_or_else(Failure::answer))
    }

    async fn enable(&self, request: Request) -> Response {
        #[derive(serde::Serialize)]
        struct Enabled {
            enabled: bool,
        }
        if let Some(refused) = refuse_method(request.method(), &["GET", "PUT", "DELETE"]) {
            return refused;
        }
        let reads = request.method() == Method::GET;
        if !reads && !self.has_root_access(Asked::of(&request)).await {
            return no_auth();
        }
        let store = self.auth_store();
        let enabled = store.is_enabled().await;
        let answered = match *request.method() {
            Method::GET => Ok(line(StatusCode::OK, &Enabled { enabled })),
            Method::PUT => store.enable().await.map(|()| done()),
            _ => store.disable().await.map(|()| done()),
        };
        self.with_cluster_id(answered.unwrap_or_else(Failure::answer))
    }
}
