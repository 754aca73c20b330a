//! Which objects a command is about: files, `TYPE NAME…`, `TYPE/NAME…`,
//! selectors.
//!
//! Reference: `cli-runtime/pkg/resource/builder.go` of Kubernetes 1.32.

use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::files;
use crate::mapping::{self, Res};
use kube::object::text;
use kube::request::Target;
use serde_json::Value;

/// One object that a command is about.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its resource.
    pub res: Res,
    /// Its namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Its name; empty when the server is to make one.
    pub name: String,
    /// Its content, when it comes from a file or was fetched.
    pub object: Value,
    /// The file it comes from; empty when named on the command line.
    pub source: String,
}

impl Item {
    /// The path of the object.
    pub fn path(&self) -> String {
        self.res.path(&self.namespace, &self.name)
    }

    /// The path of the collection.
    pub fn collection(&self) -> String {
        self.res.path(&self.namespace, "")
    }

    /// `deployment.apps/name`
    pub fn display(&self) -> String {
        mapping::display(self.res, &self.name)
    }
}

/// Reads the objects of `-f`; the kind of each is resolved and its namespace
/// settled.
///
/// # Errors
/// Unreadable files, objects without a kind, a namespace that contradicts
/// `--namespace`.
pub async fn from_files(cx: &Cx) -> Outcome<Vec<Item>> {
    if cx.flags.has("kustomize") && !cx.text("kustomize").is_empty() {
        return fail(
            "-k is not supported: kustomizations are not built here; render them elsewhere and apply the result with -f",
        );
    }
    let names = cx.flags.list("filename");
    let mut items = Vec::new();
    for manifest in files::read_manifests(&names, cx.bool("recursive"))? {
        let documents = kube::yaml::parse_documents(&manifest.text).map_err(|e| {
            Error::Message(format!(
                "error parsing {}: error converting YAML to JSON: {e}",
                manifest.name
            ))
        })?;
        for document in documents {
            expand(cx, document, &manifest.name, &mut items).await?;
        }
    }
    Ok(items)
}

async fn expand(cx: &Cx, document: Value, source: &str, items: &mut Vec<Item>) -> Outcome {
    let objects = match document {
        Value::Object(mut map)
            if map.get("items").is_some_and(Value::is_array)
                && map
                    .get("kind")
                    .and_then(Value::as_str)
                    .is_some_and(|k| k.ends_with("List")) =>
        {
            match map.remove("items") {
                Some(Value::Array(inner)) => inner,
                _ => Vec::new(),
            }
        }
        other => vec![other],
    };
    for object in objects {
        let missing: Vec<&str> = ["apiVersion", "kind"]
            .into_iter()
            .filter(|field| text(&object, field).is_empty())
            .collect();
        if !missing.is_empty() {
            let missing: Vec<String> = missing
                .iter()
                .map(|field| format!("{field} not set"))
                .collect();
            let list = missing.join(", ");
            return fail(format!(
                "error validating {}: error validating data: {}; if you choose to ignore these errors, turn validation off with --validate=false",
                kube::gofmt::quote(source),
                if missing.len() > 1 {
                    format!("[{list}]")
                } else {
                    list
                }
            ));
        }
        let res = mapping::by_kind(cx, &object, source).await?;
        items.push(settle(cx, res, object, source)?);
    }
    Ok(())
}

/// Settles the namespace of an object that comes from a file or a generator.
///
/// # Errors
/// The object's namespace contradicts `--namespace`.
pub fn settle(cx: &Cx, res: Res, mut object: Value, source: &str) -> Outcome<Item> {
    let mut namespace = String::new();
    let local = cx.flags.has("local") && cx.bool("local");
    if local {
        // Nothing is sent, so nothing needs a place.
        namespace = text(&object, "metadata.namespace").to_owned();
    } else if res.namespaced {
        let own = text(&object, "metadata.namespace").to_owned();
        let default = cx.namespace()?;
        if own.is_empty() {
            kube::object::set(
                &mut object,
                "metadata.namespace",
                Value::from(default.clone()),
            );
            namespace = default;
        } else if cx.namespace_enforced() && own != default {
            let quote = kube::gofmt::quote;
            return fail(format!(
                "the namespace from the provided object {} does not match the namespace {}. You must pass '--namespace={own}' to perform this operation.",
                quote(&own),
                quote(&default)
            ));
        } else {
            namespace = own;
        }
    }
    let name = text(&object, "metadata.name").to_owned();
    Ok(Item {
        res,
        namespace,
        name,
        object,
        source: source.to_owned(),
    })
}

/// What the arguments select.
#[derive(Debug)]
pub enum Selection {
    /// Objects by name.
    Named(Vec<Item>),
    /// All objects of these kinds (that the selectors let through).
    Kinds(Vec<Res>),
}

