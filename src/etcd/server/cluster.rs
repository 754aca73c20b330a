//! Members: listing, adding, removing, updating, promoting.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mvcc::{Context, Member, Membership};
use wire::{
    etcdserverpb as pb,
    raftpb::{ConfChange, ConfChangeType},
};

use super::{Caller, EtcdError, Server};

/// How long connections must have lasted before membership changes are allowed.
const HEALTH_INTERVAL: Duration = Duration::from_secs(5);
/// How much of the leader's log a learner must have to be promoted.
const READY_SHARE: f64 = 0.9;

impl Server {
    /// The members; linearizable if the request says so.
    pub async fn member_list(
        &self,
        request: pb::MemberListRequest,
    ) -> Result<pb::MemberListResponse, EtcdError> {
        if request.linearizable {
            self.linearizable_read_notify().await?;
        }
        Ok(pb::MemberListResponse {
            header: Some(self.header()),
            members: members_out(&self.membership()),
        })
    }

    /// Adds a member, as a learner if the request says so.
    pub async fn member_add(
        &self,
        caller: &Caller,
        request: pb::MemberAddRequest,
    ) -> Result<pb::MemberAddResponse, EtcdError> {
        let urls = check_urls(request.peer_ur_ls)?;
        self.permit_admin(caller).await?;
        let seconds = (self.0.clock.wall() / 1000) as i64;
        let member = Member {
            id: mvcc::member_id(&urls, "", Some(seconds)),
            peer_urls: urls,
            is_learner: request.is_learner,
            ..Member::default()
        };
        self.may_add(&member)?;
        let kind = if member.is_learner {
            ConfChangeType::ConfChangeAddLearnerNode
        } else {
            ConfChangeType::ConfChangeAddNode
        };
        let added = member_out(&member);
        let members = self
            .change(kind, member.id, mvcc::member_to_json(&member))
            .await?;
        Ok(pb::MemberAddResponse {
            header: Some(self.header()),
            member: Some(added),
            members: members_out(&members),
        })
    }

    /// Removes a member.
    pub async fn member_remove(
        &self,
        caller: &Caller,
        request: pb::MemberRemoveRequest,
    ) -> Result<pb::MemberRemoveResponse, EtcdError> {
        self.permit_admin(caller).await?;
        self.may_remove(request.id)?;
        let kind = ConfChangeType::ConfChangeRemoveNode;
        let members = self.change(kind, request.id, String::new()).await?;
        Ok(pb::MemberRemoveResponse {
            header: Some(self.header()),
            members: members_out(&members),
        })
    }

    /// Changes a member's peer URLs.
    pub async fn member_update(
        &self,
        caller: &Caller,
        request: pb::MemberUpdateRequest,
    ) -> Result<pb::MemberUpdateResponse, EtcdError> {
        let member = Member {
            id: request.id,
            peer_urls: request.peer_ur_ls,
            ..Member::default()
        };
        self.permit_admin(caller).await?;
        let kind = ConfChangeType::ConfChangeUpdateNode;
        let members = self
            .change(kind, member.id, mvcc::member_to_json(&member))
            .await?;
        Ok(pb::MemberUpdateResponse {
            header: Some(self.header()),
            members: members_out(&members),
        })
    }

    /// Makes a learner a voter, asking the leader if that is another member.
    pub async fn member_promote(
        &self,
        caller: &Caller,
        request: pb::MemberPromoteRequest,
    ) -> Result<pb::MemberPromoteResponse, EtcdError> {
        self.permit_admin(caller).await?;
        let members = match self.member_promote_local(request.id).await {
            Err(EtcdError::NotLeader) => self.promote_at_leader(request.id).await?,
            answer => members_out(&*answer?),
        };
        Ok(pb::MemberPromoteResponse {
            header: Some(self.header()),
            members,
        })
    }

