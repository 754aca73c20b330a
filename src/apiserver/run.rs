//! The applet `kube-apiserver`: flags, certificates, the listener.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use kube::resources;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::app::{App, Caches, Settings};
use crate::authn::{Authenticator, verifier};
use crate::authz::Authorizer;
use crate::encryption::Encryption;
use crate::etcd::Etcd;
use crate::flags::{Flags, Kind, Table};
use crate::token::Tokens;
use crate::{log, tls};

const NO_CLOUD: &str = "there is no cloud here";

/// The flags of kube-apiserver that kubeadm's manifest uses, and their neighbours.
const FLAGS: Table = Table {
    own: &[
        ("advertise-address", Kind::Value),
        (
            "allow-privileged",
            Kind::Accepted("every Pod is allowed to ask for it"),
        ),
        ("anonymous-auth", Kind::Switch),
        ("api-audiences", Kind::Value),
        (
            "apiserver-count",
            Kind::Accepted("endpoints are merged, not counted"),
        ),
        (
            "audit-log-path",
            Kind::Refused("audit logging is not there yet"),
        ),
        (
            "audit-policy-file",
            Kind::Refused("audit logging is not there yet"),
        ),
        ("authorization-mode", Kind::Value),
        ("bind-address", Kind::Value),
        ("client-ca-file", Kind::Value),
        ("cloud-config", Kind::Refused(NO_CLOUD)),
        ("cloud-provider", Kind::Refused(NO_CLOUD)),
        (
            "default-not-ready-toleration-seconds",
            Kind::Accepted("the default of 300 is used"),
        ),
        (
            "default-unreachable-toleration-seconds",
            Kind::Accepted("the default of 300 is used"),
        ),
        ("disable-admission-plugins", Kind::Value),
        ("enable-admission-plugins", Kind::Value),
        (
            "enable-bootstrap-token-auth",
            Kind::Accepted("there are no bootstrap tokens to honour"),
        ),
        ("encryption-provider-config", Kind::Value),
        (
            "encryption-provider-config-automatic-reload",
            Kind::Refused("the file is read at the start only"),
        ),
        ("etcd-cafile", Kind::Value),
        ("etcd-certfile", Kind::Value),
        ("etcd-keyfile", Kind::Value),
        (
            "etcd-prefix",
            Kind::Refused("objects always live under /registry"),
        ),
        ("etcd-servers", Kind::Value),
        ("event-ttl", Kind::Value),
        (
            "feature-gates",
            Kind::Accepted("features are as in 1.32 by default"),
        ),
        ("kubelet-certificate-authority", Kind::Value),
        ("kubelet-client-certificate", Kind::Value),
        ("kubelet-client-key", Kind::Value),
        ("kubelet-preferred-address-types", Kind::Value),
        ("profiling", Kind::Accepted("there is no profiler")),
        (
            "proxy-client-cert-file",
            Kind::Accepted("nothing is aggregated"),
        ),
        (
            "proxy-client-key-file",
            Kind::Accepted("nothing is aggregated"),
        ),
        (
            "request-timeout",
            Kind::Accepted("requests end when etcd does not answer"),
        ),
        ("requestheader-allowed-names", Kind::Value),
        ("requestheader-client-ca-file", Kind::Value),
        (
            "requestheader-extra-headers-prefix",
            Kind::Accepted("extra headers are not read"),
        ),
        (
            "requestheader-group-headers",
            Kind::Accepted("X-Remote-Group is read"),
        ),
        (
            "requestheader-username-headers",
            Kind::Accepted("X-Remote-User is read"),
        ),
        (
            "runtime-config",
            Kind::Accepted("the served versions are fixed"),
        ),
        ("secure-port", Kind::Value),
        ("service-account-issuer", Kind::Value),
        ("service-account-key-file", Kind::Value),
        (
            "service-account-lookup",
            Kind::Accepted("accounts are always looked up"),
        ),
        ("service-account-max-token-expiration", Kind::Value),
        ("service-account-signing-key-file", Kind::Value),
        ("service-cluster-ip-range", Kind::Value),
        ("service-node-port-range", Kind::Value),
        (
            "shutdown-delay-duration",
            Kind::Accepted("it stops at once"),
        ),
        ("storage-backend", Kind::Accepted("etcd3 is the only one")),
        (
            "storage-media-type",
            Kind::Accepted("objects are stored as application/json"),
        ),
        ("tls-cert-file", Kind::Value),
        (
            "tls-cipher-suites",
            Kind::Accepted("only safe ones are offered"),
        ),
        ("tls-min-version", Kind::Accepted("TLS 1.2 is the least")),
        ("tls-private-key-file", Kind::Value),
        (
            "token-auth-file",
            Kind::Refused("static tokens are not there yet"),
        ),
        ("v", Kind::Value),
    ],
    beyond: include_str!("flags/kube-apiserver.txt"),
};

