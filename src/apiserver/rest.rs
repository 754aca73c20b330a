//! The REST interface: one function a verb, shared ground here.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kube::resources::Resource;
use kube::selector::{FieldSelector, LabelSelector};
use serde_json::{Value, json};

use crate::app::{App, now};
use crate::authn::User;
use crate::request::{Accept, Query, RequestInfo, Shape};
use crate::status::Failure;

pub mod admission;
pub mod create;
pub mod delete;
pub mod discovery;
pub mod eviction;
pub mod health;
pub mod list;
pub mod metrics;
pub mod openapi;
pub mod patch;
pub mod proxy;
pub mod reviews;
pub mod services;
pub mod subresources;
pub mod update;
pub mod watch;

/// A response's body.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;
/// What a handler comes to.
pub type Answer = Result<Response<Body>, Failure>;

/// One request's surroundings.
pub struct Context {
    /// The server.
    pub app: Arc<App>,
    /// Who asks (after impersonation).
    pub user: User,
    /// What is asked.
    pub info: RequestInfo,
    /// Query parameters.
    pub query: Query,
    /// The wanted form.
    pub accept: Accept,
    /// The first word of the client's name: the default field manager.
    pub agent: String,
    /// The body's media type, without parameters.
    pub content_type: String,
}

/// A body of bytes.
pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A response of plain text.
pub fn text(code: u16, content: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(body(content.into()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        "x-content-type-options",
        http::HeaderValue::from_static("nosniff"),
    );
    response
}

/// A response of JSON.
pub fn json_response(code: u16, value: &Value) -> Response<Body> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    let mut response = Response::new(body(bytes));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        http::HeaderValue::from_static("application/json"),
    );
    headers.insert(
        "cache-control",
        http::HeaderValue::from_static("no-cache, private"),
    );
    response
}

/// A refusal as a response, in the wanted form.
pub fn failure(failure: &Failure, yaml: bool) -> Response<Body> {
    let mut response = formatted(failure.code, &failure.to_value(), yaml);
    if let Some(seconds) = failure
        .details
        .get("retryAfterSeconds")
        .and_then(Value::as_i64)
        && let Ok(value) = seconds.to_string().parse()
    {
        response.headers_mut().insert("retry-after", value);
    }
    response
}

/// A value as JSON or YAML.
pub fn formatted(code: u16, value: &Value, yaml: bool) -> Response<Body> {
    if !yaml {
        return json_response(code, value);
    }
    let mut response = Response::new(body(kube::yaml::to_string(value)));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    let yaml = http::HeaderValue::from_static("application/yaml");
    response.headers_mut().insert("content-type", yaml);
    response
}

/// Adds `Warning` headers.
pub fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = format!("299 - \"{quoted}\"").parse() {
            response.headers_mut().append("warning", value);
        }
    }
}

impl Context {
    /// One object as an answer, shaped as the client wants it.
    pub fn object(&self, resource: &Resource, code: u16, object: &Value) -> Answer {
        let shown = match &self.accept.shape {
            Shape::Plain => {
                return Ok(formatted(
                    code,
                    &present(resource, object),
                    self.accept.yaml,
                ));
            }
            Shape::Metadata(version) => json!({"kind": "PartialObjectMetadata",
                "apiVersion": format!("meta.k8s.io/{version}"), "metadata": object["metadata"]}),
            Shape::Table(version) => {
                let meta = json!({"resourceVersion": kube::object::resource_version(object)});
                let include = self.query.get("includeObject").unwrap_or("Metadata");
                let objects = [present(resource, object)];
                kube::table::table(resource, &objects, meta, include, version, now())
            }
        };
        Ok(formatted(code, &shown, self.accept.yaml))
    }

    /// The field manager of a write: the parameter, or the client's name.
    pub fn manager(&self) -> String {
        self.query
            .get("fieldManager")
            .map_or_else(|| self.agent.clone(), str::to_string)
    }
}

/// A stored object as the resource's version shows it.
pub fn present(resource: &Resource, object: &Value) -> Value {
    if resource.group == "events.k8s.io" {
        return crate::events::to_events_v1(object);
    }
    object.clone()
}

/// The selectors of a request.
pub struct Selection {
    /// On labels.
    pub labels: LabelSelector,
    /// On fields.
    pub fields: FieldSelector,
}

impl Selection {
    /// Reads them from the query.
    pub fn from(context: &Context, resource: &Resource) -> Result<Selection, Failure> {
        let labels = LabelSelector::parse(context.query.get("labelSelector").unwrap_or(""))
            .map_err(|e| Failure::bad_request(format!("unable to parse requirement: {e}")))?;
        let fields = FieldSelector::parse(context.query.get("fieldSelector").unwrap_or(""))
            .map_err(|e| Failure::bad_request(e.to_string()))?;
        fields
            .check(resource.kind, resource.plural)
            .map_err(|e| Failure::bad_request(e.to_string()))?;
        Ok(Selection { labels, fields })
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.labels
            .matches(kube::object::at(object, "metadata.labels"))
            && self.fields.matches(object)
    }
}