/// Resolves `TYPE NAME…`, `TYPE/NAME…`, `TYPE[,TYPE…]`.
///
/// # Errors
/// Unknown types, mixed forms.
pub async fn from_args(cx: &Cx, args: &[String]) -> Outcome<Selection> {
    let namespace = cx.namespace()?;
    let item = |res: Res, name: &str| Item {
        res,
        namespace: if res.namespaced {
            namespace.clone()
        } else {
            String::new()
        },
        name: name.to_owned(),
        object: Value::Null,
        source: String::new(),
    };
    if args.iter().any(|a| a.contains('/')) {
        let mut items = Vec::new();
        for arg in args {
            let parts: Vec<&str> = arg.split('/').collect();
            match parts[..] {
                [_] => {
                    return fail(
                        "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
                    );
                }
                [kind, name] if !kind.is_empty() && !name.is_empty() => {
                    items.push(item(mapping::by_name(cx, kind).await?, name));
                }
                [..] if parts.len() > 2 => {
                    return fail(
                        "arguments in resource/name form may not have more than one slash",
                    );
                }
                _ => {
                    return fail(
                        "arguments in resource/name form must have a single resource and name",
                    );
                }
            }
        }
        return Ok(Selection::Named(items));
    }
    let Some((words, names)) = args.split_first() else {
        return Ok(Selection::Named(Vec::new()));
    };
    let mut kinds: Vec<Res> = Vec::new();
    for word in words.split(',').filter(|w| !w.is_empty()) {
        for res in mapping::by_word(cx, word).await? {
            if !kinds.contains(&res) {
                kinds.push(res);
            }
        }
    }
    if names.is_empty() {
        return Ok(Selection::Kinds(kinds));
    }
    let mut items = Vec::new();
    for res in kinds {
        items.extend(names.iter().map(|name| item(res, name)));
    }
    Ok(Selection::Named(items))
}

/// Fetches all objects of a kind that the command's selectors let through.
///
/// # Errors
/// The server's.
pub async fn list(cx: &Cx, res: Res, all_namespaces: bool) -> Outcome<Vec<Item>> {
    let selector = |flag: &str| match cx.flags.has(flag) {
        true => cx.text(flag),
        false => "",
    };
    let (fields, labels) = (selector("field-selector"), selector("selector"));
    list_by(cx, res, all_namespaces, fields, labels).await
}

/// Fetches all objects of a kind that these selectors let through; empty ones let all.
///
/// # Errors
/// The server's.
pub async fn list_by(
    cx: &Cx,
    res: Res,
    all_namespaces: bool,
    fields: &str,
    labels: &str,
) -> Outcome<Vec<Item>> {
    let namespace = if res.namespaced && !all_namespaces {
        cx.namespace()?
    } else {
        String::new()
    };
    let mut items = Vec::new();
    let mut more = String::new();
    loop {
        let path = Target::new(res.path(&namespace, ""))
            .with_some("fieldSelector", fields)
            .with_some("labelSelector", labels)
            .with("limit", "500")
            .with_some("continue", &more)
            .finish();
        let answer = cx.client()?.get(&path).await?;
        for object in kube::object::list(&answer, "items") {
            items.push(fetched(res, object.clone()));
        }
        text(&answer, "metadata.continue").clone_into(&mut more);
        if more.is_empty() {
            return Ok(items);
        }
    }
}

/// An object from a list, which lacks the kind that single objects have.
pub fn fetched(res: Res, mut object: Value) -> Item {
    if let Some(map) = object.as_object_mut() {
        map.entry("apiVersion")
            .or_insert_with(|| Value::from(res.api_version()));
        map.entry("kind").or_insert_with(|| Value::from(res.kind));
    }
    Item {
        res,
        namespace: text(&object, "metadata.namespace").to_owned(),
        name: text(&object, "metadata.name").to_owned(),
        object,
        source: String::new(),
    }
}

/// Options of [`resolve`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Selectors and `--all` may stand in the place of names.
    pub by_selector: bool,
    /// Fetch each named object's present state.
    pub fetch: bool,
}

/// The objects of a command that changes existing ones: from files, by name, by
/// selector or by `--all`. Failures to fetch are returned beside what was found.
///
/// # Errors
/// The command line selects nothing definite.
pub async fn resolve(cx: &Cx, args: &[String], wanted: Wanted) -> Outcome<(Vec<Item>, Vec<Error>)> {
    let from_file = cx.flags.has("filename") && cx.flags.given("filename")
        || cx.flags.has("kustomize") && cx.flags.given("kustomize");
    let selector = cx.flags.has("selector") && !cx.text("selector").is_empty()
        || cx.flags.has("field-selector") && !cx.text("field-selector").is_empty();
    let all = cx.flags.has("all") && cx.bool("all");
    let everywhere = cx.flags.has("all-namespaces") && cx.bool("all-namespaces");
    let mut items = Vec::new();
    let mut errors = Vec::new();
    if from_file {
        if !args.is_empty() {
            return fail(format!(
                "when paths, URLs, or stdin is provided as resource input, you may not specify resource arguments as well: [{}]",
                args.join(" ")
            ));
        }
        items = from_files(cx).await?;
    } else {
        match from_args(cx, args).await? {
            Selection::Named(named) if named.is_empty() => {
                return fail(
                    "must specify one of -f and -k\n\nerror: You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'",
                );
            }
            Selection::Named(_) if selector => {
                return fail("name cannot be provided when a selector is specified");
            }
            Selection::Named(_) if all => {
                return fail("setting 'all' parameter but found a non empty selector. ");
            }
            Selection::Named(_) if everywhere => {
                return fail("a resource cannot be retrieved by name across all namespaces");
            }
            Selection::Named(named) => items = named,
            Selection::Kinds(kinds) if wanted.by_selector && (selector || all) => {
                for res in kinds {
                    match list(cx, res, everywhere).await {
                        Ok(found) => items.extend(found),
                        Err(e) => errors.push(e),
                    }
                }
                return Ok((items, errors));
            }
            Selection::Kinds(_) => {
                return fail("resource(s) were provided, but no name was specified");
            }
        }
    }
    if wanted.fetch {
        let mut kept = Vec::new();
        for mut item in items {
            match cx.client()?.get(&item.path()).await {
                Ok(object) => {
                    item.object = object;
                    kept.push(item);
                }
                Err(e) => errors.push(e),
            }
        }
        items = kept;
    }
    Ok((items, errors))
}
