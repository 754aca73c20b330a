//! Service-account tokens: JSON web tokens signed with the service-account key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::authn::User;

/// A public key that tokens are checked with.
#[derive(Debug, Clone)]
struct PublicKey {
    /// The key bits of its SubjectPublicKeyInfo.
    bits: Vec<u8>,
}

/// Answers whether the object behind a token still lives: namespace, service
/// account, its uid, the bound Pod.
pub type Alive = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// Makes and checks tokens.
#[derive(Clone, Default)]
pub struct Tokens {
    signer: Option<(Arc<dyn SigningKey>, String)>,
    keys: Vec<PublicKey>,
    issuers: Vec<String>,
    /// Audiences of the API server itself.
    pub audiences: Vec<String>,
    alive: Option<Alive>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

fn public_key(spki: &[u8]) -> Option<PublicKey> {
    let (_, parsed) = SubjectPublicKeyInfo::from_der(spki).ok()?;
    Some(PublicKey {
        bits: parsed.subject_public_key.data.to_vec(),
    })
}

fn key_id(spki: &[u8]) -> String {
    B64.encode(Sha256::digest(spki))
}

impl Tokens {
    /// Reads the keys. `verifying` are PEM texts of public or private keys; `signing`
    /// is the PEM text of the private key.
    pub fn new(
        signing: Option<&[u8]>,
        verifying: &[Vec<u8>],
        issuers: Vec<String>,
        audiences: Vec<String>,
    ) -> Result<Tokens, String> {
        crate::tls::install_provider();
        let private = |pem: &[u8]| -> Result<Arc<dyn SigningKey>, String> {
            let key = PrivateKeyDer::from_pem_slice(pem).map_err(|e| e.to_string())?;
            rustls::crypto::ring::sign::any_supported_type(&key).map_err(|e| e.to_string())
        };
        let mut keys = Vec::new();
        for pem in verifying {
            let spki = match SubjectPublicKeyInfoDer::from_pem_slice(pem) {
                Ok(spki) => spki.to_vec(),
                Err(_) => private(pem)?
                    .public_key()
                    .ok_or("a key without its public part")?
                    .to_vec(),
            };
            keys.push(public_key(&spki).ok_or("not a public key")?);
        }
        let signer = match signing {
            None => None,
            Some(pem) => {
                let key = private(pem)?;
                let spki = key.public_key().ok_or("a key without its public part")?;
                let id = key_id(&spki);
                if keys.is_empty() {
                    keys.extend(public_key(&spki));
                }
                Some((key, id))
            }
        };
        let audiences = if audiences.is_empty() {
            issuers.clone()
        } else {
            audiences
        };
        Ok(Tokens {
            signer,
            keys,
            issuers,
            audiences,
            alive: None,
        })
    }

    /// Adds the check that the account behind a token still exists.
    pub fn with_alive(mut self, alive: Alive) -> Tokens {
        self.alive = Some(alive);
        self
    }

    /// The issuer of new tokens.
    pub fn issuer(&self) -> &str {
        self.issuers.first().map_or("", String::as_str)
    }

    /// Signs claims; none if there is no signing key.
    pub fn sign(&self, claims: &Value) -> Option<String> {
        let (key, id) = self.signer.as_ref()?;
        let schemes = [
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::ECDSA_NISTP256_SHA256,
        ];
        let signer = key.choose_scheme(&schemes)?;
        let elliptic = signer.scheme() == SignatureScheme::ECDSA_NISTP256_SHA256;
        let header = json!({"alg": if elliptic { "ES256" } else { "RS256" }, "kid": id});
        let text = format!(
            "{}.{}",
            B64.encode(header.to_string()),
            B64.encode(claims.to_string())
        );
        let signature = signer.sign(text.as_bytes()).ok()?;
        let signature = if elliptic {
            raw_signature(&signature)?
        } else {
            signature
        };
        Some(format!("{text}.{}", B64.encode(signature)))
    }

