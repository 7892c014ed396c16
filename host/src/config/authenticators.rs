//! What is proved by an approval.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::protocol::plugin::PluginName;
use crate::protocol::transaction::Evidence;

/// `[authenticators]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticators {
    /// Authentication contexts, the weakest first.
    pub order: Vec<String>,
    /// What an approval on a device page proves.
    pub device_page: Authenticator,
    /// What an approval that a plugin submits proves; nothing where it is not named.
    pub plugins: HashMap<PluginName, Authenticator>,
}

/// What an approval proves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authenticator {
    /// Authentication context class; empty for none.
    pub acr: String,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
}

impl Authenticator {
    /// As it stands in tokens.
    pub fn evidence(&self) -> Evidence {
        Evidence { acr: Some(self.acr.clone()).filter(|acr| !acr.is_empty()), amr: self.amr.clone() }
    }
}
