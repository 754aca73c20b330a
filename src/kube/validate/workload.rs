//! Checks of what holds a Pod template: Deployments, ReplicaSets, DaemonSets,
//! StatefulSets, Jobs, CronJobs.

use serde_json::{Value, json};

use super::pod::pod_spec;
use super::{FieldError, labels, non_negative};
use crate::object::{at, list, text};
use crate::selector::LabelSelector;

/// Checks a workload of the group `apps`.
pub(super) fn apps(
    plural: &str,
    object: &Value,
    old: Option<&Value>,
    errors: &mut Vec<FieldError>,
) {
    if plural == "controllerrevisions" {
        return;
    }
    non_negative(object, "spec.replicas", errors);
    non_negative(object, "spec.minReadySeconds", errors);
    non_negative(object, "spec.revisionHistoryLimit", errors);
    let selector = at(object, "spec.selector");
    let matched = if selector.is_null() {
        errors.push(FieldError::required("spec.selector", ""));
        false
    } else if list(selector, "matchExpressions").is_empty()
        && at(selector, "matchLabels")
            .as_object()
            .is_none_or(|m| m.is_empty())
    {
        errors.push(FieldError::invalid(
            "spec.selector",
            &json!({}),
            &format!("empty selector is invalid for {}", singular(plural)),
        ));
        false
    } else {
        true
    };
    if matched
        && !LabelSelector::from_object(selector)
            .matches(at(object, "spec.template.metadata.labels"))
    {
        let labels = at(object, "spec.template.metadata.labels");
        let shown = if labels.is_null() {
            json!({})
        } else {
            labels.clone()
        };
        errors.push(FieldError::invalid(
            "spec.template.metadata.labels",
            &shown,
            "`selector` does not match template `labels`",
        ));
    }
    template(object, "spec.template", errors);
    let policy = text(object, "spec.template.spec.restartPolicy");
    if policy != "Always" && !policy.is_empty() {
        errors.push(FieldError::unsupported(
            "spec.template.spec.restartPolicy",
            policy,
            &["Always"],
        ));
    }
    if plural == "deployments" {
        strategy(object, errors);
    }
    if let Some(old) = old
        && at(old, "spec.selector") != selector
    {
        errors.push(FieldError::invalid(
            "spec.selector",
            selector,
            "field is immutable",
        ));
    }
}

fn singular(plural: &str) -> &str {
    plural.trim_end_matches('s')
}

fn strategy(object: &Value, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 2] = ["Recreate", "RollingUpdate"];
    let kind = text(object, "spec.strategy.type");
    if !TYPES.contains(&kind) {
        errors.push(FieldError::unsupported("spec.strategy.type", kind, &TYPES));
    }
    let rolling = at(object, "spec.strategy.rollingUpdate");
    if kind == "Recreate" && !rolling.is_null() {
        errors.push(FieldError::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ));
    }
    let zero = |field: &str| match at(rolling, field) {
        Value::Number(n) => n.as_i64() == Some(0),
        Value::String(s) => s == "0%",
        _ => false,
    };
    if zero("maxSurge") && zero("maxUnavailable") {
        errors.push(FieldError::invalid(
            "spec.strategy.rollingUpdate.maxUnavailable",
            at(rolling, "maxUnavailable"),
            "may not be 0 when `maxSurge` is 0",
        ));
    }
}

fn template(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let value = at(object, path);
    labels(
        at(value, "metadata.labels"),
        &format!("{path}.labels"),
        errors,
    );
    pod_spec(at(value, "spec"), &format!("{path}.spec"), errors);
}

fn job_policy(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{path}.spec.restartPolicy");
    let policy = text(object, &field);
    if policy == "Always" || policy.is_empty() {
        errors.push(FieldError::required(
            field,
            "valid values: \"OnFailure\", \"Never\"",
        ));
    }
}

/// Checks a Job.
pub(super) fn job(object: &Value, errors: &mut Vec<FieldError>) {
    for field in ["spec.parallelism", "spec.completions", "spec.backoffLimit"] {
        non_negative(object, field, errors);
    }
    template(object, "spec.template", errors);
    job_policy(object, "spec.template", errors);
}

/// Checks a CronJob.
pub(super) fn cron_job(object: &Value, errors: &mut Vec<FieldError>) {
    let schedule = text(object, "spec.schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if !schedule.starts_with('@') && schedule.split_whitespace().count() != 5 {
        let found = schedule.split_whitespace().count();
        errors.push(FieldError::invalid(
            "spec.schedule",
            at(object, "spec.schedule"),
            &format!("expected exactly 5 fields, found {found}: [{schedule}]"),
        ));
    }
    template(object, "spec.jobTemplate.spec.template", errors);
    job_policy(object, "spec.jobTemplate.spec.template", errors);
}
