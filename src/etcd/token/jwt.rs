//! JSON web tokens (`server/auth/jwt.go`, `server/auth/options.go`).
//!
//! Signing and checking is that of libraries; what is written here is the envelope of
//! RFC 7519 as golang-jwt 4.4 writes and reads it.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use mvcc::AuthInfo;
use serde_json::{Map, Value, json};

use super::{
    BAD_OPTIONS,
    keys::{Family, Key},
};
use crate::flags::duration;

const DEFAULT_TTL: Duration = Duration::from_secs(300);
const BAD_METHOD: &str = "auth: invalid auth signature method";
const KNOWN: [&str; 4] = ["sign-method", "pub-key", "priv-key", "ttl"];

/// Signs and checks tokens.
pub struct Jwt {
    method: String,
    key: Key,
    ttl: Duration,
}

impl Jwt {
    /// Reads the options after `jwt,` and the files they name.
    ///
    /// # Errors
    /// The reference's sentence.
    pub fn new(options: &BTreeMap<&str, &str>) -> Result<Self, String> {
        let (method, family, ttl, files) = read(options).map_err(|error| {
            crate::error!("auth/jwt.go:134", "problem loading JWT options", "error" => error);
            BAD_OPTIONS.to_owned()
        })?;
        let unknown: Vec<_> = options
            .keys()
            .filter(|name| !KNOWN.contains(name))
            .collect();
        if !unknown.is_empty() {
            crate::warn!("auth/jwt.go:145", "unknown JWT options", "keys" => unknown);
        }
        let key = Key::new(family, &files.0, &files.1)?;
        Ok(Self {
            method: method.to_owned(),
            key,
            ttl,
        })
    }

    /// Whom a token stands for; nobody if it is not ours, or past its time.
    ///
    /// `now` is in seconds since 1970.
    pub fn user(&self, token: &str, now: u64) -> Option<AuthInfo> {
        self.read(token, now)
            .inspect_err(|error| {
                crate::warn!("auth/jwt.go:60", "failed to parse a JWT token", "error" => error);
            })
            .ok()
    }

    fn read(&self, token: &str, now: u64) -> Result<AuthInfo, &'static str> {
        let mut segments = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) else {
            return Err("token contains an invalid number of segments");
        };
        let parsed = |segment: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&BASE64.decode(segment).ok()?).ok()
        };
        let signed = &token[..header.len() + 1 + claims.len()];
        let header = parsed(header).ok_or("the header is not base64 of JSON")?;
        let claims = parsed(claims).ok_or("the claims are not base64 of JSON")?;
        // Whoever makes the token must not choose how it is checked.
        if header.get("alg").and_then(Value::as_str) != Some(&self.method) {
            return Err("invalid signing method");
        }
        let signature = BASE64
            .decode(signature)
            .map_err(|_| "the signature is not base64")?;
        if !self.key.verify(signed.as_bytes(), &signature) {
            return Err("signature is invalid");
        }
        check_times(&claims, now as f64)?;
        let username = claims.get("username").and_then(Value::as_str);
        let revision = claims.get("revision").and_then(Value::as_f64);
        Ok(AuthInfo {
            username: username.ok_or("it names no user")?.to_owned(),
            revision: revision.ok_or("it names no revision")? as u64,
        })
    }

    /// A token for a user. `now_ms` is in milliseconds since 1970.
    ///
    /// # Errors
    /// There is only a public key, or signing failed.
    pub fn sign(&self, user: &str, revision: u64, now_ms: u64) -> Result<String, String> {
        let expires = (now_ms + self.ttl.as_millis() as u64) / 1000;
        let header = json!({ "alg": self.method, "typ": "JWT" });
        let claims = json!({ "exp": expires, "revision": revision, "username": user });
        let signed = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string())
        );
        let signature = self.key.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64.encode(signature)))
    }
}

type Read<'a> = (&'a str, Family, Duration, (Vec<u8>, Vec<u8>));

