//! Encryption at rest: `--encryption-provider-config`.
//!
//! Formats as Kubernetes 1.32 has them (`k8s.io/apiserver/pkg/storage/value/encrypt`): a
//! prefix `k8s:enc:<provider>:v1:<key>:`, then
//!
//! - `aescbc`: 16 bytes of IV, AES-CBC with PKCS#7 padding;
//! - `aesgcm`: 12 bytes of nonce, AES-GCM over the value with the etcd key as additional
//!   data, the tag at the end;
//! - `secretbox`: 24 bytes of nonce, XSalsa20-Poly1305, the tag in front.
//!
//! The first provider of a rule writes; all of them read.

use std::path::Path;

use aes_gcm::{
    AesGcm, KeyInit,
    aead::{Aead, Payload, consts::U12},
    aes::{Aes128, Aes192, Aes256},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};
use crypto_secretbox::XSalsa20Poly1305;
use kube::{object, resources};
use serde_json::Value;

/// What every encrypted value begins with.
const MARK: &[u8] = b"k8s:enc:";

/// Why a stored value can't be read, or a new one not be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// In the reference's words.
    #[error("unable to transform key {key:?}: {why}")]
    Transform { key: String, why: &'static str },
    #[error("no randomness: {0}")]
    Random(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cipher {
    AesCbc,
    AesGcm,
    Secretbox,
}

/// One way to keep a value.
#[derive(Clone)]
enum Provider {
    /// As it is.
    Identity,
    Sealed {
        cipher: Cipher,
        /// `k8s:enc:aescbc:v1:key1:`.
        prefix: String,
        secret: Vec<u8>,
    },
}

/// What is kept how.
#[derive(Clone)]
struct Rule {
    /// Beginnings of etcd keys; empty means all.
    prefixes: Vec<String>,
    providers: Vec<Provider>,
}

/// The whole configuration; the first rule that fits a key counts.
#[derive(Clone, Default)]
pub struct Encryption {
    rules: Vec<Rule>,
}

impl Encryption {
    /// Reads an EncryptionConfiguration.
    ///
    /// # Errors
    /// What is wrong with it, with the field's path, as the reference says it.
    pub fn load(path: &Path) -> Result<Self, String> {
        let wrong = |why: String| {
            format!(
                "error opening encryption provider configuration file {:?}: {why}",
                path.display().to_string()
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut documents = kube::yaml::parse_documents(&text).map_err(|e| wrong(e.to_string()))?;
        let config = documents.pop().filter(|_| documents.is_empty());
        let config = config.ok_or_else(|| wrong("expected one document".into()))?;
        Self::parse(&config)
    }

    fn parse(config: &Value) -> Result<Self, String> {
        let (kind, version) = (
            object::text(config, "kind"),
            object::text(config, "apiVersion"),
        );
        if kind != "EncryptionConfiguration" || version != "apiserver.config.k8s.io/v1" {
            return Err(format!(
                "error while parsing encryption provider configuration: no kind \"{kind}\" is \
                 registered for version \"{version}\""
            ));
        }
        let list = object::list(config, "resources");
        if list.is_empty() {
            return Err("resources: Required value: at least one resource is required".into());
        }
        let rules = list
            .iter()
            .enumerate()
            .map(|(at, rule)| read_rule(rule, &format!("resources[{at}]")))
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    fn rule(&self, key: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| {
            rule.prefixes.is_empty() || rule.prefixes.iter().any(|start| key.starts_with(start))
        })
    }

    /// What is stored for `value` at `key`.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn seal(&self, key: &str, value: Vec<u8>) -> Result<Vec<u8>, EncryptionError> {
        match self.rule(key).and_then(|rule| rule.providers.first()) {
            None | Some(Provider::Identity) => Ok(value),
            Some(Provider::Sealed {
                cipher,
                prefix,
                secret,
            }) => {
                let mut nonce = vec![0; cipher.nonce_bytes()];
                getrandom::fill(&mut nonce)
                    .map_err(|error| EncryptionError::Random(error.to_string()))?;
                let sealed = encrypt(*cipher, secret, &nonce, key, &value).ok_or_else(|| {
                    EncryptionError::Transform {
                        key: key.to_owned(),
                        why: "the value can't be encrypted",
                    }
                })?;
                Ok([prefix.as_bytes(), &nonce, &sealed].concat())
            }
        }
    }

    /// The value of what is stored at `key`.
    ///
    /// # Errors
    /// No provider of the configuration can read it.
    pub fn open(&self, key: &str, stored: Bytes) -> Result<Bytes, EncryptionError> {
        let fail = |why| EncryptionError::Transform {
            key: key.to_owned(),
            why,
        };
        let providers = self.rule(key).map_or(&[][..], |rule| &rule.providers);
        if !stored.starts_with(MARK) {
            let plain = providers.is_empty()
                || providers
                    .iter()
                    .any(|one| matches!(one, Provider::Identity));
            return match plain {
                true => Ok(stored),
                false => Err(fail("no matching prefix found")),
            };
        }
        for provider in providers {
            let Provider::Sealed {
                cipher,
                prefix,
                secret,
            } = provider
            else {
                continue;
            };
            let Some(body) = stored.strip_prefix(prefix.as_bytes()) else {
                continue;
            };
            let Some((nonce, sealed)) = body.split_at_checked(cipher.nonce_bytes()) else {
                return Err(fail("the stored data was shorter than the required size"));
            };
            return decrypt(*cipher, secret, nonce, key, sealed)
                .map(Bytes::from)
                .ok_or_else(|| fail("cipher: message authentication failed"));
        }
        Err(fail(match providers.is_empty() {
            true => "identity transformer tried to read encrypted data",
            false => "no matching key was found for the provided transformer",
        }))
    }

    /// Whether what is stored at `key` was written in another way than it would be now.
    pub fn is_stale(&self, key: &str, stored: &[u8]) -> bool {
        match self.rule(key).and_then(|rule| rule.providers.first()) {
            None | Some(Provider::Identity) => stored.starts_with(MARK),
            Some(Provider::Sealed { prefix, .. }) => !stored.starts_with(prefix.as_bytes()),
        }
    }
}

impl Cipher {
    fn nonce_bytes(self) -> usize {
        match self {
            Self::AesCbc => 16,
            Self::AesGcm => 12,
            Self::Secretbox => 24,
        }
    }
}

fn encrypt(
    cipher: Cipher,
    secret: &[u8],
    nonce: &[u8],
    key: &str,
    value: &[u8],
) -> Option<Vec<u8>> {
    match (cipher, secret.len()) {
        (Cipher::AesCbc, 16) => cbc_seal::<Aes128>(secret, nonce, value),
        (Cipher::AesCbc, 24) => cbc_seal::<Aes192>(secret, nonce, value),
        (Cipher::AesCbc, _) => cbc_seal::<Aes256>(secret, nonce, value),
        (Cipher::AesGcm, 16) => aead::<AesGcm<Aes128, U12>>(secret, nonce, key, value, true),
        (Cipher::AesGcm, 24) => aead::<AesGcm<Aes192, U12>>(secret, nonce, key, value, true),
        (Cipher::AesGcm, _) => aead::<AesGcm<Aes256, U12>>(secret, nonce, key, value, true),
        (Cipher::Secretbox, _) => aead::<XSalsa20Poly1305>(secret, nonce, "", value, true),
    }
}

fn decrypt(
    cipher: Cipher,
    secret: &[u8],
    nonce: &[u8],
    key: &str,
    sealed: &[u8],
) -> Option<Vec<u8>> {
    match (cipher, secret.len()) {
        (Cipher::AesCbc, 16) => cbc_open::<Aes128>(secret, nonce, sealed),
        (Cipher::AesCbc, 24) => cbc_open::<Aes192>(secret, nonce, sealed),
        (Cipher::AesCbc, _) => cbc_open::<Aes256>(secret, nonce, sealed),
        (Cipher::AesGcm, 16) => aead::<AesGcm<Aes128, U12>>(secret, nonce, key, sealed, false),
        (Cipher::AesGcm, 24) => aead::<AesGcm<Aes192, U12>>(secret, nonce, key, sealed, false),
        (Cipher::AesGcm, _) => aead::<AesGcm<Aes256, U12>>(secret, nonce, key, sealed, false),
        (Cipher::Secretbox, _) => aead::<XSalsa20Poly1305>(secret, nonce, "", sealed, false),
    }
}

fn cbc_seal<C>(secret: &[u8], iv: &[u8], value: &[u8]) -> Option<Vec<u8>>
where
    C: cbc::cipher::BlockEncryptMut + cbc::cipher::BlockCipher + KeyInit,
{
    let sealer = cbc::Encryptor::<C>::new_from_slices(secret, iv).ok()?;
    Some(sealer.encrypt_padded_vec_mut::<Pkcs7>(value))
}

fn cbc_open<C>(secret: &[u8], iv: &[u8], sealed: &[u8]) -> Option<Vec<u8>>
where
    C: cbc::cipher::BlockDecryptMut + cbc::cipher::BlockCipher + KeyInit,
{
    let opener = cbc::Decryptor::<C>::new_from_slices(secret, iv).ok()?;
    opener.decrypt_padded_vec_mut::<Pkcs7>(sealed).ok()
}

fn aead<A: Aead + KeyInit>(
    secret: &[u8],
    nonce: &[u8],
    additional: &str,
    message: &[u8],
    seal: bool,
) -> Option<Vec<u8>> {
    let cipher = A::new_from_slice(secret).ok()?;
    let nonce = aes_gcm::aead::Nonce::<A>::from_slice(nonce);
    let payload = Payload {
        msg: message,
        aad: additional.as_bytes(),
    };
    match seal {
        true => cipher.encrypt(nonce, payload).ok(),
        false => cipher.decrypt(nonce, payload).ok(),
    }
}

fn read_rule(rule: &Value, path: &str) -> Result<Rule, String> {
    let names = object::list(rule, "resources");
    if names.is_empty() {
        return Err(format!("{path}.resources: Required value"));
    }
    let mut prefixes = Vec::new();
    let mut all = false;
    for (at, name) in names.iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        let invalid = |why: &str| {
            Err(format!(
                "{path}.resources[{at}]: Invalid value: {name:?}: {why}"
            ))
        };
        if name.chars().any(char::is_uppercase) {
            return invalid("resource name should not have capital letters");
        }
        if name == "*" {
            return invalid(
                "use '*.' to encrypt all the resources from core API group or *.* to encrypt all \
                 resources",
            );
        }
        match prefixes_of(name) {
            None => all = true,
            Some(found) => prefixes.extend(found),
        }
    }
    if all {
        prefixes.clear();
    }
    let listed = object::list(rule, "providers");
    if listed.is_empty() {
        return Err(format!("{path}.providers: Required value"));
    }
    let mut providers = Vec::new();
    for (at, provider) in listed.iter().enumerate() {
        read_provider(provider, &format!("{path}.providers[{at}]"), &mut providers)?;
    }
    Ok(Rule {
        prefixes,
        providers,
    })
}

/// The beginnings of the etcd keys of a resource, `secrets`, `deployments.apps`, `*.apps`
/// or, for the core group, `*.`; `None` for `*.*`. As in the reference a resource need not be
/// there: then it is where nothing is.
fn prefixes_of(name: &str) -> Option<Vec<String>> {
    if name == "*.*" {
        return None;
    }
    let (plural, group) = name.split_once('.').unwrap_or((name, ""));
    let mut found: Vec<String> = resources::RESOURCES
        .iter()
        .filter(|one| !one.prefix.is_empty() && one.group == group)
        .filter(|one| plural == "*" || one.plural == plural)
        .map(|one| one.key_prefix(""))
        .collect();
    if found.is_empty() {
        found.push(format!("/registry/{group}/{plural}/"));
    }
    Some(found)
}

fn read_provider(provider: &Value, path: &str, into: &mut Vec<Provider>) -> Result<(), String> {
    let map = provider.as_object().filter(|map| map.len() == 1);
    let Some((kind, body)) = map.and_then(|map| map.iter().next()) else {
        return Err(format!(
            "{path}: Invalid value: provider does not contain any of the expected providers: KMS, \
             AESGCM, AESCBC, Secretbox, Identity"
        ));
    };
    let cipher = match kind.as_str() {
        "identity" => {
            into.push(Provider::Identity);
            return Ok(());
        }
        "aescbc" => Cipher::AesCbc,
        "aesgcm" => Cipher::AesGcm,
        "secretbox" => Cipher::Secretbox,
        "kms" => {
            return Err(format!(
                "{path}.kms: is not supported here: there is no key service to ask"
            ));
        }
        other => return Err(format!("{path}: unknown provider {other:?}")),
    };
    let keys = object::list(body, "keys");
    if keys.is_empty() {
        return Err(format!(
            "{path}.{kind}.keys: Required value: at least one key is required"
        ));
    }
    for (at, key) in keys.iter().enumerate() {
        let path = format!("{path}.{kind}.keys[{at}]");
        let name = object::text(key, "name");
        if name.is_empty() {
            return Err(format!(
                "{path}.name: Required value: secret key name must be provided"
            ));
        }
        if name.contains(':') {
            return Err(format!(
                "{path}.name: Invalid value: {name:?}: must not contain a colon"
            ));
        }
        let secret = STANDARD.decode(object::text(key, "secret")).map_err(|_| {
            format!("{path}.secret: Invalid value: \"REDACTED\": secret must be base64 encoded")
        })?;
        let sizes: &[usize] = match cipher {
            Cipher::Secretbox => &[32],
            _ => &[16, 24, 32],
        };
        if !sizes.contains(&secret.len()) {
            return Err(format!(
                "{path}.secret: Invalid value: \"REDACTED\": secret is not of the expected length, \
                 got {}, expected one of {sizes:?}",
                secret.len()
            ));
        }
        into.push(Provider::Sealed {
            cipher,
            prefix: format!("k8s:enc:{kind}:v1:{name}:"),
            secret,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "/registry/secrets/default/db";

    fn config(providers: &Value) -> Encryption {
        Encryption::parse(&json!({
            "kind": "EncryptionConfiguration",
            "apiVersion": "apiserver.config.k8s.io/v1",
            "resources": [{"resources": ["secrets"], "providers": providers}],
        }))
        .unwrap()
    }

    fn keys(kind: &str, name: &str, byte: u8, length: usize) -> Value {
        let secret = STANDARD.encode(vec![byte; length]);
        json!({kind: {"keys": [{"name": name, "secret": secret}]}})
    }

    #[test]
    fn what_is_sealed_opens_and_is_marked() {
        for (kind, length) in [
            ("aescbc", 16),
            ("aescbc", 24),
            ("aescbc", 32),
            ("aesgcm", 16),
            ("aesgcm", 24),
            ("aesgcm", 32),
            ("secretbox", 32),
        ] {
            let own = config(&json!([keys(kind, "key1", 7, length), {"identity": {}}]));
            for value in [&b""[..], b"{}", &[b'x'; 1000]] {
                let sealed = own.seal(KEY, value.to_vec()).unwrap();
                let prefix = format!("k8s:enc:{kind}:v1:key1:");
                assert!(sealed.starts_with(prefix.as_bytes()));
                assert!(!own.is_stale(KEY, &sealed));
                assert_eq!(own.open(KEY, sealed.into()).unwrap(), value);
            }
            // Another key of that name, and an end that is missing.
            let other = config(&json!([keys(kind, "key1", 8, length)]));
            let sealed = own.seal(KEY, b"{\"a\":1}".to_vec()).unwrap();
            assert_ne!(
                other.open(KEY, sealed.clone().into()).ok(),
                Some(Bytes::from_static(b"{\"a\":1}"))
            );
            assert!(own.open(KEY, sealed[..30].to_vec().into()).is_err());
        }
    }

    #[test]
    fn aesgcm_binds_a_value_to_its_key() {
        let own = config(&json!([keys("aesgcm", "key1", 7, 32)]));
        let sealed = own.seal(KEY, b"x".to_vec()).unwrap();
        assert!(
            own.open("/registry/secrets/default/other", sealed.into())
                .is_err()
        );
    }

    /// Made by openssl: `printf '{"kind":"Secret"}' | openssl enc -aes-256-cbc -K 07…07
    /// -iv 01…01`.
    #[test]
    fn aescbc_is_what_openssl_makes_of_it() {
        let own = config(&json!([keys("aescbc", "key1", 7, 32)]));
        let sealed = encrypt(
            Cipher::AesCbc,
            &[7; 32],
            &[1; 16],
            KEY,
            b"{\"kind\":\"Secret\"}",
        )
        .unwrap();
        let stored = [b"k8s:enc:aescbc:v1:key1:".as_slice(), &[1; 16], &sealed].concat();
        assert_eq!(
            own.open(KEY, stored.into()).unwrap(),
            "{\"kind\":\"Secret\"}"
        );
        let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, OPENSSL);
    }

    const OPENSSL: &str = "7c264f617787e656daeb37af3ede9f152ee1fe940990e271827b393e93c5196b";

    #[test]
    fn providers_are_tried_in_order_and_old_ways_are_stale() {
        let old = config(&json!([keys("aescbc", "old", 1, 32)]));
        let new = config(&json!([
            keys("secretbox", "new", 2, 32),
            keys("aescbc", "old", 1, 32),
        ]));
        let sealed = old.seal(KEY, b"v".to_vec()).unwrap();
        assert!(new.is_stale(KEY, &sealed));
        assert_eq!(new.open(KEY, sealed.into()).unwrap(), "v");
        // Plain text is only read with the provider identity.
        let error = new.open(KEY, Bytes::from_static(b"{}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unable to transform key \"/registry/secrets/default/db\": no matching prefix found"
        );
        // Other resources are left alone.
        let other = "/registry/configmaps/default/db";
        assert_eq!(new.seal(other, b"v".to_vec()).unwrap(), b"v");
        assert!(!new.is_stale(other, b"v"));
        // Without a configuration, what is encrypted can't be read.
        let sealed = old.seal(KEY, b"v".to_vec()).unwrap();
        assert!(Encryption::default().open(KEY, sealed.into()).is_err());
    }

    #[test]
    fn mistakes_name_their_place() {
        let parse = |resources: Value, provider: Value| {
            Encryption::parse(&json!({
                "kind": "EncryptionConfiguration",
                "apiVersion": "apiserver.config.k8s.io/v1",
                "resources": [{"resources": resources, "providers": [provider]}],
            }))
            .err()
            .unwrap_or_default()
        };
        for (resources, provider, says) in [
            (
                json!([]),
                json!({"identity": {}}),
                "resources[0].resources: Required",
            ),
            (
                json!(["Secrets"]),
                json!({"identity": {}}),
                "resources[0].resources[0]: Invalid value: \"Secrets\": resource name should not have",
            ),
            (
                json!(["secrets", "*"]),
                json!({"identity": {}}),
                "resources[0].resources[1]: Invalid value: \"*\": use '*.' to encrypt",
            ),
            (
                json!(["secrets"]),
                json!({}),
                "does not contain any of the expected providers",
            ),
            (json!(["secrets"]), json!({"kms": {}}), "no key service"),
            (json!(["secrets"]), keys("aescbc", "k", 1, 10), "got 10"),
            (json!(["secrets"]), keys("secretbox", "k", 1, 16), "got 16"),
            (
                json!(["secrets"]),
                keys("aescbc", "", 1, 16),
                "keys[0].name",
            ),
        ] {
            let error = parse(resources, provider);
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(parse(json!(["*.*"]), json!({"identity": {}})), "");
        // What is not there is where nothing is, and is not taken for everything.
        let absent = json!(["pandas.awesome.bears.example"]);
        assert_eq!(parse(absent, json!({"identity": {}})), "");
        let alone = prefixes_of("pandas.awesome.bears.example");
        let expected = "/registry/awesome.bears.example/pandas/".to_owned();
        assert_eq!(alone, Some(vec![expected]));
    }
}
