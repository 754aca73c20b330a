//! `grpc.health.v1.Health` of our members beside the reference's: what probes that speak
//! gRPC are told by a member that is well, and by one that is not.

use std::future::Future;
use std::time::Duration;

use serde_json::json;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use wire::healthpb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};

use crate::etcd_cluster::{Cluster, Plan, Whose, eventually};

const SIDES: [Whose; 2] = [Whose::Theirs, Whose::Ours];

/// The server as a whole, services that a server of gRPC has, and one that nobody has.
const SERVICES: [&str; 4] = ["", "etcdserverpb.KV", "grpc.health.v1.Health", "nonsense"];

/// How long a stream is listened to that may have nothing more to say.
const QUIET: Duration = Duration::from_secs(2);

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

async fn client(cluster: &Cluster, at: usize) -> HealthClient<Channel> {
    let url = cluster.client_url(at);
    let channel = Channel::from_shared(url).expect("a URL").connect().await;
    HealthClient::new(channel.expect("a member that listens"))
}

/// A question, which may be for members with a leader alone.
fn question(service: &str, needs_leader: bool) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest {
        service: service.to_owned(),
    });
    if needs_leader {
        let yes = MetadataValue::from_static("true");
        request.metadata_mut().insert("hasleader", yes);
    }
    request
}

