//! `/health`, `/livez`, `/readyz` (`etcdhttp/health.go`).

use std::collections::BTreeSet;

use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use wire::etcdserverpb::{AlarmType, RangeRequest};

use super::answer;
use crate::{
    metrics,
    server::{Caller, EtcdError, Refused, Server},
};

/// A check of `/livez` or `/readyz`.
#[derive(Clone, Copy)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::DataCorruption => "data_corruption",
            Self::SerializableRead => "serializable_read",
            Self::LinearizableRead => "linearizable_read",
        }
    }

    async fn run(self, server: &Server) -> Result<(), String> {
        match self {
            Self::DataCorruption => {
                let corrupt = server
                    .store()
                    .alarms()
                    .iter()
                    .any(|alarm| alarm.alarm() == AlarmType::Corrupt);
                if corrupt {
                    Err("alarm activated: CORRUPT".into())
                } else {
                    Ok(())
                }
            }
            Self::SerializableRead => read(server, true)
                .await
                .map_err(|error| format!("range error: {error}")),
            Self::LinearizableRead => read(server, false)
                .await
                .map_err(|error| format!("range error: {error}")),
        }
    }
}

const LIVEZ: &[Check] = &[Check::SerializableRead];
const READYZ: &[Check] = &[
    Check::DataCorruption,
    Check::SerializableRead,
    Check::LinearizableRead,
];

/// Answers if the path is one of these.
pub async fn answer(server: &Server, method: &Method, path: &str, query: &str) -> Option<Response> {
    let (kind, rest) = match path.strip_prefix('/')?.split_once('/') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (&path[1..], None),
    };
    let checks = match (kind, rest) {
        ("health", None) => return Some(health(server, method, query, false).await),
        ("livez", _) => LIVEZ,
        ("readyz", _) => READYZ,
        _ => return None,
    };
    let checks: Vec<Check> = match rest {
        Some(name) => vec![*checks.iter().find(|check| check.name() == name)?],
        None => {
            let mut excluded = excluded(query);
            let left = checks
                .iter()
                .copied()
                .filter(|check| !excluded.remove(check.name()))
                .collect();
            if !excluded.is_empty() {
                let names: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
                crate::warn!(
                    "etcdhttp/health.go:411", "some health checks cannot be excluded",
                    "missing-health-checks" => names.join(","),
                );
            }
            left
        }
    };
    Some(run_checks(server, method, path, kind, query, &checks).await)
}

async fn run_checks(
    server: &Server,
    method: &Method,
    path: &str,
    kind: &str,
    query: &str,
    checks: &[Check],
) -> Response {
    if method != Method::GET {
        crate::warn!("etcdhttp/health.go:381", "Health request error", "path" => path, "status-code" => 405);
        return answer::wrong_method("GET");
    }
    let (mut reason, mut failed) = (String::new(), false);
    for check in checks {
        let result = check.run(server).await;
        let status = if result.is_ok() { "success" } else { "error" };
        record(kind, check.name(), status);
        reason += &match result {
            Ok(()) => format!("[+]{} ok\n", check.name()),
            Err(error) => {
                failed = true;
                format!("[-]{} failed: {error}\n", check.name())
            }
        };
    }
    if failed {
        crate::error!(
            "etcdhttp/health.go:388", "Health check error",
            "path" => path, "reason" => reason, "status-code" => 503,
        );
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, &reason);
    }
    let verbose = pairs(query).any(|(key, _)| key == "verbose");
    let mut response = answer::ok(
        "text/plain; charset=utf-8",
        if verbose {
            reason + "ok\n"
        } else {
            "ok\n".to_owned()
        },
    );
    response.headers_mut().insert(
        "X-Content-Type-Options",
        http::HeaderValue::from_static("nosniff"),
    );
    response
}

fn record(kind: &str, name: &str, status: &str) {
    let labels = [("type", kind), ("name", name)];
    metrics::gauge(
        "etcd_server_healthcheck",
        "The result of each kind of healthcheck.",
        &labels,
    )
    .set(u64::from(status == "success"));
    let labels = [("type", kind), ("name", name), ("status", status)];
    metrics::counter(
        "etcd_server_healthchecks_total",
        "The total number of each kind of healthcheck.",
        &labels,
    )
    .inc();
}

/// `/health` of a member that serves the v2 API: it reads from the v2 store instead.
pub async fn health_of_v2(server: &Server, method: &Method, query: &str) -> Response {
    health(server, method, query, true).await
}

