//! `ps`, `pods`, `images`.

use std::{collections::BTreeSet, process::ExitCode};

use kube::object;
use serde_json::{Value, json};

use super::{
    Fatal,
    args::{Args, Flag},
    objects,
    pattern::Pattern,
    print,
    table::{ago, short, size, table},
    view::{Entry, State, View},
};
use crate::state;

pub const LIST: &[Flag] = &[
    Flag::switch("all", 'a'),
    Flag::switch("quiet", 'q'),
    Flag::switch("no-trunc", ' '),
    Flag::switch("verbose", 'v'),
    Flag::switch("latest", 'l'),
    Flag::value("last", 'n'),
    Flag::value("name", ' '),
    Flag::value("namespace", ' '),
    Flag::value("state", 's'),
    Flag::value("output", 'o'),
    Flag::value("pod", 'p'),
    Flag::value("id", ' '),
    Flag::value("image", ' '),
    Flag::value("label", ' '),
];

/// In the form that `-o` asks for; `None` is a table.
pub fn structured(args: &Args, value: &Value) -> Result<Option<String>, Fatal> {
    match args.value("output") {
        None | Some("" | "table") => Ok(None),
        Some("json") => Ok(Some(kube::gofmt::json_pretty(value))),
        Some("yaml") => Ok(Some(kube::yaml::to_string(value))),
        Some(other) => Err(format!("unsupported output format {other:?}")),
    }
}

/// The regular expression that a flag brings; without one everything matches.
fn pattern(args: &Args, flag: &str) -> Result<Pattern, Fatal> {
    Pattern::parse(args.value(flag).unwrap_or_default())
}

/// `key=value` or `key` against labels.
fn labelled(wanted: Option<&str>, labels: &Value) -> bool {
    let Some(wanted) = wanted else { return true };
    match wanted.split_once('=') {
        Some((key, value)) => labels[key] == value,
        None => labels.get(wanted).is_some(),
    }
}

pub fn ps(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, LIST, false)?;
    let state = match args.value("state").map(str::to_lowercase).as_deref() {
        None if args.has("all") || args.has("latest") || args.value("last").is_some() => None,
        None | Some("running") => Some(State::Running),
        Some("exited") => Some(State::Exited),
        // Nothing of ours is ever seen in these states.
        Some("created" | "unknown") => return print(&listing(&args, &[])?),
        Some(_) => {
            return Err("--state should be one of created, running, exited or unknown".into());
        }
    };
    let (name, namespace) = (pattern(&args, "name")?, pattern(&args, "namespace")?);
    let limit = match args.value("last") {
        Some(count) => count
            .parse()
            .map_err(|_| format!("invalid value {count:?} for flag -last"))?,
        None if args.has("latest") => 1,
        None => usize::MAX,
    };
    let chosen: Vec<&Entry> = view
        .containers
        .iter()
        .filter(|entry| state.is_none_or(|state| entry.state == state))
        .filter(|entry| name.is_in(&entry.name))
        .filter(|entry| namespace.is_in(entry.pod_text("namespace")))
        .filter(|entry| args.value("id").is_none_or(|id| entry.id.starts_with(id)))
        .filter(|entry| {
            let pod = args.value("pod");
            pod.is_none_or(|pod| entry.pod.sandbox.id.starts_with(pod))
        })
        .filter(|entry| {
            args.value("image")
                .is_none_or(|image| entry.image.contains(image))
        })
        .filter(|entry| labelled(args.value("label"), &objects::container(entry)["labels"]))
        .take(limit)
        .collect();
    print(&listing(&args, &chosen)?)
}

