//! YAML as kubectl reads and writes it.
//!
//! kubectl converts through `sigs.k8s.io/yaml`, which is go-yaml version 2:
//! YAML 1.1 booleans (`yes`, `on`, `n`…), C-like integers (`0x10`, `010`),
//! merge keys, and its own rules for quoting, folding and the order of keys.
//! The event parser is the crate `granit-parser`; everything that gives the
//! events a meaning, and the whole emitter, is here, because no general crate
//! follows version 2's rules and learners compare the output with Google's.

mod emit;
mod parse;
mod resolve;
#[cfg(test)]
mod tests;

pub use emit::to_string;
pub use parse::{Document, YamlError, parse_documents, parse_documents_with_lines, parse_one};
