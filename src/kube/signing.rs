//! Requests for certificates (PKCS #10) and the certificates that answer them.
//!
//! Reference: `pkg/controller/certificates/signer`, `authority/policies.go` and
//! `pkg/apis/certificates/helpers.go` of Kubernetes 1.32. The certificate is written
//! by hand, field for field: a request may name several organizations, one for each
//! group of the user, and has any kind of key.

use base64::Engine as _;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::error::X509Error;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_X509_SERIALNUMBER;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, parse_x509_pem};

use crate::certificate::Validity;
use crate::object::{condition, text};

/// The signer of users' certificates.
pub const API_CLIENT: &str = "kubernetes.io/kube-apiserver-client";
/// The signer of the certificates that kubelets show to the API server.
pub const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// The signer of the certificates that kubelets serve with.
pub const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";

/// How far a request object has come, as lists and descriptions show it.
#[must_use]
pub fn state(object: &Value) -> String {
    let has = |kind: &str| condition(object, kind).is_some();
    let mut state = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !text(object, "status.certificate").is_empty() {
        state.push_str(",Issued");
    }
    state
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The common name: the user.
    pub common_name: String,
    /// The organizations: the groups.
    pub organizations: Vec<String>,
    /// The subject's serial number, which is hardly ever given.
    pub serial_number: String,
    subject: Vec<u8>,
    public_key: Vec<u8>,
    /// Alternative names by tag, as bytes of their own encoding.
    names: Vec<(u8, Vec<u8>)>,
}

const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const ADDRESS: u8 = 0x87;

