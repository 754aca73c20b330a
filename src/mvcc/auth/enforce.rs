//! What a request needs (`etcdserver/apply_auth.go`).
//!
//! The checks are those of 3.5.16, no more: members of a mixed cluster that decided
//! differently about an entry would drift apart. So the operations of a transaction
//! within a transaction are not looked at, nor are the leases and the previous value
//! of a transaction's puts.

use pb::request_op::Request as Op;
use wire::etcdserverpb as pb;

use super::ranges::Access;
use super::{Auth, AuthInfo, has_root_role};
use crate::lease::Lessor;
use crate::{Error, Result};

impl Auth {
    /// True if a user has a role.
    pub(super) fn has_role(&self, user: &str, role: &str) -> bool {
        let user = self.users.get(user.as_bytes());
        user.is_some_and(|user| user.roles.iter().any(|held| held == role))
    }

    /// Only those with the role root.
    pub(crate) fn permit_admin(&self, who: &AuthInfo) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        if who.username.is_empty() {
            return Err(Error::UserEmpty);
        }
        let user = self.users.get(who.username.as_bytes());
        match has_root_role(user.ok_or(Error::UserNotFound)?) {
            true => Ok(()),
            false => Err(Error::PermissionDenied),
        }
    }

    fn permit(&self, who: &AuthInfo, key: &[u8], range_end: &[u8], access: Access) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        if who.revision == 0 {
            return Err(Error::UserEmpty);
        }
        if who.revision < self.revision {
            return Err(Error::AuthOldRevision);
        }
        let name = who.username.as_bytes();
        let user = self.users.get(name).ok_or(Error::PermissionDenied)?;
        let permitted = has_root_role(user)
            || self
                .ranges
                .get(name)
                .is_some_and(|ranges| ranges.permit(key, range_end, access));
        match permitted {
            true => Ok(()),
            false => Err(Error::PermissionDenied),
        }
    }

    /// A range of keys is read.
    pub(crate) fn permit_range(&self, who: &AuthInfo, key: &[u8], range_end: &[u8]) -> Result<()> {
        self.permit(who, key, range_end, Access::Read)
    }

    pub(crate) fn permit_put(
        &self,
        who: &AuthInfo,
        put: &pb::PutRequest,
        lessor: &Lessor,
    ) -> Result<()> {
        self.permit(who, &put.key, &[], Access::Write)?;
        // Who can't write all keys of a lease could not revoke it either.
        self.permit_lease(who, put.lease, lessor)?;
        match put.prev_kv {
            true => self.permit_range(who, &put.key, &[]),
            false => Ok(()),
        }
    }

    pub(crate) fn permit_delete(
        &self,
        who: &AuthInfo,
        delete: &pb::DeleteRangeRequest,
    ) -> Result<()> {
        self.permit(who, &delete.key, &delete.range_end, Access::Write)?;
        match delete.prev_kv {
            true => self.permit_range(who, &delete.key, &delete.range_end),
            false => Ok(()),
        }
    }

    /// All keys that hang on a lease are written when it ends.
    pub(crate) fn permit_lease(&self, who: &AuthInfo, id: i64, lessor: &Lessor) -> Result<()> {
        if self.permit_admin(who).is_ok() {
            return Ok(());
        }
        // A lease that is not there is another check's business.
        for key in lessor.keys(id).unwrap_or_default() {
            self.permit(who, &key, &[], Access::Write)?;
        }
        Ok(())
    }

    pub(crate) fn permit_txn(&self, who: &AuthInfo, txn: &pb::TxnRequest) -> Result<()> {
        for compare in &txn.compare {
            self.permit_range(who, &compare.key, &compare.range_end)?;
        }
        for op in txn.success.iter().chain(&txn.failure) {
            match &op.request {
                Some(Op::RequestRange(range)) => {
                    self.permit_range(who, &range.key, &range.range_end)?;
                }
                Some(Op::RequestPut(put)) => self.permit(who, &put.key, &[], Access::Write)?,
                Some(Op::RequestDeleteRange(delete)) => {
                    if delete.prev_kv {
                        self.permit_range(who, &delete.key, &delete.range_end)?;
                    }
                    self.permit(who, &delete.key, &delete.range_end, Access::Write)?;
                }
                Some(Op::RequestTxn(_)) | None => {}
            }
        }
        Ok(())
    }
}
