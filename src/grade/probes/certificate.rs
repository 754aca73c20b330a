//! Reads a certificate file.

use std::time::{SystemTime, UNIX_EPOCH};

use lab::probes::{Authority, CertificateProbe};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Error};

use super::{Result, Scene};
use crate::verdict::Outcome;

pub fn look(scene: &Scene<'_>, probe: &CertificateProbe) -> Result {
    let place = scene.node.place(&probe.path);
    let text = scene
        .node
        .text(&probe.path)
        .map_err(|outcome| match outcome {
            Ok(found) => Outcome::failed(&place, found, "a certificate"),
            Err(blind) => blind,
        })?;
    let failed = |found: String, expected: &str| Outcome::failed(&place, found, expected);
    let der = CertificateDer::from_pem_slice(text.as_bytes())
        .map_err(|error| failed(format!("no certificate: {error}"), "a certificate"))?;
    let (_, certificate) = X509Certificate::from_der(&der)
        .map_err(|error| failed(format!("a damaged certificate: {error}"), "a certificate"))?;
    signed_as_asked(scene, probe, &place, &certificate)?;
    in_time(probe, &place, &certificate)?;
    let names = names(&certificate);
    if let Some(missing) = probe.names.iter().find(|name| !names.contains(name)) {
        let found = match names.is_empty() {
            true => "a certificate without alternative names".to_owned(),
            false => format!("a certificate for {}", names.join(", ")),
        };
        return Err(failed(found, &format!("one for {missing} as well")));
    }
    let subject = certificate.subject();
    let own = subject
        .iter_common_name()
        .find_map(|name| name.as_str().ok());
    if !probe.common_name.is_empty() && own != Some(probe.common_name.as_str()) {
        let found = format!("a certificate of {subject}");
        return Err(failed(found, &format!("one of CN={}", probe.common_name)));
    }
    if !probe.private_key.is_empty() {
        key_fits(scene, probe, &der)?;
    }
    Ok(Outcome::passed(format!(
        "a certificate of {}, valid until {}",
        certificate.subject(),
        certificate.validity().not_after
    )))
}

fn signed_as_asked(
    scene: &Scene<'_>,
    probe: &CertificateProbe,
    place: &str,
    certificate: &X509Certificate<'_>,
) -> Result<()> {
    let (file, name) = match probe.signed_by {
        Authority::Any => return Ok(()),
        Authority::Etcd => ("etcd-ca.crt", "etcd's authority"),
        Authority::Kubernetes => ("api-ca.crt", "the cluster's authority"),
    };
    let blind = |reason: String| Outcome::could_not_look(place, reason);
    let text = scene
        .certificates
        .get(file)
        .ok_or_else(|| blind(format!("the grader has no {file}")))?;
    let der = CertificateDer::from_pem_slice(text.as_bytes())
        .map_err(|error| blind(error.to_string()))?;
    let (_, authority) =
        X509Certificate::from_der(&der).map_err(|error| blind(error.to_string()))?;
    let expected = format!("signed by {name}");
    match certificate.verify_signature(Some(authority.public_key())) {
        Ok(()) => return Ok(()),
        Err(X509Error::SignatureUnsupportedAlgorithm) => {
            let found = "signed with an algorithm that servers here can't check";
            return Err(Outcome::failed(place, found, expected));
        }
        Err(_) => {}
    }
    let issuer = certificate.issuer();
    let found = match issuer == authority.subject() {
        true => format!("signed by another `{issuer}` than the lab started with"),
        false if issuer == certificate.subject() => "signed by itself".to_owned(),
        false => format!("signed by `{issuer}`"),
    };
    Err(Outcome::failed(place, found, expected))
}

fn in_time(probe: &CertificateProbe, place: &str, certificate: &X509Certificate<'_>) -> Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64);
    let validity = certificate.validity();
    let found = if validity.not_before.timestamp() > now {
        format!("it is valid from {} on only", validity.not_before)
    } else if validity.not_after.timestamp() < now {
        format!("it ran out at {}", validity.not_after)
    } else if validity.not_after.timestamp() < now + i64::from(probe.days) * 86_400 {
        format!("it runs out at {}", validity.not_after)
    } else {
        return Ok(());
    };
    let expected = match probe.days {
        0 => "a certificate that is valid now".to_owned(),
        days => format!("a certificate that is valid for {days} days more"),
    };
    Err(Outcome::failed(place, found, expected))
}

/// Its alternative names, addresses as people write them.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let shown = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(format!("{a}.{b}.{c}.{d}")),
            bytes => <[u8; 16]>::try_from(bytes)
                .ok()
                .map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(shown)
        .collect()
}

/// A key belongs to a certificate if a TLS server could use both.
fn key_fits(
    scene: &Scene<'_>,
    probe: &CertificateProbe,
    certificate: &CertificateDer<'_>,
) -> Result<()> {
    let place = scene.node.place(&probe.private_key);
    let expected = format!("the private key of {}", probe.path);
    let text = scene
        .node
        .text(&probe.private_key)
        .map_err(|outcome| match outcome {
            Ok(found) => Outcome::failed(&place, found, &expected),
            Err(blind) => blind,
        })?;
    let failed = |found: String| Outcome::failed(&place, found, &expected);
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|error| failed(format!("no private key: {error}")))?;
    let provider = rustls::crypto::ring::default_provider();
    let chain = vec![certificate.clone().into_owned()];
    match rustls::sign::CertifiedKey::from_der(chain, key, &provider) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(failed("the key of another certificate".into()))
        }
        Err(error) => Err(failed(format!("a key that can't be used: {error}"))),
    }
}
