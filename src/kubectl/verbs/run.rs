//! `kubectl run`, `kubectl expose`, `kubectl autoscale`.
//!
//! Reference: `kubectl/pkg/cmd/run`, `kubectl/pkg/cmd/expose`,
//! `kubectl/pkg/cmd/autoscale` of Kubernetes 1.32.

use super::create::{creation_target, known, required, save_config};
use super::{attach, int_or_text};
use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use crate::mapping::Res;
use crate::print::{DryRun, Results, dry_run};
use crate::source::{self, Item, Wanted};
use kube::object::{list, text};
use serde_json::{Map, Value, json};

/// `a=b,c=d` as a map.
fn pairs(text: &str, what: &str) -> Outcome<Value> {
    let mut map = Map::new();
    for pair in text.split(',').filter(|p| !p.is_empty()) {
        let Some((key, value)) = pair.split_once('=') else {
            return fail(format!("unexpected {what} spec: {pair}"));
        };
        map.insert(key.to_owned(), Value::from(value));
    }
    Ok(Value::Object(map))
}

/// Puts `--overrides` over an object.
fn overridden(cx: &Cx, res: Res, object: Value) -> Outcome<Value> {
    let text = cx.text("overrides");
    if text.is_empty() {
        return Ok(object);
    }
    let patch = kube::yaml::parse_one(text)?;
    let bad = |e: kube::patch::PatchError| Error::Message(e.to_string());
    match cx.text("override-type") {
        "merge" => Ok(kube::patch::merge_patch(&object, &patch)),
        "json" => kube::patch::json_patch(&object, &patch).map_err(bad),
        "strategic" => match kube::schema::root(res) {
            Some(shape) => kube::patch::strategic_merge(&object, &patch, &shape).map_err(bad),
            None => fail("strategic overrides need a kind with a schema"),
        },
        other => fail(format!("invalid override type: {other}")),
    }
}

/// Sends (or pretends to send) a generated object.
async fn make(cx: &Cx, res: Res, mut object: Value) -> Outcome<Value> {
    let dry_run = dry_run(cx)?;
    if cx.bool("save-config") {
        save_config(&mut object);
    }
    let item: Item = source::settle(cx, res, object.clone(), "")?;
    if dry_run == DryRun::Client {
        return Ok(if cx.namespace_enforced() {
            item.object
        } else {
            object
        });
    }
    let path = creation_target(cx, item.collection(), dry_run).finish();
    cx.client()?.post(&path, &item.object).await
}

fn pod(cx: &Cx, name: &str, words: &[String], restart: &str) -> Outcome<Value> {
    let mut container = json!({"image": cx.text("image"), "name": name, "resources": {}});
    if !words.is_empty() {
        container[if cx.bool("command") {
            "command"
        } else {
            "args"
        }] = json!(words);
    }
    let mut env = Vec::new();
    for pair in cx.flags.list("env") {
        let Some((key, value)) = pair.split_once('=').filter(|(k, _)| !k.is_empty()) else {
            return fail(format!("invalid env: {pair}"));
        };
        env.push(json!({"name": key, "value": value}));
    }
    if !env.is_empty() {
        container["env"] = Value::Array(env);
    }
    if !cx.text("image-pull-policy").is_empty() {
        container["imagePullPolicy"] = Value::from(cx.text("image-pull-policy"));
    }
    if !cx.text("port").is_empty() {
        let port: u16 = cx.text("port").parse().map_err(|_| {
            Error::Message(format!(
                "strconv.Atoi: parsing {}: invalid syntax",
                kube::gofmt::quote(cx.text("port"))
            ))
        })?;
        container["ports"] = json!([{"containerPort": port}]);
    }
    if cx.bool("privileged") {
        container["securityContext"] = json!({"privileged": true});
    }
    if cx.bool("stdin") {
        container["stdin"] = Value::from(true);
        if !cx.bool("leave-stdin-open") {
            container["stdinOnce"] = Value::from(true);
        }
    }
    if cx.bool("tty") {
        container["tty"] = Value::from(true);
    }
    let labels = match cx.text("labels") {
        "" => json!({"run": name}),
        text => pairs(text, "label")?,
    };
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"creationTimestamp": null, "labels": labels, "name": name},
        "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart},
        "status": {},
    });
    let mut annotations = Map::new();
    for pair in cx.flags.list("annotations") {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        annotations.insert(key.to_owned(), Value::from(value));
    }
    if !annotations.is_empty() {
        object["metadata"]["annotations"] = Value::Object(annotations);
    }
    Ok(object)
}

