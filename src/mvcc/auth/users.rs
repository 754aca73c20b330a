//! Users: adding, removing, passwords, roles.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use wire::authpb::{User, UserAddOptions};
use wire::etcdserverpb as pb;

use super::{Auth, ROOT, check_length, has_no_password, text};
use crate::batch::Batch;
use crate::{Error, Result, bucket};

/// The hash of a password, from the base64 that requests carry.
fn hash(encoded: &str) -> Result<Bytes> {
    // Go's decoder passes over line ends.
    let encoded = encoded.replace(['\r', '\n'], "");
    STANDARD
        .decode(encoded)
        .map(Bytes::from)
        .map_err(|_| Error::NoPasswordUser)
}

impl Auth {
    pub(super) fn user_add(
        &mut self,
        batch: &mut Batch,
        request: &pb::AuthUserAddRequest,
    ) -> Result<()> {
        if request.name.is_empty() {
            return Err(Error::UserEmpty);
        }
        check_length(&request.name)?;
        if self.users.contains_key(request.name.as_bytes()) {
            return Err(Error::UserExists);
        }
        let options = request
            .options
            .unwrap_or(UserAddOptions { no_password: false });
        let password = match options.no_password {
            true => Bytes::new(),
            false => hash(&request.hashed_password)?,
        };
        let user = User {
            name: request.name.clone().into(),
            password,
            roles: Vec::new(),
            options: Some(options),
        };
        self.put_user(batch, user);
        self.bump(batch);
        Ok(())
    }

    pub(super) fn user_delete(&mut self, batch: &mut Batch, name: &str) -> Result<()> {
        if self.enabled && name == ROOT {
            return Err(Error::InvalidAuthManagement);
        }
        if self.users.remove(name.as_bytes()).is_none() {
            return Err(Error::UserNotFound);
        }
        batch.delete(bucket::AUTH_USERS, name.as_bytes());
        self.refresh(name.as_bytes());
        self.bump(batch);
        Ok(())
    }

    pub(super) fn user_change_password(
        &mut self,
        batch: &mut Batch,
        request: &pb::AuthUserChangePasswordRequest,
    ) -> Result<()> {
        let mut user = self.user(&request.name)?.clone();
        user.password = match has_no_password(&user) {
            true => Bytes::new(),
            false => hash(&request.hashed_password)?,
        };
        self.put_user(batch, user);
        self.bump(batch);
        Ok(())
    }

    /// Granting a role that the user has changes nothing, not even the revision.
    pub(super) fn user_grant_role(
        &mut self,
        batch: &mut Batch,
        request: &pb::AuthUserGrantRoleRequest,
    ) -> Result<()> {
        let mut user = self.user(&request.user)?.clone();
        if request.role != ROOT && !self.roles.contains_key(request.role.as_bytes()) {
            return Err(Error::RoleNotFound);
        }
        let Err(place) = user.roles.binary_search(&request.role) else {
            return Ok(());
        };
        user.roles.insert(place, request.role.clone());
        self.put_user(batch, user);
        self.bump(batch);
        Ok(())
    }

    pub(super) fn user_revoke_role(
        &mut self,
        batch: &mut Batch,
        request: &pb::AuthUserRevokeRoleRequest,
    ) -> Result<()> {
        if self.enabled && request.name == ROOT && request.role == ROOT {
            return Err(Error::InvalidAuthManagement);
        }
        let mut user = self.user(&request.name)?.clone();
        let before = user.roles.len();
        user.roles.retain(|role| *role != request.role);
        if user.roles.len() == before {
            return Err(Error::RoleNotGranted);
        }
        self.put_user(batch, user);
        self.bump(batch);
        Ok(())
    }

    pub(super) fn user_roles(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.user(name)?.roles.clone())
    }

    pub(super) fn user_list(&self) -> Vec<String> {
        self.users.values().map(|user| text(&user.name)).collect()
    }

    /// True if a user may be given a simple token.
    pub(super) fn may_authenticate(&self, name: &str) -> Result<()> {
        self.password(name).map(drop).map_err(|error| match error {
            Error::NoPasswordUser => Error::AuthFailed,
            error => error,
        })
    }

    fn user(&self, name: &str) -> Result<&User> {
        self.users.get(name.as_bytes()).ok_or(Error::UserNotFound)
    }
}
