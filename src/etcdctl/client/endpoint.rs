//! Endpoints as people type them: `10.0.0.1:2379`, `https://etcd:2379`.

use crate::exit::{Exit, code};

/// Whether an endpoint wants TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `https://`: always.
    Tls,
    /// `http://`: never, certificates are ignored.
    Plain,
    /// No scheme: when certificates were given.
    Either,
}

/// What stands after the scheme, as log lines show it.
pub fn authority(endpoint: &str) -> &str {
    endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest)
}

/// Splits an endpoint into its scheme and the address to dial (host and port,
/// or whatever was typed; dialing says what is wrong with it).
pub fn interpret(endpoint: &str) -> Result<(Scheme, String), Exit> {
    if endpoint.starts_with("unix:") || endpoint.starts_with("unixs:") {
        return Err(Exit::new(
            code::BAD_FEATURE,
            format!(
                "endpoint {endpoint}: unix sockets are not supported by kubedrill; nothing was done"
            ),
        ));
    }
    let scheme = match endpoint.split_once("://") {
        Some(("https", _)) => Scheme::Tls,
        Some(("http", _)) => Scheme::Plain,
        // An unknown scheme is dialed as typed, which fails in words of its own.
        _ => return Ok((Scheme::Either, endpoint.to_owned())),
    };
    let host = authority(endpoint);
    let host = host.split(['/', '?', '#']).next().unwrap_or(host);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Ok((scheme, host.to_owned()))
}

/// Splits `host:port` as Go's `net.SplitHostPort` does; the error is its text.
pub fn split_host_port(address: &str) -> Result<(&str, &str), String> {
    let fail = |why: &str| format!("address {address}: {why}");
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| fail("missing port in address"))?;
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner
            .strip_suffix(']')
            .ok_or_else(|| fail("missing ']' in address"))?;
        return Ok((inner, port));
    }
    if address.starts_with('[') && address.ends_with(']') {
        return Err(fail("missing port in address"));
    }
    if host.contains(':') {
        return Err(fail("too many colons in address"));
    }
    Ok((host, port))
}

/// Reads a port; the error is Go's text.
pub fn port(text: &str) -> Result<u16, String> {
    match text.parse::<u64>() {
        Ok(number) => u16::try_from(number).map_err(|_| format!("address {text}: invalid port")),
        Err(_) if text.is_empty() => Ok(0),
        Err(_) => Err(format!("lookup tcp/{text}: unknown port")),
    }
}
