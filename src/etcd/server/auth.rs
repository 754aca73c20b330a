//! Who asks, and whether they may: tokens, certificates, passwords
//! (`etcdserver/v3_server.go`, `auth/store.go`).

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use mvcc::{AuthInfo, Response, TokenChange};
use wire::etcdserverpb::{self as pb, InternalRaftRequest};

use super::{EtcdError, Server};
use crate::token::{Simple, Tokens};

/// The user that the member itself is where a right is needed.
const ROOT: &str = "root";
/// Longest password in bytes; bcrypt would pass over the rest.
const MAX_PASSWORD: usize = 72;
/// The costs that bcrypt knows, and the one that stands in for others
/// (`golang.org/x/crypto/bcrypt`).
const MIN_COST: u32 = 4;
const MAX_COST: u32 = 31;
const DEFAULT_COST: u32 = 10;

/// Who makes a request, as far as the request itself tells.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    token: Option<String>,
    common_name: Option<String>,
    /// The member itself asks.
    member: bool,
}

impl Caller {
    /// A client: what it gives as its token, and the common name in its certificate,
    /// whose chain was checked; empty if that has none.
    #[must_use]
    pub fn client(token: Option<String>, common_name: Option<String>) -> Self {
        Self {
            token,
            common_name,
            member: false,
        }
    }

    /// The member itself, which may do everything.
    #[must_use]
    pub fn member() -> Self {
        Self {
            member: true,
            ..Self::default()
        }
    }

    /// Someone who says nothing about themselves.
    #[must_use]
    pub fn nobody() -> Self {
        Self::default()
    }
}

impl Server {
    /// Finds out who a caller is; nobody is the default. Waits for the entry that made
    /// a simple token.
    pub async fn identify(&self, caller: &Caller) -> Result<AuthInfo, EtcdError> {
        let store = &self.0.store;
        let enabled = store.auth_enabled();
        if caller.member {
            return Ok(match enabled {
                true => self.info_of(ROOT.to_owned()),
                false => AuthInfo::default(),
            });
        }
        if enabled && let Some(token) = &caller.token {
            return self.holder_of(token).await.ok_or_else(|| {
                crate::warn!("auth/store.go:1183", "invalid auth token", "token" => token);
                mvcc::Error::InvalidAuthToken.into()
            });
        }
        Ok(match &caller.common_name {
            Some(name) if self.0.config.client_cert_auth => self.info_of(name.clone()),
            _ => AuthInfo::default(),
        })
    }

    fn info_of(&self, username: String) -> AuthInfo {
        AuthInfo {
            username,
            revision: self.0.store.auth_revision(),
        }
    }

    async fn holder_of(&self, token: &str) -> Option<AuthInfo> {
        match &self.0.tokens {
            Tokens::Disabled => None,
            Tokens::Jwt(jwt) => jwt.user(token, self.0.clock.wall() / 1000),
            Tokens::Simple(simple) => {
                let index = Simple::index_of(token)?;
                let mut applied = self.0.progress.applied.subscribe();
                // Whoever invents an index waits until they give up, as in the reference.
                tokio::select! {
                    reached = applied.wait_for(|applied| *applied >= index) => drop(reached.ok()?),
                    () = self.0.stopping.cancelled() => return None,
                }
                let user = simple.user(token, self.0.clock.monotonic())?;
                Some(self.info_of(user))
            }
        }
    }

    /// Refuses all but those with the role root.
    pub async fn permit_admin(&self, caller: &Caller) -> Result<(), EtcdError> {
        let who = self.identify(caller).await?;
        Ok(self.0.store.permit_admin(&who)?)
    }

    /// Refuses those who may not read a range of keys.
    pub async fn permit_range(
        &self,
        caller: &Caller,
        key: &[u8],
        range_end: &[u8],
    ) -> Result<(), EtcdError> {
        let who = self.identify(caller).await?;
        Ok(self.0.store.permit_range(&who, key, range_end)?)
    }

