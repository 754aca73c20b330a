mod crash;
mod crossing;
mod network;
mod process;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use wire::etcdserverpb as pb;

use super::*;
use network::MemoryNetwork;

fn url(at: usize) -> String {
    format!("http://127.0.0.1:{}", 22100 + at)
}

fn config(home: &Path, at: usize, members: usize) -> Config {
    Config {
        name: format!("m{at}"),
        data_dir: home.join(format!("m{at}")),
        peer_urls: vec![url(at)],
        client_urls: vec![format!("http://127.0.0.1:{}", 22150 + at)],
        initial_cluster: (0..members).map(|at| (format!("m{at}"), url(at))).collect(),
        heartbeat_ms: 10,
        election_ms: 100,
        unsafe_no_fsync: true,
        ..Config::default()
    }
}

async fn start(network: &MemoryNetwork, config: Config) -> Server {
    let peer_url = config.peer_urls[0].clone();
    let clock = Arc::new(SystemClock::default());
    let server = Server::start(config, Arc::new(network.clone()), clock)
        .await
        .unwrap();
    network.add_server(&peer_url, &server);
    server
}

async fn cluster(home: &Path, members: usize) -> (MemoryNetwork, Vec<Server>) {
    let network = MemoryNetwork::default();
    let mut servers = Vec::new();
    for at in 0..members {
        servers.push(start(&network, config(home, at, members)).await);
    }
    for server in &servers {
        ready(server).await;
    }
    (network, servers)
}

async fn ready(server: &Server) {
    tokio::time::timeout(Duration::from_secs(20), server.ready())
        .await
        .expect("ready in time")
        .unwrap();
}

fn put_request(key: &str, value: &str) -> pb::PutRequest {
    pb::PutRequest {
        key: Bytes::from(key.to_owned()),
        value: Bytes::from(value.to_owned()),
        ..Default::default()
    }
}

async fn put(server: &Server, key: &str, value: &str) -> i64 {
    let response = server.put(put_request(key, value)).await.unwrap();
    response.header.unwrap().revision
}

async fn get(server: &Server, key: &str) -> Option<String> {
    let request = pb::RangeRequest {
        key: Bytes::from(key.to_owned()),
        ..Default::default()
    };
    let response = server.range(request).await.unwrap();
    response
        .kvs
        .first()
        .map(|kv| String::from_utf8(kv.value.to_vec()).unwrap())
}

fn leader(servers: &[Server]) -> &Server {
    servers
        .iter()
        .find(|server| server.is_leader())
        .expect("a leader")
}

fn follower(servers: &[Server]) -> &Server {
    servers
        .iter()
        .find(|server| !server.is_leader())
        .expect("a follower")
}

async fn stop_all(servers: Vec<Server>) {
    for server in servers {
        server.stop().await;
    }
}

