//! The certificates of a cluster, with the names, subjects and alternative names
//! that kubeadm 1.32 gives them (kubernetes.io: "PKI certificates and
//! requirements"). Keys are ECDSA P-256 instead of RSA: they are made in
//! microseconds, and every tool on a node takes them.

use std::net::Ipv4Addr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, string::Ia5String,
};
use time::{Duration, OffsetDateTime};

/// A certificate and its key, as PEM text.
#[derive(Debug, Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Client,
    Server,
    /// Both, as etcd's members need it.
    Peer,
}

/// Whom a certificate is made out to.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    /// CN: the user, for the API server.
    pub name: &'a str,
    /// O: the group; empty means none.
    pub group: &'a str,
    pub dns: Vec<String>,
    pub addresses: Vec<Ipv4Addr>,
}

/// A certificate authority.
pub struct Authority {
    pub pair: Pair,
    params: CertificateParams,
}

fn base(now: OffsetDateTime, valid: Duration, subject: &Subject<'_>) -> CertificateParams {
    let mut params = CertificateParams::default();
    // A clock that is a little behind must not reject a certificate made just now.
    params.not_before = now - Duration::minutes(5);
    params.not_after = now + valid;
    params.distinguished_name = DistinguishedName::new();
    if !subject.group.is_empty() {
        params
            .distinguished_name
            .push(DnType::OrganizationName, subject.group);
    }
    params
        .distinguished_name
        .push(DnType::CommonName, subject.name);
    params
}

