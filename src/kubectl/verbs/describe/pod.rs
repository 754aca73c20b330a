//! Pods and Pod templates.

use super::{Page, capital, date, since};
use kube::object::{controller_of, flag, list, text};
use serde_json::Value;

pub(super) fn pod(page: &mut Page, pod: &Value, events: Option<&[Value]>) {
    page.name(pod, true);
    let (spec, status) = (&pod["spec"], &pod["status"]);
    if let Some(priority) = spec["priority"].as_i64() {
        page.line(0, format!("Priority:\t{priority}"));
    }
    for (title, field) in [
        ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"),
        ("Service Account", "serviceAccountName"),
    ] {
        if !text(spec, field).is_empty() {
            page.line(0, format!("{title}:\t{}", text(spec, field)));
        }
    }
    match text(spec, "nodeName") {
        "" => page.line(0, "Node:\t<none>"),
        node => page.line(0, format!("Node:\t{node}/{}", text(status, "hostIP"))),
    }
    if !text(status, "startTime").is_empty() {
        page.line(
            0,
            format!("Start Time:\t{}", date(text(status, "startTime"))),
        );
    }
    page.meta(pod);
    let phase = text(status, "phase");
    let deleted = text(pod, "metadata.deletionTimestamp");
    if !deleted.is_empty() && !matches!(phase, "Failed" | "Succeeded") {
        page.line(
            0,
            format!("Status:\tTerminating (lasts {})", since(deleted)),
        );
        let grace = pod["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or(0);
        page.line(0, format!("Termination Grace Period:\t{grace}s"));
    } else {
        page.line(0, format!("Status:\t{phase}"));
    }
    for (title, field) in [("Reason", "reason"), ("Message", "message")] {
        if !text(status, field).is_empty() {
            page.line(0, format!("{title}:\t{}", text(status, field)));
        }
    }
    seccomp(page, 0, spec);
    page.line(0, format!("IP:\t{}", text(status, "podIP")));
    let addresses = list(status, "podIPs");
    if addresses.is_empty() {
        page.line(0, "IPs:\t<none>");
    } else {
        page.line(0, "IPs:");
        for address in addresses {
            page.line(1, format!("IP:\t{}", text(address, "ip")));
        }
    }
    controlled_by(page, pod);
    if !text(status, "nominatedNodeName").is_empty() {
        page.line(
            0,
            format!("NominatedNodeName:\t{}", text(status, "nominatedNodeName")),
        );
    }
    for (title, field, statuses, always) in [
        (
            "Init Containers",
            "initContainers",
            "initContainerStatuses",
            false,
        ),
        ("Containers", "containers", "containerStatuses", true),
        (
            "Ephemeral Containers",
            "ephemeralContainers",
            "ephemeralContainerStatuses",
            false,
        ),
    ] {
        if always || !list(spec, field).is_empty() {
            containers(
                page,
                title,
                list(spec, field),
                Some(list(status, statuses)),
                "",
                Some(pod),
            );
        }
    }
    conditions(page, status);
    volumes(page, list(spec, "volumes"), "");
    page.line(0, format!("QoS Class:\t{}", text(status, "qosClass")));
    page.labels("Node-Selectors", &spec["nodeSelector"]);
    page.rows("Tolerations", &tolerations(list(spec, "tolerations")));
    spread(page, list(spec, "topologySpreadConstraints"), "");
    page.events(events);
}

fn seccomp(page: &mut Page, level: usize, holder: &Value) {
    let profile = &holder["securityContext"]["seccompProfile"];
    if profile.is_object() {
        page.line(level, format!("SeccompProfile:\t{}", text(profile, "type")));
        if text(profile, "type") == "Localhost" {
            page.line(
                level,
                format!("LocalhostProfile:\t{}", text(profile, "localhostProfile")),
            );
        }
    }
}

pub(super) fn controlled_by(page: &mut Page, object: &Value) {
    if let Some(owner) = controller_of(object) {
        page.line(
            0,
            format!(
                "Controlled By:\t{}/{}",
                text(owner, "kind"),
                text(owner, "name")
            ),
        );
    }
}

fn conditions(page: &mut Page, status: &Value) {
    let gates = list(status, "conditions");
    if gates.is_empty() {
        return;
    }
    page.line(0, "Conditions:");
    page.line(1, "Type\tStatus");
    for condition in gates {
        page.line(
            1,
            format!(
                "{} \t{} ",
                text(condition, "type"),
                text(condition, "status")
            ),
        );
    }
}

/// A Pod template below the line `Pod Template:`.
pub fn template(page: &mut Page, level: usize, template: &Value) {
    page.line(level, "Pod Template:");
    let spec = &template["spec"];
    page.labels("  Labels", &template["metadata"]["labels"]);
    if template["metadata"]["annotations"]
        .as_object()
        .is_some_and(|a| !a.is_empty())
    {
        page.annotations("  Annotations", &template["metadata"]["annotations"]);
    }
    if !text(spec, "serviceAccountName").is_empty() {
        page.line(
            1,
            format!("Service Account:\t{}", text(spec, "serviceAccountName")),
        );
    }
    if !list(spec, "initContainers").is_empty() {
        containers(
            page,
            "Init Containers",
            list(spec, "initContainers"),
            None,
            "  ",
            None,
        );
    }
    containers(
        page,
        "Containers",
        list(spec, "containers"),
        None,
        "  ",
        None,
    );
    volumes(page, list(spec, "volumes"), "  ");
    spread(page, list(spec, "topologySpreadConstraints"), "  ");
    if !text(spec, "priorityClassName").is_empty() {
        page.line(
            1,
            format!("Priority Class Name:\t{}", text(spec, "priorityClassName")),
        );
    }
    page.labels("  Node-Selectors", &spec["nodeSelector"]);
    page.rows("  Tolerations", &tolerations(list(spec, "tolerations")));
}

fn containers(
    page: &mut Page,
    title: &str,
    all: &[Value],
    statuses: Option<&[Value]>,
    space: &str,
    pod: Option<&Value>,
) {
    let none = if all.is_empty() { " <none>" } else { "" };
    page.line(0, format!("{space}{title}:{none}"));
    let name_indent = if space.is_empty() { "" } else { " " };
    for container in all {
        let status = statuses
            .unwrap_or_default()
            .iter()
            .find(|s| s["name"] == container["name"]);
        page.line(1, format!("{name_indent}{}:", text(container, "name")));
        if let Some(status) = status {
            page.line(2, format!("Container ID:\t{}", text(status, "containerID")));
        }
        page.line(2, format!("Image:\t{}", text(container, "image")));
        if let Some(status) = status {
            page.line(2, format!("Image ID:\t{}", text(status, "imageID")));
        }
        ports(page, container, "Port", "containerPort");
        ports(page, container, "Host Port", "hostPort");
        seccomp(page, 2, container);
        for (title, field) in [("Command", "command"), ("Args", "args")] {
            let words = list(container, field);
            if !words.is_empty() {
                page.line(2, format!("{title}:"));
                for line in words
                    .iter()
                    .filter_map(Value::as_str)
                    .flat_map(|w| w.split('\n'))
                {
                    page.line(3, line);
                }
            }
        }
        if let Some(status) = status {
            state(page, "State", &status["state"]);
            if status["lastState"]["terminated"].is_object() {
                state(page, "Last State", &status["lastState"]);
            }
            page.line(2, format!("Ready:\t{}", capital(flag(status, "ready"))));
            page.line(
                2,
                format!(
                    "Restart Count:\t{}",
                    status["restartCount"].as_i64().unwrap_or(0)
                ),
            );
        }
        resources(page, &container["resources"]);
        for (title, field) in [
            ("Liveness", "livenessProbe"),
            ("Readiness", "readinessProbe"),
            ("Startup", "startupProbe"),
        ] {
            if container[field].is_object() {
                page.line(2, format!("{title}:\t{}", probe(&container[field])));
            }
        }
        environment(page, container, pod);
        mounts(page, container);
    }
}

fn ports(page: &mut Page, container: &Value, title: &str, field: &str) {
    let ports: Vec<String> = list(container, "ports")
        .iter()
        .map(|p| format!("{}/{}", p[field].as_i64().unwrap_or(0), protocol(p)))
        .collect();
    match ports.as_slice() {
        [] => page.line(2, format!("{title}:\t<none>")),
        [one] => page.line(2, format!("{title}:\t{one}")),
        many => page.line(2, format!("{title}s:\t{}", many.join(", "))),
    }
}

fn protocol(port: &Value) -> &str {
    text(port, "protocol")
}

fn state(page: &mut Page, title: &str, state: &Value) {
    if let Some(running) = state.get("running").filter(|s| s.is_object()) {
        page.line(2, format!("{title}:\tRunning"));
        page.line(3, format!("Started:\t{}", date(text(running, "startedAt"))));
    } else if let Some(ended) = state.get("terminated").filter(|s| s.is_object()) {
        page.line(2, format!("{title}:\tTerminated"));
        for (title, field) in [("Reason", "reason"), ("Message", "message")] {
            if !text(ended, field).is_empty() {
                page.line(3, format!("{title}:\t{}", text(ended, field)));
            }
        }
        page.line(
            3,
            format!("Exit Code:\t{}", ended["exitCode"].as_i64().unwrap_or(0)),
        );
        if let Some(signal) = ended["signal"].as_i64().filter(|s| *s > 0) {
            page.line(3, format!("Signal:\t{signal}"));
        }
        page.line(3, format!("Started:\t{}", date(text(ended, "startedAt"))));
        page.line(3, format!("Finished:\t{}", date(text(ended, "finishedAt"))));
    } else {
        page.line(2, format!("{title}:\tWaiting"));
        let reason = text(state, "waiting.reason");
        if !reason.is_empty() {
            page.line(3, format!("Reason:\t{reason}"));
        }
    }
}

fn resources(page: &mut Page, resources: &Value) {
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let Some(amounts) = resources[field].as_object().filter(|a| !a.is_empty()) else {
            continue;
        };
        page.line(2, format!("{title}:"));
        for (name, amount) in amounts {
            page.line(3, format!("{name}:\t{}", kube::gofmt::verb_v(amount)));
        }
    }
}

