//! `kubectl create`: from files, and from flags.
//!
//! Reference: `kubectl/pkg/cmd/create` of Kubernetes 1.32. Objects made from
//! flags have the shape that Google's prints in a client-side dry run: typed
//! structs leave `creationTimestamp: null`, `resources: {}`, `status: {}`.

mod binding;
mod data;
mod network;
mod policy;
mod workload;

use crate::cx::{Cx, say};
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use crate::mapping::Res;
use crate::print::{DryRun, Results, dry_run, with_dry_run};
use crate::source::{self, Item};
use http::Method;
use kube::request::Target;
use kube::resources;
use serde_json::{Value, json};

/// Runs `create` and its generators.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    match cx.command {
        "create" => files(cx).await,
        "create clusterrole" | "create role" => policy::role(cx).await,
        "create clusterrolebinding" | "create rolebinding" => binding::binding(cx).await,
        "create configmap" => data::configmap(cx).await,
        "create secret generic" => data::generic(cx).await,
        "create secret tls" => data::tls(cx).await,
        "create secret docker-registry" => data::registry(cx).await,
        "create cronjob" => workload::cronjob(cx).await,
        "create deployment" => workload::deployment(cx).await,
        "create job" => workload::job(cx).await,
        "create ingress" => network::ingress(cx).await,
        "create service clusterip"
        | "create service nodeport"
        | "create service loadbalancer"
        | "create service externalname" => network::service(cx).await,
        "create namespace" => namespace(cx).await,
        "create serviceaccount" => service_account(cx).await,
        "create poddisruptionbudget" => policy::disruption_budget(cx).await,
        "create priorityclass" => policy::priority_class(cx).await,
        "create quota" => policy::quota(cx).await,
        "create token" => token(cx).await,
        other => fail(format!(
            "'kubectl {other}' is not supported by this kubectl"
        )),
    }
}

/// Flags that must be there, which is looked at before anything else.
pub fn required(cx: &Cx, flags: &[&str]) -> Outcome {
    let missing: Vec<String> = flags
        .iter()
        .filter(|flag| !cx.flags.given(flag))
        .map(|flag| format!("\"{flag}\""))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        fail(format!("required flag(s) {} not set", missing.join(", ")))
    }
}

/// The one NAME of a generator.
fn one_name(cx: &Cx) -> Outcome<&str> {
    let before_dash = &cx.args()[..cx.flags.dash.unwrap_or(cx.args().len())];
    match before_dash {
        [name] => Ok(name),
        other => usage(
            cx.command,
            format!("exactly one NAME is required, got {}", other.len()),
        ),
    }
}

/// The words after `--`.
fn after_dash(cx: &Cx) -> &[String] {
    cx.flags.dash.map_or(&[], |at| &cx.args()[at..])
}

/// An object's beginning, as a typed struct prints it.
fn begin(api_version: &str, kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"creationTimestamp": null, "name": name},
    })
}

/// Query parameters of a creation.
pub fn creation_target(cx: &Cx, collection: String, dry_run: DryRun) -> Target {
    let validation = match cx.text("validate") {
        "ignore" | "false" => "Ignore",
        "warn" => "Warn",
        _ => "Strict",
    };
    with_dry_run(Target::new(collection), dry_run)
        .with_some("fieldManager", cx.text("field-manager"))
        .with("fieldValidation", validation)
}

/// Sends (or pretends to send) a generated object and says so. `failure` comes
/// before the server's message, for generators that wrap it.
async fn finish(cx: &Cx, mut object: Value, failure: &str) -> Outcome {
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    let (version, kind) = (
        kube::object::text(&object, "apiVersion"),
        kube::object::text(&object, "kind"),
    );
    let Some(res) = resources::by_kind(version, kind) else {
        return fail(format!(
            "no matches for kind \"{kind}\" in version \"{version}\""
        ));
    };
    if res.namespaced && (cx.namespace_enforced() || dry_run != DryRun::Client) {
        let namespace = cx.namespace()?;
        if cx.namespace_enforced() {
            kube::object::set(&mut object, "metadata.namespace", Value::from(namespace));
        }
    }
    if cx.bool("save-config") {
        save_config(&mut object);
    }
    if dry_run == DryRun::Client {
        return results.print(res, &object, "created");
    }
    let namespace = if res.namespaced {
        cx.namespace()?
    } else {
        String::new()
    };
    let path = creation_target(cx, res.path(&namespace, ""), dry_run).finish();
    let created = cx
        .client()?
        .post(&path, &object)
        .await
        .map_err(|e| match e {
            Error::Status(status) if !failure.is_empty() => Error::Message(format!(
                "{failure} {}",
                kube::object::text(&status, "message")
            )),
            other => other,
        })?;
    results.print(res, &created, "created")
}

/// Puts the configuration itself into the annotation that `apply` compares with.
pub fn save_config(object: &mut Value) {
    let mut bare = object.clone();
    let annotations = bare
        .get_mut("metadata")
        .and_then(|m| m.get_mut("annotations"));
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.remove(super::LAST_APPLIED);
    }
    kube::object::set_annotation(object, super::LAST_APPLIED, &last_applied(&bare));
}

