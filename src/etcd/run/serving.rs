//! Listeners and the member, from the first to the last
//! (`embed.StartEtcd`, `embed.Etcd.Close`).

use std::{process::ExitCode, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

use super::{
    daemon, fatal,
    ports::{ClientPort, Ports, open},
    say::{log_close, log_start, log_urls},
};
use crate::{
    flags::{Options, url::Url},
    http::{
        client::{ClientHandler, call, is_grpc, monitoring},
        gateway::Gateway,
        gauges,
        peer::PeerHandler,
        serve::{Http2, Listener, Stop, TlsEndpoint, serve as serve_connections},
        v2::V2Handler,
    },
    log, rpc,
    server::{EtcdError, Server, SystemClock},
    transport::{PeerNetwork, Settings},
};

/// How long requests under way may take after the member was told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Why the member does not start or goes on no longer.
pub(super) struct Failure {
    pub(super) caller: &'static str,
    pub(super) message: &'static str,
    pub(super) error: String,
}

impl Failure {
    pub(super) fn start(error: impl ToString) -> Self {
        Self {
            caller: "etcdmain/etcd.go:204",
            message: "discovery failed",
            error: error.to_string(),
        }
    }

    pub(super) fn listener(error: impl ToString) -> Self {
        Self {
            caller: "etcdmain/etcd.go:219",
            message: "listener failed",
            error: error.to_string(),
        }
    }
}

/// Serves until a signal, or until the member can't go on.
pub(super) async fn serve(options: &Options, initialized: bool) -> ExitCode {
    let (mut terminate, mut interrupt) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            return fail(
                options,
                initialized,
                &Failure::start(format!("signals can't be caught: {error}")),
            );
        }
    };
    let ports = match open(options).await {
        Ok(ports) => ports,
        Err(failure) => return fail(options, initialized, &failure),
    };
    log_start(options, initialized);
    let running = tokio::select! {
        running = start(options, ports) => running,
        (name, code) = told(&mut terminate, &mut interrupt) => {
            crate::info!("osutil/interrupt_unix.go:64", "received signal; shutting down", "signal" => name);
            return ExitCode::from(code);
        }
    };
    let mut running = match running {
        Ok(running) => running,
        Err(failure) => return fail(options, initialized, &failure),
    };
    let ended = tokio::select! {
        ended = running.until_ended() => ended,
        (name, code) = told(&mut terminate, &mut interrupt) => End::Signal(name, code),
    };
    finish(options, running, ended).await
}

