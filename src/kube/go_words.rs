//! Go's words for errors of the operating system and of TLS: people search for them.

use std::io;

use rustls::{
    AlertDescription, CertificateError,
    pki_types::{ServerName, UnixTime},
};

/// An error of the operating system: `no such file or directory`.
pub fn io(error: &io::Error) -> String {
    plain(&error.to_string())
}

/// Without the number, and in small letters at the start.
pub fn plain(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// A failed handshake or connection.
pub fn tls(e: &io::Error) -> String {
    let Some(tls) = e
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return match e.kind() {
            io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
            io::ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
            _ => io(e),
        };
    };
    match tls {
        rustls::Error::InvalidCertificate(why) => {
            format!(
                "tls: failed to verify certificate: x509: {}",
                certificate_words(why)
            )
        }
        rustls::Error::AlertReceived(alert) => {
            format!("remote error: tls: {}", alert_words(*alert))
        }
        rustls::Error::InvalidMessage(_) => {
            "tls: first record does not look like a TLS handshake".to_owned()
        }
        other => format!("tls: {other}"),
    }
}

fn certificate_words(why: &CertificateError) -> String {
    let date = |t: &UnixTime| crate::time::rfc3339(i64::try_from(t.as_secs()).unwrap_or(i64::MAX));
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "certificate has expired or is not yet valid: current time {} is after {}",
            date(time),
            date(not_after)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "certificate has expired or is not yet valid: current time {} is before {}",
            date(time),
            date(not_before)
        ),
        CertificateError::Expired | CertificateError::NotValidYet => {
            "certificate has expired or is not yet valid".to_owned()
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let is_address = matches!(expected, ServerName::IpAddress(_));
            let expected = expected.to_str();
            // rustls prints the names as `DnsName("x")` and `IpAddress(1.2.3.4)`.
            let names: Vec<&str> = presented
                .iter()
                .filter(|name| name.starts_with("IpAddress(") == is_address)
                .map(|name| name.split_once('(').map_or(name.as_str(), |(_, rest)| rest))
                .map(|name| name.trim_end_matches(')').trim_matches('"'))
                .collect();
            if names.is_empty() {
                format!(
                    "cannot validate certificate for {expected} because it doesn't contain any IP SANs"
                )
            } else {
                format!(
                    "certificate is valid for {}, not {expected}",
                    names.join(", ")
                )
            }
        }
        other => format!("{other}"),
    }
}

/// `alertText` of Go's `crypto/tls`.
fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnexpectedMessage => "unexpected message",
        AlertDescription::BadRecordMac => "bad record MAC",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "revoked certificate",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::InternalError => "internal error",
        AlertDescription::CertificateRequired => "certificate required",
        other => return format!("alert({})", u8::from(other)),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_said_as_go_says_them() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(io(&error), "no such file or directory");
        let alert = rustls::Error::AlertReceived(AlertDescription::BadCertificate);
        let refused = io::Error::new(io::ErrorKind::InvalidData, alert);
        assert_eq!(tls(&refused), "remote error: tls: bad certificate");
    }
}
