//! The members in memory, and what a configuration change does to them
//! (`api/membership/cluster.go`).

use std::collections::{BTreeMap, BTreeSet};

use wire::raftpb::{ConfChange, ConfChangeType};

use super::json::Context;
use crate::{Error, Result};

/// etcd 3.5 lets a cluster have one learner.
const MAX_LEARNERS: usize = 1;

/// A member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its id; never 0.
    pub id: u64,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// It follows the log and has no vote.
    pub is_learner: bool,
    /// Its name; empty until it has started and said so.
    pub name: String,
    /// Where clients reach it; empty until it has said so.
    pub client_urls: Vec<String>,
}

/// A downgrade that was announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downgrade {
    /// One is going on.
    pub enabled: bool,
    /// The version to go down to; empty if not enabled.
    pub target_version: String,
}

/// Who is in the cluster, as etcd's v2 store keeps it: rebuilt at start from the
/// raft snapshot and the log, so it may know more than the bucket `members`
/// (which 3.5.16 never updates once a member is written).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Members by id.
    pub members: BTreeMap<u64, Member>,
    /// Ids that were removed; they never come back.
    pub removed: BTreeSet<u64>,
    /// The cluster version, such as `3.5.0`; `None` until the leader has set it.
    pub version: Option<String>,
    /// A downgrade in progress.
    pub downgrade: Downgrade,
}

/// What a configuration change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfChanged {
    /// A member joined.
    Added(Member),
    /// A learner became a voter.
    Promoted(u64),
    /// A member left.
    Removed(u64),
    /// A member's peer URLs changed.
    Updated(Member),
}

impl Membership {
    /// Checks that a configuration change is valid against these members.
    pub fn validate(&self, change: &ConfChange) -> Result<()> {
        let id = change.node_id;
        if self.removed.contains(&id) {
            return Err(Error::MemberNotFound);
        }
        let known = self.members.get(&id);
        match change.r#type() {
            ConfChangeType::ConfChangeAddNode | ConfChangeType::ConfChangeAddLearnerNode => {
                let context = read_context(change)?;
                if context.is_promote {
                    let member = known.ok_or(Error::MemberNotFound)?;
                    return match member.is_learner {
                        true => Ok(()),
                        false => Err(Error::MemberNotLearner),
                    };
                }
                if known.is_some() {
                    return Err(Error::MemberExists);
                }
                self.check_urls(id, &context.member.peer_urls)?;
                let learners = self.members.values().filter(|m| m.is_learner).count();
                if context.member.is_learner && learners + 1 > MAX_LEARNERS {
                    return Err(Error::TooManyLearners);
                }
                Ok(())
            }
            ConfChangeType::ConfChangeRemoveNode => known.map(|_| ()).ok_or(Error::MemberNotFound),
            ConfChangeType::ConfChangeUpdateNode => {
                known.ok_or(Error::MemberNotFound)?;
                self.check_urls(id, &read_context(change)?.member.peer_urls)
            }
        }
    }

    fn check_urls(&self, id: u64, urls: &[String]) -> Result<()> {
        let taken = self
            .members
            .values()
            .filter(|m| m.id != id)
            .any(|m| m.peer_urls.iter().any(|url| urls.contains(url)));
        match taken {
            true => Err(Error::PeerUrlExists),
            false => Ok(()),
        }
    }

    /// Carries a valid configuration change out.
    pub fn change(&mut self, change: &ConfChange) -> Result<ConfChanged> {
        let id = change.node_id;
        match change.r#type() {
            ConfChangeType::ConfChangeRemoveNode => {
                self.members.remove(&id);
                self.removed.insert(id);
                Ok(ConfChanged::Removed(id))
            }
            ConfChangeType::ConfChangeUpdateNode => {
                // All raft attributes are replaced, the learner flag among them.
                let new = read_context(change)?.member;
                let member = self.members.get_mut(&id).ok_or(Error::MemberNotFound)?;
                member.peer_urls = new.peer_urls;
                member.is_learner = new.is_learner;
                Ok(ConfChanged::Updated(member.clone()))
            }
            ConfChangeType::ConfChangeAddNode | ConfChangeType::ConfChangeAddLearnerNode => {
                let context = read_context(change)?;
                if context.is_promote {
                    let member = self.members.get_mut(&id).ok_or(Error::MemberNotFound)?;
                    member.is_learner = false;
                    return Ok(ConfChanged::Promoted(id));
                }
                self.members.insert(id, context.member.clone());
                Ok(ConfChanged::Added(context.member))
            }
        }
    }
}

fn read_context(change: &ConfChange) -> Result<Context> {
    let bad = |detail| Error::BadEntry { index: 0, detail };
    let context = Context::from_json(change.context()).map_err(bad)?;
    if context.member.id != change.node_id {
        return Err(bad(format!(
            "the change is about member {:x}, its context about member {:x}",
            change.node_id, context.member.id
        )));
    }
    Ok(context)
}
