//! kubeconfig files as values: merging, choosing a context, changing entries.
//!
//! Reference: `k8s.io/client-go/tools/clientcmd` of Kubernetes 1.32. Reading
//! and writing the files is the caller's business.

use serde_json::{Map, Value, json};
use thiserror::Error;

/// A kubeconfig that cannot serve, in kubectl's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KubeconfigError {
    /// `--context` names a context that no file has.
    #[error("context {0:?} does not exist")]
    NoContext(String),
    /// `--cluster`, or the context, names a cluster that no file has.
    #[error("cluster {0:?} does not exist")]
    NoCluster(String),
    /// `--user` names a user that no file has.
    #[error("auth info {0:?} does not exist")]
    NoUser(String),
    /// The text is not YAML or not a mapping.
    #[error("error loading config file {0:?}: {1}")]
    Unreadable(String, String),
}

/// An entry's kind in a kubeconfig: the list's name and the field that holds
/// the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `clusters[].cluster`
    Clusters,
    /// `contexts[].context`
    Contexts,
    /// `users[].user`
    Users,
}

impl Section {
    /// The list's field in the file.
    #[must_use]
    pub fn list(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Contexts => "contexts",
            Self::Users => "users",
        }
    }

    /// The body's field in an entry.
    #[must_use]
    pub fn body(self) -> &'static str {
        match self {
            Self::Clusters => "cluster",
            Self::Contexts => "context",
            Self::Users => "user",
        }
    }
}

/// The fields of a file that name other files, relative to it.
const FILE_FIELDS: &[(Section, &str)] = &[
    (Section::Clusters, "certificate-authority"),
    (Section::Users, "client-certificate"),
    (Section::Users, "client-key"),
    (Section::Users, "tokenFile"),
];

/// Parses one file's text; nothing gives an empty configuration.
///
/// # Errors
/// The text is not YAML, or not a mapping.
pub fn parse(path: &str, text: &str) -> Result<Value, KubeconfigError> {
    let unreadable = |why: String| KubeconfigError::Unreadable(path.to_owned(), why);
    match crate::yaml::parse_one(text) {
        Ok(Value::Null) => Ok(empty()),
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(unreadable("it is not a mapping of kind Config".to_owned())),
        Err(e) => Err(unreadable(e.to_string())),
    }
}

/// A configuration without entries.
#[must_use]
pub fn empty() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "",
        "clusters": null, "contexts": null, "users": null,
    })
}

/// Makes file names in a file's entries absolute, relative to its directory.
pub fn anchor_files(config: &mut Value, directory: &std::path::Path) {
    for (section, field) in FILE_FIELDS {
        let Some(entries) = config.get_mut(section.list()).and_then(Value::as_array_mut) else {
            continue;
        };
        for entry in entries {
            let Some(value) = entry
                .get_mut(section.body())
                .and_then(|b| b.get_mut(*field))
            else {
                continue;
            };
            if let Some(name) = value.as_str().filter(|n| !n.is_empty()) {
                *value = Value::from(directory.join(name).to_string_lossy().as_ref());
            }
        }
    }
}

/// Merges files: the first that has an entry, or a current context, wins.
#[must_use]
pub fn merge(files: &[Value]) -> Value {
    let mut merged = empty();
    for section in [Section::Clusters, Section::Contexts, Section::Users] {
        let mut entries: Vec<Value> = Vec::new();
        for file in files {
            for entry in crate::object::list(file, section.list()) {
                if entries.iter().all(|known| known["name"] != entry["name"]) {
                    entries.push(entry.clone());
                }
            }
        }
        entries.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        if !entries.is_empty() {
            merged[section.list()] = Value::Array(entries);
        }
    }
    let current = files
        .iter()
        .filter_map(|f| f["current-context"].as_str())
        .find(|c| !c.is_empty());
    merged["current-context"] = Value::from(current.unwrap_or_default());
    merged
}

