//! `kubeadm certs check-expiration`: when each certificate ends that kubeadm made (kubeadm 1.32
//! `cmd/certs.go`).

use std::path::PathBuf;

use kube::object;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use super::{cluster, line::Line, structured};

/// Where kubeadm keeps what it makes.
pub const DIR: &str = "/etc/kubernetes";

/// A certificate that kubeadm knows: its name, its file below [`DIR`], who signed it.
pub type Known = (&'static str, &'static str, &'static str);

pub const CERTIFICATES: [Known; 11] = [
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
    let wrong = |why: String| format!("failed to load certificate {}: {why}", path.display());
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

pub fn decode(data: &str) -> Option<Vec<u8>> {
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

/// `kubeadm certs check-expiration`.
pub fn check(line: &Line) -> Result<String, String> {
    // Whole seconds that are left: of the present one a part is over.
    let now = jiff::Timestamp::now().as_second() + 1;
    let (certificates, authorities) = (ends(&CERTIFICATES)?, ends(&AUTHORITIES)?);
    let output = line.output.as_str();
    if output.is_empty() || output == "text" {
        let head = cluster::preamble("check-expiration", line);
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
    structured(output, &info)
}

#[cfg(test)]
mod tests {
    use super::*;

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
