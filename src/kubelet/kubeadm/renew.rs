//! `kubeadm certs renew`: issues certificates anew that are there, with what they say, by
//! the authorities below `/etc/kubernetes/pki` (kubeadm 1.32
//! `cmd/phases/certs/renewal/manager.go`).

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use kube::certificate::{self, Validity};

use super::expiration::{CERTIFICATES, DIR, Known, decode};

/// kubeadm's `CertificateValidityPeriod`.
const VALID_SECONDS: i64 = 365 * 86_400;

const LAST: &str = "\nDone renewing certificates. You must restart the kube-apiserver, \
    kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.\n";

/// What kubeadm calls each certificate at length.
pub fn long_name(name: &str) -> &'static str {
    match name {
        "admin.conf" => {
            "certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself"
        }
        "apiserver" => "certificate for serving the Kubernetes API",
        "apiserver-etcd-client" => "certificate the apiserver uses to access etcd",
        "apiserver-kubelet-client" => "certificate for the API server to connect to kubelet",
        "controller-manager.conf" => {
            "certificate embedded in the kubeconfig file for the controller manager to use"
        }
        "etcd-healthcheck-client" => "certificate for liveness probes to healthcheck etcd",
        "etcd-peer" => "certificate for etcd nodes to communicate with each other",
        "etcd-server" => "certificate for serving etcd",
        "front-proxy-client" => "certificate for the front proxy client",
        "scheduler.conf" => {
            "certificate embedded in the kubeconfig file for the scheduler manager to use"
        }
        _ => "certificate embedded in the kubeconfig file for the super-admin",
    }
}

/// The words after `kubeadm certs renew`. `preamble` is what is said before anything is renewed.
///
/// # Errors
/// No or an unknown name, or a certificate that can't be renewed.
pub fn run(
    names: &[&str],
    dir: &Path,
    now: i64,
    preamble: impl FnOnce() -> String,
) -> Result<String, String> {
    let Some((&name, rest)) = names.split_first() else {
        return Err("missing subcommand; \"renew\" is not meant to be run on its own".into());
    };
    let chosen: Vec<&Known> = CERTIFICATES
        .iter()
        .filter(|(known, _, _)| name == "all" || *known == name)
        .collect();
    if chosen.is_empty() {
        return Err(format!("invalid subcommand: {name:?}"));
    }
    super::nothing(rest, &format!("certs renew {name}"))?;
    let mut text = preamble();
    for (known, file, authority) in chosen {
        let path = dir.join(file);
        if !path.exists() {
            text += &format!("MISSING! {}\n", long_name(known));
            continue;
        }
        renew(&path, &dir.join(authority_file(authority)), now)
            .map_err(|why| format!("failed to renew certificate {known}: {why}"))?;
        text += &format!("{} renewed\n", long_name(known));
    }
    Ok(text + if name == "all" { LAST } else { "" })
}

fn authority_file(authority: &str) -> &'static str {
    match authority {
        "etcd-ca" => "pki/etcd/ca",
        "front-proxy-ca" => "pki/front-proxy-ca",
        _ => "pki/ca",
    }
}

fn renew(path: &Path, authority: &Path, now: i64) -> Result<(), String> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let authority_cert = read(&authority.with_extension("crt"))?;
    let authority_key = read(&authority.with_extension("key"))?;
    let valid = Validity {
        from: now - 300,
        until: now + VALID_SECONDS,
    };
    let issue = |old: &str| {
        certificate::reissue(old, &authority_cert, &authority_key, valid)
            .map_err(|error| error.to_string())
    };
    let old = read(path)?;
    if path.extension().is_some_and(|ending| ending == "conf") {
        let data = |key: &str| field(&old, key).ok_or_else(|| format!("it holds no {key}"));
        let cert = data("client-certificate-data")?;
        let text = decode(cert)
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or("its client-certificate-data is no certificate")?;
        let pair = issue(&text)?;
        let new = old
            .replace(cert, &encode(&pair.cert))
            .replace(data("client-key-data")?, &encode(&pair.key));
        return write(path, &new, 0o600);
    }
    let pair = issue(&old)?;
    write(path, &pair.cert, 0o644)?;
    write(&path.with_extension("key"), &pair.key, 0o600)
}

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The value of a field that a kubeconfig has once, as it stands there.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix(key)?.strip_prefix(':')?;
        Some(rest.trim())
    })
}

/// Replaces a file whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    fs::write(&temporary, text).map_err(wrong)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode)).map_err(wrong)?;
    fs::rename(&temporary, path).map_err(wrong)
}

/// The folder that kubeadm works in.
pub fn dir() -> &'static Path {
    Path::new(DIR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_kubeadm_knows_is_renewed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            run(&[], dir.path(), 0, String::new)
                .unwrap_err()
                .contains("missing subcommand")
        );
        assert!(
            run(&["nonsense"], dir.path(), 0, String::new)
                .unwrap_err()
                .contains("invalid subcommand")
        );
        let missing = "MISSING! certificate for serving etcd\n";
        let text = run(&["etcd-server"], dir.path(), 0, String::new).unwrap();
        assert!(text.ends_with(missing), "{text}");
        let text = run(&["all"], dir.path(), 0, String::new).unwrap();
        assert!(text.contains(missing) && text.ends_with(LAST), "{text}");
    }

    #[test]
    fn a_kubeconfig_keeps_everything_but_its_pair() {
        let text = "users:\n- name: x\n  user:\n    client-certificate-data: QQ==\n    client-key-data: Qg==\n";
        assert_eq!(field(text, "client-certificate-data"), Some("QQ=="));
        assert_eq!(field(text, "client-key-data"), Some("Qg=="));
        assert_eq!(field(text, "token"), None);
    }
}
