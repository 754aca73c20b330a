//! Opens the listeners of all ports, with their certificates
//! (`embed.configurePeerListeners`, `embed.configureClientListeners`).

use super::serving::Failure;
use crate::{
    flags::{
        Options,
        url::{Url, strings},
    },
    http::serve::{Listener, SocketOptions, TlsEndpoint, bind},
    log,
};

/// Listeners and their certificates, before anything is served.
pub(super) struct Ports {
    pub(super) peers: Vec<(Listener, Option<TlsEndpoint>)>,
    pub(super) clients: Vec<ClientPort>,
    pub(super) metrics: Vec<(Url, Listener, Option<TlsEndpoint>)>,
}

pub(super) struct ClientPort {
    pub(super) listener: Listener,
    pub(super) tls: Option<TlsEndpoint>,
    /// Serves nothing but HTTP (`--listen-client-http-urls`).
    pub(super) http_only: bool,
}

pub(super) async fn open(options: &Options) -> Result<Ports, Failure> {
    let sockets = SocketOptions {
        reuse_port: options.reuse_port,
        reuse_address: options.reuse_address,
    };
    if options.reuse_port || options.reuse_address {
        crate::info!(
            "embed/etcd.go:120", "configuring socket options",
            "reuse-address" => options.reuse_address, "reuse-port" => options.reuse_port,
        );
    }
    crate::info!("embed/etcd.go:128", "configuring peer listeners", "listen-peer-urls" => strings(&options.listen_peer));
    let peers = open_peers(options, sockets).await?;
    crate::info!("embed/etcd.go:136", "configuring client listeners", "listen-client-urls" => strings(&options.listen_client));
    let clients = open_clients(options, sockets).await?;
    let mut metrics = Vec::new();
    for url in &options.listen_metrics {
        if url.is_secure() && options.client_tls.is_empty() {
            let text = "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url";
            return Err(Failure::start(text));
        }
        let tls = url
            .is_secure()
            .then(|| TlsEndpoint::new(&options.client_tls, "client", true))
            .transpose();
        let tls = tls.map_err(Failure::start)?;
        metrics.push((
            url.clone(),
            bind(url, sockets).await.map_err(Failure::start)?,
            tls,
        ));
    }
    Ok(Ports {
        peers,
        clients,
        metrics,
    })
}

async fn open_peers(
    options: &Options,
    sockets: SocketOptions,
) -> Result<Vec<(Listener, Option<TlsEndpoint>)>, Failure> {
    let info = &options.peer_tls;
    if !info.is_empty() {
        crate::info!(
            "embed/etcd.go:496", "starting with peer TLS",
            "tls-info" => info.to_string(), "cipher-suites" => options.cipher_suites,
        );
    }
    let mut peers = Vec::new();
    for url in &options.listen_peer {
        if !url.is_secure() {
            warn_insecure(
                url,
                "embed/etcd.go:524",
                "peer-url",
                info,
                "HTTP",
                "--peer-client-cert-auth",
            );
        }
        let opened = async {
            let tls = url
                .is_secure()
                .then(|| TlsEndpoint::new(info, "peer", true))
                .transpose();
            Ok::<_, Failure>((
                tls.map_err(Failure::start)?,
                bind(url, sockets).await.map_err(Failure::start)?,
            ))
        };
        let (tls, listener) = opened.await.inspect_err(|failure| {
            crate::error!("embed/etcd.go:535", "creating peer listener failed", "error" => failure.error);
        })?;
        peers.push((listener, tls));
    }
    Ok(peers)
}

fn warn_insecure(
    url: &Url,
    caller: &'static str,
    key: &'static str,
    info: &crate::tls::TlsInfo,
    scheme: &str,
    flag: &str,
) {
    let fields = [(key, log::field(url.to_string()))];
    if !info.is_empty() {
        let text = format!(
            "scheme is {scheme} while key and cert files are present; ignoring key and cert files"
        );
        log::write(log::Level::Warn, None, caller, &text, &fields);
    }
    if info.client_cert_auth {
        let text = format!(
            "scheme is {scheme} while {flag} is enabled; ignoring client cert auth for this URL"
        );
        log::write(log::Level::Warn, None, caller, &text, &fields);
    }
}

async fn open_clients(
    options: &Options,
    sockets: SocketOptions,
) -> Result<Vec<ClientPort>, Failure> {
    let info = &options.client_tls;
    let urls = options.listen_client.iter().map(|url| (url, false));
    let urls: Vec<(&Url, bool)> = urls
        .chain(options.listen_client_http.iter().map(|url| (url, true)))
        .collect();
    for (url, _) in &urls {
        if !url.is_secure() {
            warn_insecure(
                url,
                "embed/etcd.go:629",
                "client-url",
                info,
                "http or unix",
                "--client-cert-auth",
            );
        } else if info.is_empty() {
            return Err(Failure::start(format!(
                "TLS key/cert (--cert-file, --key-file) must be provided for client url {url} with HTTPS scheme"
            )));
        }
    }
    let mut ports = Vec::new();
    let mut bound: Vec<(String, bool)> = Vec::new();
    for (url, http_only) in urls {
        let place = format!("{}{}", url.host, url.path);
        if let Some((_, other)) = bound.iter().find(|(known, _)| *known == place) {
            return Err(Failure::start(if *other == http_only {
                format!(
                    "{url}: a port that speaks TLS and plain text at once is not supported by this server; use two ports"
                )
            } else {
                format!(
                    "cannot bind both --client-listen-urls and --client-listen-http-urls on the same url {url}"
                )
            }));
        }
        let listener = bind(url, sockets).await.map_err(Failure::start)?;
        let tls = url
            .is_secure()
            .then(|| TlsEndpoint::new(info, "client", false))
            .transpose();
        // The reference finds out about its certificates only when it serves.
        ports.push(ClientPort {
            listener,
            tls: tls.map_err(Failure::listener)?,
            http_only,
        });
        bound.push((place, http_only));
    }
    Ok(ports)
}
