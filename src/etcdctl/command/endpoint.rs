//! `etcdctl endpoint health|status|hashkv`.

use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use wire::etcdserverpb as pb;
use wire::etcdserverpb::alarm_request::AlarmAction;

use super::{block_on, configure, printer};
use crate::client::{self, Client, Config, Retry, login};
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::go::duration;
use crate::print::{EndpointHash, EndpointHealth, EndpointStatus, Printer, Show};

/// `endpoint health`.
pub fn health(invocation: &mut Invocation) -> Outcome {
    invocation.apply_environment("ETCDCTL", &[])?;
    let printer = printer(invocation)?;
    client::check_flags(invocation)?;
    let login = login::from_flags(&invocation.parsed)?;
    let config = client::config(invocation, Vec::new(), login)?;
    block_on(async {
        let endpoints = endpoints(invocation, &config).await?;
        let asked = FuturesUnordered::new();
        for endpoint in endpoints {
            let config = Config {
                endpoints: vec![endpoint],
                logger: "client",
                ..config.clone()
            };
            asked.push(check(config, client::deadline(invocation)));
        }
        // All at once: a member that is down must not hold up the others, and
        // those that answer first are listed first.
        let lines: Vec<EndpointHealth> = asked.collect().await;
        show(printer, lines.as_slice())?;
        if lines.iter().any(|line| !line.error.is_empty()) {
            return Err(Exit::error("unhealthy cluster"));
        }
        Ok(())
    })
}

async fn check(config: Config, deadline: tokio::time::Instant) -> EndpointHealth {
    let endpoint = config.endpoints[0].clone();
    let client = match Client::logged_in(config).await {
        Ok(client) => client,
        Err(exit) => {
            return EndpointHealth {
                endpoint,
                error: exit.to_string(),
                ..Default::default()
            };
        }
    };
    let options = client.options(Retry::Repeatable, Some(deadline));
    let started = Instant::now();
    // Any key will do: an answer proves that a quorum took part.
    let request = pb::RangeRequest {
        key: "health".into(),
        ..Default::default()
    };
    let answer: Result<pb::RangeResponse, _> =
        client::unary(client.any(), "/etcdserverpb.KV/Range", request, &options).await;
    let took = duration::format(started.elapsed().as_nanos() as i64);
    let mut line = EndpointHealth {
        endpoint,
        health: false,
        took,
        error: String::new(),
    };
    match answer {
        // A refused permission went through consensus all the same.
        Err(error) if error.message != "etcdserver: permission denied" => {
            line.error = error.to_string()
        }
        _ => {
            let request = pb::AlarmRequest {
                action: AlarmAction::Get.into(),
                ..Default::default()
            };
            let alarms: Result<pb::AlarmResponse, _> = client::unary(
                client.any(),
                "/etcdserverpb.Maintenance/Alarm",
                request,
                &options,
            )
            .await;
            match alarms {
                Ok(alarms) if alarms.alarms.is_empty() => line.health = true,
                Ok(alarms) => line.error = alarm_text(&alarms),
                Err(_) => line.error = "Unable to fetch the alarm list".into(),
            }
        }
    }
    line
}

fn alarm_text(response: &pb::AlarmResponse) -> String {
    let mut text = String::from("Active Alarm(s): ");
    for alarm in &response.alarms {
        text.push_str(match alarm.alarm() {
            pb::AlarmType::Nospace => "NOSPACE ",
            pb::AlarmType::Corrupt => "CORRUPT ",
            pb::AlarmType::None => "UNKNOWN ",
        });
    }
    text
}

/// `endpoint status`.
pub fn status(invocation: &mut Invocation) -> Outcome {
    let (config, printer) = configure(invocation, &[])?;
    let client = Client::open(config)?;
    block_on(async {
        let mut lines = Vec::new();
        let mut failed = false;
        for endpoint in endpoints(invocation, client.config()).await? {
            let options = client.options(Retry::Repeatable, Some(client::deadline(invocation)));
            let path = "/etcdserverpb.Maintenance/Status";
            match client
                .ask_only(&endpoint, path, pb::StatusRequest {}, &options)
                .await
            {
                Ok(response) => lines.push(EndpointStatus { endpoint, response }),
                Err(error) => {
                    failed = true;
                    tell!("Failed to get the status of endpoint {endpoint} ({error})");
                }
            }
        }
        show(printer, lines.as_slice())?;
        if failed {
            Err(Exit::silent(crate::exit::code::ERROR))
        } else {
            Ok(())
        }
    })
}

/// `endpoint hashkv`.
pub fn hashkv(invocation: &mut Invocation) -> Outcome {
    let (config, printer) = configure(invocation, &[])?;
    let client = Client::open(config)?;
    let revision = invocation.int("rev");
    block_on(async {
        let mut lines = Vec::new();
        let mut failure = None;
        for endpoint in endpoints(invocation, client.config()).await? {
            let options = client.options(Retry::Repeatable, Some(client::deadline(invocation)));
            let path = "/etcdserverpb.Maintenance/HashKV";
            match client
                .ask_only(&endpoint, path, pb::HashKvRequest { revision }, &options)
                .await
            {
                Ok(response) => lines.push(EndpointHash { endpoint, response }),
                Err(error) => {
                    tell!("Failed to get the hash of endpoint {endpoint} ({error})");
                    failure = Some(Exit::error(error.to_string()));
                }
            }
        }
        show(printer, lines.as_slice())?;
        failure.map_or(Ok(()), Err)
    })
}

fn show<T>(printer: Printer, lines: &[T]) -> Outcome
where
    [T]: Show,
{
    printer.show(lines)
}

/// The endpoints as typed or, with `--cluster`, those of the member list.
pub async fn endpoints(invocation: &Invocation, config: &Config) -> Result<Vec<String>, Exit> {
    if !invocation.flag("cluster") {
        return Ok(invocation.parsed.list("endpoints").to_vec());
    }
    let client = Client::new(Config {
        logger: client::LOGGER,
        endpoints: client::endpoints(invocation)?,
        // Nobody needs to log in for the member list.
        login: None,
        ..config.clone()
    })
    .map_err(|exit| Exit::error(exit.to_string()))?;
    let options = client.options(Retry::Repeatable, Some(client::deadline(invocation)));
    let request = pb::MemberListRequest { linearizable: true };
    let members: pb::MemberListResponse = client::unary(
        client.any(),
        "/etcdserverpb.Cluster/MemberList",
        request,
        &options,
    )
    .await
    .map_err(|error| {
        Exit::error(format!(
            "failed to fetch endpoints from etcd cluster member list: {error}"
        ))
    })?;
    Ok(members
        .members
        .into_iter()
        .flat_map(|member| member.client_ur_ls)
        .collect())
}
