//! The v2 store that a raft snapshot of etcd 3.5 carries as its data.
//!
//! Nothing is kept in the v2 store any more but the membership and the cluster
//! version. From them 3.5 knows its members at a restart, so it refuses to
//! start from a snapshot without such a document. [`document`] makes one, [`parse`] reads one
//! (shape: etcd 3.5.16, `server/etcdserver/api/v2store`, `membership/storev2.go`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, error::Result};

/// A member as the v2 store knows it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Member {
    pub id: u64,
    pub peer_urls: Vec<String>,
    pub is_learner: bool,
    /// Empty as long as the member has not published itself.
    pub name: String,
    pub client_urls: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RaftAttributes<'a> {
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
}

#[derive(Serialize)]
struct Attributes<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "clientURLs", skip_serializing_if = "<[String]>::is_empty")]
    client_urls: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    path: String,
    created_index: u64,
    modified_index: u64,
    expire_time: &'static str,
    value: String,
    children: Option<BTreeMap<String, Node>>,
}

/// Keeps the store's own count of changes while nodes are made.
struct Builder {
    index: u64,
}

impl Builder {
    fn node(&self, path: &str, value: String, children: Option<Vec<Node>>) -> Node {
        let children = children.map(|nodes| {
            nodes
                .into_iter()
                .map(|node| {
                    let name = node.path.rsplit('/').next().unwrap_or_default().to_owned();
                    (name, node)
                })
                .collect()
        });
        Node {
            path: path.to_owned(),
            created_index: self.index,
            modified_index: self.index,
            // Go's zero time: the node does not expire.
            expire_time: "0001-01-01T00:00:00Z",
            value,
            children,
        }
    }

    fn file(&mut self, path: &str, value: String) -> Node {
        self.index += 1;
        self.node(path, value, None)
    }

    fn member(&mut self, member: &Member) -> Node {
        let path = format!("/0/members/{:x}", member.id);
        let raft = RaftAttributes {
            peer_urls: &member.peer_urls,
            is_learner: member.is_learner,
        };
        let mut files = vec![self.file(&format!("{path}/raftAttributes"), json(&raft))];
        if !member.name.is_empty() || !member.client_urls.is_empty() {
            let attributes = Attributes {
                name: &member.name,
                client_urls: &member.client_urls,
            };
            files.push(self.file(&format!("{path}/attributes"), json(&attributes)));
        }
        self.node(&path, String::new(), Some(files))
    }
}

fn json(value: &impl Serialize) -> String {
    // Invariant: these are structs of strings, numbers and string-keyed maps.
    serde_json::to_string(value).expect("strings and numbers always serialize")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    root: Node,
    watcher_hub: WatcherHub,
    current_index: u64,
    stats: Stats,
    current_version: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WatcherHub {
    event_history: EventHistory,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventHistory {
    queue: Queue,
    start_index: u64,
    last_index: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Queue {
    /// A ring that Go writes into by position, so it has to be there in full.
    events: Vec<Option<()>>,
    size: u64,
    front: u64,
    back: u64,
    capacity: usize,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    gets_success: u64,
    gets_fail: u64,
    sets_success: u64,
    sets_fail: u64,
    delete_success: u64,
    delete_fail: u64,
    update_success: u64,
    update_fail: u64,
    create_success: u64,
    create_fail: u64,
    compare_and_swap_success: u64,
    compare_and_swap_fail: u64,
    compare_and_delete_success: u64,
    compare_and_delete_fail: u64,
    expire_count: u64,
    watchers: u64,
}

/// The document for these members, members that were removed, and cluster version
/// ("3.5.0"; `None` while it is not decided).
pub fn document(members: &[Member], removed: &[u64], version: Option<&str>) -> Vec<u8> {
    const EVENTS: usize = 1000;
    let mut builder = Builder { index: 0 };
    let mut cluster = Vec::new();
    let nodes: Vec<_> = members
        .iter()
        .map(|member| builder.member(member))
        .collect();
    if !nodes.is_empty() {
        cluster.push(builder.node("/0/members", String::new(), Some(nodes)));
    }
    let gone: Vec<_> = removed
        .iter()
        .map(|id| builder.file(&format!("/0/removed_members/{id:x}"), String::new()))
        .collect();
    if !gone.is_empty() {
        cluster.push(builder.node("/0/removed_members", String::new(), Some(gone)));
    }
    if let Some(version) = version {
        cluster.push(builder.file("/0/version", version.to_owned()));
    }
    let root = builder.node(
        "/",
        String::new(),
        Some(vec![
            builder.node("/0", String::new(), Some(cluster)),
            builder.node("/1", String::new(), Some(Vec::new())),
        ]),
    );
    let document = Document {
        root,
        watcher_hub: WatcherHub {
            event_history: EventHistory {
                queue: Queue {
                    events: vec![None; EVENTS],
                    size: 0,
                    front: 0,
                    back: 0,
                    capacity: EVENTS,
                },
                start_index: 0,
                last_index: 0,
            },
        },
        current_index: builder.index,
        stats: Stats::default(),
        current_version: 2,
    };
    json(&document).into_bytes()
}

/// What [`parse`] finds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cluster {
    pub members: Vec<Member>,
    /// Ids of members that were removed.
    pub removed: Vec<u64>,
    /// "3.5.0"; `None` while it was not decided.
    pub version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadDocument {
    root: ReadNode,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ReadNode {
    value: String,
    children: Option<BTreeMap<String, ReadNode>>,
}

impl ReadNode {
    fn child(&self, name: &str) -> Option<&ReadNode> {
        self.children.as_ref()?.get(name)
    }

    fn list(&self) -> impl Iterator<Item = (&String, &ReadNode)> {
        self.children.iter().flatten()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadAttributes {
    name: String,
    #[serde(rename = "clientURLs")]
    client_urls: Option<Vec<String>>,
    #[serde(rename = "peerURLs")]
    peer_urls: Option<Vec<String>>,
    #[serde(rename = "isLearner")]
    is_learner: bool,
}

/// Reads the membership out of a document; an empty one holds nothing.
pub fn parse(document: &[u8]) -> Result<Cluster> {
    let mut found = Cluster::default();
    if document.is_empty() {
        return Ok(found);
    }
    let bad = |error: serde_json::Error| Error::V2Store(error.to_string());
    let document: ReadDocument = serde_json::from_slice(document).map_err(bad)?;
    let Some(cluster) = document.root.child("0") else {
        return Ok(found);
    };
    let id = |name: &str| {
        u64::from_str_radix(name, 16)
            .map_err(|_| Error::V2Store(format!("{name:?} is not the id of a member")))
    };
    for (name, node) in cluster
        .child("members")
        .into_iter()
        .flat_map(ReadNode::list)
    {
        let mut member = Member {
            id: id(name)?,
            ..Member::default()
        };
        if let Some(file) = node.child("raftAttributes") {
            let read: ReadAttributes = serde_json::from_str(&file.value).map_err(bad)?;
            member.peer_urls = read.peer_urls.unwrap_or_default();
            member.is_learner = read.is_learner;
        }
        if let Some(file) = node.child("attributes") {
            let read: ReadAttributes = serde_json::from_str(&file.value).map_err(bad)?;
            member.name = read.name;
            member.client_urls = read.client_urls.unwrap_or_default();
        }
        found.members.push(member);
    }
    found.members.sort_by_key(|member| member.id);
    for (name, _) in cluster
        .child("removed_members")
        .into_iter()
        .flat_map(ReadNode::list)
    {
        found.removed.push(id(name)?);
    }
    found.version = cluster.child("version").map(|node| node.value.clone());
    Ok(found)
}