enum End {
    Signal(&'static str, u8),
    Removed,
    Stopped(Option<EtcdError>),
}

/// The signal that came, and the exit status a shell shows for it.
async fn told(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, u8) {
    let (name, code) = tokio::select! {
        _ = terminate.recv() => ("terminated", 143),
        _ = interrupt.recv() => ("interrupt", 130),
    };
    // Nothing can kill process 1, so it ends by itself, in peace.
    (name, if std::process::id() == 1 { 0 } else { code })
}

fn fail(options: &Options, initialized: bool, failure: &Failure) -> ExitCode {
    log_close(options, "embed/etcd.go:378", "closing etcd server");
    log_close(options, "embed/etcd.go:380", "closed etcd server");
    if !initialized && failure.message == "discovery failed" {
        crate::warn!("etcdmain/etcd.go:146", "failed to start etcd", "error" => failure.error);
    }
    fatal(
        failure.caller,
        failure.message,
        &[("error", log::field(&failure.error))],
    );
    ExitCode::FAILURE
}

/// A member that serves.
struct Running {
    server: Server,
    network: PeerNetwork,
    clients: (Stop, JoinSet<()>),
    peers: (Stop, JoinSet<()>, Vec<String>),
}

async fn start(options: &Options, ports: Ports) -> Result<Running, Failure> {
    // Plain HTTP between peers needs neither certificate nor CA.
    let secure_peers = options
        .server
        .initial_cluster
        .iter()
        .any(|(_, url)| url.starts_with("https://"));
    let tls = match options.peer_tls.client_config() {
        Ok(config) => Some(config),
        Err(error) if secure_peers || !options.peer_tls.is_empty() => {
            return Err(Failure::start(error));
        }
        Err(_) => None,
    };
    let network = PeerNetwork::new(Settings {
        tls,
        peer_urls: options.server.peer_urls.clone(),
        dial_timeout: Duration::from_secs(1) + Duration::from_millis(options.server.election_ms),
        read_timeout: options.raft_read_timeout,
        write_timeout: options.raft_write_timeout,
    });
    let server = Server::start(
        options.server.clone(),
        Arc::new(network.clone()),
        Arc::new(SystemClock::default()),
    )
    .await
    .map_err(Failure::start)?;
    tokio::spawn(gauges::follow_leader(server.clone()));
    let context = rpc::Context::new(server.clone(), options.watch_progress_interval);
    let grpc = context.routes().into_axum_router();
    let peers = serve_peers(options, &server, &network, &grpc, ports.peers)?;
    let mut clients = (Stop::default(), JoinSet::new());
    serve_metrics(options, &server, ports.metrics, &mut clients);
    log_urls(options, &server);
    let (stopping, mut removed) = (server.stopping(), network.removed());
    let mut running = Running {
        server: server.clone(),
        network,
        clients,
        peers,
    };
    tokio::select! {
        ready = server.ready() => ready.map_err(Failure::start)?,
        () = stopping.cancelled() => return Ok(running),
        // The cluster has thrown this member out; it will never be ready.
        _ = removed.wait_for(|removed| *removed) => return Ok(running),
    }
    serve_clients(options, &server, &grpc, ports.clients, &mut running.clients);
    daemon::notify_ready();
    Ok(running)
}

fn http2(options: &Options) -> Http2 {
    let (interval, timeout) = (options.keepalive_interval, options.keepalive_timeout);
    Http2 {
        max_concurrent_streams: options.max_concurrent_streams,
        keepalive: (!interval.is_zero() && !timeout.is_zero()).then_some((interval, timeout)),
    }
}

fn serve_peers(
    options: &Options,
    server: &Server,
    network: &PeerNetwork,
    grpc: &Router,
    ports: Vec<(Listener, Option<TlsEndpoint>)>,
) -> Result<(Stop, JoinSet<()>, Vec<String>), Failure> {
    let transport = network
        .transport()
        .ok_or_else(|| Failure::start("the member did not start its peer transport"))?;
    let handler = PeerHandler {
        server: server.clone(),
        transport,
    };
    let grpc = grpc.clone();
    let router = Router::new().fallback(move |request: Request| {
        let (handler, grpc) = (handler.clone(), grpc.clone());
        async move {
            if is_grpc(&request) {
                call(&grpc, request).await
            } else {
                handler.handle(request).await
            }
        }
    });
    let (stop, mut tasks, mut addresses) = (Stop::default(), JoinSet::new(), Vec::new());
    for (listener, tls) in ports {
        let address = listener.address();
        crate::info!("embed/etcd.go:600", "serving peer traffic", "address" => address);
        crate::info!("embed/etcd.go:572", "cmux::serve", "address" => address);
        addresses.push(address);
        tasks.spawn(serve_connections(
            listener,
            tls,
            http2(options),
            router.clone(),
            stop.clone(),
        ));
    }
    Ok((stop, tasks, addresses))
}

fn serve_clients(
    options: &Options,
    server: &Server,
    grpc: &Router,
    ports: Vec<ClientPort>,
    clients: &mut (Stop, JoinSet<()>),
) {
    if !options.client_tls.is_empty() {
        crate::info!(
            "embed/etcd.go:735", "starting with client TLS",
            "tls-info" => options.client_tls.to_string(), "cipher-suites" => options.cipher_suites,
        );
    }
    if options.enable_v2 {
        crate::warn!(
            "embed/etcd.go:742",
            "Flag `enable-v2` is deprecated and will get removed in etcd 3.6."
        );
    }
    let split = ports.iter().any(|port| port.http_only);
    for port in ports {
        crate::info!("embed/serve.go:104", "ready to serve client requests");
        let handler = Arc::new(ClientHandler {
            server: server.clone(),
            grpc: (!port.http_only).then(|| grpc.clone()),
            http: port.http_only || !split,
            gateway: options.grpc_gateway.then(|| Gateway { grpc: grpc.clone() }),
            v2: options.enable_v2.then(|| V2Handler::new(server.clone())),
            cors: options.cors.clone(),
            host_whitelist: options.host_whitelist.clone(),
        });
        let traffic = match (split, port.http_only) {
            (true, true) => "http",
            (true, false) => "grpc",
            (false, _) => "grpc+http",
        };
        let address = port.listener.address();
        if port.tls.is_some() {
            crate::info!("embed/serve.go:250", "serving client traffic securely", "traffic" => traffic, "address" => address);
        } else {
            crate::info!(
                "embed/serve.go:188", "serving client traffic insecurely; this is strongly discouraged!",
                "traffic" => traffic, "address" => address,
            );
        }
        let router =
            Router::new().fallback(move |request: Request| Arc::clone(&handler).handle(request));
        clients.1.spawn(serve_connections(
            port.listener,
            port.tls,
            http2(options),
            router,
            clients.0.clone(),
        ));
    }
}

fn serve_metrics(
    options: &Options,
    server: &Server,
    ports: Vec<(Url, Listener, Option<TlsEndpoint>)>,
    clients: &mut (Stop, JoinSet<()>),
) {
    for (url, listener, tls) in ports {
        crate::info!("embed/etcd.go:871", "serving metrics", "address" => url.to_string());
        let server = server.clone();
        let router = Router::new().fallback(move |request: Request| {
            let server = server.clone();
            async move { monitoring(&server, request).await }
        });
        clients.1.spawn(serve_connections(
            listener,
            tls,
            http2(options),
            router,
            clients.0.clone(),
        ));
    }
}

impl Running {
    async fn until_ended(&mut self) -> End {
        let mut removed = self.network.removed();
        tokio::select! {
            failure = self.server.stopped() => End::Stopped(failure),
            Ok(_) = removed.wait_for(|removed| *removed) => End::Removed,
        }
    }
}

async fn finish(options: &Options, mut running: Running, ended: End) -> ExitCode {
    let code = match ended {
        End::Signal(name, code) => {
            crate::info!("osutil/interrupt_unix.go:64", "received signal; shutting down", "signal" => name);
            ExitCode::from(code)
        }
        End::Removed | End::Stopped(Some(EtcdError::Removed)) => {
            let error = EtcdError::Removed.to_string();
            crate::warn!("etcdserver/server.go:1157", "server error", "error" => error);
            crate::warn!(
                "etcdserver/server.go:1158",
                "data-dir used by this member must be removed"
            );
            ExitCode::SUCCESS
        }
        End::Stopped(Some(error)) => {
            fatal(
                "etcdserver/server.go:1139",
                "server error",
                &[("error", log::field(error.to_string()))],
            );
            ExitCode::FAILURE
        }
        End::Stopped(None) => ExitCode::SUCCESS,
    };
    log_close(options, "embed/etcd.go:378", "closing etcd server");
    // Someone else leads before this member falls silent, so that clients hardly notice.
    running.server.transfer_leadership().await;
    running.clients.0.graceful.cancel();
    let member = running.server.clone();
    let stopping = tokio::spawn(async move { member.stop().await });
    drain(&mut running.clients.1, &running.clients.0).await;
    // The member's own end is awaited without a limit: it is writing to the disk.
    let _ = stopping.await;
    for address in &running.peers.2 {
        crate::info!("embed/etcd.go:582", "stopping serving peer traffic", "address" => address);
    }
    running.peers.0.graceful.cancel();
    drain(&mut running.peers.1, &running.peers.0).await;
    for address in &running.peers.2 {
        crate::info!("embed/etcd.go:587", "stopped serving peer traffic", "address" => address);
    }
    log_close(options, "embed/etcd.go:380", "closed etcd server");
    code
}

/// Waits for connections to end, and cuts those that do not.
async fn drain(tasks: &mut JoinSet<()>, stop: &Stop) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        stop.now.cancel();
        while tasks.join_next().await.is_some() {}
    }
}

/// Runs the same steps in a test, where signals belong to the test runner.
#[cfg(test)]
pub(super) struct Harness {
    options: Options,
    running: Running,
}

#[cfg(test)]
impl Harness {
    /// A member that starts again may find its ports taken by a program that another test
    /// started meanwhile: such a one holds all listeners of the tests until its `exec`.
    pub(super) async fn start(options: &Options) -> Self {
        for _ in 0..100 {
            match Self::try_start(options).await {
                Ok(running) => {
                    return Self {
                        options: options.clone(),
                        running,
                    };
                }
                Err(failure) if failure.error.ends_with("address already in use") => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(failure) => panic!("{}: {}", failure.message, failure.error),
            }
        }
        panic!("the ports of the member stay taken");
    }

    /// The error of a start that must fail.
    pub(super) async fn refused(options: &Options) -> String {
        match Self::try_start(options).await {
            Ok(_) => panic!("it started"),
            Err(failure) => failure.error,
        }
    }

    async fn try_start(options: &Options) -> Result<Running, Failure> {
        start(options, open(options).await?).await
    }

    pub(super) async fn stop(self) {
        finish(&self.options, self.running, End::Signal("terminated", 143)).await;
    }
}
