//! Go's names and words for what rustls says, because they stand in logs that
//! operators know.

use std::io;

use rustls::{AlertDescription, CertificateError, CipherSuite, Error};

use super::TlsError;
use crate::log;

/// The cipher suite that `--cipher-suites` names.
pub(super) fn cipher_suite(name: &str) -> Result<CipherSuite, TlsError> {
    Ok(match name {
        "TLS_AES_128_GCM_SHA256" => CipherSuite::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_256_GCM_SHA384" => CipherSuite::TLS13_AES_256_GCM_SHA384,
        "TLS_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        }
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        }
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        }
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
        }
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"
        | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        weak if weak.starts_with("TLS_RSA_WITH_")
            || weak.starts_with("TLS_ECDHE_")
                && (weak.contains("_CBC_") || weak.contains("_RC4_")) =>
        {
            return Err(TlsError::WeakCipherSuite(name.to_owned()));
        }
        _ => return Err(TlsError::UnknownCipherSuite(name.to_owned())),
    })
}

/// What Go says of a handshake that failed for this reason.
#[must_use]
pub fn handshake_error(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "EOF".into();
    }
    let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    else {
        return log::plain(error);
    };
    match tls {
        Error::AlertReceived(alert) => format!("remote error: tls: {}", alert_words(*alert)),
        Error::NoCertificatesPresented => "tls: client didn't provide a certificate".into(),
        Error::InvalidCertificate(reason) => format!(
            "tls: failed to verify certificate: x509: {}",
            certificate_words(reason)
        ),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "tls: first record does not look like a TLS handshake".into()
        }
        Error::PeerIncompatible(reason) => {
            format!("tls: no protocol or cipher suite in common ({reason:?})")
        }
        other => format!("tls: {other}"),
    }
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::CertificateRevoked => "revoked certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::DecodeError => "error decoding message",
        AlertDescription::DecryptError => "error decrypting message",
        AlertDescription::InternalError => "internal error",
        AlertDescription::AccessDenied => "access denied",
        other => return format!("{other:?}"),
    }
    .into()
}

fn certificate_words(reason: &CertificateError) -> String {
    match reason {
        // A CA of the same name with another key does not know the certificate either.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".into()
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "certificate specifies an incompatible key usage".into()
        }
        CertificateError::BadEncoding => "malformed certificate".into(),
        CertificateError::Other(inner) if format!("{inner:?}").contains("CaUsedAsEndEntity") => {
            "certificate is that of a CA and not of a client".into()
        }
        other => other.to_string(),
    }
}