fn probe(probe: &Value) -> String {
    let number = |field: &str, default| probe[field].as_i64().unwrap_or(default);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        number("initialDelaySeconds", 0),
        number("timeoutSeconds", 0),
        number("periodSeconds", 0),
        number("successThreshold", 0),
        number("failureThreshold", 0)
    );
    let plain = |v: &Value| kube::gofmt::verb_v(v);
    if probe["exec"].is_object() {
        format!("exec {} {attributes}", plain(&probe["exec"]["command"]))
    } else if probe["httpGet"].is_object() {
        let get = &probe["httpGet"];
        let scheme = text(get, "scheme").to_lowercase();
        format!(
            "http-get {scheme}://{}:{}{} {attributes}",
            text(get, "host"),
            plain(&get["port"]),
            text(get, "path")
        )
    } else if probe["tcpSocket"].is_object() {
        let socket = &probe["tcpSocket"];
        format!(
            "tcp-socket {}:{} {attributes}",
            text(socket, "host"),
            plain(&socket["port"])
        )
    } else if probe["grpc"].is_object() {
        format!(
            "grpc <pod>:{} {} {attributes}",
            plain(&probe["grpc"]["port"]),
            text(probe, "grpc.service")
        )
    } else {
        format!("unknown {attributes}")
    }
}

