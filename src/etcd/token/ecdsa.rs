//! Keys on the curves of NIST. P-256 and P-384 are ring's; P-521, which ring has not, is
//! RustCrypto's.

use p521::ecdsa::{
    Signature, SigningKey, VerifyingKey,
    signature::{Signer as _, Verifier as _},
};
use p521::pkcs8::DecodePrivateKey as _;
use ring::{
    rand::SystemRandom,
    signature::{self as s, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey},
};
use rustls_pki_types::pem::SectionKind;
use x509_parser::{
    oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521},
    x509::SubjectPublicKeyInfo,
};

use super::keys::{NOT_SIGNED, VERIFY_ONLY, given, halves, public_key, section};

/// golang-jwt's words.
const NOT_PRIVATE: &str = "key is not a valid ECDSA private key";
const NOT_PUBLIC: &str = "key is not a valid ECDSA public key";
const OTHER_CURVE: &str = "key is invalid";

/// DER of `ecPublicKey` with a curve, as the algorithm of a PKCS#8 key.
const P256_ALGORITHM: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
const P384_ALGORITHM: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];

/// Each goes with one hash: ES256, ES384, ES512.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

enum Private {
    Ring(Box<EcdsaKeyPair>),
    P521(Box<SigningKey>),
}

/// A key and the curve that its signing method asks for, which may be another: the
/// reference starts with such a key and can do nothing with it (golang-jwt 4.4.2,
/// `ecdsa.go`).
pub(super) struct Key {
    wanted: Curve,
    curve: Curve,
    private: Option<Private>,
    /// An uncompressed point.
    public: Vec<u8>,
}

impl Key {
    /// From the contents of the key files; empty for a file that was not named.
    pub(super) fn new(wanted: Curve, public: &[u8], private: &[u8]) -> Result<Self, String> {
        let private = given(private).map(read_private).transpose()?;
        let public = given(public).map(read_public).transpose()?;
        let of_private = private.as_ref().map(|(curve, key)| (*curve, key.public()));
        let (curve, public) = halves(of_private, public)?;
        Ok(Self {
            wanted,
            curve,
            private: private.map(|(_, key)| key),
            public,
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match &self.private {
            None => Err(VERIFY_ONLY.into()),
            Some(_) if self.curve != self.wanted => Err(OTHER_CURVE.into()),
            Some(Private::Ring(key)) => key
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| NOT_SIGNED.into()),
            Some(Private::P521(key)) => {
                let signed: Result<Signature, _> = key.try_sign(message);
                signed
                    .map(|signature| signature.to_bytes().to_vec())
                    .map_err(|_| NOT_SIGNED.into())
            }
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let ring = |algorithm| {
            UnparsedPublicKey::new(algorithm, &self.public)
                .verify(message, signature)
                .is_ok()
        };
        self.curve == self.wanted
            && match self.curve {
                Curve::P256 => ring(&s::ECDSA_P256_SHA256_FIXED),
                Curve::P384 => ring(&s::ECDSA_P384_SHA384_FIXED),
                Curve::P521 => verify_p521(&self.public, message, signature).is_ok(),
            }
    }
}

fn verify_p521(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), p521::ecdsa::Error> {
    VerifyingKey::from_sec1_bytes(public)?.verify(message, &Signature::from_slice(signature)?)
}

impl Private {
    /// An uncompressed point.
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Ring(key) => key.public_key().as_ref().to_vec(),
            Self::P521(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
        }
    }
}

/// A private key, of SEC 1 or of PKCS#8, with its curve: the one that can read it.
fn read_private(pem: &[u8]) -> Result<(Curve, Private), String> {
    let kinds = [SectionKind::EcPrivateKey, SectionKind::PrivateKey];
    let (kind, der) = section(pem, &kinds)?;
    let sec1 = kind == SectionKind::EcPrivateKey;
    let ring = |curve, signing, algorithm| {
        let wrapped = if sec1 {
            to_pkcs8(&der, algorithm)
        } else {
            der.clone()
        };
        let key = EcdsaKeyPair::from_pkcs8(signing, &wrapped, &SystemRandom::new()).ok()?;
        Some((curve, Private::Ring(Box::new(key))))
    };
    let p521 = || {
        let key = match sec1 {
            true => p521::SecretKey::from_sec1_der(&der).ok()?,
            false => p521::SecretKey::from_pkcs8_der(&der).ok()?,
        };
        Some((Curve::P521, Private::P521(Box::new(key.into()))))
    };
    ring(
        Curve::P256,
        &s::ECDSA_P256_SHA256_FIXED_SIGNING,
        P256_ALGORITHM,
    )
    .or_else(|| {
        ring(
            Curve::P384,
            &s::ECDSA_P384_SHA384_FIXED_SIGNING,
            P384_ALGORITHM,
        )
    })
    .or_else(p521)
    .ok_or_else(|| NOT_PRIVATE.to_owned())
}

fn read_public(pem: &[u8]) -> Result<(Curve, Vec<u8>), String> {
    let read = |info: &SubjectPublicKeyInfo<'_>| {
        let algorithm = &info.algorithm;
        let oid = algorithm.parameters.as_ref()?.as_oid().ok()?;
        let curves = [
            (OID_EC_P256, Curve::P256),
            (OID_NIST_EC_P384, Curve::P384),
            (OID_NIST_EC_P521, Curve::P521),
        ];
        let (_, curve) = curves.into_iter().find(|(known, _)| *known == oid)?;
        (algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY)
            .then(|| (curve, info.subject_public_key.data.to_vec()))
    };
    public_key(pem, read)?.ok_or_else(|| NOT_PUBLIC.to_owned())
}

