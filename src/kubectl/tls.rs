//! Trust and identity: certificates from the kubeconfig, and rustls's
//! complaints in Go's words.

use crate::client::Access;
use crate::error::{Error, Outcome, fail};
use base64::Engine as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Makes TLS connections to one server.
pub struct Connector {
    inner: tokio_rustls::TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    /// From a kubeconfig's entries; `host` is `name:port`.
    ///
    /// # Errors
    /// A certificate or key cannot be read.
    pub fn new(access: &Access, host: &str) -> Outcome<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::Message(e.to_string()))?;
        let insecure = access.cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true));
        let authority = material(&access.cluster, "certificate-authority")?;
        let builder = if insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        } else {
            builder.with_root_certificates(roots(authority)?)
        };
        let certificate = material(&access.user, "client-certificate")?;
        let key = material(&access.user, "client-key")?;
        let config = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(&certificate).collect();
                let no_pem = |_| {
                    Error::Message(
                        "tls: failed to find any PEM data in certificate input".to_owned(),
                    )
                };
                let chain = chain.map_err(no_pem)?;
                let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
                    Error::Message("tls: failed to find any PEM data in key input".to_owned())
                })?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| match e {
                        rustls::Error::InconsistentKeys(_) => {
                            Error::Message("tls: private key does not match public key".to_owned())
                        }
                        other => Error::Message(format!("client certificate: {other}")),
                    })?
            }
            _ => builder.with_no_client_auth(),
        };
        let named = access
            .cluster
            .get("tls-server-name")
            .and_then(Value::as_str)
            .filter(|n| !n.is_empty());
        let name = named.map_or_else(
            || {
                host.rsplit_once(':')
                    .map_or(host, |(name, _)| name)
                    .trim_matches(['[', ']'])
                    .to_owned()
            },
            str::to_owned,
        );
        let name = ServerName::try_from(name.clone())
            .map_err(|_| Error::Message(format!("{name:?} is not a host name or an address")))?;
        Ok(Self {
            inner: tokio_rustls::TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    /// Shakes hands on a connection.
    ///
    /// # Errors
    /// The server cannot be trusted, or does not trust us.
    pub async fn connect(&self, stream: TcpStream) -> Outcome<TlsStream<TcpStream>> {
        self.inner
            .connect(self.name.clone(), stream)
            .await
            .map_err(|e| Error::Connect(gowords::stream(&e)))
    }
}

/// The bytes of `NAME-data` (base64) or of the file `NAME`.
fn material(entry: &Map<String, Value>, name: &str) -> Outcome<Option<Vec<u8>>> {
    let field = |name: &str| {
        entry
            .get(name)
            .and_then(Value::as_str)
            .filter(|v| !v.is_empty())
    };
    if let Some(data) = field(&format!("{name}-data")) {
        let data = base64::engine::general_purpose::STANDARD.decode(data.trim());
        return data
            .map(Some)
            .map_err(|e| Error::Message(format!("illegal base64 in {name}-data: {e}")));
    }
    let Some(file) = field(name) else {
        return Ok(None);
    };
    match std::fs::read(file) {
        Ok(data) => Ok(Some(data)),
        Err(e) => fail(format!(
            "unable to read {name} {file} due to open {file}: {}",
            gowords::errno(&e)
        )),
    }
}

fn roots(authority: Option<Vec<u8>>) -> Outcome<RootCertStore> {
    let mut store = RootCertStore::empty();
    let pem = match authority {
        Some(pem) => pem,
        // Without an authority of its own, a cluster is trusted as the host does.
        None => [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
        ]
        .iter()
        .find_map(|path| std::fs::read(path).ok())
        .unwrap_or_default(),
    };
    let (mut seen, mut added) = (0, 0);
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        seen += 1;
        if certificate.is_ok_and(|c| store.add(c).is_ok()) {
            added += 1;
        }
    }
    if seen > 0 && added == 0 {
        return fail("unable to load root certificates: unable to parse bytes as PEM block");
    }
    Ok(store)
}

/// `insecure-skip-tls-verify`: every certificate will do; signatures of the
/// handshake are still checked.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
