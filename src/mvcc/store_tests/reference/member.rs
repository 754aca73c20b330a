//! A member of Google's etcd to compare with.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tonic::transport::Channel;
use wire::etcdserverpb::kv_client::KvClient;
use wire::etcdserverpb::lease_client::LeaseClient;
use wire::etcdserverpb::maintenance_client::MaintenanceClient;
use wire::etcdserverpb::watch_client::WatchClient;

use super::super::*;

/// A program of etcd 3.5.
pub fn binary(name: &str) -> PathBuf {
    testkit::reference(&format!("3.5/{name}"))
}

/// A member of Google's, killed when it is dropped.
pub struct Reference {
    dir: tempfile::TempDir,
    child: Child,
    pub client: String,
    pub peer: String,
}

/// A URL whose port was free a moment ago.
pub fn free_url() -> String {
    format!("http://127.0.0.1:{}", testkit::free_port())
}

impl Reference {
    pub fn start() -> Reference {
        Reference::start_on(tempfile::tempdir().unwrap(), &free_url())
    }

    /// Starts on a data directory, which may hold a member with that peer URL.
    pub fn start_on(dir: tempfile::TempDir, peer: &str) -> Reference {
        let client = free_url();
        let peer = peer.to_owned();
        let child = Command::new(binary("etcd"))
            .args(["--unsafe-no-fsync", "--log-level", "error"])
            .arg("--data-dir")
            .arg(dir.path())
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Reference {
            dir,
            child,
            client,
            peer,
        }
    }

    pub async fn connect(&mut self) -> Clients {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let endpoint = Channel::from_shared(self.client.clone()).unwrap();
            if let Ok(channel) = endpoint.connect().await {
                let mut clients = Clients {
                    kv: KvClient::new(channel.clone()),
                    lease: LeaseClient::new(channel.clone()),
                    watch: WatchClient::new(channel.clone()),
                    maintenance: MaintenanceClient::new(channel),
                };
                if clients.kv.range(range("a", "")).await.is_ok() {
                    return clients;
                }
            }
            let state = self.child.try_wait().unwrap();
            assert!(state.is_none(), "the reference ended: {state:?}");
            assert!(Instant::now() < deadline, "the reference does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops it and returns its database file.
    pub fn stop(&mut self) -> PathBuf {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.unwrap().success());
        self.child.wait().unwrap();
        self.dir.path().join("member/snap/db")
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Clients {
    pub kv: KvClient<Channel>,
    pub lease: LeaseClient<Channel>,
    pub maintenance: MaintenanceClient<Channel>,
    pub watch: WatchClient<Channel>,
}

impl Clients {
    pub async fn hash_kv(&mut self, revision: i64) -> (u32, i64) {
        let request = pb::HashKvRequest { revision };
        let answer = self.maintenance.hash_kv(request).await.unwrap();
        let answer = answer.into_inner();
        (answer.hash, answer.compact_revision)
    }
}
