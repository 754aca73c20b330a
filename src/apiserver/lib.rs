//! The API server, the controllers and the scheduler, as three applets.
//!
//! The API server is a gRPC client of etcd, like the real one; controllers and
//! scheduler talk to it over HTTPS with a kubeconfig, like the real ones.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

mod app;
mod authn;
mod authz;
mod bootstrap;
mod cache;
mod client;
mod controllers;
mod dial;
mod encryption;
mod etcd;
mod events;
mod flags;
mod health;
mod leader;
mod log;
mod protobuf;
mod recorder;
mod reflector;
mod request;
mod rest;
mod run;
mod scheduler;
mod server;
mod status;
mod tls;
mod token;

pub use controllers::run_controller_manager;
pub use run::run_apiserver;
pub use scheduler::run_scheduler;

type Work = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// Runs a component: reads its flags, makes a runtime, does its work. Exit status 1
/// tells of a failure, 0 of a termination by signal.
fn component(
    name: &'static str,
    args: Vec<OsString>,
    table: flags::Table,
    work: impl FnOnce(flags::Flags) -> Work,
) -> ExitCode {
    let words = args.get(1..).unwrap_or_default();
    if words.iter().any(|w| w == "--help" || w == "-h") {
        println!("Usage:\n  {name} [flags]\n\nFlags:");
        for (flag, kind) in table.own {
            match kind {
                flags::Kind::Refused(why) => println!("      --{flag} (not supported: {why})"),
                flags::Kind::Accepted(why) => println!("      --{flag} (accepted: {why})"),
                _ => println!("      --{flag}"),
            }
        }
        println!("\nAccepted or refused by name:");
        for (name, flag) in kube::known_flags::all(table.beyond) {
            println!("      --{name} ({flag})");
        }
        return ExitCode::SUCCESS;
    }
    if words.iter().any(|w| w == "--version") {
        println!("Kubernetes {}", kube::openapi::VERSION);
        return ExitCode::SUCCESS;
    }
    let flags = match flags::Flags::parse(table, words) {
        Ok(flags) => flags,
        Err(error) => {
            eprintln!("Error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Error: {name}: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(work(flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&kube::klog::structured(
                "command failed",
                &[("err", &error)],
            ));
            ExitCode::FAILURE
        }
    }
}

/// Returns when the process is asked to end.
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
