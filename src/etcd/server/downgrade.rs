//! The announcement that a cluster is going back by one minor version
//! (`Maintenance.Downgrade`).

use std::time::Duration;

use wire::{
    etcdserverpb::{
        DowngradeRequest, DowngradeResponse, InternalRaftRequest,
        downgrade_request::DowngradeAction,
    },
    membershippb::DowngradeInfoSetRequest,
};

use super::{Caller, EtcdError, Server};

/// A cluster version: major and minor.
type Version = (i64, i64);

impl Server {
    /// Looks whether a downgrade would be accepted, announces it, or takes that back.
    pub async fn downgrade(
        &self,
        request: &DowngradeRequest,
    ) -> Result<DowngradeResponse, EtcdError> {
        match DowngradeAction::try_from(request.action) {
            Ok(DowngradeAction::Validate) => self.downgrade_validate(&request.version).await,
            Ok(DowngradeAction::Enable) => self.downgrade_enable(&request.version).await,
            Ok(DowngradeAction::Cancel) => self.downgrade_cancel().await,
            Err(_) => Err(EtcdError::UnknownMethod),
        }
    }

    async fn downgrade_validate(&self, target: &str) -> Result<DowngradeResponse, EtcdError> {
        let target = cluster_version(target).ok_or(EtcdError::WrongDowngradeVersionFormat)?;
        // What is announced in the cluster, not only what this member knows of.
        self.linearizable_read_notify().await?;
        let present = self.cluster_version();
        let present = present.ok_or(EtcdError::ClusterVersionUnavailable)?;
        let (major, minor) = cluster_version(&present).unwrap_or_default();
        if target != (major, minor - 1) {
            return Err(EtcdError::InvalidDowngradeTargetVersion);
        }
        if self.membership().downgrade.enabled {
            return Err(EtcdError::DowngradeInProcess);
        }
        Ok(DowngradeResponse {
            header: Some(self.header_at(self.store().revision())),
            version: present,
        })
    }

    async fn downgrade_enable(&self, target: &str) -> Result<DowngradeResponse, EtcdError> {
        let refused = |error: &EtcdError| {
            crate::warn!("etcdserver/v3_server.go:1058", "reject downgrade request", "error" => error.to_string());
        };
        self.downgrade_validate(target).await.inspect_err(refused)?;
        let (major, minor) = cluster_version(target).unwrap_or_default();
        let set = DowngradeInfoSetRequest {
            enabled: true,
            ver: format!("{major}.{minor}.0"),
        };
        self.downgrade_set(set).await.inspect_err(refused)
    }

    pub(crate) async fn downgrade_cancel(&self) -> Result<DowngradeResponse, EtcdError> {
        self.linearizable_read_notify().await?;
        if !self.membership().downgrade.enabled {
            return Err(EtcdError::NoInflightDowngrade);
        }
        self.downgrade_set(DowngradeInfoSetRequest::default()).await
    }

    /// Puts it into the log. The reference's 3.5 applies such an entry and tells nobody,
    /// so that whoever asked runs out of time although it has been done; so it is here.
    async fn downgrade_set(
        &self,
        set: DowngradeInfoSetRequest,
    ) -> Result<DowngradeResponse, EtcdError> {
        let until = tokio::time::Instant::now() + self.request_timeout();
        let request = InternalRaftRequest {
            downgrade_info_set: Some(set),
            ..Default::default()
        };
        self.propose(&Caller::nobody(), request).await?;
        tokio::select! {
            () = tokio::time::sleep_until(until) => Err(EtcdError::Timeout),
            () = self.0.stopping.cancelled() => Err(EtcdError::Stopped),
        }
    }

    /// As the leader, takes the announcement back when every member has arrived there.
    pub(crate) async fn monitor_downgrade(self) {
        let period = self.0.config.downgrade_check_time;
        if period == Duration::ZERO {
            return;
        }
        loop {
            tokio::time::sleep(period).await;
            let downgrade = self.membership().downgrade.clone();
            if !self.is_leader() || !downgrade.enabled {
                continue;
            }
            let target = cluster_version(&downgrade.target_version);
            if target.is_none() || !self.all_are_at(target).await {
                continue;
            }
            crate::info!("etcdserver/server.go:2748", "the cluster has been downgraded",
                "cluster-version" => downgrade.target_version);
            match self.downgrade_cancel().await {
                // The reference's way of saying that it is done.
                Ok(_) | Err(EtcdError::Timeout) => {}
                Err(error) => crate::warn!("etcdserver/server.go:2751",
                    "failed to cancel downgrade", "error" => error.to_string()),
            }
        }
    }

    /// Whether every member says that this is the version of the cluster.
    async fn all_are_at(&self, target: Option<Version>) -> bool {
        if self.cluster_version().as_deref().and_then(cluster_version) != target {
            return false;
        }
        let membership = self.membership();
        for member in membership.members.values() {
            if member.id == self.id() {
                continue;
            }
            let mut found = None;
            for url in &member.peer_urls {
                let asked = self.0.peers.version(url.clone(), self.request_timeout());
                found = asked.await.ok();
                if found.is_some() {
                    break;
                }
            }
            let at = found.and_then(|versions| cluster_version(&versions.cluster));
            if at != target {
                return false;
            }
        }
        true
    }
}

/// "3.4.0", "3.4.7-rc.1" and "3.4" are all version 3.4.
pub(crate) fn cluster_version(text: &str) -> Option<Version> {
    let whole = |text: &str| {
        // A version may carry a name of its own behind its numbers.
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let parts: Vec<&str> = numbers.splitn(3, '.').collect();
        let [major, minor, patch] = parts[..] else {
            return None;
        };
        let _: i64 = patch.parse().ok()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    whole(text).or_else(|| whole(&format!("{text}.0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_reference_reads_them() {
        for (text, wanted) in [
            ("3.4.0", Some((3, 4))),
            ("3.4", Some((3, 4))),
            ("3.4.23", Some((3, 4))),
            ("3.4.0-rc.1+x", Some((3, 4))),
            ("3", None),
            ("", None),
            ("3.4.0.1", None),
            ("v3.4.0", None),
            ("nonsense", None),
        ] {
            assert_eq!(cluster_version(text), wanted, "{text}");
        }
    }
}
