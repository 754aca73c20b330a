//! The kubelet: static Pods as real processes, the other Pods as far as labs need them,
//! the Node and its lease.
//!
//! Never here: `clone(2)` and mounts; containers are the sandbox's.
#![forbid(unsafe_code)]

mod backoff;
mod config;
mod cri;
mod crictl;
mod events;
mod files;
mod image;
mod kubeadm;
mod kubelet;
mod ledger;
mod log;
mod manifest;
mod node;
mod pods;
mod probe;
mod server;
mod simulate;
mod state;
mod status;
mod volumes;
mod words;
mod worker;

pub use crictl::run_crictl;
pub use kubeadm::run_kubeadm;

use std::{ffi::OsString, net::Ipv4Addr, process::ExitCode, time::Duration};

use rest::{Access, Client};
use tokio::sync::{mpsc, watch};

use crate::{
    config::Config,
    kubelet::{Kubelet, Sources},
    ledger::Ledger,
    worker::Shared,
};

/// How long work that can't be put aside is waited for at the end.
const LAST_LIMIT: Duration = Duration::from_secs(1);

/// The network of a node's Pods: 10.244.N.0/24, N being the last part of its address.
fn pod_network(address: Ipv4Addr) -> String {
    format!("10.244.{}.0/24", address.octets()[3])
}

/// The applet `kubelet`; `args[0]` is its name.
pub fn run_kubelet(args: Vec<OsString>) -> ExitCode {
    let args: Vec<String> = args
        .into_iter()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if args.iter().any(|arg| arg == "-h" || arg == "--help") {
        print!("{}", config::HELP);
        return ExitCode::SUCCESS;
    }
    if args.iter().any(|arg| arg == "--version") {
        println!("Kubernetes {}", node::KUBELET_VERSION);
        return ExitCode::SUCCESS;
    }
    let hostname = nix::unistd::gethostname().unwrap_or_default();
    let config = match Config::read(&args, &hostname.to_string_lossy()) {
        Ok(config) => config,
        Err(reason) => {
            crate::log::error("command failed", &[("err", &reason)]);
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            crate::log::error("command failed", &[("err", &error.to_string())]);
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(config));
    // A container that is being started or removed must not hold up the end.
    runtime.shutdown_timeout(LAST_LIMIT);
    code
}

async fn run(config: Config) -> ExitCode {
    let access = match access(&config) {
        Ok(access) => access,
        Err(reason) => {
            crate::log::error("command failed", &[("err", &reason)]);
            return ExitCode::FAILURE;
        }
    };
    let client = Client::new(access, "kubelet/v1.32.4 (linux/amd64)");
    let (told, told_rx) = mpsc::unbounded_channel();
    let (files, files_rx) = mpsc::unbounded_channel();
    let (changes, changes_rx) = mpsc::unbounded_channel();
    let (statuses, statuses_rx) = mpsc::unbounded_channel();
    let (questions, questions_rx) = mpsc::unbounded_channel();
    let (known, known_rx) = watch::channel(node::Known::default());
    let shared = Shared {
        told,
        recorder: events::Recorder::new(client.clone(), &config.node),
        logs: kubelet::log_dir(),
        address: config.address.to_string(),
    };
    let ledger = Ledger::open(ledger::PATH.into());
    if !config.manifests.as_os_str().is_empty() {
        let (dir, node) = (config.manifests.clone(), config.node.clone());
        tokio::spawn(files::watch(dir, node, config.file_check, files));
    }
    tokio::spawn(pods::watch(client.clone(), config.node.clone(), changes));
    tokio::spawn(status::run(client.clone(), statuses_rx));
    tokio::spawn(node::run(client.clone(), config.clone(), known));
    tokio::spawn(cri::run(questions.clone()));
    tokio::spawn(server::run(config.clone(), questions));
    crate::log::info("Started kubelet", &[]);
    let kubelet = Kubelet::new(config, client, shared, statuses, known_rx, ledger);
    let sources = Sources {
        files: files_rx,
        changes: changes_rx,
        told: told_rx,
        questions: questions_rx,
    };
    let mut terminate =
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(_) => return ExitCode::FAILURE,
        };
    tokio::select! {
        () = kubelet.run(sources) => ExitCode::FAILURE,
        _ = terminate.recv() => ExitCode::SUCCESS,
    }
}

/// What the kubelet can't do without; its unit starts it again and again until it is
/// there.
fn access(config: &Config) -> Result<Access, String> {
    let stat =
        |path: &std::path::Path| std::fs::metadata(path).map_err(|error| gowords::errno(&error));
    if let Err(why) = stat(&config.client_ca)
        && !config.client_ca.as_os_str().is_empty()
    {
        let path = config.client_ca.display();
        return Err(format!(
            "failed to construct kubelet dependencies: unable to load client CA file {path}: open \
             {path}: {why}"
        ));
    }
    if stat(&config.kubeconfig).is_err() {
        return Err(match &config.bootstrap_kubeconfig {
            Some(path) => {
                let why = stat(path).err().unwrap_or_else(|| {
                    "this kubelet has no way to ask for a certificate of its own".into()
                });
                format!(
                    "failed to run Kubelet: unable to load bootstrap kubeconfig: stat {}: {why}",
                    path.display()
                )
            }
            None => format!(
                "failed to run Kubelet: invalid kubeconfig: stat {}: no such file or directory",
                config.kubeconfig.display()
            ),
        });
    }
    Access::from_kubeconfig(&config.kubeconfig)
        .map_err(|error| format!("failed to run Kubelet: invalid kubeconfig: {error}"))
}
