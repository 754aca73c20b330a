//! Kubernetes objects without IO: the table of kinds, selectors, patches,
//! validation, defaults, table columns, schemas, JSONPath, YAML, request building.
//!
//! An object is a [`serde_json::Value`] whose maps are sorted by key.

#![forbid(unsafe_code)]

pub mod resources;
pub mod yaml;
pub mod gofmt;
pub mod jsonpath;