/// The body of a named entry.
#[must_use]
pub fn entry<'c>(config: &'c Value, section: Section, name: &str) -> Option<&'c Value> {
    crate::object::list(config, section.list())
        .iter()
        .find(|e| e["name"] == name)
        .and_then(|e| e.get(section.body()))
}

/// Puts a body under a name, in place or (sorted by name) anew; says whether it
/// was there.
pub fn set_entry(config: &mut Value, section: Section, name: &str, body: Value) -> bool {
    if !config[section.list()].is_array() {
        config[section.list()] = json!([]);
    }
    let Some(entries) = config[section.list()].as_array_mut() else {
        return false;
    };
    let new = json!({"name": name, section.body(): body});
    if let Some(known) = entries.iter_mut().find(|e| e["name"] == name) {
        *known = new;
        return true;
    }
    entries.push(new);
    entries.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    false
}

/// Takes an entry away; says whether it was there.
pub fn remove_entry(config: &mut Value, section: Section, name: &str) -> bool {
    let Some(entries) = config[section.list()].as_array_mut() else {
        return false;
    };
    let before = entries.len();
    entries.retain(|e| e["name"] != name);
    let gone = entries.len() < before;
    if entries.is_empty() {
        config[section.list()] = Value::Null;
    }
    gone
}

/// What command-line flags put in the place of the file's values; empty means
/// not given.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--context`
    pub context: String,
    /// `--cluster`
    pub cluster: String,
    /// `--user`
    pub user: String,
    /// `--namespace`
    pub namespace: String,
}

/// The cluster, user and namespace that a command uses.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// The cluster's body; empty when there is none.
    pub cluster: Map<String, Value>,
    /// The user's body; empty when there is none.
    pub user: Map<String, Value>,
    /// The namespace, `default` when nothing names one.
    pub namespace: String,
    /// Whether a flag or the context named the namespace.
    pub namespace_named: bool,
}

/// Chooses by the current context and the overrides.
///
/// # Errors
/// An override, or the context, names an entry that does not exist.
pub fn choose(config: &Value, overrides: &Overrides) -> Result<Chosen, KubeconfigError> {
    let named = if overrides.context.is_empty() {
        config["current-context"].as_str().unwrap_or_default()
    } else {
        &overrides.context
    };
    let context = entry(config, Section::Contexts, named);
    if context.is_none() && !overrides.context.is_empty() {
        return Err(KubeconfigError::NoContext(named.to_owned()));
    }
    let field = |name: &str, given: &str| {
        if given.is_empty() {
            context
                .map_or("", |c| crate::object::text(c, name))
                .to_owned()
        } else {
            given.to_owned()
        }
    };
    let cluster_name = field("cluster", &overrides.cluster);
    let user_name = field("user", &overrides.user);
    let body = |section, name: &str| {
        entry(config, section, name)
            .and_then(Value::as_object)
            .cloned()
    };
    let cluster = body(Section::Clusters, &cluster_name);
    if cluster.is_none() && !cluster_name.is_empty() {
        return Err(KubeconfigError::NoCluster(cluster_name));
    }
    let user = body(Section::Users, &user_name);
    if user.is_none() && !overrides.user.is_empty() {
        return Err(KubeconfigError::NoUser(user_name));
    }
    let namespace = field("namespace", &overrides.namespace);
    Ok(Chosen {
        cluster: cluster.unwrap_or_default(),
        user: user.unwrap_or_default(),
        namespace_named: !namespace.is_empty(),
        namespace: if namespace.is_empty() {
            "default".to_owned()
        } else {
            namespace
        },
    })
}

/// The configuration with secrets masked, as `kubectl config view` shows it.
#[must_use]
pub fn redacted(config: &Value) -> Value {
    let mut shown = config.clone();
    for section in [Section::Clusters, Section::Users] {
        let Some(entries) = shown[section.list()].as_array_mut() else {
            continue;
        };
        for entry in entries {
            let Some(body) = entry[section.body()].as_object_mut() else {
                continue;
            };
            for (field, mask) in [
                ("certificate-authority-data", "DATA+OMITTED"),
                ("client-certificate-data", "DATA+OMITTED"),
                ("client-key-data", "DATA+OMITTED"),
                ("token", "REDACTED"),
                ("password", "REDACTED"),
            ] {
                if let Some(value) = body.get_mut(field) {
                    *value = Value::from(mask);
                }
            }
        }
    }
    shown
}