async fn caught_up(servers: &[Server]) {
    let wanted = servers
        .iter()
        .map(Server::applied_index)
        .max()
        .unwrap_or_default();
    tokio::time::timeout(Duration::from_secs(20), async {
        while servers.iter().any(|server| server.applied_index() < wanted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("all apply the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_serves_and_remembers() {
    let home = tempfile::tempdir().unwrap();
    let (network, servers) = cluster(home.path(), 1).await;
    assert_eq!(put(&servers[0], "a", "1").await, 2);
    assert_eq!(put(&servers[0], "a", "2").await, 3);
    assert_eq!(get(&servers[0], "a").await.as_deref(), Some("2"));
    let members = servers[0]
        .member_list(pb::MemberListRequest::default())
        .await
        .unwrap()
        .members;
    assert_eq!(members[0].name, "m0");
    assert_eq!(members[0].client_ur_ls, ["http://127.0.0.1:22150"]);
    let id = servers[0].id();
    stop_all(servers).await;

    let server = start(&network, config(home.path(), 0, 1)).await;
    ready(&server).await;
    assert_eq!(server.id(), id);
    assert_eq!(get(&server, "a").await.as_deref(), Some("2"));
    assert_eq!(put(&server, "b", "3").await, 4);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_elect_and_replicate() {
    let home = tempfile::tempdir().unwrap();
    let (network, servers) = cluster(home.path(), 3).await;
    for at in 0..20 {
        put(&servers[at % 3], &format!("k{at}"), "v").await;
    }
    for server in &servers {
        assert_eq!(get(server, "k19").await.as_deref(), Some("v"));
    }
    caught_up(&servers).await;
    let mut hashes = Vec::new();
    for server in &servers {
        hashes.push(server.hash_kv(0).await.unwrap().hash);
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");

    // The leader is cut off: the others elect, it catches up when it is back.
    let old = leader(&servers).clone();
    network.cut(old.id(), true);
    let others: Vec<_> = servers
        .iter()
        .filter(|server| server.id() != old.id())
        .cloned()
        .collect();
    tokio::time::timeout(Duration::from_secs(10), async {
        while !others.iter().any(Server::is_leader) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("a new leader");
    put(&others[0], "while", "away").await;
    network.cut(old.id(), false);
    caught_up(&servers).await;
    assert_eq!(get(&old, "while").await.as_deref(), Some("away"));
    stop_all(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_far_behind_gets_a_snapshot() {
    let home = tempfile::tempdir().unwrap();
    let network = MemoryNetwork::default();
    let small = |at| Config {
        snapshot_count: 20,
        snapshot_catchup_entries: 5,
        ..config(home.path(), at, 3)
    };
    let mut servers = Vec::new();
    for at in 0..3 {
        servers.push(start(&network, small(at)).await);
    }
    for server in &servers {
        ready(server).await;
    }
    let behind = follower(&servers).clone();
    network.cut(behind.id(), true);
    let leader = leader(&servers).clone();
    for at in 0..100 {
        put(&leader, &format!("k{at}"), "v").await;
    }
    network.cut(behind.id(), false);
    caught_up(&servers).await;
    assert_eq!(get(&behind, "k99").await.as_deref(), Some("v"));
    assert_eq!(behind.membership().members.len(), 3);
    let at = servers
        .iter()
        .position(|server| server.id() == behind.id())
        .unwrap();
    stop_all(servers).await;
    // It starts from what it was sent.
    let mut servers = Vec::new();
    for at in 0..3 {
        servers.push(start(&network, small(at)).await);
    }
    for server in &servers {
        ready(server).await;
    }
    assert_eq!(get(&servers[at], "k99").await.as_deref(), Some("v"));
    stop_all(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go() {
    let home = tempfile::tempdir().unwrap();
    let (network, mut servers) = cluster(home.path(), 1).await;
    put(&servers[0], "a", "1").await;
    // Nobody may join before the cluster has a version.
    tokio::time::timeout(Duration::from_secs(10), async {
        while servers[0].cluster_version().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("a cluster version");
    for at in 1..3 {
        let add = pb::MemberAddRequest {
            peer_ur_ls: vec![url(at)],
            is_learner: at == 2,
        };
        servers[0].member_add(add).await.unwrap();
        let config = Config {
            state: ClusterState::Existing,
            ..config(home.path(), at, at + 1)
        };
        servers.push(start(&network, config).await);
        ready(&servers[at]).await;
    }
    assert_eq!(get(&servers[1], "a").await.as_deref(), Some("1"));
    assert!(servers[2].is_learner());
    let id = servers[2].id();
    caught_up(&servers).await;
    servers[1]
        .member_promote(pb::MemberPromoteRequest { id })
        .await
        .unwrap();
    caught_up(&servers).await;
    assert!(!servers[2].is_learner());
    servers[0]
        .member_remove(pb::MemberRemoveRequest { id })
        .await
        .unwrap();
    let removed = servers.pop().unwrap();
    let why = tokio::time::timeout(Duration::from_secs(10), removed.stopped()).await;
    assert!(matches!(why, Ok(Some(EtcdError::Removed))), "{why:?}");
    put(&servers[1], "b", "2").await;
    let target = servers[1].id();
    servers[0].move_leader(target).await.unwrap();
    assert!(servers[1].is_leader());
    put(&servers[0], "c", "3").await;
    stop_all(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_expire_and_are_renewed_through_a_follower() {
    let home = tempfile::tempdir().unwrap();
    let (_network, servers) = cluster(home.path(), 3).await;
    let grant = |id, ttl| pb::LeaseGrantRequest { id, ttl };
    servers[0].lease_grant(grant(7, 1)).await.unwrap();
    let mut request = put_request("leased", "v");
    request.lease = 7;
    servers[0].put(request).await.unwrap();
    let kept = follower(&servers)
        .lease_grant(grant(0, 100))
        .await
        .unwrap()
        .id;
    assert_eq!(
        follower(&servers).lease_keep_alive(kept).await.unwrap(),
        100
    );
    let request = pb::LeaseTimeToLiveRequest {
        id: kept,
        keys: true,
    };
    let left = follower(&servers)
        .lease_time_to_live(request)
        .await
        .unwrap();
    assert_eq!(left.granted_ttl, 100);
    tokio::time::timeout(Duration::from_secs(10), async {
        while get(&servers[1], "leased").await.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the lease expires");
    let error = servers[2].lease_keep_alive(7).await.unwrap_err();
    assert_eq!(error.to_string(), "etcdserver: requested lease not found");
    stop_all(servers).await;
}
