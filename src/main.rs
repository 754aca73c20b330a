//! The one program. By the name it is called by, or by its first word, it is an
//! applet of a node (`etcd`, `kubectl`, …); else it is `kubedrill` with a verb.
#![forbid(unsafe_code)]

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::ExitCode,
};

/// Runs with the arguments, the applet's name first.
type Applet = fn(Vec<OsString>) -> ExitCode;

/// Every name that is not a verb of kubedrill.
fn applet(name: &OsStr) -> Option<Applet> {
    Some(match name.to_str()? {
        "apt" | "apt-cache" | "apt-get" => depot::run_apt,
        "crictl" => kubelet::run_crictl,
        "curl" => depot::run_curl,
        "etcd" => etcd::run,
        "etcdctl" => etcdctl::run_etcdctl,
        "etcdutl" => etcdctl::run_etcdutl,
        "kube-apiserver" => apiserver::run_apiserver,
        "kube-controller-manager" => apiserver::run_controller_manager,
        "kube-scheduler" => apiserver::run_scheduler,
        "kubeadm" => kubelet::run_kubeadm,
        "kubectl" => kubectl::run,
        "kubelet" => kubelet::run_kubelet,
        "service" => sandbox::run_service,
        "systemctl" => sandbox::run_systemctl,
        "journalctl" => sandbox::run_journalctl,
        "hostnamectl" => sandbox::run_hostnamectl,
        "timedatectl" => sandbox::run_timedatectl,
        "sudo" => sandbox::run_sudo,
        "peer-link" => sandbox::run_relay,
        "scp" => sandbox::run_scp,
        "ssh" => sandbox::run_ssh,
        "wget" => depot::run_wget,
        "su" => sandbox::run_su,
        "reboot" | "poweroff" | "halt" | "shutdown" => sandbox::run_power,
        "sandbox-fabric" | "sandbox-init" | "sandbox-enter" | "sandbox-container" => {
            sandbox::run_internal
        }
        "grade-inside" => cli::run_grader,
        _ => return None,
    })
}

/// As SIGPIPE ends a tool whose reader has seen enough (`systemctl status etcd | head -4`);
/// the standard library's `println!` panics there.
const READER_IS_GONE: i32 = 128 + 13;

fn end_quietly_without_a_reader() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>();
        if text.is_some_and(|text| {
            text.starts_with("failed printing to std") && text.contains("Broken pipe")
        }) {
            std::process::exit(READER_IS_GONE);
        }
        report(panic);
    }));
}

fn main() -> ExitCode {
    end_quietly_without_a_reader();
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let called = args
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .map(OsStr::to_owned);
    if let Some(called) = called {
        // In a node these are words of the lab; as verbs they name it.
        if called.to_str().is_some_and(cli::is_word) {
            args[0] = called;
            return cli::run_word(args);
        }
        if let Some(run) = applet(&called) {
            args[0] = called;
            return run(args);
        }
    }
    if let Some(run) = args.get(1).and_then(|word| applet(word)) {
        args.remove(0);
        return run(args);
    }
    if cli::is_on_a_node() {
        return cli::run_on_node(args);
    }
    cli::run(args)
}