/// Only the entries that one context uses (`--minify`).
///
/// # Errors
/// There is no such context.
pub fn minified(config: &Value, context: &str) -> Result<Value, KubeconfigError> {
    let named = if context.is_empty() {
        config["current-context"].as_str().unwrap_or_default()
    } else {
        context
    };
    let Some(body) = entry(config, Section::Contexts, named) else {
        return Err(KubeconfigError::NoContext(named.to_owned()));
    };
    let mut small = config.clone();
    small["current-context"] = Value::from(named);
    for (section, keep) in [
        (Section::Contexts, named),
        (Section::Clusters, crate::object::text(body, "cluster")),
        (Section::Users, crate::object::text(body, "user")),
    ] {
        if let Some(entries) = small[section.list()].as_array_mut() {
            entries.retain(|e| e["name"] == keep);
        }
    }
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::{Overrides, Section, choose, entry, merge, minified, parse, redacted, set_entry};

    const FIRST: &str = "current-context: a\nclusters: [{name: k, cluster: {server: 'https://one:6443'}}]\ncontexts: [{name: a, context: {cluster: k, user: u, namespace: ns1}}]\nusers: [{name: u, user: {token: secret}}]\n";
    const SECOND: &str = "current-context: b\nclusters: [{name: k, cluster: {server: 'https://two:6443'}}, {name: l, cluster: {server: 'https://three:6443'}}]\ncontexts: [{name: b, context: {cluster: l, user: u}}]\n";

    fn both() -> serde_json::Value {
        merge(&[parse("1", FIRST).unwrap(), parse("2", SECOND).unwrap()])
    }

    #[test]
    fn the_first_file_wins() {
        let config = both();
        assert_eq!(config["current-context"], "a");
        assert_eq!(
            entry(&config, Section::Clusters, "k").unwrap()["server"],
            "https://one:6443"
        );
        assert!(entry(&config, Section::Clusters, "l").is_some());
    }

    #[test]
    fn contexts_are_chosen() {
        let config = both();
        let chosen = choose(&config, &Overrides::default()).unwrap();
        assert_eq!(
            (chosen.namespace.as_str(), chosen.namespace_named),
            ("ns1", true)
        );
        assert_eq!(chosen.user["token"], "secret");
        let other = Overrides {
            context: "b".to_owned(),
            ..Overrides::default()
        };
        let chosen = choose(&config, &other).unwrap();
        assert_eq!(chosen.cluster["server"], "https://three:6443");
        assert_eq!(chosen.namespace, "default");
        let wrong = Overrides {
            context: "c".to_owned(),
            ..Overrides::default()
        };
        assert!(choose(&config, &wrong).is_err());
    }

    #[test]
    fn what_is_shown_holds_no_secrets() {
        let small = redacted(&minified(&both(), "").unwrap());
        assert_eq!(small["users"][0]["user"]["token"], "REDACTED");
        assert_eq!(small["clusters"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn entries_are_replaced_in_place() {
        let mut config = both();
        assert!(set_entry(
            &mut config,
            Section::Users,
            "u",
            serde_json::json!({"token": "x"})
        ));
        assert!(!set_entry(
            &mut config,
            Section::Users,
            "a",
            serde_json::json!({})
        ));
        assert_eq!(config["users"][0]["name"], "a");
        assert_eq!(config["users"][1]["user"]["token"], "x");
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        assert!(parse("f", "- 1").is_err());
        assert!(parse("f", "a: b: c").is_err());
        assert!(parse("f", "").unwrap()["clusters"].is_null());
    }
}
