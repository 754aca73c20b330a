//! Users and roles, kept as JSON below `/2` of the v2 store (`v2auth/auth.go`,
//! `v2auth/auth_requests.go`).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::StatusCode;
use mvcc::v2;
use serde::{Deserialize, Serialize};
use wire::etcdserverpb as pb;

use super::{Failure, refused};
use crate::server::Server;

/// Where it is kept (`StorePermsPrefix`).
const PREFIX: &str = "/2";
/// The role that may do everything; it can't be changed.
pub(in super::super) const ROOT: &str = "root";
/// The role of whoever does not say who they are.
pub(in super::super) const GUEST: &str = "guest";
/// bcrypt's default cost in Go.
const COST: u32 = 10;
/// The longest password that bcrypt sees whole, in bytes.
const LONGEST_PASSWORD: usize = 72;

/// A user. Lists that Go has as `nil` are `None`: they are shown as `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct User {
    pub(in super::super) user: String,
    /// As it was sent, or its hash.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) password: String,
    pub(super) roles: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(super) grant: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(super) revoke: Option<Vec<String>>,
}

pub(super) fn is_empty(list: &Option<Vec<String>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

/// Paths that may be read and written; `*` at the end stands for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Paths {
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Permissions {
    kv: Paths,
}

impl Permissions {
    pub(super) fn is_empty(&self) -> bool {
        is_empty(&self.kv.read) && is_empty(&self.kv.write)
    }
}

/// A role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Role {
    pub(super) role: String,
    pub(super) permissions: Permissions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grant: Option<Permissions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoke: Option<Permissions>,
}

impl User {
    pub(super) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().flatten().any(|known| known == role)
    }

    fn with_root(mut self) -> Self {
        if self.user == ROOT && !self.has_role(ROOT) {
            self.roles.get_or_insert_default().push(ROOT.to_owned());
        }
        self
    }

    /// With what another one changes; its password is a hash already.
    fn merged(&self, change: &Self) -> Result<Self, Failure> {
        let conflict = |what: &str, role: &str| {
            let name = &change.user;
            refused(
                StatusCode::CONFLICT,
                format!("{what} role {role} for user {name}"),
            )
        };
        let mut roles: BTreeSet<String> = self.roles.iter().flatten().cloned().collect();
        for role in change.grant.iter().flatten() {
            if !roles.insert(role.clone()) {
                return Err(conflict("Granting duplicate", role));
            }
        }
        for role in change.revoke.iter().flatten() {
            if !roles.remove(role) {
                return Err(conflict("Revoking ungranted", role));
            }
        }
        Ok(Self {
            user: self.user.clone(),
            password: match change.password.is_empty() {
                true => self.password.clone(),
                false => change.password.clone(),
            },
            roles: Some(roles.into_iter().collect()),
            grant: None,
            revoke: None,
        })
    }
}

impl Role {
    /// A role that may do everything.
    fn open(name: &str) -> Self {
        let all = Some(vec!["/*".to_owned()]);
        Self {
            role: name.to_owned(),
            permissions: Permissions {
                kv: Paths {
                    read: all.clone(),
                    write: all,
                },
            },
            ..Self::default()
        }
    }

    /// Whether it lets into a path, or into all below it.
    pub(super) fn may(&self, key: &str, writes: bool, recursive: bool) -> bool {
        let paths = match writes {
            true => &self.permissions.kv.write,
            false => &self.permissions.kv.read,
        };
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => key.starts_with(beginning),
            None => !recursive && key == pattern,
        };
        self.role == ROOT || paths.iter().flatten().any(fits)
    }

    fn merged(&self, change: &Self) -> Result<Self, Failure> {
        let mut permissions = self.permissions.clone();
        if let Some(grant) = &change.grant {
            let kv = &permissions.kv;
            permissions.kv = Paths {
                read: granted(&kv.read, &grant.kv.read, "read")?,
                write: granted(&kv.write, &grant.kv.write, "write")?,
            };
        }
        if let Some(revoke) = &change.revoke {
            let kv = &permissions.kv;
            permissions.kv = Paths {
                read: revoked(&kv.read, &revoke.kv.read),
                write: revoked(&kv.write, &revoke.kv.write),
            };
        }
        Ok(Self {
            role: self.role.clone(),
            permissions,
            ..Self::default()
        })
    }
}

