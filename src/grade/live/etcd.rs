//! What a running etcd says of itself.

use std::{net::Ipv4Addr, sync::Arc};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tonic::transport::{Channel, Endpoint, Uri};
use wire::{
    etcdserverpb::{
        Member, MemberListRequest, RangeRequest, RangeResponse, StatusRequest, StatusResponse,
        cluster_client::ClusterClient, kv_client::KvClient, maintenance_client::MaintenanceClient,
    },
    mvccpb::KeyValue,
};

use super::{TIMEOUT, tls};
use crate::assignment::Certificates;

/// Who answers on an endpoint.
#[derive(Debug, Clone)]
pub struct Identity {
    pub cluster_id: u64,
    pub member_id: u64,
    /// The member that leads, as this one sees it; 0 if none does.
    pub leader: u64,
    pub raft_term: u64,
    pub revision: i64,
    pub members: Vec<Member>,
}

impl Identity {
    /// Whether it knows more of the same cluster.
    pub fn is_further_than(&self, other: &Self) -> bool {
        self.cluster_id == other.cluster_id
            && (self.raft_term, self.revision) > (other.raft_term, other.revision)
    }
}

/// The most that an answer may hold. A lab's keyspace is much smaller, and who answers may be
/// whatever a learner has put in etcd's place.
const ANSWER_BYTES: usize = 256 << 20;

/// A client of the lab's etcd.
pub struct Etcd {
    config: Arc<ClientConfig>,
    /// Trusts the same authority and shows no certificate.
    anonymous: Arc<ClientConfig>,
}

/// The end of the range of keys that begin with `prefix`.
fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

impl Etcd {
    /// # Errors
    /// The grader's certificates are missing.
    pub fn new(certificates: &Certificates) -> Result<Self, String> {
        Ok(Self {
            config: tls::config(certificates, "etcd", b"h2")?,
            anonymous: tls::anonymous(certificates, "etcd", b"h2")?,
        })
    }

    pub(super) async fn channel(&self, address: Ipv4Addr) -> Result<Channel, String> {
        Self::connect(Arc::clone(&self.config), address).await
    }

    async fn connect(config: Arc<ClientConfig>, address: Ipv4Addr) -> Result<Channel, String> {
        let connector = tower::service_fn(move |_: Uri| {
            let config = Arc::clone(&config);
            async move {
                tls::connect(config, address, 2379)
                    .await
                    .map(TokioIo::new)
                    .map_err(std::io::Error::other)
            }
        });
        // The scheme says http because the connector itself brings the TLS.
        Endpoint::from_static("http://etcd")
            .timeout(TIMEOUT)
            .connect_with_connector(connector)
            .await
            .map_err(|error| innermost(&error))
    }

    /// Asks the member at `address` who it is. The member list is its own view, not a
    /// linearizable one, so that a member without a quorum answers too.
    ///
    /// # Errors
    /// It does not answer, in words.
    pub async fn identity(&self, address: Ipv4Addr) -> Result<Identity, String> {
        let channel = self.channel(address).await?;
        let status = MaintenanceClient::new(channel.clone())
            .status(StatusRequest {})
            .await
            .map_err(words)?
            .into_inner();
        let members = ClusterClient::new(channel)
            .member_list(MemberListRequest {
                linearizable: false,
            })
            .await
            .map_err(words)?
            .into_inner()
            .members;
        let header = status.header.unwrap_or_default();
        Ok(Identity {
            cluster_id: header.cluster_id,
            member_id: header.member_id,
            leader: status.leader,
            raft_term: status.raft_term,
            revision: header.revision,
            members,
        })
    }

    /// What the member at `address` says of itself.
    ///
    /// # Errors
    /// It does not answer, in words.
    pub async fn status(&self, address: Ipv4Addr) -> Result<StatusResponse, String> {
        let mut client = MaintenanceClient::new(self.channel(address).await?);
        let answer = client.status(StatusRequest {}).await;
        let answer = answer.map_err(words)?;
        Ok(answer.into_inner())
    }

    async fn range(channel: Channel, request: RangeRequest) -> Result<RangeResponse, String> {
        let mut client = KvClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
        let answer = client.range(request).await;
        let answer = answer.map_err(words)?;
        Ok(answer.into_inner())
    }

    /// One key, read through a quorum.
    ///
    /// # Errors
    /// The member does not answer, or has no leader.
    pub async fn get(&self, address: Ipv4Addr, key: &str) -> Result<Option<KeyValue>, String> {
        let request = RangeRequest {
            key: key.as_bytes().to_vec().into(),
            ..RangeRequest::default()
        };
        let answer = Self::range(self.channel(address).await?, request).await?;
        Ok(answer.kvs.into_iter().next())
    }

    /// The keys that begin with `prefix`, in order; with their values if wanted.
    ///
    /// # Errors
    /// The member does not answer, or has no leader.
    pub async fn below(
        &self,
        address: Ipv4Addr,
        prefix: &str,
        with_values: bool,
    ) -> Result<Vec<KeyValue>, String> {
        // An empty key stands for the first of all.
        let first = if prefix.is_empty() { "\0" } else { prefix };
        let request = RangeRequest {
            key: first.as_bytes().to_vec().into(),
            range_end: prefix_end(prefix.as_bytes()).into(),
            keys_only: !with_values,
            ..RangeRequest::default()
        };
        Ok(Self::range(self.channel(address).await?, request)
            .await?
            .kvs)
    }

    /// Whether a client without a certificate may read. An error of the connection, or a
    /// refusal, is a no.
    pub async fn lets_anyone_read(&self, address: Ipv4Addr) -> bool {
        let request = RangeRequest {
            key: b"/".to_vec().into(),
            range_end: b"0".to_vec().into(),
            limit: 1,
            keys_only: true,
            ..RangeRequest::default()
        };
        match Self::connect(Arc::clone(&self.anonymous), address).await {
            Ok(channel) => Self::range(channel, request).await.is_ok(),
            Err(_) => false,
        }
    }
}

/// What the member said, or why the connection was lost: the message of that is "transport
/// error" and no more.
pub(super) fn words(status: tonic::Status) -> String {
    match std::error::Error::source(&status) {
        Some(cause) => innermost(cause),
        None => status.message().to_owned(),
    }
}

/// The first cause of an error. What wraps it only says that connecting failed, which
/// who asks says already.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_told_by_its_cause() {
        let said = tonic::Status::unavailable("etcdserver: no leader");
        assert_eq!(words(said), "etcdserver: no leader");
        let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let lost = tonic::Status::from_error(Box::new(cut));
        assert_eq!(words(lost), "connection reset");
    }
}
