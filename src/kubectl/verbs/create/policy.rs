//! `create role`, `clusterrole`, `quota`, `priorityclass`, `poddisruptionbudget`.

use super::{begin, finish, one_name};
use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::mapping;
use serde_json::{Map, Value, json};

const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
    "*",
    "approve",
    "sign",
    "proxy",
    "attest",
];

fn unique(words: Vec<&str>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in words.into_iter().map(str::trim) {
        if !word.is_empty() && !out.iter().any(|known| known == word) {
            out.push(word.to_owned());
        }
    }
    out
}

fn aggregated(cx: &Cx) -> Outcome<Option<Value>> {
    let mut labels = Map::new();
    for pair in cx.flags.list("aggregation-rule") {
        let Some((key, value)) = pair.split_once('=') else {
            return fail(format!(
                "invalid argument \"{pair}\" for \"--aggregation-rule\" flag: {pair} must be formatted as key=value"
            ));
        };
        labels.insert(key.to_owned(), Value::from(value));
    }
    Ok((!labels.is_empty()).then(|| json!({"clusterRoleSelectors": [{"matchLabels": labels}]})))
}

pub(super) async fn role(cx: &Cx) -> Outcome {
    let cluster = cx.command == "create clusterrole";
    let name = one_name(cx)?;
    let kind = if cluster { "ClusterRole" } else { "Role" };
    let mut object = begin("rbac.authorization.k8s.io/v1", kind, name);
    let failure = "";
    if cluster && let Some(rule) = aggregated(cx)? {
        let others = ["verb", "resource", "resource-name", "non-resource-url"];
        if others.iter().any(|flag| cx.flags.given(flag)) {
            return fail(
                "aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames",
            );
        }
        object["aggregationRule"] = rule;
        object["rules"] = Value::Null;
        return finish(cx, object, failure).await;
    }
    let mut verbs = unique(cx.flags.list("verb"));
    if verbs.is_empty() {
        return fail("at least one verb must be specified");
    }
    if verbs.iter().any(|verb| verb == "*") {
        verbs = vec!["*".to_owned()];
    }
    let urls = if cluster {
        unique(cx.flags.list("non-resource-url"))
    } else {
        Vec::new()
    };
    let resources = cx.flags.list("resource");
    if resources.is_empty() && urls.is_empty() {
        return fail(if cluster {
            "one of resource or nonResourceURL must be specified"
        } else {
            "at least one resource must be specified"
        });
    }
    let mut rules = Vec::new();
    if !resources.is_empty() {
        for verb in &verbs {
            if !VERBS.contains(&verb.as_str()) {
                eprintln!("Warning: '{verb}' is not a standard resource verb");
            }
        }
        rules.extend(resource_rules(cx, &resources, &verbs).await?);
    }
    if !urls.is_empty() {
        rules.push(url_rule(urls, &verbs)?);
    }
    object["rules"] = Value::Array(rules);
    finish(cx, object, failure).await
}

fn url_rule(urls: Vec<String>, verbs: &[String]) -> Outcome<Value> {
    for verb in verbs {
        if !matches!(
            verb.as_str(),
            "*" | "get" | "post" | "put" | "delete" | "patch" | "head" | "options"
        ) {
            return fail(format!("invalid verb: '{verb}' for nonResourceURL"));
        }
    }
    for url in &urls {
        if !url.starts_with('/') && url != "*" {
            return fail("nonResourceURL should start with /");
        }
        if url.find('*').is_some_and(|at| at + 1 != url.len()) {
            return fail("nonResourceURL only supports wildcard matches when '*' is at the end");
        }
    }
    Ok(json!({"nonResourceURLs": urls, "verbs": verbs}))
}

