//! Flags among the words that a program is started with.

/// The value of a flag, written `--flag=value` or `--flag value`; the last one counts.
pub fn value_of<'a>(words: &[&'a str], flag: &str) -> Option<&'a str> {
    let mut found = None;
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        match word.strip_prefix(flag) {
            Some("") => found = words.peek().map(|next| **next),
            Some(rest) => found = rest.strip_prefix('=').or(found),
            None => {}
        }
    }
    found
}

/// Whether the program takes `flag`: `--name=value` in either form, if no later word gives
/// another value, or a word as it stands.
pub fn has(words: &[&str], flag: &str) -> bool {
    match flag.split_once('=') {
        Some((name, value)) if name.starts_with('-') => value_of(words, name) == Some(value),
        _ => words.contains(&flag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_in_both_forms_and_the_last_counts() {
        let words = [
            "etcd",
            "--name=a",
            "--data-dir",
            "/d",
            "--name=b",
            "--namespace=x",
            "--force-new-cluster",
        ];
        assert_eq!(value_of(&words, "--name"), Some("b"));
        assert_eq!(value_of(&words, "--data-dir"), Some("/d"));
        assert_eq!(value_of(&words, "--wal-dir"), None);
        for (flag, there) in [
            ("--name=b", true),
            ("--name=a", false),
            ("--data-dir=/d", true),
            ("--force-new-cluster", true),
            ("--wal-dir=/w", false),
        ] {
            assert_eq!(has(&words, flag), there, "{flag}");
        }
    }
}
