//! Checks of a client's certificate beyond its chain: revocation, names, and
//! whether the address it comes from is one that the certificate is for
//! (`client/pkg/transport/listener_tls.go`).

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{CertificateRevocationList, FromDer, GeneralName, X509Certificate};

/// What the reference says of a certificate without an allowed name, whoever showed it.
pub(super) const NOT_ALLOWED: &str = "client certificate authentication failed";

/// What a certificate must be, besides signed by the right CA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCheck {
    /// Common names let in; empty lets all in.
    pub allowed_cns: Vec<String>,
    /// Host names, one of which the certificate must be for; empty lets all in.
    pub allowed_hostnames: Vec<String>,
    /// A list of revoked certificates, read anew for every connection.
    pub crl_file: Option<PathBuf>,
    /// Whether the client's address must be in the certificate, if it has any.
    pub san: bool,
}

/// The names in a certificate.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The subject's common name.
    pub common: String,
    /// DNS names.
    pub dns: Vec<String>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
}

impl Names {
    /// Reads them; a certificate that can't be parsed has none.
    #[must_use]
    pub fn of(der: &CertificateDer<'_>) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return Self::default();
        };
        let mut names = Self {
            common: certificate
                .subject()
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            ..Self::default()
        };
        if let Ok(Some(san)) = certificate.subject_alternative_name() {
            for name in &san.value.general_names {
                match name {
                    GeneralName::DNSName(dns) => names.dns.push((*dns).to_owned()),
                    GeneralName::IPAddress(bytes) => {
                        let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                        let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
                        names.ips.extend(v4.or(v6));
                    }
                    _ => {}
                }
            }
        }
        names
    }

    /// Whether the certificate is for this host name or address.
    fn covers(&self, host: &str) -> bool {
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => self.ips.contains(&ip),
            Err(_) => self.dns.iter().any(|name| covers_dns(name, host)),
        }
    }
}

/// A name of a certificate against a host name; `*` stands for one label at the front.
fn covers_dns(name: &str, host: &str) -> bool {
    let (name, host) = (
        name.to_ascii_lowercase(),
        host.trim_end_matches('.').to_ascii_lowercase(),
    );
    match name.strip_prefix("*.") {
        Some(suffix) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest == suffix),
        None => name == host,
    }
}

impl PeerCheck {
    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the certificate has one of the names that are let in.
    #[must_use]
    pub fn allows(&self, leaf: &CertificateDer<'_>) -> bool {
        if self.allowed_cns.is_empty() && self.allowed_hostnames.is_empty() {
            return true;
        }
        let names = Names::of(leaf);
        if self.allowed_cns.is_empty() {
            let mut hosts = self.allowed_hostnames.iter();
            hosts.any(|host| names.covers(host))
        } else {
            self.allowed_cns.contains(&names.common)
        }
    }

