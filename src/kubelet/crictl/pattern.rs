//! Regular expressions, by which `crictl` filters names as Go's `regexp` does: the syntax is
//! that of RE2, and no expression takes long.

use regex_lite::Regex;

/// A regular expression that a name is searched for.
#[derive(Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// It is no regular expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        match Regex::new(text) {
            Ok(regex) => Ok(Self(regex)),
            Err(error) => Err(format!("invalid regular expression {text:?}: {error}")),
        }
    }

    /// Whether the name has it anywhere.
    pub fn is_in(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn names_are_found_as_go_finds_them() {
        let long = "a".repeat(63);
        for (pattern, name, found) in [
            ("etcd", "etcd", true),
            ("api", "kube-apiserver", true),
            ("^api", "kube-apiserver", false),
            ("^etcd$", "etcd-2", false),
            ("kube-(api|sched).*", "kube-scheduler", true),
            ("kube-(api|sched).*", "kube-controller-manager", false),
            ("(?i)ETCD", "etcd", true),
            ("^[[:alpha:]]+$", "etcd", true),
            ("a{2}", "aa", true),
            (r"web-\d+$", "web-x", false),
            ("(a*)*b", long.as_str(), false),
            ("", "anything", true),
        ] {
            let pattern = Pattern::parse(pattern).expect(pattern);
            assert_eq!(pattern.is_in(name), found, "{pattern:?} {name}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for pattern in ["[", "(a", "a)", "*", r"a\"] {
            let error = Pattern::parse(pattern).expect_err(pattern);
            assert!(error.starts_with("invalid regular expression"), "{error}");
        }
    }
}
