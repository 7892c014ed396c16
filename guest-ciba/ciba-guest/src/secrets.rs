//! Settings that your schema marks `writeOnly`. You get a handle in the place of each, and the host works with it.

use serde::Deserialize;

use crate::Refusal;
use crate::bindings::ciba::interception::{credentials, secrets as host};

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

    /// `Bearer …` for the `Authorization` header, where it is the file of a Google service account. The host fetches the
    /// token, and gives it again while it is good. Ask for HTTP to `https://oauth2.googleapis.com`, where these files send it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Other`] when it is no such file, or Google gives no token for it; [`Refusal::Unavailable`] when that may
    /// be different later.
    pub fn google(&self, scopes: &[&str]) -> Result<String, Refusal> {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).into()).collect();
        credentials::google(&self.secret, &scopes)
    }

    /// `bearer …` for the `authorization` header of APNs, where it is the `.p8` file.
    ///
    /// # Errors
    ///
    /// When it is no such file, or the identifiers are not what Apple gives.
    pub fn apns(&self, key_id: &str, team_id: &str) -> Result<String, Refusal> {
        credentials::apns(&self.secret, key_id, team_id)
    }

    /// `vapid …` for the `Authorization` header of a push service, where it is a P-256 key. `audience` is the origin of
    /// the subscription's endpoint, `subject` a `mailto:` or `https:` address of the operator's.
    ///
    /// # Errors
    ///
    /// When it is no such key: what is wrong with it. Ask for one in `validate_settings` to find out.
    pub fn vapid(&self, audience: &str, subject: &str) -> Result<String, Refusal> {
        credentials::vapid(&self.secret, audience, subject)
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