/// Wraps a key of SEC 1, which is what `openssl ecparam -genkey` writes.
fn to_pkcs8(sec1: &[u8], algorithm: &[u8]) -> Vec<u8> {
    let version = [0x02, 0x01, 0x00];
    let body = [&version[..], algorithm, &tagged(0x04, sec1)].concat();
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

#[cfg(test)]
mod tests {
    use super::*;

    use base64::{Engine, engine::general_purpose::STANDARD};

    fn pem(label: &str, der: &[u8]) -> Vec<u8> {
        let body = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").into_bytes()
    }

    fn unhex(text: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("two digits");
        (0..text.len()).step_by(2).map(byte).collect()
    }

    /// The private key of RFC 6979, A.2.7, as SEC 1 has it.
    fn key_of_the_rfc() -> Vec<u8> {
        let secret = unhex(
            "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c7085\
             5836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538",
        );
        let curve = tagged(0xa0, &tagged(0x06, &[0x2b, 0x81, 0x04, 0x00, 0x23]));
        let body = [&[2, 1, 1][..], &tagged(0x04, &secret), &curve].concat();
        pem("EC PRIVATE KEY", &tagged(0x30, &body))
    }

    #[test]
    fn es512_signs_as_the_rfc_says() {
        let key = Key::new(Curve::P521, b"", &key_of_the_rfc()).expect("a key");
        let expected = unhex(
            "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450\
             606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa\
             00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723\
             d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a",
        );
        let signature = key.sign(b"sample").expect("a signature");
        assert_eq!(signature, expected);
        assert!(key.verify(b"sample", &signature));
        assert!(!key.verify(b"simple", &signature));
        assert!(!key.verify(b"sample", &signature[1..]));
        assert!(!key.verify(b"sample", &[0; 132]));
        assert!(!key.verify(b"sample", &[]));
    }

    #[test]
    fn a_key_of_another_curve_is_read_and_of_no_use() {
        let made = |algorithm| rcgen::KeyPair::generate_for(algorithm).expect("a key");
        let (p256, p384) = (
            made(&rcgen::PKCS_ECDSA_P256_SHA256),
            made(&rcgen::PKCS_ECDSA_P384_SHA384),
        );
        let keys = [
            (Curve::P256, p256.serialize_pem().into_bytes()),
            (Curve::P384, p384.serialize_pem().into_bytes()),
            (Curve::P521, key_of_the_rfc()),
        ];
        for (curve, pem) in &keys {
            let fit = Key::new(*curve, b"", pem).expect("a key");
            let signature = fit.sign(b"sample").expect("a signature");
            assert!(fit.verify(b"sample", &signature));
            for wanted in [Curve::P256, Curve::P384, Curve::P521] {
                if wanted != *curve {
                    let key = Key::new(wanted, b"", pem).expect("a key");
                    assert_eq!(key.sign(b"sample"), Err(OTHER_CURVE.into()));
                    assert!(!key.verify(b"sample", &signature));
                }
            }
        }
        let public = p256.public_key_pem();
        let other = Key::new(Curve::P384, public.as_bytes(), &keys[1].1);
        assert!(other.is_err_and(|error| error.contains("don't match")));
        let checks = Key::new(Curve::P256, public.as_bytes(), b"").expect("a key");
        assert_eq!(checks.sign(b"sample"), Err(VERIFY_ONLY.into()));
    }

    #[test]
    fn what_is_no_key_is_told() {
        let error = |public: &[u8], private: &[u8]| {
            Key::new(Curve::P521, public, private)
                .map(drop)
                .unwrap_err()
        };
        let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        assert_eq!(error(b"", ed25519.serialize_pem().as_bytes()), NOT_PRIVATE);
        assert_eq!(error(b"", &pem("EC PRIVATE KEY", b"no DER")), NOT_PRIVATE);
        assert_eq!(error(ed25519.public_key_pem().as_bytes(), b""), NOT_PUBLIC);
        assert!(error(b"", b"no PEM").contains("must be a PEM"));
    }
}
