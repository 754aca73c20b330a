//! TLS as etcd's flags describe it (`client/pkg/transport/listener.go`), by
//! rustls and ring. Certificates and keys are read again when their files
//! change, so that they can be renewed without a restart; the CA is read once.

mod check;
mod dialed;
mod load;
mod suites;

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    client::WebPkiServerVerifier,
    crypto::CryptoProvider,
    server::{VerifierBuilderError, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};

pub use check::PeerCheck;
use dialed::AllowedPeer;

/// A TLS version that flags can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// `TLS1.2`
    Tls12,
    /// `TLS1.3`
    Tls13,
}

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Only one of certificate and key was given.
    #[error("KeyFile and CertFile must both be present[key: {key}, cert: {cert}]")]
    HalfPair {
        /// What `--key-file` says.
        key: String,
        /// What `--cert-file` says.
        cert: String,
    },
    /// Only one of the explicit client certificate and key was given.
    #[error(
        "ClientKeyFile and ClientCertFile must both be present or both absent: key: {key}, cert: {cert}]"
    )]
    HalfClientPair {
        /// What `--client-key-file` says.
        key: String,
        /// What `--client-cert-file` says.
        cert: String,
    },
    /// Names and host names exclude each other.
    #[error(
        "AllowedCNs and AllowedHostnames are mutually exclusive (cns={cns:?}, hostnames={hostnames:?})"
    )]
    BothAllowed {
        /// `--peer-cert-allowed-cn`.
        cns: Vec<String>,
        /// `--peer-cert-allowed-hostname`.
        hostnames: Vec<String>,
    },
    /// A cipher suite that nobody knows.
    #[error("unexpected TLS cipher suite {0:?}")]
    UnknownCipherSuite(String),
    /// A cipher suite of old that rustls leaves out on purpose.
    #[error(
        "TLS cipher suite {0:?} is not supported by this server: it has neither forward secrecy nor authenticated encryption; name one of the ECDHE suites with GCM or CHACHA20"
    )]
    WeakCipherSuite(String),
    /// A file can't be read.
    #[error("open {path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// A file does not hold what it should; the text is Go's where it has one.
    #[error("{reason} ({path})")]
    Content {
        /// Which.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// rustls refuses the combination.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
    /// The CA file makes no verifier.
    #[error("{0}")]
    Verifier(String),
    /// No CA was named and the system has none.
    #[error(
        "no trusted CA is named and the system has no bundle of certificates in {0}; name one with --trusted-ca-file or --peer-trusted-ca-file"
    )]
    NoRoots(String),
}

/// What the flags say about one side's TLS; empty when neither certificate nor key is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsInfo {
    /// `--cert-file`, `--peer-cert-file`.
    pub cert_file: Option<PathBuf>,
    /// `--key-file`, `--peer-key-file`.
    pub key_file: Option<PathBuf>,
    /// `--client-cert-file`: shown instead of the above when this member is the client.
    pub client_cert_file: Option<PathBuf>,
    /// `--client-key-file`.
    pub client_key_file: Option<PathBuf>,
    /// `--trusted-ca-file`; that it is given is enough to require certificates.
    pub trusted_ca_file: Option<PathBuf>,
    /// `--client-cert-auth`.
    pub client_cert_auth: bool,
    /// `--client-crl-file`.
    pub crl_file: Option<PathBuf>,
    /// `--peer-cert-allowed-cn`; empty allows all.
    pub allowed_cns: Vec<String>,
    /// `--client-cert-allowed-hostname`; empty allows all.
    pub allowed_hostnames: Vec<String>,
    /// `--experimental-peer-skip-client-san-verification`.
    pub skip_client_san_verify: bool,
    /// `--cipher-suites`; empty leaves the choice to rustls.
    pub cipher_suites: Vec<String>,
    /// `--tls-min-version`; `None` is TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// `--tls-max-version`; `None` is the newest.
    pub max_version: Option<TlsVersion>,
}

fn shown(path: &Option<PathBuf>) -> String {
    path.as_ref()
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}