    async fn promote_at_leader(&self, id: u64) -> Result<Vec<pb::Member>, EtcdError> {
        let deadline = tokio::time::Instant::now() + self.request_timeout();
        while tokio::time::Instant::now() < deadline {
            for url in self.wait_leader(deadline).await? {
                match self.0.peers.promote(url, id, self.request_timeout()).await {
                    Ok(json) => return members_from_json(&json),
                    Err(
                        error @ (EtcdError::LearnerNotReady
                        | EtcdError::MemberNotFound
                        | EtcdError::MemberNotLearner),
                    ) => return Err(error),
                    Err(_) => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(EtcdError::Timeout)
    }

    /// Makes a learner a voter as the leader (the peer request `/members/promote/<id>`).
    pub async fn member_promote_local(&self, id: u64) -> Result<Arc<Membership>, EtcdError> {
        self.wait_applied().await?;
        let status = self.raft_status().await?;
        let Some(matched) = status.matched else {
            return Err(EtcdError::NotLeader);
        };
        let of = |id: u64| {
            matched
                .iter()
                .find(|(member, _)| *member == id)
                .map(|(_, at)| *at)
        };
        let own = of(self.id()).unwrap_or_default();
        let learner = of(id).ok_or(EtcdError::MemberNotFound)?;
        if (learner as f64) < own as f64 * READY_SHARE {
            return Err(EtcdError::LearnerNotReady);
        }
        if self.0.config.strict_reconfig_check {
            let (members, started) = self.voters_started(|_| true);
            if started + 1 < quorum(members + 1) {
                return Err(EtcdError::NotEnoughStartedMembers);
            }
        }
        let context = Context {
            member: Member {
                id,
                ..Member::default()
            },
            is_promote: true,
        };
        let kind = ConfChangeType::ConfChangeAddNode;
        let members = self.change(kind, id, context.to_json()).await?;
        crate::measures::measures().promotions.inc();
        Ok(members)
    }

    /// The members as `/members` of the peer port lists them.
    pub fn members_json(&self) -> String {
        let members = self.membership();
        let list: Vec<_> = members.members.values().map(mvcc::member_to_json).collect();
        format!("[{}]", list.join(","))
    }

    async fn change(
        &self,
        kind: ConfChangeType,
        id: u64,
        context: String,
    ) -> Result<Arc<Membership>, EtcdError> {
        let mut change = ConfChange {
            node_id: id,
            context: (!context.is_empty()).then(|| context.into_bytes().into()),
            ..Default::default()
        };
        change.set_type(kind);
        let members = self.propose_change(change).await?;
        crate::info!("etcdserver/server.go:2023", "applied a configuration change through raft",
            "local-member-id" => format!("{:x}", self.id()),
            "raft-conf-change" => kind.as_str_name(),
            "raft-conf-change-node-id" => format!("{id:x}"));
        Ok(members)
    }

    /// How many voters there are among those wanted, and how many of them have started.
    fn voters_started(&self, wanted: impl Fn(u64) -> bool) -> (usize, usize) {
        let members = self.membership();
        let voters = members
            .members
            .values()
            .filter(|member| !member.is_learner && wanted(member.id));
        voters.fold((0, 0), |(all, started), member| {
            (all + 1, started + usize::from(!member.name.is_empty()))
        })
    }

    /// Refuses a voter that could cost the cluster its quorum.
    fn may_add(&self, member: &Member) -> Result<(), EtcdError> {
        if !self.0.config.strict_reconfig_check {
            return Ok(());
        }
        if !member.is_learner {
            let (voters, started) = self.voters_started(|_| true);
            // One running member of one may grow: that is how a restored cluster begins.
            let alone = started == 1 && voters == 1;
            if !alone && started < quorum(voters + 1) {
                return Err(EtcdError::NotEnoughStartedMembers);
            }
        }
        let voters = self.voting_ids();
        if self.connected_since(&voters, HEALTH_INTERVAL) < voters.len() {
            return Err(EtcdError::Unhealthy);
        }
        Ok(())
    }

    /// Refuses a removal that could cost the cluster its quorum.
    fn may_remove(&self, id: u64) -> Result<(), EtcdError> {
        if !self.0.config.strict_reconfig_check {
            return Ok(());
        }
        let is_learner = self
            .membership()
            .members
            .get(&id)
            .is_some_and(|member| member.is_learner);
        if is_learner {
            return Ok(());
        }
        let (voters, started) = self.voters_started(|member| member != id);
        if started < quorum(voters) {
            return Err(EtcdError::NotEnoughStartedMembers);
        }
        // A member that is down is no part of the active quorum.
        if id != self.id() && self.transport().active_since(id).is_none() {
            return Ok(());
        }
        let voters = self.voting_ids();
        let active = self.connected_since(&voters, HEALTH_INTERVAL);
        if active.saturating_sub(1) < 1 + (voters.len().saturating_sub(1)) / 2 {
            return Err(EtcdError::Unhealthy);
        }
        Ok(())
    }

    pub(crate) fn voting_ids(&self) -> Vec<u64> {
        let members = self.membership();
        members
            .members
            .values()
            .filter(|member| !member.is_learner)
            .map(|member| member.id)
            .collect()
    }

    /// How many of these members have been connected for at least so long; this
    /// member counts itself.
    pub(crate) fn connected_since(&self, ids: &[u64], at_least: Duration) -> usize {
        let now = Instant::now();
        let transport = self.transport();
        ids.iter()
            .filter(|&&id| {
                id == self.id()
                    || transport
                        .active_since(id)
                        .is_some_and(|since| now.saturating_duration_since(since) >= at_least)
            })
            .count()
    }
}

/// So many of a number of voters decide.
fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Refuses URLs that etcd refuses; the others come back sorted.
fn check_urls(mut urls: Vec<String>) -> Result<Vec<String>, EtcdError> {
    let good = |url: &String| {
        let rest = ["http://", "https://", "unix://", "unixs://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let Some(authority) = rest else { return false };
        let Some((host, port)) = authority.rsplit_once(':') else {
            return false;
        };
        !host.contains('/') && (url.starts_with("unix") || port.parse::<u16>().is_ok())
    };
    if urls.is_empty() || !urls.iter().all(good) {
        return Err(EtcdError::MemberBadUrls);
    }
    urls.sort();
    Ok(urls)
}

fn member_out(member: &Member) -> pb::Member {
    pb::Member {
        id: member.id,
        name: member.name.clone(),
        peer_ur_ls: member.peer_urls.clone(),
        client_ur_ls: member.client_urls.clone(),
        is_learner: member.is_learner,
    }
}

fn members_out(membership: &Membership) -> Vec<pb::Member> {
    membership.members.values().map(member_out).collect()
}

fn members_from_json(json: &[u8]) -> Result<Vec<pb::Member>, EtcdError> {
    Ok(super::bootstrap::parse_members(json)
        .map_err(EtcdError::Peer)?
        .iter()
        .map(member_out)
        .collect())
}
