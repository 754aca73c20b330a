//! URLs of endpoints as Go's `net/url` reads and writes them, as far as an endpoint has
//! something to write.

use std::fmt;

use crate::go::quote::quote;

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Lower case; empty if none was given.
    pub scheme: String,
    /// `host:port`; empty if none was given.
    pub host: String,
    /// Decoded.
    pub path: String,
    /// What follows the scheme when no slash does: `localhost:2379` is a URL of the
    /// scheme `localhost`.
    opaque: String,
    query: Option<String>,
}

impl Url {
    /// Reads a URL; the error is Go's.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fail = |why: &str| format!("parse {}: {why}", quote(text.as_bytes()));
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(fail("net/url: invalid control character in URL"));
        }
        let bare = text.split_once('#').map_or(text, |(bare, _)| bare);
        let (scheme, rest) = split_scheme(bare).map_err(fail)?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let mut url = Self {
            scheme: scheme.to_ascii_lowercase(),
            host: String::new(),
            path: String::new(),
            opaque: String::new(),
            query,
        };
        let path = if let Some(after) = rest.strip_prefix("//") {
            let (host, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            let port = host.rsplit_once(']').map_or(host, |(_, port)| port);
            if let Some((_, port)) = port.rsplit_once(':')
                && !port.bytes().all(|byte| byte.is_ascii_digit())
            {
                let port = quote(format!(":{port}").as_bytes());
                return Err(fail(&format!("invalid port {port} after host")));
            }
            host.clone_into(&mut url.host);
            path
        } else if !rest.starts_with('/') && !scheme.is_empty() {
            rest.clone_into(&mut url.opaque);
            return Ok(url);
        } else {
            let first = rest.split('/').next().unwrap_or_default();
            if first.contains(':') {
                return Err(fail("first path segment in URL cannot contain colon"));
            }
            rest
        };
        url.path = decode(path).map_err(|why| fail(&why))?;
        Ok(url)
    }

    /// With another path and query.
    pub fn with(&self, path: &str, query: &str) -> Self {
        Self {
            path: path.to_owned(),
            query: (!query.is_empty()).then(|| query.to_owned()),
            ..self.clone()
        }
    }

    /// Path and query as a request carries them.
    pub fn target(&self) -> String {
        let path = match encode_path(&self.path) {
            path if path.is_empty() => "/".to_owned(),
            path => path,
        };
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        }
    }

    /// `host:port`, with the scheme's port if none was given.
    pub fn address(&self) -> String {
        let has_port = self
            .host
            .rsplit_once(']')
            .map_or(self.host.as_str(), |(_, rest)| rest)
            .contains(':');
        match (has_port, self.scheme.as_str()) {
            (true, _) => self.host.clone(),
            (false, "https") => format!("{}:443", self.host),
            (false, _) => format!("{}:80", self.host),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if !self.opaque.is_empty() {
            return f.write_str(&self.opaque);
        }
        if !self.host.is_empty() || (!self.scheme.is_empty() && !self.path.is_empty()) {
            write!(f, "//{}", self.host)?;
        }
        if !self.path.is_empty() && !self.path.starts_with('/') && !self.host.is_empty() {
            f.write_str("/")?;
        }
        f.write_str(&encode_path(&self.path))?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme"),
            ':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn decode(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            plain.push(bytes[at]);
            at += 1;
            continue;
        }
        let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
            let shown = &bytes[at..bytes.len().min(at + 3)];
            return Err(format!("invalid URL escape {}", quote(shown)));
        };
        plain.push((high * 16 + low) as u8);
        at += 3;
    }
    Ok(String::from_utf8_lossy(&plain).into_owned())
}

/// `url.URL.EscapedPath`.
fn encode_path(path: &str) -> String {
    encode(path, b"-_.~$&+,/:;=@", "%20")
}

/// `url.QueryEscape`.
pub fn encode_query(text: &str) -> String {
    encode(text, b"-_.~", "+")
}

fn encode(text: &str, plain: &[u8], space: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push_str(space),
            byte if byte.is_ascii_alphanumeric() || plain.contains(&byte) => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// `url.Values.Encode`: in the order of the names.
pub fn form(fields: &[(&str, String)]) -> String {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode_query(value)))
        .collect();
    pairs.join("&")
}

/// `pathutil.CanonicalURLPath`: a clean path that keeps its slash at the end.
pub fn canonical_path(path: &str) -> String {
    let clean = mvcc::v2::path::clean(path);
    match path.ends_with('/') && clean != "/" {
        true => clean + "/",
        false => clean,
    }
}
