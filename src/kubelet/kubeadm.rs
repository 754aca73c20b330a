//! The applet `kubeadm`: what it says of a cluster that is there. It makes none.

mod help;
mod images;
mod renew;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use kube::object;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use crate::node::KUBELET_VERSION as VERSION;

const DIR: &str = "/etc/kubernetes";

/// Every command of the real one.
const COMMANDS: [&str; 10] = [
    "certs",
    "completion",
    "config",
    "init",
    "join",
    "kubeconfig",
    "reset",
    "token",
    "upgrade",
    "version",
];

/// The applet `kubeadm`; `args[0]` is its name.
pub fn run_kubeadm(args: Vec<OsString>) -> ExitCode {
    let words: Vec<String> = args
        .into_iter()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    match answer(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            eprintln!("To see the stack trace of this error execute with --v=5 or higher");
            ExitCode::FAILURE
        }
    }
}

fn answer(words: &[String]) -> Result<String, String> {
    let mut plain = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            _ if WITH_VALUE.contains(&word) => drop(rest.next()),
            _ if word.starts_with('-') => {}
            _ => plain.push(word),
        }
    }
    let wants_help = words.iter().any(|word| word == "-h" || word == "--help");
    match plain[..] {
        [] => Ok(help::of(&[])),
        _ if wants_help => Ok(help::of(&plain)),
        ["version", ..] => version(&output(words)?),
        ["certs" | "certificates", "check-expiration", ..] => check_expiration(&output(words)?),
        ["certs" | "certificates", "renew", ref names @ ..] => {
            output(words)?;
            renew::run(names, renew::dir(), jiff::Timestamp::now().as_second())
        }
        ["certs" | "certificates"] | ["config"] | ["config", "images"] => Ok(help::of(&plain)),
        ["certs" | "certificates", other, ..] => Err(refusal(&format!("certs {other}"))),
        ["config", "images", "list", ..] => {
            images::list(value(words, "--kubernetes-version"), &output(words)?)
        }
        ["config", "images", other, ..] => Err(refusal(&format!("config images {other}"))),
        [command, ..] if COMMANDS.contains(&command) => {
            let shown: Vec<&str> = plain.iter().copied().take(2).collect();
            Err(refusal(&shown.join(" ")))
        }
        [other, ..] => Err(format!(
            "error: unknown command {other:?} for \"kubeadm\"\nRun 'kubeadm --help' for usage."
        )),
    }
}

fn refusal(what: &str) -> String {
    format!(
        "error: kubeadm {what} is not part of kubedrill: the lab has made its cluster; version, certs \
         check-expiration, certs renew and config images list work"
    )
}

/// The value of a flag, behind `=` or as the next word.
fn value<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    words
        .iter()
        .enumerate()
        .find_map(|(at, word)| match word.strip_prefix(flag)? {
            "" => words.get(at + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        })
}

/// Flags whose value may be the next word. The configuration is what the lab has made, whatever
/// file is named.
const WITH_VALUE: [&str; 8] = [
    "--cert-dir",
    "--config",
    "--kubeconfig",
    "--kubernetes-version",
    "--output",
    "--v",
    "-o",
    "-v",
];

/// Where kubeadm keeps certificates.
const PKI: &str = "/etc/kubernetes/pki";

/// The value of `-o`; other flags must be known.
fn output(words: &[String]) -> Result<String, String> {
    let all = words;
    let mut words = all.iter().skip(1);
    let mut output = String::new();
    while let Some(word) = words.next() {
        if let Some(value) = word
            .strip_prefix("--output=")
            .or_else(|| word.strip_prefix("-o="))
        {
            value.clone_into(&mut output);
        } else if word == "-o" || word == "--output" {
            let missing = || format!("error: flag needs an argument: {word}");
            words.next().ok_or_else(missing)?.clone_into(&mut output);
        } else if let Some(value) = word.strip_prefix("-o") {
            value.clone_into(&mut output);
        } else if word.starts_with('-') {
            let name = word.split('=').next().unwrap_or_default();
            let level = word
                .strip_prefix("-v")
                .is_some_and(|rest| rest.parse::<u8>().is_ok());
            if !WITH_VALUE.contains(&name) && !level {
                return Err(format!("error: unknown flag: {name}"));
            }
            if name == "--cert-dir"
                && value(all, name).is_some_and(|dir| dir.trim_end_matches('/') != PKI)
            {
                return Err(format!(
                    "error: --cert-dir: kubeadm of kubedrill looks at {PKI} alone"
                ));
            }
        }
    }
    Ok(output)
}

fn structured(output: &str, value: &Value) -> Option<String> {
    match output {
        "json" => Some(kube::gofmt::json_pretty(value) + "\n"),
        "yaml" => Some(kube::yaml::to_string(value)),
        _ => None,
    }
}