/// The applet.
pub fn run_apiserver(args: Vec<OsString>) -> ExitCode {
    crate::component("kube-apiserver", args, FLAGS, |flags| {
        Box::pin(serve(flags))
    })
}

fn network(text: &str) -> Result<(Ipv4Addr, u8), String> {
    let wrong = || {
        format!(
            "invalid argument \"{text}\" for \"--service-cluster-ip-range\" flag: invalid CIDR address: {text}"
        )
    };
    let first = text.split(',').next().unwrap_or(text);
    let (address, bits) = first.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let bits: u8 = bits.parse().map_err(|_| wrong())?;
    if bits > 30 {
        return Err(wrong());
    }
    Ok((address, bits))
}

fn settings(flags: &Flags) -> Result<Settings, String> {
    let error = |e: crate::flags::FlagError| e.to_string();
    let port = flags.number("secure-port", 6443).map_err(error)?;
    let address = flags
        .get("advertise-address")
        .or(flags.get("bind-address").filter(|a| *a != "0.0.0.0"))
        .unwrap_or("127.0.0.1");
    let ports = flags
        .get("service-node-port-range")
        .unwrap_or("30000-32767");
    let node_ports = ports
        .split_once('-')
        .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)))
        .filter(|(a, b): &(u16, u16)| a <= b)
        .ok_or_else(|| {
            format!("invalid argument \"{ports}\" for \"--service-node-port-range\" flag")
        })?;
    let mut types = flags.all("kubelet-preferred-address-types");
    if types.is_empty() {
        types = [
            "Hostname",
            "InternalDNS",
            "InternalIP",
            "ExternalDNS",
            "ExternalIP",
        ]
        .map(String::from)
        .to_vec();
    }
    Ok(Settings {
        advertise: address
            .parse()
            .map_err(|_| format!("--advertise-address: \"{address}\" is no IPv4 address"))?,
        port: u16::try_from(port)
            .map_err(|_| "--secure-port must be between 1 and 65535".to_string())?,
        service_network: network(
            flags
                .get("service-cluster-ip-range")
                .unwrap_or("10.0.0.0/24"),
        )?,
        node_ports,
        event_ttl: i64::try_from(flags.duration("event-ttl", 3_600_000).map_err(error)? / 1000)
            .unwrap_or(3600),
        address_types: types,
        disabled_admission: flags.all("disable-admission-plugins"),
        max_token_seconds: i64::try_from(
            flags
                .duration("service-account-max-token-expiration", 0)
                .map_err(error)?
                / 1000,
        )
        .unwrap_or(0),
    })
}

fn identity(flags: &Flags, cert: &str, key: &str) -> Result<Option<tls::Identity>, String> {
    match (flags.get(cert), flags.get(key)) {
        (Some(cert), Some(key)) => {
            let chain = tls::certificates(Path::new(cert)).map_err(|e| e.to_string())?;
            let key = tls::private_key(Path::new(key)).map_err(|e| e.to_string())?;
            Ok(Some((chain, key)))
        }
        (None, None) => Ok(None),
        _ => Err(format!("--{cert} and --{key} must be given together")),
    }
}

fn etcd_client(flags: &Flags) -> Result<Etcd, String> {
    let identity = identity(flags, "etcd-certfile", "etcd-keyfile")?;
    let tls = match flags.get("etcd-cafile") {
        None => None,
        Some(path) => {
            let roots = tls::certificates(Path::new(path))
                .and_then(tls::roots)
                .map_err(|e| e.to_string())?;
            Some(tls::client_config(Some(roots), identity, &["h2"]).map_err(|e| e.to_string())?)
        }
    };
    let etcd = Etcd::new(&flags.all("etcd-servers"), tls)?;
    Ok(match flags.get("encryption-provider-config") {
        Some(path) => etcd.with_encryption(Encryption::load(Path::new(path))?),
        None => etcd,
    })
}

