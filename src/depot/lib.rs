//! Room: depot. What a node gets from outside although it has no way out: the package
//! `etcd-client` and the release archives of etcd. The applets `apt`, `apt-get`, `apt-cache`,
//! `wget` and `curl` hand them out on the spot; the programs in them are those of the lab. Whatever
//! else is asked for is refused as the real tools would refuse it.
//!
//! Never here: network, namespaces, the words of lab and grade.
#![forbid(unsafe_code)]

mod apt;
mod archive;
mod curl;
mod release;
mod wget;

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Where a node has this program; what was put in its place by the host lies in `bin` beside
/// it.
const LIBRARY: &str = "/usr/local/lib/kubedrill";

/// The applets `apt`, `apt-get` and `apt-cache` of a node.
pub fn run_apt(args: Vec<OsString>) -> ExitCode {
    in_a_node(args, |words| apt::run(&words, Path::new("/")))
}

/// The applet `wget` of a node.
pub fn run_wget(args: Vec<OsString>) -> ExitCode {
    in_a_node(args, |words| wget::run(&words))
}

/// The applet `curl` of a node.
pub fn run_curl(args: Vec<OsString>) -> ExitCode {
    in_a_node(args, |words| curl::run(&words))
}

/// On a host these words would change the host.
fn in_a_node(args: Vec<OsString>, run: impl FnOnce(Vec<String>) -> u8) -> ExitCode {
    let words: Vec<String> = args
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let is_node = std::env::current_exe().is_ok_and(|exe| exe.starts_with(LIBRARY));
    if !is_node {
        let word = words.first().map_or("this word", String::as_str);
        eprintln!("kubedrill: {word} is for the nodes of a lab; start one and use it there");
        return ExitCode::from(2);
    }
    ExitCode::from(run(words))
}

/// What stands for a program of the lab: a foreign one if the lab runs on that, else this.
fn program(name: &str) -> PathBuf {
    let foreign = Path::new(LIBRARY).join("bin").join(name);
    if foreign.exists() {
        foreign
    } else {
        Path::new(LIBRARY).join("kubedrill")
    }
}

/// Becomes the host's own tool of that name. Returns only if there is none.
fn become_the_hosts(name: &str, words: &[String]) -> u8 {
    for dir in ["/usr/bin", "/bin"] {
        let path = Path::new(dir).join(name);
        if path.exists() {
            let error = Command::new(&path)
                .args(words.get(1..).unwrap_or_default())
                .exec();
            eprintln!("{name}: {error}");
            return 126;
        }
    }
    eprintln!(
        "{name}: this host has no {name}; without it a node can only download releases of etcd"
    );
    127
}
