//! The JSON that etcd keeps in its buckets, log entries and v2 store. Written as Go's
//! encoder writes it, because the bytes are hashed.

use serde::{Deserialize, Serialize};
use wire::raftpb;

use super::state::{Downgrade, Member};

/// What the context of a configuration change holds
/// (`membership.ConfigChangeContext`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The member that is added, promoted or updated.
    pub member: Member,
    /// A learner becomes a voter; nothing else of the member is used.
    pub is_promote: bool,
}

#[derive(Serialize, Deserialize)]
struct MemberJson {
    #[serde(default)]
    id: u64,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Option<Vec<String>>,
    #[serde(
        rename = "isLearner",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    is_learner: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "clientURLs", default, skip_serializing_if = "no_urls")]
    client_urls: Option<Vec<String>>,
    #[serde(rename = "isPromote", default, skip_serializing_if = "Option::is_none")]
    is_promote: Option<bool>,
}

fn no_urls(urls: &Option<Vec<String>>) -> bool {
    urls.as_ref().is_none_or(Vec::is_empty)
}

/// Go's encoder escapes three characters that may stand in a URL or name.
pub(crate) fn escape_as_go(json: String) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json;
    }
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn encode(member: &Member, is_promote: Option<bool>) -> String {
    let json = MemberJson {
        id: member.id,
        peer_urls: Some(member.peer_urls.clone()),
        is_learner: member.is_learner,
        name: member.name.clone(),
        client_urls: Some(member.client_urls.clone()),
        is_promote,
    };
    // A struct of strings, numbers and booleans always encodes.
    escape_as_go(serde_json::to_string(&json).unwrap_or_default())
}

/// The two parts of a member that the v2 store keeps: what raft must know
/// (`raftAttributes`), and what the member says of itself (`attributes`).
pub(crate) fn member_to_parts(member: &Member) -> (String, String) {
    #[derive(Serialize)]
    struct RaftAttributes<'a> {
        #[serde(rename = "peerURLs")]
        peer_urls: &'a [String],
        #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
        is_learner: bool,
    }
    #[derive(Serialize)]
    struct Attributes<'a> {
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        #[serde(rename = "clientURLs", skip_serializing_if = "<[String]>::is_empty")]
        client_urls: &'a [String],
    }
    (
        crate::v2::as_go(&RaftAttributes {
            peer_urls: &member.peer_urls,
            is_learner: member.is_learner,
        }),
        crate::v2::as_go(&Attributes {
            name: &member.name,
            client_urls: &member.client_urls,
        }),
    )
}

/// A member as the bucket `members` holds it.
pub fn member_to_json(member: &Member) -> String {
    encode(member, None)
}

/// Reads a member from the bucket `members` or from a change's context.
pub fn member_from_json(json: &[u8]) -> Result<Member, String> {
    Context::from_json(json).map(|context| context.member)
}

impl Context {
    /// Reads the context of a configuration change.
    pub fn from_json(json: &[u8]) -> Result<Context, String> {
        let read: MemberJson = serde_json::from_slice(json)
            .map_err(|e| format!("expected a member as JSON, found something else: {e}"))?;
        Ok(Context {
            member: Member {
                id: read.id,
                peer_urls: read.peer_urls.unwrap_or_default(),
                is_learner: read.is_learner,
                name: read.name,
                client_urls: read.client_urls.unwrap_or_default(),
            },
            is_promote: read.is_promote.unwrap_or(false),
        })
    }

    /// Writes the context of a configuration change. (A bootstrap entry and an
    /// update hold the bare member instead: [`member_to_json`].)
    pub fn to_json(&self) -> String {
        encode(&self.member, Some(self.is_promote))
    }
}

#[derive(Serialize, Deserialize)]
struct ConfStateJson {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voters: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learners: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voters_outgoing: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learners_next: Vec<u64>,
    #[serde(default)]
    auto_leave: bool,
}

/// A configuration as the key `confState` holds it.
pub(crate) fn conf_state_to_json(state: &raftpb::ConfState) -> String {
    let json = ConfStateJson {
        voters: state.voters.clone(),
        learners: state.learners.clone(),
        voters_outgoing: state.voters_outgoing.clone(),
        learners_next: state.learners_next.clone(),
        auto_leave: state.auto_leave,
    };
    // Numbers and booleans always encode.
    serde_json::to_string(&json).unwrap_or_default()
}

/// Reads the key `confState`.
pub(crate) fn conf_state_from_json(json: &[u8]) -> Result<raftpb::ConfState, String> {
    let read: ConfStateJson = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    Ok(raftpb::ConfState {
        voters: read.voters,
        learners: read.learners,
        voters_outgoing: read.voters_outgoing,
        learners_next: read.learners_next,
        auto_leave: read.auto_leave,
    })
}

/// `membership.DowngradeInfo`; Go writes its fields under their own names.
#[derive(Serialize, Deserialize)]
struct DowngradeJson {
    #[serde(rename = "target-version", default)]
    target_version: String,
    #[serde(default)]
    enabled: bool,
}

impl Downgrade {
    /// Reads the key `downgrade` of the bucket `cluster`.
    pub(crate) fn from_json(json: &[u8]) -> Result<Downgrade, String> {
        let read: DowngradeJson = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        Ok(Downgrade {
            enabled: read.enabled,
            target_version: read.target_version,
        })
    }

    /// As the key `downgrade` of the bucket `cluster` holds it.
    pub(crate) fn to_json(&self) -> String {
        let json = DowngradeJson {
            target_version: self.target_version.clone(),
            enabled: self.enabled,
        };
        // A string and a boolean always encode.
        escape_as_go(serde_json::to_string(&json).unwrap_or_default())
    }
}

/// What a member says of itself (`membership.Attributes`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Attributes {
    #[serde(default)]
    pub name: String,
    #[serde(rename = "clientURLs", default)]
    pub client_urls: Vec<String>,
}

impl Attributes {
    /// Reads the value that a member puts at `/0/members/<id>/attributes`.
    pub(crate) fn from_json(json: &[u8]) -> Result<Attributes, String> {
        serde_json::from_slice(json)
            .map_err(|e| format!("expected a member's attributes as JSON: {e}"))
    }
}