fn tokens(flags: &Flags) -> Result<Tokens, String> {
    let read = |path: &str| std::fs::read(path).map_err(|e| format!("open {path}: {e}"));
    let signing = flags
        .get("service-account-signing-key-file")
        .map(read)
        .transpose()?;
    let verifying = flags
        .all("service-account-key-file")
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, _>>()?;
    Tokens::new(
        signing.as_deref(),
        &verifying,
        flags.all("service-account-issuer"),
        flags.all("api-audiences"),
    )
    .map_err(|e| format!("service account keys: {e}"))
}

/// The check behind a token: namespace, account and (if bound) Pod are still there.
fn alive(caches: &Arc<Caches>) -> crate::token::Alive {
    let cache = |plural: &str| {
        let resource = resources::by_group_resource("", plural).unwrap_or(&resources::RESOURCES[0]);
        (resource, caches.of(resource))
    };
    let (accounts, pods) = (cache("serviceaccounts"), cache("pods"));
    Arc::new(move |claims: &Value| {
        accounts.1.start();
        let bound = &claims["kubernetes.io"];
        let text = |path: &str| kube::object::text(bound, path);
        let namespace = text("namespace");
        let key = accounts.0.key(namespace, text("serviceaccount.name"));
        let account = accounts.1.get(&key);
        if account.is_none_or(|a| kube::object::uid(&a) != text("serviceaccount.uid")) {
            return false;
        }
        let pod = text("pod.name");
        if pod.is_empty() {
            return true;
        }
        pods.1.start();
        pods.1
            .get(&pods.0.key(namespace, pod))
            .is_some_and(|p| kube::object::uid(&p) == text("pod.uid"))
    })
}

/// Plug-ins that are always on here, or whose work is done elsewhere (NodeRestriction
/// by the node authorizer).
const ADMISSION: [&str; 9] = [
    "CertificateSubjectRestriction",
    "DefaultStorageClass",
    "DefaultTolerationSeconds",
    "LimitRanger",
    "NamespaceLifecycle",
    "NodeRestriction",
    "Priority",
    "ServiceAccount",
    "TaintNodesByCondition",
];

fn check_admission(flags: &Flags) -> Result<(), String> {
    for name in flags.all("enable-admission-plugins") {
        if !ADMISSION.contains(&name.as_str()) {
            return Err(format!(
                "--enable-admission-plugins: plug-in {name} is not supported here; supported are {}",
                ADMISSION.join(", ")
            ));
        }
    }
    for name in flags.all("disable-admission-plugins") {
        if name != "ServiceAccount" {
            return Err(format!(
                "--disable-admission-plugins: plug-in {name} can't be switched off here"
            ));
        }
    }
    Ok(())
}