/// The text of the annotation: the object on one line, as Google's encoder ends
/// it, with a line break.
pub fn last_applied(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.entry("annotations").or_insert_with(|| json!({}));
    }
    format!("{}\n", kube::gofmt::json_compact(&object))
}

async fn files(cx: &Cx) -> Outcome {
    if !cx.text("raw").is_empty() {
        return raw(cx).await;
    }
    if !cx.flags.given("filename") && !cx.flags.given("kustomize") {
        return fail("must specify one of -f and -k");
    }
    if !cx.args().is_empty() {
        return usage(
            "create",
            format!("Unexpected args: [{}]", cx.args().join(" ")),
        );
    }
    if cx.bool("edit") {
        return fail("--edit is not supported: edit the file, then create from it");
    }
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    let items = source::from_files(cx).await?;
    if items.is_empty() {
        return fail("no objects passed to create");
    }
    let mut errors = Vec::new();
    for item in items {
        match create_item(cx, &item, dry_run).await {
            Ok(created) => results.print(item.res, &created, "created")?,
            Err(e) => errors.push(e.with_source("creating", &item.source)),
        }
    }
    Error::collect(errors)
}

async fn create_item(cx: &Cx, item: &Item, dry_run: DryRun) -> Outcome<Value> {
    let mut object = item.object.clone();
    if cx.bool("save-config") {
        save_config(&mut object);
    }
    if dry_run == DryRun::Client {
        return Ok(object);
    }
    let path = creation_target(cx, item.collection(), dry_run).finish();
    cx.client()?.post(&path, &object).await
}

async fn raw(cx: &Cx) -> Outcome {
    let files = cx.flags.list("filename");
    let [_] = files[..] else {
        return fail("--raw can only use a single local file or stdin");
    };
    let manifests = crate::files::read_manifests(&files, false)?;
    let body: String = manifests.into_iter().map(|m| m.text).collect();
    let headers = [("content-type", "application/json")];
    let answer = cx
        .client()?
        .bytes(Method::POST, cx.text("raw"), &headers, body)
        .await?;
    crate::cx::put_bytes(&answer)
}

async fn namespace(cx: &Cx) -> Outcome {
    let mut object = begin("v1", "Namespace", one_name(cx)?);
    object["spec"] = json!({});
    object["status"] = json!({});
    finish(cx, object, "").await
}

async fn service_account(cx: &Cx) -> Outcome {
    let object = begin("v1", "ServiceAccount", one_name(cx)?);
    finish(cx, object, "failed to create serviceaccount:").await
}

async fn token(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    let Some(duration) = cx.flags.duration("duration") else {
        return fail("--duration must be greater than or equal to 0");
    };
    let mut spec = json!({"audiences": cx.flags.list("audience")});
    if cx.flags.list("audience").is_empty() {
        spec["audiences"] = Value::Null;
    }
    spec["expirationSeconds"] = if duration.is_zero() {
        Value::Null
    } else {
        Value::from(duration.as_secs())
    };
    let kind = cx.text("bound-object-kind");
    if kind.is_empty() {
        for flag in ["name", "uid"] {
            if !cx.text(&format!("bound-object-{flag}")).is_empty() {
                return fail(format!(
                    "--bound-object-{flag} can only be set if --bound-object-kind is provided"
                ));
            }
        }
    } else {
        if !matches!(kind, "Node" | "Pod" | "Secret") {
            return fail("supported --bound-object-kind values are Node, Pod, Secret");
        }
        if cx.text("bound-object-name").is_empty() {
            return fail("--bound-object-name is required if --bound-object-kind is provided");
        }
        spec["boundObjectRef"] = json!({
            "apiVersion": "v1", "kind": kind,
            "name": cx.text("bound-object-name"), "uid": cx.text("bound-object-uid"),
        });
    }
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "metadata": {"creationTimestamp": null}, "spec": spec,
    });
    let namespace = cx.namespace()?;
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    let answer = cx
        .client()?
        .post(&path, &request)
        .await
        .map_err(|e| match e {
            Error::Status(status) => Error::Message(format!(
                "failed to create token: {}",
                kube::object::text(&status, "message")
            )),
            other => other,
        })?;
    let token = kube::object::text(&answer, "status.token");
    if token.is_empty() {
        return fail("failed to create token: no token in server response");
    }
    if cx.text("output").is_empty() {
        return say(token);
    }
    let format = crate::print::Format::from_flags(cx, false)?;
    crate::cx::put(&format.render(cx, &answer)?)
}

/// The resource of a generator's kind, for verbs that make objects too.
pub fn known(api_version: &str, kind: &str) -> Outcome<Res> {
    resources::by_kind(api_version, kind).ok_or_else(|| {
        Error::Message(format!(
            "no matches for kind \"{kind}\" in version \"{api_version}\""
        ))
    })
}