/// One rule for each API group, in the order in which the groups appear.
async fn resource_rules(cx: &Cx, resources: &[&str], verbs: &[String]) -> Outcome<Vec<Value>> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for word in resources.iter().map(|w| w.trim()).filter(|w| !w.is_empty()) {
        let (word, sub) = match word.split_once('/') {
            Some((word, sub)) => (word, format!("/{sub}")),
            None => (word, String::new()),
        };
        if word.is_empty() || word.starts_with('.') {
            return fail("resource must be specified if apiGroup/subresource specified");
        }
        let (group, plural) = if word == "*" {
            ("*".to_owned(), "*".to_owned())
        } else {
            match mapping::by_name(cx, word).await {
                Ok(res) => (res.group.to_owned(), res.plural.to_owned()),
                Err(Error::Message(text)) => return Err(Error::Verbatim(text)),
                Err(e) => return Err(e),
            }
        };
        let entry = format!("{plural}{sub}");
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, list)) if list.contains(&entry) => {}
            Some((_, list)) => list.push(entry),
            None => groups.push((group, vec![entry])),
        }
    }
    let names = unique(cx.flags.list("resource-name"));
    Ok(groups
        .into_iter()
        .map(|(group, plurals)| {
            let mut rule = json!({"apiGroups": [group], "resources": plurals, "verbs": verbs});
            if !names.is_empty() {
                rule["resourceNames"] = json!(names);
            }
            rule
        })
        .collect())
}

pub(super) async fn quota(cx: &Cx) -> Outcome {
    let mut object = begin("v1", "ResourceQuota", one_name(cx)?);
    let mut hard = Map::new();
    for statement in cx.text("hard").split(',').filter(|s| !s.is_empty()) {
        let Some((resource, amount)) = statement.split_once('=') else {
            return fail(format!(
                "Invalid argument syntax {statement}, expected <resource>=<value>"
            ));
        };
        let Some(amount) = kube::quantity::canonical(amount) else {
            return fail(
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            );
        };
        hard.insert(resource.to_owned(), Value::from(amount));
    }
    object["spec"] = json!({});
    if !hard.is_empty() {
        object["spec"]["hard"] = Value::Object(hard);
    }
    let scopes: Vec<&str> = cx
        .text("scopes")
        .split(',')
        .filter(|s| !s.is_empty())
        .collect();
    if !scopes.is_empty() {
        object["spec"]["scopes"] = json!(scopes);
    }
    object["status"] = json!({});
    finish(cx, object, "failed to create quota:").await
}

pub(super) async fn priority_class(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    if !cx.flags.given("value") {
        return fail("required flag(s) \"value\" not set");
    }
    let mut object = begin("scheduling.k8s.io/v1", "PriorityClass", name);
    object["value"] = Value::from(cx.flags.int("value"));
    object["preemptionPolicy"] = Value::from(cx.text("preemption-policy"));
    if cx.bool("global-default") {
        object["globalDefault"] = Value::from(true);
    }
    if !cx.text("description").is_empty() {
        object["description"] = Value::from(cx.text("description"));
    }
    finish(cx, object, "failed to create priorityclass:").await
}

pub(super) async fn disruption_budget(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    let (least, most) = (cx.text("min-available"), cx.text("max-unavailable"));
    if cx.text("selector").is_empty() {
        return fail("a selector must be specified");
    }
    match (least.is_empty(), most.is_empty()) {
        (true, true) => return fail("one of min-available or max-unavailable must be specified"),
        (false, false) => {
            return fail("min-available and max-unavailable cannot be both specified");
        }
        _ => {}
    }
    let mut labels = Map::new();
    for pair in cx.text("selector").split(',') {
        let (key, value) = pair
            .split_once("==")
            .or_else(|| pair.split_once('='))
            .unwrap_or((pair, ""));
        labels.insert(key.trim().to_owned(), Value::from(value.trim()));
    }
    let mut object = begin("policy/v1", "PodDisruptionBudget", name);
    object["spec"] = json!({"selector": {"matchLabels": labels}});
    for (field, text) in [("minAvailable", least), ("maxUnavailable", most)] {
        if !text.is_empty() {
            object["spec"][field] = super::super::int_or_text(text);
        }
    }
    object["status"] = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
    finish(cx, object, "failed to create poddisruptionbudgets:").await
}
