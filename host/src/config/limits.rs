//! Who may ask how often.

use serde::{Deserialize, Serialize};

/// `[limits]`. 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Requests that one client starts.
    pub requests_per_client_minute: u32,
    /// Requests that reach one person.
    pub requests_per_user_minute: u32,
    /// Those of one client.
    pub requests_per_pair_minute: u32,
    /// Requests that wait for one person at the same time.
    pub pending_per_user: u32,
    /// Wrong credentials, and registrations.
    pub failures_per_address_minute: u32,
    /// Wrong credentials of one client from one address, and wrong codes of one person from one client.
    pub lockout_failures: u32,
    /// The longest lockout.
    pub lockout_minutes: u32,
}

impl LimitsConfig {
    /// The limits that are off, or higher than where nobody says anything, in words.
    pub fn relaxed(&self) -> Vec<String> {
        let defaults = Self::default();
        let each = [
            ("requests_per_client_minute", self.requests_per_client_minute, defaults.requests_per_client_minute),
            ("requests_per_user_minute", self.requests_per_user_minute, defaults.requests_per_user_minute),
            ("requests_per_pair_minute", self.requests_per_pair_minute, defaults.requests_per_pair_minute),
            ("pending_per_user", self.pending_per_user, defaults.pending_per_user),
            ("failures_per_address_minute", self.failures_per_address_minute, defaults.failures_per_address_minute),
            ("lockout_failures", self.lockout_failures, defaults.lockout_failures),
        ];
        let relaxed = each.into_iter().filter(|(_, set, default)| *set == 0 || set > default);
        relaxed.map(|(name, set, default)| format!("limits.{name} = {set} instead of {default}")).collect()
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            requests_per_client_minute: 6000,
            requests_per_user_minute: 10,
            requests_per_pair_minute: 5,
            pending_per_user: 10,
            failures_per_address_minute: 60,
            lockout_failures: 5,
            lockout_minutes: 15,
        }
    }
}
