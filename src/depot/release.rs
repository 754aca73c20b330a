//! Which addresses the depot answers, and with what.

use crate::archive;

/// The newest patch of each minor release that is handed out, and the programs in it.
/// `etcdutl` came with 3.5.
const MINORS: [(u32, u32, &[&str]); 2] = [
    (4, 34, &["etcd", "etcdctl"]),
    (5, 16, &["etcd", "etcdctl", "etcdutl"]),
];

/// Where etcd publishes its releases (etcd-io/etcd, "Installation"). The first answers with a
/// redirect, which a client has to follow.
const BASES: [(&str, bool); 2] = [
    ("https://github.com/etcd-io/etcd/releases/download/", true),
    ("https://storage.googleapis.com/etcd/", false),
];

/// What lies at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    pub bytes: Vec<u8>,
    /// A client that does not follow redirects gets nothing.
    pub redirected: bool,
    /// What whoever downloads it must know.
    pub note: String,
}

/// The answer to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Not one of the depot's.
    Foreign,
    /// The publisher has no such file.
    NotFound,
    /// It exists, but not here; why.
    Refused(String),
    Found(Asset),
}

/// Looks an address up. `machine` is the architecture as etcd calls it: `amd64`, `arm64`.
pub fn look_up(url: &str, machine: &str) -> Answer {
    // A client that is told no scheme asks by http, and is sent on to https.
    let url = match url.split_once("://") {
        Some(("https", _)) => url.to_owned(),
        Some(("http", rest)) => format!("https://{rest}"),
        _ => format!("https://{url}"),
    };
    let served = BASES
        .iter()
        .find_map(|(base, redirected)| Some((url.strip_prefix(base)?, *redirected)));
    let Some((rest, redirected)) = served else {
        return Answer::Foreign;
    };
    let Some((tag, file)) = rest.split_once('/') else {
        return Answer::NotFound;
    };
    let Some(programs) = programs(tag) else {
        return Answer::NotFound;
    };
    let name = |machine: &str| format!("etcd-{tag}-linux-{machine}");
    let own = name(machine);
    let archive = || archive::release(&own, programs);
    if file == format!("{own}.tar.gz") {
        return Answer::Found(Asset {
            bytes: archive(),
            redirected,
            note: format!(
                "etcd {tag} is served by the lab; the programs in it are the lab's own, and tell \
                 their own version"
            ),
        });
    }
    if file == "SHA256SUMS" {
        let sum = archive::sha256(&archive());
        return Answer::Found(Asset {
            bytes: format!("{sum}  {own}.tar.gz\n").into_bytes(),
            redirected,
            note: "the sums are those of the archives that the lab serves".into(),
        });
    }
    let others = ["amd64", "arm64", "ppc64le", "s390x"];
    if others
        .iter()
        .any(|other| file == format!("{}.tar.gz", name(other)))
    {
        return Answer::Refused(format!("the lab serves programs for {machine} alone"));
    }
    Answer::NotFound
}

/// The programs of a release that exists, by its tag: `v3.5.16`.
fn programs(tag: &str) -> Option<&'static [&'static str]> {
    let mut numbers = tag.strip_prefix("v3.")?.split('.');
    let (minor, patch) = (numbers.next()?, numbers.next()?);
    let written = |number: u32, text: &str| number.to_string() == text;
    let known = MINORS.iter().find(|(known, ..)| written(*known, minor))?;
    let patch_exists = (0..=known.1).any(|known| written(known, patch));
    (numbers.next().is_none() && patch_exists).then_some(known.2)
}

/// This machine's architecture, as etcd calls it.
pub fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_found_and_nothing_else() {
        let github = "https://github.com/etcd-io/etcd/releases/download";
        let google = "https://storage.googleapis.com/etcd";
        for (url, found) in [
            (
                format!("{github}/v3.5.16/etcd-v3.5.16-linux-amd64.tar.gz"),
                "found",
            ),
            (
                format!("{github}/v3.5.12/etcd-v3.5.12-linux-amd64.tar.gz"),
                "found",
            ),
            (
                format!("{github}/v3.4.14/etcd-v3.4.14-linux-amd64.tar.gz"),
                "found",
            ),
            (
                format!("{google}/v3.5.16/etcd-v3.5.16-linux-amd64.tar.gz"),
                "found",
            ),
            (format!("{github}/v3.5.16/SHA256SUMS"), "found"),
            (
                "github.com/etcd-io/etcd/releases/download/v3.5.0/SHA256SUMS".into(),
                "found",
            ),
            (
                format!("{github}/v3.5.16/etcd-v3.5.12-linux-amd64.tar.gz"),
                "not found",
            ),
            (format!("{github}/v3.5.160/SHA256SUMS"), "not found"),
            (format!("{github}/v3.5.016/SHA256SUMS"), "not found"),
            (format!("{github}/v3.5/SHA256SUMS"), "not found"),
            (format!("{github}/v3.5.16.1/SHA256SUMS"), "not found"),
            (format!("{github}/v2.3.0/SHA256SUMS"), "not found"),
            (format!("{github}/3.5.16/SHA256SUMS"), "not found"),
            (format!("{github}/v3.5.16"), "not found"),
            (
                format!("{github}/v3.5.16/etcd-v3.5.16-linux-arm64.tar.gz"),
                "refused",
            ),
            ("https://github.com/etcd-io/etcd".into(), "foreign"),
            ("https://example.org/x".into(), "foreign"),
            ("".into(), "foreign"),
        ] {
            let answer = match look_up(&url, "amd64") {
                Answer::Found(_) => "found",
                Answer::NotFound => "not found",
                Answer::Refused(_) => "refused",
                Answer::Foreign => "foreign",
            };
            assert_eq!(answer, found, "{url}");
        }
    }

    #[test]
    fn the_sums_are_those_of_the_archives() {
        let base = "https://storage.googleapis.com/etcd/v3.5.12";
        let bytes = |file: &str| match look_up(&format!("{base}/{file}"), "amd64") {
            Answer::Found(asset) => asset.bytes,
            other => panic!("{file}: {other:?}"),
        };
        let sums = String::from_utf8(bytes("SHA256SUMS")).expect("text");
        let archive = "etcd-v3.5.12-linux-amd64.tar.gz";
        let sum = archive::sha256(&bytes(archive));
        assert_eq!(sums, format!("{sum}  {archive}\n"));
    }
}
