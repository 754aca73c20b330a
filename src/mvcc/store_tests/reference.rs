//! Google's etcd 3.5.16 as the judge: the same requests must give the same answers,
//! the same hashes and the same file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tonic::transport::Channel;
use wire::etcdserverpb::maintenance_client::MaintenanceClient;
use wire::etcdserverpb::{kv_client::KvClient, lease_client::LeaseClient};
use wire::raftpb::{ConfChange, ConfChangeType, ConfState};

use super::*;
use crate::Member;

fn binary(name: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let dir = match std::env::var_os("KUBEDRILL_REFERENCE_BINARIES") {
        Some(dir) => PathBuf::from(dir),
        None => cache
            .or_else(home)
            .unwrap_or_default()
            .join("kubedrill/reference-binaries"),
    };
    let path = dir.join("3.5").join(name);
    assert!(
        path.exists(),
        "{} is missing: run .ci/reference-binaries, which fetches Google's binaries",
        path.display()
    );
    path
}

/// A member of Google's, killed when it is dropped.
struct Reference {
    dir: tempfile::TempDir,
    child: Child,
    client: String,
    peer: String,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

impl Reference {
    fn start() -> Reference {
        let dir = tempfile::tempdir().unwrap();
        let client = format!("http://127.0.0.1:{}", free_port());
        let peer = format!("http://127.0.0.1:{}", free_port());
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

    async fn connect(&mut self) -> Clients {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let endpoint = Channel::from_shared(self.client.clone()).unwrap();
            if let Ok(channel) = endpoint.connect().await {
                let mut clients = Clients {
                    kv: KvClient::new(channel.clone()),
                    lease: LeaseClient::new(channel.clone()),
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
    fn stop(&mut self) -> PathBuf {
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

struct Clients {
    kv: KvClient<Channel>,
    lease: LeaseClient<Channel>,
    maintenance: MaintenanceClient<Channel>,
}

impl Clients {
    async fn hash_kv(&mut self, revision: i64) -> (u32, i64) {
        let request = pb::HashKvRequest { revision };
        let answer = self.maintenance.hash_kv(request).await.unwrap();
        let answer = answer.into_inner();
        (answer.hash, answer.compact_revision)
    }
}

/// A small generator with a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }

    fn key(&mut self) -> String {
        format!("k{:02}", self.roll(15))
    }
}

/// What both answered, without what differs between clusters.
fn outcome<T: PartialEq + std::fmt::Debug>(
    mine: Result<T>,
    theirs: std::result::Result<tonic::Response<T>, tonic::Status>,
    clear: impl Fn(&mut T),
    what: &str,
) {
    match (mine, theirs) {
        (Ok(mut mine), Ok(theirs)) => {
            let mut theirs = theirs.into_inner();
            clear(&mut mine);
            clear(&mut theirs);
            assert_eq!(mine, theirs, "{what}");
        }
        (Err(mine), Err(theirs)) => {
            assert_eq!(mine.to_string(), theirs.message(), "{what}");
            assert_eq!(mine.code(), theirs.code() as i32, "{what}");
        }
        (mine, theirs) => panic!("{what}: mine {mine:?}, theirs {theirs:?}"),
    }
}

fn only_revision(header: &mut Option<pb::ResponseHeader>) {
    *header = header.as_ref().map(|header| pb::ResponseHeader {
        revision: header.revision,
        ..Default::default()
    });
}

macro_rules! compare {
    ($bench:expr, $kind:ident, $field:ident, $request:expr, $clients:ident.$client:ident.$call:ident) => {{
        let request = $request;
        let what = format!("{request:?}");
        let theirs = $clients.$client.$call(request.clone()).await;
        let mine = $bench.apply(pb::InternalRaftRequest {
            $field: Some(request),
            ..Default::default()
        });
        let mine = mine.map(|answer| match answer {
            Response::$kind(answer) => answer,
            other => panic!("{what}: {other:?}"),
        });
        outcome(mine, theirs, |a| only_revision(&mut a.header), &what);
    }};
}

fn random_txn(dice: &mut Dice, depth: u64) -> pb::TxnRequest {
    use pb::compare::{CompareTarget, TargetUnion};
    let mut txn = pb::TxnRequest::default();
    for _ in 0..dice.roll(3) {
        let number = dice.roll(6) as i64;
        let (target, union) = match dice.roll(5) {
            0 => (CompareTarget::Version, TargetUnion::Version(number)),
            1 => (
                CompareTarget::Create,
                TargetUnion::CreateRevision(number * 9),
            ),
            2 => (CompareTarget::Mod, TargetUnion::ModRevision(number * 9)),
            3 => (CompareTarget::Lease, TargetUnion::Lease(number)),
            _ => (CompareTarget::Value, TargetUnion::Value("v3".into())),
        };
        txn.compare.push(pb::Compare {
            key: dice.key().into(),
            range_end: if dice.roll(4) == 0 {
                "k99".into()
            } else {
                "".into()
            },
            target: target.into(),
            result: dice.roll(4) as i32,
            target_union: Some(union),
        });
    }
    let mut fill = |ops: &mut Vec<pb::RequestOp>| {
        for _ in 0..dice.roll(4) {
            ops.push(op(match dice.roll(if depth == 0 { 5 } else { 6 }) {
                0 => Op::RequestRange(range(&dice.key(), "k99")),
                1 => Op::RequestDeleteRange(delete(&dice.key(), "")),
                2 => Op::RequestDeleteRange(pb::DeleteRangeRequest {
                    prev_kv: true,
                    ..delete(&dice.key(), &dice.key())
                }),
                5 => Op::RequestTxn(random_txn(dice, depth - 1)),
                _ => Op::RequestPut(random_put(dice)),
            }));
        }
    };
    fill(&mut txn.success);
    fill(&mut txn.failure);
    txn
}

fn random_put(dice: &mut Dice) -> pb::PutRequest {
    let mut request = put(&dice.key(), &format!("v{}", dice.roll(9)));
    match dice.roll(10) {
        0 => {
            request.ignore_value = true;
            request.value = bytes::Bytes::new();
        }
        1 => request.ignore_lease = true,
        2 => request.prev_kv = true,
        3 | 4 => request.lease = dice.roll(6) as i64,
        _ => {}
    }
    request
}

/// Nested answers hold headers, too.
fn clear_txn(txn: &mut pb::TxnResponse) {
    only_revision(&mut txn.header);
}

async fn random_txn_step(dice: &mut Dice, bench: &Bench, clients: &mut Clients) {
    let txn = random_txn(dice, 2);
    let what = format!("{txn:?}");
    let theirs = clients.kv.txn(txn.clone()).await;
    if let Err(refused) = crate::check_txn_request(&txn, 128) {
        outcome(Err(refused), theirs, clear_txn, &what);
        return;
    }
    let mine = match crate::is_read_only(&txn) {
        true => bench.store.read_txn(&txn),
        false => bench.txn(txn),
    };
    outcome(mine, theirs, clear_txn, &what);
}

async fn random_step(dice: &mut Dice, bench: &Bench, clients: &mut Clients) {
    match dice.roll(20) {
        0..=7 => {
            let request = random_put(dice);
            compare!(bench, Put, put, request, clients.kv.put);
        }
        8..=10 => {
            let request = pb::DeleteRangeRequest {
                prev_kv: dice.roll(2) == 0,
                ..delete(&dice.key(), if dice.roll(2) == 0 { "" } else { "k99" })
            };
            compare!(
                bench,
                DeleteRange,
                delete_range,
                request,
                clients.kv.delete_range
            );
        }
        11..=15 => random_txn_step(dice, bench, clients).await,
        16 => {
            let request = pb::LeaseGrantRequest {
                ttl: 500,
                id: 1 + dice.roll(5) as i64,
            };
            compare!(
                bench,
                LeaseGrant,
                lease_grant,
                request,
                clients.lease.lease_grant
            );
        }
        17 => {
            let request = pb::LeaseRevokeRequest {
                id: 1 + dice.roll(5) as i64,
            };
            compare!(
                bench,
                LeaseRevoke,
                lease_revoke,
                request,
                clients.lease.lease_revoke
            );
        }
        18 => {
            let revision = bench.store.revision() + 1 - dice.roll(40) as i64;
            let request = pb::CompactionRequest {
                revision,
                physical: true,
            };
            compare!(bench, Compaction, compaction, request, clients.kv.compact);
            while bench.store.compact_step().unwrap() {}
        }
        _ => {
            let revision = bench.store.revision() + 1 - dice.roll(30) as i64;
            let request = pb::RangeRequest {
                revision,
                limit: dice.roll(5) as i64,
                sort_order: dice.roll(3) as i32,
                sort_target: dice.roll(5) as i32,
                min_mod_revision: (dice.roll(2) * 20) as i64,
                ..range(&dice.key(), "\0")
            };
            let what = format!("{request:?}");
            let theirs = clients.kv.range(request.clone()).await;
            let mine = bench.store.range(&request);
            // Equal values may come in any order; only one order of keys is defined.
            let clear = |a: &mut pb::RangeResponse| {
                only_revision(&mut a.header);
                if a.more {
                    a.kvs.clear();
                }
                a.kvs.sort_by(|a, b| a.key.cmp(&b.key));
            };
            outcome(mine, theirs, clear, &what);
        }
    }
}

async fn compare_hashes(bench: &Bench, clients: &mut Clients, dice: &mut Dice) {
    let newest = bench.store.revision();
    let oldest = bench.store.compact_revision().max(1);
    for revision in [
        0,
        oldest,
        oldest + dice.roll((newest - oldest + 1) as u64) as i64,
    ] {
        let (mine, _) = bench.store.hash_kv(revision).unwrap();
        let theirs = clients.hash_kv(revision).await;
        assert_eq!((mine.hash, mine.compact_revision), theirs, "at {revision}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn the_same_requests_give_the_same_answers_and_hashes() {
    for seed in [20_260_115, 4, 5] {
        same_answers(seed);
    }
}

fn same_answers(seed: u64) {
    let mut reference = Reference::start();
    runtime().block_on(async {
        let mut clients = reference.connect().await;
        let mut bench = Bench::new();
        let mut dice = Dice(seed);
        for n in 0..1000 {
            random_step(&mut dice, &bench, &mut clients).await;
            if n % 50 == 0 {
                compare_hashes(&bench, &mut clients, &mut dice).await;
            }
            if n % 200 == 199 {
                bench.store.commit().unwrap();
            }
        }
        // The hash that a compaction leaves is not stored; a restart forgets it.
        compare_hashes(&bench, &mut clients, &mut dice).await;
        bench = bench.reopen();
        let (mine, _) = bench.store.hash_kv(0).unwrap();
        assert_eq!(mine.hash, clients.hash_kv(0).await.0);
    });
}

/// What `etcdutl snapshot status` says of a file: hash, revision, keys, size.
fn snapshot_status(path: &Path) -> String {
    let output = Command::new(binary("etcdutl"))
        .args(["snapshot", "status", "-w", "json"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_database_of_the_reference_opens_here_and_stays_as_it_is() {
    let mut reference = Reference::start();
    let (hash, kvs) = runtime().block_on(async {
        let mut clients = reference.connect().await;
        let bench = Bench::new();
        let mut dice = Dice(7);
        for _ in 0..300 {
            random_step(&mut dice, &bench, &mut clients).await;
        }
        let everything = clients.kv.range(range("\0", "\0")).await.unwrap();
        (clients.hash_kv(0).await, everything.into_inner().kvs)
    });
    let path = reference.stop();
    let status = snapshot_status(&path);
    let store = Store::open(open_db(&path), Config::default()).unwrap();
    let (mine, _) = store.hash_kv(0).unwrap();
    assert_eq!((mine.hash, mine.compact_revision), hash);
    assert_eq!(store.range(&range("\0", "\0")).unwrap().kvs, kvs);
    let whole = crate::hash_db(&store.snapshot().unwrap(), false).unwrap();
    assert!(status.contains(&format!("\"hash\":{whole},")), "{status}");
    let revision = store.revision();
    assert!(
        status.contains(&format!("\"revision\":{revision},")),
        "{status}"
    );
    assert!(!store.leases().is_empty());
    let membership = store.membership();
    let id = crate::member_id(std::slice::from_ref(&reference.peer), "etcd-cluster", None);
    assert_eq!(membership.members[&id].peer_urls, [reference.peer.clone()]);
    assert_eq!(membership.version.as_deref(), Some("3.5.0"));
    assert_eq!(store.conf_state().unwrap().voters, [id]);
    assert!(store.consistent_index() > 150);
}

/// The log of a new member until it serves, as the reference writes it.
fn bootstrap(bench: &Bench, peer: &str, client: &str) {
    let member = Member {
        id: crate::member_id(&[peer.to_owned()], "etcd-cluster", None),
        peer_urls: vec![peer.to_owned()],
        name: "default".into(),
        ..Member::default()
    };
    let change = ConfChange {
        r#type: ConfChangeType::ConfChangeAddNode.into(),
        node_id: member.id,
        context: Some(crate::member_to_json(&member).into()),
        id: 0,
    };
    let state = ConfState {
        voters: vec![member.id],
        ..Default::default()
    };
    let index = || bench.index.fetch_add(1, Ordering::Relaxed);
    bench
        .store
        .apply_conf_change(index(), 1, &change, &state)
        .unwrap();
    bench.store.advance(index(), 2);
    let set = wire::membershippb::ClusterMemberAttrSetRequest {
        member_id: member.id,
        member_attributes: Some(wire::membershippb::Attributes {
            name: "default".into(),
            client_urls: vec![client.to_owned()],
        }),
    };
    bench
        .apply(pb::InternalRaftRequest {
            cluster_member_attr_set: Some(set),
            ..Default::default()
        })
        .unwrap();
    let set = wire::membershippb::ClusterVersionSetRequest {
        ver: "3.5.0".into(),
    };
    bench
        .apply(pb::InternalRaftRequest {
            cluster_version_set: Some(set),
            ..Default::default()
        })
        .unwrap();
}

#[test]
fn the_whole_database_hashes_as_the_reference_hashes_it() {
    let mut reference = Reference::start();
    runtime().block_on(async {
        let mut clients = reference.connect().await;
        let bench = Bench::new();
        bootstrap(&bench, &reference.peer, &reference.client);
        let mut dice = Dice(99);
        for n in 0..400 {
            random_step(&mut dice, &bench, &mut clients).await;
            if n % 40 == 0 {
                let theirs = clients.maintenance.hash(pb::HashRequest {}).await;
                let mine = bench.store.hash().unwrap().0;
                assert_eq!(mine, theirs.unwrap().into_inner().hash, "after {n} steps");
            }
        }
    });
}
