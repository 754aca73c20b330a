//! The command line of `kubeadm`, as pflag reads it.

/// Where kubeadm keeps certificates.
const PKI: &str = "/etc/kubernetes/pki";

/// Flags with a value, and the short forms of two.
const WITH_VALUE: [&str; 6] = [
    "--cert-dir",
    "--config",
    "--kubeconfig",
    "--kubernetes-version",
    "--output",
    "--v",
];
const SHORT: [(&str, &str); 2] = [("-o", "--output"), ("-v", "--v")];

/// What was asked.
#[derive(Debug, Default)]
pub struct Line {
    /// The words that are no flags.
    pub plain: Vec<String>,
    pub wants_help: bool,
    /// `-o`; empty if not given.
    pub output: String,
    pub kubernetes_version: Option<String>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<String>,
    /// A file was named by `--config`. It is not read: the configuration is what the lab has
    /// made.
    pub has_config: bool,
    /// What is wrong with the flags, the first of it; commands that are not here are refused
    /// before.
    pub trouble: Option<String>,
}

impl Line {
    pub fn parse(words: &[String]) -> Self {
        let mut line = Self::default();
        let mut rest = words.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            if !word.starts_with('-') || word == "-" {
                line.plain.push(word.to_owned());
                continue;
            }
            if matches!(word, "-h" | "--help") {
                line.wants_help = true;
                continue;
            }
            let outcome = match named(word) {
                Ok((name, behind)) => match behind.or_else(|| rest.next()) {
                    Some(value) => line.set(name, value),
                    None => Err(needs_argument(word)),
                },
                Err(unknown) => Err(unknown),
            };
            if let Err(trouble) = outcome {
                line.trouble.get_or_insert(trouble);
            }
        }
        line
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--output" => value.clone_into(&mut self.output),
            "--kubernetes-version" => self.kubernetes_version = Some(value.to_owned()),
            "--kubeconfig" => self.kubeconfig = Some(value.to_owned()),
            "--config" => self.has_config = true,
            "--cert-dir" if value.trim_end_matches('/') != PKI => {
                return Err(format!(
                    "--cert-dir: kubeadm of kubedrill looks at {PKI} alone"
                ));
            }
            "--v" if value.parse::<i32>().is_err() => {
                return Err(format!(
                    "invalid argument {value:?} for \"-v, --v\" flag: strconv.ParseInt: parsing \
                     {value:?}: invalid syntax"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A flag's long name, and its value if that is in the same word.
fn named(word: &str) -> Result<(&'static str, Option<&str>), String> {
    if word.starts_with("--") {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let known = WITH_VALUE.into_iter().find(|known| *known == name);
        return known
            .map(|name| (name, value))
            .ok_or_else(|| format!("unknown flag: {name}"));
    }
    for (short, name) in SHORT {
        if let Some(value) = word.strip_prefix(short) {
            let value = value.strip_prefix('=').unwrap_or(value);
            return Ok((name, Some(value).filter(|value| !value.is_empty())));
        }
    }
    let letter = word.chars().nth(1).unwrap_or('-');
    Err(format!("unknown shorthand flag: {letter:?} in {word}"))
}

fn needs_argument(word: &str) -> String {
    match word.strip_prefix('-').filter(|rest| !rest.starts_with('-')) {
        Some(letter) => format!("flag needs an argument: '{letter}' in {word}"),
        None => format!("flag needs an argument: {word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Line {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Line::parse(&words)
    }

    #[test]
    fn values_stand_behind_flags_in_every_form() {
        for line in [
            "certs -o json list",
            "certs list -ojson",
            "-o=json certs list",
            "certs --output json list",
            "certs list --output=json -v5",
        ] {
            let parsed = parse(line);
            assert_eq!(parsed.plain, ["certs", "list"], "{line}");
            assert_eq!(parsed.output, "json", "{line}");
            assert_eq!(parsed.trouble, None, "{line}");
        }
        let parsed =
            parse("version --config=/x --kubeconfig /y -h --v 10 --cert-dir /etc/kubernetes/pki/");
        assert!(parsed.has_config && parsed.wants_help);
        assert_eq!(parsed.kubeconfig.as_deref(), Some("/y"));
        assert_eq!(parsed.trouble, None);
    }

    #[test]
    fn wrong_flags_are_named_as_pflag_names_them() {
        for (line, trouble) in [
            ("version --nope=1", "unknown flag: --nope"),
            ("version -x", "unknown shorthand flag: 'x' in -x"),
            ("version -o", "flag needs an argument: 'o' in -o"),
            ("version --output", "flag needs an argument: --output"),
            (
                "version -v much",
                "invalid argument \"much\" for \"-v, --v\" flag: strconv.ParseInt: parsing \"much\": invalid syntax",
            ),
            (
                "certs renew all --cert-dir /x",
                "--cert-dir: kubeadm of kubedrill looks at /etc/kubernetes/pki alone",
            ),
        ] {
            assert_eq!(parse(line).trouble.as_deref(), Some(trouble), "{line}");
        }
    }
}
