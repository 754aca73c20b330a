//! Values of flags, and names that the kubeconfig and the server know.

use crate::cx::Cx;
use crate::error::Outcome;
use crate::files;
use crate::mapping;
use crate::source;
use completion::{Answer, Directive};
use kube::kubeconfig::Section;
use kube::object::{list, text};

/// What `get` prints.
const FORMATS: [&str; 13] = [
    "json",
    "yaml",
    "name",
    "go-template",
    "go-template-file",
    "template",
    "templatefile",
    "jsonpath",
    "jsonpath-as-json",
    "jsonpath-file",
    "custom-columns",
    "custom-columns-file",
    "wide",
];

/// What may stand as the value of a flag that begins with `typed`.
pub async fn of(cx: &Cx, flag: &str, typed: &str) -> Answer {
    match flag {
        "namespace" => Answer::words(objects(cx, "namespaces", typed).await, Directive::NoFiles),
        "context" => entries(cx, Section::Contexts, typed),
        "cluster" => entries(cx, Section::Clusters, typed),
        "user" if !cx.flags.is_own("user") => entries(cx, Section::Users, typed),
        "output" if cx.command == "get" => {
            let formats = FORMATS.iter().filter(|format| format.starts_with(typed));
            Answer::words(formats.map(|&format| format.into()), Directive::NoFiles)
        }
        "filename" => {
            let endings = ["json", "yaml", "yml"].map(str::to_owned);
            Answer::words(endings, Directive::FileEndings)
        }
        "container" if cx.command == "exec" => {
            let pod = cx.args().first();
            Answer::words(containers(cx, pod, typed).await, Directive::NoFiles)
        }
        _ => Answer::of(Vec::new(), Directive::Default),
    }
}

/// Names of a kubeconfig's section, sorted.
pub fn entries(cx: &Cx, section: Section, start: &str) -> Answer {
    // A kubeconfig that can't be read has none to offer.
    let names = files::load_kubeconfig(&cx.flags).map(|config| {
        list(&config.merged, section.list())
            .iter()
            .map(|entry| text(entry, "name").to_owned())
            .filter(|name| name.starts_with(start))
            .collect()
    });
    let mut names: Vec<String> = names.unwrap_or_default();
    names.sort_unstable();
    Answer::words(names, Directive::NoFiles)
}

/// Names of the objects of some types (`pods,svc`, `all`) in the namespace in force,
/// whatever the command's selectors say; none if the server does not tell them.
pub async fn objects(cx: &Cx, types: &str, start: &str) -> Vec<String> {
    let names: Outcome<Vec<String>> = async {
        let mut names = Vec::new();
        for word in types.split(',').filter(|word| !word.is_empty()) {
            for res in mapping::by_word(cx, word).await? {
                let items = source::list_by(cx, res, false, "", "").await?;
                names.extend(items.into_iter().map(|item| item.name));
            }
        }
        Ok(names)
    }
    .await;
    let mut names = names.unwrap_or_default();
    names.retain(|name| name.starts_with(start));
    names
}

/// Names of a Pod's containers; none if there is no such Pod.
pub async fn containers(cx: &Cx, pod: Option<&String>, start: &str) -> Vec<String> {
    let names: Outcome<Vec<String>> = async {
        let Some(pod) = pod else {
            return Ok(Vec::new());
        };
        let name = pod.split_once('/').map_or(pod.as_str(), |(_, name)| name);
        let res = mapping::by_name(cx, "pods").await?;
        let path = res.path(&cx.namespace()?, name);
        let pod = cx.client()?.get(&path).await?;
        let containers = ["spec.initContainers", "spec.containers"]
            .into_iter()
            .flat_map(|field| list(&pod, field));
        Ok(containers
            .map(|container| text(container, "name").to_owned())
            .collect())
    }
    .await;
    let mut names = names.unwrap_or_default();
    names.retain(|name| name.starts_with(start));
    names
}