    /// Checks the chain that a client showed, if it showed one.
    ///
    /// # Errors
    /// Why the client is sent away, in the reference's words.
    pub async fn check(
        &self,
        chain: &[CertificateDer<'_>],
        remote: SocketAddr,
    ) -> Result<(), String> {
        let Some(leaf) = chain.first() else {
            return Ok(());
        };
        if !self.allows(leaf) {
            return Err(NOT_ALLOWED.into());
        }
        if self.san {
            check_san(&Names::of(leaf), remote.ip()).await?;
        }
        match &self.crl_file {
            Some(path) => check_crl(path, chain),
            None => Ok(()),
        }
    }
}

async fn check_san(names: &Names, remote: IpAddr) -> Result<(), String> {
    // A mapped IPv4 address is the IPv4 address, as in Go.
    let remote = remote.to_canonical();
    if names.ips.contains(&remote) || (names.ips.is_empty() && names.dns.is_empty()) {
        return Ok(());
    }
    if names.dns.is_empty() {
        let valid: Vec<String> = names.ips.iter().map(ToString::to_string).collect();
        return Err(format!(
            "x509: certificate is valid for {}, not {remote}",
            valid.join(", ")
        ));
    }
    if resolves_to(&names.dns, remote).await {
        return Ok(());
    }
    Err(format!(
        "tls: \"{remote}\" does not match any of DNSNames {}",
        quoted(&names.dns)
    ))
}

/// Whether one of the names leads to the address, by the hosts file backwards
/// (the only way that a wildcard can match) or by the resolver forwards.
async fn resolves_to(dns: &[String], remote: IpAddr) -> bool {
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    if names_of_address(&hosts, remote)
        .iter()
        .any(|host| dns.iter().any(|name| covers_suffix(name, host)))
    {
        return true;
    }
    for name in dns.iter().filter(|name| !name.starts_with("*.")) {
        if let Ok(addresses) = tokio::net::lookup_host((name.as_str(), 0)).await
            && addresses
                .map(|address| address.ip().to_canonical())
                .any(|ip| ip == remote)
        {
            return true;
        }
    }
    false
}

/// Unlike a host name check, the reference lets a wildcard stand for several labels here.
fn covers_suffix(name: &str, host: &str) -> bool {
    match name.strip_prefix('*') {
        Some(suffix) if suffix.starts_with('.') => host.ends_with(suffix),
        _ => name == host,
    }
}

fn names_of_address(hosts: &str, address: IpAddr) -> Vec<&str> {
    hosts
        .lines()
        .map(|line| {
            line.split('#')
                .next()
                .unwrap_or_default()
                .split_ascii_whitespace()
        })
        .filter_map(|mut words| (words.next()?.parse::<IpAddr>().ok()? == address).then_some(words))
        .flatten()
        .collect()
}

/// `["a" "b"]`, as Go's `%q` prints a list.
fn quoted(words: &[String]) -> String {
    format!(
        "[{}]",
        words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(" ")
    )
}

fn check_crl(path: &Path, chain: &[CertificateDer<'_>]) -> Result<(), String> {
    let bytes = fs::read(path)
        .map_err(|error| format!("open {}: {}", path.display(), gowords::errno(&error)))?;
    let der = match rustls_pki_types::CertificateRevocationListDer::from_pem_slice(&bytes) {
        Ok(pem) => pem.as_ref().to_vec(),
        Err(_) => bytes,
    };
    let (_, list) = CertificateRevocationList::from_der(&der)
        .map_err(|error| format!("x509: malformed crl: {error} ({})", path.display()))?;
    let revoked: BTreeSet<&[u8]> = list
        .iter_revoked_certificates()
        .map(|entry| entry.raw_serial())
        .collect();
    for der in chain {
        if let Ok((_, certificate)) = X509Certificate::from_der(der)
            && revoked.contains(certificate.raw_serial())
        {
            let serial: String = certificate
                .raw_serial()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            return Err(format!(
                "transport: certificate serial {} revoked",
                serial.trim_start_matches("00")
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_label() {
        assert!(covers_dns("*.example.com", "a.example.com"));
        assert!(!covers_dns("*.example.com", "a.b.example.com"));
        assert!(!covers_dns("*.example.com", "example.com"));
        assert!(covers_dns("Node01", "node01"));
        assert!(covers_suffix("*.example.com", "a.b.example.com"));
    }

    #[test]
    fn the_hosts_file_is_read_backwards() {
        let hosts = "127.0.0.1 localhost\n10.0.0.5 etcd1 etcd1.lab # ours\n# 10.0.0.5 no\n";
        assert_eq!(
            names_of_address(hosts, IpAddr::from([10, 0, 0, 5])),
            ["etcd1", "etcd1.lab"]
        );
    }

    #[tokio::test]
    async fn an_address_must_be_in_the_certificate() {
        let ips = Names {
            ips: vec![IpAddr::from([10, 0, 0, 1])],
            ..Names::default()
        };
        assert_eq!(check_san(&ips, IpAddr::from([10, 0, 0, 1])).await, Ok(()));
        assert_eq!(
            check_san(&ips, IpAddr::from([10, 0, 0, 2])).await,
            Err("x509: certificate is valid for 10.0.0.1, not 10.0.0.2".into())
        );
        assert_eq!(
            check_san(&Names::default(), IpAddr::from([10, 0, 0, 2])).await,
            Ok(())
        );
        let local = Names {
            dns: vec!["localhost".into()],
            ..Names::default()
        };
        assert_eq!(
            check_san(&local, IpAddr::from([127, 0, 0, 1])).await,
            Ok(())
        );
        assert_eq!(
            check_san(&local, IpAddr::from([10, 0, 0, 2])).await,
            Err("tls: \"10.0.0.2\" does not match any of DNSNames [\"localhost\"]".into())
        );
    }
}
