//! Certificates from flags, and TLS errors in Go's words.

use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::verify::{AcceptAny, GoVerifier, Refused};
use crate::exit::Exit;
use crate::flags::Parsed;
use crate::go::os;

/// Where Linux distributions keep the roots that everyone trusts; the first
/// that exists is used, as Go does.
const SYSTEM_ROOTS: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS as the flags describe it.
#[derive(Clone)]
pub struct Credentials {
    /// Ready for connections.
    pub config: Arc<ClientConfig>,
    /// The name that certificates must carry in the place of the endpoint's host.
    pub server_name: Option<String>,
}

/// What flags say about TLS.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// File of the client's certificate; empty for none.
    pub cert: String,
    /// File of its key; empty for none.
    pub key: String,
    /// File of the authorities; empty for the system's.
    pub ca: String,
    /// See [`Credentials::server_name`].
    pub server_name: Option<String>,
    /// Talk without TLS when nothing else asks for it.
    pub insecure_transport: bool,
    /// Trust any server.
    pub skip_verify: bool,
}

impl Wanted {
    /// `--cacert`, `--cert`, `--key`, `--discovery-srv` and the `--insecure-…`.
    pub fn from_flags(flags: &Parsed) -> Self {
        let text = |name: &str| flags.text(name).to_owned();
        let domain = text("discovery-srv");
        Self {
            cert: text("cert"),
            key: text("key"),
            ca: text("cacert"),
            // Endpoints out of DNS are trusted when their certificates name the domain.
            server_name: (!domain.is_empty() && !flags.boolean("insecure-discovery"))
                .then_some(domain),
            insecure_transport: flags.boolean("insecure-transport"),
            skip_verify: flags.boolean("insecure-skip-tls-verify"),
        }
    }

    /// Reads the files; `None` when nothing asks for TLS.
    pub fn read(self) -> Result<Option<Credentials>, Exit> {
        let (cert, key, ca) = (&self.cert, &self.key, &self.ca);
        let named =
            self.server_name.is_some() || !(cert.is_empty() && key.is_empty() && ca.is_empty());
        if !named && self.insecure_transport {
            return Ok(None);
        }
        let identity = if cert.is_empty() && key.is_empty() {
            None
        } else {
            Some(identity(cert, key)?)
        };
        let roots = if ca.is_empty() {
            None
        } else {
            Some(roots(Path::new(ca))?)
        };
        Ok(Some(Credentials {
            config: build(roots, identity, self.skip_verify)?,
            server_name: self.server_name,
        }))
    }
}

/// TLS without any certificate of ours, trusting the system's roots.
pub fn system() -> Result<Arc<ClientConfig>, Exit> {
    build(None, None, false)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn build(
    roots: Option<Vec<CertificateDer<'static>>>,
    identity: Option<Identity>,
    any: bool,
) -> Result<Arc<ClientConfig>, Exit> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Exit::bad_args(format!("tls: {error}")))?;
    let verifier: Arc<dyn ServerCertVerifier> = if any {
        Arc::new(AcceptAny::new(provider))
    } else {
        let roots = roots.unwrap_or_else(system_roots);
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        Arc::new(GoVerifier::new(store, roots, provider))
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
            Exit::bad_args(match error {
                rustls::Error::InconsistentKeys(_) => {
                    "tls: private key does not match public key".to_owned()
                }
                other => format!("tls: {other}"),
            })
        })?,
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// TLS with the certificates of these files; an empty name is none.
pub fn from_files(cert: &str, key: &str, ca: &str) -> Result<Arc<ClientConfig>, Exit> {
    let identity = match cert.is_empty() && key.is_empty() {
        true => None,
        false => Some(identity(cert, key)?),
    };
    let roots = match ca.is_empty() {
        true => None,
        false => Some(roots(Path::new(ca))?),
    };
    let mut config = ClientConfig::clone(&*build(roots, identity, false)?);
    // The v2 API is HTTP/1.1.
    config.alpn_protocols.clear();
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<u8>, Exit> {
    std::fs::read(path).map_err(|error| {
        // A directory can be opened; Go fails when it reads it.
        let operation = if error.kind() == io::ErrorKind::IsADirectory {
            "read"
        } else {
            "open"
        };
        Exit::bad_args(os::path_error(operation, path, &error))
    })
}

fn roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, Exit> {
    let bytes = read(path)?;
    // A file without certificates is an empty list of roots, and so for the
    // reference: it shows when the server's certificate is checked.
    Ok(CertificateDer::pem_slice_iter(&bytes)
        .filter_map(Result::ok)
        .collect())
}

fn system_roots() -> Vec<CertificateDer<'static>> {
    let path = std::env::var("SSL_CERT_FILE").unwrap_or_default();
    let mut candidates = vec![path.as_str()];
    if path.is_empty() {
        candidates = SYSTEM_ROOTS.to_vec();
    }
    let mut bytes = Vec::new();
    for candidate in candidates {
        if std::fs::File::open(candidate)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .is_ok()
        {
            break;
        }
    }
    CertificateDer::pem_slice_iter(&bytes)
        .filter_map(Result::ok)
        .collect()
}

