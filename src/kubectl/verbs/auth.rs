//! `kubectl auth can-i`, `kubectl auth whoami`.
//!
//! Reference: `kubectl/pkg/cmd/auth` of Kubernetes 1.32.

use crate::cx::{Cx, put, say};
use crate::error::{Error, Outcome, fail};
use crate::mapping;
use crate::print::tabwriter::TABLE;
use crate::print::{Format, tabwriter};
use kube::object::{flag, list, text};
use serde_json::{Value, json};

/// Runs `auth can-i`.
///
/// # Errors
/// The command line's, the server's; exit status 1 without words for "no".
pub async fn can_i(cx: &Cx) -> Outcome {
    if cx.bool("list") {
        return rules(cx).await;
    }
    let (verb, what) = match cx.args() {
        [verb, what] => (verb, what.as_str()),
        [verb, kind, name] => return decide(cx, verb, &format!("{kind}/{name}")).await,
        _ => {
            return fail(
                "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.",
            );
        }
    };
    decide(cx, verb, what).await
}

async fn decide(cx: &Cx, verb: &str, what: &str) -> Outcome {
    let mut spec = json!({});
    if what.starts_with('/') {
        if !cx.text("subresource").is_empty() {
            return fail("--subresource can not be used with NonResourceURL");
        }
        spec["nonResourceAttributes"] = json!({"verb": verb, "path": what});
    } else {
        let (kind, name) = what.split_once('/').unwrap_or((what, ""));
        let (group, plural) = resource(cx, kind).await;
        let namespace = if cx.bool("all-namespaces") {
            String::new()
        } else {
            cx.namespace()?
        };
        spec["resourceAttributes"] = json!({
            "verb": verb, "group": group, "resource": plural, "name": name,
            "namespace": namespace, "subresource": cx.text("subresource"),
        });
        warn(cx, kind, verb);
    }
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {"creationTimestamp": null}, "spec": spec});
    let answer = cx
        .client()?
        .post(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            &review,
        )
        .await?;
    let allowed = flag(&answer, "status.allowed");
    if !cx.bool("quiet") {
        let mut words = if allowed { "yes" } else { "no" }.to_owned();
        let (reason, problem) = (
            text(&answer, "status.reason"),
            text(&answer, "status.evaluationError"),
        );
        if !allowed && !reason.is_empty() {
            words.push_str(&format!(" - {reason}"));
        }
        if !allowed && !problem.is_empty() {
            words.push_str(&format!(" - {problem}"));
        }
        say(words)?;
    }
    if allowed { Ok(()) } else { Err(Error::Exit(1)) }
}

/// Group and plural; an unknown word stays as it is, with a warning.
async fn resource(cx: &Cx, word: &str) -> (String, String) {
    if word == "*" {
        return ("*".to_owned(), "*".to_owned());
    }
    if let Ok(res) = mapping::by_name(cx, word).await {
        return (res.group.to_owned(), res.plural.to_owned());
    }
    let (plural, group) = word.split_once('.').unwrap_or((word, ""));
    if group.is_empty() {
        eprintln!("Warning: the server doesn't have a resource type '{plural}'");
    } else {
        eprintln!("Warning: the server doesn't have a resource type '{plural}' in group '{group}'");
    }
    eprintln!();
    (group.to_owned(), plural.to_owned())
}

fn warn(cx: &Cx, kind: &str, _: &str) {
    if let Some(res) = kube::resources::by_name(kind)
        && !res.namespaced
        && !cx.bool("all-namespaces")
    {
        let group = if res.group.is_empty() {
            String::new()
        } else {
            format!(" in group '{}'", res.group)
        };
        eprintln!(
            "Warning: resource '{}' is not namespace scoped{group}\n",
            res.plural
        );
    }
}

async fn rules(cx: &Cx) -> Outcome {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "metadata": {"creationTimestamp": null}, "spec": {"namespace": cx.namespace()?}});
    let answer = cx
        .client()?
        .post(
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            &review,
        )
        .await?;
    let strings = |rule: &Value, field: &str| -> Vec<String> {
        list(rule, field)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let mut rows: Vec<(String, String)> = Vec::new();
    for rule in list(&answer, "status.resourceRules") {
        let (names, verbs) = (
            strings(rule, "resourceNames").join(" "),
            strings(rule, "verbs").join(" "),
        );
        for group in strings(rule, "apiGroups") {
            for resource in strings(rule, "resources") {
                let (plural, sub) = resource
                    .split_once('/')
                    .map_or((resource.as_str(), String::new()), |(p, s)| {
                        (p, format!("/{s}"))
                    });
                let shown = if group.is_empty() {
                    format!("{plural}{sub}")
                } else {
                    format!("{plural}.{group}{sub}")
                };
                rows.push((shown.clone(), format!("{shown}\t[]\t[{names}]\t[{verbs}]")));
            }
        }
    }
    rows.sort();
    for rule in list(&answer, "status.nonResourceRules") {
        let verbs = strings(rule, "verbs").join(" ");
        for url in strings(rule, "nonResourceURLs") {
            rows.push((String::new(), format!("\t[{url}]\t[]\t[{verbs}]")));
        }
    }
    let mut out = String::new();
    if !cx.bool("no-headers") {
        out.push_str("Resources\tNon-Resource URLs\tResource Names\tVerbs\n");
    }
    for (_, row) in rows {
        out.push_str(&row);
        out.push('\n');
    }
    put(&TABLE.format(&out))
}

/// Runs `auth whoami`.
///
/// # Errors
/// The server's.
pub async fn whoami(cx: &Cx) -> Outcome {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {"creationTimestamp": null}});
    let answer = cx
        .client()?
        .post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review)
        .await?;
    let format = Format::from_flags(cx, false)?;
    if !matches!(format, Format::Plain) {
        return put(&format.render(cx, &answer)?);
    }
    let user = &answer["status"]["userInfo"];
    let mut out = String::from("ATTRIBUTE\tVALUE\n");
    for (title, field) in [("Username", "username"), ("UID", "uid")] {
        if !text(user, field).is_empty() {
            out.push_str(&format!("{title}\t{}\n", text(user, field)));
        }
    }
    let words = |values: &[Value]| {
        values
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    if !list(user, "groups").is_empty() {
        out.push_str(&format!("Groups\t[{}]\n", words(list(user, "groups"))));
    }
    for (key, values) in user["extra"].as_object().into_iter().flatten() {
        let values = values.as_array().map_or(&[][..], Vec::as_slice);
        out.push_str(&format!("Extra: {key}\t[{}]\n", words(values)));
    }
    put(&tabwriter::TABLE.format(&out))
}
