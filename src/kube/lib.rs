//! Kubernetes objects without IO: the table of kinds, selectors, patches, validation,
//! defaults, table columns, schemas, JSONPath, YAML, request building; and the shape of
//! klog's lines and Go's words for errors.
//!
//! An object is a [`serde_json::Value`] whose maps are sorted by key.

#![forbid(unsafe_code)]

pub mod apply;
pub mod certificate;
pub mod defaults;
pub mod gofmt;
pub mod image;
pub mod jsonpath;
pub mod klog;
pub mod known_flags;
pub mod kubeconfig;
pub mod object;
pub mod openapi;
pub mod patch;
pub mod protobuf;
pub mod quantity;
pub mod request;
pub mod resources;
pub mod schema;
pub mod selector;
pub mod signing;
pub mod table;
pub mod threeway;
pub mod time;
pub mod validate;
pub mod yaml;
