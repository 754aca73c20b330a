//! Draws the values that differ per run.
//!
//! A value depends on the seed, the lab and its own name alone, so that adding a
//! variable leaves the others as they were.

use sha2::{Digest, Sha256};

/// What a variable may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    /// One of these; never empty.
    Pick(Vec<String>),
    /// A whole number from the first to the second, both included.
    Number(i64, i64),
    /// So many random lower-case letters and digits, the first a letter.
    Word(u32),
}

/// The value of the variable `name` of the lab `lab` under `seed`.
pub fn draw(seed: u64, lab: &str, name: &str, domain: &Domain) -> String {
    match domain {
        Domain::Pick(words) => {
            let at = number(seed, lab, name, 0) % words.len() as u64;
            words[at as usize].clone()
        }
        Domain::Number(from, to) => {
            let span = to.abs_diff(*from).saturating_add(1);
            let offset = number(seed, lab, name, 0) % span;
            from.wrapping_add_unsigned(offset).to_string()
        }
        Domain::Word(length) => (0..*length)
            .map(|at| {
                let letters: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
                let choices = if at == 0 { 26 } else { 36 };
                letters[(number(seed, lab, name, at) % choices) as usize] as char
            })
            .collect(),
    }
}

/// A number that looks random and is the same on every machine and in every release.
fn number(seed: u64, lab: &str, name: &str, at: u32) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    for part in [lab, name] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(at.to_be_bytes());
    let digest = hash.finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_value() {
        let domain = Domain::Word(8);
        let first = draw(7, "lab", "app", &domain);
        assert_eq!(first, draw(7, "lab", "app", &domain));
        assert_ne!(first, draw(8, "lab", "app", &domain));
        assert_ne!(first, draw(7, "lab", "other", &domain));
        assert_eq!(first.len(), 8);
        assert!(first.starts_with(|c: char| c.is_ascii_lowercase()));
    }

    #[test]
    fn numbers_stay_in_their_range() {
        for seed in 0..200 {
            let value: i64 = draw(seed, "lab", "n", &Domain::Number(-2, 2))
                .parse()
                .unwrap();
            assert!((-2..=2).contains(&value));
        }
        let wide = Domain::Number(i64::MIN, i64::MAX);
        assert!(draw(1, "lab", "n", &wide).parse::<i64>().is_ok());
    }
}
