//! From probes to evidence to a verdict to a report.
//!
//! The looking is done by a process of its own inside the lab's network (see
//! [`inside`]), which reads the nodes' files from outside the nodes. A check that
//! could not look says so; it never counts as a wrong answer.
//!
//! Never here: changing the cluster.
#![forbid(unsafe_code)]

pub mod assignment;
pub mod exam;
mod keyspace;
mod live;
mod logs;
mod member;
mod node;
mod overlay;
pub mod paper;
mod patience;
mod probes;
mod run;
pub mod verdict;

pub use assignment::{Assignment, Facts, inside};
pub use exam::{GradeError, grade, lost, record_facts};
pub use paper::Paper;
pub use verdict::{Outcome, Report, TaskReport};
