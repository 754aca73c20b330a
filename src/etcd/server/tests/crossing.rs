//! Ours and the reference's on the same data directories and in the same clusters.

use std::time::{Duration, Instant};

use bytes::Bytes;
use wire::etcdserverpb as pb;

use super::process::{Client, Plan, Whose};

/// Writes of every kind.
async fn write(client: &Client, round: usize) {
    for at in 0..30 {
        client
            .put(&format!("k{at}"), &format!("{round}-{at}"))
            .await
            .unwrap();
    }
    let delete = pb::DeleteRangeRequest {
        key: Bytes::from_static(b"k1"),
        range_end: Bytes::from_static(b"k2"),
        ..Default::default()
    };
    client.kv().delete_range(delete).await.unwrap();
    let grant = pb::LeaseGrantRequest {
        id: 100 + round as i64,
        ttl: 1000,
    };
    client.lease().lease_grant(grant).await.unwrap();
    let leased = pb::PutRequest {
        key: Bytes::from(format!("leased-{round}")),
        value: Bytes::from_static(b"v"),
        lease: grant.id,
        ..Default::default()
    };
    let revision = client
        .kv()
        .put(leased)
        .await
        .unwrap()
        .into_inner()
        .header
        .unwrap()
        .revision;
    let compact = pb::CompactionRequest {
        revision: revision - 10,
        physical: true,
    };
    client.kv().compact(compact).await.unwrap();
}

async fn leases(client: &Client) -> usize {
    let request = pb::LeaseLeasesRequest {};
    client
        .lease()
        .lease_leases(request)
        .await
        .unwrap()
        .into_inner()
        .leases
        .len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_goes_back_and_forth() {
    for snapshot_count in ["10", "10000"] {
        let home = tempfile::tempdir().unwrap();
        let mut plan = Plan::new(home.path(), 1);
        plan.extra = vec!["--snapshot-count".into(), snapshot_count.into()];
        let mut known = None;
        for (round, whose) in [Whose::Ours, Whose::Theirs, Whose::Ours, Whose::Theirs]
            .into_iter()
            .enumerate()
        {
            let member = plan.start(0, whose);
            let client = plan.client(0);
            client.ready().await;
            if let Some(known) = known {
                assert_eq!(client.hash().await, known, "round {round}, {whose:?}");
                assert_eq!(leases(&client).await, round, "round {round}, {whose:?}");
            }
            write(&client, round).await;
            known = Some(client.hash().await);
            // Killed twice, stopped twice.
            if round < 2 {
                member.kill()
            } else {
                member.stop()
            }
        }
    }
}

async fn same_hashes(plan: &Plan, members: &[usize]) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let mut hashes = Vec::new();
        for &at in members {
            let client = plan.client(at);
            client.ready().await;
            hashes.push(client.hash().await);
        }
        if hashes.iter().all(|hash| *hash == hashes[0]) {
            return;
        }
        assert!(Instant::now() < until, "{hashes:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_clusters_agree_and_catch_up_by_snapshot() {
    use Whose::{Ours, Theirs};
    for cast in [[Ours, Theirs, Theirs], [Ours, Ours, Theirs]] {
        let home = tempfile::tempdir().unwrap();
        let mut plan = Plan::new(home.path(), 3);
        plan.extra = [
            "--snapshot-count",
            "10",
            "--experimental-snapshot-catchup-entries",
            "5",
        ]
        .map(Into::into)
        .to_vec();
        let mut members: Vec<_> = cast
            .into_iter()
            .enumerate()
            .map(|(at, whose)| Some(plan.start(at, whose)))
            .collect();
        same_hashes(&plan, &[0, 1, 2]).await;
        // Each of them falls behind once, whoever leads.
        for behind in 0..3 {
            if let Some(member) = members[behind].take() {
                member.kill();
            }
            let client = plan.client((behind + 1) % 3);
            client.ready().await;
            write(&client, behind).await;
            members[behind] = Some(plan.start(behind, cast[behind]));
            same_hashes(&plan, &[0, 1, 2]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_join_clusters_of_the_other_kind() {
    use Whose::{Ours, Theirs};
    for (first, second, third) in [(Ours, Theirs, Ours), (Theirs, Ours, Theirs)] {
        let home = tempfile::tempdir().unwrap();
        let plan = Plan::new(home.path(), 3);
        let alone = Plan {
            ports: plan.ports[..1].to_vec(),
            ..plan.clone()
        };
        let mut members = vec![alone.start(0, first)];
        let client = plan.client(0);
        client.ready().await;
        write(&client, 0).await;
        // Nobody may join before the cluster has a version.
        tokio::time::sleep(Duration::from_millis(500)).await;
        for (at, whose) in [(1, second), (2, third)] {
            let add = pb::MemberAddRequest {
                peer_ur_ls: vec![plan.peer_url(at)],
                is_learner: at == 2,
            };
            // The reference refuses until connections have lasted for five seconds.
            let until = Instant::now() + Duration::from_secs(15);
            while let Err(error) = client.cluster().member_add(add.clone()).await {
                assert!(Instant::now() < until, "{error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            members.push(plan.join(at, whose));
            if at == 1 {
                plan.client(at).ready().await;
            }
        }
        same_hashes(&plan, &[0, 1]).await;
        let list = pb::MemberListRequest { linearizable: true };
        let listed = client
            .cluster()
            .member_list(list)
            .await
            .unwrap()
            .into_inner()
            .members;
        let learner = listed.iter().find(|member| member.is_learner).unwrap().id;
        let until = Instant::now() + Duration::from_secs(15);
        // Through the second member: it may have to ask the leader.
        while let Err(error) = plan
            .client(1)
            .cluster()
            .member_promote(pb::MemberPromoteRequest { id: learner })
            .await
        {
            assert!(Instant::now() < until, "{error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        same_hashes(&plan, &[0, 1, 2]).await;
        let listed = client
            .cluster()
            .member_list(list)
            .await
            .unwrap()
            .into_inner()
            .members;
        assert!(
            listed
                .iter()
                .all(|member| !member.is_learner && !member.name.is_empty()),
            "{listed:?}"
        );
    }
}
