//! Whether members hold the same data, and whether anything listens at all.

use std::{io, net::Ipv4Addr};

use tokio::net::TcpStream;
use wire::etcdserverpb::{HashKvRequest, maintenance_client::MaintenanceClient};

use super::{Etcd, TIMEOUT, etcd::words};

impl Etcd {
    /// The hash of the keyspace up to `revision` at the member at `address`, with the
    /// revision from which it counts: two hashes compare if both are equal.
    ///
    /// # Errors
    /// The member does not answer, or has not come to that revision.
    pub async fn hash_kv(&self, address: Ipv4Addr, revision: i64) -> Result<(u32, i64), String> {
        let channel = self.channel(address).await?;
        let answer = MaintenanceClient::new(channel)
            .hash_kv(HashKvRequest { revision })
            .await
            .map_err(words)?
            .into_inner();
        Ok((answer.hash, answer.compact_revision))
    }
}

/// Whether the machine at `address` turns connections to `port` away: a fact about the
/// machine, unlike silence, which may have many reasons.
pub async fn refuses(address: Ipv4Addr, port: u16) -> bool {
    let connecting = tokio::time::timeout(TIMEOUT, TcpStream::connect((address, port)));
    matches!(connecting.await, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}