    /// Takes a name and password and gives a token.
    pub async fn authenticate(
        &self,
        request: pb::AuthenticateRequest,
    ) -> Result<pb::AuthenticateResponse, EtcdError> {
        self.linearizable_read_notify().await?;
        loop {
            let checked = self
                .check_password(&request.name, &request.password)
                .await
                .inspect_err(|error| {
                    if !matches!(error, EtcdError::State(mvcc::Error::AuthNotEnabled)) {
                        crate::warn!("etcdserver/v3_server.go:542", "invalid authentication was requested",
                            "user" => request.name, "error" => error.to_string());
                    }
                })?;
            let random = match &self.0.tokens {
                Tokens::Simple(_) => Simple::random().map_err(EtcdError::Other)?,
                Tokens::Jwt(_) | Tokens::Disabled => String::new(),
            };
            // The password stays here: what is in the log is read by many.
            let entry = InternalRaftRequest {
                authenticate: Some(pb::InternalAuthenticateRequest {
                    name: request.name.clone(),
                    simple_token: random,
                    ..Default::default()
                }),
                ..Default::default()
            };
            let Response::Authenticate(mut response) =
                self.propose(&Caller::nobody(), entry).await?
            else {
                return Err(EtcdError::Stopped);
            };
            if checked == self.0.store.auth_revision() {
                self.put_token(&request.name, checked, &mut response)?;
                self.fill(&mut response.header);
                return Ok(response);
            }
            crate::info!(
                "etcdserver/v3_server.go:571",
                "revision when password checked became stale; retrying"
            );
        }
    }

    /// Puts a token of the kind that is configured in the place of the simple one.
    fn put_token(
        &self,
        user: &str,
        revision: u64,
        response: &mut pb::AuthenticateResponse,
    ) -> Result<(), EtcdError> {
        match &self.0.tokens {
            Tokens::Simple(_) => Ok(()),
            Tokens::Disabled => Err(mvcc::Error::AuthFailed.into()),
            Tokens::Jwt(jwt) => {
                response.token = jwt
                    .sign(user, revision, self.0.clock.wall())
                    .map_err(EtcdError::Other)?;
                Ok(())
            }
        }
    }

