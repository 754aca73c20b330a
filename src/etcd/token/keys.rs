//! Keys of JSON web tokens, as PEM files hold them (`server/auth/options.go`).

use ring::{
    hmac,
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey},
};
use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

const MISSING: &str = "auth: missing key data";
const MISMATCH: &str = "auth: public and private keys don't match";
const VERIFY_ONLY: &str = "auth: token signing attempted with verify-only key";

/// DER of `ecPublicKey` and of the two curves, as the algorithm of a PKCS#8 key.
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
const P384: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];

/// What a signing method signs with.
pub(super) enum Family {
    Hmac(hmac::Algorithm),
    Rsa(
        &'static dyn signature::RsaEncoding,
        &'static signature::RsaParameters,
    ),
    Ecdsa(
        &'static signature::EcdsaSigningAlgorithm,
        &'static signature::EcdsaVerificationAlgorithm,
        &'static [u8],
    ),
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
            "ES256" => Self::Ecdsa(
                &s::ECDSA_P256_SHA256_FIXED_SIGNING,
                &s::ECDSA_P256_SHA256_FIXED,
                P256,
            ),
            "ES384" => Self::Ecdsa(
                &s::ECDSA_P384_SHA384_FIXED_SIGNING,
                &s::ECDSA_P384_SHA384_FIXED,
                P384,
            ),
            "ES512" => Self::Unsupported(
                "sign-method=ES512 is not supported by this server: it has no curve P-521; use ES384",
            ),
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
        private: Option<RsaKeyPair>,
        /// PKCS#1.
        public: Vec<u8>,
        encoding: &'static dyn signature::RsaEncoding,
        parameters: &'static signature::RsaParameters,
    },
    Ecdsa {
        private: Option<EcdsaKeyPair>,
        /// An uncompressed point.
        public: Vec<u8>,
        algorithm: &'static signature::EcdsaVerificationAlgorithm,
    },
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
                let public = halves(of_private, given(public).map(public_key).transpose()?)?;
                Ok(Self::Rsa {
                    private,
                    public,
                    encoding,
                    parameters,
                })
            }
            Family::Ecdsa(signing, algorithm, curve) => {
                let private = given(private)
                    .map(|pem| ecdsa_private(pem, signing, curve))
                    .transpose()?;
                let of_private = private
                    .as_ref()
                    .map(|key| key.public_key().as_ref().to_vec());
                let public = halves(of_private, given(public).map(public_key).transpose()?)?;
                Ok(Self::Ecdsa {
                    private,
                    public,
                    algorithm,
                })
            }
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |_| "auth: the token could not be signed".to_owned();
        let random = SystemRandom::new();
        match self {
            Self::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Self::Rsa {
                private: Some(key),
                encoding,
                ..
            } => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Self::Ecdsa {
                private: Some(key), ..
            } => {
                let signature = key.sign(&random, message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::Rsa { private: None, .. } | Self::Ecdsa { private: None, .. } => {
                Err(VERIFY_ONLY.into())
            }
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
            Self::Ecdsa {
                public, algorithm, ..
            } => UnparsedPublicKey::new(*algorithm, public)
                .verify(message, signature)
                .is_ok(),
        }
    }
}

fn given(pem: &[u8]) -> Option<&[u8]> {
    (!pem.is_empty()).then_some(pem)
}

/// The public half to check with: both must be the same if both are given.
fn halves(of_private: Option<Vec<u8>>, public: Option<Vec<u8>>) -> Result<Vec<u8>, String> {
    match (of_private, public) {
        (Some(one), Some(other)) if one != other => Err(MISMATCH.into()),
        (Some(public), _) | (None, Some(public)) => Ok(public),
        (None, None) => Err(MISSING.into()),
    }
}

/// The first section of a PEM file that is of one of the kinds.
fn section(pem: &[u8], kinds: &[SectionKind]) -> Result<(SectionKind, Vec<u8>), String> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .find(|(kind, _)| kinds.contains(kind))
        .ok_or_else(|| "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key".to_owned())
}

fn rsa_private(pem: &[u8]) -> Result<RsaKeyPair, String> {
    let kinds = [SectionKind::RsaPrivateKey, SectionKind::PrivateKey];
    let (kind, der) = section(pem, &kinds)?;
    let key = match kind {
        SectionKind::RsaPrivateKey => RsaKeyPair::from_der(&der),
        _ => RsaKeyPair::from_pkcs8(&der),
    };
    key.map_err(|error| format!("the RSA private key can't be used: {error}"))
}

fn ecdsa_private(
    pem: &[u8],
    algorithm: &'static signature::EcdsaSigningAlgorithm,
    curve: &[u8],
) -> Result<EcdsaKeyPair, String> {
    let kinds = [SectionKind::EcPrivateKey, SectionKind::PrivateKey];
    let (kind, der) = section(pem, &kinds)?;
    let der = match kind {
        SectionKind::EcPrivateKey => to_pkcs8(&der, curve),
        _ => der,
    };
    EcdsaKeyPair::from_pkcs8(algorithm, &der, &SystemRandom::new())
        .map_err(|error| format!("the EC private key can't be used: {error}"))
}

/// Wraps a key of SEC 1, which is what `openssl ecparam -genkey` writes.
fn to_pkcs8(sec1: &[u8], curve: &[u8]) -> Vec<u8> {
    let version = [0x02, 0x01, 0x00];
    let body = [&version[..], curve, &tagged(0x04, sec1)].concat();
    tagged(0x30, &body)
}

/// DER: a tag, the length, the contents.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(contents);
    out
}

/// The key in a public key file, which may be a certificate: PKCS#1, or a point.
fn public_key(pem: &[u8]) -> Result<Vec<u8>, String> {
    let kinds = [SectionKind::PublicKey, SectionKind::Certificate];
    let (kind, der) = section(pem, &kinds)?;
    let unreadable =
        |error: &dyn std::fmt::Display| format!("the public key can't be read: {error}");
    match kind {
        SectionKind::Certificate => X509Certificate::from_der(&der)
            .map(|(_, certificate)| certificate.public_key().subject_public_key.data.to_vec())
            .map_err(|error| unreadable(&error)),
        _ => SubjectPublicKeyInfo::from_der(&der)
            .map(|(_, info)| info.subject_public_key.data.to_vec())
            .map_err(|error| unreadable(&error)),
    }
}
