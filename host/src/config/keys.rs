//! What tokens are signed with, and for how long.

use serde::{Deserialize, Serialize};

use super::Ciba;
use crate::protocol::algorithm::JwsAlgorithm;

/// `[keys]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// One key for each of these.
    pub algorithms: Vec<JwsAlgorithm>,
    /// Days; 0 for never.
    pub rotate_days: u32,
    /// Hours.
    pub overlap_hours: u32,
    /// Days.
    pub keep_days: u32,
}

impl Keys {
    pub(super) fn check(&self, ciba: &Ciba) -> Result<(), (&'static str, String)> {
        let known = |alg: &JwsAlgorithm| JwsAlgorithm::ASYMMETRIC.contains(alg);
        let once = |alg: &JwsAlgorithm| self.algorithms.iter().filter(|other| *other == alg).count() == 1;
        // Tokens of clients that chose nothing are signed in ES256.
        if !self.algorithms.iter().all(|alg| known(alg) && once(alg)) || !self.algorithms.contains(&JwsAlgorithm::Es256) {
            return Err(("keys.algorithms", "must name ES256, and may name PS256, RS256, EdDSA and Ed25519, each once".to_owned()));
        }
        let tokens = ciba.access_token_expires_in.max(ciba.id_token_expires_in);
        if u64::from(self.overlap_hours) * 3600 < u64::from(tokens) {
            return Err(("keys.overlap_hours", format!("must be at least as long as tokens live, which is {tokens} seconds")));
        }
        // PROTOCOL 3: the key of the oldest hint that is taken signed last when that hint was made.
        let needed = u64::from(ciba.id_token_hint_days) * 86_400 + u64::from(ciba.id_token_expires_in);
        if u64::from(self.keep_days) * 86_400 < needed {
            let days = needed.div_ceil(86_400);
            return Err((
                "keys.keep_days",
                format!("must be at least {days}: as long as ciba.id_token_hint_days and ID tokens' own lifetime"),
            ));
        }
        Ok(())
    }
}