fn build(flags: &Flags) -> Result<(App, rustls::ServerConfig), String> {
    let modes = flags.all("authorization-mode");
    for mode in &modes {
        if !matches!(mode.as_str(), "AlwaysAllow" | "Node" | "RBAC") {
            return Err(format!(
                "--authorization-mode: {mode} is not supported here; AlwaysAllow, Node and RBAC are"
            ));
        }
    }
    check_admission(flags)?;
    let settings = settings(flags)?;
    let etcd = etcd_client(flags)?;
    let caches = Caches::new(etcd.clone());
    let ca = |name: &str| -> Result<_, String> {
        flags
            .get(name)
            .map(|path| {
                tls::certificates(Path::new(path))
                    .and_then(verifier)
                    .map_err(|e| e.to_string())
            })
            .transpose()
    };
    let authenticator = Authenticator::new(
        ca("client-ca-file")?,
        ca("requestheader-client-ca-file")?,
        flags.all("requestheader-allowed-names"),
        tokens(flags)?.with_alive(alive(&caches)),
        flags.switch("anonymous-auth", true),
    );
    let of = |group: &str, plural: &str| {
        caches.of(resources::by_group_resource(group, plural).unwrap_or(&resources::RESOURCES[0]))
    };
    let rbac = "rbac.authorization.k8s.io";
    let has = |mode: &str| modes.iter().any(|m| m == mode);
    let authorizer = Authorizer {
        always: modes.is_empty() || has("AlwaysAllow"),
        node: has("Node"),
        rbac: has("RBAC"),
        cluster_roles: of(rbac, "clusterroles"),
        cluster_bindings: of(rbac, "clusterrolebindings"),
        roles: of(rbac, "roles"),
        bindings: of(rbac, "rolebindings"),
        pods: of("", "pods"),
    };
    let (chain, key) = identity(flags, "tls-cert-file", "tls-private-key-file")?
        .ok_or("--tls-cert-file and --tls-private-key-file must be given")?;
    tls::install_provider();
    let builder = rustls::ServerConfig::builder();
    let builder = match authenticator.handshake() {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder
        .with_single_cert(chain, key)
        .map_err(|e| format!("--tls-cert-file: {e}"))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let kubelet_roots = flags
        .get("kubelet-certificate-authority")
        .map(|path| {
            tls::certificates(Path::new(path))
                .and_then(tls::roots)
                .map_err(|e| e.to_string())
        })
        .transpose()?;
    let kubelet_identity = identity(flags, "kubelet-client-certificate", "kubelet-client-key")?;
    let kubelet_tls = tls::client_config(kubelet_roots, kubelet_identity, &["http/1.1"])
        .map_err(|e| e.to_string())?;
    let app = App::new(
        settings,
        etcd,
        caches,
        authenticator,
        authorizer,
        Arc::new(kubelet_tls),
    );
    Ok((app, server))
}

async fn serve(flags: Flags) -> Result<(), String> {
    let (app, tls_config) = build(&flags)?;
    let app = Arc::new(app);
    let bind = flags.get("bind-address").unwrap_or("0.0.0.0");
    let address: SocketAddr = format!("{bind}:{}", app.settings.port)
        .parse()
        .map_err(|_| format!("--bind-address: \"{bind}\" is no IP address"))?;
    tokio::select! {
        () = wait_for_etcd(&app) => {}
        // Told to stop before it served anything.
        () = crate::terminated() => return Ok(()),
    }
    app.authorizer.start();
    for plural in ["serviceaccounts", "pods"] {
        // Tokens are checked against these.
        if let Some(resource) = resources::by_group_resource("", plural) {
            app.cache(resource).start();
        }
    }
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("failed to create listener: failed to listen on {address}: {e}"))?;
    log::info(&format!("Serving securely on {address}"));
    let hook = Arc::clone(&app);
    tokio::spawn(async move {
        while let Err(error) = crate::bootstrap::bootstrap(&hook).await {
            log::warning(&format!("bootstrap objects: {error}"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        hook.bootstrapped.store(true, Ordering::Relaxed);
    });
    let acceptor = TlsAcceptor::from(Arc::new(tls_config));
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection(Arc::clone(&app), acceptor.clone(), stream));
                }
                Err(error) => {
                    log::warning(&format!("accept: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = crate::terminated() => {}
    }
    // Watches end, running requests get a moment.
    app.stopping.send_replace(true);
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(())
}

/// Like the reference, waits a while for etcd and then gives up, so that whoever
/// supervises the process sees it fail.
async fn wait_for_etcd(app: &App) {
    for _ in 0..20 {
        if app.etcd.probe(Duration::from_secs(1)).await.is_ok() {
            return;
        }
        for (address, trouble) in app.etcd.troubles() {
            log::warning(&format!(
                "[core] grpc: addrConn.createTransport failed to connect to {{Addr: {address:?}, \
                 ServerName: {address:?}, }}. Err: {trouble}"
            ));
        }
    }
    log::fatal("Error creating leases: error creating storage factory: context deadline exceeded");
}

async fn connection(app: Arc<App>, acceptor: TlsAcceptor, stream: tokio::net::TcpStream) {
    let handshake = tokio::time::timeout(Duration::from_secs(10), acceptor.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else { return };
    let certificates: Vec<_> = stream
        .get_ref()
        .1
        .peer_certificates()
        .map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect())
        .unwrap_or_default();
    let certificates = Arc::new(certificates);
    let service = service_fn(move |request| {
        let (app, certificates) = (Arc::clone(&app), Arc::clone(&certificates));
        async move {
            Ok::<_, std::convert::Infallible>(
                crate::server::handle(app, certificates, request).await,
            )
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(250)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    builder.http1().timer(TokioTimer::new());
    // A connection that breaks off is the client's business.
    let _ = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}
