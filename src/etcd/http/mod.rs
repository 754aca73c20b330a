//! What is served over HTTP.

pub mod answer;
pub mod serve;