fn environment(page: &mut Page, container: &Value, pod: Option<&Value>) {
    let from = list(container, "envFrom");
    if !from.is_empty() {
        page.line(2, "Environment Variables from:");
        for source in from {
            let (kind, body) = if source["configMapRef"].is_object() {
                ("ConfigMap", &source["configMapRef"])
            } else {
                ("Secret", &source["secretRef"])
            };
            let prefix = match text(source, "prefix") {
                "" => String::new(),
                prefix => format!(" with prefix '{prefix}'"),
            };
            page.line(
                3,
                format!(
                    "{}\t{kind}{prefix}\tOptional: {}",
                    text(body, "name"),
                    flag(body, "optional")
                ),
            );
        }
    }
    let variables = list(container, "env");
    page.line(
        2,
        if variables.is_empty() {
            "Environment:\t<none>"
        } else {
            "Environment:"
        },
    );
    for variable in variables {
        let name = text(variable, "name");
        let source = &variable["valueFrom"];
        if source["fieldRef"].is_object() {
            let path = text(source, "fieldRef.fieldPath");
            let value = pod.map_or("", |pod| text(pod, path));
            page.line(
                3,
                format!(
                    "{name}:\t{value} ({}:{path})",
                    text(source, "fieldRef.apiVersion")
                ),
            );
        } else if source["resourceFieldRef"].is_object() {
            page.line(
                3,
                format!("{name}:\t ({})", text(source, "resourceFieldRef.resource")),
            );
        } else if source["secretKeyRef"].is_object() {
            let of = &source["secretKeyRef"];
            page.line(
                3,
                format!(
                    "{name}:\t<set to the key '{}' in secret '{}'>\tOptional: {}",
                    text(of, "key"),
                    text(of, "name"),
                    flag(of, "optional")
                ),
            );
        } else if source["configMapKeyRef"].is_object() {
            let of = &source["configMapKeyRef"];
            page.line(
                3,
                format!(
                    "{name}:\t<set to the key '{}' of config map '{}'>\tOptional: {}",
                    text(of, "key"),
                    text(of, "name"),
                    flag(of, "optional")
                ),
            );
        } else {
            for (i, line) in text(variable, "value").split('\n').enumerate() {
                page.line(
                    3,
                    if i == 0 {
                        format!("{name}:\t{line}")
                    } else {
                        format!("\t{line}")
                    },
                );
            }
        }
    }
}