fn version(output: &str) -> Result<String, String> {
    let minor = VERSION.split('.').nth(1).unwrap_or_default();
    let info = [
        ("major", "1"),
        ("minor", minor),
        ("gitVersion", VERSION),
        ("gitCommit", "59526cd4867447956156ae3a602fcbac10a2c335"),
        ("gitTreeState", "clean"),
        ("buildDate", "2025-04-22T16:02:27Z"),
        ("goVersion", "go1.23.6"),
        ("compiler", "gc"),
        ("platform", "linux/amd64"),
    ];
    let object: Value = info
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    match output {
        "short" => Ok(format!("{VERSION}\n")),
        "" => {
            let fields: Vec<String> = info
                .iter()
                .map(|(key, value)| {
                    let mut name = (*key).to_owned();
                    name[..1].make_ascii_uppercase();
                    format!("{name}:{value:?}")
                })
                .collect();
            Ok(format!(
                "kubeadm version: &version.Info{{{}}}\n",
                fields.join(", ")
            ))
        }
        other => structured(other, &json!({ "clientVersion": object }))
            .ok_or_else(|| format!("error: invalid output format: {other}")),
    }
}

/// A certificate that kubeadm knows: its name, its file below [`DIR`], who signed it.
type Known = (&'static str, &'static str, &'static str);

const CERTIFICATES: [Known; 11] = [
    ("admin.conf", "admin.conf", "ca"),
    ("apiserver", "pki/apiserver.crt", "ca"),
    (
        "apiserver-etcd-client",
        "pki/apiserver-etcd-client.crt",
        "etcd-ca",
    ),
    (
        "apiserver-kubelet-client",
        "pki/apiserver-kubelet-client.crt",
        "ca",
    ),
    ("controller-manager.conf", "controller-manager.conf", "ca"),
    (
        "etcd-healthcheck-client",
        "pki/etcd/healthcheck-client.crt",
        "etcd-ca",
    ),
    ("etcd-peer", "pki/etcd/peer.crt", "etcd-ca"),
    ("etcd-server", "pki/etcd/server.crt", "etcd-ca"),
    (
        "front-proxy-client",
        "pki/front-proxy-client.crt",
        "front-proxy-ca",
    ),
    ("scheduler.conf", "scheduler.conf", "ca"),
    ("super-admin.conf", "super-admin.conf", "ca"),
];

const AUTHORITIES: [Known; 3] = [
    ("ca", "pki/ca.crt", ""),
    ("etcd-ca", "pki/etcd/ca.crt", ""),
    ("front-proxy-ca", "pki/front-proxy-ca.crt", ""),
];

/// When a certificate ends, in seconds since 1970; `None` if its file is not there.
fn end_of(file: &str) -> Result<Option<i64>, String> {
    let path = PathBuf::from(DIR).join(file);
    let wrong = |why: String| {
        format!(
            "error: failed to load certificate {}: {why}",
            path.display()
        )
    };
    let mut text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    if file.ends_with(".conf") {
        let config = String::from_utf8_lossy(&text).into_owned();
        let config =
            kube::kubeconfig::parse(file, &config).map_err(|error| wrong(error.to_string()))?;
        let user = object::list(&config, "users").first();
        let data = user.map_or("", |user| {
            object::text(user, "user.client-certificate-data")
        });
        text = decode(data).ok_or_else(|| wrong("it holds no client certificate".into()))?;
    }
    let der = CertificateDer::from_pem_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(&der).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(certificate.validity().not_after.timestamp()))
}

fn decode(data: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD
        .decode(data)
        .ok()?;
    (!data.is_empty()).then_some(data)
}

/// One unit only (apimachinery 1.32 `util/duration` ShortHumanDuration).
fn residual(seconds: i64) -> String {
    match seconds {
        ..-1 => "<invalid>".into(),
        -1 => "0s".into(),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        86400..31_536_000 => format!("{}d", seconds / 86400),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

/// As Go's layout `Jan 02, 2006 15:04 MST` prints it.
fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| String::new(),
        |time| time.strftime("%b %d, %Y %H:%M UTC").to_string(),
    )
}

/// Columns of at least 10 letters, three spaces apart.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        (longest + 3).max(10)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let (last, others) = row.split_last().expect("a table has columns");
        let mut line: String = others
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        line.push_str(last);
        line + "\n"
    };
    rows.iter().map(line).collect()
}

/// What is known of each certificate of `kinds`.
fn ends(kinds: &[Known]) -> Result<Vec<(Known, Option<i64>)>, String> {
    kinds
        .iter()
        .map(|known| Ok((*known, end_of(known.1)?)))
        .collect()
}

fn table(heads: &[&str], found: &[(Known, Option<i64>)], now: i64) -> String {
    let mut rows = vec![
        heads
            .iter()
            .map(|head| (*head).to_owned())
            .collect::<Vec<_>>(),
    ];
    for ((name, _, authority), end) in found {
        let mut row = match end {
            Some(end) => vec![(*name).to_owned(), date(*end), residual(end - now)],
            None => vec![format!("!MISSING! {name}"), String::new(), String::new()],
        };
        if !authority.is_empty() {
            row.push(if end.is_some() {
                (*authority).to_owned()
            } else {
                String::new()
            });
        }
        row.push(if end.is_some() {
            "no      ".to_owned()
        } else {
            String::new()
        });
        rows.push(row);
    }
    columns(&rows)
}

