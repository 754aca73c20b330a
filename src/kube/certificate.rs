//! Issues a certificate anew with what the old one says: `kubeadm certs renew`, and labs
//! whose certificates have run out.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, string::Ia5String,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, parse_x509_pem};

/// A certificate and its private key, as PEM text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

/// From when to when a certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub from: i64,
    pub until: i64,
}

/// Why no certificate could be issued.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A text that is no certificate; with whose it was said to be.
    #[error("{0} is no certificate: {1}")]
    Unreadable(&'static str, String),
    #[error("{0}")]
    Issue(#[from] rcgen::Error),
}

fn der(pem: &str, whose: &'static str) -> Result<Vec<u8>, CertificateError> {
    parse_x509_pem(pem.as_bytes())
        .map(|(_, pem)| pem.contents)
        .map_err(|error| CertificateError::Unreadable(whose, error.to_string()))
}

fn time(seconds: i64) -> Result<time::OffsetDateTime, CertificateError> {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|error| CertificateError::Unreadable("the new validity", error.to_string()))
}

/// Common name and organisations, in the order in which kubeadm writes them.
fn subject(old: &X509Certificate<'_>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for part in old.subject().iter_organization() {
        if let Ok(text) = part.as_str() {
            name.push(DnType::OrganizationName, text);
        }
    }
    for part in old.subject().iter_common_name() {
        if let Ok(text) = part.as_str() {
            name.push(DnType::CommonName, text);
        }
    }
    name
}

fn alternative_names(old: &X509Certificate<'_>) -> Result<Vec<SanType>, CertificateError> {
    let Ok(Some(extension)) = old.subject_alternative_name() else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(name) => {
                names.push(SanType::DnsName(Ia5String::try_from(*name)?));
            }
            GeneralName::IPAddress(bytes) => {
                if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                    names.push(SanType::IpAddress(core::net::IpAddr::from(four)));
                } else if let Ok(sixteen) = <[u8; 16]>::try_from(*bytes) {
                    names.push(SanType::IpAddress(core::net::IpAddr::from(sixteen)));
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

fn purposes(old: &X509Certificate<'_>) -> Vec<ExtendedKeyUsagePurpose> {
    let Ok(Some(usage)) = old.extended_key_usage() else {
        return Vec::new();
    };
    let mut purposes = Vec::new();
    if usage.value.server_auth {
        purposes.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if usage.value.client_auth {
        purposes.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    purposes
}

/// Issues `old` anew: same subject, names and purposes, a new key, signed by the authority.
///
/// # Errors
/// A text that is no certificate or no key.
pub fn reissue(
    old: &str,
    authority_cert: &str,
    authority_key: &str,
    valid: Validity,
) -> Result<Pair, CertificateError> {
    let bytes = der(old, "the old one")?;
    let (_, old) = X509Certificate::from_der(&bytes)
        .map_err(|error| CertificateError::Unreadable("the old one", error.to_string()))?;
    let mut params = CertificateParams::default();
    params.not_before = time(valid.from)?;
    params.not_after = time(valid.until)?;
    params.distinguished_name = subject(&old);
    params.subject_alt_names = alternative_names(&old)?;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = purposes(&old);
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let issuer = Issuer::from_ca_cert_pem(authority_cert, KeyPair::from_pem(authority_key)?)?;
    let cert = params.signed_by(&key, &issuer)?;
    Ok(Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}

/// Makes another authority of the same name as that of `cert`, which nobody trusts.
///
/// # Errors
/// A text that is no certificate.
pub fn impostor(cert: &str, valid: Validity) -> Result<Pair, CertificateError> {
    let bytes = der(cert, "the authority's")?;
    let (_, old) = X509Certificate::from_der(&bytes)
        .map_err(|error| CertificateError::Unreadable("the authority's", error.to_string()))?;
    let mut params = CertificateParams::default();
    params.not_before = time(valid.from)?;
    params.not_after = time(valid.until)?;
    params.distinguished_name = subject(&old);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    Ok(Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Validity = Validity {
        from: 1_700_000_000,
        until: 4_000_000_000,
    };

    fn authority() -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "etcd-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }

    fn leaf(authority: &Pair) -> String {
        let mut params = CertificateParams::new(vec!["node".into(), "10.0.0.1".into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "node");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let issuer =
            Issuer::from_ca_cert_pem(&authority.cert, KeyPair::from_pem(&authority.key).unwrap())
                .unwrap();
        params
            .signed_by(&KeyPair::generate().unwrap(), &issuer)
            .unwrap()
            .pem()
    }

    #[test]
    fn a_reissued_certificate_says_what_the_old_one_said() {
        let authority = authority();
        let old = leaf(&authority);
        let new = reissue(&old, &authority.cert, &authority.key, LONG).unwrap();
        let (old, new) = (der(&old, "").unwrap(), der(&new.cert, "").unwrap());
        let (_, old) = X509Certificate::from_der(&old).unwrap();
        let (_, new) = X509Certificate::from_der(&new).unwrap();
        assert_eq!(old.subject(), new.subject());
        assert_eq!(
            old.subject_alternative_name().unwrap().unwrap().value,
            new.subject_alternative_name().unwrap().unwrap().value
        );
        assert_eq!(
            old.extended_key_usage().unwrap().unwrap().value,
            new.extended_key_usage().unwrap().unwrap().value
        );
        assert_eq!(new.validity().not_after.timestamp(), LONG.until);
        assert_ne!(old.public_key().raw, new.public_key().raw);
    }

    #[test]
    fn an_impostor_has_the_name_and_another_key() {
        let authority = authority();
        let other = impostor(&authority.cert, LONG).unwrap();
        let (own, other) = (
            der(&authority.cert, "").unwrap(),
            der(&other.cert, "").unwrap(),
        );
        let (_, own) = X509Certificate::from_der(&own).unwrap();
        let (_, other) = X509Certificate::from_der(&other).unwrap();
        assert_eq!(own.subject(), other.subject());
        assert!(other.verify_signature(Some(own.public_key())).is_err());
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        let authority = authority();
        let error = reissue("nonsense", &authority.cert, &authority.key, LONG).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the old one is no certificate")
        );
    }
}
