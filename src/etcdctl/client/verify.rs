//! Checking a server's certificate, with Go's reasons for refusing one.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

/// Why a certificate was refused: the text of Go's crypto/x509.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("x509: {0}")]
pub struct Refused(String);

/// webpki's verifier with Go's words.
pub struct GoVerifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for GoVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoVerifier")
            .field("roots", &self.roots.len())
            .finish_non_exhaustive()
    }
}

impl GoVerifier {
    /// A verifier that trusts `store`; `roots` are the same certificates, for messages.
    pub fn new(
        store: RootCertStore,
        roots: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        // Without any root there is nothing to build; every server is unknown.
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
            .build()
            .ok();
        Self {
            inner,
            roots,
            provider,
        }
    }

    fn unknown_authority(&self, leaf: &CertificateDer<'_>) -> String {
        let text = "certificate signed by unknown authority";
        let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
            return text.into();
        };
        for root in &self.roots {
            let Ok((_, root)) = X509Certificate::from_der(root) else {
                continue;
            };
            if root.subject().as_raw() != leaf.issuer().as_raw() {
                continue;
            }
            let algorithm = match root.public_key().parsed() {
                Ok(x509_parser::public_key::PublicKey::EC(_)) => "x509: ECDSA verification failure",
                _ => "crypto/rsa: verification error",
            };
            let name = root
                .subject()
                .iter_common_name()
                .next()
                .and_then(|cn| cn.as_str().ok())
                .unwrap_or_default();
            return format!(
                "{text} (possibly because of \"{algorithm}\" while trying to verify candidate authority certificate \"{name}\")"
            );
        }
        text.into()
    }
}

impl GoVerifier {
    /// Go's reason. Whatever webpki saw first, Go looks at the dates, then at the
    /// name, then for an authority.
    fn reason(
        &self,
        error: &Error,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<String> {
        let Error::InvalidCertificate(reason) = error else {
            return None;
        };
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let validity = parsed.validity();
        let seconds = now.as_secs() as i64;
        let dates = |relation: &str, limit: i64| {
            format!(
                "certificate has expired or is not yet valid: current time {} is {relation} {}",
                local_time(seconds),
                utc(limit)
            )
        };
        if seconds < validity.not_before.timestamp() {
            return Some(dates("before", validity.not_before.timestamp()));
        }
        if seconds > validity.not_after.timestamp() {
            return Some(dates("after", validity.not_after.timestamp()));
        }
        let named = ParsedCertificate::try_from(leaf)
            .and_then(|parsed| rustls::client::verify_server_name(&parsed, name));
        if named.is_err() {
            return Some(wrong_name(&parsed, name));
        }
        match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Some(self.unknown_authority(leaf))
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Some("certificate specifies an incompatible key usage".into())
            }
            _ => None,
        }
    }
}

impl ServerCertVerifier for GoVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let result = match &self.inner {
            Some(inner) => inner.verify_server_cert(leaf, intermediates, name, ocsp, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        result.map_err(|error| match self.reason(&error, leaf, name, now) {
            Some(text) => Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(
                Refused(text),
            )))),
            None => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn utc(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn local_time(seconds: i64) -> String {
    let zone = crate::log::local_zone().clone();
    let time = jiff::Timestamp::from_second(seconds)
        .unwrap_or_default()
        .to_zoned(zone);
    let offset = if time.offset().seconds() == 0 {
        "Z".into()
    } else {
        time.strftime("%:z").to_string()
    };
    format!("{}{offset}", time.strftime("%Y-%m-%dT%H:%M:%S"))
}

fn wrong_name(leaf: &X509Certificate<'_>, name: &ServerName<'_>) -> String {
    let mut addresses = Vec::new();
    let mut names = Vec::new();
    let extensions = leaf.extensions().iter().map(|e| e.parsed_extension());
    for extension in extensions {
        let ParsedExtension::SubjectAlternativeName(san) = extension else {
            continue;
        };
        for general in &san.general_names {
            match general {
                GeneralName::DNSName(dns) => names.push((*dns).to_owned()),
                GeneralName::IPAddress(bytes) => addresses.extend(ip_text(bytes)),
                _ => {}
            }
        }
    }
    let wanted = name.to_str();
    match name {
        ServerName::IpAddress(_) if addresses.is_empty() => {
            format!(
                "cannot validate certificate for {wanted} because it doesn't contain any IP SANs"
            )
        }
        ServerName::IpAddress(_) => format!(
            "certificate is valid for {}, not {wanted}",
            addresses.join(", ")
        ),
        _ if names.is_empty() => {
            format!("certificate is not valid for any names, but wanted to match {wanted}")
        }
        _ => format!(
            "certificate is valid for {}, not {wanted}",
            names.join(", ")
        ),
    }
}

fn ip_text(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes)
            .ok()
            .map(|b| std::net::Ipv4Addr::from(b).to_string()),
        16 => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|b| std::net::Ipv6Addr::from(b).to_string()),
        _ => None,
    }
}

/// `--insecure-skip-tls-verify`.
#[derive(Debug)]
pub struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl AcceptAny {
    /// A verifier that trusts everyone.
    pub fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider }
    }
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
