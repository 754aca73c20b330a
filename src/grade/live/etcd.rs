//! What a running etcd says of itself.

use std::{net::Ipv4Addr, sync::Arc};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tonic::transport::{Channel, Endpoint, Uri};
use wire::etcdserverpb::{
    Member, MemberListRequest, StatusRequest, cluster_client::ClusterClient,
    maintenance_client::MaintenanceClient,
};

use super::{TIMEOUT, tls};
use crate::assignment::Certificates;

/// Who answers on an endpoint.
#[derive(Debug, Clone)]
pub struct Identity {
    pub cluster_id: u64,
    pub member_id: u64,
    pub revision: i64,
    pub members: Vec<Member>,
}

/// A client of the lab's etcd.
pub struct Etcd {
    config: Arc<ClientConfig>,
}

impl Etcd {
    /// # Errors
    /// The grader's certificates are missing.
    pub fn new(certificates: &Certificates) -> Result<Self, String> {
        Ok(Self {
            config: tls::config(certificates, "etcd", b"h2")?,
        })
    }

    async fn channel(&self, address: Ipv4Addr) -> Result<Channel, String> {
        let config = Arc::clone(&self.config);
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

    /// Asks the member at `address` who it is. The member list is its own view, not
    /// a linearizable one, so that a member without a quorum answers too.
    ///
    /// # Errors
    /// It does not answer, in words.
    pub async fn identity(&self, address: Ipv4Addr) -> Result<Identity, String> {
        let channel = self.channel(address).await?;
        let status = MaintenanceClient::new(channel.clone())
            .status(StatusRequest {})
            .await
            .map_err(|status| status.message().to_owned())?
            .into_inner();
        let members = ClusterClient::new(channel)
            .member_list(MemberListRequest {
                linearizable: false,
            })
            .await
            .map_err(|status| status.message().to_owned())?
            .into_inner()
            .members;
        let header = status.header.unwrap_or_default();
        Ok(Identity {
            cluster_id: header.cluster_id,
            member_id: header.member_id,
            revision: header.revision,
            members,
        })
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
