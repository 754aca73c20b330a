//! Paths as Go's `http.ServeMux` treats them.

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderValue, Method, StatusCode, header};

use crate::http::answer;

/// Resolves `%41`; `None` if an escape is not one.
pub(super) fn decode(path: &str) -> Option<Vec<u8>> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        decoded.push((digit()? * 16 + digit()?) as u8);
    }
    Some(decoded)
}

/// The path without empty parts, `.` and `..`; a slash at the end stays.
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut cleaned: Vec<u8> = parts
        .iter()
        .flat_map(|part| [b"/", *part].concat())
        .collect();
    if cleaned.is_empty() || path.ends_with(b"/") {
        cleaned.push(b'/');
    }
    cleaned
}

/// Sends a client that asks for a path that is not clean to the clean one.
pub(super) fn redirect(request: &Request, path: &[u8]) -> Option<Response> {
    let cleaned = clean(path);
    if cleaned == path {
        return None;
    }
    let mut place = encode(&cleaned);
    if let Some(query) = request.uri().query() {
        place = format!("{place}?{query}");
    }
    let mut response = answer::status(StatusCode::MOVED_PERMANENTLY);
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
    }
    if request.method() == Method::GET {
        let shown = place.replace('&', "&amp;").replace('"', "&#34;");
        *response.body_mut() =
            Body::from(format!("<a href=\"{shown}\">Moved Permanently</a>.\n\n"));
    }
    let place = HeaderValue::from_str(&place).ok()?;
    response.headers_mut().insert(header::LOCATION, place);
    Some(response)
}

/// As Go's `url.URL.EscapedPath` writes a path.
fn encode(path: &[u8]) -> String {
    path.iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*byte).to_string(),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'='
            | b'@' => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
