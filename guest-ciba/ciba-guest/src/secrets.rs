//! Settings that your schema marks `writeOnly`. You get a handle in the place of each, and the host works with it.

use serde::Deserialize;

use crate::Refusal;
use crate::bindings::ciba::interception::secrets as host;

/// A secret among your settings: a field of this type where the schema says `"writeOnly": true`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    secret: String,
}

impl Secret {
    /// Where it stands: a JSON Pointer, for example `/token`. Name it in [`Problem::new`](crate::Problem::new).
    pub fn pointer(&self) -> &str {
        &self.secret
    }

    /// HMAC-SHA-256 with it. The bytes of its text are the key.
    ///
    /// # Errors
    ///
    /// When the message is longer than 256 KiB.
    pub fn hmac_sha256(&self, message: &[u8]) -> Result<Vec<u8>, Refusal> {
        host::hmac_sha256(&self.secret, message)
    }

    /// A signature for `webhook-signature`, as Standard Webhooks describes it. `message` is `id.timestamp.body`.
    ///
    /// # Errors
    ///
    /// When it is neither `whsec_…` nor `whsk_…`: what is wrong with it. Sign nothing with it in `validate_settings` to
    /// find out.
    pub fn webhook_signature(&self, message: &[u8]) -> Result<String, Refusal> {
        host::webhook_signature(&self.secret, message)
    }

    /// What it says. The operator allows exactly this one: ask for it with [`Need::Reveal`](crate::Need::Reveal).
    ///
    /// # Errors
    ///
    /// When the operator has not.
    pub fn reveal(&self) -> Result<String, Refusal> {
        host::reveal(&self.secret)
    }
}
