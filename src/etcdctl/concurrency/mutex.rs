//! A lock: `mutex.go`.

use wire::etcdserverpb as pb;

use super::{
    CLEAN_UP, Error, Lease, ask, created_at, first_created, get_key, own_key, put_op, range_of,
    range_op, txn, wait_for_older,
};
use crate::client::{Client, Retry, RpcError};

/// A lock that someone wants or has.
pub struct Mutex<'a> {
    client: &'a Client,
    prefix: Vec<u8>,
    key: Vec<u8>,
    lease: i64,
}

/// What asking for a lock came to.
enum Asked {
    /// It is had, since this revision.
    Had(i64),
    /// Others were first; this is the revision of the own key.
    Behind(i64),
}

impl<'a> Mutex<'a> {
    /// A lock of that name, wanted with a lease.
    pub fn new(client: &'a Client, name: &[u8], lease: &Lease) -> Self {
        let mut prefix = name.to_vec();
        prefix.push(b'/');
        Self {
            client,
            key: own_key(&prefix, lease.id),
            prefix,
            lease: lease.id,
        }
    }

    /// The key that stands for whoever wants it.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Waits for the lock until `interrupted`; gives the revision at which it was had.
    pub async fn lock(&self, interrupted: impl Future<Output = ()>) -> Result<i64, Error> {
        let mut interrupted = std::pin::pin!(interrupted);
        let asked = tokio::select! {
            asked = self.ask_for_it() => asked.map_err(Error::from)?,
            () = &mut interrupted => return self.give_up(Error::Interrupted).await,
        };
        let waited = match asked {
            Asked::Had(revision) => return Ok(revision),
            Asked::Behind(mine) => tokio::select! {
                waited = self.wait(mine) => waited,
                () = &mut interrupted => Err(Error::Interrupted),
            },
        };
        match waited {
            Err(error) if error != Error::Expired => self.give_up(error).await,
            other => other,
        }
    }

    /// Those who come later must not wait for a key that nobody wants. What went
    /// wrong first is what is told.
    async fn give_up(&self, error: Error) -> Result<i64, Error> {
        let _ = tokio::time::timeout(CLEAN_UP, self.unlock()).await;
        Err(error)
    }

    async fn ask_for_it(&self) -> Result<Asked, RpcError> {
        let own = pb::RangeRequest {
            key: self.key.clone().into(),
            ..Default::default()
        };
        let owner = || range_op(first_created(&self.prefix));
        let request = pb::TxnRequest {
            compare: vec![created_at(&self.key, 0)],
            success: vec![put_op(&self.key, b"", self.lease), owner()],
            failure: vec![range_op(own), owner()],
        };
        let response = txn(self.client, request).await?;
        let now = response.header.map_or(0, |header| header.revision);
        let mine = match response.succeeded {
            true => now,
            false => range_of(&response, 0)
                .and_then(|range| range.kvs.first())
                .map_or(0, |kv| kv.create_revision),
        };
        let owner = range_of(&response, 1).and_then(|range| range.kvs.first());
        Ok(match owner.is_none_or(|kv| kv.create_revision == mine) {
            true => Asked::Had(now),
            false => Asked::Behind(mine),
        })
    }

    /// Waits for all who asked before the revision `mine`.
    async fn wait(&self, mine: i64) -> Result<i64, Error> {
        wait_for_older(self.client, &self.prefix, mine - 1).await?;
        let own = get_key(self.client, &self.key).await?;
        match own.kvs.is_empty() {
            true => Err(Error::Expired),
            false => Ok(own.header.map_or(0, |header| header.revision)),
        }
    }

    /// Gives the lock up.
    pub async fn unlock(&self) -> Result<(), RpcError> {
        let request = pb::DeleteRangeRequest {
            key: self.key.clone().into(),
            ..Default::default()
        };
        let path = "/etcdserverpb.KV/DeleteRange";
        let _: pb::DeleteRangeResponse = ask(self.client, path, request, Retry::Once).await?;
        Ok(())
    }
}
