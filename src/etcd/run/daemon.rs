//! Tells systemd that the server is ready (`sd_notify(3)`).

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::ffi::OsStrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

/// Sends `READY=1` to the socket that `NOTIFY_SOCKET` names; nothing if it names none.
pub(super) fn notify_ready() {
    crate::info!("etcdmain/main.go:44", "notifying init daemon");
    match send() {
        Ok(()) => crate::info!("etcdmain/main.go:50", "successfully notified init daemon"),
        Err(error) => crate::error!(
            "etcdmain/main.go:47", "failed to notify systemd for readiness",
            "error" => gowords::errno(&error),
        ),
    }
}

fn send() -> io::Result<()> {
    let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let socket = UnixDatagram::unbound()?;
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    socket.send_to_addr(b"READY=1", &address).map(drop)
}
