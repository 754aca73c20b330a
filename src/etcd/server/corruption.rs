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

impl Server {
    /// Refuses to start with other data than the peers have. Peers that can't tell are
    /// passed over.
    pub(crate) async fn check_initially(&self) -> Result<(), EtcdError> {
        let id = format!("{:x}", self.id());
        crate::info!("etcdserver/corrupt.go:94", "starting initial corruption check",
            "local-member-id" => id, "timeout" => format!("{}s", self.request_timeout().as_secs()));
        let (own, revision) = self.blocking(|store| store.hash_kv(0)).await?;
        let mut differs = false;
        for peer in self.peer_hashes(revision).await {
            if peer.hash == own.hash {
                continue;
            }
            let comparable = peer.compact_revision == own.compact_revision;
            let message = if comparable {
                "found different hash values from remote peer"
            } else {
                "found different compact revision values from remote peer"
            };
            differs |= comparable;
            crate::warn!("etcdserver/corrupt.go:122", message,
                "local-member-id" => id,
                "local-member-revision" => revision,
                "local-member-compact-revision" => own.compact_revision,
                "local-member-hash" => own.hash,
                "remote-peer-id" => format!("{:x}", peer.id),
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
        crate::info!("etcdserver/corrupt.go:176", "initial corruption checking passed; no corruption",
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
        let (before, revision) = self.blocking(|store| store.hash_kv(0)).await?;
        let peers = self.peer_hashes(revision).await;
        self.linearizable_read_notify().await?;
        let (after, newest) = self.blocking(|store| store.hash_kv(0)).await?;

        let unchanged = newest == revision && before.compact_revision == after.compact_revision;
        let mut found = unchanged && after.hash != before.hash;
        for peer in peers {
            let ahead = peer.revision > newest || peer.compact_revision > after.compact_revision;
            let differs =
                peer.compact_revision == before.compact_revision && peer.hash != before.hash;
            if ahead || differs {
                crate::warn!("etcdserver/corrupt.go:262", "same compact revision then hashes must match",
                    "leader-compact-revision" => after.compact_revision,
                    "leader-hash" => before.hash,
                    "follower-compact-revision" => peer.compact_revision,
                    "follower-hash" => peer.hash,
                    "follower-peer-id" => format!("{:x}", peer.id));
                found = true;
            }
        }
        Ok(found)
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
                        crate::warn!("etcdserver/corrupt.go:417", "failed hash kv request",
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
