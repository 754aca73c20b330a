//! TLS towards a component of the lab.

use std::{net::Ipv4Addr, sync::Arc};

use rustls::{ClientConfig, ConfigBuilder, RootCertStore, client::WantsClientCert, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::TIMEOUT;
use crate::assignment::Certificates;

fn pem<'a>(certificates: &'a Certificates, name: &str) -> Result<&'a [u8], String> {
    let text = certificates
        .get(name)
        .ok_or_else(|| format!("the grader has no {name}"))?;
    Ok(text.as_bytes())
}

/// What trusts `<prefix>-ca.crt`, with the rest to be said.
fn trusting(
    certificates: &Certificates,
    prefix: &str,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let mut roots = RootCertStore::empty();
    let ca = pem(certificates, &format!("{prefix}-ca.crt"))?;
    for cert in CertificateDer::pem_slice_iter(ca) {
        roots
            .add(cert.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots))
}

/// A configuration that trusts `<prefix>-ca.crt` and shows nothing.
///
/// # Errors
/// The grader's files are missing or damaged.
pub fn anonymous(
    certificates: &Certificates,
    prefix: &str,
    alpn: &[u8],
) -> Result<Arc<ClientConfig>, String> {
    let mut config = trusting(certificates, prefix)?.with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

/// A configuration that trusts `<prefix>-ca.crt` and shows `<prefix>-client.crt`.
///
/// # Errors
/// The grader's files are missing or damaged.
pub fn config(
    certificates: &Certificates,
    prefix: &str,
    alpn: &[u8],
) -> Result<Arc<ClientConfig>, String> {
    let chain = pem(certificates, &format!("{prefix}-client.crt"))?;
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(pem(certificates, &format!("{prefix}-client.key"))?)
        .map_err(|error| error.to_string())?;
    let mut config = trusting(certificates, prefix)?
        .with_client_auth_cert(chain, key)
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

/// Why no connection came about, in the words of the field.
fn not_connected(address: Ipv4Addr, port: u16, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::ConnectionRefused {
        return format!("nothing listens on {address}:{port} (connection refused)");
    }
    error.to_string()
}

/// Connects.
///
/// # Errors
/// Nobody listens, or the other side is not whom the grader trusts.
pub async fn connect(
    config: Arc<ClientConfig>,
    address: Ipv4Addr,
    port: u16,
) -> Result<TlsStream<TcpStream>, String> {
    let connecting = async {
        let stream = TcpStream::connect((address, port))
            .await
            .map_err(|error| not_connected(address, port, &error))?;
        // Else a request of two small writes waits 40 ms for the first one's receipt.
        let _ = stream.set_nodelay(true);
        let name = ServerName::IpAddress(std::net::IpAddr::V4(address).into());
        TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|e| e.to_string())
    };
    match tokio::time::timeout(TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
    }
}
