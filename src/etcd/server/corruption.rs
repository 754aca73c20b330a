//! Comparing hashes with the peers: before serving (`--experimental-initial-corrupt-check`)
//! and regularly as the leader (`--experimental-corrupt-check-time`).
//!
//! What is compared when, and the words, are those of etcd 3.5.16
//! (`server/etcdserver/corrupt.go`).

use serde::Deserialize;
use wire::etcdserverpb::{AlarmRequest, AlarmType, alarm_request::AlarmAction};

use super::{Caller, EtcdError, Server};

/// A peer's answer, as Go writes it: what is zero is left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    header: Header,
    hash: u32,
    compact_revision: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    revision: i64,
}

struct PeerHash {
    id: u64,
    endpoints: Vec<String>,
    revision: i64,
    hash: u32,
    compact_revision: i64,
}

/// What the leader's keys and values are like at a moment.
struct Keyspace {
    newest: i64,
    compact_revision: i64,
    hash: u32,
}

impl Keyspace {
    /// Whether nothing was written since `before` and the hash is another all the same.
    fn contradicts(&self, before: &Self) -> bool {
        self.hash != before.hash
            && self.newest == before.newest
            && self.compact_revision == before.compact_revision
    }
}

/// What can be wrong with a follower; one can be wrong in several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// It has revisions that the leader has not.
    Revision,
    /// It has compacted what the leader has not.
    CompactRevision,
    /// It has other keys or values than the leader had.
    Hash,
}

/// A follower is asked between two looks at the leader's keys, so it may be behind the
/// second but not before it.
fn findings(before: &Keyspace, after: &Keyspace, peer: &PeerHash) -> Vec<Finding> {
    let comparable = peer.compact_revision == before.compact_revision;
    let all = [
        (peer.revision > after.newest, Finding::Revision),
        (
            peer.compact_revision > after.compact_revision,
            Finding::CompactRevision,
        ),
        (comparable && peer.hash != before.hash, Finding::Hash),
    ];
    let found = all.into_iter().filter(|(is, _)| *is);
    found.map(|(_, finding)| finding).collect()
}

impl Finding {
    fn tell(self, before: &Keyspace, after: &Keyspace, peer: &PeerHash) {
        let id = format!("{:x}", peer.id);
        match self {
            Self::Revision => crate::warn!("etcdserver/corrupt.go:238",
                "revision from follower must be less than or equal to leader's",
                "leader-revision" => after.newest,
                "follower-revision" => peer.revision,
                "follower-peer-id" => id),
            Self::CompactRevision => crate::warn!("etcdserver/corrupt.go:249",
                "compact revision from follower must be less than or equal to leader's",
                "leader-compact-revision" => after.compact_revision,
                "follower-compact-revision" => peer.compact_revision,
                "follower-peer-id" => id),
            Self::Hash => crate::warn!("etcdserver/corrupt.go:260",
                "same compact revision then hashes must match",
                "leader-compact-revision" => after.compact_revision,
                "leader-hash" => before.hash,
                "follower-compact-revision" => peer.compact_revision,
                "follower-hash" => peer.hash,
                "follower-peer-id" => id),
        }
    }
}

impl Server {
    /// Refuses to start with other data than the peers have. Peers that can't tell are
    /// passed over. (Why they can't is told once for each of their URLs; 3.5.16 has a
    /// warning more for each reason, but loses the reason before it gets there.)
    pub(crate) async fn check_initially(&self) -> Result<(), EtcdError> {
        let id = format!("{:x}", self.id());
        crate::info!("etcdserver/corrupt.go:96", "starting initial corruption check",
            "local-member-id" => id, "timeout" => format!("{}s", self.request_timeout().as_secs()));
        let own = self.keyspace().await?;
        let mut differs = false;
        for peer in self.peer_hashes(own.newest).await {
            if peer.hash == own.hash {
                continue;
            }
            let comparable = peer.compact_revision == own.compact_revision;
            let (caller, message) = if comparable {
                (
                    "etcdserver/corrupt.go:125",
                    "found different hash values from remote peer",
                )
            } else {
                (
                    "etcdserver/corrupt.go:128",
                    "found different compact revision values from remote peer",
                )
            };
            differs |= comparable;
            crate::warn!(caller, message,
                "local-member-id" => id,
                "local-member-revision" => own.newest,
                "local-member-compact-revision" => own.compact_revision,
                "local-member-hash" => own.hash,
                // 3.5.16 shows what its answers leave out.
                "remote-peer-id" => "0",
                "remote-peer-endpoints" => peer.endpoints,
                "remote-peer-revision" => peer.revision,
                "remote-peer-compact-revision" => peer.compact_revision,
                "remote-peer-hash" => peer.hash);
        }
        if differs {
            return Err(EtcdError::Start(format!(
                "{id} found data inconsistency with peers"
            )));
        }
        crate::info!("etcdserver/corrupt.go:177", "initial corruption checking passed; no corruption",
            "local-member-id" => id);
        Ok(())
    }

