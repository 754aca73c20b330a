//! Status, hashes, snapshots, defragmentation, alarms, moving the leader.

use std::time::{Duration, Instant};

use mvcc::Response;
use wire::etcdserverpb::{self as pb, AlarmType, InternalRaftRequest};

use super::{Caller, EtcdError, Server, VERSION};
use crate::{
    measures::{While, measures, timed},
    raft::events::Event,
};

impl Server {
    /// Status of this member.
    pub fn status(&self) -> pb::StatusResponse {
        let progress = &self.0.progress;
        let leader = progress.lead();
        let mut errors = Vec::new();
        if leader == 0 {
            errors.push(EtcdError::NoLeader.to_string());
        }
        errors.extend(self.0.store.alarms().iter().map(alarm_text));
        pb::StatusResponse {
            header: Some(self.header_at(self.0.store.revision())),
            version: VERSION.to_owned(),
            db_size: self.0.store.size_bytes() as i64,
            leader,
            raft_index: progress.committed(),
            raft_term: progress.term(),
            raft_applied_index: progress.applied(),
            errors,
            db_size_in_use: self.0.store.in_use_bytes() as i64,
            is_learner: self.is_learner(),
        }
    }

    /// `Maintenance.Hash`.
    pub async fn hash(&self) -> Result<pb::HashResponse, EtcdError> {
        let (hash, revision) = self
            .blocking(|store| timed(&measures().hash, || store.hash()))
            .await?;
        Ok(pb::HashResponse {
            header: Some(self.header_at(revision)),
            hash,
        })
    }

    /// `Maintenance.HashKV`; revision 0 is the newest.
    pub async fn hash_kv(&self, revision: i64) -> Result<pb::HashKvResponse, EtcdError> {
        let (found, current) = self
            .blocking(move |store| timed(&measures().hash_rev, || store.hash_kv(revision)))
            .await?;
        Ok(pb::HashKvResponse {
            header: Some(self.header_at(current)),
            hash: found.hash,
            compact_revision: found.compact_revision,
        })
    }

    /// Rewrites the db file without its free pages. What a compaction has promised to
    /// free is freed first: the new file is made of what is there when it begins, and
    /// `compact` is answered before its work is done.
    pub async fn defragment(&self) -> Result<(), EtcdError> {
        self.compacted_up_to(i64::MAX).await?;
        let options = self.0.bolt_options.clone();
        let _inflight = While::new(&measures().defrag_inflight);
        self.blocking(move |store| {
            timed(&measures().backend_defrag, || {
                store.defragment(&|path| bolt::Db::open(path, options.clone()))
            })
        })
        .await
    }

    /// A snapshot of the db as it is now, for `Maintenance.Snapshot`.
    pub async fn snapshot(&self) -> Result<bolt::ReadTx, EtcdError> {
        self.blocking(|store| store.snapshot()).await
    }

    /// Lists, raises or disarms alarms.
    pub async fn alarm(
        &self,
        caller: &Caller,
        request: pb::AlarmRequest,
    ) -> Result<pb::AlarmResponse, EtcdError> {
        let request = InternalRaftRequest {
            alarm: Some(request),
            ..Default::default()
        };
        match self.propose(caller, request).await? {
            Response::Alarm(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            _ => Err(EtcdError::Stopped),
        }
    }

    /// Hands the leadership to another voter and waits until that is done.
    pub async fn move_leader(&self, target: u64) -> Result<(), EtcdError> {
        if !self.is_leader() {
            return Err(EtcdError::NotLeader);
        }
        if !self.voting_ids().contains(&target) {
            return Err(EtcdError::BadLeaderTransferee);
        }
        let (id, target_id) = (format!("{:x}", self.id()), format!("{target:x}"));
        let old_leader = format!("{:x}", self.leader());
        crate::info!("etcdserver/server.go:1503", "leadership transfer starting",
            "local-member-id" => id,
            "current-leader-member-id" => old_leader,
            "transferee-member-id" => target_id);
        let begun = Instant::now();
        let mut lead = self.0.progress.lead.subscribe();
        self.send(Event::TransferLeader { target }).await?;
        let moved = lead.wait_for(|lead| *lead == target);
        match tokio::time::timeout(self.request_timeout(), moved).await {
            Ok(Ok(_)) => {
                crate::info!("etcdserver/server.go:1520", "leadership transfer finished",
                    "local-member-id" => id,
                    "old-leader-member-id" => old_leader,
                    "new-leader-member-id" => target_id,
                    "took" => gowords::duration(begun.elapsed()));
                Ok(())
            }
            Ok(Err(_)) => Err(EtcdError::Stopped),
            Err(_) => Err(EtcdError::TimeoutLeaderTransfer),
        }
    }

    /// Gives the leadership away before a stop, so that the others need no election.
    pub async fn transfer_leadership(&self) {
        let others: Vec<_> = self
            .voting_ids()
            .into_iter()
            .filter(|id| *id != self.id())
            .collect();
        let skipped = if !self.is_leader() {
            Some((
                "etcdserver/server.go:1534",
                "skipped leadership transfer; local server is not leader",
            ))
        } else if others.is_empty() {
            Some((
                "etcdserver/server.go:1543",
                "skipped leadership transfer for single voting member cluster",
            ))
        } else {
            None
        };
        if let Some((caller, message)) = skipped {
            crate::info!(caller, message,
                "local-member-id" => format!("{:x}", self.id()),
                "current-leader-member-id" => format!("{:x}", self.leader()));
            return;
        }
        let transport = self.transport();
        let longest = others
            .into_iter()
            .filter_map(|id| transport.active_since(id).map(|since| (since, id)))
            .min();
        let Some((_, id)) = longest else {
            self.log_failed_transfer(&EtcdError::Unhealthy);
            return;
        };
        // If it goes away too, which is how whole clusters stop, there is nobody to wait for.
        let gone = async {
            while transport.active_since(id).is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            // The others elect someone anyway if this fails.
            moved = self.move_leader(id) => if let Err(error) = moved {
                self.log_failed_transfer(&error);
            },
            () = gone => {}
            () = self.0.stopping.cancelled() => {}
        }
    }

    fn log_failed_transfer(&self, error: &EtcdError) {
        crate::warn!("etcdserver/server.go:1582", "leadership transfer failed",
            "local-member-id" => format!("{:x}", self.id()), "error" => error.to_string());
    }
}

/// As Go prints an `AlarmMember`.
fn alarm_text(alarm: &pb::AlarmMember) -> String {
    let mut text = String::new();
    if alarm.member_id != 0 {
        text += &format!("memberID:{} ", alarm.member_id);
    }
    if alarm.alarm != AlarmType::None as i32 {
        text += &format!("alarm:{} ", alarm.alarm().as_str_name());
    }
    text
}
