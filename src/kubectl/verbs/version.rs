//! `kubectl version`.

use crate::cx::{Cx, put, say};
use crate::error::{Outcome, fail};
use kube::object::text;
use serde_json::{Value, json};

/// The version that this kubectl behaves as.
fn client_version() -> Value {
    json!({
        "buildDate": "2025-06-27T12:52:04Z",
        "compiler": "rustc",
        "gitCommit": "",
        "gitTreeState": "clean",
        "gitVersion": "v1.32.3",
        "goVersion": "",
        "major": "1",
        "minor": "32",
        "platform": "linux/amd64",
    })
}

/// Runs `kubectl version`.
///
/// # Errors
/// The server does not answer (after the client's own version was printed).
pub async fn run(cx: &Cx) -> Outcome {
    if !cx.args().is_empty() {
        return fail(format!("extra arguments: [{}]", cx.args().join(" ")));
    }
    let output = cx.text("output");
    if !matches!(output, "" | "yaml" | "json") {
        return fail("--output must be 'yaml' or 'json'");
    }
    let server = if cx.bool("client") {
        Ok(None)
    } else {
        match cx.client() {
            Ok(client) => client.get("/version").await.map(Some),
            Err(e) => Err(e),
        }
    };
    let mut all = json!({"clientVersion": client_version(), "kustomizeVersion": "v5.5.0"});
    if let Ok(Some(version)) = &server {
        all["serverVersion"] = version.clone();
    }
    match output {
        "yaml" => put(&format!("{}\n", kube::yaml::to_string(&all)))?,
        "json" => put(&kube::gofmt::json_pretty(&all).replace("    ", "  "))?,
        _ => {
            say(format!(
                "Client Version: {}",
                text(&all, "clientVersion.gitVersion")
            ))?;
            say(format!(
                "Kustomize Version: {}",
                text(&all, "kustomizeVersion")
            ))?;
            if let Ok(Some(version)) = &server {
                say(format!("Server Version: {}", text(version, "gitVersion")))?;
            }
        }
    }
    if let Ok(Some(version)) = &server {
        skew(version);
    }
    server.map(|_| ())
}

fn skew(server: &Value) {
    let minor = |v: &Value| {
        text(v, "minor")
            .trim_end_matches('+')
            .parse::<i64>()
            .unwrap_or(32)
    };
    if (minor(server) - 32).abs() > 1 {
        eprintln!(
            "WARNING: version difference between client (1.32) and server (1.{}) exceeds the supported minor version skew of +/-1",
            minor(server)
        );
    }
}