impl Authority {
    /// Makes an authority that is valid for ten years.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(name: &str, now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        let subject = Subject {
            name,
            dns: vec![name.to_owned()],
            ..Subject::default()
        };
        let mut params = base(now, Duration::days(3650), &subject);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
        ];
        params.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from(name)?)];
        let key = KeyPair::generate()?;
        let cert = params.self_signed(&key)?;
        let pair = Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        };
        Ok(Self { pair, params })
    }

    /// Signs a certificate that is valid for a year.
    ///
    /// # Errors
    /// A name that no certificate can carry.
    pub fn issue(
        &self,
        subject: &Subject<'_>,
        purpose: Use,
        now: OffsetDateTime,
    ) -> Result<Pair, rcgen::Error> {
        let mut params = base(now, Duration::days(365), subject);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = match purpose {
            Use::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Use::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Use::Peer => {
                vec![
                    ExtendedKeyUsagePurpose::ServerAuth,
                    ExtendedKeyUsagePurpose::ClientAuth,
                ]
            }
        };
        for name in &subject.dns {
            params
                .subject_alt_names
                .push(SanType::DnsName(Ia5String::try_from(name.as_str())?));
        }
        for address in &subject.addresses {
            params
                .subject_alt_names
                .push(SanType::IpAddress((*address).into()));
        }
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let issuer_key = KeyPair::from_pem(&self.pair.key)?;
        let issuer = Issuer::from_params(&self.params, issuer_key);
        let cert = params.signed_by(&key, &issuer)?;
        Ok(Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// What all nodes of a cluster share.
pub struct ClusterPki {
    pub kubernetes: Authority,
    pub etcd: Authority,
    pub front_proxy: Authority,
    /// Signs service accounts' tokens.
    pub service_accounts: KeyPair,
    now: OffsetDateTime,
}

impl ClusterPki {
    /// Makes the three authorities and the key for tokens.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        Ok(Self {
            kubernetes: Authority::new("kubernetes", now)?,
            etcd: Authority::new("etcd-ca", now)?,
            front_proxy: Authority::new("front-proxy-ca", now)?,
            service_accounts: KeyPair::generate()?,
            now,
        })
    }

    /// The files below `/etc/kubernetes/pki` of the control plane `name`.
    ///
    /// # Errors
    /// A node name that no certificate can carry.
    pub fn control_plane(
        &self,
        name: &str,
        address: Ipv4Addr,
    ) -> Result<Vec<(&'static str, Pair)>, rcgen::Error> {
        let client = |name| Subject {
            name,
            ..Subject::default()
        };
        let api = Subject {
            name: "kube-apiserver",
            dns: [
                name,
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ]
            .map(str::to_owned)
            .to_vec(),
            addresses: vec![super::SERVICE_ADDRESS, address, Ipv4Addr::LOCALHOST],
            ..Subject::default()
        };
        let kubelet_client = Subject {
            name: "kube-apiserver-kubelet-client",
            group: "kubeadm:cluster-admins",
            ..Subject::default()
        };
        let now = self.now;
        Ok(vec![
            ("ca", self.kubernetes.pair.clone()),
            ("front-proxy-ca", self.front_proxy.pair.clone()),
            ("apiserver", self.kubernetes.issue(&api, Use::Server, now)?),
            (
                "apiserver-kubelet-client",
                self.kubernetes.issue(&kubelet_client, Use::Client, now)?,
            ),
            (
                "apiserver-etcd-client",
                self.etcd
                    .issue(&client("kube-apiserver-etcd-client"), Use::Client, now)?,
            ),
            (
                "front-proxy-client",
                self.front_proxy
                    .issue(&client("front-proxy-client"), Use::Client, now)?,
            ),
        ])
    }

    /// The files below `/etc/kubernetes/pki` of the etcd member on the node `name`.
    ///
    /// # Errors
    /// A node name that no certificate can carry.
    pub fn member(
        &self,
        name: &str,
        address: Ipv4Addr,
    ) -> Result<Vec<(&'static str, Pair)>, rcgen::Error> {
        let member = Subject {
            name,
            dns: vec![name.to_owned(), "localhost".into()],
            addresses: vec![address, Ipv4Addr::LOCALHOST],
            ..Subject::default()
        };
        let healthcheck = Subject {
            name: "kube-etcd-healthcheck-client",
            ..Subject::default()
        };
        let issue = |subject, purpose| self.etcd.issue(subject, purpose, self.now);
        Ok(vec![
            ("etcd/server", issue(&member, Use::Peer)?),
            ("etcd/peer", issue(&member, Use::Peer)?),
            ("etcd/healthcheck-client", issue(&healthcheck, Use::Client)?),
        ])
    }

    /// A client certificate of the cluster's authority.
    ///
    /// # Errors
    /// A name that no certificate can carry.
    pub fn user(&self, name: &str, group: &str) -> Result<Pair, rcgen::Error> {
        let subject = Subject {
            name,
            group,
            ..Subject::default()
        };
        self.kubernetes.issue(&subject, Use::Client, self.now)
    }

    /// A client certificate for etcd, for the grader's own use.
    ///
    /// # Errors
    /// A name that no certificate can carry.
    pub fn etcd_user(&self, name: &str) -> Result<Pair, rcgen::Error> {
        self.etcd.issue(
            &Subject {
                name,
                ..Subject::default()
            },
            Use::Client,
            self.now,
        )
    }

    /// The certificate that the kubelet of `name` serves with, of an authority that signs
    /// nothing else and whose certificate comes behind it.
    /// Source: `GenerateSelfSignedCertKeyWithFixtures`, `client-go/util/cert/cert.go`, 1.32.
    ///
    /// # Errors
    /// A node name that no certificate can carry.
    pub fn kubelet_server(&self, name: &str, address: Ipv4Addr) -> Result<Pair, rcgen::Error> {
        let now = self.now.unix_timestamp();
        let authority = Authority::new(&format!("{name}-ca@{now}"), self.now)?;
        let subject = Subject {
            name: &format!("{name}@{now}"),
            dns: vec![name.to_owned()],
            addresses: vec![address],
            ..Subject::default()
        };
        let mut pair = authority.issue(&subject, Use::Server, self.now)?;
        pair.cert += &authority.pair.cert;
        Ok(pair)
    }
}
