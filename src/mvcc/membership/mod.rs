//! Who is in the cluster: members, removed ids, cluster version.

mod ids;
mod json;
mod sha1;
mod state;

#[cfg(test)]
mod tests;

pub use ids::{cluster_id, member_id};
pub(crate) use json::{
    Attributes, conf_state_from_json, conf_state_to_json, escape_as_go, member_to_parts,
};
pub use json::{Context, member_from_json, member_to_json};
pub use state::{ConfChanged, Downgrade, Member, Membership};