    /// The auth revision at which the password was right.
    async fn check_password(&self, user: &str, password: &str) -> Result<u64, EtcdError> {
        let (hash, revision) = self.0.store.auth_password(user)?;
        let password = password.to_owned();
        let matches = tokio::task::spawn_blocking(move || {
            let hash = String::from_utf8_lossy(&hash);
            // What is no hash matches no password.
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        match matches.await {
            Ok(true) => Ok(revision),
            Ok(false) => {
                crate::info!("auth/store.go:354", "invalid password", "user-name" => user);
                Err(mvcc::Error::AuthFailed.into())
            }
            Err(error) => Err(EtcdError::of_task(error)),
        }
    }

    /// A password as it goes into the log: its bcrypt hash in base64.
    pub async fn hash_password(&self, password: String) -> Result<String, EtcdError> {
        let cost = self.0.config.bcrypt_cost;
        tokio::task::spawn_blocking(move || hash_password(&password, cost))
            .await
            .map_err(EtcdError::of_task)?
    }

    /// Carries out what an applied entry means for the tokens of this member.
    pub(crate) fn change_tokens(&self, change: TokenChange) {
        if let Tokens::Simple(simple) = &self.0.tokens {
            simple.change(change, self.0.clock.monotonic());
        }
    }
}

/// Says what an entry has changed, as operators know it from the reference. `before` is
/// whether authentication was on.
pub(crate) fn log_change(request: &InternalRaftRequest, before: bool) {
    if request.auth_enable.is_some() {
        if before {
            crate::info!(
                "auth/store.go:228",
                "authentication is already enabled; ignored auth enable request"
            );
        } else {
            crate::info!("auth/store.go:257", "enabled authentication");
        }
    } else if request.auth_disable.is_some() && before {
        crate::info!("auth/store.go:278", "disabled authentication");
    } else if let Some(add) = &request.auth_user_add {
        crate::info!("auth/store.go:435", "added a user", "user-name" => add.name);
    } else if let Some(delete) = &request.auth_user_delete {
        crate::info!("auth/store.go:461", "deleted a user", "user-name" => delete.name);
    } else if let Some(change) = &request.auth_user_change_password {
        crate::info!("auth/store.go:504", "changed a password of a user",
            "user-name" => change.name);
    } else if let Some(grant) = &request.auth_user_grant_role {
        crate::info!("auth/store.go:548", "granted a role to a user",
            "user-name" => grant.user, "added-role-name" => grant.role);
    } else if let Some(revoke) = &request.auth_user_revoke_role {
        crate::info!("auth/store.go:625", "revoked a role from a user",
            "user-name" => revoke.name, "revoked-role-name" => revoke.role);
    } else if let Some(add) = &request.auth_role_add {
        crate::info!("auth/store.go:769", "created a role", "role-name" => add.name);
    } else if let Some(delete) = &request.auth_role_delete {
        crate::info!("auth/store.go:743", "deleted a role", "role-name" => delete.role);
    } else if let Some(grant) = &request.auth_role_grant_permission {
        let kind = grant
            .perm
            .as_ref()
            .map_or("", |perm| perm.perm_type().as_str_name());
        crate::info!("auth/store.go:832", "granted/updated a permission to a user",
            "user-name" => grant.name, "permission-name" => kind);
    } else if let Some(revoke) = &request.auth_role_revoke_permission {
        crate::info!("auth/store.go:692", "revoked a permission on range",
            "role-name" => revoke.role,
            "key" => String::from_utf8_lossy(&revoke.key),
            "range-end" => String::from_utf8_lossy(&revoke.range_end));
    }
}

/// The cost to hash with; says so if it is not the one that is wanted.
pub(crate) fn bcrypt_cost(wanted: u32) -> u32 {
    if (MIN_COST..=MAX_COST).contains(&wanted) {
        return wanted;
    }
    crate::warn!(
        "auth/store.go:1036", "use default bcrypt cost instead of the invalid given cost",
        "min-cost" => MIN_COST, "max-cost" => MAX_COST,
        "default-cost" => DEFAULT_COST, "given-cost" => wanted,
    );
    DEFAULT_COST
}

fn hash_password(password: &str, cost: u32) -> Result<String, EtcdError> {
    if password.len() > MAX_PASSWORD {
        return Err(EtcdError::Other(format!(
            "bcrypt: password length exceeds {MAX_PASSWORD} bytes"
        )));
    }
    let failed = |error: &dyn std::fmt::Display| EtcdError::Other(format!("bcrypt: {error}"));
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| failed(&error))?;
    let hash = bcrypt::hash_with_salt(password, cost, salt).map_err(|error| failed(&error))?;
    Ok(BASE64.encode(hash.format_for_version(bcrypt::Version::TwoA)))
}

/// Hashes the password of an entry that a member before 3.5 has put into the log in
/// the clear. Each member makes a hash of its own, as in the reference.
pub(crate) fn hash_old_entry(
    request: &mut InternalRaftRequest,
    cost: u32,
) -> Result<(), EtcdError> {
    let replace = |password: &mut String, hashed: &mut String| {
        if !password.is_empty() && hashed.is_empty() {
            *hashed = hash_password(password, cost)?;
            password.clear();
        }
        Ok::<(), EtcdError>(())
    };
    if let Some(add) = &mut request.auth_user_add {
        replace(&mut add.password, &mut add.hashed_password)?;
    }
    if let Some(change) = &mut request.auth_user_change_password {
        replace(&mut change.password, &mut change.hashed_password)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_as_go_does() {
        let hash = BASE64.decode(hash_password("secret", 4).unwrap()).unwrap();
        let hash = String::from_utf8(hash).unwrap();
        assert!(hash.starts_with("$2a$04$") && hash.len() == 60, "{hash}");
        assert!(bcrypt::verify("secret", &hash).unwrap());
        assert!(!bcrypt::verify("Secret", &hash).unwrap());
        let longest = "x".repeat(72);
        assert!(hash_password(&longest, 4).is_ok());
        assert_eq!(
            hash_password(&(longest + "x"), 4).unwrap_err().to_string(),
            "bcrypt: password length exceeds 72 bytes"
        );
    }

    #[test]
    fn a_hash_that_go_made_is_known() {
        // `etcdctl user add ann:pw` of 3.5.16, bucket `authUsers`.
        let hash = "$2a$04$eLPNDQqJTkXh9BAAx2Er1ej8G4bLvzTSjrUQHbWbyTdMiLa4jLHZq";
        assert!(bcrypt::verify("pw", hash).unwrap());
    }

    #[test]
    fn a_cost_that_bcrypt_does_not_know_is_replaced() {
        let seen = [3, 4, 10, 31, 32, 0].map(bcrypt_cost);
        assert_eq!(seen, [10, 4, 10, 31, 10, 10]);
    }

    #[test]
    fn passwords_of_old_entries_are_hashed() {
        let mut request = InternalRaftRequest {
            auth_user_add: Some(pb::AuthUserAddRequest {
                password: "pw".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        hash_old_entry(&mut request, 4).unwrap();
        let add = request.auth_user_add.unwrap();
        assert!(add.password.is_empty() && !add.hashed_password.is_empty());
    }
}
