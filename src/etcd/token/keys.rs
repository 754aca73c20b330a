//! Keys of JSON web tokens, as PEM files hold them (`server/auth/options.go`).

use ring::{
    hmac,
    rand::SystemRandom,
    signature::{self, RsaKeyPair, UnparsedPublicKey},
};
use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_parser::{
    oid_registry::OID_PKCS1_RSAENCRYPTION,
    prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate},
};

use super::ecdsa::{self, Curve};

const MISSING: &str = "auth: missing key data";
const MISMATCH: &str = "auth: public and private keys don't match";
pub(super) const VERIFY_ONLY: &str = "auth: token signing attempted with verify-only key";
pub(super) const NOT_SIGNED: &str = "auth: the token could not be signed";

/// What a signing method signs with.
pub(super) enum Family {
    Hmac(hmac::Algorithm),
    Rsa(
        &'static dyn signature::RsaEncoding,
        &'static signature::RsaParameters,
    ),
    Ecdsa(Curve),
    /// The reference refuses these; the text is its.
    Unsupported(&'static str),
}

impl Family {
    /// By the name that `sign-method=` has; `None` for one that there is not.
    pub(super) fn of(name: &str) -> Option<Self> {
        use signature as s;
        Some(match name {
            "HS256" => Self::Hmac(hmac::HMAC_SHA256),
            "HS384" => Self::Hmac(hmac::HMAC_SHA384),
            "HS512" => Self::Hmac(hmac::HMAC_SHA512),
            "RS256" => Self::Rsa(&s::RSA_PKCS1_SHA256, &s::RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&s::RSA_PKCS1_SHA384, &s::RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&s::RSA_PKCS1_SHA512, &s::RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa(&s::RSA_PSS_SHA256, &s::RSA_PSS_2048_8192_SHA256),
            "PS384" => Self::Rsa(&s::RSA_PSS_SHA384, &s::RSA_PSS_2048_8192_SHA384),
            "PS512" => Self::Rsa(&s::RSA_PSS_SHA512, &s::RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::Ecdsa(Curve::P256),
            "ES384" => Self::Ecdsa(Curve::P384),
            "ES512" => Self::Ecdsa(Curve::P521),
            "none" => Self::Unsupported("unsupported signing method: *jwt.signingMethodNone"),
            "EdDSA" => Self::Unsupported("unsupported signing method: *jwt.SigningMethodEd25519"),
            _ => return None,
        })
    }
}

/// A key with what it signs; without the private half it only checks.
pub(super) enum Key {
    Hmac(hmac::Key),
    Rsa {
        private: Option<Box<RsaKeyPair>>,
        /// PKCS#1.
        public: Vec<u8>,
        encoding: &'static dyn signature::RsaEncoding,
        parameters: &'static signature::RsaParameters,
    },
    Ecdsa(ecdsa::Key),
}

impl Key {
    /// From the contents of the key files; empty for a file that was not named.
    pub(super) fn new(family: Family, public: &[u8], private: &[u8]) -> Result<Self, String> {
        match family {
            Family::Unsupported(why) => Err(why.into()),
            Family::Hmac(_) if private.is_empty() => Err(MISSING.into()),
            Family::Hmac(algorithm) => Ok(Self::Hmac(hmac::Key::new(algorithm, private))),
            Family::Rsa(encoding, parameters) => {
                let private = given(private).map(rsa_private).transpose()?;
                let of_private = private.as_ref().map(|key| key.public().as_ref().to_vec());
                let public = halves(of_private, given(public).map(rsa_public).transpose()?)?;
                Ok(Self::Rsa {
                    private,
                    public,
                    encoding,
                    parameters,
                })
            }
            Family::Ecdsa(curve) => ecdsa::Key::new(curve, public, private).map(Self::Ecdsa),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Self::Rsa {
                private: Some(key),
                encoding,
                ..
            } => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| NOT_SIGNED)?;
                Ok(signature)
            }
            Self::Rsa { private: None, .. } => Err(VERIFY_ONLY.into()),
            Self::Ecdsa(key) => key.sign(message),
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Rsa {
                public, parameters, ..
            } => UnparsedPublicKey::new(*parameters, public)
                .verify(message, signature)
                .is_ok(),
            Self::Ecdsa(key) => key.verify(message, signature),
        }
    }
}

pub(super) fn given(pem: &[u8]) -> Option<&[u8]> {
    (!pem.is_empty()).then_some(pem)
}

/// The public half to check with: both must be the same if both are given.
pub(super) fn halves<T: PartialEq>(of_private: Option<T>, public: Option<T>) -> Result<T, String> {
    match (of_private, public) {
        (Some(one), Some(other)) if one != other => Err(MISMATCH.into()),
        (Some(public), _) | (None, Some(public)) => Ok(public),
        (None, None) => Err(MISSING.into()),
    }
}

/// The first section of a PEM file that is of one of the kinds.
pub(super) fn section(pem: &[u8], kinds: &[SectionKind]) -> Result<(SectionKind, Vec<u8>), String> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .find(|(kind, _)| kinds.contains(kind))
        .ok_or_else(|| "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key".to_owned())
}

fn rsa_private(pem: &[u8]) -> Result<Box<RsaKeyPair>, String> {
    let kinds = [SectionKind::RsaPrivateKey, SectionKind::PrivateKey];
    let (kind, der) = section(pem, &kinds)?;
    let key = match kind {
        SectionKind::RsaPrivateKey => RsaKeyPair::from_der(&der),
        _ => RsaKeyPair::from_pkcs8(&der),
    };
    key.map(Box::new)
        .map_err(|error| format!("the RSA private key can't be used: {error}"))
}

fn rsa_public(pem: &[u8]) -> Result<Vec<u8>, String> {
    let read = |info: &SubjectPublicKeyInfo<'_>| {
        (info.algorithm.algorithm == OID_PKCS1_RSAENCRYPTION)
            .then(|| info.subject_public_key.data.to_vec())
    };
    public_key(pem, read)?.ok_or_else(|| "key is not a valid RSA public key".to_owned())
}

/// Reads the key in a public key file, which may be a certificate.
pub(super) fn public_key<T>(
    pem: &[u8],
    read: impl Fn(&SubjectPublicKeyInfo<'_>) -> T,
) -> Result<T, String> {
    let kinds = [SectionKind::PublicKey, SectionKind::Certificate];
    let (kind, der) = section(pem, &kinds)?;
    let unreadable =
        |error: &dyn std::fmt::Display| format!("the public key can't be read: {error}");
    match kind {
        SectionKind::Certificate => X509Certificate::from_der(&der)
            .map(|(_, certificate)| read(certificate.public_key()))
            .map_err(|error| unreadable(&error)),
        _ => SubjectPublicKeyInfo::from_der(&der)
            .map(|(_, info)| read(&info))
            .map_err(|error| unreadable(&error)),
    }
}