async fn health(server: &Server, method: &Method, query: &str, v2: bool) -> Response {
    if method != Method::GET {
        crate::warn!("etcdhttp/health.go:71", "/health error", "status-code" => 405);
        return answer::wrong_method("GET");
    }
    let serializable = pairs(query).any(|pair| pair == ("serializable", "true"));
    let mut reason = unhealthy(server, &excluded(query), serializable || v2).await;
    if reason.is_empty() && v2 {
        reason = unhealthy_v2(server, serializable).await;
    }
    let body = serde_json::json!({ "health": if reason.is_empty() { "true" } else { "false" }, "reason": reason }).to_string();
    if reason.is_empty() {
        metrics::counter(
            "etcd_server_health_success",
            "The total number of successful health checks",
            &[],
        )
        .inc();
        return answer::ok("text/plain; charset=utf-8", body);
    }
    metrics::counter(
        "etcd_server_health_failures",
        "The total number of failed health checks",
        &[],
    )
    .inc();
    crate::warn!("etcdhttp/health.go:93", "/health error", "output" => body, "status-code" => 503);
    answer::error(StatusCode::SERVICE_UNAVAILABLE, &body)
}

/// Why the v2 store can't be read (`checkV2API`); empty if it can.
async fn unhealthy_v2(server: &Server, serializable: bool) -> String {
    if !serializable && server.leader() == 0 {
        return "RAFT NO LEADER".into();
    }
    let request = wire::etcdserverpb::Request {
        method: "QGET".into(),
        ..Default::default()
    };
    let asked = tokio::time::timeout(std::time::Duration::from_secs(1), server.do_v2(request));
    let error = match asked.await {
        Ok(Ok(_)) => return String::new(),
        Ok(Err(Refused::Store(error))) => error.to_string(),
        Ok(Err(Refused::Server(error))) => error.to_string(),
        Err(_) => EtcdError::Timeout.to_string(),
    };
    crate::warn!("etcdhttp/health.go:245", "serving /health false; QGET fails", "error" => error);
    format!("QGET ERROR:{error}")
}

/// Why the member is not healthy; empty if it is.
async fn unhealthy(server: &Server, excluded: &BTreeSet<String>, serializable: bool) -> String {
    for alarm in server.store().alarms() {
        let name = alarm.alarm().as_str_name();
        if excluded.contains(name) {
            continue;
        }
        crate::warn!("etcdhttp/health.go:204", "serving /health false due to an alarm", "alarm" => name);
        return match alarm.alarm() {
            AlarmType::Nospace => "ALARM NOSPACE".into(),
            AlarmType::Corrupt => "ALARM CORRUPT".into(),
            AlarmType::None => "ALARM UNKNOWN".into(),
        };
    }
    if !serializable && server.leader() == 0 {
        crate::warn!("etcdhttp/health.go:217", "serving /health false; no leader");
        return "RAFT NO LEADER".into();
    }
    match read(server, serializable).await {
        Ok(()) => String::new(),
        Err(error) => {
            crate::warn!("etcdhttp/health.go:246", "serving /health false; Range fails", "error" => error.to_string());
            format!("RANGE ERROR:{error}")
        }
    }
}

async fn read(server: &Server, serializable: bool) -> Result<(), EtcdError> {
    let request = RangeRequest {
        // The reference reads an empty key, which only its inside lets pass.
        key: Bytes::from_static(b"\0"),
        keys_only: true,
        limit: 1,
        serializable,
        ..RangeRequest::default()
    };
    match tokio::time::timeout(
        server.request_timeout(),
        server.range(&Caller::nobody(), request),
    )
    .await
    {
        // It came as far as the question who asks: that is healthy.
        Ok(Err(EtcdError::State(mvcc::Error::UserEmpty | mvcc::Error::PermissionDenied))) => Ok(()),
        Ok(read) => read.map(drop),
        Err(_) => Err(EtcdError::Timeout),
    }
}

fn excluded(query: &str) -> BTreeSet<String> {
    pairs(query)
        .filter(|(key, value)| *key == "exclude" && !value.is_empty())
        .map(|(_, value)| value.to_owned())
        .collect()
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        assert_eq!(
            excluded("exclude=NOSPACE&exclude=&verbose"),
            BTreeSet::from(["NOSPACE".to_owned()])
        );
        assert!(pairs("verbose").any(|(key, _)| key == "verbose"));
    }
}
