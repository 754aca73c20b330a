//! One file a probe. Each parses what it looks at and says what it found, what was
//! expected and where.

pub mod access;
pub mod answer;
pub mod certificate;
pub mod cold_database;
pub mod command;
pub mod data_dir;
pub mod file;
pub mod flags;
pub mod founders;
pub mod handover;
pub mod health;
pub mod history;
pub mod key;
pub mod manifest;
pub mod members;
pub mod object;
pub mod process;
pub mod restore_order;
pub mod snapshot;
pub mod unit;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use serde_json::Value;

use crate::{
    assignment::{Certificates, Facts},
    keyspace::Keyspace,
    live::{Api, Etcd, Identity},
    node::Node,
    patience::Patience,
    run::Ran,
    verdict::Outcome,
};

/// The key that every cluster has and whose UID nobody chose.
pub const KUBE_SYSTEM: &str = "/registry/namespaces/kube-system";

/// How long a component may take to come up again, or a Pod to become ready, before that
/// counts.
pub const SETTLE: Duration = Duration::from_secs(3);

/// An outcome either way: `?` ends a probe with what it has found out so far.
pub type Result<T = Outcome> = std::result::Result<T, Outcome>;

/// Everything a probe may look at.
pub struct Scene<'a> {
    pub node: Node<'a>,
    /// Every node's.
    pub addresses: &'a BTreeMap<String, Ipv4Addr>,
    pub address: Ipv4Addr,
    pub facts: &'a Facts,
    pub etcd: &'a Etcd,
    pub api: &'a Api,
    /// How long all checks together wait for what may be coming up.
    pub patience: &'a Patience,
    /// The authorities that the lab started with.
    pub certificates: &'a Certificates,
    /// How the command of this check ended, if it has one.
    pub ran: Option<&'a Ran>,
}

impl Scene<'_> {
    /// Who answers at `address`, which is asked again for some seconds if nobody does.
    ///
    /// # Errors
    /// Nobody answers, in words.
    pub async fn identity(&self, address: Ipv4Addr) -> std::result::Result<Identity, String> {
        let ask = async || self.etcd.identity(address).await;
        self.patience.until(SETTLE, ask).await
    }

    /// Every node of the lab.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.addresses.keys().map(|name| Node {
            fabric: self.node.fabric,
            name,
        })
    }
}

/// The UID of an object; empty if it has none.
pub fn uid(object: &Value) -> String {
    object
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Whether a stored object carries `uid`. An API server may store JSON or, with
/// Google's binary in its place, protobuf, where the UID stands as plain text.
pub fn stored_uid_is(stored: &[u8], wanted: &str) -> bool {
    match serde_json::from_slice::<Value>(stored) {
        Ok(object) => uid(&object) == wanted,
        Err(_) => {
            !wanted.is_empty()
                && stored
                    .windows(wanted.len())
                    .any(|window| window == wanted.as_bytes())
        }
    }
}

/// Says which of the keys that must live do not, and the other way round.
pub fn keys_are_as_asked(
    place: &str,
    keyspace: &Keyspace,
    holds: &[String],
    lacks: &[String],
) -> Result<()> {
    let missing = holds.iter().filter(|key| keyspace.value(key).is_none());
    let unwanted = lacks.iter().filter(|key| keyspace.value(key).is_some());
    let wrong: Vec<String> = missing
        .map(|key| format!("{key} is not in it"))
        .chain(unwanted.map(|key| format!("{key} is in it")))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let found = format!("{} (revision {})", wrong.join(", "), keyspace.revision);
    let mut expected = format!("a keyspace that holds {}", holds.join(", "));
    if !lacks.is_empty() {
        expected += &format!(" and not {}", lacks.join(", "));
    }
    Err(Outcome::failed(place, found, expected))
}
