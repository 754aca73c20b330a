//! What is known of a peer: whether it answers, and where.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;

use crate::{
    metrics::{self, Cell},
    server::FollowerStats,
};

/// Whether a peer answers (`rafthttp/peer_status.go`).
pub(super) struct PeerStatus {
    id: u64,
    since: Mutex<Option<Instant>>,
    active: Cell,
    disconnected: Cell,
    /// How sending appends went.
    pub(super) appends: Mutex<FollowerStats>,
}

impl PeerStatus {
    pub(super) fn new(local: u64, id: u64) -> Arc<Self> {
        let (local, remote) = (format!("{local:x}"), format!("{id:x}"));
        let labels = [("Local", local.as_str()), ("Remote", remote.as_str())];
        Arc::new(Self {
            id,
            since: Mutex::new(None),
            appends: Mutex::default(),
            active: metrics::gauge(
                "etcd_network_active_peers",
                "The current number of active peer connections.",
                &labels,
            ),
            disconnected: metrics::counter(
                "etcd_network_disconnected_peers_total",
                "The total number of disconnected peers.",
                &labels,
            ),
        })
    }

    pub(super) fn activate(&self) {
        let mut since = self.since.lock();
        if since.is_none() {
            crate::info!("rafthttp/peer_status.go:53", "peer became active", "peer-id" => format!("{:x}", self.id));
            *since = Some(Instant::now());
            self.active.inc();
        }
    }

    /// `source` and `action` say what was tried, `reason` how it failed.
    pub(super) fn deactivate(&self, source: &str, action: &str, reason: &str) {
        let error = format!("failed to {action} {:x} on {source} ({reason})", self.id);
        let was = self.since.lock().take();
        if was.is_some() {
            crate::warn!(
                "rafthttp/peer_status.go:66", "peer became inactive (message send to peer failed)",
                "peer-id" => format!("{:x}", self.id), "error" => error,
            );
            self.active.dec();
            self.disconnected.inc();
        } else {
            crate::debug!(
                "rafthttp/peer_status.go:77", "peer deactivated again",
                "peer-id" => format!("{:x}", self.id), "error" => error,
            );
        }
    }

    pub(super) fn active_since(&self) -> Option<Instant> {
        *self.since.lock()
    }
}

impl Drop for PeerStatus {
    fn drop(&mut self) {
        if self.since.lock().is_some() {
            self.active.dec();
        }
    }
}

/// The URLs of a peer, one of which is believed to work.
pub(super) struct UrlPicker {
    urls: Mutex<(Vec<String>, usize)>,
}

impl UrlPicker {
    /// `urls` is not empty; an empty one would make every request fail.
    pub(super) fn new(urls: Vec<String>) -> Arc<Self> {
        Arc::new(Self {
            urls: Mutex::new((urls, 0)),
        })
    }

    pub(super) fn update(&self, urls: Vec<String>) {
        *self.urls.lock() = (urls, 0);
    }

    pub(super) fn pick(&self) -> String {
        let urls = self.urls.lock();
        urls.0.get(urls.1).cloned().unwrap_or_default()
    }

    /// The next pick is another URL, if this one is still the picked one.
    pub(super) fn unreachable(&self, url: &str) {
        let mut urls = self.urls.lock();
        if urls.0.get(urls.1).is_some_and(|picked| picked == url) {
            urls.1 = (urls.1 + 1) % urls.0.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_url_gives_way_to_the_next() {
        let picker = UrlPicker::new(vec!["a".into(), "b".into()]);
        picker.unreachable("b");
        assert_eq!(picker.pick(), "a");
        picker.unreachable("a");
        assert_eq!(picker.pick(), "b");
        picker.unreachable("b");
        assert_eq!(picker.pick(), "a");
    }

    #[test]
    fn a_peer_is_active_until_something_fails() {
        let status = PeerStatus::new(1, 2);
        assert!(status.active_since().is_none());
        status.activate();
        let since = status.active_since();
        status.activate();
        assert!(since.is_some() && status.active_since() == since);
        status.deactivate("pipeline", "write", "gone");
        assert!(status.active_since().is_none());
    }
}