fn told(answer: Result<HealthCheckResponse, Status>) -> String {
    match answer {
        Ok(answer) => ServingStatus::try_from(answer.status)
            .map_or(answer.status.to_string(), |status| {
                status.as_str_name().to_owned()
            }),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

type Statuses = Streaming<HealthCheckResponse>;

/// The next that a stream says, if it says something soon.
async fn next(stream: &mut Statuses) -> String {
    match tokio::time::timeout(QUIET, stream.message()).await {
        Ok(Ok(Some(answer))) => told(Ok(answer)),
        Ok(Ok(None)) => "the end".to_owned(),
        Ok(Err(status)) => told(Err(status)),
        Err(_) => "nothing".to_owned(),
    }
}

async fn watch(
    client: &mut HealthClient<Channel>,
    service: &str,
    needs_leader: bool,
) -> Result<Statuses, String> {
    let opened = client.watch(question(service, needs_leader)).await;
    opened
        .map(tonic::Response::into_inner)
        .map_err(|status| told(Err(status)))
}

/// What a member says of each service, to both methods.
fn answers(cluster: &Cluster, at: usize) -> Vec<String> {
    block(async {
        let mut client = client(cluster, at).await;
        let mut found = Vec::new();
        for service in SERVICES {
            for needs_leader in [false, true] {
                let checked = client.check(question(service, needs_leader)).await;
                let checked = told(checked.map(tonic::Response::into_inner));
                let watched = match watch(&mut client, service, needs_leader).await {
                    Ok(mut stream) => next(&mut stream).await,
                    Err(error) => error,
                };
                found.push(format!(
                    "{service:?}, needs a leader: {needs_leader}: {checked}; watched: {watched}"
                ));
            }
        }
        found
    })
}

/// What is counted of the service's calls.
fn counted(cluster: &Cluster, at: usize) -> Vec<String> {
    let limit = Duration::from_secs(10);
    let metrics = cluster.endpoint(at).ask(limit, "GET", "/metrics", "");
    let metrics = metrics.expect("metrics").body;
    let mut found: Vec<String> = metrics
        .lines()
        .filter(|line| line.contains("grpc_service=\"grpc.health.v1.Health\""))
        // The reference has a series for every end that a call could come to.
        .filter(|line| !line.ends_with(" 0"))
        .map(|line| {
            let (name, rest) = line.split_once('{').unwrap_or((line, ""));
            let (labels, value) = rest.rsplit_once("} ").unwrap_or((rest, ""));
            let mut labels: Vec<_> = labels.split(',').collect();
            labels.sort_unstable();
            format!("{name} {labels:?} {value}")
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_member_that_is_well_or_raised_an_alarm_is_told_alike() {
    let seen = SIDES.map(|whose| {
        let cluster = Cluster::start(&[whose], &Plan::default());
        let mut seen = vec![("well", answers(&cluster, 0))];
        // A stream that its client ends is counted when the server sees it.
        let all = format!(" {}", 2 * SERVICES.len());
        let counted = eventually("the ends of the streams", || {
            let counted = counted(&cluster, 0);
            let ended = |line: &String| line.contains("handled") && line.contains("Watch");
            let done = counted
                .iter()
                .any(|line| ended(line) && line.ends_with(&all));
            let told = counted.join("\n");
            done.then_some(counted).ok_or(told)
        });
        seen.push(("counted", counted));
        for alarm in ["NOSPACE", "CORRUPT"] {
            let id = cluster.id(0);
            let raise = json!({"action": "ACTIVATE", "memberID": id, "alarm": alarm});
            let raised = cluster.endpoint(0).post("/v3/maintenance/alarm", &raise);
            raised.expect("an alarm");
            seen.push((alarm, answers(&cluster, 0)));
        }
        seen
    });
    assert_eq!(seen[0], seen[1], "theirs, ours");
    assert!(
        seen[0][0].1[0].contains("SERVING; watched: SERVING"),
        "{seen:?}"
    );
}

#[test]
fn a_member_without_a_leader_is_told_alike() {
    let seen = SIDES.map(|whose| {
        let mut cluster = Cluster::start(&[whose; 3], &Plan::default());
        let (ended, goes_on) = block(async {
            let mut client = client(&cluster, 0).await;
            let mut with = watch(&mut client, "", true).await.expect("a stream");
            let mut without = watch(&mut client, "", false).await.expect("a stream");
            assert_eq!(next(&mut with).await, "SERVING");
            assert_eq!(next(&mut without).await, "SERVING");
            cluster.kill(1);
            cluster.kill(2);
            let mut ended = "nothing".to_owned();
            // Three election timeouts after the leader's loss was noticed.
            for _ in 0..10 {
                if ended == "nothing" {
                    ended = next(&mut with).await;
                }
            }
            (ended, next(&mut without).await)
        });
        eventually("the loss of the leader", || {
            let status = cluster
                .endpoint(0)
                .post("/v3/maintenance/status", &json!({}));
            let status = status.map_err(|error| error.to_string())?;
            let leader = &status["leader"];
            leader.is_null().then_some(()).ok_or(leader.to_string())
        });
        (ended, goes_on, answers(&cluster, 0))
    });
    assert_eq!(seen[0], seen[1], "theirs, ours");
    assert!(seen[0].2[1].contains("no leader"), "{seen:?}");
}

#[test]
fn a_learner_is_told_alike() {
    let seen = SIDES.map(|whose| {
        let mut cluster = Cluster::start(&[whose], &Plan::default());
        let learner = cluster.add(0, whose, true);
        eventually("a learner that has caught up", || {
            let status = cluster
                .endpoint(learner)
                .post("/v3/maintenance/status", &json!({}))
                .map_err(|error| error.to_string())?;
            let knows = status["isLearner"] == true && status["leader"].is_string();
            knows.then_some(()).ok_or(status.to_string())
        });
        answers(&cluster, learner)
    });
    assert_eq!(seen[0], seen[1], "theirs, ours");
    assert!(seen[0][0].contains("not supported for learner"), "{seen:?}");
}

/// The lines of the log about the service. The reference has one such service for each
/// port and says the same once more for it.
fn notes(cluster: &Cluster) -> Vec<String> {
    let log = cluster.log(0);
    let lines = log.lines().filter_map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).ok()?;
        let about = line["msg"] == "grpc service status changed";
        line.as_object_mut()?.remove("ts");
        about.then(|| line.to_string())
    });
    let mut lines: Vec<_> = lines.collect();
    lines.dedup();
    lines
}

#[test]
fn a_defragmentation_is_told_alike() {
    for flag in ["true", "false"] {
        let seen = SIDES.map(|whose| {
            let flag = format!("--experimental-stop-grpc-service-on-defrag={flag}");
            let flags: &[&str] = &[&flag];
            let cluster = Cluster::start(
                &[whose],
                &Plan {
                    flags,
                    secure: false,
                },
            );
            let large = "x".repeat(1 << 20);
            for number in 0..8 {
                let key = number.to_string();
                cluster.endpoint(0).put(&key, &large).expect("a put");
            }
            let statuses = block(async {
                let mut client = client(&cluster, 0).await;
                let mut stream = watch(&mut client, "", false).await.expect("a stream");
                let first = next(&mut stream).await;
                let endpoint = cluster.endpoint(0);
                let defragmented = std::thread::spawn(move || {
                    let limit = Duration::from_secs(30);
                    let path = "/v3/maintenance/defragment";
                    endpoint.post_within(limit, path, &json!({})).map(drop)
                });
                let statuses = [first, next(&mut stream).await, next(&mut stream).await];
                let defragmented = defragmented.join().expect("a thread");
                defragmented.expect("a defragmentation");
                statuses
            });
            (statuses, notes(&cluster))
        });
        assert_eq!(seen[0], seen[1], "theirs, ours");
        let said = ["SERVING", "NOT_SERVING", "SERVING"];
        assert_eq!(flag == "true", seen[0].0 == said, "{seen:?}");
    }
}
