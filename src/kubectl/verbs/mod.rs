//! The verbs.

mod apply;
mod attach;
mod auth;
mod cluster;
mod completion;
mod config;
mod create;
mod delete;
mod describe;
mod diff;
mod drain;
mod edit;
mod exec;
mod explain;
mod get;
mod label;
mod logs;
mod node;
mod patch;
mod pods;
mod replace;
mod rollout;
mod run;
mod scale;
mod set;
mod until;
mod version;
mod wait;
mod watch;

use crate::cx::Cx;
use crate::error::{Outcome, fail};
use serde_json::Value;

/// The annotation in which `apply` keeps the configuration that it sent.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Runs the command that the words named.
///
/// # Errors
/// The command's.
pub async fn dispatch(cx: &Cx) -> Outcome {
    match cx.command {
        "annotate" | "label" => label::run(cx).await,
        "auth can-i" => auth::can_i(cx).await,
        "auth whoami" => auth::whoami(cx).await,
        "cordon" | "uncordon" | "drain" => node::run(cx).await,
        "taint" => node::taint(cx).await,
        "diff" => diff::run(cx).await,
        "edit" => edit::run(cx).await,
        "replace" => replace::run(cx).await,
        "api-resources" => cluster::api_resources(cx).await,
        "api-versions" => cluster::api_versions(cx).await,
        "cluster-info" => cluster::cluster_info(cx).await,
        "completion" => completion::run(cx),
        "explain" => explain::run(cx).await,
        "events" => cluster::events(cx).await,
        "top node" | "top pod" => cluster::top(cx).await,
        "options" => cluster::options(),
        "certificate approve" | "certificate deny" => cluster::certificate(cx).await,
        "run" => run::run(cx).await,
        "expose" => run::expose(cx).await,
        "autoscale" => run::autoscale(cx).await,
        name if name.starts_with("config ") => config::run(cx).await,
        name if name.starts_with("set ") => set::run(cx).await,
        "apply" => apply::run(cx).await,
        "apply view-last-applied" => apply::view_last_applied(cx).await,
        "delete" => delete::run(cx).await,
        "describe" => describe::run(cx).await,
        "exec" => exec::run(cx).await,
        "logs" => logs::run(cx).await,
        "get" => get::run(cx).await,
        "patch" => patch::run(cx).await,
        "scale" => scale::run(cx).await,
        "version" => version::run(cx).await,
        "wait" => wait::run(cx).await,
        name if name == "create" || name.starts_with("create ") => create::run(cx).await,
        name if name.starts_with("rollout ") => rollout::run(cx).await,
        other => fail(format!(
            "'kubectl {other}' is not supported by this kubectl yet"
        )),
    }
}

/// `80` as a number, `25%` or `http` as text.
pub fn int_or_text(text: &str) -> Value {
    text.parse::<i32>()
        .map_or_else(|_| Value::from(text), Value::from)
}