/// Runs `kubectl run`.
///
/// # Errors
/// The command line's, the server's, the container's exit status.
pub async fn run(cx: &Cx) -> Outcome {
    required(cx, &["image"])?;
    let Some((name, words)) = cx.args().split_first().filter(|_| cx.flags.dash != Some(0)) else {
        return usage("run", "NAME is required for run");
    };
    if cx.text("image").is_empty() {
        return fail("--image is required");
    }
    let image = cx.text("image");
    if !kube::image::well_formed(image) {
        return fail(format!(
            "Invalid image name {}: invalid reference format",
            kube::gofmt::quote(image)
        ));
    }
    let (stdin, tty) = (cx.bool("stdin"), cx.bool("tty"));
    if tty && !stdin {
        return usage(
            "run",
            "-i/--stdin is required for containers with -t/--tty=true",
        );
    }
    if cx.bool("expose") && cx.text("port").is_empty() {
        return usage("run", "--port must be set when exposing a service");
    }
    let restart = match cx.text("restart") {
        word @ ("Always" | "OnFailure" | "Never") => word,
        word => return usage("run", format!("invalid restart policy: {word}")),
    };
    let attached = cx.bool("attach") || !cx.flags.given("attach") && stdin;
    let dry_run = dry_run(cx)?;
    if cx.bool("rm") && !attached {
        return usage("run", "--rm should only be used for attached containers");
    }
    if attached && dry_run != DryRun::None {
        return usage(
            "run",
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)",
        );
    }
    let results = Results::new(cx)?;
    let pods = known("v1", "Pod")?;
    let object = overridden(cx, pods, pod(cx, name, words, restart)?)?;
    if attached && let Some(why) = attach::simulated(&object) {
        return fail(why);
    }
    let created = make(cx, pods, object).await?;
    if attached {
        return attach::follow(cx, &source::fetched(pods, created), restart).await;
    }
    // As Google's: the service is spoken of first.
    if cx.bool("expose") {
        let services = known("v1", "Service")?;
        let port: i64 = cx.text("port").parse().unwrap_or(0);
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"creationTimestamp": null, "name": name},
            "spec": {"ports": [{"port": port, "protocol": "TCP", "targetPort": port}], "selector": created["metadata"]["labels"]},
            "status": {"loadBalancer": {}},
        });
        let service = make(cx, services, service).await?;
        results.print(services, &service, "created")?;
    }
    results.print(pods, &created, "created")
}

/// What `expose` takes over from an object.
struct Exposed {
    selector: Value,
    ports: Vec<(i64, String)>,
}

fn exposed(item: &Item) -> Outcome<Exposed> {
    let object = &item.object;
    let spec = &object["spec"];
    let (selector, template) = match item.res.kind {
        "Pod" => {
            let labels = object["metadata"]["labels"].clone();
            if labels.as_object().is_none_or(Map::is_empty) {
                return fail(
                    "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be exposed",
                );
            }
            (labels, spec)
        }
        "Service" => (spec["selector"].clone(), spec),
        "ReplicationController" => (spec["selector"].clone(), &spec["template"]["spec"]),
        "Deployment" | "ReplicaSet" => {
            if !list(spec, "selector.matchExpressions").is_empty() {
                return fail(
                    "couldn't retrieve selectors via --selector flag or introspection: couldn't convert expressions - \"matchExpressions\" to map-based selector format",
                );
            }
            (
                spec["selector"]["matchLabels"].clone(),
                &spec["template"]["spec"],
            )
        }
        kind => {
            let group = if item.res.group.is_empty() {
                String::new()
            } else {
                format!(".{}", item.res.group)
            };
            return fail(format!("cannot expose a {kind}{group}"));
        }
    };
    let of = |port: &Value, number: &str| {
        (
            port[number].as_i64().unwrap_or(0),
            text(port, "protocol").to_owned(),
        )
    };
    let ports = if item.res.kind == "Service" {
        list(spec, "ports").iter().map(|p| of(p, "port")).collect()
    } else {
        list(template, "containers")
            .iter()
            .flat_map(|c| list(c, "ports"))
            .map(|p| of(p, "containerPort"))
            .collect()
    };
    Ok(Exposed { selector, ports })
}

/// Runs `kubectl expose`.
///
/// # Errors
/// The command line's, the server's.
pub async fn expose(cx: &Cx) -> Outcome {
    let results = Results::new(cx)?;
    let (items, errors) = source::resolve(
        cx,
        cx.args(),
        Wanted {
            by_selector: false,
            fetch: true,
        },
    )
    .await?;
    Error::collect(errors)?;
    let services = known("v1", "Service")?;
    for item in items {
        let service = service_for(cx, &item)?;
        let created = make(cx, services, overridden(cx, services, service)?).await?;
        results.print(services, &created, "exposed")?;
    }
    Ok(())
}