impl Request {
    /// Reads a request's PEM text.
    ///
    /// # Errors
    /// Why it is none, in Go's words where the reference has some.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        let wrong = || "PEM block type must be CERTIFICATE REQUEST".to_owned();
        let (_, block) = parse_x509_pem(pem).map_err(|_| wrong())?;
        if block.label != "CERTIFICATE REQUEST" {
            return Err(wrong());
        }
        let (_, request) =
            X509CertificationRequest::from_der(&block.contents).map_err(|e| e.to_string())?;
        // Of a kind of key that is not known here nothing can be said.
        if let Err(X509Error::SignatureVerificationError) = request.verify_signature() {
            return Err(
                "the request is not signed by its own key: verification failure".to_owned(),
            );
        }
        let info = &request.certification_request_info;
        let first = info.subject.iter_common_name().next();
        let mut names = Vec::new();
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(given) = extension {
                names.extend(given.general_names.iter().filter_map(|name| match name {
                    GeneralName::RFC822Name(text) => Some((EMAIL, text.as_bytes().to_vec())),
                    GeneralName::DNSName(text) => Some((DNS, text.as_bytes().to_vec())),
                    GeneralName::URI(text) => Some((URI, text.as_bytes().to_vec())),
                    GeneralName::IPAddress(bytes) => Some((ADDRESS, bytes.to_vec())),
                    _ => None,
                }));
            }
        }
        Ok(Self {
            common_name: first
                .and_then(|part| part.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            organizations: info
                .subject
                .iter_organization()
                .filter_map(|part| part.as_str().ok())
                .map(str::to_owned)
                .collect(),
            serial_number: info
                .subject
                .iter_by_oid(&OID_X509_SERIALNUMBER)
                .next()
                .and_then(|part| part.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            subject: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            names,
        })
    }

    fn has(&self, tag: u8) -> bool {
        self.names.iter().any(|(t, _)| *t == tag)
    }

    /// Whether a signer of the cluster's own signs the request; `Ok(false)` when the
    /// signer is somebody else's.
    ///
    /// # Errors
    /// What the signer objects to.
    pub fn accepted(&self, signer: &str, usages: &[&str]) -> Result<bool, String> {
        match signer {
            API_CLIENT => client_usages(usages)?,
            KUBELET_CLIENT => {
                self.of_a_node()?;
                for (tag, what) in [
                    (DNS, "DNS"),
                    (EMAIL, "Email"),
                    (ADDRESS, "IP"),
                    (URI, "URI"),
                ] {
                    if self.has(tag) {
                        return Err(format!("{what} subjectAltNames are not allowed"));
                    }
                }
                exact_usages(usages, "client auth")?;
            }
            KUBELET_SERVING => {
                self.of_a_node()?;
                if !self.has(DNS) && !self.has(ADDRESS) {
                    return Err("DNS or IP subjectAltName is required".to_owned());
                }
                for (tag, what) in [(EMAIL, "Email"), (URI, "URI")] {
                    if self.has(tag) {
                        return Err(format!("{what} subjectAltNames are not allowed"));
                    }
                }
                exact_usages(usages, "server auth")?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn of_a_node(&self) -> Result<(), String> {
        if self.organizations != ["system:nodes"] {
            return Err("subject organization is not system:nodes".to_owned());
        }
        if !self.common_name.starts_with("system:node:") {
            return Err("subject common name does not begin with system:node: ".to_owned());
        }
        Ok(())
    }
}

fn client_usages(usages: &[&str]) -> Result<(), String> {
    for usage in usages {
        if !matches!(
            *usage,
            "digital signature" | "key encipherment" | "client auth"
        ) {
            return Err(format!("invalid usage for client certificate: {usage}"));
        }
    }
    if usages.contains(&"client auth") {
        Ok(())
    } else {
        Err("missing required usage for client certificate: client auth".to_owned())
    }
}

/// A kubelet's certificate has its purpose and signs, and may encipher keys.
fn exact_usages(usages: &[&str], purpose: &str) -> Result<(), String> {
    let fits = [purpose, "digital signature"]
        .iter()
        .all(|u| usages.contains(u))
        && usages
            .iter()
            .all(|u| [purpose, "digital signature", "key encipherment"].contains(u));
    if fits {
        Ok(())
    } else {
        Err(format!(
            "usages did not match [digital signature {purpose}]"
        ))
    }
}

/// Why a request was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The authority's certificate can't be read.
    #[error("the authority's certificate: {0}")]
    Authority(String),
    /// The authority's key can't be read or does not sign.
    #[error("the authority's key: {0}")]
    Key(#[from] rcgen::Error),
    /// An algorithm that is not known here.
    #[error("the authority's key is of a kind that is not used to sign here")]
    Algorithm,
    /// A usage or a time that no certificate can say.
    #[error("{0}")]
    Content(String),
}

/// Signs a request: its subject, key and alternative names as they are, the usages of
/// the request object. The certificate ends when the authority does, at the latest.
///
/// # Errors
/// The authority's files are no certificate and key; a usage that does not exist.
pub fn issue(
    request: &Request,
    usages: &[&str],
    authority_cert: &str,
    authority_key: &str,
    valid: Validity,
    serial: [u8; 16],
) -> Result<String, SigningError> {
    let unreadable = |e: String| SigningError::Authority(e);
    let (_, block) =
        parse_x509_pem(authority_cert.as_bytes()).map_err(|e| unreadable(e.to_string()))?;
    let (_, authority) =
        X509Certificate::from_der(&block.contents).map_err(|e| unreadable(e.to_string()))?;
    let key = KeyPair::from_pem(authority_key)?;
    let algorithm = algorithm(&key)?;
    let until = valid.until.min(authority.validity().not_after.timestamp());
    let mut number = serial.to_vec();
    // A positive number of full length.
    number[0] = number[0] & 0x7f | 0x40;
    let validity = sequence(&[moment(valid.from)?, moment(until)?].concat());
    let content = [
        tagged(0xa0, &tagged(0x02, &[2])),
        tagged(0x02, &number),
        algorithm.clone(),
        authority.subject().as_raw().to_vec(),
        validity,
        request.subject.clone(),
        request.public_key.clone(),
        tagged(0xa3, &sequence(&extensions(request, usages, &authority)?)),
    ];
    let content = sequence(&content.concat());
    let mut signature = vec![0];
    signature.extend(key.sign(&content)?);
    let whole = sequence(&[content, algorithm, tagged(0x03, &signature)].concat());
    let text = base64::engine::general_purpose::STANDARD.encode(whole);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    Ok(pem)
}

/// A value with its tag and length.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    // The length's bytes without leading zeros.
    let length = content.len().to_be_bytes();
    let bytes: Vec<u8> = length.into_iter().skip_while(|b| *b == 0).collect();
    match bytes[..] {
        [] => out.push(0),
        [short] if short < 0x80 => out.push(short),
        _ => {
            // A length has eight bytes at most.
            out.push(0x80 | (bytes.len() & 0x0f) as u8);
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

fn sequence(content: &[u8]) -> Vec<u8> {
    tagged(0x30, content)
}

fn identifier(bytes: &[u8]) -> Vec<u8> {
    tagged(0x06, bytes)
}

/// The signature's algorithm, for the kinds of keys that authorities have.
fn algorithm(key: &KeyPair) -> Result<Vec<u8>, SigningError> {
    let known: [(_, &[u8], &[u8]); 4] = [
        (
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
            &[],
        ),
        (
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
            &[],
        ),
        (
            &rcgen::PKCS_RSA_SHA256,
            &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11],
            &[5, 0],
        ),
        (&rcgen::PKCS_ED25519, &[0x2b, 0x65, 0x70], &[]),
    ];
    known
        .iter()
        .find(|(known, _, _)| *known == key.algorithm())
        .map(|(_, name, parameters)| sequence(&[identifier(name), parameters.to_vec()].concat()))
        .ok_or(SigningError::Algorithm)
}

/// Up to 2049 a year has two digits.
fn moment(seconds: i64) -> Result<Vec<u8>, SigningError> {
    let t = time::OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|e| SigningError::Content(e.to_string()))?;
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    );
    Ok(if t.year() < 2050 {
        tagged(0x17, format!("{:02}{rest}", t.year() % 100).as_bytes())
    } else {
        tagged(0x18, format!("{:04}{rest}", t.year()).as_bytes())
    })
}

fn extension(last: u8, critical: bool, content: &[u8]) -> Vec<u8> {
    let flag = if critical {
        tagged(0x01, &[0xff])
    } else {
        Vec::new()
    };
    sequence(&[identifier(&[0x55, 0x1d, last]), flag, tagged(0x04, content)].concat())
}

fn extensions(
    request: &Request,
    usages: &[&str],
    authority: &X509Certificate<'_>,
) -> Result<Vec<u8>, SigningError> {
    let (bits, purposes) = usage_bits(usages)?;
    let mut out = Vec::new();
    if bits != 0 {
        // Unused bits at the end are counted, not sent.
        let content = tagged(0x03, &[bits.trailing_zeros() as u8, bits]);
        out.extend(extension(15, true, &content));
    }
    if !purposes.is_empty() {
        let named: Vec<Vec<u8>> = purposes
            .iter()
            .map(|last| identifier(&[0x2b, 6, 1, 5, 5, 7, 3, *last]))
            .collect();
        out.extend(extension(37, false, &sequence(&named.concat())));
    }
    // No authority: an empty sequence, the default.
    out.extend(extension(19, true, &sequence(&[])));
    let own = authority
        .extensions()
        .iter()
        .find_map(|e| match e.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        });
    if let Some(id) = own {
        out.extend(extension(35, false, &sequence(&tagged(0x80, id))));
    }
    if !request.names.is_empty() {
        let names: Vec<Vec<u8>> = request.names.iter().map(|(t, n)| tagged(*t, n)).collect();
        out.extend(extension(17, false, &sequence(&names.concat())));
    }
    Ok(out)
}

/// The bits of `keyUsage` and the purposes of `extKeyUsage`.
fn usage_bits(usages: &[&str]) -> Result<(u8, Vec<u8>), SigningError> {
    let (mut bits, mut purposes) = (0, Vec::new());
    for usage in usages {
        match *usage {
            "signing" | "digital signature" => bits |= 0x80,
            "content commitment" => bits |= 0x40,
            "key encipherment" => bits |= 0x20,
            "data encipherment" => bits |= 0x10,
            "key agreement" => bits |= 0x08,
            "server auth" => purposes.push(1),
            "client auth" => purposes.push(2),
            other => {
                return Err(SigningError::Content(format!(
                    "unrecognized usage values: [{other}]"
                )));
            }
        }
    }
    Ok((bits, purposes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa};

    /// From `openssl req -new` with the subject `/CN=jane/O=dev/O=ops`.
    const TWO_GROUPS: &str = include_str!("signing/two-groups.csr");

    fn authority() -> (String, String) {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "kubernetes");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = time::OffsetDateTime::from_unix_timestamp(2_500_000_000).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_request_over_anothers_key_is_refused() {
        let key = || KeyPair::generate().unwrap();
        let params = CertificateParams::default();
        let (own, other) = (key(), key());
        let request = params.serialize_request(&own).unwrap();
        let signed = request.pem().unwrap();
        assert!(Request::parse(signed.as_bytes()).is_ok());
        let mut der = request.der().to_vec();
        let (mine, others) = (own.public_key_raw(), other.public_key_raw());
        let at = der
            .windows(mine.len())
            .position(|part| part == mine)
            .unwrap();
        der[at..at + mine.len()].copy_from_slice(others);
        let base64 = base64::engine::general_purpose::STANDARD.encode(der);
        let forged = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{base64}\n-----END CERTIFICATE REQUEST-----\n"
        );
        let refused = Request::parse(forged.as_bytes()).unwrap_err();
        assert!(refused.contains("verification failure"), "{refused}");
    }

    #[test]
    fn a_certificate_says_what_the_request_said() {
        let request = Request::parse(TWO_GROUPS.as_bytes()).unwrap();
        assert_eq!(request.common_name, "jane");
        assert_eq!(request.organizations, ["dev", "ops"]);
        let (cert, key) = authority();
        let usages = ["client auth", "digital signature", "key encipherment"];
        assert_eq!(request.accepted(API_CLIENT, &usages), Ok(true));
        let valid = Validity {
            from: 1_700_000_000,
            until: 1_700_086_400,
        };
        let issued = issue(&request, &usages, &cert, &key, valid, [7; 16]).unwrap();
        let (_, issued) = parse_x509_pem(issued.as_bytes()).unwrap();
        let (rest, issued) = X509Certificate::from_der(&issued.contents).unwrap();
        assert!(rest.is_empty());
        let (_, authority) = parse_x509_pem(cert.as_bytes()).unwrap();
        let (_, authority) = X509Certificate::from_der(&authority.contents).unwrap();
        issued
            .verify_signature(Some(authority.public_key()))
            .unwrap();
        assert_eq!(issued.issuer(), authority.subject());
        assert_eq!(issued.subject().as_raw(), request.subject);
        assert_eq!(issued.public_key().raw, request.public_key);
        assert_eq!(issued.validity().not_after.timestamp(), valid.until);
        assert_eq!(issued.version(), x509_parser::x509::X509Version::V3);
        let usage = issued.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
        let purposes = issued.extended_key_usage().unwrap().unwrap().value;
        assert!(purposes.client_auth && !purposes.server_auth);
        assert!(!issued.is_ca());
    }

    #[test]
    fn no_certificate_outlives_its_authority() {
        let request = Request::parse(TWO_GROUPS.as_bytes()).unwrap();
        let (cert, key) = authority();
        let valid = Validity {
            from: 1_700_000_000,
            until: 3_000_000_000,
        };
        let issued = issue(&request, &["client auth"], &cert, &key, valid, [0; 16]).unwrap();
        let (_, issued) = parse_x509_pem(issued.as_bytes()).unwrap();
        let (_, issued) = X509Certificate::from_der(&issued.contents).unwrap();
        assert_eq!(issued.validity().not_after.timestamp(), 2_500_000_000);
    }

    #[test]
    fn signers_look_at_what_they_sign() {
        let request = Request::parse(TWO_GROUPS.as_bytes()).unwrap();
        for (signer, usages, expected) in [
            (API_CLIENT, &["client auth"][..], Ok(true)),
            (
                API_CLIENT,
                &["server auth"],
                Err("invalid usage for client certificate: server auth"),
            ),
            (
                API_CLIENT,
                &["digital signature"],
                Err("missing required usage for client certificate: client auth"),
            ),
            (
                KUBELET_CLIENT,
                &["client auth"],
                Err("subject organization is not system:nodes"),
            ),
            ("example.com/mine", &["client auth"], Ok(false)),
        ] {
            let said = request.accepted(signer, usages);
            assert_eq!(
                said.as_ref().map_err(String::as_str).copied(),
                expected,
                "{signer}"
            );
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let (cert, _) = authority();
        for text in ["", "nonsense", &cert] {
            assert_eq!(
                Request::parse(text.as_bytes()).unwrap_err(),
                "PEM block type must be CERTIFICATE REQUEST"
            );
        }
    }
}
