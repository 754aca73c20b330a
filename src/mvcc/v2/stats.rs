//! How many requests went well and how many did not (`stats.go`).

use serde::{Deserialize, Serialize};

/// Counts since the store was made; they are stored with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    pub gets_success: u64,
    pub gets_fail: u64,
    pub sets_success: u64,
    pub sets_fail: u64,
    pub delete_success: u64,
    pub delete_fail: u64,
    pub update_success: u64,
    pub update_fail: u64,
    pub create_success: u64,
    pub create_fail: u64,
    pub compare_and_swap_success: u64,
    pub compare_and_swap_fail: u64,
    pub compare_and_delete_success: u64,
    pub compare_and_delete_fail: u64,
    pub expire_count: u64,
    /// Watches that wait now.
    pub watchers: u64,
}

impl Stats {
    /// As `/v2/stats/store` shows them.
    #[must_use]
    pub fn to_json(&self) -> String {
        super::as_go(self)
    }
}