fn mounts(page: &mut Page, container: &Value) {
    let mut mounts = list(container, "volumeMounts").to_vec();
    mounts.sort_by(|a, b| text(a, "mountPath").cmp(text(b, "mountPath")));
    page.line(
        2,
        if mounts.is_empty() {
            "Mounts:\t<none>"
        } else {
            "Mounts:"
        },
    );
    for mount in &mounts {
        let mut flags = if flag(mount, "readOnly") { "ro" } else { "rw" }.to_owned();
        if !text(mount, "subPath").is_empty() {
            flags.push_str(&format!(
                ",path={}",
                kube::gofmt::quote(text(mount, "subPath"))
            ));
        }
        page.line(
            3,
            format!(
                "{} from {} ({flags})",
                text(mount, "mountPath"),
                text(mount, "name")
            ),
        );
    }
}

fn volumes(page: &mut Page, volumes: &[Value], space: &str) {
    if volumes.is_empty() {
        page.line(0, format!("{space}Volumes:\t<none>"));
        return;
    }
    page.line(0, format!("{space}Volumes:"));
    let name_indent = if space.is_empty() { "" } else { " " };
    for volume in volumes {
        page.line(1, format!("{name_indent}{}:", text(volume, "name")));
        one_volume(page, volume);
    }
}