impl fmt::Display for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cert = {}, key = {}, client-cert={}, client-key={}, trusted-ca = {}, client-cert-auth = {}, crl-file = {}",
            shown(&self.cert_file),
            shown(&self.key_file),
            shown(&self.client_cert_file),
            shown(&self.client_key_file),
            shown(&self.trusted_ca_file),
            self.client_cert_auth,
            shown(&self.crl_file)
        )
    }
}

impl TlsInfo {
    /// Whether neither certificate nor key is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cert_file.is_none() && self.key_file.is_none()
    }

    /// The settings of a listener. Reads every file once, so that what is wrong
    /// with them is said at the start.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = self.provider()?;
        let certificate = self.own_pair()?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions())?;
        let builder = if self.trusted_ca_file.is_some() || self.client_cert_auth {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()?), provider)
                    .build()
                    .map_err(|error| self.no_verifier(&error))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificate));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The settings of this member as the client of a peer.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = self.provider()?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions())?;
        if self.is_empty() {
            let builder = builder.with_root_certificates(self.roots()?);
            return Ok(Arc::new(builder.with_no_client_auth()));
        }
        let roots = Arc::new(self.roots()?);
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| self.no_verifier(&error))?;
        let check = self.peer_check(false);
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AllowedPeer { chain, check }));
        let own = self.own_pair()?;
        let shown_to_peers = match (&self.client_cert_file, &self.client_key_file) {
            (Some(cert), Some(key)) => load::Pair::open(cert, key, self.provider()?)?,
            _ => own,
        };
        Ok(Arc::new(
            builder.with_client_cert_resolver(Arc::new(shown_to_peers)),
        ))
    }

    /// What is checked of a client's certificate beyond its chain. `san` asks for
    /// the check of the client's address, which etcd does on peer and metrics ports.
    #[must_use]
    pub fn peer_check(&self, san: bool) -> PeerCheck {
        PeerCheck {
            allowed_cns: self.allowed_cns.clone(),
            allowed_hostnames: self.allowed_hostnames.clone(),
            crl_file: self.crl_file.clone(),
            san: san && !self.skip_client_san_verify,
        }
    }

    fn no_verifier(&self, error: &VerifierBuilderError) -> TlsError {
        TlsError::Verifier(format!("{}: {error}", shown(&self.trusted_ca_file)))
    }

    fn own_pair(&self) -> Result<load::Pair, TlsError> {
        let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) else {
            return Err(TlsError::HalfPair {
                key: shown(&self.key_file),
                cert: shown(&self.cert_file),
            });
        };
        if self.client_cert_file.is_some() != self.client_key_file.is_some() {
            return Err(TlsError::HalfClientPair {
                key: shown(&self.client_key_file),
                cert: shown(&self.client_cert_file),
            });
        }
        if !self.allowed_cns.is_empty() && !self.allowed_hostnames.is_empty() {
            return Err(TlsError::BothAllowed {
                cns: self.allowed_cns.clone(),
                hostnames: self.allowed_hostnames.clone(),
            });
        }
        load::Pair::open(cert, key, self.provider()?)
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        match &self.trusted_ca_file {
            Some(path) => load::roots(path),
            None => load::system_roots(),
        }
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let min = self.min_version.unwrap_or(TlsVersion::Tls12);
        let max = self.max_version.unwrap_or(TlsVersion::Tls13);
        let mut versions = Vec::new();
        if max >= TlsVersion::Tls13 {
            versions.push(&TLS13);
        }
        if min <= TlsVersion::Tls12 {
            versions.push(&TLS12);
        }
        versions
    }

    fn provider(&self) -> Result<Arc<CryptoProvider>, TlsError> {
        let mut provider = rustls::crypto::ring::default_provider();
        if !self.cipher_suites.is_empty() {
            let wanted = self
                .cipher_suites
                .iter()
                .map(|name| suites::cipher_suite(name))
                .collect::<Result<Vec<_>, _>>()?;
            // As in Go, the list is about TLS 1.2; the suites of 1.3 are always on.
            provider
                .cipher_suites
                .retain(|suite| suite.tls13().is_some() || wanted.contains(&suite.suite()));
        }
        Ok(Arc::new(provider))
    }
}

#[cfg(test)]
mod tests;
