//! What the tests of several rooms need. Development only: no program links it.
#![forbid(unsafe_code)]

use std::{
    env,
    ffi::OsString,
    io::ErrorKind,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Brings the reference binaries, if they are not there yet.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.ci/reference-binaries");

fn var(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Where the reference binaries are: `$KUBEDRILL_REFERENCE_BINARIES`, or
/// `kubedrill/reference-binaries` in the user's cache.
fn folder() -> PathBuf {
    if let Some(folder) = var("KUBEDRILL_REFERENCE_BINARIES") {
        return folder.into();
    }
    let cache = var("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| var("HOME").map(|home| Path::new(&home).join(".cache")));
    cache
        .unwrap_or_default()
        .join("kubedrill/reference-binaries")
}

/// A program of the reference, such as `3.5/etcd`, `3.4/etcdctl` or `k1.32/kubectl`. The
/// first test that asks for one brings them all.
///
/// # Panics
/// It is not there and can't be brought: a test that compares with nothing must fail.
pub fn reference(program: &str) -> PathBuf {
    static BROUGHT: OnceLock<String> = OnceLock::new();
    let path = folder().join(program);
    if path.exists() {
        return path;
    }
    let words =
        BROUGHT.get_or_init(
            || match Command::new("bash").arg(SCRIPT).arg(folder()).output() {
                Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
                Err(error) => error.to_string(),
            },
        );
    assert!(
        path.exists(),
        "{} is not there, and .ci/reference-binaries could not bring it: {words}",
        path.display()
    );
    path
}

/// A port of the loopback that nothing listens on now. No two tests of a program get the
/// same, and it is below the range from which the system takes ports for outgoing
/// connections: a member that is away a while finds it free when it comes back.
///
/// The port is asked for by a call, not by listening on it: a program that another thread
/// starts just then would hold the listener until its `exec`, and the port be taken a while.
///
/// # Panics
/// All ports from 20000 to 29999 are taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let start = std::process::id() as usize % 100 * 100;
    (0..10_000)
        .map(|_| 20_000 + ((start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000) as u16)
        .find(|port| {
            TcpStream::connect(("127.0.0.1", *port))
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        })
        .expect("a free port between 20000 and 29999")
}