fn read<'a>(options: &BTreeMap<&str, &'a str>) -> Result<Read<'a>, String> {
    let option = |name| options.get(name).copied().unwrap_or_default();
    let ttl = match option("ttl") {
        "" => DEFAULT_TTL,
        text => {
            let nanos = duration::parse(text)?;
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
        }
    };
    let file = |name| match option(name) {
        "" => Ok(Vec::new()),
        path => {
            std::fs::read(path).map_err(|error| format!("open {path}: {}", gowords::errno(&error)))
        }
    };
    let files = (file("pub-key")?, file("priv-key")?);
    let method = option("sign-method");
    let family = Family::of(method).ok_or(BAD_METHOD)?;
    Ok((method, family, ttl, files))
}

/// The claims about time, as `MapClaims.Valid` reads them: one that is absent or 0 says
/// nothing, one that is no number is not met.
fn check_times(claims: &Map<String, Value>, now: f64) -> Result<(), &'static str> {
    let met = |name: &str, holds: fn(f64, f64) -> bool| match claims.get(name) {
        None => true,
        Some(value) => value
            .as_f64()
            .is_some_and(|time| time == 0.0 || holds(now, time)),
    };
    if !met("exp", |now, time| now < time) {
        return Err("token is expired");
    }
    if !met("iat", |now, time| now >= time) {
        return Err("token used before issued");
    }
    if !met("nbf", |now, time| now >= time) {
        return Err("token is not valid yet");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hmac(dir: &std::path::Path, ttl: &str) -> Jwt {
        let path = dir.join("secret");
        std::fs::write(&path, "a secret of some length").unwrap();
        let path = path.to_str().unwrap();
        let options = [("sign-method", "HS256"), ("priv-key", path), ("ttl", ttl)];
        Jwt::new(&options.into()).unwrap()
    }

    #[test]
    fn what_is_signed_is_read_until_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let jwt = hmac(dir.path(), "10s");
        let token = jwt.sign("ann", 7, 1_000_500).unwrap();
        let ann = AuthInfo {
            username: "ann".into(),
            revision: 7,
        };
        assert_eq!(jwt.read(&token, 1009), Ok(ann));
        assert_eq!(jwt.read(&token, 1010), Err("token is expired"));
    }

    #[test]
    fn what_others_made_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let jwt = hmac(dir.path(), "");
        let token = jwt.sign("ann", 7, 0).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let with_header = |header: &str| {
            let claims = signed.split('.').nth(1).unwrap();
            format!("{}.{claims}.{signature}", BASE64.encode(header))
        };
        let rows = [
            (
                signed.to_owned(),
                "token contains an invalid number of segments",
            ),
            (format!("{signed}."), "signature is invalid"),
            (format!("{signed}.AAAA"), "signature is invalid"),
            (format!("{signed}.!"), "the signature is not base64"),
            (with_header("{\"alg\":\"none\"}"), "invalid signing method"),
            (with_header("{\"alg\":\"HS512\"}"), "invalid signing method"),
            (
                with_header("{\"typ\":\"JWT\",\"alg\":\"HS256\"}"),
                "signature is invalid",
            ),
            (with_header("nonsense"), "the header is not base64 of JSON"),
        ];
        for (token, why) in rows {
            assert_eq!(jwt.read(&token, 1), Err(why), "{token}");
        }
    }

    #[test]
    fn claims_about_time() {
        let rows = [
            (json!({}), Ok(())),
            (json!({ "exp": 0 }), Ok(())),
            (json!({ "exp": 101, "iat": 100, "nbf": 99.5 }), Ok(())),
            (json!({ "exp": 100 }), Err("token is expired")),
            (json!({ "exp": "200" }), Err("token is expired")),
            (json!({ "iat": 101 }), Err("token used before issued")),
            (json!({ "nbf": 101 }), Err("token is not valid yet")),
        ];
        for (claims, expected) in rows {
            let Value::Object(map) = &claims else {
                panic!("{claims}")
            };
            assert_eq!(check_times(map, 100.0), expected, "{claims}");
        }
    }
}
