//! What tokens are like.

use serde::{Deserialize, Serialize};

/// `[tokens]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Days.
    pub refresh_days: u32,
    /// Whether DPoP proofs need a nonce of ours.
    pub dpop_nonces: bool,
}
