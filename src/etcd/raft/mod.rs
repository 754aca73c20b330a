//! The raft loop of a member: one task that awaits events and decides
//! synchronously, one thread that writes the log to disk.

pub(crate) mod convert;
pub(crate) mod disk;
pub(crate) mod driver;
pub(crate) mod events;
pub(crate) mod memory;