type List = Option<Vec<String>>;

fn granted(known: &List, more: &List, kind: &str) -> Result<List, Failure> {
    let mut paths: BTreeSet<String> = known.iter().flatten().cloned().collect();
    for path in more.iter().flatten() {
        if !paths.insert(path.clone()) {
            return Err(refused(
                StatusCode::CONFLICT,
                format!("Granting duplicate {kind} permission {path}"),
            ));
        }
    }
    Ok(Some(paths.into_iter().collect()))
}

/// What is not there is not missed.
fn revoked(known: &List, less: &List) -> List {
    let mut paths: BTreeSet<String> = known.iter().flatten().cloned().collect();
    for path in less.iter().flatten() {
        paths.remove(path);
    }
    Some(paths.into_iter().collect())
}

/// Whether this is the user's password.
pub(super) async fn is_password(user: &User, password: String) -> bool {
    let hash = user.password.clone();
    let checked =
        tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
    checked.await.unwrap_or(false)
}

async fn hashed(password: String) -> Result<String, Failure> {
    if password.len() > LONGEST_PASSWORD {
        let text = "bcrypt: password length exceeds 72 bytes";
        return Err(Failure::Broken(text.to_owned()));
    }
    let broken = |error: &dyn std::fmt::Display| Failure::Broken(error.to_string());
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| broken(&error))?;
    let hashed =
        tokio::task::spawn_blocking(move || bcrypt::hash_with_salt(password, COST, salt)).await;
    let parts = hashed
        .map_err(|error| broken(&error))?
        .map_err(|error| broken(&error))?;
    Ok(parts.format_for_version(bcrypt::Version::TwoA))
}

/// Users and roles of a cluster.
pub(in super::super) struct AuthStore<'a> {
    pub(super) server: &'a Server,
    /// Whether the directories are known to be there.
    pub(super) ensured: &'a Arc<AtomicBool>,
}