    /// The claims of a token with a good signature; nothing else is looked at.
    fn verify(&self, token: &str) -> Option<Value> {
        let mut parts = token.split('.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let text = &token[..header.len() + 1 + claims.len()];
        let header: Value = serde_json::from_slice(&B64.decode(header).ok()?).ok()?;
        let signature = B64.decode(signature).ok()?;
        let (scheme, signature) = match header["alg"].as_str()? {
            "RS256" => (SignatureScheme::RSA_PKCS1_SHA256, signature),
            "ES256" => (
                SignatureScheme::ECDSA_NISTP256_SHA256,
                der_signature(&signature)?,
            ),
            _ => return None,
        };
        let provider = rustls::crypto::ring::default_provider();
        let algorithms = provider
            .signature_verification_algorithms
            .mapping
            .iter()
            .find(|(known, _)| *known == scheme)?
            .1;
        let good = self.keys.iter().any(|key| {
            algorithms.iter().any(|algorithm| {
                algorithm
                    .verify_signature(&key.bits, text.as_bytes(), &signature)
                    .is_ok()
            })
        });
        if !good {
            return None;
        }
        serde_json::from_slice(&B64.decode(claims).ok()?).ok()
    }

    /// The user of a token that is good now.
    pub fn authenticate(&self, token: &str, now: i64) -> Option<User> {
        let claims = self.verify(token)?;
        let text = |path: &str| kube::object::text(&claims, path).to_string();
        let issuer = text("iss");
        if !self.issuers.contains(&issuer) {
            return None;
        }
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        if number("exp").is_some_and(|exp| exp <= now)
            || number("nbf").is_some_and(|nbf| nbf > now + 10)
        {
            return None;
        }
        let audiences: Vec<&str> = match &claims["aud"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !audiences
            .iter()
            .any(|a| self.audiences.iter().any(|b| a == b))
        {
            return None;
        }
        if self.alive.as_ref().is_some_and(|alive| !alive(&claims)) {
            return None;
        }
        let bound = claims.get("kubernetes.io")?;
        let namespace = kube::object::text(bound, "namespace");
        let account = kube::object::text(bound, "serviceaccount.name");
        let mut user = User {
            name: format!("system:serviceaccount:{namespace}:{account}"),
            uid: kube::object::text(bound, "serviceaccount.uid").to_string(),
            groups: vec![
                "system:serviceaccounts".to_string(),
                format!("system:serviceaccounts:{namespace}"),
            ],
            ..User::default()
        };
        let id = text("jti");
        if !id.is_empty() {
            user.extra.insert(
                "authentication.kubernetes.io/credential-id".to_string(),
                vec![format!("JTI={id}")],
            );
        }
        for (kind, key) in [("pod", "pod"), ("node", "node")] {
            for field in ["name", "uid"] {
                let value = kube::object::text(bound, &format!("{kind}.{field}"));
                if !value.is_empty() {
                    user.extra.insert(
                        format!("authentication.kubernetes.io/{key}-{field}"),
                        vec![value.to_string()],
                    );
                }
            }
        }
        Some(user)
    }
}

/// ASN.1 to the two fixed halves of a web token's signature.
fn raw_signature(der: &[u8]) -> Option<Vec<u8>> {
    let body = der.strip_prefix(&[0x30])?;
    let (length, mut rest) = body.split_first()?;
    if usize::from(*length) != rest.len() {
        return None;
    }
    let mut out = Vec::with_capacity(64);
    for _ in 0..2 {
        let tail = rest.strip_prefix(&[0x02])?;
        let (length, tail) = tail.split_first()?;
        let (number, tail) = tail.split_at_checked(usize::from(*length))?;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.extend(std::iter::repeat_n(0, 32usize.checked_sub(number.len())?));
        out.extend_from_slice(number);
        rest = tail;
    }
    Some(out)
}

/// The two fixed halves to ASN.1.
fn der_signature(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() != 64 {
        return None;
    }
    let mut body = Vec::with_capacity(72);
    for half in raw.chunks(32) {
        let start = half.iter().position(|b| *b != 0).unwrap_or(31);
        let number = &half[start..];
        let pad = usize::from(number[0] & 0x80 != 0);
        body.push(0x02);
        body.push((number.len() + pad) as u8);
        body.extend(std::iter::repeat_n(0, pad));
        body.extend_from_slice(number);
    }
    let mut out = vec![0x30, body.len() as u8];
    out.extend(body);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_expires() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let pem = key.serialize_pem();
        let issuer = "https://kubernetes.default.svc.cluster.local".to_string();
        let tokens = Tokens::new(
            Some(pem.as_bytes()),
            &[key.public_key_pem().into_bytes()],
            vec![issuer.clone()],
            Vec::new(),
        )
        .expect("keys");
        let claims = json!({"iss": issuer, "aud": [issuer], "exp": 100,
            "kubernetes.io": {"namespace": "a", "serviceaccount": {"name": "b", "uid": "u"}}});
        let token = tokens.sign(&claims).expect("signs");
        let user = tokens.authenticate(&token, 50).expect("good");
        assert_eq!(user.name, "system:serviceaccount:a:b");
        assert!(tokens.authenticate(&token, 100).is_none());
        let forged = format!("{}x", &token[..token.len() - 1]);
        assert!(tokens.authenticate(&forged, 50).is_none());
    }
}
