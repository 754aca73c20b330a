//! What `--help` prints: the commands that work here.

use super::expiration::CERTIFICATES;

const USAGE: &str = "\
Usage:
  kubeadm [command]

Available Commands:
  certs       Commands related to handling Kubernetes certificates
  config      Show the images that a control plane of this version runs
  version     Print the version of kubeadm

The others of kubeadm are refused by name: the lab has made its cluster.

Flags:
  -h, --help   help for kubeadm

Use \"kubeadm [command] --help\" for more information about a command.
";

const CERTS: &str = "\
Commands related to handling Kubernetes certificates

Usage:
  kubeadm certs [command]

Aliases:
  certs, certificates

Available Commands:
  check-expiration Check certificates expiration for a Kubernetes cluster
  renew            Renew certificates for a Kubernetes cluster

Flags:
  -h, --help   help for certs

Use \"kubeadm certs [command] --help\" for more information about a command.
";

const CHECK_EXPIRATION: &str = "\
Tells when each certificate below /etc/kubernetes ends, and each authority.

Usage:
  kubeadm certs check-expiration [flags]

Flags:
  -h, --help            help for check-expiration
  -o, --output string   Output format. One of: text|json|yaml. (default \"text\")
";

const VERSION: &str = "\
Print the version of kubeadm

Usage:
  kubeadm version [flags]

Flags:
  -h, --help            help for version
  -o, --output string   Output format; available options are 'yaml', 'json' and 'short'
";

const CONFIG: &str = "\
Shows what a control plane of this version runs.

Usage:
  kubeadm config images list [flags]

Flags:
  -h, --help                        help for list
      --kubernetes-version string   Choose a specific Kubernetes version for the control plane.
  -o, --output string               Output format. One of: text|json|yaml. (default \"text\")
";

/// The help of the command that `words` name, without flags.
pub fn of(words: &[&str]) -> String {
    match words {
        ["certs" | "certificates"] => CERTS.to_owned(),
        ["certs" | "certificates", "check-expiration", ..] => CHECK_EXPIRATION.to_owned(),
        ["certs" | "certificates", "renew"] => renew(),
        ["certs" | "certificates", "renew", name, ..] => renew_one(name).unwrap_or_else(renew),
        ["config", ..] => CONFIG.to_owned(),
        ["version", ..] => VERSION.to_owned(),
        _ => USAGE.to_owned(),
    }
}

/// What `kubeadm certs renew NAME` renews.
fn object(name: &str) -> Option<&'static str> {
    if name == "all" {
        return Some("all available certificates");
    }
    CERTIFICATES
        .iter()
        .find(|(known, _, _)| *known == name)
        .map(|(known, _, _)| super::renew::long_name(known))
}

fn renew() -> String {
    let mut text = "\
        Renews certificates that are there, with what they say, for a year. Restart the control\n\
        plane's Pods afterwards, so that they use them.\n\n\
        Usage:\n  kubeadm certs renew [flags]\n  kubeadm certs renew [command]\n\n\
        Available Commands:\n"
        .to_owned();
    let names = CERTIFICATES.iter().map(|(name, _, _)| *name);
    let mut names: Vec<&str> = names.chain(["all"]).collect();
    names.sort_unstable();
    for name in names {
        let what = object(name).unwrap_or_default();
        text += &format!("  {name:<24} Renew the {what}\n").replace("the all", "all");
    }
    text + "\nFlags:\n  -h, --help   help for renew\n"
}

fn renew_one(name: &str) -> Option<String> {
    let what = object(name)?;
    Some(
        format!(
            "Renew the {what}.\n\nUsage:\n  kubeadm certs renew {name} [flags]\n\n\
             Flags:\n  -h, --help   help for {name}\n"
        )
        .replace("the all", "all"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_help_of_its_own() {
        for (words, expected) in [
            (&[][..], "Usage:\n  kubeadm [command]\n"),
            (&["certs"], "\n  renew            Renew certificates"),
            (
                &["certs", "check-expiration"],
                "kubeadm certs check-expiration [flags]",
            ),
            (
                &["certs", "renew"],
                "\n  etcd-server              Renew the certificate for serving etcd\n",
            ),
            (
                &["certs", "renew", "all"],
                "Renew all available certificates.",
            ),
            (
                &["certs", "renew", "nonsense"],
                "kubeadm certs renew [command]",
            ),
            (&["config", "images", "list"], "--kubernetes-version"),
            (&["version"], "'short'"),
            (&["nonsense"], "Usage:\n  kubeadm [command]\n"),
        ] {
            let text = of(words);
            assert!(text.contains(expected), "{words:?}\n{text}");
        }
    }
}
