//! Tokens that stand for a user between two requests (`server/auth/store.go`,
//! `--auth-token`).

mod ecdsa;
mod jwt;
mod keys;
mod simple;

use std::{collections::BTreeMap, time::Duration};

pub use jwt::Jwt;
pub use simple::Simple;

/// Options that are given wrongly, in the reference's words.
const BAD_OPTIONS: &str = "auth: invalid auth options";

/// Makes tokens and knows whom they stand for.
pub enum Tokens {
    /// Words that every member remembers; they end with the member.
    Simple(Simple),
    /// Signed claims; nothing is remembered.
    Jwt(Box<Jwt>),
    /// `--auth-token=""`: nobody gets a token, users come with certificates.
    Disabled,
}

impl Tokens {
    /// Reads `--auth-token` and the key files that it names.
    ///
    /// # Errors
    /// The reference's sentence about options that can't be.
    pub fn new(options: &str, simple_ttl: Duration) -> Result<Self, String> {
        let (kind, options) = parts(options)?;
        match kind {
            "simple" => {
                crate::warn!(
                    "auth/store.go:1241",
                    "simple token is not cryptographically signed"
                );
                Ok(Self::Simple(Simple::new(simple_ttl)))
            }
            "jwt" => Jwt::new(&options).map(|jwt| Self::Jwt(Box::new(jwt))),
            "" => Ok(Self::Disabled),
            other => {
                crate::warn!("auth/store.go:1253", "unknown token type",
                    "type" => other, "error" => BAD_OPTIONS);
                Err(BAD_OPTIONS.into())
            }
        }
    }
}

/// Splits `jwt,sign-method=RS256,…` into the kind and its options.
fn parts(text: &str) -> Result<(&str, BTreeMap<&str, &str>), String> {
    let mut words = text.split(',');
    let kind = words.next().unwrap_or_default();
    let mut options = BTreeMap::new();
    for word in words {
        let mut pair = word.split('=');
        let (Some(name), Some(value), None) = (pair.next(), pair.next(), pair.next()) else {
            crate::error!("auth/store.go:1204", "invalid token option", "option" => text);
            return Err(BAD_OPTIONS.into());
        };
        if options.insert(name, value).is_some() {
            crate::error!("auth/store.go:1211", "invalid token option",
                "option" => text, "duplicate-parameter" => name);
            return Err(BAD_OPTIONS.into());
        }
    }
    Ok((kind, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_pairs_that_do_not_repeat() {
        let ttl = Duration::ZERO;
        let error = |text: &str| Tokens::new(text, ttl).map(drop).unwrap_err();
        assert!(matches!(
            Tokens::new("simple,a=b", ttl),
            Ok(Tokens::Simple(_))
        ));
        assert!(matches!(Tokens::new("", ttl), Ok(Tokens::Disabled)));
        for text in ["foo", "simple,foo", "jwt,a=b,a=c", "jwt,a=b=c", "jwt"] {
            assert_eq!(error(text), BAD_OPTIONS, "{text}");
        }
        assert_eq!(
            error("jwt,sign-method=none"),
            "unsupported signing method: *jwt.signingMethodNone"
        );
        assert_eq!(
            error("jwt,sign-method=EdDSA"),
            "unsupported signing method: *jwt.SigningMethodEd25519"
        );
        for method in ["HS256", "RS256", "PS512", "ES384", "ES512"] {
            let text = format!("jwt,sign-method={method}");
            assert_eq!(error(&text), "auth: missing key data", "{method}");
        }
        assert_eq!(error("jwt,sign-method=HS256,ttl=x"), BAD_OPTIONS);
        assert_eq!(
            error("jwt,sign-method=RS256,pub-key=/nonexistent"),
            BAD_OPTIONS
        );
    }
}
