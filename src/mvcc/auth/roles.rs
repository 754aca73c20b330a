//! Roles and the permissions they hold.

use wire::authpb::{Permission, Role};
use wire::etcdserverpb as pb;

use super::{Auth, ROOT, check_length, text};
use crate::batch::Batch;
use crate::{Error, Result, bucket};

/// The end that stands for no end.
pub(super) const OPEN_END: &[u8] = &[0];

/// A range needs a beginning, and an end behind it, none, or the open one.
fn is_range(permission: &Permission) -> bool {
    let (key, end) = (&permission.key, &permission.range_end);
    !key.is_empty() && (end.is_empty() || key < end || end[..] == *OPEN_END)
}

impl Auth {
    pub(super) fn role_add(
        &mut self,
        batch: &mut Batch,
        request: &pb::AuthRoleAddRequest,
    ) -> Result<()> {
        if request.name.is_empty() {
            return Err(Error::RoleEmpty);
        }
        check_length(&request.name)?;
        if self.roles.contains_key(request.name.as_bytes()) {
            return Err(Error::RoleExists);
        }
        let role = Role {
            name: request.name.clone().into(),
            key_permission: Vec::new(),
        };
        self.put_role(batch, role);
        self.bump(batch);
        Ok(())
    }

    /// Takes the role from everyone who has it, too.
    pub(super) fn role_delete(&mut self, batch: &mut Batch, name: &str) -> Result<()> {
        if self.enabled && name == ROOT {
            return Err(Error::InvalidAuthManagement);
        }
        if self.roles.remove(name.as_bytes()).is_none() {
            return Err(Error::RoleNotFound);
        }
        batch.delete(bucket::AUTH_ROLES, name.as_bytes());
        let holders: Vec<_> = self
            .users
            .values()
            .filter(|user| user.roles.iter().any(|role| role == name))
            .cloned()
            .collect();
        for mut user in holders {
            user.roles.retain(|role| role != name);
            self.put_user(batch, user);
        }
        self.bump(batch);
        Ok(())
    }

    /// A permission for the very same range is replaced.
    pub(super) fn role_grant_permission(
        &mut self,
        batch: &mut Batch,
        request: &pb::AuthRoleGrantPermissionRequest,
    ) -> Result<()> {
        let permission = request.perm.as_ref().ok_or(Error::PermissionNotGiven)?;
        if !is_range(permission) {
            return Err(Error::InvalidAuthManagement);
        }
        let mut role = self.role(&request.name)?.clone();
        let held = &mut role.key_permission;
        // As the reference, this looks at the first one of that key only.
        let place = held.partition_point(|other| other.key < permission.key);
        match held.get_mut(place) {
            Some(other)
                if other.key == permission.key && other.range_end == permission.range_end =>
            {
                other.perm_type = permission.perm_type;
            }
            _ => {
                held.push(permission.clone());
                held.sort_by(|a, b| a.key.cmp(&b.key));
            }
        }
        self.put_role(batch, role);
        self.refresh_role(&request.name);
        self.bump(batch);
        Ok(())
    }

    pub(super) fn role_revoke_permission(
        &mut self,
        batch: &mut Batch,
        request: &pb::AuthRoleRevokePermissionRequest,
    ) -> Result<()> {
        let mut role = self.role(&request.role)?.clone();
        let before = role.key_permission.len();
        role.key_permission
            .retain(|held| held.key != request.key || held.range_end != request.range_end);
        if role.key_permission.len() == before {
            return Err(Error::PermissionNotGranted);
        }
        self.put_role(batch, role);
        self.refresh_role(&request.role);
        self.bump(batch);
        Ok(())
    }

    pub(super) fn role_permissions(&self, name: &str) -> Result<Vec<Permission>> {
        Ok(self.role(name)?.key_permission.clone())
    }

    pub(super) fn role_list(&self) -> Vec<String> {
        self.roles.values().map(|role| text(&role.name)).collect()
    }

    fn role(&self, name: &str) -> Result<&Role> {
        self.roles.get(name.as_bytes()).ok_or(Error::RoleNotFound)
    }
}
