//! The door for outgoing HTTP.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::outbound::Networks;

/// `[outbound]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Networks that are not public and may be reached.
    pub private_networks: Networks,
    /// Further authorities that are believed, in PEM; relative to the data directory.
    pub certificate_authorities: PathBuf,
}
