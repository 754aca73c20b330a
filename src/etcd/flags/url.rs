//! URLs as etcd's flags take them (`client/pkg/types/urls.go`): a scheme and
//! `host:port`, or a socket path, and nothing else.

use std::{fmt, net::IpAddr};

/// One URL of a flag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url {
    /// `http`, `https`, `unix` or `unixs`.
    pub scheme: String,
    /// `host:port`; for a socket the part before the path, often empty.
    pub host: String,
    /// Empty, but for sockets.
    pub path: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.host, self.path)
    }
}

impl Url {
    /// Reads one URL.
    ///
    /// # Errors
    /// The reference's text when the scheme is another, the port is missing or a path is there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (scheme, rest) = split_scheme(text)?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(cut);
        let url = Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_owned(),
            path: path.to_owned(),
        };
        match url.scheme.as_str() {
            "http" | "https" => {
                if split_host_port(host).is_none() {
                    return Err(format!(
                        "URL address does not have the form \"host:port\": {text}"
                    ));
                }
                let port = split_host_port(host).map_or("", |(_, port)| port);
                if !port.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(format!(
                        "parse {text:?}: invalid port {:?} after host",
                        format!(":{port}")
                    ));
                }
                if !path.is_empty() {
                    return Err(format!("URL must not contain a path: {text}"));
                }
            }
            "unix" | "unixs" => {}
            _ => {
                return Err(format!(
                    "URL scheme must be http, https, unix, or unixs: {text}"
                ));
            }
        }
        Ok(url)
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "unixs")
    }

    /// Whether it names a socket in the file system.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        matches!(self.scheme.as_str(), "unix" | "unixs")
    }

    /// The host without its port and brackets.
    #[must_use]
    pub fn hostname(&self) -> &str {
        split_host_port(&self.host).map_or(self.host.as_str(), |(host, _)| host)
    }
}

/// Go's rule: letters, digits, `+-.` up to the first colon are the scheme.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err(format!("parse {text:?}: missing protocol scheme")),
            ':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    let segment = text.split('/').next().unwrap_or_default();
    if segment.contains(':') {
        return Err(format!(
            "parse {text:?}: first path segment in URL cannot contain colon"
        ));
    }
    Ok(("", text))
}

/// Splits `host:port` or `[v6]:port`; `None` where Go's `net.SplitHostPort` fails.
#[must_use]
pub fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').map(|host| (host, port));
    }
    (!host.contains([':', '[', ']'])).then_some((host, port))
}

/// Reads a comma-separated list, sorted as the reference sorts it, each URL once.
///
/// # Errors
/// As [`Url::parse`].
pub fn parse_list(text: &str) -> Result<Vec<Url>, String> {
    let mut urls = text
        .split(',')
        .map(Url::parse)
        .collect::<Result<Vec<_>, _>>()?;
    urls.sort_by_key(ToString::to_string);
    urls.dedup();
    Ok(urls)
}

/// The texts of a list of URLs.
#[must_use]
pub fn strings(urls: &[Url]) -> Vec<String> {
    urls.iter().map(ToString::to_string).collect()
}

/// Refuses a URL to listen on whose host is not an address (`embed.checkBindURLs`).
///
/// # Errors
/// The reference's text, which names the URL.
pub fn check_bind(urls: &[Url]) -> Result<(), String> {
    for url in urls.iter().filter(|url| !url.is_unix()) {
        let host = url.hostname();
        if host != "localhost" && host.parse::<IpAddr>().is_err() {
            return Err(format!("expected IP in URL for binding ({url})"));
        }
    }
    Ok(())
}

/// Refuses a URL to advertise that has no host (`embed.checkHostURLs`).
///
/// # Errors
/// The reference's text, which names the URL.
pub fn check_host(urls: &[Url]) -> Result<(), String> {
    for url in urls {
        match split_host_port(&url.host) {
            None => return Err(format!("address {}: missing port in address", url.host)),
            Some(("", _)) => return Err(format!("unexpected empty host ({url})")),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Reads `--initial-cluster` (`a=http://h:1,a=http://h:2,b=…`) into pairs sorted
/// as the reference prints them.
///
/// # Errors
/// As [`Url::parse`].
pub fn parse_cluster(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, url) = part.split_once('=').unwrap_or((part, ""));
        pairs.push((name.to_owned(), Url::parse(url)?.to_string()));
    }
    pairs.sort_by_key(|(name, url)| format!("{name}={url}"));
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_in_the_references_words() {
        for (text, error) in [
            (
                "127.0.0.1:2379",
                "parse \"127.0.0.1:2379\": first path segment in URL cannot contain colon",
            ),
            (
                "localhost:2379",
                "URL scheme must be http, https, unix, or unixs: localhost:2379",
            ),
            (
                "http://a",
                "URL address does not have the form \"host:port\": http://a",
            ),
            ("http://a:1/", "URL must not contain a path: http://a:1/"),
            (
                "http://a:x",
                "parse \"http://a:x\": invalid port \":x\" after host",
            ),
        ] {
            assert_eq!(Url::parse(text), Err(error.to_owned()));
        }
        assert_eq!(
            Url::parse(" https://[::1]:2379 ").map(|url| url.to_string()),
            Ok("https://[::1]:2379".into())
        );
        assert_eq!(
            Url::parse("unix:///run/e.sock").map(|url| url.path),
            Ok("/run/e.sock".into())
        );
    }

    #[test]
    fn lists_are_sorted_and_unique() {
        let urls = parse_list("http://b:1,http://a:1,http://b:1").expect("three good URLs");
        assert_eq!(strings(&urls), ["http://a:1", "http://b:1"]);
        assert_eq!(
            parse_cluster("b=http://x:2,,a=http://x:1"),
            Ok(vec![
                ("a".into(), "http://x:1".into()),
                ("b".into(), "http://x:2".into())
            ])
        );
    }

    #[test]
    fn binding_needs_an_address() {
        let urls = |text| parse_list(text).expect("a good URL");
        assert_eq!(
            check_bind(&urls("http://etcd:1")),
            Err("expected IP in URL for binding (http://etcd:1)".into())
        );
        assert_eq!(check_bind(&urls("http://localhost:1")), Ok(()));
        assert_eq!(
            check_host(&urls("http://:1")),
            Err("unexpected empty host (http://:1)".into())
        );
    }
}
