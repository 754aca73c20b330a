//! Who is asking: client certificates, service-account tokens, anonymous.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use rustls::DistinguishedName;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::TlsError;
use crate::token::Tokens;

/// An authenticated (or anonymous) user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// E.g. `kubernetes-admin`, `system:serviceaccount:default:default`.
    pub name: String,
    /// Its unique id; empty for most.
    pub uid: String,
    /// E.g. `system:masters`, `system:authenticated`.
    pub groups: Vec<String>,
    /// Further claims.
    pub extra: std::collections::BTreeMap<String, Vec<String>>,
}

impl User {
    /// Nobody in particular.
    pub fn anonymous() -> User {
        User {
            name: "system:anonymous".to_string(),
            groups: vec!["system:unauthenticated".to_string()],
            ..User::default()
        }
    }
    /// As `status.userInfo` of reviews shows it.
    pub fn to_value(&self) -> Value {
        let mut value = json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            value["uid"] = json!(self.uid);
        }
        if !self.extra.is_empty() {
            value["extra"] = json!(self.extra);
        }
        value
    }
}

/// Takes any client certificate during the handshake, as Go's `RequestClientCert`
/// does: an unknown one is answered with 401 and not with a broken connection.
#[derive(Debug)]
pub struct LenientVerifier(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for LenientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// The ways in.
pub struct Authenticator {
    clients: Option<Arc<dyn ClientCertVerifier>>,
    front_proxy: Option<Arc<dyn ClientCertVerifier>>,
    front_proxy_names: Vec<String>,
    /// Service-account tokens.
    pub tokens: Tokens,
    anonymous: bool,
}

/// A verifier of client certificates signed by one of `roots`.
pub fn verifier(
    roots: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    crate::tls::install_provider();
    let store = Arc::new(crate::tls::roots(roots)?);
    WebPkiClientVerifier::builder(store)
        .allow_unauthenticated()
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|e| TlsError::Config(rustls::Error::General(e.to_string())))
}

impl Authenticator {
    /// Puts the ways in together. `front_proxy_names` empty allows any name.
    pub fn new(
        clients: Option<Arc<dyn ClientCertVerifier>>,
        front_proxy: Option<Arc<dyn ClientCertVerifier>>,
        front_proxy_names: Vec<String>,
        tokens: Tokens,
        anonymous: bool,
    ) -> Authenticator {
        Authenticator {
            clients,
            front_proxy,
            front_proxy_names,
            tokens,
            anonymous,
        }
    }

    /// The verifier for the TLS handshake.
    pub fn handshake(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.clients
            .clone()
            .map(|inner| Arc::new(LenientVerifier(inner)) as Arc<dyn ClientCertVerifier>)
    }

    /// The user of a request; none if the credentials are no good.
    pub fn authenticate(
        &self,
        certificates: &[CertificateDer<'static>],
        headers: &HeaderMap,
        now: i64,
    ) -> Option<User> {
        let mut user = None;
        let mut tried = false;
        if let Some((leaf, chain)) = certificates.split_first() {
            let now = UnixTime::since_unix_epoch(Duration::from_secs(now.max(0) as u64));
            if let Some(proxied) = self.proxied(leaf, chain, headers, now) {
                user = Some(proxied);
            } else if let Some(clients) = &self.clients {
                tried = true;
                user = clients
                    .verify_client_cert(leaf, chain, now)
                    .ok()
                    .and_then(|_| subject(leaf));
            }
        }
        let bearer = headers
            .get(http::header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if let (None, Some(token)) = (&user, bearer) {
            tried = true;
            user = self.tokens.authenticate(token.trim(), now);
        }
        match user {
            Some(mut user) => {
                user.groups.push("system:authenticated".to_string());
                Some(user)
            }
            None if !tried && self.anonymous => Some(User::anonymous()),
            None => None,
        }
    }

    /// A user named by a front proxy whose certificate is known.
    fn proxied(
        &self,
        leaf: &CertificateDer<'static>,
        chain: &[CertificateDer<'static>],
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Option<User> {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let name = text("x-remote-user")?;
        self.front_proxy
            .as_ref()?
            .verify_client_cert(leaf, chain, now)
            .ok()?;
        let proxy = subject(leaf)?;
        if !self.front_proxy_names.is_empty() && !self.front_proxy_names.contains(&proxy.name) {
            return None;
        }
        Some(User {
            name: name.to_string(),
            groups: headers
                .get_all("x-remote-group")
                .iter()
                .filter_map(|v| v.to_str().ok())
                .map(str::to_string)
                .collect(),
            ..User::default()
        })
    }
}

/// The user that a certificate's subject names: common name and organizations.
pub fn subject(certificate: &CertificateDer<'_>) -> Option<User> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed
        .subject()
        .iter_common_name()
        .next()?
        .as_str()
        .ok()?
        .to_string();
    let groups = parsed
        .subject()
        .iter_organization()
        .filter_map(|o| o.as_str().ok())
        .map(str::to_string)
        .collect();
    Some(User {
        name,
        groups,
        ..User::default()
    })
}
