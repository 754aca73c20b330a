//! Endpoints as people type them: `10.0.0.1:2379`, `https://etcd:2379`.

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

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Host and port, or whatever was typed; dialing says what is wrong with it.
    Tcp(String),
    /// A socket in the file system.
    Unix(String),
}

impl Address {
    /// Go's name of the network.
    pub fn network(&self) -> &'static str {
        match self {
            Address::Tcp(_) => "tcp",
            Address::Unix(_) => "unix",
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Address::Tcp(text) | Address::Unix(text)) = self;
        f.write_str(text)
    }
}

/// What stands after the scheme, as log lines show it.
pub fn authority(endpoint: &str) -> &str {
    if let Some((_, rest)) = endpoint.split_once("://") {
        return rest;
    }
    let unix = ["unix:", "unixs:"];
    unix.iter()
        .find_map(|scheme| endpoint.strip_prefix(scheme))
        .unwrap_or(endpoint)
}

/// Splits an endpoint into its scheme and the address to dial, as
/// `client/v3/internal/endpoint` does.
pub fn interpret(endpoint: &str) -> (Scheme, Address) {
    for (prefix, scheme) in [("unix:", Scheme::Either), ("unixs:", Scheme::Tls)] {
        if endpoint.starts_with(prefix) {
            return (scheme, Address::Unix(authority(endpoint).to_owned()));
        }
    }
    let scheme = match endpoint.split_once("://") {
        Some(("https", _)) => Scheme::Tls,
        Some(("http", _)) => Scheme::Plain,
        // An unknown scheme is dialed as typed, which fails in words of its own.
        _ => return (Scheme::Either, Address::Tcp(endpoint.to_owned())),
    };
    let host = authority(endpoint);
    let host = host.split(['/', '?', '#']).next().unwrap_or(host);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    (scheme, Address::Tcp(host.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::{Address, Scheme, authority, interpret};

    #[test]
    fn unix_sockets() {
        let unix = |path: &str| Address::Unix(path.into());
        assert_eq!(interpret("unix:///run/e"), (Scheme::Either, unix("/run/e")));
        assert_eq!(interpret("unix://e"), (Scheme::Either, unix("e")));
        assert_eq!(interpret("unix:e"), (Scheme::Either, unix("e")));
        assert_eq!(interpret("unixs:///e"), (Scheme::Tls, unix("/e")));
        assert_eq!(authority("unix:e"), "e");
    }

    #[test]
    fn hosts() {
        let tcp = |host: &str| Address::Tcp(host.into());
        assert_eq!(interpret("a:1"), (Scheme::Either, tcp("a:1")));
        assert_eq!(interpret("https://a:1/x"), (Scheme::Tls, tcp("a:1")));
        assert_eq!(interpret("htp://a:1"), (Scheme::Either, tcp("htp://a:1")));
    }
}
