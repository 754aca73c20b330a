//! What every request shares: configuration, storage, caches, access control.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kube::resources::Resource;
use parking_lot::Mutex;
use rustls::ClientConfig;
use serde_json::Value;

use crate::authn::Authenticator;
use crate::authz::Authorizer;
use crate::cache::Cache;
use crate::etcd::{Etcd, EtcdError};
use crate::status::Failure;

/// Settings that come from flags.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--advertise-address`.
    pub advertise: Ipv4Addr,
    /// `--secure-port`.
    pub port: u16,
    /// `--service-cluster-ip-range` as network and prefix length.
    pub service_network: (Ipv4Addr, u8),
    /// `--service-node-port-range`, inclusive.
    pub node_ports: (u16, u16),
    /// `--event-ttl` in seconds.
    pub event_ttl: i64,
    /// `--kubelet-preferred-address-types`.
    pub address_types: Vec<String>,
    /// Enabled admission plug-ins beyond those that are always on, minus the disabled.
    pub disabled_admission: Vec<String>,
    /// `--service-account-max-token-expiration` in seconds; 0 is no limit.
    pub max_token_seconds: i64,
}

/// The server's shared parts.
pub struct App {
    /// Settings.
    pub settings: Settings,
    /// Storage.
    pub etcd: Etcd,
    caches: Arc<Caches>,
    /// Who is asking.
    pub authenticator: Authenticator,
    /// Who may do what.
    pub authorizer: Authorizer,
    /// TLS towards kubelets.
    pub kubelet_tls: Arc<ClientConfig>,
    /// Whether the bootstrap objects are in place.
    pub bootstrapped: AtomicBool,
    /// Held while a cluster IP or node port is chosen and written.
    pub allocation: tokio::sync::Mutex<()>,
    /// Raised when the server should end its connections.
    pub stopping: tokio::sync::watch::Sender<bool>,
}

/// The caches, made when they are first asked for.
pub struct Caches {
    etcd: Etcd,
    by_prefix: Mutex<HashMap<String, Arc<Cache>>>,
}

impl Caches {
    /// No cache yet.
    pub fn new(etcd: Etcd) -> Arc<Caches> {
        Arc::new(Caches {
            etcd,
            by_prefix: Mutex::new(HashMap::new()),
        })
    }

    /// The cache of a resource's prefix.
    pub fn of(&self, resource: &Resource) -> Arc<Cache> {
        let prefix = resource.key_prefix("");
        let mut caches = self.by_prefix.lock();
        let cache = caches
            .entry(prefix.clone())
            .or_insert_with(|| Cache::new(prefix, self.etcd.clone()));
        Arc::clone(cache)
    }
}

/// Seconds since the Unix epoch.
pub fn now() -> i64 {
    now_micro() / 1_000_000
}

/// Microseconds since the Unix epoch.
pub fn now_micro() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

/// Random bytes from the system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The system's generator does not fail once it has been seeded.
    let _ = getrandom::fill(&mut bytes);
    bytes
}

/// A random UUID (version 4).
pub fn uuid() -> String {
    let mut b: [u8; 16] = random();
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex: String = b.iter().map(|x| format!("{x:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// `count` random characters of the alphabet that generated names use.
pub fn suffix(count: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let bytes: [u8; 32] = random();
    bytes
        .iter()
        .take(count)
        .map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()]))
        .collect()
}

impl From<EtcdError> for Failure {
    fn from(error: EtcdError) -> Failure {
        match error {
            EtcdError::Compacted => Failure::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
            ),
            other => Failure::storage(other.to_string()),
        }
    }
}

impl App {
    /// Puts the parts together.
    pub fn new(
        settings: Settings,
        etcd: Etcd,
        caches: Arc<Caches>,
        authenticator: Authenticator,
        authorizer: Authorizer,
        kubelet_tls: Arc<ClientConfig>,
    ) -> App {
        App {
            settings,
            etcd,
            caches,
            authenticator,
            authorizer,
            kubelet_tls,
            bootstrapped: AtomicBool::new(false),
            allocation: tokio::sync::Mutex::new(()),
            stopping: tokio::sync::watch::channel(false).0,
        }
    }

    /// The cache of a resource.
    pub fn cache(&self, resource: &Resource) -> Arc<Cache> {
        self.caches.of(resource)
    }

    /// The cache of a resource by its plural, brought up to date with etcd as far as
    /// that is possible in short time.
    pub async fn fresh(&self, resource: &Resource) -> Result<Arc<Cache>, Failure> {
        let cache = self.cache(resource);
        cache.start();
        let revision = self.etcd.revision(&resource.key_prefix("")).await?;
        if cache.wait(revision, Duration::from_secs(3)).await {
            Ok(cache)
        } else {
            Err(Failure {
                details: serde_json::json!({"retryAfterSeconds": 1}),
                ..Failure::new(
                    504,
                    "Timeout",
                    format!(
                        "Too large resource version: {revision}, current: {}",
                        cache.revision()
                    ),
                )
            })
        }
    }

    /// An object read from etcd, with its modification revision.
    pub async fn read(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(Value, i64)>, Failure> {
        let (found, _) = self.etcd.get(&resource.key(namespace, name)).await?;
        match found {
            None => Ok(None),
            Some(kv) => match crate::cache::decode(&kv) {
                Some(value) => Ok(Some((value, kv.mod_revision))),
                None => Err(Failure::internal(format!(
                    "unable to decode the object stored at {}: it is not JSON",
                    String::from_utf8_lossy(&kv.key)
                ))),
            },
        }
    }

    /// An object from its cache, or from etcd if the cache does not have it (yet).
    pub async fn lookup(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Value>>, Failure> {
        let cache = self.cache(resource);
        cache.start();
        if let Some(found) = cache.get(&resource.key(namespace, name)) {
            return Ok(Some(found));
        }
        let found = self.read(resource, namespace, name).await?;
        Ok(found.map(|(value, _)| Arc::new(value)))
    }
}

/// The bytes an object is stored as: JSON without its revision, with a final newline.
pub fn stored(object: &Value) -> Vec<u8> {
    let mut object = object.clone();
    kube::object::remove(&mut object, "metadata.resourceVersion");
    let mut bytes = object.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}
