//! Reads certificates and keys, again when their files have changed.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rustls::{
    RootCertStore, SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::TlsError;

/// Where Go looks for the system's CAs on Linux (`crypto/x509/root_linux.go`).
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::File {
        path: path.display().to_string(),
        reason: gowords::errno(&error),
    })
}

fn content(path: &Path, reason: impl Into<String>) -> TlsError {
    TlsError::Content {
        path: path.display().to_string(),
        reason: reason.into(),
    }
}

/// The CAs in a PEM file.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let bytes = read(path)?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate
            .map_err(|error| content(path, format!("x509: malformed certificate: {error}")))?;
        store
            .add(certificate)
            .map_err(|error| content(path, format!("x509: malformed certificate: {error}")))?;
    }
    if store.is_empty() {
        return Err(content(
            path,
            "the file holds no certificate in PEM, so that no client or peer could be trusted",
        ));
    }
    Ok(store)
}

/// The CAs of the system; those that rustls can't use are left out.
pub(super) fn system_roots() -> Result<RootCertStore, TlsError> {
    for path in SYSTEM_ROOTS {
        let Ok(bytes) = fs::read(path) else { continue };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(CertificateDer::pem_slice_iter(&bytes).flatten());
        if !store.is_empty() {
            return Ok(store);
        }
    }
    Err(TlsError::NoRoots(SYSTEM_ROOTS.join(", ")))
}

/// What tells that a file is another one than before.
type Stamp = [(u64, i64, i64, u64); 2];

/// A certificate and its key, kept fresh.
#[derive(Debug)]
pub(super) struct Pair {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    cached: Mutex<(Option<Stamp>, Arc<CertifiedKey>)>,
}

impl Pair {
    /// Reads both files; fails if they do not fit.
    pub(super) fn open(
        cert: &Path,
        key: &Path,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let stamp = stamp(cert, key);
        let loaded = load(cert, key, &provider)?;
        Ok(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            provider,
            cached: Mutex::new((stamp, Arc::new(loaded))),
        })
    }

    /// The present pair; `None`, with a warning, while the files are no good.
    fn current(&self) -> Option<Arc<CertifiedKey>> {
        let now = stamp(&self.cert, &self.key);
        let mut cached = self.cached.lock();
        if now.is_some() && now == cached.0 {
            return Some(Arc::clone(&cached.1));
        }
        match load(&self.cert, &self.key, &self.provider) {
            Ok(loaded) => {
                *cached = (now, Arc::new(loaded));
                Some(Arc::clone(&cached.1))
            }
            Err(error) => {
                let message = match error {
                    TlsError::File { .. } => "failed to find peer cert files",
                    _ => "failed to create peer certificate",
                };
                crate::warn!(
                    "transport/listener.go:376", message,
                    "cert-file" => self.cert.display().to_string(),
                    "key-file" => self.key.display().to_string(),
                    "error" => error.to_string(),
                );
                None
            }
        }
    }
}

fn stamp(cert: &Path, key: &Path) -> Option<Stamp> {
    let of = |path| {
        fs::metadata(path)
            .ok()
            .map(|meta: fs::Metadata| (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
    };
    Some([of(cert)?, of(key)?])
}

fn load(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let (cert_bytes, key_bytes) = (read(cert)?, read(key)?);
    let chain = CertificateDer::pem_slice_iter(&cert_bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(cert, format!("x509: malformed certificate: {error}")))?;
    if chain.is_empty() {
        return Err(content(
            cert,
            "tls: failed to find any PEM data in certificate input",
        ));
    }
    let private = PrivateKeyDer::from_pem_slice(&key_bytes)
        .map_err(|_| content(key, "tls: failed to find any PEM data in key input"))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            content(key, "tls: private key does not match public key")
        }
        other => content(key, format!("tls: failed to parse private key: {other}")),
    })
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current()
    }
}

impl ResolvesClientCert for Pair {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.current()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
