//! Runs a control-plane applet by its name, for trying this room alone.
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|a| a.to_str()) {
        Some("kube-apiserver") => apiserver::run_apiserver(args),
        Some("kube-controller-manager") => apiserver::run_controller_manager(args),
        Some("kube-scheduler") => apiserver::run_scheduler(args),
        _ => ExitCode::FAILURE,
    }
}
