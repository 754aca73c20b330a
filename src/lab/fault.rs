//! Faults as data: what is broken on a node once the lab's facts are known and before the
//! learner is let in. What a fault makes of a file is decided here; who reads and writes
//! the node's files is the caller.

use std::ops::Range;

use kube::certificate::{self, Validity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    parse_check::path,
    read::{Fields, Reader},
};

/// One thing that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub node: String,
    pub kind: FaultKind,
    /// Processes that must have ended before the learner is let in, those that run when
    /// the fault comes; empty means that nobody waits.
    pub ends: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum FaultKind {
    /// A flag of a static Pod's command gets another value, or goes if there is none.
    Flag {
        manifest: String,
        flag: String,
        value: Option<String>,
    },
    /// A text in a file becomes another; every place of it.
    Text {
        file: String,
        #[serde(rename = "text")]
        find: String,
        #[serde(default)]
        becomes: String,
    },
    /// A certificate ran out, with its key beside it as `.key`.
    Expired {
        #[serde(rename = "expired")]
        certificate: String,
    },
    /// A certificate comes from another authority of the same name.
    Foreign {
        #[serde(rename = "foreign")]
        certificate: String,
    },
    /// A file lost its end: so many percent of it are left.
    Truncated {
        #[serde(rename = "truncated")]
        file: String,
        #[serde(default = "half")]
        #[schemars(range(max = 99))]
        percent: u32,
    },
    /// A byte of a file flipped: the first one of `at`, in its last place.
    Flipped {
        #[serde(rename = "flipped")]
        file: String,
        at: String,
    },
    /// Every process of this name is killed.
    Killed {
        #[serde(rename = "killed")]
        process: String,
    },
}

/// How much is left of a truncated file if nobody says, in percent.
fn half() -> u32 {
    50
}

/// Why a fault can't be brought about: the lab file does not fit the node.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    #[error("{file} has no flag {flag}")]
    NoFlag { file: String, flag: String },
    #[error("{file} does not hold {text:?}")]
    NoText { file: String, text: String },
    #[error("{0} is no text")]
    NoUtf8(String),
    #[error("{file}: {source}")]
    Certificate {
        file: String,
        source: certificate::CertificateError,
    },
}

pub(crate) const KINDS: [&str; 7] = [
    "flag",
    "text",
    "expired",
    "foreign",
    "truncated",
    "flipped",
    "killed",
];

/// Reads one `[[fault]]`; `None` if it names no kind, which was reported, or if its
/// `when` is false for this seed.
pub fn read(reader: &mut Reader, mut fields: Fields<'_>, node: String) -> Option<Fault> {
    let named: Vec<&str> = KINDS.into_iter().filter(|kind| fields.has(kind)).collect();
    let when = fields.text(reader, "when");
    let holds = match when.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => {
            let message = format!("`when` is `{other}`");
            let label = "expected a template that gives true or false";
            reader
                .diagnostics
                .add("lab::when", fields.span_of("when"), message, label);
            false
        }
    };
    let [kind] = named[..] else {
        let message = format!("the fault names {} kinds", named.len());
        let label = format!("expected exactly one of {}", crate::read::list(&KINDS));
        reader
            .diagnostics
            .add("lab::fault", fields.span(), message, label);
        return None;
    };
    let kind = match kind {
        "flag" => FaultKind::Flag {
            flag: fields.required_text(reader, "flag"),
            manifest: path(reader, &mut fields, "manifest"),
            value: fields.text(reader, "value"),
        },
        "text" => FaultKind::Text {
            find: fields.required_text(reader, "text"),
            file: path(reader, &mut fields, "file"),
            becomes: fields.text(reader, "becomes").unwrap_or_default(),
        },
        "expired" => FaultKind::Expired {
            certificate: path(reader, &mut fields, "expired"),
        },
        "foreign" => FaultKind::Foreign {
            certificate: path(reader, &mut fields, "foreign"),
        },
        "truncated" => FaultKind::Truncated {
            file: path(reader, &mut fields, "truncated"),
            percent: fields.integer(reader, "percent", 0..=99).unwrap_or(50) as u32,
        },
        "flipped" => FaultKind::Flipped {
            file: path(reader, &mut fields, "flipped"),
            at: fields.required_text(reader, "at"),
        },
        _ => FaultKind::Killed {
            process: fields.required_text(reader, "killed"),
        },
    };
    let ends = fields.text(reader, "ends").unwrap_or_default();
    fields.finish(reader);
    holds.then_some(Fault { node, kind, ends })
}

