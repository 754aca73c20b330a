//! What a request asks for: path, verb, resource, query, wanted form.

use http::{HeaderMap, Method};

/// A request's path and verb, taken apart as the reference does
/// (`apiserver/pkg/endpoints/request/requestinfo.go`, v0.32).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether the path names a resource.
    pub is_resource: bool,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`; the lower-case method for other paths.
    pub verb: String,
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Namespace; empty for cluster-scoped requests and for all namespaces.
    pub namespace: String,
    /// Plural.
    pub resource: String,
    /// Subresource; empty if there is none.
    pub subresource: String,
    /// Name; empty for collections.
    pub name: String,
    /// The whole path.
    pub path: String,
    /// What follows the subresource (proxy paths).
    pub rest: String,
}

impl RequestInfo {
    /// Takes a request apart.
    pub fn parse(method: &Method, path: &str, query: &Query) -> RequestInfo {
        let mut info = RequestInfo {
            path: path.to_string(),
            verb: method.as_str().to_ascii_lowercase(),
            ..RequestInfo::default()
        };
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let mut rest = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => {
                info.version = (*version).to_string();
                rest
            }
            ["apis", group, version, rest @ ..] if !rest.is_empty() => {
                info.group = (*group).to_string();
                info.version = (*version).to_string();
                rest
            }
            _ => return info,
        };
        info.is_resource = true;
        info.verb = match *method {
            Method::POST => "create",
            Method::GET | Method::HEAD => "get",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => "",
        }
        .to_string();
        if let ["namespaces", namespace, after @ ..] = rest {
            info.namespace = (*namespace).to_string();
            if !after.is_empty() && !matches!(after, ["status" | "finalize"]) {
                rest = after;
            }
        }
        let get = |index: usize| rest.get(index).map_or(String::new(), |s| decode(s));
        info.resource = get(0);
        info.name = get(1);
        info.subresource = get(2);
        info.rest = rest.get(3..).map_or(String::new(), |rest| rest.join("/"));
        if info.name.is_empty() {
            match info.verb.as_str() {
                "get" if query.truth("watch") => info.verb = "watch".to_string(),
                "get" => info.verb = "list".to_string(),
                "delete" => info.verb = "deletecollection".to_string(),
                _ => {}
            }
            // A list of one name is authorized as an access to that name.
            if matches!(info.verb.as_str(), "list" | "watch" | "deletecollection")
                && let Some(selector) = query.get("fieldSelector")
                && let Ok(selector) = kube::selector::FieldSelector::parse(selector)
                && let Some(name) = selector.wanted("metadata.name")
            {
                info.name = name.to_string();
            }
        }
        info
    }
}

/// Undoes percent-encoding.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A query string's parameters, decoded, in order.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses a query string.
    pub fn parse(text: &str) -> Query {
        Query(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (
                        decode(&key.replace('+', " ")),
                        decode(&value.replace('+', " ")),
                    )
                })
                .collect(),
        )
    }
    /// The first value of a parameter; none if it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
    /// Whether a boolean parameter is set: `true`, `1` or present without a value.
    pub fn truth(&self, name: &str) -> bool {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .is_some_and(|(_, value)| matches!(value.as_str(), "true" | "1" | "" | "True"))
    }
    /// Every value of a parameter.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }
    /// Whether the request is a dry run.
    pub fn dry_run(&self) -> bool {
        self.all("dryRun").contains(&"All")
    }
}

/// How an answer is shaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// The object or list itself.
    Plain,
    /// A `Table` of that `meta.k8s.io` version.
    Table(String),
    /// Only metadata, of that `meta.k8s.io` version.
    Metadata(String),
}

/// The wanted form of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// Its shape.
    pub shape: Shape,
    /// YAML instead of JSON.
    pub yaml: bool,
}

/// The media types every endpoint can produce.
pub const MEDIA_TYPES: &str =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";

impl Accept {
    /// Picks the first acceptable media type; none if there is none that can be made.
    pub fn parse(headers: &HeaderMap) -> Option<Accept> {
        let plain = Accept {
            shape: Shape::Plain,
            yaml: false,
        };
        let header = headers
            .get(http::header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        if header.trim().is_empty() {
            return Some(plain);
        }
        header.split(',').find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or("");
            let parameters: Vec<(&str, &str)> =
                parts.filter_map(|part| part.split_once('=')).collect();
            let parameter = |name: &str| {
                parameters
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map_or("", |(_, value)| *value)
            };
            let yaml = match media {
                "application/json" | "*/*" | "application/*" => false,
                "application/yaml" => true,
                _ => return None,
            };
            let version = match parameter("v") {
                "" => "v1".to_string(),
                version => version.to_string(),
            };
            let shape = match parameter("as") {
                "Table" if matches!(version.as_str(), "v1" | "v1beta1") => Shape::Table(version),
                "PartialObjectMetadata" | "PartialObjectMetadataList" => Shape::Metadata(version),
                "" => Shape::Plain,
                _ => return None,
            };
            Some(Accept { shape, yaml })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(method: Method, path: &str, query: &str) -> (String, String, String, String, String) {
        let info = RequestInfo::parse(&method, path, &Query::parse(query));
        (
            info.verb,
            info.namespace,
            info.resource,
            info.name,
            info.subresource,
        )
    }

    fn row(
        a: &str,
        b: &str,
        c: &str,
        d: &str,
        e: &str,
    ) -> (String, String, String, String, String) {
        (a.into(), b.into(), c.into(), d.into(), e.into())
    }

    #[test]
    fn paths_are_taken_apart() {
        let get = Method::GET;
        assert_eq!(
            info(get.clone(), "/api/v1/namespaces/a/pods/b/log", ""),
            row("get", "a", "pods", "b", "log")
        );
        assert_eq!(
            info(get.clone(), "/api/v1/namespaces/a", ""),
            row("get", "a", "namespaces", "a", "")
        );
        assert_eq!(
            info(Method::PUT, "/api/v1/namespaces/a/finalize", ""),
            row("update", "a", "namespaces", "a", "finalize")
        );
        assert_eq!(
            info(get.clone(), "/api/v1/pods", "watch=true"),
            row("watch", "", "pods", "", "")
        );
        assert_eq!(
            info(
                get,
                "/apis/apps/v1/namespaces/a/deployments",
                "fieldSelector=metadata.name%3Dx"
            ),
            row("list", "a", "deployments", "x", "")
        );
        assert_eq!(
            info(Method::DELETE, "/apis/apps/v1/namespaces/a/deployments", ""),
            row("deletecollection", "a", "deployments", "", "")
        );
        assert!(!RequestInfo::parse(&Method::GET, "/healthz", &Query::default()).is_resource);
        assert!(!RequestInfo::parse(&Method::GET, "/apis/apps/v1", &Query::default()).is_resource);
    }

    #[test]
    fn accept_picks_the_first_that_can_be_made() {
        let accept = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept", text.parse().expect("a header"));
            Accept::parse(&headers).map(|a| a.shape)
        };
        assert_eq!(
            accept("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"),
            Some(Shape::Table("v1".to_string()))
        );
        assert_eq!(
            accept("application/vnd.kubernetes.protobuf,application/json"),
            Some(Shape::Plain)
        );
        assert_eq!(accept("application/vnd.kubernetes.protobuf"), None);
    }
}
