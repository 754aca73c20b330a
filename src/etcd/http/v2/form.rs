//! Forms as Go's `http.Request.ParseForm` reads them.

use axum::{body::Body, extract::Request};
use http::{Method, header, request::Parts};
use http_body_util::{BodyExt, Limited};

/// The longest body that is read, in bytes.
const LIMIT: usize = 10 << 20;

/// The fields of a request: those of its body first, then those of its query.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(Vec<u8>, Vec<u8>)>);

impl Form {
    /// Reads the query, and the body if it is a form.
    pub(super) async fn read(request: Request) -> (Parts, Result<Self, String>) {
        let (parts, body) = request.into_parts();
        let form = Self::of(&parts, body).await;
        (parts, form)
    }

    async fn of(parts: &Parts, body: Body) -> Result<Self, String> {
        let mut fields = Vec::new();
        let mut wrong = None;
        let kind = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .and_then(|kind| kind.split(';').next())
            .unwrap_or_default()
            .trim();
        let has_form = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH)
            && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if has_form {
            let body = Limited::new(body, LIMIT)
                .collect()
                .await
                .map_err(|_| "http: POST too large".to_owned())?
                .to_bytes();
            parse(&body, &mut fields, &mut wrong);
        }
        let query = parts.uri.query().unwrap_or_default();
        parse(query.as_bytes(), &mut fields, &mut wrong);
        match wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Self(fields)),
        }
    }

    /// The first value of a field, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| known == name.as_bytes())
            .map(|(_, value)| value.as_slice())
    }

    /// A field as `strconv.ParseBool` reads it; false if it is not there.
    pub(super) fn bool(&self, name: &str) -> Result<bool, ()> {
        match self.get(name) {
            None | Some(b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False") => Ok(false),
            Some(b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True") => Ok(true),
            Some(_) => Err(()),
        }
    }

    /// A field as `strconv.ParseUint` reads it; 0 if it is not there.
    pub(super) fn number(&self, name: &str) -> Result<u64, ()> {
        let Some(value) = self.get(name) else {
            return Ok(0);
        };
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(());
        }
        std::str::from_utf8(value)
            .map_err(drop)?
            .parse()
            .map_err(drop)
    }
}

/// `url.ParseQuery`: what can be read is taken, and the first mistake is told.
fn parse(text: &[u8], fields: &mut Vec<(Vec<u8>, Vec<u8>)>, wrong: &mut Option<String>) {
    for pair in text.split(|byte| *byte == b'&') {
        if pair.contains(&b';') {
            wrong.get_or_insert_with(|| "invalid semicolon separator in query".to_owned());
            continue;
        }
        if pair.is_empty() {
            continue;
        }
        let cut = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match cut {
            Some(cut) => (&pair[..cut], &pair[cut + 1..]),
            None => (pair, &[][..]),
        };
        match (unescape(name), unescape(value)) {
            (Ok(name), Ok(value)) => fields.push((name, value)),
            (Err(error), _) | (_, Err(error)) => {
                wrong.get_or_insert(error);
            }
        }
    }
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => plain.push(b' '),
            b'%' => {
                let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    let shown: Vec<u8> =
                        [b'%'].iter().chain(after.iter().take(2)).copied().collect();
                    let shown = String::from_utf8_lossy(&shown);
                    return Err(format!("invalid URL escape {shown:?}"));
                };
                plain.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            byte => plain.push(byte),
        }
    }
    Ok(plain)
}