impl AuthStore<'_> {
    async fn read(&self, what: &str, quorum: bool) -> Result<Arc<v2::Event>, Failure> {
        let method = if quorum { "QGET" } else { "GET" };
        let request = pb::Request {
            method: method.into(),
            path: v2::path::join(PREFIX, what).into(),
            ..pb::Request::default()
        };
        Ok(self.server.do_v2(request).await?)
    }

    async fn read_json<T: for<'de> Deserialize<'de>>(
        &self,
        what: &str,
        quorum: bool,
    ) -> Result<T, Failure> {
        let event = self.read(what, quorum).await?;
        let value = event.node.value.clone().unwrap_or_default();
        serde_json::from_str(&value)
            .map_err(|error| Failure::Broken(format!("{PREFIX}{what}: {error}")))
    }

    async fn make(&self, what: &str, dir: bool, value: &str) -> Result<(), Failure> {
        let request = pb::Request {
            method: "PUT".into(),
            path: v2::path::join(PREFIX, what).into(),
            dir,
            val: value.to_owned().into(),
            prev_exist: Some(false),
            ..pb::Request::default()
        };
        match self.server.do_v2(request).await.map_err(Failure::from) {
            Err(failure) if !failure.is_existing() => Err(failure),
            _ => Ok(()),
        }
    }

    async fn ensure_directories(&self) -> Result<(), Failure> {
        if self.ensured.load(Ordering::Acquire) {
            return Ok(());
        }
        for what in ["", "/users", "/roles"] {
            self.make(what, true, "").await?;
        }
        self.make("/enabled", false, "false").await?;
        self.ensured.store(true, Ordering::Release);
        Ok(())
    }

    async fn write(&self, what: &str, value: &impl Serialize, exists: bool) -> Result<(), Failure> {
        self.ensure_directories().await?;
        let request = pb::Request {
            method: "PUT".into(),
            path: v2::path::join(PREFIX, what).into(),
            val: v2::as_go(value).into(),
            prev_exist: Some(exists),
            ..pb::Request::default()
        };
        self.server.do_v2(request).await?;
        Ok(())
    }

    async fn delete(&self, what: &str) -> Result<(), Failure> {
        self.ensure_directories().await?;
        let request = pb::Request {
            method: "DELETE".into(),
            path: v2::path::join(PREFIX, what).into(),
            prev_exist: Some(true),
            ..pb::Request::default()
        };
        self.server.do_v2(request).await?;
        Ok(())
    }

    /// The names in a directory, sorted; none if it is not there.
    async fn names(&self, what: &str) -> Result<Vec<String>, Failure> {
        match self.read(what, false).await {
            Err(failure) if failure.is_missing() => Ok(Vec::new()),
            Err(failure) => Err(failure),
            Ok(event) => {
                let name = |node: &v2::NodeView| {
                    let name = node.key.rsplit('/').next();
                    name.unwrap_or_default().to_owned()
                };
                let mut names: Vec<String> = event.node.nodes.iter().map(name).collect();
                names.sort();
                Ok(names)
            }
        }
    }

    pub(super) async fn is_enabled(&self) -> bool {
        match self.read_json::<bool>("/enabled", false).await {
            Ok(enabled) => enabled,
            Err(failure) => {
                if !failure.is_missing() {
                    crate::warn!("v2auth/auth_requests.go:98", "failed to detect auth settings",
                        "error" => format!("{failure:?}"));
                }
                false
            }
        }
    }

    pub(super) async fn enable(&self) -> Result<(), Failure> {
        if self.is_enabled().await {
            return Err(refused(StatusCode::CONFLICT, "already enabled"));
        }
        if self.user(ROOT, true).await.is_err() {
            let text = "No root user available, please create one";
            return Err(refused(StatusCode::CONFLICT, text));
        }
        if self.role(GUEST, true).await.is_err() {
            self.create_role(&Role::open(GUEST)).await?;
        }
        self.write("/enabled", &true, true).await?;
        crate::info!("v2auth/auth.go:402", "enabled auth");
        Ok(())
    }

    pub(super) async fn disable(&self) -> Result<(), Failure> {
        if !self.is_enabled().await {
            return Err(refused(StatusCode::CONFLICT, "already disabled"));
        }
        self.write("/enabled", &false, true).await?;
        crate::info!("v2auth/auth.go:413", "disabled auth");
        Ok(())
    }

    pub(super) async fn users(&self) -> Result<Vec<String>, Failure> {
        self.names("/users").await
    }

    pub(super) async fn user(&self, name: &str, quorum: bool) -> Result<User, Failure> {
        let what = format!("/users/{name}");
        let user: User =
            self.read_json(&what, quorum)
                .await
                .map_err(|failure| match failure.is_missing() {
                    true => refused(
                        StatusCode::NOT_FOUND,
                        format!("User {name} does not exist."),
                    ),
                    false => failure,
                })?;
        Ok(user.with_root())
    }

    /// Makes a user, or changes the password of one; whether it was made.
    pub(super) async fn create_or_update_user(&self, user: User) -> Result<(User, bool), Failure> {
        if self.user(&user.user, true).await.is_ok() {
            return Ok((self.update_user(user).await?, false));
        }
        Ok((self.create_user(user).await?, true))
    }

    pub(super) async fn create_user(&self, user: User) -> Result<User, Failure> {
        let mut user = user.with_root();
        let name = user.user.clone();
        if user.password.is_empty() {
            return Err(refused(
                StatusCode::BAD_REQUEST,
                format!("Cannot create user {name} with an empty password"),
            ));
        }
        user.password = hashed(user.password).await?;
        self.write(&format!("/users/{name}"), &user, false)
            .await
            .map_err(|failure| match failure.is_existing() {
                true => refused(StatusCode::CONFLICT, format!("User {name} already exists.")),
                false => failure,
            })?;
        crate::info!("v2auth/auth.go:203", "created a user", "user-name" => name);
        Ok(user)
    }

    pub(super) async fn update_user(&self, mut change: User) -> Result<User, Failure> {
        let old = self.user(&change.user, true).await?;
        if !change.password.is_empty() {
            change.password = hashed(change.password).await?;
        }
        let new = old.merged(&change)?;
        if new == old {
            let text = "User not updated. Use grant/revoke/password to update the user.";
            return Err(refused(StatusCode::BAD_REQUEST, text));
        }
        self.write(&format!("/users/{}", new.user), &new, true)
            .await?;
        crate::info!("v2auth/auth.go:266", "updated a user", "user-name" => new.user);
        Ok(new)
    }

    pub(super) async fn delete_user(&self, name: &str) -> Result<(), Failure> {
        // Asked for every user, as the reference does: the reads are counted.
        if self.is_enabled().await && name == ROOT {
            let text = "Cannot delete root user while auth is enabled.";
            return Err(refused(StatusCode::FORBIDDEN, text));
        }
        self.delete(&format!("/users/{name}"))
            .await
            .map_err(|failure| match failure.is_missing() {
                true => refused(StatusCode::NOT_FOUND, format!("User {name} does not exist")),
                false => failure,
            })?;
        crate::info!("v2auth/auth.go:242", "deleted a user", "user-name" => name);
        Ok(())
    }

    pub(super) async fn roles(&self) -> Result<Vec<String>, Failure> {
        let mut names = self.names("/roles").await?;
        names.push(ROOT.to_owned());
        names.sort();
        Ok(names)
    }

    pub(super) async fn role(&self, name: &str, quorum: bool) -> Result<Role, Failure> {
        if name == ROOT {
            return Ok(Role::open(ROOT));
        }
        let what = format!("/roles/{name}");
        self.read_json(&what, quorum)
            .await
            .map_err(|failure| match failure.is_missing() {
                true => refused(
                    StatusCode::NOT_FOUND,
                    format!("Role {name} does not exist."),
                ),
                false => failure,
            })
    }

    pub(super) async fn create_role(&self, role: &Role) -> Result<(), Failure> {
        let name = &role.role;
        not_root(name)?;
        self.write(&format!("/roles/{name}"), role, false)
            .await
            .map_err(|failure| match failure.is_existing() {
                true => refused(StatusCode::CONFLICT, format!("Role {name} already exists.")),
                false => failure,
            })?;
        crate::info!("v2auth/auth.go:304", "created a new role", "role-name" => name);
        Ok(())
    }

    pub(super) async fn update_role(&self, change: &Role) -> Result<Role, Failure> {
        not_root(&change.role)?;
        let old = self.role(&change.role, true).await?;
        let new = old.merged(change)?;
        if new == old {
            let text = "Role not updated. Use grant/revoke to update the role.";
            return Err(refused(StatusCode::BAD_REQUEST, text));
        }
        self.write(&format!("/roles/{}", new.role), &new, true)
            .await?;
        crate::info!("v2auth/auth.go:354", "updated a new role", "role-name" => new.role);
        Ok(new)
    }

    pub(super) async fn delete_role(&self, name: &str) -> Result<(), Failure> {
        not_root(name)?;
        self.delete(&format!("/roles/{name}"))
            .await
            .map_err(|failure| match failure.is_missing() {
                true => refused(StatusCode::NOT_FOUND, format!("Role {name} doesn't exist.")),
                false => failure,
            })?;
        crate::info!("v2auth/auth.go:323", "delete a new role", "role-name" => name);
        Ok(())
    }
}

fn not_root(name: &str) -> Result<(), Failure> {
    match name {
        ROOT => Err(refused(
            StatusCode::FORBIDDEN,
            format!("Cannot modify role {name}: is root role."),
        )),
        _ => Ok(()),
    }
}
