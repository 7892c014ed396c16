//! Provider tokens of Apple's push service.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};
use zeroize::Zeroizing;

use super::super::contract::ciba::interception::refusals::Refusal;
use crate::jose::ServiceKey;

/// Apple refuses a token that is older than an hour, and whoever makes a new one within twenty minutes.
pub(super) const GIVEN_FOR: SignedDuration = SignedDuration::from_mins(40);

/// Signs a provider token.
pub(super) fn sign(file: &str, key_id: &str, team_id: &str, now: Timestamp) -> Result<Zeroizing<String>, Refusal> {
    for (what, text) in [("key-id", key_id), ("team-id", team_id)] {
        if text.len() != 10 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Refusal::Other(format!("{what} is ten letters and digits, as Apple's developer pages show it")));
        }
    }
    let key = ServiceKey::es256(file).map_err(Refusal::Other)?;
    let header = Map::from_iter([("kid".to_owned(), key_id.into())]);
    let signed = key.sign(header, &json!({"iss": team_id, "iat": now.as_second()}));
    signed.map_err(|_| Refusal::Other("this key cannot sign".to_owned()))
}