fn one_volume(page: &mut Page, volume: &Value) {
    let mut lines = |kind: &str, fields: &[(&str, String)]| {
        page.line(2, format!("Type:\t{kind}"));
        for (title, value) in fields {
            page.line(2, format!("{title}:\t{value}"));
        }
    };
    let or = |value: &str, none: &str| {
        if value.is_empty() {
            none.to_owned()
        } else {
            value.to_owned()
        }
    };
    if let Some(of) = volume.get("hostPath") {
        let kind = of.get("type").and_then(Value::as_str);
        lines(
            "HostPath (bare host directory volume)",
            &[
                ("Path", text(of, "path").to_owned()),
                ("HostPathType", kind.unwrap_or("<none>").to_owned()),
            ],
        );
    } else if let Some(of) = volume.get("emptyDir") {
        lines(
            "EmptyDir (a temporary directory that shares a pod's lifetime)",
            &[
                ("Medium", text(of, "medium").to_owned()),
                ("SizeLimit", or(text(of, "sizeLimit"), "<unset>")),
            ],
        );
    } else if let Some(of) = volume.get("secret") {
        lines(
            "Secret (a volume populated by a Secret)",
            &[
                ("SecretName", text(of, "secretName").to_owned()),
                ("Optional", flag(of, "optional").to_string()),
            ],
        );
    } else if let Some(of) = volume.get("configMap") {
        lines(
            "ConfigMap (a volume populated by a ConfigMap)",
            &[
                ("Name", text(of, "name").to_owned()),
                ("Optional", flag(of, "optional").to_string()),
            ],
        );
    } else if let Some(of) = volume.get("persistentVolumeClaim") {
        lines(
            "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
            &[
                ("ClaimName", text(of, "claimName").to_owned()),
                ("ReadOnly", flag(of, "readOnly").to_string()),
            ],
        );
    } else if let Some(of) = volume.get("projected") {
        lines(
            "Projected (a volume that contains injected data from multiple sources)",
            &projected(of),
        );
    } else {
        page.line(1, "<unknown>");
    }
}

fn projected(of: &Value) -> Vec<(&'static str, String)> {
    let optional = |v: &Value| {
        v["optional"]
            .as_bool()
            .map_or("<nil>".to_owned(), |b| b.to_string())
    };
    let mut fields = Vec::new();
    for source in list(of, "sources") {
        if let Some(secret) = source.get("secret") {
            fields.push(("SecretName", text(secret, "name").to_owned()));
            fields.push(("SecretOptionalName", optional(secret)));
        } else if source.get("downwardAPI").is_some() {
            fields.push(("DownwardAPI", "true".to_owned()));
        } else if let Some(map) = source.get("configMap") {
            fields.push(("ConfigMapName", text(map, "name").to_owned()));
            fields.push(("ConfigMapOptional", optional(map)));
        } else if let Some(token) = source.get("serviceAccountToken") {
            fields.push((
                "TokenExpirationSeconds",
                token["expirationSeconds"]
                    .as_i64()
                    .unwrap_or(3600)
                    .to_string(),
            ));
        }
    }
    fields
}

/// Tolerations as text, sorted by key.
fn tolerations(all: &[Value]) -> Vec<String> {
    let mut all = all.to_vec();
    all.sort_by(|a, b| text(a, "key").cmp(text(b, "key")));
    let rows = all.iter().map(|t| {
        let (key, value, effect) = (text(t, "key"), text(t, "value"), text(t, "effect"));
        let mut row = key.to_owned();
        if !value.is_empty() {
            row.push_str(&format!("={value}"));
        }
        if !effect.is_empty() {
            row.push_str(&format!(":{effect}"));
        }
        if text(t, "operator") == "Exists" && value.is_empty() {
            row.push_str(if row.is_empty() {
                "op=Exists"
            } else {
                " op=Exists"
            });
        }
        if let Some(seconds) = t["tolerationSeconds"].as_i64() {
            row.push_str(&format!(" for {seconds}s"));
        }
        row
    });
    rows.collect()
}

fn spread(page: &mut Page, all: &[Value], space: &str) {
    let rows: Vec<String> = all
        .iter()
        .map(|c| {
            let skew = c["maxSkew"].as_i64().unwrap_or(0);
            let selector = super::super::rollout::selector_text(&c["labelSelector"]);
            let selector = if selector.is_empty() {
                String::new()
            } else {
                format!(" for selector {selector}")
            };
            format!(
                "{}:{} when max skew {skew} is exceeded{selector}",
                text(c, "topologyKey"),
                text(c, "whenUnsatisfiable")
            )
        })
        .collect();
    if !rows.is_empty() {
        page.rows(&format!("{space}Topology Spread Constraints"), &rows);
    }
}
