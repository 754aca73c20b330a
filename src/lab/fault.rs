//! Faults as data: what is broken on a node once the lab's facts are known and before the
//! learner is let in. What a fault makes of a file, and what is run on the node, is decided
//! here; who reads and writes the node's files and runs things there is the caller.

use kube::certificate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    parse_check::path,
    read::{Fields, Reader},
};

mod damage;
mod files;
mod relay;

pub use files::{Contents, apply};

/// One thing that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub node: String,
    pub kind: FaultKind,
    /// Processes that must have ended before the learner is let in, those that run when
    /// the fault comes; empty means that nobody waits.
    pub ends: String,
    /// Processes that are stopped before the fault touches what they use, and killed
    /// afterwards; empty means none.
    pub kills: String,
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
    /// A disk is lost: everything in this directory is gone, and the directory is there.
    Lost {
        #[serde(rename = "lost")]
        directory: String,
    },
    /// A file of etcd's is damaged where a member that starts reads it: of a database, a page
    /// of the keys is all zeros; of a segment of the log (`.wal`), a bit of a record in its
    /// middle has flipped.
    Damaged {
        #[serde(rename = "damaged")]
        file: String,
    },
    /// What reaches this port over the network, and what is answered, goes over a line: a
    /// relay (`peer-link`, set up in `/etc/peer-link.conf`) takes the address, and what has it
    /// now listens on 127.0.0.1 only.
    Line {
        #[serde(rename = "line")]
        #[schemars(range(min = 1))]
        port: u16,
        /// The unit file or manifest of what listens there. A unit is started anew.
        file: String,
        /// For how long the line holds back what comes from here, to send it at once; may be
        /// a template.
        #[serde(default)]
        #[schemars(with = "Amount")]
        hold_ms: u32,
        /// Nothing gets through, in or out.
        #[serde(default)]
        cut: bool,
    },
    /// An address is taken: a relay that was left over listens there, and leads nowhere. What
    /// has the address now must be named by `kills`, or come up later.
    Taken {
        /// `ADDRESS:PORT`.
        #[serde(rename = "taken")]
        address: String,
        /// The name of the relay's unit, set up in `/etc/NAME.conf`.
        by: String,
    },
    /// etcd's quota is used up, and the alarm NOSPACE raised: somebody wrote this key until
    /// nothing fitted any more. The quota must have been set to some MiB before, by a fault
    /// `flag`.
    Exhausted {
        #[serde(rename = "exhausted")]
        key: String,
    },
}

/// A number, or a template that gives one.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[allow(dead_code)]
enum Amount {
    Number(#[schemars(range(max = 60_000))] u32),
    Template(#[schemars(regex(pattern = r"\{"))] String),
}

/// Something that is run on the node as root, once the fault's files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// For `bash -c`.
    pub script: &'static str,
    /// Its `$1`, `$2`…
    pub words: Vec<String>,
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
    #[error("{file} can't be damaged: {reason}")]
    Damage { file: String, reason: String },
    #[error("{file} does not listen on port {port} of another address than 127.0.0.1")]
    NoPort { file: String, port: u16 },
}

pub(crate) const KINDS: [&str; 12] = [
    "flag",
    "text",
    "expired",
    "foreign",
    "truncated",
    "flipped",
    "killed",
    "lost",
    "damaged",
    "line",
    "taken",
    "exhausted",
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
    let kind = read_kind(reader, &mut fields, kind);
    let ends = fields.text(reader, "ends").unwrap_or_default();
    let kills = fields.text(reader, "kills").unwrap_or_default();
    fields.finish(reader);
    holds.then_some(Fault {
        node,
        kind,
        ends,
        kills,
    })
}

fn read_kind(reader: &mut Reader, fields: &mut Fields<'_>, kind: &str) -> FaultKind {
    match kind {
        "flag" => FaultKind::Flag {
            flag: fields.required_text(reader, "flag"),
            manifest: path(reader, fields, "manifest"),
            value: fields.text(reader, "value"),
        },
        "text" => FaultKind::Text {
            find: fields.required_text(reader, "text"),
            file: path(reader, fields, "file"),
            becomes: fields.text(reader, "becomes").unwrap_or_default(),
        },
        "expired" => FaultKind::Expired {
            certificate: path(reader, fields, "expired"),
        },
        "foreign" => FaultKind::Foreign {
            certificate: path(reader, fields, "foreign"),
        },
        "truncated" => FaultKind::Truncated {
            file: path(reader, fields, "truncated"),
            percent: fields.integer(reader, "percent", 0..=99).unwrap_or(50) as u32,
        },
        "flipped" => FaultKind::Flipped {
            file: path(reader, fields, "flipped"),
            at: fields.required_text(reader, "at"),
        },
        "lost" => FaultKind::Lost {
            directory: path(reader, fields, "lost"),
        },
        "damaged" => FaultKind::Damaged {
            file: path(reader, fields, "damaged"),
        },
        "line" => FaultKind::Line {
            port: fields.integer(reader, "line", 1..=65535).unwrap_or(1) as u16,
            file: path(reader, fields, "file"),
            hold_ms: fields.amount(reader, "hold_ms", 0..=60_000).unwrap_or(0) as u32,
            cut: fields.flag(reader, "cut").unwrap_or(false),
        },
        "taken" => FaultKind::Taken {
            address: relay::address(reader, fields),
            by: relay::unit_name(reader, fields),
        },
        "exhausted" => FaultKind::Exhausted {
            key: fields.required_text(reader, "exhausted"),
        },
        _ => FaultKind::Killed {
            process: fields.required_text(reader, "killed"),
        },
    }
}

/// The files of a node that a fault reads, and which of them it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Absolute paths.
    pub reads: Vec<String>,
    /// What is written, in the order of [`apply`]'s answers, with the permission bits that
    /// a file gets which is written as a whole.
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
            Self::Truncated { file, .. } | Self::Flipped { file, .. } | Self::Damaged { file } => {
                one(file, 0o600)
            }
            Self::Line { file, .. } => Files {
                reads: vec![file.clone()],
                writes: relay::written("peer-link")
                    .into_iter()
                    .chain([(file.clone(), relay::mode(file))])
                    .collect(),
            },
            Self::Taken { by, .. } => Files {
                reads: Vec::new(),
                writes: relay::written(by).to_vec(),
            },
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
            Self::Killed { .. } | Self::Lost { .. } | Self::Exhausted { .. } => Files {
                reads: Vec::new(),
                writes: Vec::new(),
            },
        }
    }

    /// What is run once the files are written. `kills` is what the fault kills.
    pub fn step(&self, kills: &str) -> Option<Step> {
        let step = |script, words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            Some(Step { script, words })
        };
        match self {
            Self::Killed { process } => step(include_str!("fault/killed.sh"), &[process]),
            Self::Lost { directory } => step(include_str!("fault/lost.sh"), &[directory]),
            Self::Exhausted { key } => step(include_str!("fault/exhausted.sh"), &[key]),
            Self::Line { file, cut, .. } => {
                let served = relay::unit_of(file).unwrap_or_default();
                let cut = if *cut { "cut" } else { "" };
                step(relay::SCRIPT, &["peer-link.service", kills, served, cut])
            }
            Self::Taken { by, .. } => step(relay::SCRIPT, &[&format!("{by}.service"), kills, ""]),
            Self::Flag { .. }
            | Self::Text { .. }
            | Self::Expired { .. }
            | Self::Foreign { .. }
            | Self::Truncated { .. }
            | Self::Flipped { .. }
            | Self::Damaged { .. } => None,
        }
    }
}