fn check_expiration(output: &str) -> Result<String, String> {
    // Whole seconds that are left: of the present one a part is over.
    let now = jiff::Timestamp::now().as_second() + 1;
    let (certificates, authorities) = (ends(&CERTIFICATES)?, ends(&AUTHORITIES)?);
    if output.is_empty() || output == "text" {
        let head = "\
            [check-expiration] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"...\n\
            [check-expiration] Use 'kubeadm init phase upload-config --config your-config.yaml' to re-upload it.\n\
            [check-expiration] Error reading configuration from the Cluster. Falling back to default configuration\n\n";
        let first = table(
            &[
                "CERTIFICATE",
                "EXPIRES",
                "RESIDUAL TIME",
                "CERTIFICATE AUTHORITY",
                "EXTERNALLY MANAGED",
            ],
            &certificates,
            now,
        );
        let second = table(
            &[
                "CERTIFICATE AUTHORITY",
                "EXPIRES",
                "RESIDUAL TIME",
                "EXTERNALLY MANAGED",
            ],
            &authorities,
            now,
        );
        return Ok(format!("{head}{first}\n{second}"));
    }
    let items = |found: &[(Known, Option<i64>)]| -> Vec<Value> {
        found
            .iter()
            .map(|((name, _, authority), end)| {
                let mut item = json!({
                    "expirationDate": end.map(kube::time::rfc3339),
                    "externallyManaged": false,
                    "name": name,
                    "residualTime": end.map_or(0, |end| end - now),
                });
                if !authority.is_empty() {
                    item["caName"] = json!(authority);
                }
                if end.is_none() {
                    item["missing"] = json!(true);
                }
                item
            })
            .collect()
    };
    let info = json!({
        "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
        "certificateAuthorities": items(&authorities),
        "certificates": items(&certificates),
        "kind": "CertificateExpirationInfo",
    });
    structured(output, &info).ok_or_else(|| format!("error: invalid output format: {output}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &str) -> Result<String, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        answer(&words)
    }

    #[test]
    fn the_version_is_said_in_every_form() {
        assert_eq!(run("version -o short").unwrap(), format!("{VERSION}\n"));
        assert_eq!(
            run("version --output=short").unwrap(),
            format!("{VERSION}\n")
        );
        let text = run("version").unwrap();
        assert!(text.starts_with("kubeadm version: &version.Info{Major:\"1\", Minor:\"32\", "));
        let json: Value = serde_json::from_str(&run("version -ojson").unwrap()).unwrap();
        assert_eq!(json["clientVersion"]["gitVersion"], VERSION);
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for line in ["config print init-defaults", "config images pull"] {
            let error = run(line).unwrap_err();
            assert!(error.contains("is not part of kubedrill"), "{error}");
        }
        let error = run("token create --print-join-command").unwrap_err();
        assert!(
            error.contains("kubeadm token create is not part of"),
            "{error}"
        );
        assert!(
            run("nonsense")
                .unwrap_err()
                .contains("unknown command \"nonsense\"")
        );
    }

    #[test]
    fn help_and_images_are_of_what_was_asked() {
        assert!(
            run("certs renew --help")
                .unwrap()
                .contains("certs renew [command]")
        );
        assert!(run("certs -h").unwrap().contains("check-expiration"));
        assert!(run("").unwrap().contains("kubeadm [command]"));
        let images = run("config images list --kubernetes-version=v1.32.1 -o json").unwrap();
        assert!(images.contains("kube-scheduler:v1.32.1\""), "{images}");
        let images = run("config images list --kubernetes-version v1.32.2").unwrap();
        assert!(images.contains("kube-scheduler:v1.32.2\n"), "{images}");
    }

    #[test]
    fn the_rest_of_a_life_is_said_in_one_unit() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (59, "59s"),
            (86400 * 364, "364d"),
            (31_536_000 * 9 + 1, "9y"),
        ] {
            assert_eq!(residual(seconds), text);
        }
        assert_eq!(date(0), "Jan 01, 1970 00:00 UTC");
    }

    #[test]
    fn missing_ones_are_named() {
        let text = table(
            &[
                "CERTIFICATE AUTHORITY",
                "EXPIRES",
                "RESIDUAL TIME",
                "EXTERNALLY MANAGED",
            ],
            &[(AUTHORITIES[0], Some(86400)), (AUTHORITIES[1], None)],
            0,
        );
        assert_eq!(
            text,
            "CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED\n\
             ca                      Jan 02, 1970 00:00 UTC   1d              no      \n\
             !MISSING! etcd-ca                                                \n"
        );
    }
}