/// The files of a node that a fault reads, and which of them it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Absolute paths.
    pub reads: Vec<String>,
    /// What is written, in the order of [`apply`]'s answers; with permission bits if they
    /// are others than 0644.
    pub writes: Vec<(String, u32)>,
}

/// The authority of a certificate of kubeadm's layout, without its ending.
fn authority_of(certificate: &str) -> &'static str {
    if certificate.ends_with("/apiserver-etcd-client.crt") || certificate.contains("/pki/etcd/") {
        "/etc/kubernetes/pki/etcd/ca"
    } else if certificate.contains("front-proxy") {
        "/etc/kubernetes/pki/front-proxy-ca"
    } else {
        "/etc/kubernetes/pki/ca"
    }
}

fn key_of(certificate: &str) -> String {
    let stem = certificate.strip_suffix(".crt").unwrap_or(certificate);
    format!("{stem}.key")
}

impl FaultKind {
    /// Which files it reads and writes.
    pub fn files(&self) -> Files {
        let one = |file: &String, mode| Files {
            reads: vec![file.clone()],
            writes: vec![(file.clone(), mode)],
        };
        match self {
            Self::Flag { manifest, .. } => one(manifest, 0o600),
            Self::Text { file, .. } => one(file, 0o600),
            Self::Truncated { file, .. } | Self::Flipped { file, .. } => one(file, 0o600),
            Self::Expired { certificate } | Self::Foreign { certificate } => {
                let authority = authority_of(certificate);
                Files {
                    reads: vec![
                        certificate.clone(),
                        format!("{authority}.crt"),
                        format!("{authority}.key"),
                    ],
                    writes: vec![(certificate.clone(), 0o644), (key_of(certificate), 0o600)],
                }
            }
            Self::Killed { .. } => Files {
                reads: Vec::new(),
                writes: Vec::new(),
            },
        }
    }
}

const DAY: i64 = 86_400;

/// What the fault makes of the files that it reads: the new contents of those that it
/// writes. `now` is in seconds since 1970.
///
/// # Errors
/// The files are not what the lab's author thought.
pub fn apply(kind: &FaultKind, read: &[Vec<u8>], now: i64) -> Result<Vec<Vec<u8>>, FaultError> {
    let bytes = |at: usize| read.get(at).map_or(&[][..], Vec::as_slice);
    match kind {
        FaultKind::Flag {
            manifest,
            flag,
            value,
        } => {
            let text = utf8(bytes(0), manifest)?;
            set_flag(text, flag, value.as_deref())
                .map(|text| vec![text.into_bytes()])
                .ok_or_else(|| FaultError::NoFlag {
                    file: manifest.clone(),
                    flag: flag.clone(),
                })
        }
        FaultKind::Text {
            file,
            find,
            becomes,
        } => {
            let text = utf8(bytes(0), file)?;
            if !text.contains(find.as_str()) {
                return Err(FaultError::NoText {
                    file: file.clone(),
                    text: find.clone(),
                });
            }
            Ok(vec![text.replace(find.as_str(), becomes).into_bytes()])
        }
        FaultKind::Truncated { percent, .. } => {
            let all = bytes(0);
            Ok(vec![all[..all.len() * *percent as usize / 100].to_vec()])
        }
        FaultKind::Flipped { file, at } => {
            let mut all = bytes(0).to_vec();
            let place = last_place(&all, at.as_bytes()).ok_or_else(|| FaultError::NoText {
                file: file.clone(),
                text: at.clone(),
            })?;
            // The case of a letter, or a digit's neighbour: it stays readable, and wrong.
            all[place.start] ^= if all[place.start].is_ascii_digit() {
                1
            } else {
                0x20
            };
            Ok(vec![all])
        }
        FaultKind::Expired { certificate } => {
            let valid = Validity {
                from: now - 366 * DAY,
                until: now - DAY,
            };
            let (ca, key) = (utf8(bytes(1), certificate)?, utf8(bytes(2), certificate)?);
            reissue(certificate, bytes(0), ca, key, valid)
        }
        FaultKind::Foreign { certificate } => {
            let valid = Validity {
                from: now - DAY,
                until: now + 365 * DAY,
            };
            let other = certificate::impostor(utf8(bytes(1), certificate)?, valid);
            let other = other.map_err(|source| FaultError::Certificate {
                file: certificate.clone(),
                source,
            })?;
            reissue(certificate, bytes(0), &other.cert, &other.key, valid)
        }
        FaultKind::Killed { .. } => Ok(Vec::new()),
    }
}

