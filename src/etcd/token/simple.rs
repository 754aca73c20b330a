//! Simple tokens (`server/auth/simple_token.go`): sixteen random letters, a dot, and
//! the index of the log entry before the one that made it. The entry makes it known
//! to every member; each forgets it by its own clock.

use std::{collections::HashMap, time::Duration};

use mvcc::{Millis, TokenChange};
use parking_lot::Mutex;

/// The alphabet of the reference, which lacks a capital.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LENGTH: usize = 16;
const DEFAULT_TTL: Duration = Duration::from_secs(300);

struct Known {
    user: String,
    until: Millis,
}

/// The tokens that this member knows.
pub struct Simple {
    ttl: Millis,
    known: Mutex<HashMap<String, Known>>,
}

impl Simple {
    /// Tokens that live for so long after they were used last; zero is etcd's 5 minutes.
    pub fn new(ttl: Duration) -> Self {
        let ttl = if ttl.is_zero() { DEFAULT_TTL } else { ttl };
        Self {
            ttl: ttl.as_millis() as Millis,
            known: Mutex::default(),
        }
    }

    /// The random part of a new token.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn random() -> Result<String, String> {
        let mut letters = String::with_capacity(LENGTH);
        while letters.len() < LENGTH {
            let mut bytes = [0; LENGTH];
            getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
            // A multiple of the alphabet's length, so that no letter is likelier.
            let fair = bytes
                .iter()
                .filter(|byte| usize::from(**byte) < 4 * LETTERS.len());
            for byte in fair.take(LENGTH - letters.len()) {
                letters.push(char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
            }
        }
        Ok(letters)
    }

    /// The log index that a token waits for: it can't be known before that is applied.
    pub fn index_of(token: &str) -> Option<u64> {
        let (_, index) = token.split_once('.')?;
        let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| index.parse().ok()).flatten()
    }

    /// Whom a token stands for; it lives on from now.
    pub fn user(&self, token: &str, now: Millis) -> Option<String> {
        let mut known = self.known.lock();
        let found = known.get_mut(token).filter(|found| now <= found.until)?;
        found.until = now + self.ttl;
        Some(found.user.clone())
    }

    /// Carries out what an applied entry means for tokens.
    pub fn change(&self, change: TokenChange, now: Millis) {
        let mut known = self.known.lock();
        match change {
            TokenChange::Assign { user, token } => {
                // Those past their time go when others come, which bounds them.
                known.retain(|_, other| now <= other.until);
                let until = now + self.ttl;
                known.insert(token, Known { user, until });
            }
            TokenChange::Forget { user } => known.retain(|_, other| other.user != user),
            TokenChange::ForgetAll => known.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(user: &str, token: &str) -> TokenChange {
        TokenChange::Assign {
            user: user.into(),
            token: token.into(),
        }
    }

    #[test]
    fn a_token_lives_from_its_last_use() {
        let tokens = Simple::new(Duration::from_secs(1));
        tokens.change(assign("ann", "a.1"), 0);
        assert_eq!(tokens.user("a.1", 900).as_deref(), Some("ann"));
        assert_eq!(tokens.user("a.1", 1900).as_deref(), Some("ann"));
        assert_eq!(tokens.user("a.1", 2901), None);
        tokens.change(assign("bob", "b.2"), 5000);
        assert_eq!(tokens.known.lock().len(), 1);
    }

    #[test]
    fn tokens_are_forgotten_by_user_or_all_at_once() {
        let tokens = Simple::new(Duration::ZERO);
        for (user, token) in [("ann", "a.1"), ("ann", "b.2"), ("bob", "c.3")] {
            tokens.change(assign(user, token), 0);
        }
        tokens.change(TokenChange::Forget { user: "ann".into() }, 0);
        assert_eq!(tokens.user("a.1", 299_999), None);
        assert_eq!(tokens.user("c.3", 299_999).as_deref(), Some("bob"));
        tokens.change(TokenChange::ForgetAll, 0);
        assert_eq!(tokens.user("c.3", 0), None);
    }

    #[test]
    fn the_index_is_all_digits() {
        assert_eq!(Simple::index_of("abc.12"), Some(12));
        for token in ["abc", "abc.", "abc.+1", "a.1.2", "a.99999999999999999999"] {
            assert_eq!(Simple::index_of(token), None, "{token}");
        }
    }

    #[test]
    fn random_parts_are_sixteen_letters_that_do_not_repeat() {
        let one = Simple::random().unwrap();
        assert!(one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_alphabetic()));
        assert_ne!(one, Simple::random().unwrap());
    }
}
