//! URLs of members: what `client/pkg/types` of the reference accepts, and its
//! words for what it doesn't.

/// A URL that no member can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all; the reason is `net/url`'s.
    #[error("parse {}: {reason}", crate::go::quote::quote(.url.as_bytes()))]
    Parse {
        /// As typed.
        url: String,
        /// Why.
        reason: String,
    },
    /// No port, or several.
    #[error("URL address does not have the form \"host:port\": {0}")]
    Address(String),
    /// Something after the port.
    #[error("URL must not contain a path: {0}")]
    Path(String),
    /// Another scheme, or none.
    #[error("URL scheme must be http, https, unix, or unixs: {0}")]
    Scheme(String),
    /// An empty list.
    #[error("no valid URLs given")]
    None,
}

/// Checks URLs; gives them without spaces around them, sorted.
pub fn check<T: AsRef<str>>(urls: &[T]) -> Result<Vec<String>, UrlError> {
    if urls.is_empty() {
        return Err(UrlError::None);
    }
    let mut checked = urls
        .iter()
        .map(|url| check_one(url.as_ref().trim()))
        .collect::<Result<Vec<_>, _>>()?;
    checked.sort();
    Ok(checked)
}

fn check_one(url: &str) -> Result<String, UrlError> {
    let parse_error = |reason: String| UrlError::Parse {
        url: url.into(),
        reason,
    };
    let (scheme, rest) = split_scheme(url).map_err(|reason| parse_error(reason.into()))?;
    if scheme.is_empty() {
        let segment = rest.split('/').next().unwrap_or(rest);
        if !rest.starts_with('/') && segment.contains(':') {
            return Err(parse_error(
                "first path segment in URL cannot contain colon".into(),
            ));
        }
    }
    match scheme.as_str() {
        "http" | "https" => {}
        "unix" | "unixs" => return Ok(url.to_owned()),
        _ => return Err(UrlError::Scheme(url.into())),
    }
    let authority = rest.strip_prefix("//").unwrap_or_default();
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let (host, tail) = authority.split_at(end);
    let bracket = host.rfind(']').unwrap_or(0);
    let colon = host[bracket..].find(':').map(|at| bracket + at);
    let last = host[bracket..].rfind(':').map(|at| bracket + at);
    if let Some(at) = last {
        let port = &host[at..];
        if !port[1..].bytes().all(|b| b.is_ascii_digit()) {
            return Err(parse_error(format!(
                "invalid port {} after host",
                crate::go::quote::quote(port.as_bytes())
            )));
        }
    }
    if colon.is_none() || colon != last {
        return Err(UrlError::Address(url.into()));
    }
    if tail.starts_with('/') {
        return Err(UrlError::Path(url.into()));
    }
    Ok(format!("{scheme}:{rest}"))
}

fn split_scheme(url: &str) -> Result<(String, &str), &'static str> {
    for (at, byte) in url.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme"),
            b':' => return Ok((url[..at].to_lowercase(), &url[at + 1..])),
            _ => break,
        }
    }
    Ok((String::new(), url))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn accepts_and_sorts() {
        assert_eq!(
            check(&["http://b:1", " https://a:2 "]).unwrap(),
            ["http://b:1".to_owned(), "https://a:2".to_owned()]
        );
        assert!(check(&["http://[::1]:2380"]).is_ok());
    }

    #[test]
    fn refuses_in_the_reference_words() {
        let said = |url: &str| check(&[url]).unwrap_err().to_string();
        assert_eq!(
            said("foo"),
            "URL scheme must be http, https, unix, or unixs: foo"
        );
        assert_eq!(
            said("localhost:2380"),
            "URL scheme must be http, https, unix, or unixs: localhost:2380"
        );
        assert_eq!(
            said("127.0.0.1:2380"),
            r#"parse "127.0.0.1:2380": first path segment in URL cannot contain colon"#
        );
        assert_eq!(
            said("http://127.0.0.1"),
            r#"URL address does not have the form "host:port": http://127.0.0.1"#
        );
        assert_eq!(
            said("http://127.0.0.1:2380/x"),
            "URL must not contain a path: http://127.0.0.1:2380/x"
        );
        assert_eq!(
            said("http://a:b"),
            r#"parse "http://a:b": invalid port ":b" after host"#
        );
    }
}
