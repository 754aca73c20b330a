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
    let response = server
        .put(&Caller::nobody(), put_request(key, value))
        .await
        .unwrap();
    response.header.unwrap().revision
}

async fn get(server: &Server, key: &str) -> Option<String> {
    let request = pb::RangeRequest {
        key: Bytes::from(key.to_owned()),
        ..Default::default()
    };
    let response = server.range(&Caller::nobody(), request).await.unwrap();
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
        servers[0].member_add(&Caller::nobody(), add).await.unwrap();
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
        .member_promote(&Caller::nobody(), pb::MemberPromoteRequest { id })
        .await
        .unwrap();
    caught_up(&servers).await;
    assert!(!servers[2].is_learner());
    let update = pb::MemberUpdateRequest {
        id,
        peer_ur_ls: vec![url(9)],
    };
    let updated = servers[1]
        .member_update(&Caller::nobody(), update)
        .await
        .unwrap()
        .members;
    assert!(updated.iter().any(|member| member.peer_ur_ls == [url(9)]));
    servers[0]
        .member_remove(&Caller::nobody(), pb::MemberRemoveRequest { id })
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
    servers[0]
        .lease_grant(&Caller::nobody(), grant(7, 1))
        .await
        .unwrap();
    let mut request = put_request("leased", "v");
    request.lease = 7;
    servers[0].put(&Caller::nobody(), request).await.unwrap();
    let kept = follower(&servers)
        .lease_grant(&Caller::nobody(), grant(0, 100))
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
        .lease_time_to_live(&Caller::nobody(), request)
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn force_new_cluster_leaves_one_member_with_all_keys() {
    let home = tempfile::tempdir().unwrap();
    let (_, servers) = cluster(home.path(), 3).await;
    put(&servers[1], "a", "1").await;
    caught_up(&servers).await;
    let id = servers[1].id();
    stop_all(servers).await;
    let network = MemoryNetwork::default();
    for force_new_cluster in [true, false] {
        let config = Config {
            force_new_cluster,
            ..config(home.path(), 1, 3)
        };
        let server = start(&network, config).await;
        ready(&server).await;
        assert_eq!(
            server.membership().members.keys().collect::<Vec<_>>(),
            [&id]
        );
        assert_eq!(get(&server, "a").await.as_deref(), Some("1"));
        put(&server, "b", "2").await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_quota_raises_the_alarm_until_it_is_disarmed() {
    let home = tempfile::tempdir().unwrap();
    let network = MemoryNetwork::default();
    let small = Config {
        quota_backend_bytes: 256 * 1024,
        ..config(home.path(), 0, 1)
    };
    let server = start(&network, small).await;
    ready(&server).await;
    let value = "x".repeat(4096);
    let mut error = None;
    // The size is that of the last commit, which comes every 100 ms.
    for at in 0..20_000 {
        if let Err(found) = server
            .put(&Caller::nobody(), put_request(&format!("k{at}"), &value))
            .await
        {
            error = Some(found);
            break;
        }
    }
    let error = error.expect("the quota ends it");
    assert_eq!(
        error.to_string(),
        "etcdserver: mvcc: database space exceeded"
    );
    assert_eq!(error.code(), 8);
    tokio::time::timeout(Duration::from_secs(5), async {
        while server.store().alarms().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the alarm is raised");
    assert_eq!(
        server.status().errors,
        [format!("memberID:{} alarm:NOSPACE ", server.id())]
    );
    let delete = pb::DeleteRangeRequest {
        key: Bytes::from_static(b"k"),
        range_end: Bytes::from_static(b"l"),
        ..Default::default()
    };
    server
        .delete_range(&Caller::nobody(), delete)
        .await
        .unwrap();
    let revision = server.store().revision();
    // As operators do it: the answer to this one does not wait for the disk.
    let compact = pb::CompactionRequest {
        revision,
        physical: false,
    };
    server.compact(&Caller::nobody(), compact).await.unwrap();
    server.defragment().await.unwrap();
    assert!(server.store().size_bytes() < 128 * 1024, "space is back");
    let disarm = pb::AlarmRequest {
        action: pb::alarm_request::AlarmAction::Deactivate.into(),
        alarm: pb::AlarmType::Nospace.into(),
        member_id: server.id(),
    };
    server.alarm(&Caller::nobody(), disarm).await.unwrap();
    put(&server, "again", "v").await;
    server.stop().await;
}

/// The moments at which a member may die while it takes a snapshot over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_was_half_taken_over_is_taken_over_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let network = MemoryNetwork::default();
    let small = Config {
        snapshot_count: 10,
        ..config(home.path(), 0, 1)
    };
    let server = start(&network, small.clone()).await;
    ready(&server).await;
    let snap = small.data_dir.join("member/snap");
    let old_db = home.path().join("old");
    for at in 0..50 {
        put(&server, &format!("k{at}"), "v").await;
        if at == 4 {
            server.store().commit().unwrap();
            std::fs::copy(snap.join("db"), &old_db).unwrap();
        }
    }
    server.stop().await;
    let snapshotter = wal::Snapshotter::new(&snap);
    let index = snapshotter.load().unwrap().metadata.index;
    // The leader's db is there under its own name, the db is still the old one.
    std::fs::rename(snap.join("db"), snap.join(format!("{index:016x}.snap.db"))).unwrap();
    std::fs::copy(&old_db, snap.join("db")).unwrap();
    // A snapshot file that the log has no record of, and half a download.
    std::fs::copy(
        snap.join(format!("{:016x}-{index:016x}.snap", 2)),
        snap.join(format!("{:016x}-{:016x}.snap", 9, index + 1000)),
    )
    .unwrap();
    std::fs::write(snap.join("tmp123"), "half").unwrap();
    let server = start(&network, small.clone()).await;
    ready(&server).await;
    assert_eq!(get(&server, "k49").await.as_deref(), Some("v"));
    server.stop().await;
    assert!(!snap.join("tmp123").exists());

    // Without the leader's db there is nothing to start from.
    std::fs::copy(&old_db, snap.join("db")).unwrap();
    let clock = Arc::new(SystemClock::default());
    let error = Server::start(small, Arc::new(network), clock)
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("does not match with snapshot"),
        "{error}"
    );
}

/// A member that died before it wrote its first entry is born again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_entries_is_no_member_yet() {
    let home = tempfile::tempdir().unwrap();
    let network = MemoryNetwork::default();
    let config = config(home.path(), 0, 1);
    drop(wal::Wal::create(&config.data_dir.join("member/wal"), &b""[..]).unwrap());
    let server = start(&network, config).await;
    ready(&server).await;
    put(&server, "a", "1").await;
    server.stop().await;
}