fn reissue(
    file: &str,
    old: &[u8],
    authority: &str,
    key: &str,
    valid: Validity,
) -> Result<Vec<Vec<u8>>, FaultError> {
    let pair = certificate::reissue(utf8(old, file)?, authority, key, valid);
    let pair = pair.map_err(|source| FaultError::Certificate {
        file: file.to_owned(),
        source,
    })?;
    Ok(vec![pair.cert.into_bytes(), pair.key.into_bytes()])
}

fn utf8<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, FaultError> {
    std::str::from_utf8(bytes).map_err(|_| FaultError::NoUtf8(file.to_owned()))
}

fn last_place(all: &[u8], wanted: &[u8]) -> Option<Range<usize>> {
    if wanted.is_empty() {
        return None;
    }
    all.windows(wanted.len())
        .rposition(|window| window == wanted)
        .map(|start| start..start + wanted.len())
}

/// Changes one word of a manifest's command and nothing else. A flag that is not there
/// yet is added after the command's first word. `None` if there is nothing to change.
fn set_flag(text: &str, flag: &str, value: Option<&str>) -> Option<String> {
    let is_it = |line: &str| {
        let word = line.trim_start().strip_prefix("- ").unwrap_or_default();
        word == flag
            || word
                .strip_prefix(flag)
                .is_some_and(|rest| rest.starts_with('='))
    };
    let is_command = |line: &str| line.trim_start() == "- command:";
    let there = text.lines().any(is_it);
    let mut changed = String::new();
    let mut done = false;
    let mut in_command = false;
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if is_it(line) {
            done = true;
            if let Some(value) = value {
                changed += &format!("{indent}- {flag}={value}\n");
            }
            continue;
        }
        changed += line;
        changed.push('\n');
        if in_command && !there && !done {
            if let Some(value) = value {
                changed += &format!("{indent}- {flag}={value}\n");
                done = true;
            }
            in_command = false;
        }
        in_command |= is_command(line);
    }
    done.then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "spec:\n  containers:\n  - command:\n    - etcd\n    - --name=a\n    \
                            - --name-x=b\n    image: e\n";

    #[test]
    fn one_flag_changes_and_nothing_else() {
        for (flag, value, expected) in [
            (
                "--name",
                Some("z"),
                Some(MANIFEST.replace("--name=a", "--name=z")),
            ),
            (
                "--name",
                None,
                Some(MANIFEST.replace("    - --name=a\n", "")),
            ),
            (
                "--new",
                Some("1"),
                Some(MANIFEST.replace("- etcd\n", "- etcd\n    - --new=1\n")),
            ),
            ("--new", None, None),
        ] {
            assert_eq!(set_flag(MANIFEST, flag, value), expected, "{flag}");
        }
    }

    #[test]
    fn files_are_broken_as_told() {
        let file = || "/x".to_owned();
        let half = FaultKind::Truncated {
            file: file(),
            percent: 50,
        };
        assert_eq!(apply(&half, &[b"abcd".to_vec()], 0).unwrap(), [b"ab"]);
        let flipped = FaultKind::Flipped {
            file: file(),
            at: "42".into(),
        };
        let found = apply(&flipped, &[b"a 42 b 42 c".to_vec()], 0).unwrap();
        assert_eq!(found, [b"a 42 b 52 c"]);
        let missing = apply(&flipped, &[b"nothing".to_vec()], 0).unwrap_err();
        assert_eq!(missing.to_string(), "/x does not hold \"42\"");
    }
}