    /// As the leader, compares with the peers every so often and raises the alarm
    /// CORRUPT if they differ.
    pub(crate) async fn check_regularly(self) {
        let interval = self.0.config.corrupt_check_time;
        if interval.is_zero() {
            return;
        }
        crate::info!("etcdserver/server.go:2608", "enabled corruption checking",
            "local-member-id" => format!("{:x}", self.id()),
            "interval" => format!("{}s", interval.as_secs()));
        loop {
            tokio::time::sleep(interval).await;
            if !self.is_leader() {
                continue;
            }
            match self.find_corruption().await {
                Ok(false) => {}
                // Whose data is wrong is not known, so the alarm names no member.
                Ok(true) => self.raise_corrupt().await,
                Err(error) => crate::warn!("etcdserver/server.go:2623", "failed to check hash KV",
                    "error" => error.to_string()),
            }
        }
    }

    async fn find_corruption(&self) -> Result<bool, EtcdError> {
        let before = self.keyspace().await?;
        let peers = self.peer_hashes(before.newest).await;
        self.linearizable_read_notify().await?;
        let after = self.keyspace().await?;
        let mut found = after.contradicts(&before);
        if found {
            crate::warn!("etcdserver/corrupt.go:217", "found hash mismatch",
                "revision-1" => before.newest,
                "compact-revision-1" => before.compact_revision,
                "hash-1" => before.hash,
                "revision-2" => after.newest,
                "compact-revision-2" => after.compact_revision,
                "hash-2" => after.hash);
        }
        for peer in &peers {
            for finding in findings(&before, &after, peer) {
                finding.tell(&before, &after, peer);
                found = true;
            }
        }
        crate::info!("etcdserver/corrupt.go:271", "finished peer corruption check",
            "number-of-peers-checked" => peers.len());
        Ok(found)
    }

    async fn keyspace(&self) -> Result<Keyspace, EtcdError> {
        let (hashed, newest) = self.blocking(|store| store.hash_kv(0)).await?;
        Ok(Keyspace {
            newest,
            compact_revision: hashed.compact_revision,
            hash: hashed.hash,
        })
    }

    async fn raise_corrupt(&self) {
        let alarm = AlarmRequest {
            member_id: 0,
            action: AlarmAction::Activate.into(),
            alarm: AlarmType::Corrupt.into(),
        };
        // The next check raises it again if this fails.
        let _ = self.alarm(&Caller::nobody(), alarm).await;
    }

    async fn peer_hashes(&self, revision: i64) -> Vec<PeerHash> {
        let members = self.membership();
        let mut found = Vec::new();
        for member in members
            .members
            .values()
            .filter(|member| member.id != self.id())
        {
            for url in &member.peer_urls {
                let asked = self
                    .0
                    .peers
                    .hash_kv(url.clone(), revision, self.request_timeout());
                let read = asked.await.and_then(|json| {
                    serde_json::from_slice::<Answer>(&json)
                        .map_err(|error| EtcdError::Peer(error.to_string()))
                });
                match read {
                    Ok(answer) => {
                        found.push(PeerHash {
                            id: member.id,
                            endpoints: member.peer_urls.clone(),
                            revision: answer.header.revision,
                            hash: answer.hash,
                            compact_revision: answer.compact_revision,
                        });
                        break;
                    }
                    Err(error) => {
                        crate::warn!("etcdserver/corrupt.go:415", "failed hash kv request",
                        "local-member-id" => format!("{:x}", self.id()),
                        "requested-revision" => revision,
                        "remote-peer-endpoint" => url,
                        "error" => error.to_string())
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyspace(newest: i64, compact_revision: i64, hash: u32) -> Keyspace {
        Keyspace {
            newest,
            compact_revision,
            hash,
        }
    }

    #[test]
    fn only_what_was_not_written_to_must_keep_its_hash() {
        let before = keyspace(9, 3, 70);
        for (after, contradicts) in [
            (keyspace(9, 3, 70), false),
            (keyspace(9, 3, 71), true),
            (keyspace(10, 3, 71), false),
            (keyspace(9, 4, 71), false),
        ] {
            assert_eq!(after.contradicts(&before), contradicts);
        }
    }

    #[test]
    fn followers_may_be_behind_and_not_ahead() {
        use Finding::{CompactRevision, Hash, Revision};
        let (before, after) = (keyspace(9, 3, 70), keyspace(12, 5, 71));
        for (revision, compact_revision, hash, expected) in [
            (12, 3, 70, vec![]),
            (8, 1, 7, vec![]),
            // It has compacted since; nothing can be said of its hash.
            (12, 5, 99, vec![]),
            (12, 3, 71, vec![Hash]),
            (13, 3, 70, vec![Revision]),
            (12, 6, 70, vec![CompactRevision]),
            (13, 6, 70, vec![Revision, CompactRevision]),
            (13, 3, 7, vec![Revision, Hash]),
        ] {
            let peer = PeerHash {
                id: 1,
                endpoints: Vec::new(),
                revision,
                hash,
                compact_revision,
            };
            let found = findings(&before, &after, &peer);
            assert_eq!(found, expected, "{revision} {compact_revision} {hash}");
        }
    }
}
