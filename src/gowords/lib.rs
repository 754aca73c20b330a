//! Go's words for errors of the operating system and of TLS, and for spans of time: the
//! programs that ours stand for are written in Go, and people search for what those say.
//!
//! Source: Go 1.22, `crypto/tls/alert.go`, `crypto/x509/verify.go`, `syscall/zerrors_*.go`.
//! Where Go has no such error, the words are of the same kind.

#![forbid(unsafe_code)]

mod duration;

use std::io;

use jiff::Timestamp;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, InvalidMessage};

pub use duration::duration;

/// An error of the operating system: `no such file or directory`.
#[must_use]
pub fn errno(error: &io::Error) -> String {
    plain(&error.to_string())
}

/// The mode of a directory as `os.FileMode` prints it: `drwxr-xr-x`, `dtrwxrwxrwx`.
#[must_use]
pub fn directory_mode(mode: u32) -> String {
    const SPECIAL: [(u32, char); 3] = [(0o4000, 'u'), (0o2000, 'g'), (0o1000, 't')];
    let special = SPECIAL
        .iter()
        .filter(|(bit, _)| mode & bit != 0)
        .map(|(_, letter)| *letter);
    let access = (0..9).map(|at| match mode & (0o400 >> at) {
        0 => '-',
        _ => ['r', 'w', 'x'][at % 3],
    });
    std::iter::once('d').chain(special).chain(access).collect()
}

/// Without the number, and in small letters at the start.
fn plain(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// What ended a connection, or a handshake.
#[must_use]
pub fn stream(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match (inner, error.kind()) {
        (Some(error), _) => tls(error),
        (None, io::ErrorKind::UnexpectedEof) => "EOF".to_owned(),
        (None, io::ErrorKind::ConnectionReset) => format!("read: {}", errno(error)),
        (None, _) => errno(error),
    }
}

/// Why there is no connection to `address` (host and port).
#[must_use]
pub fn dial(address: &str, error: &io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::TimedOut, _) => format!("dial tcp {address}: i/o timeout"),
        (_, Some(_)) => format!("dial tcp {address}: connect: {}", errno(error)),
        // The resolver's errors have no number.
        (_, None) => {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            format!("dial tcp: lookup {host}: no such host")
        }
    }
}

/// An error of TLS.
fn tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => format!(
            "tls: failed to verify certificate: x509: {}",
            certificate(why)
        ),
        rustls::Error::AlertReceived(alert) => {
            format!("remote error: tls: {}", alert_text(*alert))
        }
        rustls::Error::NoCertificatesPresented => {
            "tls: client didn't provide a certificate".to_owned()
        }
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "tls: first record does not look like a TLS handshake".to_owned(),
        rustls::Error::PeerIncompatible(reason) => {
            format!("tls: no protocol or cipher suite in common ({reason:?})")
        }
        other => format!("tls: {other}"),
    }
}

fn certificate(why: &CertificateError) -> String {
    const DATED: &str = "certificate has expired or is not yet valid";
    match why {
        // A CA of the same name with another key does not know the certificate either.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "{DATED}: current time {} is after {}",
            date(time),
            date(not_after)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "{DATED}: current time {} is before {}",
            date(time),
            date(not_before)
        ),
        CertificateError::Expired | CertificateError::NotValidYet => DATED.to_owned(),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => other_name(expected, presented),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "certificate specifies an incompatible key usage".to_owned()
        }
        CertificateError::BadEncoding => "malformed certificate".to_owned(),
        CertificateError::Other(inner) if format!("{inner:?}").contains("CaUsedAsEndEntity") => {
            "certificate is that of a CA and not of a client".to_owned()
        }
        other => other.to_string(),
    }
}

fn date(time: &UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(String::new, |time| time.to_string())
}

fn other_name(expected: &ServerName<'_>, presented: &[String]) -> String {
    let is_address = matches!(expected, ServerName::IpAddress(_));
    let expected = expected.to_str();
    // rustls prints the names as `DnsName("x")` and `IpAddress(1.2.3.4)`.
    let names: Vec<&str> = presented
        .iter()
        .filter(|name| name.starts_with("IpAddress(") == is_address)
        .map(|name| name.split_once('(').map_or(name.as_str(), |(_, rest)| rest))
        .map(|name| name.trim_end_matches(')').trim_matches('"'))
        .collect();
    match (names.is_empty(), is_address) {
        (false, _) => format!(
            "certificate is valid for {}, not {expected}",
            names.join(", ")
        ),
        (true, true) => format!(
            "cannot validate certificate for {expected} because it doesn't contain any IP SANs"
        ),
        (true, false) => {
            format!("certificate is not valid for any names, but wanted to match {expected}")
        }
    }
}

/// The common ones of `alertText` in Go's `crypto/tls`, without its `tls: `.
fn alert_text(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::UnexpectedMessage => "unexpected message",
        AlertDescription::BadRecordMac => "bad record MAC",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "revoked certificate",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::IllegalParameter => "illegal parameter",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::DecodeError => "error decoding message",
        AlertDescription::DecryptError => "error decrypting message",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::InsufficientSecurity => "insufficient security level",
        AlertDescription::InternalError => "internal error",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        AlertDescription::CertificateRequired => "certificate required",
        other => return format!("alert({})", u8::from(other)),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_as_go_prints_them() {
        assert_eq!(directory_mode(0o40_755), "drwxr-xr-x");
        assert_eq!(directory_mode(0o41_777), "dtrwxrwxrwx");
        assert_eq!(directory_mode(0o42_700), "dgrwx------");
    }

    #[test]
    fn errors_are_said_as_go_says_them() {
        assert_eq!(
            errno(&io::Error::from_raw_os_error(2)),
            "no such file or directory"
        );
        assert_eq!(stream(&io::ErrorKind::UnexpectedEof.into()), "EOF");
        assert_eq!(
            stream(&io::Error::from_raw_os_error(104)),
            "read: connection reset by peer"
        );
        for (error, text) in [
            (
                io::Error::from_raw_os_error(111),
                "dial tcp h:1: connect: connection refused",
            ),
            (
                io::Error::other("failed to lookup address information"),
                "dial tcp: lookup h: no such host",
            ),
        ] {
            assert_eq!(dial("h:1", &error), text);
        }
        for (alert, text) in [
            (AlertDescription::BadCertificate, "bad certificate"),
            (AlertDescription::DecodeError, "error decoding message"),
            (AlertDescription::Unknown(77), "alert(77)"),
        ] {
            let alert = rustls::Error::AlertReceived(alert);
            let refused = io::Error::new(io::ErrorKind::InvalidData, alert);
            assert_eq!(stream(&refused), format!("remote error: tls: {text}"));
        }
    }

    #[test]
    fn certificates_are_refused_in_the_words_of_x509() {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let host = ServerName::try_from("etcd").expect("a name");
        for (why, text) in [
            (
                CertificateError::UnknownIssuer,
                "certificate signed by unknown authority",
            ),
            (
                CertificateError::ExpiredContext {
                    time: at(86400),
                    not_after: at(0),
                },
                "certificate has expired or is not yet valid: current time 1970-01-02T00:00:00Z \
                 is after 1970-01-01T00:00:00Z",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: host.clone(),
                    presented: vec!["DnsName(\"a\")".into(), "IpAddress(10.0.0.1)".into()],
                },
                "certificate is valid for a, not etcd",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: host,
                    presented: vec!["IpAddress(10.0.0.1)".into()],
                },
                "certificate is not valid for any names, but wanted to match etcd",
            ),
        ] {
            assert_eq!(certificate(&why), text);
        }
    }
}