fn service_for(cx: &Cx, item: &Item) -> Outcome<Value> {
    let from = exposed(item)?;
    let selector = match cx.text("selector") {
        "" => from.selector,
        text => pairs(text, "selector")?,
    };
    let name = match cx.text("name") {
        "" => item.name.chars().take(63).collect(),
        name => name.to_owned(),
    };
    let wanted: Vec<i64> = if cx.text("port").is_empty() {
        from.ports.iter().map(|(port, _)| *port).collect()
    } else {
        let parsed: Result<Vec<i64>, _> = cx.text("port").split(',').map(str::parse).collect();
        parsed.map_err(|_| {
            Error::Message(format!(
                "strconv.Atoi: parsing {}: invalid syntax",
                kube::gofmt::quote(cx.text("port"))
            ))
        })?
    };
    let headless = cx.text("cluster-ip") == "None";
    if wanted.is_empty() && !headless {
        return fail(
            "couldn't find port via --port flag or introspection\nSee 'kubectl expose -h' for help and examples",
        );
    }
    let several = wanted.len() > 1;
    let ports: Vec<Value> = wanted
        .iter()
        .enumerate()
        .map(|(i, port)| {
            let own = from
                .ports
                .iter()
                .find(|(p, _)| p == port)
                .map_or("", |(_, protocol)| protocol);
            let protocol = match (cx.text("protocol"), own) {
                ("", "") => "TCP",
                ("", own) => own,
                (given, _) => given,
            };
            let target = match cx.text("target-port") {
                "" => Value::from(*port),
                text => int_or_text(text),
            };
            let mut entry = json!({"port": port, "protocol": protocol, "targetPort": target});
            if several {
                entry["name"] = Value::from(format!("port-{}", i + 1));
            }
            entry
        })
        .collect();
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"creationTimestamp": null, "name": name},
        "spec": {"selector": selector},
        "status": {"loadBalancer": {}},
    });
    if !ports.is_empty() {
        service["spec"]["ports"] = Value::Array(ports);
    }
    let labels = match cx.text("labels") {
        "" => item.object["metadata"]["labels"].clone(),
        text => pairs(text, "label")?,
    };
    if labels.as_object().is_some_and(|l| !l.is_empty()) {
        service["metadata"]["labels"] = labels;
    }
    for (flag, field) in [
        ("type", "type"),
        ("cluster-ip", "clusterIP"),
        ("load-balancer-ip", "loadBalancerIP"),
        ("session-affinity", "sessionAffinity"),
    ] {
        if !cx.text(flag).is_empty() {
            service["spec"][field] = Value::from(cx.text(flag));
        }
    }
    if !cx.text("external-ip").is_empty() {
        service["spec"]["externalIPs"] = json!([cx.text("external-ip")]);
    }
    Ok(service)
}

/// Runs `kubectl autoscale`.
///
/// # Errors
/// The command line's, the server's.
pub async fn autoscale(cx: &Cx) -> Outcome {
    required(cx, &["max"])?;
    let (most, least) = (cx.flags.int("max"), cx.flags.int("min"));
    if most < 1 {
        return fail(format!(
            "--max=MAXPODS is required and must be at least 1, max: {most}"
        ));
    }
    if most < least {
        return fail(format!(
            "--max=MAXPODS must be larger or equal to --min=MINPODS, max: {most}, min: {least}"
        ));
    }
    let results = Results::new(cx)?;
    let (items, errors) = source::resolve(
        cx,
        cx.args(),
        Wanted {
            by_selector: false,
            fetch: true,
        },
    )
    .await?;
    Error::collect(errors)?;
    let res = known("autoscaling/v2", "HorizontalPodAutoscaler")?;
    for item in items {
        if !item.res.subresources.contains(&"scale") {
            return fail(format!(
                "cannot autoscale a {}: the resource has no scale",
                item.res.kind
            ));
        }
        let name = match cx.text("name") {
            "" => item.name.clone(),
            name => name.to_owned(),
        };
        let mut spec = json!({
            "maxReplicas": most,
            "scaleTargetRef": {"apiVersion": item.res.api_version(), "kind": item.res.kind, "name": item.name},
        });
        if least > 0 {
            spec["minReplicas"] = Value::from(least);
        }
        if cx.flags.int("cpu-percent") >= 0 {
            spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": {
                "type": "Utilization", "averageUtilization": cx.flags.int("cpu-percent")}}}]);
        }
        let object = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"creationTimestamp": null, "name": name}, "spec": spec,
        });
        if dry_run(cx)? == DryRun::Client {
            results.print(res, &first_version(cx, &item, &name), "autoscaled")?;
            continue;
        }
        let created = make(cx, res, object).await?;
        results.print(res, &created, "autoscaled")?;
    }
    Ok(())
}

/// The object in the form of `autoscaling/v1`, which Google's kubectl 1.32
/// prints in a dry run.
fn first_version(cx: &Cx, item: &Item, name: &str) -> Value {
    let mut spec = json!({
        "maxReplicas": cx.flags.int("max"),
        "scaleTargetRef": {"apiVersion": item.res.api_version(), "kind": item.res.kind, "name": item.name},
    });
    for (flag, field, least) in [
        ("min", "minReplicas", 1),
        ("cpu-percent", "targetCPUUtilizationPercentage", 0),
    ] {
        if cx.flags.int(flag) >= least {
            spec[field] = Value::from(cx.flags.int(flag));
        }
    }
    json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
        "metadata": {"creationTimestamp": null, "name": name}, "spec": spec,
        "status": {"currentReplicas": 0, "desiredReplicas": 0},
    })
}
