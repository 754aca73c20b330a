//! Users, roles and what they may do (`auth/store.go`).
//!
//! Everything here is a function of the log: passwords arrive as hashes, a simple
//! token's random part arrives in the entry, and who is asking arrives in the
//! entry's header. Tokens themselves are the server's business.

mod apply;
mod enforce;
mod ranges;
mod roles;
mod users;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use wire::authpb::{Role, User};

use crate::batch::Batch;
use crate::{Error, Result, bucket};
use ranges::Ranges;

pub(crate) use apply::{Entry, is_auth_request};

/// The user, and the role, that may do everything.
const ROOT: &str = "root";
/// Longest key that the database takes, in bytes (bbolt's `MaxKeySize`).
const MAX_NAME: usize = 32768;

/// Who asks: what etcd puts into the header of a log entry. The default is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthInfo {
    /// The user's name; empty for nobody.
    pub username: String,
    /// The auth revision at which the name was made sure of; 0 for nobody.
    pub revision: u64,
}

/// What an entry means for the tokens that members keep in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// `token` stands for `user` from now on.
    Assign {
        /// The user's name.
        user: String,
        /// The token.
        token: String,
    },
    /// No token stands for this user any more.
    Forget {
        /// The user's name.
        user: String,
    },
    /// No token stands for anybody any more.
    ForgetAll,
}

/// The auth data of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    pub enabled: bool,
    /// Counts changes; in the database it is never 0.
    pub revision: u64,
    /// By name, which is the key in the bucket `authUsers`.
    users: BTreeMap<Vec<u8>, User>,
    /// By name, which is the key in the bucket `authRoles`.
    roles: BTreeMap<Vec<u8>, Role>,
    /// The keys of each user, from all of their roles.
    ranges: HashMap<Vec<u8>, Ranges>,
}

impl Auth {
    pub(crate) fn new(enabled: bool, revision: u64) -> Auth {
        Auth {
            enabled,
            revision,
            ..Auth::default()
        }
    }

    /// Takes a stored user over; [`Auth::restored`] must follow.
    pub(crate) fn restore_user(&mut self, name: &[u8], record: &[u8]) -> Result<()> {
        let user = User::decode(record).map_err(|e| damaged("authUsers", "a user", &e))?;
        self.users.insert(name.to_vec(), user);
        Ok(())
    }

    /// Takes a stored role over; [`Auth::restored`] must follow.
    pub(crate) fn restore_role(&mut self, name: &[u8], record: &[u8]) -> Result<()> {
        let role = Role::decode(record).map_err(|e| damaged("authRoles", "a role", &e))?;
        self.roles.insert(name.to_vec(), role);
        Ok(())
    }

    /// Works out what the users that were taken over may do.
    pub(crate) fn restored(&mut self) {
        let names: Vec<Vec<u8>> = self.users.keys().cloned().collect();
        for name in names {
            self.refresh(&name);
        }
    }

    /// Hash of a user's password, and the revision at which it was read.
    pub(crate) fn password(&self, name: &str) -> Result<(Vec<u8>, u64)> {
        if !self.enabled {
            return Err(Error::AuthNotEnabled);
        }
        let user = self.users.get(name.as_bytes()).ok_or(Error::AuthFailed)?;
        match has_no_password(user) {
            true => Err(Error::NoPasswordUser),
            false => Ok((user.password.to_vec(), self.revision)),
        }
    }

    /// Works out anew what a user may do.
    fn refresh(&mut self, name: &[u8]) {
        match self.users.get(name) {
            Some(user) => {
                let ranges = Ranges::of(user, &self.roles);
                self.ranges.insert(name.to_vec(), ranges);
            }
            None => {
                self.ranges.remove(name);
            }
        }
    }

    /// The same for all users that have a role.
    fn refresh_role(&mut self, role: &str) {
        let has = |user: &User| user.roles.iter().any(|name| name == role);
        let names: Vec<Vec<u8>> = self
            .users
            .iter()
            .filter(|(_, user)| has(user))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.refresh(&name);
        }
    }

    fn put_user(&mut self, batch: &mut Batch, user: User) {
        let name = user.name.to_vec();
        batch.put(bucket::AUTH_USERS, &name, &user.encode_to_vec());
        self.users.insert(name.clone(), user);
        self.refresh(&name);
    }

    fn put_role(&mut self, batch: &mut Batch, role: Role) {
        let name = role.name.to_vec();
        batch.put(bucket::AUTH_ROLES, &name, &role.encode_to_vec());
        self.roles.insert(name, role);
    }

    fn bump(&mut self, batch: &mut Batch) {
        self.revision += 1;
        let revision = self.revision.to_be_bytes();
        batch.put(bucket::AUTH, bucket::AUTH_REVISION, &revision);
    }

    /// Turns authentication on. Nothing happens if it is on.
    fn enable(&mut self, batch: &mut Batch) -> Result<()> {
        if self.enabled {
            return Ok(());
        }
        let root = self.users.get(ROOT.as_bytes());
        let root = root.ok_or(Error::RootUserNotExist)?;
        if !has_root_role(root) {
            return Err(Error::RootRoleNotExist);
        }
        batch.put(bucket::AUTH, bucket::AUTH_ENABLED, &[1]);
        self.enabled = true;
        Ok(())
    }

    /// Turns authentication off; false if it was off.
    fn disable(&mut self, batch: &mut Batch) -> bool {
        if !self.enabled {
            return false;
        }
        batch.put(bucket::AUTH, bucket::AUTH_ENABLED, &[0]);
        self.bump(batch);
        self.enabled = false;
        true
    }
}

fn has_root_role(user: &User) -> bool {
    user.roles.iter().any(|role| role == ROOT)
}

fn has_no_password(user: &User) -> bool {
    user.options.is_some_and(|options| options.no_password)
}

/// A name that the database would not take as a key must not get as far as that.
fn check_length(name: &str) -> Result<()> {
    match name.len() > MAX_NAME {
        true => Err(Error::InvalidAuthManagement),
        false => Ok(()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn damaged(bucket: &str, expected: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Damaged(format!(
        "bucket `{bucket}` is damaged: expected {expected}, found something else: {error}"
    ))
}
