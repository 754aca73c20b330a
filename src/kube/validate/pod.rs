//! Checks of Pods and Pod templates.

use serde_json::Value;

use super::{FieldError, dns_label, labels, port_number, quantity};
use crate::object::{at, list, map, text};

/// Checks a Pod; on update, that only what may change has changed.
pub(super) fn pod(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    pod_spec(at(object, "spec"), "spec", errors);
    if let Some(old) = old
        && frozen(old) != frozen(object)
    {
        errors.push(FieldError::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ));
    }
}

/// The spec without the fields that may change.
fn frozen(pod: &Value) -> Value {
    let mut spec = at(pod, "spec").clone();
    for group in ["containers", "initContainers"] {
        for container in spec
            .get_mut(group)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(map) = container.as_object_mut() {
                map.remove("image");
            }
        }
    }
    if let Some(map) = spec.as_object_mut() {
        for field in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
            "ephemeralContainers",
            "nodeName",
            "schedulingGates",
        ] {
            map.remove(field);
        }
    }
    spec
}

/// Checks a Pod's spec found at `path`.
pub(super) fn pod_spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let containers = list(spec, "containers");
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let volumes: Vec<&str> = list(spec, "volumes")
        .iter()
        .map(|v| text(v, "name"))
        .collect();
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        check_volume(
            volume,
            &volumes[..index],
            &format!("{path}.volumes[{index}]"),
            errors,
        );
    }
    for group in ["initContainers", "containers"] {
        let items = list(spec, group);
        for (index, container) in items.iter().enumerate() {
            let here = format!("{path}.{group}[{index}]");
            let before = &items[..index];
            check_container(container, before, &volumes, &here, errors);
        }
    }
    const POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
    let policy = text(spec, "restartPolicy");
    if !POLICIES.contains(&policy) {
        errors.push(FieldError::unsupported(
            format!("{path}.restartPolicy"),
            policy,
            &POLICIES,
        ));
    }
    labels(
        at(spec, "nodeSelector"),
        &format!("{path}.nodeSelector"),
        errors,
    );
    for (index, toleration) in list(spec, "tolerations").iter().enumerate() {
        let here = format!("{path}.tolerations[{index}]");
        let operator = text(toleration, "operator");
        if operator == "Exists" && !text(toleration, "value").is_empty() {
            errors.push(FieldError::invalid(
                format!("{here}.operator"),
                toleration,
                "value must be empty when `operator` is 'Exists'",
            ));
        }
        if !matches!(operator, "" | "Equal" | "Exists") {
            errors.push(FieldError::unsupported(
                format!("{here}.operator"),
                operator,
                &["Equal", "Exists"],
            ));
        }
    }
}

fn check_volume(volume: &Value, before: &[&str], path: &str, errors: &mut Vec<FieldError>) {
    let name = text(volume, "name");
    if name.is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    } else if let Some(problem) = dns_label(name) {
        errors.push(FieldError::invalid(
            format!("{path}.name"),
            at(volume, "name"),
            &problem,
        ));
    } else if before.contains(&name) {
        errors.push(FieldError::duplicate(
            format!("{path}.name"),
            at(volume, "name"),
        ));
    }
    let sources = volume
        .as_object()
        .map_or(0, |map| map.keys().filter(|key| *key != "name").count());
    match sources {
        0 => errors.push(FieldError::required(path, "must specify a volume type")),
        1 => {}
        _ => errors.push(FieldError::forbidden(
            path,
            "may not specify more than 1 volume type",
        )),
    }
    if at(volume, "hostPath").is_object() && text(volume, "hostPath.path").is_empty() {
        errors.push(FieldError::required(format!("{path}.hostPath.path"), ""));
    }
}

fn check_container(
    container: &Value,
    before: &[Value],
    volumes: &[&str],
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let name = text(container, "name");
    if name.is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    } else if let Some(problem) = dns_label(name) {
        errors.push(FieldError::invalid(
            format!("{path}.name"),
            at(container, "name"),
            &problem,
        ));
    } else if before.iter().any(|other| text(other, "name") == name) {
        errors.push(FieldError::duplicate(
            format!("{path}.name"),
            at(container, "name"),
        ));
    }
    let image = text(container, "image");
    if image.is_empty() {
        errors.push(FieldError::required(format!("{path}.image"), ""));
    } else if image.trim() != image {
        errors.push(FieldError::invalid(
            format!("{path}.image"),
            at(container, "image"),
            "must not have leading or trailing whitespace",
        ));
    }
    const POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
    let policy = text(container, "imagePullPolicy");
    if !POLICIES.contains(&policy) {
        errors.push(FieldError::unsupported(
            format!("{path}.imagePullPolicy"),
            policy,
            &POLICIES,
        ));
    }
    for (index, port) in list(container, "ports").iter().enumerate() {
        port_number(
            port,
            "containerPort",
            &format!("{path}.ports[{index}]"),
            errors,
        );
    }
    for (index, variable) in list(container, "env").iter().enumerate() {
        let here = format!("{path}.env[{index}]");
        if text(variable, "name").is_empty() {
            errors.push(FieldError::required(format!("{here}.name"), ""));
        }
        if !text(variable, "value").is_empty() && at(variable, "valueFrom").is_object() {
            errors.push(FieldError::invalid(
                format!("{here}.valueFrom"),
                &Value::from(""),
                "may not be specified when `value` is not empty",
            ));
        }
    }
    for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
        let here = format!("{path}.volumeMounts[{index}]");
        let volume = text(mount, "name");
        if volume.is_empty() {
            errors.push(FieldError::required(format!("{here}.name"), ""));
        } else if !volumes.contains(&volume) {
            errors.push(FieldError {
                reason: "FieldValueNotFound",
                field: format!("{here}.name"),
                message: format!("Not found: \"{volume}\""),
            });
        }
        if text(mount, "mountPath").is_empty() {
            errors.push(FieldError::required(format!("{here}.mountPath"), ""));
        }
    }
    check_resources(
        at(container, "resources"),
        &format!("{path}.resources"),
        errors,
    );
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let value = at(container, probe);
        let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
        if value.is_object() && !handlers.iter().any(|h| at(value, h).is_object()) {
            errors.push(FieldError::required(
                format!("{path}.{probe}"),
                "must specify a handler type",
            ));
        }
    }
}

fn check_resources(resources: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (name, value) in map(resources, "limits").into_iter().flatten() {
        if quantity(value).is_some_and(|q| q.is_negative()) {
            errors.push(FieldError::invalid(
                format!("{path}.limits[{name}]"),
                value,
                "must be greater than or equal to 0",
            ));
        }
    }
    for (name, value) in map(resources, "requests").into_iter().flatten() {
        let Some(request) = quantity(value) else {
            continue;
        };
        if request.is_negative() {
            errors.push(FieldError::invalid(
                format!("{path}.requests[{name}]"),
                value,
                "must be greater than or equal to 0",
            ));
        }
        let limit = map(resources, "limits")
            .and_then(|limits| limits.get(name))
            .and_then(quantity);
        if let Some(limit) = limit.filter(|limit| request > *limit) {
            errors.push(FieldError::invalid(
                format!("{path}.requests"),
                value,
                &format!("must be less than or equal to {name} limit of {limit}"),
            ));
        }
    }
}