fn identity(cert: &str, key: &str) -> Result<Identity, Exit> {
    if cert.is_empty() || key.is_empty() {
        return Err(Exit::bad_args(format!(
            "KeyFile and CertFile must both be present[key: {key}, cert: {cert}]"
        )));
    }
    let cert_bytes = read(Path::new(cert))?;
    let key_bytes = read(Path::new(key))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert_bytes)
        .filter_map(Result::ok)
        .collect();
    if chain.is_empty() {
        return Err(Exit::bad_args(no_certificate(&cert_bytes)));
    }
    let key = PrivateKeyDer::from_pem_slice(&key_bytes)
        .map_err(|_| Exit::bad_args(no_key(&key_bytes)))?;
    Ok((chain, key))
}

/// The labels of the PEM blocks in a file.
fn labels(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .filter_map(|line| {
            line.strip_prefix("-----BEGIN ")?
                .strip_suffix("-----")
                .map(str::to_owned)
        })
        .collect()
}

fn no_certificate(bytes: &[u8]) -> String {
    let labels = labels(bytes);
    match labels.as_slice() {
        [] => "tls: failed to find any PEM data in certificate input".into(),
        [only] if is_key(only) => {
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".into()
        }
        _ => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{}]",
            labels.join(" ")
        ),
    }
}

fn no_key(bytes: &[u8]) -> String {
    let labels = labels(bytes);
    match labels.as_slice() {
        [] => "tls: failed to find any PEM data in key input".into(),
        [only] if only == "CERTIFICATE" => {
            "tls: found a certificate rather than a key in the PEM for the private key".into()
        }
        labels if labels.iter().any(|l| is_key(l)) => "tls: failed to parse private key".into(),
        _ => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{}]",
            labels.join(" ")
        ),
    }
}

fn is_key(label: &str) -> bool {
    label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY")
}

/// The name that the server's certificate must carry.
pub fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(ServerName::from(ip));
    }
    let host = if host.is_empty() { "localhost" } else { host };
    ServerName::try_from(host.to_owned()).map_err(|_| {
        "tls: either ServerName or InsecureSkipVerify must be specified in the tls.Config"
            .to_owned()
    })
}

/// An error of an encrypted (or plain) stream in Go's words.
pub fn describe(error: &io::Error) -> String {
    let refused =
        error
            .get_ref()
            .and_then(|inner| match inner.downcast_ref::<rustls::Error>()? {
                rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                    other.0.downcast_ref::<Refused>()
                }
                _ => None,
            });
    match refused {
        Some(refused) => format!("tls: failed to verify certificate: {refused}"),
        None => gowords::stream(error),
    }
}
