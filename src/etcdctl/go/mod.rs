//! Go's ways of writing things down, because the reference is a Go program and
//! what it prints is what learners know: `%q`, durations, parse errors, sizes,
//! aligned columns.

pub mod duration;
pub mod number;
pub mod os;
pub mod quote;
pub mod size;
pub mod tabwriter;

#[cfg(test)]
mod tests;
