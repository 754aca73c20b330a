//! Members as processes: ours (this very test binary, started again) and the
//! reference's.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tonic::{Status, transport::Channel};
use wire::etcdserverpb::{
    self as pb, cluster_client::ClusterClient, kv_client::KvClient, lease_client::LeaseClient,
    maintenance_client::MaintenanceClient,
};

const ARGS: &str = "KUBEDRILL_TEST_MEMBER_ARGS";

/// Not a test by itself: the process that [`Member::start`] starts.
#[test]
fn member() {
    if let Ok(args) = std::env::var(ARGS) {
        let _ = crate::run(args.split('\u{1f}').map(Into::into).collect());
        std::process::exit(0);
    }
}

/// Whose etcd.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Whose {
    Ours,
    Theirs,
}

pub(crate) use testkit::{free_port, reference};

/// Where the members of a cluster are.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) home: PathBuf,
    pub(crate) ports: Vec<(u16, u16)>,
    pub(crate) extra: Vec<String>,
}

impl Plan {
    pub(crate) fn new(home: &Path, members: usize) -> Self {
        Self {
            home: home.to_owned(),
            ports: (0..members).map(|_| (free_port(), free_port())).collect(),
            extra: Vec::new(),
        }
    }

    pub(crate) fn dir(&self, at: usize) -> PathBuf {
        self.home.join(format!("m{at}"))
    }

    pub(crate) fn peer_url(&self, at: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[at].1)
    }

    pub(crate) fn client(&self, at: usize) -> Client {
        Client::new(self.ports[at].0)
    }

    fn args(&self, at: usize, initial: usize) -> Vec<String> {
        let client = format!("http://127.0.0.1:{}", self.ports[at].0);
        let peer = self.peer_url(at);
        let cluster: Vec<_> = (0..initial)
            .map(|at| format!("m{at}={}", self.peer_url(at)))
            .collect();
        let mut args: Vec<String> = vec![
            "--name".into(),
            format!("m{at}"),
            "--data-dir".into(),
            self.dir(at).to_string_lossy().into_owned(),
            "--listen-client-urls".into(),
            client.clone(),
            "--advertise-client-urls".into(),
            client,
            "--listen-peer-urls".into(),
            peer.clone(),
            "--initial-advertise-peer-urls".into(),
            peer,
            "--initial-cluster".into(),
            cluster.join(","),
        ];
        args.extend(self.extra.iter().cloned());
        args
    }

    /// Starts a member of the cluster as it is planned.
    pub(crate) fn start(&self, at: usize, whose: Whose) -> Member {
        Member::start(self, self.args(at, self.ports.len()), at, whose)
    }

    /// Starts a member that was added to a cluster of those before it.
    pub(crate) fn join(&self, at: usize, whose: Whose) -> Member {
        let mut args = self.args(at, at + 1);
        args.extend(["--initial-cluster-state".into(), "existing".into()]);
        Member::start(self, args, at, whose)
    }
}

/// A running member; killed when dropped.
pub(crate) struct Member(Child);

impl Member {
    fn start(plan: &Plan, args: Vec<String>, at: usize, whose: Whose) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(plan.home.join(format!("m{at}.log")))
            .unwrap();
        let mut command = match whose {
            Whose::Theirs => {
                let mut command = Command::new(reference("3.5/etcd"));
                command.args(args);
                command
            }
            Whose::Ours => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args(["--exact", "server::tests::process::member", "--nocapture"]);
                let words: Vec<_> = std::iter::once("etcd".to_owned()).chain(args).collect();
                command.env(ARGS, words.join("\u{1f}"));
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Self(command.spawn().unwrap())
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and waits.
    pub(crate) fn stop(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        let until = Instant::now() + Duration::from_secs(20);
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "the member does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client of one member.
#[derive(Clone)]
pub(crate) struct Client(Channel);

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        let endpoint = Channel::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        let endpoint = endpoint
            .connect_timeout(Duration::from_millis(500))
            .timeout(Duration::from_secs(3));
        Self(endpoint.connect_lazy())
    }

    pub(crate) fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.0.clone())
    }

    pub(crate) fn cluster(&self) -> ClusterClient<Channel> {
        ClusterClient::new(self.0.clone())
    }

    pub(crate) fn maintenance(&self) -> MaintenanceClient<Channel> {
        MaintenanceClient::new(self.0.clone())
    }

    pub(crate) fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.0.clone())
    }

    pub(crate) async fn put(&self, key: &str, value: &str) -> Result<i64, Status> {
        let request = pb::PutRequest {
            key: Bytes::from(key.to_owned()),
            value: Bytes::from(value.to_owned()),
            ..Default::default()
        };
        let response = self.kv().put(request).await?.into_inner();
        Ok(response.header.unwrap_or_default().revision)
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>, Status> {
        let request = pb::RangeRequest {
            key: Bytes::from(key.to_owned()),
            ..Default::default()
        };
        let response = self.kv().range(request).await?.into_inner();
        Ok(response
            .kvs
            .first()
            .map(|kv| String::from_utf8_lossy(&kv.value).into_owned()))
    }

    /// (hash, compact revision) of all revisions.
    pub(crate) async fn hash(&self) -> (u32, i64) {
        let request = pb::HashKvRequest { revision: 0 };
        let response = self
            .maintenance()
            .hash_kv(request)
            .await
            .unwrap()
            .into_inner();
        (response.hash, response.compact_revision)
    }

    /// Waits until the member answers a linearizable read.
    pub(crate) async fn ready(&self) {
        // The reference takes 7 s to join a cluster of one, and again to publish itself.
        let until = Instant::now() + Duration::from_secs(40);
        loop {
            let error = match self.get("ready?").await {
                Ok(_) => return,
                Err(error) => error,
            };
            assert!(Instant::now() < until, "no answer: {error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