fn listing(args: &Args, entries: &[&Entry]) -> Result<String, Fatal> {
    let containers: Vec<Value> = entries
        .iter()
        .map(|entry| objects::container(entry))
        .collect();
    if let Some(text) = structured(args, &json!({ "containers": containers }))? {
        return Ok(text);
    }
    if args.has("quiet") {
        return Ok(entries
            .iter()
            .map(|entry| format!("{}\n", entry.id))
            .collect());
    }
    let now = jiff::Timestamp::now().as_second();
    let id = |id: &str| match args.has("no-trunc") {
        true => id.to_owned(),
        false => short(id),
    };
    let heads = [
        "CONTAINER",
        "IMAGE",
        "CREATED",
        "STATE",
        "NAME",
        "ATTEMPT",
        "POD ID",
        "POD",
        "NAMESPACE",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(entries.iter().map(|entry| {
        vec![
            id(&entry.id),
            id(&entry.image_id()),
            ago(now - entry.created()),
            entry.state.word().to_owned(),
            entry.name.clone(),
            entry.attempt.to_string(),
            id(&entry.pod.sandbox.id),
            entry.pod_text("name").to_owned(),
            entry.pod_text("namespace").to_owned(),
        ]
    }));
    Ok(table(&rows))
}

pub fn pods(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, LIST, false)?;
    let text = |pod: &crate::ledger::Record, key: &str| object::text(&pod.metadata, key).to_owned();
    let wanted_state = args.value("state").map(str::to_lowercase);
    if wanted_state
        .as_ref()
        .is_some_and(|state| state != "ready" && state != "notready")
    {
        return Err("--state should be ready or notready".into());
    }
    let (name, namespace) = (pattern(&args, "name")?, pattern(&args, "namespace")?);
    let chosen: Vec<_> = view
        .pods
        .iter()
        .filter(|pod| {
            let state = if pod.gone_at == 0 {
                "ready"
            } else {
                "notready"
            };
            wanted_state.as_deref().is_none_or(|wanted| wanted == state)
        })
        .filter(|pod| name.is_in(&text(pod, "name")))
        .filter(|pod| namespace.is_in(&text(pod, "namespace")))
        .filter(|pod| {
            args.value("id")
                .is_none_or(|id| pod.sandbox.id.starts_with(id))
        })
        .filter(|pod| labelled(args.value("label"), &objects::pod(pod)["labels"]))
        .collect();
    let items: Vec<Value> = chosen.iter().map(|pod| objects::pod(pod)).collect();
    if let Some(text) = structured(&args, &json!({ "items": items }))? {
        return print(&text);
    }
    if args.has("quiet") {
        let ids: String = chosen
            .iter()
            .map(|pod| format!("{}\n", pod.sandbox.id))
            .collect();
        return print(&ids);
    }
    let now = jiff::Timestamp::now().as_second();
    let heads = [
        "POD ID",
        "CREATED",
        "STATE",
        "NAME",
        "NAMESPACE",
        "ATTEMPT",
        "RUNTIME",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(chosen.iter().map(|pod| {
        let created = kube::time::parse(&pod.sandbox.created_at).unwrap_or(now);
        vec![
            match args.has("no-trunc") {
                true => pod.sandbox.id.clone(),
                false => short(&pod.sandbox.id),
            },
            ago(now - created),
            if pod.gone_at == 0 {
                "Ready"
            } else {
                "NotReady"
            }
            .to_owned(),
            text(pod, "name"),
            text(pod, "namespace"),
            pod.sandbox.attempt.to_string(),
            "(default)".to_owned(),
        ]
    }));
    print(&table(&rows))
}

/// Sizes as registries give them; others are said to have a middling one.
fn image_size(image: &str) -> u64 {
    match crate::image::repository(image) {
        "etcd" => 57_680_541,
        "kube-apiserver" => 28_679_230,
        "kube-controller-manager" => 26_267_962,
        "kube-scheduler" => 20_658_329,
        "pause" => 320_368,
        "nginx" => 72_404_038,
        "busybox" => 2_167_089,
        _ => 31_457_280,
    }
}

pub fn images(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let mut words = words;
    if words
        .first()
        .is_some_and(|word| word == "list" || word == "ls")
    {
        words.remove(0);
    }
    let args = Args::parse(words, LIST, false)?;
    let mut names: BTreeSet<String> = view
        .containers
        .iter()
        .map(|entry| state::full_image(&entry.image))
        .collect();
    names.insert("registry.k8s.io/pause:3.10".into());
    let wanted = args.rest.first();
    names.retain(|name| wanted.is_none_or(|wanted| name.contains(wanted.as_str())));
    let id = |name: &str| {
        let digest = state::image_id(name);
        digest
            .rsplit_once('@')
            .map_or(String::new(), |(_, id)| id.to_owned())
    };
    let items: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "id": id(name), "pinned": name.contains("/pause:"),
                "repoDigests": [state::image_id(name)], "repoTags": [name],
                "size": image_size(name).to_string(), "spec": null, "uid": null, "username": "",
            })
        })
        .collect();
    if let Some(text) = structured(&args, &json!({ "images": items }))? {
        return print(&text);
    }
    if args.has("quiet") {
        let ids: String = names.iter().map(|name| format!("{}\n", id(name))).collect();
        return print(&ids);
    }
    let mut rows = vec![
        ["IMAGE", "TAG", "IMAGE ID", "SIZE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(names.iter().map(|name| {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
        let id = match args.has("no-trunc") {
            true => id(name),
            false => short(&id(name)),
        };
        vec![
            repository.to_owned(),
            tag.to_owned(),
            id,
            size(image_size(name)),
        ]
    }));
    print(&table(&rows))
}
